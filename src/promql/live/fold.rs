//! Aggregations: the group of a row is looked up, not worked out.

use std::cmp::Ordering;

use crate::model::{CompensatedSum, Labels};

use super::super::aggregate::order;
use super::super::ast::{AggregateOp, Grouping};
use super::super::sum::{Mean, quantile};
use super::column::Column;
use super::mutant::{Mutant, is_mutant};
use super::rows::{LabelIndex, Met, RowMemo};

/// The group of each row, and the groups' labels.
#[derive(Debug, Default)]
pub(super) struct Groups {
    memo: RowMemo,
    index: LabelIndex,
    generation: u64,
    met: Met,
    /// The groups in the order in which they appear in an evaluation.
    seen: Vec<u32>,
}

impl Groups {
    pub(super) fn labels(&self, group: u32) -> Labels {
        self.index.labels(group)
    }

    /// Begins an evaluation over rows of a generation.
    fn begin(&mut self, generation: u64) {
        if self.memo.follow(generation) {
            self.index.clear();
            self.generation += 1;
        }
        self.met.begin();
        self.seen.clear();
    }

    /// The group of a row, and whether it is the first of its group.
    fn of(&mut self, row: u32, grouping: &Grouping, labels: impl FnOnce() -> Labels) -> (usize, bool) {
        let index = &mut self.index;
        let group = self.memo.get(row, || index.number(labels().filter(|name| grouping.keeps(name))));
        let is_first = self.met.note(group);
        if is_first {
            self.seen.push(group);
        }
        (group as usize, is_first)
    }

    fn seen(&mut self) -> &[u32] {
        if is_mutant(Mutant::SortsGroups) {
            self.seen.sort_unstable();
        }
        &self.seen
    }

    /// One value of each group.
    pub(super) fn fold(
        &mut self,
        op: AggregateOp,
        param: f64,
        grouping: &Grouping,
        child: &Column,
        labels: impl Fn(u32) -> Labels,
        column: &mut Column,
    ) {
        match op {
            AggregateOp::Sum => self.run::<CompensatedSum>(grouping, child, labels, column, |it| it.total()),
            AggregateOp::Avg => self.run::<Mean>(grouping, child, labels, column, |it| it.mean()),
            AggregateOp::Min => self.run::<Extreme<false>>(grouping, child, labels, column, |it| it.0),
            AggregateOp::Max => self.run::<Extreme<true>>(grouping, child, labels, column, |it| it.0),
            AggregateOp::Count => self.run::<f64>(grouping, child, labels, column, |it| *it),
            AggregateOp::Group => self.run::<f64>(grouping, child, labels, column, |_| 1.0),
            AggregateOp::StdVar => self.run::<Variance>(grouping, child, labels, column, |it| it.variance()),
            AggregateOp::StdDev => self.run::<Variance>(grouping, child, labels, column, |it| it.variance().sqrt()),
            _ => self.run::<Vec<f64>>(grouping, child, labels, column, |it| quantile(param, it)),
        }
    }

    fn run<F: Fold>(
        &mut self,
        grouping: &Grouping,
        child: &Column,
        labels: impl Fn(u32) -> Labels,
        column: &mut Column,
        value: impl Fn(&mut F) -> f64,
    ) {
        self.begin(child.generation);
        let mut folds: Vec<F> = Vec::new();
        folds.resize_with(self.index.len(), F::default);
        for (row, value) in child.iter() {
            let (group, _) = self.of(row, grouping, || labels(row));
            if folds.len() <= group {
                folds.resize_with(group + 1, F::default);
            }
            folds[group].add(value);
        }
        column.generation = self.generation;
        for group in self.seen() {
            column.push(*group, value(&mut folds[*group as usize]));
        }
    }

    /// Some elements of each group, `count` at most: for `topk` and `bottomk` in the order of their values, NaN last, for
    /// `limitk` the first ones. Rows are those of the child.
    pub(super) fn choose(
        &mut self,
        op: AggregateOp,
        count: usize,
        grouping: &Grouping,
        child: &Column,
        labels: impl Fn(u32) -> Labels,
        column: &mut Column,
    ) {
        self.begin(child.generation);
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (at, row) in child.rows.iter().enumerate() {
            let (group, _) = self.of(*row, grouping, || labels(*row));
            if members.len() <= group {
                members.resize_with(group + 1, Vec::new);
            }
            members[group].push(at);
        }
        let is_top = (op == AggregateOp::TopK) != is_mutant(Mutant::ChoosesLeast);
        let first = if is_top { Ordering::Greater } else { Ordering::Less };
        column.generation = child.generation;
        for group in &self.seen {
            let group = &mut members[*group as usize];
            if op != AggregateOp::LimitK {
                group.sort_by(|a, b| order(child.values[*a], child.values[*b], first));
            }
            for at in group.iter().take(count) {
                column.push(child.rows[*at], child.values[*at]);
            }
        }
    }
}

/// What is made of the values of a group, one after the other, as the interpreter does it.
trait Fold: Default {
    fn add(&mut self, value: f64);
}

impl Fold for CompensatedSum {
    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }
}

impl Fold for Mean {
    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }
}

impl Fold for f64 {
    fn add(&mut self, _: f64) {
        *self += 1.0;
    }
}

impl Fold for Vec<f64> {
    fn add(&mut self, value: f64) {
        self.push(value);
    }
}

/// The least or the greatest; NaN only when there is nothing else.
struct Extreme<const GREATEST: bool>(f64);

impl<const GREATEST: bool> Default for Extreme<GREATEST> {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl<const GREATEST: bool> Fold for Extreme<GREATEST> {
    fn add(&mut self, value: f64) {
        let goes_before = if GREATEST { value > self.0 } else { value < self.0 };
        if self.0.is_nan() || goes_before {
            self.0 = value;
        }
    }
}

/// A running variance, as Prometheus's aggregation has it.
#[derive(Default)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Fold for Variance {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }
}

impl Variance {
    fn variance(&self) -> f64 {
        self.squares / self.count
    }
}
