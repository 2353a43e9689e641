//! Prints a tree as PromQL that parses to the same tree.

use std::fmt;

use super::ast::{
    Aggregation, At, BinaryOperation, Call, Expr, ExprKind, Fill, Grouping, Matching, MatchingSide, Reading, Selector,
    Shift, Subquery,
};
use super::length::Length;
use super::lexer::is_metric_name;
use super::literal::{Number, Quoted, QuotedBytes};
use crate::model::{METRIC_NAME, MatchOp, Matcher, is_label_name};

/// Canonical PromQL: one line, one space where one is due, grouping before the argument.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(value) => write!(f, "{}", Number(*value)),
            ExprKind::Text(text) => write!(f, "{}", Quoted(text)),
            ExprKind::Bytes(bytes) => write!(f, "{}", QuotedBytes(bytes)),
            ExprKind::Selector(of) => selector(f, of, None),
            ExprKind::Range { selector: of, range } => selector(f, of, Some(range)),
            ExprKind::Subquery(query) => write!(f, "{}{}", query.expr, subquery_range(query)),
            ExprKind::Call(call) => function_call(f, call),
            ExprKind::Aggregate(aggregation) => aggregate(f, aggregation),
            ExprKind::Binary(operation) => binary(f, operation),
            ExprKind::Negate(expr) => write!(f, "-{expr}"),
            ExprKind::Paren(expr) => write!(f, "({expr})"),
        }
    }
}

/// Matchers as the selector that asks for them.
pub fn selector_text(all: &[Matcher]) -> String {
    struct Text<'a>(&'a [Matcher]);
    impl fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            matchers(f, self.0)
        }
    }
    Text(all).to_string()
}

fn matchers(f: &mut fmt::Formatter<'_>, all: &[Matcher]) -> fmt::Result {
    let (name, rest) = match all.split_first() {
        Some((first, rest)) if names_metric(first, rest) => (Some(&*first.value), rest),
        _ => (None, all),
    };
    if let Some(name) = name {
        f.write_str(name)?;
    }
    if name.is_some() && rest.is_empty() { Ok(()) } else { braces(f, rest) }
}

fn braces(f: &mut fmt::Formatter<'_>, matchers: &[Matcher]) -> fmt::Result {
    f.write_str("{")?;
    for (at, matcher) in matchers.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{}{}{}", Name(&matcher.name), matcher.op, Quoted(&matcher.value))?;
    }
    f.write_str("}")
}

/// Whether the first matcher can be written before the braces: no other may be about the name then.
fn names_metric(first: &Matcher, rest: &[Matcher]) -> bool {
    let is_name = |matcher: &Matcher| &*matcher.name == METRIC_NAME;
    is_name(first) && first.op == MatchOp::Equal && is_metric_name(&first.value) && !rest.iter().any(is_name)
}

fn selector(f: &mut fmt::Formatter<'_>, selector: &Selector, range: Option<&Length>) -> fmt::Result {
    matchers(f, &selector.matchers)?;
    if let Some(range) = range {
        write!(f, "[{range}]")?;
    }
    if selector.reading != Reading::Plain {
        write!(f, " {}", selector.reading.as_str())?;
    }
    write!(f, "{}", selector.shift)
}

/// With a blank before each modifier.
impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            None => {}
            Some(At::Time(at)) => write!(f, " @ {}", seconds(at.millis()))?,
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
        }
        match &self.offset {
            Some(offset) => write!(f, " offset {offset}"),
            None => Ok(()),
        }
    }
}

/// Milliseconds as seconds, exactly.
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let (whole, part) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    let part = format!(".{part:03}");
    format!("{sign}{whole}{}", part.trim_end_matches('0').trim_end_matches('.'))
}

fn function_call(f: &mut fmt::Formatter<'_>, call: &Call) -> fmt::Result {
    write!(f, "{}(", call.name())?;
    for (at, arg) in call.args.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { ", " })?;
        match &arg.kind {
            ExprKind::Selector(selector) if at == 1 && call.function.chooses_labels() => {
                braces(f, &selector.matchers)?;
            }
            _ => write!(f, "{arg}")?,
        }
    }
    f.write_str(")")
}

/// What stands behind the expression of a subquery.
pub(super) fn subquery_range(query: &Subquery) -> String {
    let step = query.step.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("[{}:{step}]{}", query.range, query.shift)
}

