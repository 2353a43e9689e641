//! The remote source against APIs that answer, misbehave, or are slow, and against a real Prometheus where there is one.

mod prometheus;

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atalaya::evaluator::{Answered, Question, QuestionId};
use atalaya::model::{ClientName, Labels, SecretName, SourceName, Timestamp};
use atalaya::promql::{Element, Value};
use atalaya::source::{RemoteAnswer, RemoteSource, RemoteSources, RemoteSpec, Source};
use atalaya::telemetry::{MetricsFormat, Telemetry};
use atalaya::transport::{
    Authentication, HttpClient, HttpClients, HttpOptions, Part, SecretSource, Secrets, install_crypto_provider,
};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use url::Url;

/// A secret of which no output may show anything.
const SECRET: &str = "hunter2-hunter2-hunter2";
/// Enough for a server on this machine, however busy it is.
const PATIENT: Duration = Duration::from_secs(20);
const IMPATIENT: Duration = Duration::from_millis(100);
/// An answer without elements.
const NOTHING: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

pub(crate) fn at() -> Timestamp {
    Timestamp::from_millis(1_764_000_000_250)
}

/// What an API was asked.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    /// The parameters in the URL and in the form.
    fn params(&self) -> BTreeMap<String, String> {
        let form = [self.uri.query().unwrap_or_default().as_bytes(), &self.body];
        form.iter().flat_map(|text| url::form_urlencoded::parse(text).into_owned()).collect()
    }
}

/// An API on loopback that remembers what it was asked.
struct Api {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
impl Api {
    async fn start<F, R>(answer: impl Fn(Asked) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse,
    {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let request = Asked { method, uri, headers, body };
            kept.lock().unwrap().push(request.clone());
            let answer = answer(request);
            async move { answer.await.into_response() }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url, asked }
    }

    /// One that always gives the same answer.
    async fn saying(status: u16, body: &'static str) -> Self {
        Self::start(move |_| async move { (StatusCode::from_u16(status).unwrap(), body) }).await
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
pub(crate) fn clients(options: Option<HttpOptions>) -> HttpClients {
    install_crypto_provider();
    let secrets = Secrets::new([(SecretName::new("token"), SecretSource::Inline(SECRET.to_owned()))]);
    let options = options.map(|options| (ClientName::new("api"), options));
    HttpClients::new(HttpClient::new().unwrap(), options, secrets).unwrap()
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
pub(crate) fn spec(url: &str, timeout: Duration) -> RemoteSpec {
    RemoteSpec {
        name: SourceName::new("thanos"),
        url: Url::parse(url).unwrap(),
        timeout,
        max_concurrency: 4,
        params: Vec::new(),
        client: None,
    }
}

async fn ask(url: &str, timeout: Duration) -> Result<Answered, String> {
    RemoteSource::new(spec(url, timeout), clients(None)).ask("up", at()).await
}

#[tokio::test]
async fn a_query_is_asked_as_prometheus_wants_it() {
    let answer = r#"{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"__name__":"up","job":"node"},"value":[1764000000.25,"1"]}]},"warnings":["stale"]}"#;
    let api = Api::saying(200, answer).await;
    let options = HttpOptions {
        authentication: Some(Authentication::Header { scheme: "Bearer".into(), credentials: SecretName::new("token") }),
        headers: vec![("X-Scope-OrgID".into(), vec![Part::Plain("enova".into())])],
        ..HttpOptions::default()
    };
    let params = vec![("dedup".to_owned(), "true".to_owned()), ("extra".to_owned(), "a b".to_owned())];
    let spec = RemoteSpec {
        params,
        client: Some(ClientName::new("api")),
        ..spec(&format!("{}/prefix/?team=a%26b", api.url), PATIENT)
    };
    let source = RemoteSource::new(spec, clients(Some(options)));
    let answered = source.ask("up{job=~\"a+b&c\"} > 0", at()).await;
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "node")]);
    let value = Value::Vector(vec![Element { labels, value: 1.0.into() }]);
    assert_eq!(answered, Ok(Answered { value, warnings: vec!["stale".to_owned()] }));

