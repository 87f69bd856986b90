//! A scrape's text, read with a parser that is not ours.

use std::collections::{BTreeMap, BTreeSet};

use openmetrics_parser::openmetrics::parse_openmetrics;
use openmetrics_parser::prometheus::parse_prometheus;
use openmetrics_parser::{LabelSet, OpenMetricsValue, PrometheusValue};

pub type Labels = BTreeMap<String, String>;

/// Series by their names, with labels and value.
#[derive(Debug, Default, PartialEq)]
pub struct Scrape {
    series: BTreeMap<String, BTreeMap<Labels, f64>>,
}

/// The end of an OpenMetrics text.
const END: &str = "# EOF\n";

/// The parser takes a bare carriage return for the end of a line. Both formats know one line end only, the
/// line feed, so what stands for it on the way through the parser is this, a character for private use.
const CARRIAGE_RETURN: char = '\u{e00d}';

/// The parser wants the same labels on all series of a metric; both formats allow that they differ, as they
/// do on this one. Each of its series is read by itself, without the lines that describe them.
const LABELS_DIFFER: &str = "qlik_certificate_expiry_timestamp_seconds";

impl Scrape {
    /// Reads the classic text format; panics when it is not that, or has a series twice.
    pub fn classic(text: &str) -> Self {
        let mut scrape = Self::default();
        for part in parts(text) {
            let read = parse_prometheus(&part).unwrap_or_else(|error| panic!("{error}\n{text}"));
            for (name, family) in &read.families {
                for sample in family.iter_samples() {
                    let value = match &sample.value {
                        PrometheusValue::Counter(counter) => counter.value.as_f64(),
                        PrometheusValue::Gauge(value) | PrometheusValue::Unknown(value) => value.as_f64(),
                        other => panic!("{name} is a {other:?}"),
                    };
                    scrape.add(name.clone(), sample.get_labelset().ok(), value);
                }
            }
        }
        scrape
    }

    /// Reads OpenMetrics, naming series as the classic format does; panics when it is not that, or has a
    /// series twice.
    pub fn openmetrics(text: &str) -> Self {
        let body = text.strip_suffix(END).unwrap_or_else(|| panic!("cut off: {text}"));
        let mut scrape = Self::default();
        for part in parts(body) {
            let read = parse_openmetrics(&(part + END)).unwrap_or_else(|error| panic!("{error}\n{text}"));
            for (name, family) in &read.families {
                for sample in family.iter_samples() {
                    let (suffix, value) = match &sample.value {
                        OpenMetricsValue::Counter(counter) => ("_total", counter.value.as_f64()),
                        OpenMetricsValue::Gauge(value) | OpenMetricsValue::Unknown(value) => {
                            ("", value.as_f64())
                        }
                        OpenMetricsValue::Info => ("_info", 1.0),
                        other => panic!("{name} is a {other:?}"),
                    };
                    scrape.add(format!("{name}{suffix}"), sample.get_labelset().ok(), value);
                }
            }
        }
        scrape
    }

    fn add(&mut self, name: String, labels: Option<LabelSet<'_>>, value: f64) {
        let read = |text: &String| text.replace(CARRIAGE_RETURN, "\r");
        let labels: Labels = labels
            .iter()
            .flat_map(LabelSet::iter)
            .map(|(label, value)| (label.clone(), read(value)))
            .collect();
        let twice = self.series.entry(name.clone()).or_default().insert(labels.clone(), value);
        assert_eq!(twice, None, "{name}{labels:?} appears twice");
    }

    /// All series of this name.
    pub fn series(&self, name: &str) -> BTreeMap<Labels, f64> {
        self.series.get(name).cloned().unwrap_or_default()
    }

    /// The names that have series.
    pub fn names(&self) -> BTreeSet<&str> {
        self.series.keys().map(String::as_str).collect()
    }

    /// The value of the only series with these labels among its labels, when there is one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.values(name, labels);
        assert!(found.len() < 2, "{name}{labels:?} fits several series");
        found.first().copied()
    }

    /// The sum over all series with these labels among their labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.values(name, labels).iter().sum()
    }

    /// The values that one label has over all series of this name.
    pub fn label_values(&self, name: &str, label: &str) -> BTreeSet<String> {
        self.series(name).into_keys().filter_map(|mut labels| labels.remove(label)).collect()
    }

    fn values(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let fits = |found: &Labels| {
            labels.iter().all(|(label, value)| found.get(*label).map(String::as_str) == Some(*value))
        };
        self.series
            .get(name)
            .into_iter()
            .flatten()
            .filter(|(l, _)| fits(l))
            .map(|(_, value)| *value)
            .collect()
    }
}

/// The text as the parser can take it.
fn parts(text: &str) -> Vec<String> {
    assert!(!text.contains(CARRIAGE_RETURN), "the test's own sign is in the text");
    let text = text.replace('\r', &CARRIAGE_RETURN.to_string());
    let (alone, together): (Vec<_>, Vec<_>) =
        text.split_inclusive('\n').partition(|line| line.split([' ', '{']).any(|word| word == LABELS_DIFFER));
    let series = alone.into_iter().filter(|line| !line.starts_with('#')).map(str::to_owned);
    std::iter::once(together.concat()).chain(series).collect()
}

/// Labels from pairs, to compare with.
pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned())).collect()
}
