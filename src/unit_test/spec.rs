//! What a file of tests says, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Labels, Place, Problem, Timestamp};
use crate::promql::{Expr, SampleValue, SequenceValue};
use crate::rule::{AnnotateContext, RuleGroup};

/// A file of tests with the rules that it is about.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// The rules. A subquery that names no step has `evaluation_interval`.
    pub groups: Vec<RuleGroup>,
    /// What is wrong with the rules; if anything is, no test can pass.
    pub rule_problems: Vec<Problem>,
    /// What is probably not meant.
    pub warnings: Vec<String>,
    /// How far evaluations are apart.
    pub evaluation_interval: Duration,
    /// Names of groups in the order in which they are evaluated. Those that are not named come with the first.
    pub group_eval_order: Vec<String>,
    /// Whether a value may be the float next to the one expected.
    pub is_fuzzy: bool,
    /// The tests.
    pub tests: Vec<Test>,
}

/// A test: series, and what is expected of them.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name, if it has one.
    pub name: String,
    /// Its place among the tests of its file, from 0.
    pub number: usize,
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it; if anything is, it cannot pass.
    pub problems: Vec<Problem>,
    /// How far the values of series are apart.
    pub interval: Duration,
    /// When its time begins.
    pub start: Timestamp,
    /// What templates see.
    pub context: AnnotateContext,
    /// The series.
    pub series: Vec<InputSeries>,
    /// Which alerts are to fire.
    pub alerts: Vec<AlertTest>,
    /// What expressions are to give.
    pub exprs: Vec<ExprTest>,
}

impl Test {
    /// Its name; one without is told by its number.
    pub fn title(&self) -> String {
        if self.name.is_empty() { format!("unnamed#{}", self.number) } else { self.name.clone() }
    }

    /// The last moment that it is about, from its start.
    pub fn lasts(&self) -> Duration {
        let alerts = self.alerts.iter().map(|it| it.at);
        alerts.chain(self.exprs.iter().map(|it| it.at)).max().unwrap_or_default()
    }
}

/// A series and its values, one each interval from the start on; a missing one is `None`.
#[derive(Clone, PartialEq, Debug)]
pub struct InputSeries {
    /// Its labels, with the metric name.
    pub labels: Labels,
    /// Its values.
    pub values: Vec<Option<SequenceValue>>,
}

/// Which alerts of a name are to fire at a moment: these, and no other.
#[derive(Clone, PartialEq, Debug)]
pub struct AlertTest {
    /// Where it stands.
    pub place: Place,
    /// How long after the start.
    pub at: Duration,
    /// The name.
    pub name: String,
    /// The alerts.
    pub expected: Vec<ExpectedAlert>,
}

/// An alert that is to fire. What is expected to be empty is written down, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedAlert {
    /// Its labels, `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What an expression is to give at a moment.
#[derive(Clone, PartialEq, Debug)]
pub struct ExprTest {
    /// Where it stands.
    pub place: Place,
    /// How long after the start.
    pub at: Duration,
    /// The expression as it is written.
    pub source: String,
    /// The expression.
    pub expr: Expr,
    /// The samples, in any order.
    pub expected: Vec<ExpectedSample>,
}

/// A sample that an expression is to give.
#[derive(Clone, PartialEq, Debug)]
pub struct ExpectedSample {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: SampleValue,
}
