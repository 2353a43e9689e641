//! The line at the bottom: where the traffic goes, what the rule sees, how the alert stands, what is next.

use crate::model::Timestamp;

use super::narrator::{Pace, clock, percent};
use super::script::{Beat, Script};
use super::world::{GATEWAY, SharedWorld};

/// How long the bar is.
const BAR: u64 = 20;
/// How often the rule looks.
const EVALUATION: std::time::Duration = std::time::Duration::from_secs(15);

/// The line.
pub(super) fn line(script: &Script, world: &SharedWorld, pace: &Pace, now: Timestamp) -> String {
    let (canary, share) = {
        let world = world.lock();
        (world.canary_percent(GATEWAY, now), world.failing_share(GATEWAY, now.floor_to(EVALUATION)))
    };
    let share = share.map_or_else(|| "-".to_owned(), percent);
    let next = script.next().map_or_else(|| "a quiet minute".to_owned(), |beat| beat.as_str().to_owned());
    format!(
        "{}  {GATEWAY} {} canary {canary:>2} %  errors {share:>6}  {}  next: {next}",
        pace.clock(now),
        bar(canary),
        alert(script, pace, now)
    )
}

/// Legacy's part full, the canary's hollow; of a canary that gets anything there is always something to see.
fn bar(canary_percent: u64) -> String {
    let hollow = (canary_percent * BAR).div_ceil(100).min(BAR);
    (0..BAR).map(|at| if at < BAR - hollow { '█' } else { '░' }).collect()
}

fn alert(script: &Script, pace: &Pace, now: Timestamp) -> String {
    match (script.at(Beat::Pending), script.at(Beat::Firing), script.at(Beat::Resolved)) {
        (_, _, Some(_)) => "resolved".to_owned(),
        (_, Some(fired), None) => format!("firing {}", clock(now.since(fired))),
        (Some(since), None, None) => format!("pending {}/{}", clock(now.since(since)), clock(pace.hold)),
        (None, None, None) => "no alert".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::demo::happening::Happening;
    use crate::demo::script::ALERT;
    use crate::demo::world::World;
    use crate::engine::{AlertMove, Note};
    use crate::model::{ALERT_NAME, Labels};

    #[test]
    fn says_how_things_stand() {
        let started = Timestamp::from_millis(1_764_000_000_000);
        let after = |seconds| started + Duration::from_secs(seconds);
        let world = SharedWorld::new(World::new(started));
        world.lock().break_canary(GATEWAY, after(180));
        let mut script = Script::new(started);
        let pace = Pace { started, speed: 30.0, hold: Duration::from_secs(300) };
        assert_eq!(
            line(&script, &world, &pace, after(60)),
            "01:00  gateway ██████████████████░░ canary 10 %  errors  0.0 %  no alert  next: the new gateway begins to fail"
        );
        script.hear(&Happening::CanaryBroke { at: after(180) });
        let labels = Labels::from_pairs([(ALERT_NAME, ALERT), ("service", GATEWAY)]);
        let note = Note::Alert { at: after(195), to: AlertMove::Pending, labels, value: "0.04".to_owned() };
        script.hear(&Happening::Noted(note));
        world.lock().route_to_legacy(GATEWAY, after(300));
        assert_eq!(
            line(&script, &world, &pace, after(315)),
            "05:15  gateway ████████████████████ canary  0 %  errors   30 %  pending 02:00/05:00  next: HighErrorRate fires"
        );
    }

    #[test]
    fn a_bar_shows_the_smallest_canary() {
        let check = |percent: u64, hollow: usize| {
            assert_eq!(bar(percent).chars().filter(|c| *c == '░').count(), hollow, "{percent}");
        };
        check(0, 0);
        check(1, 1);
        check(10, 2);
        check(100, 20);
    }
}
