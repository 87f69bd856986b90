//! Assertions on a finished program: `run(args).await.assert().code(1).stderr_contains("…")`.
//!
//! assert_cmd starts the program by itself and blocks until it ends; here programs run beside the test, under
//! a time limit, and may end after a signal.

use super::program::Ended;

/// Each assertion that fails shows the command with all that it printed.
#[derive(Clone, Copy)]
pub struct Assert<'a> {
    ended: &'a Ended,
}

/// One of the two outputs.
#[derive(Clone, Copy)]
struct Output<'a> {
    name: &'static str,
    lines: &'a [String],
    ended: &'a Ended,
}

impl Ended {
    /// Starts a chain of assertions.
    pub fn assert(&self) -> Assert<'_> {
        Assert { ended: self }
    }

    /// Standard output as one text.
    pub fn stdout_text(&self) -> String {
        self.stdout.join("\n")
    }

    /// Standard error as one text.
    pub fn stderr_text(&self) -> String {
        self.stderr.join("\n")
    }

    /// The lines of both outputs.
    pub fn lines(&self) -> Vec<String> {
        [&*self.stdout, &self.stderr].concat()
    }

    /// How many lines on standard error contain all of these texts.
    pub fn count_stderr_lines(&self, texts: &[&str]) -> usize {
        count_lines(&self.stderr, texts)
    }
}

#[track_caller]
fn fail(ended: &Ended, what: &str) -> ! {
    let Ended { command, status, .. } = ended;
    let [stdout, stderr] = [ended.stdout_text(), ended.stderr_text()];
    panic!("{what}\n{command}\n{status}\n--- standard output:\n{stdout}\n--- standard error:\n{stderr}\n---");
}

fn count_lines(lines: &[String], texts: &[&str]) -> usize {
    lines.iter().filter(|line| texts.iter().all(|text| line.contains(text))).count()
}

impl<'a> Output<'a> {
    #[track_caller]
    fn check(self, holds: bool, what: &str) -> Assert<'a> {
        if !holds {
            fail(self.ended, &format!("{} {what}", self.name));
        }
        Assert { ended: self.ended }
    }

    #[track_caller]
    fn is(self, expected: &[impl AsRef<str>]) -> Assert<'a> {
        let same = self.lines.iter().map(String::as_str).eq(expected.iter().map(AsRef::as_ref));
        let expected: Vec<_> = expected.iter().map(AsRef::as_ref).collect();
        self.check(same, &format!("is not exactly {expected:#?}"))
    }

    #[track_caller]
    fn contains(self, text: &str) -> Assert<'a> {
        self.check(self.lines.join("\n").contains(text), &format!("does not contain {text:?}"))
    }

    #[track_caller]
    fn lacks(self, text: &str) -> Assert<'a> {
        self.check(!self.lines.join("\n").contains(text), &format!("contains {text:?}"))
    }

    #[track_caller]
    fn starts_with(self, text: &str) -> Assert<'a> {
        self.check(self.lines.join("\n").starts_with(text), &format!("does not start with {text:?}"))
    }

    #[track_caller]
    fn has_line(self, line: &str) -> Assert<'a> {
        self.check(self.lines.iter().any(|found| found == line), &format!("has no line {line:?}"))
    }

    #[track_caller]
    fn last_line(self, line: &str) -> Assert<'a> {
        let last = self.lines.last().map(String::as_str);
        self.check(last == Some(line), &format!("does not end with the line {line:?}"))
    }

    #[track_caller]
    fn lines_with(self, count: usize, texts: &[&str]) -> Assert<'a> {
        let found = count_lines(self.lines, texts);
        self.check(found == count, &format!("has {found} lines, not {count}, that contain {texts:?}"))
    }
}

impl<'a> Assert<'a> {
    fn stdout(self) -> Output<'a> {
        Output { name: "standard output", lines: &self.ended.stdout, ended: self.ended }
    }

    fn stderr(self) -> Output<'a> {
        Output { name: "standard error", lines: &self.ended.stderr, ended: self.ended }
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        if self.ended.status.code() != Some(code) {
            fail(self.ended, &format!("the exit code is not {code}"));
        }
        self
    }

    /// Exactly these lines, and no others.
    #[track_caller]
    pub fn stdout_is(self, lines: &[impl AsRef<str>]) -> Self {
        self.stdout().is(lines)
    }

    #[track_caller]
    pub fn stdout_is_empty(self) -> Self {
        self.stdout().is(&[""; 0])
    }

    #[track_caller]
    pub fn stdout_contains(self, text: impl AsRef<str>) -> Self {
        self.stdout().contains(text.as_ref())
    }

    #[track_caller]
    pub fn stdout_starts_with(self, text: impl AsRef<str>) -> Self {
        self.stdout().starts_with(text.as_ref())
    }

    /// One of the lines is exactly this.
    #[track_caller]
    pub fn stdout_has_line(self, line: impl AsRef<str>) -> Self {
        self.stdout().has_line(line.as_ref())
    }

    #[track_caller]
    pub fn stdout_last_line(self, line: impl AsRef<str>) -> Self {
        self.stdout().last_line(line.as_ref())
    }

    /// Exactly these lines, and no others.
    #[track_caller]
    pub fn stderr_is(self, lines: &[impl AsRef<str>]) -> Self {
        self.stderr().is(lines)
    }

    #[track_caller]
    pub fn stderr_is_empty(self) -> Self {
        self.stderr().is(&[""; 0])
    }

    #[track_caller]
    pub fn stderr_contains(self, text: impl AsRef<str>) -> Self {
        self.stderr().contains(text.as_ref())
    }

    #[track_caller]
    pub fn stderr_lacks(self, text: impl AsRef<str>) -> Self {
        self.stderr().lacks(text.as_ref())
    }

    #[track_caller]
    pub fn stderr_starts_with(self, text: impl AsRef<str>) -> Self {
        self.stderr().starts_with(text.as_ref())
    }

    #[track_caller]
    pub fn stderr_last_line(self, line: impl AsRef<str>) -> Self {
        self.stderr().last_line(line.as_ref())
    }

    /// Exactly so many lines contain all of these texts.
    #[track_caller]
    pub fn stderr_lines_with(self, count: usize, texts: &[&str]) -> Self {
        self.stderr().lines_with(count, texts)
    }
}
