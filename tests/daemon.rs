//! The real daemon, in this process, against servers on loopback: what only threads, sockets and a disk can show.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atalaya::clock::{Clock, Stopwatch};
use atalaya::config;
use atalaya::daemon::{Daemon, DaemonSpec, ServiceSpec};
use atalaya::transport::install_crypto_provider;
use axum::Router;
use axum::http::{StatusCode, Uri};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Alerts that go to a webhook which never answers: more than are sent to one place at once.
const HANGING: usize = 100;

/// A server that shows `page` at `/metrics`, never answers at `/hang`, and takes everything else. It keeps the paths.
async fn world(page: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let paths = heard.clone();
    let app = Router::new().fallback(async move |uri: Uri| {
        if uri.path() == "/metrics" {
            return page;
        }
        paths.lock().expect("no one panics with it").push(uri.path().to_owned());
        if uri.path() == "/hang" {
            std::future::pending::<()>().await;
        }
        "{}".to_owned()
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, heard)
}

async fn start(config: &str, rules: &str, data_dir: &Path) -> Daemon {
    install_crypto_provider();
    let read = |path: &Path| Ok(if path.ends_with("rules.yaml") { rules.to_owned() } else { config.to_owned() });
    let config = config::load(Path::new("atalaya.yaml"), &read).unwrap_or_else(|problems| panic!("{problems}"));
    let spec = DaemonSpec {
        config,
        data_dir: data_dir.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        clock: Clock::wall(),
        notes: None,
        service: ServiceSpec::default(),
    };
    Daemon::start(spec).await.expect("it can start")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Stopwatch::start();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const RULES: &str = "
groups:
  - name: g
    rules:
      - {alert: Many, expr: many > 0, labels: {severity: warning}}
      - {alert: Bad, expr: bad > 0, labels: {severity: critical}}
";

fn config(address: SocketAddr) -> String {
    format!(
        "
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
scrape_configs:
  - {{job_name: j, static_configs: [{{targets: ['{address}']}}]}}
rule_files: [rules.yaml]
route:
  receiver: deaf
  group_by: ['...']
  group_wait: 0s
  routes:
    - {{receiver: people, matchers: ['severity=critical'], group_wait: 1s}}
receivers:
  - name: deaf
    webhook_configs: [{{url: 'http://{address}/hang', timeout: 60s}}]
  - name: people
    webhook_configs: [{{url: 'http://{address}/people'}}]
    rollback_configs:
      - url: http://{address}/rollback
        secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSWMfKQ9r8GKYo=
        rollback_key: [service]
        while: bad > 0
"
    )
}

/// A server that shows what `page` holds at `/metrics` and keeps the rest, path and body. Where the path is `/rollback` it
/// answers 503 to the first.
async fn town(page: Arc<Mutex<String>>) -> (SocketAddr, Arc<Mutex<Vec<(String, String)>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let kept = heard.clone();
    let app = Router::new().fallback(async move |uri: Uri, body: String| {
        if uri.path() == "/metrics" {
            return (StatusCode::OK, page.lock().expect("no one panics with it").clone());
        }
        let mut kept = kept.lock().expect("no one panics with it");
        let is_first = !kept.iter().any(|(path, _)| path == uri.path());
        kept.push((uri.path().to_owned(), body));
        let is_busy = uri.path() == "/rollback" && is_first;
        (if is_busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, "{}".to_owned())
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, heard)
}

/// While the state file takes no writes, pages leave and say so, a claim that is on disk goes on, and one that is not
/// waits. Once it takes them again, that one leaves too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_leave_from_memory_and_say_so() {
    let page = Arc::new(Mutex::new("bad{service=\"a\"} 1\n".to_owned()));
    let (address, heard) = town(page.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let daemon = start(&config(address), RULES, directory.path()).await;
    let bodies = |path: &str, what: &str| {
        let heard = heard.lock().unwrap();
        let all = heard.iter().filter(|(other, body)| other == path && body.contains(what));
        all.map(|(_, body)| body.clone()).collect::<Vec<_>>()
    };
    let (a, b) = ("\"service\":\"a\"", "\"service\":\"b\"");
    until("the page", || !bodies("/people", a).is_empty()).await;
    assert!(!bodies("/people", a)[0].contains("Sent from memory"));
    until("the first attempt", || !bodies("/rollback", a).is_empty()).await;

    let other = rusqlite::Connection::open(directory.path().join("atalaya.db")).unwrap();
    other.execute_batch("ALTER TABLE instance RENAME TO away").unwrap();
    *page.lock().unwrap() = "bad{service=\"a\"} 1\nbad{service=\"b\"} 1\n".to_owned();
    until("the page from memory", || !bodies("/people", b).is_empty()).await;
    assert!(bodies("/people", b)[0].contains("Sent from memory"), "{:?}", bodies("/people", b));
    until("the claim that is on disk", || bodies("/rollback", a).len() > 1).await;
    assert_eq!(bodies("/rollback", b), [""; 0]);

    other.execute_batch("ALTER TABLE away RENAME TO instance").unwrap();
    until("the claim that waited", || !bodies("/rollback", b).is_empty()).await;
    daemon.run_until(std::future::ready(())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    let many: String = (0..HANGING).map(|at| format!("many{{at=\"{at}\"}} 1\n")).collect();
    let (address, heard) = world(format!("{many}bad{{service=\"s\"}} 1\n")).await;
    let directory = tempfile::tempdir().unwrap();
    let daemon = start(&config(address), RULES, directory.path()).await;
    let heard_at = |path: &str| heard.lock().unwrap().iter().position(|other| other == path);
    until("the rollback", || heard_at("/rollback").is_some()).await;
    until("the people", || heard_at("/people").is_some()).await;
    let hanging = heard.lock().unwrap().iter().filter(|path| *path == "/hang").count();
    assert!((1..HANGING).contains(&hanging), "{hanging} calls hang at once");

    // What is under way to the deaf one does not hold up the end for long either.
    let since = Stopwatch::start();
    daemon.run_until(std::future::ready(())).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(15), "the end took {:?}", since.elapsed());
}
