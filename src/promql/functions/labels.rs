//! Functions that write labels, or sort by them.

use std::cmp::Ordering;

use regex::Regex;

use crate::model::{METRIC_NAME, anchored_regex};

use super::super::ast::{Expr, ExprKind};
use super::super::interpret::{EvalError, Interpreter};
use super::super::names::expect_unique;
use super::super::value::{Item, Outcome};
use super::super::{ParseError, Span};
use super::conversion;

/// The longest label that is written, in bytes. Nested calls could double a label at each level.
pub(in super::super) const WRITTEN_MAX: usize = 64 * 1024;

/// `label_replace(v, target, replacement, source, regex)`
pub(super) fn replace(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let target = target(interpreter, &args[1], "label_replace")?;
    let replacement = interpreter.text(&args[2])?;
    let source = interpreter.text(&args[3])?;
    let pattern = interpreter.text(&args[4])?;
    let regex = anchored(&pattern).map_err(|_| {
        EvalError::new(args[4].span, format!("invalid regular expression in label_replace(): {pattern}"))
    })?;
    let mut items = interpreter.vector(&args[0])?;
    for item in &mut items {
        let Some(captures) = regex.captures(item.labels.get(&source)) else { continue };
        let mut value = String::new();
        captures.expand(&replacement, &mut value);
        set(item, &target, &value, span)?;
    }
    expect_unique(items.iter().map(|item| &item.labels), span)?;
    Ok(Outcome::Vector(items))
}

/// `label_join(v, target, separator, source, …)`
pub(super) fn join(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let target = target(interpreter, &args[1], "label_join")?;
    let separator = interpreter.text(&args[2])?;
    let sources: Vec<String> = args[3..].iter().map(|arg| interpreter.text(arg)).collect::<Result<_, _>>()?;
    if sources.iter().any(String::is_empty) {
        return Err(EvalError::new(span, "invalid source label name in label_join(): "));
    }
    let mut items = interpreter.vector(&args[0])?;
    for item in &mut items {
        let values: Vec<&str> = sources.iter().map(|source| item.labels.get(source)).collect();
        let value = values.join(&separator);
        set(item, &target, &value, span)?;
    }
    expect_unique(items.iter().map(|item| &item.labels), span)?;
    Ok(Outcome::Vector(items))
}

fn set(item: &mut Item, name: &str, value: &str, span: Span) -> Result<(), EvalError> {
    if value.len() > WRITTEN_MAX {
        let what = format!("the label `{name}` becomes longer than {WRITTEN_MAX} bytes");
        return Err(EvalError::new(span, what));
    }
    let mut labels = item.labels.edit();
    labels.set(name, value);
    item.labels = labels.build();
    item.drops_name &= name != METRIC_NAME;
    Ok(())
}

/// `sort_by_label(v, label, …)`
pub(super) fn sort(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let names = args[1..].iter().map(|arg| interpreter.text(arg)).collect::<Result<Vec<_>, _>>()?;
    let mut items = interpreter.vector(&args[0])?;
    conversion::note_sort(interpreter, args, span);
    items.sort_by(|a, b| by_labels(a, b, &names));
    Ok(Outcome::Vector(items))
}

/// `sort_by_label_desc(v, label, …)`
pub(super) fn sort_desc(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let names = args[1..].iter().map(|arg| interpreter.text(arg)).collect::<Result<Vec<_>, _>>()?;
    let mut items = interpreter.vector(&args[0])?;
    conversion::note_sort(interpreter, args, span);
    items.sort_by(|a, b| by_labels(b, a, &names));
    Ok(Outcome::Vector(items))
}

/// The order by some labels, and by all where those are equal.
fn by_labels(a: &Item, b: &Item, names: &[String]) -> Ordering {
    let by_name = names.iter().map(|name| natural_order(a.labels.get(name), b.labels.get(name)));
    by_name.fold(Ordering::Equal, Ordering::then).then_with(|| a.labels.cmp(&b.labels))
}

/// The order of texts in which numbers within them count as numbers: `v2` before `v10`.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let ((a_piece, a_rest), (b_piece, b_rest)) = (first_piece(a), first_piece(b));
        let order = match (a_piece.parse::<u64>(), b_piece.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a_piece.cmp(b_piece),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    a.len().cmp(&b.len())
}

