//! The names of our metrics and log fields. Renaming one is a change that users see.
//!
//! Log fields: `rule`, `group`, `target_id`, `integration`, `delivery`, `rollback`, `file`, `error`.

mod process;
mod service;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use service::{AttemptLabels, Durations, HealthLabel, IntegrationLabel, PlanLabel, QueueLabel, ServiceTelemetry};

/// The bounds of histograms of durations: from the 0.1 ms of a commit to the 10 s of a timeout.
const SECONDS: [f64; 11] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// One label that tells how something ended: `ok`, `error`, ….
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultLabel {
    /// How it ended.
    pub result: &'static str,
}

/// What kind of integration, and how it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct NotificationLabels {
    /// `slack`, `pagerduty`, `webhook` or `rollback`.
    pub integration: &'static str,
    /// `delivered`, `retry`, `gave_up` or `withdrawn`.
    pub result: &'static str,
}

/// Which source, as the configuration names it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SourceLabel {
    /// Its name.
    pub source: String,
}

/// Which source, and how a query ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RemoteLabels {
    /// The source's name.
    pub source: String,
    /// `ok` or `error`.
    pub result: &'static str,
}

/// How targets are looked for, and how it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DiscoveryLabels {
    /// `file`, `http` or `dns`.
    pub mechanism: &'static str,
    /// `ok` or `error`.
    pub result: &'static str,
}

/// Why something did not count.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Why.
    pub reason: &'static str,
}

/// Which version of us it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// The forms in which our metrics can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus's text format 0.0.4, which everyone reads, we included.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// As a `Content-Type` calls it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The form that whoever sends this `Accept` header wants: OpenMetrics only if it is named, and not liked less than
    /// the text format.
    pub fn wanted(accept: &str) -> Self {
        let weight = |kind: &str| {
            let mut ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
            let parameters = ranges.find_map(|mut range| {
                range.next().filter(|name| name.eq_ignore_ascii_case(kind))?;
                Some(range)
            })?;
            let weight = parameters.filter_map(|parameter| parameter.strip_prefix("q=")).next();
            Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0_f64)))
        };
        match (weight("application/openmetrics-text"), weight("text/plain")) {
            (Some(open), text) if open > 0.0 && open >= text.unwrap_or(0.0) => Self::OpenMetrics,
            _ => Self::Text,
        }
    }
}

/// All our metrics; cloning shares them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Arc<Registry>,
    /// Scrapes, by result.
    pub scrapes: Family<ResultLabel, Counter>,
    /// Sample lines on scraped pages.
    pub scrape_samples: Counter,
    /// Attempts to find targets, by mechanism and result.
    pub discoveries: Family<DiscoveryLabels, Counter>,
    /// How long a page took to take in, parse and store.
    pub ingest_seconds: Histogram,
    /// Series held in memory.
    pub series: Gauge,
    /// Queries of remote sources, by source and result.
    pub remote_queries: Family<RemoteLabels, Counter>,
    /// How long they took, waiting for their turn included.
    pub remote_seconds: Family<SourceLabel, Histogram, fn() -> Histogram>,
    /// Questions that were answered with what another one asked.
    pub remote_coalesced: Family<SourceLabel, Counter>,
    /// Evaluations of rules, by result.
    pub rule_evaluations: Family<ResultLabel, Counter>,
    /// Evaluations of groups that were due and did not happen.
    pub missed_evaluations: Counter,
    /// How long a tick took.
    pub tick_seconds: Histogram,
    /// Instances by state are the page's; this counts those that fire.
    pub alerts_firing: Gauge,
    /// Deliveries and attempts, by integration and result.
    pub notifications: Family<NotificationLabels, Counter>,
    /// Deliveries under way.
    pub deliveries_waiting: Gauge,
    /// Rollbacks claimed.
    pub rollbacks_claimed: Counter,
    /// Commits to the state file, by result.
    pub commits: Family<ResultLabel, Counter>,
    /// How long a commit took.
    pub commit_seconds: Histogram,
    /// Whether what we know is on disk: 0 while the state file cannot be written.
    pub state_writable: Gauge,
    /// From the evaluation that decided to the moment a send leaves, in seconds.
    pub send_delay_seconds: Gauge<f64, AtomicU64>,
    /// Those of the service around the two machines.
    pub service: ServiceTelemetry,
}

