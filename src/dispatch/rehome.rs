//! A configuration that has changed, at a start or a reload: groups find their routes anew, and what was told somewhere
//! stays bound to that place, whatever the place is called now.
//!
//! A lane remembers its address. When its integration now tells somewhere else, or is gone, the lane goes over to the
//! integration of the group's receiver that tells at that very place (so a receiver may be renamed, and its entries put
//! into another order), or stays behind under a name of its own. A lane that stays behind tells nothing but what it owes:
//! that what it was told to fire does no more.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::model::{
    Alert, DeliveryId, GroupKey, GroupStatus, IntegrationId, Notification, RollbackId, SecretText, Timestamp,
};
use crate::receiver::{Handle, Receiver};

use super::carry::{rollback_subject, told_by};
use super::join::{Dispatch, Timer, Touched};
use super::{DeliveryState, Lane, LaneKey};

impl Dispatch {
    /// Goes on with the configuration as it is now: alerts whose routes have changed join their new groups, groups without
    /// a route tell only what is owed, and lanes stay with their places.
    pub fn reroute(&mut self, now: Timestamp) {
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
                    if self.compat.is_strict() {
                        let is_overdue = |alert: &Alert| alert.starts_at + route.group_wait < now;
                        let overdue = group.members.values().any(is_overdue);
                        group.row.next_flush_at = if overdue { now } else { now + route.group_wait };
                        self.timers.insert((group.row.next_flush_at, Timer::Flush(key.clone())));
                    }
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
        if !self.compat.is_strict() {
            self.rehome();
        }
    }

    /// The deliveries that were under way when the process ended, which are the caller's to attempt again.
    pub fn in_flight(&self) -> Vec<DeliveryId> {
        let is_in_flight = |state: &DeliveryState| matches!(state, DeliveryState::InFlight { .. });
        let deliveries = self.deliveries.values().filter(|delivery| is_in_flight(&delivery.state));
        deliveries.map(|delivery| delivery.id.clone()).collect()
    }

    /// The lanes that were told of something that is not over, and where nobody can be told any more that it is.
    pub fn orphans(&self) -> Vec<LaneKey> {
        let is_told = |lane: &&Lane| lane.told.as_ref().is_some_and(|told| !told.firing.is_empty());
        let lanes = self.lanes.values().filter(is_told).filter(|lane| self.receiver_of(lane).is_none());
        lanes.map(|lane| lane.key.clone()).collect()
    }

