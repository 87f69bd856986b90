//! The steps of a check, as lines for a person or as JSON for a script.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use crate::commands::counted;
use crate::terminal::{Marks, escaped, escaped_json};

/// For whom the steps are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Text,
    Json,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Warning,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What kind of thing: `configuration`, `certificate`, `repository`, `discovery`, `proxy`,
    /// `virtual-proxy` or `sessions`.
    pub step: &'static str,
    /// Which one.
    pub target: String,
    pub status: Status,
    pub message: String,
    /// What to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    #[serde(flatten)]
    pub facts: Facts,
}

/// What a script may want of a step besides.
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
    /// As in the metric's `reason` label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Of a certificate, in Unix seconds.
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

    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()).filter(|advice| !advice.is_empty()), ..self }
    }

    pub fn with(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    pub fn of_site(self, site: &str) -> Self {
        Self { site: Some(site.to_owned()), ..self }
    }
}

/// How lines for a person look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    colors: bool,
    marks: Marks,
}

impl Look {
    /// `rare_signs`: whether marks can be rare signs.
    pub fn new(colors: bool, rare_signs: bool) -> Self {
        Self { colors, marks: Marks::new(rare_signs) }
    }
}

/// Takes steps: a person sees each at once, a script gets them all in one object at the end.
pub struct Report<'w, W> {
    output: Output,
    out: &'w mut W,
    look: Look,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Object<'a> {
    status: Status,
    steps: &'a [Step],
}

impl<'w, W: Write> Report<'w, W> {
    pub fn new(output: Output, out: &'w mut W, look: Look) -> Self {
        Self { output, out, look, steps: Vec::new() }
    }

    pub fn add(&mut self, step: Step) -> io::Result<()> {
        if self.output == Output::Text {
            self.write(&step)?;
        }
        self.steps.push(step);
        Ok(())
    }

    pub fn failed(&self) -> bool {
        self.count(Status::Failed) > 0
    }

    /// Ends it: the sum for a person, everything for a script.
    pub fn finish(self) -> io::Result<()> {
        let (failed, warnings) = (self.count(Status::Failed), self.count(Status::Warning));
        match self.output {
            Output::Text if failed > 0 => {
                writeln!(self.out, "\n{failed} failed, {}", counted(warnings, "warning"))?;
            }
            Output::Text if warnings > 0 => {
                writeln!(self.out, "\neverything works, {}", counted(warnings, "warning"))?;
            }
            Output::Text => writeln!(self.out, "\neverything works")?,
            Output::Json => {
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
            let bold = self.style(Style::new().bold());
            writeln!(self.out, "\n{bold}site {}{bold:#}", escaped(site))?;
        }
        let (mark, color) = match step.status {
            Status::Ok => (self.look.marks.good, AnsiColor::Green),
            Status::Warning => ('!', AnsiColor::Yellow),
            Status::Failed => (self.look.marks.bad, AnsiColor::Red),
        };
        let style = self.style(color.on_default().bold());
        let name = match &*step.target {
            "" => step.step.to_owned(),
            target => format!("{} {target}", step.step),
        };
        writeln!(self.out, "{style}{mark}{style:#} {}: {}", escaped(&name), escaped(&step.message))?;
        // Of many that fail alike, the first says what to do.
        let said = |previous: &Step| previous.status == step.status && previous.advice == step.advice;
        if let Some(advice) = &step.advice
            && !previous.is_some_and(said)
        {
            let dim = self.style(Style::new().dimmed());
            writeln!(self.out, "  {dim}→{dim:#} {}", escaped(advice))?;
        }
        self.out.flush()
    }

    fn style(&self, style: Style) -> Style {
        if self.look.colors { style } else { Style::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(output: Output, colors: bool, steps: impl IntoIterator<Item = Step>) -> String {
        looking(output, Look::new(colors, true), steps)
    }

    fn looking(output: Output, look: Look, steps: impl IntoIterator<Item = Step>) -> String {
        let mut out = Vec::new();
        let mut report = Report::new(output, &mut out, look);
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
    fn a_person_gets_a_line_for_each_step_under_its_site() {
        let steps = [
            Step::new("configuration", "config.toml", Status::Ok, "read, 1 site"),
            proxy(Status::Ok, "12 sessions"),
            proxy(Status::Warning, "slow").advise("Wait."),
            proxy(Status::Failed, "refused").advise("Open the port."),
            proxy(Status::Failed, "refused").advise("Open the port."),
        ];
        assert_eq!(
            written(Output::Text, false, steps),
            "✓ configuration config.toml: read, 1 site\n\nsite production\n✓ proxy Central /: 12 sessions\n\
             ! proxy Central /: slow\n  → Wait.\n✗ proxy Central /: refused\n  → Open the port.\n\
             ✗ proxy Central /: refused\n\n2 failed, 1 warning\n"
        );
    }

    #[test]
    fn there_is_colour_only_where_it_is_wanted() {
        assert!(written(Output::Text, true, [proxy(Status::Failed, "x")]).contains("\u{1b}[1m\u{1b}[31m✗"));
        for output in [Output::Text, Output::Json] {
            assert!(!written(output, false, [proxy(Status::Failed, "x")]).contains('\u{1b}'));
        }
        assert!(!written(Output::Json, true, [proxy(Status::Failed, "x")]).contains('\u{1b}'));
    }

    #[test]
    fn what_works_and_what_does_not_differ_in_every_font() {
        let steps = [proxy(Status::Ok, "x"), proxy(Status::Failed, "y")];
        let text = looking(Output::Text, Look::new(false, false), steps);
        assert!(text.contains("√ proxy Central /: x\n× proxy Central /: y\n"), "{text}");
    }

    #[test]
    fn names_from_elsewhere_cannot_command_the_terminal() {
        let evil = "\u{1b}[2Jx\n✓ all good\u{202e}";
        let step = Step::new("proxy", evil, Status::Failed, evil).advise(evil).of_site(evil);
        let text = written(Output::Text, false, [step.clone()]);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains("\n✓"), "{text}");
        let json = written(Output::Json, false, [step]);
        assert!(!json.contains('\u{1b}') && !json.contains('\u{202e}'), "{json}");
    }

    #[test]
    fn a_script_gets_one_object_with_all_steps() {
        let facts = Facts { sessions: Some(12), ..Facts::default() };
        let steps = [proxy(Status::Ok, "12 sessions").with(facts), proxy(Status::Warning, "x").advise("y")];
        let found: serde_json::Value = serde_json::from_str(&written(Output::Json, false, steps)).unwrap();
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
