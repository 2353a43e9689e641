//! How much of what people write the plan knows: rules of our own in the shapes of public ones.

use std::time::Duration;

use super::super::super::{parse, selectors};
use super::super::{Cadence, Plan};
use crate::model::{Labels, Sample, TargetId, Timestamp};
use crate::store::{Origin, Store};

/// Rules in the shapes of public collections, in about the shares in which they come there: thresholds, rates and ratios,
/// joins with facts about pods, quantiles of histograms, predictions, absences, burn rates, and a few subqueries.
const SHAPES: &[&str] = &[
    // Thresholds on gauges.
    "up == 0",
    "probe_success == 0",
    "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100 < 10",
    "100 - (disk_free / disk_size) * 100 > 90",
    "(fs_avail * 100) / fs_size < 10 and on (instance, device, mountpoint) fs_readonly == 0",
    "queue_messages_ready{queue!~\".*dead.*\"} > 1000",
    "kube_node_status_condition{condition=\"Ready\", status=\"true\"} == 0",
    "pg_stat_activity_count > ignoring (state) pg_settings_max_connections * 0.8",
    "redis_memory_used_bytes / redis_memory_max_bytes * 100 > 90 and redis_memory_max_bytes > 0",
    "time() - backup_last_success_timestamp_seconds > 86400",
    "probe_ssl_earliest_cert_expiry - time() < 86400 * 30",
    "abs(clock_offset_seconds) > 0.05 and deriv(clock_offset_seconds[5m]) >= 0",
    "round(ceph_bytes_used / ceph_bytes_total * 100, 0.1) > 85",
    "hour() >= 9 and hour() < 17",
    "vector(1)",
    // Rates.
    "rate(errors_total[5m]) > 0",
    "increase(restarts_total[1h]) > 3",
    "sum by (job) (rate(requests_total{code=~\"5..\"}[5m])) / sum by (job) (rate(requests_total[5m])) * 100 > 5",
    "sum without (instance) (rate(requests_failed_total[1m])) > 1",
    "irate(network_receive_bytes_total[2m]) / 1024 / 1024 > 100",
    "changes(process_start_time_seconds[15m]) > 2",
    "delta(temperature_celsius[10m]) > 5",
    "resets(uptime_seconds[10m]) > 1",
    "avg by (instance) (rate(cpu_seconds_total{mode=\"iowait\"}[5m])) * 100 > 10",
    "100 - avg by (instance) (rate(cpu_seconds_total{mode=\"idle\"}[2m])) * 100 > 80",
    "sum(increase(evictions_total[5m])) by (node) > 0 unless on (node) kube_node_spec_unschedulable == 1",
    "rate(read_seconds_total[1m]) / rate(reads_total[1m]) > 0.1 and rate(reads_total[1m]) > 0",
    "(sum(rate(drops_total[5m])) by (pod) or sum(rate(old_drops_total[5m])) by (pod)) > 10",
    "max by (pod) (max_over_time(kube_pod_container_status_waiting_reason{reason=\"CrashLoopBackOff\"}[5m])) >= 1",
    "min_over_time(up[5m]) == 0",
    "avg_over_time(load1[15m]) > 4",
    "sum_over_time(maintenance[1h]) == 0",
    "count_over_time(heartbeat[10m]) < 2",
    "quantile_over_time(0.99, latency_seconds[5m]) > 1",
    "last_over_time(job_duration_seconds[1d]) > 3600",
    "present_over_time(oom_events[10m])",
    "stddev_over_time(latency_seconds[1h]) > 2",
    "predict_linear(fs_avail{fstype!~\"tmpfs\"}[6h], 4 * 3600) < 0 and fs_avail / fs_size < 0.4",
    // Counts and choices.
    "count by (job) (up == 0) / count by (job) (up) > 0.5",
    "count without (node) (kube_node_info) < 3",
    "topk(3, sum by (pod) (rate(cpu_seconds_total[5m])))",
    "bottomk(1, fs_avail)",
    "quantile by (job) (0.9, latency_seconds) > 1",
    "group by (namespace) (kube_namespace_created)",
    "stddev by (job) (latency_seconds) > 3",
    "absent(up{job=\"node\"})",
    "absent_over_time(heartbeat[10m])",
    "absent(up{job=\"api\"} == 1)",
    "count(count by (version) (build_info)) > 1",
    "count_values(\"config\", config_hash) > 1",
    // Joins.
    "sum by (namespace, pod) (max by (namespace, pod) (kube_pod_status_phase{phase=~\"Pending|Failed\"}) * on (namespace, \
     pod) group_left (owner_kind) topk by (namespace, pod) (1, max by (namespace, pod, owner_kind) \
     (kube_pod_owner{owner_kind!=\"Job\"}))) > 0",
    "kube_deployment_spec_replicas > kube_deployment_status_replicas_available and changes(\
     kube_deployment_status_replicas_updated[10m]) == 0",
    "kube_statefulset_status_update_revision unless kube_statefulset_status_current_revision",
    "rate(cpu_seconds_total[5m]) * on (instance) group_left (nodename) uname_info > 0.9",
    "container_memory_bytes / on (pod) group_right () kube_pod_limit_bytes > 0.9",
    "label_replace(up, \"host\", \"$1\", \"instance\", \"([^:]+):.*\") * on (host) group_left (rack) host_info == 0",
    "label_join(up, \"id\", \"-\", \"job\", \"instance\") == 0",
    "(a_total - b_total > 0) or (b_total - a_total > 0)",
    "scalar(sum(replicas_wanted)) - sum(replicas_ready) > 0",
    "clamp_min(requests - limits, 0) / clamp_max(limits, 1000) > 0.5",
    "node_time - timestamp(node_time) > 0.1",
    // Histograms.
    "histogram_quantile(0.99, sum by (le, job) (rate(duration_seconds_bucket[5m]))) > 1",
    "histogram_quantile(0.9, rate(duration_seconds_bucket{verb!=\"WATCH\"}[5m])) > 4 * histogram_quantile(0.5, \
     rate(duration_seconds_bucket{verb!=\"WATCH\"}[5m]))",
    "1 - sum(rate(duration_seconds_bucket{le=\"0.3\"}[5m])) / sum(rate(duration_seconds_count[5m]))",
    // Service levels.
    "sum(rate(requests_total{code=~\"(5..|429)\"}[30m])) / sum(rate(requests_total[30m]))",
    "sum_over_time(slo:sli_error:ratio_rate5m{slo=\"a\"}[30d]) / ignoring (window) count_over_time(\
     slo:sli_error:ratio_rate5m{slo=\"a\"}[30d])",
    "(max(slo:sli_error:ratio_rate5m{slo=\"a\"} > (14.4 * 0.001)) without (window) and max(\
     slo:sli_error:ratio_rate1h{slo=\"a\"} > (14.4 * 0.001)) without (window)) or (max(\
     slo:sli_error:ratio_rate30m{slo=\"a\"} > (6 * 0.001)) without (window) and max(\
     slo:sli_error:ratio_rate6h{slo=\"a\"} > (6 * 0.001)) without (window))",
    "1 - slo:sli_error:ratio_rate30d{slo=\"a\"}",
    "slo:current_burn_rate:ratio{slo=\"a\"} > 1",
    "slo:sli_error:ratio_rate5m / on (slo, service) group_left () slo:error_budget:ratio",
    "vector(30)",
    "sum(rate(requests_total[5m] offset 1w)) - sum(rate(requests_total[5m])) > 100",
    // What only the interpreter knows.
    "max_over_time(rate(requests_total[5m])[1h:1m]) > 10",
];

