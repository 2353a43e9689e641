//! What ENOVA's services do in the story: who gets how many requests, and how many of them fail.
//!
//! Everything counted is a function of the time: the sum of stretches during which the load was the same, in whole numbers,
//! rounded down. So counters never fall, two looks at the same moment see the same, and nothing is left to chance.
//!
//! Healthy services are not perfect: one request in two thousand fails, as it does in life, and the 5xx series are there
//! from the start with what failed before the story began. Were they absent until the first error, the rule would have no
//! ratio to look at while all is well, and the first error would be lost to `rate`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;

/// How long legacy has run when the story begins.
const LEGACY_RAN: Duration = Duration::from_secs(26 * 3600);
/// How long the canary has been out.
const CANARY_OUT: Duration = Duration::from_secs(20 * 60);
/// The window over which the rule takes its rates.
const RULE_WINDOW: Duration = Duration::from_secs(120);

/// Of so many requests a failing share is told.
const FAILING_OF: u64 = 100_000;
/// Of [`FAILING_OF`], how many fail while all is well.
const FAILING_HEALTHY: u64 = 50;
/// Of [`FAILING_OF`], how many fail once the canary is bad.
pub(super) const FAILING_BAD: u64 = 30_000;

/// Which version of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Track {
    /// The one that has always been there.
    Legacy,
    /// The new one.
    Canary,
}

impl Track {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Legacy, Self::Canary];

    /// As the label `track` has it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Canary => "canary",
        }
    }
}

/// A service, and how its traffic stands when the story begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Service {
    /// As the label `service` has it.
    pub(super) name: &'static str,
    /// Requests in a thousand seconds, to both arms together.
    requests_per_kilosecond: u64,
    /// The canary's part of them, in percent.
    canary_percent: u64,
}

/// The service whose canary goes bad.
pub(super) const GATEWAY: &str = "gateway";

/// All services. Chat has moved to the new version altogether; there is no way back for it.
pub(super) const SERVICES: [Service; 3] = [
    Service { name: GATEWAY, requests_per_kilosecond: 40_000, canary_percent: 10 },
    Service { name: "frontend", requests_per_kilosecond: 25_000, canary_percent: 10 },
    Service { name: "chat", requests_per_kilosecond: 12_000, canary_percent: 100 },
];

/// What an arm has to bear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Load {
    requests_per_kilosecond: u64,
    /// Of [`FAILING_OF`].
    failing: u64,
}

/// A load from a moment on, until the next.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: Timestamp,
    load: Load,
}

/// What an arm has done since it came up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    /// Requests that were answered as they should be.
    pub(super) answered: u64,
    /// Requests that were answered with a 5xx status.
    pub(super) failed: u64,
    /// How long it has been up.
    pub(super) up: Duration,
}

impl Counts {
    /// All requests.
    pub(super) fn requests(&self) -> u64 {
        self.answered + self.failed
    }
}

/// One version of one service.
#[derive(Debug)]
struct Arm {
    service: &'static str,
    track: Track,
    /// In order of time, the first since it came up.
    stretches: Vec<Stretch>,
}

impl Arm {
    fn new(service: &Service, track: Track, now: Timestamp) -> Self {
        let load = |percent: u64| Load {
            requests_per_kilosecond: service.requests_per_kilosecond * percent / 100,
            failing: FAILING_HEALTHY,
        };
        let out = now - CANARY_OUT;
        let stretches = match track {
            Track::Legacy => vec![
                Stretch { from: now - LEGACY_RAN, load: load(100) },
                Stretch { from: out, load: load(100 - service.canary_percent) },
            ],
            Track::Canary => vec![Stretch { from: out, load: load(service.canary_percent) }],
        };
        Self { service: service.name, track, stretches }
    }

    /// Changes the load from `at` on.
    fn change(&mut self, at: Timestamp, change: impl Fn(&mut Load)) {
        let position = self.stretches.partition_point(|stretch| stretch.from < at);
        if position > 0 && self.stretches.get(position).is_none_or(|next| next.from > at) {
            let load = self.stretches[position - 1].load;
            self.stretches.insert(position, Stretch { from: at, load });
        }
        for stretch in &mut self.stretches[position..] {
            change(&mut stretch.load);
        }
    }

