//! Alert rules and the life of their instances.
//!
//! `spec` says what a rule is, `annotate` what an element of its result becomes, `instance` how one alert lives, and
//! `evaluate` joins them: the result of an evaluation in, changed instances out. Where results come from is the
//! evaluator's affair.

mod annotate;
mod evaluate;
mod instance;
mod spec;

pub use annotate::{AnnotateContext, RuleError, Seen, annotate};
pub use evaluate::{Change, Instance, InstanceRow, RuleInstances};
pub use instance::{InstanceState, Observation, Timing, Transition, step};
pub use spec::{AlertRule, OnUnknown, RecordRule, Rule, RuleGroup, UNKNOWN_AFTER};
