//! The page that benches and comparisons scrape: pods, each with 50 series of what services and their platform expose.
//!
//! It uses nothing but the standard library, so that `serve.rs` can be compiled alone.

use std::fmt::Write as _;

/// Series of each pod.
pub(crate) const SERIES_PER_POD: usize = 50;

const STATUSES: [&str; 10] = ["200", "201", "204", "301", "304", "400", "404", "429", "500", "503"];
const BOUNDS: [&str; 12] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
/// Gauges that no rule asks for.
const GAUGES: [&str; 8] = [
    "go_goroutines",
    "go_memstats_alloc_bytes",
    "go_memstats_heap_inuse_bytes",
    "go_memstats_heap_objects",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_max_fds",
];

/// The page of `series / 50` pods at its `round`-th scrape, five seconds apart; `first` is the number of the first pod, so
/// that several targets have pods of their own. Counters grow by what chance gives, the same at every call.
pub(crate) fn page(first: usize, series: usize, round: usize) -> String {
    let pods = first..first + series / SERIES_PER_POD;
    let mut page = String::with_capacity(series * 100);
    let names: Vec<String> = pods.clone().map(|pod| format!("gateway-7d4b9c6f5-{pod:05}")).collect();
    let traffic: Vec<Traffic> = pods.map(|pod| Traffic::of(pod, round)).collect();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing into a string cannot fail.
        let _ = writeln!(page, "{text}");
    };

    line(format_args!("# HELP http_requests_total Requests that were answered.\n# TYPE http_requests_total counter"));
    for (name, traffic) in names.iter().zip(&traffic) {
        for (rank, status) in STATUSES.iter().enumerate() {
            let count = traffic.count >> rank;
            line(format_args!("http_requests_total{{pod=\"{name}\",method=\"GET\",status=\"{status}\"}} {count}"));
        }
    }
    for metric in ["http_request_duration_seconds", "chat_message_duration_seconds"] {
        line(format_args!("# HELP {metric} How long it took.\n# TYPE {metric} histogram"));
        for (name, traffic) in names.iter().zip(&traffic) {
            for (rank, bound) in BOUNDS.iter().enumerate() {
                let count = traffic.count * (rank + 1) / BOUNDS.len();
                line(format_args!("{metric}_bucket{{pod=\"{name}\",method=\"GET\",le=\"{bound}\"}} {count}"));
            }
            line(format_args!("{metric}_sum{{pod=\"{name}\",method=\"GET\"}} {}", traffic.seconds));
            line(format_args!("{metric}_count{{pod=\"{name}\",method=\"GET\"}} {}", traffic.count));
        }
    }
    line(format_args!("# TYPE container_cpu_usage_seconds_total counter"));
    for (name, traffic) in names.iter().zip(&traffic) {
        let cpu = traffic.seconds / 3.0;
        line(format_args!("container_cpu_usage_seconds_total{{pod=\"{name}\",container=\"app\"}} {cpu}"));
    }
    let constants = [
        ("container_spec_cpu_quota", "gauge", 50_000),
        ("container_spec_cpu_period", "gauge", 100_000),
        ("kube_pod_container_status_restarts_total", "counter", 0),
    ];
    for (metric, kind, value) in constants {
        line(format_args!("# TYPE {metric} {kind}"));
        for name in &names {
            line(format_args!("{metric}{{pod=\"{name}\",container=\"app\"}} {value}"));
        }
    }
    for (rank, metric) in GAUGES.iter().enumerate() {
        line(format_args!("# TYPE {metric} gauge"));
        for (name, traffic) in names.iter().zip(&traffic) {
            let value = traffic.gauge >> (3 * rank);
            line(format_args!("{metric}{{pod=\"{name}\"}} {value}"));
        }
    }
    page
}

/// What a pod has done until a round.
struct Traffic {
    count: usize,
    seconds: f64,
    gauge: usize,
}

impl Traffic {
    fn of(pod: usize, round: usize) -> Self {
        // Each pod has its own pace, and each round is a little off it.
        let pace = 20 + mix(pod) % 400;
        let count = 10_000 + round * pace + mix(pod * 31 + round) % pace;
        let micros = count * 41_739 + mix(pod * 17 + round) % 41_739;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let seconds = micros as f64 / 1e6;
        Self { count, seconds, gauge: mix(pod * 7 + round) % 100_000_000 }
    }
}

/// A number that looks like chance.
fn mix(seed: usize) -> usize {
    let mixed = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 16).unwrap_or(0)
}
