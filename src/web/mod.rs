//! What others see and ask: a plain page of alerts and targets at `/`, Prometheus's HTTP API under `/api/v1`, `/metrics`,
//! the two health checks, and `/-/reload`.

mod api;
mod durable;
mod page;
mod status;
mod view;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::evaluator::{GroupView, Queried};
use crate::model::Timestamp;
use crate::promql::{EvalError, Expr};
use crate::source::TargetsView;
use crate::store::Inventory;
use crate::telemetry::{MetricsFormat, Telemetry};

pub use status::{Loaded, Refused, Status};
pub use view::{AlertRow, AlertState, Looked, RollbackRow, SendingRow, TargetRow, TroubleRow, Unanswered, View};

/// What the web asks of the daemon; each request is answered once.
#[derive(Debug)]
pub enum WebRequest {
    /// Whether every part answers. Costs next to nothing, however much there is to see.
    Ping(oneshot::Sender<Result<(), Unanswered>>),
    /// What there is to see.
    View(oneshot::Sender<Result<View, Unanswered>>),
    /// All rules with their alerts.
    Groups(oneshot::Sender<Result<Vec<GroupView>, Unanswered>>),
    /// All targets.
    Targets(oneshot::Sender<Result<TargetsView, Unanswered>>),
    /// All series.
    Inventory(oneshot::Sender<Result<Inventory, Unanswered>>),
    /// The value of an expression.
    Query(QueryRequest, QueryReply),
    /// The configuration is to be loaded anew; the answer is what is wrong with it, if it is not taken.
    Reload(oneshot::Sender<Result<Result<(), String>, Unanswered>>),
}

/// An expression that somebody wants to know the value of.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// The expression.
    pub expr: Expr,
    /// The moment.
    pub at: Timestamp,
}

/// Where the value goes.
pub type QueryReply = oneshot::Sender<Result<Result<Queried, EvalError>, Unanswered>>;

/// What the web looks at.
#[derive(Clone, Debug)]
pub struct Web {
    /// Who answers.
    pub requests: mpsc::Sender<WebRequest>,
    /// Whether the daemon is to be sent requests: until it begins to end.
    pub is_ready: Arc<AtomicBool>,
    /// Our metrics.
    pub telemetry: Telemetry,
    /// What the service says of itself.
    pub status: Arc<Status>,
    /// The time.
    pub clock: Clock,
}

/// How the daemon is.
enum Condition {
    /// Every part answers.
    Well,
    /// It is about to end: its parts end one after the other, and are not asked any more.
    Stopping,
    /// A part does not answer.
    Mute(Unanswered),
}

/// What can be asked of the page.
#[derive(Debug, Deserialize)]
struct PageQuery {
    /// Show only alerts of this rule.
    rule: Option<String>,
}

/// Serves until `stop` completes.
pub async fn serve(listener: TcpListener, web: Web, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload).put(reload))
        .nest("/api/v1", api::router())
        .merge(durable::guarded(pushes(), &web.status))
        .fallback(async |uri: Uri| (StatusCode::NOT_FOUND, format!("there is nothing at `{}`\n", uri.path())))
        .method_not_allowed_fallback(async |method: Method| {
            (StatusCode::METHOD_NOT_ALLOWED, format!("`{method}` does not go here\n"))
        })
        .with_state(Arc::new(web));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// The endpoints that take something in to keep: none yet. Whatever is added here is refused while it could be lost.
fn pushes() -> Router<Arc<Web>> {
    Router::new()
}

impl Web {
    async fn view(&self) -> Result<View, Unanswered> {
        self.ask(WebRequest::View).await
    }

    async fn condition(&self) -> Condition {
        let is_stopping = || !self.is_ready.load(Ordering::Relaxed);
        if is_stopping() {
            return Condition::Stopping;
        }
        match self.ask(WebRequest::Ping).await {
            Ok(()) => Condition::Well,
            // A part that ended while it was asked does not answer either.
            Err(_) if is_stopping() => Condition::Stopping,
            Err(why) => Condition::Mute(why),
        }
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Unanswered>>) -> WebRequest,
    ) -> Result<T, Unanswered> {
        let gone = Unanswered::Stalled { part: "daemon" };
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| gone)?;
        answer.await.map_err(|_| gone)?
    }
}

async fn index(State(web): State<Arc<Web>>, Query(query): Query<PageQuery>) -> Response {
    match web.view().await {
        Ok(view) => Html(page::render(&view, query.rule.as_deref()).into_string()).into_response(),
        Err(why) => unavailable(&why.to_string()),
    }
}

async fn metrics(State(web): State<Arc<Web>>, headers: HeaderMap) -> impl IntoResponse {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = MetricsFormat::wanted(&accept.join(","));
    ([(header::CONTENT_TYPE, format.content_type())], web.telemetry.render(format))
}

