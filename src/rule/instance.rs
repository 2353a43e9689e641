//! The life of one alert instance: pending, firing, lingering, gone.
//!
//! An observation is `Present`, `Absent` or `Unknown`. Unknown leaves the state as it was: a failed measurement neither
//! fires nor resolves. Its time counts towards `for`, but firing needs the condition seen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// Where an instance is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum InstanceState {
    /// The condition holds, not yet long enough.
    Pending {
        /// Since when it holds.
        since: Timestamp,
    },
    /// The alert fires.
    Firing {
        /// Since when the condition holds.
        since: Timestamp,
        /// When it began to fire.
        fired_at: Timestamp,
    },
    /// The condition holds no more, but `keep_firing_for` is not over: the alert still fires.
    Lingering {
        /// Since when the condition held.
        since: Timestamp,
        /// When it began to fire.
        fired_at: Timestamp,
        /// When the condition was first seen not to hold.
        gone: Timestamp,
    },
}

impl InstanceState {
    /// Since when the condition holds: Prometheus's `activeAt`.
    pub fn active_at(self) -> Timestamp {
        match self {
            Self::Pending { since } | Self::Firing { since, .. } | Self::Lingering { since, .. } => since,
        }
    }

    /// When it began to fire, if it fires.
    pub fn fired_at(self) -> Option<Timestamp> {
        match self {
            Self::Pending { .. } => None,
            Self::Firing { fired_at, .. } | Self::Lingering { fired_at, .. } => Some(fired_at),
        }
    }
}

impl InstanceState {
    /// The same with no wait that begins after `now`: after a start, the clock may be behind what it was. What fires goes on.
    fn begun_by(self, now: Timestamp) -> Self {
        match self {
            Self::Pending { since } => Self::Pending { since: since.min(now) },
            Self::Lingering { since, fired_at, gone } => Self::Lingering { since, fired_at, gone: gone.min(now) },
            Self::Firing { .. } => self,
        }
    }
}

/// What an evaluation saw of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// The condition holds.
    Present,
    /// It does not hold.
    Absent,
    /// It could not be measured.
    Unknown,
}

/// The two waits of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
}

/// What just happened to an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// It became pending.
    Started,
    /// It began to fire.
    Fired,
    /// It ceased to fire.
    Resolved,
    /// It ceased to be pending without ever having fired.
    Dropped,
}

