//! Aggregations: elements are put into groups, and each group becomes one element, or a choice of its own.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::Span;
use super::annotation::{Annotation, Annotations};
use super::ast::{AggregateOp, Aggregation, Expr, ExprKind, Grouping};
use super::histogram_sum::HistogramFold;
use super::interpret::{EvalError, Interpreter, noted_span};
use super::literal::QuotedBytes;
use super::share::is_in_share;
use super::sum::{mean, quantile, sum};
use super::value::{Item, SampleValue};
use crate::model::{GoFloat, Labels, METRIC_NAME};

/// The value of an aggregation.
pub(super) fn aggregate(
    interpreter: &mut Interpreter<'_>,
    aggregation: &Aggregation,
    span: Span,
) -> Result<Vec<Item>, EvalError> {
    let Aggregation { op, param, expr, grouping } = aggregation;
    match (op, param) {
        (AggregateOp::TopK | AggregateOp::BottomK, Some(param)) => {
            let count = element_count(interpreter, param)?;
            let items = interpreter.vector(expr)?;
            let first = if *op == AggregateOp::TopK { Ordering::Greater } else { Ordering::Less };
            let count = count?;
            if count == 0 {
                return Ok(Vec::new());
            }
            if items.iter().any(|item| item.value.float().is_none()) {
                interpreter.notes.add(Annotation::histogram_ignored_in_aggregation(op.as_str(), span));
            }
            Ok(first_of_groups(&items, grouping, count, first))
        }
        (AggregateOp::LimitK, Some(param)) => {
            let count = element_count(interpreter, param)?;
            let items = interpreter.vector(expr)?;
            let count = count?;
            let groups = groups(&items, grouping).into_iter();
            let members = groups.flat_map(|group| group.members.into_iter().take(count));
            Ok(members.map(|at| items[at].clone()).collect())
        }
        (AggregateOp::LimitRatio, Some(param)) => {
            let ratio = interpreter.scalar(param)?;
            let mut items = interpreter.vector(expr)?;
            if ratio.is_nan() {
                return Err(EvalError::new(param.span, "Ratio value is NaN"));
            }
            if !(-1.0..=1.0).contains(&ratio) {
                let note = Annotation::invalid_ratio(ratio, ratio.signum(), noted_span(param));
                interpreter.notes.add(note);
            }
            items.retain(|item| is_in_share(&item.labels, ratio));
            Ok(items)
        }
        (AggregateOp::Quantile, Some(param)) => {
            let q = interpreter.scalar(param)?;
            let items = interpreter.vector(expr)?;
            if !(0.0..=1.0).contains(&q) {
                interpreter.notes.add(Annotation::invalid_quantile(q, noted_span(param)));
            }
            let fold = |values: &mut dyn Iterator<Item = f64>| quantile(q, &mut values.collect::<Vec<_>>());
            Ok(fold_floats(&items, aggregation, &mut interpreter.notes, fold))
        }
        (AggregateOp::CountValues, Some(param)) => {
            let label = label_name(interpreter, param)?;
            Ok(count_values(&interpreter.vector(expr)?, grouping, &label))
        }
        (AggregateOp::Sum | AggregateOp::Avg, _) => {
            let items = interpreter.vector(expr)?;
            Ok(add_up(&items, aggregation, &mut interpreter.notes))
        }
        (AggregateOp::Count | AggregateOp::Group, _) => {
            let items = interpreter.vector(expr)?;
            let of_group = |group: Group| {
                let drops_name = group.members.iter().any(|at| items[*at].drops_name);
                #[expect(clippy::cast_precision_loss, reason = "there are not 2^53 elements in memory")]
                let value = if *op == AggregateOp::Count { group.members.len() as f64 } else { 1.0 };
                Item { labels: group.labels, value: value.into(), drops_name }
            };
            Ok(groups(&items, grouping).into_iter().map(of_group).collect())
        }
        _ => {
            let items = interpreter.vector(expr)?;
            Ok(fold_floats(&items, aggregation, &mut interpreter.notes, |values| fold(*op, values)))
        }
    }
}

/// The label that `count_values` writes.
fn label_name(interpreter: &mut Interpreter<'_>, param: &Expr) -> Result<String, EvalError> {
    if let ExprKind::Bytes(bytes) = &param.kind {
        return Err(EvalError::new(param.span, format!("invalid label name {}", QuotedBytes(bytes))));
    }
    let label = interpreter.text(param)?;
    if label.is_empty() {
        return Err(EvalError::new(param.span, format!("invalid label name {label:?}")));
    }
    Ok(label)
}

