//! The engine itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::dispatch::{
    Dispatch, DispatchRows, DispatchSpec, Ending, Finished, Forward, ForwardSpec, ForwardView, Forwarded, LaneKey,
    RouteSpec, RouteTree, Sending,
};
use crate::evaluator::Transitions;
use crate::model::{
    Alert, AlertStatus, Compat, DeliveryId, Fingerprint, GroupKey, GroupStatus, IntegrationId, Labels,
    NoticeNotification, Notification, ReceiverName, SecretName, SecretText, Timestamp,
};
use crate::receiver::{Receiver, Reply};
use crate::rollout::{Clearance, Episode, Moved, NoticeOrder, RollbackSpec, Rollouts};
use crate::rule::Transition;

use super::{AlertMove, Effect, Event, Note, Record, Step};

/// What an engine is made of.
#[derive(Clone, Debug)]
pub struct EngineSpec {
    /// The routing tree. Without a receiver at its root nobody is told; alerts may be forwarded all the same.
    pub route: RouteSpec,
    /// Every integration of every receiver.
    pub receivers: Vec<(IntegrationId, Receiver)>,
    /// Where each secret that they name comes from, as a name that outlasts the configuration.
    pub origins: BTreeMap<SecretName, SecretName>,
    /// What may be rolled back, and when.
    pub rollbacks: Vec<RollbackSpec>,
    /// Where alerts are forwarded to.
    pub alertmanagers: ForwardSpec,
    /// Whose way is kept where ours and Alertmanager's differ.
    pub compat: Compat,
    /// Added to every alert that has not got them.
    pub external_labels: Labels,
    /// Where this Atalaya can be reached.
    pub external_url: String,
}

/// The engine's state as it is kept over restarts.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct EngineRows {
    /// Groups, lanes and deliveries.
    pub dispatch: DispatchRows,
    /// Episodes.
    pub episodes: Vec<Episode>,
}

/// The machine that tells.
#[derive(Debug)]
pub struct Engine {
    dispatch: Dispatch,
    rollouts: Rollouts,
    forward: Forward,
    external_labels: Labels,
    /// The alerts that fire, as the evaluator gave them.
    firing: BTreeMap<Labels, Alert>,
}

impl Engine {
    /// An engine that goes on from these rows; without any, afresh. It does nothing before [`Event::Started`].
    pub fn restore(spec: EngineSpec, rows: EngineRows) -> Self {
        let Parts { dispatch, rollbacks, alertmanagers, external_labels } = parts(spec);
        let mut dispatch = Dispatch::new(dispatch);
        dispatch.restore(rows.dispatch);
        let rollouts = Rollouts::new(rollbacks, rows.episodes);
        let forward = Forward::new(alertmanagers);
        Self { dispatch, rollouts, forward, external_labels, firing: BTreeMap::new() }
    }

    /// Goes on with another configuration. Groups keep their next moment, what is under way stays under way, and whoever
    /// was told that something fires hears of its end at the same place.
    pub fn reload(&mut self, now: Timestamp, spec: EngineSpec) -> Step {
        let mut step = Step::default();
        let Parts { dispatch, rollbacks, alertmanagers, external_labels } = parts(spec);
        self.external_labels = external_labels;
        self.dispatch.configure(dispatch);
        self.rollouts.configure(rollbacks);
        self.forward.reload(alertmanagers, now);
        self.settle(&mut step, now);
        self.conclude(step, now)
    }

    /// Everything that a restart needs.
    pub fn rows(&self) -> EngineRows {
        EngineRows { dispatch: self.dispatch.rows(), episodes: self.rollouts.episodes().cloned().collect() }
    }

    /// Groups, their alerts and what is on its way, to look at.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// The Alertmanagers that alerts are forwarded to, to look at.
    pub fn alertmanagers(&self) -> Vec<ForwardView> {
        self.forward.view()
    }

    /// Rollbacks, to look at.
    pub fn rollouts(&self) -> &Rollouts {
        &self.rollouts
    }

    /// When the next [`Event::Wake`] is due.
    pub fn next_wake(&self) -> Option<Timestamp> {
        [self.dispatch.next_wake(), self.rollouts.next_wake(), self.forward.next_wake()].into_iter().flatten().min()
    }

