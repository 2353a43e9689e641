//! One series: its labels, where it comes from, and its samples in order of time.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::Origin;
use super::samples::{Place, Samples, Walk};
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

/// A series and its samples.
#[derive(Debug)]
pub struct Series {
    labels: Labels,
    origin: Arc<Origin>,
    /// How far the longest of its selectors looks back, in milliseconds.
    reach_ms: u64,
    samples: Samples,
}

impl Series {
    pub(super) fn new(labels: Labels, origin: Arc<Origin>, reach: Duration) -> Self {
        Self { labels, origin, reach_ms: millis_of(reach), samples: Samples::default() }
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
    #[inline]
    pub fn value_at(&self, at: Timestamp, lookback: Duration) -> Option<Sample> {
        self.sample_at(at, lookback).filter(|newest| !is_stale(newest.value))
    }

    /// The newest sample in `(at - lookback, at]`, which may be a stale marker.
    #[inline]
    pub fn sample_at(&self, at: Timestamp, lookback: Duration) -> Option<Sample> {
        let newest = self.samples.newest_at(at)?;
        (newest.at > at - lookback).then_some(newest)
    }

    /// The samples in `(from, to]`, stale markers left out.
    pub fn window(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Sample> + '_ {
        self.samples.between(from, to).filter(|sample| !is_stale(sample.value))
    }

    /// The numbers of the samples that are kept. Samples are numbered from 0 in the order in which they came, and keep their
    /// number until they are trimmed.
    pub fn numbers(&self) -> Range<u64> {
        let oldest = self.samples.trimmed();
        oldest..oldest + self.samples.len() as u64
    }

    /// The number of the oldest sample after `at`.
    pub fn number_after(&self, at: Timestamp) -> u64 {
        self.samples.number_after(at)
    }

    /// The samples from a number on, stale markers among them, in order; from the oldest one that is kept, if that is later.
    #[inline]
    pub fn from_number(&self, number: u64) -> Walk<'_> {
        self.samples.walk_from(number)
    }

    /// The samples behind one that was read before, stale markers among them: `number` and `place` are those that it had.
    /// It is no stale marker.
    #[inline]
    pub fn behind(&self, number: u64, sample: Sample, place: Place) -> Walk<'_> {
        self.samples.walk_behind(number, sample, place)
    }

    /// The newest sample, which may be a stale marker.
    pub fn last(&self) -> Option<Sample> {
        self.samples.newest()
    }

    /// The moments of its oldest and of its newest sample.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let oldest = self.samples.walk_from(0).next()?;
        Some((oldest.at, self.last()?.at))
    }

    #[inline]
    pub(super) fn append(&mut self, sample: Sample) -> Append {
        self.samples.append(sample)
    }

    /// What its samples take on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.samples.heap_bytes()
    }

    /// Marks its end at `at`, or right after its last sample, unless it has ended; it may have a histogram, too, of
    /// `newest_histogram` at the latest. Returns whether a marker was stored.
    pub(super) fn end_at(&mut self, at: Timestamp, newest_histogram: Option<Timestamp>) -> bool {
        let ended_at = self.last().filter(|last| is_stale(last.value)).map(|last| last.at);
        let Some(last_at) = self.last().map(|last| last.at).max(newest_histogram) else { return false };
        if ended_at == Some(last_at) {
            return false;
        }
        let at = at.max(last_at + Duration::from_millis(1));
        self.append(Sample { at, value: stale_nan() }) == Append::Stored
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.newest().is_none()
    }

    pub(super) fn reach_at_least(&mut self, reach: Duration) {
        self.reach_ms = self.reach_ms.max(millis_of(reach));
    }

    pub(super) fn set_reach(&mut self, reach: Duration) {
        self.reach_ms = millis_of(reach);
    }

    pub(super) fn reach(&self) -> Duration {
        Duration::from_millis(self.reach_ms)
    }

    pub(super) fn set_origin(&mut self, origin: Arc<Origin>) {
        self.origin = origin;
    }

    /// Drops the samples that a look from `now` does not reach, and says how many. Windows are open on the left.
    pub(super) fn trim(&mut self, now: Timestamp) -> usize {
        self.samples.trim(now - self.reach())
    }
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TargetId;

    /// A series with a sample every ten seconds; `x` is a stale marker.
    fn series(values: &str) -> Series {
        let mut series = Series::new(Labels::empty(), Origin::Report(TargetId::new("t")).into(), Duration::ZERO);
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
    fn samples_keep_their_numbers() {
        let mut series = series("1 x 3 4");
        assert_eq!((series.numbers(), series.number_after(at(10))), (0..4, 2));
        assert_eq!(series.trim(at(10)), 2);
        assert_eq!((series.numbers(), series.number_after(at(10))), (2..4, 2));
        let values = |number| series.from_number(number).map(|sample| sample.value).collect::<Vec<_>>();
        assert_eq!((values(0), values(3), values(9)), (vec![3.0, 4.0], vec![4.0], vec![]));
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
        assert!(series.end_at(at(5), None));
        assert!(!series.end_at(at(20), None));
        let lookback = Duration::from_secs(30);
        assert_eq!(series.value_at(at(10), lookback).map(|sample| sample.value), Some(2.0));
        assert_eq!(series.value_at(at(11), lookback), None);
        assert_eq!(series.append(Sample { at: at(11), value: 3.0 }), Append::Stored);
    }
}
