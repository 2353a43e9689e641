//! What is valid PromQL and still cannot be evaluated.

use super::ast::{Call, Expr, ExprKind, Reading, Selector, Shift};
use super::length::{Length, Moments};
use super::{ParseError, Span, functions};
use crate::model::Timestamp;

/// The functions that work on anchored and on smoothed ranges.
const ANCHORED: [&str; 5] = ["changes", "delta", "increase", "rate", "resets"];
const SMOOTHED: [&str; 3] = ["delta", "increase", "rate"];

/// The first thing that makes an expression impossible to evaluate: a calculated duration or a regular expression that fails in
/// every query, a text that is none. [`parse`](super::parse) refuses it.
pub fn unsupported(expr: &Expr) -> Option<ParseError> {
    refusal(expr, None).err()
}

/// Looks through an expression that is an argument of a call, or of nothing.
fn refusal(expr: &Expr, caller: Option<&Call>) -> Result<(), ParseError> {
    match &expr.kind {
        ExprKind::Bytes(_) => Err(ParseError::new(expr.span, "a text must be UTF-8")),
        ExprKind::Selector(selector) => check_shift(&selector.shift),
        ExprKind::Range { selector, range } => {
            check_range(range)?;
            check_reading(selector, expr.span, caller)?;
            check_shift(&selector.shift)
        }
        ExprKind::Subquery(subquery) => {
            check_range(&subquery.range)?;
            subquery.step.as_ref().map_or(Ok(()), check_range)?;
            check_shift(&subquery.shift)?;
            refusal(&subquery.expr, None)
        }
        ExprKind::Call(call) => {
            functions::check_texts(call)?;
            call.args.iter().try_for_each(|arg| refusal(arg, Some(call)))
        }
        ExprKind::Paren(inner) => refusal(inner, caller),
        _ => expr.children().into_iter().try_for_each(|child| refusal(child, None)),
    }
}

/// `anchored` and `smoothed` have a meaning for some functions only.
pub(super) fn check_reading(selector: &Selector, span: Span, caller: Option<&Call>) -> Result<(), ParseError> {
    let name = selector.reading.as_str();
    let fitting: &[&str] = match selector.reading {
        Reading::Plain => return Ok(()),
        Reading::Anchored => &ANCHORED,
        Reading::Smoothed => &SMOOTHED,
    };
    match caller {
        Some(call) if !fitting.contains(&call.name()) => {
            // As Prometheus says it when it evaluates.
            let what =
                format!("{name} modifier can only be used with: {} - not with {}", fitting.join(", "), call.name());
            Err(ParseError::new(span, what))
        }
        _ => Ok(()),
    }
}

/// Any query will do for what does not depend on it.
fn any_query() -> Moments {
    Moments::instant(Timestamp::from_millis(0))
}

fn check_range(range: &Length) -> Result<(), ParseError> {
    if range.is_constant() {
        range.duration(any_query())?;
    }
    Ok(())
}

fn check_shift(shift: &Shift) -> Result<(), ParseError> {
    if let Some(offset) = shift.offset.as_ref().filter(|offset| offset.is_constant()) {
        offset.millis(any_query())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_any};

    #[test]
    fn says_what_cannot_be_evaluated_and_where() {
        let check = |source: &str, spot: &str, want: &str| {
            let error = parse(source).unwrap_err();
            assert_eq!(error.what, want, "{source}");
            assert_eq!(&source[error.span.start as usize..error.span.end as usize], spot, "{source}");
            assert!(parse_any(source).is_ok(), "{source}");
        };
        let smoothed = "smoothed modifier can only be used with: delta, increase, rate - not with changes";
        check("sum(changes((a[5m] smoothed)))", "a[5m] smoothed", smoothed);
        let anchored =
            "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with deriv";
        check("1 + deriv(a[5m] anchored)", "a[5m] anchored", anchored);
        check("rate(a[5m-5m])", "5m-5m", "the duration must be greater than 0");
        check("rate(a[-2^2])", "-2^2", "the duration must be greater than 0");
        check("max_over_time(a[1h:1m-1m])", "1m-1m", "the duration must be greater than 0");
        check("label_replace(a, 'b', '', 'c', '(')", "'('", "`(` is not a regular expression");
        check("a offset (10^100)", "(10^100)", "duration out of range");
        check("max_over_time(a[1h:] offset (10^100))", "(10^100)", "duration out of range");
    }

    #[test]
    fn what_depends_on_the_query_is_left_to_it() {
        assert!(parse("rate(a[step()]) + rate(a[range():step()])").is_ok());
        assert!(parse("a offset (1/step())").is_ok());
    }
}
