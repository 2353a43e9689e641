//! What others see: a plain page of alerts and targets at `/`, `/metrics`, and the two health checks.

mod page;
mod view;

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::telemetry::{MetricsFormat, Telemetry};

pub use view::{AlertRow, AlertState, Looked, RollbackRow, SendingRow, Stalled, TargetRow, TroubleRow, View};

/// A request for a view, answered once.
pub type ViewRequest = oneshot::Sender<Result<View, Stalled>>;

/// What the web looks at.
#[derive(Clone, Debug)]
pub struct Web {
    /// Where views come from.
    pub views: mpsc::Sender<ViewRequest>,
    /// Our metrics.
    pub telemetry: Telemetry,
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
        .with_state(Arc::new(web));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

impl Web {
    async fn view(&self) -> Result<View, Stalled> {
        let stopping = Stalled { part: "daemon" };
        let (reply, answer) = oneshot::channel();
        self.views.send(reply).await.map_err(|_| stopping)?;
        answer.await.map_err(|_| stopping)?
    }
}

async fn index(State(web): State<Arc<Web>>, Query(query): Query<PageQuery>) -> Response {
    match web.view().await {
        Ok(view) => Html(page::render(&view, query.rule.as_deref()).into_string()).into_response(),
        Err(stalled) => (StatusCode::SERVICE_UNAVAILABLE, stalled.to_string()).into_response(),
    }
}

async fn metrics(State(web): State<Arc<Web>>, headers: HeaderMap) -> impl IntoResponse {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = MetricsFormat::wanted(&accept.join(","));
    ([(header::CONTENT_TYPE, format.content_type())], web.telemetry.render(format))
}

/// Healthy is who answers: both threads are asked.
async fn healthy(State(web): State<Arc<Web>>) -> Response {
    match web.view().await {
        Ok(_) => "Atalaya is healthy.\n".into_response(),
        Err(stalled) => (StatusCode::SERVICE_UNAVAILABLE, format!("{stalled}\n")).into_response(),
    }
}

/// Ready is who is healthy and not about to end.
async fn ready(State(web): State<Arc<Web>>) -> Response {
    match web.view().await {
        Ok(view) if view.is_ready => "Atalaya is ready.\n".into_response(),
        Ok(_) => (StatusCode::SERVICE_UNAVAILABLE, "Atalaya is stopping.\n").into_response(),
        Err(stalled) => (StatusCode::SERVICE_UNAVAILABLE, format!("{stalled}\n")).into_response(),
    }
}
