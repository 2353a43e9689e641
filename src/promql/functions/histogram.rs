//! Quantiles and fractions of histograms, classic or native.
//!
//! A classic histogram has one series for each bucket, with its upper bound in `le`; a native one is a sample.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::Span;
use super::super::annotation::{Annotation, Annotations};
use super::super::ast::Expr;
use super::super::interpret::{EvalError, Interpreter, noted_span};
use super::super::literal::Number;
use super::super::names::expect_unique;
use super::super::value::{Item, Outcome, SampleValue};
use super::classic::{self, ClassicBucket};
use super::native;
use crate::model::{Histogram, Labels};

/// The label that holds a bucket's upper bound.
pub(in super::super) const BOUND: &str = "le";

/// The histograms among the elements of a vector.
struct Histograms {
    native: Vec<(Labels, Arc<Histogram>)>,
    classic: Vec<(Labels, Vec<ClassicBucket>)>,
    span: Span,
}

pub(super) fn quantile(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let q = interpreter.scalar(&args[0])?;
    let items = interpreter.vector(&args[1])?;
    note_quantile(q, noted_span(&args[0]), &mut interpreter.notes);
    let histograms = histograms(interpreter, items, noted_span(&args[1]));
    let items = quantiles_of(interpreter, &histograms, q, span)?;
    Ok(Outcome::Vector(items))
}

/// `histogram_quantiles(buckets, label, q, …)`
pub(super) fn quantiles(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let label = interpreter.text(&args[1])?;
    if label.is_empty() {
        return Err(EvalError::new(args[1].span, "a label needs a name"));
    }
    let items = interpreter.vector(&args[0])?;
    let mut all = Vec::new();
    let qs = args[2..].iter().map(|arg| Ok((interpreter.scalar(arg)?, noted_span(arg))));
    let qs = qs.collect::<Result<Vec<(f64, Span)>, EvalError>>()?;
    for (q, span) in &qs {
        note_quantile(*q, *span, &mut interpreter.notes);
    }
    let histograms = histograms(interpreter, items, noted_span(&args[0]));
    for (q, _) in qs {
        let name = number_with_point(q);
        for mut item in quantiles_of(interpreter, &histograms, q, span)? {
            let mut labels = item.labels.edit();
            labels.set(label.as_str(), name.as_str());
            item.labels = labels.build();
            all.push(item);
        }
    }
    if !interpreter.options.delays_name_removal {
        expect_unique(all.iter().map(|item| &item.labels), span)?;
    }
    Ok(Outcome::Vector(all))
}

pub(super) fn fraction(interpreter: &mut Interpreter<'_>, args: &[Expr], span: Span) -> Result<Outcome, EvalError> {
    let (lower, upper) = (interpreter.scalar(&args[0])?, interpreter.scalar(&args[1])?);
    let items = interpreter.vector(&args[2])?;
    let histograms = histograms(interpreter, items, noted_span(&args[2]));
    let (mut items, mut names) = (Vec::new(), interpreter.names());
    for (labels, histogram) in &histograms.native {
        let value =
            native::fraction(lower, upper, histogram, labels.metric_name(), histograms.span, &mut interpreter.notes);
        items.push(names.item(labels, value));
    }
    for (labels, buckets) in &histograms.classic {
        items.push(names.item(labels, classic::fraction(lower, upper, buckets.clone())));
    }
    names.finish(&items, span)?;
    Ok(Outcome::Vector(items))
}

/// Tells that a quantile is none.
fn note_quantile(q: f64, span: Span, notes: &mut Annotations) {
    if !(0.0..=1.0).contains(&q) {
        notes.add(Annotation::invalid_quantile(q, span));
    }
}

/// The same for the first scalar of a function over a range.
pub(super) fn check_quantile(scalars: &[f64], args: &[Expr], notes: &mut Annotations) -> Result<(), EvalError> {
    if let (Some(q), Some(arg)) = (scalars.first(), args.first()) {
        note_quantile(*q, noted_span(arg), notes);
    }
    Ok(())
}

fn quantiles_of(
    interpreter: &mut Interpreter<'_>,
    histograms: &Histograms,
    q: f64,
    span: Span,
) -> Result<Vec<Item>, EvalError> {
    let (mut items, mut names) = (Vec::new(), interpreter.names());
    for (labels, histogram) in &histograms.native {
        let value = native::quantile(q, histogram, labels.metric_name(), histograms.span, &mut interpreter.notes);
        items.push(names.item(labels, value));
    }
    for (labels, buckets) in &histograms.classic {
        let (value, fixed) = classic::quantile(q, buckets.clone());
        if let Some(fixed) = fixed {
            let metric = told_metric(interpreter, labels);
            let note = Annotation::forced_monotonicity(&metric, fixed, interpreter.at, histograms.span);
            interpreter.notes.add(note);
        }
        items.push(names.item(labels, value));
    }
    names.finish(&items, span)?;
    Ok(items)
}

/// The metric that is told of: Prometheus knows it where names go at the end only.
fn told_metric(interpreter: &Interpreter<'_>, labels: &Labels) -> String {
    if interpreter.options.delays_name_removal { labels.metric_name().to_owned() } else { String::new() }
}

/// A number as OpenMetrics writes it: `1.0`, never `1`.
fn number_with_point(value: f64) -> String {
    let text = Number(value).to_string();
    let is_whole = text.bytes().all(|c| c.is_ascii_digit() || c == b'-');
    if is_whole { format!("{text}.0") } else { text }
}

/// Puts the buckets that differ only in `le` together. An element whose `le` is no number is no bucket; where there are
/// both a native and a classic histogram with the same labels, neither counts.
fn histograms(interpreter: &mut Interpreter<'_>, items: Vec<Item>, span: Span) -> Histograms {
    let mut found = Histograms { native: Vec::new(), classic: Vec::new(), span };
    let mut index: HashMap<Labels, usize> = HashMap::new();
    for Item { labels, value, .. } in items {
        let count = match value {
            SampleValue::Histogram(histogram) => {
                found.native.push((labels, histogram));
                continue;
            }
            SampleValue::Float(count) => count,
        };
        let Some(bound) = bound_of(labels.get(BOUND)) else {
            let metric = told_metric(interpreter, &labels);
            interpreter.notes.add(Annotation::bad_bucket_label(&metric, labels.get(BOUND), span));
            continue;
        };
        let others = labels.filter(|name| name != BOUND);
        let next = found.classic.len();
        let place = *index.entry(others.clone()).or_insert(next);
        if place == next {
            found.classic.push((others, Vec::new()));
        }
        found.classic[place].1.push(ClassicBucket { bound, count });
    }
    let mixed: Vec<Labels> =
        found.native.iter().map(|(labels, _)| labels).filter(|labels| index.contains_key(*labels)).cloned().collect();
    for labels in &mixed {
        let metric = told_metric(interpreter, labels);
        interpreter.notes.add(Annotation::mixed_classic_and_native(&metric, span));
    }
    found.native.retain(|(labels, _)| !mixed.contains(labels));
    found.classic.retain(|(labels, _)| !mixed.contains(labels));
    found
}

/// A bound as Go reads a float.
pub(in super::super) fn bound_of(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let is_word = |word: &str| unsigned.eq_ignore_ascii_case(word);
    if is_word("inf") || is_word("infinity") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    text.parse().ok()
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
