//! Writes the metrics of the catalogue with prometheus-client's encoder.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabel, EncodeLabelSet, LabelSetEncoder,
    MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::catalogue::{Metric, MetricKind};

/// The labels for an encoder that has its labels already.
const NO_LABELS: [(&str, &str); 0] = [];

/// Writes metrics, each with all its samples: label values, in the order of the metric's labels, and a number. A sample
/// may omit labels at the end. A metric without samples is omitted.
pub struct Encoder<'a>(pub DescriptorEncoder<'a>);

impl Encoder<'_> {
    pub fn gauge<'a, L: AsRef<[&'a str]>, V: EncodeGaugeValue>(
        &mut self,
        metric: &'static Metric,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.samples(metric, metric.labels, samples, |mut encoder, value| encoder.encode_gauge(&value))
    }

    /// Writes a gauge with other labels than the catalogue's.
    pub fn gauge_with<'a, L: AsRef<[&'a str]>, V: EncodeGaugeValue>(
        &mut self,
        metric: &'static Metric,
        labels: &'static [&'static str],
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.samples(metric, labels, samples, |mut encoder, value| encoder.encode_gauge(&value))
    }

    pub fn counter<'a, L: AsRef<[&'a str]>, V: EncodeCounterValue>(
        &mut self,
        metric: &'static Metric,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.samples(metric, metric.labels, samples, |mut encoder, value| {
            encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    pub fn info<'a, L: AsRef<[&'a str]>>(
        &mut self,
        metric: &'static Metric,
        samples: impl IntoIterator<Item = L>,
    ) -> fmt::Result {
        let samples = samples.into_iter().map(|values| (values, ()));
        self.samples(metric, metric.labels, samples, |mut encoder, ()| encoder.encode_info(&NO_LABELS))
    }

    fn samples<'a, L: AsRef<[&'a str]>, V>(
        &mut self,
        metric: &'static Metric,
        names: &'static [&'static str],
        samples: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let (name, unit) = stem(metric);
        let kind = match metric.kind {
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Info => MetricType::Info,
        };
        let mut encoder = self.0.encode_descriptor(name, metric.help, unit.as_ref(), kind)?;
        // Internal iteration is faster than a loop for the nested iterators over sites, pairs and users.
        samples.try_for_each(|(values, value)| {
            let labels = Labels { names, values: values.as_ref() };
            write(encoder.encode_family(&labels)?, value)
        })
    }
}

/// Returns the name without the suffixes that prometheus-client appends: kind and unit.
fn stem(metric: &'static Metric) -> (&'static str, Option<Unit>) {
    let name = match metric.kind {
        MetricKind::Gauge => metric.name,
        MetricKind::Counter => metric.name.trim_end_matches("_total"),
        MetricKind::Info => metric.name.trim_end_matches("_info"),
    };
    for unit in [Unit::Seconds, Unit::Bytes] {
        if let Some(stem) = name.strip_suffix(unit.as_str()).and_then(|name| name.strip_suffix('_')) {
            return (stem, Some(unit));
        }
    }
    (name, None)
}

/// A sample's labels: the metric's names with the sample's values.
struct Labels<'a> {
    names: &'static [&'static str],
    values: &'a [&'a str],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.names.iter().zip(self.values).try_for_each(|(name, value)| {
            let label: (&str, &str) = (name, value);
            label.encode(encoder.encode_label())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::catalogue;

    #[test]
    fn suffixes_that_the_library_appends_are_removed() {
        assert!(matches!(stem(&catalogue::PROXY_QUERIES), ("qlik_proxy_queries", None)));
        assert!(matches!(stem(&catalogue::PROXY_INFO), ("qlik_proxy", None)));
        assert!(matches!(stem(&catalogue::PROCESS_CPU), ("process_cpu", Some(Unit::Seconds))));
        assert!(matches!(stem(&catalogue::PROXY_UP), ("qlik_proxy_up", None)));
    }
}
