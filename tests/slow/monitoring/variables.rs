//! What Grafana makes of the variables in a query for Prometheus.

use std::collections::BTreeMap;

use super::shipped::string;
use serde_json::Value;

/// What is chosen for a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// "All": the variable's `allValue`, as it stands.
    All(String),
    /// Some of the values of a variable that allows several: a regular expression within PromQL's quotes.
    Some(Vec<String>),
    /// What a variable of one value holds, such as a text box.
    Text(String),
}

/// What is chosen for each variable, by its name.
pub type Choices = BTreeMap<String, Choice>;

impl Choice {
    /// "All" of a variable that allows it.
    pub fn all_of(variable: &Value) -> Self {
        Self::All(string(&variable["allValue"]).to_owned())
    }

    /// As Grafana writes it into a query; `format` is what stands behind a colon.
    fn written(&self, format: Option<&str>) -> String {
        match (self, format) {
            (Self::All(all), _) => all.clone(),
            (Self::Some(values), None) => one_of(values.iter().map(|value| escaped_in_quotes(value))),
            (Self::Text(text), None) => text.replace('\\', "\\\\").replace('\'', "\\\\'"),
            (Self::Some(values), Some("regex")) => one_of(values.iter().map(|value| escaped(value))),
            (Self::Text(text), Some("regex")) => escaped(text),
            (_, Some(format)) => panic!("no expression needs the format {format} yet"),
        }
    }
}

/// One as it is, several as alternatives.
fn one_of(values: impl Iterator<Item = String>) -> String {
    let values: Vec<_> = values.collect();
    match values.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join("|")),
    }
}

/// Characters that mean something in a regular expression, with a backslash.
fn escaped(text: &str) -> String {
    with_before(text, "\\^$*+?.()|[]{}/", "\\")
}

/// The same for a regular expression that stands in quotes, where a backslash needs another.
fn escaped_in_quotes(text: &str) -> String {
    with_before(&text.replace('\\', "\\\\\\\\"), "$^*{}[]'+?.()|", "\\\\")
}

fn with_before(text: &str, special: &str, before: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        if special.contains(c) {
            all += before;
        }
        all.push(c);
        all
    })
}

/// An expression with all variables replaced: `$name`, `${name}`, `${name:format}`, and those of time.
/// What is no variable stays, such as `$1`.
pub fn replaced(expression: &str, choices: &Choices, range_seconds: u64) -> String {
    let mut rest = expression;
    let mut all = String::new();
    while let Some((before, after)) = rest.split_once('$') {
        all += before;
        let (name, format, behind) = match after.strip_prefix('{') {
            Some(braced) => {
                let (inside, behind) = braced.split_once('}').unwrap();
                let (name, format) =
                    inside.split_once(':').map_or((inside, None), |(name, format)| (name, Some(format)));
                (name, format, behind)
            }
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], None, &after[end..])
            }
        };
        match name {
            "__range" => all += &format!("{range_seconds}s"),
            "__interval" => all += "15s",
            // Four scrapes of 15 s.
            "__rate_interval" => all += "1m0s",
            _ => match choices.get(name) {
                Some(choice) => all += &choice.written(format),
                None if name.chars().all(|c| c.is_ascii_digit()) => all = all + "$" + name,
                None => panic!("{expression} has a variable that its dashboard has not: {name}"),
            },
        }
        rest = behind;
    }
    all + rest
}

fn replaced_with(expression: &str, choice: Choice) -> String {
    replaced(expression, &[("v".to_owned(), choice)].into(), 3600)
}

#[test]
fn several_values_are_alternatives_and_all_is_as_it_stands() {
    let some = |values: &[&str]| Choice::Some(values.iter().map(ToString::to_string).collect());
    assert_eq!(replaced_with(r#"a{b=~"$v"}"#, some(&["/sales"])), r#"a{b=~"/sales"}"#);
    assert_eq!(replaced_with(r#"a{b=~"${v}"}"#, some(&["/", "a.b"])), r#"a{b=~"(/|a\\.b)"}"#);
    assert_eq!(replaced_with(r#"a{b=~"$v"}"#, Choice::All(".*".to_owned())), r#"a{b=~".*"}"#);
}

#[test]
fn a_text_as_a_regular_expression_stands_for_itself() {
    assert_eq!(replaced_with("a{b=~`${v:regex}`}", Choice::Text(r"x.\(".to_owned())), r"a{b=~`x\.\\\(`}");
}

#[test]
fn time_is_replaced_and_what_is_no_variable_stays() {
    assert_eq!(
        replaced_with("f(a[$__range:5m], \"$1\")", Choice::All(String::new())),
        "f(a[3600s:5m], \"$1\")"
    );
}
