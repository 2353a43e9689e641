//! Measures: samples in, transitions and readings out.
//!
//! The evaluator owns the store, the rules and their instances. It lives on one thread of the shell and is told the time:
//! `ingest` takes a scrape, `tick` evaluates what is due. Vectors stay inside; what leaves is what changed.

mod blind;
mod ingest;
mod join;
mod measure;
mod queries;

pub use ingest::{Scrape, ScrapeReport, ScrapeTarget};
pub use join::{Evaluator, EvaluatorSpec, GroupReport, InstanceChange, RuleView, TargetView, Transitions};
pub use measure::{Answer, Measure, Reading};
