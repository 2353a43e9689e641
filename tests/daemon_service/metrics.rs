//! `docs/metrics.md` names what is exposed, and nothing else.

use std::collections::BTreeSet;

use atalaya::telemetry::{
    AttemptLabels, DiscoveryLabels, HealthLabel, IntegrationLabel, MetricsFormat, NotificationLabels, PlanLabel,
    QueueLabel, ReasonLabel, RemoteLabels, ResultLabel, SourceLabel, Telemetry,
};

const DOCUMENT: &str = include_str!("../../docs/metrics.md");

/// Metrics of which every family has a sample: without one, it is not exposed.
fn telemetry() -> Telemetry {
    let telemetry = Telemetry::new();
    let (integration, source, service) = ("slack", "a".to_owned(), &telemetry.service);
    for family in
        [&telemetry.scrapes, &telemetry.rule_evaluations, &telemetry.commits, &service.reloads, &service.queries]
    {
        family.get_or_create(&ResultLabel { result: "ok" }).inc();
    }
    telemetry.discoveries.get_or_create(&DiscoveryLabels { mechanism: "file", result: "ok" }).inc();
    telemetry.notifications.get_or_create(&NotificationLabels { integration, result: "retry" }).inc();
    telemetry.remote_queries.get_or_create(&RemoteLabels { source: source.clone(), result: "ok" }).inc();
    telemetry.remote_seconds.get_or_create(&SourceLabel { source: source.clone() }).observe(1.0);
    telemetry.remote_coalesced.get_or_create(&SourceLabel { source }).inc();
    service.targets.get_or_create(&HealthLabel { health: "up" }).set(1);
    service.plan_expressions.get_or_create(&PlanLabel { evaluation: "plan" }).set(1);
    service.queue_length.get_or_create(&QueueLabel { queue: "engine" }).set(1);
    service.attempts.get_or_create(&AttemptLabels { integration, answer: "2xx" }).inc();
    service.call_seconds.get_or_create(&IntegrationLabel { integration }).observe(1.0);
    service.delivery_seconds.get_or_create(&IntegrationLabel { integration }).observe(1.0);
    service.samples_dropped.get_or_create(&ReasonLabel { reason: "duplicate" }).inc();
    telemetry
}

#[test]
fn each_metric_is_documented_and_each_that_is_documented_is_there() {
    let telemetry = telemetry();
    let page = telemetry.render(MetricsFormat::Text);
    let exposed: BTreeSet<(&str, &str)> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    // The rows of tables that begin with a name in backticks and its kind.
    let is_kind = |cell: &str| matches!(cell, "counter" | "gauge" | "histogram");
    let documented: BTreeSet<(&str, &str)> = DOCUMENT
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            let name = cells.next()?.strip_suffix('`')?;
            Some((name, cells.next().filter(|cell| is_kind(cell))?))
        })
        .collect();
    assert!(exposed.len() > 40, "{exposed:?}");
    assert_eq!(exposed.difference(&documented).collect::<Vec<_>>(), [] as [&(&str, &str); 0], "not in docs/metrics.md");
    assert_eq!(
        documented.difference(&exposed).collect::<Vec<_>>(),
        [] as [&(&str, &str); 0],
        "only in docs/metrics.md"
    );
}
