//! Between kinds of values: scalars and vectors, values and times, and the order of elements.

use std::cmp::Ordering;

use super::super::Span;
use super::super::aggregate::order;
use super::super::ast::{Expr, ExprKind};
use super::super::interpret::{Element, EvalError, Interpreter, NameDropper, Value};
use crate::model::Labels;

pub(super) fn time(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Value, EvalError> {
    Ok(Value::Scalar(interpreter.at.seconds()))
}

/// The first moment of the query, whatever is evaluated on the way.
pub(super) fn start(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Value, EvalError> {
    Ok(Value::Scalar(interpreter.query.start.seconds()))
}

pub(super) fn end(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Value, EvalError> {
    Ok(Value::Scalar(interpreter.query.end.seconds()))
}

pub(super) fn step(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Value, EvalError> {
    Ok(Value::Scalar(interpreter.query.step()))
}

pub(super) fn range(interpreter: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Value, EvalError> {
    Ok(Value::Scalar(interpreter.query.range()))
}

pub(super) fn pi(_: &mut Interpreter<'_>, _: &[Expr], _: Span) -> Result<Value, EvalError> {
    Ok(Value::Scalar(std::f64::consts::PI))
}

/// The value of the only element; NaN when there is another number of them.
pub(super) fn scalar(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Value, EvalError> {
    let elements = interpreter.vector(&args[0])?;
    Ok(Value::Scalar(if let [only] = elements.as_slice() { only.value } else { f64::NAN }))
}

pub(super) fn vector(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Value, EvalError> {
    let value = interpreter.scalar(&args[0])?;
    Ok(Value::Vector(vec![Element { labels: Labels::empty(), value }]))
}

/// When the sample of each element was taken; of what is calculated, the moment of evaluation.
pub(super) fn timestamp(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Value, EvalError> {
    let mut inner = &args[0];
    while let ExprKind::Paren(expr) = &inner.kind {
        inner = expr;
    }
    let times: Vec<(Labels, f64)> = if let ExprKind::Selector(selector) = &inner.kind {
        let newest = interpreter.newest(selector, inner.span)?.into_iter();
        newest.map(|(labels, sample)| (labels, sample.at.seconds())).collect()
    } else {
        let now = interpreter.at.seconds();
        interpreter.vector(inner)?.into_iter().map(|element| (element.labels, now)).collect()
    };
    let mut names = NameDropper::default();
    let elements: Vec<Element> =
        times.into_iter().map(|(labels, value)| Element { labels: names.drop_from(&labels), value }).collect();
    names.finish(&elements, span)?;
    Ok(Value::Vector(elements))
}

pub(super) fn sort(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Value, EvalError> {
    sorted(interpreter, args, Ordering::Less)
}

pub(super) fn sort_desc(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Value, EvalError> {
    sorted(interpreter, args, Ordering::Greater)
}

fn sorted(interpreter: &mut Interpreter<'_>, args: &[Expr], first: Ordering) -> Result<Value, EvalError> {
    let mut elements = interpreter.vector(&args[0])?;
    elements.sort_by(|a, b| order(a.value, b.value, first));
    Ok(Value::Vector(elements))
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
