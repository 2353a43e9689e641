//! What a rule file says, checked.

use std::time::Duration;

use crate::model::{Labels, RuleId, SourceName};
use crate::promql::Expr;
use crate::template::Template;

use super::Timing;

/// How long an alert may be unknown before that is told, unless the configuration says otherwise.
pub const UNKNOWN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Rules that are evaluated together, in order, at one moment.
#[derive(Debug, Clone)]
pub struct RuleGroup {
    /// The file as the configuration names it.
    pub file: String,
    /// Its name, unique in the file.
    pub name: String,
    /// How often it is evaluated. Groups of one interval on the embedded source tick together, at multiples of it.
    pub interval: Duration,
    /// How far back of the evaluation its queries look, and its outputs are stamped.
    pub query_offset: Duration,
    /// How many alerts or series a rule may give; 0 is no limit.
    pub limit: usize,
    /// Whom its queries are asked of.
    pub source: SourceName,
    /// What becomes of alerts that cannot be measured.
    pub on_unknown: OnUnknown,
    /// How long an alert may be unknown before that is told.
    pub unknown_after: Duration,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl RuleGroup {
    /// A group on the embedded source, with every option as it is when nobody sets it.
    pub fn new(file: impl Into<String>, name: impl Into<String>, interval: Duration, rules: Vec<Rule>) -> Self {
        Self {
            file: file.into(),
            name: name.into(),
            interval,
            query_offset: Duration::ZERO,
            limit: 0,
            source: SourceName::embedded(),
            on_unknown: OnUnknown::default(),
            unknown_after: UNKNOWN_AFTER,
            rules,
        }
    }

    /// Its alert rules.
    pub fn alerts(&self) -> impl Iterator<Item = &AlertRule> {
        self.rules.iter().filter_map(|rule| match rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Record(_) => None,
        })
    }
}

/// What becomes of an alert that cannot be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnUnknown {
    /// It stays as it was: it neither resolves nor fires.
    #[default]
    Keep,
    /// It is treated as absent.
    Resolve,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// It fires.
    Alert(AlertRule),
    /// It writes series.
    Record(RecordRule),
}

impl Rule {
    /// The same over restarts and edits of the expression.
    pub fn id(&self) -> &RuleId {
        match self {
            Self::Alert(rule) => &rule.id,
            Self::Record(rule) => &rule.id,
        }
    }

    /// The alert's name, or the name of the series written.
    pub fn name(&self) -> &str {
        match self {
            Self::Alert(rule) => &rule.name,
            Self::Record(rule) => &rule.name,
        }
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        match self {
            Self::Alert(rule) => &rule.source,
            Self::Record(rule) => &rule.source,
        }
    }

    /// The expression.
    pub fn expr(&self) -> &Expr {
        match self {
            Self::Alert(rule) => &rule.expr,
            Self::Record(rule) => &rule.expr,
        }
    }

    /// Its labels as they are written, those of its group among them.
    pub fn labels(&self) -> Labels {
        match self {
            Self::Alert(rule) => written(&rule.labels),
            Self::Record(rule) => rule.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        }
    }
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

/// One recording rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordRule {
    /// The same over restarts and edits of the expression.
    pub id: RuleId,
    /// The name of the series that it writes.
    pub name: String,
    /// The expression as it was written.
    pub source: String,
    /// The expression.
    pub expr: Expr,
    /// Labels added to the series; they win over those of the element, and an empty one takes a label away.
    pub labels: Vec<(String, String)>,
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

    /// Its annotations as they are written.
    pub fn written_annotations(&self) -> Labels {
        written(&self.annotations)
    }
}

/// Names and the templates as they were written. What is written empty is not shown.
fn written(templates: &[(String, Template)]) -> Labels {
    templates.iter().map(|(name, template)| (name.as_str(), template.source())).collect()
}

/// Two rules that say the same, wherever their expressions stand.
impl PartialEq for AlertRule {
    fn eq(&self, other: &Self) -> bool {
        let says = |rule: &Self| (rule.id.clone(), rule.source.clone(), rule.hold, rule.keep_firing_for);
        let texts = |list: &[(String, Template)]| -> Vec<(String, String)> {
            list.iter().map(|(name, template)| (name.clone(), template.source().to_owned())).collect()
        };
        says(self) == says(other)
            && texts(&self.labels) == texts(&other.labels)
            && texts(&self.annotations) == texts(&other.annotations)
    }
}
