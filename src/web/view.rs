//! What the page shows, in its own types.

use std::collections::HashMap;
use std::time::Duration;

use crate::dispatch::{Delivery, DeliveryState, Group};
use crate::evaluator::{RuleView, TargetView};
use crate::model::{ALERT_NAME, Fingerprint, Labels, RollbackOutcome, Timestamp};
use crate::rollout::Episode;
use crate::rule::{Instance, InstanceState};

use super::status::Loaded;

/// Why a request of the web has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// A part of the daemon does not answer.
    #[error("the {part} does not answer")]
    Stalled {
        /// Which.
        part: &'static str,
    },
    /// As many requests of its kind are being answered as may be.
    #[error("too many ask at once: try again")]
    Crowded,
}

/// What the daemon's parts hold, as they gave it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// When.
    pub now: Timestamp,
    /// Whether everything known is on disk.
    pub is_durable: bool,
    /// What is loaded, and what was refused.
    pub loaded: Loaded,
    /// Series in memory.
    pub series: usize,
    /// What they take, about.
    pub series_bytes: usize,
    /// All rules.
    pub rules: Vec<RuleView>,
    /// All targets.
    pub targets: Vec<TargetView>,
    /// All groups.
    pub groups: Vec<Group>,
    /// What is on its way.
    pub deliveries: Vec<Delivery>,
    /// All rollbacks.
    pub episodes: Vec<Episode>,
}

/// The daemon at a moment.
#[derive(Clone, Debug)]
pub struct View {
    /// When.
    pub now: Timestamp,
    /// Whether everything known is on disk.
    pub is_durable: bool,
    /// What is loaded, and what was refused.
    pub loaded: Loaded,
    /// Series in memory.
    pub series: usize,
    /// What they take, about.
    pub series_bytes: usize,
    /// How many rules there are.
    pub rules: usize,
    /// Rules that cannot be evaluated.
    pub troubles: Vec<TroubleRow>,
    /// Alerts, those that fire first.
    pub alerts: Vec<AlertRow>,
    /// What is on its way and was not taken at once.
    pub sendings: Vec<SendingRow>,
    /// Rollbacks.
    pub rollbacks: Vec<RollbackRow>,
    /// Targets, those that are down first.
    pub targets: Vec<TargetRow>,
}

/// How an alert stands; also the order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// It fires.
    Firing,
    /// Its condition holds, not yet long enough.
    Pending,
}

/// An alert on the page.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// How it stands.
    pub state: AlertState,
    /// Since when it cannot be measured, if it cannot.
    pub unknown_for: Option<Duration>,
    /// Its name.
    pub name: String,
    /// Its `severity` label.
    pub severity: String,
    /// Its other labels.
    pub labels: Labels,
    /// What it says in a line.
    pub summary: String,
    /// The value of its expression.
    pub value: f64,
    /// For how long it has fired or been pending.
    pub lasting: Duration,
    /// When it will fire, if it is pending.
    pub fires_in: Option<Duration>,
    /// When its group next looks for news.
    pub tells_in: Option<Duration>,
}

/// A rule that cannot be evaluated.
#[derive(Clone, Debug)]
pub struct TroubleRow {
    /// The rule's file, group and name.
    pub rule: String,
    /// Why.
    pub error: String,
}

/// A delivery on the page.
#[derive(Clone, Debug)]
pub struct SendingRow {
    /// To whom.
    pub integration: String,
    /// About what.
    pub subject: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the next is due; none while one is under way.
    pub retry_in: Option<Duration>,
}

/// A rollback on the page.
#[derive(Clone, Debug)]
pub struct RollbackRow {
    /// Of what.
    pub key: Labels,
    /// For whom.
    pub integration: String,
    /// Its claim, and what became of it.
    pub claim: Option<(String, RollbackOutcome)>,
    /// How many alerts ask for it now.
    pub firing: usize,
}

/// A target on the page.
#[derive(Clone, Debug)]
pub struct TargetRow {
    /// Where it is.
    pub url: String,
    /// What it is.
    pub labels: Labels,
    /// How long ago it was scraped; none before the first scrape.
    pub scraped_ago: Option<Duration>,
    /// How long that took.
    pub took: Duration,
    /// How many samples it brought.
    pub samples: usize,
    /// New series that were refused, because there is no room for more.
    pub refused: usize,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl View {
    /// The view of what the daemon's parts hold.
    pub fn new(looked: &Looked) -> Self {
        let now = looked.now;
        let flushes = Flushes::new(&looked.groups, &looked.loaded.external_labels);
        let mut alerts: Vec<AlertRow> = looked
            .rules
            .iter()
            .flat_map(|rule| rule.instances.iter().map(move |instance| (rule, instance)))
            .map(|(rule, instance)| alert_row(rule, instance, flushes.next(&instance.labels), now))
            .collect();
        alerts.sort_by(|left, right| {
            (left.state, &left.name, &left.labels).cmp(&(right.state, &right.name, &right.labels))
        });
        let mut targets: Vec<TargetRow> = looked.targets.iter().map(|target| target_row(target, now)).collect();
        targets
            .sort_by(|left, right| (left.error.is_none(), &left.labels).cmp(&(right.error.is_none(), &right.labels)));
        let troubles = looked.rules.iter().filter_map(|rule| {
            let error = rule.error.clone()?;
            Some(TroubleRow { rule: format!("{}: {}: {}", rule.file, rule.group, rule.name), error })
        });
        Self {
            now,
            is_durable: looked.is_durable,
            loaded: looked.loaded.clone(),
            series: looked.series,
            series_bytes: looked.series_bytes,
            rules: looked.rules.len(),
            troubles: troubles.collect(),
            alerts,
            sendings: looked.deliveries.iter().map(|delivery| sending_row(delivery, now)).collect(),
            rollbacks: looked.episodes.iter().map(rollback_row).collect(),
            targets,
        }
    }
}

/// When the groups of each alert next look for news: one pass over all members, since there may be thousands of alerts.
struct Flushes<'a> {
    by_print: HashMap<Fingerprint, Timestamp>,
    external_labels: &'a Labels,
}

