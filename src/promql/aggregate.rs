//! Aggregations: elements are put into groups, and each group becomes one element, or a choice of its own.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::ast::{AggregateOp, Aggregation, Expr, Grouping};
use super::interpret::{Element, EvalError, Interpreter};
use super::sum::{mean, quantile, sum};
use crate::model::{Labels, METRIC_NAME};

/// The value of an aggregation.
pub(super) fn aggregate(
    interpreter: &mut Interpreter<'_>,
    aggregation: &Aggregation,
) -> Result<Vec<Element>, EvalError> {
    let Aggregation { op, param, expr, grouping } = aggregation;
    match (op, param) {
        (AggregateOp::TopK | AggregateOp::BottomK, Some(param)) => {
            let count = element_count(interpreter, param)?;
            let elements = interpreter.vector(expr)?;
            let first = if *op == AggregateOp::TopK { Ordering::Greater } else { Ordering::Less };
            Ok(first_of_groups(&elements, grouping, count, first))
        }
        (AggregateOp::LimitK, Some(param)) => {
            let count = element_count(interpreter, param)?;
            let elements = interpreter.vector(expr)?;
            let members =
                groups(&elements, grouping).into_iter().flat_map(|group| group.members.into_iter().take(count));
            Ok(members.map(|at| elements[at].clone()).collect())
        }
        (AggregateOp::LimitRatio, Some(param)) => {
            let ratio = interpreter.scalar(param)?;
            if ratio.is_nan() {
                return Err(EvalError::new(param.span, "Ratio value is NaN"));
            }
            let mut elements = interpreter.vector(expr)?;
            elements.retain(|element| is_in_share(&element.labels, ratio));
            Ok(elements)
        }
        (AggregateOp::Quantile, Some(param)) => {
            let q = interpreter.scalar(param)?;
            let elements = interpreter.vector(expr)?;
            Ok(fold_groups(&elements, grouping, |values| quantile(q, &mut values.collect::<Vec<_>>())))
        }
        (AggregateOp::CountValues, Some(param)) => {
            let label = interpreter.text(param)?;
            if label.is_empty() {
                return Err(EvalError::new(param.span, format!("invalid label name {label:?}")));
            }
            Ok(count_values(&interpreter.vector(expr)?, grouping, &label))
        }
        _ => {
            let elements = interpreter.vector(expr)?;
            Ok(fold_groups(&elements, grouping, |values| fold(*op, values)))
        }
    }
}

/// One value of a group.
fn fold(op: AggregateOp, values: &mut dyn Iterator<Item = f64>) -> f64 {
    match op {
        AggregateOp::Sum => sum(values),
        AggregateOp::Avg => mean(values),
        AggregateOp::Min => least(values, |value, least| value < least),
        AggregateOp::Max => least(values, |value, greatest| value > greatest),
        #[expect(clippy::cast_precision_loss, reason = "there are not 2^53 elements in memory")]
        AggregateOp::Count => values.count() as f64,
        AggregateOp::Group => 1.0,
        AggregateOp::StdVar => running_variance(values),
        AggregateOp::StdDev => running_variance(values).sqrt(),
        AggregateOp::TopK
        | AggregateOp::BottomK
        | AggregateOp::LimitK
        | AggregateOp::LimitRatio
        | AggregateOp::Quantile
        | AggregateOp::CountValues => f64::NAN,
    }
}

/// The value that goes before all others; NaN only when there is nothing else.
pub(super) fn least(values: impl Iterator<Item = f64>, goes_before: impl Fn(f64, f64) -> bool) -> f64 {
    values.fold(f64::NAN, |least, value| if least.is_nan() || goes_before(value, least) { value } else { least })
}

/// The variance, as Prometheus's aggregation has it: without the compensation that its functions over time have.
fn running_variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        if count == 1.0 {
            mean = value;
            squares = if value.is_finite() { 0.0 } else { f64::NAN };
            continue;
        }
        let delta: f64 = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// Which elements belong together, in the order in which groups first appear.
struct Group {
    labels: Labels,
    /// Places of the elements.
    members: Vec<usize>,
}

fn groups(elements: &[Element], grouping: &Grouping) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut index: HashMap<Vec<&str>, usize> = HashMap::new();
    let mut key = Vec::new();
    for (at, Element { labels, .. }) in elements.iter().enumerate() {
        key.clear();
        match grouping {
            Grouping::By(names) => key.extend(names.iter().map(|name| labels.get(name))),
            Grouping::Without(_) => {
                let pairs = labels.iter().filter(|(name, _)| grouping.keeps(name));
                key.extend(pairs.flat_map(|(name, value)| [name, value]));
            }
        }
        match index.get(&key) {
            Some(group) => groups[*group].members.push(at),
            None => {
                index.insert(key.clone(), groups.len());
                groups.push(Group { labels: labels.filter(|name| grouping.keeps(name)), members: vec![at] });
            }
        }
    }
    groups
}

impl Grouping {
    /// Whether a label is part of a group's labels.
    pub(super) fn keeps(&self, name: &str) -> bool {
        match self {
            Self::By(names) => names.iter().any(|kept| kept == name),
            Self::Without(names) => name != METRIC_NAME && !names.iter().any(|dropped| dropped == name),
        }
    }
}

fn fold_groups(
    elements: &[Element],
    grouping: &Grouping,
    fold: impl Fn(&mut dyn Iterator<Item = f64>) -> f64,
) -> Vec<Element> {
    let groups = groups(elements, grouping).into_iter();
    groups
        .map(|Group { labels, members }| {
            let value = fold(&mut members.iter().map(|at| elements[*at].value));
            Element { labels, value }
        })
        .collect()
}

