//! The transport against servers that behave, misbehave, or are not there.

use std::collections::BTreeSet;
use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atalaya::model::{
    Alert, AlertStatus, DeliveryId, Fingerprint, GroupKey, GroupNotification, Labels, Notification, NotifyReason,
    ReceiverName, SecretName, Timestamp,
};
use atalaya::receiver::{
    BodySecret, BodySecretValue, Endpoint, Handle, HttpRequest, Method, Receiver, RenderContext, Reply, Request,
    Signature, Slack, SlackTexts, Text,
};
use atalaya::transport::{
    HttpClient, HttpClients, SecretSource, Secrets, SigningKey, TOLERANCE, Transport, VerifyError,
    install_crypto_provider,
};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// A secret of which no output may show anything.
const SECRET: &str = "hunter2-hunter2-hunter2";
const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSW";
/// Enough for a server on this machine, however busy it is.
const PATIENT: Duration = Duration::from_secs(20);
const IMPATIENT: Duration = Duration::from_millis(100);

fn now() -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000)
}

/// What a server was asked.
#[derive(Clone, Debug)]
struct Asked {
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// A server that remembers what it was asked and gives the answer `answer` makes of it.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
impl Server {
    async fn start<R: IntoResponse>(answer: impl Fn(&Asked) -> R + Clone + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let request = Asked { uri, headers, body };
            kept.lock().unwrap().push(request.clone());
            let response: Response = answer(&request).into_response();
            async move { response }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn only_request(&self) -> Asked {
        let asked = self.asked.lock().unwrap();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }
}

/// A listener that takes connections and never says a word.
#[expect(clippy::unwrap_used, reason = "part of a test")]
async fn silent() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A URL at which nothing listens.
async fn closed() -> String {
    let (listener, url) = silent().await;
    drop(listener);
    url
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn transport(secrets: &[(&str, SecretSource)]) -> Transport {
    install_crypto_provider();
    let secrets = secrets.iter().map(|(name, source)| (SecretName::new(*name), source.clone()));
    Transport::new(HttpClients::new(HttpClient::new().unwrap(), [], Secrets::new(secrets)).unwrap())
}

fn inline(value: &str) -> SecretSource {
    SecretSource::Inline(value.to_owned())
}

/// The secret `key` at this place of the body.
fn named(pointer: &str) -> BodySecret {
    let value = BodySecretValue::Named(SecretName::new("key"));
    BodySecret { pointer: pointer.into(), value, is_returned: false }
}

fn post(url: Endpoint) -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        url,
        headers: vec![("idempotency-key".into(), "d_1".into())],
        body: serde_json::json!({"status": "firing"}),
        body_secret: None,
        signature: None,
        timeout: PATIENT,
        client: None,
    }
}

async fn send(request: HttpRequest) -> Reply {
    transport(&[]).send(Request::Http(request), now()).await
}

/// Sends a request that cannot succeed and gives the reason.
async fn why(request: HttpRequest, secrets: &[(&str, SecretSource)]) -> String {
    match transport(secrets).send(Request::Http(request), now()).await {
        Reply::Failed { why } => {
            assert!(!why.contains(SECRET), "{why}");
            why
        }
        other => panic!("{other:?}"),
    }
}

fn http(status: u16, retry_after_s: Option<u64>, body: &str) -> Reply {
    Reply::Http { status, retry_after: retry_after_s.map(Duration::from_secs), body: body.to_owned() }
}

#[tokio::test]
async fn a_request_arrives_as_rendered() {
    let server = Server::start(|_| "thanks").await;
    let reply = send(post(Endpoint::Plain(server.url("/hook?a=b")))).await;
    assert_eq!(reply, http(200, None, "thanks"));
    let asked = server.only_request();
    assert_eq!(asked.uri, "/hook?a=b");
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.headers["idempotency-key"], "d_1");
    assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("Atalaya/"));
    assert_eq!(asked.body, r#"{"status":"firing"}"#);
}

