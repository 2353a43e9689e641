//! The points at which a process dies, and what is promised after each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use atalaya::clock::{Clock, Stopwatch};
use atalaya::dispatch::DeliveryState;
use atalaya::model::IntegrationKind::{self, PagerDuty, Rollback, Slack, Webhook};
use atalaya::model::{NotifyReason, RollbackId};
use atalaya::state::Rows;
use atalaya::transport::{SigningKey, TOLERANCE};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::process::{Boundary, Home, SIGNING_KEY, is_killed, until};
use super::world::{Heard, Status, Story, World};

/// How many points are tried at once, whichever test they are of.
static TURNS: Semaphore = Semaphore::const_new(8);
/// How many boundaries the story has at least: fewer, and the process does not pass what it should.
const BOUNDARIES_MIN: u64 = 24;
/// How long it must be quiet after the end: longer than the interval of a group.
const QUIET: Duration = Duration::from_millis(700);

const PEOPLE: [IntegrationKind; 3] = [Slack, PagerDuty, Webhook];
const ALL: [IntegrationKind; 4] = [Slack, PagerDuty, Webhook, Rollback];

/// What came of one point.
struct Played {
    /// Where the first process died, if it did, and what it left on disk.
    death: Option<(Boundary, Rows)>,
    /// The boundaries that the first process passed.
    passed: u64,
    heard: Vec<Heard>,
}

/// Plays the story: until someone dies, and on until everything has ended.
async fn play(story: Story, crash_at: u64) -> Result<Played, String> {
    let world = World::start(story.clone()).await;
    let mut home = Home::new(&world, "1m");
    let result = play_in(&world, &mut home, &story, crash_at).await;
    result.map_err(|error| {
        let heard: Vec<String> = world.heard().iter().map(line).collect();
        format!("point {crash_at}: {error}\nheard:\n{}\n{}", heard.join("\n"), home.logs())
    })
}

async fn play_in(world: &World, home: &mut Home, story: &Story, crash_at: u64) -> Result<Played, String> {
    let everyone: &[IntegrationKind] = if story.is_canary_out { &ALL } else { &PEOPLE };
    let is_over = |home: &Home| {
        if world.all_told(everyone, Status::Firing) {
            world.mend();
        }
        world.all_told(&PEOPLE, Status::Resolved) && home.is_at_rest()
    };
    let mut process = home.start(Some(crash_at));
    let mut death = None;
    loop {
        until("a death or the end", || process.ended().is_some() || is_over(home)).await?;
        if process.ended().is_none() {
            // The last commit can be seen before its boundary is passed, so even now there may be a death.
            tokio::time::sleep(QUIET).await;
        }
        match process.ended() {
            None => break,
            Some(status) if death.is_none() && is_killed(status) => {
                let boundary = home.boundaries(1).pop().ok_or("died before its first boundary")?;
                if boundary.number < crash_at {
                    return Err(format!("died at {boundary:?} instead of {crash_at}"));
                }
                death = Some((boundary, home.rows()));
                world.enter(2);
                process = home.start(None);
            }
            Some(status) => return Err(format!("a process ended with {status:?}")),
        }
    }
    process.stop().await?;
    let left = home.rows();
    if left != Rows::default() {
        return Err(format!("left on disk: {left:#?}"));
    }
    let passed = home.boundaries(1).iter().map(|it| it.number).max().unwrap_or(0);
    Ok(Played { death, passed, heard: world.heard() })
}

/// A request in a line.
fn line(heard: &Heard) -> String {
    let Heard { process, kind, at, status, id, taken, .. } = heard;
    format!("  {at} process {process} {kind} {status:?} {id}{}", if *taken { "" } else { " (answered 503)" })
}

/// Whether Slack's message was only edited to say that the rollback had got on, which is no repeat.
fn tells_of_rollback(heard: &Heard) -> bool {
    let reason = NotifyReason::RollbackNews.as_str();
    heard.kind == Slack && String::from_utf8_lossy(&heard.body).contains(reason)
}

/// The kinds that may hear something twice: their delivery was in flight on disk, and the dead process had sent it.
fn may_repeat(played: &Played) -> BTreeSet<IntegrationKind> {
    let Some((_, rows)) = &played.death else { return BTreeSet::new() };
    let in_flight =
        rows.engine.dispatch.deliveries.iter().filter(|it| matches!(it.state, DeliveryState::InFlight { .. }));
    in_flight
        .map(|delivery| delivery.lane.integration.kind)
        .filter(|kind| played.heard.iter().any(|heard| heard.kind == *kind && heard.process == 1))
        .collect()
}

