//! What is stored, to be counted by whoever asks.

use super::Store;
use crate::model::{Labels, Timestamp};

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
}
