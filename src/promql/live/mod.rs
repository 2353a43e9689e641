//! The live plan: all rules as one graph, evaluated over columns of floats.
//!
//! Rules are known when they are loaded and are evaluated again and again. What depends on labels alone (the groups of an
//! aggregation, who is whose partner, which labels a result has, which bucket a series is) is worked out when a series is
//! first met and then looked up; what a window amounts to is kept and moved along; what two rules have in common is
//! evaluated once. Labels are made for what comes out of a rule, and mostly nothing does.
//!
//! The interpreter is the truth. Whatever the plan does not know is a node that asks the interpreter, and where an
//! evaluation meets anything that would be an error, the interpreter evaluates the whole expression and says what it is. So
//! a plan gives what the interpreter gives, to the last bit, but for sums of long windows (see `sums`) and for its limit of
//! samples: a window that is kept does not read its samples, however many there are.
//!
//! Columns hold floats. An expression that meets a native histogram where it looks is left to the interpreter for that
//! evaluation, too. What there is to tell besides a value is told by queries, which are not planned; a rule tells nothing of
//! that kind.

mod column;
mod mutant;
mod rows;

mod edges;
mod counter;
mod extremes;
mod sums;
mod members;
mod window;

mod node;
mod fold;
mod relabel;
mod join;
mod sets;
mod histogram;
mod tables;
mod naming;

mod compile;
mod evaluate;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use super::ast::{Expr, ValueType};
use super::check::type_of;
use super::interpret::EvalError;
use super::query;
use super::value::{Element, Value};
use crate::model::{Labels, Timestamp};
use crate::store::{SelectorId, Store};

use column::Column;
use compile::Compiler;
use evaluate::Freshness;
use members::Members;
use naming::Naming;
use node::{Node, NodeId, Reach};
use tables::Table;
use window::{TrackKind, Windows};

/// An expression of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RootId(usize);

/// When an expression is evaluated. Only those that are evaluated for the same moments share what they have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cadence {
    /// How often.
    pub interval: Duration,
    /// How far behind the present.
    pub behind: Duration,
}

/// That a plan cannot tell the value; the interpreter can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Undecided;

/// The graph of all expressions, and what it remembers between evaluations.
#[derive(Debug, Default)]
pub struct Plan {
    nodes: Vec<Node>,
    columns: Vec<Column>,
    tables: Vec<Table>,
    fresh: Vec<Freshness>,
    members: Vec<Members>,
    windows: Vec<Windows>,
    roots: Vec<Root>,
    by_key: HashMap<String, NodeId>,
    by_selector: HashMap<SelectorId, usize>,
    by_window: HashMap<(String, usize, Reach, TrackKind), usize>,
    /// The selectors that may select series of a name that a rule writes.
    by_written: HashMap<String, Vec<usize>>,
    /// How often [`Plan::begin`] was called.
    round: u64,
    undecided: u64,
    nodes_asked: usize,
}

/// An expression of the plan.
#[derive(Debug)]
struct Root {
    expr: Expr,
    /// Its node; none when it is a text or a range.
    node: Option<NodeId>,
    /// The parts that the interpreter evaluates.
    interpreted: Vec<String>,
    /// The labels of rows that came out, so that an alert that goes on costs nothing.
    labels: HashMap<u32, Labels>,
    /// Of the rows.
    generation: u64,
}

/// What a plan is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlanSize {
    /// How many expressions there are.
    pub expressions: usize,
    /// Those of them that are evaluated without the interpreter.
    pub whole: usize,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many nodes there would be if expressions did not share them.
    pub nodes_unshared: usize,
    /// How many selectors there are.
    pub selectors: usize,
}

/// A node as it was last evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeView<'a> {
    /// What it does, in a word: `rate`, `sum`, `>`, `newest` for a selector, `interpret` for what the interpreter does.
    pub what: &'a str,
    /// The places in the list of what it is made of.
    pub parts: Vec<usize>,
    /// How many elements it gave; none for a scalar.
    pub elements: Option<usize>,
}

