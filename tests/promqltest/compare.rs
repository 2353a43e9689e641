//! Whether a result is what a script expects.

use std::time::Duration;

use atalaya::model::{Cell, Histogram, HistogramSample, Labels, Sample, Timestamp, is_stale};
use atalaya::promql::{Element, RangeElement, SampleValue, SequenceValue, Severity, Value};

use crate::script::{Eval, Wanted, When};

/// How far numbers may be apart, relative to their sum.
const EPSILON: f64 = 1e-6;

/// Whether two numbers are the same but for rounding.
fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || a.is_nan() && b.is_nan() {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn same_histogram(wanted: &Histogram, found: &Histogram, with_reset: bool) -> bool {
    let (mut wanted, mut found) = (wanted.clone(), found.clone());
    wanted.compact();
    found.compact();
    let same_cells = |a: &[Cell], b: &[Cell]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.index == b.index && almost_equal(a.count, b.count))
    };
    wanted.schema == found.schema
        && almost_equal(wanted.count, found.count)
        && almost_equal(wanted.sum, found.sum)
        && (!wanted.is_custom() || wanted.bounds == found.bounds)
        && wanted.zero_threshold == found.zero_threshold
        && almost_equal(wanted.zero_count, found.zero_count)
        && same_cells(&wanted.positive, &found.positive)
        && same_cells(&wanted.negative, &found.negative)
        && (!with_reset || wanted.reset == found.reset)
}

fn same_value(wanted: &SequenceValue, found: &SampleValue) -> bool {
    let SequenceValue { value, says_reset } = wanted;
    match (value, found) {
        (SampleValue::Float(wanted), SampleValue::Float(found)) => almost_equal(*wanted, *found),
        (SampleValue::Histogram(wanted), SampleValue::Histogram(found)) => same_histogram(wanted, found, *says_reset),
        _ => false,
    }
}

/// Whether a value is what is expected.
pub(crate) fn compare(eval: &Eval, value: &Value) -> Result<(), String> {
    match value {
        Value::String(found) => match &eval.string {
            Some(wanted) if wanted == found => Ok(()),
            wanted => Err(format!("expected the string {wanted:?}, got {found:?}")),
        },
        Value::Scalar(found) => match eval.scalar {
            Some(wanted) if almost_equal(wanted, *found) => Ok(()),
            wanted => Err(format!("expected the scalar {wanted:?}, got {found}")),
        },
        _ if eval.scalar.is_some() => Err(format!("expected a scalar, got {}", told(value))),
        Value::Vector(found) => vector(eval, found),
        Value::Matrix(found) => matrix(eval, found),
    }
}

fn vector(eval: &Eval, found: &[Element]) -> Result<(), String> {
    for (place, element) in found.iter().enumerate() {
        let Some(wanted_place) = eval.series.iter().position(|(labels, _)| *labels == element.labels) else {
            return Err(format!("unexpected {} {}", element.labels, shown(&element.value)));
        };
        if eval.is_ordered && wanted_place != place {
            return Err(format!("{} is at {place}, not at {wanted_place}", element.labels));
        }
        let wanted = eval.series[wanted_place].1.first().and_then(Option::as_ref);
        if !wanted.is_some_and(|wanted| same_value(wanted, &element.value)) {
            return Err(format!("{}: expected {}, got {}", element.labels, noted(wanted), shown(&element.value)));
        }
    }
    let has = |labels: &Labels| found.iter().any(|element| element.labels == *labels);
    match eval.series.iter().find(|(labels, _)| !has(labels)) {
        Some((labels, wanted)) => {
            Err(format!("expected {labels} {}, which is not there", noted(wanted.first().and_then(Option::as_ref))))
        }
        None => Ok(()),
    }
}

