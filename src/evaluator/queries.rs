//! The queries in the texts of rules: kept from the beginning, and answered from the store at the time of evaluation.

use std::collections::BTreeSet;

use crate::model::{Labels, Timestamp};
use crate::promql::{self, Value, evaluate};
use crate::rule::AlertRule;
use crate::store::Store;
use crate::template::{QueryError, QueryHost, QuerySample};

use super::blind::Sight;

/// The queries that are written out in a rule's labels and annotations.
fn written(rule: &AlertRule) -> BTreeSet<&str> {
    rule.labels.iter().chain(&rule.annotations).flat_map(|(_, text)| text.queries()).collect()
}

/// Has the store keep what the texts of a rule ask for. A query that cannot be read fails when it is asked.
pub(super) fn keep(store: &mut Store, rule: &AlertRule) {
    for expr in written(rule).into_iter().filter_map(|query| promql::parse(query).ok()) {
        Sight::new(store, &expr);
    }
}

/// The store, as it answers the texts of a rule.
pub(super) struct StoreQueries<'a> {
    pub(super) store: &'a Store,
    pub(super) at: Timestamp,
    pub(super) rule: &'a AlertRule,
}

impl QueryHost for StoreQueries<'_> {
    fn query(&self, expression: &str) -> Result<Vec<QuerySample>, QueryError> {
        let expr = promql::parse(expression).map_err(|error| error.to_string())?;
        // The store keeps what was known to be wanted: of a query that is made up now, nothing need be there.
        let keeps_nothing = |it: &promql::SelectorUse| self.store.matching(&it.matchers).is_empty();
        if !written(self.rule).contains(expression) && promql::selectors(&expr).iter().any(keeps_nothing) {
            let what = "the store keeps no series for it; write the query out, or let a rule select the same series";
            return Err(what.to_owned().into());
        }
        match evaluate(&expr, self.store, self.at).map_err(|error| error.to_string())? {
            Value::Scalar(value) => Ok(vec![QuerySample { labels: Labels::empty(), value }]),
            Value::Vector(elements) => {
                Ok(elements.into_iter().map(|it| QuerySample { labels: it.labels, value: it.value }).collect())
            }
            Value::Matrix(_) | Value::String(_) => Err("it gives neither a vector nor a scalar".to_owned().into()),
        }
    }
}
