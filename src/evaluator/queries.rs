//! The queries in the texts of rules: kept from the beginning, and answered from the store at the time of evaluation.

use std::collections::BTreeSet;
use std::time::Duration;

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
pub(super) fn keep(store: &mut Store, rule: &AlertRule, behind: Duration) {
    for expr in written(rule).into_iter().filter_map(|query| promql::parse(query).ok()) {
        Sight::new(store, &expr, behind);
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
        let keeps_nothing = |it: &promql::SelectorUse| {
            self.store.matching(&it.matchers).is_empty() && self.store.coverage(&it.matchers).is_none()
        };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{RuleId, Sample, TargetId};
    use crate::rule::{AnnotateContext, annotate};
    use crate::store::Origin;
    use crate::template::Template;

    /// The annotation `text` of an alert, with these series kept if anything wants them.
    fn annotation(text: &str) -> String {
        let rule = AlertRule {
            id: RuleId::new("r"),
            name: "A".to_owned(),
            source: "1".to_owned(),
            expr: promql::parse("1").unwrap(),
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            labels: Vec::new(),
            annotations: vec![("text".to_owned(), Template::parse(text).unwrap())],
        };
        let (mut store, at) = (Store::new(), Timestamp::from_millis(60_000));
        keep(&mut store, &rule, Duration::ZERO);
        for (job, value) in [("a", 1.0), ("b", 2.0)] {
            let labels = Labels::from_pairs([("__name__", "m"), ("job", job)]);
            if let Some(id) = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))) {
                store.append(id, Sample { at, value });
            }
        }
        let queries = StoreQueries { store: &store, at, rule: &rule };
        let seen = annotate(&rule, Value::Scalar(1.0), &AnnotateContext::default(), at, &queries).unwrap();
        seen[0].annotations.get("text").to_owned()
    }

    #[test]
    fn what_is_written_out_is_kept_and_answered() {
        let check = |text: &str, expected: &str| assert_eq!(annotation(text), expected, "{text}");
        check("{{ range query \"m\" | sortByLabel \"job\" }}{{ .Labels.job }}={{ .Value }} {{ end }}", "a=1 b=2 ");
        check("{{ query \"sum(m)\" | first | value }} {{ query \"time()\" | first | value }}", "3 60");
        check("{{ with query \"nothing\" }}some{{ else }}none{{ end }}", "none");
        check("{{ query \"m\" | len }}{{ query (printf \"m{job='%s'}\" \"b\") | first | value }}", "22");
    }

    #[test]
    fn what_is_not_kept_is_not_silently_empty() {
        let lost = annotation("{{ query (print \"m\") | len }}");
        assert!(lost.contains("`query`: `m`: the store keeps no series for it"), "{lost}");
        let wrong = annotation("{{ query \"m{\" }}");
        assert!(wrong.starts_with("<error expanding template: line 1, column 4: `query`: `m{`: "), "{wrong}");
    }
}
