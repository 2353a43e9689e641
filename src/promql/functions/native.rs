//! What native histograms tell: counts, means, spread, quantiles and fractions.

use super::super::Span;
use super::super::annotation::{Annotation, Annotations};
use crate::model::{Bucket, CompensatedSum, Histogram};

pub(super) fn count(histogram: &Histogram) -> f64 {
    histogram.count
}

pub(super) fn sum(histogram: &Histogram) -> f64 {
    histogram.sum
}

pub(super) fn mean(histogram: &Histogram) -> f64 {
    histogram.sum / histogram.count
}

/// The variance, as if all observations of a bucket were at its middle: the mean of custom bounds, the geometric mean of
/// exponential ones, zero for the zero bucket.
pub(super) fn variance(histogram: &Histogram) -> f64 {
    let mean = mean(histogram);
    let mut squares = CompensatedSum::default();
    for bucket in histogram.buckets().iter().filter(|bucket| bucket.count != 0.0) {
        let middle = if histogram.is_custom() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let middle = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -middle } else { middle }
        };
        let distance = middle - mean;
        squares.add(bucket.count * distance * distance);
    }
    (squares.sum + squares.lost) / histogram.count
}

pub(super) fn deviation(histogram: &Histogram) -> f64 {
    variance(histogram).sqrt()
}

/// A bucket that overlaps zero ends there when there are observations on one side only.
fn narrowed(mut bucket: Bucket, histogram: &Histogram) -> Bucket {
    match (histogram.negative.is_empty(), histogram.positive.is_empty()) {
        (true, false) => bucket.lower = 0.0,
        (false, true) => bucket.upper = 0.0,
        _ => {}
    }
    bucket
}

/// The value below which the fraction `q` of observations lies: within a bucket by a straight line over the logarithm of
/// values, or over values for custom bounds and around zero. It is looked for from the nearer end. Observations that are NaN
/// are taken to be above all others.
pub(super) fn quantile(q: f64, histogram: &Histogram, metric: &str, span: Span, notes: &mut Annotations) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if histogram.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    let has_nan = histogram.sum.is_nan();
    let is_from_below = has_nan || q < 0.5;
    let mut buckets = histogram.buckets();
    if !is_from_below {
        buckets.reverse();
    }
    let mut rank = if is_from_below { q } else { 1.0 - q } * histogram.count;
    let mut bucket = Bucket { lower: 0.0, upper: 0.0, has_lower: false, has_upper: false, count: 0.0 };
    let mut count = 0.0;
    let mut rest = buckets.iter();
    for next in rest.by_ref() {
        bucket = *next;
        if bucket.count == 0.0 {
            continue;
        }
        count += bucket.count;
        if count >= rank {
            break;
        }
    }
    if histogram.is_custom() {
        if bucket.lower == f64::NEG_INFINITY {
            // Nothing is known about how far below zero the lowest bucket reaches.
            if bucket.upper <= 0.0 {
                return bucket.upper;
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return bucket.lower;
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        bucket = narrowed(bucket, histogram);
    }
    count = f64::min(count, histogram.count);
    if count < rank {
        if has_nan {
            notes.add(Annotation::nan_makes_quantile_nan(metric, span));
            return f64::NAN;
        }
        return bucket.upper;
    }
    rank = if is_from_below { rank - (count - bucket.count) } else { count - rank };
    if has_nan {
        let in_buckets = count + rest.map(|bucket| bucket.count).sum::<f64>();
        if in_buckets < histogram.count {
            notes.add(Annotation::nan_skews_quantile(metric, span));
        }
    }
    let share = rank / bucket.count;
    if histogram.is_custom() || bucket.lower <= 0.0 && bucket.upper >= 0.0 {
        return bucket.lower + (bucket.upper - bucket.lower) * share;
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        (lower + (upper - lower) * share).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - share)).exp2()
    }
}

