//! The metrics of the service around the two machines: reloads, queues, the state file, what was asked and what was sent.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{ReasonLabel, ResultLabel, SECONDS};

/// What a target's last scrape says of it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct HealthLabel {
    /// `up`, `down` or `unknown`.
    pub health: &'static str,
}

/// How expressions are evaluated.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PlanLabel {
    /// `plan` or `partly_interpreted`.
    pub evaluation: &'static str,
}

/// Which queue.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabel {
    /// `evaluator`, `engine` or `queries`.
    pub queue: &'static str,
}

/// What kind of integration.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct IntegrationLabel {
    /// `slack`, `pagerduty`, ….
    pub integration: &'static str,
}

/// What kind of integration, and how one call ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AttemptLabels {
    /// `slack`, `pagerduty`, ….
    pub integration: &'static str,
    /// `2xx`, `3xx`, `429`, `4xx`, `5xx`, `refused` (Slack's `ok: false`) or `no_answer`.
    pub answer: &'static str,
}

/// Makes histograms of durations.
#[derive(Clone, Copy, Debug)]
pub struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

/// The service's metrics; cloning shares them.
#[derive(Clone, Debug)]
pub struct ServiceTelemetry {
    /// Reloads of the configuration, by result.
    pub reloads: Family<ResultLabel, Counter>,
    /// Whether the last reload worked.
    pub reload_successful: Gauge,
    /// When the configuration in use was loaded.
    pub reloaded_at: Gauge<f64, AtomicU64>,
    /// Secrets and certificates of the configuration in use that cannot be used.
    pub secrets_missing: Gauge,
    /// Targets, by health.
    pub targets: Family<HealthLabel, Gauge>,
    /// Rules that are evaluated.
    pub rules: Gauge,
    /// Expressions of the live plan, by how they are evaluated.
    pub plan_expressions: Family<PlanLabel, Gauge>,
    /// Nodes of the live plan.
    pub plan_nodes: Gauge,
    /// Evaluations of expressions that the live plan left to the interpreter.
    pub plan_fallbacks: Counter,
    /// How long the evaluation of a group took.
    pub group_seconds: Histogram,
    /// Samples that rules gave.
    pub rule_samples: Counter,
    /// What the series in memory take, about.
    pub series_bytes: Gauge,
    /// New series that were refused.
    pub series_refused: Counter,
    /// Samples of scraped pages that were dropped.
    pub samples_dropped: Family<ReasonLabel, Counter>,
    /// Alerts that cannot be measured.
    pub alerts_unknown: Gauge,
    /// Queries asked by the API, by result.
    pub queries: Family<ResultLabel, Counter>,
    /// How long a query held the evaluator.
    pub query_seconds: Histogram,
    /// Commands that wait for a thread.
    pub queue_length: Family<QueueLabel, Gauge>,
    /// Groups of alerts.
    pub notification_groups: Gauge,
    /// Calls to integrations, by what came of them.
    pub attempts: Family<AttemptLabels, Counter>,
    /// How long a call took.
    pub call_seconds: Family<IntegrationLabel, Histogram, Durations>,
    /// From the decision to tell to the answer that it arrived.
    pub delivery_seconds: Family<IntegrationLabel, Histogram, Durations>,
    /// Records that wait for the disk.
    pub backlog: Gauge,
}

impl ServiceTelemetry {
    /// Metrics that all stand at zero.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let this = Self {
            reloads: Family::default(),
            reload_successful: Gauge::default(),
            reloaded_at: Gauge::default(),
            secrets_missing: Gauge::default(),
            targets: Family::default(),
            rules: Gauge::default(),
            plan_expressions: Family::default(),
            plan_nodes: Gauge::default(),
            plan_fallbacks: Counter::default(),
            group_seconds: Durations.new_metric(),
            rule_samples: Counter::default(),
            series_bytes: Gauge::default(),
            series_refused: Counter::default(),
            samples_dropped: Family::default(),
            alerts_unknown: Gauge::default(),
            queries: Family::default(),
            query_seconds: Durations.new_metric(),
            queue_length: Family::default(),
            notification_groups: Gauge::default(),
            attempts: Family::default(),
            call_seconds: Family::new_with_constructor(Durations),
            delivery_seconds: Family::new_with_constructor(Durations),
            backlog: Gauge::default(),
        };
        this.reload_successful.set(1);
        this.register_configuration(registry);
        this.register_evaluation(registry);
        this.register_telling(registry);
        this
    }

    fn register_configuration(&self, registry: &mut Registry) {
        registry.register(
            "config_reloads",
            "Reloads of the configuration, by result (ok, error)",
            self.reloads.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "Whether the last load of the configuration worked",
            self.reload_successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in use was loaded",
            Unit::Seconds,
            self.reloaded_at.clone(),
        );
        registry.register(
            "secrets_missing",
            "Secrets and certificates of the configuration in use that cannot be used",
            self.secrets_missing.clone(),
        );
    }

    fn register_evaluation(&self, registry: &mut Registry) {
        registry.register("targets", "Targets, by health (up, down, unknown)", self.targets.clone());
        registry.register("rules", "Rules that are evaluated", self.rules.clone());
        registry.register(
            "plan_expressions",
            "Expressions of the live plan, by evaluation (plan, partly_interpreted)",
            self.plan_expressions.clone(),
        );
        registry.register("plan_nodes", "Nodes of the live plan, shared ones counted once", self.plan_nodes.clone());
        registry.register(
            "plan_fallbacks",
            "Evaluations that the live plan left to the interpreter: native histograms, or what may be an error",
            self.plan_fallbacks.clone(),
        );
        registry.register_with_unit(
            "rule_group",
            "Evaluating the rules of a group",
            Unit::Seconds,
            self.group_seconds.clone(),
        );
        registry.register("rule_samples", "Samples that rules gave", self.rule_samples.clone());
        registry.register_with_unit(
            "series_memory",
            "What the series in memory take, about",
            Unit::Bytes,
            self.series_bytes.clone(),
        );
        registry.register(
            "series_refused",
            "New series that were refused, because there is no room for more",
            self.series_refused.clone(),
        );
        registry.register(
            "scrape_samples_dropped",
            "Sample lines that were not stored, by reason (duplicate, out_of_order, in_future)",
            self.samples_dropped.clone(),
        );
        registry.register("alerts_unknown", "Firing alerts that cannot be measured now", self.alerts_unknown.clone());
        registry.register(
            "api_queries",
            "Queries asked by the API, by result (ok, error, refused)",
            self.queries.clone(),
        );
        registry.register_with_unit(
            "api_query",
            "For how long a query of the API held the evaluator",
            Unit::Seconds,
            self.query_seconds.clone(),
        );
    }

    fn register_telling(&self, registry: &mut Registry) {
        registry.register(
            "queue_length",
            "What waits for a thread, by queue (evaluator, engine, queries)",
            self.queue_length.clone(),
        );
        registry.register("notification_groups", "Groups of alerts", self.notification_groups.clone());
        registry.register(
            "notification_attempts",
            "Calls to integrations, by answer (2xx, 3xx, 429, 4xx, 5xx, refused, no_answer)",
            self.attempts.clone(),
        );
        registry.register_with_unit(
            "notification_call",
            "One call to an integration",
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        registry.register_with_unit(
            "notification_delivery",
            "From the decision to tell to its arrival, retries included",
            Unit::Seconds,
            self.delivery_seconds.clone(),
        );
        registry.register("state_backlog", "Records that wait for the state file", self.backlog.clone());
    }
}
