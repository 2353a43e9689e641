//! Prometheus's HTTP API as its users ask it, of the real daemon in this process, and `atalaya query`, the real binary.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use atalaya::clock::{Clock, Stopwatch};
use atalaya::config;
use atalaya::daemon::{Daemon, DaemonSpec, ServiceSpec};
use atalaya::transport::{HttpClient, install_crypto_provider};
use axum::Router;
use serde_json::{Value, json};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

const PAGE: &str = "# HELP requests_total Requests.\n# TYPE requests_total counter\n\
    requests_total{code=\"200\",pod=\"a\"} 10\nrequests_total{code=\"500\",pod=\"a\"} 2\n\
    # TYPE heat gauge\nheat{room=\"k\u{fc}che\"} 21.5\nother{x=\"1\"} 1\n{\"http.size\",\"a.b\"=\"c\"} 1e-9\n";

const RULES: &str = "
groups:
  - name: g
    rules:
      - {record: errors, expr: 'requests_total{code=\"500\"}'}
      - {record: reads, expr: 'requests_total + ignoring (x) heat or {\"http.size\"}'}
";

/// A daemon that has scraped a page, and who asks it.
struct World {
    daemon: Daemon,
    address: SocketAddr,
    client: HttpClient,
    _directory: tempfile::TempDir,
}

/// What was answered: the status, and the JSON.
type Answer = (u16, Value);

