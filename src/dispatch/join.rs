//! The state of dispatch: alerts into groups, groups to their moment, and at a flush what each integration is told.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Alert, DeliveryId, Fingerprint, GroupKey, GroupNotification, IntegrationId, IntegrationKind, Labels, Notification,
    NotifyReason, ReceiverName, RollbackNote, Timestamp,
};
use crate::receiver::{Receiver, Request};

use super::carry::{NOTICE, RESOLVE_PATIENCE, rollback_news, takes_back, told_by};
use super::{
    Delivery, DeliveryState, Finished, Group, GroupRow, Lane, LaneKey, MemberRow, Route, RouteTree, Told, needs_update,
};

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

/// The state of dispatch.
#[derive(Debug)]
pub struct Dispatch {
    tree: RouteTree,
    pub(super) receivers: BTreeMap<IntegrationId, Receiver>,
    pub(super) external_url: String,
    pub(super) groups: BTreeMap<GroupKey, Group>,
    /// The groups that hold an alert.
    groups_of: BTreeMap<Fingerprint, BTreeSet<GroupKey>>,
    pub(super) lanes: BTreeMap<LaneKey, Lane>,
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
    /// When something is due. An entry whose moment no longer is that of its group or delivery means nothing.
    pub(super) timers: BTreeSet<(Timestamp, Timer)>,
    pub(super) touched: BTreeSet<Touched>,
    pub(super) sendings: Vec<Sending>,
    pub(super) finished: Vec<Finished>,
}

