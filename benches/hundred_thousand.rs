//! What a page of 100,000 series costs: scanned, taken in for the first time and again, evaluated, and held in memory.
//!
//! `cargo bench` runs it. It prints, and asserts nothing about time.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use atalaya::clock::{self, Stopwatch};
use atalaya::config;
use atalaya::evaluator::{Evaluator, Scrape};
use atalaya::exposition::{Entry, Scanner};
use atalaya::model::Timestamp;

/// Pods on the page, and series of each.
const PODS: usize = 2000;
const SERIES_PER_POD: usize = 50;
/// Scrapes after the first.
const ROUNDS: i64 = 40;
/// How many rules are shown with what they took.
const RULES_SHOWN: usize = 6;
/// Between scrapes, in milliseconds.
const INTERVAL_MS: i64 = 15_000;

fn main() {
    let config = config::load(Path::new("rules/atalaya.yaml"), &|path| std::fs::read_to_string(path))
        .unwrap_or_else(|problems| panic!("{problems}"));
    let page = page(0);
    let (samples, scanned) =
        best_of(5, || Scanner::new(&page).filter(|entry| matches!(entry, Ok(Entry::Sample(_)))).count());
    report("page", &format!("{samples} samples, {:.1} MB", mb(page.len())));
    report("scan", &format!("{} ({:.0} MB/s)", ms(scanned), mb(page.len()) / scanned.as_secs_f64()));

    report("rules", "the six of rules/enova.yaml, and a guard");
    run(&config);
    report("rules", "a thousand, each with selectors of its own");
    let rules = thousand_rules();
    let read =
        |path: &Path| if path.ends_with("enova.yaml") { Ok(rules.clone()) } else { std::fs::read_to_string(path) };
    let config = config::load(Path::new("rules/atalaya.yaml"), &read).unwrap_or_else(|problems| panic!("{problems}"));
    run(&config);
}

/// Scrapes the page and evaluates the rules again and again.
fn run(config: &config::Config) {
    let before = resident();
    let mut evaluator = Evaluator::new(config.evaluator_spec(), Vec::new());
    evaluator.measure_with(clock::elapsed);
    let target = config.static_targets()[0].id.clone();
    let scrape = |round: i64, evaluator: &mut Evaluator| {
        let page = page(usize::try_from(round).unwrap_or_default());
        let at = Timestamp::from_millis(round * INTERVAL_MS);
        let scrape = Scrape { target: target.clone(), at, took: Duration::from_millis(100), page: Ok(page.into()) };
        let stopwatch = Stopwatch::start();
        let report = evaluator.ingest(&scrape);
        assert_eq!(report.error, None);
        (stopwatch.elapsed(), report.stored)
    };
    let (first, stored) = scrape(0, &mut evaluator);
    report("first scrape", &format!("{} for {stored} series that the rules select", ms(first)));
    let (mut again, mut ticks) = (Duration::MAX, Vec::new());
    for round in 1..=ROUNDS {
        again = again.min(scrape(round, &mut evaluator).0);
        let stopwatch = Stopwatch::start();
        let transitions = evaluator.tick(Timestamp::from_millis(round * INTERVAL_MS));
        ticks.push(stopwatch.elapsed());
        assert!(transitions.groups.iter().all(|group| group.failed == 0), "{:?}", transitions.groups);
    }
    report("next scrapes", &format!("{} at best of {ROUNDS}", ms(again)));
    let first = ticks[0];
    ticks.sort_unstable();
    report(
        "tick",
        &format!("{} in the middle, {} at best, {} the first", ms(ticks[ticks.len() / 2]), ms(ticks[0]), ms(first)),
    );
    for rule in evaluator.rules().iter().flat_map(|group| &group.rules).take(RULES_SHOWN) {
        report("rule", &format!("{} in the last tick: {}", ms(rule.took), rule.name));
    }
    let size = evaluator.plan_size();
    let shared = format!("{} nodes, {} without sharing, {} selectors", size.nodes, size.nodes_unshared, size.selectors);
    let undecided = evaluator.take_undecided();
    let whole = format!("{} of {} whole, {undecided} left to the interpreter", size.whole, size.expressions);
    report("plan", &format!("{shared}; {whole}"));
    report(
        "memory",
        &format!("{:.0} MB after {} minutes", mb(resident().saturating_sub(before)), ROUNDS * INTERVAL_MS / 60_000),
    );
}

