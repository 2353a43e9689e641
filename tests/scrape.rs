//! Targets that misbehave, on loopback: each ends in a message and in `up` 0, and the scraper goes on. And those that are
//! found by files and by a URL.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atalaya::clock::{Clock, Stopwatch};
use atalaya::config::{self, Config};
use atalaya::evaluator::{Evaluator, EvaluatorSpec, Scrape, ScrapeReport, ScrapeTarget};
use atalaya::promql::{self, Value};
use atalaya::source::{Scrapes, TargetHealth, TargetsChanged};
use atalaya::store::Retain;
use atalaya::telemetry::{MetricsFormat, Telemetry};
use atalaya::transport::{HttpClient, HttpClients, Secrets, install_crypto_provider};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::sync::mpsc;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What targets hear and say.
#[derive(Clone, Default)]
struct World {
    /// The headers of the last call, by path.
    heard: Arc<Mutex<BTreeMap<String, HeaderMap>>>,
    /// What `/list` lists.
    list: Arc<Mutex<String>>,
}

impl World {
    async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let world = self.clone();
        let app = Router::new().fallback(async move |uri: Uri, headers: HeaderMap| world.answer(&uri, headers).await);
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    async fn answer(&self, uri: &Uri, headers: HeaderMap) -> Response {
        let path_and_query = uri.path_and_query().map_or("", |it| it.as_str()).to_owned();
        self.heard.lock().expect("no one panics with it").insert(path_and_query, headers);
        let kind = |kind: &'static str, page: &'static str| ([(header::CONTENT_TYPE, kind)], page).into_response();
        match uri.path() {
            "/good" => "a 1\nb{x=\"y\"} 2\n".into_response(),
            "/slow" => std::future::pending().await,
            "/endless" => {
                let piece = Bytes::from("a 1\n");
                let pieces = futures(move || {
                    let piece = piece.clone();
                    async move {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        piece
                    }
                });
                ([(header::CONTENT_TYPE, "text/plain")], pieces).into_response()
            }
            "/flood" => {
                let piece = Bytes::from("a 1\n".repeat(4096));
                let pieces = futures(move || std::future::ready(piece.clone()));
                ([(header::CONTENT_TYPE, "text/plain")], pieces).into_response()
            }
            "/garbage" => {
                let piece = Bytes::from("this is no metric\n".repeat(1024));
                let pieces = futures(move || std::future::ready(piece.clone()));
                ([(header::CONTENT_TYPE, "text/plain")], pieces).into_response()
            }
            "/bomb" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(&b"# nothing to see here\n".repeat(500_000)).expect("memory takes it");
                let body = encoder.finish().expect("memory takes it");
                ([(header::CONTENT_TYPE, "text/plain"), (header::CONTENT_ENCODING, "gzip")], body).into_response()
            }
            "/html" => kind("text/html", "<!DOCTYPE html><html><body>Sign in</body></html>"),
            "/unknown" => kind("application/octet-stream", "a 1\n"),
            "/open" => kind("application/openmetrics-text; version=1.0.0", "# TYPE a counter\na_total 1\n# EOF\n"),
            "/cut" => kind("application/openmetrics-text; version=1.0.0", "# TYPE a counter\na_total 1\n"),
            "/twice" => "a 1\na 2\n".into_response(),
            "/past" => {
                // A moment that only falls.
                let now = Clock::wall().now().millis();
                format!("a 1 {}\n", i64::MAX / 4_000_000 - now).into_response()
            }
            "/future" => format!("a 1 {}\n", Clock::wall().now().millis() + 3_600_000).into_response(),
            "/moved" => Redirect::temporary("/good").into_response(),
            "/circle" => Redirect::temporary("/circle").into_response(),
            "/list" => {
                let list = self.list.lock().expect("no one panics with it").clone();
                ([(header::CONTENT_TYPE, "application/json")], list).into_response()
            }
            _ => axum::http::StatusCode::IM_A_TEAPOT.into_response(),
        }
    }
}

/// A body of pieces that never ends.
fn futures<F: Future<Output = Bytes> + Send + 'static>(mut next: impl FnMut() -> F + Send + 'static) -> Body {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(4);
    tokio::spawn(async move { while sender.send(Ok(next().await)).await.is_ok() {} });
    Body::new(Pieces(receiver))
}

