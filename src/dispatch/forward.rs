//! Forwards alerts to Alertmanagers: which are to be sent, when, and again until they have been resolved for a while.
//!
//! As Prometheus does it: an alert is sent when it begins to fire, when it resolves, and again after `resend_delay`,
//! rounded up to evaluations of its rule; for a quarter of an hour after it has resolved, unless it is pending or fires
//! again. Each Alertmanager has a queue of its own, in which newer news of an alert replaces older news, and one request
//! under way. A request that failed is made again until the alerts in it are sent anew by themselves. Nothing here is
//! kept over restarts: what fires is sent again at a start, and what an Alertmanager does not hear of any more resolves
//! there by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::model::{
    Alert, AlertStatus, DeliveryId, Fingerprint, IntegrationId, Labels, RelabelRule, Timestamp, hex, relabel,
};
use crate::receiver::{Alertmanager, FORWARD_ALERTS_MAX, ForwardedAlert, Outcome, Reply};

use super::{Sending, backoff};

/// After what time an unchanged alert is sent again, unless said otherwise.
pub const RESEND_DELAY: Duration = Duration::from_secs(60);
/// For how long a resolved alert is sent again.
const RESOLVED_RETENTION: Duration = Duration::from_secs(15 * 60);
/// How many resends, or evaluations, an Alertmanager goes on believing that an alert fires.
const BELIEF: u32 = 4;
/// The alerts that wait for one Alertmanager at most; the oldest are dropped.
const QUEUE_ALERTS_MAX: usize = 10_000;

/// Where alerts are forwarded to.
#[derive(Clone, Debug)]
pub struct ForwardSpec {
    /// The Alertmanagers, each of which hears of every alert.
    pub alertmanagers: Vec<ForwardTarget>,
    /// What is made of an alert's labels before it leaves.
    pub relabel: Vec<RelabelRule>,
    /// How often the rules of this alert's name are evaluated, the slowest of them.
    pub intervals: BTreeMap<String, Duration>,
    /// After what time an unchanged alert is sent again.
    pub resend_delay: Duration,
}

impl Default for ForwardSpec {
    fn default() -> Self {
        Self { alertmanagers: Vec::new(), relabel: Vec::new(), intervals: BTreeMap::new(), resend_delay: RESEND_DELAY }
    }
}

/// An Alertmanager that alerts are forwarded to.
#[derive(Clone, Debug)]
pub struct ForwardTarget {
    /// Which.
    pub id: IntegrationId,
    /// It.
    pub alertmanager: Alertmanager,
    /// What is made of an alert's labels for it, after what is made for all.
    pub relabel: Vec<RelabelRule>,
}

/// An Alertmanager as the outside may look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardView {
    /// Which.
    pub id: IntegrationId,
    /// It.
    pub alertmanager: Alertmanager,
    /// How many alerts it took.
    pub sent: u64,
    /// How many alerts it did not take, counting each attempt.
    pub failed: u64,
    /// How many alerts were dropped because too many waited.
    pub dropped: u64,
    /// How many wait.
    pub waiting: usize,
    /// Why the last request failed, if it did.
    pub last_error: Option<String>,
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Forwarded {
    /// The Alertmanager took it.
    Taken,
    /// It is made again.
    Failed {
        /// Why it was not taken.
        why: String,
    },
    /// It is not made again.
    Refused {
        /// Why it was not taken.
        why: String,
    },
}

/// An alert that is forwarded.
#[derive(Debug)]
struct Known {
    alert: Alert,
    /// When it is sent next.
    due_at: Timestamp,
}

/// What waits for one Alertmanager, and what is on its way to it.
#[derive(Debug)]
struct Queue {
    alertmanager: Alertmanager,
    relabel: Vec<RelabelRule>,
    order: VecDeque<Fingerprint>,
    waiting: BTreeMap<Fingerprint, ForwardedAlert>,
    flight: Option<Flight>,
    retry_at: Option<Timestamp>,
    failures: u32,
    sent: u64,
    failed: u64,
    dropped: u64,
    last_error: Option<String>,
}

