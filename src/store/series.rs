//! One series: its labels, where it comes from, and its samples in order of time.

use std::collections::VecDeque;
use std::time::Duration;

use super::Origin;
use crate::model::{Labels, Sample, Timestamp, is_stale, stale_nan};

/// A stored series. An id is not given to another series after `trim` has dropped it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeriesId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// What became of a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Append {
    /// It is the newest of its series now.
    Stored,
    /// There is a sample of that moment already; it stays.
    Duplicate,
    /// There is a newer sample; this one is not stored.
    OutOfOrder,
}

/// A series and its samples, each 16 bytes.
#[derive(Debug)]
pub struct Series {
    labels: Labels,
    origin: Origin,
    /// How far the longest of its selectors looks back.
    reach: Duration,
    /// In order of time, no two of the same moment.
    samples: VecDeque<Sample>,
}

impl Series {
    pub(super) fn new(labels: Labels, origin: Origin, reach: Duration) -> Self {
        Self { labels, origin, reach, samples: VecDeque::new() }
    }

    /// Its labels, with the metric name.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The newest sample in `(at - lookback, at]`; `None` when there is none or when it is a stale marker.
    pub fn value_at(&self, at: Timestamp, lookback: Duration) -> Option<Sample> {
        let newest = self.samples.get(self.end(at).checked_sub(1)?)?;
        (newest.at > at - lookback && !is_stale(newest.value)).then_some(*newest)
    }

    /// The samples in `(from, to]`, stale markers left out.
    pub fn window(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Sample> + '_ {
        let end = self.end(to);
        let start = self.samples.partition_point(|sample| sample.at <= from).min(end);
        self.samples.range(start..end).copied().filter(|sample| !is_stale(sample.value))
    }

    /// The newest sample, which may be a stale marker.
    pub fn last(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    /// The moments of the oldest and of the newest sample, if there is any.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.samples.front()?.at, self.samples.back()?.at))
    }

    /// How many samples are not after `at`. Most questions are about now, where that is all of them.
    fn end(&self, at: Timestamp) -> usize {
        match self.samples.back() {
            Some(last) if last.at > at => self.samples.partition_point(|sample| sample.at <= at),
            _ => self.samples.len(),
        }
    }

    pub(super) fn append(&mut self, sample: Sample) -> Append {
        match self.samples.back() {
            Some(last) if sample.at < last.at => return Append::OutOfOrder,
            Some(last) if sample.at == last.at => return Append::Duplicate,
            _ => {}
        }
        if self.samples.len() == self.samples.capacity() {
            // Doubling would leave up to half of the memory of a hundred thousand series empty.
            self.samples.reserve_exact(self.samples.len() / 4 + 4);
        }
        self.samples.push_back(sample);
        Append::Stored
    }

    /// Marks its end at `at`, or right after its last sample, unless it has ended. Returns whether a marker was stored.
    pub(super) fn end_at(&mut self, at: Timestamp) -> bool {
        let Some(last) = self.last().filter(|last| !is_stale(last.value)) else { return false };
        let at = at.max(last.at + Duration::from_millis(1));
        self.append(Sample { at, value: stale_nan() }) == Append::Stored
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    pub(super) fn reach_at_least(&mut self, reach: Duration) {
        self.reach = self.reach.max(reach);
    }

    pub(super) fn set_reach(&mut self, reach: Duration) {
        self.reach = reach;
    }

    pub(super) fn reach(&self) -> Duration {
        self.reach
    }

    pub(super) fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Drops the samples that a look from `now` does not reach, and says how many. Windows are open on the left.
    pub(super) fn trim(&mut self, now: Timestamp) -> usize {
        let horizon = now - self.reach;
        let before = self.samples.len();
        while self.samples.front().is_some_and(|oldest| oldest.at <= horizon) {
            self.samples.pop_front();
        }
        before - self.samples.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TargetId;

    /// A series with a sample every ten seconds; `x` is a stale marker.
    fn series(values: &str) -> Series {
        let mut series = Series::new(Labels::empty(), Origin::Report(TargetId::new("t")), Duration::ZERO);
        for (at, value) in (0..).zip(values.split_whitespace()) {
            let value = value.parse().unwrap_or_else(|_| stale_nan());
            assert_eq!(series.append(Sample { at: Timestamp::from_millis(at * 10_000), value }), Append::Stored);
        }
        series
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn looks_back_for_the_newest_sample() {
        let check = |values: &str, seconds: i64, want: Option<f64>| {
            let found = series(values).value_at(at(seconds), Duration::from_secs(30));
            assert_eq!(found.map(|sample| sample.value), want, "{values} at {seconds}");
        };
        check("1 2 3", -1, None);
        check("1 2 3", 0, Some(1.0));
        check("1 2 3", 9, Some(1.0));
        check("1 2 3", 10, Some(2.0));
        check("1 2 3", 49, Some(3.0));
        check("1 2 3", 50, None);
        check("1 x 3", 10, None);
        check("1 x 3", 20, Some(3.0));
        check("", 0, None);
    }

    #[test]
    fn a_window_is_open_on_the_left() {
        let check = |values: &str, from: i64, to: i64, want: &[f64]| {
            let series = series(values);
            let found: Vec<f64> = series.window(at(from), at(to)).map(|sample| sample.value).collect();
            assert_eq!(found, want, "{values} from {from} to {to}");
        };
        check("1 2 3", 0, 20, &[2.0, 3.0]);
        check("1 2 3", -1, 19, &[1.0, 2.0]);
        check("1 x 3", -1, 20, &[1.0, 3.0]);
        check("1 2 3", 20, 90, &[]);
        check("1 2 3", 15, 5, &[]);
        check("", 0, 10, &[]);
    }

    #[test]
    fn samples_come_in_order() {
        let mut series = series("1 2");
        let mut append = |seconds| series.append(Sample { at: at(seconds), value: 7.0 });
        assert_eq!(append(10), Append::Duplicate);
        assert_eq!(append(9), Append::OutOfOrder);
        assert_eq!(append(11), Append::Stored);
        assert_eq!(series.last().map(|sample| sample.at), Some(at(11)));
    }

    #[test]
    fn an_end_stands_after_the_last_sample_once() {
        let mut series = series("1 2");
        assert!(series.end_at(at(5)));
        assert!(!series.end_at(at(20)));
        let lookback = Duration::from_secs(30);
        assert_eq!(series.value_at(at(10), lookback).map(|sample| sample.value), Some(2.0));
        assert_eq!(series.value_at(at(11), lookback), None);
        assert_eq!(series.append(Sample { at: at(11), value: 3.0 }), Append::Stored);
    }

    #[test]
    fn a_sample_takes_16_bytes_and_little_is_kept_spare() {
        assert_eq!(size_of::<Sample>(), 16);
        let series = series(&"1 ".repeat(1000));
        assert!(series.samples.capacity() < 1260, "{}", series.samples.capacity());
    }
}
