//! `/series`, `/labels` and `/label/<name>/values`: which series are stored, and what they are told apart by.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use tokio::sync::oneshot;

use crate::evaluator::{SeriesFound, SeriesQuery};
use crate::model::Labels;
use crate::web::{Unanswered, Web, WebRequest};

use super::ApiError;
use super::envelope::Answer;
use super::escape::unescaped;
use super::parameters::Parameters;
use super::query_data::{Metric, cut};

/// The labels of the series that one of the selectors `match[]` selects.
pub(super) async fn series(
    State(web): State<Arc<Web>>,
    parameters: Parameters,
) -> Result<Answer<Vec<Metric>>, ApiError> {
    if parameters.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    gathered(&web, &parameters, |mut series| {
        series.sort_unstable();
        series.into_iter().map(Metric).collect()
    })
    .await
}

/// The names of the labels of those series, or of all.
pub(super) async fn labels(
    State(web): State<Arc<Web>>,
    parameters: Parameters,
) -> Result<Answer<Vec<String>>, ApiError> {
    gathered(&web, &parameters, |series| {
        let names: BTreeSet<&str> = series.iter().flat_map(Labels::iter).map(|(name, _)| name).collect();
        names.into_iter().map(str::to_owned).collect()
    })
    .await
}

/// The values of a label of those series, or of all.
pub(super) async fn label_values(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Answer<Vec<String>>, ApiError> {
    let label = unescaped(&name);
    if label.is_empty() {
        return Err(ApiError::bad_data(format!("invalid label name: {label:?}")));
    }
    gathered(&web, &parameters, move |series| {
        let values: BTreeSet<&str> = series.iter().map(|labels| labels.get(&label)).collect();
        values.into_iter().filter(|value| !value.is_empty()).map(str::to_owned).collect()
    })
    .await
}

/// What `shown` makes of the series that are asked for, or the beginning of it.
async fn gathered<T: Send + 'static>(
    web: &Web,
    parameters: &Parameters,
    shown: impl FnOnce(Vec<Labels>) -> Vec<T> + Send + 'static,
) -> Result<Answer<Vec<T>>, ApiError> {
    let limit = parameters.count("limit")?.filter(|limit| *limit > 0);
    let (from, to) = parameters.span()?;
    let query = SeriesQuery { sets: parameters.matchers("match[]")?, from, to };
    let gone = Unanswered::Stalled { part: "daemon" };
    let (reply, answer) = oneshot::channel();
    web.requests.send(WebRequest::Series(query, reply)).await.map_err(|_| gone)?;
    let found = answer.await.map_err(|_| gone)??.map_err(ApiError::execution)?;
    let SeriesFound { series, mut warnings } = found;
    // There may be a million of them, and others wait for the runtime.
    let gathering = tokio::task::spawn_blocking(move || shown(series));
    let mut data = gathering.await.map_err(|_| ApiError::internal("the series cannot be listed"))?;
    cut(&mut data, limit, &mut warnings);
    Ok(Answer { data, warnings, infos: Vec::new() })
}
