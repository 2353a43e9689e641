//! The queries in the texts of rules: kept from the beginning, and answered from the store at the time of evaluation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use crate::model::{Labels, Timestamp};
use crate::promql::{self, Expr, Value, evaluate};
use crate::rule::AlertRule;
use crate::store::Store;
use crate::template::{QueryError, QueryHost, QuerySample};

use super::blind::Sight;

/// How many answers are remembered during an evaluation of a rule. A query for each of thousands of alerts is asked anew.
const ANSWERS_MAX: usize = 200;

/// The queries that are written out in a rule's labels and annotations, or why they cannot be read.
#[derive(Debug, Default)]
pub(super) struct Texts(HashMap<String, Result<Expr, String>>);

impl Texts {
    /// Reads the texts of a rule and has the store keep what they ask for. A query that cannot be read fails when it is
    /// asked.
    pub(super) fn keep(store: &mut Store, rule: &AlertRule, behind: Duration) -> Self {
        let written = rule.labels.iter().chain(&rule.annotations).flat_map(|(_, text)| text.queries());
        let queries: HashMap<_, _> = written.map(|query| (query.to_owned(), parse(query))).collect();
        for expr in queries.values().flatten() {
            Sight::new(store, expr, behind);
        }
        Self(queries)
    }
}

/// The store, as it answers the texts of a rule in one evaluation: each query once.
pub(super) struct StoreQueries<'a> {
    store: &'a Store,
    at: Timestamp,
    texts: &'a Texts,
    answers: RefCell<HashMap<String, Result<Vec<QuerySample>, String>>>,
}

impl<'a> StoreQueries<'a> {
    pub(super) fn new(store: &'a Store, at: Timestamp, texts: &'a Texts) -> Self {
        Self { store, at, texts, answers: RefCell::default() }
    }

    fn ask(&self, query: &str) -> Result<Vec<QuerySample>, String> {
        let value = match self.texts.0.get(query) {
            Some(expr) => evaluate(expr.as_ref().map_err(Clone::clone)?, self.store, self.at),
            None => evaluate(&self.made_up(query)?, self.store, self.at),
        };
        match value.map_err(|error| error.to_string())? {
            Value::Scalar(value) => Ok(vec![QuerySample { labels: Labels::empty(), value }]),
            Value::Vector(elements) => {
                Ok(elements.into_iter().map(|it| QuerySample { labels: it.labels, value: it.value }).collect())
            }
            Value::Matrix(_) | Value::String(_) => Err("it gives neither a vector nor a scalar".to_owned()),
        }
    }

    /// A query that is not written out. The store keeps what was known to be wanted: of this one, nothing need be there.
    fn made_up(&self, query: &str) -> Result<Expr, String> {
        let expr = parse(query)?;
        let keeps_nothing = |it: &promql::SelectorUse| self.store.matching(&it.matchers).is_empty();
        if promql::selectors(&expr).iter().any(keeps_nothing) {
            let what = "the store keeps no series for it; write the query out, or let a rule select the same series";
            return Err(what.to_owned());
        }
        Ok(expr)
    }
}

impl QueryHost for StoreQueries<'_> {
    fn query(&self, expression: &str) -> Result<Vec<QuerySample>, QueryError> {
        if let Some(answer) = self.answers.borrow().get(expression) {
            return answer.clone().map_err(QueryError::from);
        }
        let answer = self.ask(expression);
        let mut answers = self.answers.borrow_mut();
        if answers.len() < ANSWERS_MAX {
            answers.insert(expression.to_owned(), answer.clone());
        }
        answer.map_err(QueryError::from)
    }
}

fn parse(query: &str) -> Result<Expr, String> {
    promql::parse(query).map_err(|error| error.to_string())
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
        let texts = Texts::keep(&mut store, &rule, Duration::ZERO);
        for (job, value) in [("a", 1.0), ("b", 2.0)] {
            let labels = Labels::from_pairs([("__name__", "m"), ("job", job)]);
            if let Some(id) = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))) {
                store.append(id, Sample { at, value });
            }
        }
        let queries = StoreQueries::new(&store, at, &texts);
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
    fn a_query_is_evaluated_once_in_an_evaluation() {
        let texts = Texts::default();
        let store = Store::new();
        let queries = StoreQueries::new(&store, Timestamp::from_millis(0), &texts);
        for query in ["1 + 1", "1 +", "2"] {
            let first = queries.query(query);
            // Whoever asked again would not get this.
            let known = vec![QuerySample { labels: Labels::empty(), value: 7.0 }];
            queries.answers.borrow_mut().insert(query.to_owned(), Ok(known.clone()));
            assert_ne!(first, Ok(known.clone()));
            assert_eq!(queries.query(query), Ok(known));
        }
        (0..300).for_each(|index| assert!(queries.query(&index.to_string()).is_ok()));
        assert_eq!(queries.answers.borrow().len(), ANSWERS_MAX);
    }

    #[test]
    fn what_is_not_kept_is_not_silently_empty() {
        let lost = annotation("{{ query (print \"m\") | len }}");
        assert!(lost.contains("`query`: `m`: the store keeps no series for it"), "{lost}");
        let wrong = annotation("{{ query \"m{\" }}");
        assert!(wrong.starts_with("<error expanding template: line 1, column 4: `query`: `m{`: "), "{wrong}");
    }
}
