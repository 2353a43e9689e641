//! Samples and the marker that says a series has ended.

use std::sync::Arc;

use super::{Histogram, Timestamp};

/// A value at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was taken.
    pub at: Timestamp,
    /// What was measured.
    pub value: f64,
}

/// A native histogram at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// When it was taken.
    pub at: Timestamp,
    /// What was measured.
    pub histogram: Arc<Histogram>,
}

/// The bits of the NaN that marks a series as ended (Prometheus's `StaleNaN`); no other NaN means that.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that marks a series as ended.
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value marks a series as ended.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}