struct Pieces(mpsc::Receiver<Result<Bytes, Infallible>>);

impl axum::body::HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(http_body::Frame::data)))
    }
}

enum Told {
    Scrape(Scrape),
    Targets(Vec<ScrapeTarget>),
}

impl From<Scrape> for Told {
    fn from(scrape: Scrape) -> Self {
        Self::Scrape(scrape)
    }
}

impl From<TargetsChanged> for Told {
    fn from(change: TargetsChanged) -> Self {
        Self::Targets(change.targets)
    }
}

/// Scrapes and an evaluator that takes in what they bring.
struct Session {
    scrapes: Scrapes,
    told: mpsc::Receiver<Told>,
    evaluator: Evaluator,
    telemetry: Telemetry,
    /// The targets that there are, by job and URL.
    targets: Vec<String>,
    clock: Clock,
}

fn load(jobs: &str) -> Config {
    let text = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nroute: {{receiver: people}}\n\
         receivers: [{{name: people, webhook_configs: [{{url: 'http://127.0.0.1:9099/'}}]}}]\nscrape_configs:\n{jobs}"
    );
    config::load(Path::new("atalaya.yaml"), &|_| Ok(text.clone())).unwrap_or_else(|problems| panic!("{problems}"))
}

fn clients(config: &Config) -> HttpClients {
    install_crypto_provider();
    let secrets = Secrets::new(config.secrets.iter().cloned());
    let http = HttpClient::new().expect("there is a client");
    HttpClients::new(http, config.clients.iter().cloned(), secrets).expect("there are clients")
}

impl Session {
    fn start(jobs: &str) -> Self {
        let config = load(jobs);
        let (out, told) = mpsc::channel(64);
        let (clock, telemetry) = (Clock::wall(), Telemetry::new());
        let clients = clients(&config);
        let scrapes = Scrapes::start(config.scrape.clone(), clients, clock.clone(), telemetry.clone(), out);
        let spec = EvaluatorSpec { retain: Retain::All, ..config.evaluator_spec() };
        let evaluator = Evaluator::new(spec, Vec::new());
        Self { scrapes, told, evaluator, telemetry, targets: Vec::new(), clock }
    }

    /// Takes in what comes next, and says what came of it.
    async fn next(&mut self) -> Option<(String, ScrapeReport)> {
        let told =
            tokio::time::timeout(PATIENCE, self.told.recv()).await.expect("something comes").expect("it goes on");
        match told {
            Told::Scrape(scrape) => {
                let job = scrape.target.as_str().split('/').next().unwrap_or_default().to_owned();
                Some((job, self.evaluator.ingest(&scrape)))
            }
            Told::Targets(targets) => {
                self.targets = targets.iter().map(|target| target.id.to_string()).collect();
                self.evaluator.set_targets(targets, self.clock.now());
                None
            }
        }
    }

    /// The reports of a job's next scrapes.
    async fn reports(&mut self, job: &str, count: usize) -> Vec<ScrapeReport> {
        let mut reports = Vec::new();
        while reports.len() < count {
            reports.extend(self.next().await.filter(|(name, _)| name == job).map(|(_, report)| report));
        }
        reports
    }

    /// Goes on until this holds of the targets.
    async fn until_targets(&mut self, want: &[String]) {
        let since = Stopwatch::start();
        while self.targets != want {
            assert!(since.elapsed() < PATIENCE, "{:?} instead of {want:?}", self.targets);
            self.next().await;
        }
    }

