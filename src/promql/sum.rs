//! Sums and means that lose little to rounding, to the last bit like Prometheus's.

/// A sum after Kahan and Neumaier: beside the sum it keeps what rounding took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CompensatedSum {
    sum: f64,
    lost: f64,
}

impl CompensatedSum {
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - sum) + value;
        } else {
            self.lost += (value - sum) + self.sum;
        }
        self.sum = sum;
    }

    pub(super) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }

    /// Adds what another sum has added up.
    pub(super) fn merge(&mut self, other: Self) {
        self.add(other.sum);
        self.lost += other.lost;
    }

    /// The sum over a count, as [`Mean`] has it while nothing overflows.
    pub(super) fn over(self, count: f64) -> f64 {
        self.sum / count + self.lost / count
    }

    fn scaled(self, factor: f64) -> Self {
        Self { sum: factor * self.sum, lost: factor * self.lost }
    }
}

/// A mean. It divides the sum, and goes over to a running mean when the sum would overflow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    count: f64,
    /// The sum, or the running mean once `is_running`.
    sum: CompensatedSum,
    is_running: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum.sum = value;
            return;
        }
        if !self.is_running {
            let mut sum = self.sum;
            sum.add(value);
            if !sum.sum.is_infinite() {
                self.sum = sum;
                return;
            }
            self.is_running = true;
            let before = self.count - 1.0;
            self.sum = CompensatedSum { sum: self.sum.sum / before, lost: self.sum.lost / before };
        }
        self.sum = self.sum.scaled((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    pub(super) fn mean(self) -> f64 {
        if self.is_running {
            self.sum.sum + self.sum.lost
        } else {
            self.sum.sum / self.count + self.sum.lost / self.count
        }
    }
}

/// The sum of values.
pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = CompensatedSum::default();
    values.for_each(|value| sum.add(value));
    sum.total()
}

/// The mean of values; NaN when there are none.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let mut mean = Mean::default();
    values.for_each(|value| mean.add(value));
    mean.mean()
}

/// The variance of values; NaN when there are none.
pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let mut count = 0.0;
    let (mut mean, mut squares) = (CompensatedSum::default(), CompensatedSum::default());
    for value in values {
        count += 1.0;
        let delta = value - (mean.sum + mean.lost);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.lost)));
    }
    (squares.sum + squares.lost) / count
}

/// The quantile of values, which are sorted for it with NaN first; between two values it is interpolated.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
    #[expect(clippy::cast_precision_loss, reason = "there are not 2^53 values in memory")]
    let rank = q * (values.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= rank < len")]
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIG: f64 = 9.988_465_674_311_58e307;

    fn same(found: f64, want: f64) -> bool {
        found == want || found.is_nan() && want.is_nan()
    }

    #[test]
    fn sums_keep_small_values_beside_large_ones() {
        let check = |values: &[f64], want: f64| {
            let found = sum(values.iter().copied());
            assert!(same(found, want), "{values:?}: {found}");
        };
        check(&[], 0.0);
        check(&[1.0, 1e100, 1.0, -1e100], 2.0);
        check(&[f64::INFINITY, 2.0], f64::INFINITY);
        check(&[f64::INFINITY, f64::NEG_INFINITY], f64::NAN);
        check(&[BIG, BIG], f64::INFINITY);
        check(&[0.1; 10], 1.0);
    }

    #[test]
    fn means_do_not_overflow() {
        let check = |values: &[f64], want: f64| {
            let found = mean(values.iter().copied());
            assert!(same(found, want), "{values:?}: {found}");
        };
        check(&[], f64::NAN);
        check(&[BIG, BIG], BIG);
        check(&[BIG, -BIG], 0.0);
        check(&[1.0, 1e100, 1.0, -1e100], 0.5);
        check(&[f64::INFINITY, 0.0, f64::INFINITY], f64::INFINITY);
        check(&[1.0, f64::INFINITY, f64::NEG_INFINITY], f64::NAN);
        check(&[52.0; 12], 52.0);
    }

    #[test]
    fn quantiles_are_interpolated() {
        let check = |q: f64, values: &[f64], want: f64| {
            let found = quantile(q, &mut values.to_vec());
            assert!(same(found, want), "{q} of {values:?}: {found}");
        };
        check(0.5, &[], f64::NAN);
        check(f64::NAN, &[1.0], f64::NAN);
        check(-1.0, &[1.0], f64::NEG_INFINITY);
        check(1.1, &[1.0], f64::INFINITY);
        check(0.75, &[4.0, 0.0, 1.0], 2.5);
        check(1.0, &[4.0, 0.0, 1.0], 4.0);
        check(0.2, &[0.0, 1.0, f64::NAN], f64::NAN);
    }

    #[test]
    fn equal_values_have_no_variance() {
        assert_eq!(variance([1.599_050_563_727_786_8; 3].into_iter()), 0.0);
        assert!((variance([0.0, 8.0, 8.0, 2.0, 3.0].into_iter()) - 10.56).abs() < 1e-12);
    }
}
