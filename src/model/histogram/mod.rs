//! Native histograms: how many observations fell into which buckets.
//!
//! The bounds of buckets follow from a schema (exponential ones grow by 2^(2^-schema)), or are listed (custom ones). Only
//! buckets that were written down are kept, each with its index. What is here is Prometheus's arithmetic on them: adding
//! and subtracting with different schemas, zero buckets and bounds, finding that a counter started anew, cutting off at a
//! value. Sources: `https://prometheus.io/docs/specs/native_histograms/` and the Prometheus of `docs/promql.md`.

mod arithmetic;
mod bounds;
mod cells;
mod classic;
mod reset;
mod sum;
mod text;
mod trim;
mod zero;

use std::sync::Arc;

pub use bounds::{Bucket, SCHEMA_CUSTOM, SCHEMAS};
pub use cells::Cell;
pub use classic::ClassicError;
pub use sum::HistogramSum;

use bounds::bound;
use cells::Number;

/// What a histogram says about whether its counter started anew since the histogram before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CounterReset {
    /// Nothing: one has to look.
    #[default]
    Unknown,
    /// It did.
    Reset,
    /// It did not.
    NotReset,
    /// It is no counter.
    Gauge,
}

/// A native histogram. `N` is what counts are: numbers, or, while many histograms are added up, numbers that keep what
/// rounding takes.
#[derive(Clone, Debug)]
pub struct Histogram<N = f64> {
    /// Whether its counter started anew.
    pub reset: CounterReset,
    /// How fine its buckets are, or [`SCHEMA_CUSTOM`].
    pub schema: i32,
    /// How far the zero bucket reaches to either side.
    pub zero_threshold: f64,
    /// How many observations are in the zero bucket.
    pub zero_count: N,
    /// How many observations there are; those that were NaN are in no bucket.
    pub count: N,
    /// The sum of observations.
    pub sum: N,
    /// Buckets of positive values, or all buckets when their bounds are listed; by index.
    pub positive: Vec<Cell<N>>,
    /// Buckets of negative values; by index.
    pub negative: Vec<Cell<N>>,
    /// The upper bounds of custom buckets, but that of the last, which is infinite.
    pub bounds: Arc<[f64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::empty(0, Arc::from([]))
    }
}

/// Two histograms cannot be combined: one has exponential buckets, the other custom ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("histograms with exponential and with custom buckets cannot be combined")]
pub struct IncompatibleSchemas;

/// What was noticed while two histograms were combined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Combined {
    /// One says that its counter started anew, the other that it did not.
    pub resets_collide: bool,
    /// Custom bounds differed, so only those that both have are left.
    pub bounds_reconciled: bool,
}

impl Histogram {
    /// A histogram without observations.
    pub fn empty(schema: i32, bounds: Arc<[f64]>) -> Self {
        Self {
            reset: CounterReset::Unknown,
            schema,
            zero_threshold: 0.0,
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive: Vec::new(),
            negative: Vec::new(),
            bounds,
        }
    }

    /// All buckets in order of values, the zero bucket only when it has observations. Buckets that the zero bucket overlaps
    /// end where it begins.
    pub fn buckets(&self) -> Vec<Bucket> {
        let mut all = Vec::with_capacity(self.positive.len() + self.negative.len() + 1);
        all.extend(self.negative.iter().rev().map(|cell| self.negative_bucket(cell)));
        for bucket in &mut all {
            if bucket.upper < 0.0 && bucket.upper > -self.zero_threshold {
                bucket.upper = -self.zero_threshold;
            }
        }
        if self.zero_count > 0.0 {
            all.push(self.zero_bucket());
        }
        all.extend(self.positive.iter().map(|cell| {
            let mut bucket = self.positive_bucket(cell);
            if bucket.lower > 0.0 && bucket.lower < self.zero_threshold {
                bucket.lower = self.zero_threshold;
            }
            bucket
        }));
        all
    }

    /// The zero bucket, which holds both of its bounds.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            has_lower: true,
            has_upper: true,
            count: self.zero_count,
        }
    }

    /// Without its buckets, for those who ask only for count and sum.
    #[must_use]
    pub fn stats(&self) -> Self {
        let stats = Self { count: self.count, sum: self.sum, reset: self.reset, ..Self::default() };
        Self { schema: self.schema, ..stats }
    }
}

impl<N: Number> Histogram<N> {
    /// Whether the bounds of its buckets are listed.
    pub fn is_custom(&self) -> bool {
        self.schema == SCHEMA_CUSTOM
    }

    /// Takes away the buckets without observations.
    pub fn compact(&mut self) {
        self.positive.retain(|cell| !cell.count.is_zero());
        self.negative.retain(|cell| !cell.count.is_zero());
    }

    /// The bucket of a cell on the positive side, as far as its bounds go.
    fn positive_bucket(&self, cell: &Cell<N>) -> Bucket {
        let upper = bound(cell.index, self.schema, &self.bounds);
        let lower = bound(cell.index - 1, self.schema, &self.bounds);
        let (has_lower, has_upper) =
            if self.is_custom() { (cell.index == 0, true) } else { (lower < 0.0, upper > 0.0) };
        Bucket { lower, upper, has_lower, has_upper, count: cell.count.plain() }
    }

    /// The bucket of a cell on the negative side.
    fn negative_bucket(&self, cell: &Cell<N>) -> Bucket {
        let lower = -bound(cell.index, self.schema, &self.bounds);
        let upper = -bound(cell.index - 1, self.schema, &self.bounds);
        Bucket { lower, upper, has_lower: lower < 0.0, has_upper: upper > 0.0, count: cell.count.plain() }
    }
}

/// Whether both are the same, bit by bit; what they say of resets does not count, nor do buckets without observations.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let are_same = |a: &[Cell], b: &[Cell]| {
            let filled = |cell: &&Cell| cell.count != 0.0;
            let mut others = b.iter().filter(filled);
            let mut pairs = a.iter().filter(filled).map(|cell| (cell, others.next()));
            let all_pairs = pairs.all(|(a, b)| b.is_some_and(|b| a.index == b.index && is_same(a.count, b.count)));
            all_pairs && others.next().is_none()
        };
        self.schema == other.schema
            && is_same(self.count, other.count)
            && is_same(self.sum, other.sum)
            && (!self.is_custom() || self.bounds == other.bounds)
            && self.zero_threshold == other.zero_threshold
            && is_same(self.zero_count, other.zero_count)
            && are_same(&self.negative, &other.negative)
            && are_same(&self.positive, &other.positive)
    }
}
