//! Until when a scrape may wait: a little less than Prometheus does.

use std::time::Duration;

/// The header with the number of seconds after which Prometheus gives up a scrape.
pub const HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// Prometheus' own default, for a missing or senseless header.
const DEFAULT: Duration = Duration::from_secs(10);

/// Beyond this, a header is no scrape timeout.
const LONGEST: f64 = 3600.0;

/// How long a scrape may wait for answers.
///
/// `offset` is taken off for what comes after: encoding and the way back. Where it would leave less
/// than half, half is left.
pub fn time_to_wait(header: Option<&str>, offset: Duration) -> Duration {
    let timeout = header
        .and_then(|text| text.trim().parse::<f64>().ok())
        .filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(DEFAULT);
    timeout.saturating_sub(offset).max(timeout / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSET: Duration = Duration::from_millis(500);

    #[test]
    fn the_offset_is_taken_off() {
        assert_eq!(time_to_wait(Some("15"), OFFSET), Duration::from_millis(14_500));
        assert_eq!(time_to_wait(Some(" 2.5 "), OFFSET), Duration::from_secs(2));
    }

    #[test]
    fn half_is_left_where_the_offset_would_leave_less() {
        assert_eq!(time_to_wait(Some("0.8"), OFFSET), Duration::from_millis(400));
        assert_eq!(time_to_wait(Some("0.1"), OFFSET), Duration::from_millis(50));
    }

    #[test]
    fn without_a_sensible_header_it_is_ten_seconds() {
        for header in
            [None, Some(""), Some("soon"), Some("0"), Some("-3"), Some("NaN"), Some("inf"), Some("1e300")]
        {
            assert_eq!(time_to_wait(header, OFFSET), Duration::from_millis(9_500), "{header:?}");
        }
    }
}
