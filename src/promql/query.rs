//! Queries: an expression evaluated at one moment, or at every moment of a range, with what there is to tell about it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use super::Span;
use super::annotation::Annotations;
use super::ast::{Expr, ValueType};
use super::check::type_of;
use super::interpret::{EvalError, Interpreter};
use super::length::Moments;
use super::names::{same_labels, without_metric};
use super::range::RangeQuery;
use super::value::{Element, Item, Outcome, RangeElement, SampleValue, Value};
use crate::model::{HistogramSample, Labels, Sample, Timestamp};
use crate::store::{LOOKBACK, Store};

/// How many samples an evaluation may look at, so that one expression cannot hold up all others.
pub const SAMPLES_MAX: u64 = 100_000_000;

/// How many steps one query over a range may have, as in Prometheus.
pub const MOMENTS_MAX: u64 = 11_000;

/// A moment further from the epoch than 31 million years is taken to be that far away, so that nothing overflows.
const MOMENT_MAX_MS: i64 = 1_000_000_000_000_000_000;

/// What differs between evaluations. The default is what a Prometheus without feature flags does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many samples the evaluation may look at.
    pub samples_max: u64,
    /// How many samples the result over a range may have.
    pub result_samples_max: u64,
    /// Whether metric names are dropped at the end of the query instead of by each function and operator, so that a label
    /// can be made of a name that is dropped (`promql-delayed-name-removal`).
    pub delays_name_removal: bool,
    /// Whether counters are known to start anew when samples say since when they count (`use-start-timestamps`).
    pub reads_start_timestamps: bool,
    /// How far the moments of a subquery are apart when it does not say.
    pub subquery_step: Option<Duration>,
    /// How far back an instant selector looks for the newest sample.
    pub lookback: Duration,
    /// Whether there is somebody to tell what there is to tell besides the value.
    pub annotates: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            samples_max: SAMPLES_MAX,
            result_samples_max: SAMPLES_MAX,
            delays_name_removal: false,
            reads_start_timestamps: false,
            subquery_step: None,
            lookback: LOOKBACK,
            annotates: true,
        }
    }
}

/// What a query gives.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The value: of one moment, or, over a range, a matrix.
    pub value: Value,
    /// What there is to tell about it.
    pub annotations: Annotations,
    /// How many samples it looked at.
    pub samples: u64,
}

/// The value of an expression at a moment, over the samples of a store.
pub fn evaluate(expr: &Expr, store: &Store, at: Timestamp) -> Result<Value, EvalError> {
    evaluate_within(expr, store, at, SAMPLES_MAX)
}

/// The same, but it may look at no more than so many samples.
pub fn evaluate_within(expr: &Expr, store: &Store, at: Timestamp, samples_max: u64) -> Result<Value, EvalError> {
    let options = Options { samples_max, annotates: false, ..Options::default() };
    query(expr, store, Moments::instant(at), &options).map(|answer| answer.value)
}

/// The answer to an expression over the samples of a store: a value of the expression's type for one moment, a matrix for a
/// range of moments.
pub fn query(expr: &Expr, store: &Store, moments: Moments, options: &Options) -> Result<Answer, EvalError> {
    if !moments.step.is_zero() {
        let mut running = RangeQuery::new(expr, moments, options.clone())?;
        running.proceed(expr, store, &|| false, &mut || false)?;
        return running.finish(expr);
    }
    query_at(expr, store, moments.start, options, &|| false)
}

/// The same at one moment. It fails when it is given up.
pub fn query_at(
    expr: &Expr,
    store: &Store,
    at: Timestamp,
    options: &Options,
    is_given_up: &dyn Fn() -> bool,
) -> Result<Answer, EvalError> {
    let moments = Moments::instant(within(at));
    let mut interpreter = Interpreter::new(store, moments, options);
    interpreter.is_given_up = Some(is_given_up);
    let value = at_moment(&mut interpreter, expr)?;
    let samples = options.samples_max - interpreter.samples_left;
    Ok(Answer { value, annotations: interpreter.notes, samples })
}

