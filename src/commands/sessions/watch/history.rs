//! The values of one number at the last refreshes, for a sparkline.

use std::collections::VecDeque;

/// As many values as a wide screen can show.
const CAPACITY: usize = 120;

/// The height of a bar, which is one line of the terminal high.
pub const EIGHTHS: u64 = 8;

/// A number at each of the last refreshes, the newest last; None where there was no answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshHistory(VecDeque<Option<usize>>);

impl RefreshHistory {
    /// Appends a value, or replaces the newest one when late answers complete a refresh.
    pub fn record(&mut self, value: Option<usize>, is_update: bool) {
        if is_update {
            self.0.pop_back();
        }
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// Returns the newest values as bars from zero to the greatest of them, in eighths. Rounds up, so that only zero
    /// has no bar; ratatui's own scaling rounds down.
    pub fn bars(&self, columns: usize) -> Vec<Option<u64>> {
        let shown = self.0.iter().skip(self.0.len().saturating_sub(columns));
        let greatest = shown.clone().flatten().copied().max().unwrap_or_default().max(1);
        shown.map(|value| value.map(|value| eighths(value, greatest))).collect()
    }
}

fn eighths(value: usize, greatest: usize) -> u64 {
    // Neither widening nor the quotient, which is 8 at most, loses anything.
    u64::try_from((value as u128 * u128::from(EIGHTHS)).div_ceil(greatest as u128)).unwrap_or(EIGHTHS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(values: impl IntoIterator<Item = Option<usize>>) -> RefreshHistory {
        let mut history = RefreshHistory::default();
        values.into_iter().for_each(|value| history.record(value, false));
        history
    }

    #[test]
    fn bars_reach_from_zero_to_the_greatest_value() {
        let history = history([Some(0), Some(1), Some(50), None, Some(100)]);
        assert_eq!(history.bars(10), [Some(0), Some(1), Some(4), None, Some(8)]);
    }

    #[test]
    fn newest_values_are_shown_on_their_own_scale() {
        let history = history([Some(1000), Some(5), Some(10)]);
        assert_eq!(history.bars(2), [Some(4), Some(8)]);
        assert_eq!(history.bars(0), []);
    }

    #[test]
    fn a_late_answer_replaces_the_gap() {
        let mut late = history([Some(1), None]);
        late.record(Some(2), true);
        assert_eq!(late, history([Some(1), Some(2)]));
        late.record(Some(3), false);
        assert_eq!(late, history([Some(1), Some(2), Some(3)]));
    }

    #[test]
    fn zeros_have_no_bars() {
        assert_eq!(history([Some(0), Some(0)]).bars(10), [Some(0), Some(0)]);
    }

    #[test]
    fn history_is_bounded() {
        let history = history((0..1000).map(Some));
        assert_eq!(history.0.len(), CAPACITY);
        assert_eq!(history.0.back(), Some(&Some(999)));
    }
}
