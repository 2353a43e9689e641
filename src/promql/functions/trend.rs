//! Straight lines through the samples of a window.

use super::super::interpret::Window;
use super::super::sum::CompensatedSum;
use crate::model::{Sample, Timestamp};

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
    let [x, y, xy, xx] = sums.map(CompensatedSum::total);
    let covariance = xy - x * y / count;
    let variance = xx - x * x / count;
    let slope = covariance / variance;
    Some((slope, y / count - slope * x / count))
}

pub(super) fn deriv(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    // Times are taken from the first sample, so that they are small.
    regression(window.samples, window.samples.first()?.at).map(|(slope, _)| slope)
}

pub(super) fn predict_linear(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    let seconds = *scalars.first()?;
    regression(window.samples, window.at).map(|(slope, now)| slope * seconds + now)
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
    }
}
