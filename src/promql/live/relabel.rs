//! Labels that are written, or names that are dropped where they may differ: the result for a row is worked out once.

use crate::model::Labels;

use super::super::functions::WRITTEN_MAX;
use super::super::value::Element;
use super::Undecided;
use super::column::Column;
use super::mutant::{Mutant, is_mutant};
use super::node::Relabeling;
use super::rows::{LabelIndex, Met, NOWHERE, RowMemo};

/// The labels that each row gets. Rows with the same labels have the same number.
#[derive(Debug, Default)]
pub(super) struct Written {
    memo: RowMemo,
    index: LabelIndex,
    generation: u64,
    met: Met,
}

impl Written {
    pub(super) fn labels(&self, row: u32) -> Labels {
        self.index.labels(row)
    }

    /// Undecided when two elements become the same, or a label too long.
    pub(super) fn evaluate(
        &mut self,
        how: &Relabeling,
        child: &Column,
        labels: impl Fn(u32) -> Labels,
        column: &mut Column,
    ) -> Result<(), Undecided> {
        if self.memo.follow(child.generation) {
            self.index.clear();
            self.generation += 1;
        }
        self.met.begin();
        column.generation = self.generation;
        let index = &mut self.index;
        for (row, value) in child.iter() {
            let number = self.memo.get(row, || how.apply(&labels(row)).map_or(NOWHERE, |labels| index.number(labels)));
            if number == NOWHERE {
                return Err(Undecided);
            }
            if !self.met.note(number) && !is_mutant(Mutant::MissesCollisions) {
                return Err(Undecided);
            }
            column.push(number, value);
        }
        Ok(())
    }

    /// The same for elements whose labels are known each time anew.
    /// Undecided when one is no number.
    pub(super) fn intern(
        &mut self,
        elements: Vec<Element>,
        rows_max: usize,
        column: &mut Column,
    ) -> Result<(), Undecided> {
        if self.index.len() > rows_max {
            self.index.clear();
            self.generation += 1;
        }
        // The generation of a column is never zero.
        column.generation = self.generation + 1;
        for Element { labels, value } in elements {
            column.push(self.index.number(labels), value.float().ok_or(Undecided)?);
        }
        Ok(())
    }
}

impl Relabeling {
    /// The labels that others become; `None` when one would be too long.
    fn apply(&self, labels: &Labels) -> Option<Labels> {
        let (target, value) = match self {
            Self::DropName => return Some(labels.without_metric_name()),
            Self::Replace { target, replacement, source, regex } => {
                let Some(captures) = regex.captures(labels.get(source)) else { return Some(labels.clone()) };
                let mut value = String::new();
                captures.expand(replacement, &mut value);
                (target, value)
            }
            Self::Join { target, separator, sources } => {
                let values: Vec<&str> = sources.iter().map(|source| labels.get(source)).collect();
                (target, values.join(separator))
            }
        };
        if value.len() > WRITTEN_MAX {
            return None;
        }
        let mut labels = labels.edit();
        labels.set(target.clone(), value);
        Some(labels.build())
    }
}
