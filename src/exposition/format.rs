//! The text formats, and their negotiation by `Accept` headers.

use mediatype::names::{_STAR, APPLICATION, PLAIN, TEXT};
use mediatype::{MediaTypeList, Name, ReadParams};

const OPENMETRICS: Name<'static> = Name::new_unchecked("openmetrics-text");

/// A text exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Returns the format with the highest quality in these `Accept` headers; the classic one when they name neither,
    /// and for wildcards.
    pub fn negotiate<'a>(accept: impl IntoIterator<Item = &'a str>) -> Self {
        let mut best = (Self::Classic, 0.0);
        for accepted in accept.into_iter().flat_map(MediaTypeList::new).flatten() {
            let format = if accepted.ty == APPLICATION && accepted.subty == OPENMETRICS {
                Self::OpenMetrics
            } else if accepted.ty == TEXT && (accepted.subty == PLAIN || accepted.subty == _STAR)
                || accepted.ty == _STAR
            {
                Self::Classic
            } else {
                continue;
            };
            let quality = accepted.get_param(Name::new_unchecked("q"));
            let quality = quality
                .map_or(Some(1.0), |text| text.as_str().parse::<f32>().ok())
                .unwrap_or(0.0)
                .clamp(0.0, 1.0);
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// Returns the value of the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Classic => prometheus_client::encoding::prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_with_the_highest_quality_is_chosen() {
        for (accept, format) in [
            ("", Format::Classic),
            ("*/*", Format::Classic),
            ("text/html, application/xhtml+xml, */*;q=0.8", Format::Classic),
            ("text/plain;version=0.0.4", Format::Classic),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            ("text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.4", Format::Classic),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Format::OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
                Format::Classic,
            ),
            ("application/openmetrics-text;q=0.5, text/*", Format::Classic),
            ("application/openmetrics-text;q=0.5, */*;q=0.9", Format::Classic),
            ("text/plain, application/openmetrics-text;q=inf", Format::Classic),
            ("application/openmetrics-text;q=NaN, */*;q=0.1", Format::Classic),
            ("application/openmetrics-text;q=0", Format::Classic),
            ("application/openmetrics-text;q=x, ;;", Format::Classic),
        ] {
            assert_eq!(Format::negotiate([accept]), format, "{accept}");
        }
    }

    #[test]
    fn all_accept_headers_count() {
        let both = ["text/plain;q=0.5", "application/openmetrics-text"];
        assert_eq!(Format::negotiate(both), Format::OpenMetrics);
    }
}
