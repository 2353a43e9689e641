//! Stand-ins for those whom the daemon tells: they check what a real one would, and say what they heard.
//!
//! Each has one pure function from a request to an answer and what was heard, and a router around it.

mod pagerduty;
mod rollback;
mod slack;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::happening::Happening;

pub(super) use pagerduty::FakePagerDuty;
pub(super) use rollback::RollbackReceiver;
pub(super) use slack::{FakeSlack, unescape};

/// Where the fakes report. The channel has no bound: the story has a few dozen events.
pub(super) type Reports = UnboundedSender<Happening>;

/// A JSON answer.
fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// A body as JSON; null when it is none.
fn json_of(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// A text in a body; empty when it is not there.
fn text_at<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the request bears this token.
fn bears(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|given| given.strip_prefix("Bearer ")) == Some(token)
}
