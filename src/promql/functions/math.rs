//! Functions of single values that the standard library does not have as PromQL has them.

use super::super::Span;
use super::super::ast::Expr;
use super::super::interpret::{EvalError, Interpreter};
use super::super::value::Outcome;

/// The lesser of two; NaN when either is.
pub(in super::super) fn min(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// The greater of two; NaN when either is.
pub(in super::super) fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

pub(super) fn lesser_scalar(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    Ok(Outcome::Scalar(min(interpreter.scalar(&args[0])?, interpreter.scalar(&args[1])?)))
}

pub(super) fn greater_scalar(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    Ok(Outcome::Scalar(max(interpreter.scalar(&args[0])?, interpreter.scalar(&args[1])?)))
}

pub(super) fn clamp(value: f64, scalars: &[f64]) -> Option<f64> {
    let [low, high] = scalars else { return None };
    (high >= low || low.is_nan() || high.is_nan()).then(|| max(*low, min(*high, value)))
}

pub(super) fn clamp_min(value: f64, scalars: &[f64]) -> Option<f64> {
    scalars.first().map(|low| max(*low, value))
}

pub(super) fn clamp_max(value: f64, scalars: &[f64]) -> Option<f64> {
    scalars.first().map(|high| min(*high, value))
}

/// To the nearest multiple, halves upwards. Dividing by the inverse keeps `round(x, 0.1)` exact where it can be.
pub(super) fn round(value: f64, scalars: &[f64]) -> Option<f64> {
    let inverse = 1.0 / scalars.first().unwrap_or(&1.0);
    Some((value * inverse + 0.5).floor() / inverse)
}

pub(super) fn sgn(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};

    #[test]
    fn values_are_changed_one_by_one() {
        let store = store(&[("a", "-2.5"), ("n", "NaN")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("abs(a)", "{} 2.5");
        check("ceil(a)", "{} -2");
        check("floor(a)", "{} -3");
        check("round(a)", "{} -2");
        check("round(a, 5)", "{} 0");
        check("round(vector(5.25), 0.1)", "{} 5.3");
        check("clamp(a, -1, 1)", "{} -1");
        check("clamp(a, 1, -1)", "");
        check("clamp(a, 0/0, 1)", "{} NaN");
        check("clamp_min(n, 0)", "{} NaN");
        check("clamp_max(a, -3)", "{} -3");
        check("clamp_min(a, 2)", "{} 2");
        check("min_of(3, time())", "0");
        check("MAX_OF(3, -5)", "3");
        check("min_of(NaN, 3)", "NaN");
        check("max_of(3, NaN)", "NaN");
        check("sgn(a)", "{} -1");
        check("sgn(n)", "{} NaN");
        check("sqrt(vector(16)) + exp(vector(0)) + ln(vector(1))", "{} 5");
    }
}
