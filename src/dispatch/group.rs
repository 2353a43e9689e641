//! A notification group: the alerts that are told together, and when it next looks for news.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Alert, AlertStatus, Fingerprint, GroupKey, Labels, ReceiverName, RollbackNote, Timestamp};

use super::{Route, Told};

/// A group. It exists from its first alert until all have resolved and everyone who was told of them knows.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// Everything but its alerts.
    pub row: GroupRow,
    /// Its alerts, firing and resolved.
    pub members: BTreeMap<Fingerprint, Alert>,
}

/// A group as it is kept over restarts, without its alerts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupRow {
    /// Its key.
    pub key: GroupKey,
    /// The key of the route that made it.
    pub route: String,
    /// Who is told.
    pub receiver: ReceiverName,
    /// The labels that its alerts share.
    pub labels: Labels,
    /// When it next looks for news.
    pub next_flush_at: Timestamp,
    /// How often it looks for news.
    pub group_interval: Duration,
    /// After what time it is told again unchanged.
    pub repeat_interval: Duration,
    /// Whether its route is gone from the configuration: it then tells only what is owed, that its alerts resolved.
    pub retired: bool,
}

/// A group's alert as it is kept over restarts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemberRow {
    /// The group.
    pub group: GroupKey,
    /// The alert.
    pub alert: Alert,
}

impl Group {
    /// The group that `alert` opens. It waits `group_wait`, but not when the alert has already fired for longer.
    pub fn open(route: &Route, alert: &Alert, now: Timestamp) -> Self {
        let labels = route.group_labels(&alert.labels);
        let overdue = alert.starts_at + route.group_wait < now;
        let row = GroupRow {
            key: route.group_key(&labels),
            route: route.key.clone(),
            receiver: route.receiver.clone(),
            labels,
            next_flush_at: if overdue { now } else { now + route.group_wait },
            group_interval: route.group_interval,
            repeat_interval: route.repeat_interval,
            retired: false,
        };
        Self { row, members: BTreeMap::new() }
    }

    /// Which alerts fire, which have resolved, and what became of the rollbacks that they asked for.
    pub fn state(&self, rollbacks: Vec<RollbackNote>, at: Timestamp) -> Told {
        let of = |firing: bool| -> BTreeSet<Fingerprint> {
            self.members.iter().filter(|(_, alert)| alert.is_firing() == firing).map(|(print, _)| *print).collect()
        };
        Told { firing: of(true), resolved: of(false), rollbacks, at }
    }

    /// The alerts to tell: firing ones first, each kind in order of their labels.
    pub fn alerts(&self, with_resolved: bool) -> Vec<Alert> {
        let mut alerts: Vec<_> =
            self.members.values().filter(|alert| with_resolved || alert.is_firing()).cloned().collect();
        alerts.sort_by(|left, right| (!left.is_firing(), &left.labels).cmp(&(!right.is_firing(), &right.labels)));
        alerts
    }

    /// When an alert resolved, if it did.
    pub fn resolved_at(&self, print: Fingerprint) -> Option<Timestamp> {
        match self.members.get(&print)?.status {
            AlertStatus::Firing => None,
            AlertStatus::Resolved { at } => Some(at),
        }
    }
}
