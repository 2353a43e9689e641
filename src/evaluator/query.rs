//! Queries that nobody announced: what someone asks of the store by the API.

use std::time::Duration;

use crate::model::{METRIC_NAME, MatchOp, Matcher, Timestamp, format_duration};
use crate::promql::{EvalError, Expr, SelectorUse, Value, evaluate_within, selectors};

use super::Evaluator;

/// How far behind the newest samples a moment may lie and still count as now.
const NOW_SLACK: Duration = Duration::from_secs(60);

/// How many samples a query may look at: while it does, a tick waits.
const QUERY_SAMPLES_MAX: u64 = 2_000_000;

/// What a query gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Queried {
    /// The result.
    pub value: Value,
    /// What is missing from it, because it is not kept.
    pub warnings: Vec<String>,
}

impl Evaluator {
    /// Evaluates an expression over what is stored. What is not kept is named, never silently missing.
    pub fn query(&self, expr: &Expr, at: Timestamp) -> Result<Queried, EvalError> {
        let value = evaluate_within(expr, &self.store, at, QUERY_SAMPLES_MAX)?;
        let mut warnings: Vec<String> = selectors(expr).iter().filter_map(|it| self.missing(it, at)).collect();
        if self.store.refused_target().is_some() {
            warnings.push("the store is full: new series are refused, and missing from the result".to_owned());
        }
        warnings.dedup();
        Ok(Queried { value, warnings })
    }

    /// What of a selector's series is not kept at `at`, in words.
    fn missing(&self, selector: &SelectorUse, at: Timestamp) -> Option<String> {
        let text = written(&selector.matchers);
        let Some(kept) = self.store.coverage(&selector.matchers) else {
            return Some(format!(
                "`{text}` is not kept whole: no rule reads it, and `store.retain` does not name it; the result has only \
                 those of its series that rules read"
            ));
        };
        // A query about the past looks back further than one about now, which is when the newest samples were written.
        let newest = self.intakes.values().filter_map(|intake| intake.last.as_ref()).map(|(at, _, _)| *at).max();
        let behind = newest.map_or(Duration::ZERO, |newest| newest.since(at));
        let asked = if behind > NOW_SLACK { selector.reach.saturating_add(behind) } else { selector.reach };
        (asked > kept).then(|| {
            let (asked, kept) = (format_duration(asked), format_duration(kept));
            format!("`{text}` is asked for {asked} back, and may be kept for no more than {kept}")
        })
    }
}

/// Matchers as a selector is written.
fn written(matchers: &[Matcher]) -> String {
    let is_name = |it: &&Matcher| &*it.name == METRIC_NAME && it.op == MatchOp::Equal;
    let name = matchers.iter().find(is_name).map_or("", |name| &name.value);
    let others: Vec<String> = matchers.iter().filter(|it| !is_name(it)).map(ToString::to_string).collect();
    if others.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", others.join(", ")) }
}
