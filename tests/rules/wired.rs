//! Rules that read what others write, by more than one way and from many.

use atalaya::evaluator::EvaluatorSpec;
use atalaya::rule::Rule;

use super::world::{World, alert, group, record, record_with, spec, target};

#[test]
fn the_longest_way_to_a_series_says_how_long_it_must_have_been_scraped() {
    let rules = || {
        vec![
            record("y", "max_over_time(x[10m])"),
            record("x", "avg_over_time(heat[5m])"),
            Rule::Alert(alert("Hot", "y > 3 or x > 3")),
        ]
    };
    let mut world = World::showing(vec![group("g", rules())], "heat 4", 60);
    assert_eq!(world.told().len(), 1);
    world.restart(spec(vec![group("g", rules())]));
    world.show("t", "heat 1");
    world.run_to(60 + 15 * 60);
    assert_eq!(world.told(), [""; 0]);
    world.run_to(60 + 16 * 60);
    assert_eq!(world.told().len(), 1);
}

#[test]
fn each_way_has_labels_of_its_own_to_ignore() {
    // By one way the job is what the rule says, by the other it is the target's.
    let rules = vec![
        record_with("b", "a", &[("job", "all")]),
        record("a", "heat"),
        Rule::Alert(alert("Hot", "a{job=\"none\"} > 3 or b > 3")),
    ];
    let mut world = World::showing(vec![group("g", rules)], "heat 4", 60);
    assert_eq!(world.told(), ["00:30 firing Hot{job=all}"]);
    world.lose("t");
    world.run_to(120);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn who_reads_more_rules_than_are_seen_through_takes_any_loss_for_its_own() {
    let spec = |names: usize| {
        let reads = (0..names).map(|index| {
            record(&format!("r{index}"), &format!("heat{{job=\"t{}\"}}", usize::from(index + 1 == names)))
        });
        let all = Rule::Alert(alert("Any", "max by (job) ({__name__=~\"r.+\"}) > 3"));
        EvaluatorSpec {
            targets: vec![target("t0"), target("t1")],
            ..spec(vec![group("g", reads.chain([all]).collect())])
        }
    };
    for names in [250, 2500] {
        let mut world = World::new(spec(names));
        world.show("t0", "heat 1");
        world.show("t1", "heat 4");
        world.run_to(30);
        assert_eq!(world.told(), ["00:15 firing Any{job=t1}"]);
        world.lose("t1");
        world.run_to(60);
        assert_eq!(world.told(), [""; 0], "{names}");
        assert_eq!(world.rule("Any").warnings.len(), usize::from(names > 1000), "{:?}", world.rule("Any").warnings);
        world.show("t1", "heat 1");
        world.run_to(75);
        assert_eq!(world.told(), ["01:15 resolved Any{job=t1}"]);
    }
}
