//! Rules, and the life of the instances of alerts.
//!
//! `spec` says what a rule is, `annotate` what an element of an alert's result becomes, `instance` how one alert lives, and
//! `evaluate` joins them: the result of an evaluation in, changed instances out. `record` says which series a rule writes. Where results come from is the
//! evaluator's affair.

mod annotate;
mod evaluate;
mod instance;
mod record;
mod spec;

pub use annotate::{AnnotateContext, RuleError, Seen, annotate};
pub use evaluate::{Change, Instance, InstanceRow, RuleInstances};
pub use instance::{InstanceState, Observation, Timing, Transition, step};
pub use record::{ALERTS, ALERTS_FOR_STATE, record, series_of};
pub use spec::{AlertRule, OnUnknown, RecordRule, Rule, RuleGroup, UNKNOWN_AFTER};
