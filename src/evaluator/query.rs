//! Queries that nobody announced: what someone asks of the store by the API.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, Timestamp, format_duration};
use crate::promql::{Annotations, Answer, EvalError, Expr, Moments, Options, RangeQuery, SelectorUse, Value};
use crate::promql::{query_at, selectors};
use crate::store::LOOKBACK;

use super::Evaluator;

/// How far behind the newest samples a moment may lie and still count as now.
const NOW_SLACK: Duration = Duration::from_secs(60);

/// How many samples a query of one moment may look at: while it does, a tick waits.
const INSTANT_SAMPLES_MAX: u64 = 10_000_000;
/// How many samples a query over a range may look at; a tick waits for one piece of it.
const RANGE_SAMPLES_MAX: u64 = 100_000_000;
/// How many samples a result may have.
const RESULT_SAMPLES_MAX: u64 = 5_000_000;
/// How many series are looked through for a list of series, those that several selectors look at counted again.
const SERIES_LOOKS_MAX: usize = 20_000_000;

/// A query as somebody asks it.
#[derive(Clone, Debug)]
pub struct Query {
    /// The expression.
    pub expr: Arc<Expr>,
    /// The moment, or the moments.
    pub moments: Moments,
    /// How far back an instant selector looks, when it is not as far as everywhere.
    pub lookback: Option<Duration>,
}

/// A query under way.
#[derive(Debug)]
pub struct RunningQuery {
    query: Query,
    /// Over a range, what there is so far.
    range: Option<RangeQuery>,
}

/// How far a query has come.
#[derive(Debug)]
pub enum QueryProgress {
    /// It goes on later.
    Paused(Box<RunningQuery>),
    /// It has come to an end.
    Done(Result<Queried, EvalError>),
}

/// What a query gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Queried {
    /// The result.
    pub value: Value,
    /// What is missing from it, because it is not kept.
    pub warnings: Vec<String>,
    /// What PromQL tells about it.
    pub annotations: Annotations,
    /// How many samples were looked at.
    pub samples: u64,
    /// How long it was evaluated, if somebody measured it.
    pub took: Duration,
}

/// Which series somebody wants to know.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// Sets of matchers; a series passes when it passes one of them, or when there is none.
    pub sets: Vec<Vec<Matcher>>,
    /// It has a sample at this moment or later,
    pub from: Timestamp,
    /// and at this one or earlier.
    pub to: Timestamp,
}

/// Series that are stored.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SeriesFound {
    /// Their labels, in no order.
    pub series: Vec<Labels>,
    /// What is missing, because it is not kept.
    pub warnings: Vec<String>,
}

impl RunningQuery {
    /// A query that has not begun.
    pub fn new(query: Query) -> Result<Self, EvalError> {
        let is_range = !query.moments.step.is_zero();
        let options = query.options(RANGE_SAMPLES_MAX);
        let range = is_range.then(|| RangeQuery::new(&query.expr, query.moments, options)).transpose()?;
        Ok(Self { query, range })
    }
}

impl Query {
    fn options(&self, samples_max: u64) -> Options {
        let lookback = self.lookback.unwrap_or(LOOKBACK);
        Options { samples_max, result_samples_max: RESULT_SAMPLES_MAX, lookback, ..Options::default() }
    }
}

impl Evaluator {
    /// Evaluates an expression at a moment over what is stored. What is not kept is named, never silently missing.
    pub fn query(&self, expr: &Expr, at: Timestamp) -> Result<Queried, EvalError> {
        let query = Query { expr: Arc::new(expr.clone()), moments: Moments::instant(at), lookback: None };
        let running = Box::new(RunningQuery::new(query)?);
        match self.go_on(running, &|| false, &mut || false) {
            QueryProgress::Done(result) => result,
            // One moment is in one piece.
            QueryProgress::Paused(running) => Err(EvalError {
                span: running.query.expr.span,
                what: "the query has not come to its end".to_owned(),
                detail: None,
            }),
        }
    }

    /// Goes on with a query over what is stored, until `pauses` says to go on later. It fails when it is given up. What is
    /// stored may change between two pieces of it.
    pub fn go_on(
        &self,
        mut running: Box<RunningQuery>,
        is_given_up: &dyn Fn() -> bool,
        pauses: &mut dyn FnMut() -> bool,
    ) -> QueryProgress {
        let Query { expr, moments, .. } = &running.query;
        let Some(mut range) = running.range.take() else {
            let options = running.query.options(INSTANT_SAMPLES_MAX);
            let answer = query_at(expr, &self.store, moments.start, &options, is_given_up);
            let answer = answer.and_then(|answer| if_not_too_large(answer, expr));
            return QueryProgress::Done(answer.map(|answer| self.queried(answer, &running.query)));
        };
        match range.proceed(expr, &self.store, is_given_up, pauses) {
            Ok(true) => QueryProgress::Done(range.finish(expr).map(|answer| self.queried(answer, &running.query))),
            Ok(false) => {
                running.range = Some(range);
                QueryProgress::Paused(running)
            }
            Err(error) => QueryProgress::Done(Err(error)),
        }
    }