#[test]
fn a_plan_shows_what_each_node_gave() {
    let mut store = Store::new();
    let expr = parse("sum by (job) (rate(a_total[5m])) > 1").unwrap();
    for it in selectors(&expr) {
        store.register(&it.matchers, it.reach);
    }
    let cadence = Cadence { interval: Duration::from_secs(15), behind: Duration::ZERO };
    let mut plan = Plan::new();
    let root = plan.add(&expr, cadence, &store);
    for pod in ["1", "2"] {
        let labels = Labels::from_pairs([("__name__", "a_total"), ("job", "x"), ("pod", pod)]);
        let id = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))).unwrap();
        for value in [0.0, 1.0] {
            let at = Timestamp::from_millis(if value > 0.0 { 60_000 } else { 0 });
            store.append(id, Sample { at, value });
        }
    }
    plan.begin();
    plan.evaluate(root, &store, Timestamp::from_millis(60_000)).unwrap();
    let nodes = plan.nodes(root);
    let shown: Vec<(&str, Option<usize>)> = nodes.iter().map(|node| (node.what, node.elements)).collect();
    assert_eq!(shown, [("rate", Some(2)), ("sum", Some(1)), ("number", None), (">", Some(0))]);
    assert_eq!(nodes[3].parts, [1, 2]);
}

#[test]
fn nearly_all_shapes_compile_whole() {
    let mut store = Store::new();
    let cadence = Cadence { interval: Duration::from_secs(15), behind: Duration::ZERO };
    let mut plan = Plan::new();
    let mut partly = Vec::new();
    for shape in SHAPES.iter().copied() {
        let expr = parse(shape).unwrap_or_else(|error| panic!("{shape}: {error:?}"));
        for it in selectors(&expr) {
            store.register(&it.matchers, it.reach);
        }
        let root = plan.add(&expr, cadence, &store);
        partly.extend(plan.interpreted(root).to_vec());
    }
    let size = plan.size();
    assert_eq!(partly, ["count_values(\"config\", config_hash)", "max_over_time(rate(requests_total[5m])[1h:1m])"]);
    assert_eq!((size.expressions, size.whole), (SHAPES.len(), SHAPES.len() - 2));
    assert!(size.whole * 100 >= size.expressions * 95, "{size:?}");
    assert!(size.nodes < size.nodes_unshared, "{size:?}");
}
