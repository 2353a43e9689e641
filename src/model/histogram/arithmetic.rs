//! Adding, subtracting and scaling histograms.

use std::sync::Arc;

use super::cells::{Cell, Number, add_cells, coarser};
use super::{Combined, CounterReset, Histogram, IncompatibleSchemas};
use crate::model::CompensatedSum;

impl<N: Number> Histogram<N> {
    /// Adds another. The coarser schema, the wider zero bucket and the bounds that both have remain.
    pub fn add(&mut self, other: &Histogram) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, 1.0)
    }

    /// Subtracts another, in the same way.
    pub fn subtract(&mut self, other: &Histogram) -> Result<Combined, IncompatibleSchemas> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &Histogram, sign: f64) -> Result<Combined, IncompatibleSchemas> {
        if self.is_custom() != other.is_custom() {
            return Err(IncompatibleSchemas);
        }
        let resets_collide = self.agree_on_reset(other.reset);
        if !self.is_custom() {
            let zero_count = self.reconcile_zero_buckets(other);
            self.zero_count.add_sum(zero_count.scaled(sign));
        }
        self.count.add(sign * other.count);
        self.sum.add(sign * other.sum);
        if self.is_custom() {
            let bounds_reconciled = self.bounds != other.bounds;
            if bounds_reconciled {
                self.combine_by_common_bounds(other, sign);
            } else {
                add_cells(&mut self.positive, &other.positive, self.schema, 0.0, sign);
            }
            return Ok(Combined { resets_collide, bounds_reconciled });
        }
        if other.schema < self.schema {
            self.reduce_to(other.schema);
        }
        let (schema, threshold) = (self.schema, self.zero_threshold);
        for (mine, others) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            if other.schema > schema {
                add_cells(mine, &coarser_sums(others, other.schema, schema), schema, threshold, sign);
            } else {
                add_cells(mine, others, schema, threshold, sign);
            }
        }
        Ok(Combined { resets_collide, bounds_reconciled: false })
    }

    /// Goes over to a coarser schema.
    pub fn reduce_to(&mut self, schema: i32) {
        self.positive = coarser(&self.positive, self.schema, schema);
        self.negative = coarser(&self.negative, self.schema, schema);
        self.schema = schema;
    }

    /// What both together say about resets; whether they contradict each other.
    fn agree_on_reset(&mut self, other: CounterReset) -> bool {
        use CounterReset::{Gauge, NotReset, Reset, Unknown};
        let (agreed, collide) = match (self.reset, other) {
            (mine, other) if mine == other => (mine, false),
            (Gauge, _) | (_, Gauge) => (Gauge, false),
            (Unknown, _) | (_, Unknown) => (Unknown, false),
            (Reset | NotReset, _) => (Unknown, true),
        };
        self.reset = agreed;
        collide
    }

    /// Puts the buckets of both into those between the bounds that both have.
    fn combine_by_common_bounds(&mut self, other: &Histogram, sign: f64) {
        let common: Arc<[f64]> = self.bounds.iter().copied().filter(|bound| other.bounds.contains(bound)).collect();
        let mut sums = vec![CompensatedSum::default(); common.len() + 1];
        pour(&self.positive, &self.bounds, &common, 1.0, &mut sums);
        pour(&other.positive, &other.bounds, &common, sign, &mut sums);
        let cells = (0..).zip(sums).map(|(index, count)| Cell { index, count });
        let filled = cells.filter(|cell| !cell.count.is_zero());
        self.positive = filled.map(|Cell { index, count }| Cell { index, count: N::of(count) }).collect();
        self.bounds = common;
    }

    /// Multiplies everything. With a negative factor it is no counter any more.
    pub fn scale(&mut self, factor: f64) {
        self.each_number(|number| number.times(factor));
        if factor < 0.0 {
            self.reset = CounterReset::Gauge;
        }
    }

    /// Divides everything. Divided by zero, no bucket is left.
    pub fn divide(&mut self, divisor: f64) {
        self.each_number(|number| number.over(divisor));
        if divisor == 0.0 {
            self.positive.clear();
            self.negative.clear();
        }
        if divisor < 0.0 {
            self.reset = CounterReset::Gauge;
        }
    }

    fn each_number(&mut self, change: impl Fn(N) -> N) {
        for number in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *number = change(*number);
        }
        for cell in self.positive.iter_mut().chain(&mut self.negative) {
            cell.count = change(cell.count);
        }
    }
}

/// The cells of a coarser schema, with what rounding takes.
fn coarser_sums(cells: &[Cell], from: i32, to: i32) -> Vec<Cell<CompensatedSum>> {
    let sums: Vec<Cell<CompensatedSum>> =
        cells.iter().map(|cell| Cell { index: cell.index, count: cell.count.as_sum() }).collect();
    coarser(&sums, from, to)
}

/// Adds cells to the sums of the buckets between coarser bounds, of which the last has no upper bound.
fn pour<N: Number>(cells: &[Cell<N>], bounds: &[f64], coarse: &[f64], sign: f64, sums: &mut [CompensatedSum]) {
    for cell in cells {
        let upper = usize::try_from(cell.index).ok().and_then(|index| bounds.get(index));
        let place = upper.map_or(coarse.len(), |upper| coarse.partition_point(|bound| bound < upper));
        sums[place].add_sum(cell.count.as_sum().scaled(sign));
    }
}
