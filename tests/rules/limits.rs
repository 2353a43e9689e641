//! What a rule may give, and what the store may hold.

use atalaya::rule::Rule;

use super::world::{World, alert, group, record, seconds, spec};

const TWO: &str = "heat{pod=\"a\"} 4\nheat{pod=\"b\"} 4";
const THREE: &str = "heat{pod=\"a\"} 4\nheat{pod=\"b\"} 4\nheat{pod=\"c\"} 4";

#[test]
fn a_rule_over_its_limit_fails_and_its_alerts_stay_unknown() {
    let mut limited = group("g", vec![Rule::Alert(alert("A", "heat > 3"))]);
    limited.limit = 2;
    let mut world = World::showing(vec![limited], TWO, 15);
    assert_eq!(world.told().len(), 2);
    world.show("t", THREE);
    world.run_to(45);
    assert_eq!(world.rule("A").error.as_deref(), Some("exceeded limit of 2 with 3 alerts"));
    assert_eq!(world.states(), ["A{job=t,pod=a} firing unknown 15s", "A{job=t,pod=b} firing unknown 15s"]);
    assert_eq!(world.told(), [""; 0]);
    world.show("t", "heat{pod=\"c\"} 4");
    world.run_to(60);
    assert_eq!(
        world.told(),
        ["01:00 firing A{job=t,pod=c}", "01:00 resolved A{job=t,pod=a}", "01:00 resolved A{job=t,pod=b}"]
    );
}

#[test]
fn in_strict_mode_a_rule_over_its_limit_loses_its_alerts() {
    let mut limited = group("g", vec![Rule::Alert(alert("A", "heat > 3"))]);
    limited.limit = 2;
    let mut spec = spec(vec![limited]);
    spec.is_strict = true;
    let mut world = World::new(spec);
    world.show("t", TWO);
    world.run_to(15);
    world.show("t", THREE);
    world.run_to(30);
    assert_eq!(world.rule("A").error.as_deref(), Some("exceeded limit of 2 with 3 alerts"));
    assert_eq!(world.states(), [""; 0]);
    assert_eq!(world.told()[2..], ["00:30 resolved A{job=t,pod=a}", "00:30 resolved A{job=t,pod=b}"]);
}

#[test]
fn what_keeps_firing_counts_towards_the_limit() {
    let mut rule = alert("A", "heat > 3");
    rule.keep_firing_for = seconds(600);
    let mut limited = group("g", vec![Rule::Alert(rule)]);
    limited.limit = 2;
    let mut world = World::showing(vec![limited], TWO, 15);
    world.show("t", "heat{pod=\"c\"} 4");
    world.run_to(30);
    assert_eq!(world.rule("A").error.as_deref(), Some("exceeded limit of 2 with 3 alerts"));
}

#[test]
fn a_recording_rule_over_its_limit_writes_nothing() {
    let mut limited = group("g", vec![record("a", "heat"), Rule::Alert(alert("A", "a > 3"))]);
    limited.limit = 2;
    let world = World::showing(vec![limited], THREE, 15);
    assert_eq!(world.rule("a").error.as_deref(), Some("exceeded limit of 2 with 3 series"));
    assert_eq!(world.query("a"), [""; 0]);
}

#[test]
fn a_full_store_refuses_new_series_says_so_and_goes_on() {
    let mut limited = spec(vec![group("g", vec![Rule::Alert(alert("A", "heat > 3"))])]);
    limited.series_max = Some(2);
    let mut world = World::new(limited);
    world.show("t", TWO);
    world.run_to(15);
    assert_eq!((world.reports["t"].refused, world.evaluator.series_count()), (0, 2));
    world.show("t", "heat{pod=\"a\"} 5\nheat{pod=\"b\"} 1\nheat{pod=\"c\"} 4\nheat{pod=\"d\"} 4");
    world.run_to(45);
    let report = &world.reports["t"];
    assert_eq!((report.refused, report.stored, report.error.clone()), (2, 2, None));
    assert_eq!(world.evaluator.targets()[0].last.as_ref().unwrap().2.refused, 2);
    assert_eq!(world.query("heat{pod=\"a\"}"), ["heat{job=\"t\", pod=\"a\"} 5"]);
    assert_eq!(world.warnings("heat"), ["the store is full: new series are refused, and missing from the result"]);
    // What is absent may be among what was refused.
    assert_eq!(world.states(), ["A{job=t,pod=a} firing", "A{job=t,pod=b} firing unknown 15s"]);
    // Room comes back when series end and are dropped.
    world.show("t", "heat{pod=\"c\"} 4\nheat{pod=\"d\"} 4");
    world.run_to(600);
    assert_eq!((world.reports["t"].refused, world.query("heat").len()), (0, 2));
    assert_eq!(world.states(), ["A{job=t,pod=c} firing", "A{job=t,pod=d} firing"]);
}

