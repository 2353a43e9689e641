//! Prometheus's HTTP API, as its users' tools ask it: the same paths, parameters, names and kinds.
//!
//! What is ours has names of its own beside theirs: `unknownSince` of an alert, `durable` of the service.

mod envelope;
mod escape;
mod expression;
mod histogram;
mod metadata;
mod number;
mod parameters;
mod query;
mod query_data;
mod rules;
mod series;
mod status;
mod targets;
mod tree;
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
        .route("/query_range", get(query::query_range).post(query::query_range))
        .route("/query_exemplars", get(query::query_exemplars).post(query::query_exemplars))
        .route("/format_query", get(expression::format_query).post(expression::format_query))
        .route("/parse_query", get(expression::parse_query).post(expression::parse_query))
        .route("/series", get(series::series).post(series::series))
        .route("/labels", get(series::labels).post(series::labels))
        .route("/label/{name}/values", get(series::label_values))
        .route("/metadata", get(metadata::metadata))
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
