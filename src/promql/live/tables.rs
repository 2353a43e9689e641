//! What a node remembers between evaluations: everything that depends on labels alone.

use crate::model::Labels;

use super::fold::Groups;
use super::histogram::Histograms;
use super::join::Partners;
use super::relabel::Written;
use super::sets::{Keys, Sides};

/// What a node remembers. A row of it keeps its meaning as long as the generation of its column is the same.
#[derive(Debug)]
pub(super) enum Table {
    Nothing,
    Groups(Groups),
    Written(Written),
    Partners(Partners),
    Keys(Keys),
    Sides(Sides),
    Histograms(Histograms),
}

impl Table {
    /// The labels of a row, of a node whose rows are its own.
    pub(super) fn labels(&self, row: u32) -> Labels {
        match self {
            Self::Groups(groups) => groups.labels(row),
            Self::Written(written) => written.labels(row),
            Self::Partners(partners) => partners.labels(row),
            Self::Histograms(histograms) => histograms.labels(row),
            Self::Nothing | Self::Keys(_) | Self::Sides(_) => Labels::empty(),
        }
    }

    /// The side, whether it is the left one, and the row there from which a row of `or` comes.
    pub(super) fn origin(&self, row: u32) -> (bool, u32) {
        match self {
            Self::Sides(sides) => sides.origin(row),
            _ => (true, row),
        }
    }
}
