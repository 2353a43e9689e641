//! A real Prometheus that scrapes itself, where one is installed: it is asked what it knows, and a store that is filled
//! with what it has answers the same.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atalaya::model::{MatchOp, Matcher, SourceName, TargetId, Timestamp};
use atalaya::promql::Value;
use atalaya::source::{Embedded, RemoteSource, Source};
use atalaya::store::{Origin, Store};

use super::{clients, spec};

/// How long a Prometheus may take until it has scraped itself.
const START_MAX: Duration = Duration::from_secs(15);
/// How long one query may take.
const QUERY_MAX: Duration = Duration::from_secs(5);

/// A Prometheus, ended along with its test.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        // An error says that it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::unwrap_used, clippy::print_stdout, reason = "part of a test, which says what it skips")]
fn start(home: &Path) -> Option<(Prometheus, String)> {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs: [{{job_name: self, static_configs: [{{targets: ['{address}']}}]}}]\n"
    );
    std::fs::write(home.join("prometheus.yml"), config).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", home.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", home.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(child) => Some((Prometheus(child), format!("http://{address}/"))),
        Err(error) => {
            let required = std::env::var("ATALAYA_REQUIRE_TESTDATA").is_ok_and(|value| value == "1");
            assert!(!required, "`prometheus` cannot be started: {error}");
            println!("skipped: `prometheus` cannot be started: {error}");
            None
        }
    }
}

/// The moment of the newest sample of `up`, once there are at least two of them.
async fn scraped(source: &RemoteSource) -> Timestamp {
    let clock = atalaya::clock::Clock::wall();
    let mut moments = tokio::time::interval(Duration::from_millis(100));
    loop {
        moments.tick().await;
        let now = clock.now();
        if let Ok(sampled) = source.range("up", now - Duration::from_secs(60), now).await
            && let Some(series) = sampled.series.first()
            && series.samples.len() >= 2
            && let Some(last) = series.samples.last()
        {
            return last.at;
        }
    }
}

#[tokio::test]
async fn a_real_prometheus_answers() {
    let home = tempfile::tempdir().unwrap();
    let Some((_prometheus, url)) = start(home.path()) else { return };
    let spec = atalaya::source::RemoteSpec { name: SourceName::new("real"), ..spec(&url, QUERY_MAX) };
    let source = RemoteSource::new(spec, clients(None));
    let at = tokio::time::timeout(START_MAX, scraped(&source)).await.expect("it scrapes itself in time");

    let answered = source.ask("up", at).await.unwrap();
    let Value::Vector(elements) = &answered.value else { panic!("{answered:?}") };
    let [up] = elements.as_slice() else { panic!("{elements:?}") };
    assert_eq!((up.value.number(), up.labels.metric_name(), up.labels.get("job")), (1.0, "up", "self"));
    assert_eq!(source.ask("scalar(vector(1))", at).await.unwrap().value, Value::Scalar(1.0));
    assert_eq!(source.ask("\"a\"", at).await.unwrap().value, Value::String("a".to_owned()));
    for (query, expected) in [("1 / 0", f64::INFINITY), ("-1 / 0", f64::NEG_INFINITY), ("time()", at.seconds())] {
        assert_eq!(source.ask(query, at).await.unwrap().value, Value::Scalar(expected), "{query}");
    }
    let nan = source.ask("0 / 0", at).await.unwrap().value;
    assert!(matches!(nan, Value::Scalar(value) if value.is_nan()), "{nan:?}");
    let why = source.ask("rate(up)", at).await.unwrap_err();
    let expected = "source `real`: invalid parameter \"query\": 1:6: parse error: expected type range vector in call to \
                    function \"rate\", got instant vector (bad_data)";
    assert_eq!(why, expected);
    let why = source.ask("up * on (job) prometheus_http_requests_total", at).await.map(|it| it.value).unwrap_err();
    assert!(why.starts_with("source `real`: found duplicate series") || why.contains("(execution)"), "{why}");

    // A store with the samples that it has gives the same answers.
    let sampled = source.range("{__name__=~\"up|prometheus_build_info|go_gc_duration_seconds\"}", at - QUERY_MAX, at);
    let sampled = sampled.await.unwrap();
    assert!(sampled.series.len() >= 7, "{} series", sampled.series.len());
    let mut store = Store::new();
    store.register(&[Matcher::new("__name__", MatchOp::NotEqual, "").unwrap()], Duration::from_secs(600));
    for series in &sampled.series {
        let id = store.series_for(&series.labels, &Origin::Scraped(TargetId::new("self"))).unwrap();
        for sample in &series.samples {
            store.append(id, *sample);
        }
    }
    let embedded = Embedded { store: &store };
    for query in [
        "up",
        "up == 0",
        "count by (job) (go_gc_duration_seconds)",
        "max(go_gc_duration_seconds{quantile=\"1\"}) * 2",
        "prometheus_build_info * on (instance) group_left up",
        "timestamp(up)",
        "vector(time())",
        "1 + 1",
    ] {
        let (theirs, ours) = (answer(&source, query, at).await, answer(&embedded, query, at).await);
        assert_eq!(theirs, ours, "{query}");
    }
    let ours = embedded.range("up", at - QUERY_MAX, at).await.unwrap();
    assert_eq!(ours, source.range("up", at - QUERY_MAX, at).await.unwrap());
    assert!(embedded.range("up[1m]", at, at).await.is_err() && source.range("up[1m]", at, at).await.is_err());
}

/// What any source answers, elements in the order of their labels.
async fn answer(source: &impl Source, query: &str, at: Timestamp) -> Value {
    let answered = source.ask(query, at).await.unwrap_or_else(|why| panic!("{query}: {why}"));
    match answered.value {
        Value::Vector(mut elements) => {
            elements.sort_by_key(|element| element.labels.to_string());
            Value::Vector(elements)
        }
        other => other,
    }
}
