//! Alerts of our own: they live as those of rules do, and outlive a restart.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::model::{Alert, Labels, RuleId, SourceName, Timestamp};
use crate::rule::{AnnotateContext, Instance, InstanceRow, RuleInstances, Seen, Timing};

use super::failing::{FailingRule, RULE_FAILING, failing};
use super::overdue::{ALERT_UNKNOWN, UnknownAlert, overdue};
use super::standing::{changed, link};
use super::{GroupView, InstanceChange, RuleHealth, RuleKind, RuleView};

/// The group that they would have.
const GROUP: &str = "atalaya";

/// What our own alerts tell of.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    /// The alerts of each rule that cannot be measured.
    pub(super) unknown: &'a BTreeMap<RuleId, Vec<UnknownAlert>>,
    pub(super) failing: &'a BTreeMap<RuleId, FailingRule>,
}

/// Our own alerts.
#[derive(Debug)]
pub(super) struct OwnAlerts {
    unknown: OwnRule,
    failing: OwnRule,
}

/// The rule that an alert of our own would have.
#[derive(Debug)]
struct OwnRule {
    name: &'static str,
    id: RuleId,
    instances: RuleInstances,
}

impl OwnAlerts {
    pub(super) fn new() -> Self {
        Self {
            unknown: OwnRule::new(ALERT_UNKNOWN, "atalaya;unknown;AlertUnknown{}"),
            failing: OwnRule::new(RULE_FAILING, "atalaya;failing;RuleFailing{}"),
        }
    }

    fn rules(&self) -> [&OwnRule; 2] {
        [&self.unknown, &self.failing]
    }

    /// Brings back an instance from before a restart, if it is one of ours; any other is handed back.
    pub(super) fn restore(&mut self, row: InstanceRow) -> Option<InstanceRow> {
        for rule in [&mut self.unknown, &mut self.failing] {
            if rule.id == row.rule {
                rule.instances.restore(row);
                return None;
            }
        }
        Some(row)
    }

    /// Fires for what has been wrong for too long at `now`, and resolves for what is wrong no more. `is_pending` says of the
    /// labels of an alert from before a start whether what it tells of has not been looked at long enough.
    pub(super) fn apply(
        &mut self,
        told: Told<'_>,
        is_pending: impl Fn(&Labels) -> bool,
        context: &AnnotateContext,
        now: Timestamp,
    ) -> Vec<InstanceChange> {
        let mut changes = self.unknown.apply(overdue(told.unknown, now), |_| false, context, now);
        let is_unknown = |it: &Instance| it.restored && is_pending(&it.labels);
        changes.extend(self.failing.apply(failing(told, now), is_unknown, context, now));
        changes
    }

    pub(super) fn firing(&self, context: &AnnotateContext) -> Vec<Alert> {
        self.rules().into_iter().flat_map(|rule| rule.instances.firing(&link(context, rule.name))).collect()
    }

    pub(super) fn firing_count(&self) -> usize {
        let fires = |it: &&Instance| it.state.fired_at().is_some();
        self.rules().into_iter().map(|rule| rule.instances.iter().filter(fires).count()).sum()
    }

    /// How the outside sees them: nothing, while there is nothing to see.
    pub(super) fn view(&self, interval: Duration, now: Option<Timestamp>) -> Option<GroupView> {
        let rules: Vec<RuleView> = self.rules().into_iter().filter_map(|rule| rule.view(now)).collect();
        (!rules.is_empty()).then(|| GroupView {
            file: String::new(),
            name: GROUP.to_owned(),
            interval,
            limit: 0,
            query_offset: Duration::ZERO,
            source: SourceName::embedded(),
            evaluated_at: now,
            took: Duration::ZERO,
            rules,
        })
    }
}

impl OwnRule {
    fn new(name: &'static str, id: &str) -> Self {
        let timing = Timing { hold: Duration::ZERO, keep_firing_for: Duration::ZERO };
        let id = RuleId::new(id);
        Self { name, instances: RuleInstances::new(id.clone(), timing), id }
    }

    fn apply(
        &mut self,
        seen: Vec<Seen>,
        is_unknown: impl Fn(&Instance) -> bool,
        context: &AnnotateContext,
        now: Timestamp,
    ) -> Vec<InstanceChange> {
        if seen.is_empty() && self.instances.iter().len() == 0 {
            return Vec::new();
        }
        let values: HashMap<Labels, f64> = seen.iter().map(|it| (it.labels.clone(), it.value)).collect();
        let changes = self.instances.apply(Ok(seen), is_unknown, &link(context, self.name), now);
        changes.into_iter().map(|change| changed(&self.id, change, &values)).collect()
    }

    fn view(&self, now: Option<Timestamp>) -> Option<RuleView> {
        (self.instances.iter().len() > 0).then(|| RuleView {
            id: self.id.clone(),
            file: String::new(),
            group: GROUP.to_owned(),
            kind: RuleKind::Alerting,
            name: self.name.to_owned(),
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
        })
    }
}