    fn load_at(&self, at: Timestamp) -> Option<Load> {
        self.stretches.iter().rev().find(|stretch| stretch.from <= at).map(|stretch| stretch.load)
    }

    fn counts(&self, at: Timestamp) -> Counts {
        // Requests in a thousand seconds times milliseconds, times FAILING_OF: whole numbers until the end.
        let (mut answered, mut failed) = (0_u128, 0_u128);
        let ends = self.stretches.iter().skip(1).map(|next| next.from.min(at)).chain([at]);
        for (stretch, end) in self.stretches.iter().zip(ends) {
            let weight = end.since(stretch.from).as_millis() * u128::from(stretch.load.requests_per_kilosecond);
            failed += weight * u128::from(stretch.load.failing);
            answered += weight * u128::from(FAILING_OF - stretch.load.failing);
        }
        let whole = |sum: u128| u64::try_from(sum / (1_000_000 * u128::from(FAILING_OF))).unwrap_or(u64::MAX);
        let up = self.stretches.first().map_or(Duration::ZERO, |first| at.since(first.from));
        Counts { answered: whole(answered), failed: whole(failed), up }
    }
}

/// All services in both versions.
#[derive(Debug)]
pub(super) struct World {
    arms: Vec<Arm>,
}

impl World {
    /// The world as it is when the story begins.
    pub(super) fn new(now: Timestamp) -> Self {
        let arms = SERVICES.iter().flat_map(|service| Track::ALL.map(|track| Arm::new(service, track, now)));
        Self { arms: arms.collect() }
    }

    /// From `at` on, the canary of `service` fails.
    pub(super) fn break_canary(&mut self, service: &str, at: Timestamp) {
        for arm in self.arms.iter_mut().filter(|arm| arm.service == service && arm.track == Track::Canary) {
            arm.change(at, |load| load.failing = FAILING_BAD);
        }
    }

    /// From `at` on, legacy gets all of the service's traffic.
    pub(super) fn route_to_legacy(&mut self, service: &str, at: Timestamp) {
        let all = SERVICES.iter().find(|it| it.name == service).map_or(0, |it| it.requests_per_kilosecond);
        for arm in self.arms.iter_mut().filter(|arm| arm.service == service) {
            let requests = if arm.track == Track::Legacy { all } else { 0 };
            arm.change(at, |load| load.requests_per_kilosecond = requests);
        }
    }

    /// What an arm has done until `at`.
    pub(super) fn counts(&self, service: &str, track: Track, at: Timestamp) -> Counts {
        self.arm(service, track).map(|arm| arm.counts(at)).unwrap_or_default()
    }

    /// The canary's part of a service's traffic at `at`, in percent.
    pub(super) fn canary_percent(&self, service: &str, at: Timestamp) -> u64 {
        let requests = |track| {
            let load = self.arm(service, track).and_then(|arm| arm.load_at(at));
            load.map_or(0, |load| load.requests_per_kilosecond)
        };
        let (legacy, canary) = (requests(Track::Legacy), requests(Track::Canary));
        (100 * canary).checked_div(legacy + canary).unwrap_or(0)
    }

    /// The failing share of a service's worse arm, over the rule's window until `at`; `None` when there was no traffic.
    #[expect(clippy::cast_precision_loss, reason = "a window holds a few thousand requests")]
    pub(super) fn failing_share(&self, service: &str, at: Timestamp) -> Option<f64> {
        let shares = Track::ALL.into_iter().filter_map(|track| {
            let (before, after) = (self.counts(service, track, at - RULE_WINDOW), self.counts(service, track, at));
            let requests = after.requests() - before.requests();
            (requests > 0).then(|| (after.failed - before.failed) as f64 / requests as f64)
        });
        shares.reduce(f64::max)
    }

