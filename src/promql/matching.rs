//! Operators on two vectors: which elements are partners, and what becomes of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Span;
use super::ast::{BinaryOp, BinaryOperation, Fill, Matching, MatchingSide};
use super::binary::{calculate, compare};
use super::interpret::{Element, EvalError, is_about_metric};
use crate::model::{Labels, METRIC_NAME};

/// What partners have in common, as texts: label values, or names and values.
type Key<'a> = Vec<&'a str>;

impl Matching {
    /// What elements with these labels have in common with their partners.
    fn key<'a>(&self, labels: &'a Labels) -> Key<'a> {
        if self.is_on {
            return self.labels.iter().map(|name| labels.get(name)).collect();
        }
        let counts = |name: &str| name != METRIC_NAME && !self.labels.iter().any(|ignored| ignored == name);
        labels.iter().filter(|(name, _)| counts(name)).flat_map(|(name, value)| [name, value]).collect()
    }

    /// The labels of the key, as a set.
    pub(super) fn group(&self, labels: &Labels) -> Labels {
        let is_listed = |name: &str| self.labels.iter().any(|label| label == name);
        labels.filter(|name| if self.is_on { is_listed(name) } else { !is_listed(name) && name != METRIC_NAME })
    }
}

/// `and`, `or` and `unless`.
pub(super) fn set_operation(
    op: BinaryOp,
    left: Vec<Element>,
    right: Vec<Element>,
    matching: &Matching,
) -> Vec<Element> {
    let mut kept = left;
    if op == BinaryOp::Or {
        let taken = have_partners(&right, &kept, matching);
        kept.extend(right.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(element, _)| element));
        return kept;
    }
    let mut matched = have_partners(&kept, &right, matching).into_iter();
    kept.retain(|_| matched.next() == Some(op == BinaryOp::And));
    kept
}

/// For each element, whether it has a partner among others.
fn have_partners(elements: &[Element], others: &[Element], matching: &Matching) -> Vec<bool> {
    let keys: HashSet<Key<'_>> = others.iter().map(|other| matching.key(&other.labels)).collect();
    elements.iter().map(|element| keys.contains(&matching.key(&element.labels))).collect()
}

/// Arithmetic and comparisons: each element meets its one partner on the other side.
pub(super) fn join(
    operation: &BinaryOperation,
    left: &[Element],
    right: &[Element],
    span: Span,
) -> Result<Vec<Element>, EvalError> {
    let matching = &operation.matching;
    if matching.fill.is_none() && (left.is_empty() || right.is_empty()) {
        return Ok(Vec::new());
    }
    let is_swapped = matching.many == Some(MatchingSide::Right);
    let (many, one) = if is_swapped { (right, left) } else { (left, right) };
    // With `group_right` Prometheus swaps the sides before it fills them, and so do we: `fill_left` is for the many.
    let Fill { left: fill_many, right: fill_one } = matching.fill;
    // Each side is filled from the other as it is, and so never from what was filled in.
    let (many, one) = (filled(matching, many, one, fill_many), filled(matching, one, many, fill_one));
    let (many, one) = (&*many, &*one);
    let partners = partners(matching, one, if is_swapped { "left" } else { "right" }, span)?;
    let mut seen = Seen::new(matching, one.len());
    let mut joined = Vec::new();
    for element in many {
        let Some(&partner) = partners.get(&matching.key(&element.labels)) else { continue };
        let (left, right) = if is_swapped { (&one[partner], element) } else { (element, &one[partner]) };
        let (value, keeps) = result(operation, left.value, right.value);
        let labels = result_labels(operation, &element.labels, &one[partner].labels);
        seen.note(partner, &labels, span)?;
        if keeps {
            joined.push(Element { labels, value });
        }
    }
    Ok(joined)
}

