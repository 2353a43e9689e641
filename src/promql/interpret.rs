//! The value of an expression at one moment, by a walk over its tree.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use super::aggregate::aggregate;
use super::ast::{At, Expr, ExprKind, Reading, Selector, Shift, Subquery, ValueType};
use super::binary::binary;
use super::functions;
use super::length::{Moments, NoLength};
use super::{LOOKBACK, Span};
use crate::model::{Labels, METRIC_NAME, Matcher, Sample, Timestamp};
use crate::store::{SeriesId, Store};

/// How many samples an evaluation may look at, so that one expression cannot hold up all others.
pub const SAMPLES_MAX: u64 = 100_000_000;

/// How many samples a moment of a subquery counts for besides those that are looked at: an evaluation takes its time even
/// when it looks at nothing.
const MOMENT_COST: u64 = 100;

/// A moment further from the epoch than 31 million years is taken to be that far away, so that nothing overflows.
const MOMENT_MAX_MS: i64 = 1_000_000_000_000_000_000;

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

/// The samples of a series in a range.
#[derive(Clone, PartialEq, Debug)]
pub struct RangeElement {
    /// The labels.
    pub labels: Labels,
    /// In order of time; at least one.
    pub samples: Vec<Sample>,
}

/// What an expression evaluates to.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Elements, no two with the same labels.
    Vector(Vec<Element>),
    /// The samples of ranges, by labels; only what is a range as a whole gives them.
    Matrix(Vec<RangeElement>),
    /// A text.
    String(String),
}

impl Value {
    fn kind(&self) -> ValueType {
        match self {
            Self::Scalar(_) => ValueType::Scalar,
            Self::Vector(_) => ValueType::Vector,
            Self::Matrix(_) => ValueType::Matrix,
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

    /// Says that a feature of Prometheus is missing, by its name.
    pub(super) fn unsupported(span: Span, feature: &str) -> Self {
        Self::new(span, format!("{feature} is not supported yet"))
    }
}

impl From<NoLength> for EvalError {
    fn from(NoLength { span, what }: NoLength) -> Self {
        Self::new(span, what)
    }
}

/// The value of an expression at a moment, over the samples of a store.
pub fn evaluate(expr: &Expr, store: &Store, at: Timestamp) -> Result<Value, EvalError> {
    evaluate_within(expr, store, at, SAMPLES_MAX)
}

/// The same, but it may look at no more than so many samples.
pub fn evaluate_within(expr: &Expr, store: &Store, at: Timestamp, samples_max: u64) -> Result<Value, EvalError> {
    let at = Timestamp::from_millis(at.millis().clamp(-MOMENT_MAX_MS, MOMENT_MAX_MS));
    Interpreter {
        store,
        query: Moments::instant(at),
        at,
        samples_max,
        samples_left: samples_max,
        series_left: samples_max,
        found: HashMap::new(),
    }
    .value(expr)
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
    /// The moments that the whole expression is evaluated for.
    pub(super) query: Moments,
    /// The moment that is evaluated for now, which differs within a subquery.
    pub(super) at: Timestamp,
    samples_max: u64,
    samples_left: u64,
    /// How many series may still be looked through for selectors that the store was not told of.
    series_left: u64,
    /// What such selectors found, so that none looks twice.
    found: HashMap<Vec<Matcher>, Rc<[SeriesId]>>,
}

/// The series that a selector selects.
enum Selected<'a> {
    /// The store was told of the selector and has them ready.
    Standing(&'a [SeriesId]),
    /// They were looked for.
    Found(Rc<[SeriesId]>),
}

impl Deref for Selected<'_> {
    type Target = [SeriesId];

    fn deref(&self) -> &[SeriesId] {
        match self {
            Self::Standing(ids) => ids,
            Self::Found(ids) => ids,
        }
    }
}

impl<'a> Interpreter<'a> {
    /// The value of an expression.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        match &expr.kind {
            ExprKind::Number(value) => Ok(Value::Scalar(*value)),
            ExprKind::Text(text) => Ok(Value::String(text.clone())),
            ExprKind::Bytes(_) => Err(EvalError::unsupported(expr.span, "text that is not UTF-8")),
            ExprKind::Selector(selector) => {
                let samples = self.newest(selector, expr.span)?;
                let elements = samples.into_iter().map(|(labels, sample)| Element { labels, value: sample.value });
                Ok(Value::Vector(elements.collect()))
            }
            ExprKind::Range { .. } | ExprKind::Subquery(_) => self.matrix(expr).map(Value::Matrix),
            ExprKind::Call(call) => functions::apply(self, call, expr.span),
            ExprKind::Aggregate(aggregation) => aggregate(self, aggregation).map(Value::Vector),
            ExprKind::Binary(operation) => binary(self, operation, expr.span),
            ExprKind::Negate(inner) => match self.value(inner)? {
                Value::Vector(elements) => map_values(elements, expr.span, |value| Some(-value)).map(Value::Vector),
                Value::Scalar(value) => Ok(Value::Scalar(-value)),
                other => Err(mismatch(inner, ValueType::Vector, &other)),
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
        refuse_reading(selector.reading, span)?;
        let at = self.moment(&selector.shift)?;
        let ids = self.selected(&selector.matchers, span)?;
        self.spend(ids.len() as u64, span)?;
        let series = ids.iter().map(|id| self.store.series(*id));
        Ok(series.filter_map(|series| Some((series.labels().clone(), series.value_at(at, LOOKBACK)?))).collect())
    }

