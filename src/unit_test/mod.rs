//! Tests of rules: made-up series, and which alerts fire and what expressions give at given moments.
//!
//! The evaluator that runs live is told made-up numbers in made-up time, and what it makes of them is held against what
//! a test expects. Files of tests have the form of Prometheus's `promtool test rules`, and mean the same.

mod spec;

mod difference;
mod run;

mod junit;
mod report;

pub use difference::{Difference, Field, Item};
pub use junit::{JunitCase, JunitSuite, junit};
pub use report::{Colors, Detail};
pub use run::{EVALUATIONS_MAX, Failure, Options, Rehearsal};
pub use spec::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, InputSeries, Test, TestFile};
