//! A group of ten thousand rules.

use atalaya::evaluator::EvaluatorSpec;
use atalaya::rule::Rule;

use super::world::{World, alert, group, record, spec};

const RULES: usize = 10_000;

fn rules() -> Vec<Rule> {
    let one = |index: usize| match index % 4 {
        0 => record(&format!("recorded_{index}"), &format!("heat{{pod=\"{index}\"}}")),
        1 => Rule::Alert(alert(&format!("Recorded{index}"), &format!("recorded_{} > 3", index - 1))),
        // A choice of names, and names of a kind.
        3 if index % 100 != 3 => Rule::Alert(alert(
            &format!("Choice{index}"),
            &format!("{{__name__=~\"recorded_{index}|heat_{index}\"}} > 3"),
        )),
        2 => Rule::Alert(alert(&format!("Own{index}"), &format!("heat{{pod=\"{index}\"}} > 3"))),
        _ => Rule::Alert(alert(
            &format!("Regex{index}"),
            &format!("{{__name__=~\"recorded_{index}|heat_{index}\"}} > 3"),
        )),
    };
    (0..RULES).map(one).collect()
}

#[test]
fn ten_thousand_rules_in_a_group_and_a_reload_of_them() {
    let mut world = World::new(spec(vec![group("g", rules())]));
    let page: Vec<String> =
        (0..RULES).map(|pod| format!("heat{{pod=\"{pod}\"}} {}", if pod % 100 < 2 { 4 } else { 1 })).collect();
    world.show("t", &page.join("\n"));
    world.run_to(15);
    world.run_to(30);
    assert_eq!(world.last.groups[0].failed, 0);
    // Of each hundred, the rule that reads what is recorded of pod 0.
    assert_eq!(world.evaluator.firing_count(), RULES / 100);
    let again = spec(vec![group("g", rules())]);
    world.reload(again);
    assert_eq!(world.last.changes, []);
    world.lose("t");
    world.run_to(45);
    assert_eq!(world.last.unknown.len(), RULES / 100);
}

/// How long a tick takes while ten thousand alerts cannot be measured; `--nocapture` shows it.
#[test]
#[expect(clippy::disallowed_methods, reason = "it shows how long something takes, and holds nobody to it")]
fn ten_thousand_alerts_whose_targets_all_go_down() {
    let names: Vec<String> = (0..10).map(|index| format!("t{index}")).collect();
    let rules = vec![
        record("recorded", "heat"),
        Rule::Alert(alert("Own", "heat > 3")),
        Rule::Alert(alert("Chained", "recorded > 3")),
    ];
    let mut own = group("g", rules);
    own.limit = 20_000;
    let targets = names.iter().map(|name| super::world::target(name)).collect();
    let mut world = World::new(EvaluatorSpec { targets, ..spec(vec![own]) });
    let page: Vec<String> = (0..RULES / 20).map(|pod| format!("heat{{pod=\"{pod}\"}} 4")).collect();
    names.iter().for_each(|name| world.show(name, &page.join("\n")));
    world.run_to(15);
    assert_eq!(world.evaluator.firing_count(), RULES);
    let timed = |world: &mut World, what: &str| {
        let begun = std::time::Instant::now();
        let transitions = world.evaluator.tick(super::world::at(world.now));
        println!("{RULES} alerts, {what}: a tick takes {:?}", begun.elapsed());
        world.take(transitions);
    };
    world.now += 15;
    world.scrape();
    timed(&mut world, "all of them seen");
    names.iter().for_each(|name| world.lose(name));
    for what in ["the first that misses them", "the second", "the third"] {
        world.now += 15;
        world.scrape();
        timed(&mut world, what);
        assert_eq!(world.last.unknown.len(), RULES);
    }
}
