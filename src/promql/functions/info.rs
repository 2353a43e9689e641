//! `info`: labels of the info metrics that describe the same thing as an element, by its `instance` and `job`.

use std::collections::{BTreeMap, HashMap};

use super::super::Span;
use super::super::ast::{At, Expr, ExprKind, Shift};
use super::super::interpret::{EvalError, Interpreter};
use super::super::names::same_labels;
use super::super::selection::Newest;
use super::super::value::{Item, Outcome};
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, Timestamp};

/// The info metric that is meant when none is named.
const TARGET_INFO: &str = "target_info";

/// The names that an info metric has when only what it is not is said.
const INFO_NAMES: &str = ".+_info";

/// The labels by which an element and what describes it belong together.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// `info(v, {labels to take over})`
pub(super) fn info(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let base = interpreter.vector(&args[0])?;
    let names = name_matchers(args);
    let (wanted, place): (Vec<&Matcher>, Span) = match args.get(1) {
        Some(Expr { kind: ExprKind::Selector(selector), span }) => {
            (selector.matchers.iter().filter(|matcher| &*matcher.name != METRIC_NAME).collect(), *span)
        }
        _ => (Vec::new(), span),
    };
    let is_info = |item: &Item| names.iter().all(|name| name.matches_value(item.labels.metric_name()));
    let has_identity = |item: &Item| IDENTIFYING.iter().any(|label| !item.labels.get(label).is_empty());
    let described = if base.iter().any(|item| !is_info(item) && has_identity(item)) {
        let at = moment_of(interpreter, &args[0])?;
        let found = interpreter.newest_at(&matchers(args), at, place)?;
        newest_of_each(found, span)?
    } else {
        Described::new()
    };
    let can_be_without = wanted.iter().all(|matcher| matcher.matches_value(""));
    let mut joined: Vec<Item> = Vec::with_capacity(base.len());
    for item in base {
        if is_info(&item) {
            joined.push(item);
            continue;
        }
        let infos = described.values().filter_map(|by_identity| by_identity.get(&identity(&item.labels)));
        let infos: Vec<&Labels> = infos.map(|(labels, _)| labels).collect();
        if infos.is_empty() && !can_be_without {
            continue;
        }
        let labels = with_infos(&item.labels, &infos, &wanted, span)?;
        joined.push(Item { labels, ..item });
    }
    let mut seen = std::collections::HashSet::with_capacity(joined.len());
    if let Some(twice) = joined.iter().find(|item| !seen.insert(&item.labels)) {
        return Err(same_labels(&twice.labels, span));
    }
    Ok(Outcome::Vector(joined))
}

/// What the name of an info metric must match.
fn name_matchers(args: &[Expr]) -> Vec<Matcher> {
    let new = |op: MatchOp, value: &str| Matcher::new(METRIC_NAME, op, value).ok();
    let given: Vec<Matcher> = match args.get(1).map(|arg| &arg.kind) {
        Some(ExprKind::Selector(selector)) => {
            selector.matchers.iter().filter(|matcher| &*matcher.name == METRIC_NAME).cloned().collect()
        }
        _ => Vec::new(),
    };
    if given.is_empty() {
        return new(MatchOp::Equal, TARGET_INFO).into_iter().collect();
    }
    let says_what_it_is = given.iter().any(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Regex));
    if says_what_it_is { given } else { new(MatchOp::Regex, INFO_NAMES).into_iter().chain(given).collect() }
}

/// What selects the series whose labels are taken over.
pub(in super::super) fn matchers(args: &[Expr]) -> Vec<Matcher> {
    let mut all = name_matchers(args);
    if let Some(ExprKind::Selector(selector)) = args.get(1).map(|arg| &arg.kind) {
        all.extend(selector.matchers.iter().filter(|matcher| &*matcher.name != METRIC_NAME).cloned());
    }
    all
}

/// The shifts from a moment to that of the first selector of an expression, the inner ones first: the info metrics are read
/// as of then.
pub(in super::super) fn shifts(expr: &Expr) -> Option<Vec<&Shift>> {
    match &expr.kind {
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => Some(vec![&selector.shift]),
        ExprKind::Subquery(subquery) => {
            let mut inner = shifts(&subquery.expr)?;
            inner.push(&subquery.shift);
            Some(inner)
        }
        _ => expr.children().into_iter().find_map(shifts),
    }
}

