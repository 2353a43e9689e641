//! Classic histograms as native ones with custom buckets.

use super::{Cell, Histogram, SCHEMA_CUSTOM};

/// Why buckets are no histogram.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ClassicError {
    /// A count, or a bucket's count, is negative.
    #[error("a count is negative: {0}")]
    Negative(f64),
    /// Counts do not grow with their bounds.
    #[error("the count of the bucket up to {bound} is smaller than that of the one before")]
    NotCumulative {
        /// The bound at which they shrink.
        bound: f64,
    },
    /// The last bucket and the count say different things.
    #[error("the count is {count}, but {last} observations are in buckets")]
    CountMismatch {
        /// The count.
        count: f64,
        /// What the bucket without an upper bound has.
        last: f64,
    },
}

impl Histogram {
    /// The native histogram of a classic one: cumulative counts by upper bounds, the count and the sum. The bucket without an
    /// upper bound may be missing when the count is there, and the other way round.
    pub fn from_classic(
        buckets: impl IntoIterator<Item = (f64, f64)>,
        count: Option<f64>,
        sum: f64,
    ) -> Result<Self, ClassicError> {
        let mut buckets: Vec<(f64, f64)> = buckets.into_iter().collect();
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        buckets.dedup_by(|(later, _), (earlier, _)| later == earlier);
        if let Some(negative) = buckets.iter().map(|(_, count)| *count).chain(count).find(|count| *count < 0.0) {
            return Err(ClassicError::Negative(negative));
        }
        if let Some(pair) = buckets.windows(2).find(|pair| pair[1].1 < pair[0].1) {
            return Err(ClassicError::NotCumulative { bound: pair[1].0 });
        }
        let count = count.or(buckets.last().map(|(_, count)| *count)).unwrap_or(0.0);
        if buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        let last = buckets.last().map_or(0.0, |(_, count)| *count);
        if last != count {
            return Err(ClassicError::CountMismatch { count, last });
        }
        let mut before = 0.0;
        let cells = (0..).zip(&buckets).map(|(index, (_, count))| {
            let cell = Cell { index, count: count - before };
            before = *count;
            cell
        });
        let positive: Vec<Cell> = cells.filter(|cell| cell.count != 0.0).collect();
        let bounds = buckets.iter().map(|(bound, _)| *bound).filter(|bound| *bound != f64::INFINITY).collect();
        Ok(Self { count, sum, positive, ..Self::empty(SCHEMA_CUSTOM, bounds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_counts_become_counts_of_buckets() {
        let check = |buckets: &[(f64, f64)], count: Option<f64>, want: &str| {
            let found = Histogram::from_classic(buckets.iter().copied(), count, 7.0);
            assert_eq!(found.map_or_else(|error| error.to_string(), |it| it.to_string()), want);
        };
        let infinite = f64::INFINITY;
        check(&[(5.0, 1.0), (1.0, 1.0), (infinite, 4.0)], None, "{count:4, sum:7, [-Inf,1]:1, (5,+Inf]:3}");
        check(&[(1.0, 1.0)], Some(3.0), "{count:3, sum:7, [-Inf,1]:1, (1,+Inf]:2}");
        check(&[], Some(3.0), "{count:3, sum:7, [-Inf,+Inf]:3}");
        check(
            &[(1.0, 2.0), (2.0, 1.0)],
            None,
            "the count of the bucket up to 2 is smaller than that of the one before",
        );
        check(&[(infinite, 2.0)], Some(3.0), "the count is 3, but 2 observations are in buckets");
        check(&[(1.0, -2.0)], None, "a count is negative: -2");
    }
}