/// Says what is wrong with what was heard; nothing, when the promises were kept.
fn faults(played: &Played, story: &Story) -> Vec<String> {
    let may_repeat = may_repeat(played);
    let mut faults = Vec::new();
    let mut claim = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    for kind in ALL {
        let heard: Vec<&Heard> = played.heard.iter().filter(|it| it.kind == kind).collect();
        let taken: Vec<&Heard> = heard.iter().copied().filter(|it| it.taken && !tells_of_rollback(it)).collect();
        let said: Vec<Status> = taken.iter().map(|it| it.status).collect();
        let expected: &[Status] = match kind {
            Rollback if story.is_canary_out => &[Status::Firing],
            Rollback => &[],
            _ => &[Status::Firing, Status::Resolved],
        };
        let mut distinct = said.clone();
        distinct.dedup();
        claim(distinct == expected, format!("{kind} heard {said:?}, and should hear {expected:?} in this order"));
        let repeats = said.len().saturating_sub(expected.len());
        let allowed = usize::from(may_repeat.contains(&kind));
        claim(repeats <= allowed, format!("{kind} heard {repeats} repeats, {allowed} allowed"));
        for pair in taken.windows(2).filter(|pair| pair[0].status == pair[1].status) {
            claim(
                (pair[0].process, pair[1].process) == (1, 2),
                format!("{kind} heard a repeat that no crash explains: {}", line(pair[1])),
            );
        }
        // Every attempt at one thing is known by one id, and says the same.
        let mut ids: BTreeMap<bool, BTreeSet<&str>> = BTreeMap::new();
        for it in &heard {
            ids.entry(it.status == Status::Firing).or_default().insert(&it.id);
        }
        let firing = ids.get(&true).cloned().unwrap_or_default();
        let resolved = ids.get(&false).cloned().unwrap_or_default();
        match kind {
            PagerDuty => {
                claim(firing == resolved && firing.len() == 1, format!("{kind}: keys {firing:?}/{resolved:?}"));
            }
            Webhook => claim(
                firing.len() == 1 && resolved.len() == 1 && firing.is_disjoint(&resolved),
                format!("{kind}: keys {firing:?}/{resolved:?}"),
            ),
            Slack => {
                let last_posted = taken.iter().rfind(|it| it.status == Status::Firing).map(|it| it.id.as_str());
                claim(
                    resolved == last_posted.into_iter().collect(),
                    format!("{kind}: posted {firing:?}, resolved {resolved:?}"),
                );
            }
            IntegrationKind::Alertmanager => {}
            Rollback => {
                claim(firing.len() == usize::from(story.is_canary_out), format!("{kind}: ids {firing:?}"));
                let key = SigningKey::parse(SIGNING_KEY).unwrap();
                for it in &heard {
                    let verified = key.verify(&it.headers, &it.body, Clock::wall().now(), TOLERANCE);
                    claim(verified == Ok(it.id.as_str()), format!("{kind}: the signature says {verified:?}"));
                }
            }
        }
        if kind != Slack {
            for pair in heard.windows(2).filter(|pair| pair[0].id == pair[1].id && pair[0].status == pair[1].status) {
                claim(pair[0].body == pair[1].body, format!("{kind}: a repeat says something else: {}", line(pair[1])));
            }
        }
    }
    if let Some((_, rows)) = &played.death {
        let claimed = claimed(rows);
        for it in played.heard.iter().filter(|it| it.kind == Rollback && it.process == 1) {
            let is_over = rows.instances.is_empty();
            claim(
                claimed.iter().any(|id| id.as_str() == it.id) || is_over,
                format!("rollback {} left before its claim was on disk", it.id),
            );
        }
    }
    faults
}

/// The claims that are on disk.
fn claimed(rows: &Rows) -> Vec<RollbackId> {
    rows.engine.episodes.iter().filter_map(|episode| Some(episode.claim.as_ref()?.id.clone())).collect()
}

/// A bad canary of one service, and who is busy at first.
fn canary(busy: &[IntegrationKind]) -> Story {
    Story { services: vec!["gateway"], is_canary_out: true, busy_at_first: busy.iter().copied().collect() }
}

/// Plays the story without a death. Returns how many boundaries it has.
async fn play_calmly(story: Story) -> u64 {
    let _turn = TURNS.acquire().await;
    let played = play(story.clone(), 0).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(faults(&played, &story), [""; 0]);
    played.passed
}

