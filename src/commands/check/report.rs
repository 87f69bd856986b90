//! The report of a check: lines for a person or one JSON object for a script.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use crate::commands::counted;
use crate::terminal::{Marks, escaped, escaped_json};

/// The format of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckOutput {
    #[default]
    Text,
    Json,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Warning,
    Failed,
}

/// One thing that was checked, and the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The kind of step: `configuration`, `certificate`, `repository`, `discovery`, `proxy`,
    /// `virtual-proxy` or `sessions`.
    pub step: &'static str,
    /// What was checked: a file, an address, a certificate or a pair.
    pub target: String,
    pub status: Status,
    pub message: String,
    /// What the administrator can try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    #[serde(flatten)]
    pub facts: Facts,
}

/// The figures of a step, for scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// The failure reason, as in the `reason` label of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// When a certificate expires, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_services: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_proxies: Option<usize>,
}

impl Step {
    pub fn new(
        step: &'static str,
        target: impl Into<String>,
        status: Status,
        message: impl Into<String>,
    ) -> Self {
        Self {
            site: None,
            step,
            target: target.into(),
            status,
            message: message.into(),
            advice: None,
            facts: Facts::default(),
        }
    }

    /// Sets the advice; an empty one counts as none.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()).filter(|advice| !advice.is_empty()), ..self }
    }

    pub fn with(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// Returns whether the advice of this step also covers `other`.
    fn has_same_advice(&self, other: &Self) -> bool {
        self.status == other.status && self.advice == other.advice
    }

    pub fn of_site(self, site: &str) -> Self {
        Self { site: Some(site.to_owned()), ..self }
    }
}

/// Colors and marks of the lines for a person.
#[derive(Debug, Clone, Copy)]
pub struct ReportStyle {
    colors: bool,
    marks: Marks,
}

impl ReportStyle {
    /// Creates a style; `rare_signs` allows marks that not every font has.
    pub fn new(colors: bool, rare_signs: bool) -> Self {
        Self { colors, marks: Marks::new(rare_signs) }
    }
}

/// Collects the steps. Text is written step by step, JSON as one object at the end.
pub struct Report<'w, W> {
    output: CheckOutput,
    out: &'w mut W,
    style: ReportStyle,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Object<'a> {
    status: Status,
    steps: &'a [Step],
}

impl<'w, W: Write> Report<'w, W> {
    pub fn new(output: CheckOutput, out: &'w mut W, style: ReportStyle) -> Self {
        Self { output, out, style, steps: Vec::new() }
    }

    pub fn add(&mut self, step: Step) -> io::Result<()> {
        if self.output == CheckOutput::Text {
            self.write(&step)?;
        }
        self.steps.push(step);
        Ok(())
    }

    pub fn failed(&self) -> bool {
        self.count(Status::Failed) > 0
    }

    /// Writes the end of the report: a summary as text, or the whole JSON object.
    pub fn finish(self) -> io::Result<()> {
        let (failed, warnings) = (self.count(Status::Failed), self.count(Status::Warning));
        match self.output {
            CheckOutput::Text if failed > 0 => {
                writeln!(self.out, "\n{failed} failed, {}", counted(warnings, "warning"))?;
            }
            CheckOutput::Text if warnings > 0 => {
                writeln!(self.out, "\neverything works, {}", counted(warnings, "warning"))?;
            }
            CheckOutput::Text => writeln!(self.out, "\neverything works")?,
            CheckOutput::Json => {
                let status = match (failed, warnings) {
                    (0, 0) => Status::Ok,
                    (0, _) => Status::Warning,
                    _ => Status::Failed,
                };
                let object = Object { status, steps: &self.steps };
                let json = serde_json::to_string_pretty(&object).map_err(io::Error::other)?;
                writeln!(self.out, "{}", escaped_json(&json))?;
            }
        }
        self.out.flush()
    }

    fn count(&self, status: Status) -> usize {
        self.steps.iter().filter(|step| step.status == status).count()
    }

