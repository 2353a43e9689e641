//! What `rate` and its relatives keep of a window.

use std::collections::VecDeque;

use crate::model::{Sample, Timestamp};

use super::edges::{Edges, Track, WindowState};
use super::mutant::{Mutant, is_mutant};

/// The samples before which a counter started anew, in order. Most counters never do.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "eight bytes for a hundred thousand counters that are never reset")]
pub(super) struct Resets(Option<Box<VecDeque<Sample>>>);

impl Track for Resets {
    #[inline]
    fn enter(&mut self, edges: &Edges, sample: Sample, _: u64) {
        if edges.count > 0 && sample.value < edges.last.value && !is_mutant(Mutant::MissesResets) {
            self.0.get_or_insert_default().push_back(edges.last);
        }
    }

    #[inline]
    fn leave(&mut self, oldest: Sample, _: Option<Sample>) {
        let Some(resets) = &mut self.0 else { return };
        if resets.front().is_some_and(|first| first.at <= oldest.at) && !is_mutant(Mutant::KeepsResets) {
            resets.pop_front();
            if resets.is_empty() {
                self.0 = None;
            }
        }
    }
}

impl Resets {
    /// The values before each reset, in order.
    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().flat_map(|resets| resets.iter().map(|sample| sample.value))
    }

    /// How many there are.
    #[expect(clippy::cast_precision_loss, reason = "there are not 2^53 samples in memory")]
    pub(super) fn count(&self) -> f64 {
        self.0.as_ref().map_or(0, |resets| resets.len()) as f64
    }
}

/// The sample before the newest.
#[derive(Debug, Default)]
pub(super) struct Before(Option<Sample>);

impl Track for Before {
    fn enter(&mut self, edges: &Edges, _: Sample, _: u64) {
        self.0 = Some(if is_mutant(Mutant::WrongPair) { edges.first } else { edges.last });
    }

    fn leave(&mut self, _: Sample, _: Option<Sample>) {}
}

impl WindowState<Before> {
    /// The last two samples.
    pub(super) fn last_two(&self) -> Option<(Sample, Sample)> {
        if self.edges.count < 2 { None } else { Some((self.track.0?, self.edges.last)) }
    }

    /// `(vₙ − vₙ₋₁) / (tₙ − tₙ₋₁)`, or `vₙ` over that time when the counter started anew.
    pub(super) fn irate(&self) -> Option<f64> {
        let (before, last) = self.last_two()?;
        let grown = if last.value < before.value { last.value } else { last.value - before.value };
        Some(grown / seconds_between(before.at, last.at))
    }

    /// `vₙ − vₙ₋₁`
    pub(super) fn idelta(&self) -> Option<f64> {
        let (before, last) = self.last_two()?;
        Some(last.value - before.value)
    }
}

/// How many pairs of neighbours differ.
#[derive(Debug, Default)]
pub(super) struct Changes(u32);

fn differ(before: Sample, after: Sample) -> bool {
    before.value != after.value && !(before.value.is_nan() && after.value.is_nan())
}

impl Track for Changes {
    fn enter(&mut self, edges: &Edges, sample: Sample, _: u64) {
        self.0 += u32::from(edges.count > 0 && differ(edges.last, sample));
    }

    fn leave(&mut self, oldest: Sample, next: Option<Sample>) {
        let counted = next.is_some_and(|next| differ(oldest, next));
        self.0 -= u32::from(counted && !is_mutant(Mutant::KeepsChanges));
    }
}

impl Changes {
    pub(super) fn count(&self) -> f64 {
        f64::from(self.0)
    }
}

/// How many milliseconds it is from one moment to another, in seconds.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.millis() - from.millis()) as f64 / 1000.0
}

/// What a series is thought to have changed by over a window that reaches from `start` to `end`: the change between its
/// first and its last sample, reaching out to both ends. This is `extrapolatedRate` of Prometheus's
/// `promql/functions.go`, which the interpreter follows over a whole window; here the samples in between are not needed,
/// only `resets`. Operands are combined in the same order, so that the last bit agrees. For a gauge there are no resets, and
/// `is_counter` is false: it may have been below zero.
pub(super) fn extrapolated(
    edges: &Edges,
    resets: Option<&Resets>,
    (start, end): (Timestamp, Timestamp),
    per_seconds: Option<f64>,
) -> Option<f64> {
    if edges.count < 2 {
        return None;
    }
    let Edges { first, last, count, .. } = *edges;
    let mut change = last.value - first.value;
    if let Some(resets) = resets {
        for value in resets.values() {
            change += value;
        }
    }
    let mut to_start = seconds_between(start, first.at);
    let mut to_end = seconds_between(last.at, end);
    let sampled = seconds_between(first.at, last.at);
    let between_samples = sampled / f64::from(count - 1);
    let threshold = between_samples * 1.1;
    if to_start >= threshold {
        to_start = between_samples / 2.0;
    }
    if resets.is_some() {
        let mut to_zero = to_start;
        if change > 0.0 && first.value >= 0.0 {
            to_zero = sampled * (first.value / change);
        }
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    if to_end >= threshold {
        to_end = between_samples / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if let Some(seconds) = per_seconds {
        factor /= seconds;
    }
    Some(change * factor)
}
