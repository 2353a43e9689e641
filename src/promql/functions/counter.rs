//! How fast a series changes: `rate` and its relatives.

use super::super::interpret::Window;
use crate::model::{Sample, Timestamp};

/// How many milliseconds it is from one moment to another, in seconds.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.millis() - from.millis()) as f64 / 1000.0
}

/// What a series is thought to have grown by over a window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It only grows, and starts from zero when it shrinks.
    Counter,
    /// It moves both ways.
    Gauge,
}

/// The change over a window, reaching out from the first and the last sample to its ends: all the way when they are about
/// one interval between samples away, otherwise half an interval; and for a counter no further back than where it would
/// have been zero. Operands are combined in Prometheus's order, so that the last bit agrees.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
fn extrapolated(window: &Window<'_>, kind: Kind, per_seconds: Option<f64>) -> Option<f64> {
    let [first, .., last] = window.samples else { return None };
    let mut change = last.value - first.value;
    if kind == Kind::Counter {
        for pair in window.samples.windows(2) {
            if pair[1].value < pair[0].value {
                change += pair[0].value;
            }
        }
    }
    let mut to_start = seconds_between(window.start, first.at);
    let mut to_end = seconds_between(last.at, window.end);
    let sampled = seconds_between(first.at, last.at);
    let between_samples = sampled / (window.samples.len() - 1) as f64;
    let threshold = between_samples * 1.1;
    if to_start >= threshold {
        to_start = between_samples / 2.0;
    }
    if kind == Kind::Counter {
        let mut to_zero = to_start;
        if change > 0.0 && first.value >= 0.0 {
            to_zero = sampled * (first.value / change);
        }
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    if to_end >= threshold {
        to_end = between_samples / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if let Some(seconds) = per_seconds {
        factor /= seconds;
    }
    Some(change * factor)
}

pub(super) fn rate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, Kind::Counter, Some(seconds_between(window.start, window.end)))
}

pub(super) fn increase(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, Kind::Counter, None)
}

pub(super) fn delta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, Kind::Gauge, None)
}

pub(super) fn irate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    let grown = if last.value < before.value { last.value } else { last.value - before.value };
    Some(grown / seconds_between(before.at, last.at))
}

pub(super) fn idelta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    Some(last.value - before.value)
}

pub(super) fn changes(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let differ = |before: &Sample, after: &Sample| {
        before.value != after.value && !(before.value.is_nan() && after.value.is_nan())
    };
    Some(count_pairs(window, differ))
}

pub(super) fn resets(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(count_pairs(window, |before, after| after.value < before.value))
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
fn count_pairs(window: &Window<'_>, counts: impl Fn(&Sample, &Sample) -> bool) -> f64 {
    window.samples.windows(2).filter(|pair| counts(&pair[0], &pair[1])).count() as f64
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