/// The first `count` elements of each group, those before others whose values compare as `first`; NaN comes last.
fn first_of_groups(elements: &[Element], grouping: &Grouping, count: usize, first: Ordering) -> Vec<Element> {
    let mut chosen = Vec::new();
    for Group { mut members, .. } in groups(elements, grouping) {
        members.sort_by(|a, b| order(elements[*a].value, elements[*b].value, first));
        chosen.extend(members.into_iter().take(count).map(|at| elements[at].clone()));
    }
    chosen
}

/// The order of two values when those that compare as `first` come first, and NaN last.
pub(super) fn order(a: f64, b: f64, first: Ordering) -> Ordering {
    let by_value = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    a.is_nan().cmp(&b.is_nan()).then(if first == Ordering::Less { by_value } else { by_value.reverse() })
}

/// How many elements `topk`, `bottomk` and `limitk` are asked for.
fn element_count(interpreter: &mut Interpreter<'_>, param: &Expr) -> Result<usize, EvalError> {
    let count = interpreter.scalar(param)?;
    if count.is_nan() {
        return Err(EvalError::new(param.span, "Parameter value is NaN"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, which is meant"
    )]
    Ok(count as usize)
}

/// Whether an element belongs to a share of all: the same whenever it is asked, and to a negative share exactly when it
/// does not belong to the positive one that makes 1 with it.
#[expect(clippy::cast_precision_loss, reason = "the last bits of a hash are of no use")]
fn is_in_share(labels: &Labels, ratio: f64) -> bool {
    let mut hash = labels.fingerprint().0;
    for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
        hash = (hash ^ (hash >> shift)).wrapping_mul(factor);
    }
    let place = (hash ^ (hash >> 31)) as f64 / u64::MAX as f64;
    if ratio >= 1.0 || ratio <= -1.0 {
        return true;
    }
    if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio }
}

fn count_values(elements: &[Element], grouping: &Grouping, label: &str) -> Vec<Element> {
    let mut counts: Vec<Element> = Vec::new();
    let mut index: HashMap<Labels, usize> = HashMap::new();
    for element in elements {
        let mut labels = element.labels.edit();
        labels.set(label, value_text(element.value));
        let is_by = matches!(grouping, Grouping::By(_));
        let labels = labels.build().filter(|name| grouping.keeps(name) || is_by && name == label);
        let next = counts.len();
        let place = *index.entry(labels.clone()).or_insert(next);
        if place == next {
            counts.push(Element { labels, value: 0.0 });
        }
        counts[place].value += 1.0;
    }
    counts
}

/// A value as the label of `count_values` has it.
fn value_text(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::tests::{store, value_of};
    use super::*;

    #[test]
    fn a_share_of_many_is_about_that_share() {
        let labels: Vec<Labels> = (0..10_000).map(|at| Labels::from_pairs([("pod", at.to_string())])).collect();
        for ratio in [0.1, 0.5, 0.9, -0.3] {
            let share = labels.iter().filter(|labels| is_in_share(labels, ratio)).count();
            assert!(
                (f64::from(u32::try_from(share).unwrap()) / 1e4 - f64::abs(ratio)).abs() < 0.02,
                "{ratio}: {share}"
            );
        }
    }

    #[test]
    fn aggregates_groups() {
        let store = store(&[
            ("a{job='x', pod='1'}", "1"),
            ("a{job='x', pod='2'}", "3"),
            ("a{job='y', pod='1'}", "NaN"),
            ("a{job='y', pod='2'}", "5"),
        ]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("sum(a)", "{} NaN");
        check("sum by (job) (a)", r#"{job="x"} 4; {job="y"} NaN"#);
        check("sum by (nothing) (a{job='x'})", "{} 4");
        check("sum without (pod) (a{job='x'})", r#"{job="x"} 4"#);
        check("sum by (__name__) (a{job='x'})", "a 4");
        check("avg(a{job='x'})", "{} 2");
        check("min(a)", "{} 1");
        check("max by (job) (a)", r#"{job="x"} 3; {job="y"} 5"#);
        check("max(a{job='y', pod='1'})", "{} NaN");
        check("count(a)", "{} 4");
        check("group(a)", "{} 1");
        check("stdvar(a{job='x'})", "{} 1");
        check("stddev(a{job='x'})", "{} 1");
        check("quantile(0.5, a{job='x'})", "{} 2");
        check("topk(2, a)", r#"a{job="x", pod="2"} 3; a{job="y", pod="2"} 5"#);
        check("bottomk by (job) (1, a)", r#"a{job="x", pod="1"} 1; a{job="y", pod="2"} 5"#);
        check("topk(0, a)", "");
        check("topk(-1, a)", "");
        check("topk(0/0, a)", "error: Parameter value is NaN");
        check("limitk by (job) (1, a)", r#"a{job="x", pod="1"} 1; a{job="y", pod="1"} NaN"#);
        check("count(limitk(3, a))", "{} 3");
        check("limitk(-1, a)", "");
        check("count(limit_ratio(1, a))", "{} 4");
        check("count(limit_ratio(-2, a))", "{} 4");
        check("limit_ratio(0, a)", "");
        check("count(limit_ratio(0.25, a) or limit_ratio(-0.75, a))", "{} 4");
        check("limit_ratio(0.25, a) and limit_ratio(-0.75, a)", "");
        check("limit_ratio(NaN, a)", "error: Ratio value is NaN");
        check("count_values('v', a)", r#"{v="1"} 1; {v="3"} 1; {v="5"} 1; {v="NaN"} 1"#);
        check("count_values by (job) ('pod', a{job='x'} > bool 0)", r#"{job="x", pod="1"} 2"#);
        check("count_values('', a)", r#"error: invalid label name """#);
        check("sum(nothing)", "");
    }
}