/// A moment that nothing overflows with.
pub(super) fn within(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis().clamp(-MOMENT_MAX_MS, MOMENT_MAX_MS))
}

fn at_moment(interpreter: &mut Interpreter<'_>, expr: &Expr) -> Result<Value, EvalError> {
    if type_of(expr) == ValueType::Matrix {
        return interpreter.matrix(expr).map(Value::Matrix);
    }
    match interpreter.value(expr)? {
        Outcome::Scalar(value) => Ok(Value::Scalar(value)),
        Outcome::String(text) => Ok(Value::String(text)),
        Outcome::Vector(items) => named(items, interpreter.options, expr.span).map(Value::Vector),
    }
}

/// Elements, with those names dropped whose removal was delayed.
fn named(items: Vec<Item>, options: &Options, span: Span) -> Result<Vec<Element>, EvalError> {
    let mut elements = Vec::with_capacity(items.len());
    for Item { labels, value, drops_name } in items {
        let labels = if drops_name { without_metric(&labels) } else { labels };
        elements.push(Element { labels, value });
    }
    if options.delays_name_removal {
        super::names::expect_unique(elements.iter().map(|element| &element.labels), span)?;
    }
    Ok(elements)
}

/// Series under way, by labels.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    series: HashMap<Labels, (bool, RangeElement)>,
}

impl Gathering {
    pub(super) fn add(&mut self, item: Item, at: Timestamp, span: Span) -> Result<(), EvalError> {
        let Item { labels, value, drops_name } = item;
        let new = || RangeElement { labels: labels.clone(), samples: Vec::new(), histograms: Vec::new() };
        let (_, series) = self.series.entry(labels.clone()).or_insert_with(|| (drops_name, new()));
        if last_at(series) == Some(at) {
            return Err(same_labels(&labels, span));
        }
        match value {
            SampleValue::Float(value) => series.samples.push(Sample { at, value }),
            SampleValue::Histogram(histogram) => series.histograms.push(HistogramSample { at, histogram }),
        }
        Ok(())
    }

    /// Series by labels, with those names dropped whose removal was delayed.
    pub(super) fn finish(self, span: Span) -> Result<Vec<RangeElement>, EvalError> {
        let elements = self.series.into_iter().map(|(labels, (drops_name, element))| {
            let labels = if drops_name { without_metric(&labels) } else { labels };
            RangeElement { labels, ..element }
        });
        merged(elements, span)
    }
}

/// Series by labels; those that have become the same are put together.
pub(super) fn merged(elements: impl Iterator<Item = RangeElement>, span: Span) -> Result<Vec<RangeElement>, EvalError> {
    let mut named: HashMap<Labels, RangeElement> = HashMap::new();
    for element in elements {
        match named.entry(element.labels.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(element)),
            Entry::Occupied(mut entry) => merge(entry.get_mut(), element, span)?,
        }
    }
    let mut elements: Vec<RangeElement> = named.into_values().collect();
    elements.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(elements)
}

fn last_at(series: &RangeElement) -> Option<Timestamp> {
    let float = series.samples.last().map(|sample| sample.at);
    float.max(series.histograms.last().map(|sample| sample.at))
}