/// A thousand rules, each over another pod: error ratios, quantiles, CPU against its quota, and restarts.
fn thousand_rules() -> String {
    let mut rules = "groups:\n- name: many\n  rules:\n".to_owned();
    for number in 0..1000 {
        let pod = format!("pod=\"gateway-7d4b9c6f5-{:05}\"", number * 2);
        let expr = match number % 4 {
            0 => format!(
                "sum by (service) (rate(http_requests_total{{{pod},status=~\"5..\"}}[5m])) / \
                 sum by (service) (rate(http_requests_total{{{pod}}}[5m])) > 0.5"
            ),
            1 => format!(
                "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{{{pod}}}[5m]))) > 60"
            ),
            2 => format!(
                "rate(container_cpu_usage_seconds_total{{{pod}}}[5m]) / on (pod, container) \
                 (container_spec_cpu_quota{{{pod}}} / container_spec_cpu_period{{{pod}}}) > 10"
            ),
            _ => format!("increase(kube_pod_container_status_restarts_total{{{pod}}}[15m]) > 3"),
        };
        // Writing into a string cannot fail.
        let _ = writeln!(rules, "  - alert: A{number}\n    expr: '{expr}'");
    }
    rules
}

/// A page of pods: request counters by method and status, a latency histogram, CPU and restarts.
fn page(round: usize) -> String {
    const BOUNDS: [&str; 11] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"];
    let mut page = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing into a string cannot fail.
        let _ = writeln!(page, "{text}");
    };
    line(format_args!("# TYPE http_request_duration_seconds histogram"));
    for pod in 0..PODS {
        let name = format!("gateway-7d4b9c6f5-{pod:05}");
        for status in ["200", "201", "204", "301", "302", "304", "400", "401", "403", "404", "429", "500", "502", "503"]
        {
            line(format_args!(
                "http_requests_total{{pod=\"{name}\",method=\"GET\",status=\"{status}\"}} {}",
                round * 7 + pod
            ));
        }
        for method in ["GET", "POST"] {
            for (rank, bound) in (1..).zip(BOUNDS.iter().chain(&["+Inf"])) {
                let count = (round * 7 + pod) * rank;
                line(format_args!(
                    "http_request_duration_seconds_bucket{{pod=\"{name}\",method=\"{method}\",le=\"{bound}\"}} {count}"
                ));
            }
            line(format_args!(
                "http_request_duration_seconds_sum{{pod=\"{name}\",method=\"{method}\"}} {}.5",
                round * 3 + pod
            ));
            line(format_args!(
                "http_request_duration_seconds_count{{pod=\"{name}\",method=\"{method}\"}} {}",
                (round * 7 + pod) * 12
            ));
        }
        line(format_args!("container_cpu_usage_seconds_total{{pod=\"{name}\",container=\"app\"}} {}.25", round * 3));
        line(format_args!("container_spec_cpu_quota{{pod=\"{name}\",container=\"app\"}} 50000"));
        line(format_args!("container_spec_cpu_period{{pod=\"{name}\",container=\"app\"}} 100000"));
        line(format_args!("kube_pod_container_status_restarts_total{{pod=\"{name}\",container=\"app\"}} 0"));
        for filler in 0..SERIES_PER_POD - 14 - 28 - 4 {
            line(format_args!("go_memstats_{filler}_bytes{{pod=\"{name}\"}} {}", round * 1000 + pod));
        }
    }
    page
}

fn best_of<T>(times: usize, mut work: impl FnMut() -> T) -> (T, Duration) {
    let mut timed = || {
        let stopwatch = Stopwatch::start();
        let result = work();
        (result, stopwatch.elapsed())
    };
    let mut best = timed();
    for _ in 1..times {
        let next = timed();
        if next.1 < best.1 {
            best = next;
        }
    }
    best
}

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or_default() * 1024
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn mb(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

#[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
fn report(what: &str, text: &str) {
    println!("{what:>14}: {text}");
}
