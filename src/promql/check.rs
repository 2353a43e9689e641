//! Types: which operands and arguments fit together.

use super::ast::{Aggregation, BinaryOperation, Call, Expr, ExprKind, ValueType};
use super::functions::Function;
use super::{ParseError, Span};

/// What an expression evaluates to.
pub fn type_of(expr: &Expr) -> ValueType {
    match &expr.kind {
        ExprKind::Number(_) => ValueType::Scalar,
        ExprKind::Text(_) | ExprKind::Bytes(_) => ValueType::String,
        ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
        ExprKind::Range { .. } | ExprKind::Subquery(_) => ValueType::Matrix,
        ExprKind::Call(call) => call.function.returns(),
        ExprKind::Binary(operation) => {
            let scalars = [&operation.left, &operation.right].iter().all(|side| type_of(side) == ValueType::Scalar);
            if scalars { ValueType::Scalar } else { ValueType::Vector }
        }
        ExprKind::Negate(inner) | ExprKind::Paren(inner) => type_of(inner),
    }
}

/// Finds the first place where types do not fit.
pub(super) fn check(expr: &Expr) -> Result<(), ParseError> {
    match &expr.kind {
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Bytes(_)
        | ExprKind::Selector(_)
        | ExprKind::Range { .. } => Ok(()),
        ExprKind::Subquery(subquery) => {
            check(&subquery.expr)?;
            expect(&subquery.expr, ValueType::Vector, "a subquery")
        }
        ExprKind::Call(call) => check_call(call, expr.span),
        ExprKind::Aggregate(aggregation) => check_aggregation(aggregation),
        ExprKind::Binary(operation) => check_binary(operation, expr.span),
        // The parser has looked at the operand already, which a plus leaves behind as it is.
        ExprKind::Negate(inner) | ExprKind::Paren(inner) => check(inner),
    }
}

/// Whether a sign may stand before an operand.
pub(super) fn check_signed(operand: &Expr) -> Result<(), ParseError> {
    match type_of(operand) {
        ValueType::Scalar | ValueType::Vector => Ok(()),
        found => Err(ParseError::new(
            operand.span,
            format!("a sign can stand before a scalar or an instant vector, not before {}", with_article(found)),
        )),
    }
}

fn expect(expr: &Expr, wanted: ValueType, who: &str) -> Result<(), ParseError> {
    let found = type_of(expr);
    if found == wanted {
        return Ok(());
    }
    let error =
        ParseError::new(expr.span, format!("{who} takes {}, found {}", with_article(wanted), with_article(found)));
    Err(match (wanted, found) {
        (ValueType::Matrix, ValueType::Vector) if matches!(expr.kind, ExprKind::Selector(_)) => {
            error.with_hint("say how much of it, as in `[5m]`")
        }
        (ValueType::Matrix, ValueType::Vector) => error.with_hint("make it a subquery, as in `[5m:]`"),
        (ValueType::Vector, ValueType::Scalar) => error.with_hint("`vector()` makes a vector of a scalar"),
        (ValueType::Scalar, ValueType::Vector) => error.with_hint("`scalar()` makes a scalar of a vector"),
        _ => error,
    })
}

fn with_article(kind: ValueType) -> String {
    format!("{} {}", if kind == ValueType::Vector { "an" } else { "a" }, kind.as_str())
}

fn check_call(call: &Call, span: Span) -> Result<(), ParseError> {
    let function = call.function;
    for arg in &call.args {
        check(arg)?;
    }
    let (fewest, most) = function.arity();
    let found = call.args.len();
    if found < fewest || most.is_some_and(|most| found > most) {
        return Err(ParseError::new(span, wrong_arity(function, found)));
    }
    for (at, arg) in call.args.iter().enumerate() {
        if let Some(wanted) = function.arg(at) {
            expect(arg, wanted, &format!("`{}`", function.name()))?;
        }
    }
    Ok(())
}

fn wrong_arity(function: &Function, found: usize) -> String {
    let takes = match function.arity() {
        (0, Some(0)) => "no arguments".to_owned(),
        (1, Some(1)) => "1 argument".to_owned(),
        (fewest, Some(most)) if fewest == most => format!("{most} arguments"),
        (fewest, Some(most)) => format!("{fewest} to {most} arguments"),
        (fewest, None) => format!("at least {fewest} arguments"),
    };
    format!("`{}` takes {takes}, found {found}", function.name())
}

fn check_aggregation(aggregation: &Aggregation) -> Result<(), ParseError> {
    let name = format!("`{}`", aggregation.op.as_str());
    if let (Some(param), Some(wanted)) = (&aggregation.param, aggregation.op.param_type()) {
        check(param)?;
        expect(param, wanted, &name)?;
    }
    check(&aggregation.expr)?;
    expect(&aggregation.expr, ValueType::Vector, &name)
}

