//! What in an expression is sound and probably not meant.

use std::time::Duration;

use crate::model::{METRIC_NAME, MatchOp};
use crate::promql::{Aggregation, Expr, ExprKind, Grouping, LengthKind, SelectorUse, Span, selectors};

/// Functions that need two samples of a window.
const RATES: [&str; 7] = ["rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear"];

/// The aggregations directly in a `histogram_quantile` that take its buckets away.
pub(super) fn missing_le(expr: &Expr) -> Vec<Span> {
    let mut found = Vec::new();
    walk(expr, &mut |expr| {
        let ExprKind::Call(call) = &expr.kind else { return };
        let ("histogram_quantile", [_, argument]) = (call.name(), call.args.as_slice()) else { return };
        if let ExprKind::Aggregate(aggregation) = &inner(argument).kind
            && takes_le(aggregation)
            && selectors(argument).iter().any(is_of_buckets)
        {
            found.push(inner(argument).span);
        }
    });
    found
}

/// Whether a selector names buckets. A histogram by any other name may be a native one, which has no `le`.
fn is_of_buckets(selector: &SelectorUse) -> bool {
    let mut names = selector.matchers.iter().filter(|matcher| &*matcher.name == METRIC_NAME);
    names.any(|matcher| matcher.op == MatchOp::Equal && matcher.value.ends_with("_bucket"))
}

/// Whether the label `le` is gone behind an aggregation.
fn takes_le(aggregation: &Aggregation) -> bool {
    match &aggregation.grouping {
        Grouping::By(labels) => !labels.iter().any(|label| label == "le"),
        Grouping::Without(labels) => labels.iter().any(|label| label == "le"),
    }
}

/// The windows of rates that are shorter than `needed`.
pub(super) fn short_rate(expr: &Expr, needed: Duration) -> Vec<(Span, Duration)> {
    let mut found = Vec::new();
    walk(expr, &mut |expr| {
        let ExprKind::Call(call) = &expr.kind else { return };
        let Some(argument) = call.args.first().filter(|_| RATES.contains(&call.name())) else { return };
        if let ExprKind::Range { range, .. } = &inner(argument).kind
            && let LengthKind::Duration(range) = range.kind
            && range < needed
        {
            found.push((inner(argument).span, range));
        }
    });
    found
}

fn inner(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Paren(expr) => inner(expr),
        _ => expr,
    }
}

fn walk(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::Subquery(query) => walk(&query.expr, visit),
        ExprKind::Call(call) => call.args.iter().for_each(|expr| walk(expr, visit)),
        ExprKind::Aggregate(aggregation) => {
            aggregation.param.iter().for_each(|expr| walk(expr, visit));
            walk(&aggregation.expr, visit);
        }
        ExprKind::Binary(binary) => {
            walk(&binary.left, visit);
            walk(&binary.right, visit);
        }
        ExprKind::Negate(expr) | ExprKind::Paren(expr) => walk(expr, visit),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    #[test]
    fn buckets_are_missed_where_they_are_taken_away() {
        let check = |text: &str, want: usize| {
            assert_eq!(missing_le(&parse(text).unwrap()).len(), want, "{text}");
        };
        check("histogram_quantile(0.9, sum by (job) (rate(x_bucket[5m]))) > 1", 1);
        check("histogram_quantile(0.9, (sum without (le) (rate(x_bucket[5m]))))", 1);
        check("histogram_quantile(0.9, sum by (job, le) (rate(x_bucket[5m])))", 0);
        check("histogram_quantile(0.9, sum without (pod) (rate(x_bucket[5m])))", 0);
        check("histogram_quantile(0.9, sum(rate(x_bucket[5m])))", 1);
        check("histogram_quantile(0.9, sum by (job) (rate(x[5m])))", 0);
        check("histogram_quantile(0.9, rate(x_bucket[5m]))", 0);
        check("sum by (job) (x)", 0);
    }

    #[test]
    fn a_rate_needs_two_samples() {
        let check = |text: &str, want: usize| {
            assert_eq!(short_rate(&parse(text).unwrap(), Duration::from_secs(30)).len(), want, "{text}");
        };
        check("rate(x[15s])", 1);
        check("sum(increase((x[29s]))) + irate(x[1s])", 2);
        check("rate(x[30s])", 0);
        check("max_over_time(x[15s])", 0);
        check("max_over_time(rate(x[15s])[1h:])", 1);
    }
}
