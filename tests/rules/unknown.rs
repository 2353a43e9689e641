//! Alerts that cannot be measured, and what is told of them.

use atalaya::evaluator::ALERT_UNKNOWN;
use atalaya::rule::{OnUnknown, Rule, RuleGroup};

use super::world::{World, alert, at, group, seconds, spec, templates};

fn hot(on_unknown: OnUnknown) -> RuleGroup {
    let mut rule = alert("Hot", "heat > 3");
    rule.labels = templates(&[("severity", "page"), ("team", "a")]);
    let mut group = group("g", vec![Rule::Alert(rule)]);
    group.on_unknown = on_unknown;
    group
}

#[test]
fn after_a_while_an_alert_of_our_own_says_which_since_when_and_why() {
    let mut group = hot(OnUnknown::Keep);
    group.unknown_after = seconds(60);
    let mut world = World::showing(vec![group], "heat{pod=\"a\"} 4\nheat{pod=\"b\"} 4", 15);
    world.told();
    world.lose("t");
    world.run_to(75);
    assert_eq!(world.told(), [""; 0]);
    world.run_to(120);
    assert_eq!(world.told(), ["01:30 firing AlertUnknown{file=f,group=g,rule=Hot,severity=page}"]);
    let own = world.rule(ALERT_UNKNOWN).instances[0].clone();
    assert_eq!((own.annotations.get("summary"), own.value), ("Hot has been unknown for 1m", 2.0));
    let text = own.annotations.get("description");
    assert!(text.contains("Since 2025-11-24T16:00:30.000Z it cannot be measured"), "{text}");
    assert!(text.contains("the last scrape of `t` failed"), "{text}");
    assert!(text.contains("pod=\"a\"") && text.contains("pod=\"b\""), "{text}");
    // It is one that fires, and the others go on.
    assert_eq!(
        (world.evaluator.firing_count(), world.evaluator.firing().len(), world.evaluator.unknown_count()),
        (3, 3, 2)
    );
    world.show("t", "heat{pod=\"a\"} 4");
    world.run_to(135);
    let told = world.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.contains(&"02:15 resolved AlertUnknown{file=f,group=g,rule=Hot,severity=page}".to_owned()),
        "{told:?}"
    );
    assert!(world.evaluator.rules().iter().all(|group| group.name == "g"));
}

#[test]
fn since_when_outlives_a_restart() {
    let mut world = World::showing(vec![hot(OnUnknown::Keep)], "heat 4", 15);
    world.lose("t");
    world.run_to(600);
    world.restart(spec(vec![hot(OnUnknown::Keep)]));
    world.told();
    assert_eq!(world.states(), ["Hot{job=t,severity=page,team=a} firing unknown 9m30s"]);
    world.run_to(915);
    assert_eq!(world.told(), [""; 0]);
    world.run_to(930);
    assert_eq!(world.told(), ["15:30 firing AlertUnknown{file=f,group=g,rule=Hot,severity=page}"]);
    // Neither is it told again nor forgotten when it starts once more.
    world.restart(spec(vec![hot(OnUnknown::Keep)]));
    world.run_to(1200);
    assert_eq!(world.told(), [""; 0]);
    // A rule that is gone is unknown no more.
    world.restart(spec(Vec::new()));
    world.run_to(1215);
    assert_eq!(world.told().len(), 2);
    assert_eq!(world.evaluator.firing_count(), 0);
}

#[test]
fn what_is_unknown_may_resolve_instead() {
    let mut world = World::showing(vec![hot(OnUnknown::Resolve)], "heat 4", 30);
    world.lose("t");
    world.run_to(45);
    let labels = "Hot{job=t,severity=page,team=a}";
    assert_eq!(world.told(), [format!("00:15 firing {labels}"), format!("00:45 resolved {labels}")]);
    // A rule that fails is unknown as well.
    world.show("t", "heat 4");
    world.run_to(60);
    let mut failing = alert("Hot", "heat * on () group_left () heat");
    failing.labels = templates(&[("severity", "page"), ("team", "a")]);
    let mut failing = group("g", vec![Rule::Alert(failing)]);
    failing.on_unknown = OnUnknown::Resolve;
    world.show("t", "heat{pod=\"a\"} 4\nheat 4");
    world.reload(spec(vec![failing]));
    world.run_to(75);
    assert!(world.rule("Hot").error.is_some());
    assert_eq!(world.told(), [format!("01:00 firing {labels}"), format!("01:15 resolved {labels}")]);
}

#[test]
fn a_start_alone_resolves_nothing_even_then() {
    let mut world = World::showing(vec![hot(OnUnknown::Resolve)], "heat 4", 15);
    world.restart(spec(vec![hot(OnUnknown::Resolve)]));
    world.told();
    let transitions = world.evaluator.tick(at(30));
    world.take(transitions);
    assert_eq!(world.told(), [""; 0]);
    world.lose("t");
    world.run_to(45);
    assert_eq!(world.told(), ["00:45 resolved Hot{job=t,severity=page,team=a}"]);
}

#[test]
fn what_is_absent_is_told_once_it_was_looked_for() {
    let rules = || {
        let rate = alert("Rate", "absent(rate(heat[30s]))");
        vec![Rule::Alert(alert("Gone", "absent(heat)")), Rule::Alert(rate)]
    };
    let mut world = World::new(spec(vec![group("g", rules())]));
    // Before the first scrape nothing is known.
    let transitions = world.evaluator.tick(at(1));
    assert_eq!((transitions.changes.len(), transitions.groups[0].failed), (0, 2));
    world.show("t", "heat 4");
    world.run_to(120);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!((world.rule("Gone").error, world.rule("Rate").error), (None, None));
    world.show("t", "");
    world.run_to(135);
    assert_eq!(world.told(), ["02:15 firing Gone{}", "02:15 firing Rate{}"]);
    // A target that never answers is absent indeed.
    let mut world = World::new(spec(vec![group("g", rules())]));
    world.lose("t");
    world.run_to(15);
    assert_eq!(world.told(), ["00:15 firing Gone{}", "00:15 firing Rate{}"]);
}

