//! What a rule file says, checked.

use std::time::Duration;

use crate::model::RuleId;
use crate::promql::Expr;
use crate::template::Template;

use super::Timing;

/// Rules that are evaluated together, in order, at one moment.
#[derive(Debug, Clone)]
pub struct RuleGroup {
    /// The file as the configuration names it.
    pub file: String,
    /// Its name, unique in the file.
    pub name: String,
    /// How often it is evaluated. Groups of one interval tick together, at multiples of it.
    pub interval: Duration,
    /// Its rules.
    pub rules: Vec<AlertRule>,
}

/// One alert rule.
#[derive(Debug, Clone)]
pub struct AlertRule {
    /// The same over restarts and edits of the expression.
    pub id: RuleId,
    /// The alert's name.
    pub name: String,
    /// The expression as it was written.
    pub source: String,
    /// The expression.
    pub expr: Expr,
    /// `for`: how long the condition must hold before the alert fires.
    pub hold: Duration,
    /// How long the alert goes on firing after the condition has ceased to hold.
    pub keep_firing_for: Duration,
    /// Labels added to the alert; they win over those of the element.
    pub labels: Vec<(String, Template)>,
    /// What the alert tells people.
    pub annotations: Vec<(String, Template)>,
}

impl AlertRule {
    /// The id of a rule: where it stands, its name and its labels as written. An edit of its expression, `for` or
    /// annotations keeps the state of its alerts, as in Prometheus.
    pub fn id_of(file: &str, group: &str, name: &str, labels: &[(String, String)]) -> RuleId {
        let mut sorted: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        sorted.sort();
        RuleId::new(format!("{file};{group};{name}{{{}}}", sorted.join(",")))
    }

    /// The two waits of its alerts.
    pub fn timing(&self) -> Timing {
        Timing { hold: self.hold, keep_firing_for: self.keep_firing_for }
    }
}