    /// The series that pass all matchers.
    fn selected(&mut self, matchers: &[Matcher], span: Span) -> Result<Selected<'a>, EvalError> {
        if let Some(ids) = self.store.standing(matchers) {
            return Ok(Selected::Standing(ids));
        }
        if let Some(ids) = self.found.get(matchers) {
            return Ok(Selected::Found(ids.clone()));
        }
        let too_many =
            || EvalError::new(span, format!("the expression looks through more than {} series", self.samples_max));
        self.series_left = self.series_left.checked_sub(self.store.series_count() as u64).ok_or_else(too_many)?;
        let ids: Rc<[SeriesId]> = self.store.matching(matchers).into();
        self.found.insert(matchers.to_vec(), ids.clone());
        Ok(Selected::Found(ids))
    }

    /// The moment that `@` and `offset` lead to.
    fn moment(&self, shift: &Shift) -> Result<Timestamp, EvalError> {
        let at = match shift.at {
            None => self.at,
            Some(At::Time(at)) => at,
            Some(At::Start) => self.query.start,
            Some(At::End) => self.query.end,
        };
        match &shift.offset {
            None => Ok(at),
            Some(offset) => Ok(at.shifted(-offset.millis(self.query)?)),
        }
    }

    /// All samples of a range.
    fn matrix(&mut self, expr: &Expr) -> Result<Vec<RangeElement>, EvalError> {
        let mut all = Vec::new();
        self.windows(expr, |labels, window| {
            all.push(RangeElement { labels: labels.clone(), samples: window.samples.to_vec() });
        })?;
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }

