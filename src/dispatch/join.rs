//! Routing, groups, deduplication and delivery, joined.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{
    Alert, DeliveryId, Fingerprint, GroupKey, GroupNotification, GroupStatus, IntegrationId, IntegrationKind, Labels,
    NoticeNotification, Notification, NotifyReason, ReceiverName, RollbackNote, RollbackNotification, Timestamp,
};
use crate::receiver::{Outcome, Receiver, RenderContext, Reply, Request};

use super::{
    Delivery, DeliveryState, Ending, Finished, Group, GroupRow, Lane, LaneKey, MemberRow, Route, RouteTree, Told,
    needs_update,
};

/// How long a resolve is tried, and how long a resolved alert is kept for those who were told that it fires.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What the subject of a notice's lane begins with; a group's begins with a brace.
const NOTICE: &str = "notice:";

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
enum Timer {
    Flush(GroupKey),
    Retry(DeliveryId),
}

/// A row that was touched since the records were last drained.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Touched {
    Group(GroupKey),
    Member(GroupKey, Fingerprint),
    Lane(LaneKey),
    Delivery(DeliveryId),
}

/// The state of dispatch.
#[derive(Debug)]
pub struct Dispatch {
    tree: RouteTree,
    receivers: BTreeMap<IntegrationId, Receiver>,
    external_url: String,
    groups: BTreeMap<GroupKey, Group>,
    /// The groups that hold an alert.
    groups_of: BTreeMap<Fingerprint, BTreeSet<GroupKey>>,
    lanes: BTreeMap<LaneKey, Lane>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    /// When something is due. An entry whose moment no longer is that of its group or delivery means nothing.
    timers: BTreeSet<(Timestamp, Timer)>,
    touched: BTreeSet<Touched>,
    sendings: Vec<Sending>,
    finished: Vec<Finished>,
}

/// What an integration knows once it has taken a notification. An open notice counts as one firing alert.
fn told_by(notification: &Notification) -> Option<Told> {
    match notification {
        Notification::Group(group) => Some(Told {
            firing: group.firing().map(Alert::fingerprint).collect(),
            resolved: group.resolved().map(Alert::fingerprint).collect(),
            at: group.at,
        }),
        Notification::Notice(notice) => {
            let print = BTreeSet::from([notice.labels.fingerprint()]);
            let (firing, resolved) = match notice.status {
                GroupStatus::Firing => (print, BTreeSet::new()),
                GroupStatus::Resolved => (BTreeSet::new(), print),
            };
            Some(Told { firing, resolved, at: notice.at })
        }
        Notification::Rollback(_) => None,
    }
}

/// Notes in a lane that a delivery was given up. If it may have arrived, nothing is certain any more: what it told, and
/// what was known before it, may be believed to fire and is told again, or taken back. That a notice is over is tried
/// once and then left, since nothing comes back to it.
fn give_up(lane: &mut Lane, delivery: &Delivery, ending: &Ending) {
    match &delivery.notification {
        Notification::Notice(notice) if notice.status == GroupStatus::Resolved => {
            lane.told = None;
            lane.doubted.clear();
        }
        notification if delivery.may_have_arrived(ending) => {
            let before = lane.told.take().map(|told| told.firing).unwrap_or_default();
            let given_up = told_by(notification).map(|told| told.firing).unwrap_or_default();
            lane.doubted.extend(before.into_iter().chain(given_up));
        }
        _ => {}
    }
}

/// Why what may have arrived is taken back, when it is over for those who want to hear that.
fn takes_back(is_doubted: bool, state: &Told, send_resolved: bool) -> Option<NotifyReason> {
    (is_doubted && send_resolved && state.firing.is_empty()).then_some(NotifyReason::AllResolved)
}