impl World {
    async fn new() -> Self {
        install_crypto_provider();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let target = listener.local_addr().expect("it is bound");
        let app = Router::new().fallback(async || {
            ([("content-type", "text/plain; version=1.0.0; escaping=allow-utf-8")], PAGE.to_owned())
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let text = format!(
            "
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
scrape_configs:
  - {{job_name: j, static_configs: [{{targets: ['{target}'], labels: {{instance: i}}}}]}}
rule_files: [rules.yaml]
"
        );
        let read = |path: &Path| Ok(if path.ends_with("rules.yaml") { RULES.to_owned() } else { text.clone() });
        let config = config::load(Path::new("atalaya.yaml"), &read).unwrap_or_else(|problems| panic!("{problems}"));
        let directory = tempfile::tempdir().expect("there is room");
        let spec = DaemonSpec {
            config,
            data_dir: directory.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            clock: Clock::wall(),
            notes: None,
            service: ServiceSpec::default(),
        };
        let daemon = Daemon::start(spec).await.expect("it can start");
        let (address, client) = (daemon.address(), HttpClient::new().expect("it can be built"));
        let world = Self { daemon, address, client, _directory: directory };
        let since = Stopwatch::start();
        while world.get("query?query=requests_total").await.1["data"]["result"] == json!([]) {
            assert!(since.elapsed() < PATIENCE, "waited in vain for a scrape");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1/{path}", self.address)
    }

    async fn get(&self, path: &str) -> Answer {
        answer(self.client.client().get(self.url(path))).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let call = self.client.client().post(self.url(path));
        answer(call.header("content-type", "application/x-www-form-urlencoded").body(form)).await
    }

    /// The error of a request, with its kind.
    async fn refused(&self, path: &str, form: &[(&str, &str)]) -> (u16, String, String) {
        let (status, body) = self.post(path, form).await;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(body["status"], "error", "{path}: {body}");
        (status, text("errorType"), text("error"))
    }

    async fn metrics(&self) -> String {
        let call = self.client.client().get(format!("http://{}/metrics", self.address));
        call.send().await.expect("it answers").text().await.expect("it is a text")
    }

    /// Whether both threads answer.
    async fn is_healthy(&self) -> bool {
        let call = self.client.client().get(format!("http://{}/-/healthy", self.address));
        call.send().await.is_ok_and(|answer| answer.status() == 200)
    }

    async fn stop(self) {
        self.daemon.run_until(std::future::ready(())).await.expect("it ends");
    }
}

async fn answer(call: reqwest::RequestBuilder) -> Answer {
    let answer = call.timeout(PATIENCE).send().await.expect("it answers");
    let status = answer.status().as_u16();
    let body = answer.bytes().await.expect("it is whole");
    let text = String::from_utf8_lossy(&body).into_owned();
    (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{status} {text}: {error}")))
}

fn success(data: impl Into<Value>) -> Answer {
    (200, json!({"status": "success", "data": data.into()}))
}

fn names(all: &[&str]) -> Answer {
    success(json!(all))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_answered() {
    let world = World::new().await;
    let (_, body) = world.get("query?query=requests_total%7Bcode%3D%22500%22%7D").await;
    let element = &body["data"]["result"][0];
    let labels = json!({"__name__": "requests_total", "code": "500", "instance": "i", "job": "j", "pod": "a"});
    assert_eq!((&body["data"]["resultType"], &element["metric"]), (&json!("vector"), &labels));
    assert_eq!((&element["value"][1], body.get("warnings")), (&json!("2"), None));
    assert_eq!(
        world.post("query", &[("query", "1e-9"), ("time", "5.5")]).await,
        success(json!({"resultType": "scalar", "result": [5.5, "0.000000001"]}))
    );
    let size = world.post("query", &[("query", "{\"http.size\"}")]).await.1;
    assert_eq!(size["data"]["result"][0]["value"][1], json!("1e-09"));

    let range = [("query", "time()"), ("start", "10"), ("end", "20"), ("step", "5")];
    let expected = json!([{"metric": {}, "values": [[10, "10"], [15, "15"], [20, "20"]]}]);
    let expected = success(json!({"resultType": "matrix", "result": expected}));
    assert_eq!(world.post("query_range", &range).await, expected);
    assert_eq!(world.get("query_range?query=time()&start=10&end=1970-01-01T00:00:20Z&step=5s").await, expected);

    let limited = world.post("query", &[("query", "heat or requests_total"), ("limit", "1")]).await.1;
    assert_eq!(limited["data"]["result"].as_array().map(Vec::len), Some(1));
    assert_eq!(limited["warnings"], json!(["results truncated due to limit"]));
    let stats = world.post("query", &[("query", "requests_total"), ("stats", "true")]).await.1;
    assert_eq!(stats["data"]["stats"]["samples"]["totalQueryableSamples"], json!(2));
    assert!(stats["data"]["stats"]["timings"]["execTotalTime"].as_f64().is_some_and(|it| it > 0.0));

    // A minute after the last scrape there is something within five minutes and nothing within one.
    let later = (Clock::wall().now() + Duration::from_secs(60)).seconds().to_string();
    let count = async |lookback: &str| {
        let form = [("query", "count(requests_total)"), ("time", later.as_str()), ("lookback_delta", lookback)];
        world.post("query", &form).await.1["data"]["result"].as_array().map(Vec::len)
    };
    assert_eq!((count("").await, count("30s").await), (Some(1), Some(0)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_known_is_told() {
    let world = World::new().await;
    let told = async |query: &str| world.post("query", &[("query", query)]).await.1;
    let quantile = told("quantile(2, heat)").await;
    let warning = "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)";
    assert_eq!(quantile["warnings"], json!([warning]));
    // Of a single sample there is no rate, and nothing to tell.
    while told("count_over_time(heat[1m]) > 1").await["data"]["result"] == json!([]) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let info = told("rate(heat[1m])").await["infos"][0].as_str().unwrap_or_default().to_owned();
    assert!(info.starts_with("PromQL info: metric might not be a counter"), "{info}");
    let range = [("query", "rate(heat[1m])"), ("start", "0"), ("end", "60"), ("step", "60")];
    let past = world.post("query_range", &range).await.1;
    assert!(past["warnings"][0].as_str().is_some_and(|it| it.contains("and may be kept for no more than")), "{past}");
    // No rule reads it, so nothing is stored.
    let other = told("other").await;
    assert_eq!(other["data"]["result"], json!([]));
    assert!(other["warnings"][0].as_str().is_some_and(|it| it.starts_with("`other` is not kept whole")), "{other}");
    let series = world.post("series", &[("match[]", "other")]).await.1;
    assert!(series["warnings"][0].as_str().is_some_and(|it| it.starts_with("`other` is not kept whole")), "{series}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_and_their_labels_are_listed() {
    let world = World::new().await;
    let series = json!([
        {"__name__": "requests_total", "code": "200", "instance": "i", "job": "j", "pod": "a"},
        {"__name__": "requests_total", "code": "500", "instance": "i", "job": "j", "pod": "a"},
    ]);
    assert_eq!(
        world.get("series?match[]=requests_total&match[]=%7B__name__%3D%22requests_total%22%7D").await,
        success(series)
    );
    assert_eq!(world.post("series", &[("match[]", "requests_total"), ("start", "0"), ("end", "1")]).await, names(&[]));
    assert_eq!(world.get("labels").await, names(&["__name__", "a.b", "code", "instance", "job", "pod", "room"]));
    assert_eq!(world.post("labels", &[("match[]", "heat")]).await, names(&["__name__", "instance", "job", "room"]));
    let kept = ["heat", "http.size", "requests_total"];
    let (_, values) = world.get("label/__name__/values").await;
    let values: Vec<&str> = values["data"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(kept.iter().all(|name| values.contains(name)) && !values.contains(&"other"), "{values:?}");
    assert_eq!(world.get("label/code/values").await, names(&["200", "500"]));
    assert_eq!(world.get("label/room/values?match[]=heat").await, names(&["k\u{fc}che"]));
    assert_eq!(world.get("label/U__a_2e_b/values").await, names(&["c"]));
    assert_eq!(world.get("label/a.b/values").await, names(&["c"]));
    let (_, limited) = world.get("label/code/values?limit=1").await;
    assert_eq!(
        (&limited["data"], &limited["warnings"][0]),
        (&json!(["200"]), &json!("results truncated due to limit"))
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_grafana_asks_besides_is_answered() {
    let world = World::new().await;
    let (_, metadata) = world.get("metadata").await;
    let requests = json!([{"type": "counter", "help": "Requests.", "unit": ""}]);
    assert_eq!(
        (&metadata["data"]["requests_total"], &metadata["data"]["heat"][0]["type"]),
        (&requests, &json!("gauge"))
    );
    assert_eq!(world.get("metadata?metric=requests_total&limit=5").await, success(json!({"requests_total": requests})));
    let exemplars = [("query", "heat"), ("start", "0"), ("end", "60")];
    assert_eq!(world.post("query_exemplars", &exemplars).await, success(json!([])));
    assert_eq!(world.get("query_exemplars?query=1").await, (200, json!({"status": "success"})));
    assert_eq!(
        world.post("format_query", &[("query", "sum(heat)by(room)")]).await,
        success(json!("sum by (room) (heat)"))
    );
    let (_, tree) = world.post("parse_query", &[("query", "1 + heat")]).await;
    assert_eq!((&tree["data"]["type"], &tree["data"]["rhs"]["name"]), (&json!("binaryExpr"), &json!("heat")));
    let (_, build) = world.get("status/buildinfo").await;
    let version = build["data"]["version"].as_str().unwrap_or_default();
    // Grafana takes the version for Prometheus's, and asks accordingly.
    assert!(version.starts_with("3."), "{build}");
    assert_eq!(build["data"]["application"], json!("Atalaya"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    let check = async |path: &str, form: &[(&str, &str)], status: u16, kind: &str, what: &str| {
        let (got, got_kind, error) = world.refused(path, form).await;
        assert_eq!((got, got_kind.as_str()), (status, kind), "{path} {form:?}: {error}");
        assert!(error.contains(what), "{path} {form:?}: {error}");
    };
    check("query", &[("query", "sum(")], 400, "bad_data", "invalid parameter \"query\": 1:5: parse error: ").await;
    check("query", &[("query", "1"), ("time", "x")], 400, "bad_data", "invalid parameter \"time\"").await;
    check("query", &[("query", "1"), ("limit", "-1")], 400, "bad_data", "limit must be non-negative").await;
    check("query", &[("query", "heat + on (x) group_left () (requests_total or heat)")], 422, "execution", "1:").await;
    check("query", &[("query", "heat"), ("timeout", "0")], 503, "timeout", "query timed out").await;
    let text = [("query", "'a'"), ("start", "0"), ("end", "1"), ("step", "1")];
    check("query_range", &text, 400, "bad_data", "invalid expression type \"string\" for range query").await;
    check("series", &[], 400, "bad_data", "no match[] parameter provided").await;
    check("series", &[("match[]", "a[")], 400, "bad_data", "parse error").await;
    check("series", &[("match[]", "sum(a)")], 400, "bad_data", "is no series selector").await;
    let many = vec![("match[]", "a"); 101];
    check("labels", &many, 400, "bad_data", "there may be 100 of them").await;
    check("query_exemplars", &[("query", "a"), ("start", "2"), ("end", "1")], 400, "bad_data", "end timestamp").await;
    assert_eq!(world.get("label//values").await.0, 400);
    assert_eq!(world.get("nosuch").await.0, 404);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_take_everything_is_bounded() {
    let world = World::new().await;
    let nested = format!("{}heat{}", "(".repeat(10_000), ")".repeat(10_000));
    let (status, kind, error) = world.refused("query", &[("query", &nested)]).await;
    assert_eq!((status, kind.as_str()), (400, "bad_data"), "{error}");
    assert!(error.contains("nested deeper than"), "{error}");
    let megabyte = format!("heat{}", " + heat".repeat(1_000_000 / 7));
    let (status, kind, error) = world.refused("query", &[("query", &megabyte)]).await;
    assert_eq!((status, kind.as_str()), (400, "bad_data"), "{error}");
    for bomb in ["((a{1000}){1000}){1000}", &"(".repeat(5000)] {
        let query = format!("heat{{room=~\"{bomb}\"}}");
        let (status, _, error) = world.refused("query", &[("query", &query)]).await;
        assert!(status == 400 && error.contains("is not a regular expression"), "{error}");
    }
    // This one is no bomb: no regular expression takes more than linear time.
    let slow = format!("heat{{room!~\"{}\"}}", "(x+x+)+y".repeat(50));
    assert_eq!(world.post("query", &[("query", &slow)]).await.0, 200);
    let everything = "sum_over_time((sum_over_time({__name__=~\".+\"}[1h:1ms]))[1h:1ms])";
    let (status, kind, error) = world.refused("query", &[("query", everything)]).await;
    assert_eq!((status, kind.as_str()), (422, "execution"), "{error}");
    assert!(error.contains("looks at more than"), "{error}");
    let form = [
        ("query", "count_over_time(heat[1h:1s])"),
        ("start", "0"),
        ("end", "11000"),
        ("step", "1"),
        ("timeout", "50ms"),
    ];
    let (status, kind, error) = world.refused("query_range", &form).await;
    assert_eq!((status, kind.as_str()), (503, "timeout"), "{error}");
    assert!(world.is_healthy().await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_answered_who_has_gone() {
    let world = World::new().await;
    let range = "query_range?query=count_over_time(heat%5B1h:1s%5D)&start=0&end=11000&step=1";
    // It takes a second or more; whoever asks waits for a tenth of one.
    let call = world.client.client().get(world.url(range)).timeout(Duration::from_millis(100));
    assert!(call.send().await.is_err());
    // Small queries have their turn meanwhile.
    let since = Stopwatch::start();
    assert_eq!(world.get("query?query=1").await.0, 200);
    while !world.metrics().await.contains("atalaya_api_queries_total{result=\"canceled\"} 1") {
        assert!(since.elapsed() < PATIENCE, "{}", world.metrics().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop().await;
}

/// What `atalaya query` writes.
async fn typed(arguments: &[&str]) -> Output {
    let command = tokio::task::spawn_blocking({
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_atalaya"));
        command.arg("query").args(arguments);
        move || command.output()
    });
    command.await.expect("it ends").expect("it can be run")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_read_on_a_terminal() {
    let world = World::new().await;
    let source = world.address.to_string();
    let run = async |expr: &str, more: &[&str]| {
        let Output { status, stdout, stderr } = typed(&[&[expr, "--source", &source], more].concat()).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is a text");
        (status.code(), text(stdout), text(stderr))
    };
    let told = |stdout: &str, stderr: &str| (Some(0), stdout.to_owned(), stderr.to_owned());
    let table = "requests_total{instance=\"i\", job=\"j\", pod=\"a\"}\nVALUE  code\n    2  500\n   10  200\n";
    assert_eq!(run("sort(requests_total)", &[]).await, told(table, ""));
    assert_eq!(run("1 + 1", &[]).await, told("2\n", ""));
    assert_eq!(run("nosuch or heat > 99", &[]).await.0, Some(0));
    let range = ["--from", "10", "--to", "20", "--step", "5s"];
    let (code, course, _) = run("time()", &range).await;
    assert!(code == Some(0) && course.contains("LAST  MIN  MAX  COURSE\n  20   10   20  ▁"), "{course}");
    let (_, json, _) = run("vector(1)", &["--at", "5", "--output", "json"]).await;
    assert_eq!(json, "{\"result\":[{\"metric\":{},\"value\":[5,\"1\"]}],\"resultType\":\"vector\"}\n");
    let (code, stdout, stderr) = run("sum(heat by)", &[]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("\nsum(heat by)\n         ^^"), "{stderr}");
    let (_, _, stderr) = run("quantile(2, heat)", &[]).await;
    assert!(stderr.starts_with("warning: PromQL warning: quantile value"), "{stderr}");
    assert_eq!(run("heat", &["--at", "noon"]).await.0, Some(2));
    assert_eq!(run("heat", &["--nosuch"]).await.0, Some(2));
    world.stop().await;
    let (code, _, stderr) = run("heat", &[]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with(&format!("cannot ask `{source}`: ")), "{stderr}");
}
