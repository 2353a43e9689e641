//! `/query`: the value of an expression at a moment.
//!
//! It is evaluated on the thread that also evaluates the rules. So a query is parsed here, waits in a short line of its own,
//! and is taken only when nothing else is to be done; what it may cost is bounded where it is evaluated.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::evaluator::Queried;
use crate::model::Labels;
use crate::promql::{self, Value};
use crate::web::{QueryRequest, Unanswered, Web, WebRequest};

use super::ApiError;
use super::envelope::Answer;
use super::histogram::{HistogramPoint, histogram_point};
use super::number::{Point, Seconds, point};
use super::parameters::Parameters;

/// The largest form that is read.
const FORM_BYTES_MAX: usize = 256 * 1024;
/// How long a query may take, waiting for its turn included, unless its `timeout` says less.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// The answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryData {
    result_type: &'static str,
    result: QueryResult,
}

#[derive(Serialize)]
#[serde(untagged)]
enum QueryResult {
    One(Point),
    Text((Seconds, String)),
    Vector(Vec<VectorElement>),
    Matrix(Vec<MatrixElement>),
}

#[derive(Serialize)]
struct VectorElement {
    metric: Metric,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Point>,
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram: Option<HistogramPoint>,
}

#[derive(Serialize)]
struct MatrixElement {
    metric: Metric,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<Point>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    histograms: Vec<HistogramPoint>,
}

/// A series' labels as an object, the metric's name among them.
struct Metric(Labels);

impl Serialize for Metric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// Evaluates the expression of the parameter `query`.
pub(super) async fn query(
    State(web): State<Arc<Web>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer<QueryData>, ApiError> {
    let parameters = if method == Method::POST {
        let form = to_bytes(body, FORM_BYTES_MAX).await.map_err(|error| ApiError::bad_data(error.to_string()))?;
        Parameters::with_form(&uri, &headers, &form)
    } else {
        Parameters::of(&uri)
    };
    let limit = parameters.count("limit")?.filter(|limit| *limit > 0);
    let at = parameters.moment("time")?.unwrap_or_else(|| web.clock.now());
    let timeout = parameters.duration("timeout")?.map_or(QUERY_TIMEOUT, |timeout| timeout.min(QUERY_TIMEOUT));
    let source = parameters.get("query").unwrap_or_default();
    let expr = promql::parse(source).map_err(|error| {
        let (line, column) = error.line_column(source);
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        ApiError::bad_parameter("query", format!("{line}:{column}: parse error: {error}{hint}"))
    })?;
    let (reply, answer) = oneshot::channel();
    let gone = Unanswered::Stalled { part: "daemon" };
    web.requests.send(WebRequest::Query(QueryRequest { expr, at }, reply)).await.map_err(|_| gone)?;
    let answer = tokio::time::timeout(timeout, answer).await;
    let answer = answer.map_err(|_| ApiError::timeout("query timed out in expression evaluation"))?;
    let Queried { value, mut warnings } = answer.map_err(|_| gone)??.map_err(|error| {
        let (line, column) = error.span.line_column(source);
        ApiError::execution(format!("{line}:{column}: {error}"))
    })?;
    let data = data_of(value, at, limit, &mut warnings);
    Ok(Answer { data, warnings })
}

fn data_of(value: Value, at: crate::model::Timestamp, limit: Option<usize>, warnings: &mut Vec<String>) -> QueryData {
    match value {
        Value::Scalar(value) => QueryData { result_type: "scalar", result: QueryResult::One(point(at, value)) },
        Value::String(text) => QueryData { result_type: "string", result: QueryResult::Text((Seconds(at), text)) },
        Value::Vector(mut elements) => {
            cut(&mut elements, limit, warnings);
            let elements = elements.into_iter().map(|element| VectorElement {
                metric: Metric(element.labels),
                value: element.value.float().map(|value| point(at, value)),
                histogram: element.value.histogram().map(|histogram| histogram_point(at, histogram)),
            });
            QueryData { result_type: "vector", result: QueryResult::Vector(elements.collect()) }
        }
        Value::Matrix(mut elements) => {
            cut(&mut elements, limit, warnings);
            let elements = elements.into_iter().map(|element| MatrixElement {
                metric: Metric(element.labels),
                values: element.samples.iter().map(|sample| point(sample.at, sample.value)).collect(),
                histograms: element.histograms.iter().map(|it| histogram_point(it.at, &it.histogram)).collect(),
            });
            QueryData { result_type: "matrix", result: QueryResult::Matrix(elements.collect()) }
        }
    }
}

/// Leaves out what is more than was asked for, and says so.
fn cut<T>(elements: &mut Vec<T>, limit: Option<usize>, warnings: &mut Vec<String>) {
    if let Some(limit) = limit
        && elements.len() > limit
    {
        elements.truncate(limit);
        warnings.push("results truncated due to limit".to_owned());
    }
}
