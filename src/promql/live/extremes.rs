//! The least and the greatest sample of a window.

use std::collections::VecDeque;

use crate::model::Sample;

use super::edges::{Edges, Track, WindowState};
use super::mutant::{Mutant, is_mutant};

/// The samples that are, or may become, the extreme of the window: each goes before all that came after it. What a new
/// sample beats will never be the extreme again and is forgotten. NaN is none of them.
#[derive(Debug, Default)]
pub(super) struct Extremes<const GREATEST: bool>(VecDeque<Sample>);

impl<const GREATEST: bool> Track for Extremes<GREATEST> {
    fn enter(&mut self, _: &Edges, sample: Sample, _: u64) {
        if sample.value.is_nan() {
            return;
        }
        // Of those that are equal the first is the extreme, as it is for the interpreter: -0 and 0 are equal.
        let beats = |other: &Sample| if GREATEST { sample.value > other.value } else { sample.value < other.value };
        while self.0.back().is_some_and(beats) {
            self.0.pop_back();
        }
        self.0.push_back(sample);
    }

    fn leave(&mut self, oldest: Sample, _: Option<Sample>) {
        if self.0.front().is_some_and(|front| front.at <= oldest.at) && !is_mutant(Mutant::KeepsExtremes) {
            self.0.pop_front();
        }
    }
}

impl<const GREATEST: bool> WindowState<Extremes<GREATEST>> {
    /// The extreme; NaN only when there is nothing else.
    pub(super) fn extreme(&self) -> f64 {
        self.track.0.front().map_or(self.edges.last.value, |sample| sample.value)
    }
}
