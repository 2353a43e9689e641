//! Prometheus's HTTP API, as its users' tools ask it: the same paths, parameters, names and kinds.
//!
//! What is ours has names of its own beside theirs: `unknownSince` of an alert, `durable` of the service.

mod envelope;
mod number;
mod parameters;
mod query;
mod rules;
mod status;
mod targets;
mod tsdb;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::routing::get;

use super::Web;

pub(super) use envelope::ApiError;

/// Everything under `/api/v1`.
pub(super) fn router() -> Router<Arc<Web>> {
    Router::new()
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/targets", get(targets::targets))
        .route("/query", get(query::query).post(query::query))
        .route("/alertmanagers", get(status::alertmanagers))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtime_info))
        .route("/status/buildinfo", get(status::build_info))
        .route("/status/tsdb", get(tsdb::tsdb))
        .route("/status/walreplay", get(tsdb::wal_replay))
        // A nested router sees what follows its own path.
        .fallback(async |uri: Uri| ApiError::not_found(&format!("/api/v1{}", uri.path())))
        .method_not_allowed_fallback(async |method: Method| ApiError::not_allowed(&method))
}
