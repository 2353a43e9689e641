//! What goes into an evaluator and what comes out of it.

use std::time::Duration;

use crate::model::{Alert, Labels, RuleId, SourceName, Timestamp};
use crate::promql::Value;
use crate::rule::{AnnotateContext, InstanceRow, RuleGroup, Transition};
use crate::store::Retain;

use super::{Measure, Reading, ScrapeTarget};

/// What an evaluator is made of.
#[derive(Clone, Debug, Default)]
pub struct EvaluatorSpec {
    /// The rules.
    pub groups: Vec<RuleGroup>,
    /// What others want to have measured.
    pub measures: Vec<Measure>,
    /// Where the numbers come from.
    pub targets: Vec<ScrapeTarget>,
    /// How often measures are taken when no group is due sooner.
    pub interval: Duration,
    /// What templates see.
    pub context: AnnotateContext,
    /// What is kept although no rule reads it.
    pub retain: Retain,
    /// How many series may be stored.
    pub series_max: Option<usize>,
    /// How many bytes the series may take, as [`Store::memory_bytes`](crate::store::Store::memory_bytes) estimates them.
    pub memory_max: Option<usize>,
    /// Whether Prometheus is followed where ours differs: a rule over its `limit` loses its alerts.
    pub is_strict: bool,
}

/// What a tick, an answer or a reload changed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Transitions {
    /// When.
    pub at: Timestamp,
    /// The instances that changed.
    pub changes: Vec<InstanceChange>,
    /// What the measures gave.
    pub readings: Vec<Reading>,
    /// The firing alerts, by their labels, that cannot be measured now: always all of them.
    pub unknown: Vec<Labels>,
    /// How the evaluations went, one entry a group.
    pub groups: Vec<GroupReport>,
    /// What remote sources are to be asked now.
    pub questions: Vec<Question>,
}

/// An instance that changed: its row, and the alert when others are to hear of it.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceChange {
    /// Its rule.
    pub rule: RuleId,
    /// The alert's labels.
    pub labels: Labels,
    /// The row to keep; none when the instance is gone.
    pub row: Option<InstanceRow>,
    /// What happened, if it has a name.
    pub transition: Option<Transition>,
    /// The value of its element.
    pub value: f64,
    /// The alert, if it fires or has just resolved.
    pub alert: Option<Alert>,
}

/// How a group's evaluation went.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct GroupReport {
    /// `file;name`.
    pub group: String,
    /// How many rules were evaluated.
    pub rules: usize,
    /// How many of them failed.
    pub failed: usize,
    /// The rules that failed and did not before, with the reason.
    pub failures: Vec<(String, String)>,
    /// The rules that failed before and do no more.
    pub recovered: Vec<String>,
    /// Evaluations that were due and did not happen.
    pub missed: u64,
    /// How many samples its recording rules and alerts gave.
    pub samples: usize,
    /// How long it took.
    pub took: Duration,
}

/// Which question; never given twice by one evaluator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QuestionId(u64);

impl QuestionId {
    /// The question of this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A query for a remote source. Its answer comes back by [`Evaluator::apply`](super::Evaluator::apply); one that has not
/// come when its group is due again has failed.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    /// Which.
    pub id: QuestionId,
    /// Whom to ask.
    pub source: SourceName,
    /// The expression.
    pub query: String,
    /// The moment that it is about.
    pub at: Timestamp,
}

/// What a remote source answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Answered {
    /// The result.
    pub value: Value,
    /// What the source says about it.
    pub warnings: Vec<String>,
}
