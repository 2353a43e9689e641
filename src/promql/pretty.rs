//! Prints a tree over several lines where one would be too long.

use super::ast::{Expr, ExprKind};
use super::print::{aggregation_head, operator_text, subquery_range};

/// How many bytes one line may have; a node that has no more is not broken.
const LINE_BYTES_MAX: usize = 100;
/// What each level of nesting is moved to the right by.
const INDENT: &str = "  ";

/// An expression as Prometheus formats it: a node that fits into a line is one; of any other the parts stand on lines of their
/// own, moved to the right.
pub fn pretty(expr: &Expr) -> String {
    at_level(expr, 0)
}

fn at_level(expr: &Expr, level: usize) -> String {
    let (indent, line) = (INDENT.repeat(level), expr.to_string());
    let fits = line.len() <= LINE_BYTES_MAX;
    match &expr.kind {
        // What is negated stands behind its sign.
        ExprKind::Negate(inner) => format!("{indent}-{}", at_level(inner, level).trim()),
        // Prometheus does not indent a subquery that fits.
        ExprKind::Subquery(_) if fits => line,
        _ if fits => format!("{indent}{line}"),
        ExprKind::Subquery(query) => format!("{}{}", at_level(&query.expr, level), subquery_range(query)),
        ExprKind::Aggregate(aggregation) => {
            let head = aggregation_head(aggregation);
            let param = aggregation.param.as_ref().map(|param| format!("{},\n", at_level(param, level + 1)));
            let param = param.unwrap_or_default();
            format!("{indent}{head}(\n{param}{}\n{indent})", at_level(&aggregation.expr, level + 1))
        }
        ExprKind::Call(call) => {
            let args: Vec<String> = call.args.iter().map(|arg| at_level(arg, level + 1)).collect();
            format!("{indent}{}(\n{}\n{indent})", call.name(), args.join(",\n"))
        }
        ExprKind::Binary(operation) => {
            let (left, right) = (at_level(&operation.left, level + 1), at_level(&operation.right, level + 1));
            format!("{left}\n{indent}{}\n{right}", operator_text(operation))
        }
        ExprKind::Paren(inner) => format!("{indent}(\n{}\n{indent})", at_level(inner, level + 1)),
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Bytes(_)
        | ExprKind::Selector(_)
        | ExprKind::Range { .. } => format!("{indent}{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_any;
    use super::*;

    #[test]
    fn what_does_not_fit_is_broken_where_prometheus_breaks_it() {
        let check = |source: &str, want: &str| {
            let expr = parse_any(source).unwrap();
            let broken = pretty(&expr);
            assert_eq!(broken, want, "{source}");
            assert_eq!(parse_any(&broken).unwrap(), expr, "{source}");
        };
        let long = |name: &str| format!("{name}_{}", "x".repeat(60));
        let (a, b) = (long("a"), long("b"));
        check("sum  by(x)(a)", "sum by (x) (a)");
        check(
            &format!("sum by (job) (rate({a}[5m])) / on (job) group_left () rate({b}[5m])"),
            &format!("  sum by (job) (rate({a}[5m]))\n/ on (job) group_left ()\n  rate({b}[5m])"),
        );
        check(&format!("topk(3, {a} > bool {b})"), &format!("topk(\n  3,\n    {a}\n  > bool\n    {b}\n)"));
        check(
            &format!("label_replace({a}, 'dst', '$1', 'src', '(.*)') == ({b})"),
            &format!(
                "  label_replace(\n    {a},\n    \"dst\",\n    \"$1\",\n    \"src\",\n    \"(.*)\"\n  )\n==\n  ({b})"
            ),
        );
        check(
            &format!("max_over_time(({a} + {b})[1h:] offset 5m)"),
            &format!("max_over_time(\n  (\n      {a}\n    +\n      {b}\n  )[1h:] offset 5m\n)"),
        );
        check(&format!("-(({a} + {b}))"), &format!("-(\n  (\n      {a}\n    +\n      {b}\n  )\n)"));
    }
}
