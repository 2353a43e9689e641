//! Alerts that have been unknown for too long are told: an alert of our own fires.
//!
//! It says which rule, in its labels, and since when and why, in its annotations. It has none of the labels of the alerts
//! that it is about but their severity: it is no evidence for anything that those would be evidence for.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::model::{ALERT_NAME, Alert, Labels, RuleId, Timestamp, format_duration};
use crate::rule::{AnnotateContext, Instance, InstanceRow, RuleGroup, RuleInstances, Seen, Timing};

use super::group::{changed, link};
use super::{GroupView, InstanceChange, RuleHealth, RuleKind, RuleView};

/// The name of our own alert.
pub const ALERT_UNKNOWN: &str = "AlertUnknown";
/// The id of the rule that it would have.
const RULE: &str = "atalaya;unknown;AlertUnknown{}";
/// The group that it would have.
const GROUP: &str = "atalaya";
/// How many of the alerts are named.
const NAMED_MAX: usize = 5;

/// An alert that cannot be measured.
#[derive(Clone, Debug)]
pub(super) struct UnknownAlert {
    /// Its labels.
    pub(super) labels: Labels,
    /// Whether it fires; otherwise it is pending.
    pub(super) fires: bool,
    since: Timestamp,
    /// From when on that is told.
    overdue_at: Timestamp,
    unknown_after: Duration,
    why: String,
    /// The labels of our own alert.
    own: Labels,
}

impl UnknownAlert {
    /// An instance, if it cannot be measured.
    pub(super) fn new(
        instance: &Instance,
        group: &RuleGroup,
        rule: &str,
        why: impl FnOnce() -> String,
    ) -> Option<Self> {
        let since = instance.unknown_since?;
        let own = Labels::from_pairs([
            (ALERT_NAME, ALERT_UNKNOWN),
            ("rule", rule),
            ("group", group.name.as_str()),
            ("file", group.file.as_str()),
            ("severity", instance.labels.get("severity")),
        ]);
        Some(Self {
            labels: instance.labels.clone(),
            fires: instance.state.fired_at().is_some(),
            since,
            overdue_at: since + group.unknown_after,
            unknown_after: group.unknown_after,
            why: why(),
            own,
        })
    }
}

/// Our own alerts.
#[derive(Debug)]
pub(super) struct Overdue {
    instances: RuleInstances,
}

impl Overdue {
    pub(super) fn new() -> Self {
        let timing = Timing { hold: Duration::ZERO, keep_firing_for: Duration::ZERO };
        Self { instances: RuleInstances::new(RuleId::new(RULE), timing) }
    }

    /// Brings back an instance from before a restart, if it is one of ours; any other is handed back.
    pub(super) fn restore(&mut self, row: InstanceRow) -> Option<InstanceRow> {
        if row.rule.as_str() != RULE {
            return Some(row);
        }
        self.instances.restore(row);
        None
    }

    /// Fires for what has been unknown for too long at `now`, and resolves for what is no more.
    pub(super) fn apply(
        &mut self,
        unknown: &BTreeMap<RuleId, Vec<UnknownAlert>>,
        context: &AnnotateContext,
        now: Timestamp,
    ) -> Vec<InstanceChange> {
        let mut overdue: BTreeMap<&Labels, Vec<&UnknownAlert>> = BTreeMap::new();
        for alert in unknown.values().flatten().filter(|alert| alert.overdue_at <= now) {
            overdue.entry(&alert.own).or_default().push(alert);
        }
        if overdue.is_empty() && self.instances.iter().len() == 0 {
            return Vec::new();
        }
        let seen: Vec<Seen> = overdue.into_iter().map(|(own, alerts)| tell(own, &alerts)).collect();
        let values: HashMap<Labels, f64> = seen.iter().map(|it| (it.labels.clone(), it.value)).collect();
        let changes = self.instances.apply(Ok(seen), |_| false, &link(context, ALERT_UNKNOWN), now);
        changes.into_iter().map(|change| changed(&RuleId::new(RULE), change, &values)).collect()
    }

    pub(super) fn firing(&self, context: &AnnotateContext) -> Vec<Alert> {
        self.instances.firing(&link(context, ALERT_UNKNOWN))
    }

    /// How the outside sees it: nothing, while there is nothing to see.
    pub(super) fn view(&self, interval: Duration, now: Option<Timestamp>) -> Option<GroupView> {
        if self.instances.iter().len() == 0 {
            return None;
        }
        let rule = RuleView {
            id: RuleId::new(RULE),
            file: String::new(),
            group: GROUP.to_owned(),
            kind: RuleKind::Alerting,
            name: ALERT_UNKNOWN.to_owned(),
            source: "vector(1)".to_owned(),
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            labels: Labels::empty(),
            annotations: Labels::empty(),
            health: RuleHealth::Ok,
            evaluated_at: now,
            took: Duration::ZERO,
            error: None,
            interpreted: Vec::new(),
            warnings: Vec::new(),
            instances: self.instances.iter().cloned().collect(),
        };
        Some(GroupView {
            file: String::new(),
            name: GROUP.to_owned(),
            interval,
            limit: 0,
            query_offset: Duration::ZERO,
            source: crate::model::SourceName::embedded(),
            evaluated_at: now,
            took: Duration::ZERO,
            rules: vec![rule],
        })
    }
}

fn tell(own: &Labels, alerts: &[&UnknownAlert]) -> Seen {
    let first = alerts.iter().min_by_key(|alert| alert.since);
    let (since, why, after) =
        first.map_or((Timestamp::default(), "", Duration::ZERO), |it| (it.since, it.why.as_str(), it.unknown_after));
    let rule = own.get("rule");
    let mut named: Vec<String> = alerts.iter().take(NAMED_MAX).map(|alert| alert.labels.to_string()).collect();
    if alerts.len() > NAMED_MAX {
        named.push(format!("and {} more", alerts.len() - NAMED_MAX));
    }
    let annotations = Labels::from_pairs([
        ("summary", format!("{rule} has been unknown for {}", format_duration(after))),
        (
            "description",
            format!(
                "Since {since} it cannot be measured: {why}. Until it can, what fires goes on firing and what is pending \
                 does not fire. Alerts: {}",
                named.join(", ")
            ),
        ),
    ]);
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let value = alerts.len() as f64;
    Seen { labels: own.clone(), element: own.clone(), annotations, value }
}
