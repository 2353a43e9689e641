//! What few series have besides float samples: native histograms, and since when their counters count.
//!
//! It lies in a table beside the series, so that a series of floats is neither larger nor slower for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Append, SeriesId, refused};
use crate::model::{CounterReset, Histogram, HistogramSample, Timestamp};

/// What a histogram takes besides its buckets, with the head of what points to it.
const HISTOGRAM_BYTES: usize = size_of::<HistogramSample>() + size_of::<Histogram>() + 2 * size_of::<usize>();
/// What a start takes.
const START_BYTES: usize = size_of::<(Timestamp, Timestamp)>();
/// What a series takes that has such things: its place in the table, and as much that tables keep spare.
const ENTRY_BYTES: usize = 2 * size_of::<(SeriesId, Rich)>();

/// What one series has besides float samples.
#[derive(Debug, Default)]
pub struct Rich {
    /// In order of time, no two of the same moment.
    histograms: VecDeque<HistogramSample>,
    /// Moments of samples, of floats as of histograms, and since when what they count is counted.
    starts: VecDeque<(Timestamp, Timestamp)>,
}

impl Rich {
    /// The histograms in `(from, to]`.
    pub fn window(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &HistogramSample> {
        let end = self.histograms.partition_point(|sample| sample.at <= to);
        let start = self.histograms.partition_point(|sample| sample.at <= from).min(end);
        self.histograms.range(start..end)
    }

    /// The newest histogram in `(at - lookback, at]`.
    pub fn value_at(&self, at: Timestamp, lookback: Duration) -> Option<&HistogramSample> {
        let end = self.histograms.partition_point(|sample| sample.at <= at);
        self.histograms.get(end.checked_sub(1)?).filter(|newest| newest.at > at - lookback)
    }

    /// Since when what the sample of a moment counts is counted, if that is known.
    pub fn start_of(&self, at: Timestamp) -> Option<Timestamp> {
        let place = self.starts.partition_point(|(sample, _)| *sample < at);
        self.starts.get(place).filter(|(sample, _)| *sample == at).map(|(_, start)| *start)
    }

    /// Whether any start is known.
    pub fn has_starts(&self) -> bool {
        !self.starts.is_empty()
    }

    /// When the oldest and the newest histogram were taken.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.histograms.front()?.at, self.histograms.back()?.at))
    }

    /// Whether there is any histogram.
    pub fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    /// Drops what is not after a moment; says how many bytes that took.
    fn drop_until(&mut self, horizon: Timestamp) -> usize {
        let mut dropped = 0;
        while let Some(sample) = self.histograms.pop_front_if(|sample| sample.at <= horizon) {
            dropped += bytes_of(&sample);
        }
        while self.starts.pop_front_if(|(at, _)| *at <= horizon).is_some() {
            dropped += START_BYTES;
        }
        dropped
    }

    /// What it takes in memory, about.
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.starts.len() * START_BYTES + self.histograms.iter().map(bytes_of).sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.histograms.is_empty() && self.starts.is_empty()
    }
}

/// What a histogram says of resets, next to the one before it, as Prometheus's storage has it.
fn reset_of(histogram: &Histogram, before: Option<&Histogram>) -> CounterReset {
    let Some(before) = before else {
        return if histogram.reset == CounterReset::Gauge { CounterReset::Gauge } else { CounterReset::Unknown };
    };
    if histogram.reset == CounterReset::Gauge {
        return CounterReset::Gauge;
    }
    let is_alike = before.reset != CounterReset::Gauge
        && histogram.reset != CounterReset::Reset
        && histogram.schema == before.schema
        && histogram.zero_threshold == before.zero_threshold
        && histogram.bounds == before.bounds;
    let has_reset = || {
        let unsaid = Histogram { reset: CounterReset::Unknown, ..histogram.clone() };
        unsaid.has_reset_since(before)
    };
    if is_alike && !has_reset() { CounterReset::NotReset } else { CounterReset::Unknown }
}

