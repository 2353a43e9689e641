//! The nodes of the graph.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use super::super::ast::{AggregateOp, BinaryOp, Expr, Grouping, Matching};
use super::super::functions::{Check, FloatsBody};
use crate::model::{Labels, Timestamp};
use crate::store::LOOKBACK;

use super::mutant::{Mutant, is_mutant};
use super::window::Kept;

/// A node's place in the graph. Its children have lower ones.
pub(super) type NodeId = usize;

/// How far a selector reaches, in milliseconds before the moment of evaluation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Reach {
    pub(super) offset_ms: i64,
    /// The length of its windows.
    pub(super) range_ms: i64,
}

impl Reach {
    /// What the newest samples are looked for in.
    pub(super) fn newest(offset_ms: i64) -> Self {
        Self { offset_ms, range_ms: i64::try_from(LOOKBACK.as_millis()).unwrap_or(i64::MAX) }
    }

    /// The beginning and the end, seen from a moment.
    pub(super) fn span(self, at: Timestamp) -> (Timestamp, Timestamp) {
        let end = if is_mutant(Mutant::IgnoresOffset) { at } else { at.shifted(-self.offset_ms) };
        (end.shifted(-self.range_ms), end)
    }
}

/// What a node does.
#[derive(Debug)]
pub(super) enum Op {
    /// A number.
    Number(f64),
    /// The moment of evaluation, in seconds.
    Time,
    /// An operator on two scalars.
    Scalars { op: BinaryOp, left: NodeId, right: NodeId },
    /// `min_of` and `max_of`.
    Chosen { choose: fn(f64, f64) -> f64, left: NodeId, right: NodeId },
    /// `-` before a scalar.
    NegatedScalar(NodeId),
    /// `scalar(v)`
    Only(NodeId),
    /// `vector(s)`
    Single(NodeId),
    /// The newest sample of each series, or when it was taken.
    Newest { members: usize, offset_ms: i64, is_time: bool },
    /// A function of windows that are kept. Its rows are those of the selector.
    Window { windows: usize, members: usize, reach: Reach, function: Kept, keeps_name: bool },
    /// A function that looks at each window anew.
    Scan { members: usize, reach: Reach, function: FloatsBody, scalars: Vec<NodeId>, check: Option<Checked> },
    /// A function of each value.
    Each { child: NodeId, function: fn(f64) -> f64 },
    /// A function of each value and scalars.
    Map { child: NodeId, function: fn(f64, &[f64]) -> Option<f64>, scalars: Vec<NodeId> },
    /// The moment of evaluation for each element.
    Moment(NodeId),
    /// An operator on a vector and a scalar.
    Beside { op: BinaryOp, vector: NodeId, scalar: NodeId, is_left: bool, returns_bool: bool },
    /// Elements with other labels, which must still be told apart.
    Relabel { child: NodeId, how: Relabeling },
    /// An aggregation that makes one element of a group.
    Fold { op: AggregateOp, child: NodeId, param: Option<NodeId>, grouping: Grouping },
    /// An aggregation that chooses elements of each group.
    Choose { op: AggregateOp, child: NodeId, count: NodeId, grouping: Grouping },
    /// An operator on two vectors.
    Join { op: BinaryOp, left: NodeId, right: NodeId, returns_bool: bool, matching: Matching },
    /// `and`, `unless`
    Filter { op: BinaryOp, left: NodeId, right: NodeId, matching: Matching },
    /// `or`
    Or { left: NodeId, right: NodeId, matching: Matching },
    /// A value of each classic histogram.
    Histogram { child: NodeId, what: HistogramFn },
    /// 1 when there is nothing.
    Absent { child: NodeId, labels: Labels },
    /// Elements in the order of their values.
    Sort { child: NodeId, is_descending: bool },
    /// What the interpreter makes of an expression.
    Interpret(Box<Expr>),
}

/// The check of a function's scalars, and its arguments as they are written.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) check: Check,
    pub(super) args: Vec<Expr>,
}

/// What is calculated of a histogram's buckets.
#[derive(Clone, Copy, Debug)]
pub(super) enum HistogramFn {
    Quantile(NodeId),
    Fraction(NodeId, NodeId),
}

impl fmt::Display for HistogramFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantile(q) => write!(f, "histogram_quantile {q}"),
            Self::Fraction(low, high) => write!(f, "histogram_fraction {low} {high}"),
        }
    }
}

/// How labels are changed.
#[derive(Debug)]
pub(super) enum Relabeling {
    DropName,
    /// `label_replace`
    Replace {
        target: Arc<str>,
        replacement: String,
        source: String,
        regex: Box<Regex>,
    },
    /// `label_join`
    Join {
        target: Arc<str>,
        separator: String,
        sources: Vec<String>,
    },
}

/// What is known of the metric names of a vector's elements, and so whether dropping them can make two the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Names {
    /// There are none.
    None,
    /// All have this one.
    One(Arc<str>),
    /// They may differ.
    Any,
}

impl Names {
    /// Of elements of both.
    pub(super) fn or(&self, other: &Self) -> Self {
        if self == other { self.clone() } else { Self::Any }
    }
}

/// A node and what is known of it before any evaluation.
#[derive(Debug)]
pub(super) struct Node {
    /// What it does, in a word.
    pub(super) what: String,
    pub(super) op: Op,
    pub(super) names: Names,
    pub(super) is_scalar: bool,
    /// The selectors that it, or what it is made of, reads.
    pub(super) reads: Vec<usize>,
    /// What it is made of, itself last.
    pub(super) order: Vec<NodeId>,
}

impl Op {
    pub(super) fn children(&self) -> Vec<NodeId> {
        match self {
            Self::Number(_) | Self::Time | Self::Newest { .. } | Self::Window { .. } | Self::Interpret(_) => Vec::new(),
            Self::Scan { scalars, .. } => scalars.clone(),
            Self::NegatedScalar(child)
            | Self::Only(child)
            | Self::Single(child)
            | Self::Moment(child)
            | Self::Each { child, .. }
            | Self::Relabel { child, .. }
            | Self::Absent { child, .. }
            | Self::Sort { child, .. } => vec![*child],
            Self::Map { child, scalars, .. } => [&[*child], scalars.as_slice()].concat(),
            Self::Beside { vector, scalar, .. } => vec![*vector, *scalar],
            Self::Fold { child, param, .. } => param.iter().chain([child]).copied().collect(),
            Self::Choose { child, count, .. } => vec![*child, *count],
            Self::Histogram { child, what: HistogramFn::Quantile(q) } => vec![*child, *q],
            Self::Histogram { child, what: HistogramFn::Fraction(low, high) } => vec![*child, *low, *high],
            Self::Scalars { left, right, .. }
            | Self::Chosen { left, right, .. }
            | Self::Join { left, right, .. }
            | Self::Filter { left, right, .. }
            | Self::Or { left, right, .. } => vec![*left, *right],
        }
    }

    /// The selector that it reads itself, and how far.
    pub(super) fn reads(&self) -> Option<(usize, Reach)> {
        match self {
            Self::Newest { members, offset_ms, .. } => Some((*members, Reach::newest(*offset_ms))),
            Self::Window { members, reach, .. } | Self::Scan { members, reach, .. } => Some((*members, *reach)),
            _ => None,
        }
    }
}
