//! An expression as a tree of objects, as Prometheus's `/parse_query` gives it.

use serde_json::{Value, json};

use crate::model::{METRIC_NAME, MatchOp, Matcher};
use crate::promql::{
    At, BinaryOp, BinaryOperation, Call, Expr, ExprKind, Grouping, Length, LengthKind, MatchingSide, Reading, Selector,
    Shift, ValueType, type_of,
};

use super::number::scalar_value;

/// The tree. The parser bounds how deep it is.
pub(super) fn tree(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(value) => json!({"type": "numberLiteral", "val": scalar_value(*value)}),
        ExprKind::Text(text) => json!({"type": "stringLiteral", "val": text}),
        ExprKind::Bytes(bytes) => json!({"type": "stringLiteral", "val": String::from_utf8_lossy(bytes)}),
        ExprKind::Selector(of) => with(selector("vectorSelector", of), []),
        ExprKind::Range { selector: of, range } => with(
            selector("matrixSelector", of),
            [("range", json!(range.fixed_ms().unwrap_or(0))), ("rangeExpr", length(Some(range)))],
        ),
        ExprKind::Subquery(query) => {
            let step = query.step.as_ref();
            let object = json!({
                "type": "subquery",
                "expr": tree(&query.expr),
                "range": query.range.fixed_ms().unwrap_or(0),
                "rangeExpr": length(Some(&query.range)),
                "step": step.and_then(Length::fixed_ms).unwrap_or(0),
                "stepExpr": length(step),
            });
            with(object, shift(&query.shift))
        }
        ExprKind::Call(of) => call(of),
        ExprKind::Aggregate(of) => {
            let (grouping, without) = match &of.grouping {
                Grouping::By(labels) => (labels, false),
                Grouping::Without(labels) => (labels, true),
            };
            json!({
                "type": "aggregation",
                "op": of.op.as_str(),
                "expr": tree(&of.expr),
                "param": of.param.as_ref().map(tree),
                "grouping": grouping,
                "without": without,
            })
        }
        ExprKind::Binary(of) => json!({
            "type": "binaryExpr",
            "op": of.op.as_str(),
            "lhs": tree(&of.left),
            "rhs": tree(&of.right),
            "matching": matching(of),
            "bool": of.returns_bool,
        }),
        ExprKind::Negate(inner) => json!({"type": "unaryExpr", "op": "-", "expr": tree(inner)}),
        ExprKind::Paren(inner) => json!({"type": "parenExpr", "expr": tree(inner)}),
    }
}

/// An object with more in it.
fn with<const N: usize>(mut object: Value, more: [(&str, Value); N]) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

fn call(call: &Call) -> Value {
    let function = call.function();
    let (least, most) = function.arity();
    let args = function.args();
    json!({
        "type": "call",
        "func": {
            "name": function.name(),
            "argTypes": args.iter().map(|kind| kind_name(*kind)).collect::<Vec<_>>(),
            // How many more or fewer arguments there may be; -1 is any number more.
            "variadic": most.map_or(-1, |most| i64::try_from(most - least).unwrap_or(i64::MAX)),
            "returnType": kind_name(function.returns()),
        },
        "args": call.args.iter().map(tree).collect::<Vec<_>>(),
    })
}

fn kind_name(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Scalar => "scalar",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
        ValueType::String => "string",
    }
}

/// Only two vectors are matched.
fn matching(of: &BinaryOperation) -> Value {
    if [&of.left, &of.right].into_iter().any(|side| type_of(side) != ValueType::Vector) {
        return Value::Null;
    }
    let card = match of.matching.many {
        _ if of.op.is_set() => "many-to-many",
        None => "one-to-one",
        Some(MatchingSide::Left) => "many-to-one",
        Some(MatchingSide::Right) => "one-to-many",
    };
    json!({
        "card": card,
        "labels": of.matching.labels,
        "on": of.matching.is_on,
        "include": of.matching.include,
        "fillValues": {"lhs": of.matching.fill.left, "rhs": of.matching.fill.right},
    })
}

fn selector(kind: &str, of: &Selector) -> Value {
    let is_name = |matcher: &&Matcher| &*matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal;
    // The name comes first with us and last with Prometheus.
    let (name, rest) = match of.matchers.split_first() {
        Some((first, rest)) if is_name(&first) => (Some(first), rest),
        _ => (None, of.matchers.as_slice()),
    };
    let matchers: Vec<Value> = rest
        .iter()
        .chain(name)
        .map(|it| json!({"name": &*it.name, "value": &*it.value, "type": it.op.to_string()}))
        .collect();
    let object = json!({
        "type": kind,
        "name": name.map_or("", |name| &name.value),
        "matchers": matchers,
        "anchored": of.reading == Reading::Anchored,
        "smoothed": of.reading == Reading::Smoothed,
    });
    with(object, shift(&of.shift))
}