    /// The elements of a query's result.
    fn query(&self, query: &str) -> Vec<String> {
        let expr = promql::parse(query).expect("the query can be read");
        let at = self.clock.now() + Duration::from_millis(600);
        match self.evaluator.query(&expr, at).expect("it can be evaluated").value {
            Value::Vector(elements) => elements.iter().map(|it| format!("{} {}", it.labels, it.value)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn job(name: &str, path: &str, address: SocketAddr, more: &str) -> String {
    format!("- {{job_name: {name}, metrics_path: {path}, static_configs: [{{targets: ['{address}']}}]{more}}}\n")
}

#[tokio::test]
async fn each_kind_of_failure_has_its_message_and_the_scraper_goes_on() {
    let address = World::default().serve().await;
    let short = ", scrape_timeout: 100ms";
    let long = ", scrape_interval: 2s, scrape_timeout: 2s";
    let cases = [
        ("slow", "/slow", short, "no answer within 100ms"),
        ("endless", "/endless", short, "the page did not end within 100ms"),
        (
            "flood",
            "/flood",
            ", scrape_timeout: 2s, scrape_interval: 2s, body_size_limit: 1MB",
            "the page is larger than 1048576 bytes, the `body_size_limit`",
        ),
        ("garbage", "/garbage", long, "line 1, column 6: the value `is` is not a number"),
        (
            "bomb",
            "/bomb",
            ", scrape_timeout: 2s, scrape_interval: 2s, body_size_limit: 64KB",
            "the page is larger than 65536 bytes, the `body_size_limit`",
        ),
        ("html", "/html", "", "the target answered with an HTML page, not metrics: is `metrics_path` right?"),
        (
            "forced",
            "/html",
            ", fallback_scrape_protocol: PrometheusText0.0.4",
            "the target answered with an HTML page, not metrics: is `metrics_path` right?",
        ),
        (
            "unknown",
            "/unknown",
            "",
            "the page is `application/octet-stream`, which is no format of metrics that we read; `fallback_scrape_protocol` says how to read it",
        ),
        ("teapot", "/teapot", "", "the target answered 418 I'm a teapot"),
        (
            "moved",
            "/moved",
            ", follow_redirects: false",
            "the target answered 307 Temporary Redirect, and `follow_redirects` is off",
        ),
        ("circle", "/circle", "", "the target sends its callers elsewhere too often, or in circles"),
        ("cut", "/cut", "", "line 3, column 1: the page does not end with `# EOF`: it may have been cut off"),
        ("many", "/good", ", sample_limit: 1", "the page has more than 1 samples after relabeling, the `sample_limit`"),
        ("labels", "/good", ", label_limit: 3", "`b` has 4 labels, its name included; the `label_limit` is 3"),
    ];
    let jobs: String = cases.iter().map(|(name, path, more, _)| job(name, path, address, more)).collect();
    let closed = job("closed", "/", "127.0.0.1:1".parse().unwrap(), "");
    let mut session = Session::start(&format!("{jobs}{closed}"));
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let since = Stopwatch::start();
    // Each fails twice: the scraper goes on.
    while seen.len() < cases.len() + 1 || seen.values().any(|errors| errors.len() < 2) {
        assert!(since.elapsed() < PATIENCE, "{seen:?}");
        if let Some((job, report)) = session.next().await {
            let error = report.error.unwrap_or_else(|| panic!("`{job}` can be scraped"));
            seen.entry(job).or_default().push(error);
        }
    }
    for (name, _, _, want) in cases {
        assert!(seen[name].iter().all(|error| error == want), "{name}: {:?}", seen[name]);
    }
    assert!(seen["closed"][0].starts_with("cannot connect: "), "{:?}", seen["closed"]);
    assert_eq!(session.query("count(up == 0)"), [format!("{{}} {}", cases.len() + 1)]);
    assert_eq!(session.query("up == 1"), [""; 0]);
    assert_eq!(session.query(r#"scrape_samples_scraped{job="many"}"#).len(), 1);
    let view = session.scrapes.watch().targets(&session.evaluator.targets(), "");
    assert_eq!(view.active.len(), cases.len() + 1);
    assert!(view.active.iter().all(|target| target.health == TargetHealth::Down && !target.error.is_empty()));
    session.scrapes.shutdown().await;
    while session.told.recv().await.is_some() {}
}

#[tokio::test]
async fn what_is_odd_on_a_page_is_counted_and_the_page_counts() {
    let world = World::default();
    let address = world.serve().await;
    let fallback = ", fallback_scrape_protocol: PrometheusText0.0.4";
    let jobs = [
        job("twice", "/twice", address, ""),
        job("past", "/past", address, ""),
        job("future", "/future", address, ""),
        job("moved", "/moved", address, ", extra_scrape_metrics: true"),
        job("open", "/open", address, ""),
        job("unknown", "/unknown", address, fallback),
    ];
    let mut session = Session::start(&jobs.concat());
    let mut last = BTreeMap::new();
    let since = Stopwatch::start();
    let mut count = 0;
    while last.len() < jobs.len() || count < 3 * jobs.len() {
        assert!(since.elapsed() < PATIENCE, "{last:?}");
        if let Some((job, report)) = session.next().await {
            assert_eq!(report.error, None, "{job}");
            last.insert(job, report);
            count += 1;
        }
    }
    assert_eq!((last["twice"].duplicates, last["twice"].dropped, last["twice"].stored), (1, 1, 1));
    assert_eq!((last["past"].out_of_order, last["past"].stored), (1, 0));
    assert_eq!((last["future"].in_future, last["future"].stored), (1, 0));
    assert_eq!((last["moved"].stored, last["open"].stored, last["unknown"].stored), (2, 1, 1));
    assert_eq!(session.query("count(up == 1)"), [format!("{{}} {}", jobs.len())]);
    let instance = format!("instance=\"{address}\"");
    assert_eq!(
        session.query("scrape_body_size_bytes"),
        [format!("scrape_body_size_bytes{{{instance}, job=\"moved\"}} 15")]
    );
    assert_eq!(session.query("a_total"), [format!("a_total{{{instance}, job=\"open\"}} 1")]);
}

#[tokio::test]
async fn targets_are_asked_as_prometheus_asks_them() {
    let world = World::default();
    let address = world.serve().await;
    let jobs = format!(
        "{}- job_name: probe\n  metrics_path: /good\n  params: {{module: [icmp]}}\n  enable_compression: false\n  \
         basic_auth: {{username: u, password: hunter2}}\n  static_configs: [{{targets: ['https://a.example/']}}]\n  \
         relabel_configs:\n  - {{source_labels: [__address__], target_label: __param_target}}\n  \
         - {{target_label: __address__, replacement: '{address}'}}\n  - {{source_labels: [__param_target], target_label: instance}}\n",
        job("plain", "/good", address, "")
    );
    let mut session = Session::start(&jobs);
    session.reports("plain", 1).await;
    session.reports("probe", 1).await;
    let heard = world.heard.lock().unwrap().clone();
    let header =
        |path: &str, name: &str| heard[path].get(name).and_then(|it| it.to_str().ok()).unwrap_or("").to_owned();
    let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                  application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                  text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    assert_eq!(header("/good", "accept"), accept);
    assert_eq!(header("/good", "x-prometheus-scrape-timeout-seconds"), "0.5");
    assert_eq!(header("/good", "accept-encoding"), "gzip");
    assert!(header("/good", "user-agent").starts_with("Atalaya/"));
    let probe = "/good?module=icmp&target=https%3A%2F%2Fa.example%2F";
    assert_eq!(header(probe, "accept-encoding"), "identity");
    assert_eq!(header(probe, "authorization"), "Basic dTpodW50ZXIy");
    assert_eq!(session.query(r#"up{job="probe"}"#), [r#"up{instance="https://a.example/", job="probe"} 1"#]);
}

#[tokio::test]
async fn files_and_urls_list_targets_and_a_bad_list_keeps_them() {
    let world = World::default();
    let address = world.serve().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.json");
    let pattern = directory.path().join("*.json");
    let list =
        |path: &str| format!(r#"[{{"targets": ["{address}"], "labels": {{"__metrics_path__": "{path}", "x": "y"}}}}]"#);
    std::fs::write(&file, list("/good")).unwrap();
    *world.list.lock().unwrap() = list("/good?");
    let jobs = format!(
        "- job_name: files\n  file_sd_configs: [{{files: ['{}'], refresh_interval: 50ms}}]\n  \
         relabel_configs: [{{source_labels: [__meta_filepath], regex: '.*/a.json', target_label: file, replacement: a}}]\n\
         - job_name: http\n  http_sd_configs: [{{url: 'http://{address}/list', refresh_interval: 50ms}}]\n  \
         relabel_configs: [{{action: drop, source_labels: [x], regex: z}}]\n",
        pattern.display()
    );
    let mut session = Session::start(&jobs);
    let both =
        |file: &str, http: &str| [format!("files/http://{address}{file}"), format!("http/http://{address}{http}")];
    session.until_targets(&both("/good", "/good%3F")).await;
    session.reports("files", 1).await;
    let found = format!("up{{file=\"a\", instance=\"{address}\", job=\"files\", x=\"y\"}} 1");
    assert_eq!(session.query(r#"up{job="files"}"#), [found]);
    // Bad lists change nothing, and are counted.
    std::fs::write(&file, "[{").unwrap();
    *world.list.lock().unwrap() = "no list".to_owned();
    let since = Stopwatch::start();
    let failed = |page: &str| {
        let of = |mechanism: &str| format!("atalaya_discoveries_total{{mechanism=\"{mechanism}\",result=\"error\"}} ");
        page.contains(&of("file")) && page.contains(&of("http"))
    };
    while !failed(&session.telemetry.render(MetricsFormat::Text)) {
        assert!(since.elapsed() < PATIENCE, "{}", session.telemetry.render(MetricsFormat::Text));
        session.next().await;
    }
    assert_eq!(session.targets, both("/good", "/good%3F"));
    // Others take over, and the series of those before end.
    std::fs::write(&file, list("/twice")).unwrap();
    *world.list.lock().unwrap() = list("/good").replace("\"y\"", "\"z\"");
    session.until_targets(&[format!("files/http://{address}/twice")]).await;
    assert_eq!(session.query(r#"up{job="http"}"#), [""; 0]);
    let view = session.scrapes.watch().targets(&session.evaluator.targets(), "");
    assert_eq!((view.dropped.len(), view.dropped_counts["http"]), (1, 1));
    assert_eq!(view.dropped[0].discovered.get("__meta_url"), format!("http://{address}/list"));
    session.reports("files", 2).await;
}

#[tokio::test]
async fn a_reload_leaves_what_is_as_it_was_alone() {
    let world = World::default();
    let address = world.serve().await;
    *world.list.lock().unwrap() = format!(r#"[{{"targets": ["{address}"]}}]"#);
    let found = format!(
        "- {{job_name: found, metrics_path: /good, http_sd_configs: [{{url: 'http://{address}/list', refresh_interval: 1h}}]}}\n"
    );
    let mut session = Session::start(&format!("{}{found}", job("a", "/good", address, "")));
    let id = |job: &str, path: &str| format!("{job}/http://{address}{path}");
    session.until_targets(&[id("a", "/good"), id("found", "/good")]).await;
    session.reports("found", 1).await;
    let config = load(&format!("{}{found}", job("b", "/moved", address, "")));
    let expected = session.scrapes.expected(&config.scrape);
    let ids: Vec<&str> = expected.iter().map(|target| target.id.as_str()).collect();
    assert_eq!(ids, [id("b", "/moved"), id("found", "/good")]);
    let asked_before = world.heard.lock().unwrap().remove("/list").is_some();
    let clients = clients(&config);
    let reload = session.scrapes.reload(config.scrape, clients);
    tokio::time::timeout(PATIENCE, reload).await.expect("it ends");
    session.until_targets(&[id("b", "/moved"), id("found", "/good")]).await;
    let reports = session.reports("found", 1).await;
    assert_eq!((reports[0].added, &reports[0].error), (0, &None), "the series are known as before");
    session.reports("b", 1).await;
    assert!(asked_before && !world.heard.lock().unwrap().contains_key("/list"), "the list is not asked for again");
}

#[tokio::test]
async fn with_more_targets_than_allowed_none_is_asked() {
    let world = World::default();
    let address = world.serve().await;
    let jobs = format!(
        "- {{job_name: j, metrics_path: /good, target_limit: 1, static_configs: [{{targets: ['{address}', 'localhost:1']}}]}}\n"
    );
    let mut session = Session::start(&jobs);
    let why = "the job has 2 targets; the `target_limit` is 1, and with more none is scraped";
    for report in session.reports("j", 3).await {
        assert_eq!(report.error.as_deref(), Some(why));
    }
    assert!(world.heard.lock().unwrap().is_empty());
    assert_eq!(session.query("count(up == 0)"), ["{} 2"]);
}