/// The elements of a side, and one more for each group that only the other side has.
fn filled<'a>(matching: &Matching, side: &'a [Element], other: &[Element], fill: Option<f64>) -> Cow<'a, [Element]> {
    let Some(value) = fill else { return Cow::Borrowed(side) };
    let mut keys: HashSet<Key<'_>> = side.iter().map(|element| matching.key(&element.labels)).collect();
    let missing = other.iter().filter(|element| keys.insert(matching.key(&element.labels)));
    let stand_ins = missing.map(|element| Element { labels: matching.group(&element.labels), value });
    let stand_ins: Vec<Element> = stand_ins.collect();
    if stand_ins.is_empty() { Cow::Borrowed(side) } else { Cow::Owned([side, &stand_ins].concat()) }
}

/// Where each key stands on the side on which it may stand once.
fn partners<'a>(
    matching: &Matching,
    one: &'a [Element],
    side: &str,
    span: Span,
) -> Result<HashMap<Key<'a>, usize>, EvalError> {
    let mut partners = HashMap::with_capacity(one.len());
    for (at, element) in one.iter().enumerate() {
        if let Some(first) = partners.insert(matching.key(&element.labels), at) {
            // In order of labels, so that the message does not depend on which series came first.
            let mut twice = [&one[first].labels, &element.labels];
            twice.sort();
            let what = format!(
                "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];\
                 many-to-many matching not allowed: matching labels must be unique on one side",
                matching.group(&element.labels),
                in_braces(twice[0]),
                in_braces(twice[1]),
            );
            return Err(EvalError::new(span, what));
        }
    }
    Ok(partners)
}