/// Healthy is who answers, to its end; as long as that has not begun, both threads are asked.
async fn healthy(State(web): State<Arc<Web>>) -> Response {
    match web.condition().await {
        Condition::Well => "Atalaya is healthy.\n".into_response(),
        Condition::Stopping => "Atalaya is stopping.\n".into_response(),
        Condition::Mute(why) => unavailable(&format!("{why}\n")),
    }
}

/// Ready is who is healthy and not about to end.
async fn ready(State(web): State<Arc<Web>>) -> Response {
    match web.condition().await {
        Condition::Well => "Atalaya is ready.\n".into_response(),
        Condition::Stopping => unavailable("Atalaya is stopping.\n"),
        Condition::Mute(why) => unavailable(&format!("{why}\n")),
    }
}

/// Loads the configuration anew. It changes what is remembered, not what must not be lost, so a full disk is no obstacle.
async fn reload(State(web): State<Arc<Web>>) -> Response {
    if !web.status.has_lifecycle {
        return (StatusCode::FORBIDDEN, "reloading by request is turned off: --web.enable-lifecycle=false\n")
            .into_response();
    }
    match web.ask(WebRequest::Reload).await {
        Ok(Ok(())) => "the configuration was reloaded\n".into_response(),
        Ok(Err(problems)) => {
            let told = format!("cannot reload the configuration, the one before stays in use:\n{problems}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, told).into_response()
        }
        Err(why) => unavailable(&format!("{why}\n")),
    }
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, why.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The web of a daemon whose parts answer pings so, and never show anything.
    fn web(is_ready: bool, ping: fn() -> Option<Result<(), Unanswered>>) -> State<Arc<Web>> {
        let (requests, mut asked) = mpsc::channel(1);
        let is_ready = Arc::new(AtomicBool::new(is_ready));
        let readiness = is_ready.clone();
        tokio::spawn(async move {
            let mut views = Vec::new();
            while let Some(request) = asked.recv().await {
                match (request, ping()) {
                    (WebRequest::View(reply), _) => views.push(reply),
                    (WebRequest::Reload(reply), _) => drop(reply.send(Ok(Err("two problems".to_owned())))),
                    (WebRequest::Ping(reply), Some(answer)) => drop(reply.send(answer)),
                    // It ends instead.
                    (WebRequest::Ping(_), None) => readiness.store(false, Ordering::Relaxed),
                    (other, _) => panic!("nobody asks for {other:?}"),
                }
            }
        });
        let status = Arc::new(Status::new(Vec::new(), true, Loaded::default()));
        State(Arc::new(Web { requests, is_ready, telemetry: Telemetry::new(), status, clock: Clock::wall() }))
    }

    async fn told(response: Response) -> (u16, String) {
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn probes_do_not_look_at_everything() {
        let check = async |is_ready, ping, healthy_told: (u16, &str), ready_told: (u16, &str)| {
            let got = told(healthy(web(is_ready, ping)).await).await;
            assert_eq!((got.0, got.1.as_str()), healthy_told);
            let got = told(ready(web(is_ready, ping)).await).await;
            assert_eq!((got.0, got.1.as_str()), ready_told);
        };
        let well: fn() -> Option<Result<(), Unanswered>> = || Some(Ok(()));
        check(true, well, (200, "Atalaya is healthy.\n"), (200, "Atalaya is ready.\n")).await;
        check(false, well, (200, "Atalaya is stopping.\n"), (503, "Atalaya is stopping.\n")).await;
        let stuck = "the engine does not answer\n";
        check(true, || Some(Err(Unanswered::Stalled { part: "engine" })), (503, stuck), (503, stuck)).await;
        check(true, || None, (200, "Atalaya is stopping.\n"), (503, "Atalaya is stopping.\n")).await;
    }

    #[tokio::test]
    async fn a_reload_that_fails_says_why() {
        let (status, body) = told(reload(web(true, || None)).await).await;
        let expected = "cannot reload the configuration, the one before stays in use:\ntwo problems\n";
        assert_eq!((status, body.as_str()), (500, expected));
    }

    #[tokio::test]
    async fn metrics_are_text_unless_something_else_is_asked_for() {
        let check = async |accept: &[&str], expected: &str| {
            let accept = accept.iter().map(|value| (header::ACCEPT, value.parse().unwrap()));
            let response = metrics(web(true, || None), accept.collect()).await.into_response();
            assert_eq!(response.headers()[header::CONTENT_TYPE], expected);
        };
        let text = "text/plain; version=0.0.4; charset=utf-8";
        check(&[], text).await;
        check(&["text/plain;version=0.0.4;q=1,*/*;q=0.1"], text).await;
        let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        check(&["text/html", "application/openmetrics-text"], open).await;
    }
}
