//! What an API answers to `atalaya query`, in the form that Prometheus gave it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An answer.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) status: String,
    /// As it came; the result is read out of it.
    pub(super) data: Option<serde_json::Value>,
    #[serde(default, rename = "errorType")]
    pub(super) error_kind: String,
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    #[serde(default)]
    pub(super) infos: Vec<String>,
}

/// The result of a query.
#[derive(Debug, PartialEq)]
pub(super) enum Shown {
    /// A number or a text.
    One(String),
    /// Series, each with a sample or many.
    Series(Vec<ShownSeries>),
}

/// A series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ShownSeries {
    pub(super) labels: BTreeMap<String, String>,
    /// Moments in seconds, and what was measured.
    pub(super) points: Vec<(f64, Measured)>,
}

/// What a sample holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measured {
    Float(f64),
    /// A native histogram: how many observations, and their sum.
    Histogram {
        count: f64,
        sum: f64,
    },
}

impl Measured {
    /// The number that it is drawn as: of a histogram its count.
    pub(super) fn number(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Histogram { count, .. } => count,
        }
    }
}

#[derive(Deserialize)]
struct RawData {
    #[serde(rename = "resultType")]
    kind: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct RawSeries {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    histogram: Option<(f64, RawHistogram)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<(f64, RawHistogram)>,
}

#[derive(Deserialize)]
struct RawHistogram {
    count: String,
    sum: String,
}

/// The result that an answer's data holds, or why it is none.
pub(super) fn shown(data: serde_json::Value) -> Result<Shown, String> {
    let data: RawData = serde_json::from_value(data).map_err(|error| error.to_string())?;
    match data.kind.as_str() {
        "scalar" | "string" => {
            let (_, text): (f64, String) = serde_json::from_value(data.result).map_err(|error| error.to_string())?;
            Ok(Shown::One(text))
        }
        "vector" | "matrix" => {
            let series: Vec<RawSeries> = serde_json::from_value(data.result).map_err(|error| error.to_string())?;
            Ok(Shown::Series(series.into_iter().map(RawSeries::shown).collect::<Result<_, _>>()?))
        }
        kind => Err(format!("its result is a `{kind}`, which nobody knows")),
    }
}

impl RawSeries {
    fn shown(self) -> Result<ShownSeries, String> {
        let mut points = Vec::new();
        for (at, value) in self.values.into_iter().chain(self.value) {
            points.push((at, Measured::Float(number(&value)?)));
        }
        for (at, RawHistogram { count, sum }) in self.histograms.into_iter().chain(self.histogram) {
            points.push((at, Measured::Histogram { count: number(&count)?, sum: number(&sum)? }));
        }
        points.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        Ok(ShownSeries { labels: self.metric, points })
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, result: &str) -> Result<Shown, String> {
        shown(serde_json::from_str(&format!(r#"{{"resultType": "{kind}", "result": {result}}}"#)).unwrap())
    }

    #[test]
    fn results_are_read() {
        let series = |pairs: &[(&str, &str)], points: &[(f64, Measured)]| ShownSeries {
            labels: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            points: points.to_vec(),
        };
        assert_eq!(read("scalar", r#"[1.5, "2"]"#), Ok(Shown::One("2".to_owned())));
        assert_eq!(
            read("vector", r#"[{"metric": {"a": "b"}, "value": [1.5, "+Inf"]}]"#),
            Ok(Shown::Series(vec![series(&[("a", "b")], &[(1.5, Measured::Float(f64::INFINITY))])]))
        );
        let histogram = Measured::Histogram { count: 3.0, sum: 1.5 };
        assert_eq!(
            read(
                "matrix",
                r#"[{"metric": {}, "values": [[2, "1"]], "histograms": [[1, {"count": "3", "sum": "1.5", "buckets": []}]]}]"#
            ),
            Ok(Shown::Series(vec![series(&[], &[(1.0, histogram), (2.0, Measured::Float(1.0))])]))
        );
        assert!(read("vector", r#"[{"metric": {}, "value": [1, "x"]}]"#).unwrap_err().contains("`x` is not a number"));
        assert!(read("wrong", "[]").unwrap_err().contains("`wrong`"));
    }
}
