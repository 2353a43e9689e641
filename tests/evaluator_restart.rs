//! What an alert from before a restart becomes, as the numbers come back: a string says what each scrape, one every
//! fifteen seconds, brought, and another what the alert is after it.

use std::time::Duration;

use atalaya::evaluator::{Evaluator, EvaluatorSpec, Scrape, ScrapeTarget};
use atalaya::model::{Labels, RuleId, TargetId, Timestamp};
use atalaya::promql;
use atalaya::rule::{AlertRule, InstanceRow, InstanceState, Rule, RuleGroup};

const STEP: Duration = Duration::from_secs(15);

fn target(name: &str) -> ScrapeTarget {
    ScrapeTarget {
        id: TargetId::new(name),
        url: format!("http://{name}"),
        labels: Labels::from_pairs([("job", name)]),
        interval: STEP,
        timeout: STEP,
        intake: Default::default(),
    }
}

/// Restarts while the rule's alert fires. At each step its target brings the value of a digit, fails (`x`) or is not
/// asked (` `). Afterwards the alert fires (`F`) or is gone (`-`).
#[expect(clippy::unwrap_used, reason = "part of a test")]
fn check(expr: &str, scrapes: &str, expected: &str) {
    let start = Timestamp::from_millis(1_764_000_000_000);
    let rule = AlertRule {
        id: RuleId::new("r"),
        name: "A".to_owned(),
        source: expr.to_owned(),
        expr: promql::parse(expr).unwrap(),
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        labels: Vec::new(),
        annotations: Vec::new(),
    };
    let group = RuleGroup::new("f", "g", STEP, vec![Rule::Alert(rule)]);
    let targets = vec![target("a")];
    let row = InstanceRow {
        rule: RuleId::new("r"),
        labels: Labels::from_pairs([("alertname", "A")]),
        element: Labels::empty(),
        annotations: Labels::empty(),
        value: "1".to_owned(),
        state: InstanceState::Firing { since: start, fired_at: start },
        unknown_since: None,
    };
    let spec = EvaluatorSpec { groups: vec![group], targets, interval: STEP, ..EvaluatorSpec::default() };
    let mut evaluator = Evaluator::new(spec, vec![row]);
    let (mut now, mut got) = (start, String::new());
    for letter in scrapes.chars() {
        now = now + STEP;
        let mut ingest = |name: &str, page: Result<String, String>| {
            evaluator.ingest(&Scrape {
                target: TargetId::new(name),
                at: now,
                took: Duration::ZERO,
                page: page.map(Into::into).map_err(Into::into),
            });
        };
        match letter {
            ' ' => {}
            'x' => ingest("a", Err("refused".to_owned())),
            digit => ingest("a", Ok(format!("m {digit}\n"))),
        }
        evaluator.tick(now);
        got.push(if evaluator.firing().is_empty() { '-' } else { 'F' });
    }
    assert_eq!(got, expected, "{expr} over {scrapes}");
}

#[test]
fn it_stays_until_it_has_been_measured() {
    check("sum(m) > 0", "0", "-");
    check("sum(m) > 0", "  xx0", "FFFF-");
    check("sum(m) > 0", "110", "FF-");
}

#[test]
fn a_window_that_is_half_refilled_ends_nothing() {
    // Seen once, it is not therefore known well enough: what came before the start is missing from the average.
    check("sum(avg_over_time(m[1m])) > 0.6", "10111111", "FFFFFFFF");
    check("sum(avg_over_time(m[1m])) > 0.6", "1000000", "FFFF---");
}

#[test]
fn a_clock_that_was_set_back_resolves_nothing_and_makes_nobody_wait() {
    use atalaya::rule::{Observation, Timing, Transition, step};
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let timing = Timing { hold: minutes(5), keep_firing_for: minutes(5) };
    let at = |minute: i64| Timestamp::from_millis(1_764_000_000_000 + minute * 60_000);
    // What is kept is an hour ahead.
    let firing = InstanceState::Firing { since: at(60), fired_at: at(65) };
    assert_eq!(step(Some(firing), Observation::Present, timing, at(0)), (Some(firing), None));
    let pending = step(Some(InstanceState::Pending { since: at(60) }), Observation::Present, timing, at(0)).0;
    assert_eq!(pending, Some(InstanceState::Pending { since: at(0) }));
    assert_eq!(step(pending, Observation::Present, timing, at(5)).1, Some(Transition::Fired));
    let lingering = InstanceState::Lingering { since: at(60), fired_at: at(65), gone: at(70) };
    let lingering = step(Some(lingering), Observation::Absent, timing, at(0)).0;
    assert_eq!(step(lingering, Observation::Absent, timing, at(4)).1, None);
    assert_eq!(step(lingering, Observation::Absent, timing, at(5)).1, Some(Transition::Resolved));
    // Since when it is unknown lies ahead as well.
    let row = InstanceRow {
        rule: RuleId::new("r"),
        labels: Labels::from_pairs([("alertname", "A")]),
        element: Labels::empty(),
        annotations: Labels::empty(),
        value: "1".to_owned(),
        state: firing,
        unknown_since: Some(at(70)),
    };
    let mut rule = atalaya::rule::RuleInstances::new(RuleId::new("r"), timing);
    rule.restore(row);
    let changes = rule.apply(Ok(Vec::new()), |_| true, "", at(0));
    assert_eq!(changes[0].row.as_ref().unwrap().unknown_since, Some(at(0)));
    assert_eq!(rule.apply(Ok(Vec::new()), |_| true, "", at(1)), []);
}
