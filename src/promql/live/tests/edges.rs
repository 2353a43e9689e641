//! Cases of windows that chance seldom makes.

use std::time::Duration;

use super::super::super::{Value, evaluate, parse, selectors};
use super::super::{Cadence, Plan};
use crate::model::{Labels, Sample, TargetId, Timestamp};
use crate::store::{Origin, Store};

const CADENCE: Cadence = Cadence { interval: Duration::from_secs(15), behind: Duration::ZERO };

/// Evaluates an expression over `m` as its samples come, one a step; holds each value against the interpreter's and returns
/// how many were not equal to the last bit.
fn follow(source: &str, values: impl Iterator<Item = f64>) -> usize {
    let expr = parse(source).unwrap();
    let (mut store, mut plan, mut different) = (Store::new(), Plan::new(), 0);
    for it in selectors(&expr) {
        store.register(&it.matchers, it.reach);
    }
    let root = plan.add(&expr, CADENCE, &store);
    let labels = Labels::from_pairs([("__name__", "m")]);
    let id = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))).unwrap();
    for (step, value) in (0..).zip(values) {
        let at = Timestamp::from_millis(step * 1000);
        store.append(id, Sample { at, value });
        store.trim(at);
        plan.begin();
        let value = |value: Value| match value {
            Value::Vector(elements) => elements.first().map_or(f64::NAN, |it| it.value.number()),
            other => panic!("{other:?}"),
        };
        let wanted = value(evaluate(&expr, &store, at).unwrap());
        let found = value(plan.evaluate(root, &store, at).unwrap());
        let is_close = (wanted - found).abs() <= 1e-12 * wanted.abs();
        assert!(
            is_close || wanted.to_bits() == found.to_bits() || wanted.is_nan() && found.is_nan(),
            "{source} at {step}: {wanted} {found}"
        );
        different += usize::from(wanted.to_bits() != found.to_bits());
    }
    different
}

#[test]
fn long_sums_agree_with_short_ones() {
    let wave = |step: u32| f64::from(step).sin() * 1e3 + 1e4;
    for source in ["sum_over_time(m[10m])", "avg_over_time(m[10m])", "sum_over_time(m[70s])", "avg_over_time(m[7s])"] {
        follow(source, (0..1500).map(wave));
    }
    // Less than two blocks are added up one by one.
    assert_eq!(follow("sum_over_time(m[7s])", (0..200).map(wave)), 0);
}

#[test]
fn what_is_not_finite_comes_and_goes() {
    let strange = |step: u32| match step {
        100 => f64::NAN,
        300 => f64::INFINITY,
        500 => f64::INFINITY,
        510 => f64::NEG_INFINITY,
        700..=704 => 1e308,
        705..=709 => -1e308,
        900 => 1e300,
        901 => -1e300,
        _ => f64::from(step),
    };
    for function in ["sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "rate", "changes"] {
        let source = format!("{function}(m[50s])");
        follow(&source, (0..1100).map(strange));
    }
}

#[test]
fn a_counter_that_is_always_reset_is_added_up() {
    let sawtooth = |step: u32| f64::from(step % 3) + 0.1;
    assert_eq!(follow("rate(m[50s])", (0..300).map(sawtooth)), 0);
    assert_eq!(follow("resets(m[50s])", (0..300).map(sawtooth)), 0);
    assert_eq!(follow("max_over_time(m[50s])", (0..300).map(|step| -f64::from(step))), 0);
}