    fn queried(&self, Answer { value, annotations, samples }: Answer, query: &Query) -> Queried {
        let beyond = query.lookback.unwrap_or(LOOKBACK).saturating_sub(LOOKBACK);
        let missing =
            |it: &SelectorUse| self.missing(&it.matchers, it.reach.saturating_add(beyond), query.moments.start);
        let mut warnings: Vec<String> = selectors(&query.expr).iter().filter_map(missing).collect();
        self.warn_of_refusals(&mut warnings);
        warnings.dedup();
        Queried { value, warnings, annotations, samples, took: Duration::ZERO }
    }

    /// The series that are asked for, or why that would take too long.
    pub fn series(&self, query: &SeriesQuery) -> Result<SeriesFound, String> {
        let looks = self.store.series_count().saturating_mul(query.sets.len());
        if looks > SERIES_LOOKS_MAX {
            let what = "selectors of series that are stored look through more than";
            return Err(format!("{} {what} {SERIES_LOOKS_MAX} series", query.sets.len()));
        }
        let series = self.store.labels_between(&query.sets, query.from, query.to);
        let is_kept = |set: &&Vec<Matcher>| self.store.coverage(set).is_none();
        let mut warnings: Vec<String> = query.sets.iter().filter(is_kept).map(|set| not_whole(set)).collect();
        self.warn_of_refusals(&mut warnings);
        warnings.dedup();
        Ok(SeriesFound { series, warnings })
    }

    fn warn_of_refusals(&self, warnings: &mut Vec<String>) {
        if self.store.refused_target().is_some() {
            warnings.push("the store is full: new series are refused, and missing from the result".to_owned());
        }
    }

    /// What of a selector's series is not kept at `at`, looked at so far back from there, in words.
    fn missing(&self, matchers: &[Matcher], reach: Duration, at: Timestamp) -> Option<String> {
        let text = written(matchers);
        let Some(kept) = self.store.coverage(matchers) else { return Some(not_whole(matchers)) };
        // A query about the past looks back further than one about now, which is when the newest samples were written.
        let newest = self.intakes.values().filter_map(|intake| intake.last.as_ref()).map(|(at, _, _)| *at).max();
        let behind = newest.map_or(Duration::ZERO, |newest| newest.since(at));
        let asked = if behind > NOW_SLACK { reach.saturating_add(behind) } else { reach };
        (asked > kept).then(|| {
            // Of a moment of now the milliseconds tell nobody anything.
            let whole = Duration::from_secs(asked.as_secs().saturating_add(u64::from(asked.subsec_nanos() > 0)));
            let (asked, kept) = (format_duration(whole), format_duration(kept));
            format!("`{text}` is asked for {asked} back, and may be kept for no more than {kept}")
        })
    }
}

/// A range as a whole, as `up[1h]`, may be large.
fn if_not_too_large(answer: Answer, expr: &Expr) -> Result<Answer, EvalError> {
    let Value::Matrix(series) = &answer.value else { return Ok(answer) };
    let samples: usize = series.iter().map(|it| it.samples.len() + it.histograms.len()).sum();
    if samples as u64 <= RESULT_SAMPLES_MAX {
        return Ok(answer);
    }
    let what = format!("the result has more than {RESULT_SAMPLES_MAX} samples");
    Err(EvalError { span: expr.span, what, detail: None })
}

fn not_whole(matchers: &[Matcher]) -> String {
    format!(
        "`{}` is not kept whole: no rule reads it, and `store.retain` does not name it; the result has only those of its \
         series that rules read",
        written(matchers)
    )
}

/// Matchers as a selector is written.
fn written(matchers: &[Matcher]) -> String {
    let is_name = |it: &&Matcher| &*it.name == METRIC_NAME && it.op == MatchOp::Equal;
    let name = matchers.iter().find(is_name).map_or("", |name| &name.value);
    let others: Vec<String> = matchers.iter().filter(|it| !is_name(it)).map(ToString::to_string).collect();
    if others.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", others.join(", ")) }
}