/// How long something is tried: for ever while it fires, since it is a page.
fn patience_of(notification: &Notification) -> Option<Duration> {
    match notification {
        Notification::Group(group) => (group.status() == GroupStatus::Resolved).then_some(RESOLVE_PATIENCE),
        Notification::Notice(notice) => (notice.status == GroupStatus::Resolved).then_some(RESOLVE_PATIENCE),
        Notification::Rollback(claim) => Some(claim.patience()),
    }
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

    /// Goes on after a restart: alerts whose routes have changed join their new groups, groups without a route tell only
    /// what is owed, and deliveries that were in flight are the caller's to attempt again or to withdraw.
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

    /// Lets a group look for news. `rollbacks` is what became of the rollbacks that its alerts asked for.
    pub fn flush(&mut self, key: &GroupKey, rollbacks: &[RollbackNote], now: Timestamp) {
        let Some(group) = self.groups.get_mut(key) else { return };
        group.row.next_flush_at = now + group.row.group_interval;
        self.timers.insert((group.row.next_flush_at, Timer::Flush(key.clone())));
        self.touched.insert(Touched::Group(key.clone()));
        let row = group.row.clone();
        let state = group.state(now);
        let current = if row.retired { Vec::new() } else { self.integrations(&row.receiver) };
        for integration in &current {
            self.flush_to(&row, &state, integration, rollbacks, true);
        }
        for integration in self.owed_elsewhere(key, &current) {
            self.flush_to(&row, &state, &integration, rollbacks, false);
        }
        self.forget_resolved(key, now, now);
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

    fn flush_to(
        &mut self,
        row: &GroupRow,
        state: &Told,
        integration: &IntegrationId,
        rollbacks: &[RollbackNote],
        is_current: bool,
    ) {
        let Some(send_resolved) = self.receivers.get(integration).map(Receiver::send_resolved) else { return };
        let lane_key = LaneKey { subject: row.key.as_str().to_owned(), integration: integration.clone() };
        let lane = self.lanes.get(&lane_key);
        let expected = lane.and_then(|lane| self.expected(lane));
        let is_doubted = expected.is_none() && lane.is_some_and(|lane| !lane.doubted.is_empty());
        let Some(reason) = needs_update(expected.as_ref(), state, send_resolved, row.repeat_interval)
            .or_else(|| takes_back(is_doubted, state, send_resolved))
        else {
            return;
        };
        if !is_current && !matches!(reason, NotifyReason::AllResolved | NotifyReason::SomeResolved) {
            return;
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
            return;
        }
        let Some(group) = self.groups.get(&row.key) else { return };
        let notification = Notification::Group(GroupNotification {
            key: row.key.clone(),
            receiver: integration.receiver.clone(),
            group_labels: row.labels.clone(),
            reason,
            at: state.at,
            alerts: group.alerts(send_resolved),
            rollbacks: rollbacks.to_vec(),
        });
        self.tell(&lane_key, notification, state.at);
    }

    /// What an integration will know once everything under way has arrived.
    fn expected(&self, lane: &Lane) -> Option<Told> {
        let of_head = || self.deliveries.get(lane.head.as_ref()?).and_then(|delivery| told_by(&delivery.notification));
        lane.next.as_ref().and_then(told_by).or_else(of_head).or_else(|| lane.told.clone())
    }

    /// Puts a rollback's claim on its way.
    pub fn send_rollback(&mut self, integration: &IntegrationId, claim: RollbackNotification, now: Timestamp) {
        let key = LaneKey { subject: format!("rollback:{}", claim.id), integration: integration.clone() };
        self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(key.clone()));
        self.tell(&key, Notification::Rollback(claim), now);
    }

    /// Puts a notice on its way. That it is over is told only to who was told, or is being told, that it is open.
    pub fn send_notice(&mut self, integration: &IntegrationId, notice: NoticeNotification, now: Timestamp) {
        let key = LaneKey { subject: format!("{NOTICE}{}", notice.key), integration: integration.clone() };
        if notice.status == GroupStatus::Resolved && !self.lanes.contains_key(&key) {
            return;
        }
        self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(key.clone()));
        self.tell(&key, Notification::Notice(notice), now);
    }

    /// Lets the lane tell this next: at once when it is idle, or after what is under way.
    fn tell(&mut self, lane_key: &LaneKey, notification: Notification, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(lane_key) else { return };
        self.touched.insert(Touched::Lane(lane_key.clone()));
        match lane.head.clone() {
            None => self.begin(lane_key, notification, now),
            Some(head) => {
                let patience = patience_of(&notification);
                lane.next = Some(notification);
                if let Some(patience) = patience {
                    self.limit(&head, now + patience);
                }
            }
        }
    }

    /// Once the news is that it is over, the older news is not tried for ever.
    fn limit(&mut self, id: &DeliveryId, deadline: Timestamp) {
        if let Some(delivery) = self.deliveries.get_mut(id)
            && delivery.deadline.is_none()
        {
            delivery.deadline = Some(deadline);
            self.touched.insert(Touched::Delivery(id.clone()));
        }
    }

    fn begin(&mut self, lane_key: &LaneKey, notification: Notification, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(lane_key) else { return };
        lane.count += 1;
        let (id, deadline) = match &notification {
            Notification::Rollback(claim) => (DeliveryId::new(claim.id.as_str()), Some(claim.deadline)),
            other => (Delivery::id_of(lane_key, lane.count, now), patience_of(other).map(|patience| now + patience)),
        };
        lane.head = Some(id.clone());
        let delivery = Delivery {
            id: id.clone(),
            lane: lane_key.clone(),
            notification,
            created_at: now,
            deadline,
            attempts: 0,
            state: DeliveryState::Waiting { until: now },
        };
        self.deliveries.insert(id.clone(), delivery);
        self.touched.insert(Touched::Lane(lane_key.clone()));
        self.attempt(&id, now);
    }

    /// Sends a delivery once more, or ends it when its deadline has passed or its integration is gone.
    pub fn attempt(&mut self, id: &DeliveryId, now: Timestamp) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        let integration = delivery.lane.integration.clone();
        let Some(receiver) = self.receivers.get(&integration) else {
            let why = format!("`{integration}` is no longer configured");
            return self.finish(id, Ending::Rejected { why }, now);
        };
        if delivery.attempts > 0 && delivery.is_expired(now) {
            let why = format!("not taken in {} attempts", delivery.attempts);
            return self.finish(id, Ending::Expired { why }, now);
        }
        delivery.attempts = delivery.attempts.saturating_add(1);
        delivery.state = DeliveryState::InFlight { since: now };
        let handle = self.lanes.get(&delivery.lane).and_then(|lane| lane.handle.as_ref());
        // The moment is that of the decision, so that every attempt says the same.
        let context =
            RenderContext { delivery: id, handle, external_url: &self.external_url, now: delivery.created_at };
        let request = receiver.render(&delivery.notification, &context);
        self.sendings.push(Sending { delivery: id.clone(), integration, attempt: delivery.attempts, request });
        self.touched.insert(Touched::Delivery(id.clone()));
    }

    /// Calls a delivery back between two attempts.
    pub fn withdraw(&mut self, id: &DeliveryId, now: Timestamp) {
        self.finish(id, Ending::Withdrawn, now);
    }

    /// Takes in what came of an attempt. Returns why it failed, when it is to be tried again.
    pub fn reply(&mut self, id: &DeliveryId, reply: &Reply, now: Timestamp) -> Option<String> {
        let delivery = self.deliveries.get(id)?;
        let receiver = self.receivers.get(&delivery.lane.integration)?;
        let lane_key = delivery.lane.clone();
        match receiver.classify(reply) {
            Outcome::Delivered { handle } => {
                let told = told_by(&delivery.notification);
                if let Some(lane) = self.lanes.get_mut(&lane_key) {
                    lane.told = told.or_else(|| lane.told.take());
                    lane.doubted.clear();
                    lane.handle = handle.or_else(|| lane.handle.take());
                    self.touched.insert(Touched::Lane(lane_key));
                }
                self.finish(id, Ending::Delivered, now);
                None
            }
            Outcome::Rejected { why } => {
                self.finish(id, Ending::Rejected { why }, now);
                None
            }
            Outcome::Lost { why } if self.lanes.get(&lane_key).is_some_and(|lane| lane.handle.is_some()) => {
                if let Some(lane) = self.lanes.get_mut(&lane_key) {
                    lane.handle = None;
                    self.touched.insert(Touched::Lane(lane_key));
                }
                self.attempt(id, now);
                Some(why)
            }
            Outcome::Retry { after, why } => self.wait(id, after, why, now),
            Outcome::Lost { why } => self.wait(id, None, why, now),
        }
    }

    fn wait(&mut self, id: &DeliveryId, after: Option<Duration>, why: String, now: Timestamp) -> Option<String> {
        let delivery = self.deliveries.get_mut(id)?;
        if delivery.is_expired(now) {
            self.finish(id, Ending::Expired { why }, now);
            return None;
        }
        delivery.state = DeliveryState::Waiting { until: delivery.retry_at(after, now) };
        if let Some(due) = delivery.due_at() {
            self.timers.insert((due, Timer::Retry(id.clone())));
        }
        self.touched.insert(Touched::Delivery(id.clone()));
        Some(why)
    }

    fn finish(&mut self, id: &DeliveryId, ending: Ending, now: Timestamp) {
        let Some(delivery) = self.deliveries.remove(id) else { return };
        self.touched.insert(Touched::Delivery(id.clone()));
        let lane_key = delivery.lane.clone();
        let arrived = ending == Ending::Delivered;
        let mut next = None;
        if let Some(lane) = self.lanes.get_mut(&lane_key) {
            lane.head = None;
            next = lane.next.take();
            if !arrived {
                give_up(lane, &delivery, &ending);
            }
            self.touched.insert(Touched::Lane(lane_key.clone()));
        }
        let created_at = delivery.created_at;
        let group = match &delivery.notification {
            Notification::Group(group) => Some(group.key.clone()),
            Notification::Rollback(_) | Notification::Notice(_) => None,
        };
        self.finished.push(Finished { delivery, ending });
        if let Some(next) = next
            && self.is_news(&lane_key, &next, arrived)
        {
            self.begin(&lane_key, next, now);
        }
        if let Some(key) = &group {
            self.forget_resolved(key, created_at, now);
        }
        self.forget_lane(&lane_key);
    }

    /// Whether what waited is still news to the lane, now that the delivery before it has ended.
    fn is_news(&self, lane_key: &LaneKey, next: &Notification, arrived: bool) -> bool {
        let (Some(lane), Some(receiver)) = (self.lanes.get(lane_key), self.receivers.get(&lane_key.integration)) else {
            return false;
        };
        match (next, told_by(next)) {
            (Notification::Group(_), Some(state)) => {
                let send_resolved = receiver.send_resolved();
                needs_update(lane.told.as_ref(), &state, send_resolved, Duration::MAX)
                    .or_else(|| takes_back(!lane.doubted.is_empty(), &state, send_resolved))
                    .is_some()
            }
            (Notification::Notice(notice), _) => {
                arrived || notice.status == GroupStatus::Firing || !lane.doubted.is_empty()
            }
            _ => true,
        }
    }

    /// Drops a group's alerts that resolved by `until` and are owed to nobody, and the group with its last alert.
    fn forget_resolved(&mut self, key: &GroupKey, until: Timestamp, now: Timestamp) {
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

    /// Drops a lane that is idle and whose thing is over.
    fn forget_lane(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get(key) else { return };
        let is_idle = lane.head.is_none() && lane.next.is_none();
        let is_told = lane.told.as_ref().is_some_and(|told| !told.firing.is_empty()) || !lane.doubted.is_empty();
        let is_open_notice = key.subject.starts_with(NOTICE) && is_told;
        if is_idle && !is_open_notice && !self.groups.contains_key(&GroupKey::new(key.subject.as_str())) {
            self.lanes.remove(key);
            self.touched.insert(Touched::Lane(key.clone()));
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
