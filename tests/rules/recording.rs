//! Recording rules, and the series that tell of alerts.

use atalaya::rule::Rule;
use atalaya::store::Retain;

use super::world::{World, alert, at, group, record, record_with, seconds, spec};

#[test]
fn a_later_rule_sees_what_an_earlier_one_recorded_in_the_same_evaluation() {
    let mut hot = alert("Hot", "job:heat:sum > 3");
    hot.hold = seconds(15);
    let rules = vec![record("job:heat:sum", "sum by (job) (heat)"), Rule::Alert(hot)];
    let mut world = World::showing(vec![group("g", rules)], "heat{pod=\"a\"} 1\nheat{pod=\"b\"} 1", 15);
    world.show("t", "heat{pod=\"a\"} 3\nheat{pod=\"b\"} 1");
    world.run_to(60);
    assert_eq!(world.query("job:heat:sum"), ["job:heat:sum{job=\"t\"} 4"]);
    world.show("t", "heat{pod=\"a\"} 1\nheat{pod=\"b\"} 1");
    world.run_to(75);
    assert_eq!(world.told(), ["00:30 pending Hot{job=t}", "00:45 firing Hot{job=t}", "01:15 resolved Hot{job=t}"]);
}

#[test]
fn an_output_that_is_returned_no_more_ends_at_once() {
    let rules = vec![
        record_with("heat:high", "heat > 3", &[("team", "sre"), ("job", "")]),
        Rule::Alert(alert("A", "heat:high > 0")),
    ];
    let mut world = World::showing(vec![group("g", rules)], "heat{pod=\"a\"} 4\nheat{pod=\"b\"} 5", 30);
    let (a, b) = ("heat:high{pod=\"a\", team=\"sre\"} 4", "heat:high{pod=\"b\", team=\"sre\"} 5");
    assert_eq!(world.query("heat:high"), [a, b]);
    world.show("t", "heat{pod=\"a\"} 4\nheat{pod=\"b\"} 1");
    world.run_to(45);
    assert_eq!(world.query("heat:high"), [a]);
    assert_eq!(world.query("heat:high offset 15s"), [a, b]);
}

#[test]
fn a_rule_that_fails_ends_nothing_and_nobody_takes_its_silence_for_good_news() {
    let expr = "heat * on (pod) group_left () size";
    let rules = vec![record("load", expr), Rule::Alert(alert("A", "load > 0"))];
    let mut world = World::new(spec(vec![group("g", rules)]));
    let (good, many) =
        ("heat{pod=\"a\"} 4\nsize{pod=\"a\"} 1", "heat{pod=\"a\"} 4\nsize{pod=\"a\",n=\"2\"} 1\nsize{pod=\"a\"} 1");
    world.show("t", good);
    world.run_to(30);
    assert_eq!(world.told(), ["00:15 firing A{job=t,pod=a}"]);
    world.show("t", many);
    // Longer than an instant selector looks back.
    world.run_to(600);
    assert!(world.rule("load").error.is_some());
    assert_eq!(world.query("load"), [""; 0]);
    assert_eq!(world.told(), [""; 0]);
    assert!(world.states()[0].starts_with("A{job=t,pod=a} firing unknown"), "{:?}", world.states());
    world.show("t", good);
    world.run_to(630);
    assert_eq!(world.states(), ["A{job=t,pod=a} firing"]);
    world.show("t", "heat{pod=\"a\"} 0\nsize{pod=\"a\"} 1");
    world.run_to(645);
    assert_eq!(world.told(), ["10:45 resolved A{job=t,pod=a}"]);
}

#[test]
fn a_lost_target_is_seen_through_what_was_recorded() {
    let rules = vec![
        record("job:heat:sum", "sum by (job) (heat)"),
        record_with("all:heat:max", "max by (job) (job:heat:sum)", &[("job", "all")]),
        Rule::Alert(alert("Own", "job:heat:sum > 3")),
        Rule::Alert(alert("Chained", "all:heat:max > 3")),
    ];
    let mut world = World::showing(vec![group("g", rules)], "heat 4", 30);
    assert_eq!(world.told(), ["00:15 firing Own{job=t}", "00:15 firing Chained{job=all}"]);
    world.lose("t");
    world.run_to(60);
    assert_eq!(world.query("job:heat:sum"), [""; 0]);
    assert_eq!(world.states(), ["Own{job=t} firing unknown 15s", "Chained{job=all} firing unknown 15s"]);
    assert_eq!(world.last.unknown.len(), 2);
    world.show("t", "heat 1");
    world.run_to(75);
    assert_eq!(world.told(), ["01:15 resolved Own{job=t}", "01:15 resolved Chained{job=all}"]);
}

#[test]
fn a_group_that_reads_another_comes_after_it_wherever_it_stands() {
    let reads = group("reads", vec![Rule::Alert(alert("A", "b > 3"))]);
    let middle = group("middle", vec![record("b", "a")]);
    let writes = group("writes", vec![record("a", "heat")]);
    let mut world = World::showing(vec![reads, middle, writes], "heat 4", 15);
    assert_eq!(world.told(), ["00:15 firing A{job=t}"]);
    let order: Vec<_> = world.last.groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(order, ["f;writes", "f;middle", "f;reads"]);
    // Views keep the order of the files.
    let views: Vec<_> = world.evaluator.rules().iter().map(|group| group.name.clone()).collect();
    assert_eq!(views, ["reads", "middle", "writes"]);
}

