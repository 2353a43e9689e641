//! Buckets by index, and what their counts may be.

use super::bounds::{SCHEMA_CUSTOM, bound, coarser_index};
use crate::model::CompensatedSum;

/// A bucket that is told by its index.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cell<N = f64> {
    /// Which bucket; the histogram's schema says what its bounds are.
    pub index: i32,
    /// How many observations are in it.
    pub count: N,
}

/// What a count can be.
pub trait Number: Copy {
    /// The number of a sum.
    fn of(sum: CompensatedSum) -> Self;

    /// The number as a sum.
    fn as_sum(self) -> CompensatedSum;

    /// The number without what it keeps beside.
    fn plain(self) -> f64;

    /// Whether it is nothing at all.
    fn is_zero(self) -> bool;

    /// Adds a number.
    fn add(&mut self, value: f64);

    /// Adds a sum and what was lost of it.
    fn add_sum(&mut self, value: CompensatedSum);

    /// The number times a factor.
    #[must_use]
    fn times(self, factor: f64) -> Self;

    /// The number divided.
    #[must_use]
    fn over(self, divisor: f64) -> Self;
}

impl Number for f64 {
    fn of(sum: CompensatedSum) -> Self {
        sum.sum
    }

    fn as_sum(self) -> CompensatedSum {
        CompensatedSum::of(self)
    }

    fn plain(self) -> f64 {
        self
    }

    fn is_zero(self) -> bool {
        self == 0.0
    }

    fn add(&mut self, value: f64) {
        *self += value;
    }

    fn add_sum(&mut self, value: CompensatedSum) {
        *self += value.sum;
    }

    fn times(self, factor: f64) -> Self {
        self * factor
    }

    fn over(self, divisor: f64) -> Self {
        self / divisor
    }
}

impl Number for CompensatedSum {
    fn of(sum: CompensatedSum) -> Self {
        sum
    }

    fn as_sum(self) -> CompensatedSum {
        self
    }

    fn plain(self) -> f64 {
        self.sum
    }

    fn is_zero(self) -> bool {
        self.sum == 0.0 && self.lost == 0.0
    }

    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn add_sum(&mut self, value: CompensatedSum) {
        Self::add(self, value.sum);
        Self::add(self, value.lost);
    }

    fn times(self, factor: f64) -> Self {
        self.scaled(factor)
    }

    fn over(self, divisor: f64) -> Self {
        self.divided(divisor)
    }
}

/// The cells of a coarser schema.
pub(super) fn coarser<N: Number>(cells: &[Cell<N>], from: i32, to: i32) -> Vec<Cell<N>> {
    let mut merged: Vec<Cell<N>> = Vec::with_capacity(cells.len());
    for cell in cells {
        let index = coarser_index(cell.index, from, to);
        match merged.last_mut() {
            Some(last) if last.index == index => last.count.add_sum(cell.count.as_sum()),
            _ => merged.push(Cell { index, count: cell.count }),
        }
    }
    merged
}

/// Adds cells of the same schema to others, but those that the zero bucket holds whole.
pub(super) fn add_cells<N: Number, M: Number>(
    cells: &mut Vec<Cell<N>>,
    others: &[Cell<M>],
    schema: i32,
    zero_threshold: f64,
    sign: f64,
) {
    if others.is_empty() {
        return;
    }
    let counts = |cell: &Cell<M>| schema == SCHEMA_CUSTOM || bound(cell.index, schema, &[]) > zero_threshold;
    let mut merged = Vec::with_capacity(cells.len() + others.len());
    let mut mine = std::mem::take(cells).into_iter().peekable();
    for other in others.iter().filter(|cell| counts(cell)) {
        while let Some(cell) = mine.next_if(|cell| cell.index < other.index) {
            merged.push(cell);
        }
        let added = other.count.times(sign).as_sum();
        match mine.next_if(|cell| cell.index == other.index) {
            Some(mut cell) => {
                cell.count.add_sum(added);
                merged.push(cell);
            }
            None => merged.push(Cell { index: other.index, count: N::of(added) }),
        }
    }
    merged.extend(mine);
    *cells = merged;
}
