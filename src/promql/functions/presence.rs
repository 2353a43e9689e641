//! Whether there is anything at all.

use super::super::Span;
use super::super::ast::{Expr, ExprKind};
use super::super::interpret::{EvalError, Interpreter};
use super::super::value::{Item, Outcome};
use crate::model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

pub(super) fn absent(interpreter: &mut Interpreter<'_>, args: &[Expr], _: Span) -> Result<Outcome, EvalError> {
    let is_absent = interpreter.vector(&args[0])?.is_empty();
    Ok(absence(is_absent, &args[0]))
}

pub(super) fn absent_over_time(
    interpreter: &mut Interpreter<'_>,
    args: &[Expr],
    _: Span,
) -> Result<Outcome, EvalError> {
    let mut is_absent = true;
    interpreter.windows(&args[0], |_, _| is_absent = false)?;
    Ok(absence(is_absent, &args[0]))
}

fn absence(is_absent: bool, of: &Expr) -> Outcome {
    let item = || Item { labels: labels_of(of), value: 1.0.into(), drops_name: false };
    Outcome::Vector(if is_absent { vec![item()] } else { Vec::new() })
}

/// The labels that an expression would surely have: those that a selector asks for with `=`, and for which it does not
/// ask twice.
pub(in super::super) fn labels_of(expr: &Expr) -> Labels {
    match &expr.kind {
        ExprKind::Paren(inner) => labels_of(inner),
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => sure_labels(&selector.matchers),
        _ => Labels::empty(),
    }
}

fn sure_labels(matchers: &[Matcher]) -> Labels {
    let mut labels = LabelsBuilder::default();
    let mut asked: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| &*matcher.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !asked.contains(&&*matcher.name) {
            labels.set(matcher.name.clone(), matcher.value.clone());
            asked.push(&matcher.name);
        } else {
            labels.remove(&matcher.name);
        }
    }
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};

    #[test]
    fn absence_has_the_labels_that_were_asked_for() {
        let store = store(&[("here", "1")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("absent(here)", "");
        check("absent(gone)", "{} 1");
        check("absent((gone{a='1', b=~'.+', c!='x'}))", r#"{a="1"} 1"#);
        check("absent(gone{a='1', a='2', b='3'})", r#"{b="3"} 1"#);
        check("absent(gone{a='1', a=~'2', b='3'})", r#"{b="3"} 1"#);
        check("absent(sum(gone{a='1'}))", "{} 1");
        check("absent(here > 1)", "{} 1");
        check("absent_over_time(here[5m])", "");
        check("absent_over_time(gone{a='1'}[5m])", r#"{a="1"} 1"#);
        check("absent_over_time(gone[5m:])", "{} 1");
    }
}
