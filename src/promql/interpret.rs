//! The value of an expression at one moment, by a walk over its tree.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Span;
use super::aggregate::aggregate;
use super::annotation::Annotations;
use super::ast::{At, BinaryOp, Expr, ExprKind, Shift, ValueType};
use super::binary::binary;
use super::functions;
use super::length::{Moments, NoLength};
use super::names::Names;
use super::query::Options;
use super::selection::Bare;
use super::value::{Item, Outcome, SampleValue};
use crate::model::{Matcher, Timestamp};
use crate::store::{SeriesId, Store};

/// Why an expression has no value now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    /// The part that failed.
    pub span: Span,
    /// What is wrong, in Prometheus's words where it has some.
    pub what: String,
    /// What more is known.
    pub detail: Option<String>,
}

impl std::error::Error for EvalError {}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            None => f.write_str(&self.what),
            Some(detail) => write!(f, "{}: {detail}", self.what),
        }
    }
}

impl EvalError {
    pub(super) fn new(span: Span, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), detail: None }
    }

    pub(super) fn with_detail(mut self, detail: String) -> Self {
        self.detail = Some(detail);
        self
    }
}

impl From<NoLength> for EvalError {
    fn from(NoLength { span, what }: NoLength) -> Self {
        Self::new(span, what)
    }
}

/// An evaluation under way.
pub(super) struct Interpreter<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a Options,
    /// The moments that the whole expression is evaluated for.
    pub(super) query: Moments,
    /// The moment that is evaluated for now, which differs within a subquery.
    pub(super) at: Timestamp,
    /// Whether what is evaluated now is evaluated for many moments.
    pub(super) is_ranged: bool,
    /// What is told besides the value.
    pub(super) notes: Annotations,
    /// Whether buckets of histograms are of use.
    pub(super) bare: Bare,
    pub(super) samples_left: u64,
    /// Whether nobody waits for the value any more.
    pub(super) is_given_up: Option<&'a dyn Fn() -> bool>,
    /// How many series may still be looked through for selectors that the store was not told of.
    pub(super) series_left: u64,
    /// What such selectors found, so that none looks twice.
    pub(super) found: HashMap<Vec<Matcher>, Arc<[SeriesId]>>,
}

impl<'a> Interpreter<'a> {
    pub(super) fn new(store: &'a Store, query: Moments, options: &'a Options) -> Self {
        Self {
            store,
            options,
            query,
            at: query.start,
            is_ranged: query.start != query.end,
            notes: if options.annotates { Annotations::default() } else { Annotations::muted() },
            bare: Bare::default(),
            samples_left: options.samples_max,
            is_given_up: None,
            series_left: options.samples_max,
            found: HashMap::new(),
        }
    }

    /// The value of an expression.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Outcome, EvalError> {
        match &expr.kind {
            ExprKind::Number(value) => Ok(Outcome::Scalar(*value)),
            ExprKind::Text(text) => Ok(Outcome::String(text.clone())),
            ExprKind::Bytes(_) => Err(EvalError::new(expr.span, "a text must be UTF-8")),
            ExprKind::Selector(selector) => self.instant(selector, expr.span).map(Outcome::Vector),
            ExprKind::Range { .. } | ExprKind::Subquery(_) => {
                Err(EvalError::new(expr.span, "a range vector has no value at a moment"))
            }
            ExprKind::Call(call) => {
                let before = self.bare;
                self.bare.enter_call(call.name());
                let value = functions::apply(self, call, expr.span);
                self.bare = before;
                value
            }
            ExprKind::Aggregate(aggregation) => aggregate(self, aggregation, expr.span).map(Outcome::Vector),
            ExprKind::Binary(operation) => {
                let before = self.bare;
                if matches!(operation.op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
                    self.bare.needs_buckets();
                }
                let value = binary(self, operation, expr.span);
                self.bare = before;
                value
            }
            ExprKind::Negate(inner) => match self.value(inner)? {
                Outcome::Vector(items) => self.negated(items, expr.span).map(Outcome::Vector),
                Outcome::Scalar(value) => Ok(Outcome::Scalar(-value)),
                other @ Outcome::String(_) => Err(mismatch(inner, ValueType::Vector, &other)),
            },
            ExprKind::Paren(inner) => self.value(inner),
        }
    }

    fn negated(&mut self, items: Vec<Item>, span: Span) -> Result<Vec<Item>, EvalError> {
        self.map_values(items, span, |value| {
            Some(match value {
                SampleValue::Float(value) => SampleValue::Float(-value),
                SampleValue::Histogram(histogram) => {
                    let mut negated = (*histogram).clone();
                    negated.scale(-1.0);
                    negated.into()
                }
            })
        })
    }

    /// The value of an expression that `check` knows to be a vector.
    pub(super) fn vector(&mut self, expr: &Expr) -> Result<Vec<Item>, EvalError> {
        match self.value(expr)? {
            Outcome::Vector(items) => Ok(items),
            other => Err(mismatch(expr, ValueType::Vector, &other)),
        }
    }

    /// The value of an expression that `check` knows to be a scalar.
    pub(super) fn scalar(&mut self, expr: &Expr) -> Result<f64, EvalError> {
        match self.value(expr)? {
            Outcome::Scalar(value) => Ok(value),
            other => Err(mismatch(expr, ValueType::Scalar, &other)),
        }
    }

    /// The value of an expression that `check` knows to be a text.
    pub(super) fn text(&mut self, expr: &Expr) -> Result<String, EvalError> {
        match self.value(expr)? {
            Outcome::String(text) => Ok(text),
            other => Err(mismatch(expr, ValueType::String, &other)),
        }
    }

    /// The moment that `@` and `offset` lead to.
    pub(super) fn moment(&self, shift: &Shift) -> Result<Timestamp, EvalError> {
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

    /// What drops metric names, as the query asks for.
    pub(super) fn names(&self) -> Names {
        Names::new(self.options.delays_name_removal)
    }

    /// Changes the values of a vector and drops metric names. An element whose value becomes `None` is left out.
    pub(super) fn map_values(
        &mut self,
        items: Vec<Item>,
        span: Span,
        change: impl Fn(SampleValue) -> Option<SampleValue>,
    ) -> Result<Vec<Item>, EvalError> {
        let mut names = self.names();
        let mut changed = Vec::with_capacity(items.len());
        for Item { labels, value, .. } in items {
            if let Some(value) = change(value) {
                changed.push(names.item(&labels, value));
            }
        }
        names.finish(&changed, span)?;
        Ok(changed)
    }

    /// The same for numbers; histograms are left out.
    pub(super) fn map_floats(
        &mut self,
        items: Vec<Item>,
        span: Span,
        change: impl Fn(f64) -> Option<f64>,
    ) -> Result<Vec<Item>, EvalError> {
        self.map_values(items, span, |value| value.float().and_then(&change).map(SampleValue::Float))
    }

    pub(super) fn spend(&mut self, samples: u64, span: Span) -> Result<(), EvalError> {
        let most = self.options.samples_max;
        let too_many = || EvalError::new(span, format!("the expression looks at more than {most} samples"));
        self.samples_left = self.samples_left.checked_sub(samples).ok_or_else(too_many)?;
        match self.is_given_up {
            Some(is_given_up) if is_given_up() => Err(EvalError::new(span, "nobody waits for the query any more")),
            _ => Ok(()),
        }
    }
}