fn matrix(eval: &Eval, found: &[RangeElement]) -> Result<(), String> {
    if eval.is_ordered {
        return Err("a matrix has no order".to_owned());
    }
    if !found.is_sorted_by(|a, b| a.labels <= b.labels) {
        return Err("a matrix is not sorted by labels".to_owned());
    }
    let (start, end, step) = match (eval.moments, eval.when) {
        (Some(moments), _) => moments,
        (None, When::Range { start, end, step }) => (start, end, step),
        (None, When::At(at)) => (at, at, Duration::ZERO),
    };
    for element in found {
        let Some((_, wanted)) = eval.series.iter().find(|(labels, _)| *labels == element.labels) else {
            return Err(format!("unexpected {}", told_range(element)));
        };
        let mut at = start;
        let mut all: Vec<(Timestamp, &SequenceValue)> = Vec::new();
        for noted in wanted {
            if at > end {
                return Err(format!("{}: more values are expected than there are moments", element.labels));
            }
            if let Some(noted) = noted {
                all.push((at, noted));
            }
            at = at + step;
        }
        let mut found: Vec<(Timestamp, SampleValue)> =
            element.samples.iter().map(|Sample { at, value }| (*at, SampleValue::Float(*value))).collect();
        let histograms = element.histograms.iter();
        found.extend(
            histograms.map(|HistogramSample { at, histogram }| (*at, SampleValue::Histogram(histogram.clone()))),
        );
        found.sort_by_key(|(at, _)| *at);
        let is_same = all.len() == found.len()
            && all
                .iter()
                .zip(&found)
                .all(|((at, wanted), (found_at, value))| at == found_at && same_value(wanted, value));
        if !is_same {
            let wanted: Vec<String> = wanted.iter().map(|it| noted(it.as_ref())).collect();
            return Err(format!("{}: expected {}, got {}", element.labels, wanted.join(" "), told_range(element)));
        }
    }
    let has = |labels: &Labels| found.iter().any(|element| element.labels == *labels);
    match eval.series.iter().find(|(labels, _)| !has(labels)) {
        Some((labels, _)) => Err(format!("expected {labels}, which is not there")),
        None => Ok(()),
    }
}

/// Whether annotations are what is expected.
pub(crate) fn annotations(eval: &Eval, source: &str, found: &atalaya::promql::Annotations) -> Result<(), String> {
    let kinds = [
        ("warning", Severity::Warning, &eval.warnings, eval.no_warning, eval.has_warning),
        ("info", Severity::Info, &eval.infos, eval.no_info, eval.has_info),
    ];
    for (name, severity, wanted, wants_none, wants_any) in kinds {
        let found = found.render(severity, source);
        if wants_none && !found.is_empty() {
            return Err(format!("expected no {name}, got {found:?}"));
        }
        if (wants_any || !wanted.is_empty()) && found.is_empty() {
            let wanted: Vec<&str> = wanted.iter().map(Wanted::text).collect();
            return Err(format!("expected a {name} {wanted:?}, got none"));
        }
        if let Some(missing) = wanted.iter().find(|wanted| !found.iter().any(|text| wanted.matches(text))) {
            return Err(format!("expected a {name} {:?}, got {found:?}", missing.text()));
        }
        let is_wanted = |text: &String| wanted.is_empty() || wanted.iter().any(|wanted| wanted.matches(text));
        if let Some(more) = found.iter().find(|text| !is_wanted(text)) {
            return Err(format!("unexpected {name} {more:?}"));
        }
    }
    Ok(())
}

fn shown(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => value.to_string(),
        SampleValue::Histogram(it) => {
            format!("schema {} {it} zero {} {:?} {:?}", it.schema, it.zero_threshold, it.reset, it.bounds)
        }
    }
}

fn noted(noted: Option<&SequenceValue>) -> String {
    match noted {
        None => "_".to_owned(),
        Some(SequenceValue { value, .. }) => shown(value),
    }
}

fn told_range(element: &RangeElement) -> String {
    let floats = element.samples.iter().map(|it| format!("{}@{}", it.value, it.at.seconds()));
    let histograms = element
        .histograms
        .iter()
        .map(|it| format!("{}@{}", shown(&SampleValue::Histogram(it.histogram.clone())), it.at.seconds()));
    format!("{} {}", element.labels, floats.chain(histograms).collect::<Vec<_>>().join(" "))
}

fn told(value: &Value) -> String {
    format!("{value:?}")
}
