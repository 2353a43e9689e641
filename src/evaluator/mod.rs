//! Measures: samples in, transitions and readings out.
//!
//! The evaluator owns the store, the rules and their instances. It lives on one thread of the shell and is told the time:
//! `ingest` takes a scrape, `tick` evaluates what is due. Vectors stay inside; what leaves is what changed.

mod spec;
mod view;

mod blind;
mod exposed;
mod group;
mod ingest;
mod measure;
mod overdue;
mod planned;
mod remote;
mod wire;

mod join;
mod query;
mod reload;
mod queries;

pub use exposed::IntakeOptions;
pub use ingest::{Page, PageError, PageFormat, Scrape, ScrapeReport, ScrapeTarget};
pub use join::Evaluator;
pub use measure::{Answer, Measure, Reading};
pub use overdue::ALERT_UNKNOWN;
pub use query::Queried;
pub use spec::{Answered, EvaluatorSpec, GroupReport, InstanceChange, Question, QuestionId, Transitions};
pub use view::{GroupView, RuleHealth, RuleKind, RuleView, TargetView};
