//! Binary operators on numbers and on vectors with a number; `matching` has those on two vectors.

use super::Span;
use super::ast::{BinaryOp, BinaryOperation};
use super::interpret::{Element, EvalError, Interpreter, Value, map_values};
use super::matching::{join, set_operation};

/// The value of a binary operation.
pub(super) fn binary(
    interpreter: &mut Interpreter<'_>,
    operation: &BinaryOperation,
    span: Span,
) -> Result<Value, EvalError> {
    let op = operation.op;
    if op.is_trim() {
        return Err(EvalError::unsupported(span, &format!("`{}`", op.as_str())));
    }
    let left = interpreter.value(&operation.left)?;
    let right = interpreter.value(&operation.right)?;
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(if op.is_comparison() {
            f64::from(u8::from(compare(op, left, right)))
        } else {
            calculate(op, left, right)
        })),
        (Value::Vector(left), Value::Scalar(right)) => {
            each_element(operation, left, span, |value| (value, right)).map(Value::Vector)
        }
        (Value::Scalar(left), Value::Vector(right)) => {
            each_element(operation, right, span, |value| (left, value)).map(Value::Vector)
        }
        (Value::Vector(left), Value::Vector(right)) if op.is_set() => {
            Ok(Value::Vector(set_operation(op, left, right, &operation.matching)))
        }
        (Value::Vector(left), Value::Vector(right)) => join(operation, &left, &right, span).map(Value::Vector),
        _ => Err(EvalError::new(span, "only scalars and instant vectors have operators")),
    }
}

/// A vector and a number: `sides` puts the number on its side of the operator.
fn each_element(
    operation: &BinaryOperation,
    mut elements: Vec<Element>,
    span: Span,
    sides: impl Fn(f64) -> (f64, f64),
) -> Result<Vec<Element>, EvalError> {
    let op = operation.op;
    let holds = |value: f64| {
        let (left, right) = sides(value);
        compare(op, left, right)
    };
    if op.is_comparison() && !operation.returns_bool {
        elements.retain(|element| holds(element.value));
        return Ok(elements);
    }
    map_values(elements, span, |value| {
        let (left, right) = sides(value);
        Some(if op.is_comparison() { f64::from(u8::from(holds(value))) } else { calculate(op, left, right) })
    })
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
    }
}
