//! Zero buckets of different widths.

use super::Histogram;
use super::cells::Number;
use crate::model::CompensatedSum;

impl<N: Number> Histogram<N> {
    /// How many observations a wider zero bucket would have, and how wide it must be so that it ends where buckets with
    /// observations end.
    pub(super) fn zero_count_within(&self, threshold: f64) -> (CompensatedSum, f64) {
        let mut threshold = threshold;
        if threshold <= self.zero_threshold {
            return (self.zero_count.as_sum(), self.zero_threshold);
        }
        // Compensation from an earlier round stays, as in Prometheus.
        let mut lost = self.zero_count.as_sum().lost;
        loop {
            let mut count = CompensatedSum { sum: self.zero_count.plain(), lost };
            for cell in &self.positive {
                let bucket = self.positive_bucket(cell);
                if bucket.lower >= threshold {
                    break;
                }
                count.add_sum(cell.count.as_sum());
                if bucket.upper > threshold {
                    if bucket.count != 0.0 {
                        threshold = bucket.upper;
                    }
                    break;
                }
            }
            let mut is_wide_enough = true;
            for cell in &self.negative {
                let bucket = self.negative_bucket(cell);
                if bucket.upper <= -threshold {
                    break;
                }
                count.add_sum(cell.count.as_sum());
                if bucket.lower < -threshold {
                    if bucket.count != 0.0 {
                        threshold = -bucket.lower;
                        is_wide_enough = false;
                    }
                    break;
                }
            }
            if is_wide_enough {
                return (count, threshold);
            }
            lost = count.lost;
        }
    }

    /// Widens the zero bucket until it is as wide as that of another would have to be; returns what that one would hold.
    pub(super) fn reconcile_zero_buckets(&mut self, other: &Histogram) -> CompensatedSum {
        let (mut count, mut threshold) = (other.zero_count.as_sum(), other.zero_threshold);
        while threshold != self.zero_threshold {
            if self.zero_threshold > threshold {
                (count, threshold) = other.zero_count_within(self.zero_threshold);
            }
            if threshold > self.zero_threshold {
                let (mine, widened) = self.zero_count_within(threshold);
                self.zero_count = N::of(mine);
                self.zero_threshold = widened;
                self.drop_cells_within_zero();
            }
            if threshold.is_nan() || self.zero_threshold.is_nan() {
                break;
            }
        }
        count
    }

    /// Takes away the buckets that the zero bucket holds, and those without observations.
    fn drop_cells_within_zero(&mut self) {
        let threshold = self.zero_threshold;
        let [positive, negative] = [std::mem::take(&mut self.positive), std::mem::take(&mut self.negative)];
        let stays = |lower_end: f64, count: N| lower_end >= threshold && !count.is_zero();
        self.positive =
            positive.into_iter().filter(|cell| stays(self.positive_bucket(cell).lower, cell.count)).collect();
        self.negative =
            negative.into_iter().filter(|cell| stays(-self.negative_bucket(cell).upper, cell.count)).collect();
    }
}
