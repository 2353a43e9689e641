//! The bounds of buckets.

use std::ops::RangeInclusive;

/// The schema of histograms whose bounds are listed.
pub const SCHEMA_CUSTOM: i32 = -53;

/// The schemas of exponential buckets: bounds grow by 2^(2^-schema).
pub const SCHEMAS: RangeInclusive<i32> = -4..=8;

/// A bucket with its bounds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bucket {
    /// Its lower bound.
    pub lower: f64,
    /// Its upper bound.
    pub upper: f64,
    /// Whether a value at the lower bound is in it.
    pub has_lower: bool,
    /// Whether a value at the upper bound is in it.
    pub has_upper: bool,
    /// How many observations are in it.
    pub count: f64,
}

impl Bucket {
    /// The share of its observations that are thought to be below a value within it: by a straight line, or by one over the
    /// logarithm of values, as the bounds of exponential buckets lie.
    pub fn fraction_below(&self, value: f64, is_linear: bool) -> f64 {
        if is_linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let [lower, upper, value_log] = [self.lower, self.upper, value].map(|it| it.abs().log2());
        if value > 0.0 { (value_log - lower) / (upper - lower) } else { 1.0 - (value_log - upper) / (lower - upper) }
    }
}

/// The upper bound of the bucket with an index, on the positive side. Of custom bounds an index beyond them has an infinite
/// one.
pub(super) fn bound(index: i32, schema: i32, bounds: &[f64]) -> f64 {
    if schema != SCHEMA_CUSTOM {
        return exponential(index, schema);
    }
    match usize::try_from(index) {
        Err(_) => f64::NEG_INFINITY,
        Ok(index) => bounds.get(index).copied().unwrap_or(f64::INFINITY),
    }
}

/// 2^(index · 2^-schema), but the largest float instead of what is one step beyond it.
fn exponential(index: i32, schema: i32) -> f64 {
    let index = i64::from(index);
    if schema < 0 {
        let exponent = index << schema.unsigned_abs().min(30);
        return if exponent == 1024 { f64::MAX } else { power_of_two(1.0, exponent) };
    }
    let schema = schema.min(30);
    let step = index & ((1 << schema) - 1);
    let exponent = (index >> schema) + 1;
    if step == 0 && exponent == 1025 {
        return f64::MAX;
    }
    #[expect(clippy::cast_precision_loss, reason = "both are below 2^31")]
    let fraction = (step as f64 / (1_i64 << schema) as f64).exp2() / 2.0;
    power_of_two(fraction, exponent)
}

/// `value` · 2^`exponent`, also where the power alone is no float.
fn power_of_two(value: f64, exponent: i64) -> f64 {
    let exponent = i32::try_from(exponent.clamp(-1200, 1200)).unwrap_or(0);
    value * 2.0_f64.powi(exponent / 2) * 2.0_f64.powi(exponent - exponent / 2)
}

/// The index of the bucket with a coarser schema that a bucket is part of.
pub(super) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    let shift = u32::try_from(from - to).unwrap_or(0).min(31);
    (index.saturating_sub(1) >> shift) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_from_the_schema() {
        let check = |index: i32, schema: i32, want: f64| {
            let found = exponential(index, schema);
            assert!((found - want).abs() <= want * 1e-15, "{index} of {schema}: {found}");
        };
        check(0, 0, 1.0);
        check(1, 0, 2.0);
        check(-1, 0, 0.5);
        check(2, 1, 2.0);
        check(1, 1, std::f64::consts::SQRT_2);
        check(1, -1, 4.0);
        check(1024, 0, f64::MAX);
        check(512, -1, f64::MAX);
        check(-1074, 0, 5e-324);
        assert_eq!(bound(-1, SCHEMA_CUSTOM, &[1.0]), f64::NEG_INFINITY);
        assert_eq!(bound(0, SCHEMA_CUSTOM, &[1.0]), 1.0);
        assert_eq!(bound(1, SCHEMA_CUSTOM, &[1.0]), f64::INFINITY);
    }

    #[test]
    fn coarser_buckets_hold_finer_ones() {
        for (index, want) in [(-3, -1), (-2, -1), (-1, 0), (0, 0), (1, 1), (2, 1), (3, 2)] {
            assert_eq!(coarser_index(index, 1, 0), want, "{index}");
        }
    }
}