#[derive(Debug)]
struct Flight {
    id: DeliveryId,
    alerts: Vec<(Fingerprint, ForwardedAlert)>,
}

/// The state of forwarding.
#[derive(Debug, Default)]
pub struct Forward {
    spec: ForwardSpec,
    known: BTreeMap<Fingerprint, Known>,
    /// When an alert is to be sent. An entry whose moment is no longer the alert's means nothing.
    timers: BTreeSet<(Timestamp, Fingerprint)>,
    queues: BTreeMap<IntegrationId, Queue>,
    /// How many requests there were.
    count: u64,
    /// The alerts dropped since this was last asked.
    dropped: BTreeMap<IntegrationId, u64>,
}

impl Forward {
    /// Forwarding to these, with nothing to forward yet.
    pub fn new(spec: ForwardSpec) -> Self {
        let mut forward = Self::default();
        forward.reload(spec, Timestamp::default());
        forward
    }

    /// Goes on with another configuration: an Alertmanager that is new hears of everything at once, one that is gone of
    /// nothing any more.
    pub fn reload(&mut self, spec: ForwardSpec, now: Timestamp) {
        let ids: BTreeSet<&IntegrationId> = spec.alertmanagers.iter().map(|target| &target.id).collect();
        self.queues.retain(|id, _| ids.contains(id));
        let mut added = Vec::new();
        for ForwardTarget { id, alertmanager, relabel } in &spec.alertmanagers {
            match self.queues.get_mut(id) {
                Some(queue) if queue.alertmanager.url == alertmanager.url => {
                    (queue.alertmanager, queue.relabel) = (alertmanager.clone(), relabel.clone());
                }
                _ => {
                    self.queues.insert(id.clone(), Queue::new(alertmanager.clone(), relabel.clone()));
                    added.push(id.clone());
                }
            }
        }
        self.spec = spec;
        if self.queues.is_empty() {
            // Nobody asks any more; whoever does later hears of what fires then.
            self.known.clear();
            self.timers.clear();
        }
        for id in added {
            for (print, known) in &self.known {
                let alert = forwarded(&self.spec, &known.alert, now);
                if let (Some(alert), Some(queue)) = (alert, self.queues.get_mut(&id))
                    && queue.put(*print, alert)
                {
                    *self.dropped.entry(id.clone()).or_default() += 1;
                }
            }
        }
    }

    /// Takes in an alert that fires or has resolved, with its external labels.
    pub fn take_in(&mut self, alert: &Alert, now: Timestamp) {
        if self.queues.is_empty() {
            return;
        }
        let print = alert.fingerprint();
        match self.known.get_mut(&print) {
            // New annotations leave with the next resend.
            Some(known) if known.alert.status == alert.status && known.alert.starts_at == alert.starts_at => {
                known.alert = alert.clone();
            }
            _ => {
                self.known.insert(print, Known { alert: alert.clone(), due_at: now });
                self.send(print, now);
            }
        }
    }

    /// Takes in that an alert of these labels is pending: what is known of its end is history.
    pub fn take_in_pending(&mut self, labels: &Labels) {
        let print = labels.fingerprint();
        if self.known.get(&print).is_some_and(|known| !known.alert.is_firing()) {
            self.known.remove(&print);
        }
    }

    /// Makes the alerts that fire these: whatever else was known to fire has resolved.
    pub fn settle(&mut self, firing: &BTreeMap<Fingerprint, Alert>, now: Timestamp) {
        let over = |known: &&Known| known.alert.is_firing() && !firing.contains_key(&known.alert.fingerprint());
        let over: Vec<Alert> = self.known.values().filter(over).map(|known| known.alert.clone()).collect();
        for alert in over {
            self.take_in(&Alert { status: AlertStatus::Resolved { at: now }, ..alert }, now);
        }
        for alert in firing.values() {
            self.take_in(alert, now);
        }
    }

