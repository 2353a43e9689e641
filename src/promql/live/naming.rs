//! The labels of rows, made when someone asks.

use crate::model::Labels;
use crate::store::Store;

use super::super::ast::{BinaryOp, Matching};
use super::members::Members;
use super::node::{Node, NodeId, Op};
use super::tables::Table;

/// What names rows.
#[derive(Clone, Copy)]
pub(super) struct Naming<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) tables: &'a [Table],
    pub(super) members: &'a [Members],
    pub(super) store: &'a Store,
}

impl Naming<'_> {
    /// The labels of a row that a node gave.
    pub(super) fn labels(&self, node: NodeId, row: u32) -> Labels {
        match &self.nodes[node].op {
            Op::Newest { members, is_time: false, .. } | Op::Window { members, keeps_name: true, .. } => {
                self.members[*members].labels(row, self.store)
            }
            Op::Newest { members, .. } | Op::Window { members, .. } | Op::Scan { members, .. } => {
                self.members[*members].labels(row, self.store).without_metric_name()
            }
            Op::Each { child, .. } | Op::Map { child, .. } | Op::Moment(child) => {
                self.labels(*child, row).without_metric_name()
            }
            Op::Beside { op, vector, returns_bool, .. } => {
                let labels = self.labels(*vector, row);
                if drops_name(*op, *returns_bool) { labels.without_metric_name() } else { labels }
            }
            Op::Choose { child, .. } | Op::Sort { child, .. } => self.labels(*child, row),
            Op::Filter { left, .. } => self.labels(*left, row),
            Op::Join { op, left, right, returns_bool, matching } if matching.include.is_empty() => {
                let many = if is_swapped(matching) { right } else { left };
                result_labels(*op, *returns_bool, matching, &self.labels(*many, row), None)
            }
            Op::Or { left, right, .. } => match self.tables[node].origin(row) {
                (true, row) => self.labels(*left, row),
                (false, row) => self.labels(*right, row),
            },
            Op::Absent { labels, .. } => labels.clone(),
            Op::Relabel { .. } | Op::Fold { .. } | Op::Join { .. } | Op::Histogram { .. } | Op::Interpret(_) => {
                self.tables[node].labels(row)
            }
            Op::Number(_)
            | Op::Time
            | Op::Scalars { .. }
            | Op::Chosen { .. }
            | Op::NegatedScalar(_)
            | Op::Only(_)
            | Op::Single(_) => Labels::empty(),
        }
    }
}

/// Whether what an operator gives is something else than what it was made of.
pub(super) fn drops_name(op: BinaryOp, returns_bool: bool) -> bool {
    !op.is_comparison() || returns_bool
}

/// Whether the many stand on the right.
pub(super) fn is_swapped(matching: &Matching) -> bool {
    matching.many == Some(super::super::ast::MatchingSide::Right)
}

/// The labels of two partners: those of the many side, or those that both share, and what is taken over.
pub(super) fn result_labels(
    op: BinaryOp,
    returns_bool: bool,
    matching: &Matching,
    many: &Labels,
    one: Option<&Labels>,
) -> Labels {
    let drops_name = drops_name(op, returns_bool);
    let matched = |name: &str| matching.labels.iter().any(|label| label == name);
    let labels = many.filter(|name| {
        let is_dropped_name = drops_name && name == crate::model::METRIC_NAME;
        !is_dropped_name && (matching.many.is_some() || matched(name) == matching.is_on)
    });
    let Some(one) = one else { return labels };
    let mut labels = labels.edit();
    for name in &matching.include {
        labels.set(name.as_str(), one.get(name));
    }
    labels.build()
}
