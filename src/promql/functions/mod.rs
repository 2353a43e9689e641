//! The functions of PromQL: one table, and how each kind of function is applied.
//!
//! A new function is a row in the table and a body in the file of its theme.

mod calendar;
mod conversion;
mod counter;
mod histogram;
mod labels;
mod math;
mod over_time;
mod presence;
mod trend;

use std::fmt;

use super::ast::{Call, Expr, ValueType};
use super::check::type_of;
use super::interpret::{Element, EvalError, Interpreter, NameDropper, Value, Window, map_values};
use super::{ParseError, Span};
use crate::model::Labels;

/// A function: what it takes, what it returns, and how.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The types of its arguments. The last one repeats when `repeats` says so.
    pub(super) args: &'static [ValueType],
    /// How many of the arguments may be left out, from the last.
    optional: usize,
    repeats: bool,
    pub(super) returns: ValueType,
    body: Body,
}

/// How a function makes its value.
enum Body {
    /// From each value of a vector; without an argument, from the moment of evaluation.
    Each(fn(f64) -> f64),
    /// From each value of a vector and the scalars behind it; an element without a result is left out.
    Map(fn(f64, &[f64]) -> Option<f64>),
    /// From the samples of each series in a range, and the scalars beside it. The name is dropped.
    Window(fn(&Window<'_>, &[f64]) -> Option<f64>),
    /// The same, but the name stays, because the value is one of the series' own.
    OwnSample(fn(&Window<'_>, &[f64]) -> Option<f64>),
    /// In its own way.
    Whole(fn(&mut Interpreter<'_>, &[Expr], Span) -> Result<Value, EvalError>),
}

const S: ValueType = ValueType::Scalar;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;
const T: ValueType = ValueType::String;

static FUNCTIONS: &[Function] = &[
    each("abs", f64::abs),
    whole("absent", &[V], V, presence::absent),
    whole("absent_over_time", &[M], V, presence::absent_over_time),
    each("acos", f64::acos),
    each("acosh", f64::acosh),
    each("asin", f64::asin),
    each("asinh", f64::asinh),
    each("atan", f64::atan),
    each("atanh", f64::atanh),
    window("avg_over_time", &[M], over_time::avg),
    each("ceil", f64::ceil),
    window("changes", &[M], counter::changes),
    map("clamp", &[V, S, S], math::clamp),
    map("clamp_max", &[V, S], math::clamp_max),
    map("clamp_min", &[V, S], math::clamp_min),
    each("cos", f64::cos),
    each("cosh", f64::cosh),
    window("count_over_time", &[M], over_time::count),
    each("day_of_month", calendar::day_of_month).optional(),
    each("day_of_week", calendar::day_of_week).optional(),
    each("day_of_year", calendar::day_of_year).optional(),
    each("days_in_month", calendar::days_in_month).optional(),
    each("deg", f64::to_degrees),
    window("delta", &[M], counter::delta),
    window("deriv", &[M], trend::deriv),
    each("exp", f64::exp),
    own_sample("first_over_time", over_time::first),
    each("floor", f64::floor),
    whole("histogram_fraction", &[S, S, V], V, histogram::fraction),
    whole("histogram_quantile", &[S, V], V, histogram::quantile),
    each("hour", calendar::hour).optional(),
    window("idelta", &[M], counter::idelta),
    window("increase", &[M], counter::increase),
    window("irate", &[M], counter::irate),
    whole("label_join", &[V, T, T, T], V, labels::join).optional().repeating(),
    whole("label_replace", &[V, T, T, T, T], V, labels::replace),
    own_sample("last_over_time", over_time::last),
    each("ln", f64::ln),
    each("log10", f64::log10),
    each("log2", f64::log2),
    window("max_over_time", &[M], over_time::max),
    window("min_over_time", &[M], over_time::min),
    each("minute", calendar::minute).optional(),
    each("month", calendar::month).optional(),
    whole("pi", &[], S, conversion::pi),
    window("predict_linear", &[M, S], trend::predict_linear),
    window("present_over_time", &[M], over_time::present),
    window("quantile_over_time", &[S, M], over_time::quantile),
    each("rad", f64::to_radians),
    window("rate", &[M], counter::rate),
    window("resets", &[M], counter::resets),
    map("round", &[V, S], math::round).optional(),
    whole("scalar", &[V], S, conversion::scalar),
    each("sgn", math::sgn),
    each("sin", f64::sin),
    each("sinh", f64::sinh),
    whole("sort", &[V], V, conversion::sort),
    whole("sort_desc", &[V], V, conversion::sort_desc),
    each("sqrt", f64::sqrt),
    window("stddev_over_time", &[M], over_time::stddev),
    window("stdvar_over_time", &[M], over_time::stdvar),
    window("sum_over_time", &[M], over_time::sum),
    each("tan", f64::tan),
    each("tanh", f64::tanh),
    whole("time", &[], S, conversion::time),
    whole("timestamp", &[V], V, conversion::timestamp),
    whole("vector", &[S], V, conversion::vector),
    each("year", calendar::year).optional(),
];

/// Functions of Prometheus that we do not have, so that we can say so.
const MISSING: [&str; 23] = [
    "double_exponential_smoothing",
    "end",
    "histogram_avg",
    "histogram_count",
    "histogram_quantiles",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "info",
    "mad_over_time",
    "max_of",
    "min_of",
    "range",
    "sort_by_label",
    "sort_by_label_desc",
    "start",
    "start_timestamp",
    "step",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "holt_winters",
];

const fn function(name: &'static str, args: &'static [ValueType], returns: ValueType, body: Body) -> Function {
    Function { name, args, optional: 0, repeats: false, returns, body }
}

const fn each(name: &'static str, body: fn(f64) -> f64) -> Function {
    function(name, &[V], V, Body::Each(body))
}

const fn map(name: &'static str, args: &'static [ValueType], body: fn(f64, &[f64]) -> Option<f64>) -> Function {
    function(name, args, V, Body::Map(body))
}

const fn window(
    name: &'static str,
    args: &'static [ValueType],
    body: fn(&Window<'_>, &[f64]) -> Option<f64>,
) -> Function {
    function(name, args, V, Body::Window(body))
}

const fn own_sample(name: &'static str, body: fn(&Window<'_>, &[f64]) -> Option<f64>) -> Function {
    function(name, &[M], V, Body::OwnSample(body))
}

const fn whole(
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
    body: fn(&mut Interpreter<'_>, &[Expr], Span) -> Result<Value, EvalError>,
) -> Function {
    function(name, args, returns, Body::Whole(body))
}

impl Function {
    /// The last argument may be left out.
    const fn optional(mut self) -> Self {
        self.optional = 1;
        self
    }

    /// The last argument may come many times.
    const fn repeating(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// The fewest and the most arguments.
    pub(super) fn arity(&self) -> (usize, Option<usize>) {
        (self.args.len() - self.optional, (!self.repeats).then_some(self.args.len()))
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The function with this name.
pub(super) fn find(name: &str, span: Span) -> Result<&'static Function, ParseError> {
    if let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) {
        return Ok(function);
    }
    if MISSING.contains(&name) {
        return Err(ParseError::unsupported(span, &format!("`{name}`")));
    }
    let error = ParseError::new(span, format!("there is no function `{name}`"));
    let lower = name.to_ascii_lowercase();
    let names = FUNCTIONS.iter().map(|function| function.name);
    let nearest = names.map(|known| (distance(&lower, known), usize::MAX - same_letters(&lower, known), known)).min();
    Err(match nearest {
        Some((steps, _, known)) if steps <= 1 + name.len() / 4 => error.with_hint(format!("did you mean `{known}`?")),
        _ => error,
    })
}

/// How many letters two words begin with alike.
fn same_letters(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count()
}

/// How many letters must change for one word to become the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Finds texts among the arguments that cannot work, such as a broken regular expression.
pub(super) fn check_texts(call: &Call) -> Result<(), ParseError> {
    if call.function.name == "label_replace" { labels::check_replace(&call.args) } else { Ok(()) }
}

/// The value of a call.
pub(super) fn apply(interpreter: &mut Interpreter<'_>, call: &Call, span: Span) -> Result<Value, EvalError> {
    match &call.function.body {
        Body::Each(body) => {
            let elements = match call.args.first() {
                Some(arg) => interpreter.vector(arg)?,
                None => vec![Element { labels: Labels::empty(), value: interpreter.at.seconds() }],
            };
            map_values(elements, span, |value| Some(body(value))).map(Value::Vector)
        }
        Body::Map(body) => {
            let scalars = scalars(interpreter, &call.args)?;
            let elements = interpreter.vector(&call.args[0])?;
            map_values(elements, span, |value| body(value, &scalars)).map(Value::Vector)
        }
        Body::Window(body) => over_windows(interpreter, call, *body, span),
        Body::OwnSample(body) => own_samples(interpreter, call, *body),
        Body::Whole(body) => body(interpreter, &call.args, span),
    }
}

fn over_windows(
    interpreter: &mut Interpreter<'_>,
    call: &Call,
    body: fn(&Window<'_>, &[f64]) -> Option<f64>,
    span: Span,
) -> Result<Value, EvalError> {
    let scalars = scalars(interpreter, &call.args)?;
    let (mut elements, mut names) = (Vec::new(), NameDropper::default());
    interpreter.windows(range_of(call, span)?, |labels, window| {
        if let Some(value) = body(window, &scalars) {
            elements.push(Element { labels: names.drop_from(labels), value });
        }
    })?;
    names.finish(&elements, span)?;
    Ok(Value::Vector(elements))
}

fn own_samples(
    interpreter: &mut Interpreter<'_>,
    call: &Call,
    body: fn(&Window<'_>, &[f64]) -> Option<f64>,
) -> Result<Value, EvalError> {
    let mut elements = Vec::new();
    interpreter.windows(range_of(call, Span::default())?, |labels, window| {
        elements.extend(body(window, &[]).map(|value| Element { labels: labels.clone(), value }));
    })?;
    Ok(Value::Vector(elements))
}

/// The argument that is a range.
fn range_of(call: &Call, span: Span) -> Result<&Expr, EvalError> {
    let range = call.args.iter().find(|arg| type_of(arg) == ValueType::Matrix);
    range.ok_or_else(|| EvalError::new(span, format!("`{}` has no range", call.function.name)))
}

/// The values of the arguments that are scalars, in order.
fn scalars(interpreter: &mut Interpreter<'_>, args: &[Expr]) -> Result<Vec<f64>, EvalError> {
    args.iter().filter(|arg| type_of(arg) == ValueType::Scalar).map(|arg| interpreter.scalar(arg)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn the_table_is_sorted_and_says_what_is_missing() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        for name in MISSING {
            assert!(!FUNCTIONS.iter().any(|function| function.name == name), "{name} is there");
            assert_eq!(parse(&format!("{name}()")).unwrap_err().what, format!("`{name}` is not supported yet"));
        }
    }

    #[test]
    fn a_wrong_name_gets_a_hint() {
        let check = |name: &str, want: Option<&str>| {
            let error = parse(&format!("{name}(up[5m])")).unwrap_err();
            assert_eq!(error.what, format!("there is no function `{name}`"));
            assert_eq!(error.hint, want.map(|known| format!("did you mean `{known}`?")), "{name}");
        };
        check("rat", Some("rate"));
        check("Rate", Some("rate"));
        check("histogram_quantil", Some("histogram_quantile"));
        check("sum_overtime", Some("sum_over_time"));
        check("frobnicate", None);
    }
}
