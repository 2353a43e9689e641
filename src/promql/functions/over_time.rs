//! What the samples of a window amount to: `sum_over_time` and its relatives.

use super::super::aggregate::least;
use super::super::interpret::Window;
use super::super::sum;

fn values<'a>(window: &'a Window<'_>) -> impl Iterator<Item = f64> + 'a {
    window.samples.iter().map(|sample| sample.value)
}

pub(super) fn sum(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(sum::sum(values(window)))
}

pub(super) fn avg(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(sum::mean(values(window)))
}

pub(super) fn min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(least(values(window), |value, least| value < least))
}

pub(super) fn max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(least(values(window), |value, greatest| value > greatest))
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
pub(super) fn count(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(window.samples.len() as f64)
}

pub(super) fn first(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    values(window).next()
}

pub(super) fn last(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    values(window).last()
}

/// The median of how far samples are from their median.
pub(super) fn median_deviation(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let median = sum::quantile(0.5, &mut values(window).collect::<Vec<_>>());
    Some(sum::quantile(0.5, &mut values(window).map(|value| (value - median).abs()).collect::<Vec<_>>()))
}

pub(super) fn time_of_first(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.samples.first().map(|sample| sample.at.seconds())
}

pub(super) fn time_of_last(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.samples.last().map(|sample| sample.at.seconds())
}

pub(super) fn time_of_max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of(window, |value, greatest| value >= greatest)
}

pub(super) fn time_of_min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of(window, |value, least| value <= least)
}

/// When the sample was taken that goes before all others, the last of several; NaN only when there is nothing else.
fn time_of(window: &Window<'_>, goes_before: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let chosen = window.samples.iter().copied().reduce(|chosen, sample| {
        if chosen.value.is_nan() || goes_before(sample.value, chosen.value) { sample } else { chosen }
    });
    chosen.map(|sample| sample.at.seconds())
}

pub(super) fn present(_: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(1.0)
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