#[tokio::test]
async fn statuses_and_waits_are_reported_as_they_are() {
    let check = async |status: u16, wait: Option<&'static str>, expected: Option<u64>| {
        let server = Server::start(move |_| {
            let mut response = "said".into_response();
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(wait) = wait {
                response.headers_mut().insert(header::RETRY_AFTER, wait.parse().unwrap());
            }
            response
        })
        .await;
        assert_eq!(send(post(Endpoint::Plain(server.url("/")))).await, http(status, expected, "said"));
    };
    check(202, None, None).await;
    check(429, Some("30"), Some(30)).await;
    check(503, Some("Mon, 24 Nov 2025 16:01:00 GMT"), Some(60)).await;
    check(429, Some("later"), None).await;
    check(500, None, None).await;
    check(404, None, None).await;
}

#[tokio::test]
async fn redirects_are_followed_where_all_that_is_told_arrives() {
    let check = async |status: u16, is_followed: bool| {
        let elsewhere = Server::start(|_| "taken").await;
        let target = elsewhere.url("/");
        let status = StatusCode::from_u16(status).unwrap();
        let server = Server::start(move |_| (status, [(header::LOCATION, target.clone())])).await;
        let expected = if is_followed { http(200, None, "taken") } else { http(status.as_u16(), None, "") };
        assert_eq!(send(post(Endpoint::Plain(server.url("/")))).await, expected, "{status}");
        let bodies =
            |server: &Server| server.asked.lock().unwrap().iter().map(|it| it.body.clone()).collect::<Vec<_>>();
        let arrived = if is_followed { bodies(&server) } else { Vec::new() };
        assert_eq!(bodies(&elsewhere), arrived, "{status}");
    };
    check(307, true).await;
    check(308, true).await;
    // The rest would make an empty GET of it, which may well be answered with 200.
    check(301, false).await;
    check(302, false).await;
    check(303, false).await;
    // What is secret is for one place.
    let elsewhere = Server::start(|_| "must not be asked").await;
    let target = elsewhere.url("/");
    let server = Server::start(move |_| (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target.clone())])).await;
    let secret = Endpoint::Secret(SecretName::new("url"));
    let secrets = [("url", inline(&server.url("/")))];
    assert_eq!(transport(&secrets).send(Request::Http(post(secret)), now()).await, http(307, None, ""));
    assert!(elsewhere.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn of_a_huge_answer_the_beginning_is_kept() {
    let server = Server::start(|_| "é".repeat(4 << 20)).await;
    match send(post(Endpoint::Plain(server.url("/")))).await {
        Reply::Http { status: 200, body, .. } => assert_eq!(body, "é".repeat(2048)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn says_why_there_is_no_answer() {
    let (_listener, silent_url) = silent().await;
    let mut request = post(Endpoint::Plain(silent_url.clone()));
    request.timeout = IMPATIENT;
    assert_eq!(why(request, &[]).await, format!("call `{silent_url}`: no answer within 100ms"));

    let refused = why(post(Endpoint::Plain(format!("{}/path", closed().await))), &[]).await;
    assert!(refused.starts_with("call `http://127.0.0.1:") && refused.contains("Connection refused"), "{refused}");
    assert!(!refused.contains("path"), "{refused}");

    let plain = Server::start(|_| "no TLS here").await.url("").replace("http:", "https:");
    let not_tls = why(post(Endpoint::Plain(plain.clone())), &[]).await;
    assert!(not_tls.starts_with(&format!("call `{plain}`: error sending request: ")), "{not_tls}");

    let check = async |url: &str, expected: &str| {
        assert_eq!(why(post(Endpoint::Plain(url.into())), &[]).await, expected);
    };
    check("hooks/1", "`hooks/1` is not a URL: relative URL without a base").await;
    check("ftp://host/", "`ftp://host/` is not a URL: only http and https can be called").await;
}

#[tokio::test]
async fn a_secret_url_is_called_and_never_shown() {
    let server = Server::start(|asked| asked.uri.to_string()).await;
    let url = server.url(&format!("/{SECRET}"));
    let endpoint = || post(Endpoint::Secret(SecretName::new("hook")));
    let reply = transport(&[("hook", inline(&url))]).send(Request::Http(endpoint()), now()).await;
    assert!(matches!(reply, Reply::Http { status: 200, .. }), "{reply:?}");
    assert_eq!(server.only_request().uri.path(), format!("/{SECRET}"));

    let refused = why(endpoint(), &[("hook", inline(&format!("{}/{SECRET}", closed().await)))]).await;
    assert!(refused.starts_with("call the URL of secret `hook`: "), "{refused}");
    assert_eq!(
        why(endpoint(), &[("hook", inline(SECRET))]).await,
        "secret `hook` is not a URL: relative URL without a base"
    );
}

#[tokio::test]
async fn a_secret_goes_into_the_body_and_not_into_the_reply() {
    let server = Server::start(|asked| asked.body.clone()).await;
    let mut request = post(Endpoint::Plain(server.url("/v2/enqueue")));
    request.body_secret = Some(named("/routing_key"));
    let reply = transport(&[("key", inline(SECRET))]).send(Request::Http(request.clone()), now()).await;
    assert_eq!(server.only_request().body, format!(r#"{{"routing_key":"{SECRET}","status":"firing"}}"#));
    assert_eq!(reply, http(200, None, r#"{"routing_key":"<hidden>","status":"firing"}"#));

    request.body_secret = Some(named("/a/b"));
    assert_eq!(
        why(request, &[("key", inline(SECRET))]).await,
        "there is no place for secret `key` at `/a/b` of the body"
    );
}

#[tokio::test]
async fn a_missing_secret_is_a_failed_attempt() {
    let server = Server::start(|_| "must not be asked").await;
    let mut request = post(Endpoint::Plain(server.url("/")));
    request.body_secret = Some(named("/routing_key"));
    let file = SecretSource::File(Path::new("/nowhere/key").into());
    assert_eq!(
        why(request.clone(), &[("key", file)]).await,
        "read secret `key` from `/nowhere/key`: No such file or directory (os error 2)"
    );
    assert_eq!(why(request, &[]).await, "no secret is named `key`");
    assert!(server.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_rotated_secret_is_in_use_at_once() {
    let server = Server::start(|_| "ok").await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let transport = transport(&[("key", SecretSource::File(path.clone()))]);
    let mut request = post(Endpoint::Plain(server.url("/")));
    request.body_secret = Some(named("/k"));
    for value in ["old\n", "new\n"] {
        std::fs::write(&path, value).unwrap();
        transport.send(Request::Http(request.clone()), now()).await;
    }
    let bodies: Vec<Bytes> = server.asked.lock().unwrap().iter().map(|asked| asked.body.clone()).collect();
    assert_eq!(bodies, [r#"{"k":"old","status":"firing"}"#, r#"{"k":"new","status":"firing"}"#]);
}

#[tokio::test]
async fn a_signed_request_verifies() {
    let server = Server::start(|_| "ok").await;
    let mut request = post(Endpoint::Plain(server.url("/rollback")));
    request.signature = Some(Signature { id: "rb_1".into(), secret: SecretName::new("rollback") });
    let transport_with = |key: &str| transport(&[("rollback", inline(key))]);
    transport_with(SIGNING_KEY).send(Request::Http(request.clone()), now()).await;

    let Asked { headers, body, .. } = server.only_request();
    assert_eq!(headers["webhook-timestamp"], "1764000000");
    let key = SigningKey::parse(SIGNING_KEY).unwrap();
    assert_eq!(key.verify(&headers, &body, now() + Duration::from_secs(5), TOLERANCE), Ok("rb_1"));
    assert_eq!(key.verify(&headers, b"{}", now(), TOLERANCE), Err(VerifyError::Signature));

    assert_eq!(
        why(request.clone(), &[("rollback", inline(SECRET))]).await,
        "secret `rollback` cannot sign: a signing key begins with `whsec_`"
    );
    request.signature = Some(Signature { id: "rb.1".into(), secret: SecretName::new("rollback") });
    let reason = why(request, &[("rollback", inline(SIGNING_KEY))]).await;
    assert_eq!(reason, "sign message `rb.1`: the id of a signed message holds no `.`");
}

/// A Slack message, new or an update for those who were told the same before.
fn slack_request(api_url: &str, handle: Option<&Handle>, timeout: Duration) -> Request {
    let known = BTreeSet::from([down().fingerprint()]);
    slack_request_after(api_url, handle, handle.map(|_| &known), timeout)
}

fn down() -> Labels {
    Labels::from_pairs([("alertname", "Down"), ("severity", "critical")])
}

/// A Slack message for those who know that `before` fires.
fn slack_request_after(
    api_url: &str,
    handle: Option<&Handle>,
    before: Option<&BTreeSet<Fingerprint>>,
    timeout: Duration,
) -> Request {
    let slack = Receiver::Slack(Slack {
        api_url: api_url.to_owned(),
        token: SecretName::new("slack"),
        channel: Text::constant("#alerts"),
        updates: true,
        texts: SlackTexts::default(),
        send_resolved: true,
        timeout,
        client: None,
    });
    let note = Notification::Group(GroupNotification {
        key: GroupKey::new("{}"),
        receiver: ReceiverName::new("ops"),
        group_labels: Labels::empty(),
        reason: NotifyReason::First,
        at: now(),
        alerts: vec![Alert {
            labels: down(),
            annotations: Labels::empty(),
            status: AlertStatus::Firing,
            starts_at: now(),
            generator_url: String::new(),
        }],
        rollbacks: Vec::new(),
    });
    let delivery = DeliveryId::new("d_1");
    slack
        .render(
            &note,
            &RenderContext { delivery: &delivery, handle, before, is_left_behind: false, external_url: "", now: now() },
        )
        .request
}

async fn send_slack(request: Request) -> Reply {
    let reply = transport(&[("slack", inline(SECRET))]).send(request, now()).await;
    assert!(!format!("{reply:?}").contains(SECRET), "{reply:?}");
    reply
}

async fn slack_answers<R: IntoResponse>(answer: impl Fn(&Asked) -> R + Clone + Send + Sync + 'static) -> Reply {
    let server = Server::start(answer).await;
    send_slack(slack_request(&server.url("/api"), None, PATIENT)).await
}

#[tokio::test]
async fn an_update_that_the_channel_did_not_hear_of_is_not_done() {
    let handle = Handle::Slack { channel: "C1".into(), ts: "1.2".into() };
    let check = async |status: u16, retry_after: &'static str, body: &'static str, is_done: bool| {
        let server = Server::start(move |asked: &Asked| {
            let is_thread = String::from_utf8_lossy(&asked.body).contains("thread_ts");
            let (status, body) =
                if is_thread { (status, body) } else { (200, r#"{"ok":true,"channel":"C1","ts":"1.2"}"#) };
            (StatusCode::from_u16(status).unwrap(), [("retry-after", retry_after)], body)
        })
        .await;
        let request = slack_request_after(&server.url("/api"), Some(&handle), None, PATIENT);
        let reply = send_slack(request).await;
        assert_eq!(matches!(reply, Reply::SlackDone { .. }), is_done, "{status} {body}: {reply:?}");
    };
    check(200, "0", r#"{"ok":true,"channel":"C1","ts":"1.3"}"#, true).await;
    check(503, "0", "busy", false).await;
    check(429, "0", r#"{"ok":false,"error":"ratelimited"}"#, false).await;
    check(429, "3600", r#"{"ok":false,"error":"ratelimited"}"#, false).await;
    // What will never work is no reason to try all of it for ever.
    check(200, "0", r#"{"ok":false,"error":"restricted_action"}"#, true).await;
}

#[tokio::test]
async fn slack_is_posted_to_and_updated() {
    // The answer repeats the message, with a block of a kind that nobody here has heard of.
    let answer = r#"{"ok":true,"channel":"C1","ts":"1.2","message":{"blocks":[{"type":"hologram","x":[1]}],"ts":7}}"#;
    let server = Server::start(move |_| answer).await;
    let done = Reply::SlackDone { channel: "C1".into(), ts: "1.2".into() };
    let handle = Handle::Slack { channel: "C1".into(), ts: "1.2".into() };
    // A slash at the end of the base URL does no harm.
    assert_eq!(send_slack(slack_request(&server.url("/api"), None, PATIENT)).await, done);
    assert_eq!(send_slack(slack_request(&server.url("/api/"), Some(&handle), PATIENT)).await, done);

    let asked = server.asked.lock().unwrap().clone();
    let uris: Vec<String> = asked.iter().map(|asked| asked.uri.to_string()).collect();
    assert_eq!(uris, ["/api/chat.postMessage", "/api/chat.update"]);
    for (asked, channel) in asked.iter().zip(["#alerts", "C1"]) {
        assert_eq!(asked.headers["authorization"], format!("Bearer {SECRET}"));
        assert_eq!(asked.headers["content-type"], "application/json; charset=utf-8");
        let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(body["channel"], channel);
        assert_eq!(body["metadata"]["event_payload"]["delivery"], "d_1");
    }
}

#[tokio::test]
async fn slack_may_refuse() {
    let refused = |code: &str, wait: Option<u64>| Reply::SlackRefused {
        code: code.into(),
        retry_after: wait.map(Duration::from_secs),
    };
    let json = || [(header::CONTENT_TYPE, "application/json")];
    let reply = slack_answers(move |_| (json(), r#"{"ok":false,"error":"channel_not_found"}"#)).await;
    assert_eq!(reply, refused("channel_not_found", None));
    let echo = |asked: &Asked| format!(r#"{{"ok":false,"error":{:?}}}"#, asked.headers["authorization"]);
    assert_eq!(slack_answers(echo).await, refused("Bearer <hidden>", None));
    let reply = slack_answers(move |_| (json(), r#"{"ok":false}"#)).await;
    assert_eq!(reply, refused("unknown_error", None));
    let wait = || [(header::RETRY_AFTER, "7")];
    let reply =
        slack_answers(move |_| (StatusCode::TOO_MANY_REQUESTS, wait(), r#"{"ok":false,"error":"ratelimited"}"#)).await;
    assert_eq!(reply, refused("ratelimited", Some(7)));
    let reply = slack_answers(move |_| (StatusCode::TOO_MANY_REQUESTS, "slow down")).await;
    assert_eq!(reply, refused("ratelimited", None));
    let reply = slack_answers(move |_| (StatusCode::SERVICE_UNAVAILABLE, wait(), "down")).await;
    assert_eq!(reply, refused("http_503", Some(7)));
}

#[tokio::test]
async fn slack_may_fail() {
    assert_eq!(slack_answers(|_| (StatusCode::BAD_GATEWAY, "oops")).await, http(502, None, "oops"));
    // A server that shows us our own token.
    let echo = |asked: &Asked| (StatusCode::FORBIDDEN, asked.headers["authorization"].to_str().unwrap().to_owned());
    assert_eq!(slack_answers(echo).await, http(403, None, "Bearer <hidden>"));

    let failed = |reply: Reply, beginning: &str| match reply {
        Reply::Failed { why } => assert!(why.starts_with(beginning), "{why}"),
        other => panic!("{other:?}"),
    };
    let not_json = "call Slack: its answer is not JSON as expected: ";
    failed(slack_answers(|_| "<html>").await, not_json);
    failed(slack_answers(|_| "").await, not_json);
    failed(slack_answers(|_| r#"{"ok":true}"#).await, not_json);
    failed(slack_answers(|_| "x".repeat(4 << 20)).await, not_json);

    let (_listener, silent_url) = silent().await;
    failed(send_slack(slack_request(&silent_url, None, IMPATIENT)).await, "call Slack: no answer within 100ms");
    failed(send_slack(slack_request(&closed().await, None, PATIENT)).await, "call Slack: error sending request: ");
    failed(send_slack(slack_request("not a url", None, PATIENT)).await, "call Slack: relative URL without a base");

    let without_token = transport(&[]).send(slack_request(&silent_url, None, PATIENT), now()).await;
    assert_eq!(without_token, Reply::Failed { why: "no secret is named `slack`".into() });
}