fn shift(shift: &Shift) -> [(&'static str, Value); 4] {
    let (timestamp, end) = match shift.at {
        None => (Value::Null, Value::Null),
        Some(At::Time(at)) => (json!(at.millis()), Value::Null),
        Some(At::Start) => (Value::Null, json!("start")),
        Some(At::End) => (Value::Null, json!("end")),
    };
    let offset = shift.offset.as_ref();
    [
        ("offset", json!(offset.and_then(Length::fixed_ms).unwrap_or(0))),
        ("offsetExpr", length(offset)),
        ("timestamp", timestamp),
        ("startOrEnd", end),
    ]
}

/// A length that is calculated; one that is written as a number or a duration is told as a number alone.
fn length(length: Option<&Length>) -> Value {
    match length.map(|it| (it, &it.kind)) {
        None | Some((_, LengthKind::Duration(_) | LengthKind::Seconds(_))) => Value::Null,
        Some((it, LengthKind::Negate(inner)))
            if matches!(inner.kind, LengthKind::Duration(_) | LengthKind::Seconds(_)) =>
        {
            debug_assert!(it.fixed_ms().is_some());
            Value::Null
        }
        Some((it, _)) => calculation(it, false),
    }
}

fn calculation(length: &Length, is_wrapped: bool) -> Value {
    let node = |op: &str, left: Option<&Length>, right: Option<&Length>| {
        json!({
            "type": "durationExpr",
            "op": op,
            "lhs": left.map(|it| calculation(it, false)),
            "rhs": right.map(|it| calculation(it, false)),
            "wrapped": is_wrapped,
        })
    };
    let number = |seconds: f64, is_duration: bool| json!({"type": "numberLiteral", "val": scalar_value(seconds), "duration": is_duration});
    match &length.kind {
        LengthKind::Duration(duration) => number(duration.as_secs_f64(), true),
        LengthKind::Seconds(seconds) => number(*seconds, false),
        LengthKind::Step => node("step", None, None),
        LengthKind::Range => node("range", None, None),
        LengthKind::Negate(inner) => node(BinaryOp::Subtract.as_str(), None, Some(inner)),
        LengthKind::Paren(inner) => calculation(inner, true),
        LengthKind::Binary(op, sides) => node(op.as_str(), Some(&sides.0), Some(&sides.1)),
        LengthKind::MinOf(sides) => node("min_of", Some(&sides.0), Some(&sides.1)),
        LengthKind::MaxOf(sides) => node("max_of", Some(&sides.0), Some(&sides.1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse_any;

    #[test]
    fn a_tree_is_told_as_prometheus_tells_it() {
        let check = |source: &str, want: Value| assert_eq!(tree(&parse_any(source).unwrap()), want, "{source}");
        check("1.5", json!({"type": "numberLiteral", "val": "1.5"}));
        let up = json!({
            "type": "vectorSelector", "name": "up", "offset": 0, "offsetExpr": null, "timestamp": null,
            "startOrEnd": null, "anchored": false, "smoothed": false,
            "matchers": [
                {"name": "job", "value": "a", "type": "=~"}, {"name": "__name__", "value": "up", "type": "="},
            ],
        });
        check("up{job=~'a'}", up.clone());
        check("(up{job=~'a'})", json!({"type": "parenExpr", "expr": up}));
        check(
            "sum without (x) (-up{job=~'a'})",
            json!({
                "type": "aggregation", "op": "sum", "param": null, "grouping": ["x"], "without": true,
                "expr": {"type": "unaryExpr", "op": "-", "expr": up},
            }),
        );
        check(
            "up{job=~'a'} * on (x) group_left (y) up{job=~'a'}",
            json!({
                "type": "binaryExpr", "op": "*", "lhs": up, "rhs": up, "bool": false,
                "matching": {
                    "card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"],
                    "fillValues": {"lhs": null, "rhs": null},
                },
            }),
        );
        check(
            "1 == bool 2",
            json!({
                "type": "binaryExpr", "op": "==", "matching": null, "bool": true,
                "lhs": {"type": "numberLiteral", "val": "1"}, "rhs": {"type": "numberLiteral", "val": "2"},
            }),
        );
    }

    #[test]
    fn ranges_are_told() {
        let told = tree(&parse_any("rate(a[5m] offset 1m) + max_over_time(b[1h:30s] @ 5)").unwrap());
        let (rate, max) = (&told["lhs"], &told["rhs"]);
        let function = json!({"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"});
        assert_eq!(rate["func"], function);
        let range = &rate["args"][0];
        assert_eq!((&range["type"], &range["range"]), (&json!("matrixSelector"), &json!(300_000)));
        assert_eq!((&range["offset"], &range["rangeExpr"]), (&json!(60_000), &Value::Null));
        let subquery = &max["args"][0];
        assert_eq!((&subquery["step"], &subquery["timestamp"]), (&json!(30_000), &json!(5000)));
        let calculated = tree(&parse_any("a[(step() + 1m)] @ end()").unwrap());
        assert_eq!(calculated["startOrEnd"], json!("end"));
        assert_eq!(
            calculated["rangeExpr"],
            json!({
                "type": "durationExpr", "op": "+", "wrapped": true,
                "lhs": {"type": "durationExpr", "op": "step", "lhs": null, "rhs": null, "wrapped": false},
                "rhs": {"type": "numberLiteral", "val": "60", "duration": true},
            })
        );
        let variadic = |source: &str| tree(&parse_any(source).unwrap())["func"]["variadic"].clone();
        assert_eq!([variadic("round(a)"), variadic("label_join(a, 'x', '')")], [json!(1), json!(-1)]);
    }
}
