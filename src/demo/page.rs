//! The metrics page of an arm, as its exporter would write it; the labels `service` and `track` are the scraper's.

use std::fmt::Write as _;

use super::world::{Counts, Track};

/// The media type of the page.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A bucket: its bound as it is written, and how many of a thousand are not above it.
type Bucket = (&'static str, u64);

/// How long requests take; p95 is about 220 ms. 0.5 is a bound, as the rule wants it.
const REQUEST_BUCKETS: [Bucket; 6] =
    [("0.05", 550), ("0.1", 820), ("0.25", 975), ("0.5", 995), ("1", 999), ("2.5", 1000)];
/// Their mean.
const REQUEST_MEAN_MS: u64 = 80;
/// How long a connection that was upgraded stays open: none of the bounds is enough.
const UPGRADE_BUCKETS: [Bucket; 6] = [("0.05", 0), ("0.1", 0), ("0.25", 0), ("0.5", 0), ("1", 0), ("2.5", 0)];
const UPGRADE_MEAN_MS: u64 = 240_000;

/// How long messages take; p95 is about 75 ms. 0.1 is a bound, as the rule wants it.
const MESSAGE_BUCKETS: [Bucket; 5] = [("0.01", 300), ("0.025", 700), ("0.05", 900), ("0.1", 990), ("0.25", 1000)];
const MESSAGE_MEAN_MS: u64 = 22;
/// Messages of a connection.
const MESSAGES_PER_REQUEST: u64 = 8;

/// CPU that an idle pod uses, in thousandths of a core, and that a request takes, in milliseconds.
const CPU_IDLE_MILLICORES: u64 = 150;
const CPU_MS_PER_REQUEST: u64 = 8;
/// Microseconds of CPU that a pod may use in each period: one core.
const CPU_QUOTA: u64 = 100_000;
const CPU_PERIOD: u64 = 100_000;

/// The page of one version of `service` that has done this much.
pub(super) fn render(service: &str, track: Track, counts: &Counts) -> String {
    let answers = answers(service, counts);
    let mut page = Page::default();
    page.head("http_requests_total", "counter", "Requests by method and status.");
    for answer in &answers {
        page.sample("http_requests_total", &answer.labels(), answer.count);
    }
    let durations = "http_request_duration_seconds";
    page.head(durations, "histogram", "How long requests took; an upgraded connection until it closed.");
    for answer in &answers {
        let (buckets, mean_ms) = match answer.status {
            "101" => (UPGRADE_BUCKETS, UPGRADE_MEAN_MS),
            _ => (REQUEST_BUCKETS, REQUEST_MEAN_MS),
        };
        page.histogram(durations, &answer.labels(), &buckets, answer.count, mean_ms);
    }
    if service == CHAT {
        let messages = counts.answered * MESSAGES_PER_REQUEST;
        page.head(MESSAGES, "histogram", "How long messages took from sender to receiver.");
        page.histogram(MESSAGES, "", &MESSAGE_BUCKETS, messages, MESSAGE_MEAN_MS);
    }
    pod(&mut page, service, track, counts);
    page.text
}

const CHAT: &str = "chat";
const MESSAGES: &str = "chat_message_duration_seconds";

/// What kubelet and kube-state-metrics say about the arm's pod.
fn pod(page: &mut Page, service: &str, track: Track, counts: &Counts) {
    let labels = format!("container=\"{service}\",pod=\"{service}-{}-0\"", track.as_str());
    let up_ms = u64::try_from(counts.up.as_millis()).unwrap_or(u64::MAX);
    let cpu_ms = (up_ms / 1000).saturating_mul(CPU_IDLE_MILLICORES) + counts.requests() * CPU_MS_PER_REQUEST;
    page.head("container_cpu_usage_seconds_total", "counter", "CPU time used.");
    page.sample("container_cpu_usage_seconds_total", &labels, seconds(cpu_ms));
    page.head("container_spec_cpu_quota", "gauge", "CPU time allowed in each period, in microseconds.");
    page.sample("container_spec_cpu_quota", &labels, CPU_QUOTA);
    page.head("container_spec_cpu_period", "gauge", "The period, in microseconds.");
    page.sample("container_spec_cpu_period", &labels, CPU_PERIOD);
    page.head("kube_pod_container_status_restarts_total", "counter", "Restarts.");
    page.sample("kube_pod_container_status_restarts_total", &labels, u64::from(track == Track::Legacy));
}

/// Requests that were answered alike.
struct Answer {
    method: &'static str,
    status: &'static str,
    count: u64,
}

impl Answer {
    fn labels(&self) -> String {
        format!("method=\"{}\",status=\"{}\"", self.method, self.status)
    }
}

/// A quarter of the good answers is of another kind. Both parts grow with their sum, so neither counter falls.
fn answers(service: &str, counts: &Counts) -> [Answer; 3] {
    let quarter = counts.answered / 4;
    let most = counts.answered - quarter;
    let [first, second] = match service {
        CHAT => [("GET", "101"), ("GET", "200")],
        _ => [("GET", "200"), ("POST", "201")],
    };
    [(first, most), (second, quarter), (("GET", "502"), counts.failed)].map(|((method, status), count)| Answer {
        method,
        status,
        count,
    })
}

/// Milliseconds as seconds, exactly.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    // Writing into a string cannot fail.

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            _ => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
    }

    fn histogram(&mut self, name: &str, labels: &str, buckets: &[Bucket], count: u64, mean_ms: u64) {
        let bucket = format!("{name}_bucket");
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, of_thousand) in buckets {
            self.sample(&bucket, &format!("{labels}{comma}le=\"{bound}\""), count * of_thousand / 1000);
        }
        self.sample(&bucket, &format!("{labels}{comma}le=\"+Inf\""), count);
        self.sample(&format!("{name}_sum"), labels, seconds(count * mean_ms));
        self.sample(&format!("{name}_count"), labels, count);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::demo::world::{SERVICES, World};
    use crate::exposition::{Entry, Scanner};
    use crate::model::Timestamp;

    fn series(page: &str) -> BTreeMap<String, f64> {
        let entries = Scanner::new(page).map(Result::unwrap);
        let samples = entries.filter_map(|entry| match entry {
            Entry::Sample(line) => Some((line.series.to_owned(), line.value)),
            Entry::Type { .. } => None,
        });
        samples.collect()
    }

    #[test]
    fn says_what_the_rules_ask_for() {
        let counts = Counts { answered: 1001, failed: 3, up: Duration::from_millis(2500) };
        let chat = series(&render("chat", Track::Legacy, &counts));
        let check = |name: &str, value: f64| assert_eq!(chat.get(name), Some(&value), "{name}");
        check(r#"http_requests_total{method="GET",status="101"}"#, 751.0);
        check(r#"http_requests_total{method="GET",status="200"}"#, 250.0);
        check(r#"http_requests_total{method="GET",status="502"}"#, 3.0);
        check(r#"http_request_duration_seconds_bucket{method="GET",status="200",le="0.5"}"#, 248.0);
        check(r#"http_request_duration_seconds_bucket{method="GET",status="101",le="2.5"}"#, 0.0);
        check(r#"http_request_duration_seconds_count{method="GET",status="101"}"#, 751.0);
        check(r#"chat_message_duration_seconds_bucket{le="0.1"}"#, 7927.0);
        check(r#"chat_message_duration_seconds_bucket{le="+Inf"}"#, 8008.0);
        check(r#"container_cpu_usage_seconds_total{container="chat",pod="chat-legacy-0"}"#, 8.332);
        check(r#"kube_pod_container_status_restarts_total{container="chat",pod="chat-legacy-0"}"#, 1.0);
        let gateway = render("gateway", Track::Canary, &counts);
        assert!(
            !gateway.contains("chat_message") && gateway.contains("# TYPE http_request_duration_seconds histogram")
        );
    }

    #[test]
    fn no_counter_falls_on_any_page() {
        let start = Timestamp::from_millis(1_764_000_000_000);
        let mut world = World::new(start);
        world.break_canary("gateway", start + Duration::from_secs(20));
        world.route_to_legacy("gateway", start + Duration::from_secs(40));
        for service in SERVICES {
            for track in Track::ALL {
                let mut last = BTreeMap::new();
                for step in 0..300 {
                    let counts = world.counts(service.name, track, start.shifted(step * 211));
                    let now = series(&render(service.name, track, &counts));
                    let fell: Vec<_> = last.iter().filter(|(name, value)| now[*name] < **value).collect();
                    assert!(fell.is_empty(), "{fell:?}");
                    last = now;
                }
            }
        }
    }
}
