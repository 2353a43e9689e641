//! Rules and measures that a remote source answers.

use atalaya::evaluator::{Answer, Answered, Measure};
use atalaya::model::{IntegrationId, IntegrationKind, Labels, ReceiverName, SourceName};
use atalaya::promql::Value;
use atalaya::rule::{OnUnknown, Rule};

use super::world::{Elements, World, alert, at, group, parse, record, remote, seconds, spec, templates};

const POD: &[(&str, &str)] = &[("__name__", "heat"), ("pod", "a")];
const HOT: Elements<'_> = Ok(&[(POD, 4.0)]);

#[test]
fn rules_live_by_the_answers_at_the_moments_that_were_asked_about() {
    let mut hot = alert("A", "heat  >  3");
    hot.hold = seconds(15);
    let mut group = remote(group("g", vec![Rule::Alert(hot)]));
    group.query_offset = seconds(60);
    let mut world = World::new(spec(vec![group]));
    world.run_to(15);
    let question = world.questions[0].clone();
    assert_eq!((question.source.as_str(), question.query.as_str()), ("thanos", "heat  >  3"));
    // The group's own phase, and a minute before.
    assert!(question.at > at(-15 - 60) && question.at <= at(15 - 60), "{:?}", question.at);
    assert!(world.last.groups.is_empty());
    world.answer(HOT);
    let evaluated_at = question.at + seconds(60);
    assert_eq!(world.told(), ["00:15 pending A{pod=a}"]);
    assert_eq!(world.rule("A").instances[0].state.active_at(), evaluated_at);
    assert_eq!((world.last.groups.len(), world.last.groups[0].failed), (1, 0));
    world.run_to(30);
    assert_eq!(world.questions[0].at, question.at + seconds(15));
    world.answer(HOT);
    world.run_to(45);
    let moment = world.questions[0].at;
    world.answer(Ok(&[]));
    // What is missing is asked about, for the same moment.
    assert_eq!((world.questions[0].query.as_str(), world.questions[0].at), ("up == 0", moment));
    world.answer(Ok(&[]));
    assert_eq!(world.told(), ["00:30 firing A{pod=a}", "00:45 resolved A{pod=a}"]);
}

