//! Sums and means of many histograms, with what rounding takes kept beside every count.

use super::Histogram;
use super::cells::{Cell, Number};
use crate::model::CompensatedSum;

/// A histogram that many are added to.
pub type HistogramSum = Histogram<CompensatedSum>;

impl HistogramSum {
    /// A sum of one.
    pub fn of(histogram: &Histogram) -> Self {
        let cells = |cells: &[Cell]| -> Vec<Cell<CompensatedSum>> {
            cells.iter().map(|cell| Cell { index: cell.index, count: CompensatedSum::of(cell.count) }).collect()
        };
        Self {
            reset: histogram.reset,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: CompensatedSum::of(histogram.zero_count),
            count: CompensatedSum::of(histogram.count),
            sum: CompensatedSum::of(histogram.sum),
            positive: cells(&histogram.positive),
            negative: cells(&histogram.negative),
            bounds: histogram.bounds.clone(),
        }
    }

    /// The sum, each count with what rounding took from it.
    pub fn total(self) -> Histogram {
        let total = |number: CompensatedSum| number.sum + number.lost;
        let cells = |cells: Vec<Cell<CompensatedSum>>| -> Vec<Cell> {
            cells.into_iter().map(|cell| Cell { index: cell.index, count: total(cell.count) }).collect()
        };
        Histogram {
            reset: self.reset,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: total(self.zero_count),
            count: total(self.count),
            sum: total(self.sum),
            positive: cells(self.positive),
            negative: cells(self.negative),
            bounds: self.bounds,
        }
    }

    /// Whether some number is too large for a float.
    pub fn overflows(&self) -> bool {
        let numbers = [self.zero_count, self.count, self.sum];
        let cells = self.positive.iter().chain(&self.negative).map(|cell| cell.count);
        numbers.into_iter().chain(cells).any(|number| number.plain().is_infinite())
    }
}
