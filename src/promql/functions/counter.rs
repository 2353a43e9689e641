//! How fast a series changes: `rate` and its relatives.

use super::super::annotation::{Annotation, Annotations, HistogramOperation};
use super::super::ast::Reading;
use super::super::extended;
use super::super::value::SampleValue;
use super::super::window::Window;
use super::rate_histogram::histogram_growth;
use crate::model::{CounterReset, Histogram, HistogramSample, Sample, Timestamp};

/// How many milliseconds it is from one moment to another, in seconds.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.millis() - from.millis()) as f64 / 1000.0
}

/// What a series is thought to have grown by over a window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, and starts from zero when it shrinks.
    Counter,
    /// It moves both ways.
    Gauge,
}

/// Whether a counter started anew between two samples, by what is known of since when they count.
pub(super) fn starts_anew(
    before: Timestamp,
    start_before: Option<Timestamp>,
    now: Timestamp,
    start_now: Option<Timestamp>,
) -> bool {
    let Some(start) = start_now.filter(|start| start.millis() != 0) else { return false };
    if start >= now || start < before {
        return false;
    }
    if start > before {
        return true;
    }
    // The start is the sample before: so it is with deltas, of which each counts from the one before. The same start as
    // that of the sample before is none.
    start_before.is_some_and(|earlier| earlier < before && earlier.millis() != 0)
}

/// Whether a sample counts from before the one before it, and yet not from where that one does.
pub(super) fn overlaps(before: Timestamp, start_before: Option<Timestamp>, start_now: Option<Timestamp>) -> bool {
    let is_known = |start: &Timestamp| start.millis() != 0;
    start_now.filter(is_known).is_some_and(|start| start < before && Some(start) != start_before)
}

/// How a window's samples lie, without what they are.
struct Shape {
    count: usize,
    first: Timestamp,
    last: Timestamp,
    /// Since when the first sample counts.
    start: Option<Timestamp>,
    /// How much the first sample has counted.
    first_count: f64,
    /// How much was counted over the window.
    grown: f64,
}

/// The factor by which growth between samples becomes growth over the window: it reaches out from the first and the last
/// sample to the ends, all the way when they are about one interval between samples away, otherwise half an interval; and
/// for a counter no further back than where it would have been zero. Operands are combined in Prometheus's order, so that
/// the last bit agrees.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
fn extrapolation(window: &Window<'_>, kind: Kind, shape: &Shape, begins_at_start: bool) -> Option<f64> {
    let mut to_start = seconds_between(window.start, shape.first);
    let mut to_end = seconds_between(shape.last, window.end);
    let mut sampled = seconds_between(shape.first, shape.last);
    let gaps = shape.count.checked_sub(1)?;
    let between_samples = if gaps > 0 { sampled / gaps as f64 } else { 0.0 };
    let threshold = between_samples * 1.1;
    if begins_at_start {
        to_start = 0.0;
        sampled = seconds_between(shape.start?, shape.last);
    } else if gaps == 0 {
        return None;
    } else {
        if to_start >= threshold {
            to_start = between_samples / 2.0;
        }
        if kind == Kind::Counter {
            let mut to_zero = to_start;
            if shape.grown > 0.0 && shape.first_count >= 0.0 {
                to_zero = sampled * (shape.first_count / shape.grown);
            }
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
    }
    if to_end >= threshold {
        to_end = between_samples / 2.0;
    }
    Some(if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled })
}