fn check_binary(operation: &BinaryOperation, span: Span) -> Result<(), ParseError> {
    let BinaryOperation { op, left, right, returns_bool, matching } = operation;
    check(left)?;
    check(right)?;
    let (left_type, right_type) = (type_of(left), type_of(right));
    let name = op.as_str();
    let fail = |what: String| Err(ParseError::new(span, what));
    for (side, found) in [(left, left_type), (right, right_type)] {
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            let what = format!("`{name}` takes scalars and instant vectors, found {}", with_article(found));
            return Err(ParseError::new(side.span, what));
        }
    }
    let both_vectors = left_type == ValueType::Vector && right_type == ValueType::Vector;
    let both_scalars = left_type == ValueType::Scalar && right_type == ValueType::Scalar;
    if *returns_bool && !op.is_comparison() {
        return fail(format!("`bool` can only stand behind a comparison, not behind `{name}`"));
    }
    if op.is_comparison() && both_scalars && !returns_bool {
        return Err(ParseError::new(span, "a comparison of two scalars needs `bool`")
            .with_hint(format!("write `{name} bool`, or make one side a vector")));
    }
    if op.is_set() && !both_vectors {
        return fail(format!("`{name}` takes two instant vectors"));
    }
    if op.is_set() && matching.many.is_some() {
        return fail(format!("`{name}` knows no `group_left` and `group_right`: every match counts"));
    }
    if op.is_set() && !matching.fill.is_none() {
        return fail(format!("`{name}` knows no `fill`: an element without a partner has no value to be combined"));
    }
    if !both_vectors && !matching.fill.is_none() {
        return fail("`fill` is only for two instant vectors".to_owned());
    }
    if !both_vectors && (matching.is_on || !matching.labels.is_empty() || matching.many.is_some()) {
        return fail("`on` and `ignoring` are only for two instant vectors".to_owned());
    }
    match matching.include.iter().find(|label| matching.is_on && matching.labels.contains(label)) {
        Some(label) => fail(format!("`{label}` cannot be both in `on` and in the labels taken over")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_any as parse;
    use super::*;

    #[test]
    fn knows_types() {
        let check = |source: &str, want: ValueType| assert_eq!(type_of(&parse(source).unwrap()), want, "{source}");
        check("1 + 2", ValueType::Scalar);
        check("-(1 > bool 2)", ValueType::Scalar);
        check("1 + up", ValueType::Vector);
        check("up[5m]", ValueType::Matrix);
        check("abs(up)[5m:]", ValueType::Matrix);
        check("sum(up)", ValueType::Vector);
        check("time()", ValueType::Scalar);
        check("('a')", ValueType::String);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let check = |source: &str, want: &str| {
            let error = parse(source).unwrap_err();
            assert_eq!(error.what, want, "{source}");
        };
        check("rate(up)", "`rate` takes a range vector, found an instant vector");
        check("floor()", "`floor` takes 1 argument, found 0");
        check("time(up)", "`time` takes no arguments, found 1");
        check("round(a, 1, 2)", "`round` takes 1 to 2 arguments, found 3");
        check("label_join(a)", "`label_join` takes at least 3 arguments, found 1");
        check("floor(1)", "`floor` takes an instant vector, found a scalar");
        check("topk(a, b)", "`topk` takes a scalar, found an instant vector");
        check("sum(1)", "`sum` takes an instant vector, found a scalar");
        check("1 == 1", "a comparison of two scalars needs `bool`");
        check("a + bool b", "`bool` can only stand behind a comparison, not behind `+`");
        check("a and 1", "`and` takes two instant vectors");
        check("a or on (x) group_left b", "`or` knows no `group_left` and `group_right`: every match counts");
        check("a and fill (0) b", "`and` knows no `fill`: an element without a partner has no value to be combined");
        check("a + fill (0) 1", "`fill` is only for two instant vectors");
        check("limitk(a, b)", "`limitk` takes a scalar, found an instant vector");
        check("count_values(5, b)", "`count_values` takes a string, found a scalar");
        check("histogram_quantiles(a, 'q')", "`histogram_quantiles` takes 3 to 12 arguments, found 2");
        check("step(1)", "`step` takes no arguments, found 1");
        check("a == on (x) 1", "`on` and `ignoring` are only for two instant vectors");
        check("a + on (x) group_left (x) b", "`x` cannot be both in `on` and in the labels taken over");
        check("'a' + 1", "`+` takes scalars and instant vectors, found a string");
        check("-up[5m]", "a sign can stand before a scalar or an instant vector, not before a range vector");
        check("+'a'", "a sign can stand before a scalar or an instant vector, not before a string");
        check("up[5m][5m:]", "a subquery takes an instant vector, found a range vector");
    }
}
