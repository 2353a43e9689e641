//! `/metadata`: what targets say of their metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use crate::evaluator::MetricMetadata;
use crate::web::{Web, WebRequest};

use super::ApiError;
use super::envelope::Answer;
use super::parameters::Parameters;

/// What one target or more say of a metric.
#[derive(Serialize)]
pub(super) struct Said {
    r#type: String,
    help: String,
    unit: String,
}

/// What is said of all metrics, or of one.
pub(super) async fn metadata(
    State(web): State<Arc<Web>>,
    parameters: Parameters,
) -> Result<Answer<BTreeMap<String, Vec<Said>>>, ApiError> {
    let limit = number(&parameters, "limit")?;
    let of_each = number(&parameters, "limit_per_metric")?.filter(|limit| *limit > 0);
    let metrics = web.ask(WebRequest::Metadata).await?;
    let wanted = parameters.get("metric");
    let chosen = metrics.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name));
    let said = |MetricMetadata { kind, help, unit }| Said { r#type: kind, help, unit };
    let shown = chosen.take(limit.unwrap_or(usize::MAX)).map(|(name, all)| {
        let all = all.into_iter().take(of_each.unwrap_or(usize::MAX)).map(said);
        (name, all.collect())
    });
    Ok(Answer::new(shown.collect()))
}

/// A number of which Prometheus takes one below zero for none.
fn number(parameters: &Parameters, name: &str) -> Result<Option<usize>, ApiError> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let number: i64 = text.parse().map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
    Ok(usize::try_from(number).ok())
}
