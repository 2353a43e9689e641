//! Measures: samples in, transitions and readings out.
//!
//! The evaluator owns the store, the rules and their instances. It lives on one thread of the shell and is told the time:
//! `ingest` takes a scrape, `tick` evaluates what is due. Vectors stay inside; what leaves is what changed.

mod spec;
mod scrape;
mod texts;
mod view;

mod agreement;
mod health;
mod blind;
mod exposed;
mod group;
mod standing;
mod ingest;
mod measure;
mod outage;
mod overdue;
mod planned;
mod failing;
mod own;
mod remote;
mod wire;

mod join;
mod metadata;
mod query;
mod reload;
mod queries;
mod rehearsal;

pub use exposed::IntakeOptions;
pub use failing::RULE_FAILING;
pub use join::Evaluator;
pub use measure::{Answer, Measure, Reading};
pub use metadata::MetricMetadata;
pub use overdue::ALERT_UNKNOWN;
pub use query::{Queried, Query, QueryProgress, RunningQuery, SeriesFound, SeriesQuery};
pub use rehearsal::{FiringAlert, RuleFailure};
pub use scrape::{Page, PageError, PageFormat, Scrape, ScrapeReport, ScrapeTarget};
pub use spec::{Answered, EvaluatorSpec, GroupReport, InstanceChange, Question, QuestionId, Transitions};
pub use view::{GroupView, RuleHealth, RuleKind, RuleView, TargetView};
