//! How much may be stored, and what was refused because of it.

use std::collections::{HashMap, HashSet};

use super::SelectorId;
use crate::model::{Labels, Timestamp};

/// What a series takes without its labels and samples: its slot, its place in the map and in the lists of its selectors.
const SERIES_BYTES: usize = 160;
/// What a label takes without its text: two pointers with lengths, and the heads of what they point to.
const LABEL_BYTES: usize = 64;
/// What a sample takes: 16 bytes, and a quarter that is kept spare.
const SAMPLE_BYTES: usize = 20;

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
    pub(super) series: usize,
    pub(super) samples: usize,
    /// Of all labels.
    pub(super) labels_bytes: usize,
}

impl Size {
    pub(super) fn add_series(&mut self, labels: &Labels) {
        self.series += 1;
        self.labels_bytes += bytes_of(labels);
    }

    pub(super) fn remove_series(&mut self, labels: &Labels) {
        self.series -= 1;
        self.labels_bytes -= bytes_of(labels);
    }

    /// `series * 160 + labels * 64 + their text + samples * 20`.
    pub(super) fn bytes(&self) -> usize {
        self.series * SERIES_BYTES + self.labels_bytes + self.samples * SAMPLE_BYTES
    }

    pub(super) fn reaches(&self, limits: &Limits) -> bool {
        limits.series_max.is_some_and(|max| self.series >= max)
            || limits.memory_max.is_some_and(|max| self.bytes() >= max)
    }
}

fn bytes_of(labels: &Labels) -> usize {
    labels.iter().map(|(name, value)| LABEL_BYTES + name.len() + value.len()).sum()
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