    let asked = &api.asked()[0];
    assert_eq!((&asked.method, asked.uri.path()), (&Method::POST, "/prefix/api/v1/query"));
    assert_eq!(asked.uri.query(), Some("team=a%26b&dedup=true&extra=a+b"));
    assert_eq!(asked.headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(asked.headers[header::AUTHORIZATION], format!("Bearer {SECRET}"));
    assert_eq!(asked.headers["x-scope-orgid"], "enova");
    let params = asked.params();
    assert_eq!(params["query"], "up{job=~\"a+b&c\"} > 0");
    assert_eq!((params["time"].as_str(), params["timeout"].as_str()), ("1764000000.25", "20000ms"));
}

#[tokio::test]
async fn a_large_answer_is_read() {
    let api = Api::start(|_| async {
        let element =
            |at: usize| format!(r#"{{"metric":{{"__name__":"up","instance":"node-{at}"}},"value":[1,"{at}"]}}"#);
        let elements = (0..20_000).map(element).collect::<Vec<_>>().join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{elements}]}}}}"#)
    })
    .await;
    let answered = ask(&api.url, PATIENT).await.unwrap();
    let Value::Vector(elements) = answered.value else { panic!("a vector") };
    assert_eq!((elements.len(), elements[19_999].value.number()), (20_000, 19_999.0));
}

#[tokio::test]
async fn an_api_that_takes_no_post_is_asked_with_get() {
    let api = Api::start(|asked: Asked| async move {
        if asked.method == Method::POST { (StatusCode::METHOD_NOT_ALLOWED, "") } else { (StatusCode::OK, NOTHING) }
    })
    .await;
    let source = RemoteSource::new(spec(&format!("{}/select?x=y", api.url), PATIENT), clients(None));
    for _ in 0..2 {
        assert_eq!(source.ask("a == b", at()).await.map(|answered| answered.value), Ok(Value::Vector(Vec::new())));
    }
    let asked = api.asked();
    let methods: Vec<_> = asked.iter().map(|asked| asked.method.as_str()).collect();
    // The second time we know.
    assert_eq!(methods, ["POST", "GET", "GET"]);
    assert_eq!(asked[1].uri.path(), "/select/api/v1/query");
    let params = asked[1].params();
    assert_eq!(
        (params["query"].as_str(), params["x"].as_str(), params["time"].as_str()),
        ("a == b", "y", "1764000000.25")
    );
}

#[tokio::test]
async fn redirects_keep_the_query() {
    let api = Api::start(|asked: Asked| async move {
        match asked.uri.path() {
            "/old/api/v1/query" => Redirect::temporary("/new/api/v1/query").into_response(),
            _ if asked.params().contains_key("query") => NOTHING.into_response(),
            _ => StatusCode::BAD_REQUEST.into_response(),
        }
    })
    .await;
    assert!(ask(&format!("{}/old", api.url), PATIENT).await.is_ok());
}

#[tokio::test]
async fn raw_samples_are_asked_for_with_a_range() {
    let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"job":"node"},"values":[[1763999940.249,"0"],[1763999940.25,"1"],[1764000000.25,"2"]]}]}}"#;
    let api = Api::saying(200, answer).await;
    let source = RemoteSource::new(spec(&api.url, PATIENT), clients(None));
    let from = at() - Duration::from_secs(60);
    let sampled = source.range("up{job=\"node\"}", from, at()).await.unwrap();
    let samples: Vec<_> = sampled.series[0].samples.iter().map(|sample| (sample.at, sample.value)).collect();
    // Both ends are in it, and nothing before.
    assert_eq!(samples, [(from, 1.0), (at(), 2.0)]);
    let params = api.asked()[0].params();
    assert_eq!((params["query"].as_str(), params["time"].as_str()), ("up{job=\"node\"}[60001ms]", "1764000000.25"));
    let why = source.ask("up[1m]", at()).await.unwrap_err();
    assert_eq!(why, "source `thanos`: expected an instant vector or a number, found a range vector");
}