/// What stands before the parentheses of an aggregation.
pub(super) fn aggregation_head(aggregation: &Aggregation) -> String {
    let op = aggregation.op.as_str();
    match &aggregation.grouping {
        Grouping::By(labels) if labels.is_empty() => op.to_owned(),
        Grouping::By(labels) => format!("{op} by ({}) ", Names(labels)),
        Grouping::Without(labels) => format!("{op} without ({}) ", Names(labels)),
    }
}

fn aggregate(f: &mut fmt::Formatter<'_>, aggregation: &Aggregation) -> fmt::Result {
    f.write_str(&aggregation_head(aggregation))?;
    match &aggregation.param {
        Some(param) => write!(f, "({param}, {})", aggregation.expr),
        None => write!(f, "({})", aggregation.expr),
    }
}

/// What stands between the sides of a binary operation.
pub(super) fn operator_text(operation: &BinaryOperation) -> String {
    let returns_bool = if operation.returns_bool { " bool" } else { "" };
    format!("{}{returns_bool}{}", operation.op.as_str(), operation.matching)
}

fn binary(f: &mut fmt::Formatter<'_>, operation: &BinaryOperation) -> fmt::Result {
    write!(f, "{} {} {}", operation.left, operator_text(operation), operation.right)
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_on || !self.labels.is_empty() || self.many.is_some() {
            write!(f, " {} ({})", if self.is_on { "on" } else { "ignoring" }, Names(&self.labels))?;
        }
        match self.many {
            Some(MatchingSide::Left) => write!(f, " group_left ({})", Names(&self.include))?,
            Some(MatchingSide::Right) => write!(f, " group_right ({})", Names(&self.include))?,
            None => {}
        }
        write!(f, "{}", self.fill)
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(value), true) = (self.left, *self == Self { left: self.left, right: self.left }) {
            return write!(f, " fill ({})", Number(value));
        }
        for (word, value) in [("fill_left", self.left), ("fill_right", self.right)] {
            if let Some(value) = value {
                write!(f, " {word} ({})", Number(value))?;
            }
        }
        Ok(())
    }
}

/// A label name, in quotes where it needs them.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_label_name(self.0) { f.write_str(self.0) } else { write!(f, "{}", Quoted(self.0)) }
    }
}

struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { ", " }, Name(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_any as parse;

    #[test]
    fn prints_canonical_promql() {
        let check = |source: &str, want: &str| {
            let printed = parse(source).unwrap().to_string();
            assert_eq!(printed, want);
            assert_eq!(parse(&printed).unwrap().to_string(), want, "printed again");
        };
        check("up", "up");
        check("up{}", "up");
        check(r#"{job='node',"up"}"#, r#"up{job="node"}"#);
        check(r#"{"up",__name__!='x'}"#, r#"{__name__="up", __name__!="x"}"#);
        check(r#"{"bool"}"#, r#"{__name__="bool"}"#);
        check(r#"{"my.metric", "a b"=~`\d+`}"#, r#"{__name__="my.metric", "a b"=~"\\d+"}"#);
        check("SUM(up)BY(job,)", "sum by (job) (up)");
        check("sum by () (up)", "sum(up)");
        check("sum without()(up)", "sum without () (up)");
        check("topk(3,up)", "topk(3, up)");
        check("rate(x[300]offset 1h)", "rate(x[5m] offset 1h)");
        check("x offset -90s", "x offset -1m30s");
        check("max_over_time(rate(x[5m])[1h:])", "max_over_time(rate(x[5m])[1h:])");
        check("(a+b)[1h:30] offset 5m", "(a + b)[1h:30s] offset 5m");
        check("a/on(job)group_left(x)b", "a / on (job) group_left (x) b");
        check("a == BOOL 1", "a == bool 1");
        check("a and ignoring(x) b", "a and ignoring (x) b");
        check("a and on() b", "a and on () b");
        check("-a^2", "-a ^ 2");
        check("(-a)^2", "(-a) ^ 2");
        check("- - 1", "1");
        check("1e3 > bool 5m", "1000 > bool 300");
        check("-inF", "-Inf");
        check(r#"'\xff"'"#, r#""\xff\"""#);
        check("a</2", "a </ 2");
        check("LIMITK(3,a)", "limitk(3, a)");
        check("info(a, {__name__='b', c=~''})", r#"info(a, {__name__="b", c=~""})"#);
        check("x @ 1.050 + y @ -0.001", "x @ 1.05 + y @ -0.001");
    }
}