/// Plays the story once for each of its boundaries.
#[expect(clippy::print_stdout, reason = "says how much was tried")]
async fn die_everywhere(story: Story) {
    let since = Stopwatch::start();
    let count = play_calmly(story.clone()).await;
    assert!(count >= BOUNDARIES_MIN, "only {count} boundaries");

    let mut points = JoinSet::new();
    // Runs differ by a few boundaries, since what arrives together is committed together; those behind a run's last one
    // are played through.
    for point in 1..=count + 2 {
        let story = story.clone();
        points.spawn(async move {
            let _turn = TURNS.acquire().await;
            (point, play(story, point).await)
        });
    }
    let (mut deaths, mut repeats, mut wrong) = (BTreeMap::new(), 0, Vec::new());
    let mut between_claim_and_send = Vec::new();
    while let Some(joined) = points.join_next().await {
        let (point, played) = joined.unwrap();
        let played = match played {
            Ok(played) => played,
            Err(error) => {
                wrong.push(error);
                continue;
            }
        };
        for fault in faults(&played, &story) {
            let heard: Vec<String> = played.heard.iter().map(line).collect();
            let at = played.death.as_ref().map(|(boundary, _)| boundary);
            wrong.push(format!("point {point}, died at {at:?}: {fault}\n{}", heard.join("\n")));
        }
        let taken: Vec<_> = played.heard.iter().filter(|it| it.taken).map(|it| (it.kind, it.status)).collect();
        repeats += (1..taken.len()).filter(|at| taken[..*at].contains(&taken[*at])).count();
        if played.death.is_none() && played.passed >= point {
            wrong.push(format!("point {point}: passed {} and did not die", played.passed));
        }
        if let Some((boundary, rows)) = &played.death {
            *deaths.entry(boundary.name.clone()).or_insert(0_u64) += 1;
            let has_left = played.heard.iter().any(|it| it.kind == Rollback && it.process == 1);
            if !claimed(rows).is_empty() && !has_left {
                between_claim_and_send.push(boundary.clone());
            }
        }
    }
    println!(
        "{count} boundaries, deaths {deaths:?}, {repeats} repeats, between claim and send {between_claim_and_send:?}, in {:?}",
        since.elapsed()
    );
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(deaths.values().sum::<u64>() * 10 >= count * 8, "too few points died: {deaths:?} of {count}");
    for name in ["before commit", "after commit", "before send", "after send"] {
        assert!(deaths.contains_key(name), "nobody died {name}: {deaths:?}");
    }
    assert!(repeats > 0, "no death left a request that had to be repeated");
    assert!(
        between_claim_and_send.iter().any(|it| matches!(it.name.as_str(), "after commit" | "before send")),
        "nobody died between the claim of a rollback and its sending: {between_claim_and_send:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dies_at_every_boundary_and_tells_everyone() {
    die_everywhere(canary(&[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dies_at_every_boundary_while_receivers_are_busy() {
    die_everywhere(canary(&[Slack, PagerDuty, Rollback])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_alerts_of_one_key_claim_one_rollback() {
    play_calmly(Story { services: vec!["chat", "gateway"], ..canary(&[]) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_canary_nothing_is_rolled_back() {
    play_calmly(Story { is_canary_out: false, ..canary(&[]) }).await;
}

/// Plays a canary while the state file takes no episodes, which claims are part of, until `is_enough`; then it takes them
/// again, until `is_over`. Returns what was heard at both moments.
async fn play_unwritable(
    deadline: &str,
    is_enough: impl Fn(&[Heard]) -> bool,
    is_over: impl Fn(&[Heard]) -> bool,
) -> (Vec<Heard>, Vec<Heard>) {
    let _turn = TURNS.acquire().await;
    let world = World::start(canary(&[])).await;
    let mut home = Home::new(&world, deadline);
    let process = home.start(None);
    let result = async {
        home.alter("CREATE TRIGGER full BEFORE INSERT ON episode BEGIN SELECT RAISE(ABORT, 'no room'); END").await?;
        until("what can be told without a disk", || is_enough(&world.heard())).await?;
        let before = world.heard();
        home.alter("DROP TRIGGER full").await?;
        until("the claim on disk", || home.count("episode") == Some(1)).await?;
        until("the end", || is_over(&world.heard())).await?;
        tokio::time::sleep(QUIET).await;
        Ok::<_, String>((before, world.heard()))
    };
    let result = result.await.unwrap_or_else(|error| panic!("{error}\n{}", home.logs()));
    drop(process);
    result
}

fn rollbacks(heard: &[Heard]) -> usize {
    heard.iter().filter(|it| it.kind == Rollback).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_waits_for_the_disk_and_a_page_does_not() {
    let are_people_told = |heard: &[Heard]| PEOPLE.iter().all(|kind| heard.iter().any(|it| it.kind == *kind));
    let (before, after) = play_unwritable("1m", are_people_told, |heard| rollbacks(heard) > 0).await;
    assert_eq!(rollbacks(&before), 0, "it left before its claim was on disk");
    assert_eq!(rollbacks(&after), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_human_hears_of_a_rollback_that_the_disk_did_not_take_in_time() {
    // The page, and the notice that is an incident of its own.
    let incidents = |heard: &[Heard]| -> BTreeSet<String> {
        heard.iter().filter(|it| it.kind == PagerDuty).map(|it| it.id.clone()).collect()
    };
    let (before, after) = play_unwritable("2s", |heard| incidents(heard).len() == 2, |_| true).await;
    assert_eq!((rollbacks(&before), rollbacks(&after)), (0, 0), "it left after its deadline");
    assert_eq!(incidents(&before), incidents(&after));
}
