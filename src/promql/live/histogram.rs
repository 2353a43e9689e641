//! Quantiles and fractions of classic histograms: which bucket a row is, and of which histogram, is looked up.

use crate::model::Labels;

use super::super::functions::{BOUND, ClassicBucket, bound_of};
use super::column::Column;
use super::mutant::{Mutant, is_mutant};
use super::rows::{LabelIndex, Met, NOWHERE, RowMemo, number_of};

/// The bucket that each row is.
#[derive(Debug, Default)]
pub(super) struct Histograms {
    memo: RowMemo,
    /// Histogram and upper bound of each bucket.
    buckets: Vec<(u32, f64)>,
    index: LabelIndex,
    generation: u64,
    met: Met,
    seen: Vec<u32>,
    /// The buckets of each histogram in this evaluation; kept for their memory.
    gathered: Vec<Vec<ClassicBucket>>,
}

impl Histograms {
    pub(super) fn labels(&self, histogram: u32) -> Labels {
        self.index.labels(histogram)
    }

    /// A value of each histogram, the one that appears first first. A row whose `le` is no number is no bucket. Names do not
    /// differ: then histograms stay different without them.
    pub(super) fn evaluate(
        &mut self,
        child: &Column,
        labels: impl Fn(u32) -> Labels,
        value: impl Fn(Vec<ClassicBucket>) -> f64,
        column: &mut Column,
    ) {
        if self.memo.follow(child.generation) {
            self.buckets.clear();
            self.index.clear();
            self.generation += 1;
        }
        self.met.begin();
        self.seen.clear();
        let (index, buckets) = (&mut self.index, &mut self.buckets);
        for (row, count) in child.iter() {
            let bucket = self.memo.get(row, || {
                let labels = labels(row);
                let Some(bound) = bound_of(labels.get(BOUND)) else { return NOWHERE };
                let others = labels.without_metric_name().filter(|name| name != BOUND);
                let others = if is_mutant(Mutant::MixesHistograms) { Labels::empty() } else { others };
                buckets.push((index.number(others), bound));
                number_of(buckets.len() - 1)
            });
            if bucket == NOWHERE {
                continue;
            }
            let (histogram, bound) = buckets[bucket as usize];
            let at = histogram as usize;
            if self.gathered.len() <= at {
                self.gathered.resize_with(at + 1, Vec::new);
            }
            if self.met.note(histogram) {
                self.seen.push(histogram);
            }
            self.gathered[at].push(ClassicBucket { bound, count });
        }
        column.generation = self.generation;
        for histogram in &self.seen {
            let buckets = std::mem::take(&mut self.gathered[*histogram as usize]);
            column.push(*histogram, value(buckets));
        }
    }
}
