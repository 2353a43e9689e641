//! The plan against the interpreter, over made-up worlds and made-up expressions.
//!
//! `ATALAYA_LIVE_CASES` says how many comparisons are made; a failure prints its seed, with which `ATALAYA_LIVE_SEED` begins.
//! Both are read when the tests are built.

mod dice;
mod edges;
mod expressions;
mod shapes;
mod world;

use std::collections::BTreeSet;

use super::mutant::{Mutant, set_mutant};
use world::World;

/// Comparisons without `ATALAYA_LIVE_CASES`.
const CASES: u64 = 30_000;
/// Comparisons within which a mistake must show.
const CASES_FOR_MUTANT: u64 = 200_000;

/// What nodes do.
const KINDS: &[&str] = &[
    "vector",
    "newest",
    "negate",
    "unname",
    "moment",
    "absent",
    "sort",
    "sort_desc",
    "interpret",
    "label_replace",
    "label_join",
    "histogram_quantile",
    "histogram_fraction",
    "rate",
    "increase",
    "resets",
    "delta",
    "count_over_time",
    "present_over_time",
    "first_over_time",
    "last_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "irate",
    "idelta",
    "changes",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "avg_over_time",
    "quantile_over_time",
    "predict_linear",
    "double_exponential_smoothing",
    "deriv",
    "stddev_over_time",
    "mad_over_time",
    "abs",
    "hour",
    "round",
    "clamp",
    "clamp_min",
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "group",
    "stddev",
    "stdvar",
    "quantile",
    "topk",
    "bottomk",
    "limitk",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "atan2",
    "==",
    "!=",
    ">",
    "<",
    ">=",
    "<=",
    "and",
    "or",
    "unless",
];

fn setting(text: Option<&str>) -> Option<u64> {
    text?.parse().ok()
}

/// Compares until a difference or so many comparisons; returns what kinds of nodes gave something, or what differs.
fn compare(first_seed: u64, cases: u64) -> Result<BTreeSet<String>, String> {
    let (mut done, mut seed, mut kinds) = (0, first_seed, BTreeSet::new());
    while done < cases {
        let (more, seen) = World::new(seed).play()?;
        done += more;
        kinds.extend(seen);
        seed += 1;
    }
    Ok(kinds)
}

#[test]
fn the_plan_gives_what_the_interpreter_gives() {
    let cases = setting(option_env!("ATALAYA_LIVE_CASES")).unwrap_or(CASES);
    let kinds =
        compare(setting(option_env!("ATALAYA_LIVE_SEED")).unwrap_or(1), cases).unwrap_or_else(|what| panic!("{what}"));
    let missing: Vec<&str> = KINDS.iter().copied().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "never seen to give anything: {missing:?} ({kinds:?})");
}

#[test]
fn every_written_expression_can_be_read() {
    for text in [expressions::EVERY, expressions::INTERPRETED, expressions::TELLING].concat() {
        super::super::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }
}

#[test]
fn every_mistake_is_noticed() {
    let unnoticed = |mutant: &Mutant| {
        set_mutant(Some(*mutant));
        let result = std::panic::catch_unwind(|| compare(1, CASES_FOR_MUTANT));
        set_mutant(None);
        // A panic is a way to notice, too.
        let noticed = match &result {
            Ok(Ok(_)) => "nothing",
            Ok(Err(what)) => what.lines().next().unwrap_or_default(),
            Err(_) => "a panic",
        };
        println!("{mutant:?}: {noticed}");
        noticed == "nothing"
    };
    let missed: Vec<&Mutant> = Mutant::ALL.iter().filter(|it| unnoticed(it)).collect();
    assert!(missed.is_empty(), "nothing differs with {missed:?}");
}