#[tokio::test]
async fn failures_name_the_source_and_what_happened() {
    let check = |why: Result<Answered, String>, expected: &str| {
        let why = why.unwrap_err();
        assert!(why.starts_with(&format!("source `thanos`: {expected}")), "{why}");
    };
    let error = r#"{"status":"error","errorType":"execution","error":"too many samples"}"#;
    check(ask(&Api::saying(422, error).await.url, PATIENT).await, "too many samples (execution)");
    let html = "<!DOCTYPE html><html>no</html>";
    check(ask(&Api::saying(502, html).await.url, PATIENT).await, "it answered 502 Bad Gateway: an HTML page");
    let malformed = "its answer is not that of a Prometheus API: an HTML page";
    check(ask(&Api::saying(200, html).await.url, PATIENT).await, malformed);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    check(ask(&silent, IMPATIENT).await, "no answer within 100ms");
    drop(listener);
    check(ask(&silent, PATIENT).await, "cannot connect: Connection refused");
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":";
    check(ask(&raw(begun, After::Silence).await, IMPATIENT).await, "no answer within 100ms");
    check(ask(&raw(begun, After::HangUp).await, PATIENT).await, "the answer broke off: ");
    let endless = raw("HTTP/1.1 200 OK\r\n\r\n", After::Flood).await;
    check(ask(&endless, PATIENT).await, "the answer is larger than 67108864 bytes");
    check(
        ask(&raw("SSH-2.0-OpenSSH\r\n", After::HangUp).await, PATIENT).await,
        "the answer broke off, or is not HTTP: ",
    );
}

/// What comes after the beginning of an answer.
#[derive(Clone, Copy)]
enum After {
    Silence,
    HangUp,
    Flood,
}

/// Where an answer begins like this and goes on like that.
#[expect(clippy::unwrap_used, reason = "part of a test")]
async fn raw(beginning: &'static str, after: After) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"ms") {
            stream.read_buf(&mut asked).await.unwrap();
        }
        stream.write_all(beginning.as_bytes()).await.unwrap();
        match after {
            After::Silence => while stream.read_buf(&mut asked).await.is_ok_and(|read| read > 0) {},
            After::HangUp => {}
            After::Flood => while stream.write_all(&[b' '; 64 * 1024]).await.is_ok() {},
        }
    });
    url
}

#[tokio::test]
async fn an_api_that_repeats_our_token_does_not_give_it_away() {
    let api = Api::start(|asked: Asked| async move {
        let token = asked.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
        let status = if asked.params()["query"] == "a" { StatusCode::FORBIDDEN } else { StatusCode::OK };
        (status, format!("you are {token}"))
    })
    .await;
    let options = HttpOptions {
        authentication: Some(Authentication::Header { scheme: "Bearer".into(), credentials: SecretName::new("token") }),
        ..HttpOptions::default()
    };
    let spec = RemoteSpec { client: Some(ClientName::new("api")), ..spec(&api.url, PATIENT) };
    let source = RemoteSource::new(spec, clients(Some(options)));
    for (query, told) in [("a", "it answered 403 Forbidden: "), ("b", "its answer is not that of a Prometheus API: ")] {
        let why = source.ask(query, at()).await.unwrap_err();
        assert_eq!(why, format!("source `thanos`: {told}`you are Bearer <hidden>`"));
    }
}

fn question(id: u64, source: &str, query: &str) -> Question {
    Question { id: QuestionId::new(id), source: SourceName::new(source), query: query.to_owned(), at: at() }
}