impl Telemetry {
    /// Metrics that all stand at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("atalaya");
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut this = Self {
            registry: Arc::new(Registry::default()),
            service: ServiceTelemetry::new(&mut registry),
            scrapes: Family::default(),
            scrape_samples: Counter::default(),
            discoveries: Family::default(),
            ingest_seconds: histogram(),
            series: Gauge::default(),
            remote_queries: Family::default(),
            remote_seconds: Family::new_with_constructor(histogram),
            remote_coalesced: Family::default(),
            rule_evaluations: Family::default(),
            missed_evaluations: Counter::default(),
            tick_seconds: histogram(),
            alerts_firing: Gauge::default(),
            notifications: Family::default(),
            deliveries_waiting: Gauge::default(),
            rollbacks_claimed: Counter::default(),
            commits: Family::default(),
            commit_seconds: histogram(),
            state_writable: Gauge::default(),
            send_delay_seconds: Gauge::default(),
        };
        // Not an `info`, which the text format does not know.
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "What this is", build);
        registry.register("scrapes", "Scrapes, by result (ok, error)", this.scrapes.clone());
        registry.register("scrape_samples", "Sample lines on scraped pages", this.scrape_samples.clone());
        registry.register(
            "discoveries",
            "Attempts to find targets, by mechanism (file, http, dns) and result (ok, error)",
            this.discoveries.clone(),
        );
        registry.register_with_unit(
            "ingest",
            "Parsing and storing a scraped page",
            Unit::Seconds,
            this.ingest_seconds.clone(),
        );
        registry.register("series", "Series held in memory", this.series.clone());
        registry.register(
            "remote_queries",
            "Queries of remote sources, by source and result (ok, error)",
            this.remote_queries.clone(),
        );
        registry.register_with_unit(
            "remote_query",
            "Queries of remote sources, waiting for their turn included",
            Unit::Seconds,
            this.remote_seconds.clone(),
        );
        registry.register(
            "remote_queries_coalesced",
            "Questions that were answered with what another one of the same text and time asked",
            this.remote_coalesced.clone(),
        );
        registry.register(
            "rule_evaluations",
            "Evaluations of rules, by result (ok, error)",
            this.rule_evaluations.clone(),
        );
        registry.register(
            "missed_evaluations",
            "Group evaluations that were due and did not happen",
            this.missed_evaluations.clone(),
        );
        registry.register_with_unit(
            "tick",
            "Evaluating everything that was due",
            Unit::Seconds,
            this.tick_seconds.clone(),
        );
        registry.register("alerts_firing", "Alerts that fire", this.alerts_firing.clone());
        registry.register(
            "notifications",
            "Attempts to tell, by integration and result (delivered, retry, gave_up, withdrawn)",
            this.notifications.clone(),
        );
        registry.register("deliveries_waiting", "Deliveries that are on their way", this.deliveries_waiting.clone());
        registry.register("rollbacks_claimed", "Rollbacks claimed", this.rollbacks_claimed.clone());
        registry.register("commits", "Commits to the state file, by result (ok, error)", this.commits.clone());
        registry.register_with_unit(
            "commit",
            "Committing to the state file",
            Unit::Seconds,
            this.commit_seconds.clone(),
        );
        registry.register("state_writable", "Whether the state file can be written", this.state_writable.clone());
        registry.register_with_unit(
            "send_delay",
            "From the evaluation that decided to the last send that left",
            Unit::Seconds,
            this.send_delay_seconds.clone(),
        );
        this.state_writable.set(1);
        this.registry = Arc::new(registry);
        this
    }

    /// All metrics in this form.
    pub fn render(&self, format: MetricsFormat) -> String {
        let mut page = String::new();
        // Those of the process have no prefix, so that dashboards find them.
        let mut process = Registry::default();
        process.register_collector(Box::new(process::Process));
        // Writing into a string cannot fail.
        let _ = encode_registry(&mut page, &process).and_then(|()| encode(&mut page, &self.registry));
        match format {
            MetricsFormat::OpenMetrics => page,
            MetricsFormat::Text => text_of(&page),
        }
    }
}