#[test]
fn memory_is_bounded_too() {
    let mut limited = spec(vec![group("g", vec![Rule::Alert(alert("A", "heat > 3"))])]);
    limited.memory_max = Some(10_000);
    let mut world = World::new(limited);
    let page: Vec<String> = (0..100).map(|pod| format!("heat{{pod=\"{pod}\"}} 1")).collect();
    world.show("t", &page.join("\n"));
    world.run_to(15);
    let stored = world.evaluator.series_count();
    assert!((20..60).contains(&stored), "{stored}");
    assert_eq!(world.reports["t"].refused, 100 - stored);
    assert!((10_000..11_000).contains(&world.evaluator.memory_bytes()), "{}", world.evaluator.memory_bytes());
}

#[test]
fn a_recording_rule_for_which_there_is_no_room_fails() {
    let mut limited = spec(vec![group("g", vec![record("a", "heat"), Rule::Alert(alert("A", "a > 3"))])]);
    limited.series_max = Some(3);
    let mut world = World::new(limited);
    world.show("t", TWO);
    world.run_to(15);
    let error = world.rule("a").error.unwrap();
    assert!(error.starts_with("1 new series were refused because the store is full"), "{error}");
    assert_eq!(world.query("a").len(), 1);
}

#[test]
fn an_alert_whose_series_is_refused_is_no_good_news_for_who_reads_it() {
    let mut slow = alert("A", "heat > 3");
    slow.hold = seconds(30);
    let reads = alert("B", "ALERTS{alertname=\"A\"}");
    let groups = vec![group("g", vec![Rule::Alert(slow), Rule::Alert(reads)])];
    // Room for the target's series and for the alert that is pending, and no more.
    let mut limited = spec(groups);
    limited.series_max = Some(2);
    let mut world = World::new(limited);
    world.show("t", "heat 4");
    world.run_to(30);
    assert_eq!(world.states().len(), 2, "{:?}", world.states());
    world.told();
    world.run_to(60);
    let told = world.told();
    assert!(!told.iter().any(|line| line.contains("resolved B")), "{told:?}");
    assert_eq!(world.rule("A").error, None);
}

#[test]
fn what_is_refused_is_not_new_each_time_and_gets_its_room() {
    let mut limited = spec(vec![group("g", vec![Rule::Alert(alert("A", "heat > 3"))])]);
    limited.series_max = Some(2);
    let mut world = World::new(limited.clone());
    world.show("t", &format!("{THREE}\nother 1"));
    world.run_to(15);
    let report = |world: &World| (world.reports["t"].added, world.reports["t"].refused, world.reports["t"].stored);
    assert_eq!(report(&world), (4, 1, 2));
    world.run_to(60);
    assert_eq!(report(&world), (0, 1, 2));
    assert_eq!(world.warnings("heat"), ["the store is full: new series are refused, and missing from the result"]);
    // What was refused and is gone is refused no more.
    world.show("t", TWO);
    world.run_to(75);
    assert_eq!((report(&world), world.warnings("heat")), ((0, 0, 2), vec![]));
    world.show("t", THREE);
    world.run_to(105);
    assert_eq!(report(&world), (0, 1, 2));
    limited.series_max = Some(3);
    world.reload(limited);
    world.run_to(120);
    assert_eq!(report(&world), (0, 0, 3));
    assert_eq!(world.states().len(), 3);
}

#[test]
fn what_was_refused_before_a_reload_is_no_good_news_after_it() {
    let rules = |expr: &str| vec![group("g", vec![Rule::Alert(alert("A", expr))])];
    let mut world = World::showing(rules("heat > 3"), TWO, 15);
    let mut full = spec(rules("heat > 3"));
    full.series_max = Some(1);
    world.restart(full.clone());
    world.run_to(30);
    assert_eq!((world.reports["t"].refused, world.told().len()), (1, 2));
    world.reload(full);
    // No scrape has come since.
    world.now = 45;
    let transitions = world.evaluator.tick(super::world::at(45));
    world.take(transitions);
    assert_eq!(world.told(), [""; 0]);
}