/// What a histogram takes in memory, about.
fn bytes_of(sample: &HistogramSample) -> usize {
    let Histogram { positive, negative, bounds, .. } = &*sample.histogram;
    HISTOGRAM_BYTES + size_of_val(&**positive) + size_of_val(&**negative) + size_of_val(&**bounds)
}

/// The series that have such things.
#[derive(Debug, Default)]
pub(super) struct RichTable {
    by_series: HashMap<SeriesId, Rich>,
    /// What it all takes in memory, about.
    bytes: usize,
    /// How often a series began to have histograms, or has none any more.
    changes: u64,
}

impl RichTable {
    pub(super) fn get(&self, id: SeriesId) -> Option<&Rich> {
        if self.by_series.is_empty() { None } else { self.by_series.get(&id) }
    }

    /// When the newest histogram of a series was taken.
    #[inline]
    pub(super) fn newest_at(&self, id: SeriesId) -> Option<Timestamp> {
        Some(self.get(id)?.histograms.back()?.at)
    }

    /// How often a series began to have histograms, or has none any more.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// What it all takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether what is counted step by step is what there is.
    #[cfg(test)]
    pub(super) fn is_counted_right(&self) -> bool {
        self.bytes == self.by_series.values().map(Rich::bytes).sum::<usize>()
    }

    /// Adds a histogram that is newer than those before. What it says of resets is replaced by what is seen: that it
    /// continues the one before, unless there was a float in between, or nothing.
    pub(super) fn append(
        &mut self,
        id: SeriesId,
        mut sample: HistogramSample,
        newest_float: Option<Timestamp>,
    ) -> Append {
        if let Some(refused) = self.newest_at(id).and_then(|newest| refused(newest, sample.at)) {
            return refused;
        }
        let rich = entry(&mut self.by_series, &mut self.bytes, id);
        let before = rich.histograms.back().filter(|before| newest_float.is_none_or(|at| at < before.at));
        let seen = reset_of(&sample.histogram, before.map(|before| &*before.histogram));
        if sample.histogram.reset != seen {
            Arc::make_mut(&mut sample.histogram).reset = seen;
        }
        self.bytes += bytes_of(&sample);
        self.changes += u64::from(!rich.has_histograms());
        rich.histograms.push_back(sample);
        Append::Stored
    }

    /// Notes since when the newest sample of a series counts.
    pub(super) fn note_start(&mut self, id: SeriesId, at: Timestamp, start: Timestamp) {
        let starts = &mut entry(&mut self.by_series, &mut self.bytes, id).starts;
        if starts.back().is_none_or(|(last, _)| *last < at) {
            starts.push_back((at, start));
            self.bytes += START_BYTES;
        }
    }

    /// Drops what a series has that is not after a moment.
    pub(super) fn trim(&mut self, id: SeriesId, horizon: Timestamp) {
        if self.by_series.is_empty() {
            return;
        }
        let Some(rich) = self.by_series.get_mut(&id) else { return };
        let had_histograms = rich.has_histograms();
        self.bytes -= rich.drop_until(horizon);
        self.changes += u64::from(had_histograms && !rich.has_histograms());
        if rich.is_empty() {
            self.remove(id);
        }
    }

    /// Forgets a series.
    pub(super) fn remove(&mut self, id: SeriesId) {
        if !self.by_series.is_empty()
            && let Some(rich) = self.by_series.remove(&id)
        {
            self.bytes -= rich.bytes();
            self.changes += u64::from(rich.has_histograms());
        }
    }
}

