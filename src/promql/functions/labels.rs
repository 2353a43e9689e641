//! Functions that write labels.

use regex::Regex;

use crate::model::anchored_regex;

use super::super::ast::{Expr, ExprKind};
use super::super::interpret::{Element, EvalError, Interpreter, Value, expect_unique};
use super::super::{ParseError, Span};

/// `label_replace(v, target, replacement, source, regex)`
pub(super) fn replace(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Value, EvalError> {
    let target = target(interpreter, &args[1])?;
    let replacement = interpreter.text(&args[2])?;
    let source = interpreter.text(&args[3])?;
    let regex = anchored(&interpreter.text(&args[4])?).map_err(|what| EvalError::new(args[4].span, what))?;
    let mut elements = interpreter.vector(&args[0])?;
    for element in &mut elements {
        let Some(captures) = regex.captures(element.labels.get(&source)) else { continue };
        let mut value = String::new();
        captures.expand(&replacement, &mut value);
        set(element, &target, value.as_str());
    }
    expect_unique(&elements, span)?;
    Ok(Value::Vector(elements))
}

/// `label_join(v, target, separator, source, …)`
pub(super) fn join(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Value, EvalError> {
    let target = target(interpreter, &args[1])?;
    let separator = interpreter.text(&args[2])?;
    let sources: Vec<String> = args[3..].iter().map(|arg| interpreter.text(arg)).collect::<Result<_, _>>()?;
    let mut elements = interpreter.vector(&args[0])?;
    for element in &mut elements {
        let values: Vec<&str> = sources.iter().map(|source| element.labels.get(source)).collect();
        let value = values.join(&separator);
        set(element, &target, &value);
    }
    expect_unique(&elements, span)?;
    Ok(Value::Vector(elements))
}

fn set(element: &mut Element, name: &str, value: &str) {
    let mut labels = element.labels.edit();
    labels.set(name, value);
    element.labels = labels.build();
}

fn target(interpreter: &mut Interpreter<'_>, arg: &Expr) -> Result<String, EvalError> {
    let name = interpreter.text(arg)?;
    if name.is_empty() { Err(EvalError::new(arg.span, "a label needs a name")) } else { Ok(name) }
}

/// The regular expression, which has to match a whole value.
fn anchored(pattern: &str) -> Result<Regex, String> {
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
        check("label_replace(a, '', '', '', '')", "error: a label needs a name");
        check("label_join(a{src='x-1'}, 'dst', '-', 'src', 'none', 'src')", r#"a{dst="x-1--x-1", src="x-1"} 1"#);
        check("label_join(a{src='x-1'}, 'dst', '-')", r#"a{src="x-1"} 1"#);
    }

    #[test]
    fn a_broken_regex_is_found_while_parsing() {
        let error = parse("label_replace(a, 'b', '$1', 'c', '(.*')").unwrap_err();
        assert_eq!(error.what, "`(.*` is not a regular expression");
    }
}