/// The next state of an instance, `None` when there is none any more, and what happened on the way.
///
/// A rule without `for` fires in the evaluation that first sees it, so `Started` then goes unsaid. When `for` has been
/// raised, what fires and has not held that long is pending again, and for everyone else that is its end.
pub fn step(
    state: Option<InstanceState>,
    seen: Observation,
    timing: Timing,
    now: Timestamp,
) -> (Option<InstanceState>, Option<Transition>) {
    use InstanceState::{Firing, Lingering, Pending};
    let begun = state.map(|state| state.begun_by(now));
    match (begun, seen) {
        (_, Observation::Unknown) => (state, None),
        (None, Observation::Absent) => (None, None),
        (None, Observation::Present) if timing.hold.is_zero() => {
            (Some(Firing { since: now, fired_at: now }), Some(Transition::Fired))
        }
        (None, Observation::Present) => (Some(Pending { since: now }), Some(Transition::Started)),
        (Some(Pending { since }), Observation::Present) if now.since(since) >= timing.hold => {
            (Some(Firing { since, fired_at: now }), Some(Transition::Fired))
        }
        (Some(Pending { since }), Observation::Present) => (Some(Pending { since }), None),
        (Some(Pending { .. }), Observation::Absent) => (None, Some(Transition::Dropped)),
        (Some(Firing { since, .. } | Lingering { since, .. }), Observation::Present)
            if since <= now && now.since(since) < timing.hold =>
        {
            (Some(Pending { since }), Some(Transition::Resolved))
        }
        (Some(Firing { since, fired_at } | Lingering { since, fired_at, .. }), Observation::Present) => {
            (Some(Firing { since, fired_at }), None)
        }
        (Some(Firing { .. }), Observation::Absent) if timing.keep_firing_for.is_zero() => {
            (None, Some(Transition::Resolved))
        }
        (Some(Firing { since, fired_at }), Observation::Absent) => {
            (Some(Lingering { since, fired_at, gone: now }), None)
        }
        (Some(Lingering { gone, .. }), Observation::Absent) if now.since(gone) >= timing.keep_firing_for => {
            (None, Some(Transition::Resolved))
        }
        (Some(lingering @ Lingering { .. }), Observation::Absent) => (Some(lingering), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a timeline, one letter a minute: `x` seen, `.` absent, `?` unknown; then the state after each: `p` pending,
    /// `F` firing, `l` lingering, `r` resolved just now, `d` dropped just now, `-` nothing.
    fn check(hold_min: u64, keep_min: u64, seen: &str, expected: &str) {
        let timing = Timing { hold: minutes(hold_min), keep_firing_for: minutes(keep_min) };
        let mut state = None;
        let mut got = String::new();
        for (minute, letter) in (0..).zip(seen.chars()) {
            let observation = match letter {
                'x' => Observation::Present,
                '.' => Observation::Absent,
                _ => Observation::Unknown,
            };
            let (next, transition) = step(state, observation, timing, Timestamp::from_millis(minute * 60_000));
            state = next;
            got.push(match (state, transition) {
                (Some(InstanceState::Pending { .. }), _) => 'p',
                (Some(InstanceState::Firing { .. }), _) => 'F',
                (Some(InstanceState::Lingering { .. }), _) => 'l',
                (None, Some(Transition::Resolved)) => 'r',
                (None, Some(Transition::Dropped)) => 'd',
                (None, _) => '-',
            });
        }
        assert_eq!(got, expected, "for {hold_min}m, keep_firing_for {keep_min}m: {seen}");
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    #[test]
    fn lives() {
        check(0, 0, ".xx.x", "-FFrF");
        check(3, 0, "xxx.xxxxx.", "pppdpppFFr");
        check(3, 0, "xx?x??.", "pppFFFr");
        check(2, 3, "xxxx..x....", "ppFFllFlllr");
    }

    #[test]
    fn unknown_neither_fires_nor_resolves() {
        check(0, 0, "??x??x?.", "--FFFFFr");
        check(2, 0, "x?????x", "ppppppF");
        check(2, 0, "x?????.", "ppppppd");
        check(1, 2, "xx.?????.", "pFllllllr");
    }

    #[test]
    fn a_raised_for_makes_it_pending_again() {
        let timing = |hold_min| Timing { hold: minutes(hold_min), keep_firing_for: minutes(9) };
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let pending = Some(InstanceState::Pending { since: at(0) });
        let firing = Some(InstanceState::Firing { since: at(0), fired_at: at(1) });
        let lingering = Some(InstanceState::Lingering { since: at(0), fired_at: at(1), gone: at(2) });
        for state in [firing, lingering] {
            assert_eq!(step(state, Observation::Present, timing(4), at(3)), (pending, Some(Transition::Resolved)));
            assert_eq!(step(state, Observation::Present, timing(3), at(3)), (firing, None));
            assert_eq!(step(state, Observation::Absent, timing(4), at(3)).1, None);
        }
        let again = Some(InstanceState::Firing { since: at(0), fired_at: at(4) });
        assert_eq!(step(pending, Observation::Present, timing(4), at(4)), (again, Some(Transition::Fired)));
    }

    #[test]
    fn firing_keeps_when_it_began() {
        let timing = Timing { hold: minutes(1), keep_firing_for: minutes(5) };
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let (state, _) = step(None, Observation::Present, timing, at(0));
        let (state, transition) = step(state, Observation::Present, timing, at(1));
        assert_eq!(transition, Some(Transition::Fired));
        let (state, _) = step(state, Observation::Absent, timing, at(2));
        let (state, _) = step(state, Observation::Present, timing, at(3));
        assert_eq!(state, Some(InstanceState::Firing { since: at(0), fired_at: at(1) }));
    }
}