/// What there is of a series, or room for it.
fn entry<'a>(by_series: &'a mut HashMap<SeriesId, Rich>, bytes: &mut usize, id: SeriesId) -> &'a mut Rich {
    by_series.entry(id).or_insert_with(|| {
        *bytes += ENTRY_BYTES;
        Rich::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Origin, Store};
    use super::*;
    use crate::model::{Labels, MatchOp, Matcher, Sample, TargetId, is_stale};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn histogram(seconds: i64) -> HistogramSample {
        HistogramSample { at: at(seconds), histogram: Arc::new(Histogram { count: 3.0, ..Histogram::default() }) }
    }

    fn series(store: &mut Store) -> (SeriesId, Labels) {
        store.register(&[Matcher::new("__name__", MatchOp::Equal, "h").unwrap()], Duration::ZERO);
        let labels = Labels::from_pairs([("__name__", "h")]);
        (store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))).unwrap(), labels)
    }

    #[test]
    fn histograms_are_kept_as_long_as_floats() {
        let mut store = Store::new();
        let (id, _) = series(&mut store);
        let empty = store.memory_bytes();
        assert_eq!(store.append_histogram(id, histogram(10)), Append::Stored);
        assert_eq!(store.append_histogram(id, histogram(20)), Append::Stored);
        assert_eq!(store.append_histogram(id, histogram(20)), Append::Duplicate);
        assert_eq!(store.append_histogram(id, histogram(5)), Append::OutOfOrder);
        store.note_start(id, at(20), at(15));
        let rich = store.rich(id).unwrap();
        let seconds: Vec<i64> = rich.window(at(10), at(20)).map(|sample| sample.at.millis() / 1000).collect();
        assert_eq!(seconds, [20]);
        assert_eq!(rich.value_at(at(19), Duration::from_secs(10)).map(|sample| sample.at), Some(at(10)));
        assert_eq!(rich.value_at(at(20), Duration::ZERO), None);
        assert_eq!((rich.start_of(at(20)), rich.start_of(at(10))), (Some(at(15)), None));
        assert!(store.memory_bytes() > empty);
        assert!(store.trim(at(10 + 300)).is_empty());
        assert_eq!(store.rich(id).unwrap().window(at(0), at(20)).count(), 1);
        assert_eq!(store.trim(at(20 + 300)), [id]);
        assert_eq!(store.memory_bytes(), 0);
    }

    #[test]
    fn what_continues_is_known() {
        let mut store = Store::new();
        let (id, _) = series(&mut store);
        let mut push = |seconds: i64, count: f64, reset: CounterReset| {
            let histogram = Arc::new(Histogram { count, reset, ..Histogram::default() });
            store.append_histogram(id, HistogramSample { at: at(seconds), histogram });
            if seconds == 50 {
                store.append(id, Sample { at: at(55), value: 1.0 });
            }
        };
        push(10, 1.0, CounterReset::NotReset);
        push(20, 2.0, CounterReset::Unknown);
        push(30, 1.0, CounterReset::NotReset);
        push(40, 1.0, CounterReset::NotReset);
        push(50, 2.0, CounterReset::Reset);
        push(60, 2.0, CounterReset::Unknown);
        push(70, 2.0, CounterReset::Gauge);
        push(80, 2.0, CounterReset::Unknown);
        let seen: Vec<CounterReset> =
            store.rich(id).unwrap().window(at(0), at(100)).map(|sample| sample.histogram.reset).collect();
        let (unknown, not_reset) = (CounterReset::Unknown, CounterReset::NotReset);
        assert_eq!(seen, [unknown, not_reset, unknown, not_reset, unknown, unknown, CounterReset::Gauge, unknown]);
    }

    #[test]
    fn a_series_of_histograms_ends_as_any_other() {
        let mut store = Store::new();
        store.limit(Limits::default());
        let (id, labels) = series(&mut store);
        store.append_histogram(id, histogram(10));
        store.end(&labels, at(30));
        store.end(&labels, at(40));
        let ends: Vec<Sample> = store.series(id).last().into_iter().collect();
        assert!(matches!(ends.as_slice(), [end] if is_stale(end.value) && end.at == at(30)), "{ends:?}");
    }
}
