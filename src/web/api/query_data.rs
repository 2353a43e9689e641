//! The result of a query, as Prometheus writes it.

use std::time::Duration;

use serde::Serialize;

use crate::model::{Labels, Timestamp};
use crate::promql::Value;

use super::histogram::{HistogramPoint, histogram_point};
use super::number::{Point, Seconds, point, scalar_value};

/// The answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryData {
    result_type: &'static str,
    result: QueryResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<Stats>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum QueryResult {
    One((Seconds, String)),
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
pub(super) struct Metric(pub(super) Labels);

impl Serialize for Metric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// What a query cost.
#[derive(Serialize)]
pub(super) struct Stats {
    timings: Timings,
    samples: Samples,
}

/// In seconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timings {
    eval_total_time: f64,
    result_sort_time: f64,
    query_preparation_time: f64,
    inner_eval_time: f64,
    exec_queue_time: f64,
    exec_total_time: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Samples {
    total_queryable_samples: u64,
    samples_read: u64,
    peak_samples: u64,
}

impl Stats {
    /// Of a query that was evaluated for so long, out of what it took in all, and looked at so many samples.
    pub(super) fn new(evaluated: Duration, took: Duration, samples: u64) -> Self {
        let evaluated = evaluated.as_secs_f64();
        let took = took.as_secs_f64().max(evaluated);
        Self {
            timings: Timings {
                eval_total_time: evaluated,
                // Sorting and preparing are part of the evaluation.
                result_sort_time: 0.0,
                query_preparation_time: 0.0,
                inner_eval_time: evaluated,
                exec_queue_time: took - evaluated,
                exec_total_time: took,
            },
            samples: Samples { total_queryable_samples: samples, samples_read: samples, peak_samples: samples },
        }
    }
}

/// A value at a moment, of which no more than `limit` elements are shown.
pub(super) fn data_of(value: Value, at: Timestamp, limit: Option<usize>, warnings: &mut Vec<String>) -> QueryData {
    let (result_type, result) = match value {
        Value::Scalar(value) => ("scalar", QueryResult::One((Seconds(at), scalar_value(value)))),
        Value::String(text) => ("string", QueryResult::One((Seconds(at), text))),
        Value::Vector(mut elements) => {
            cut(&mut elements, limit, warnings);
            let elements = elements.into_iter().map(|element| VectorElement {
                metric: Metric(element.labels),
                value: element.value.float().map(|value| point(at, value)),
                histogram: element.value.histogram().map(|histogram| histogram_point(at, histogram)),
            });
            ("vector", QueryResult::Vector(elements.collect()))
        }
        Value::Matrix(mut elements) => {
            cut(&mut elements, limit, warnings);
            let elements = elements.into_iter().map(|element| MatrixElement {
                metric: Metric(element.labels),
                values: element.samples.iter().map(|sample| point(sample.at, sample.value)).collect(),
                histograms: element.histograms.iter().map(|it| histogram_point(it.at, &it.histogram)).collect(),
            });
            ("matrix", QueryResult::Matrix(elements.collect()))
        }
    };
    QueryData { result_type, result, stats: None }
}

/// Leaves out what is more than was asked for, and says so.
pub(super) fn cut<T>(elements: &mut Vec<T>, limit: Option<usize>, warnings: &mut Vec<String>) {
    if let Some(limit) = limit
        && elements.len() > limit
    {
        elements.truncate(limit);
        warnings.push("results truncated due to limit".to_owned());
    }
}