/// A rule that fails as long as a pod has two sizes, in a group that waits a minute until it is told.
fn failing(severity: &str) -> RuleGroup {
    let mut load = alert("Load", "heat * on (pod) group_left () size > 100");
    load.labels = templates(&[("severity", severity), ("team", "a")]);
    let recorded = super::world::record("r", "heat * on (pod) group_left () size");
    let mut group = group("g", vec![Rule::Alert(load), recorded]);
    group.unknown_after = seconds(60);
    group
}

const TWICE: &str = "heat{pod=\"a\"} 4\nsize{pod=\"a\",n=\"2\"} 1\nsize{pod=\"a\"} 1";
const ONCE: &str = "heat{pod=\"a\"} 4\nsize{pod=\"a\"} 1";

#[test]
fn rules_that_fail_and_have_no_alerts_are_told_of() {
    let mut world = World::showing(vec![failing("page")], TWICE, 60);
    assert_eq!(world.told(), [""; 0]);
    world.run_to(300);
    let told = world.told();
    let (alert, record) = ("RuleFailing{file=f,group=g,severity=page}", "RuleFailing{file=f,group=g}");
    assert_eq!(told, [format!("01:15 firing {record}"), format!("01:15 firing {alert}")]);
    let own = world.rule("RuleFailing").instances.clone();
    assert_eq!((own[1].annotations.get("summary"), own[1].value), ("1 rule of g has failed for 1m", 1.0));
    let text = own[1].annotations.get("description");
    assert!(text.contains("Since 2025-11-24T16:00:15.000Z `Load` fails: "), "{text}");
    assert_eq!((world.evaluator.firing_count(), world.evaluator.firing().len()), (2, 2));
    // A start does not end it, and does not tell it again.
    world.restart(spec(vec![failing("page")]));
    let transitions = world.evaluator.tick(at(301));
    world.take(transitions);
    world.run_to(600);
    assert_eq!(world.told(), [""; 0]);
    // Nor does a reload that changes nothing.
    world.reload(spec(vec![failing("page")]));
    world.run_to(615);
    assert_eq!(world.told(), [""; 0]);
    world.show("t", ONCE);
    world.run_to(630);
    assert_eq!(world.told(), [format!("10:30 resolved {record}"), format!("10:30 resolved {alert}")]);
    assert_eq!(world.evaluator.firing_count(), 0);
}

#[test]
fn a_rule_that_fails_is_told_of_once() {
    let mut group = failing("page");
    group.rules.truncate(1);
    let mut world = World::showing(vec![group.clone()], &ONCE.replace("} 4", "} 400"), 30);
    world.show("t", TWICE);
    world.run_to(600);
    let told = world.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("AlertUnknown"), "{told:?}");
    // A rule that is gone fails no more.
    let mut world = World::showing(vec![group], TWICE, 600);
    assert_eq!(world.told().len(), 1);
    world.reload(spec(Vec::new()));
    assert_eq!(world.told(), ["10:00 resolved RuleFailing{file=f,group=g,severity=page}"]);
}

#[test]
fn a_rule_that_waits_is_no_failure() {
    let mut group = group("g", vec![Rule::Alert(alert("Gone", "absent_over_time(cold[1h])"))]);
    group.unknown_after = seconds(60);
    let mut world = World::showing(vec![group], "heat 1", 1800);
    assert!(world.rule("Gone").error.is_some());
    assert_eq!(world.told(), [""; 0]);
}

/// A counter that rises by so many a second.
fn rising(world: &mut World, until: i64, per_second: i64, count: &mut i64) {
    while world.now < until {
        *count += per_second * 15;
        world.show("t", &format!("errors_total {count}"));
        world.run_to(world.now + 15);
    }
}

#[test]
fn after_an_outage_that_emptied_the_window_an_absence_waits_until_it_is_filled() {
    for (name, outage, resolved) in [("short", 60, "04:15"), ("long", 120, "07:15")] {
        let group = group("g", vec![Rule::Alert(alert("Errors", "rate(errors_total[2m]) > 3"))]);
        let mut world = World::new(spec(vec![group]));
        let mut count = 0;
        rising(&mut world, 180, 4, &mut count);
        assert_eq!(world.told(), ["01:45 firing Errors{job=t}"], "{name}");
        // It is well again when it comes back, and nobody can know before.
        world.lose("t");
        world.run_to(180 + outage);
        assert_eq!(world.told(), [""; 0], "{name}");
        rising(&mut world, 600, 0, &mut count);
        assert_eq!(world.told(), [format!("{resolved} resolved Errors{{job=t}}")], "{name}");
    }
}

#[test]
fn an_outage_does_not_make_it_too_early_to_see_what_is_there() {
    let group = group("g", vec![Rule::Alert(alert("Gone", "absent_over_time(heat[2m])"))]);
    let mut world = World::showing(vec![group], "heat 1", 180);
    world.lose("t");
    world.run_to(330);
    world.show("t", "heat 1");
    world.run_to(360);
    assert_eq!(world.told(), ["05:00 firing Gone{}", "05:45 resolved Gone{}"]);
    assert_eq!(world.rule("Gone").error, None);
}
