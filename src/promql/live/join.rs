//! Arithmetic and comparisons of two vectors: the partner of a row is found by numbers.

use std::collections::HashMap;

use crate::model::Labels;

use super::super::ast::{BinaryOp, Matching};
use super::super::binary::{calculate, compare};
use super::Undecided;
use super::column::Column;
use super::mutant::{Mutant, is_mutant};
use super::naming::{is_swapped, result_labels};
use super::rows::{LabelIndex, Met, NOWHERE, RowMemo, number_of};

/// What the rows of both sides have in common, and the rows of results that take labels from both.
#[derive(Debug, Default)]
pub(super) struct Partners {
    many: RowMemo,
    one: RowMemo,
    keys: LabelIndex,
    /// Keys that a row of the one side has, and where that stands.
    has_one: Met,
    place: Vec<u32>,
    /// Keys that a row of the many side has.
    has_many: Met,
    pairs: Pairs,
    generation: u64,
}

/// The results of pairs whose labels come from both.
#[derive(Debug, Default)]
struct Pairs {
    rows: HashMap<(u32, u32), u32>,
    /// Of each row of the many side, the partner it last had and the result.
    last: Vec<(u32, u32)>,
    /// The number of each result's labels.
    labels: Vec<u32>,
    index: LabelIndex,
    met: Met,
}

/// What a join does.
#[derive(Clone, Copy)]
pub(super) struct Joining<'a> {
    pub(super) op: BinaryOp,
    pub(super) returns_bool: bool,
    pub(super) matching: &'a Matching,
}

impl Partners {
    pub(super) fn labels(&self, row: u32) -> Labels {
        self.pairs.labels.get(row as usize).map(|number| self.pairs.index.labels(*number)).unwrap_or_default()
    }

    /// The results of all partners. Undecided where the interpreter says what is wrong: two on the side on which there may
    /// be one, or two results with the same labels.
    pub(super) fn evaluate(
        &mut self,
        joining: Joining<'_>,
        (left, left_labels): (&Column, impl Fn(u32) -> Labels),
        (right, right_labels): (&Column, impl Fn(u32) -> Labels),
        column: &mut Column,
    ) -> Result<(), Undecided> {
        let Joining { op, returns_bool, matching } = joining;
        let labels: [&dyn Fn(u32) -> Labels; 2] =
            if is_swapped(matching) { [&right_labels, &left_labels] } else { [&left_labels, &right_labels] };
        let [many_labels, one_labels] = labels;
        let (many, one) = if is_swapped(matching) { (right, left) } else { (left, right) };
        self.follow(many, one);
        let writes = !matching.include.is_empty();
        column.generation = if writes { self.generation } else { many.generation };
        if many.is_empty() || one.is_empty() {
            return Ok(());
        }
        let keys = &mut self.keys;
        for (at, row) in one.rows.iter().enumerate() {
            let key = self.one.get(*row, || keys.number(matching.group(&one_labels(*row))));
            if !self.has_one.note(key) && !is_mutant(Mutant::MissesDuplicates) {
                return Err(Undecided);
            }
            let key = key as usize;
            if self.place.len() <= key {
                self.place.resize(key + 1, NOWHERE);
            }
            self.place[key] = number_of(at);
        }
        let is_filter = op.is_comparison() && (!returns_bool || is_mutant(Mutant::FiltersBool));
        for (row, many_value) in many.iter() {
            let key = self.many.get(row, || keys.number(matching.group(&many_labels(row))));
            if !self.has_one.has(key) {
                continue;
            }
            if matching.many.is_none() && !self.has_many.note(key) && !is_mutant(Mutant::MissesDuplicates) {
                return Err(Undecided);
            }
            let partner = self.place[key as usize] as usize;
            let (one_row, one_value) = (one.rows[partner], one.values[partner]);
            let (left, right) = if is_swapped(matching) { (one_value, many_value) } else { (many_value, one_value) };
            let row = if writes {
                let (result, number) = self.pairs.get(row, one_row, || {
                    result_labels(op, returns_bool, matching, &many_labels(row), Some(&one_labels(one_row)))
                });
                if !self.pairs.met.note(number) && !is_mutant(Mutant::MissesRepeats) {
                    return Err(Undecided);
                }
                result
            } else {
                row
            };
            if !op.is_comparison() {
                column.push(row, calculate(op, left, right));
            } else if !is_filter {
                column.push(row, f64::from(u8::from(compare(op, left, right))));
            } else if compare(op, left, right) {
                column.push(row, left);
            }
        }
        Ok(())
    }

    fn follow(&mut self, many: &Column, one: &Column) {
        let is_other = self.many.follow(many.generation) | self.one.follow(one.generation);
        if is_other {
            self.many.clear();
            self.one.clear();
            self.keys.clear();
            self.pairs = Pairs::default();
            self.generation += 1;
        }
        self.has_one.begin();
        self.has_many.begin();
        self.pairs.met.begin();
    }
}

impl Pairs {
    /// The row of a result and the number of its labels.
    fn get(&mut self, many: u32, one: u32, labels: impl FnOnce() -> Labels) -> (u32, u32) {
        let at = many as usize;
        if self.last.len() <= at {
            self.last.resize(at + 1, (NOWHERE, NOWHERE));
        }
        if self.last[at].0 != one {
            let next = number_of(self.labels.len());
            let row = *self.rows.entry((many, one)).or_insert_with(|| {
                self.labels.push(self.index.number(labels()));
                next
            });
            self.last[at] = (one, row);
        }
        let row = self.last[at].1;
        (row, self.labels[row as usize])
    }
}