#[test]
fn what_texts_ask_is_asked_before_the_alert_is_told() {
    let mut hot = alert("A", "heat > 3");
    let text = r#"{{ with printf "max(heat{pod=%q})" $labels.pod | query }}{{ . | first | value }}{{ end }}"#;
    hot.annotations = templates(&[("summary", text), ("other", r#"{{ query "up" | len }}"#)]);
    let mut world = World::new(spec(vec![remote(group("g", vec![Rule::Alert(hot)]))]));
    world.run_to(15);
    let moment = world.questions[0].at;
    world.answer(HOT);
    let asked: Vec<_> = world.questions.iter().map(|it| (it.query.clone(), it.at)).collect();
    assert_eq!(asked, [(r#"max(heat{pod="a"})"#.to_owned(), moment), ("up".to_owned(), moment)]);
    assert_eq!((world.told(), world.last.groups.len()), (Vec::<String>::new(), 0));
    world.answer(Ok(&[(&[], 7.5)]));
    assert_eq!(world.told(), Vec::<String>::new());
    world.answer(Err("503"));
    assert_eq!((world.told(), world.last.groups.len()), (vec!["00:15 firing A{pod=a}".to_owned()], 1));
    let annotations = world.rule("A").instances[0].annotations.clone();
    assert_eq!(annotations.get("summary"), "7.5");
    assert!(annotations.get("other").contains("503"), "{annotations}");
    // What is not answered in time leaves the rule unanswered, and the next evaluation begins anew.
    world.run_to(30);
    world.answer(HOT);
    world.run_to(45);
    assert_eq!(world.rule("A").error.as_deref(), Some("`thanos` gave no answer before the next evaluation was due"));
    assert_eq!(world.questions.last().map(|it| it.query.as_str()), Some("heat > 3"));
}

#[test]
fn an_answer_that_fails_or_does_not_come_leaves_alerts_unknown() {
    let mut world = World::new(spec(vec![remote(group("g", vec![Rule::Alert(alert("A", "heat > 3"))]))]));
    world.run_to(15);
    world.answer(HOT);
    world.run_to(30);
    world.answer(Err("503"));
    assert_eq!(world.rule("A").error.as_deref(), Some("503"));
    assert!(world.states()[0].starts_with("A{pod=a} firing unknown"), "{:?}", world.states());
    assert_eq!(world.last.unknown.len(), 1);
    world.run_to(45);
    world.answer(HOT);
    assert_eq!((world.states(), world.last.unknown.len()), (vec!["A{pod=a} firing".to_owned()], 0));
    world.run_to(60);
    let late = world.questions.remove(0).id;
    world.run_to(75);
    let report = &world.last.groups[0];
    assert_eq!((report.failed, report.missed), (1, 1));
    let error = world.rule("A").error.unwrap();
    assert_eq!(error, "`thanos` gave no answer before the next evaluation was due");
    assert_eq!(world.last.unknown.len(), 1);
    // What comes too late changes nothing.
    world.answer_to(late, Ok(&[]));
    assert_eq!(world.last.unknown.len(), 1);
    world.answer(Ok(&[]));
    world.answer(Ok(&[]));
    assert_eq!(world.told(), ["00:15 firing A{pod=a}", "01:15 resolved A{pod=a}"]);
}

#[test]
fn rules_of_a_group_are_answered_one_by_one() {
    let rules = vec![Rule::Alert(alert("A", "a")), record("r", "x"), Rule::Alert(alert("B", "b"))];
    let mut world = World::new(spec(vec![remote(group("g", rules))]));
    world.run_to(15);
    assert_eq!(world.questions.iter().map(|it| it.query.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let second = world.questions.pop().unwrap().id;
    world.answer_to(second, HOT);
    assert_eq!((world.told(), world.last.groups.len()), (vec!["00:15 firing B{pod=a}".to_owned()], 0));
    world.answer(HOT);
    assert_eq!((world.told(), world.last.groups.len()), (vec!["00:15 firing A{pod=a}".to_owned()], 1));
    assert_eq!(
        world.rule("r").error.as_deref(),
        Some("a recording rule needs the embedded source, its group has `thanos`")
    );
}

#[test]
fn groups_are_spread_and_each_is_asked_once_an_interval() {
    let groups: Vec<_> = (0..20)
        .map(|index| {
            let mut group = remote(group(&format!("g{index}"), vec![Rule::Alert(alert(&format!("A{index}"), "a"))]));
            group.interval = seconds(60);
            group
        })
        .collect();
    let mut world = World::new(spec(groups));
    world.run_to(15);
    assert_eq!(world.questions.len(), 20);
    world.questions.clear();
    let mut counts = Vec::new();
    for step in 1..=4 {
        world.run_to(15 + step * 15);
        counts.push(world.questions.len());
        world.questions.clear();
    }
    assert_eq!(counts.iter().sum::<usize>(), 20, "{counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let next = world.evaluator.next_tick(at(75));
    assert!(next > at(75) && next <= at(90), "{next:?}");
}

#[test]
fn guards_are_asked_for_too() {
    let id = IntegrationId::new(ReceiverName::new("r"), IntegrationKind::Rollback, 0);
    let measure = Measure {
        id: id.clone(),
        source: SourceName::new("thanos"),
        expr: parse("canary_traffic>0"),
        key: vec!["service".to_owned()],
    };
    let mut spec = spec(Vec::new());
    spec.measures = vec![measure];
    let mut world = World::new(spec);
    let key = Labels::from_pairs([("service", "chat")]);
    const LOST: &[(&str, &str)] = &[("job", "j"), ("instance", "i:1"), ("service", "chat")];
    let answer = |world: &World| world.last.readings[0].answer(&key);
    world.run_to(15);
    assert_eq!((world.questions[0].query.as_str(), world.questions[0].at), ("canary_traffic > 0", at(15)));
    assert!(world.last.readings.is_empty());
    world.answer(Ok(&[(&[("service", "chat")], 1.0)]));
    // Whether something hides is asked before anyone judges by it.
    assert_eq!((world.questions[0].query.as_str(), world.last.readings.len()), ("up == 0", 0));
    world.answer(Ok(&[]));
    assert_eq!((world.last.readings[0].at, answer(&world)), (at(15), Answer::Holds));
    world.run_to(30);
    world.answer(Ok(&[]));
    world.answer(Ok(&[]));
    assert_eq!(answer(&world), Answer::Fails);
    world.run_to(45);
    world.answer(Ok(&[]));
    world.answer(Ok(&[(DOWN, 0.0)]));
    world.answer(Ok(&[(LOST, 1.0)]));
    assert_eq!(answer(&world), Answer::Unknown);
    world.run_to(60);
    world.questions.clear();
    world.run_to(75);
    assert_eq!((world.last.readings.len(), answer(&world)), (1, Answer::Unknown));
    world.answer(Ok(&[]));
    world.run_to(90);
    assert_eq!((world.last.readings.len(), answer(&world)), (1, Answer::Unknown));
    world.questions.remove(0);
    world.answer(Err("refused"));
    assert_eq!(answer(&world), Answer::Unknown);
    world.run_to(105);
    world.answer(Ok(&[]));
    world.answer(Err("refused"));
    assert_eq!(answer(&world), Answer::Unknown);
}

#[test]
fn a_remote_group_that_resolves_on_unknown() {
    let mut resolving = remote(group("g", vec![Rule::Alert(alert("A", "heat > 3"))]));
    resolving.on_unknown = OnUnknown::Resolve;
    let mut world = World::new(spec(vec![resolving]));
    world.run_to(15);
    world.answer(HOT);
    world.run_to(30);
    world.answer(Err("503"));
    assert_eq!(world.told(), ["00:15 firing A{pod=a}", "00:30 resolved A{pod=a}"]);
}

#[test]
fn an_open_question_outlives_a_reload_that_changes_nothing_and_no_other() {
    let before = || remote(group("g", vec![Rule::Alert(alert("A", "heat > 3"))]));
    let mut world = World::new(spec(vec![before()]));
    world.run_to(15);
    world.reload(spec(vec![before(), group("new", Vec::new())]));
    world.answer(HOT);
    assert_eq!(world.told(), ["00:15 firing A{pod=a}"]);
    world.run_to(30);
    let late = world.questions.remove(0).id;
    world.reload(spec(vec![remote(group("g", vec![Rule::Alert(alert("A", "heat > 5"))]))]));
    world.answer_to(late, Ok(&[]));
    assert_eq!(world.told(), [""; 0]);
    world.run_to(45);
    assert_eq!(world.questions[0].query, "heat > 5");
    world.answer(Ok(&[]));
    world.answer(Ok(&[]));
    assert_eq!(world.told(), ["00:45 resolved A{pod=a}"]);
}

/// The alert fires, and then its pod is not in the answers any more.
fn missing(expr: &str) -> World {
    let mut world = World::new(spec(vec![remote(group("g", vec![Rule::Alert(alert("A", expr))]))]));
    world.run_to(60);
    while !world.questions.is_empty() {
        world.answer(HOT);
    }
    world.run_to(75);
    world.answer(Ok(&[]));
    world.told();
    world
}

const DOWN: &[(&str, &str)] = &[("__name__", "up"), ("job", "j"), ("instance", "i:1")];
const OTHER: &[(&str, &str)] = &[("__name__", "up"), ("job", "j"), ("instance", "i:2")];
const SERIES: &[(&str, &str)] = &[("__name__", "heat"), ("job", "j"), ("instance", "i:1"), ("pod", "a")];
const OTHER_SERIES: &[(&str, &str)] = &[("__name__", "heat"), ("job", "j"), ("instance", "i:2"), ("pod", "b")];

#[test]
fn an_alert_whose_target_the_source_could_not_scrape_is_unknown_while_that_lasts() {
    let mut world = missing("max by (pod) (heat) > 3");
    assert_eq!(world.questions[0].query, "up == 0");
    world.answer(Ok(&[(DOWN, 0.0)]));
    assert_eq!(world.questions[0].query, "(last_over_time(heat[1h])) and on (job, instance) (up == 0)");
    assert_eq!(world.last.groups.len(), 0, "it is not evaluated before that is known");
    world.answer(Ok(&[(SERIES, 4.0)]));
    assert_eq!((world.last.groups.len(), world.last.groups[0].failed), (1, 0));
    assert!(world.states()[0].starts_with("A{pod=a} firing unknown"), "{:?}", world.states());
    // An hour later the source has forgotten its series, and we have not.
    world.run_to(90);
    world.answer(Ok(&[]));
    world.answer(Ok(&[(DOWN, 0.0), (OTHER, 0.0)]));
    world.answer(Ok(&[(OTHER_SERIES, 1.0)]));
    assert!(world.states()[0].starts_with("A{pod=a} firing unknown"), "{:?}", world.states());
    // Another target is down still, and that says nothing of this one.
    world.run_to(105);
    world.answer(Ok(&[]));
    world.answer(Ok(&[(OTHER, 0.0)]));
    world.answer(Ok(&[]));
    assert_eq!((world.told(), world.questions.len()), (vec!["01:45 resolved A{pod=a}".to_owned()], 0));
}

#[test]
fn a_target_that_was_down_until_just_now_counts_too() {
    let mut world = missing("max by (pod) (rate(heat[10s])) > 3");
    assert_eq!(world.questions[0].query, "(min_over_time(max_over_time(up[8s])[10s:1s]) == 0) or (up == 0)");
    world.answer(Ok(&[(DOWN, 0.0)]));
    world.answer(Ok(&[(SERIES, 4.0)]));
    assert!(world.states()[0].starts_with("A{pod=a} firing unknown"), "{:?}", world.states());
}

#[test]
fn targets_that_have_nothing_of_what_is_missing_hold_nothing_back() {
    let mut world = missing("max by (pod) (heat) > 3");
    world.answer(Ok(&[(OTHER, 0.0)]));
    world.answer(Ok(&[(OTHER_SERIES, 1.0)]));
    assert_eq!(world.told(), ["01:15 resolved A{pod=a}"]);
}

#[test]
fn that_it_cannot_be_asked_which_targets_are_down_is_no_good_news() {
    for is_second in [false, true] {
        let mut world = missing("max by (pod) (heat) > 3");
        if is_second {
            world.answer(Ok(&[(DOWN, 0.0)]));
        }
        world.answer(Err("503"));
        assert_eq!(world.rule("A").error.as_deref(), Some("cannot ask which targets are down: 503"));
        assert!(world.states()[0].starts_with("A{pod=a} firing unknown"), "{:?}", world.states());
        world.run_to(90);
        world.answer(Ok(&[]));
        world.answer(Ok(&[]));
        assert_eq!(world.told(), ["01:30 resolved A{pod=a}"]);
    }
}

#[test]
fn an_answer_about_targets_that_makes_no_sense_is_no_good_news() {
    let mut world = missing("max by (pod) (heat) > 3");
    let id = world.questions.remove(0).id;
    let nonsense = Answered { value: Value::Scalar(0.0), warnings: Vec::new() };
    let transitions = world.evaluator.apply(id, Ok(nonsense), at(75));
    world.take(transitions);
    let error = "cannot ask which targets are down: the answer is no list of series";
    assert_eq!(world.rule("A").error.as_deref(), Some(error));
    assert!(world.states()[0].starts_with("A{pod=a} firing unknown"), "{:?}", world.states());
}

#[test]
fn what_says_something_of_the_targets_themselves_is_not_asked_about() {
    let world = missing("up == 0");
    assert_eq!((world.questions.len(), world.rule("A").instances.len()), (0, 0));
}
