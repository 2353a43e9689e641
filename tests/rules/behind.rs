//! Rules that look behind: what counts is what could be measured at the moment that they read.

use atalaya::model::Matcher;
use atalaya::rule::{Rule, RuleGroup};
use atalaya::store::Retain;

use super::world::{World, alert, at, group, record, seconds, spec};

fn behind(rules: Vec<Rule>, offset_s: u64) -> RuleGroup {
    let mut group = group("g", rules);
    group.query_offset = seconds(offset_s);
    group
}

fn hot(expr: &str, hold_s: u64) -> Rule {
    let mut rule = alert("Hot", expr);
    rule.hold = seconds(hold_s);
    Rule::Alert(rule)
}

/// The target fails from 05:15 to 06:00, and is as hot before as after. Nobody may hear otherwise.
fn check_outage(group: &RuleGroup) {
    let mut world = World::new(spec(vec![group.clone()]));
    world.show("t", "heat 4");
    world.run_to(300);
    assert_eq!(world.told().len(), 1);
    world.lose("t");
    world.run_to(360);
    world.show("t", "heat 4");
    world.run_to(900);
    assert_eq!((world.told(), world.states()), (vec![], vec!["Hot{job=t} firing".to_owned()]), "{group:?}");
    world.show("t", "heat 1");
    world.run_to(1200);
    assert_eq!(world.told().len(), 1, "{group:?}");
}

#[test]
fn an_outage_is_no_good_news_at_the_moment_that_reads_it() {
    check_outage(&behind(vec![hot("heat > 3", 0)], 60));
    check_outage(&behind(vec![hot("heat offset 1m > 3", 0)], 0));
    check_outage(&behind(vec![hot("heat offset 1m > 3", 0)], 30));
    check_outage(&behind(vec![hot("max_over_time((heat > 3)[15s:15s] offset 1m)", 0)], 0));
    // Along what was recorded, whoever looks behind.
    check_outage(&behind(vec![record("r", "heat"), hot("r offset 1m > 3", 0)], 0));
    check_outage(&behind(vec![record("r", "heat offset 1m"), hot("r > 3", 0)], 0));
    check_outage(&behind(vec![record("r", "heat offset 30s"), hot("r offset 30s > 3", 0)], 45));
}

#[test]
fn an_outage_that_outlasts_what_is_kept_is_none_either() {
    let mut group = behind(vec![hot("heat{pod=\"a\"} offset 4m > 3", 0)], 0);
    group.unknown_after = seconds(7200);
    let mut world = World::new(spec(vec![group]));
    world.show("t", "heat{pod=\"a\"} 4");
    world.run_to(600);
    assert_eq!(world.told().len(), 1);
    world.lose("t");
    world.run_to(1800);
    // It is back without the series.
    world.show("t", "heat{pod=\"b\"} 4");
    world.run_to(1800 + 240);
    assert_eq!(world.told(), [""; 0]);
    world.run_to(1800 + 255);
    assert_eq!(world.told(), ["34:15 resolved Hot{job=t,pod=a}"]);
}

#[test]
fn a_tick_that_comes_late_reads_the_outage_before_the_answer() {
    let mut world = World::new(spec(vec![group("g", vec![hot("heat > 3", 0)])]));
    world.show("t", "heat 4");
    world.run_to(60);
    assert_eq!(world.told().len(), 1);
    world.lose("t");
    world.now = 72;
    world.scrape();
    world.show("t", "heat 4");
    world.now = 76;
    world.scrape();
    // The evaluation of 01:15 comes after the scrape of 01:16.
    let transitions = world.evaluator.tick(at(76));
    world.take(transitions);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.states(), ["Hot{job=t} firing unknown 1s"]);
}