/// A page of ours in OpenMetrics' form, in the text format. Samples are written alike in both; what is said about a family
/// is not: a counter goes by its sample's name, `…_total`, and there are neither units nor a mark at the end.
fn text_of(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = "";
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT"), ..) | (Some("#"), Some("EOF"), None, None) => {}
            // Written along with the type, on which the name depends.
            (Some("#"), Some("HELP"), Some(_), words) => help = words.unwrap_or_default(),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let end = if kind == "counter" { "_total" } else { "" };
                text.push_str(&format!("# HELP {name}{end} {help}\n# TYPE {name}{end} {kind}\n"));
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::exposition::{Entry, MetricKind, Scanner, parse_series};

    /// Metrics of which every family has a sample.
    fn telemetry() -> Telemetry {
        let telemetry = Telemetry::new();
        for family in [&telemetry.scrapes, &telemetry.rule_evaluations, &telemetry.commits] {
            family.get_or_create(&ResultLabel { result: "ok" }).inc();
        }
        telemetry.notifications.get_or_create(&NotificationLabels { integration: "slack", result: "retry" }).inc_by(2);
        telemetry.commit_seconds.observe(0.003);
        telemetry.send_delay_seconds.set(0.25);
        telemetry
    }

    #[test]
    fn renders_openmetrics() {
        let text = telemetry().render(MetricsFormat::OpenMetrics);
        assert!(text.contains("\n# TYPE atalaya_scrapes counter\natalaya_scrapes_total{result=\"ok\"} 1\n"), "{text}");
        assert!(text.contains("# UNIT atalaya_commit_seconds seconds\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    /// What an Atalaya that scrapes an Atalaya reads.
    #[test]
    fn our_own_scanner_reads_the_text_format() {
        let text = telemetry().render(MetricsFormat::Text);
        let (mut kinds, mut samples) = (std::collections::BTreeMap::new(), 0);
        for entry in Scanner::new(&text) {
            match entry.unwrap_or_else(|why| panic!("{why}\n{text}")) {
                Entry::Type { name, kind } => assert_eq!(kinds.insert(name.into_owned(), kind), None, "{text}"),
                Entry::Sample(line) => {
                    let series = parse_series(line.series).unwrap_or_else(|why| panic!("{why}\n{text}"));
                    let name = series.metric_name();
                    let is_of = |end: &str| name.strip_suffix(end).and_then(|family| kinds.get(family));
                    let kind = ["_bucket", "_sum", "_count"].into_iter().find_map(is_of);
                    let kind = kind.filter(|kind| **kind == MetricKind::Histogram).or_else(|| kinds.get(name));
                    assert!(kind.is_some(), "`{name}` has no type above it:\n{text}");
                    samples += 1;
                }
            }
        }
        assert!(kinds.len() >= 16 && samples > 50, "{text}");
        for (end, kind) in [("scrapes_total", MetricKind::Counter), ("build_info", MetricKind::Gauge)] {
            assert_eq!(kinds.get(&format!("atalaya_{end}")), Some(&kind), "{text}");
        }
        let expected = "# HELP atalaya_notifications_total Attempts to tell, by integration and result (delivered, retry, \
                        gave_up, withdrawn).\n# TYPE atalaya_notifications_total counter\n\
                        atalaya_notifications_total{integration=\"slack\",result=\"retry\"} 2\n";
        assert!(text.contains(expected), "{text}");
        let build = format!("\natalaya_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&build), "{text}");
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
    }

    #[test]
    fn openmetrics_is_for_those_who_ask_for_it() {
        let check = |accept: &str, expected: MetricsFormat| {
            assert_eq!(MetricsFormat::wanted(accept), expected, "{accept}");
        };
        check("", MetricsFormat::Text);
        check("*/*", MetricsFormat::Text);
        check("text/html,application/xhtml+xml,*/*;q=0.8", MetricsFormat::Text);
        check("text/plain;version=0.0.4;q=1,*/*;q=0.1", MetricsFormat::Text);
        check("application/openmetrics-text", MetricsFormat::OpenMetrics);
        check("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", MetricsFormat::OpenMetrics);
        check("application/openmetrics-text;q=0", MetricsFormat::Text);
        check("text/plain;version=0.0.4;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5", MetricsFormat::Text);
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2";
        check(prometheus, MetricsFormat::OpenMetrics);
    }
}