    /// Takes in an event at `now`, and does what is due by then.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Step {
        let mut step = Step::default();
        match event {
            Event::Started { firing } => {
                self.firing = firing.into_iter().map(|alert| (alert.labels.clone(), alert)).collect();
                // What was in flight may or may not have arrived, and leaves once more with the same key.
                let in_flight = self.dispatch.in_flight();
                self.settle(&mut step, now);
                for delivery in in_flight {
                    self.dispatch.unanswered(&delivery, now);
                    self.attempt(&delivery, now);
                }
            }
            Event::Transitions(transitions) => self.take_in(transitions, &mut step, now),
            Event::Reply { delivery, reply } => self.reply(&delivery, &reply, &mut step, now),
            Event::Wake => {}
        }
        self.conclude(step, now)
    }

    /// Takes in the key with which an attempt is about to be made, that may open what no other key closes. Returns the rows
    /// to be on disk before.
    pub fn sent_with(&mut self, delivery: &DeliveryId, key: &SecretText) -> Vec<Record> {
        self.dispatch.sent_with(delivery, key);
        self.dispatch.records().into_iter().map(Record::Dispatch).collect()
    }

    /// Does what is due, and adds the rows that were touched.
    fn conclude(&mut self, mut step: Step, now: Timestamp) -> Step {
        self.do_what_is_due(&mut step, now);
        for record in self.dispatch.records() {
            step.records.push(Record::Dispatch(record));
        }
        step.records.extend(self.rollouts.records().into_iter().map(Record::Episode));
        step
    }

    /// Makes the alerts of dispatch those of the evaluator, and brings them to whoever the configuration names.
    fn settle(&mut self, step: &mut Step, now: Timestamp) {
        // Before any alert is taken in, which would open an episode where one is about to arrive.
        for Moved { claim, from, to } in self.rollouts.settle() {
            self.dispatch.move_rollback(&claim, &from, &to);
        }
        let firing: BTreeMap<Fingerprint, Alert> = self
            .firing
            .values()
            .map(|alert| self.with_external_labels(alert.clone()))
            .map(|alert| (alert.fingerprint(), alert))
            .collect();
        let known: Vec<Alert> = self.dispatch.firing().into_values().cloned().collect();
        for alert in known.iter().filter(|alert| !firing.contains_key(&alert.fingerprint())) {
            self.tell_of(&Alert { status: AlertStatus::Resolved { at: now }, ..alert.clone() }, now);
        }
        for alert in firing.values() {
            self.tell_of(alert, now);
        }
        self.forward.settle(&firing, now);
        self.dispatch.reroute(now);
        for LaneKey { subject, integration } in self.dispatch.orphans() {
            note(step, Note::Orphaned { at: now, integration, subject });
        }
    }

    fn take_in(&mut self, transitions: Transitions, step: &mut Step, now: Timestamp) {
        for change in transitions.changes {
            if let Some(transition) = change.transition {
                let to = match transition {
                    Transition::Started => AlertMove::Pending,
                    Transition::Fired => AlertMove::Firing,
                    Transition::Resolved => AlertMove::Resolved,
                    Transition::Dropped => AlertMove::Dropped,
                };
                let (labels, value) = (change.labels.clone(), change.value.to_string());
                note(step, Note::Alert { at: now, to, labels, value });
            }
            if change.transition == Some(Transition::Started) {
                self.forward.take_in_pending(&change.labels.clone().filled_from(&self.external_labels));
            }
            step.records.push(Record::Instance(change.rule, change.labels, change.row));
            if let Some(alert) = change.alert {
                match alert.is_firing() {
                    true => drop(self.firing.insert(alert.labels.clone(), alert.clone())),
                    false => drop(self.firing.remove(&alert.labels)),
                }
                let alert = self.with_external_labels(alert);
                self.forward.take_in(&alert, now);
                let is_new = change.transition == Some(Transition::Fired);
                for integration in self.tell_of(&alert, now).into_iter().filter(|_| is_new) {
                    note(step, Note::RollbackKeyless { at: now, integration, alert: alert.labels.clone() });
                }
            }
        }
        let unknown = transitions
            .unknown
            .into_iter()
            .map(|labels| labels.filled_from(&self.external_labels).fingerprint())
            .collect();
        self.rollouts.read(transitions.readings, unknown);
    }

    fn with_external_labels(&self, alert: Alert) -> Alert {
        Alert { labels: alert.labels.filled_from(&self.external_labels), ..alert }
    }

    /// Lets dispatch and the rollouts know of an alert. Returns the integrations that it cannot ask for a rollback.
    fn tell_of(&mut self, alert: &Alert, now: Timestamp) -> Vec<IntegrationId> {
        let receivers: Vec<ReceiverName> =
            self.dispatch.routes(&alert.labels).iter().map(|route| route.receiver.clone()).collect();
        self.dispatch.take_in(alert, now);
        self.rollouts.take_in(alert, &receivers, now)
    }

    fn reply(&mut self, delivery: &DeliveryId, reply: &Reply, step: &mut Step, now: Timestamp) {
        if let Some((integration, came)) = self.forward.reply(delivery, reply, now) {
            let (delivery, subject) = (delivery.clone(), "alerts".to_owned());
            match came {
                Forwarded::Taken => {}
                Forwarded::Failed { why } => note(step, Note::AttemptFailed { at: now, delivery, integration, why }),
                Forwarded::Refused { why } => {
                    note(step, Note::Undeliverable { at: now, delivery, integration, subject, why });
                }
            }
            return;
        }
        let integration = self.dispatch.delivery(delivery).map(|it| it.lane.integration.clone());
        if let (Some(why), Some(integration)) = (self.dispatch.reply(delivery, reply, now), integration) {
            note(step, Note::AttemptFailed { at: now, delivery: delivery.clone(), integration, why });
        }
    }

    /// Flushes, retries, claims and ends whatever is due. What ends may put more on its way, so it goes on until nothing
    /// is left.
    fn do_what_is_due(&mut self, step: &mut Step, now: Timestamp) {
        let forwards = self.forward.due(now);
        step.after_commit.extend(forwards.into_iter().map(|sending| Effect::Send(Box::new(sending))));
        for (integration, alerts) in self.forward.drain_dropped() {
            note(step, Note::ForwardDropped { at: now, integration, alerts });
        }
        let (groups, deliveries) = self.dispatch.due(now);
        // Claims come first: a group that is flushed in the same step can then say that a rollback is under way.
        for (integration, claim) in self.rollouts.claim(now) {
            note(
                step,
                Note::RollbackClaimed {
                    at: now,
                    rollback: claim.id.clone(),
                    integration: integration.clone(),
                    key: claim.key.clone(),
                    alert: claim.alert.labels.clone(),
                },
            );
            self.dispatch.send_rollback(&integration, claim, now);
        }
        for key in groups {
            self.flush(&key, step, now);
        }
        for delivery in deliveries {
            self.attempt(&delivery, now);
        }
        let (ended, orders) = self.rollouts.end(now);
        for key in ended {
            note(step, Note::EpisodeEnded { at: now, integration: key.integration, key: key.labels });
        }
        for order in orders {
            self.send_notice(&order, now);
        }
        loop {
            let (sendings, finished) = self.dispatch.drain();
            for (delivery, integration, why) in self.dispatch.drain_troubles() {
                note(step, Note::TextFailed { at: now, delivery, integration, why });
            }
            step.after_commit.extend(sendings.into_iter().map(|sending: Sending| Effect::Send(Box::new(sending))));
            if finished.is_empty() {
                return;
            }
            for finished in finished {
                self.note_finished(&finished, step, now);
                if let Some(order) = self.rollouts.finished(&finished, now) {
                    self.send_notice(&order, now);
                }
            }
        }
    }

    fn flush(&mut self, key: &GroupKey, step: &mut Step, now: Timestamp) {
        let Some(group) = self.dispatch.group(key) else { return };
        let prints: BTreeSet<Fingerprint> = group.members.keys().copied().collect();
        let rollbacks = self.rollouts.notes(&prints);
        let firing = group.members.values().filter(|alert| alert.is_firing()).count();
        let resolved = group.members.len() - firing;
        if self.dispatch.flush(key, rollbacks, now) {
            note(step, Note::GroupTold { at: now, group: key.clone(), firing, resolved });
        }
    }

    /// Attempts a delivery once more. A rollback waits while its guard does not hold; if that lasts until its deadline, a
    /// human is paged, unless nothing asks for it any more.
    fn attempt(&mut self, id: &DeliveryId, now: Timestamp) {
        let Some(delivery) = self.dispatch.delivery(id) else { return };
        let clearance = match &delivery.notification {
            Notification::Rollback(claim) => self.rollouts.clearance(&delivery.lane.integration, claim),
            Notification::Group(_) | Notification::Notice(_) => Clearance::Send,
        };
        match clearance {
            Clearance::Send => self.dispatch.attempt(id, now),
            Clearance::Never { why } => self.dispatch.end(id, Ending::Rejected { why }, now),
            Clearance::NotNow { .. } if !delivery.is_expired(now) => self.dispatch.postpone(id, now),
            Clearance::NotNow { is_wanted: false } => self.dispatch.end(id, Ending::Withdrawn, now),
            Clearance::NotNow { is_wanted: true } => {
                let last = delivery.last_failure.as_deref().unwrap_or("it was not answered");
                let why = format!("its guard does not hold any more; before, {last}");
                self.dispatch.end(id, Ending::Expired { why }, now);
            }
        }
    }

    /// Sends a notice to those who hear of its alert: the people of its receivers, or of the root's, or anyone.
    fn send_notice(&mut self, order: &NoticeOrder, now: Timestamp) {
        let integrations = match order.notice.status {
            GroupStatus::Resolved => self.dispatch.told_of_notice(&order.notice.key).into_iter().collect(),
            GroupStatus::Firing => self.people_of(&order.alert),
        };
        for integration in integrations {
            let notice = NoticeNotification { receiver: integration.receiver.clone(), ..order.notice.clone() };
            self.dispatch.send_notice(&integration, notice, now);
        }
    }

    fn people_of(&self, alert: &Alert) -> BTreeSet<IntegrationId> {
        let routes = self.dispatch.routes(&alert.labels);
        let mut people: BTreeSet<_> =
            routes.iter().flat_map(|route| self.dispatch.integrations(&route.receiver)).collect();
        if people.is_empty() {
            people.extend(self.dispatch.root_receiver().into_iter().flat_map(|root| self.dispatch.integrations(root)));
        }
        if people.is_empty() {
            people.extend(self.dispatch.all_integrations());
        }
        people
    }

    fn note_finished(&self, finished: &Finished, step: &mut Step, now: Timestamp) {
        let delivery = &finished.delivery;
        let (id, integration) = (delivery.id.clone(), delivery.lane.integration.clone());
        let subject = delivery.lane.subject.clone();
        let happened = match &finished.ending {
            Ending::Delivered => {
                Note::Delivered { at: now, delivery: id, integration, subject, attempts: delivery.attempts }
            }
            Ending::Withdrawn => Note::RollbackWithdrawn { at: now, delivery: id, integration },
            Ending::Rejected { why } | Ending::Expired { why } => {
                Note::Undeliverable { at: now, delivery: id, integration, subject, why: why.clone() }
            }
        };
        note(step, happened);
    }
}

/// A specification, each part to its owner.
struct Parts {
    dispatch: DispatchSpec,
    rollbacks: Vec<RollbackSpec>,
    alertmanagers: ForwardSpec,
    external_labels: Labels,
}

fn parts(spec: EngineSpec) -> Parts {
    let EngineSpec { route, receivers, origins, rollbacks, alertmanagers, compat, external_labels, external_url } =
        spec;
    let dispatch = DispatchSpec { tree: RouteTree::new(&route), receivers, origins, external_url, compat };
    Parts { dispatch, rollbacks, alertmanagers, external_labels }
}

/// Keeps a note for the audit and lets those who watch know once it is kept.
fn note(step: &mut Step, note: Note) {
    step.records.push(Record::Note(note.clone()));
    step.after_commit.push(Effect::Note(note));
}
