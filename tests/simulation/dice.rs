//! Chance as the simulation needs it.

use std::time::Duration;

pub(crate) use super::chance::Dice;

impl Dice {
    /// A duration up to `seconds`, to the millisecond.
    pub(crate) fn seconds(&mut self, seconds: u64) -> Duration {
        Duration::from_millis(self.below(seconds * 1000 + 1))
    }
}
