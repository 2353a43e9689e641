//! Binary operators on numbers and on vectors with a number; `matching` has those on two vectors.

use super::Span;
use super::annotation::Annotation;
use super::ast::{BinaryOp, BinaryOperation};
use super::combine::{Misfit, combine};
use super::interpret::{EvalError, Interpreter};
use super::matching::{join, set_operation};
use super::value::{Item, Outcome, SampleValue};

/// The value of a binary operation.
pub(super) fn binary(
    interpreter: &mut Interpreter<'_>,
    operation: &BinaryOperation,
    span: Span,
) -> Result<Outcome, EvalError> {
    let op = operation.op;
    let left = interpreter.value(&operation.left)?;
    let right = interpreter.value(&operation.right)?;
    match (left, right) {
        (Outcome::Scalar(_), Outcome::Scalar(_)) if op.is_trim() => {
            Err(EvalError::new(span, format!("operator {:?} not allowed for Scalar operations", op.as_str())))
        }
        (Outcome::Scalar(left), Outcome::Scalar(right)) => Ok(Outcome::Scalar(if op.is_comparison() {
            f64::from(u8::from(compare(op, left, right)))
        } else {
            calculate(op, left, right)
        })),
        (Outcome::Vector(left), Outcome::Scalar(right)) => {
            each_item(interpreter, operation, left, span, right, false).map(Outcome::Vector)
        }
        (Outcome::Scalar(left), Outcome::Vector(right)) => {
            each_item(interpreter, operation, right, span, left, true).map(Outcome::Vector)
        }
        (Outcome::Vector(left), Outcome::Vector(right)) if op.is_set() => {
            Ok(Outcome::Vector(set_operation(op, left, right, &operation.matching)))
        }
        (Outcome::Vector(left), Outcome::Vector(right)) => {
            join(interpreter, operation, &left, &right, span).map(Outcome::Vector)
        }
        _ => Err(EvalError::new(span, "only scalars and instant vectors have operators")),
    }
}

/// A vector and a number, which stands on the left when the sides are swapped.
fn each_item(
    interpreter: &mut Interpreter<'_>,
    operation: &BinaryOperation,
    items: Vec<Item>,
    span: Span,
    number: f64,
    is_swapped: bool,
) -> Result<Vec<Item>, EvalError> {
    let op = operation.op;
    let drops_names = operation.returns_bool || !op.is_comparison() && !op.is_trim();
    let number = SampleValue::Float(number);
    let (mut all, mut names) = (Vec::new(), interpreter.names());
    let mut misfit = None;
    for item in items {
        let combined =
            if is_swapped { combine(op, &number, &item.value, span) } else { combine(op, &item.value, &number, span) };
        let combined = match combined {
            Ok(combined) => combined,
            Err(why) => {
                misfit = Some(why);
                continue;
            }
        };
        let value = if operation.returns_bool {
            SampleValue::Float(f64::from(u8::from(combined.passes)))
        } else if !combined.passes {
            continue;
        } else if op.is_comparison() {
            // What is kept is the element, on whichever side it stands.
            item.value.clone()
        } else {
            combined.value
        };
        all.push(if drops_names { names.item(&item.labels, value) } else { Item { value, ..item } });
    }
    names.finish(&all, span)?;
    if let Some(Misfit::Types(note) | Misfit::Resets(note)) = misfit {
        interpreter.notes.add(note);
    } else if let Some(Misfit::Schemas) = misfit {
        interpreter.notes.add(Annotation::incompatible_layout(op.as_str(), span));
    }
    Ok(all)
}

/// The result of an arithmetic operator; NaN for others.
pub(super) fn calculate(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        _ => f64::NAN,
    }
}

/// Whether a comparison holds; others never do.
pub(super) fn compare(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Greater => left > right,
        BinaryOp::Less => left < right,
        BinaryOp::GreaterEqual => left >= right,
        BinaryOp::LessEqual => left <= right,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::tests::{store, value_of};

    #[test]
    fn combines_numbers_and_vectors() {
        let store = store(&[("a{x='1'}", "1"), ("a{x='2'}", "2"), ("a{x='3'}", "NaN")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("2 ^ 3 ^ 0", "2");
        check("-7 % 3", "-1");
        check("1 / 0", "inf");
        check("1 > bool 2", "0");
        check("2 - a", r#"{x="1"} 1; {x="2"} 0; {x="3"} NaN"#);
        check("a > 1", r#"a{x="2"} 2"#);
        check("1 < a", r#"a{x="2"} 2"#);
        check("a != 1", r#"a{x="2"} 2; a{x="3"} NaN"#);
        check("a == bool 1", r#"{x="1"} 1; {x="2"} 0; {x="3"} 0"#);
        check("2 >= bool a", r#"{x="1"} 1; {x="2"} 1; {x="3"} 0"#);
        check("nothing + 1", "");
        check("1 </ 2", "error: operator \"</\" not allowed for Scalar operations");
        check("a >/ 1", "");
    }
}
