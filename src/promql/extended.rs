//! `anchored` and `smoothed`: ranges whose values at both ends are taken from samples around them.
//!
//! An anchored range has at its beginning the value of the last sample before it. A smoothed one has at both ends a value
//! on the line between the samples around them; for a counter that started anew in between, the line begins at zero.

use super::Span;
use super::annotation::{Annotation, Annotations, HistogramOperation};
use super::ast::Reading;
use super::value::SampleValue;
use super::window::Window;
use crate::model::{CounterReset, Histogram, HistogramSample, IncompatibleSchemas, Sample, Timestamp};

/// How far a moment is on the way from one to another.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
fn way(from: Timestamp, to: Timestamp, at: Timestamp) -> (f64, f64) {
    ((at.millis() - from.millis()) as f64, (to.millis() - from.millis()) as f64)
}

/// The value on the line between two samples.
pub(super) fn interpolated(before: Sample, after: Sample, at: Timestamp, is_counter: bool) -> f64 {
    let from = if is_counter && after.value < before.value { 0.0 } else { before.value };
    let (passed, whole) = way(before.at, after.at, at);
    from + (after.value - from) * passed / whole
}

/// The same for histograms.
pub(super) fn interpolated_histogram(
    before: &HistogramSample,
    after: &HistogramSample,
    at: Timestamp,
    is_counter: bool,
    notes: &mut Annotations,
    span: Span,
) -> Result<Histogram, IncompatibleSchemas> {
    let mut result = (*after.histogram).clone();
    if at == before.at {
        return Ok((*before.histogram).clone());
    }
    if at == after.at {
        return Ok(result);
    }
    let (passed, whole) = way(before.at, after.at, at);
    let share = passed / whole;
    if is_counter && result.has_reset_since(&before.histogram) {
        result.scale(share);
        return Ok(result);
    }
    if result.subtract(&before.histogram)?.bounds_reconciled {
        notes.add(Annotation::bounds_reconciled(HistogramOperation::Subtraction, span));
    }
    result.scale(share);
    if result.add(&before.histogram)?.bounds_reconciled {
        notes.add(Annotation::bounds_reconciled(HistogramOperation::Addition, span));
    }
    Ok(result)
}

/// The first and the last sample that count: the last one not after the beginning, and the one at or after the end.
fn ends(count: usize, at: impl Fn(usize) -> Timestamp, window: &Window<'_>) -> Option<(usize, usize)> {
    let (start, end, reading) = (window.start, window.end, window.reading);
    let mut last = count.checked_sub(1)?;
    let search = |passes: &dyn Fn(Timestamp) -> bool| (0..last).find(|place| passes(at(*place))).unwrap_or(last);
    let first = search(&|moment| moment > start).saturating_sub(1);
    if reading == Reading::Smoothed {
        last = search(&|moment| moment >= end);
    }
    let is_outside = at(last) <= start || reading == Reading::Smoothed && at(first) > end;
    (!is_outside).then_some((first, last))
}

/// The samples of a range with its values at both ends.
pub(super) fn extended(samples: &[Sample], start: Timestamp, end: Timestamp, reading: Reading) -> Vec<Sample> {
    let is_smoothed = reading == Reading::Smoothed;
    let Some(mut last) = samples.len().checked_sub(1) else { return Vec::new() };
    let first = samples[..last].partition_point(|sample| sample.at <= start).saturating_sub(1);
    if is_smoothed {
        last = samples[..last].partition_point(|sample| sample.at < end);
    }
    if samples[last].at <= start {
        return Vec::new();
    }
    let left = left_value(samples, first, start, is_smoothed, false);
    let right = right_value(samples, last, end, is_smoothed, false);
    let inner = samples.iter().enumerate().filter(|(place, sample)| {
        (first..=last).contains(place) && (*place > first || sample.at > start) && (*place < last || sample.at < end)
    });
    let mut all = vec![Sample { at: start, value: left }];
    all.extend(inner.map(|(_, sample)| *sample));
    all.push(Sample { at: end, value: right });
    all
}

fn left_value(samples: &[Sample], first: usize, start: Timestamp, is_smoothed: bool, is_counter: bool) -> f64 {
    match samples.get(first + 1) {
        Some(next) if is_smoothed && samples[first].at < start => {
            interpolated(samples[first], *next, start, is_counter)
        }
        _ => samples[first].value,
    }
}

fn right_value(samples: &[Sample], last: usize, end: Timestamp, is_smoothed: bool, is_counter: bool) -> f64 {
    if is_smoothed && last > 0 && samples[last].at > end {
        interpolated(samples[last - 1], samples[last], end, is_counter)
    } else {
        samples[last].value
    }
}

