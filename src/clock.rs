//! The one reader of time.
//!
//! A clock's `now` never runs backwards. The demo's clock runs faster than the wall; network timeouts do not, since they
//! are waited for by the runtime.

#![expect(clippy::disallowed_methods, reason = "this is the place that reads the system's clocks")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
    /// The system's clock, kept from running backwards: while it is behind what it once showed, the monotonic clock counts.
    Wall { latest: Mutex<Shown>, is_behind: AtomicBool },
    /// A clock that started at `from` and runs `speed` times as fast as the wall.
    Scaled { from: Timestamp, started: Instant, speed: f64 },
}

impl Clock {
    /// The system's clock.
    pub fn wall() -> Self {
        let latest = Mutex::new((Timestamp::from_millis(i64::MIN), Instant::now()));
        Self(Arc::new(Pace::Wall { latest, is_behind: AtomicBool::new(false) }))
    }

    /// A clock that starts now and runs `speed` times as fast as the wall; `speed` is positive.
    pub fn scaled(speed: f64) -> Self {
        let from = Self::wall().now();
        Self(Arc::new(Pace::Scaled { from, started: Instant::now(), speed }))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Pace::Wall { latest, is_behind } => {
                let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                let system = system_time();
                *latest = advanced(*latest, system, Instant::now());
                let behind = latest.0.since(system);
                if behind >= SET_BACK_MIN && !is_behind.swap(true, Ordering::Relaxed) {
                    tracing::warn!(?behind, "the system's clock was set back: time goes on from where it was");
                } else if behind.is_zero() {
                    is_behind.store(false, Ordering::Relaxed);
                }
                latest.0
            }
            Pace::Scaled { from, started, speed } => *from + started.elapsed().mul_f64(*speed),
        }
    }

    /// The time that others have on their clocks, for what they will compare with theirs: not kept from running backwards.
    pub fn outside(&self) -> Timestamp {
        match &*self.0 {
            Pace::Wall { .. } => system_time(),
            Pace::Scaled { .. } => self.now(),
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

/// How far the system's clock may be set back before that is worth a word.
const SET_BACK_MIN: Duration = Duration::from_secs(5);

fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What the clock shows, and the monotonic moment at which it showed it.
type Shown = (Timestamp, Instant);

/// What the clock shows at the monotonic moment `now`: the system's time, or, while that lies behind what was shown, as
/// much later as the monotonic clock says.
fn advanced((shown, at): Shown, system: Timestamp, now: Instant) -> Shown {
    if system >= shown {
        return (system, now);
    }
    // In whole milliseconds, so that what is below them is not lost each time that the clock is read.
    let elapsed = Duration::from_millis(u64::try_from(now.duration_since(at).as_millis()).unwrap_or(u64::MAX));
    (shown + elapsed, at + elapsed)
}

/// How long ago the process first asked, by the monotonic clock: for differences.
pub fn elapsed() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
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
    fn a_clock_that_is_set_back_goes_on() {
        let start = Instant::now();
        let after = |ms: u64| start + Duration::from_millis(ms);
        let mut shown = (Timestamp::from_millis(0), start);
        let mut check = |system_ms: i64, monotonic_ms: u64, expected_ms: i64| {
            shown = advanced(shown, Timestamp::from_millis(system_ms), after(monotonic_ms));
            assert_eq!(shown.0, Timestamp::from_millis(expected_ms), "at {monotonic_ms}");
        };
        check(10_000, 0, 10_000);
        check(11_000, 1000, 11_000);
        // Back by an hour; the seconds go on.
        check(-3_588_000, 2000, 12_000);
        check(-3_587_000, 3000, 13_000);
        // Forward again.
        check(15_000, 4000, 15_000);
    }

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
