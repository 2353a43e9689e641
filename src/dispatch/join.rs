//! The state of dispatch: alerts into groups, groups to their moment, and what of it all is to be kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Alert, Compat, DeliveryId, Fingerprint, GroupKey, IntegrationId, IntegrationKind, Labels, ReceiverName, SecretName,
    Timestamp,
};
use crate::receiver::{Address, Receiver, Request};

use super::carry::NOTICE;
use super::{Delivery, Finished, Group, GroupRow, Lane, LaneKey, MemberRow, Route, RouteTree};

/// A row of dispatch's state that was touched: as it is now, or `None` when it is gone.
#[derive(Clone, PartialEq, Debug)]
pub enum DispatchRecord {
    /// A group without its alerts.
    Group(GroupKey, Option<GroupRow>),
    /// A group's alert.
    Member(GroupKey, Fingerprint, Option<MemberRow>),
    /// What an integration knows.
    Lane(LaneKey, Option<Lane>),
    /// A delivery under way.
    Delivery(DeliveryId, Option<Delivery>),
}

impl DispatchRecord {
    /// Whether it says that a row is gone.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Group(_, row) => row.is_none(),
            Self::Member(.., row) => row.is_none(),
            Self::Lane(_, row) => row.is_none(),
            Self::Delivery(_, row) => row.is_none(),
        }
    }
}

/// Dispatch's state as it is kept over restarts.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DispatchRows {
    /// All groups.
    pub groups: Vec<GroupRow>,
    /// All their alerts.
    pub members: Vec<MemberRow>,
    /// All lanes.
    pub lanes: Vec<Lane>,
    /// All deliveries under way.
    pub deliveries: Vec<Delivery>,
}

/// An attempt that is to leave once the step's records are on disk.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// To which integration.
    pub integration: IntegrationId,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// What to send.
    pub request: Request,
}

/// What waits for a moment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    Flush(GroupKey),
    Retry(DeliveryId),
}

/// A row that was touched since the records were last drained.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Touched {
    Group(GroupKey),
    Member(GroupKey, Fingerprint),
    Lane(LaneKey),
    Delivery(DeliveryId),
}

/// What the configuration says of dispatch.
#[derive(Debug)]
pub struct DispatchSpec {
    /// The routing tree.
    pub tree: RouteTree,
    /// Every integration of every receiver.
    pub receivers: Vec<(IntegrationId, Receiver)>,
    /// Where each secret that they name comes from.
    pub origins: BTreeMap<SecretName, SecretName>,
    /// Where our own pages are.
    pub external_url: String,
    /// Whose way is kept.
    pub compat: Compat,
}

/// The state of dispatch.
#[derive(Debug)]
pub struct Dispatch {
    pub(super) tree: RouteTree,
    pub(super) receivers: BTreeMap<IntegrationId, Receiver>,
    /// Where each of them tells.
    pub(super) addresses: BTreeMap<IntegrationId, Address>,
    /// The secrets that have a value, by their origin.
    pub(super) origins: BTreeSet<SecretName>,
    pub(super) external_url: String,
    pub(super) compat: Compat,
    pub(super) groups: BTreeMap<GroupKey, Group>,
    /// The groups that hold an alert.
    pub(super) groups_of: BTreeMap<Fingerprint, BTreeSet<GroupKey>>,
    pub(super) lanes: BTreeMap<LaneKey, Lane>,
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
    /// When something is due. An entry whose moment no longer is that of its group or delivery means nothing.
    pub(super) timers: BTreeSet<(Timestamp, Timer)>,
    pub(super) touched: BTreeSet<Touched>,
    pub(super) sendings: Vec<Sending>,
    pub(super) finished: Vec<Finished>,
    /// What could not be written as the configuration has it.
    pub(super) troubles: Vec<(DeliveryId, IntegrationId, String)>,
}

