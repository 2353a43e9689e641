//! Carries notifications: what a lane is told next, each attempt, each answer, each ending.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{
    Alert, DeliveryId, GroupKey, GroupNotification, GroupStatus, IntegrationId, NoticeNotification, Notification,
    NotifyReason, RollbackId, RollbackNotification, SecretText, Timestamp,
};
use crate::receiver::{Outcome, Receiver, RenderContext, Rendered, Reply, presumed_handle};

use super::join::{Dispatch, Sending, Timer, Touched};
use super::{Delivery, DeliveryState, Ending, Finished, Lane, LaneKey, Told, needs_update};

/// How long a resolve is tried, and how long a resolved alert is kept for those who were told that it fires.
pub(super) const RESOLVE_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// How long a delivery waits that must not leave now.
const POSTPONEMENT: Duration = Duration::from_secs(5);

/// What the subject of a notice's lane begins with; a group's begins with a brace.
pub(super) const NOTICE: &str = "notice:";

/// The subject of a claim's lane.
pub(super) fn rollback_subject(claim: &RollbackId) -> String {
    format!("rollback:{claim}")
}

/// What an integration knows once it has taken a notification. An open notice counts as one firing alert.
pub(super) fn told_by(notification: &Notification) -> Option<Told> {
    match notification {
        Notification::Group(group) => Some(Told {
            firing: group.firing().map(Alert::fingerprint).collect(),
            resolved: group.resolved().map(Alert::fingerprint).collect(),
            rollbacks: group.rollbacks.clone(),
            at: group.at,
        }),
        Notification::Notice(notice) => {
            let print = BTreeSet::from([notice.labels.fingerprint()]);
            let (firing, resolved) = match notice.status {
                GroupStatus::Firing => (print, BTreeSet::new()),
                GroupStatus::Resolved => (BTreeSet::new(), print),
            };
            Some(Told { firing, resolved, rollbacks: Vec::new(), at: notice.at })
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
pub(super) fn takes_back(is_doubted: bool, state: &Told, send_resolved: bool) -> Option<NotifyReason> {
    (is_doubted && send_resolved && state.firing.is_empty()).then_some(NotifyReason::AllResolved)
}

/// Why Slack is told that a rollback has got on, of which its message tells: an edit in place disturbs nobody.
pub(super) fn rollback_news(receiver: &Receiver, told: Option<&Told>, state: &Told) -> Option<NotifyReason> {
    let is_news = |told: &Told| !told.firing.is_empty() && told.rollbacks != state.rollbacks;
    (receiver.updates_in_place() && told.is_some_and(is_news)).then_some(NotifyReason::RollbackNews)
}

/// Whether a notification tells no more than that something is over.
fn is_owed(notification: &Notification) -> bool {
    match notification {
        Notification::Group(group) => {
            matches!(group.reason, NotifyReason::AllResolved | NotifyReason::SomeResolved)
        }
        Notification::Notice(notice) => notice.status == GroupStatus::Resolved,
        Notification::Rollback(_) => false,
    }
}

/// How long something is tried: for ever while it fires, since it is a page.
pub(super) fn patience_of(notification: &Notification) -> Option<Duration> {
    match notification {
        Notification::Group(group) => (group.status() == GroupStatus::Resolved).then_some(RESOLVE_PATIENCE),
        Notification::Notice(notice) => (notice.status == GroupStatus::Resolved).then_some(RESOLVE_PATIENCE),
        Notification::Rollback(claim) => Some(claim.patience()),
    }
}

impl Dispatch {
    /// Puts a rollback's claim on its way.
    pub fn send_rollback(&mut self, integration: &IntegrationId, claim: RollbackNotification, now: Timestamp) {
        let key = LaneKey { subject: rollback_subject(&claim.id), integration: integration.clone() };
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
    pub(super) fn tell(&mut self, lane_key: &LaneKey, notification: Notification, now: Timestamp) {
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
    pub(super) fn limit(&mut self, id: &DeliveryId, deadline: Timestamp) {
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
        if let Some(address) = self.addresses.get(&lane_key.integration) {
            lane.address = Some(Box::new(address.clone()));
        }
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
            last_failure: None,
            state: DeliveryState::Waiting { until: now },
            sent_with: Vec::new(),
        };
        self.deliveries.insert(id.clone(), delivery);
        self.touched.insert(Touched::Lane(lane_key.clone()));
        self.attempt(&id, now);
    }

    /// Sends a delivery once more, or ends it when its deadline has passed or its integration is gone.
    pub fn attempt(&mut self, id: &DeliveryId, now: Timestamp) {
        let Some(delivery) = self.deliveries.get(id) else { return };
        let integration = delivery.lane.integration.clone();
        let lane = self.lanes.get(&delivery.lane);
        let is_left_behind = self.is_left_behind(&delivery.lane);
        let receiver = lane.and_then(|lane| self.receiver_of(lane)).filter(|_| {
            // Who is asked no more is told only what is owed; whatever else was under way may have arrived.
            !is_left_behind || is_owed(&delivery.notification)
        });
        let Some(receiver) = receiver.map(Cow::into_owned) else {
            let why = format!("`{integration}` is no longer configured");
            let ending = match delivery.notification {
                Notification::Rollback(_) => Ending::Rejected { why },
                Notification::Group(_) | Notification::Notice(_) => Ending::Expired { why },
            };
            return self.finish(id, ending, now);
        };
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        if delivery.attempts > 0 && delivery.is_expired(now) {
            let last = delivery.last_failure.as_deref().unwrap_or("it was not answered");
            let why = format!("{} attempts, the last: {last}", delivery.attempts);
            return self.finish(id, Ending::Expired { why }, now);
        }
        delivery.attempts = delivery.attempts.saturating_add(1);
        delivery.state = DeliveryState::InFlight { since: now };
        let lane = self.lanes.get(&delivery.lane);
        let handle = lane.and_then(|lane| lane.handle.as_ref());
        let before = lane.and_then(|lane| lane.told.as_ref()).map(|told| &told.firing);
        // The moment is that of the decision, so that every attempt says the same.
        let context = RenderContext {
            delivery: id,
            handle,
            before,
            is_left_behind,
            external_url: &self.external_url,
            now: delivery.created_at,
        };
        let Rendered { request, troubles } = receiver.render(&delivery.notification, &context);
        if delivery.attempts == 1 {
            self.troubles.extend(troubles.into_iter().map(|why| (id.clone(), integration.clone(), why)));
        }
        self.sendings.push(Sending { delivery: id.clone(), integration, attempt: delivery.attempts, request });
        self.touched.insert(Touched::Delivery(id.clone()));
    }

    /// Ends a delivery between two attempts.
    pub fn end(&mut self, id: &DeliveryId, ending: Ending, now: Timestamp) {
        self.finish(id, ending, now);
    }

    /// Lets a delivery wait a little longer without an attempt, but not past its deadline.
    pub fn postpone(&mut self, id: &DeliveryId, now: Timestamp) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        delivery.state = DeliveryState::Waiting { until: now + POSTPONEMENT };
        if let Some(due) = delivery.due_at() {
            self.timers.insert((due, Timer::Retry(id.clone())));
        }
        self.touched.insert(Touched::Delivery(id.clone()));
    }

    /// Takes in the key with which an attempt is about to be made.
    pub fn sent_with(&mut self, id: &DeliveryId, key: &SecretText) {
        if self.deliveries.get_mut(id).is_some_and(|delivery| delivery.note_key(key)) {
            self.touched.insert(Touched::Delivery(id.clone()));
        }
    }

    /// Takes in that nobody will ever say what came of an attempt: it may have arrived, with the key it was made with.
    pub fn unanswered(&mut self, id: &DeliveryId, now: Timestamp) {
        let Some(delivery) = self.deliveries.get(id) else { return };
        let kind = delivery.lane.integration.kind;
        let presumed = presumed_handle(kind, &delivery.notification, delivery.sent_with.last());
        if let Some(handle) = presumed {
            self.keep_handle(&delivery.lane.clone(), handle, now);
        }
    }

    /// Takes in what came of an attempt. Returns why it failed, when it is to be tried again.
    pub fn reply(&mut self, id: &DeliveryId, reply: &Reply, now: Timestamp) -> Option<String> {
        let delivery = self.deliveries.get(id)?;
        let lane_key = delivery.lane.clone();
        let Some(receiver) = self.lanes.get(&lane_key).and_then(|lane| self.receiver_of(lane)) else {
            // Whose answer this is was taken out of the configuration meanwhile: there is nobody to try again.
            self.attempt(id, now);
            return None;
        };
        let (outcome, kind) = (receiver.classify(reply), lane_key.integration.kind);
        let outcome = if self.compat.is_strict() { outcome.as_in_alertmanager(kind, reply) } else { outcome };
        let (told, presumed) =
            (told_by(&delivery.notification), presumed_handle(kind, &delivery.notification, reply.key()));
        match outcome {
            Outcome::Delivered { handle } => {
                if let Some(handle) = handle {
                    self.keep_handle(&lane_key, handle, now);
                }
                if let Some(lane) = self.lanes.get_mut(&lane_key) {
                    lane.told = told.or_else(|| lane.told.take());
                    lane.doubted.clear();
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
            Outcome::Retry { after, why } => {
                // It may have arrived, and only with this is it undone.
                if let Some(handle) = presumed {
                    self.keep_handle(&lane_key, handle, now);
                }
                self.wait(id, after, why, now)
            }
            Outcome::Lost { why } => self.wait(id, None, why, now),
        }
    }

    fn wait(&mut self, id: &DeliveryId, after: Option<Duration>, why: String, now: Timestamp) -> Option<String> {
        let delivery = self.deliveries.get_mut(id)?;
        if delivery.is_expired(now) {
            let why = format!("{} attempts, the last: {why}", delivery.attempts);
            self.finish(id, Ending::Expired { why }, now);
            return None;
        }
        delivery.last_failure = Some(why.clone());
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
        if let Some(next) = next.and_then(|next| self.still_news(&lane_key, next, arrived)) {
            self.begin(&lane_key, next, now);
        }
        if let Some(key) = &group {
            self.forget_resolved(key, created_at, now);
        }
        self.forget_lane(&lane_key);
    }

    /// What waited, if it is still news to the lane now that the delivery before it has ended, and for the reason that it
    /// is news now.
    fn still_news(&self, lane_key: &LaneKey, next: Notification, arrived: bool) -> Option<Notification> {
        let lane = self.lanes.get(lane_key)?;
        let receiver = self.receiver_of(lane)?;
        let state = told_by(&next);
        match (next, state) {
            (Notification::Group(group), Some(state)) => {
                let send_resolved = receiver.send_resolved();
                let is_doubted = !lane.doubted.is_empty() && !self.compat.is_strict();
                let reason = needs_update(lane.told.as_ref(), &state, send_resolved, Duration::MAX)
                    .or_else(|| takes_back(is_doubted, &state, send_resolved))
                    .or_else(|| rollback_news(&receiver, lane.told.as_ref(), &state))?;
                Some(Notification::Group(GroupNotification { reason, ..group }))
            }
            (Notification::Notice(notice), _) => {
                let is_news = arrived || notice.status == GroupStatus::Firing || !lane.doubted.is_empty();
                is_news.then_some(Notification::Notice(notice))
            }
            (other, _) => Some(other),
        }
    }

    /// Drops a lane that is idle and whose thing is over.
    pub(super) fn forget_lane(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get(key) else { return };
        let is_idle = lane.head.is_none() && lane.next.is_none();
        let is_told = lane.told.as_ref().is_some_and(|told| !told.firing.is_empty()) || !lane.doubted.is_empty();
        let is_open_notice = key.subject.starts_with(NOTICE) && is_told;
        if is_idle && !is_open_notice && !self.groups.contains_key(&GroupKey::new(key.subject.as_str())) {
            self.lanes.remove(key);
            self.touched.insert(Touched::Lane(key.clone()));
        }
    }
}
