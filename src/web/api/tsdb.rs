//! `/status/tsdb`: which names and labels the series are made of, and `/status/walreplay`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::model::{Labels, METRIC_NAME};
use crate::store::Inventory;
use crate::web::{Unanswered, Web, WebRequest};

use super::ApiError;
use super::envelope::Answer;
use super::parameters::Parameters;

/// How many entries each list has unless something else is asked for, and at most.
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 10_000;

/// The answer of `/status/tsdb`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tsdb {
    head_stats: HeadStats,
    series_count_by_metric_name: Vec<Stat>,
    label_value_count_by_label_name: Vec<Stat>,
    memory_in_bytes_by_label_name: Vec<Stat>,
    series_count_by_label_value_pair: Vec<Stat>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadStats {
    num_series: usize,
    num_label_pairs: usize,
    /// Each series is in one piece.
    chunk_count: usize,
    /// In milliseconds; without a sample the largest number there is, as in Prometheus.
    min_time: i64,
    /// The same, and the smallest.
    max_time: i64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Stat {
    name: String,
    value: u64,
}

/// The answer of `/status/walreplay`: there is no log of samples to be replayed.
#[derive(Serialize)]
pub(super) struct Replay {
    min: u32,
    max: u32,
    current: u32,
}

/// What the store is made of.
pub(super) async fn tsdb(State(web): State<Arc<Web>>, uri: Uri) -> Result<Answer<Tsdb>, ApiError> {
    let limit = limit(&Parameters::of(&uri))?;
    let inventory = web.ask(WebRequest::Inventory).await?;
    let counting = tokio::task::spawn_blocking(move || count(&inventory, limit));
    Ok(Answer::new(counting.await.map_err(|_| Unanswered::Stalled { part: "count" })?))
}

/// How far the replay is.
pub(super) async fn wal_replay() -> Answer<Replay> {
    Answer::new(Replay { min: 0, max: 0, current: 0 })
}

fn limit(parameters: &Parameters) -> Result<usize, ApiError> {
    match parameters.get("limit").map(str::parse::<usize>) {
        None => Ok(LIMIT),
        Some(Ok(limit @ 1..=LIMIT_MAX)) => Ok(limit),
        Some(Ok(limit)) if limit > LIMIT_MAX => Err(ApiError::bad_data(format!("limit must not exceed {LIMIT_MAX}"))),
        Some(_) => Err(ApiError::bad_data("limit must be a positive number")),
    }
}

fn count(inventory: &Inventory, limit: usize) -> Tsdb {
    let mut labels: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (name, value) in inventory.series.iter().flat_map(Labels::iter) {
        *labels.entry(name).or_default().entry(value).or_default() += 1;
    }
    let metrics = labels.get(METRIC_NAME).into_iter().flatten().map(|(value, series)| ((*value).to_owned(), *series));
    let values = labels.iter().map(|(name, values)| ((*name).to_owned(), values.len() as u64));
    let bytes = labels.iter().map(|(name, values)| {
        ((*name).to_owned(), values.iter().map(|(value, series)| value.len() as u64 * series).sum())
    });
    let pairs = labels
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |(value, series)| (format!("{name}={value}"), *series)));
    let span = inventory.span.map(|(oldest, newest)| (oldest.millis(), newest.millis()));
    let (min_time, max_time) = span.unwrap_or((i64::MAX, i64::MIN));
    Tsdb {
        head_stats: HeadStats {
            num_series: inventory.series.len(),
            num_label_pairs: labels.values().map(BTreeMap::len).sum(),
            chunk_count: inventory.series.len(),
            min_time,
            max_time,
        },
        series_count_by_metric_name: largest(metrics, limit),
        label_value_count_by_label_name: largest(values, limit),
        memory_in_bytes_by_label_name: largest(bytes, limit),
        series_count_by_label_value_pair: largest(pairs, limit),
    }
}

/// The largest of them, the largest first.
fn largest(stats: impl Iterator<Item = (String, u64)>, limit: usize) -> Vec<Stat> {
    let mut stats: Vec<_> = stats.collect();
    stats.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    stats.truncate(limit);
    stats.into_iter().map(|(name, value)| Stat { name, value }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn names_and_labels_are_counted_as_prometheus_counts_them() {
        let series = |name: &str, pod: &str| Labels::from_pairs([("__name__", name), ("pod", pod)]);
        let inventory = Inventory {
            series: vec![series("up", "a"), series("up", "bb"), series("down", "a")],
            span: Some((Timestamp::from_millis(5), Timestamp::from_millis(7))),
        };
        let told = serde_json::to_value(count(&inventory, 2)).unwrap();
        let expected = serde_json::json!({
            "headStats": {"numSeries": 3, "numLabelPairs": 4, "chunkCount": 3, "minTime": 5, "maxTime": 7},
            "seriesCountByMetricName": [{"name": "up", "value": 2}, {"name": "down", "value": 1}],
            "labelValueCountByLabelName": [{"name": "__name__", "value": 2}, {"name": "pod", "value": 2}],
            "memoryInBytesByLabelName": [{"name": "__name__", "value": 8}, {"name": "pod", "value": 4}],
            "seriesCountByLabelValuePair": [{"name": "__name__=up", "value": 2}, {"name": "pod=a", "value": 2}],
        });
        assert_eq!(told, expected);
        let nothing = count(&Inventory::default(), 10);
        assert_eq!((nothing.head_stats.min_time, nothing.head_stats.max_time), (i64::MAX, i64::MIN));
    }

    #[test]
    fn a_limit_is_a_positive_number() {
        let limit = |query: &str| limit(&Parameters::of(&format!("/x?{query}").parse().unwrap())).ok();
        assert_eq!([limit(""), limit("limit=1"), limit("limit=10000")], [Some(10), Some(1), Some(10_000)]);
        assert_eq!([limit("limit=0"), limit("limit=-1"), limit("limit=x"), limit("limit=10001")], [None; 4]);
    }
}