impl Plan {
    /// A plan without expressions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an expression, whose selectors the store was told of.
    pub fn add(&mut self, expr: &Expr, cadence: Cadence, store: &Store) -> RootId {
        let lane = format!("{}/{}", cadence.interval.as_millis(), cadence.behind.as_millis());
        let mut compiler = Compiler { plan: self, store, lane: &lane, interpreted: Vec::new() };
        let is_known = matches!(type_of(expr), ValueType::Scalar | ValueType::Vector);
        let node = is_known.then(|| compiler.node(expr));
        let mut interpreted = compiler.interpreted;
        if !is_known {
            interpreted.push(expr.to_string());
        }
        self.nodes_asked += node.map_or(0, |node| self.nodes[node].order.len());
        self.roots.push(Root { expr: expr.clone(), node, interpreted, labels: HashMap::new(), generation: 0 });
        RootId(self.roots.len() - 1)
    }

    /// Says that the store may have changed since the last evaluation.
    pub fn begin(&mut self) {
        self.round += 1;
    }

    /// Says that a rule has written series of this name since the last evaluation, or ended some.
    pub fn wrote(&mut self, name: &str) {
        if mutant::is_mutant(mutant::Mutant::MissesWrites) {
            return;
        }
        if !self.by_written.contains_key(name) {
            let all = self.members.iter().enumerate();
            let readers = all.filter(|(_, members)| members.may_have(name)).map(|(at, _)| at).collect();
            self.by_written.insert(name.to_owned(), readers);
        }
        for members in &self.by_written[name] {
            self.members[*members].writes += 1;
        }
    }

    /// The value of an expression at a moment.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](super::evaluate).
    pub fn evaluate(&mut self, root: RootId, store: &Store, at: Timestamp) -> Result<Value, EvalError> {
        let Some(node) = self.roots[root.0].node else {
            return query::evaluate(&self.roots[root.0].expr, store, at);
        };
        if self.run(node, store, at).is_err() {
            self.undecided += 1;
            return query::evaluate(&self.roots[root.0].expr, store, at);
        }
        let column = &self.columns[node];
        if self.nodes[node].is_scalar {
            return Ok(Value::Scalar(column.scalar));
        }
        let root = &mut self.roots[root.0];
        if root.generation != column.generation {
            root.generation = column.generation;
            root.labels.clear();
        }
        let naming = Naming { nodes: &self.nodes, tables: &self.tables, members: &self.members, store };
        let labels = &mut root.labels;
        if labels.len() > 2 * column.len() + LABELS_KEPT {
            labels.clear();
        }
        let mut labels_of = |row: u32| labels.entry(row).or_insert_with(|| naming.labels(node, row)).clone();
        Ok(Value::Vector(
            column.iter().map(|(row, value)| Element { labels: labels_of(row), value: value.into() }).collect(),
        ))
    }

    /// What it is made of.
    pub fn size(&self) -> PlanSize {
        PlanSize {
            expressions: self.roots.len(),
            whole: self.roots.iter().filter(|root| root.interpreted.is_empty()).count(),
            nodes: self.nodes.len(),
            nodes_unshared: self.nodes_asked,
            selectors: self.members.len(),
        }
    }

    /// How often, since this was last asked, the interpreter evaluated a whole expression because the plan met what may be an
    /// error, or a native histogram.
    pub fn take_undecided(&mut self) -> u64 {
        std::mem::take(&mut self.undecided)
    }

    /// The parts of an expression that the interpreter evaluates, as they are written.
    pub fn interpreted(&self, root: RootId) -> &[String] {
        &self.roots[root.0].interpreted
    }

    /// The nodes that an expression is made of, each after its parts, with how many elements they gave the last time.
    pub fn nodes(&self, root: RootId) -> Vec<NodeView<'_>> {
        let order = self.roots[root.0].node.map_or(&[][..], |node| &self.nodes[node].order);
        let place = |node: NodeId| order.iter().position(|it| *it == node).unwrap_or_default();
        let view = |node: &NodeId| NodeView {
            what: &self.nodes[*node].what,
            parts: self.nodes[*node].op.children().into_iter().map(place).collect(),
            elements: (!self.nodes[*node].is_scalar).then(|| self.columns[*node].len()),
        };
        order.iter().map(view).collect()
    }

    fn push(&mut self, node: Node, table: Table) {
        self.nodes.push(node);
        self.columns.push(Column::default());
        self.tables.push(table);
        self.fresh.push(Freshness::default());
        // Who reads what a rule writes is found out anew.
        self.by_written.clear();
    }
}

/// So many labels of rows that came out of an expression once are kept in any case.
const LABELS_KEPT: usize = 1000;
