//! What is kept, and what a query says about the rest.

use atalaya::model::Matcher;
use atalaya::rule::Rule;
use atalaya::store::Retain;

use super::world::{World, alert, at, group, parse, spec};

fn world(retain: Retain) -> World {
    let rules = vec![Rule::Alert(alert("A", "rate(requests{code=\"500\"}[10m]) > 1 and heat > 3"))];
    let mut spec = spec(vec![group("g", rules)]);
    spec.retain = retain;
    let mut world = World::new(spec);
    world.show("t", "heat{pod=\"a\"} 1\nrequests{code=\"500\"} 1\nrequests{code=\"200\"} 1\nother 1");
    world.run_to(60);
    world
}

#[test]
fn a_query_names_what_is_not_kept() {
    let check = |world: &World, expr: &str, expected: &[&str]| {
        let warnings = world.warnings(expr);
        let fits = warnings.iter().zip(expected).all(|(got, expected)| got.starts_with(expected));
        assert!(fits && warnings.len() == expected.len(), "{expr}: {warnings:?}");
    };
    let nothing = world(Retain::Nothing);
    check(&nothing, "heat", &[]);
    check(&nothing, "heat{pod=\"a\"}", &[]);
    check(&nothing, "requests{code=\"500\"}", &[]);
    check(&nothing, "requests", &["`requests` is not kept whole: no rule reads it"]);
    check(&nothing, "other + {job=\"t\"}", &["`other` is not kept whole", "`{job=\"t\"}` is not kept whole"]);
    check(&nothing, "1 + 1", &[]);
    check(&nothing, "rate(heat[5m])", &[]);
    check(&nothing, "rate(heat[6m])", &["`heat` is asked for 6m back, and may be kept for no more than 5m"]);
    check(&nothing, "rate(requests{code=\"500\"}[10m])", &[]);
    check(&nothing, "rate(requests{code=\"500\"}[10m] offset 1m)", &["`requests{code=\"500\"}` is asked for 11m back"]);

    let some = world(Retain::Matchers(vec![Matcher::parse_list("__name__=~\"requests|o.*\"").unwrap()]));
    check(&some, "{__name__=~\"requests|o.*\", code=\"200\"}", &[]);
    check(&some, "requests", &["`requests` is not kept whole"]);
    assert_eq!(some.query("requests").len(), 2);

    let all = world(Retain::All);
    check(&all, "other + {job=\"t\"}", &[]);
    assert_eq!(all.query("other"), ["other{job=\"t\"} 1"]);
    assert_eq!(all.query("up"), ["up{job=\"t\"} 1"]);
}

#[test]
fn a_query_about_the_past_reaches_further_back() {
    let world = world(Retain::All);
    let expr = parse("other");
    let queried = world.evaluator.query(&expr, at(-600)).unwrap();
    assert_eq!(queried.warnings, ["`other` is asked for 16m back, and may be kept for no more than 5m"]);
}

#[test]
fn a_moment_that_does_not_move_is_asked_for_without_end() {
    let world = World::showing(vec![group("g", vec![Rule::Alert(alert("A", "heat > 3"))])], "heat 4", 600);
    // Asked about the past, which lies further back than anything is kept.
    let past = world.evaluator.query(&parse("heat @ 60"), at(15)).expect("it has a value");
    assert_eq!(past.warnings.len(), 1, "{:?}", past.warnings);
}