fn mismatch(expr: &Expr, wanted: ValueType, found: &Outcome) -> EvalError {
    EvalError::new(expr.span, format!("expected a {}, found a {}", wanted.as_str(), found.kind().as_str()))
}

/// The span that annotations about an argument name. As in Prometheus parentheses around it do not count, and a subquery
/// has none.
pub(super) fn noted_span(arg: &Expr) -> Span {
    match &arg.kind {
        ExprKind::Paren(inner) => noted_span(inner),
        ExprKind::Subquery(_) => Span::default(),
        _ => arg.span,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::{Answer, Options, SAMPLES_MAX, Severity, Value, evaluate_within, parse, query};
    use super::*;
    use crate::model::{HistogramSample, Labels, Sample, TargetId};
    use crate::store::Origin;

    /// A store with a sample a minute for each series, in the notation of tests.
    pub(in super::super) fn store(series: &[(&str, &str)]) -> Store {
        let mut store = Store::new();
        let everything = Matcher::new("__name__", crate::model::MatchOp::Regex, ".+").unwrap();
        store.register(&[everything], Duration::from_secs(1 << 40));
        for (selector, values) in series {
            let ExprKind::Selector(selector) = parse(selector).unwrap().kind else { panic!("{selector}") };
            let labels = Labels::from_pairs(selector.matchers.iter().map(|m| (m.name.clone(), m.value.clone())));
            let id = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))).unwrap();
            let (_, values) = super::super::parse_series(&format!("m {values}")).unwrap();
            for (minute, value) in (0..).zip(values) {
                let at = Timestamp::from_millis(minute * 60_000);
                match value.map(|it| it.value) {
                    None => {}
                    Some(SampleValue::Float(value)) => {
                        store.append(id, Sample { at, value });
                    }
                    Some(SampleValue::Histogram(histogram)) => {
                        store.append_histogram(id, HistogramSample { at, histogram });
                    }
                }
            }
        }
        store
    }

    /// The value of an expression at a minute, as text: elements sorted, or the error.
    pub(in super::super) fn value_of(source: &str, store: &Store, minute: i64) -> String {
        shown(answer(source, store, minute, &Options::default()).map(|answer| answer.value))
    }

    /// The same, with what is told about it behind it.
    pub(in super::super) fn told_of(source: &str, store: &Store, minute: i64) -> String {
        let Answer { value, annotations, .. } = match answer(source, store, minute, &Options::default()) {
            Ok(answer) => answer,
            Err(error) => return format!("error: {error}"),
        };
        let notes = [Severity::Warning, Severity::Info].map(|severity| annotations.render(severity, source));
        let mut all = vec![shown(Ok(value))];
        all.extend(notes.into_iter().flatten());
        all.join(" | ")
    }

    fn answer(source: &str, store: &Store, minute: i64, options: &Options) -> Result<Answer, EvalError> {
        let expr = parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        query(&expr, store, Moments::instant(Timestamp::from_millis(minute * 60_000)), options)
    }

    /// A value, or why there is none, as text.
    pub(in super::super) fn shown(value: Result<Value, EvalError>) -> String {
        let plain = |value: &SampleValue| match value {
            SampleValue::Float(value) => value.to_string(),
            SampleValue::Histogram(histogram) => histogram.to_string(),
        };
        match value {
            Ok(Value::Scalar(value)) => value.to_string(),
            Ok(Value::String(text)) => format!("{text:?}"),
            Ok(Value::Vector(elements)) => {
                let mut lines: Vec<String> =
                    elements.iter().map(|element| format!("{} {}", element.labels, plain(&element.value))).collect();
                lines.sort();
                lines.join("; ")
            }
            Ok(Value::Matrix(elements)) => {
                let lines = elements.iter().map(|it| {
                    let floats = it.samples.iter().map(|sample| format!("{}@{}", sample.value, sample.at.seconds()));
                    let histograms = it.histograms.iter();
                    let histograms = histograms.map(|sample| format!("{}@{}", sample.histogram, sample.at.seconds()));
                    format!("{} {}", it.labels, floats.chain(histograms).collect::<Vec<_>>().join(" "))
                });
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
