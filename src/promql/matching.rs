//! Operators on two vectors: which elements are partners, and what becomes of them.

use std::collections::{HashMap, HashSet};

use super::Span;
use super::annotation::Annotation;
use super::ast::{BinaryOp, BinaryOperation, Fill, Matching, MatchingSide};
use super::combine::{Misfit, combine};
use super::interpret::{EvalError, Interpreter};
use super::literal::Quoted;
use super::names::is_about_metric;
use super::value::{Item, SampleValue};
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
pub(super) fn set_operation(op: BinaryOp, left: Vec<Item>, right: Vec<Item>, matching: &Matching) -> Vec<Item> {
    let mut kept = left;
    if op == BinaryOp::Or {
        let taken = have_partners(&right, &kept, matching);
        kept.extend(right.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(item, _)| item));
        return kept;
    }
    let mut matched = have_partners(&kept, &right, matching).into_iter();
    kept.retain(|_| matched.next() == Some(op == BinaryOp::And));
    kept
}

/// For each item, whether it has a partner among others.
fn have_partners(items: &[Item], others: &[Item], matching: &Matching) -> Vec<bool> {
    let keys: HashSet<Key<'_>> = others.iter().map(|other| matching.key(&other.labels)).collect();
    items.iter().map(|item| keys.contains(&matching.key(&item.labels))).collect()
}

/// Arithmetic and comparisons: each element meets its one partner on the other side.
pub(super) fn join(
    interpreter: &mut Interpreter<'_>,
    operation: &BinaryOperation,
    left: &[Item],
    right: &[Item],
    span: Span,
) -> Result<Vec<Item>, EvalError> {
    let matching = &operation.matching;
    if matching.fill.is_none() && (left.is_empty() || right.is_empty()) {
        return Ok(Vec::new());
    }
    let is_swapped = matching.many == Some(MatchingSide::Right);
    let (many, one) = if is_swapped { (right, left) } else { (left, right) };
    // With `group_right` Prometheus swaps the sides before it fills them, and so do we: `fill_left` is for the many.
    let Fill { left: fill_many, right: fill_one } = matching.fill;
    let partners = partners(matching, one, if is_swapped { "left" } else { "right" }, span)?;
    let mut joining = Joining::new(operation, interpreter.options.delays_name_removal, is_swapped, span);
    for item in many {
        let key = matching.key(&item.labels);
        if let Some(partner) = partners.get(&key) {
            joining.pair(key, &item.labels, &item.value, &one[*partner].labels, &one[*partner].value)?;
        } else if let Some(fill) = fill_one {
            joining.pair(key, &item.labels, &item.value, &matching.group(&item.labels), &fill.into())?;
        }
    }
    if let Some(fill) = fill_many {
        for item in one {
            let key = matching.key(&item.labels);
            if !joining.has_met(&key) {
                joining.pair(key, &matching.group(&item.labels), &fill.into(), &item.labels, &item.value)?;
            }
        }
    }
    if let Some(note) = joining.note {
        interpreter.notes.add(note);
    }
    Ok(joining.joined)
}

/// Where each key stands on the side on which it may stand once.
fn partners<'a>(
    matching: &Matching,
    one: &'a [Item],
    side: &str,
    span: Span,
) -> Result<HashMap<Key<'a>, usize>, EvalError> {
    let mut partners = HashMap::with_capacity(one.len());
    for (at, item) in one.iter().enumerate() {
        if let Some(first) = partners.insert(matching.key(&item.labels), at) {
            // In order of labels, so that the message does not depend on which series came first.
            let mut twice = [in_braces(&one[first].labels), in_braces(&item.labels)];
            twice.sort();
            let what = format!(
                "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];\
                 many-to-many matching not allowed: matching labels must be unique on one side",
                in_braces(&matching.group(&item.labels)),
                twice[0],
                twice[1],
            );
            return Err(EvalError::new(span, what));
        }
    }
    Ok(partners)
}

/// Labels with the metric name as one of them, as Prometheus shows them in this error.
fn in_braces(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", Quoted(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// The labels of two partners: those of the many side, or those that both share, and what is taken over.
fn result_labels(operation: &BinaryOperation, is_delayed: bool, many: &Labels, one: &Labels) -> Labels {
    let matching = &operation.matching;
    let calculates = !operation.op.is_comparison() && !operation.op.is_trim();
    let drops_name = calculates || operation.returns_bool && !is_delayed;
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

/// A join under way.
struct Joining<'a> {
    operation: &'a BinaryOperation,
    is_delayed: bool,
    is_swapped: bool,
    span: Span,
    joined: Vec<Item>,
    /// What was met of each key: the label sets of results where several may meet one partner.
    met: HashMap<Key<'a>, HashSet<Labels>>,
    /// The last thing that is worth telling, as Prometheus tells no more.
    note: Option<Annotation>,
}

impl<'a> Joining<'a> {
    fn new(operation: &'a BinaryOperation, is_delayed: bool, is_swapped: bool, span: Span) -> Self {
        Self { operation, is_delayed, is_swapped, span, joined: Vec::new(), met: HashMap::new(), note: None }
    }

    fn has_met(&self, key: &Key<'_>) -> bool {
        self.met.contains_key(key)
    }

    fn pair(
        &mut self,
        key: Key<'a>,
        many: &Labels,
        many_value: &SampleValue,
        one: &Labels,
        one_value: &SampleValue,
    ) -> Result<(), EvalError> {
        let BinaryOperation { op, returns_bool, matching, .. } = self.operation;
        let (left, right) = if self.is_swapped { (one_value, many_value) } else { (many_value, one_value) };
        let pair = match combine(*op, left, right, self.span) {
            Ok(pair) => pair,
            Err(Misfit::Types(note) | Misfit::Resets(note)) => {
                self.note = Some(note);
                return Ok(());
            }
            Err(Misfit::Schemas) => {
                self.note = Some(Annotation::incompatible_layout(op.as_str(), self.span));
                return Ok(());
            }
        };
        if pair.note.is_some() {
            self.note = pair.note;
        }
        let labels = result_labels(self.operation, self.is_delayed, many, one);
        let before = self.met.entry(key).or_default();
        let is_new = if matching.many.is_some() { before.insert(labels.clone()) } else { before.is_empty() };
        if !is_new {
            let advice = match matching.many {
                Some(_) => "grouping labels must ensure unique matches",
                None => "many-to-one matching must be explicit (group_left/group_right)",
            };
            return Err(EvalError::new(self.span, format!("multiple matches for labels: {advice}")));
        }
        if matching.many.is_none() {
            before.insert(labels.clone());
        }
        if !pair.passes && !returns_bool {
            return Ok(());
        }
        let value = if *returns_bool { f64::from(u8::from(pair.passes)).into() } else { pair.value };
        self.joined.push(Item { labels, value, drops_name: self.is_delayed && *returns_bool });
        Ok(())
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
