//! The plan against the interpreter, over made-up worlds and made-up expressions.
//!
//! `ATALAYA_LIVE_CASES` says how many comparisons are made; a failure prints its seed, with which `ATALAYA_LIVE_SEED` begins.

mod dice;
mod expressions;
mod shapes;
mod world;

use super::mutant::{Mutant, set_mutant};
use world::World;

/// Comparisons without `ATALAYA_LIVE_CASES`.
const CASES: u64 = 30_000;
/// Comparisons within which a mistake must show.
const CASES_FOR_MUTANT: u64 = 200_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Compares until a difference or so many comparisons; returns how many there were, or what differs.
fn compare(first_seed: u64, cases: u64) -> Result<u64, String> {
    let (mut done, mut seed) = (0, first_seed);
    while done < cases {
        done += World::new(seed).play()?;
        seed += 1;
    }
    Ok(done)
}

#[test]
fn the_plan_gives_what_the_interpreter_gives() {
    let cases = setting("ATALAYA_LIVE_CASES").unwrap_or(CASES);
    let done = compare(setting("ATALAYA_LIVE_SEED").unwrap_or(1), cases).unwrap_or_else(|what| panic!("{what}"));
    println!("{done} comparisons");
}

#[test]
fn every_mistake_is_noticed() {
    let unnoticed = |mutant: &Mutant| {
        set_mutant(Some(*mutant));
        let result = std::panic::catch_unwind(|| compare(1, CASES_FOR_MUTANT));
        set_mutant(None);
        // A panic is a way to notice, too.
        matches!(result, Ok(Ok(_)))
    };
    let missed: Vec<&Mutant> = Mutant::ALL.iter().filter(|it| unnoticed(it)).collect();
    assert!(missed.is_empty(), "nothing differs with {missed:?}");
}