    fn arm(&self, service: &str, track: Track) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.service == service && arm.track == track)
    }
}

/// The world, shared by the targets, the rollback receiver and the narrator.
#[derive(Clone, Debug)]
pub(super) struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    /// Shares it.
    pub(super) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// To look at it or to change it. Nothing waits while it is held, and what it holds is whole at every line.
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_123)
    }

    fn after(seconds: u64) -> Timestamp {
        start() + Duration::from_secs(seconds)
    }

    #[test]
    fn counts_follow_the_load() {
        let mut world = World::new(start());
        world.break_canary(GATEWAY, after(180));
        world.route_to_legacy(GATEWAY, after(480));
        // The requests and failures of an arm of the gateway between two moments, give or take the one that is rounded away.
        let check = |track: Track, from: u64, to: u64, requests: u64, failed: u64| {
            let (before, then) = (world.counts(GATEWAY, track, after(from)), world.counts(GATEWAY, track, after(to)));
            let seen = (then.requests() - before.requests(), then.failed - before.failed);
            assert!(seen.0.abs_diff(requests) <= 2 && seen.1.abs_diff(failed) <= 1, "{track:?} {from}-{to}: {seen:?}");
        };
        check(Track::Canary, 0, 180, 720, 0);
        check(Track::Canary, 180, 280, 400, 120);
        check(Track::Canary, 480, 1000, 0, 0);
        check(Track::Legacy, 0, 100, 3600, 2);
        check(Track::Legacy, 480, 580, 4000, 2);
        assert_eq!(world.counts("frontend", Track::Canary, after(0)).up, CANARY_OUT);
        assert_eq!(world.counts("nobody", Track::Canary, after(0)), Counts::default());
    }

    #[test]
    fn counters_never_fall() {
        let mut world = World::new(start());
        world.break_canary(GATEWAY, after(30));
        for service in SERVICES {
            for track in Track::ALL {
                let mut last = Counts::default();
                for step in 0..2000 {
                    if step == 1200 {
                        world.route_to_legacy(GATEWAY, start().shifted(1200 * 53));
                    }
                    let counts = world.counts(service.name, track, start().shifted(step * 53));
                    assert!(counts.answered >= last.answered && counts.failed >= last.failed && counts.up > last.up);
                    last = counts;
                }
            }
        }
    }

    #[test]
    fn a_change_may_come_before_one_that_is_planned() {
        let mut world = World::new(start());
        world.break_canary(GATEWAY, after(100));
        world.route_to_legacy(GATEWAY, after(50));
        let at = |seconds| world.counts(GATEWAY, Track::Canary, after(seconds));
        assert_eq!((at(200).requests(), at(200).failed), (at(50).requests(), at(50).failed));
        world.route_to_legacy(GATEWAY, after(50));
        assert_eq!(world.canary_percent(GATEWAY, after(50)), 0);
    }

    #[test]
    fn traffic_is_split_by_weight() {
        let mut world = World::new(start());
        world.route_to_legacy(GATEWAY, after(60));
        let check = |service: &str, seconds: u64, percent: u64| {
            assert_eq!(world.canary_percent(service, after(seconds)), percent, "{service} {seconds}");
        };
        check(GATEWAY, 0, 10);
        check(GATEWAY, 59, 10);
        check(GATEWAY, 60, 0);
        check("frontend", 60, 10);
        check("chat", 60, 100);
        check("nobody", 60, 0);
    }

    #[test]
    fn healthy_is_far_below_the_limit_and_bad_far_above() {
        let mut world = World::new(start());
        world.break_canary(GATEWAY, after(600));
        for service in SERVICES {
            for seconds in 0..600 {
                let share = world.failing_share(service.name, after(seconds)).unwrap();
                assert!(share < 0.005, "{} {seconds}: {share}", service.name);
            }
        }
        let share = world.failing_share(GATEWAY, after(800)).unwrap();
        assert!((share - 0.3).abs() < 0.01, "{share}");
        assert!(world.failing_share("frontend", after(800)).unwrap() < 0.005);
    }
}
