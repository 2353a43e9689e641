//! What a page costs by its size: scanned, taken in for the first time and again, held, and read from the store.
//!
//! `cargo bench --bench ingest [-- SERIES…]` runs it, for 10,000, 100,000 and 1,000,000 series unless others are named. It
//! prints, and asserts nothing about time. Times are the least of several, since a machine is never alone.

mod pods;

use std::path::Path;
use std::time::Duration;

use atalaya::clock::Stopwatch;
use atalaya::config;
use atalaya::evaluator::{Evaluator, Scrape};
use atalaya::exposition::{Entry, Scanner};
use atalaya::model::{Labels, MatchOp, Matcher, Sample, TargetId, Timestamp};
use atalaya::store::{LOOKBACK, Origin, Store};

/// Scrapes after the first: five minutes of them.
const ROUNDS: i64 = 60;
const INTERVAL_MS: i64 = 5_000;
const CONFIG: &str = "
scrape_configs:
  - job_name: pods
    static_configs: [{targets: ['127.0.0.1:1'], labels: {service: gateway, track: canary}}]
rule_files: [five.yaml]
";

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    for series in if sizes.is_empty() { vec![10_000, 100_000, 1_000_000] } else { sizes } {
        report("series", &series.to_string());
        page(series);
        samples(series);
    }
}

/// A page into an evaluator of the five rules.
fn page(series: usize) {
    let read = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("bench.yaml") => Ok(CONFIG.to_owned()),
        _ => std::fs::read_to_string(Path::new("benches").join(path.file_name().unwrap_or_default())),
    };
    let config = config::load(Path::new("bench.yaml"), &read).unwrap_or_else(|problems| panic!("{problems}"));
    let text = pods::page(0, series, 0);
    let scanned = least_of(5, || Scanner::new(&text).filter(|entry| matches!(entry, Ok(Entry::Sample(_)))).count());
    report("scan", &format!("{:.2} ms for {:.1} MB", ms(scanned), text.len() as f64 / 1e6));
    let before = resident();
    let mut evaluator = Evaluator::new(config.evaluator_spec(), Vec::new());
    let target = config.static_targets()[0].id.clone();
    let mut next = Duration::MAX;
    for round in 0..=ROUNDS {
        let text = pods::page(0, series, usize::try_from(round).unwrap_or_default());
        let at = Timestamp::from_millis(round * INTERVAL_MS);
        let scrape = Scrape { target: target.clone(), at, took: Duration::ZERO, page: Ok(text.into()) };
        let stopwatch = Stopwatch::start();
        let taken = evaluator.ingest(&scrape);
        let took = stopwatch.elapsed();
        assert_eq!(taken.error, None);
        if round == 0 {
            report("first page", &format!("{:.2} ms, {} of its series stored", ms(took), taken.stored));
        } else {
            next = next.min(took);
        }
    }
    report("next pages", &format!("{:.2} ms, {:.0} ns a series", ms(next), ns_each(next, series)));
    let held = resident().saturating_sub(before) as f64 / 1e6;
    report(
        "resident",
        &format!("{held:.1} MB more, of them {:.1} MB by estimate", evaluator.memory_bytes() as f64 / 1e6),
    );
}

/// The value of a series at a round.
type Value = fn(usize, usize) -> f64;

/// Samples of some kinds of series into a store, and out of it.
fn samples(series: usize) {
    let kinds: [(&str, Value); 4] = [
        ("a constant", |_, _| 1.0),
        ("a count, by tens", |it, round| (round * 20 + it * round % 17) as f64),
        ("a count, by thousands", |it, round| (round * 4000 + it * round % 1777) as f64),
        ("seconds", |it, round| (round * 291_739 + it * round % 41_739) as f64 / 1e6),
    ];
    for (name, value) in kinds {
        let mut store = Store::new();
        let matcher = Matcher::new("__name__", MatchOp::Equal, "a").unwrap_or_else(|error| panic!("{error}"));
        store.register(&[matcher], LOOKBACK);
        let origin = Origin::Scraped(TargetId::new("t"));
        let labels = (0..series).map(|it| Labels::from_pairs([("__name__", "a".to_owned()), ("it", it.to_string())]));
        let ids: Vec<_> = labels.filter_map(|labels| store.series_for(&labels, &origin)).collect();
        let before = store.memory_bytes();
        let mut append = Duration::MAX;
        for round in 0..60 {
            let at = Timestamp::from_millis(i64::try_from(round).unwrap_or_default() * INTERVAL_MS);
            let stopwatch = Stopwatch::start();
            for (it, id) in ids.iter().enumerate() {
                store.append(*id, Sample { at, value: value(it, round) });
            }
            append = append.min(stopwatch.elapsed());
        }
        let now = Timestamp::from_millis(59 * INTERVAL_MS);
        let window =
            || ids.iter().flat_map(|id| store.series(*id).window(now - LOOKBACK, now)).map(|it| it.value).sum();
        let window: Duration = least_of::<f64>(3, window);
        let newest = least_of(3, || ids.iter().filter_map(|id| store.series(*id).value_at(now, LOOKBACK)).count());
        let bytes = (store.memory_bytes() - before) as f64 / (60 * series) as f64;
        report(
            name,
            &format!(
                "{bytes:.1} bytes a sample; append {:.0} ns, window {:.1} ns a sample, newest {:.0} ns",
                ns_each(append, series),
                ns_each(window, 60 * series),
                ns_each(newest, series)
            ),
        );
    }
}

fn least_of<T>(times: usize, mut work: impl FnMut() -> T) -> Duration {
    let timed = |_| {
        let stopwatch = Stopwatch::start();
        std::hint::black_box(work());
        stopwatch.elapsed()
    };
    (0..times).map(timed).min().unwrap_or_default()
}

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or_default() * 1024
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn ns_each(duration: Duration, count: usize) -> f64 {
    duration.as_secs_f64() * 1e9 / count as f64
}

#[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
fn report(what: &str, text: &str) {
    println!("{what:>22}: {text}");
}