/// The change over a window.
fn extrapolated(window: &Window<'_>, kind: Kind, per_second: bool, notes: &mut Annotations) -> Option<SampleValue> {
    if window.reading != Reading::Plain {
        return extended::change(window, kind == Kind::Counter, per_second, notes);
    }
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        notes.add(Annotation::mixed_range(window.metric(), window.span));
        return None;
    }
    let with_period = |factor: f64| if per_second { factor / window.seconds() } else { factor };
    let begins_at_start = |first: Timestamp, start: Option<Timestamp>| {
        let is_within = |start: Timestamp| start.millis() != 0 && start > window.start && start < first;
        kind == Kind::Counter && start.is_some_and(is_within)
    };
    if let [first, .., last] | [first @ last] = window.floats {
        let mut grown = last.value - first.value;
        if kind == Kind::Counter {
            add_lost_to_resets(&mut grown, window, notes);
        }
        let start = window.start_of(first.at);
        let count = window.floats.len();
        let shape = Shape { count, first: first.at, last: last.at, start, first_count: first.value, grown };
        let begins_at_start = begins_at_start(first.at, start);
        let factor = extrapolation(window, kind, &shape, begins_at_start)?;
        if begins_at_start {
            grown += first.value;
        }
        return Some((grown * with_period(factor)).into());
    }
    let ([first, .., last] | [first @ last]) = window.histograms else { return None };
    let start = window.start_of(first.at);
    let count = window.histograms.len();
    let mut grown = if count > 1 { Some(histogram_growth(window, kind, notes)?) } else { None };
    let begins_at_start = begins_at_start(first.at, start);
    if begins_at_start {
        match &mut grown {
            None => grown = Some((*first.histogram).clone()),
            Some(grown) => match grown.add(&first.histogram) {
                Ok(combined) => {
                    if combined.bounds_reconciled {
                        notes.add(Annotation::bounds_reconciled(HistogramOperation::Addition, window.span));
                    }
                }
                Err(_) => {
                    notes.add(Annotation::mixed_schemas(window.metric(), window.span));
                    return None;
                }
            },
        }
    }
    let mut grown = grown?;
    let first_count = first.histogram.count;
    let shape = Shape { count, first: first.at, last: last.at, start, first_count, grown: grown.count };
    grown.scale(with_period(extrapolation(window, kind, &shape, begins_at_start)?));
    Some(grown.into())
}

/// Adds what a counter had counted whenever it started anew.
fn add_lost_to_resets(grown: &mut f64, window: &Window<'_>, notes: &mut Annotations) {
    let has_starts = window.has_starts();
    let mut has_overlap = false;
    for pair in window.floats.windows(2) {
        let [before, now] = pair else { continue };
        if now.value < before.value {
            *grown += before.value;
        }
        if !has_starts {
            continue;
        }
        let (start_before, start_now) = (window.start_of(before.at), window.start_of(now.at));
        if !has_overlap && overlaps(before.at, start_before, start_now) {
            has_overlap = true;
            notes.add(Annotation::starts_overlap(window.metric(), window.span));
        }
        let is_counted = now.value < before.value;
        if !is_counted && starts_anew(before.at, start_before, now.at, start_now) {
            *grown += before.value;
        }
    }
}

/// Endings of names that counters have.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

/// Notes that a metric does not look like a counter.
fn note_counter(window: &Window<'_>, value: Option<&SampleValue>, notes: &mut Annotations) {
    let metric = window.metric();
    let is_counter = COUNTER_ENDINGS.iter().any(|ending| metric.ends_with(ending));
    if matches!(value, Some(SampleValue::Float(_))) && !metric.is_empty() && !is_counter {
        notes.possible_non_counter(metric, window.span);
    }
}

pub(super) fn rate(window: &Window<'_>, _: &[f64], notes: &mut Annotations) -> Option<SampleValue> {
    let value = extrapolated(window, Kind::Counter, true, notes);
    note_counter(window, value.as_ref(), notes);
    value
}

pub(super) fn increase(window: &Window<'_>, _: &[f64], notes: &mut Annotations) -> Option<SampleValue> {
    let value = extrapolated(window, Kind::Counter, false, notes);
    note_counter(window, value.as_ref(), notes);
    value
}

pub(super) fn delta(window: &Window<'_>, _: &[f64], notes: &mut Annotations) -> Option<SampleValue> {
    extrapolated(window, Kind::Gauge, false, notes)
}

