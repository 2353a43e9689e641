//! What becomes of two values between which an operator stands.

use super::Span;
use super::annotation::{Annotation, HistogramOperation};
use super::ast::BinaryOp;
use super::binary::{calculate, compare};
use super::value::SampleValue;
use crate::model::{CounterReset, Histogram};

/// What two values make.
pub(super) struct Pair {
    /// The value; of a comparison, the left one.
    pub(super) value: SampleValue,
    /// Whether a comparison holds; others always do.
    pub(super) passes: bool,
    /// What is worth telling.
    pub(super) note: Option<Annotation>,
}

/// Why two values make none.
pub(super) enum Misfit {
    /// There is no such operator on a number and a histogram, or on two of either.
    Types(Annotation),
    /// One has exponential buckets, the other custom ones.
    Schemas,
    /// One says that its counter started anew, the other that it did not.
    Resets(Annotation),
}

/// What two values make.
pub(super) fn combine(op: BinaryOp, left: &SampleValue, right: &SampleValue, span: Span) -> Result<Pair, Misfit> {
    let misfit =
        |left: &str, right: &str| Err(Misfit::Types(Annotation::incompatible_types(left, op.as_str(), right, span)));
    match (left, right) {
        (SampleValue::Float(_), SampleValue::Float(_)) if op.is_trim() => misfit("float", "float"),
        (SampleValue::Float(left), SampleValue::Float(right)) => Ok(if op.is_comparison() {
            Pair { value: (*left).into(), passes: compare(op, *left, *right), note: None }
        } else {
            made(calculate(op, *left, *right))
        }),
        (SampleValue::Float(left), SampleValue::Histogram(right)) => match op {
            BinaryOp::Multiply => Ok(made(changed(right, |it| it.scale(*left)))),
            _ => misfit("float", "histogram"),
        },
        (SampleValue::Histogram(left), SampleValue::Float(right)) => match op {
            BinaryOp::Multiply => Ok(made(changed(left, |it| it.scale(*right)))),
            BinaryOp::Divide => Ok(made(changed(left, |it| it.divide(*right)))),
            BinaryOp::TrimUpper => Ok(made(cut(left, |it| it.cut_above(*right)))),
            BinaryOp::TrimLower => Ok(made(cut(left, |it| it.cut_below(*right)))),
            _ => misfit("histogram", "float"),
        },
        (SampleValue::Histogram(first), SampleValue::Histogram(second)) => match op {
            BinaryOp::Add => added(first, second, HistogramOperation::Addition, span),
            BinaryOp::Subtract => added(first, second, HistogramOperation::Subtraction, span),
            BinaryOp::Equal => Ok(Pair { value: left.clone(), passes: first == second, note: None }),
            BinaryOp::NotEqual => Ok(Pair { value: left.clone(), passes: first != second, note: None }),
            _ => misfit("histogram", "histogram"),
        },
    }
}

fn made(value: impl Into<SampleValue>) -> Pair {
    Pair { value: value.into(), passes: true, note: None }
}

fn cut(histogram: &Histogram, change: impl Fn(&mut Histogram)) -> Histogram {
    let mut changed = histogram.clone();
    change(&mut changed);
    changed
}

fn changed(histogram: &Histogram, change: impl Fn(&mut Histogram)) -> Histogram {
    let mut changed = cut(histogram, change);
    changed.compact();
    changed
}

fn added(left: &Histogram, right: &Histogram, operation: HistogramOperation, span: Span) -> Result<Pair, Misfit> {
    let mut result = left.clone();
    let combined = match operation {
        HistogramOperation::Subtraction => result.subtract(right),
        _ => result.add(right),
    };
    let combined = combined.map_err(|_| Misfit::Schemas)?;
    if combined.resets_collide {
        return Err(Misfit::Resets(Annotation::resets_collide(operation, span)));
    }
    if operation == HistogramOperation::Subtraction {
        result.reset = CounterReset::Gauge;
    }
    result.compact();
    let note = combined.bounds_reconciled.then(|| Annotation::bounds_reconciled(operation, span));
    Ok(Pair { note, ..made(result) })
}
