//! The two edges of a window over one series, moved forwards with time.
//!
//! Samples are append-only and windows move forwards, so a window need not be read again: what is new enters on the right,
//! what is too old leaves on the left, and each sample is looked at twice in its life, however long the window is.

use crate::model::{Sample, Timestamp, is_stale};
use crate::store::{Place, Series};

use super::mutant::{Mutant, is_mutant};

/// What is kept of the samples of a window besides its edges.
pub(super) trait Track: Default {
    /// A sample enters; `edges` are those before it.
    fn enter(&mut self, edges: &Edges, sample: Sample, number: u64);
    /// The oldest sample leaves; `next` is the one after it, if it is in the window.
    fn leave(&mut self, oldest: Sample, next: Option<Sample>);
}

/// Where a window begins and ends among the samples of a series. Stale markers are never in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edges {
    /// The number of the first sample in the window.
    pub(super) low: u64,
    /// The number of the first sample that has not been looked at.
    pub(super) high: u64,
    /// How many samples there are.
    pub(super) count: u32,
    /// The oldest, when there is one.
    pub(super) first: Sample,
    /// Where it was read, to go on behind it.
    pub(super) place: Place,
    /// The newest, when there is one.
    pub(super) last: Sample,
}

/// That a window has not been looked at yet.
const UNSEEN: u64 = u64::MAX;

const NOTHING: Sample = Sample { at: Timestamp::from_millis(0), value: 0.0 };

impl Default for Edges {
    fn default() -> Self {
        Self { low: UNSEEN, high: UNSEEN, count: 0, first: NOTHING, place: Place::default(), last: NOTHING }
    }
}

/// A window over one series and what is kept of it.
#[derive(Debug, Default)]
pub(super) struct WindowState<T> {
    pub(super) edges: Edges,
    pub(super) track: T,
}

impl<T: Track> WindowState<T> {
    /// Moves the window to `(start, end]`. Neither may be before what it was; whoever goes back begins with a new state.
    #[inline]
    pub(super) fn advance(&mut self, series: &Series, start: Timestamp, end: Timestamp) {
        let kept = series.numbers();
        let is_cut = self.edges.low < kept.start && !is_mutant(Mutant::MissesTrims);
        if is_cut || self.edges.low == UNSEEN {
            *self = Self::default();
            let low = if is_mutant(Mutant::ClosesWindows) { start.shifted(-1) } else { start };
            self.edges.low = series.number_after(low);
            self.edges.high = self.edges.low;
        }
        if self.edges.high < kept.end {
            self.enter(series, end);
        }
        let is_out =
            |first: Sample| if is_mutant(Mutant::ClosesWindows) { first.at < start } else { first.at <= start };
        if self.edges.count > 0 && is_out(self.edges.first) {
            self.leave(series, start);
        }
    }

    fn enter(&mut self, series: &Series, end: Timestamp) {
        let edges = &mut self.edges;
        let mut walk = series.from_number(edges.high);
        while let Some(sample) = walk.next() {
            if sample.at > end {
                break;
            }
            let number = edges.high;
            edges.high += 1;
            if is_stale(sample.value) && !is_mutant(Mutant::TakesMarkers) {
                continue;
            }
            self.track.enter(edges, sample, number);
            if edges.count == 0 {
                (edges.first, edges.low, edges.place) = (sample, number, walk.place());
            }
            edges.last = sample;
            edges.count += 1;
        }
    }

    fn leave(&mut self, series: &Series, start: Timestamp) {
        let edges = &mut self.edges;
        let mut oldest = edges.first;
        let mut walk = series.behind(edges.low, oldest, edges.place);
        for number in edges.low + 1..edges.high {
            let Some(sample) = walk.next() else { break };
            if is_stale(sample.value) {
                continue;
            }
            self.track.leave(oldest, Some(sample));
            edges.count -= 1;
            if sample.at > start {
                (edges.first, edges.low, edges.place) = (sample, number, walk.place());
                return;
            }
            oldest = sample;
        }
        self.track.leave(oldest, None);
        edges.count = 0;
        edges.low = edges.high;
    }
}

/// Nothing but the edges: `delta`, `count_over_time`, `first_over_time` and their relatives.
impl Track for () {
    fn enter(&mut self, _: &Edges, _: Sample, _: u64) {}
    fn leave(&mut self, _: Sample, _: Option<Sample>) {}
}