pub(super) fn irate(window: &Window<'_>, _: &[f64], notes: &mut Annotations) -> Option<SampleValue> {
    let [before, last] = last_two(window)?;
    let seconds = seconds_between(before.at, last.at);
    Some(match change_between(&before, &last, Kind::Counter, window, notes)? {
        SampleValue::Float(change) => (change / seconds).into(),
        SampleValue::Histogram(change) => {
            let mut change = (*change).clone();
            change.divide(seconds);
            change.into()
        }
    })
}

pub(super) fn idelta(window: &Window<'_>, _: &[f64], notes: &mut Annotations) -> Option<SampleValue> {
    let [before, last] = last_two(window)?;
    change_between(&before, &last, Kind::Gauge, window, notes)
}

/// A sample of either kind.
struct Moment {
    at: Timestamp,
    value: SampleValue,
}

impl From<&Sample> for Moment {
    fn from(sample: &Sample) -> Self {
        Self { at: sample.at, value: sample.value.into() }
    }
}

impl From<&HistogramSample> for Moment {
    fn from(sample: &HistogramSample) -> Self {
        Self { at: sample.at, value: SampleValue::Histogram(sample.histogram.clone()) }
    }
}

/// The last two samples, when they are not of the same moment.
fn last_two(window: &Window<'_>) -> Option<[Moment; 2]> {
    let last_of = |count: usize| count.saturating_sub(2);
    let floats = window.floats[last_of(window.floats.len())..].iter().map(Moment::from);
    let histograms = window.histograms[last_of(window.histograms.len())..].iter().map(Moment::from);
    let mut all: Vec<Moment> = floats.chain(histograms).collect();
    all.sort_by_key(|moment| moment.at);
    let last = all.pop()?;
    let before = all.pop()?;
    (before.at != last.at).then_some([before, last])
}

fn change_between(
    before: &Moment,
    last: &Moment,
    kind: Kind,
    window: &Window<'_>,
    notes: &mut Annotations,
) -> Option<SampleValue> {
    let has_start = || {
        let (start_before, start_last) = (window.start_of(before.at), window.start_of(last.at));
        kind == Kind::Counter && starts_anew(before.at, start_before, last.at, start_last)
    };
    match (&before.value, &last.value) {
        (SampleValue::Float(from), SampleValue::Float(to)) => {
            let is_reset = kind == Kind::Counter && to < from || has_start();
            Some(if is_reset { *to } else { to - from }.into())
        }
        (SampleValue::Histogram(from), SampleValue::Histogram(to)) => {
            let is_gauge = |histogram: &Histogram| histogram.reset == CounterReset::Gauge;
            match kind {
                Kind::Counter if is_gauge(from) || is_gauge(to) => {
                    notes.add(Annotation::not_a_counter(window.metric(), window.span));
                }
                Kind::Gauge if !is_gauge(from) || !is_gauge(to) => {
                    notes.add(Annotation::not_a_gauge(window.metric(), window.span));
                }
                _ => {}
            }
            let mut change = (**to).clone();
            if kind == Kind::Gauge || !(has_start() || to.has_reset_since(from)) {
                match change.subtract(from) {
                    Err(_) => {
                        notes.add(Annotation::mixed_schemas(window.metric(), window.span));
                        return None;
                    }
                    Ok(combined) if combined.bounds_reconciled => {
                        notes.add(Annotation::bounds_reconciled(HistogramOperation::Subtraction, window.span));
                    }
                    Ok(_) => {}
                }
            }
            change.reset = CounterReset::Gauge;
            change.compact();
            Some(change.into())
        }
        _ => {
            notes.add(Annotation::mixed_range(window.metric(), window.span));
            None
        }
    }
}

/// How many pairs of neighbouring numbers count, when there is nothing else to be looked at.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
fn count_plain(window: &Window<'_>, counts: impl Fn(f64, f64) -> bool) -> Option<SampleValue> {
    let is_plain = window.histograms.is_empty() && !window.has_starts() && window.reading == Reading::Plain;
    let count = || window.floats.windows(2).filter(|pair| counts(pair[0].value, pair[1].value)).count();
    is_plain.then(|| (count() as f64).into())
}

