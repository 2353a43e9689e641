//! Between kinds of values: scalars and vectors, values and times, and the order of elements.

use std::cmp::Ordering;

use super::super::Span;
use super::super::aggregate::order;
use super::super::annotation::Annotation;
use super::super::ast::{Expr, ExprKind, Selector};
use super::super::interpret::{EvalError, Interpreter};
use super::super::invariant::is_step_invariant;
use super::super::value::{Item, Outcome};
use crate::model::{Labels, Timestamp};

pub(super) fn time(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    Ok(Outcome::Scalar(interpreter.at.seconds()))
}

/// The first moment of the query, whatever is evaluated on the way.
pub(super) fn start(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    Ok(Outcome::Scalar(interpreter.query.start.seconds()))
}

pub(super) fn end(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    Ok(Outcome::Scalar(interpreter.query.end.seconds()))
}

pub(super) fn step(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    let query = interpreter.query;
    Ok(Outcome::Scalar(if query.start == query.end { 0.0 } else { query.step() }))
}

pub(super) fn range(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    Ok(Outcome::Scalar(interpreter.query.range()))
}

pub(super) fn pi(_: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    Ok(Outcome::Scalar(std::f64::consts::PI))
}

/// The value of the only number; NaN when there is another number of them.
pub(super) fn scalar(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    let items = interpreter.vector(&args[0])?;
    let mut floats = items.iter().filter_map(|item| item.value.float());
    let only = floats.next().filter(|_| floats.next().is_none());
    Ok(Outcome::Scalar(only.unwrap_or(f64::NAN)))
}

pub(super) fn vector(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    let value = interpreter.scalar(&args[0])?.into();
    Ok(Outcome::Vector(vec![Item { labels: Labels::empty(), value, drops_name: false }]))
}

/// The selector that an argument is, whatever parentheses are around it.
fn selector_of(arg: &Expr) -> Option<(&Selector, Span)> {
    match &arg.kind {
        ExprKind::Paren(inner) => selector_of(inner),
        ExprKind::Selector(selector) => Some((selector, arg.span)),
        _ => None,
    }
}

/// When the sample of each element was taken; of what is calculated, the moment of evaluation.
pub(super) fn timestamp(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let times: Vec<(Labels, f64)> = if let Some((selector, span)) = selector_of(&args[0]) {
        interpreter.newest(selector, span)?.into_iter().map(|newest| (newest.labels, newest.at.seconds())).collect()
    } else {
        let now = interpreter.at.seconds();
        interpreter.vector(&args[0])?.into_iter().map(|item| (item.labels, now)).collect()
    };
    named(interpreter, &times, span)
}

/// Since when what the sample of each element counts is counted, 0 where that is not known; nothing of what is calculated.
pub(super) fn start_timestamp(
    interpreter: &mut Interpreter<'_>,
    args: &[Expr],
    span: Span,
) -> Result<Outcome, EvalError> {
    let Some((selector, place)) = selector_of(&args[0]) else {
        interpreter.vector(&args[0])?;
        return Ok(Outcome::Vector(Vec::new()));
    };
    let newest = interpreter.newest(selector, place)?;
    if !interpreter.options.reads_start_timestamps {
        return Ok(Outcome::Vector(Vec::new()));
    }
    let starts = newest.into_iter().map(|it| (it.labels, it.start.map_or(0.0, Timestamp::seconds)));
    named(interpreter, &starts.collect::<Vec<_>>(), span)
}

/// Elements without their metrics' names.
fn named(interpreter: &Interpreter<'_>, values: &[(Labels, f64)], span: Span) -> Result<Outcome, EvalError> {
    let mut names = interpreter.names();
    let items: Vec<Item> = values.iter().map(|(labels, value)| names.item(labels, *value)).collect();
    names.finish(&items, span)?;
    Ok(Outcome::Vector(items))
}

pub(super) fn sort(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    sorted(interpreter, args, Ordering::Less, span)
}

pub(super) fn sort_desc(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    sorted(interpreter, args, Ordering::Greater, span)
}

/// Tells that an order is of no use where moments are put together, unless what is sorted is the same at all of them.
pub(super) fn note_sort(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) {
    if interpreter.is_ranged && !args.iter().all(is_step_invariant) {
        interpreter.notes.add(Annotation::sort_in_range_query(span));
    }
}

/// Elements by value; histograms have none and are left out.
fn sorted(interpreter: &mut Interpreter<'_>, args: &[Expr], first: Ordering, span: Span) -> Result<Outcome, EvalError> {
    let items = interpreter.vector(&args[0])?;
    note_sort(interpreter, args, span);
    let mut floats: Vec<(f64, Item)> =
        items.into_iter().filter_map(|item| item.value.float().map(|value| (value, item))).collect();
    floats.sort_by(|(a, _), (b, _)| order(*a, *b, first));
    Ok(Outcome::Vector(floats.into_iter().map(|(_, item)| item).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};
    use super::super::super::{Value, evaluate, parse};
    use crate::model::Timestamp;

    #[test]
    fn values_change_their_kind() {
        let store = store(&[("a{x='1'}", "1"), ("a{x='2'}", "2 3")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 3), want, "{source}");
        check("time()", "180");
        check("vector(time())", "{} 180");
        check("start() + end() + step() + range()", "360");
        check("max_over_time(vector(start())[2m:]) - min_over_time(vector(time())[2m:])", "{} 60");
        check("timestamp(a{x='2'} @ 70)", r#"{x="2"} 60"#);
        check("scalar(a{x='2'})", "3");
        check("scalar(a)", "NaN");
        check("scalar(nothing)", "NaN");
        check("timestamp((a))", r#"{x="1"} 0; {x="2"} 60"#);
        check("timestamp(a + 1)", r#"{x="1"} 180; {x="2"} 180"#);
        check("floor(pi() * vector(1))", "{} 3");
    }

    #[test]
    fn sorting_puts_nan_last() {
        let store = store(&[("a{x='1'}", "NaN"), ("a{x='2'}", "2"), ("a{x='3'}", "1")]);
        let check = |source: &str, want: &[&str]| {
            let Value::Vector(elements) = evaluate(&parse(source).unwrap(), &store, Timestamp::from_millis(0)).unwrap()
            else {
                panic!("{source}")
            };
            let order: Vec<&str> = elements.iter().map(|element| element.labels.get("x")).collect();
            assert_eq!(order, want, "{source}");
        };
        check("sort(a)", &["3", "2", "1"]);
        check("sort_desc(a)", &["2", "3", "1"]);
    }
}
