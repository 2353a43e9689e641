//! The bounds of buckets and quantiles: `le="1"` and `le="1.0"` are one series.
//!
//! Prometheus writes these labels one way whatever the target exposes, and rules that select by them rely on it.

use super::number::parse_value;
use super::series::parse_series;
use super::{Malformed, MetricKind};
use crate::model::Labels;

const BUCKET: &str = "le";
const QUANTILE: &str = "quantile";

/// The labels of a series as [`parse_series`] gives them, with the bound of a bucket or quantile in its usual form.
/// `kind` is that of the last `# TYPE` line before the sample.
pub fn parse_series_as(series: &str, kind: MetricKind) -> Result<Labels, Malformed> {
    let labels = parse_series(series)?;
    let name = match kind {
        MetricKind::Histogram => BUCKET,
        MetricKind::Summary => QUANTILE,
        _ => return Ok(labels),
    };
    let Ok(bound) = parse_value(labels.get(name).as_bytes()) else { return Ok(labels) };
    let bound = format_bound(bound);
    if labels.get(name) == bound {
        return Ok(labels);
    }
    let mut builder = labels.edit();
    builder.set(name, bound);
    Ok(builder.build())
}

/// The fewest digits that mean this number, with `.0` behind a whole one: `0.25`, `1.0`, `1e+06`.
fn format_bound(bound: f64) -> String {
    if bound.is_nan() {
        return "NaN".to_owned();
    }
    if bound.is_infinite() {
        return if bound > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{bound:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -4..=5 => format!("{bound:?}"),
        exponent => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_one_form() {
        let check = |kind: MetricKind, series: &str, expected: &str| {
            assert_eq!(parse_series_as(series, kind).unwrap().to_string(), expected, "{series}");
        };
        check(MetricKind::Histogram, r#"m{le="1"}"#, r#"m{le="1.0"}"#);
        check(MetricKind::Histogram, r#"m{le="0"}"#, r#"m{le="0.0"}"#);
        check(MetricKind::Histogram, r#"m{le="-1"}"#, r#"m{le="-1.0"}"#);
        check(MetricKind::Histogram, r#"m{le=".25"}"#, r#"m{le="0.25"}"#);
        check(MetricKind::Histogram, r#"m{le="0.0001"}"#, r#"m{le="0.0001"}"#);
        check(MetricKind::Histogram, r#"m{le="0.000015"}"#, r#"m{le="1.5e-05"}"#);
        check(MetricKind::Histogram, r#"m{le="100000"}"#, r#"m{le="100000.0"}"#);
        check(MetricKind::Histogram, r#"m{le="1000000"}"#, r#"m{le="1e+06"}"#);
        check(MetricKind::Histogram, r#"m{le="1.5e100"}"#, r#"m{le="1.5e+100"}"#);
        check(MetricKind::Histogram, r#"m{le="+Inf"}"#, r#"m{le="+Inf"}"#);
        check(MetricKind::Histogram, r#"m{le="inf"}"#, r#"m{le="+Inf"}"#);
        check(MetricKind::Histogram, r#"m{le="-Inf"}"#, r#"m{le="-Inf"}"#);
        check(MetricKind::Histogram, r#"m{le="nan"}"#, r#"m{le="NaN"}"#);
        check(MetricKind::Histogram, r#"m{le="big"}"#, r#"m{le="big"}"#);
        check(MetricKind::Histogram, "m", "m");
        check(MetricKind::Histogram, r#"m{quantile="1"}"#, r#"m{quantile="1"}"#);
        check(MetricKind::Summary, r#"m{quantile="1"}"#, r#"m{quantile="1.0"}"#);
        check(MetricKind::Summary, r#"m{le="1"}"#, r#"m{le="1"}"#);
        check(MetricKind::Gauge, r#"m{le="1",quantile="1"}"#, r#"m{le="1", quantile="1"}"#);
    }
}