impl Dispatch {
    /// Dispatch without any state.
    pub fn new(spec: DispatchSpec) -> Self {
        let mut dispatch = Self {
            tree: RouteTree::default(),
            receivers: BTreeMap::new(),
            addresses: BTreeMap::new(),
            origins: BTreeSet::new(),
            external_url: String::new(),
            compat: Compat::default(),
            groups: BTreeMap::new(),
            groups_of: BTreeMap::new(),
            lanes: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            timers: BTreeSet::new(),
            touched: BTreeSet::new(),
            sendings: Vec::new(),
            finished: Vec::new(),
            troubles: Vec::new(),
        };
        dispatch.configure(spec);
        dispatch
    }

    /// Takes another configuration. What that means for groups and lanes is [`Dispatch::reroute`]'s to say.
    pub fn configure(&mut self, spec: DispatchSpec) {
        let DispatchSpec { tree, receivers, origins, external_url, compat } = spec;
        let address = |(id, receiver): &(IntegrationId, Receiver)| Some((id.clone(), receiver.address(&origins)?));
        self.addresses = receivers.iter().filter_map(address).collect();
        self.origins = origins.into_values().collect();
        self.receivers = receivers.into_iter().collect();
        (self.tree, self.external_url, self.compat) = (tree, external_url, compat);
    }

    /// Brings back the state from before a restart. Nothing happens yet: see [`Dispatch::reroute`].
    pub fn restore(&mut self, rows: DispatchRows) {
        for row in rows.groups {
            self.timers.insert((row.next_flush_at, Timer::Flush(row.key.clone())));
            self.groups.insert(row.key.clone(), Group { row, members: BTreeMap::new() });
        }
        for MemberRow { group, alert } in rows.members {
            let print = alert.fingerprint();
            if let Some(found) = self.groups.get_mut(&group) {
                found.members.insert(print, alert);
                self.groups_of.entry(print).or_default().insert(group);
            }
        }
        self.lanes.extend(rows.lanes.into_iter().map(|lane| (lane.key.clone(), lane)));
        for delivery in rows.deliveries {
            if let Some(due) = delivery.due_at() {
                self.timers.insert((due, Timer::Retry(delivery.id.clone())));
            }
            self.deliveries.insert(delivery.id.clone(), delivery);
        }
    }

    /// Everything that a restart needs.
    pub fn rows(&self) -> DispatchRows {
        DispatchRows {
            groups: self.groups.values().map(|group| group.row.clone()).collect(),
            members: self
                .groups
                .iter()
                .flat_map(|(key, group)| {
                    group.members.values().map(|alert| MemberRow { group: key.clone(), alert: alert.clone() })
                })
                .collect(),
            lanes: self.lanes.values().cloned().collect(),
            deliveries: self.deliveries.values().cloned().collect(),
        }
    }

    /// The routes at which an alert ends.
    pub fn routes(&self, labels: &Labels) -> Vec<&Route> {
        self.tree.route(labels)
    }

    /// The receiver of the root route.
    pub fn root_receiver(&self) -> Option<&ReceiverName> {
        self.tree.root().map(|root| &root.receiver)
    }

    /// The integrations of a receiver that reach people: all but rollback webhooks.
    pub fn integrations(&self, receiver: &ReceiverName) -> Vec<IntegrationId> {
        self.receivers
            .keys()
            .filter(|id| id.receiver == *receiver && id.kind != IntegrationKind::Rollback)
            .cloned()
            .collect()
    }

    /// All integrations that reach people, those that page first.
    pub fn all_integrations(&self) -> Vec<IntegrationId> {
        let mut all: Vec<_> =
            self.receivers.keys().filter(|id| id.kind != IntegrationKind::Rollback).cloned().collect();
        all.sort_by_key(|id| id.kind != IntegrationKind::PagerDuty);
        all
    }

    /// The integrations that were told, or are being told, of a notice.
    pub fn told_of_notice(&self, key: &str) -> Vec<IntegrationId> {
        self.lanes_of(&format!("{NOTICE}{key}")).map(|lane| lane.key.integration.clone()).collect()
    }

    /// The alerts that some group holds to fire.
    pub fn firing(&self) -> BTreeMap<Fingerprint, &Alert> {
        let members = self.groups.values().flat_map(|group| &group.members);
        members.filter(|(_, alert)| alert.is_firing()).map(|(print, alert)| (*print, alert)).collect()
    }

