//! `and`, `unless` and `or`.

use crate::model::Labels;

use super::super::ast::{BinaryOp, Matching};
use super::column::Column;
use super::mutant::{Mutant, is_mutant};
use super::rows::{LabelIndex, Met, RowMemo, number_of};

/// What the rows of both sides have in common.
#[derive(Debug, Default)]
pub(super) struct Keys {
    left: RowMemo,
    right: RowMemo,
    index: LabelIndex,
    met: Met,
}

impl Keys {
    /// Returns whether it had to forget what it knew.
    fn follow(&mut self, left: &Column, right: &Column) -> bool {
        self.met.begin();
        let is_other = self.left.follow(left.generation) | self.right.follow(right.generation);
        if !is_other {
            return false;
        }
        self.left.clear();
        self.right.clear();
        self.index.clear();
        true
    }

    fn of_left(&mut self, row: u32, matching: &Matching, labels: impl FnOnce() -> Labels) -> u32 {
        let index = &mut self.index;
        self.left.get(row, || index.number(matching.group(&labels())))
    }

    fn of_right(&mut self, row: u32, matching: &Matching, labels: impl FnOnce() -> Labels) -> u32 {
        let index = &mut self.index;
        self.right.get(row, || index.number(matching.group(&labels())))
    }

    /// `and`, `unless`: the elements of the left side that have a partner, or have none. Rows are those of the left side.
    pub(super) fn filter(
        &mut self,
        op: BinaryOp,
        matching: &Matching,
        (left, left_labels): (&Column, impl Fn(u32) -> Labels),
        (right, right_labels): (&Column, impl Fn(u32) -> Labels),
        column: &mut Column,
    ) {
        self.follow(left, right);
        column.generation = left.generation;
        // Mostly one side is empty, and then the other needs no look.
        if left.is_empty() {
            return;
        }
        for row in &right.rows {
            let key = self.of_right(*row, matching, || right_labels(*row));
            self.met.note(key);
        }
        for (row, value) in left.iter() {
            let has_partner = !right.is_empty() && {
                let key = self.of_left(row, matching, || left_labels(row));
                self.met.has(key)
            };
            if has_partner == (op == BinaryOp::And) || is_mutant(Mutant::KeepsPartners) {
                column.push(row, value);
            }
        }
    }
}

/// Where the rows of `or` come from.
#[derive(Debug, Default)]
pub(super) struct Sides {
    keys: Keys,
    left: RowMemo,
    right: RowMemo,
    origins: Vec<(bool, u32)>,
    generation: u64,
}

impl Sides {
    /// The side, whether it is the left one, and the row there.
    pub(super) fn origin(&self, row: u32) -> (bool, u32) {
        self.origins[row as usize]
    }

    /// All elements of the left side, and those of the right side that have no partner there.
    pub(super) fn unite(
        &mut self,
        matching: &Matching,
        (left, left_labels): (&Column, impl Fn(u32) -> Labels),
        (right, right_labels): (&Column, impl Fn(u32) -> Labels),
        column: &mut Column,
    ) {
        if self.keys.follow(left, right) || self.generation == 0 {
            self.left.clear();
            self.right.clear();
            self.origins.clear();
            self.generation += 1;
        }
        column.generation = self.generation;
        let origins = &mut self.origins;
        let mut row_of = |memo: &mut RowMemo, is_left: bool, row: u32| {
            memo.get(row, || {
                origins.push((is_left, row));
                number_of(origins.len() - 1)
            })
        };
        for (row, value) in left.iter() {
            if !right.is_empty() {
                let key = self.keys.of_left(row, matching, || left_labels(row));
                self.keys.met.note(key);
            }
            column.push(row_of(&mut self.left, true, row), value);
        }
        for (row, value) in right.iter() {
            let has_partner = !left.is_empty() && {
                let key = self.keys.of_right(row, matching, || right_labels(row));
                self.keys.met.has(key)
            };
            if !has_partner || is_mutant(Mutant::TakesAll) {
                column.push(row_of(&mut self.right, false, row), value);
            }
        }
    }
}
