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
        check("sum_over_time(nothing[10m])", "");
        check(
            "count_over_time({__name__=~'a|b'}[10m])",
            "error: vector cannot contain metrics with the same labelset: {} comes twice",
        );
        check("last_over_time({__name__=~'a|b'}[10m])", "a 3; b 1");
    }
}