    /// Hands the windows of a range to `each`, series by series. Series without samples in the range are left out.
    pub(super) fn windows(&mut self, expr: &Expr, mut each: impl FnMut(&Labels, &Window<'_>)) -> Result<(), EvalError> {
        match &expr.kind {
            ExprKind::Paren(inner) => self.windows(inner, each),
            ExprKind::Subquery(subquery) => self.subquery(subquery, expr.span, each),
            ExprKind::Range { selector, range } => {
                refuse_reading(selector.reading, expr.span)?;
                let end = self.moment(&selector.shift)?;
                let start = end - range.duration(self.query)?;
                let mut samples = Vec::new();
                for id in self.selected(&selector.matchers, expr.span)?.iter() {
                    let series = self.store.series(*id);
                    samples.clear();
                    samples.extend(series.window(start, end));
                    self.spend(samples.len() as u64, expr.span)?;
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
        let step = match &subquery.step {
            Some(step) => step.duration(self.query)?,
            None => SUBQUERY_STEP,
        };
        let range = subquery.range.duration(self.query)?;
        let end = self.moment(&subquery.shift)?;
        let start = end - range;
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut series: Vec<(Labels, Vec<Sample>)> = Vec::new();
        let moments = u64::try_from(range.as_millis() / step.as_millis().max(1)).unwrap_or(u64::MAX);
        self.spend(moments.saturating_mul(MOMENT_COST), span)?;
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

    fn spend(&mut self, samples: u64, span: Span) -> Result<(), EvalError> {
        let too_many =
            || EvalError::new(span, format!("the expression looks at more than {} samples", self.samples_max));
        self.samples_left = self.samples_left.checked_sub(samples).ok_or_else(too_many)?;
        Ok(())
    }
}

fn refuse_reading(reading: Reading, span: Span) -> Result<(), EvalError> {
    match reading {
        Reading::Plain => Ok(()),
        reading => Err(EvalError::unsupported(span, &format!("`{}`", reading.as_str()))),
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

/// Whether a label says what a metric is: its name, and its type and unit where those are kept as labels. A value that is
/// calculated from it is something else.
pub(super) fn is_about_metric(label: &str) -> bool {
    matches!(label, METRIC_NAME | "__type__" | "__unit__")
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
        if labels.get("__type__").is_empty() && labels.get("__unit__").is_empty() {
            return labels.without_metric_name();
        }
        self.is_mixed = true;
        labels.filter(|label| !is_about_metric(label))
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
        let everything = Matcher::new("__name__", crate::model::MatchOp::Regex, ".+").unwrap();
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
            Ok(Value::Matrix(elements)) => {
                let samples = |samples: &[Sample]| -> Vec<String> {
                    samples.iter().map(|sample| format!("{}@{}", sample.value, sample.at.seconds())).collect()
                };
                let lines = elements.iter().map(|it| format!("{} {}", it.labels, samples(&it.samples).join(" ")));
                lines.collect::<Vec<_>>().join("; ")
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
    }

    #[test]
    fn at_fixes_the_moment() {
        let store = store(&[("a", "0 1 2 3 4 5"), ("b", "0 10 20 30 40 50")]);
        let check =
            |source: &str, minute: i64, want: &str| assert_eq!(value_of(source, &store, minute), want, "{source}");
        check("a @ 60", 5, "a 1");
        check("a @ 120 offset 1m", 5, "a 1");
        check("a offset -1m @ 120", 5, "a 3");
        check("a @ start() + b @ end()", 2, "{} 22");
        check("sum_over_time(a[2m] @ 180)", 5, "{} 5");
        check("sum_over_time(a[2m:] @ 180 offset 1m)", 5, "{} 3");
        check("sum_over_time((a @ 60)[2m:])", 5, "{} 2");
        check("sum_over_time((a @ end())[2m:])", 5, "{} 10");
        check("sum_over_time((a @ end())[2m:] @ 60)", 4, "{} 8");
        check("time() - timestamp(a @ 90)", 5, "{} 240");
        check("a @ -100", 5, "");
    }

    #[test]
    fn lengths_may_be_calculated() {
        let store = store(&[("a", "0 1 2 3 4 5")]);
        let check =
            |source: &str, minute: i64, want: &str| assert_eq!(value_of(source, &store, minute), want, "{source}");
        check("count_over_time(a[1m*3])", 5, "{} 3");
        check("count_over_time(a[max_of(step(), 2m):1m/2])", 5, "{} 4");
        check("a offset (1m+60)", 5, "a 3");
        check("a offset -step()", 5, "a 5");
        check("a[step()]", 5, "error: the duration must be greater than 0");
        check("a[1m/(step()+range())]", 5, "error: division by zero");
    }

    #[test]
    fn a_range_as_a_whole_gives_its_samples() {
        let store = store(&[("b", "0 1 2"), ("a", "7 8")]);
        let check =
            |source: &str, minute: i64, want: &str| assert_eq!(value_of(source, &store, minute), want, "{source}");
        check("{__name__=~'.+'}[90s]", 2, "a 8@60; b 1@60 2@120");
        check("(b[1m] offset 1m)", 2, "b 1@60");
        check("(b * 2)[2m:]", 2, "{} 2@60 4@120");
        check("a[1m]", 9, "");
    }

    #[test]
    fn what_is_not_supported_is_never_evaluated() {
        let store = store(&[("a", "0 1 2 3 4 5")]);
        let check = |source: &str, what: &str| {
            let expr = super::super::parse_any(source).unwrap();
            let error = evaluate(&expr, &store, Timestamp::from_millis(0)).unwrap_err();
            assert_eq!(error.what, format!("{what} is not supported yet"), "{source}");
            assert_eq!(parse(source).unwrap_err().what, error.what, "{source}");
        };
        check("rate(a[5m] anchored)", "`anchored`");
        check("a smoothed", "`smoothed`");
        check("1 + (a </ 2)", "`</`");
        check("a >/ 2", "`>/`");
        check("info(a)", "`info`");
        check("sum(histogram_count(a))", "`histogram_count`");
        check("start_timestamp(a)", "`start_timestamp`");
        check(r#""\xff""#, "text that is not UTF-8");
    }

    #[test]
    fn type_and_unit_go_with_the_name() {
        let store = store(&[("a{__type__='counter', x='1'}", "1"), ("a{__unit__='s', x='1'}", "2")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("a{__unit__='s'}", r#"a{__unit__="s", x="1"} 2"#);
        check("-a{__unit__='s'}", r#"{x="1"} -2"#);
        check("a{__unit__='s'} + ignoring (__unit__, __type__) a{__type__!=''}", r#"{x="1"} 3"#);
        check("-a", r#"error: vector cannot contain metrics with the same labelset: {x="1"} comes twice"#);
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
            let value = evaluate_within(&parse(source).unwrap(), &store, at, samples_left);
            assert_eq!(value.is_err(), is_refused, "{source}: {value:?}");
        };
        check("a + a", 2, false);
        check("a + a", 1, true);
        check("sum_over_time(a[5m])", 5, false);
        check("sum_over_time(a[5m])", 4, true);
        check("sum_over_time(vector(1)[5m:])", 505, false);
        check("sum_over_time(vector(1)[5m:])", 504, true);
        check("sum_over_time(vector(1)[1d:1ms])", SAMPLES_MAX, true);
    }

    #[test]
    fn what_the_store_was_not_told_of_is_looked_for_once() {
        let names: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
        let series: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let store = store(&series);
        let check = |source: &str, most: u64, expected: &str| {
            let value = evaluate_within(&parse(source).unwrap(), &store, Timestamp::from_millis(0), most);
            let shown = value.map_or_else(|error| error.to_string(), |value| format!("{value:?}"));
            assert!(shown.starts_with(expected), "{source}: {shown}");
        };
        // Ten series are looked through, however often a subquery asks.
        check("count_over_time(nosuch[2h:1m])", 12_200, "Vector([])");
        check("nosuch + nosuch", 10, "Vector([])");
        check("nosuch + other", 20, "Vector([])");
        check("nosuch + other", 19, "the expression looks through more than 19 series");
        check("{__name__=~'.+'}", 10, "Vector([Element");
        check("{__name__=~\".+\"}", 10, "Vector([Element");
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
