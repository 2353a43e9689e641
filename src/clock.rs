//! The one reader of time.
//!
//! A clock's `now` never runs backwards. The demo's clock runs faster than the wall; network timeouts do not, since they
//! are waited for by the runtime.

#![expect(clippy::disallowed_methods, reason = "this is the place that reads the system's clocks")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// The longest sleep at once: after it the clock is read again, so that a wall clock that was set forward while the
/// process slept is noticed.
const NAP_MAX: Duration = Duration::from_secs(1);

/// A clock, to be cloned and handed to whoever needs the time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Pace>);

#[derive(Debug)]
enum Pace {
    /// The system's clock, kept from running backwards.
    Wall { latest_ms: AtomicI64 },
    /// A clock that started at `from` and runs `speed` times as fast as the wall.
    Scaled { from: Timestamp, started: Instant, speed: f64 },
}

impl Clock {
    /// The system's clock.
    pub fn wall() -> Self {
        Self(Arc::new(Pace::Wall { latest_ms: AtomicI64::new(i64::MIN) }))
    }

    /// A clock that starts now and runs `speed` times as fast as the wall; `speed` is positive.
    pub fn scaled(speed: f64) -> Self {
        let from = Self::wall().now();
        Self(Arc::new(Pace::Scaled { from, started: Instant::now(), speed }))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Pace::Wall { latest_ms } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(ms.max(latest_ms.fetch_max(ms, Ordering::Relaxed)))
            }
            Pace::Scaled { from, started, speed } => *from + started.elapsed().mul_f64(*speed),
        }
    }

    /// How long to wait in real time until the clock may show `at`: not long at once, and zero when it already does.
    pub fn nap_until(&self, at: Timestamp) -> Duration {
        let left = at.since(self.now());
        match &*self.0 {
            Pace::Wall { .. } => left.min(NAP_MAX),
            Pace::Scaled { speed, .. } => left.div_f64(*speed).min(NAP_MAX),
        }
    }

    /// How long a stretch of real time is by this clock.
    pub fn stretch(&self, real: Duration) -> Duration {
        match &*self.0 {
            Pace::Wall { .. } => real,
            Pace::Scaled { speed, .. } => real.mul_f64(*speed),
        }
    }

    /// Waits until the clock shows `at`.
    pub async fn sleep_until(&self, at: Timestamp) {
        while self.now() < at {
            // Never zero, so that the runtime gets its turn.
            tokio::time::sleep(self.nap_until(at).max(Duration::from_millis(1))).await;
        }
    }
}

/// A stopwatch on the monotonic clock, for how long something took.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// One that starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago it started, in real time.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_clock_runs_faster_and_never_backwards() {
        let clock = Clock::scaled(1000.0);
        let (mut last, start) = (clock.now(), Stopwatch::start());
        while start.elapsed() < Duration::from_millis(5) {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        assert!(clock.now().since(Clock::wall().now()) >= Duration::from_secs(4));
        assert!(clock.nap_until(clock.now() + Duration::from_secs(100)) <= Duration::from_millis(100));
    }
}
