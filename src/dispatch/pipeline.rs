//! A flush: what a group has to say, to whom, and whether it is news there.

use std::borrow::Cow;

use crate::model::{
    Fingerprint, GroupKey, GroupNotification, IntegrationId, Notification, NotifyReason, RollbackNote, Timestamp,
};

use super::carry::{RESOLVE_PATIENCE, rollback_news, takes_back, told_by};
use super::join::{Dispatch, Timer, Touched};
use super::{Group, GroupRow, Lane, LaneKey, Told, needs_update};

/// What of a group may be heard now: all of it. Before anybody's news is weighed is the one place for what mutes alerts,
/// in Alertmanager's order: inhibition, the route's time intervals, silences. What is owed, that something which was told
/// is over, is not for them to hold back.
fn audible(group: &Group, rollbacks: Vec<RollbackNote>, now: Timestamp) -> Told {
    group.state(rollbacks, now)
}

impl Dispatch {
    /// Lets a group look for news. `rollbacks` is what became of the rollbacks that its alerts asked for. Returns whether
    /// there was anything to tell.
    pub fn flush(&mut self, key: &GroupKey, rollbacks: Vec<RollbackNote>, now: Timestamp) -> bool {
        let Some(group) = self.groups.get_mut(key) else { return false };
        group.row.next_flush_at = now + group.row.group_interval;
        self.timers.insert((group.row.next_flush_at, Timer::Flush(key.clone())));
        self.touched.insert(Touched::Group(key.clone()));
        let row = group.row.clone();
        let state = audible(group, rollbacks, now);
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
            .filter(|integration| !current.contains(integration) && !self.compat.is_strict())
            .collect()
    }

    fn flush_to(&mut self, row: &GroupRow, state: &Told, integration: &IntegrationId, is_current: bool) -> bool {
        let lane_key = LaneKey { subject: row.key.as_str().to_owned(), integration: integration.clone() };
        let lane = self.lanes.get(&lane_key);
        let receiver = match lane {
            Some(lane) => self.receiver_of(lane),
            None => self.receivers.get(integration).map(Cow::Borrowed),
        };
        let Some(receiver) = receiver else { return false };
        let send_resolved = receiver.send_resolved();
        let expected = lane.and_then(|lane| self.expected(lane));
        let is_doubted =
            expected.is_none() && lane.is_some_and(|lane| !lane.doubted.is_empty()) && !self.compat.is_strict();
        let Some(reason) = needs_update(expected.as_ref(), state, send_resolved, row.repeat_interval)
            .or_else(|| takes_back(is_doubted, state, send_resolved))
            .or_else(|| rollback_news(&receiver, expected.as_ref(), state))
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
            .filter(|lane| self.receiver_of(lane).is_some_and(|receiver| receiver.send_resolved()))
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
}
