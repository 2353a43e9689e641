//! Whether a counter of observations started anew between two histograms.

use super::bounds::bound;
use super::cells::{Cell, coarser};
use super::{CounterReset, Histogram};

impl Histogram {
    /// Whether the counter started anew since the histogram before: it says so, or some count, as far as both can be
    /// compared, became smaller, or buckets became finer.
    pub fn has_reset_since(&self, before: &Self) -> bool {
        match self.reset {
            CounterReset::Reset => return true,
            CounterReset::NotReset => return false,
            CounterReset::Unknown | CounterReset::Gauge => {}
        }
        if self.count < before.count {
            return true;
        }
        if self.is_custom() {
            if !before.is_custom() {
                return true;
            }
            if self.bounds != before.bounds {
                return self.lost_between_common_bounds(before);
            }
        }
        if self.schema > before.schema || self.zero_threshold < before.zero_threshold {
            return true;
        }
        let (zero_before, threshold) = before.zero_count_within(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < zero_before.sum {
            return true;
        }
        [(&self.positive, &before.positive), (&self.negative, &before.negative)]
            .iter()
            .any(|(now, then)| self.lost_in(now, &coarser(then, before.schema, self.schema)))
    }

    /// Whether a bucket outside of the zero bucket lost observations.
    fn lost_in(&self, now: &[Cell], before: &[Cell]) -> bool {
        let is_outside = |cell: &&Cell| {
            self.is_custom() || self.zero_threshold == 0.0 || bound(cell.index, self.schema, &[]) > self.zero_threshold
        };
        let mut now = now.iter().filter(is_outside).peekable();
        before.iter().filter(is_outside).any(|then| {
            while now.next_if(|cell| cell.index < then.index).is_some() {}
            match now.peek() {
                Some(cell) if cell.index == then.index => cell.count < then.count,
                _ => then.count != 0.0,
            }
        })
    }

    /// Whether observations were lost between bounds that both have.
    fn lost_between_common_bounds(&self, before: &Self) -> bool {
        let common = self.bounds.iter().copied().filter(|bound| before.bounds.contains(bound));
        let mut lower = f64::NEG_INFINITY;
        common.chain([f64::INFINITY]).any(|upper| {
            let has_lost = self.count_between(lower, upper) < before.count_between(lower, upper);
            lower = upper;
            has_lost
        })
    }

    /// How many observations are in buckets that end above one bound and not above another.
    fn count_between(&self, lower: f64, upper: f64) -> f64 {
        let ends_between = |cell: &&Cell| {
            let end = bound(cell.index, self.schema, &self.bounds);
            end > lower && end <= upper
        };
        self.positive.iter().filter(ends_between).map(|cell| cell.count).sum()
    }
}