#[test]
fn groups_that_read_each_other_are_evaluated_in_the_order_of_their_files() {
    let groups = vec![
        group("one", vec![record("a", "b + 1 or heat")]),
        group("two", vec![record("b", "a")]),
        group("three", vec![record("c", "b")]),
    ];
    let world = World::showing(groups, "heat 1", 60);
    let order: Vec<_> = world.last.groups.iter().map(|group| group.group.clone()).collect();
    assert_eq!(order, ["f;one", "f;two", "f;three"]);
    assert_eq!(
        (world.query("a"), world.query("b")),
        (vec!["a{job=\"t\"} 4".to_owned()], vec!["b{job=\"t\"} 4".to_owned()])
    );
}

#[test]
fn what_nobody_reads_is_evaluated_and_not_kept() {
    let rules = || vec![record("a", "heat"), record("broken", "heat * on () group_left () heat")];
    let world = World::showing(vec![group("g", rules())], "heat{pod=\"a\"} 1\nheat{pod=\"b\"} 1", 15);
    assert_eq!(world.query("a"), [""; 0]);
    assert_eq!((world.rule("a").error, world.rule("broken").error.is_some()), (None, true));
    let mut spec = spec(vec![group("g", rules())]);
    spec.retain = Retain::All;
    let mut world = World::new(spec);
    world.show("t", "heat 1\nother 2");
    world.run_to(15);
    assert_eq!(
        (world.query("a"), world.query("other")),
        (vec!["a{job=\"t\"} 1".to_owned()], vec!["other{job=\"t\"} 2".to_owned()])
    );
}

#[test]
fn two_outputs_of_one_rule_with_the_same_labels_fail_it() {
    let mut spec = spec(vec![group("g", vec![record_with("a", "heat", &[("pod", "")])])]);
    spec.retain = Retain::All;
    let mut world = World::new(spec);
    world.show("t", "heat{pod=\"a\"} 1\nheat{pod=\"b\"} 1");
    world.run_to(15);
    assert_eq!(world.query("a"), [""; 0]);
    let error = world.rule("a").error.unwrap();
    assert_eq!(
        error,
        "two elements of the result have the same labels `a{job=\"t\"}` once the rule's labels are added"
    );
    assert_eq!((world.last.groups[0].failed, world.last.groups[0].failures.len()), (1, 1));
}

#[test]
fn alerts_are_told_of_as_series_that_end_with_their_state() {
    let mut hot = alert("Hot", "heat > 3");
    hot.hold = seconds(30);
    let watch = alert("Any", "count by (alertstate) (ALERTS{alertname=\"Hot\"}) + 0 * count(ALERTS_FOR_STATE)");
    let mut spec = spec(vec![group("g", vec![Rule::Alert(hot), Rule::Alert(watch)])]);
    spec.retain = Retain::Matchers(vec![atalaya::model::Matcher::parse_list("__name__=~\"ALERTS.*\"").unwrap()]);
    let mut world = World::new(spec);
    world.show("t", "heat 4");
    world.run_to(15);
    assert_eq!(
        world.query("ALERTS{alertname=\"Hot\"}"),
        ["ALERTS{alertname=\"Hot\", alertstate=\"pending\", job=\"t\"} 1"]
    );
    let since = at(15).millis() / 1000;
    assert_eq!(world.query("ALERTS_FOR_STATE"), [format!("ALERTS_FOR_STATE{{alertname=\"Hot\", job=\"t\"}} {since}")]);
    world.run_to(45);
    assert_eq!(
        world.query("ALERTS{alertname=\"Hot\"}"),
        ["ALERTS{alertname=\"Hot\", alertstate=\"firing\", job=\"t\"} 1"]
    );
    world.show("t", "heat 1");
    world.run_to(60);
    assert_eq!((world.query("ALERTS"), world.query("ALERTS_FOR_STATE")), (vec![], vec![]));
}

#[test]
fn an_offset_moves_the_query_and_the_stamp_but_not_the_life_of_alerts() {
    let mut offset = group("g", vec![record("late", "heat"), Rule::Alert(alert("A", "heat > 3"))]);
    offset.query_offset = seconds(30);
    let mut spec = spec(vec![offset]);
    spec.retain = Retain::All;
    let mut world = World::new(spec);
    world.show("t", "heat 1");
    world.run_to(60);
    world.show("t", "heat 4");
    world.run_to(90);
    // The evaluation at 90 saw the sample of 60, and its output is of 60.
    assert_eq!(world.query("late"), ["late{job=\"t\"} 1"]);
    assert_eq!(world.query("timestamp(late)"), [format!("{{job=\"t\"}} {}", at(60).millis() / 1000)]);
    assert_eq!(world.told(), [""; 0]);
    world.run_to(105);
    assert_eq!(world.told(), ["01:45 firing A{job=t}"]);
    assert_eq!(world.rule("A").instances[0].state.active_at(), at(105));
}

#[test]
fn a_moment_that_does_not_move_is_seen_through_to() {
    let rules = vec![record("a", "rate(x[5m])"), Rule::Alert(alert("A", "a @ 30 > 1"))];
    let world = World::showing(vec![group("g", rules)], "x 1", 60);
    assert_eq!(world.rule("A").error, None);
}

#[test]
fn a_rule_that_looks_behind_finds_what_it_looks_for() {
    let mut behind = group("g", vec![Rule::Alert(alert("A", "heat > 3"))]);
    behind.query_offset = seconds(600);
    let mut world = World::showing(vec![behind.clone()], "heat 4", 660);
    assert_eq!(world.told(), ["10:15 firing A{job=t}"]);
    world.show("t", "heat 1");
    world.run_to(700);
    // After a start the store knows nothing yet of the time that is asked about.
    world.restart(spec(vec![behind]));
    world.run_to(1200);
    assert_eq!(world.told(), [""; 0]);
    assert!(world.states()[0].starts_with("A{job=t} firing unknown"), "{:?}", world.states());
}
