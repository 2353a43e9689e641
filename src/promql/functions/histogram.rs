//! Quantiles and fractions of classic histograms: one series for each bucket, its upper bound in `le`.

use std::collections::HashMap;

use super::super::Span;
use super::super::ast::Expr;
use super::super::interpret::{Element, EvalError, Interpreter, NameDropper, Value, expect_unique};
use super::super::literal::Number;
use crate::model::Labels;

/// The label that holds a bucket's upper bound.
pub(in super::super) const BOUND: &str = "le";

/// Counts that differ by no more than this, relative to their sum, are taken to be the same: what differs is rounding.
const ROUNDING: f64 = 1e-12;

/// A bucket: how many observations were at most `bound`.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Bucket {
    pub(in super::super) bound: f64,
    pub(in super::super) count: f64,
}

pub(super) fn quantile(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Value, EvalError> {
    let q = interpreter.scalar(&args[0])?;
    let elements = interpreter.vector(&args[1])?;
    each_histogram(&elements, span, |buckets| bucket_quantile(q, buckets)).map(Value::Vector)
}

/// `histogram_quantiles(buckets, label, q, …)`
pub(super) fn quantiles(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Value, EvalError> {
    let label = interpreter.text(&args[1])?;
    if label.is_empty() {
        return Err(EvalError::new(args[1].span, "a label needs a name"));
    }
    let elements = interpreter.vector(&args[0])?;
    let mut all = Vec::new();
    for arg in &args[2..] {
        let q = interpreter.scalar(arg)?;
        let name = number_with_point(q);
        for mut element in each_histogram(&elements, span, |buckets| bucket_quantile(q, buckets))? {
            let mut labels = element.labels.edit();
            labels.set(label.as_str(), name.as_str());
            element.labels = labels.build();
            all.push(element);
        }
    }
    expect_unique(&all, span)?;
    Ok(Value::Vector(all))
}

/// A number as OpenMetrics writes it: `1.0`, never `1`.
fn number_with_point(value: f64) -> String {
    let text = Number(value).to_string();
    let is_whole = text.bytes().all(|c| c.is_ascii_digit() || c == b'-');
    if is_whole { format!("{text}.0") } else { text }
}

pub(super) fn fraction(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Value, EvalError> {
    let (lower, upper) = (interpreter.scalar(&args[0])?, interpreter.scalar(&args[1])?);
    let elements = interpreter.vector(&args[2])?;
    each_histogram(&elements, span, |buckets| bucket_fraction(lower, upper, buckets)).map(Value::Vector)
}

/// Puts the buckets that differ only in `le` together and makes one element of each histogram. An element whose `le` is
/// no number is no bucket.
fn each_histogram(
    elements: &[Element],
    span: Span,
    value: impl Fn(Vec<Bucket>) -> f64,
) -> Result<Vec<Element>, EvalError> {
    let mut histograms: Vec<(Labels, Vec<Bucket>)> = Vec::new();
    let mut index: HashMap<Vec<&str>, usize> = HashMap::new();
    for Element { labels, value: count } in elements {
        let Ok(bound) = labels.get(BOUND).parse() else { continue };
        let others = labels.iter().filter(|(name, _)| *name != BOUND);
        let place = *index.entry(others.flat_map(|(name, value)| [name, value]).collect()).or_insert(histograms.len());
        if place == histograms.len() {
            histograms.push((labels.filter(|name| name != BOUND), Vec::new()));
        }
        histograms[place].1.push(Bucket { bound, count: *count });
    }
    let mut names = NameDropper::default();
    let values: Vec<Element> = histograms
        .into_iter()
        .map(|(labels, buckets)| Element { labels: names.drop_from(&labels), value: value(buckets) })
        .collect();
    names.finish(&values, span)?;
    Ok(values)
}

/// The value below which the fraction `q` of observations lies, by straight lines within buckets.
pub(in super::super) fn bucket_quantile(q: f64, buckets: Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let Some(mut buckets) = in_order(buckets) else { return f64::NAN };
    make_monotonic(&mut buckets);
    let [.., highest_finite, all] = buckets.as_slice() else { return f64::NAN };
    if all.count == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * all.count;
    let finite = &buckets[..buckets.len() - 1];
    // The condition is Prometheus's: a NaN among the counts must end up where it does there.
    let place = finite.partition_point(|bucket| bucket.count.partial_cmp(&rank).is_none_or(std::cmp::Ordering::is_lt));
    let Some(bucket) = finite.get(place) else { return highest_finite.bound };
    let (mut start, mut count) = (0.0, bucket.count);
    match place.checked_sub(1).map(|before| finite[before]) {
        Some(before) => {
            start = before.bound;
            count -= before.count;
            rank -= before.count;
        }
        // Nothing is known about how far below zero the lowest bucket reaches.
        None if bucket.bound <= 0.0 => return bucket.bound,
        None => {}
    }
    start + (bucket.bound - start) * (rank / count)
}

/// The fraction of observations between two values, by straight lines within buckets of finite width.
pub(in super::super) fn bucket_fraction(lower: f64, upper: f64, buckets: Vec<Bucket>) -> f64 {
    let Some(buckets) = in_order(buckets) else { return f64::NAN };
    let all = buckets.last().map_or(0.0, |bucket| bucket.count);
    if all == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, &buckets, all) - rank_of(lower, &buckets, all)) / all
}

/// How many observations are thought to be below a value.
fn rank_of(value: f64, buckets: &[Bucket], all: f64) -> f64 {
    let mut below = 0.0;
    let mut start = match buckets.first() {
        Some(lowest) if lowest.bound > 0.0 => 0.0,
        _ => f64::NEG_INFINITY,
    };
    for bucket in buckets {
        if value <= start {
            return below;
        }
        if value < bucket.bound {
            // Nothing is known about where in a bucket of infinite width observations are: neither side counts them.
            if start.is_infinite() {
                return bucket.count;
            }
            return below + (bucket.count - below) * ((value - start) / (bucket.bound - start));
        }
        (start, below) = (bucket.bound, bucket.count);
    }
    all
}

/// Buckets by bound, those of one bound added up; `None` when the one without an upper bound is missing.
fn in_order(mut buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    if buckets.last()?.bound != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|later, earlier| {
        let is_same = later.bound == earlier.bound;
        if is_same {
            earlier.count += later.count;
        }
        is_same
    });
    Some(buckets)
}