impl<'a> Flushes<'a> {
    fn new(groups: &[Group], external_labels: &'a Labels) -> Self {
        let mut by_print = HashMap::new();
        for group in groups {
            let at = group.row.next_flush_at;
            for print in group.members.keys() {
                by_print.entry(*print).and_modify(|known: &mut Timestamp| *known = at.min(*known)).or_insert(at);
            }
        }
        Self { by_print, external_labels }
    }

    /// When the alert with these labels is next looked at. On its way to the groups it has got the external labels that it
    /// had not.
    fn next(&self, labels: &Labels) -> Option<Timestamp> {
        self.by_print.get(&labels.filled_from(self.external_labels).fingerprint()).copied()
    }
}

fn alert_row(rule: &RuleView, instance: &Instance, tells_at: Option<Timestamp>, now: Timestamp) -> AlertRow {
    let since = instance.state.active_at();
    let (state, lasting, fires_in) = match instance.state {
        InstanceState::Pending { .. } => (AlertState::Pending, now.since(since), Some((since + rule.hold).since(now))),
        InstanceState::Firing { fired_at, .. } | InstanceState::Lingering { fired_at, .. } => {
            (AlertState::Firing, now.since(fired_at), None)
        }
    };
    AlertRow {
        state,
        unknown_for: instance.unknown_since.map(|since| now.since(since)),
        name: instance.labels.get(ALERT_NAME).to_owned(),
        severity: instance.labels.get("severity").to_owned(),
        labels: instance.labels.filter(|name| name != ALERT_NAME && name != "severity"),
        summary: instance.annotations.get("summary").to_owned(),
        value: instance.value,
        lasting,
        fires_in,
        tells_in: tells_at.map(|at| at.since(now)),
    }
}

fn sending_row(delivery: &Delivery, now: Timestamp) -> SendingRow {
    let retry_in = match delivery.state {
        DeliveryState::InFlight { .. } => None,
        DeliveryState::Waiting { until } => Some(until.since(now)),
    };
    SendingRow {
        integration: delivery.lane.integration.to_string(),
        subject: delivery.lane.subject.clone(),
        attempts: delivery.attempts,
        retry_in,
    }
}

fn rollback_row(episode: &Episode) -> RollbackRow {
    RollbackRow {
        key: episode.key.labels.clone(),
        integration: episode.key.integration.to_string(),
        claim: episode.claim.as_ref().map(|claim| (claim.id.to_string(), claim.outcome)),
        firing: episode.firing.len(),
    }
}

fn target_row(view: &TargetView, now: Timestamp) -> TargetRow {
    let last = view.last.as_ref();
    TargetRow {
        url: view.target.url.clone(),
        labels: view.target.labels.clone(),
        scraped_ago: last.map(|(at, _, _)| now.since(*at)),
        took: last.map(|(_, took, _)| *took).unwrap_or_default(),
        samples: last.map(|(_, _, report)| report.samples).unwrap_or_default(),
        refused: last.map(|(_, _, report)| report.refused).unwrap_or_default(),
        error: last.and_then(|(_, _, report)| report.error.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::GroupRow;
    use crate::model::{Alert, AlertStatus, GroupKey, ReceiverName};

    fn group(key: &str, flush_ms: i64, members: &[&[(&str, &str)]]) -> Group {
        let row = GroupRow {
            key: GroupKey::new(key),
            route: String::new(),
            receiver: ReceiverName::new("people"),
            labels: Labels::empty(),
            next_flush_at: Timestamp::from_millis(flush_ms),
            group_interval: Duration::ZERO,
            repeat_interval: Duration::ZERO,
            retired: false,
        };
        let alert = |labels: &&[(&str, &str)]| Alert {
            labels: Labels::from_pairs(labels.iter().copied()),
            annotations: Labels::empty(),
            status: AlertStatus::Firing,
            starts_at: Timestamp::from_millis(0),
            generator_url: String::new(),
        };
        Group { row, members: members.iter().map(alert).map(|alert| (alert.fingerprint(), alert)).collect() }
    }

    #[test]
    fn an_alert_is_told_of_with_its_own_groups() {
        let (up, down) = ([("alertname", "A"), ("env", "eu")], [("alertname", "A"), ("env", "us")]);
        let other = [("alertname", "A"), ("env", "eu"), ("pod", "1")];
        let groups = [group("a", 30, &[&up, &other]), group("b", 10, &[&up]), group("c", 20, &[&down])];
        let check = |external: &[(&str, &str)], labels: &[(&str, &str)], expected: Option<i64>| {
            let external = Labels::from_pairs(external.iter().copied());
            let got = Flushes::new(&groups, &external).next(&Labels::from_pairs(labels.iter().copied()));
            assert_eq!(got.map(Timestamp::millis), expected, "{labels:?}");
        };
        let eu = [("env", "eu")];
        check(&eu, &[("alertname", "A")], Some(10));
        check(&eu, &down, Some(20));
        check(&eu, &[("alertname", "A"), ("pod", "1")], Some(30));
        check(&eu, &[("alertname", "B")], None);
        check(&[], &up, Some(10));
        // It agrees with members, and is none of them.
        check(&[], &[("alertname", "A")], None);
    }
}