/// One value of a group.
fn fold(op: AggregateOp, values: &mut dyn Iterator<Item = f64>) -> f64 {
    match op {
        AggregateOp::Min => least(values, |value, least| value < least),
        AggregateOp::Max => least(values, |value, greatest| value > greatest),
        AggregateOp::StdVar => running_variance(values),
        AggregateOp::StdDev => running_variance(values).sqrt(),
        _ => f64::NAN,
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

fn groups(items: &[Item], grouping: &Grouping) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut index: HashMap<Vec<&str>, usize> = HashMap::new();
    let mut key = Vec::new();
    for (at, Item { labels, .. }) in items.iter().enumerate() {
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

/// Each group's numbers as one; histograms are ignored, which is told.
fn fold_floats(
    items: &[Item],
    aggregation: &Aggregation,
    notes: &mut Annotations,
    fold: impl Fn(&mut dyn Iterator<Item = f64>) -> f64,
) -> Vec<Item> {
    if items.iter().any(|item| item.value.float().is_none()) {
        let span = noted_span(&aggregation.expr);
        notes.add(Annotation::histogram_ignored_in_aggregation(aggregation.op.as_str(), span));
    }
    let of_group = |Group { labels, members }| {
        let mut floats = members.iter().filter_map(|at| items[*at].value.float()).peekable();
        floats.peek()?;
        let value = fold(&mut floats).into();
        Some(Item { labels, value, drops_name: members.iter().any(|at| items[*at].drops_name) })
    };
    groups(items, &aggregation.grouping).into_iter().filter_map(of_group).collect()
}

/// Sums and means: of numbers or of histograms, never of both.
fn add_up(items: &[Item], aggregation: &Aggregation, notes: &mut Annotations) -> Vec<Item> {
    let span = noted_span(&aggregation.expr);
    let is_sum = aggregation.op == AggregateOp::Sum;
    let mut all = Vec::new();
    for Group { labels, members } in groups(items, &aggregation.grouping) {
        let drops_name = members.iter().any(|at| items[*at].drops_name);
        let starts_with_float = members.first().is_some_and(|at| items[*at].value.float().is_some());
        let (mut has_float, mut has_histogram) = (false, false);
        let mut histograms = if is_sum { HistogramFold::sum() } else { HistogramFold::mean() };
        // As in Prometheus, what comes behind a histogram that does not fit is not looked at, and a histogram behind a
        // number is only seen to be one.
        for item in members.iter().map(|at| &items[*at]) {
            match &item.value {
                SampleValue::Float(_) => has_float = true,
                SampleValue::Histogram(_) if starts_with_float => has_histogram = true,
                SampleValue::Histogram(histogram) => {
                    has_histogram = true;
                    histograms.add(histogram, item.labels.metric_name());
                }
            }
            if histograms.is_incompatible() {
                break;
            }
        }
        if has_float && has_histogram {
            histograms.tell_combined(span, notes);
            notes.add(Annotation::mixed_aggregation(span));
            continue;
        }
        let value: Option<SampleValue> = if !has_histogram {
            let floats = members.iter().filter_map(|at| items[*at].value.float());
            Some(if is_sum { sum(floats) } else { mean(floats) }.into())
        } else {
            histograms.tell_combined(span, notes);
            histograms.finish(span, notes).map(|mut histogram| {
                histogram.compact();
                histogram.into()
            })
        };
        all.extend(value.map(|value| Item { labels, value, drops_name }));
    }
    all
}

/// The first `count` numbers of each group, those before others that compare as `first`; NaN comes last.
fn first_of_groups(items: &[Item], grouping: &Grouping, count: usize, first: Ordering) -> Vec<Item> {
    let mut chosen = Vec::new();
    let value = |at: usize| items[at].value.float();
    for Group { mut members, .. } in groups(items, grouping) {
        members.retain(|at| value(*at).is_some());
        members.sort_by(|a, b| order(value(*a).unwrap_or(f64::NAN), value(*b).unwrap_or(f64::NAN), first));
        chosen.extend(members.into_iter().take(count).map(|at| items[at].clone()));
    }
    chosen
}

/// The order of two values when those that compare as `first` come first, and NaN last.
pub(super) fn order(a: f64, b: f64, first: Ordering) -> Ordering {
    let by_value = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    a.is_nan().cmp(&b.is_nan()).then(if first == Ordering::Less { by_value } else { by_value.reverse() })
}

/// How many elements `topk`, `bottomk` and `limitk` are asked for; an error that counts once they are known.
fn element_count(interpreter: &mut Interpreter<'_>, param: &Expr) -> Result<Result<usize, EvalError>, EvalError> {
    let count = interpreter.scalar(param)?;
    Ok(whole_count(count).ok_or_else(|| {
        let what = match count.is_nan() {
            true => "Parameter value is NaN".to_owned(),
            false => format!("Scalar value {} overflows int64", GoFloat(count)),
        };
        EvalError::new(param.span, what)
    }))
}

/// A number as a count of elements, none when it is negative; `None` for NaN and what is beyond a 64-bit integer.
pub(super) fn whole_count(count: f64) -> Option<usize> {
    /// The first integer beyond those of 64 bits, as a float.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, which is meant"
    )]
    (count < BEYOND).then_some(count as usize)
}

fn count_values(items: &[Item], grouping: &Grouping, label: &str) -> Vec<Item> {
    let mut counts: Vec<(Labels, f64)> = Vec::new();
    let mut index: HashMap<Labels, usize> = HashMap::new();
    for item in items {
        let mut labels = item.labels.edit();
        labels.set(label, value_text(&item.value));
        let is_by = matches!(grouping, Grouping::By(_));
        let labels = labels.build().filter(|name| grouping.keeps(name) || is_by && name == label);
        let next = counts.len();
        let place = *index.entry(labels.clone()).or_insert(next);
        if place == next {
            counts.push((labels, 0.0));
        }
        counts[place].1 += 1.0;
    }
    counts.into_iter().map(|(labels, count)| Item { labels, value: count.into(), drops_name: false }).collect()
}

/// A value as the label of `count_values` has it.
fn value_text(value: &SampleValue) -> String {
    match value {
        SampleValue::Histogram(histogram) => histogram.to_string(),
        SampleValue::Float(value) if value.is_nan() => "NaN".to_owned(),
        SampleValue::Float(f64::INFINITY) => "+Inf".to_owned(),
        SampleValue::Float(f64::NEG_INFINITY) => "-Inf".to_owned(),
        SampleValue::Float(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::tests::{store, value_of};

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
