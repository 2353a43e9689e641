//! What is valid PromQL and still cannot be evaluated.

use super::ast::{BinaryOperation, Call, Expr, ExprKind, Reading, Selector, Shift};
use super::length::{Length, Moments};
use super::{ParseError, Span, functions};
use crate::model::Timestamp;

/// The functions that work on anchored and on smoothed ranges.
const ANCHORED: [&str; 5] = ["changes", "delta", "increase", "rate", "resets"];
const SMOOTHED: [&str; 3] = ["delta", "increase", "rate"];

/// The first thing that makes an expression impossible to evaluate: a feature that is missing, or a calculated duration or
/// a regular expression that fails in every query. [`parse`](super::parse) refuses it.
pub fn unsupported(expr: &Expr) -> Option<ParseError> {
    refusal(expr, None).err()
}

/// Looks through an expression that is an argument of a call, or of nothing.
fn refusal(expr: &Expr, caller: Option<&Call>) -> Result<(), ParseError> {
    let missing = |feature: &str| Err(ParseError::unsupported(expr.span, feature));
    match &expr.kind {
        ExprKind::Bytes(_) => missing("text that is not UTF-8"),
        ExprKind::Selector(selector) => check_selector(selector, expr.span, None),
        ExprKind::Range { selector, range } => {
            check_range(range)?;
            check_selector(selector, expr.span, caller)
        }
        ExprKind::Subquery(subquery) => {
            check_range(&subquery.range)?;
            subquery.step.as_ref().map_or(Ok(()), check_range)?;
            check_shift(&subquery.shift)?;
            refusal(&subquery.expr, None)
        }
        ExprKind::Call(call) => {
            if !call.function.is_supported() {
                return missing(&format!("`{}`", call.name()));
            }
            functions::check_texts(call)?;
            call.args.iter().try_for_each(|arg| refusal(arg, Some(call)))
        }
        ExprKind::Binary(operation) => {
            let BinaryOperation { op, .. } = &**operation;
            expr.children().into_iter().try_for_each(|child| refusal(child, None))?;
            if op.is_trim() { missing(&format!("`{}`", op.as_str())) } else { Ok(()) }
        }
        ExprKind::Paren(inner) => refusal(inner, caller),
        _ => expr.children().into_iter().try_for_each(|child| refusal(child, None)),
    }
}

fn check_selector(selector: &Selector, span: Span, caller: Option<&Call>) -> Result<(), ParseError> {
    let name = selector.reading.as_str();
    let fitting: &[&str] = match selector.reading {
        Reading::Plain => return check_shift(&selector.shift),
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
        _ => Err(ParseError::unsupported(span, &format!("`{name}`"))),
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
        check("rate(a[5m] smoothed)", "a[5m] smoothed", "`smoothed` is not supported yet");
        check("resets(a[5m] anchored) > 1", "a[5m] anchored", "`anchored` is not supported yet");
        check("a or a smoothed", "a smoothed", "`smoothed` is not supported yet");
        check("1 + (a </ 2)", "a </ 2", "`</` is not supported yet");
        check("info(a, {b=''}) + 1", "info(a, {b=''})", "`info` is not supported yet");
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
