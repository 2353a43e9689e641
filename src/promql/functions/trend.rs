//! Straight lines through the samples of a window, and lines that follow them.

use super::super::annotation::Annotations;
use super::super::ast::Expr;
use super::super::interpret::EvalError;
use super::super::window::Window;
use crate::model::{CompensatedSum, Sample, Timestamp};

/// Slope per second, and the value at `origin`, of the line with the least squares.
fn regression(samples: &[Sample], origin: Timestamp) -> Option<(f64, f64)> {
    let [first, _, ..] = samples else { return None };
    let mut count = 0.0;
    let mut sums = [CompensatedSum::default(); 4];
    let mut is_constant = true;
    for sample in samples {
        is_constant &= sample.value == first.value;
        count += 1.0;
        #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
        let x = (sample.at.millis() - origin.millis()) as f64 / 1e3;
        let y = sample.value;
        for (sum, term) in sums.iter_mut().zip([x, y, x * y, x * x]) {
            sum.add(term);
        }
    }
    if is_constant {
        return Some(if first.value.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first.value) });
    }
    let [x, y, xy, xx] = sums.map(|sum| sum.sum + sum.lost);
    let covariance = xy - x * y / count;
    let variance = xx - x * x / count;
    let slope = covariance / variance;
    Some((slope, y / count - slope * x / count))
}

pub(super) fn deriv(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    // Times are taken from the first sample, so that they are small.
    regression(window.floats, window.floats.first()?.at).map(|(slope, _)| slope)
}

pub(super) fn predict_linear(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    let seconds = *scalars.first()?;
    regression(window.floats, window.at).map(|(slope, now)| slope * seconds + now)
}

/// `double_exponential_smoothing(range, smoothing factor, trend factor)`
pub(super) fn smooth(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    let [smoothing, trend] = scalars else { return None };
    smoothed(window.floats, *smoothing, *trend)
}

/// Both factors must lie between 0 and 1; the words are Prometheus's.
pub(super) fn check_factors(scalars: &[f64], args: &[Expr], _: &mut Annotations) -> Result<(), EvalError> {
    for (name, factor, arg) in [("smoothing", scalars.first(), args.get(1)), ("trend", scalars.get(1), args.get(2))] {
        let (Some(factor), Some(arg)) = (factor, arg) else { continue };
        // NaN passes, as it does in Prometheus.
        if *factor <= 0.0 || *factor >= 1.0 {
            let letter = &name[..1];
            let what = format!("invalid {name} factor. Expected: 0 < {letter}f < 1, got: {factor:.6}");
            return Err(EvalError::new(arg.span, what));
        }
    }
    Ok(())
}

fn smoothed(samples: &[Sample], smoothing: f64, trend: f64) -> Option<f64> {
    let [first, second, ..] = samples else { return None };
    let (mut before, mut smoothed) = (0.0, first.value);
    let mut slope = second.value - first.value;
    for (at, sample) in samples.iter().enumerate().skip(1) {
        if at > 1 {
            slope = trend * (smoothed - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * sample.value + (1.0 - smoothing) * (smoothed + slope);
        (before, smoothed) = (smoothed, next);
    }
    Some(smoothed)
}

#[cfg(test)]
mod tests {
    use super::super::super::interpret::tests::{store, value_of};

    #[test]
    fn lines_are_drawn_through_windows() {
        let store = store(&[("a", "0 60 120 180"), ("b", "5 5 5 5"), ("c", "0 inf 1 1"), ("d", "_ _ _ 7")]);
        let check = |source: &str, want: &str| assert_eq!(value_of(source, &store, 3), want, "{source}");
        check("deriv(a[10m])", "{} 1");
        check("predict_linear(a[10m], 60)", "{} 240");
        check("predict_linear(a[10m] offset -1m, 60)", "{} 240");
        check("deriv(b[10m])", "{} 0");
        check("predict_linear(b[10m], 1e9)", "{} 5");
        check("deriv(c[10m])", "{} NaN");
        check("deriv(d[10m])", "");
        check("double_exponential_smoothing(a[10m], 0.5, 0.5)", "{} 180");
        check("double_exponential_smoothing(d[10m], 0.5, 0.5)", "");
        check(
            "double_exponential_smoothing(a[10m], 1, 0.5)",
            "error: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000",
        );
        check("double_exponential_smoothing(a[10m], 0.5, NaN)", "{} NaN");
        check("double_exponential_smoothing(nosuch[10m], 1, 0.5)", "");
    }
}
