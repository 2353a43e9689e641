//! Quantiles and fractions of classic histograms.

/// Counts that differ by no more than this, relative to their sum, are taken to be the same: what differs is rounding.
const ROUNDING: f64 = 1e-12;

/// A bucket: how many observations were at most `bound`.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ClassicBucket {
    pub(in super::super) bound: f64,
    pub(in super::super) count: f64,
}

/// Where counts had to be lifted: the lowest and the highest bound, and the greatest difference.
pub(in super::super) type Fixed = (f64, f64, f64);

/// The value below which the fraction `q` of observations lies, by straight lines within buckets.
/// And where counts did not grow with their bounds.
pub(in super::super) fn quantile(q: f64, buckets: Vec<ClassicBucket>) -> (f64, Option<Fixed>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if !(0.0..=1.0).contains(&q) {
        return (if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, None);
    }
    let Some(mut buckets) = in_order(buckets) else { return (f64::NAN, None) };
    let fixed = make_monotonic(&mut buckets);
    (quantile_of(q, &buckets), fixed)
}

fn quantile_of(q: f64, buckets: &[ClassicBucket]) -> f64 {
    let [.., highest_finite, all] = buckets else { return f64::NAN };
    if all.count == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * all.count;
    let finite = &buckets[..buckets.len() - 1];
    // The condition is Prometheus's: a NaN among the counts must end up where it does there.
    let place = finite.partition_point(|bucket| bucket.count.partial_cmp(&rank).is_none_or(std::cmp::Ordering::is_lt));
    let Some(bucket) = finite.get(place) else { return highest_finite.bound };
    let (mut start, mut count) = (0.0, bucket.count);
    match place.checked_sub(1).map(|before| finite[before]) {
        Some(before) => {
            start = before.bound;
            count -= before.count;
            rank -= before.count;
        }
        // Nothing is known about how far below zero the lowest bucket reaches.
        None if bucket.bound <= 0.0 => return bucket.bound,
        None => {}
    }
    start + (bucket.bound - start) * (rank / count)
}

/// The fraction of observations between two values, by straight lines within buckets of finite width.
pub(in super::super) fn fraction(lower: f64, upper: f64, buckets: Vec<ClassicBucket>) -> f64 {
    let Some(buckets) = in_order(buckets) else { return f64::NAN };
    let all = buckets.last().map_or(0.0, |bucket| bucket.count);
    if all == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, &buckets, all) - rank_of(lower, &buckets, all)) / all
}

/// How many observations are thought to be below a value.
fn rank_of(value: f64, buckets: &[ClassicBucket], all: f64) -> f64 {
    let rank = rank_in(value, buckets, all);
    // Counts that do not grow with their bounds could have a part be more than the whole.
    if rank > all { all } else { rank }
}

fn rank_in(value: f64, buckets: &[ClassicBucket], all: f64) -> f64 {
    let mut below = 0.0;
    let mut start = match buckets.first() {
        Some(lowest) if lowest.bound > 0.0 => 0.0,
        _ => f64::NEG_INFINITY,
    };
    for bucket in buckets {
        if value <= start {
            return below;
        }
        if value < bucket.bound {
            // Nothing is known about where in a bucket of infinite width observations are: neither side counts them.
            if start.is_infinite() {
                return bucket.count;
            }
            return below + (bucket.count - below) * ((value - start) / (bucket.bound - start));
        }
        (start, below) = (bucket.bound, bucket.count);
    }
    all
}

/// Buckets by bound, those of one bound added up; `None` when the one without an upper bound is missing.
fn in_order(mut buckets: Vec<ClassicBucket>) -> Option<Vec<ClassicBucket>> {
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    if buckets.last()?.bound != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|later, earlier| {
        let is_same = later.bound == earlier.bound;
        if is_same {
            earlier.count += later.count;
        }
        is_same
    });
    Some(buckets)
}

/// Lifts a count that is below the one before, which scrapes and rates of buckets at slightly different moments bring
/// about, and evens out differences that are only rounding.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<Fixed> {
    let mut fixed: Option<Fixed> = None;
    let mut highest = buckets.first()?.count;
    for bucket in &mut buckets[1..] {
        if bucket.count == highest {
            continue;
        }
        if is_rounding(highest, bucket.count) {
            bucket.count = highest;
        } else if bucket.count < highest {
            let lifted = highest - bucket.count;
            let (low, high, most) = fixed.unwrap_or((f64::INFINITY, f64::NEG_INFINITY, 0.0));
            fixed = Some((low.min(bucket.bound), high.max(bucket.bound), most.max(lifted)));
            bucket.count = highest;
        } else {
            highest = bucket.count;
        }
    }
    fixed
}

/// Whether two counts are the same but for rounding.
fn is_rounding(a: f64, b: f64) -> bool {
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < ROUNDING * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < ROUNDING
}