impl Dispatch {
    /// Dispatch without any state.
    pub fn new(
        tree: RouteTree,
        receivers: impl IntoIterator<Item = (IntegrationId, Receiver)>,
        external_url: &str,
    ) -> Self {
        Self {
            tree,
            receivers: receivers.into_iter().collect(),
            external_url: external_url.to_owned(),
            groups: BTreeMap::new(),
            groups_of: BTreeMap::new(),
            lanes: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            timers: BTreeSet::new(),
            touched: BTreeSet::new(),
            sendings: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// Brings back the state from before a restart. Nothing happens yet: see [`Dispatch::start`].
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

    /// Goes on after a restart: alerts whose routes have changed join their new groups, and groups without a route tell only
    /// what is owed. Deliveries that were in flight are the caller's to attempt again; see also [`Dispatch::orphans`].
    pub fn start(&mut self, now: Timestamp) -> Vec<DeliveryId> {
        let firing: Vec<(GroupKey, Alert)> = self
            .groups
            .iter()
            .flat_map(|(key, group)| group.members.values().map(|alert| (key.clone(), alert.clone())))
            .filter(|(_, alert)| alert.is_firing())
            .collect();
        let mut still_routed = BTreeSet::new();
        for (key, alert) in &firing {
            for route in self.tree.route(&alert.labels) {
                if route.group_key(&route.group_labels(&alert.labels)) == *key {
                    still_routed.insert(key.clone());
                }
            }
        }
        for (key, group) in &mut self.groups {
            let route = self
                .tree
                .by_key(&group.row.route)
                .filter(|_| still_routed.contains(key) || !group.members.values().any(Alert::is_firing));
            let before = group.row.clone();
            match route {
                Some(route) => {
                    group.row.receiver = route.receiver.clone();
                    group.row.group_interval = route.group_interval;
                    group.row.repeat_interval = route.repeat_interval;
                    group.row.retired = false;
                }
                None => group.row.retired = true,
            }
            if group.row != before {
                self.touched.insert(Touched::Group(key.clone()));
            }
        }
        for (_, alert) in firing {
            self.take_in(&alert, now);
        }
        self.deliveries
            .values()
            .filter(|delivery| matches!(delivery.state, DeliveryState::InFlight { .. }))
            .map(|delivery| delivery.id.clone())
            .collect()
    }

    /// The lanes of integrations that are configured no more and were told of something that is not over.
    pub fn orphans(&self) -> Vec<LaneKey> {
        let is_told = |lane: &&Lane| lane.told.as_ref().is_some_and(|told| !told.firing.is_empty());
        let lanes = self.lanes.values().filter(is_told).map(|lane| lane.key.clone());
        lanes.filter(|key| !self.receivers.contains_key(&key.integration)).collect()
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

    /// Lets a group look for news. `rollbacks` is what became of the rollbacks that its alerts asked for. Returns whether
    /// there was anything to tell.
    pub fn flush(&mut self, key: &GroupKey, rollbacks: Vec<RollbackNote>, now: Timestamp) -> bool {
        let Some(group) = self.groups.get_mut(key) else { return false };
        group.row.next_flush_at = now + group.row.group_interval;
        self.timers.insert((group.row.next_flush_at, Timer::Flush(key.clone())));
        self.touched.insert(Touched::Group(key.clone()));
        let row = group.row.clone();
        let state = group.state(rollbacks, now);
        let mut has_news = false;
        let current = if row.retired { Vec::new() } else { self.integrations(&row.receiver) };
        for integration in &current {
            has_news |= self.flush_to(&row, &state, integration, true);
        }
        for integration in self.owed_elsewhere(key, &current) {
            has_news |= self.flush_to(&row, &state, &integration, false);
        }
        self.forget_resolved(key, now, now);
        has_news
    }

    /// The integrations that know of this group but are no longer its receiver's.
    fn owed_elsewhere(&self, key: &GroupKey, current: &[IntegrationId]) -> Vec<IntegrationId> {
        self.lanes_of(key.as_str())
            .map(|lane| lane.key.integration.clone())
            .filter(|integration| !current.contains(integration) && self.receivers.contains_key(integration))
            .collect()
    }

    fn lanes_of<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Lane> {
        let first = LaneKey {
            subject: subject.to_owned(),
            integration: IntegrationId { receiver: ReceiverName::new(""), kind: IntegrationKind::Slack, index: 0 },
        };
        self.lanes.range(first..).map(|(_, lane)| lane).take_while(move |lane| lane.key.subject == subject)
    }

    fn flush_to(&mut self, row: &GroupRow, state: &Told, integration: &IntegrationId, is_current: bool) -> bool {
        let Some(send_resolved) = self.receivers.get(integration).map(Receiver::send_resolved) else { return false };
        let lane_key = LaneKey { subject: row.key.as_str().to_owned(), integration: integration.clone() };
        let lane = self.lanes.get(&lane_key);
        let expected = lane.and_then(|lane| self.expected(lane));
        let is_doubted = expected.is_none() && lane.is_some_and(|lane| !lane.doubted.is_empty());
        let Some(reason) = needs_update(expected.as_ref(), state, send_resolved, row.repeat_interval)
            .or_else(|| takes_back(is_doubted, state, send_resolved))
            .or_else(|| rollback_news(integration.kind, expected.as_ref(), state))
        else {
            return false;
        };
        if !is_current && !matches!(reason, NotifyReason::AllResolved | NotifyReason::SomeResolved) {
            return false;
        }
        let lane = self.lanes.entry(lane_key.clone()).or_insert_with(|| Lane::new(lane_key.clone()));
        self.touched.insert(Touched::Lane(lane_key.clone()));
        if state.firing.is_empty() && !send_resolved {
            match lane.head.clone() {
                None => lane.told = Some(state.clone()),
                Some(head) => {
                    lane.next = None;
                    self.limit(&head, state.at + RESOLVE_PATIENCE);
                }
            }
            return false;
        }
        let Some(group) = self.groups.get(&row.key) else { return false };
        let notification = Notification::Group(GroupNotification {
            key: row.key.clone(),
            receiver: integration.receiver.clone(),
            group_labels: row.labels.clone(),
            reason,
            at: state.at,
            alerts: group.alerts(send_resolved),
            rollbacks: state.rollbacks.clone(),
        });
        self.tell(&lane_key, notification, state.at);
        true
    }

    /// What an integration will know once everything under way has arrived.
    fn expected(&self, lane: &Lane) -> Option<Told> {
        let of_head = || self.deliveries.get(lane.head.as_ref()?).and_then(|delivery| told_by(&delivery.notification));
        lane.next.as_ref().and_then(told_by).or_else(of_head).or_else(|| lane.told.clone())
    }

    /// Drops a group's alerts that resolved by `until` and are owed to nobody, and the group with its last alert.
    pub(super) fn forget_resolved(&mut self, key: &GroupKey, until: Timestamp, now: Timestamp) {
        let Some(group) = self.groups.get(key) else { return };
        let owed_to: Vec<&Lane> = self
            .lanes_of(key.as_str())
            .filter(|lane| self.receivers.get(&lane.key.integration).is_some_and(Receiver::send_resolved))
            .collect();
        let is_owed = |print: Fingerprint| {
            owed_to.iter().any(|lane| {
                let told = lane.told.as_ref().is_some_and(|told| told.firing.contains(&print));
                let head = lane.head.as_ref().and_then(|head| self.deliveries.get(head));
                let next = lane.next.as_ref().and_then(told_by);
                told || lane.doubted.contains(&print)
                    || head.is_some_and(|head| head.tells_firing(print))
                    || next.is_some_and(|next| next.firing.contains(&print))
            })
        };
        let gone: Vec<Fingerprint> = group
            .members
            .keys()
            .copied()
            .filter(|print| {
                group
                    .resolved_at(*print)
                    .is_some_and(|at| at <= until && (!is_owed(*print) || at + RESOLVE_PATIENCE <= now))
            })
            .collect();
        let Some(group) = self.groups.get_mut(key) else { return };
        for print in gone {
            group.members.remove(&print);
            self.touched.insert(Touched::Member(key.clone(), print));
            if let Some(holders) = self.groups_of.get_mut(&print) {
                holders.remove(key);
                if holders.is_empty() {
                    self.groups_of.remove(&print);
                }
            }
        }
        if group.members.is_empty() {
            self.groups.remove(key);
            self.touched.insert(Touched::Group(key.clone()));
            let lanes: Vec<LaneKey> = self.lanes_of(key.as_str()).map(|lane| lane.key.clone()).collect();
            for lane in lanes {
                self.forget_lane(&lane);
            }
        }
    }

    /// What is to be sent, and what has ended, since this was last asked.
    pub fn drain(&mut self) -> (Vec<Sending>, Vec<Finished>) {
        (std::mem::take(&mut self.sendings), std::mem::take(&mut self.finished))
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