    /// Puts an alert into every queue, and sets when it is sent again.
    fn send(&mut self, print: Fingerprint, now: Timestamp) {
        let Some(known) = self.known.get_mut(&print) else { return };
        known.due_at = now + resend_period(&self.spec, &known.alert);
        self.timers.insert((known.due_at, print));
        let Some(alert) = forwarded(&self.spec, &known.alert, now) else { return };
        for (id, queue) in &mut self.queues {
            if queue.put(print, alert.clone()) {
                *self.dropped.entry(id.clone()).or_default() += 1;
            }
        }
    }

    /// When something is next due.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let retries = self.queues.values().filter(|queue| queue.flight.is_none()).filter_map(|queue| queue.retry_at);
        retries.chain(self.timers.first().map(|(at, _)| *at)).min()
    }

    /// Does what is due by now. Returns the requests that are to leave.
    pub fn due(&mut self, now: Timestamp) -> Vec<Sending> {
        while let Some((at, _)) = self.timers.first()
            && *at <= now
            && let Some((at, print)) = self.timers.pop_first()
        {
            let Some(known) = self.known.get(&print).filter(|known| known.due_at == at) else { continue };
            match known.alert.status {
                AlertStatus::Resolved { at } if now.since(at) >= RESOLVED_RETENTION => {
                    self.known.remove(&print);
                }
                AlertStatus::Firing | AlertStatus::Resolved { .. } => self.send(print, now),
            }
        }
        let mut sendings = Vec::new();
        for (id, queue) in &mut self.queues {
            if let Some(sending) = queue.next(id, &mut self.count, now) {
                sendings.push(sending);
            }
        }
        sendings
    }

    /// Takes in what came of a request; `None` when it is none of ours. A later [`Forward::due`] sends what waits.
    pub fn reply(&mut self, id: &DeliveryId, reply: &Reply, now: Timestamp) -> Option<(IntegrationId, Forwarded)> {
        let is_it = |queue: &Queue| queue.flight.as_ref().is_some_and(|flight| flight.id == *id);
        let (integration, queue) = self.queues.iter_mut().find(|(_, queue)| is_it(queue))?;
        let before = queue.dropped;
        let came = queue.reply(reply, self.spec.resend_delay, now)?;
        if queue.dropped > before {
            *self.dropped.entry(integration.clone()).or_default() += queue.dropped - before;
        }
        Some((integration.clone(), came))
    }

    /// How many alerts were dropped since this was last asked, by Alertmanager.
    pub fn drain_dropped(&mut self) -> BTreeMap<IntegrationId, u64> {
        std::mem::take(&mut self.dropped)
    }

    /// The Alertmanagers, to look at.
    pub fn view(&self) -> Vec<ForwardView> {
        let view = |(id, queue): (&IntegrationId, &Queue)| ForwardView {
            id: id.clone(),
            alertmanager: queue.alertmanager.clone(),
            sent: queue.sent,
            failed: queue.failed,
            dropped: queue.dropped,
            waiting: queue.waiting.len(),
            last_error: queue.last_error.clone(),
        };
        self.queues.iter().map(view).collect()
    }
}

impl Queue {
    fn new(alertmanager: Alertmanager, relabel: Vec<RelabelRule>) -> Self {
        Self {
            alertmanager,
            relabel,
            order: VecDeque::new(),
            waiting: BTreeMap::new(),
            flight: None,
            retry_at: None,
            failures: 0,
            sent: 0,
            failed: 0,
            dropped: 0,
            last_error: None,
        }
    }

    /// Lets an alert wait in place of what waited of it before. Returns whether another one had to go.
    fn put(&mut self, print: Fingerprint, mut alert: ForwardedAlert) -> bool {
        let Some(labels) = relabel(&alert.labels, &self.relabel) else { return false };
        alert.labels = labels;
        if self.waiting.insert(print, alert).is_some() {
            return false;
        }
        self.order.push_back(print);
        if self.order.len() <= QUEUE_ALERTS_MAX {
            return false;
        }
        if let Some(oldest) = self.order.pop_front() {
            self.waiting.remove(&oldest);
        }
        self.dropped += 1;
        true
    }

