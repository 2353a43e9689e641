//! Nothing new is accepted that must not be lost while the disk takes no writes: whoever pushes is told to come again.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::api::ApiError;
use super::status::Status;

/// When to come again, in seconds: a commit is tried anew each second.
const COME_AGAIN_S: u16 = 5;

/// These endpoints, which take something in to keep: 503 while it could not be kept.
pub(super) fn guarded<S: Clone + Send + Sync + 'static>(endpoints: Router<S>, status: &Arc<Status>) -> Router<S> {
    endpoints.layer(from_fn_with_state(status.clone(), require_durable))
}

async fn require_durable(State(status): State<Arc<Status>>, request: Request, next: Next) -> Response {
    if status.is_durable() {
        return next.run(request).await;
    }
    let why = "the state file cannot be written, so this could be lost: try again later";
    let mut response = ApiError::unavailable(why).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(COME_AGAIN_S));
    response
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::{HttpClient, install_crypto_provider};
    use crate::web::Loaded;

    #[tokio::test]
    async fn pushes_are_refused_while_they_could_be_lost() {
        install_crypto_provider();
        let status = Arc::new(Status::new(Vec::new(), true, Loaded::default()));
        let router = guarded(Router::<()>::new().route("/push", post(async || "kept")), &status);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/push", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = HttpClient::new().unwrap();
        let push = async || {
            let response = http.client().post(&url).send().await.unwrap();
            let head = (response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER));
            (head, response.text().await.unwrap())
        };
        assert_eq!(push().await, ((200, false), "kept".to_owned()));
        status.set_durable(false);
        let refused = "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"the state file cannot be written, so \
                       this could be lost: try again later\"}";
        assert_eq!(push().await, ((503, true), refused.to_owned()));
        status.set_durable(true);
        assert_eq!(push().await, ((200, false), "kept".to_owned()));
    }
}
