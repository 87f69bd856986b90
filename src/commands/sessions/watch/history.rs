//! The last refreshes of one number, and a picture of them a line high.

use std::collections::VecDeque;

use ratatui::symbols::bar::Set;

/// As many as a wide screen has room for.
const KEPT: usize = 120;

/// What stands where nothing was answered.
pub const MISSING: char = '×';

/// A number at each of the last refreshes, the newest last; None where it could not be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshHistory(VecDeque<Option<usize>>);

impl RefreshHistory {
    fn push(&mut self, value: Option<usize>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// A new number, or another one in place of the newest.
    pub fn take(&mut self, value: Option<usize>, again: bool) {
        if again {
            self.0.pop_back();
        }
        self.push(value);
    }

    /// The newest values as bars from zero to the greatest of them, one column each.
    pub fn picture(&self, columns: usize, bars: &Set<'_>) -> String {
        let shown = self.0.iter().skip(self.0.len().saturating_sub(columns));
        let greatest = shown.clone().flatten().max().copied().unwrap_or_default();
        shown
            .map(|value| match value {
                None => MISSING.to_string(),
                Some(value) => bar(*value, greatest, bars).to_owned(),
            })
            .collect()
    }
}

/// Zero is empty; whatever is more is to be seen.
fn bar<'a>(value: usize, greatest: usize, bars: &Set<'a>) -> &'a str {
    let eighths = if value == 0 { 0 } else { value.saturating_mul(8).div_ceil(greatest.max(1)) };
    match eighths {
        0 => bars.empty,
        1 => bars.one_eighth,
        2 => bars.one_quarter,
        3 => bars.three_eighths,
        4 => bars.half,
        5 => bars.five_eighths,
        6 => bars.three_quarters,
        7 => bars.seven_eighths,
        _ => bars.full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::symbols::bar::NINE_LEVELS;

    fn history(values: impl IntoIterator<Item = Option<usize>>) -> RefreshHistory {
        let mut history = RefreshHistory::default();
        values.into_iter().for_each(|value| history.push(value));
        history
    }

    #[test]
    fn bars_go_from_zero_to_the_greatest_and_a_gap_is_marked() {
        let history = history([Some(0), Some(1), Some(50), None, Some(100)]);
        assert_eq!(history.picture(10, &NINE_LEVELS), " ▁▄×█");
    }

    #[test]
    fn the_newest_are_shown_and_scaled_among_themselves() {
        let history = history([Some(1000), Some(5), Some(10)]);
        assert_eq!(history.picture(2, &NINE_LEVELS), "▄█");
        assert_eq!(history.picture(0, &NINE_LEVELS), "");
    }

    #[test]
    fn what_came_late_stands_in_place_of_the_gap() {
        let mut late = history([Some(1), None]);
        late.take(Some(2), true);
        assert_eq!(late, history([Some(1), Some(2)]));
        late.take(Some(3), false);
        assert_eq!(late, history([Some(1), Some(2), Some(3)]));
    }

    #[test]
    fn nothing_but_zeros_is_empty() {
        assert_eq!(history([Some(0), Some(0)]).picture(10, &NINE_LEVELS), "  ");
    }

    #[test]
    fn no_more_is_kept_than_a_screen_can_show() {
        let history = history((0..1000).map(Some));
        assert_eq!(history.0.len(), KEPT);
        assert_eq!(history.0.back(), Some(&Some(999)));
    }
}
