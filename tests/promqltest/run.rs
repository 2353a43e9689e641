//! Runs a script.

use std::time::Duration;

use atalaya::model::Timestamp;
use atalaya::promql::{At, Element, EvalError, Expr, ExprKind, Moments, Options, SampleValue, Value, parse_any, query};
use atalaya::store::Store;

use crate::compare;
use crate::load::{everything, load};
use crate::script::{Command, Eval, Wanted, When, read};

/// Functions whose value depends on the moment of evaluation whatever `@` says.
const UNSAFE_UNDER_AT: [&str; 15] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "end",
    "hour",
    "minute",
    "month",
    "year",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
];

/// What asks for the query itself, and so has another value in another query.
const OF_THE_QUERY: [&str; 4] = ["start()", "end()", "range()", "step()"];

/// The moments of a query over a range are this far apart when it stands in for one at a moment.
const STEP: Duration = Duration::from_secs(60);

/// What a script came to.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    pub(crate) failures: Vec<String>,
}

/// Runs a script.
pub(crate) fn run(text: &str) -> Report {
    let mut report = Report::default();
    let mut store = everything();
    let mut broken_load = None;
    for command in read(text) {
        match command {
            Command::Clear => {
                store = everything();
                broken_load = None;
            }
            Command::Load { step, with_native, lines } => {
                if let Err(why) = load(&mut store, step, with_native, &lines) {
                    broken_load = Some(why);
                }
            }
            Command::Eval(eval) => match check(&eval, &store) {
                Ok(()) => report.passed += 1,
                Err(why) => {
                    let load = broken_load.as_ref().map(|why| format!(" (load: {why})")).unwrap_or_default();
                    report.failures.push(format!("{}: {}: {why}{load}", eval.line, eval.expr));
                }
            },
            Command::Broken { line, is_eval, why } => {
                if is_eval {
                    report.failures.push(format!("{line}: {why}"));
                } else {
                    broken_load = Some(why);
                }
            }
        }
    }
    report
}

/// As Prometheus's own runner has it: everything that is behind flags is on.
fn options() -> Options {
    Options { delays_name_removal: true, reads_start_timestamps: true, ..Options::default() }
}

fn check(eval: &Eval, store: &Store) -> Result<(), String> {
    let expr = parse_any(&eval.expr).map_err(|error| format!("does not parse: {error}"))?;
    match eval.when {
        When::Range { start, end, step } => {
            let Some(answer) = answered(eval, &expr, store, Moments { start, end, step })? else { return Ok(()) };
            compare::annotations(eval, &eval.expr, &answer.annotations)?;
            compare::compare(eval, &answer.value)
        }
        When::At(at) => {
            instant(eval, &eval.expr, &expr, store, at)?;
            let mut fixed = expr.clone();
            if !fix(&mut fixed, At::Time(eval.moment())) {
                return Ok(());
            }
            let source = fixed.to_string();
            let again = parse_any(&source).map_err(|error| format!("{source} does not parse: {error}"))?;
            let ms = eval.moment().millis();
            let others: Vec<i64> = if ms == 0 { vec![-1000, 0, 1000] } else { vec![-10 * ms, 0, ms / 5, ms, 10 * ms] };
            for other in others {
                let at = Timestamp::from_millis(other);
                instant(eval, &source, &again, store, at).map_err(|why| format!("[{source} at {other} ms] {why}"))?;
            }
            Ok(())
        }
    }
}

/// The answer; `None` when a failure is expected and came.
fn answered(
    eval: &Eval,
    expr: &Expr,
    store: &Store,
    moments: Moments,
) -> Result<Option<atalaya::promql::Answer>, String> {
    match query(expr, store, moments, &options()) {
        Err(error) if eval.fails => failure(eval, &error).map(|()| None),
        Err(error) => Err(format!("fails: {error}")),
        Ok(answer) if eval.fails => Err(format!("must fail, and is {:?}", answer.value)),
        Ok(answer) => Ok(Some(answer)),
    }
}

fn failure(eval: &Eval, error: &EvalError) -> Result<(), String> {
    match eval.fail.iter().find(|wanted| !wanted.matches(&error.what)) {
        Some(wanted) => Err(format!("must fail with {:?}, and fails with {:?}", Wanted::text(wanted), error.what)),
        None => Ok(()),
    }
}

/// Runs a query at a moment, and as one over a range around it.
fn instant(eval: &Eval, source: &str, expr: &Expr, store: &Store, at: Timestamp) -> Result<(), String> {
    let Some(answer) = answered(eval, expr, store, Moments::instant(at))? else { return Ok(()) };
    compare::annotations(eval, source, &answer.annotations)?;
    compare::compare(eval, &answer.value)?;
    let is_excluded = eval.string.is_some() || eval.moments.is_some();
    if is_excluded || OF_THE_QUERY.iter().any(|call| source.contains(call)) {
        return Ok(());
    }
    let moments = Moments { start: at - STEP, end: at + STEP, step: STEP };
    let ranged = query(expr, store, moments, &options()).map_err(|error| format!("over a range fails: {error}"))?;
    if eval.is_ordered {
        return Ok(());
    }
    let Value::Matrix(series) = ranged.value else { return Err("over a range is no matrix".to_owned()) };
    let mut elements = Vec::new();
    for series in series {
        let float = series.samples.iter().find(|sample| sample.at == at).map(|sample| SampleValue::Float(sample.value));
        let histogram = series.histograms.iter().find(|sample| sample.at == at);
        let histogram = histogram.map(|sample| SampleValue::Histogram(sample.histogram.clone()));
        let values = float.into_iter().chain(histogram);
        elements.extend(values.map(|value| Element { labels: series.labels.clone(), value }));
    }
    let value = match (&answer.value, elements.first()) {
        (Value::Scalar(_), Some(first)) => Value::Scalar(first.value.number()),
        _ => Value::Vector(elements),
    };
    compare::compare(eval, &value).map_err(|why| format!("over a range: {why}"))
}

/// Puts `@` where there is none; false when that does not fix the value.
fn fix(expr: &mut Expr, at: At) -> bool {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bytes(_) => true,
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => {
            selector.shift.at.get_or_insert(at);
            true
        }
        ExprKind::Subquery(subquery) => {
            subquery.shift.at.get_or_insert(at);
            true
        }
        ExprKind::Call(call) => {
            let is_unsafe = UNSAFE_UNDER_AT.contains(&call.name());
            // The second argument of `info` only names labels.
            let count = if call.name() == "info" { 1 } else { call.args.len() };
            let fixed: Vec<bool> = call.args.iter_mut().take(count).map(|arg| fix(arg, at)).collect();
            !is_unsafe && fixed.into_iter().all(|it| it)
        }
        ExprKind::Aggregate(aggregation) => {
            let param = aggregation.param.as_mut().is_none_or(|param| fix(param, at));
            fix(&mut aggregation.expr, at) && param
        }
        ExprKind::Binary(operation) => {
            let left = fix(&mut operation.left, at);
            fix(&mut operation.right, at) && left
        }
        ExprKind::Negate(inner) | ExprKind::Paren(inner) => fix(inner, at),
    }
}