    /// Who is told in a lane: the integration that is configured, or whoever is at the lane's place, if that can be reached.
    pub(super) fn receiver_of(&self, lane: &Lane) -> Option<Cow<'_, Receiver>> {
        if let Some(configured) = self.receivers.get(&lane.key.integration) {
            return Some(Cow::Borrowed(configured));
        }
        let address = lane.address.as_ref().filter(|_| !self.compat.is_strict())?;
        let secret = address.needs(lane.handle.as_ref());
        let can_reach = secret.is_none_or(|name| name.is_lasting() || self.origins.contains(name));
        can_reach.then(|| Cow::Owned(address.receiver()))
    }

    /// Whether a lane's integration is gone, so that the lane tells only what it owes.
    pub(super) fn is_left_behind(&self, key: &LaneKey) -> bool {
        !self.receivers.contains_key(&key.integration)
    }

    /// Brings every lane to whoever is at its place now.
    fn rehome(&mut self) {
        let mut moving = Vec::new();
        for (key, lane) in self.lanes.iter_mut().filter(|(_, lane)| !lane.is_of_old_key) {
            let Some(configured) = self.addresses.get(&key.integration) else {
                if lane.address.is_some() {
                    moving.push(key.clone());
                }
                continue;
            };
            match &lane.address {
                Some(own) if **own == *configured => {}
                Some(own) if !own.is_same_place(configured) => moving.push(key.clone()),
                Some(_) | None => {
                    lane.address = Some(Box::new(configured.clone()));
                    self.touched.insert(Touched::Lane(key.clone()));
                }
            }
        }
        // All leave before any arrives, since two may change places.
        let lanes: Vec<Lane> = moving.iter().filter_map(|key| self.lanes.remove(key)).collect();
        for lane in lanes {
            let key = self.new_key(&lane);
            self.put_lane(lane, key);
        }
    }

    /// The key under which a lane goes on that cannot stay where it is.
    fn new_key(&self, lane: &Lane) -> LaneKey {
        let with = |integration: IntegrationId| LaneKey { subject: lane.key.subject.clone(), integration };
        let Some(address) = &lane.address else { return lane.key.clone() };
        let group = self.groups.get(&GroupKey::new(lane.key.subject.as_str()));
        let is_possible = |id: &IntegrationId| match group {
            Some(group) => !group.row.retired && id.receiver == group.row.receiver,
            None => true,
        };
        let successor = self.addresses.iter().find(|(id, other)| {
            address.is_same_place(other) && is_possible(id) && !self.lanes.contains_key(&with((*id).clone()))
        });
        match successor {
            Some((id, _)) => with(id.clone()),
            None if self.is_left_behind(&lane.key) && !self.lanes.contains_key(&lane.key) => lane.key.clone(),
            None => self.free_former(&lane.key, &address.mark()),
        }
    }

    /// The key of what stays behind of a lane, told apart by `mark` from what else does.
    fn free_former(&self, key: &LaneKey, mark: &str) -> LaneKey {
        let mut mark = mark.to_owned();
        loop {
            let former = LaneKey { subject: key.subject.clone(), integration: key.integration.former(&mark) };
            if !self.lanes.contains_key(&former) {
                return former;
            }
            mark.push('+');
        }
    }

    /// Lets a claim that is under way go on under another integration.
    pub fn move_rollback(&mut self, claim: &RollbackId, from: &IntegrationId, to: &IntegrationId) {
        let at = |integration: &IntegrationId| LaneKey {
            subject: rollback_subject(claim),
            integration: integration.clone(),
        };
        if let Some(lane) = self.lanes.remove(&at(from)) {
            self.put_lane(lane, at(to));
        }
    }

    /// Puts a lane under another key, its delivery too.
    fn put_lane(&mut self, mut lane: Lane, key: LaneKey) {
        self.touched.insert(Touched::Lane(lane.key.clone()));
        self.touched.insert(Touched::Lane(key.clone()));
        if let Some(delivery) = lane.head.as_ref().and_then(|head| self.deliveries.get_mut(head)) {
            delivery.lane = key.clone();
            self.touched.insert(Touched::Delivery(delivery.id.clone()));
        }
        lane.key = key.clone();
        if let Some(address) = self.addresses.get(&key.integration) {
            lane.address = Some(Box::new(address.clone()));
        }
        self.lanes.insert(key, lane);
    }

    /// Takes in how a lane's message or incident is reached from now on. An incident that was opened with another routing
    /// key is not closed by this one: what it knows stays behind in a lane of its own.
    pub(super) fn keep_handle(&mut self, key: &LaneKey, handle: Handle, now: Timestamp) {
        let Some(lane) = self.lanes.get(key) else { return };
        if let (Some(old), Some(new)) = (key_of(lane.handle.as_ref()), key_of(Some(&handle)))
            && old != new
            && !self.compat.is_strict()
        {
            let mark = old.mark();
            let former = self.free_former(key, &mark);
            let mut left = Lane { key: former.clone(), head: None, next: None, is_of_old_key: true, ..lane.clone() };
            // What is under way was tried with the old key too, and may have arrived there.
            let head = lane.head.as_ref().and_then(|head| self.deliveries.get(head));
            if let Some(head) = head.filter(|head| head.sent_with.contains(old)) {
                let before = left.told.take().into_iter().chain(told_by(&head.notification));
                left.doubted.extend(before.flat_map(|told| told.firing));
            }
            let is_owed = left.told.as_ref().is_some_and(|told| !told.firing.is_empty()) || !left.doubted.is_empty();
            if is_owed {
                // That a notice is over is told once, and may be waiting already.
                let over = lane.next.clone().filter(
                    |next| matches!(next, Notification::Notice(notice) if notice.status == GroupStatus::Resolved),
                );
                self.lanes.insert(former.clone(), left);
                self.touched.insert(Touched::Lane(former.clone()));
                if let Some(over) = over {
                    self.tell(&former, over, now);
                }
            }
        }
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.handle = Some(handle);
            self.touched.insert(Touched::Lane(key.clone()));
        }
    }
}

fn key_of(handle: Option<&Handle>) -> Option<&SecretText> {
    match handle? {
        Handle::PagerDuty { routing_key, .. } => routing_key.as_ref(),
        Handle::Slack { .. } => None,
    }
}
