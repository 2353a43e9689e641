//! What is read from the store is what was put into it, to the bit, next to a plain list of it all.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{Histogram, MatchOp, is_stale, stale_nan};

/// How far the selector of the test looks back.
const REACH: Duration = Duration::from_secs(600);

/// What a series may be asked to take in, or to let go.
#[derive(Clone, Copy, Debug)]
enum Step {
    Float(f64),
    Histogram(u16),
    Start,
    End,
    Trim(i64),
}

/// A sample as the plain list has it: bits of a float, or how often a histogram was observed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Plain {
    Float(u64),
    Histogram(f64),
}

/// Made anew each time, so that the test holds no label that the store counts.
fn labels() -> Labels {
    Labels::from_pairs([("__name__", "a"), ("pod", "p")])
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..5000_i32).prop_map(|value| Step::Float(f64::from(value))),
        3 => any::<u64>().prop_map(|bits| Step::Float(f64::from_bits(bits))),
        3 => prop_oneof![
            Just(-0.0), Just(0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::NAN), Just(-f64::NAN),
            Just(stale_nan()), Just(f64::MAX), Just(f64::MIN_POSITIVE), Just(9_007_199_254_740_993.0),
        ].prop_map(Step::Float),
        3 => any::<u16>().prop_map(Step::Histogram),
        1 => Just(Step::Start),
        1 => Just(Step::End),
        1 => (-5_000..900_000_i64).prop_map(Step::Trim),
    ]
}

/// How far a sample is behind the one before it, which may be in front of it.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![10 => Just(5_000), 3 => 4_990..5_010_i64, 1 => 1..400_000_i64, 1 => -3..1_i64, 1 => 1_i64 << 33..1 << 42]
}

/// A store of one series, and the same as a plain list.
struct Pair {
    store: Store,
    id: SeriesId,
    plain: Vec<(i64, Plain)>,
    starts: Vec<(i64, i64)>,
    /// How many floats were trimmed.
    trimmed: u64,
}

impl Pair {
    fn new() -> Self {
        let mut store = Store::new();
        store.register(&[Matcher::new(crate::model::METRIC_NAME, MatchOp::Equal, "a").unwrap()], REACH);
        let id = store.series_for(&labels(), &Origin::Recorded).expect("it is wanted");
        Self { store, id, plain: Vec::new(), starts: Vec::new(), trimmed: 0 }
    }

