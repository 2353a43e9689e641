//! Alertmanager's own answers, row by row: whether to notify and why, and the fingerprints of alerts.
//!
//! The tables are made by Alertmanager's code and lie outside this repository, in `$ATALAYA_TESTDATA` (by default
//! `../shared/testdata`). Without them the tests say what they skip; with `ATALAYA_REQUIRE_TESTDATA=1` that is a failure.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use atalaya::dispatch::{Told, needs_update};
use atalaya::model::{Fingerprint, Labels, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// A table, or `None` when it is not there and need not be.
fn golden<T: for<'de> Deserialize<'de>>(name: &str) -> Option<T> {
    let path = support::testdata(&format!("alertmanager/golden/{name}"))?;
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// What was logged at the last notification: which alerts fired, which had resolved, and how many seconds ago.
type Entry = (Vec<u64>, Vec<u64>, i64);

/// Whether resolved ones are sent, the entry, what fires, what has resolved, and the reason.
type Decision = (bool, Option<Entry>, Vec<u64>, Vec<u64>, String);

#[derive(Deserialize)]
struct Decisions {
    repeat_interval_seconds: u64,
    rows: Vec<Decision>,
}

fn prints(numbers: &[u64]) -> BTreeSet<Fingerprint> {
    numbers.iter().copied().map(Fingerprint).collect()
}

#[test]
fn decides_as_alertmanager_does() {
    let Some(golden) = golden::<Decisions>("needs_update.json") else { return };
    let repeat_interval = Duration::from_secs(golden.repeat_interval_seconds);
    let at = Timestamp::from_millis(1_764_000_000_000);
    assert!(golden.rows.len() > 2000, "only {} rows", golden.rows.len());
    for (send_resolved, entry, firing, resolved, expected) in &golden.rows {
        let told = entry.as_ref().map(|(firing, resolved, age_s)| Told {
            firing: prints(firing),
            resolved: prints(resolved),
            rollbacks: Vec::new(),
            at: at.shifted(-age_s * 1000),
        });
        let now = Told { firing: prints(firing), resolved: prints(resolved), rollbacks: Vec::new(), at };
        let got = needs_update(told.as_ref(), &now, *send_resolved, repeat_interval);
        let got = got.map_or("none", |reason| reason.as_str());
        assert_eq!(got, expected, "{entry:?} then {firing:?}/{resolved:?}, send_resolved {send_resolved}");
    }
}

#[derive(Deserialize)]
struct Hashed {
    fingerprint: String,
    labels: serde_json::Map<String, Value>,
}

#[test]
fn fingerprints_are_those_of_alertmanager() {
    let Some(golden) = golden::<Vec<Hashed>>("fingerprints.json") else { return };
    let mut compared = 0;
    for row in &golden {
        let pairs = row.labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let labels = Labels::from_pairs(pairs);
        if labels.len() == row.labels.len() {
            assert_eq!(labels.fingerprint().to_string(), row.fingerprint, "{labels}");
            compared += 1;
        } else {
            // Alertmanager takes labels with an empty value off an alert before it hashes it, and the table hashes them;
            // our label sets never hold one.
            assert_ne!(labels.fingerprint().to_string(), row.fingerprint, "{labels}");
        }
    }
    assert!(compared >= 5, "only {compared} rows were compared");
}
