//! Histograms without what is above a value, or below it.

use super::cells::Cell;
use super::{Bucket, Histogram};

/// Which observations go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Those above the value.
    Above,
    /// Those below the value.
    Below,
}

impl Histogram {
    /// Without the observations above a value: `h </ value`. A bucket that the value lies in keeps a share of its
    /// observations; count and sum are estimated anew from what remains, unless everything does.
    pub fn cut_above(&mut self, value: f64) {
        self.cut(Cut::Above, value);
    }

    /// Without the observations below a value: `h >/ value`.
    pub fn cut_below(&mut self, value: f64) {
        self.cut(Cut::Below, value);
    }

    fn cut(&mut self, cut: Cut, value: f64) {
        let is_custom = self.is_custom();
        let (mut count, mut sum, mut is_changed) = (0.0, 0.0, false);
        let mut trim = |cells: &mut [Cell], buckets: Vec<Bucket>, is_positive: bool| {
            let mut has_any = false;
            for (cell, bucket) in cells.iter_mut().zip(buckets).filter(|(cell, _)| cell.count != 0.0) {
                has_any = true;
                let stays_whole = match cut {
                    Cut::Above => bucket.upper <= value,
                    Cut::Below => bucket.lower >= value,
                };
                let stays_in_part = match cut {
                    Cut::Above => bucket.lower < value,
                    Cut::Below => bucket.upper > value,
                };
                let (kept, middle) = if stays_whole {
                    (bucket.count, middle(bucket.lower, bucket.upper, is_positive, is_custom))
                } else if stays_in_part {
                    part(&bucket, cut, value, is_positive, is_custom)
                } else {
                    is_changed = true;
                    cell.count = 0.0;
                    continue;
                };
                count += kept;
                sum += middle * kept;
                is_changed |= cell.count != kept;
                cell.count = kept;
            }
            has_any
        };
        let buckets: Vec<Bucket> = self.positive.iter().map(|cell| self.positive_bucket(cell)).collect();
        let has_positive = trim(&mut self.positive, buckets, true);
        let buckets: Vec<Bucket> = self.negative.iter().map(|cell| self.negative_bucket(cell)).collect();
        let has_negative = trim(&mut self.negative, buckets, false);
        if self.zero_count > 0.0 {
            let (kept, middle) = part_of_zero(&self.zero_bucket(), cut, value, has_negative, has_positive);
            is_changed |= self.zero_count != kept;
            self.zero_count = kept;
            sum += middle * kept;
            count += kept;
        }
        if is_changed {
            self.count = count;
            self.sum = sum;
            self.compact();
        }
    }
}

/// How many observations of a bucket that the value lies in remain, and where their middle is.
fn part(bucket: &Bucket, cut: Cut, value: f64, is_positive: bool, is_custom: bool) -> (f64, f64) {
    if bucket.lower == f64::NEG_INFINITY || bucket.upper == f64::INFINITY {
        return part_without_end(bucket, cut, value);
    }
    let under = if value <= bucket.lower {
        0.0
    } else if value >= bucket.upper {
        bucket.count
    } else {
        bucket.count * bucket.fraction_below(value, is_custom)
    };
    match cut {
        Cut::Above => (under, middle(bucket.lower, value, is_positive, is_custom)),
        Cut::Below => (bucket.count - under, middle(value, bucket.upper, is_positive, is_custom)),
    }
}

/// The same for a bucket that has no end on one side. The lowest bucket is taken to begin at zero, if it ends above it.
fn part_without_end(bucket: &Bucket, cut: Cut, value: f64) -> (f64, f64) {
    let Bucket { lower, upper, count, .. } = *bucket;
    let finite = |bound: f64| if bound.is_infinite() { 0.0 } else { bound };
    let reaches_up = upper > 0.0 && upper != f64::INFINITY;
    match (lower == f64::NEG_INFINITY, cut) {
        (true, Cut::Above) if value >= upper => (count, 0.0),
        (true, Cut::Above) if value > 0.0 && reaches_up => (count * value / upper, value / 2.0),
        (true, Cut::Above) if upper <= 0.0 => (count, value),
        (true, Cut::Below) if value <= lower => (count, 0.0),
        (true, Cut::Below) if value >= 0.0 && upper > value && upper != f64::INFINITY => {
            (count * (1.0 - value / upper), f64::midpoint(value, upper))
        }
        (true, _) => (0.0, finite(upper)),
        (false, Cut::Below) if value >= lower => (count, value),
        (false, _) => (0.0, finite(lower)),
    }
}

/// The same for the zero bucket, whose observations lie evenly on the side on which there are others.
fn part_of_zero(bucket: &Bucket, cut: Cut, value: f64, has_negative: bool, has_positive: bool) -> (f64, f64) {
    let upper = if has_negative && !has_positive { 0.0 } else { bucket.upper };
    let lower = if has_positive && !has_negative { 0.0 } else { bucket.lower };
    let whole = (bucket.count, f64::midpoint(lower, upper));
    let (share, middle) = match cut {
        Cut::Above if value <= lower => return (0.0, 0.0),
        Cut::Above if value >= upper => return whole,
        Cut::Above => ((value - lower) / (upper - lower), f64::midpoint(lower, value)),
        Cut::Below if value <= lower => return whole,
        Cut::Below if value >= upper => return (0.0, 0.0),
        Cut::Below => ((upper - value) / (upper - lower), f64::midpoint(value, upper)),
    };
    (bucket.count * share, middle)
}

/// The value that stands for observations between two bounds: the mean of custom bounds, the geometric mean of exponential
/// ones.
fn middle(lower: f64, upper: f64, is_positive: bool, is_custom: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        (false, false) if is_custom => f64::midpoint(lower, upper),
        (false, false) => {
            let mean = (lower * upper).abs().sqrt();
            if is_positive { mean } else { -mean }
        }
    }
}
