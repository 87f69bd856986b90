//! Texts that fit into a number of columns.

use std::time::{Duration, SystemTime};

use ratatui::text::{Line, Span};
use unicode_truncate::UnicodeTruncateStr;

use crate::commands;

/// Returns as much of the beginning as fits, with a mark when the text is cut.
pub fn cut(text: &str, columns: usize) -> String {
    let (fits, _) = text.unicode_truncate(columns);
    if fits.len() == text.len() {
        return text.to_owned();
    }
    let (fits, _) = text.unicode_truncate(columns.saturating_sub(1));
    let mark = if columns == 0 { "" } else { "…" };
    format!("{fits}{mark}")
}

/// Returns as much of the end as fits.
pub fn end_of(text: &str, columns: usize) -> &str {
    text.unicode_truncate_start(columns).0
}

/// Returns a line of the first spans that fit, with gaps between them.
pub fn spaced(spans: impl IntoIterator<Item = Span<'static>>, columns: usize) -> Line<'static> {
    let mut line = Line::default();
    for span in spans {
        let gap = if line.spans.is_empty() { "" } else { "  " };
        if line.width() + gap.len() + span.width() > columns {
            break;
        }
        line.extend([Span::raw(gap), span]);
    }
    line
}

/// Returns the time of day, in UTC as in the log.
pub fn clock(at: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(at).to_string();
    format!("{} UTC", text.get("2026-11-25T".len().."2026-11-25T10:15:03".len()).unwrap_or(&text))
}

/// Returns `since 10:15:03 UTC (2m 3s)`.
pub fn since(since: SystemTime, now: SystemTime) -> String {
    // The clock may have been set back.
    let age = Duration::from_secs(now.duration_since(since).unwrap_or_default().as_secs());
    format!("since {} ({})", clock(since), humantime::format_duration(age))
}

/// Returns `1 session`, `≥2 sessions`.
pub fn counted(count: usize, is_complete: bool, what: &str) -> String {
    format!("{}{}", at_least(is_complete), commands::counted(count, what))
}

/// Returns the mark before a number that is a lower bound.
pub fn at_least(is_complete: bool) -> &'static str {
    if is_complete { "" } else { "≥" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_marked() {
        for (text, columns, expected) in [
            ("anna", 4, "anna"),
            ("anna", 3, "an…"),
            ("anna", 1, "…"),
            ("anna", 0, ""),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
        ] {
            assert_eq!(cut(text, columns), expected, "{text} in {columns}");
        }
    }

    #[test]
    fn times_are_written_briefly() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_999);
        assert_eq!(clock(at), "23:31:30 UTC");
        assert_eq!(since(at, at + Duration::from_millis(123_999)), "since 23:31:30 UTC (2m 3s)");
        assert_eq!(since(at, at - Duration::from_secs(5)), "since 23:31:30 UTC (0s)");
    }
}
