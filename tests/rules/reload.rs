//! What another configuration keeps, and what it ends.

use atalaya::evaluator::EvaluatorSpec;
use atalaya::model::Labels;
use atalaya::rule::{InstanceState, Rule, RuleGroup, UNKNOWN_AFTER};
use atalaya::store::Retain;

use super::world::{World, alert, at, group, hot, record, seconds, spec, target, templates};

#[test]
fn edits_keep_alerts_and_a_raised_for_makes_them_pending_again() {
    let mut world = World::showing(vec![group("g", vec![hot("heat > 3", 30)])], "heat 4", 60);
    assert_eq!(world.told(), ["00:15 pending Hot{job=t}", "00:45 firing Hot{job=t}"]);
    // Another expression, an annotation, an interval: nothing happens.
    let mut edited = alert("Hot", "heat > 2");
    (edited.hold, edited.annotations) = (seconds(30), templates(&[("summary", "it is {{ $value }}")]));
    let mut slower = RuleGroup::new("f", "g", seconds(30), vec![Rule::Alert(edited)]);
    slower.unknown_after = UNKNOWN_AFTER;
    world.reload(spec(vec![slower]));
    world.show("t", "heat 3");
    world.run_to(180);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.rule("Hot").instances[0].state, InstanceState::Firing { since: at(15), fired_at: at(45) });
    assert_eq!(world.rule("Hot").instances[0].annotations.get("summary"), "it is 3");
    // It has held for 165 s.
    world.reload(spec(vec![group("g", vec![hot("heat > 2", 200)])]));
    world.run_to(210);
    assert_eq!(world.told(), ["03:15 resolved Hot{job=t}"]);
    world.run_to(240);
    assert_eq!(world.told(), ["03:45 firing Hot{job=t}"]);
    assert_eq!(world.rule("Hot").instances[0].state.active_at(), at(15));
}

#[test]
fn a_rule_that_is_gone_ends_its_alerts_and_its_series() {
    let rules = || vec![record("a", "heat"), hot("heat > 3", 0), Rule::Alert(alert("Reads", "a > 3"))];
    let retained = |groups: Vec<RuleGroup>| EvaluatorSpec { retain: Retain::All, ..spec(groups) };
    let mut world = World::new(retained(vec![group("g", rules())]));
    world.show("t", "heat 4");
    world.run_to(60);
    world.told();
    let kept = vec![Rule::Alert(alert("Reads", "a > 3"))];
    world.reload(retained(vec![group("g", kept)]));
    assert_eq!(world.told(), ["01:00 resolved Hot{job=t}"]);
    assert_eq!(world.last.at, at(60));
    world.run_to(75);
    assert_eq!(world.query("a"), [""; 0]);
    assert_eq!(world.query("ALERTS{alertname=\"Hot\"}"), [""; 0]);
    assert_eq!(world.told(), ["01:15 resolved Reads{job=t}"]);
    // A group of another name is another group.
    let mut world = World::showing(vec![group("g", rules())], "heat 4", 60);
    world.told();
    world.reload(spec(Vec::new()));
    assert_eq!(world.told(), ["01:00 resolved Hot{job=t}", "01:00 resolved Reads{job=t}"]);
    assert_eq!((world.evaluator.series_count(), world.evaluator.firing_count()), (0, 0));
}

