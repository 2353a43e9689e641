//! Sums that lose little to rounding, to the last bit like Prometheus's.

/// A sum after Kahan and Neumaier: beside the sum it keeps what rounding took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompensatedSum {
    /// The sum, as plain addition gives it.
    pub sum: f64,
    /// What rounding took from it.
    pub lost: f64,
}

impl CompensatedSum {
    /// A sum of one value, of which nothing was lost.
    pub const fn of(value: f64) -> Self {
        Self { sum: value, lost: 0.0 }
    }

    /// Adds a value.
    pub fn add(&mut self, value: f64) {
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

    /// The sum with what was lost, but an infinite sum as it is.
    pub fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }

    /// Both parts times a factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { sum: factor * self.sum, lost: factor * self.lost }
    }

    /// Both parts divided.
    #[must_use]
    pub fn divided(self, divisor: f64) -> Self {
        Self { sum: self.sum / divisor, lost: self.lost / divisor }
    }
}
