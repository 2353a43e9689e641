//! How much may be stored, and what was refused because of it.

use std::collections::{HashMap, HashSet};

use super::{SelectorId, Series};
use crate::model::{Labels, Timestamp};

/// What a series takes without its labels and samples: its slot, its place in the table, in the lists of its selectors and
/// among the known lines of its target.
const SERIES_BYTES: usize = 300;
/// What a label of a series takes; the label itself is there once for all series.
const LABEL_BYTES: usize = size_of::<usize>();

/// How much may be stored. At a limit new series are refused; those that are there go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many series.
    pub series_max: Option<usize>,
    /// How many bytes, as [`Store::memory_bytes`](super::Store::memory_bytes) estimates them.
    pub memory_max: Option<usize>,
}

/// What there is to be held against the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    series: usize,
    labels: usize,
    /// Of all samples.
    samples_bytes: usize,
}

impl Size {
    pub(super) fn add_series(&mut self, labels: &Labels) {
        self.series += 1;
        self.labels += labels.len();
    }

    pub(super) fn remove_series(&mut self, series: &Series) {
        self.series -= 1;
        self.labels -= series.labels().len();
        self.samples_bytes -= series.heap_bytes();
    }

    /// Adds the samples of a series.
    #[cfg(test)]
    pub(super) fn add_samples(&mut self, series: &Series) {
        self.samples_bytes += series.heap_bytes();
    }

    /// Changes the samples of a series.
    #[inline]
    pub(super) fn change<T>(&mut self, series: &mut Series, change: impl FnOnce(&mut Series) -> T) -> T {
        let before = series.heap_bytes();
        let result = change(series);
        self.samples_bytes = self.samples_bytes + series.heap_bytes() - before;
        result
    }

    pub(super) fn series(&self) -> usize {
        self.series
    }

    pub(super) fn bytes(&self) -> usize {
        self.series * SERIES_BYTES + self.labels * LABEL_BYTES + self.samples_bytes
    }

    /// Whether a limit is reached, with `pool` bytes for the labels themselves.
    pub(super) fn reaches(&self, limits: &Limits, pool: usize) -> bool {
        limits.series_max.is_some_and(|max| self.series >= max)
            || limits.memory_max.is_some_and(|max| self.bytes() + pool >= max)
    }
}

/// The new series of a target that were refused, and who wanted them.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals {
    /// How many, at the last scrape.
    pub(super) count: usize,
    /// Who wanted some of them, and until when they were refused; none when they still are.
    wanted_by: HashMap<SelectorId, Option<Timestamp>>,
}

impl Refusals {
    /// Takes in what a scrape at `at` brought and was refused.
    pub(super) fn note(&mut self, at: Timestamp, count: usize, wanted_by: &HashSet<SelectorId>) {
        self.count = count;
        for (id, until) in &mut self.wanted_by {
            if !wanted_by.contains(id) {
                until.get_or_insert(at);
            }
        }
        self.wanted_by.extend(wanted_by.iter().map(|id| (*id, None)));
    }

    /// Whether series were refused as of `at` that a selector wanted.
    pub(super) fn concern(&self, id: SelectorId, at: Timestamp) -> bool {
        self.wanted_by.get(&id).is_some_and(|until| until.is_none_or(|until| at < until))
    }

    /// Forgets what ended by `at`, and what concerns a selector that is no more. Says whether anything is left.
    pub(super) fn forget(&mut self, at: Timestamp, is_there: impl Fn(SelectorId) -> bool) -> bool {
        self.wanted_by.retain(|id, until| is_there(*id) && until.is_none_or(|until| until > at));
        self.count > 0 || !self.wanted_by.is_empty()
    }
}