#[test]
fn what_is_equal_keeps_everything() {
    let groups = || vec![group("g", vec![record("a", "sum(heat)"), hot("a > 3", 30)])];
    let run = |reloads: bool| {
        let mut world = World::new(spec(groups()));
        let mut seen = Vec::new();
        for step in 1..60 {
            world.show("t", &format!("heat {}", step * 7 % 5 + step % 3));
            world.run_to(step * 15);
            if reloads {
                world.reload(spec(groups()));
                assert_eq!(world.last.changes, []);
            }
            seen.push(format!("{:?} {:?} {:?}", world.told(), world.states(), world.query("a")));
        }
        seen
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn a_new_selector_has_no_history_and_that_is_not_good_news() {
    let mut world = World::showing(vec![group("g", vec![hot("heat > 3", 0)])], "heat 4\ncold 4", 600);
    world.told();
    // `cold` was never kept: until it has been scraped for ten minutes, its average proves nothing.
    world.show("t", "heat 0\ncold 0");
    world.reload(spec(vec![group("g", vec![hot("avg_over_time(cold[10m]) > 3", 0)])]));
    world.now = 615;
    let transitions = world.evaluator.tick(at(615));
    world.take(transitions);
    assert_eq!(world.states(), ["Hot{job=t} firing unknown 0s"]);
    world.run_to(1185);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.states(), ["Hot{job=t} firing unknown 9m30s"]);
    world.run_to(1200);
    assert_eq!(world.told(), ["20:00 resolved Hot{job=t}"]);
}

#[test]
fn a_longer_window_waits_for_what_was_not_kept() {
    let mut world = World::showing(vec![group("g", vec![hot("avg_over_time(heat[2m]) > 3", 0)])], "heat 4", 1200);
    world.told();
    world.show("t", "heat 0");
    // Five minutes are kept at least.
    world.reload(spec(vec![group("g", vec![hot("avg_over_time(heat[10m]) > 9", 0)])]));
    world.run_to(1230);
    assert_eq!(world.states(), ["Hot{job=t} firing unknown 15s"]);
    world.run_to(1515);
    assert_eq!(world.told(), ["25:00 resolved Hot{job=t}"]);
    // A shorter one needs nothing.
    world.show("t", "heat 4");
    world.reload(spec(vec![group("g", vec![hot("avg_over_time(heat[10m]) > 1", 0)])]));
    world.run_to(1800);
    world.told();
    world.reload(spec(vec![group("g", vec![hot("avg_over_time(heat[1m]) > 9", 0)])]));
    world.run_to(1815);
    assert_eq!(world.told(), ["30:15 resolved Hot{job=t}"]);
}

#[test]
fn a_selector_that_another_one_covers_has_its_history() {
    let mut world = World::showing(vec![group("g", vec![hot("heat > 3", 0)])], "heat{pod=\"a\"} 4", 600);
    world.told();
    world.reload(spec(vec![group("g", vec![hot("avg_over_time(heat{pod=\"a\"}[5m]) > 9", 0)])]));
    world.run_to(615);
    assert_eq!(world.told(), ["10:15 resolved Hot{job=t,pod=a}"]);
}

#[test]
fn new_selectors_find_series_that_nobody_wanted_and_old_ones_let_go() {
    let mut world =
        World::showing(vec![group("g", vec![hot("heat > 3", 0)])], "heat 4\ncold{pod=\"a\"} 4\ncold{pod=\"b\"} 4", 60);
    assert_eq!(world.evaluator.series_count(), 1);
    world.reload(spec(vec![group("g", vec![hot("cold > 3 and cold{pod=\"a\"}", 0)])]));
    assert_eq!(world.evaluator.series_count(), 0);
    world.run_to(75);
    assert_eq!(world.query("cold"), ["cold{job=\"t\", pod=\"a\"} 4", "cold{job=\"t\", pod=\"b\"} 4"]);
    world.reload(spec(vec![group("g", vec![hot("cold{pod=\"b\"} > 3", 0)])]));
    assert_eq!(world.evaluator.series_count(), 1);
    world.reload(spec(vec![group("g", vec![hot("heat > 3", 0), record("r", "heat")])]));
    world.reload(spec(vec![group("g", vec![hot("heat > 3", 0), hot("r > 1", 0)])]));
    world.run_to(90);
    assert_eq!(world.evaluator.series_count(), 1);
}

#[test]
fn a_new_group_begins_at_its_next_moment() {
    let mut world = World::showing(Vec::new(), "heat 4", 75);
    let minute =
        RuleGroup::new("f", "g", seconds(60), vec![hot("heat > 3", 0), Rule::Alert(alert("Gone", "absent(heat)"))]);
    world.reload(spec(vec![minute]));
    assert_eq!(world.evaluator.next_tick(at(75)), at(120));
    world.run_to(180);
    assert_eq!(world.told(), ["02:00 firing Hot{job=t}"]);
}

#[test]
fn alerts_and_recording_rules_of_one_id_are_not_one_rule() {
    let mut world = World::showing(vec![group("g", vec![hot("heat > 3", 0)])], "heat 4", 15);
    let Rule::Record(mut rule) = record("Hot", "heat") else { unreachable!("it records") };
    rule.id = atalaya::model::RuleId::new("Hot");
    world.reload(spec(vec![group("g", vec![Rule::Record(rule)])]));
    assert_eq!(world.told(), ["00:15 firing Hot{job=t}", "00:15 resolved Hot{job=t}"]);
}

#[test]
fn targets_that_stay_keep_their_series_and_those_that_go_end() {
    let mut world = World::new(spec(vec![group("g", vec![hot("changes(heat[5m]) > 0", 0)])]));
    let (mut a, b) = (target("a"), target("b"));
    world.evaluator.set_targets(vec![a.clone(), b.clone()], at(0));
    for (index, heat) in ["1", "2"].iter().enumerate() {
        world.show("a", &format!("heat {heat}"));
        world.show("b", &format!("heat {heat}"));
        world.run_to(15 + i64::try_from(index).unwrap() * 15);
    }
    assert_eq!(world.told(), ["00:30 firing Hot{job=a}", "00:30 firing Hot{job=b}"]);
    // Asked elsewhere, it is still the same target.
    a.url = "http://elsewhere".to_owned();
    world.evaluator.set_targets(vec![a.clone()], at(31));
    world.run_to(45);
    assert_eq!(world.query("heat"), ["heat{job=\"a\"} 2"]);
    assert_eq!(world.told(), [""; 0]);
    let urls: Vec<_> = world.evaluator.targets().iter().map(|view| view.target.url.clone()).collect();
    assert_eq!(urls, ["http://elsewhere"]);
    // The window of the one that went runs dry, and nobody calls it lost.
    world.run_to(360);
    assert_eq!(world.told(), ["05:15 resolved Hot{job=a}", "05:15 resolved Hot{job=b}"]);
    // With other labels it is another one.
    a.labels = Labels::from_pairs([("job", "c")]);
    world.evaluator.set_targets(vec![a], at(361));
    world.run_to(375);
    assert_eq!(world.query("heat"), ["heat{job=\"c\"} 2"]);
}

#[test]
fn an_outage_is_no_good_news_for_a_rule_that_was_edited_meanwhile() {
    let mut world = World::showing(vec![group("g", vec![hot("heat > 3", 0)])], "heat 4", 60);
    assert_eq!(world.told(), ["00:15 firing Hot{job=t}"]);
    world.lose("t");
    world.run_to(75);
    world.reload(spec(vec![group("g", vec![hot("warmth > 3", 0)])]));
    world.run_to(240);
    assert_eq!(world.told(), [""; 0]);
    assert!(world.states()[0].starts_with("Hot{job=t} firing unknown"), "{:?}", world.states());
    world.show("t", "warmth 1");
    world.run_to(255);
    assert_eq!(world.told(), ["04:15 resolved Hot{job=t}"]);
}