    fn floats(&self) -> impl DoubleEndedIterator<Item = (i64, u64)> + '_ {
        self.plain.iter().filter_map(|(at, value)| match value {
            Plain::Float(bits) => Some((*at, *bits)),
            Plain::Histogram(_) => None,
        })
    }

    fn take(&mut self, now: i64, step: Step) {
        let plain = match step {
            Step::Float(value) => Plain::Float(value.to_bits()),
            Step::Histogram(count) => Plain::Histogram(f64::from(count)),
            Step::Start => {
                if let Some((last, _)) = self.plain.last() {
                    self.store.note_start(self.id, at(*last), at(*last - 7));
                    if self.starts.last().is_none_or(|(before, _)| before < last) {
                        self.starts.push((*last, *last - 7));
                    }
                }
                return;
            }
            Step::End => {
                self.store.end(&labels(), at(now));
                match self.plain.last() {
                    Some((_, Plain::Float(bits))) if is_stale(f64::from_bits(*bits)) => {}
                    Some((last, _)) => self.plain.push((now.max(last + 1), Plain::Float(stale_nan().to_bits()))),
                    None => {}
                }
                return;
            }
            Step::Trim(back) => return self.trim(now - back),
        };
        let want = match self.plain.last() {
            Some((last, _)) if now < *last => Append::OutOfOrder,
            Some((last, _)) if now == *last => Append::Duplicate,
            _ => {
                self.plain.push((now, plain));
                Append::Stored
            }
        };
        let got = match plain {
            Plain::Float(bits) => self.store.append(self.id, Sample { at: at(now), value: f64::from_bits(bits) }),
            Plain::Histogram(count) => {
                let histogram = Arc::new(Histogram { count, ..Histogram::default() });
                self.store.append_histogram(self.id, HistogramSample { at: at(now), histogram })
            }
        };
        assert_eq!(got, want, "{step:?} at {now}");
    }

    fn trim(&mut self, now: i64) {
        let horizon = (at(now) - REACH).millis();
        let floats = self.floats().filter(|(at, _)| *at <= horizon).count() as u64;
        self.plain.retain(|(at, _)| *at > horizon);
        self.starts.retain(|(at, _)| *at > horizon);
        let dropped = self.store.trim(at(now));
        self.trimmed += floats;
        if self.plain.is_empty() && self.starts.is_empty() {
            assert_eq!(dropped, [self.id]);
            assert_eq!(self.store.memory_bytes(), 0);
            self.id = self.store.series_for(&labels(), &Origin::Recorded).expect("it is wanted still");
            self.trimmed = 0;
        } else {
            assert_eq!(dropped, []);
        }
    }

    /// Everything that can be asked about `(from, to]` or `to`.
    fn check(&self, from: i64, to: i64, lookback: Duration) {
        let (series, rich) = (self.store.series(self.id), self.store.rich(self.id));
        let bits = |sample: Sample| (sample.at.millis(), sample.value.to_bits());
        let is_number = |(_, bits): &(i64, u64)| !is_stale(f64::from_bits(*bits));
        let is_in = |at: i64| at > from && at <= to;
        let window: Vec<_> = series.window(at(from), at(to)).map(bits).collect();
        let want: Vec<_> = self.floats().filter(|sample| is_in(sample.0)).filter(is_number).collect();
        assert_eq!(window, want, "({from}, {to}]");
        let newest = self.floats().rfind(|sample| sample.0 <= to);
        let newest = newest.filter(|sample| at(sample.0) > at(to) - lookback);
        assert_eq!(series.sample_at(at(to), lookback).map(bits), newest, "{lookback:?} before {to}");
        assert_eq!(series.value_at(at(to), lookback).map(bits), newest.filter(is_number));
        assert_eq!(series.last().map(bits), self.floats().last());
        let before = self.floats().filter(|sample| sample.0 <= from).count();
        let number = series.number_after(at(from));
        assert_eq!(number, self.trimmed + before as u64);
        assert!(series.from_number(number).map(bits).eq(self.floats().skip(before)), "from {number} on");
        assert_eq!(series.numbers(), self.trimmed..self.trimmed + self.floats().count() as u64);
        let histograms = rich.into_iter().flat_map(|rich| rich.window(at(from), at(to)));
        let histograms: Vec<_> = histograms.map(|it| (it.at.millis(), Plain::Histogram(it.histogram.count))).collect();
        let is_histogram = |value: &Plain| matches!(value, Plain::Histogram(_));
        let want: Vec<_> = self.plain.iter().copied().filter(|(at, value)| is_in(*at) && is_histogram(value)).collect();
        assert_eq!(histograms, want, "({from}, {to}]");
        for (sample, _) in &self.plain {
            let start = self.starts.iter().find(|(at, _)| at == sample).map(|(_, start)| at(*start));
            assert_eq!(rich.and_then(|rich| rich.start_of(at(*sample))), start, "of {sample}");
        }
        assert_eq!(self.store.newest_at(self.id), self.plain.last().map(|(last, _)| at(*last)));
        assert!(self.store.is_counted_right());
    }
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_put_in(
        begin in prop_oneof![Just(0), Just(1_764_000_000_000), any::<i32>().prop_map(i64::from), any::<i64>().prop_map(|it| it / 4)],
        steps in prop::collection::vec((gap(), step()), 0..300),
        looks in prop::collection::vec((-20_000..3_000_000_i64, 0..2_000_000_i64, 0..400_000_u64), 1..6),
    ) {
        let mut pair = Pair::new();
        let mut now = begin;
        for (index, (gap, step)) in steps.into_iter().enumerate() {
            now += gap;
            pair.take(now, step);
            if index % 16 == 0 {
                pair.check(now - 100_000, now, LOOKBACK);
            }
        }
        for (back, length, lookback) in looks {
            pair.check(now - back, now - back + length, Duration::from_millis(lookback));
        }
        pair.check(i64::MIN, i64::MAX, LOOKBACK);
        pair.store.forget_series();
        prop_assert_eq!(pair.store.memory_bytes(), 0);
    }
}
