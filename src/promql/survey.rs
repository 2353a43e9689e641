//! What an expression asks of the store, and whether it is a condition.

use std::time::Duration;

use super::LOOKBACK;
use super::ast::{BinaryOp, Expr, ExprKind, Selector, ValueType};
use super::check::type_of;
use crate::model::Matcher;

/// A selector of an expression and how far it looks back from the moment of evaluation.
#[derive(Clone, PartialEq, Debug)]
pub struct SelectorUse {
    /// Its matchers, the one on the metric's name among them.
    pub matchers: Vec<Matcher>,
    /// How long the store must keep samples for it.
    pub reach: Duration,
    /// The span of time that its value is about: nothing but the offset for an instant selector.
    pub window: Duration,
}

/// All selectors of an expression, in the order in which they are written. What subqueries around a selector look back is
/// added to it.
pub fn selectors(expr: &Expr) -> Vec<SelectorUse> {
    let mut uses = Vec::new();
    collect(expr, 0, &mut uses);
    uses
}

/// Collects the selectors of an expression that is evaluated up to `past_ms` before now.
fn collect(expr: &Expr, past_ms: i64, uses: &mut Vec<SelectorUse>) {
    let mut note = |selector: &Selector, range: Duration, reach: Duration| {
        let past_ms = past_ms.saturating_add(selector.offset_ms);
        let back = |duration: Duration| forwards(millis(duration).saturating_add(past_ms));
        uses.push(SelectorUse { matchers: selector.matchers.clone(), reach: back(reach), window: back(range) });
    };
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) => {}
        ExprKind::Selector(selector) => note(selector, Duration::ZERO, LOOKBACK),
        ExprKind::Range { selector, range } => note(selector, *range, *range),
        ExprKind::Subquery(query) => {
            let past_ms = past_ms.saturating_add(millis(query.range)).saturating_add(query.offset_ms);
            collect(&query.expr, past_ms, uses);
        }
        _ => children(expr).into_iter().for_each(|child| collect(child, past_ms, uses)),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn forwards(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Whether a vector can be empty by its own condition: a comparison without `bool`, `absent()`, or anything made of such.
/// What only holds values does not: `up` is empty when nothing is measured, which says nothing.
pub fn is_condition(expr: &Expr) -> bool {
    if type_of(expr) != ValueType::Vector && !matches!(expr.kind, ExprKind::Subquery(_)) {
        return false;
    }
    match &expr.kind {
        ExprKind::Binary(operation) => {
            let (left, right) = (is_condition(&operation.left), is_condition(&operation.right));
            match operation.op {
                // Either side of an `or` can save it from being empty.
                BinaryOp::Or => left && right,
                op if op.is_comparison() && !operation.returns_bool => true,
                _ => left || right,
            }
        }
        ExprKind::Call(call) if matches!(call.name(), "absent" | "absent_over_time") => true,
        _ => children(expr).into_iter().any(is_condition),
    }
}

/// The expressions directly below one.
fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Selector(_) | ExprKind::Range { .. } => Vec::new(),
        ExprKind::Subquery(query) => vec![&query.expr],
        ExprKind::Call(call) => call.args.iter().collect(),
        ExprKind::Aggregate(aggregation) => aggregation.param.iter().chain([&aggregation.expr]).collect(),
        ExprKind::Binary(operation) => vec![&operation.left, &operation.right],
        ExprKind::Negate(inner) | ExprKind::Paren(inner) => vec![inner],
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn finds_selectors_and_how_far_they_look() {
        let check = |source: &str, want: &[(&str, u64, u64)]| {
            let found: Vec<_> = selectors(&parse(source).unwrap())
                .iter()
                .map(|used| (used.matchers[0].value.to_string(), used.reach.as_secs() / 60, used.window.as_secs() / 60))
                .collect();
            let want: Vec<_> = want.iter().map(|(name, reach, window)| ((*name).to_owned(), *reach, *window)).collect();
            assert_eq!(found, want, "{source}");
        };
        check("1", &[]);
        check("up", &[("up", 5, 0)]);
        check("up offset 1h", &[("up", 65, 60)]);
        check("rate(a[30m] offset 10m) > b", &[("a", 40, 40), ("b", 5, 0)]);
        check("a offset -3m", &[("a", 2, 0)]);
        check("max_over_time(rate(a[5m])[1h:] offset 2h)", &[("a", 185, 185)]);
        check("max_over_time(up[1h:1m])", &[("up", 65, 60)]);
        check("topk(scalar(k), -(sum(a)))", &[("k", 5, 0), ("a", 5, 0)]);
    }

    #[test]
    fn tells_conditions_from_values() {
        let check = |source: &str, want: bool| assert_eq!(is_condition(&parse(source).unwrap()), want, "{source}");
        check("up == 0", true);
        check("(up == 0)", true);
        check("up == bool 0", false);
        check("up", false);
        check("1 > bool 2", false);
        check("absent(up)", true);
        check("a > 1 and b", true);
        check("a and b", false);
        check("a > 1 or b", false);
        check("a > 1 or b > 1", true);
        check("a unless b > 1", true);
        check("count(up == 0)", true);
        check("vector(scalar(up == 0))", false);
        check("count_over_time((up == 0)[5m:])", true);
        check("rate(a[5m]) * 2", false);
    }
}
