//! The value of an expression at one moment, by a walk over its tree.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::aggregate::aggregate;
use super::ast::{Expr, ExprKind, Selector, Subquery, ValueType};
use super::binary::binary;
use super::functions;
use super::{LOOKBACK, Span};
use crate::model::{Labels, Sample, Timestamp};
use crate::store::Store;

/// How many samples an evaluation may look at, so that one expression cannot hold up all others.
pub const SAMPLES_MAX: u64 = 100_000_000;

/// How far the moments of a subquery are apart when it does not say: Prometheus's default evaluation interval.
const SUBQUERY_STEP: Duration = Duration::from_secs(60);

/// A value of a vector and the labels that tell it from the others.
#[derive(Clone, PartialEq, Debug)]
pub struct Element {
    /// The labels; without the metric name where Prometheus drops it.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// What an expression evaluates to.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Elements, no two with the same labels.
    Vector(Vec<Element>),
    /// A text.
    String(String),
}

impl Value {
    fn kind(&self) -> ValueType {
        match self {
            Self::Scalar(_) => ValueType::Scalar,
            Self::Vector(_) => ValueType::Vector,
            Self::String(_) => ValueType::String,
        }
    }
}

/// Why an expression has no value now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct EvalError {
    /// The part that failed.
    pub span: Span,
    /// What is wrong.
    pub what: String,
}

impl EvalError {
    pub(super) fn new(span: Span, what: impl Into<String>) -> Self {
        Self { span, what: what.into() }
    }
}

/// The value of an expression at a moment, over the samples of a store.
pub fn evaluate(expr: &Expr, store: &Store, at: Timestamp) -> Result<Value, EvalError> {
    Interpreter { store, at, samples_left: SAMPLES_MAX }.value(expr)
}

/// The samples of one series that a range covers.
#[derive(Debug)]
pub(super) struct Window<'a> {
    /// In order of time, at least one, all after `start` and none after `end`.
    pub(super) samples: &'a [Sample],
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// When the expression is evaluated, which an offset makes differ from `end`.
    pub(super) at: Timestamp,
}

/// An evaluation under way.
pub(super) struct Interpreter<'a> {
    store: &'a Store,
    /// The moment that is evaluated for.
    pub(super) at: Timestamp,
    samples_left: u64,
}

