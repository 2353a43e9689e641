//! What the outside may look at.

use std::time::Duration;

use crate::model::{Labels, RuleId, SourceName, Timestamp};
use crate::rule::Instance;

use super::{ScrapeReport, ScrapeTarget};

/// A group of rules as the outside may look at it.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// Its file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// How often it is evaluated.
    pub interval: Duration,
    /// How many alerts or series a rule may give; 0 is no limit.
    pub limit: usize,
    /// How far back its queries look.
    pub query_offset: Duration,
    /// Whom its queries are asked of.
    pub source: SourceName,
    /// When it was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    /// Its rules, in order.
    pub rules: Vec<RuleView>,
}

/// What a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleKind {
    /// It fires.
    Alerting,
    /// It writes series.
    Recording,
}

/// How a rule's last evaluation went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleHealth {
    /// There was none yet.
    Unknown,
    /// Well.
    Ok,
    /// It failed.
    Failing,
}

/// A rule as the outside may look at it.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// The same over restarts.
    pub id: RuleId,
    /// Its group's file.
    pub file: String,
    /// Its group.
    pub group: String,
    /// What it is for.
    pub kind: RuleKind,
    /// The alert's name, or that of the series written.
    pub name: String,
    /// Its expression.
    pub source: String,
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// Its labels as they are written.
    pub labels: Labels,
    /// Its annotations as they are written.
    pub annotations: Labels,
    /// How its last evaluation went.
    pub health: RuleHealth,
    /// When it was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    /// Why the last evaluation failed, if it did.
    pub error: Option<String>,
    /// The parts of its expression that the plan does not know and the interpreter evaluates.
    pub interpreted: Vec<String>,
    /// What the source says about its last answer.
    pub warnings: Vec<String>,
    /// Its instances; none for a recording rule.
    pub instances: Vec<Instance>,
}

/// A target as the outside may look at it.
#[derive(Clone, Debug)]
pub struct TargetView {
    /// The target.
    pub target: ScrapeTarget,
    /// When it was last scraped, how long that took, and what it brought.
    pub last: Option<(Timestamp, Duration, ScrapeReport)>,
}
