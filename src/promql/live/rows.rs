//! What is remembered by row: the cache of everything that depends on labels alone.

use std::collections::HashMap;

use crate::model::Labels;

use super::mutant::{Mutant, is_mutant};

/// Of which nothing is known yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// No row.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A number for each row of another node, worked out when the row is first met.
#[derive(Debug, Default)]
pub(super) struct RowMemo {
    /// Of the rows that it knows.
    generation: u64,
    known: Vec<u32>,
}

impl RowMemo {
    /// Forgets everything when the rows stand for other labels now. Returns whether it did.
    pub(super) fn follow(&mut self, generation: u64) -> bool {
        if self.generation == generation || is_mutant(Mutant::MissesRenumbering) && self.generation != 0 {
            return false;
        }
        self.generation = generation;
        self.known.clear();
        true
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// The number of a row; `make` is asked for it once.
    pub(super) fn get(&mut self, row: u32, make: impl FnOnce() -> u32) -> u32 {
        let at = row as usize;
        if let Some(known) = self.known.get(at).filter(|known| **known != UNKNOWN) {
            return *known;
        }
        if self.known.len() <= at {
            self.known.resize(at + 1, UNKNOWN);
        }
        self.known[at] = make();
        self.known[at]
    }
}

/// Label sets by number.
#[derive(Debug, Default)]
pub(super) struct LabelIndex {
    numbers: HashMap<Labels, u32>,
    labels: Vec<Labels>,
}

impl LabelIndex {
    /// The number of a label set, a new one if it was not met before.
    pub(super) fn number(&mut self, labels: Labels) -> u32 {
        let next = number_of(self.labels.len());
        *self.numbers.entry(labels).or_insert_with_key(|labels| {
            self.labels.push(labels.clone());
            next
        })
    }

    pub(super) fn labels(&self, number: u32) -> Labels {
        self.labels.get(number as usize).cloned().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.labels.clear();
    }
}

/// A count as a row number. There are not four billion elements.
pub(super) fn number_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NOWHERE)
}

/// Which numbers have been met in this evaluation, without clearing anything between two.
#[derive(Debug, Default)]
pub(super) struct Met {
    round: u64,
    rounds: Vec<u64>,
}

impl Met {
    /// Forgets what was met.
    pub(super) fn begin(&mut self) {
        self.round += 1;
    }

    /// Notes a number; returns whether it is met for the first time.
    pub(super) fn note(&mut self, number: u32) -> bool {
        let at = number as usize;
        if self.rounds.len() <= at {
            self.rounds.resize(at + 1, 0);
        }
        std::mem::replace(&mut self.rounds[at], self.round) != self.round
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.rounds.get(number as usize) == Some(&self.round)
    }
}