fn moment_of(interpreter: &Interpreter<'_>, expr: &Expr) -> Result<Timestamp, EvalError> {
    let (mut at, mut back) = (None, 0_i64);
    for shift in shifts(expr).unwrap_or_default() {
        if let Some(offset) = &shift.offset {
            back = back.saturating_add(offset.millis(interpreter.query)?);
        }
        at = match shift.at {
            None => None,
            Some(At::Time(at)) => Some(at),
            Some(At::Start) => Some(interpreter.query.start),
            Some(At::End) => Some(interpreter.query.end),
        };
        if at.is_some() {
            break;
        }
    }
    Ok(at.unwrap_or(interpreter.at).shifted(-back))
}

type Identity = [String; 2];

/// By metric, and by what is described, the newest labels and when they were told.
type Described = BTreeMap<String, HashMap<Identity, (Labels, Timestamp)>>;

fn identity(labels: &Labels) -> Identity {
    IDENTIFYING.map(|label| labels.get(label).to_owned())
}

/// Of each info metric and each thing that it describes the newest sample's labels. Two that are equally new fail.
fn newest_of_each(found: Vec<Newest>, span: Span) -> Result<Described, EvalError> {
    let mut newest = Described::new();
    for Newest { labels, at, value, .. } in found {
        if value.float().is_none() {
            let what = format!("this should be an info metric, with float samples: {labels}");
            return Err(EvalError::new(span, what));
        }
        let by_identity = newest.entry(labels.metric_name().to_owned()).or_default();
        let key = identity(&labels);
        match by_identity.get(&key) {
            Some((_, earlier)) if *earlier > at => {}
            Some((existing, earlier)) if *earlier == at => {
                let mut both = [existing.to_string(), labels.to_string()];
                both.sort();
                let [existing, new] = both;
                let at = at.millis();
                let what =
                    format!("found duplicate series for info metric: existing {existing} @ {at}, new {new} @ {at}");
                return Err(EvalError::new(span, what));
            }
            _ => drop(by_identity.insert(key, (labels, at))),
        }
    }
    Ok(newest)
}

/// An element's labels and those that infos add: what is asked for, or everything; what the element has stays.
fn with_infos(base: &Labels, infos: &[&Labels], wanted: &[&Matcher], span: Span) -> Result<Labels, EvalError> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|matcher| &*matcher.name == name);
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for info in infos {
        for (name, value) in info.iter().filter(|(name, _)| *name != METRIC_NAME && is_wanted(name)) {
            if added.get(name).is_some_and(|other| *other != value) {
                return Err(EvalError::new(span, format!("conflicting label: {name}")));
            }
            if base.get(name).is_empty() {
                added.insert(name, value);
            }
        }
    }
    let mut labels = base.edit();
    for (name, value) in added {
        labels.set(name, value);
    }
    Ok(labels.build())
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};

    #[test]
    fn labels_of_info_metrics_are_added() {
        let store = store(&[
            ("m{instance='a', job='1', l='x'}", "0 1 2"),
            ("m{instance='b', job='1', l='x'}", "0 1 2"),
            ("target_info{instance='a', job='1', env='prod', l='y'}", "1 1 1"),
            ("build_info{instance='a', job='1', version='3'}", "1 1 1"),
        ]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 2), want, "{source}");
        check("info(m)", r#"m{env="prod", instance="a", job="1", l="x"} 2; m{instance="b", job="1", l="x"} 2"#);
        check("info(m, {env='prod'})", r#"m{env="prod", instance="a", job="1", l="x"} 2"#);
        check("info(m, {env='test'})", "");
        check("info(m, {__name__='build_info', version=~'.+'})", r#"m{instance="a", job="1", l="x", version="3"} 2"#);
        check("info(sum by (l) (m))", r#"{l="x"} 4"#);
        check("info(build_info, {__name__=~'.*_info'})", r#"build_info{instance="a", job="1", version="3"} 1"#);
    }
}
