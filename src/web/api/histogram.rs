//! Native histograms as Prometheus's API writes them.

use serde::Serialize;

use crate::model::{Bucket, Histogram, Timestamp};

use super::number::{Seconds, sample_value};

/// A histogram at a moment.
pub(super) type HistogramPoint = (Seconds, HistogramData);

/// Counts are texts, so that no digit is lost.
#[derive(Serialize)]
pub(super) struct HistogramData {
    count: String,
    sum: String,
    /// Which bounds are in it, the bounds, and the count of each bucket that has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buckets: Vec<(u8, String, String, String)>,
}

/// A histogram at a moment.
pub(super) fn histogram_point(at: Timestamp, histogram: &Histogram) -> HistogramPoint {
    let buckets = histogram.buckets();
    let filled = buckets.iter().filter(|bucket| bucket.count != 0.0);
    let data = HistogramData {
        count: sample_value(histogram.count),
        sum: sample_value(histogram.sum),
        buckets: filled
            .map(|bucket| {
                let texts = [bucket.lower, bucket.upper, bucket.count].map(sample_value);
                let [lower, upper, count] = texts;
                (bounds_held(bucket), lower, upper, count)
            })
            .collect(),
    };
    (Seconds(at), data)
}

/// Which of its bounds a bucket holds: 0 the upper one, 1 the lower one, 2 neither, 3 both.
fn bounds_held(bucket: &Bucket) -> u8 {
    match (bucket.has_lower, bucket.has_upper) {
        (false, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (true, true) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;

    #[test]
    fn buckets_are_written_with_their_bounds() {
        let histogram = Histogram {
            count: 4.0,
            sum: 5.5,
            zero_count: 1.0,
            zero_threshold: 0.5,
            positive: vec![Cell { index: 1, count: 3.0 }, Cell { index: 2, count: 0.0 }],
            ..Histogram::default()
        };
        let (_, data) = histogram_point(Timestamp::from_millis(0), &histogram);
        assert_eq!(
            serde_json::to_string(&data).unwrap(),
            r#"{"count":"4","sum":"5.5","buckets":[[3,"-0.5","0.5","1"],[0,"1","2","3"]]}"#
        );
    }
}
