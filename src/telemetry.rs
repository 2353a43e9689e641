//! The names of our metrics and log fields. Renaming one is a change that users see.
//!
//! Log fields: `rule`, `group`, `target_id`, `integration`, `delivery`, `rollback`, `file`, `error`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

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

/// All our metrics; cloning shares them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Arc<Registry>,
    /// Scrapes, by result.
    pub scrapes: Family<ResultLabel, Counter>,
    /// Sample lines on scraped pages.
    pub scrape_samples: Counter,
    /// How long a page took to take in, parse and store.
    pub ingest_seconds: Histogram,
    /// Series held in memory.
    pub series: Gauge,
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
}

impl Telemetry {
    /// Metrics that all stand at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("atalaya");
        let histogram = || Histogram::new(SECONDS);
        let mut this = Self {
            registry: Arc::new(Registry::default()),
            scrapes: Family::default(),
            scrape_samples: Counter::default(),
            ingest_seconds: histogram(),
            series: Gauge::default(),
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
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What this is", build);
        registry.register("scrapes", "Scrapes, by result (ok, error)", this.scrapes.clone());
        registry.register("scrape_samples", "Sample lines on scraped pages", this.scrape_samples.clone());
        registry.register_with_unit(
            "ingest",
            "Parsing and storing a scraped page",
            Unit::Seconds,
            this.ingest_seconds.clone(),
        );
        registry.register("series", "Series held in memory", this.series.clone());
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

    /// All metrics in OpenMetrics text form.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_openmetrics() {
        let telemetry = Telemetry::new();
        telemetry.scrapes.get_or_create(&ResultLabel { result: "ok" }).inc();
        let text = telemetry.render();
        assert!(text.contains("atalaya_scrapes_total{result=\"ok\"} 1"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
