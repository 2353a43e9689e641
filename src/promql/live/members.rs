//! The series of a standing selector as rows that keep their numbers.

use std::sync::Arc;

use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, Timestamp};
use crate::store::{Rich, SelectorId, SeriesId, Store};

use super::mutant::{Mutant, is_mutant};
use super::rows::number_of;

/// So many rows of series that are gone are kept in any case before rows are numbered anew.
const GONE_MIN: usize = if cfg!(test) { 2 } else { 1024 };

/// The series that a selector selects. A series keeps its row while it is there; one that appears gets the next. When more
/// rows are of series that are gone than of those that are there, all are numbered anew.
#[derive(Debug)]
pub(super) struct Members {
    id: SelectorId,
    matchers: Vec<Matcher>,
    departures: u64,
    /// Goes up when rows are numbered anew.
    pub(super) generation: u64,
    /// The row of each series that is there, in the store's order.
    pub(super) rows: Vec<u32>,
    /// The series of each row.
    pub(super) series: Vec<SeriesId>,
    /// Whether some series says its type or unit by a label, which dropping names drops too.
    pub(super) says_type: bool,
    /// The series that have native histograms, which are no floats.
    with_histograms: Vec<SeriesId>,
    /// As of this count of the store's, and of this many rows.
    histograms_as_of: (u64, usize),
    /// How often a rule wrote to a series that may be among them.
    pub(super) writes: u64,
}

impl Members {
    pub(super) fn new(id: SelectorId, matchers: &[Matcher]) -> Self {
        Self {
            id,
            matchers: matchers.to_vec(),
            departures: 0,
            generation: 1,
            rows: Vec::new(),
            series: Vec::new(),
            says_type: false,
            with_histograms: Vec::new(),
            histograms_as_of: (0, 0),
            writes: 0,
        }
    }

    /// The one name that they all have, if the selector asks for one.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        let asks = |it: &&Matcher| &*it.name == METRIC_NAME && it.op == MatchOp::Equal;
        self.matchers.iter().find(asks).map(|it| it.value.clone())
    }

    /// Whether a series of this name could be among them.
    pub(super) fn may_have(&self, name: &str) -> bool {
        self.matchers.iter().filter(|it| &*it.name == METRIC_NAME).all(|it| it.matches_value(name))
    }

    /// Takes in who came and who went.
    pub(super) fn refresh(&mut self, store: &Store) {
        let members = store.selected(self.id);
        let departures = store.departures(self.id);
        if departures != self.departures && !is_mutant(Mutant::MissesDepartures) {
            self.departures = departures;
            // Those that are left are in order, and whoever is new stands behind them.
            let series = &self.series;
            let mut before = self.rows.iter().copied();
            let row_of = |id: &SeriesId| before.find(|row| series[*row as usize] == *id);
            self.rows = members.iter().map_while(row_of).collect();
            if self.series.len() > 2 * members.len() + GONE_MIN {
                self.rows.clear();
                self.series.clear();
                self.generation += 1;
            }
        }
        for id in members.iter().skip(self.rows.len()) {
            self.rows.push(number_of(self.series.len()));
            self.series.push(*id);
            self.says_type |= says_type(store.series(*id).labels());
        }
        let as_of = (store.histogram_changes(), self.series.len());
        if as_of != self.histograms_as_of {
            self.histograms_as_of = as_of;
            let has_histograms = |id: &SeriesId| store.rich(*id).is_some_and(Rich::has_histograms);
            self.with_histograms = members.iter().copied().filter(has_histograms).collect();
        }
    }

    /// Whether some series has a native histogram in `(start, end]`.
    pub(super) fn has_histogram(&self, store: &Store, (start, end): (Timestamp, Timestamp)) -> bool {
        let is_there = |rich: &Rich| rich.window(start, end).next().is_some();
        !is_mutant(Mutant::MissesHistograms)
            && self.with_histograms.iter().any(|id| store.rich(*id).is_some_and(is_there))
    }

    /// The series that are there, with their rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, SeriesId)> + '_ {
        self.rows.iter().map(|row| (*row, self.series[*row as usize]))
    }

    /// The labels of a row whose series is there.
    pub(super) fn labels(&self, row: u32, store: &Store) -> Labels {
        store.series(self.series[row as usize]).labels().clone()
    }
}

/// Whether labels other than the name say what a metric is.
pub(super) fn says_type(labels: &Labels) -> bool {
    !labels.get("__type__").is_empty() || !labels.get("__unit__").is_empty()
}