/// Puts two series with the same labels together, which fails when they have samples of one moment.
fn merge(into: &mut RangeElement, from: RangeElement, span: Span) -> Result<(), EvalError> {
    into.samples.extend(from.samples);
    into.samples.sort_by_key(|sample| sample.at);
    into.histograms.extend(from.histograms);
    into.histograms.sort_by_key(|sample| sample.at);
    let floats_collide = into.samples.windows(2).any(|pair| pair[0].at == pair[1].at);
    let histograms_collide = into.histograms.windows(2).any(|pair| pair[0].at == pair[1].at);
    if floats_collide || histograms_collide { Err(same_labels(&into.labels, span)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::tests::{shown, store};
    use super::super::{Severity, parse};
    use super::*;

    const DELAYED: fn() -> Options = || Options { delays_name_removal: true, ..Options::default() };

    /// What a query over the first minutes of a store gives, a moment each minute.
    fn over(source: &str, store: &Store, minutes: i64, options: &Options) -> String {
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let moments = Moments { start: at(0), end: at(minutes), step: Duration::from_secs(60) };
        shown(query(&parse(source).unwrap(), store, moments, options).map(|answer| answer.value))
    }

    #[test]
    fn every_moment_of_a_range_is_evaluated() {
        let store = store(&[("a", "0 1 2 _ 4"), ("b{x='1'}", "5 stale 7")]);
        let check = |source: &str, want: &str| {
            assert_eq!(over(source, &store, 2, &Options::default()), want, "{source}");
        };
        check("a", "a 0@0 1@60 2@120");
        check("b", r#"b{x="1"} 5@0 7@120"#);
        check("-a", "{} -0@0 -1@60 -2@120");
        check("time() / 60", "{} 0@0 1@60 2@120");
        check("a @ end() + step()", "{} 62@0 62@60 62@120");
        check("a offset 1m or b", r#"a 0@60 1@120; b{x="1"} 5@0 7@120"#);
        check("sum_over_time(a[2m:1m])", "{} 0@0 1@60 3@120");
        check("nosuch", "");
        check(
            "a[1m]",
            "error: invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
        );
        check("'a'", "error: invalid expression type \"string\" for range query, must be Scalar or instant Vector");
    }

    #[test]
    fn a_range_has_a_limit() {
        let store = store(&[("a", "0")]);
        let moments = Moments {
            start: Timestamp::from_millis(0),
            end: Timestamp::from_millis(11_001),
            step: Duration::from_millis(1),
        };
        let error = query(&parse("a").unwrap(), &store, moments, &Options::default()).unwrap_err();
        assert_eq!(error.what, "a query over a range may have 11000 steps, and this one has 11001");
        let moments = Moments { end: Timestamp::from_millis(11_000), ..moments };
        assert!(query(&parse("a").unwrap(), &store, moments, &Options::default()).is_ok());
    }

    #[test]
    fn order_is_of_no_use_over_a_range() {
        let store = store(&[("a", "0 1 2")]);
        let warnings = |source: &str| {
            let moments = Moments {
                start: Timestamp::from_millis(0),
                end: Timestamp::from_millis(60_000),
                step: Duration::from_secs(60),
            };
            let answer = query(&parse(source).unwrap(), &store, moments, &Options::default()).unwrap();
            answer.annotations.render(Severity::Warning, source).len()
        };
        assert_eq!(warnings("1 + sort(a)"), 1);
        assert_eq!(warnings("1 + sort(a @ 60)"), 0);
    }

    #[test]
    fn names_may_go_at_the_end() {
        let store = store(&[("a{x='1'}", "1 2"), ("b{x='1'}", "3 4")]);
        let check = |source: &str, at_once: &str, delayed: &str| {
            assert_eq!(over(source, &store, 0, &Options::default()), at_once, "{source}");
            assert_eq!(over(source, &store, 0, &DELAYED()), delayed, "{source}, delayed");
        };
        let twice = "error: vector cannot contain metrics with the same labelset: {x=\"1\"} comes twice";
        check("-a", r#"{x="1"} -1@0"#, r#"{x="1"} -1@0"#);
        check("-{x='1'}", twice, twice);
        check("count by (__name__) (abs({__name__='a'}))", "{} 1@0", "{} 1@0");
        check(
            "label_replace(abs({x='1'}), 'n', '$1', '__name__', '(.*)')",
            twice,
            r#"{n="a", x="1"} 1@0; {n="b", x="1"} 3@0"#,
        );
        check("label_replace(abs(a), '__name__', 'c', '', '')", r#"c{x="1"} 1@0"#, r#"c{x="1"} 1@0"#);
    }
}
