//! What the samples of a window amount to: `sum_over_time` and its relatives.

use super::super::aggregate::least;
use super::super::annotation::{Annotation, Annotations};
use super::super::histogram_sum::HistogramFold;
use super::super::sum;
use super::super::value::SampleValue;
use super::super::window::Window;
use crate::model::{HistogramSample, Sample, Timestamp};

fn values<'a>(window: &'a Window<'_>) -> impl Iterator<Item = f64> + 'a {
    window.floats.iter().map(|sample| sample.value)
}

/// Whether there are only numbers; that there are both is told.
fn has_only_floats(window: &Window<'_>, notes: &mut Annotations) -> Option<bool> {
    match (window.floats.is_empty(), window.histograms.is_empty()) {
        (false, false) => {
            notes.add(Annotation::mixed_range(window.metric(), window.span));
            None
        }
        (is_empty, _) => Some(!is_empty),
    }
}

pub(super) fn sum(window: &Window<'_>, _: &[f64], notes: &mut Annotations) -> Option<SampleValue> {
    if has_only_floats(window, notes)? {
        return Some(sum::sum(values(window)).into());
    }
    folded(HistogramFold::sum(), window, notes)
}

pub(super) fn avg(window: &Window<'_>, _: &[f64], notes: &mut Annotations) -> Option<SampleValue> {
    if has_only_floats(window, notes)? {
        return Some(sum::mean(values(window)).into());
    }
    folded(HistogramFold::mean(), window, notes)
}

fn folded(mut fold: HistogramFold, window: &Window<'_>, notes: &mut Annotations) -> Option<SampleValue> {
    for sample in window.histograms {
        fold.add(&sample.histogram, window.metric());
    }
    fold.finish(window.span, notes).map(SampleValue::from)
}

pub(super) fn min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(least(values(window), |value, least| value < least))
}

pub(super) fn max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(least(values(window), |value, greatest| value > greatest))
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
pub(super) fn count(window: &Window<'_>, _: &[f64], _: &mut Annotations) -> Option<SampleValue> {
    Some(((window.floats.len() + window.histograms.len()) as f64).into())
}

pub(super) fn first(window: &Window<'_>) -> Option<SampleValue> {
    either(window.floats.first(), window.histograms.first(), |float, histogram| float < histogram)
}

pub(super) fn last(window: &Window<'_>) -> Option<SampleValue> {
    either(window.floats.last(), window.histograms.last(), |float, histogram| histogram < float)
}

/// The one of two that is chosen by their moments; the histogram when both are of one moment.
fn either(
    float: Option<&Sample>,
    histogram: Option<&HistogramSample>,
    is_float: impl Fn(Timestamp, Timestamp) -> bool,
) -> Option<SampleValue> {
    match (float, histogram) {
        (Some(float), Some(histogram)) if is_float(float.at, histogram.at) => Some(float.value.into()),
        (_, Some(histogram)) => Some(SampleValue::Histogram(histogram.histogram.clone())),
        (Some(float), None) => Some(float.value.into()),
        (None, None) => None,
    }
}

/// The median of how far samples are from their median; NaN when any of them is.
pub(super) fn median_deviation(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    if values(window).any(f64::is_nan) {
        return Some(f64::NAN);
    }
    let median = sum::quantile(0.5, &mut values(window).collect::<Vec<_>>());
    Some(sum::quantile(0.5, &mut values(window).map(|value| (value - median).abs()).collect::<Vec<_>>()))
}

pub(super) fn time_of_first(window: &Window<'_>, _: &[f64], _: &mut Annotations) -> Option<SampleValue> {
    let moments = [window.floats.first().map(|it| it.at), window.histograms.first().map(|it| it.at)];
    moments.into_iter().flatten().min().map(|at| at.seconds().into())
}

pub(super) fn time_of_last(window: &Window<'_>, _: &[f64], _: &mut Annotations) -> Option<SampleValue> {
    let moments = [window.floats.last().map(|it| it.at), window.histograms.last().map(|it| it.at)];
    moments.into_iter().flatten().max().map(|at| at.seconds().into())
}

pub(super) fn time_of_max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of(window, |value, greatest| value >= greatest)
}

pub(super) fn time_of_min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of(window, |value, least| value <= least)
}

/// When the sample was taken that goes before all others, the last of several; NaN only when there is nothing else.
fn time_of(window: &Window<'_>, goes_before: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let chosen = window.floats.iter().copied().reduce(|chosen, sample| {
        if chosen.value.is_nan() || goes_before(sample.value, chosen.value) { sample } else { chosen }
    });
    chosen.map(|sample| sample.at.seconds())
}

pub(super) fn present(_: &Window<'_>, _: &[f64], _: &mut Annotations) -> Option<SampleValue> {
    Some(1.0.into())
}

pub(super) fn stdvar(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(sum::variance(values(window)))
}

pub(super) fn stddev(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(sum::variance(values(window)).sqrt())
}

pub(super) fn quantile(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    Some(sum::quantile(*scalars.first()?, &mut values(window).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};

    #[test]
    fn windows_are_folded() {
        let store = store(&[("a", "0 8 8 _ 2 3"), ("b", "NaN 2 1")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 5), want, "{source}");
        check("sum_over_time(a[10m])", "{} 21");
        check("sum_over_time(a[3m])", "{} 5"); // open on the left
        check("avg_over_time(a[10m])", "{} 4.2");
        check("min_over_time(b[10m])", "{} 1");
        check("max_over_time(b[10m])", "{} 2");
        check("count_over_time(a[10m])", "{} 5");
        check("first_over_time(a[10m])", "a 0");
        check("last_over_time(a[10m])", "a 3");
        check("present_over_time(a[10m])", "{} 1");
        check("stdvar_over_time(a[2m])", "{} 0.25");
        check("stddev_over_time(b[4m])", "{} 0");
        check("quantile_over_time(0.5, a[10m])", "{} 3");
        check("quantile_over_time(2, a[10m])", "{} inf");
        check("mad_over_time(a[10m])", "{} 3");
        check("ts_of_first_over_time(a[2m])", "{} 240");
        check("ts_of_last_over_time(a[2m] offset 1m)", "{} 240");
        check("ts_of_max_over_time(a[10m])", "{} 120");
        check("ts_of_min_over_time(b[10m])", "{} 120");
        check("sum_over_time(nothing[10m])", "");
        check(
            "count_over_time({__name__=~'a|b'}[10m])",
            "error: vector cannot contain metrics with the same labelset: {} comes twice",
        );
        check("last_over_time({__name__=~'a|b'}[10m])", "a 3; b 1");
    }
}