    /// The next request, unless one is under way or it is too early.
    fn next(&mut self, id: &IntegrationId, count: &mut u64, now: Timestamp) -> Option<Sending> {
        if self.flight.is_some() || self.order.is_empty() || self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        self.retry_at = None;
        let prints = self.order.drain(..self.order.len().min(FORWARD_ALERTS_MAX)).collect::<Vec<_>>();
        let alerts: Vec<_> =
            prints.into_iter().filter_map(|print| Some((print, self.waiting.remove(&print)?))).collect();
        *count += 1;
        let digest = Sha256::digest(format!("{id} {count} {}", now.millis()));
        let delivery = DeliveryId::new(format!("fw_{}", hex(&digest[..12])));
        let said: Vec<ForwardedAlert> = alerts.iter().map(|(_, alert)| alert.clone()).collect();
        let request = self.alertmanager.render(&said);
        self.flight = Some(Flight { id: delivery.clone(), alerts });
        Some(Sending { delivery, integration: id.clone(), attempt: self.failures.saturating_add(1), request })
    }

    fn reply(&mut self, reply: &Reply, resend_delay: Duration, now: Timestamp) -> Option<Forwarded> {
        let flight = self.flight.take()?;
        let count = flight.alerts.len() as u64;
        match self.alertmanager.classify(reply) {
            Outcome::Delivered { .. } => {
                self.sent += count;
                self.failures = 0;
                self.last_error = None;
                Some(Forwarded::Taken)
            }
            Outcome::Rejected { why } => {
                self.failed += count;
                self.failures = 0;
                self.last_error = Some(why.clone());
                Some(Forwarded::Refused { why })
            }
            Outcome::Lost { why } => Some(self.wait(flight, None, why, resend_delay, now)),
            Outcome::Retry { after, why } => Some(self.wait(flight, after, why, resend_delay, now)),
        }
    }

    /// Lets a request that was not taken wait, but for what has newer news by now.
    fn wait(
        &mut self,
        flight: Flight,
        after: Option<Duration>,
        why: String,
        longest: Duration,
        now: Timestamp,
    ) -> Forwarded {
        self.failed += flight.alerts.len() as u64;
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(why.clone());
        let wait = backoff(&flight.id, self.failures, longest).max(after.unwrap_or_default());
        self.retry_at = Some(now + wait.min(longest));
        for (print, alert) in flight.alerts.into_iter().rev() {
            if self.waiting.contains_key(&print) {
                continue;
            }
            if self.order.len() < QUEUE_ALERTS_MAX {
                self.order.push_front(print);
                self.waiting.insert(print, alert);
            } else {
                self.dropped += 1;
            }
        }
        Forwarded::Failed { why }
    }
}

fn interval_of(spec: &ForwardSpec, alert: &Alert) -> Duration {
    spec.intervals.get(alert.name()).copied().unwrap_or_default()
}

/// After what time an alert is sent again: the first multiple of its rule's interval that is `resend_delay` or more.
fn resend_period(spec: &ForwardSpec, alert: &Alert) -> Duration {
    let (delay, interval) = (spec.resend_delay.as_millis(), interval_of(spec, alert).as_millis());
    let period = if interval == 0 { delay } else { delay.div_ceil(interval).max(1) * interval };
    Duration::from_millis(u64::try_from(period).unwrap_or(u64::MAX))
}

/// An alert as it leaves, unless the configuration keeps it here.
fn forwarded(spec: &ForwardSpec, alert: &Alert, now: Timestamp) -> Option<ForwardedAlert> {
    let labels = relabel(&alert.labels, &spec.relabel)?;
    let ends_at = match alert.status {
        AlertStatus::Firing => now + interval_of(spec, alert).max(spec.resend_delay) * BELIEF,
        AlertStatus::Resolved { at } => at,
    };
    Some(ForwardedAlert {
        labels,
        annotations: alert.annotations.clone(),
        starts_at: alert.starts_at,
        ends_at,
        generator_url: alert.generator_url.clone(),
    })
}