/// Lifts a count that is below the one before, which scrapes and rates of buckets at slightly different moments bring
/// about, and evens out differences that are only rounding.
fn make_monotonic(buckets: &mut [Bucket]) {
    let Some(first) = buckets.first() else { return };
    let mut highest = first.count;
    for bucket in &mut buckets[1..] {
        if bucket.count < highest || is_rounding(highest, bucket.count) {
            bucket.count = highest;
        } else {
            highest = bucket.count;
        }
    }
}

/// Whether two counts are the same but for rounding.
fn is_rounding(a: f64, b: f64) -> bool {
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < ROUNDING * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < ROUNDING
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};

    #[test]
    fn quantiles_of_buckets() {
        let check = |q: &str, buckets: &[(&str, &str)], want: &str| {
            let names: Vec<String> = buckets.iter().map(|(bound, _)| format!("b{{le='{bound}'}}")).collect();
            let series: Vec<(&str, &str)> =
                names.iter().zip(buckets).map(|(name, (_, count))| (name.as_str(), *count)).collect();
            let found = value_of(&format!("histogram_quantile({q}, b)"), &store(&series), 0);
            assert_eq!(found, want, "{q} of {buckets:?}");
        };
        let usual = [("0.1", "5"), (".2", "7"), ("1e0", "11"), ("+Inf", "12")];
        check("0.25", &usual, "{} 0.06");
        check("0.5", &usual, "{} 0.15000000000000002");
        check("1", &usual, "{} 1");
        check("-1", &usual, "{} -inf");
        check("1.1", &usual, "{} inf");
        check("0/0", &usual, "{} NaN");
        check("0.5", &[("0.1", "5"), ("1", "5")], "{} NaN"); // +Inf is missing
        check("0.5", &[("+Inf", "5")], "{} NaN"); // nothing but +Inf
        check("0.5", &[("1", "0"), ("+Inf", "0")], "{} NaN"); // no observations
        check("0.5", &[("1", "0"), ("+Inf", "5")], "{} 1"); // beyond the highest finite bound
        check("0.1", &[("-1", "5"), ("1", "6"), ("+Inf", "6")], "{} -1"); // below zero
        check("0.5", &[("1", "10"), ("2", "8"), ("+Inf", "10")], "{} 0.5"); // not monotonic
        check("0.5", &[("1", "2"), ("1.0", "2"), ("+Inf", "4")], "{} 0.5"); // one bound twice
        check("0.5", &[("1", "2"), ("many", "9"), ("+Inf", "2")], "{} 0.5"); // no number
    }

    #[test]
    fn a_histogram_is_known_by_its_other_labels() {
        let store = store(&[
            ("b{le='1', job='x'}", "4"),
            ("b{le='+Inf', job='x'}", "4"),
            ("b{le='2', job='y'}", "4"),
            ("b{le='+Inf', job='y'}", "4"),
            ("c{le='+Inf', job='y'}", "4"),
        ]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 0), want, "{source}");
        check("histogram_quantile(0.5, b)", r#"{job="x"} 0.5; {job="y"} 1"#);
        check("histogram_quantile(0.5, sum by (le) (b))", "{} 1");
        check(
            "histogram_quantiles(b{job='x'}, 'q', 0.5, 1, -1)",
            r#"{job="x", q="-1.0"} -inf; {job="x", q="0.5"} 0.5; {job="x", q="1.0"} 1"#,
        );
        check("histogram_quantiles(b, '', 0.5)", "error: a label needs a name");
        check("histogram_fraction(0.5, 3, b)", r#"{job="x"} 0.5; {job="y"} 0.75"#);
        check("histogram_fraction(0, 1, b)", r#"{job="x"} 1; {job="y"} 0.5"#);
        check(
            "histogram_quantile(0.5, {__name__=~'b|c'})",
            r#"error: vector cannot contain metrics with the same labelset: {job="y"} comes twice"#,
        );
    }
}