/// The answers to this many questions, by their numbers.
async fn answers(out: &mut mpsc::Receiver<RemoteAnswer>, count: usize) -> BTreeMap<QuestionId, Result<f64, String>> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let answer = tokio::time::timeout(PATIENT, out.recv()).await.expect("in time").expect("all are answered");
        let value = answer.result.map(|answered| match answered.value {
            Value::Scalar(number) => number,
            other => panic!("{other:?}"),
        });
        assert_eq!(answers.insert(answer.id, value), None, "each is answered once");
    }
    answers
}

#[tokio::test]
async fn a_tick_asks_nothing_twice_and_not_too_much_at_once() {
    let (gate, busy) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new((0, 0))));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (held, counted) = (gate.clone(), busy.clone());
    let api = Api::start(move |asked: Asked| {
        let (held, counted, arrived) = (held.clone(), counted.clone(), arrived.clone());
        async move {
            {
                let mut counted = counted.lock().unwrap();
                counted.0 += 1;
                counted.1 = counted.0.max(counted.1);
            }
            let _ = arrived.send(());
            held.acquire().await.unwrap().forget();
            counted.lock().unwrap().0 -= 1;
            let query = asked.params()["query"].clone();
            format!(r#"{{"status":"success","data":{{"resultType":"scalar","result":[1,"{query}"]}}}}"#)
        }
    })
    .await;
    let telemetry = Telemetry::new();
    let spec = RemoteSpec { max_concurrency: 2, ..spec(&api.url, PATIENT) };
    let sources = RemoteSources::new([spec], &clients(None), &telemetry);
    let (out, mut answered) = mpsc::channel(1);
    let questions = (0..12).map(|id| question(id, "thanos", &(id % 6).to_string())).collect();
    sources.ask_all(questions, PATIENT, &out);
    // Two have arrived, and before somebody lets them go no other one does.
    for _ in 0..2 {
        arrivals.recv().await.unwrap();
    }
    gate.add_permits(6);
    let answers = answers(&mut answered, 12).await;
    for (id, value) in (0..12_u64).zip(0..) {
        assert_eq!(answers[&QuestionId::new(id)], Ok(f64::from(value % 6)));
    }
    assert_eq!((api.asked().len(), busy.lock().unwrap().1), (6, 2));
    let page = telemetry.render(MetricsFormat::Text);
    for line in [
        "atalaya_remote_queries_total{source=\"thanos\",result=\"ok\"} 6\n",
        "atalaya_remote_queries_coalesced_total{source=\"thanos\"} 6\n",
        "atalaya_remote_query_seconds_count{source=\"thanos\"} 6\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    // What was asked is not remembered: the next tick asks anew.
    gate.add_permits(1);
    assert_eq!(sources.ask(&SourceName::new("thanos"), "3", at()).await.map(|it| it.value), Ok(Value::Scalar(3.0)));
    assert_eq!(api.asked().len(), 7);
}

#[tokio::test]
async fn waiting_counts_and_an_unknown_source_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let telemetry = Telemetry::new();
    let spec = RemoteSpec { max_concurrency: 1, ..spec(&silent, PATIENT) };
    let sources = RemoteSources::new([spec], &clients(None), &telemetry);
    let (out, mut answered) = mpsc::channel(1);
    let questions = vec![question(1, "thanos", "a"), question(2, "thanos", "b"), question(3, "thnaos", "c")];
    sources.ask_all(questions, IMPATIENT, &out);
    let answers = answers(&mut answered, 3).await;
    // The second one waits for its turn as long as the first one waits for its answer.
    let late = Err("source `thanos`: no answer within 100ms".to_owned());
    assert_eq!(
        answers.into_values().collect::<Vec<_>>(),
        [late.clone(), late, Err("no source is named `thnaos`".to_owned())]
    );
    let page = telemetry.render(MetricsFormat::Text);
    assert!(page.contains("atalaya_remote_queries_total{source=\"thanos\",result=\"error\"} 2\n"), "{page}");
}