/// How much the series changed over the range: by the values at its ends, and for a counter with what resets took.
pub(super) fn change(
    window: &Window<'_>,
    is_counter: bool,
    per_second: bool,
    notes: &mut Annotations,
) -> Option<SampleValue> {
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        notes.add(Annotation::mixed_range(window.metric(), window.span));
        return None;
    }
    if window.histograms.is_empty() {
        let change = float_change(window, is_counter)?;
        return Some(if per_second { change / window.seconds() } else { change }.into());
    }
    let mut change = histogram_change(window, is_counter, notes)?;
    if per_second {
        change.divide(window.seconds());
    }
    change.reset = CounterReset::Gauge;
    change.compact();
    Some(change.into())
}

fn float_change(window: &Window<'_>, is_counter: bool) -> Option<f64> {
    let samples = window.floats;
    let is_smoothed = window.reading == Reading::Smoothed;
    let (first, last) = ends(samples.len(), |place| samples[place].at, window)?;
    let left = left_value(samples, first, window.start, is_smoothed, is_counter);
    let right = right_value(samples, last, window.end, is_smoothed, is_counter);
    let mut change = right - left;
    if is_counter {
        let first = first + usize::from(samples[first].at <= window.start);
        let end = last + usize::from(samples[last].at < window.end);
        let (mut before, mut correction) = (left, 0.0);
        for sample in samples.get(first..end).unwrap_or_default() {
            if sample.value < before {
                correction += before;
            }
            before = sample.value;
        }
        if right < before {
            correction += before;
        }
        change += correction;
    }
    Some(change)
}

fn histogram_change(window: &Window<'_>, is_counter: bool, notes: &mut Annotations) -> Option<Histogram> {
    let samples = window.histograms;
    let (span, metric) = (window.span, window.metric());
    let is_smoothed = window.reading == Reading::Smoothed;
    let (first, last) = ends(samples.len(), |place| samples[place].at, window)?;
    let used = &samples[first..=last];
    for sample in used {
        if sample.histogram.is_custom() != used[0].histogram.is_custom() {
            notes.add(Annotation::mixed_schemas(metric, span));
            return None;
        }
        if is_counter && sample.histogram.reset == CounterReset::Gauge {
            notes.add(Annotation::not_a_counter(metric, span));
        }
    }
    let left = match samples.get(first + 1) {
        Some(next) if is_smoothed && samples[first].at < window.start => {
            interpolated_histogram(&samples[first], next, window.start, is_counter, notes, span)
        }
        _ => Ok((*samples[first].histogram).clone()),
    };
    let right = if is_smoothed && last > 0 && samples[last].at > window.end {
        interpolated_histogram(&samples[last - 1], &samples[last], window.end, is_counter, notes, span)
    } else {
        Ok((*samples[last].histogram).clone())
    };
    let (Ok(left), Ok(right)) = (left, right) else {
        notes.add(Annotation::mixed_schemas(metric, span));
        return None;
    };
    if !is_counter && (left.reset != CounterReset::Gauge || right.reset != CounterReset::Gauge) {
        notes.add(Annotation::not_a_gauge(metric, span));
    }
    let mut result = right.clone();
    if result.subtract(&left).ok()?.bounds_reconciled {
        notes.add(Annotation::bounds_reconciled(HistogramOperation::Subtraction, span));
    }
    if is_counter {
        correct_resets(&mut result, window, (first, last), (&left, &right), notes)?;
    }
    Some(result)
}

/// Adds what resets within the range took.
fn correct_resets(
    result: &mut Histogram,
    window: &Window<'_>,
    (first, last): (usize, usize),
    (left, right): (&Histogram, &Histogram),
    notes: &mut Annotations,
) -> Option<()> {
    let samples = window.histograms;
    let mut before = left;
    let mut next = first + 1;
    if window.reading == Reading::Smoothed
        && samples[first].at < window.start
        && samples.get(next).is_some_and(|sample| sample.histogram.has_reset_since(&samples[first].histogram))
    {
        // The line to the left end began at zero already.
        before = &samples[next].histogram;
        next += 1;
    }
    if next > last {
        return Some(());
    }
    let mut correction: Option<Histogram> = None;
    let inner = samples[next..last].iter().map(|sample| &*sample.histogram);
    for now in inner.chain([right]) {
        if now.has_reset_since(before) {
            match &mut correction {
                None => correction = Some(before.clone()),
                Some(correction) => note_sum(correction, before, window, notes)?,
            }
        }
        before = now;
    }
    match &correction {
        Some(correction) => note_sum(result, correction, window, notes),
        None => Some(()),
    }
}

fn note_sum(sum: &mut Histogram, other: &Histogram, window: &Window<'_>, notes: &mut Annotations) -> Option<()> {
    match sum.add(other) {
        Ok(combined) => {
            if combined.bounds_reconciled {
                notes.add(Annotation::bounds_reconciled(HistogramOperation::Addition, window.span));
            }
            Some(())
        }
        Err(IncompatibleSchemas) => {
            notes.add(Annotation::mixed_schemas(window.metric(), window.span));
            None
        }
    }
}
