//! The shipped files with their durations divided, and nothing else changed.

use std::ops::Range;
use std::time::Duration;

/// The text with every duration divided by this, in whole milliseconds: Prometheus knows no smaller unit.
pub fn divided(text: &str, by: u32) -> String {
    let mut result = String::new();
    let mut end = 0;
    for place in durations(text) {
        let divided = duration(&text[place.clone()]).unwrap() / by;
        let milliseconds = (divided.as_secs_f64() * 1000.0).round();
        result += &text[end..place.start];
        result += &format!("{milliseconds}ms");
        end = place.end;
    }
    result + &text[end..]
}

/// Where durations stand: as the whole value of a key, as a range, or after `offset`; never in a comment.
fn durations(text: &str) -> Vec<Range<usize>> {
    let is_place = |word: &Range<usize>| {
        let (line, before) = before(text, word.start);
        let after = text[word.end..].lines().next().unwrap_or_default();
        let is_value = before.strip_suffix(": ").is_some_and(is_key) && after.trim().is_empty();
        let in_brackets = before.rfind('[') > before.rfind(']') && after.starts_with([']', ':']);
        let is_range = in_brackets && before.ends_with(['[', ':']);
        !line.starts_with('#') && (is_value || is_range || before.ends_with("offset "))
    };
    words(text).filter(|word| duration(&text[word.clone()]).is_some()).filter(is_place).collect()
}

/// The line that this place is in, and what of it stands before the place.
fn before(text: &str, place: usize) -> (&str, &str) {
    let start = text[..place].rfind('\n').map_or(0, |at| at + 1);
    (text[start..].trim_start(), &text[start..place])
}

fn is_key(text: &str) -> bool {
    let key = text.trim_start().trim_start_matches("- ");
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.char_indices().scan(false, move |inside, (at, c)| {
        let starts = is_part(c) && !*inside;
        *inside = is_part(c);
        Some((at, starts))
    });
    starts.filter(|(_, starts)| *starts).map(move |(start, _)| {
        let length = text[start..].find(|c| !is_part(c)).unwrap_or(text.len() - start);
        start..start + length
    })
}

/// A duration as Prometheus writes it. Its years are not needed here.
fn duration(word: &str) -> Option<Duration> {
    let mut rest = word;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (number, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let unit = &unit[..unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len())];
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            "w" => 7 * 24 * 60 * 60 * 1000,
            _ => return None,
        };
        sum += Duration::from_millis(number.parse::<u64>().ok()? * milliseconds);
        rest = &rest[number.len() + unit.len()..];
    }
    (!word.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shipped file that has durations.
    const SHIPPED: [(&str, &str); 3] = [
        ("prometheus.yml", include_str!("../../../prometheus/prometheus.yml")),
        ("rules.yml", include_str!("../../../prometheus/rules.yml")),
        ("alertmanager.yml", include_str!("../../../prometheus/alertmanager.yml")),
    ];

    /// The text in pieces: outside of durations, and the durations.
    fn pieces(text: &str) -> (Vec<&str>, Vec<Duration>) {
        let places = durations(text);
        let starts = std::iter::once(0).chain(places.iter().map(|place| place.end));
        let ends = places.iter().map(|place| place.start).chain([text.len()]);
        let others = starts.zip(ends).map(|(start, end)| &text[start..end]).collect();
        (others, places.iter().map(|place| duration(&text[place.clone()]).unwrap()).collect())
    }

    #[test]
    fn values_ranges_and_offsets_are_divided_and_nothing_else() {
        let text = "\
# every 15s
global:
  scrape_interval: 15s   # is kept: 15s
  for: 2m
  #for: 2m
- interval: 1h30m
  text: in the last 5m
  mail: localhost:25
  match: '5m'
  record: a:b:rate5m
  expr: rate(x{y=\"5m\"}[5m]) + x offset 90s > 30 * 86400 and max_over_time(y[1h:30s] offset 1d)
  empty: 5m
  expr: 5m5
";
        let expected = text
            .replace("  for: 2m\n  #", "  for: 2000ms\n  #")
            .replace("1h30m", "90000ms")
            .replace("[5m]", "[5000ms]")
            .replace("offset 90s", "offset 1500ms")
            .replace("[1h:30s]", "[60000ms:500ms]")
            .replace("offset 1d", "offset 1440000ms")
            .replace("empty: 5m", "empty: 5000ms");
        assert_eq!(divided(text, 60), expected);
    }

    #[test]
    fn durations_are_read_as_prometheus_writes_them() {
        let seconds =
            [("15s", 15.0), ("1h30m", 5400.0), ("250ms", 0.25), ("2d", 172_800.0), ("1w", 604_800.0)];
        for (text, expected) in seconds {
            assert_eq!(duration(text).map(|duration| duration.as_secs_f64()), Some(expected), "{text}");
        }
        for text in ["", "5", "m", "5x", "5m5", "rate5m", "5 m", "_5m"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn in_the_shipped_files_nothing_but_durations_differs() {
        for (name, text) in SHIPPED {
            let divided = divided(text, 60);
            let (others, originals) = pieces(text);
            let (others_divided, quick) = pieces(&divided);
            assert_eq!(others, others_divided, "{name}");
            assert!(originals.len() > 2, "{name}: {originals:?}");
            for (original, quick) in originals.iter().zip(&quick) {
                // To the next millisecond.
                let difference = original.abs_diff(*quick * 60);
                assert!(difference <= Duration::from_millis(30), "{name}: {original:?} {quick:?}");
            }
        }
    }

    #[test]
    fn the_shipped_files_have_no_durations_elsewhere() {
        for (name, text) in SHIPPED {
            let found = durations(text);
            for word in words(text).filter(|word| duration(&text[word.clone()]).is_some()) {
                let (line, before) = before(text, word.start);
                let is_comment = line.starts_with('#') || before.contains("# ");
                assert!(is_comment || found.contains(&word), "{name}: {line}");
            }
        }
    }
}
