//! The text read again: strictly by hand, and by the parser of others.

use std::collections::BTreeMap;

use openmetrics_parser::{LabelSet, OpenMetricsValue, PrometheusValue};

/// Metric, labels with their values; the sample's value.
pub type Series = BTreeMap<(String, Vec<(String, String)>), f64>;

/// The other parser takes a carriage return for the end of a line; to both formats it is a character like
/// others. This one stands for it, and is kept out of the names.
pub const CARRIAGE_RETURN: &str = "\u{e00d}";

/// Every gauge; none may stand twice, and all samples of one stand together. Counters are left out.
pub fn read(output: &str, openmetrics: bool) -> Series {
    let mut series = Series::new();
    let mut types = BTreeMap::new();
    let mut last = "";
    let body = match openmetrics {
        true => output.strip_suffix("# EOF\n").expect("an end"),
        false => output,
    };
    for line in body.split_terminator('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (keyword, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match keyword {
                "TYPE" => assert_eq!(types.insert(name, rest), None, "{name} twice"),
                other => assert!(matches!(other, "HELP" | "UNIT"), "{line:?}"),
            }
            last = name;
            continue;
        }
        let (name, labels, value) = sample(line);
        assert!(name.starts_with(last), "{name} stands among {last}");
        if types.get(name) == Some(&"gauge") {
            let key = (name.to_owned(), sorted(labels.into_iter()));
            assert_eq!(series.insert(key, value), None, "twice: {line:?}");
        }
    }
    series
}

/// A sample's name, labels and value.
fn sample(line: &str) -> (&str, Vec<(String, String)>, f64) {
    let (name, mut rest) = line.split_once('{').expect("labels");
    let mut labels = Vec::new();
    loop {
        let (label, quoted) = rest.split_once("=\"").expect("a label");
        assert!(
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{line:?}"
        );
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next().expect("the end of a label's value") {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, c @ ('"' | '\\'))) => c,
                    other => panic!("{other:?} after a backslash: {line:?}"),
                }),
                (_, c) => value.push(c),
            }
        };
        labels.push((label.to_owned(), value));
        rest = &quoted[end + 1..];
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    let value = rest.strip_prefix("} ").expect("the end of the labels");
    (name, labels, value.parse().expect("a number"))
}

/// The same as the other parser reads it.
pub fn read_by_others(output: &str, openmetrics: bool) -> Series {
    let mut series = Series::new();
    // Nothing at all, which the other parser does not take for OpenMetrics.
    if matches!(output, "" | "# EOF\n") {
        return series;
    }
    let output = output.replace('\r', CARRIAGE_RETURN);
    let mut add = |metric: &str, labels: Result<LabelSet<'_>, _>, value: f64| {
        let labels = labels.unwrap_or_else(|error: openmetrics_parser::ParseError| panic!("{error}"));
        let labels = labels.iter().map(|(name, value)| (name.clone(), value.replace(CARRIAGE_RETURN, "\r")));
        let key = (metric.to_owned(), sorted(labels));
        assert_eq!(series.insert(key, value), None, "{metric} twice\n{output}");
    };
    if openmetrics {
        let read = openmetrics_parser::openmetrics::parse_openmetrics(&output);
        for (name, family) in &read.unwrap_or_else(|error| panic!("{error}\n{output}")).families {
            for sample in family.iter_samples() {
                if let OpenMetricsValue::Gauge(value) = &sample.value {
                    add(name, sample.get_labelset(), value.as_f64());
                }
            }
        }
    } else {
        let read = openmetrics_parser::prometheus::parse_prometheus(&output);
        for (name, family) in &read.unwrap_or_else(|error| panic!("{error}\n{output}")).families {
            for sample in family.iter_samples() {
                if let PrometheusValue::Gauge(value) = &sample.value {
                    add(name, sample.get_labelset(), value.as_f64());
                }
            }
        }
    }
    series
}

pub fn sorted(labels: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut labels: Vec<_> = labels.collect();
    labels.sort();
    labels
}