pub(super) fn changes(window: &Window<'_>, _: &[f64], _: &mut Annotations) -> Option<SampleValue> {
    let differ = |from: f64, to: f64| from != to && !(from.is_nan() && to.is_nan());
    if let Some(count) = count_plain(window, differ) {
        return Some(count);
    }
    count_pairs(window, |before, now| match (&before.value, &now.value) {
        (SampleValue::Float(from), SampleValue::Float(to)) => differ(*from, *to),
        (SampleValue::Histogram(from), SampleValue::Histogram(to)) => from != to,
        _ => true,
    })
}

pub(super) fn resets(window: &Window<'_>, _: &[f64], _: &mut Annotations) -> Option<SampleValue> {
    if let Some(count) = count_plain(window, |from, to| to < from) {
        return Some(count);
    }
    count_pairs(window, |before, now| {
        let starts = || starts_anew(before.at, window.start_of(before.at), now.at, window.start_of(now.at));
        match (&before.value, &now.value) {
            (SampleValue::Float(from), SampleValue::Float(to)) => to < from || starts(),
            (SampleValue::Histogram(from), SampleValue::Histogram(to)) => starts() || to.has_reset_since(from),
            _ => true,
        }
    })
}

/// How many pairs of neighbours count. An anchored window begins with the last sample that is not after its beginning.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
fn count_pairs(window: &Window<'_>, counts: impl Fn(&Moment, &Moment) -> bool) -> Option<SampleValue> {
    let mut all: Vec<Moment> =
        window.floats.iter().map(Moment::from).chain(window.histograms.iter().map(Moment::from)).collect();
    if !window.histograms.is_empty() {
        all.sort_by_key(|moment| moment.at);
    }
    let mut samples = all.as_slice();
    if window.reading == Reading::Anchored {
        let after = samples.partition_point(|moment| moment.at <= window.start);
        if after == samples.len() {
            return None;
        }
        samples = &samples[after.saturating_sub(1)..];
    }
    let count = samples.windows(2).filter(|pair| counts(&pair[0], &pair[1])).count();
    Some((count as f64).into())
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};

    /// The value of an expression over `a` at the moment of its last sample.
    fn check(source: &str, samples: &str, want: &str) {
        let last = i64::try_from(samples.split_whitespace().count()).unwrap() - 1;
        assert_eq!(value_of(source, &store(&[("a", samples)]), last), want, "{source} of {samples}");
    }

    #[test]
    fn rates_are_extrapolated() {
        check("increase(a[4m])", "0 10 20 30 40", "{} 40");
        check("increase(a[5m])", "0 10 20 30 40", "{} 40"); // it was zero at the first sample
        check("increase(a[5m])", "10 20 30 40 50", "{} 50"); // zero a minute before the first sample
        check("increase(a[9m])", "100 110 120 130 140", "{} 45"); // half an interval
        check("rate(a[4m])", "0 120 240 360 480", "{} 1.9999999999999998"); // Prometheus's rounding, too
        check("rate(a[4m])", "0 0 0 0 0", "{} 0");
        check("delta(a[4m])", "40 30 20 10 0", "{} -40");
        check("rate(a[1m])", "0 1", "");
        check("rate(a[2m])", "0 1 _", "");
        check("rate(a[3m])", "0 _ 6 12", "{} 0.05"); // the first sample is outside
    }

    #[test]
    fn a_counter_that_shrinks_was_reset() {
        check("increase(a[6m])", "0 1 2 3 2 3 4", "{} 7");
        check("increase(a[4m])", "60 90 0 60 90", "{} 120");
        check("resets(a[10m])", "1 2 0 1 0 0", "{} 2");
        check("irate(a[10m])", "60 30", "{} 0.5");
        check("irate(a[10m])", "60 90 180", "{} 1.5");
        check("irate(a[10m])", "60", "");
    }

    #[test]
    fn changes_are_counted() {
        check("changes(a[10m])", "1 1 2 NaN NaN 2", "{} 3");
        check("changes(a[10m])", "1", "{} 0");
        check("idelta(a[10m])", "5 1 4", "{} 3");
    }
}
