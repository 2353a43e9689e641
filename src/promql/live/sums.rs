//! Sums of long windows from sums of blocks.
//!
//! Nothing is ever subtracted: a sum that a value was added to and taken from again keeps the rounding, and an infinity or
//! NaN would never leave it. Instead the sums of blocks of samples are kept, and of blocks of blocks. The sum of a window is
//! that of the samples before its first whole block, of the blocks, and of the block that is being filled: about 200
//! additions for a window of 30 days. A window of less than two blocks is added up sample by sample, as the interpreter
//! does it, to the last bit; a longer one agrees within 1e-12 of the sum of absolute values.

use std::collections::VecDeque;

use crate::model::{CompensatedSum, Sample, is_stale};
use crate::store::Series;

use super::super::sum::{Mean, sum};
use super::edges::{Edges, Track, WindowState};
use super::mutant::{Mutant, is_mutant};

/// How many samples make a block, and how many blocks a block of blocks.
const BLOCK: u64 = if cfg!(test) { 4 } else { 64 };

/// A sum up to here is taken to be one that no order of additions would have made infinite on the way.
const SAFE_MAX: f64 = 1e290;

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    sum: CompensatedSum,
    /// Of the absolute values, to know that nothing overflowed.
    size: f64,
}

impl Block {
    fn add(&mut self, value: f64) {
        self.sum.add(value);
        self.size += value.abs();
    }

    fn merge(&mut self, other: Self) {
        self.sum.add(other.sum.sum);
        self.sum.lost += other.sum.lost;
        self.size += other.size;
    }
}

/// Blocks by number: block `n` has the samples, or blocks, from `n * BLOCK` on.
#[derive(Debug, Default)]
struct Level {
    /// The number of the first.
    first: u64,
    blocks: VecDeque<Block>,
}

impl Level {
    /// The block with a number that is not before the last one's.
    fn at(&mut self, number: u64) -> &mut Block {
        if self.blocks.is_empty() {
            self.first = number;
        }
        while self.first + (self.blocks.len() as u64) <= number {
            self.blocks.push_back(Block::default());
        }
        self.blocks.back_mut().expect("one was pushed if there was none")
    }

    fn get(&self, number: u64) -> Block {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.blocks.get(at)).copied().unwrap_or_default()
    }

    fn forget_before(&mut self, number: u64) {
        while self.first < number && self.blocks.pop_front().is_some() {
            self.first += 1;
        }
    }
}

/// The sums of the blocks that a window touches.
#[derive(Debug, Default)]
pub(super) struct Sums {
    blocks: Level,
    /// Blocks of whole blocks.
    towers: Level,
    /// The block that is being filled.
    filling: u64,
}

impl Track for Sums {
    fn enter(&mut self, _: &Edges, sample: Sample, number: u64) {
        let block = number / BLOCK;
        if block != self.filling && !self.blocks.blocks.is_empty() {
            // What was filled is whole now. Numbers are skipped only for stale markers, which belong to no sum.
            let whole = self.blocks.get(self.filling);
            self.towers.at(self.filling / BLOCK).merge(whole);
        }
        self.filling = block;
        self.blocks.at(block).add(sample.value);
    }

    fn leave(&mut self, _: Sample, _: Option<Sample>) {}
}

impl WindowState<Sums> {
    /// Forgets the blocks before the window.
    fn tidy(&mut self) {
        let low = self.edges.low;
        self.track.blocks.forget_before(low / BLOCK);
        self.track.towers.forget_before(low / (BLOCK * BLOCK));
    }

    /// The sum of the samples in the window, `Σ v`.
    pub(super) fn sum(&mut self, series: &Series) -> f64 {
        match self.by_blocks(series) {
            Some(block) => block.sum.total(),
            None => sum(self.values(series)),
        }
    }

    /// The mean of the samples in the window, `Σ v / n`.
    pub(super) fn mean(&mut self, series: &Series) -> f64 {
        match self.by_blocks(series) {
            Some(Block { sum, .. }) => {
                let count = f64::from(self.edges.count);
                sum.sum / count + sum.lost / count
            }
            None => {
                let mut mean = Mean::default();
                self.values(series).for_each(|value| mean.add(value));
                mean.mean()
            }
        }
    }

    fn values<'a>(&self, series: &'a Series) -> impl Iterator<Item = f64> + 'a {
        let Edges { low, high, .. } = self.edges;
        let samples = (low..high).zip(series.from_number(low));
        samples.map(|(_, sample)| sample.value).filter(|value| !is_stale(*value))
    }

    /// The sum from blocks; `None` for a short window, and where the order of additions could matter beyond rounding.
    fn by_blocks(&mut self, series: &Series) -> Option<Block> {
        self.tidy();
        let Edges { low, high, .. } = self.edges;
        if high - low < 2 * BLOCK {
            return None;
        }
        let mut total = Block::default();
        let mut number = low.div_ceil(BLOCK);
        for (_, sample) in (low..number * BLOCK).zip(series.from_number(low)) {
            if !is_stale(sample.value) && !is_mutant(Mutant::SkipsHeads) {
                total.add(sample.value);
            }
        }
        let filling = self.track.filling;
        while number <= filling {
            let tower = number / BLOCK;
            if number.is_multiple_of(BLOCK) && (tower + 1) * BLOCK <= filling {
                total.merge(self.track.towers.get(tower));
                number += BLOCK;
            } else {
                total.merge(self.track.blocks.get(number));
                number += 1;
            }
        }
        if total.size.is_nan() {
            // One NaN makes the sum and the mean NaN, whatever else there is.
            return Some(total).filter(|total| total.sum.total().is_nan());
        }
        (total.size < SAFE_MAX).then_some(total)
    }
}
