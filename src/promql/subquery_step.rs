//! The step of subqueries that do not name one: that of whoever evaluates.

use std::time::Duration;

use super::ast::{Expr, ExprKind};
use super::length::{Length, LengthKind};

impl Expr {
    /// Gives every subquery this step that names none. Prometheus takes its evaluation interval.
    pub fn fill_subquery_steps(&mut self, step: Duration) {
        match &mut self.kind {
            ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Bytes(_)
            | ExprKind::Selector(_)
            | ExprKind::Range { .. } => {}
            ExprKind::Subquery(query) => {
                let span = query.range.span;
                query.step.get_or_insert(Length { kind: LengthKind::Duration(step), span });
                query.expr.fill_subquery_steps(step);
            }
            ExprKind::Call(call) => call.args.iter_mut().for_each(|argument| argument.fill_subquery_steps(step)),
            ExprKind::Aggregate(aggregation) => {
                aggregation.param.iter_mut().for_each(|param| param.fill_subquery_steps(step));
                aggregation.expr.fill_subquery_steps(step);
            }
            ExprKind::Binary(operation) => {
                operation.left.fill_subquery_steps(step);
                operation.right.fill_subquery_steps(step);
            }
            ExprKind::Negate(inner) | ExprKind::Paren(inner) => inner.fill_subquery_steps(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::parse;

    #[test]
    fn only_what_is_not_written_is_filled() {
        let check = |source: &str, want: &str| {
            let mut expr = parse(source).unwrap();
            expr.fill_subquery_steps(Duration::from_secs(15));
            assert_eq!(expr.to_string(), want, "{source}");
        };
        check("max_over_time(a[5m:])", "max_over_time(a[5m:15s])");
        check("max_over_time(a[5m:1m])", "max_over_time(a[5m:1m])");
        check(
            "-(sum by (x) (rate(sum_over_time(a[1m:])[1h:])) + topk(scalar(max_over_time(b[2m:])), c))",
            "-(sum by (x) (rate(sum_over_time(a[1m:15s])[1h:15s])) + topk(scalar(max_over_time(b[2m:15s])), c))",
        );
    }
}
