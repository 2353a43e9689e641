//! What is stored, to be counted by whoever asks.

use std::collections::BTreeSet;

use super::rich::Rich;
use super::{SeriesId, Store, series_id};
use crate::model::{Labels, Matcher, Timestamp};

/// The series that are stored, and from when to when their samples are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The labels of each series.
    pub series: Vec<Labels>,
    /// The moments of the oldest and of the newest sample, if there is any.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl Store {
    /// What is stored. Costs a look at every series.
    pub fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for series in self.slots.iter().filter_map(|slot| slot.series.as_ref()) {
            inventory.series.push(series.labels().clone());
            if let Some((first, last)) = series.span() {
                let (oldest, newest) = inventory.span.unwrap_or((first, last));
                inventory.span = Some((oldest.min(first), newest.max(last)));
            }
        }
        inventory
    }

    /// The labels of the series that pass one of some sets of matchers, or of all when there is none, and have a sample in
    /// `[from, to]`, or samples before and after it. Costs a look at every series for each set that is not registered.
    pub fn labels_between(&self, sets: &[Vec<Matcher>], from: Timestamp, to: Timestamp) -> Vec<Labels> {
        let is_within = |id: SeriesId| {
            let (series, rich) = (self.series(id), self.rich.get(id));
            let floats = series.span();
            let histograms = rich.and_then(Rich::span);
            [floats, histograms].into_iter().flatten().any(|(first, last)| first <= to && last >= from)
        };
        let labels = |id: &SeriesId| is_within(*id).then(|| self.series(*id).labels().clone());
        match sets {
            [] => {
                let stored = self.slots.iter().enumerate().filter(|(_, slot)| slot.series.is_some());
                stored.filter_map(|(index, slot)| labels(&series_id(index, slot.generation))).collect()
            }
            [set] => self.matching(set).iter().filter_map(labels).collect(),
            sets => {
                let ids: BTreeSet<SeriesId> = sets.iter().flat_map(|set| self.matching(set).into_owned()).collect();
                ids.iter().filter_map(labels).collect()
            }
        }
    }
}