/// The fraction of observations between two values, by the same lines.
pub(super) fn fraction(
    lower: f64,
    upper: f64,
    histogram: &Histogram,
    metric: &str,
    span: Span,
    notes: &mut Annotations,
) -> f64 {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let buckets = histogram.buckets();
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    for bucket in &buckets {
        let overlaps_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        let bucket = if overlaps_zero { narrowed(*bucket, histogram) } else { *bucket };
        let is_linear = histogram.is_custom() || overlaps_zero;
        for (value, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_some() {
                continue;
            }
            if bucket.lower >= value {
                *found = Some(rank);
            } else if bucket.upper > value {
                // Nothing is known about where in a bucket without a lower bound observations are.
                let without_bound = is_linear && bucket.lower == f64::NEG_INFINITY;
                let inside = || rank + bucket.count * bucket.fraction_below(value, is_linear);
                *found = Some(if without_bound { bucket.count } else { inside() });
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let mut count = histogram.count;
    if histogram.sum.is_nan() {
        count = buckets.iter().map(|bucket| bucket.count).sum();
        if count < histogram.count {
            notes.add(Annotation::nan_is_in_no_fraction(metric, span));
        }
    }
    let [lower, upper] = [lower_rank, upper_rank].map(|rank| rank.filter(|rank| *rank <= count).unwrap_or(count));
    (upper - lower) / histogram.count
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, told_of, value_of};

    #[test]
    fn histograms_tell_counts_and_spread() {
        let store = store(&[
            ("h", "{{schema:0 sum:5 count:4 z_bucket:1 z_bucket_w:0.001 buckets:[2] n_buckets:[1]}}"),
            ("c", "{{schema:-53 sum:9 count:4 custom_values:[1 2] buckets:[1 2 1]}}"),
            ("f", "3"),
        ]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("histogram_count({__name__=~'h|f'})", "{} 4");
        check("histogram_sum(h)", "{} 5");
        check("histogram_avg(c)", "{} 2.25");
        check("histogram_quantile(0.5, c)", "{} 1.5");
        check("histogram_quantile(0.25, c)", "{} 1");
        check("histogram_quantile(1, c)", "{} 2");
        check("histogram_fraction(1, 2, c)", "{} 0.5");
        check("histogram_fraction(-Inf, +Inf, h)", "{} 1");
        check("histogram_quantile(0, h)", "{} -1");
        check("histogram_quantile(1, h)", "{} 1");
        check("h * 2", "{} {count:8, sum:10, [-1,-0.5):2, [-0.001,0.001]:2, (0.5,1]:4}");
        check("h </ 0", "h {count:1.5, sum:-0.7073567811865475, [-1,-0.5):1, [-0.001,0.001]:0.5}");
        check("c >/ 2", "c {count:1, sum:2, (2,+Inf]:1}");
        check("h - h == 0 * h", "{} {count:0, sum:0}");
        check("abs(h)", "");
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let store = store(&[
            ("h", "{{schema:0 sum:5 count:4 buckets:[4]}}x3"),
            ("c", "{{schema:-53 sum:9 count:4 custom_values:[1 2] buckets:[1 2 1]}}x3"),
            ("m", "1 2 {{count:1 buckets:[1]}} {{count:2 buckets:[2]}}"),
        ]);
        let check = |source: &str, want: &str| assert_eq!(told_of(source, &store, 3), want, "{source}");
        check(
            "sum({__name__=~'m|h|c'})",
            " | PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric \
             name \"c\" (1:5)",
        );
        check(
            "1 + h",
            " | PromQL info: incompatible sample types encountered for binary operator \"+\": float + histogram (1:1)",
        );
        check(
            "rate(m[5m])",
            " | PromQL warning: encountered a mix of histograms and floats for metric name \"m\" (1:6)",
        );
        check(
            "max_over_time(m[5m])",
            "{} 2 | PromQL info: ignored histograms in a range containing both floats and histograms for metric name \
             \"m\" (1:15)",
        );
        check("0 * max(h)", " | PromQL info: ignored histogram in max aggregation (1:9)");
        check("h + on () c", " | PromQL warning: incompatible bucket layout encountered for binary operator + (1:1)");
        check(
            "histogram_quantile(2, c)",
            "{} inf | PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)",
        );
        check("count(h) + count(c)", "{} 2");
        check("last_over_time(m[5m])", "m {count:2, sum:0, (0.5,1]:2}");
        check("first_over_time(m[5m])", "m 1");
        check("changes(m[5m]) + resets(m[5m])", "{} 4");
    }
}