/// The digits, or what is none, at the beginning of a text, and the rest.
fn first_piece(text: &str) -> (&str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let is_number = text.starts_with(is_digit);
    text.split_at(text.find(|c| is_digit(c) != is_number).unwrap_or(text.len()))
}

/// The label that is written; the words are Prometheus's.
fn target(interpreter: &mut Interpreter<'_>, arg: &Expr, function: &str) -> Result<String, EvalError> {
    let name = interpreter.text(arg)?;
    if name.is_empty() {
        return Err(EvalError::new(arg.span, format!("invalid destination label name in {function}(): {name}")));
    }
    Ok(name)
}

/// The regular expression, which has to match a whole value.
pub(in super::super) fn anchored(pattern: &str) -> Result<Regex, String> {
    anchored_regex(pattern).map_err(|_| format!("`{pattern}` is not a regular expression"))
}

/// Finds out while parsing what would fail at every evaluation.
pub(super) fn check_replace(args: &[Expr]) -> Result<(), ParseError> {
    match args.get(4).map(|arg| (&arg.kind, arg.span)) {
        Some((ExprKind::Text(pattern), span)) => {
            anchored(pattern).map(drop).map_err(|what| ParseError::new(span, what))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};
    use super::super::super::parse;

    #[test]
    fn labels_are_written() {
        let store = store(&[("a{src='x-1', dst='old'}", "1"), ("a{src='x-2', dst='old'}", "2")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check(
            "label_replace(a, 'dst', 'is $1', 'src', 'x-(.*)')",
            r#"a{dst="is 1", src="x-1"} 1; a{dst="is 2", src="x-2"} 2"#,
        );
        check(
            "label_replace(a, 'dst', '${n}${n}', 'src', 'x-(?P<n>.*)')",
            r#"a{dst="11", src="x-1"} 1; a{dst="22", src="x-2"} 2"#,
        );
        check("label_replace(a{src='x-1'}, 'dst', '$1', 'src', '1')", r#"a{dst="old", src="x-1"} 1"#);
        check("label_replace(a{src='x-1'}, 'dst', '', 'dst', '.*')", r#"a{src="x-1"} 1"#);
        check("label_replace(a{src='x-1'}, 'new', '$$', 'none', '')", r#"a{dst="old", new="$", src="x-1"} 1"#);
        check(
            "label_replace(a, 'src', '', '', '')",
            r#"error: vector cannot contain metrics with the same labelset: a{dst="old"} comes twice"#,
        );
        check("label_replace(a, '', '', '', '')", "error: invalid destination label name in label_replace(): ");
        check("label_join(a{src='x-1'}, 'dst', '-', 'src', 'none', 'src')", r#"a{dst="x-1--x-1", src="x-1"} 1"#);
        check("label_join(a{src='x-1'}, 'dst', '-')", r#"a{src="x-1"} 1"#);
    }

    #[test]
    fn numbers_within_labels_count() {
        let mut texts = ["v10", "v2", "b", "v2x", "", "2", "10", "v2.10", "v2.9"];
        texts.sort_by(|a, b| super::natural_order(a, b));
        assert_eq!(texts, ["", "2", "10", "b", "v2", "v2.9", "v2.10", "v2x", "v10"]);
    }

    #[test]
    fn labels_do_not_grow_without_bound() {
        let store = store(&[("a{x='12345678'}", "1")]);
        let doubled = |times: usize| {
            let source = format!("{}a{}", "label_join(".repeat(times), ", 'x', '', 'x', 'x')".repeat(times));
            value_of(&format!("count({source})"), &store, 0)
        };
        assert_eq!(doubled(13), "{} 1");
        assert_eq!(doubled(60), "error: the label `x` becomes longer than 65536 bytes");
    }

    #[test]
    fn a_broken_regex_is_found_while_parsing() {
        let error = parse("label_replace(a, 'b', '$1', 'c', '(.*')").unwrap_err();
        assert_eq!(error.what, "`(.*` is not a regular expression");
    }
}