#[test]
fn a_recording_rule_that_failed_is_no_good_news_for_who_looks_behind() {
    let rules = vec![record("load", "heat * on (pod) group_left () size"), hot("load offset 10m > 0", 0)];
    let mut world = World::new(spec(vec![group("g", rules)]));
    let (good, many) =
        ("heat{pod=\"a\"} 4\nsize{pod=\"a\"} 1", "heat{pod=\"a\"} 4\nsize{pod=\"a\",n=\"2\"} 1\nsize{pod=\"a\"} 1");
    world.show("t", good);
    world.run_to(900);
    assert_eq!(world.told().len(), 1);
    world.show("t", many);
    world.run_to(1500);
    world.show("t", good);
    world.run_to(3000);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.states(), ["Hot{job=t,pod=a} firing"]);
}

#[test]
fn a_raised_offset_reads_nothing_twice() {
    let rules = |hold_s| {
        let hot = hot("r > 3", hold_s);
        vec![record("r", "heat"), hot, Rule::Alert(alert("Any", "ALERTS{alertname=\"Hot\",alertstate=\"firing\"}"))]
    };
    for (hold_s, since) in [(0, 120), (90, 120)] {
        let mut spec_of = spec(vec![behind(rules(hold_s), 0)]);
        spec_of.retain = Retain::Matchers(vec![Matcher::parse_list("__name__=~\"r|ALERTS\"").unwrap()]);
        let mut world = World::new(spec_of.clone());
        world.show("t", "heat 1");
        world.run_to(105);
        world.show("t", "heat 4");
        world.run_to(150);
        world.told();
        // Two minutes ago it was not hot. That is old news.
        spec_of.groups = vec![behind(rules(hold_s), 120)];
        world.reload(spec_of);
        let mut states = Vec::new();
        for now in (165..=300).step_by(15) {
            world.run_to(now);
            assert_eq!(world.last.groups.iter().map(|group| group.failed).sum::<usize>(), 0, "at {now}");
            states.extend(world.states());
        }
        let told = world.told();
        assert!(!told.iter().any(|line| line.contains("resolved") || line.contains("dropped")), "{told:?}");
        assert!(!states.iter().any(|state| state.contains("unknown")), "{states:?}");
        assert_eq!(world.rule("Hot").instances[0].state.active_at(), at(since));
        assert_eq!(world.rule("Hot").instances[0].state.fired_at(), Some(at(since + i64::try_from(hold_s).unwrap())));
        // From then on it reads what is two minutes old.
        world.show("t", "heat 1");
        world.run_to(420);
        assert_eq!(world.told(), [""; 0]);
        world.run_to(435);
        assert_eq!(world.told()[0], "07:15 resolved Hot{job=t}");
    }
}

#[test]
fn another_group_of_another_name_goes_on_writing_at_once() {
    let group_of = |name: &str| {
        let mut group = group(name, vec![record("r", "heat")]);
        group.query_offset = seconds(120);
        group
    };
    let reads = || group("reads", vec![hot("r offset 2m > 3", 0)]);
    let mut world = World::new(spec(vec![group_of("a"), reads()]));
    world.show("t", "heat 4");
    world.run_to(300);
    world.told();
    // The rule has another id there.
    let mut renamed = group_of("b");
    let Rule::Record(rule) = &mut renamed.rules[0] else { unreachable!("it records") };
    rule.id = atalaya::model::RuleId::new("other");
    world.reload(spec(vec![renamed, reads()]));
    for now in (315..=600).step_by(15) {
        world.run_to(now);
        assert_eq!(world.rule("r").error, None, "at {now}");
    }
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn who_writes_too_far_behind_to_be_seen_is_no_good_news() {
    let writes = |offset_s| {
        let mut group = group("writes", vec![record("r", "heat")]);
        group.query_offset = seconds(offset_s);
        group
    };
    let reads = || group("reads", vec![hot("r > 3", 0)]);
    let mut world = World::new(spec(vec![writes(0), reads()]));
    world.show("t", "heat 4");
    world.run_to(300);
    assert_eq!(world.told().len(), 1);
    // Behind by more than an instant selector looks back.
    world.reload(spec(vec![writes(600), reads()]));
    world.run_to(1000);
    assert_eq!(world.told(), [""; 0]);
    assert!(world.states()[0].starts_with("Hot{job=t} firing unknown"), "{:?}", world.states());
}