/// Labels with the metric name as one of them, as Prometheus shows them in this error.
fn in_braces(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// The value of two partners, and whether it passes.
fn result(operation: &BinaryOperation, left: f64, right: f64) -> (f64, bool) {
    if !operation.op.is_comparison() {
        return (calculate(operation.op, left, right), true);
    }
    let holds = compare(operation.op, left, right);
    if operation.returns_bool { (f64::from(u8::from(holds)), true) } else { (left, holds) }
}

/// The labels of two partners: those of the many side, or those that both share, and what is taken over.
fn result_labels(operation: &BinaryOperation, many: &Labels, one: &Labels) -> Labels {
    let matching = &operation.matching;
    let drops_name = !operation.op.is_comparison() || operation.returns_bool;
    let matched = |name: &str| matching.labels.iter().any(|label| label == name);
    let labels = many.filter(|name| {
        let is_dropped_name = drops_name && is_about_metric(name);
        !is_dropped_name && (matching.many.is_some() || matched(name) == matching.is_on)
    });
    if matching.include.is_empty() {
        return labels;
    }
    let mut labels = labels.edit();
    for name in &matching.include {
        labels.set(name.as_str(), one.get(name));
    }
    labels.build()
}

/// Which partners have been met, so that no result comes twice.
enum Seen {
    /// Each partner once.
    Once(Vec<bool>),
    /// Each partner once for each label set of the result.
    Labelled(HashMap<usize, HashSet<Labels>>),
}

impl Seen {
    fn new(matching: &Matching, partners: usize) -> Self {
        if matching.many.is_some() { Self::Labelled(HashMap::new()) } else { Self::Once(vec![false; partners]) }
    }

    fn note(&mut self, partner: usize, labels: &Labels, span: Span) -> Result<(), EvalError> {
        let (is_new, advice) = match self {
            Self::Once(met) => (
                !std::mem::replace(&mut met[partner], true),
                "many-to-one matching must be explicit (group_left/group_right)",
            ),
            Self::Labelled(met) => {
                (met.entry(partner).or_default().insert(labels.clone()), "grouping labels must ensure unique matches")
            }
        };
        if is_new { Ok(()) } else { Err(EvalError::new(span, format!("multiple matches for labels: {advice}"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::tests::{store, value_of};

    #[test]
    fn partners_are_found_by_labels() {
        let store = store(&[
            ("req{job='a', code='200'}", "8"),
            ("req{job='a', code='500'}", "2"),
            ("req{job='b', code='500'}", "5"),
            ("max{job='a'}", "10"),
            ("max{job='b'}", "4"),
            ("role{job='a', role='web'}", "1"),
        ]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        let explicit =
            "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
        check("req / max", "");
        check("req / on (job) max", explicit);
        check("req > on (job) max", explicit);
        check("req / ignoring (code) max", explicit);
        check("req{code='500'} / ignoring (code) max", r#"{job="a"} 0.2; {job="b"} 1.25"#);
        check("req{code='500'} > on (job) max", r#"{job="b"} 5"#);
        check("max < ignoring (code) req{code='500'}", r#"max{job="b"} 4"#);
        check("max < bool ignoring (code) req{code='500'}", r#"{job="a"} 0; {job="b"} 1"#);
        check(
            "req / on (job) group_left max",
            r#"{code="200", job="a"} 0.8; {code="500", job="a"} 0.2; {code="500", job="b"} 1.25"#,
        );
        check("max < on (job) group_right req", r#"req{code="500", job="b"} 4"#);
        check("max * on (job) group_left (role) role", r#"{job="a", role="web"} 10"#);
        check(
            "max * on (job) group_left req",
            "error: found duplicate series for the match group {job=\"a\"} on the right hand-side of the operation: \
             [{__name__=\"req\", code=\"200\", job=\"a\"}, {__name__=\"req\", code=\"500\", job=\"a\"}];many-to-many \
             matching not allowed: matching labels must be unique on one side",
        );
        check(
            "{__name__=~'req|max'} * on (job) group_left role",
            r#"{code="200", job="a"} 8; {code="500", job="a"} 2; {job="a"} 10"#,
        );
        check(
            "{__name__=~'max|role', job='a'} * on () group_left vector(1)",
            r#"{job="a", role="web"} 1; {job="a"} 10"#,
        );
    }

    #[test]
    fn missing_partners_are_filled_in() {
        let store = store(&[
            ("l{x='a', y='1'}", "1"),
            ("l{x='a', y='2'}", "2"),
            ("l{x='b', y='1'}", "4"),
            ("r{x='a', z='q'}", "10"),
            ("r{x='c', z='p'}", "30"),
        ]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("l{y='1'} + on (x) r", r#"{x="a"} 11"#);
        check("l{y='1'} + on (x) fill (0) r", r#"{x="a"} 11; {x="b"} 4; {x="c"} 30"#);
        check("l{y='1'} - on (x) fill_right (1) r", r#"{x="a"} -9; {x="b"} 3"#);
        check("l{y='1'} - on (x) fill_left (1) r", r#"{x="a"} -9; {x="c"} -29"#);
        check("l{y='1'} > on (x) fill (3) r", r#"{x="b"} 4"#);
        check("l{y='1'} <= on (x) fill (3) r", r#"{x="a"} 1; {x="c"} 3"#);
        check(
            "l + on (x) group_left (z) fill (0) r",
            r#"{x="a", y="1", z="q"} 11; {x="a", y="2", z="q"} 12; {x="b", y="1"} 4; {x="c", z="p"} 30"#,
        );
        check("r * on (x) group_right fill_right (2) l{x='b'}", r#"{x="b", y="1"} 8"#);
        check("r * on (x) group_right fill_left (2) l{x='b'}", r#"{x="a"} 20; {x="c"} 60"#);
        check("l{y='1'} + on (x) fill_right (0) nothing", r#"{x="a"} 1; {x="b"} 4"#);
        check("nothing + on (x) fill_right (0) l{y='1'}", "");
        check(
            "l + on (x) fill (0) nothing",
            "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
        );
    }

    #[test]
    fn set_operators_keep_whole_elements() {
        let store = store(&[("a{x='1'}", "1"), ("a{x='2'}", "2"), ("b{x='2'}", "20"), ("b{x='3'}", "30")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("a and b", r#"a{x="2"} 2"#);
        check("a unless b", r#"a{x="1"} 1"#);
        check("a or b", r#"a{x="1"} 1; a{x="2"} 2; b{x="3"} 30"#);
        check("a and on () b", r#"a{x="1"} 1; a{x="2"} 2"#);
        check("a and on () c", "");
        check("a unless ignoring (x) b", "");
        check("c or a{x='1'}", r#"a{x="1"} 1"#);
        check("c and a", "");
    }
}
