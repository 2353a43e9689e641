//! `/format_query` and `/parse_query`: an expression as it is best written, and as a tree.

use serde_json::Value;

use crate::promql::{self, Expr};

use super::ApiError;
use super::envelope::Answer;
use super::parameters::Parameters;
use super::query::parse_error;
use super::tree::tree;

/// The expression of the parameter `query`, formatted.
pub(super) async fn format_query(parameters: Parameters) -> Result<Answer<String>, ApiError> {
    Ok(Answer::new(promql::pretty(&parsed(&parameters)?)))
}

/// The same as a tree.
pub(super) async fn parse_query(parameters: Parameters) -> Result<Answer<Value>, ApiError> {
    Ok(Answer::new(tree(&parsed(&parameters)?)))
}

/// Whatever is PromQL, even if we cannot evaluate it.
fn parsed(parameters: &Parameters) -> Result<Expr, ApiError> {
    let source = parameters.get("query").unwrap_or_default();
    promql::parse_any(source).map_err(|error| ApiError::bad_parameter("query", parse_error(&error, source)))
}