    /// The alerts of a group.
    pub fn group(&self, key: &GroupKey) -> Option<&Group> {
        self.groups.get(key)
    }

    /// All groups, in order of their keys.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// All deliveries under way.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.values()
    }

    /// One delivery under way.
    pub fn delivery(&self, id: &DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(id)
    }

    /// Takes in an alert that has begun to fire, still fires with new annotations, or has resolved.
    pub fn take_in(&mut self, alert: &Alert, now: Timestamp) {
        let print = alert.fingerprint();
        let mut holders: BTreeSet<GroupKey> = self.groups_of.get(&print).cloned().unwrap_or_default();
        if alert.is_firing() {
            let routes: Vec<Route> = self.tree.route(&alert.labels).into_iter().cloned().collect();
            for route in routes {
                let key = route.group_key(&route.group_labels(&alert.labels));
                if !self.groups.contains_key(&key) {
                    let group = Group::open(&route, alert, now);
                    self.timers.insert((group.row.next_flush_at, Timer::Flush(key.clone())));
                    self.groups.insert(key.clone(), group);
                    self.touched.insert(Touched::Group(key.clone()));
                }
                holders.insert(key);
            }
        }
        for key in holders {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            if group.members.get(&print) != Some(alert) {
                group.members.insert(print, alert.clone());
                self.touched.insert(Touched::Member(key.clone(), print));
            }
            self.groups_of.entry(print).or_default().insert(key);
        }
    }

    /// The groups whose moment has come, and the deliveries: to be flushed, attempted or withdrawn by the caller.
    pub fn due(&mut self, now: Timestamp) -> (Vec<GroupKey>, Vec<DeliveryId>) {
        let (mut groups, mut deliveries) = (Vec::new(), Vec::new());
        while let Some((at, _)) = self.timers.first()
            && *at <= now
            && let Some((at, timer)) = self.timers.pop_first()
        {
            match timer {
                Timer::Flush(key) if self.groups.get(&key).is_some_and(|group| group.row.next_flush_at == at) => {
                    groups.push(key);
                }
                Timer::Retry(id) if self.deliveries.get(&id).and_then(Delivery::due_at) == Some(at) => {
                    deliveries.push(id);
                }
                _ => {}
            }
        }
        (groups, deliveries)
    }

    /// When something is next due.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The lanes about one thing.
    pub(super) fn lanes_of<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Lane> {
        let first = LaneKey {
            subject: subject.to_owned(),
            integration: IntegrationId {
                receiver: ReceiverName::new(""),
                kind: IntegrationKind::Slack,
                slot: 0.into(),
            },
        };
        self.lanes.range(first..).map(|(_, lane)| lane).take_while(move |lane| lane.key.subject == subject)
    }

    /// What is to be sent, and what has ended, since this was last asked.
    pub fn drain(&mut self) -> (Vec<Sending>, Vec<Finished>) {
        (std::mem::take(&mut self.sendings), std::mem::take(&mut self.finished))
    }

    /// What could not be written as the configuration has it, since this was last asked.
    pub fn drain_troubles(&mut self) -> Vec<(DeliveryId, IntegrationId, String)> {
        std::mem::take(&mut self.troubles)
    }

    /// The rows that were touched since this was last asked, as they are now.
    pub fn records(&mut self) -> Vec<DispatchRecord> {
        std::mem::take(&mut self.touched)
            .into_iter()
            .map(|touched| match touched {
                Touched::Group(key) => {
                    let row = self.groups.get(&key).map(|group| group.row.clone());
                    DispatchRecord::Group(key, row)
                }
                Touched::Member(key, print) => {
                    let alert = self.groups.get(&key).and_then(|group| group.members.get(&print));
                    let row = alert.map(|alert| MemberRow { group: key.clone(), alert: alert.clone() });
                    DispatchRecord::Member(key, print, row)
                }
                Touched::Lane(key) => {
                    let lane = self.lanes.get(&key).cloned();
                    DispatchRecord::Lane(key, lane)
                }
                Touched::Delivery(id) => {
                    let delivery = self.deliveries.get(&id).cloned();
                    DispatchRecord::Delivery(id, delivery)
                }
            })
            .collect()
    }
}