impl Interpreter<'_> {
    /// The value of an expression, which is no range.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        match &expr.kind {
            ExprKind::Number(value) => Ok(Value::Scalar(*value)),
            ExprKind::Text(text) => Ok(Value::String(text.clone())),
            ExprKind::Selector(selector) => {
                let samples = self.newest(selector, expr.span)?;
                let elements = samples.into_iter().map(|(labels, sample)| Element { labels, value: sample.value });
                Ok(Value::Vector(elements.collect()))
            }
            ExprKind::Range { .. } | ExprKind::Subquery(_) => {
                Err(EvalError::new(expr.span, "a range vector is no value; a function has to make one of it"))
            }
            ExprKind::Call(call) => functions::apply(self, call, expr.span),
            ExprKind::Aggregate(aggregation) => aggregate(self, aggregation).map(Value::Vector),
            ExprKind::Binary(operation) => binary(self, operation, expr.span),
            ExprKind::Negate(inner) => match self.value(inner)? {
                Value::Vector(elements) => map_values(elements, expr.span, |value| Some(-value)).map(Value::Vector),
                Value::Scalar(value) => Ok(Value::Scalar(-value)),
                text @ Value::String(_) => Ok(text),
            },
            ExprKind::Paren(inner) => self.value(inner),
        }
    }

    /// The value of an expression that `check` knows to be a vector.
    pub(super) fn vector(&mut self, expr: &Expr) -> Result<Vec<Element>, EvalError> {
        match self.value(expr)? {
            Value::Vector(elements) => Ok(elements),
            other => Err(mismatch(expr, ValueType::Vector, &other)),
        }
    }

    /// The value of an expression that `check` knows to be a scalar.
    pub(super) fn scalar(&mut self, expr: &Expr) -> Result<f64, EvalError> {
        match self.value(expr)? {
            Value::Scalar(value) => Ok(value),
            other => Err(mismatch(expr, ValueType::Scalar, &other)),
        }
    }

    /// The value of an expression that `check` knows to be a text.
    pub(super) fn text(&mut self, expr: &Expr) -> Result<String, EvalError> {
        match self.value(expr)? {
            Value::String(text) => Ok(text),
            other => Err(mismatch(expr, ValueType::String, &other)),
        }
    }

    /// The newest sample of each series that a selector selects.
    pub(super) fn newest(&mut self, selector: &Selector, span: Span) -> Result<Vec<(Labels, Sample)>, EvalError> {
        let at = self.at.shifted(-selector.offset_ms);
        let ids = self.store.matching(&selector.matchers);
        self.spend(ids.len(), span)?;
        let series = ids.iter().map(|id| self.store.series(*id));
        Ok(series.filter_map(|series| Some((series.labels().clone(), series.value_at(at, LOOKBACK)?))).collect())
    }

    /// Hands the windows of a range to `each`, series by series. Series without samples in the range are left out.
    pub(super) fn windows(&mut self, expr: &Expr, mut each: impl FnMut(&Labels, &Window<'_>)) -> Result<(), EvalError> {
        match &expr.kind {
            ExprKind::Paren(inner) => self.windows(inner, each),
            ExprKind::Subquery(subquery) => self.subquery(subquery, expr.span, each),
            ExprKind::Range { selector, range } => {
                let end = self.at.shifted(-selector.offset_ms);
                let start = end - *range;
                let mut samples = Vec::new();
                for id in self.store.matching(&selector.matchers).iter() {
                    let series = self.store.series(*id);
                    samples.clear();
                    samples.extend(series.window(start, end));
                    self.spend(samples.len(), expr.span)?;
                    if !samples.is_empty() {
                        each(series.labels(), &Window { samples: &samples, start, end, at: self.at });
                    }
                }
                Ok(())
            }
            _ => Err(EvalError::new(expr.span, "expected a range vector")),
        }
    }

    /// Evaluates an expression at every multiple of the step that the range covers.
    fn subquery(
        &mut self,
        subquery: &Subquery,
        span: Span,
        mut each: impl FnMut(&Labels, &Window<'_>),
    ) -> Result<(), EvalError> {
        let at = self.at;
        let step = subquery.step.unwrap_or(SUBQUERY_STEP);
        let end = at.shifted(-subquery.offset_ms);
        let start = end - subquery.range;
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut series: Vec<(Labels, Vec<Sample>)> = Vec::new();
        let moments = subquery.range.as_millis() / step.as_millis().max(1);
        self.spend(usize::try_from(moments).unwrap_or(usize::MAX), span)?;
        let mut moment = start.floor_to(step) + step;
        while moment <= end {
            self.at = moment;
            for Element { labels, value } in self.vector(&subquery.expr)? {
                self.spend(1, span)?;
                let next = series.len();
                let place = *index.entry(labels.clone()).or_insert(next);
                if place == next {
                    series.push((labels, Vec::new()));
                }
                series[place].1.push(Sample { at: moment, value });
            }
            moment = moment + step;
        }
        self.at = at;
        for (labels, samples) in &series {
            each(labels, &Window { samples, start, end, at });
        }
        Ok(())
    }

    fn spend(&mut self, samples: usize, span: Span) -> Result<(), EvalError> {
        let left = self.samples_left.checked_sub(samples as u64);
        self.samples_left = left
            .ok_or_else(|| EvalError::new(span, format!("the expression looks at more than {SAMPLES_MAX} samples")))?;
        Ok(())
    }
}

fn mismatch(expr: &Expr, wanted: ValueType, found: &Value) -> EvalError {
    EvalError::new(expr.span, format!("expected a {}, found a {}", wanted.as_str(), found.kind().as_str()))
}

/// Changes the values of a vector and drops metric names. An element whose value becomes `None` is left out.
pub(super) fn map_values(
    elements: Vec<Element>,
    span: Span,
    change: impl Fn(f64) -> Option<f64>,
) -> Result<Vec<Element>, EvalError> {
    let mut names = NameDropper::default();
    let mut changed = Vec::with_capacity(elements.len());
    for Element { labels, value } in elements {
        if let Some(value) = change(value) {
            changed.push(Element { labels: names.drop_from(&labels), value });
        }
    }
    names.finish(&changed, span)?;
    Ok(changed)
}

/// Drops metric names, and knows whether that can have made label sets equal.
#[derive(Default)]
pub(super) struct NameDropper {
    first: Option<String>,
    is_mixed: bool,
}

impl NameDropper {
    pub(super) fn drop_from(&mut self, labels: &Labels) -> Labels {
        let name = labels.metric_name();
        match &self.first {
            None => self.first = Some(name.to_owned()),
            Some(first) => self.is_mixed |= first != name,
        }
        labels.without_metric_name()
    }

    /// Fails when two elements have become the same, which takes different names before.
    pub(super) fn finish(self, elements: &[Element], span: Span) -> Result<(), EvalError> {
        if self.is_mixed { expect_unique(elements, span) } else { Ok(()) }
    }
}

/// Fails when two elements have the same labels.
pub(super) fn expect_unique(elements: &[Element], span: Span) -> Result<(), EvalError> {
    let mut seen = HashSet::with_capacity(elements.len());
    match elements.iter().find(|element| !seen.insert(&element.labels)) {
        None => Ok(()),
        Some(twice) => {
            let what = format!("vector cannot contain metrics with the same labelset: {} comes twice", twice.labels);
            Err(EvalError::new(span, what))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::parse;
    use super::*;
    use crate::model::TargetId;
    use crate::store::Origin;

    /// A store with a sample a minute for each series; `_` is a gap.
    pub(in super::super) fn store(series: &[(&str, &str)]) -> Store {
        let mut store = Store::new();
        let everything = crate::model::Matcher::new("__name__", crate::model::MatchOp::Regex, ".+").unwrap();
        store.register(&[everything], Duration::from_secs(1 << 40));
        for (selector, values) in series {
            let ExprKind::Selector(selector) = parse(selector).unwrap().kind else { panic!("{selector}") };
            let labels = Labels::from_pairs(selector.matchers.iter().map(|m| (m.name.clone(), m.value.clone())));
            let id = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))).unwrap();
            for (minute, value) in (0..).zip(values.split_whitespace()) {
                if let Ok(value) = value.parse() {
                    store.append(id, Sample { at: Timestamp::from_millis(minute * 60_000), value });
                }
            }
        }
        store
    }

    /// The value of an expression at a minute, as text: elements sorted, or the error.
    pub(in super::super) fn value_of(source: &str, store: &Store, minute: i64) -> String {
        let expr = parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        match evaluate(&expr, store, Timestamp::from_millis(minute * 60_000)) {
            Ok(Value::Scalar(value)) => value.to_string(),
            Ok(Value::String(text)) => format!("{text:?}"),
            Ok(Value::Vector(elements)) => {
                let mut lines: Vec<String> =
                    elements.iter().map(|element| format!("{} {}", element.labels, element.value)).collect();
                lines.sort();
                lines.join("; ")
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn evaluates_at_a_moment() {
        let store = store(&[("a{x='1'}", "0 1 2 3 4 5"), ("a{x='2'}", "_ 7"), ("b{x='1'}", "1 1 1 1 1 9")]);
        let check =
            |source: &str, minute: i64, want: &str| assert_eq!(value_of(source, &store, minute), want, "{source}");
        check("a", 0, r#"a{x="1"} 0"#);
        check("a", 5, r#"a{x="1"} 5; a{x="2"} 7"#);
        check("a", 6, r#"a{x="1"} 5"#);
        check("a offset 2m", 5, r#"a{x="1"} 3; a{x="2"} 7"#);
        check("a{x='1'} offset -2m", 1, r#"a{x="1"} 3"#);
        check("-a", 0, r#"{x="1"} -0"#);
        check("+a", 0, r#"a{x="1"} 0"#);
        check("-{x='1'}", 0, r#"error: vector cannot contain metrics with the same labelset: {x="1"} comes twice"#);
        check("(a)", 0, r#"a{x="1"} 0"#);
        check("-(2 - 3)", 0, "1");
        check("'text'", 0, r#""text""#);
        check("a[5m]", 0, "error: a range vector is no value; a function has to make one of it");
    }

    #[test]
    fn subqueries_evaluate_at_multiples_of_their_step() {
        let store = store(&[("a", "0 1 2 3 4 5")]);
        let check =
            |source: &str, minute: i64, want: &str| assert_eq!(value_of(source, &store, minute), want, "{source}");
        check("count_over_time(a[5m:])", 5, "{} 5");
        check("count_over_time(a[5m:30s])", 5, "{} 10");
        check("sum_over_time(a[3m:1m] offset 1m)", 5, "{} 9");
        check("max_over_time(sum_over_time(a[2m:])[2m:])", 5, "{} 9");
        check("time() - min_over_time(vector(time())[2m:])", 5, "{} 60");
    }

    #[test]
    fn looking_at_too_much_is_refused() {
        let store = store(&[("a", "0 1 2 3 4 5")]);
        let check = |source: &str, samples_left: u64, is_refused: bool| {
            let at = Timestamp::from_millis(300_000);
            let value = Interpreter { store: &store, at, samples_left }.value(&parse(source).unwrap());
            assert_eq!(value.is_err(), is_refused, "{source}: {value:?}");
        };
        check("a + a", 2, false);
        check("a + a", 1, true);
        check("sum_over_time(a[5m])", 5, false);
        check("sum_over_time(a[5m])", 4, true);
        check("sum_over_time(vector(1)[100y:1ms])", SAMPLES_MAX, true);
    }

    #[test]
    fn the_deepest_tree_fits_the_stack() {
        let deep = |levels: usize, open: &str, close: &str| format!("{}a{}", open.repeat(levels), close.repeat(levels));
        let store = store(&[("a", "1")]);
        assert_eq!(value_of(&deep(190, "abs(", ")"), &store, 0), "{} 1");
        assert_eq!(value_of(&deep(95, "max_over_time(", "[1m:])"), &store, 0), "{} 1");
        assert_eq!(value_of(&format!("a{}", " + a".repeat(190)), &store, 0), "{} 191");
    }
}
