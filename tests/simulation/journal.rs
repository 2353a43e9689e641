//! What is on disk: the newest row of each key, as it reads after having been JSON in the state file.

use std::collections::BTreeMap;

use atalaya::dispatch::{Delivery, DispatchRecord, DispatchRows, GroupRow, Lane, LaneKey, MemberRow};
use atalaya::engine::{EngineRows, Record};
use atalaya::model::{Alert, AlertStatus, DeliveryId, Fingerprint, GroupKey, Labels};
use atalaya::rollout::{Episode, EpisodeKey};
use atalaya::rule::InstanceRow;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[derive(Clone, Default)]
pub(crate) struct Journal {
    instances: BTreeMap<Labels, InstanceRow>,
    groups: BTreeMap<GroupKey, GroupRow>,
    members: BTreeMap<(GroupKey, Fingerprint), MemberRow>,
    lanes: BTreeMap<LaneKey, Lane>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    episodes: BTreeMap<EpisodeKey, Episode>,
}

/// Puts a row into its table, by way of JSON, or takes it out.
fn put<K: Ord + Clone, T: Serialize + DeserializeOwned>(table: &mut BTreeMap<K, T>, key: &K, row: Option<&T>) {
    match row {
        Some(row) => {
            let body = serde_json::to_string(row).unwrap();
            table.insert(key.clone(), serde_json::from_str(&body).unwrap());
        }
        None => drop(table.remove(key)),
    }
}

impl Journal {
    /// Takes in a step's records.
    pub(crate) fn commit(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Instance(_, labels, row) => put(&mut self.instances, labels, row.as_ref()),
                Record::Dispatch(DispatchRecord::Group(key, row)) => put(&mut self.groups, key, row.as_ref()),
                Record::Dispatch(DispatchRecord::Member(key, print, row)) => {
                    put(&mut self.members, &(key.clone(), *print), row.as_ref());
                }
                Record::Dispatch(DispatchRecord::Lane(key, row)) => put(&mut self.lanes, key, row.as_ref()),
                Record::Dispatch(DispatchRecord::Delivery(id, row)) => put(&mut self.deliveries, id, row.as_ref()),
                Record::Episode((key, row)) => put(&mut self.episodes, key, row.as_ref()),
                Record::Note(_) => {}
            }
        }
    }

    /// Whether a delivery is there.
    pub(crate) fn has(&self, delivery: &DeliveryId) -> bool {
        self.deliveries.contains_key(delivery)
    }

    /// What the engine goes on from.
    pub(crate) fn engine(&self) -> EngineRows {
        EngineRows {
            dispatch: DispatchRows {
                groups: self.groups.values().cloned().collect(),
                members: self.members.values().cloned().collect(),
                lanes: self.lanes.values().cloned().collect(),
                deliveries: self.deliveries.values().cloned().collect(),
            },
            episodes: self.episodes.values().cloned().collect(),
        }
    }

    /// The alerts that the evaluator would hold to fire.
    pub(crate) fn firing(&self) -> BTreeMap<Labels, Alert> {
        let alert = |row: &InstanceRow| Alert {
            starts_at: row.state.fired_at().unwrap(),
            labels: row.labels.clone(),
            annotations: row.annotations.clone(),
            status: AlertStatus::Firing,
            generator_url: String::new(),
        };
        self.instances.values().map(|row| (row.labels.clone(), alert(row))).collect()
    }
}
