//! What is the same at every moment of a query.

use super::ast::{Expr, ExprKind};

/// Whether an expression has the same value at every moment of a query, because `@` fixes all that it reads. Of an
/// aggregation only what is aggregated counts, as in Prometheus.
pub(super) fn is_step_invariant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bytes(_) => true,
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => selector.shift.at.is_some(),
        ExprKind::Subquery(subquery) => subquery.shift.at.is_some(),
        ExprKind::Call(call) => {
            let args = call.args.iter().all(is_step_invariant);
            let is_fixed_timestamp = call.name() == "timestamp" && matches!(call.args[0].kind, ExprKind::Selector(_));
            args && (!call.function.is_unsafe_under_at() || is_fixed_timestamp)
        }
        ExprKind::Aggregate(aggregation) => is_step_invariant(&aggregation.expr),
        ExprKind::Binary(operation) => is_step_invariant(&operation.left) && is_step_invariant(&operation.right),
        ExprKind::Negate(inner) | ExprKind::Paren(inner) => is_step_invariant(inner),
    }
}