    fn write(&mut self, step: &Step) -> io::Result<()> {
        let previous = self.steps.last();
        if let Some(site) = &step.site
            && previous.is_none_or(|previous| previous.site != step.site)
        {
            let bold = self.styled(Style::new().bold());
            writeln!(self.out, "\n{bold}site {}{bold:#}", escaped(site))?;
        }
        let (mark, color) = match step.status {
            Status::Ok => (self.style.marks.good, AnsiColor::Green),
            Status::Warning => ('!', AnsiColor::Yellow),
            Status::Failed => (self.style.marks.bad, AnsiColor::Red),
        };
        let style = self.styled(color.on_default().bold());
        let name = match &*step.target {
            "" => step.step.to_owned(),
            target => format!("{} {target}", step.step),
        };
        writeln!(self.out, "{style}{mark}{style:#} {}: {}", escaped(&name), escaped(&step.message))?;
        // The same advice is printed only once in a row.
        if let Some(advice) = &step.advice
            && previous.is_none_or(|previous| !previous.has_same_advice(step))
        {
            let dim = self.styled(Style::new().dimmed());
            writeln!(self.out, "  {dim}→{dim:#} {}", escaped(advice))?;
        }
        self.out.flush()
    }

    fn styled(&self, style: Style) -> Style {
        if self.style.colors { style } else { Style::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(output: CheckOutput, colors: bool, steps: impl IntoIterator<Item = Step>) -> String {
        written_in(output, ReportStyle::new(colors, true), steps)
    }

    fn written_in(output: CheckOutput, style: ReportStyle, steps: impl IntoIterator<Item = Step>) -> String {
        let mut out = Vec::new();
        let mut report = Report::new(output, &mut out, style);
        for step in steps {
            report.add(step).unwrap();
        }
        report.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn proxy(status: Status, message: &str) -> Step {
        Step::new("proxy", "Central /", status, message).of_site("production")
    }

    #[test]
    fn text_has_a_line_for_each_step_under_its_site() {
        let steps = [
            Step::new("configuration", "config.toml", Status::Ok, "read, 1 site"),
            proxy(Status::Ok, "12 sessions"),
            proxy(Status::Warning, "slow").advise("Wait."),
            proxy(Status::Failed, "refused").advise("Open the port."),
            proxy(Status::Failed, "refused").advise("Open the port."),
        ];
        assert_eq!(
            written(CheckOutput::Text, false, steps),
            "✓ configuration config.toml: read, 1 site\n\nsite production\n✓ proxy Central /: 12 sessions\n\
             ! proxy Central /: slow\n  → Wait.\n✗ proxy Central /: refused\n  → Open the port.\n\
             ✗ proxy Central /: refused\n\n2 failed, 1 warning\n"
        );
    }

    #[test]
    fn only_text_with_colors_has_escape_sequences() {
        assert!(
            written(CheckOutput::Text, true, [proxy(Status::Failed, "x")]).contains("\u{1b}[1m\u{1b}[31m✗")
        );
        for output in [CheckOutput::Text, CheckOutput::Json] {
            assert!(!written(output, false, [proxy(Status::Failed, "x")]).contains('\u{1b}'));
        }
        assert!(!written(CheckOutput::Json, true, [proxy(Status::Failed, "x")]).contains('\u{1b}'));
    }

    #[test]
    fn marks_differ_without_rare_signs_too() {
        let steps = [proxy(Status::Ok, "x"), proxy(Status::Failed, "y")];
        let text = written_in(CheckOutput::Text, ReportStyle::new(false, false), steps);
        assert!(text.contains("√ proxy Central /: x\n× proxy Central /: y\n"), "{text}");
    }

    #[test]
    fn control_characters_in_names_are_escaped() {
        let evil = "\u{1b}[2Jx\n✓ all good\u{202e}";
        let step = Step::new("proxy", evil, Status::Failed, evil).advise(evil).of_site(evil);
        let text = written(CheckOutput::Text, false, [step.clone()]);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains("\n✓"), "{text}");
        let json = written(CheckOutput::Json, false, [step]);
        assert!(!json.contains('\u{1b}') && !json.contains('\u{202e}'), "{json}");
    }

    #[test]
    fn json_is_one_object_with_all_steps() {
        let facts = Facts { sessions: Some(12), ..Facts::default() };
        let steps = [proxy(Status::Ok, "12 sessions").with(facts), proxy(Status::Warning, "x").advise("y")];
        let found: serde_json::Value =
            serde_json::from_str(&written(CheckOutput::Json, false, steps)).unwrap();
        assert_eq!(
            found,
            serde_json::json!({ "status": "warning", "steps": [
                { "site": "production", "step": "proxy", "target": "Central /", "status": "ok",
                  "message": "12 sessions", "sessions": 12 },
                { "site": "production", "step": "proxy", "target": "Central /", "status": "warning",
                  "message": "x", "advice": "y" },
            ] })
        );
    }
}
