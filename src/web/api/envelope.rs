//! What every answer is wrapped in.

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::web::Unanswered;

/// An answer that worked.
#[derive(Debug)]
pub(in crate::web) struct Answer<T> {
    pub(super) data: T,
    /// What is to be known about it.
    pub(super) warnings: Vec<String>,
    /// What may be of interest.
    pub(super) infos: Vec<String>,
}

#[derive(Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    infos: Vec<String>,
}

/// An answer that did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    status: &'static str,
    error_type: &'static str,
    error: String,
}

impl<T> Answer<T> {
    /// Without warnings.
    pub(super) fn new(data: T) -> Self {
        Self { data, warnings: Vec::new(), infos: Vec::new() }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let Self { data, warnings, infos } = self;
        json(StatusCode::OK, &Success { status: "success", data, warnings, infos })
    }
}

impl ApiError {
    /// A parameter is not what it should be.
    pub(super) fn bad_parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {why}"))
    }

    /// What was asked makes no sense.
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message: message.into() }
    }

    /// It makes sense, and has no answer.
    pub(super) fn execution(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "execution", message: message.into() }
    }

    /// It took longer than whoever asked would wait.
    pub(super) fn timeout(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: "timeout", message: message.into() }
    }

    /// Something of ours went wrong.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", message: message.into() }
    }

    /// Not now.
    pub(in crate::web) fn unavailable(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: "unavailable", message: message.into() }
    }

    pub(super) fn not_found(path: &str) -> Self {
        let message = format!("there is nothing at `{path}`");
        Self { status: StatusCode::NOT_FOUND, kind: "not_found", message }
    }

    pub(super) fn not_allowed(method: &Method) -> Self {
        let message = format!("`{method}` does not go here");
        Self { status: StatusCode::METHOD_NOT_ALLOWED, kind: "bad_data", message }
    }
}

impl From<Unanswered> for ApiError {
    fn from(why: Unanswered) -> Self {
        Self::unavailable(why.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        json(self.status, &Failure { status: "error", error_type: self.kind, error: self.message })
    }
}

/// The answer that there is nothing to answer with.
pub(super) fn nothing() -> Response {
    json(StatusCode::OK, &serde_json::json!({"status": "success"}))
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        // Only a map with keys that are no texts could fail, and there is none.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
