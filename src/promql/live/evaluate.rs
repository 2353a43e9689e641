//! The evaluation of nodes, each once for a moment.

use super::super::LOOKBACK;
use super::super::aggregate::{order, whole_count};
use super::super::annotation::Annotations;
use super::super::ast::AggregateOp;
use super::super::binary::{calculate, compare};
use super::super::functions::{classic_fraction, classic_quantile};
use super::super::query;
use super::super::value::Value;
use super::column::Column;
use super::join::Joining;
use super::members::{Members, says_type};
use super::mutant::{Mutant, is_mutant};
use super::naming::Naming;
use super::node::{Checked, HistogramFn, Node, NodeId, Op, Reach};
use super::tables::Table;
use super::window::{Windows, scan};
use super::{Plan, Undecided};
use crate::model::Timestamp;
use crate::store::Store;

use std::cmp::Ordering;

/// So many label sets of an interpreted part are kept before all are forgotten.
const INTERPRETED_MAX: usize = 1 << 20;

/// For what a node was last evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Freshness {
    round: u64,
    at: Timestamp,
    /// What rules have written to what it reads.
    writes: u64,
    is_set: bool,
}

impl Plan {
    /// Evaluates a node and what it is made of, as far as that is not known yet.
    pub(super) fn run(&mut self, node: NodeId, store: &Store, at: Timestamp) -> Result<(), Undecided> {
        for step in 0..self.nodes[node].order.len() {
            let step = self.nodes[node].order[step];
            let writes = self.nodes[step].reads.iter().map(|members| self.members[*members].writes).sum();
            let wanted = Freshness { round: self.round, at, writes, is_set: true };
            if self.fresh[step] == wanted {
                continue;
            }
            self.fresh[step] = Freshness::default();
            self.compute(step, store, at)?;
            self.fresh[step] = wanted;
        }
        Ok(())
    }

    fn compute(&mut self, step: NodeId, store: &Store, at: Timestamp) -> Result<(), Undecided> {
        if let Some((members, reach)) = self.nodes[step].op.reads() {
            let members = &mut self.members[members];
            members.refresh(store);
            if members.says_type || members.has_histogram(store, reach.span(at)) {
                return Err(Undecided);
            }
        }
        let (done, rest) = self.columns.split_at_mut(step);
        let (tables, own) = self.tables.split_at_mut(step);
        let mut work = Work {
            nodes: &self.nodes,
            done,
            members: &self.members,
            windows: &mut self.windows,
            naming: Naming { nodes: &self.nodes, tables, members: &self.members, store },
            store,
            at,
        };
        rest[0].clear();
        match &mut own[0] {
            Table::Nothing => work.plain(step, &mut rest[0]),
            table => work.with_table(step, table, &mut rest[0]),
        }
    }
}

/// The evaluation of one node, and all that it may look at.
struct Work<'a> {
    nodes: &'a [Node],
    /// The columns of the nodes before it.
    done: &'a [Column],
    members: &'a [Members],
    windows: &'a mut [Windows],
    naming: Naming<'a>,
    store: &'a Store,
    at: Timestamp,
}

impl Work<'_> {
    fn scalar(&self, node: NodeId) -> f64 {
        self.done[node].scalar
    }

    /// Nodes that remember nothing, or whose rows are those of their child.
    fn plain(&mut self, step: NodeId, column: &mut Column) -> Result<(), Undecided> {
        match &self.nodes[step].op {
            Op::Number(value) => column.scalar = *value,
            Op::Time => column.scalar = self.at.seconds(),
            Op::Scalars { op, left, right } => {
                let (left, right) = (self.scalar(*left), self.scalar(*right));
                column.scalar = if op.is_comparison() {
                    f64::from(u8::from(compare(*op, left, right)))
                } else {
                    calculate(*op, left, right)
                };
            }
            Op::Chosen { choose, left, right } => column.scalar = choose(self.scalar(*left), self.scalar(*right)),
            Op::NegatedScalar(child) => column.scalar = -self.scalar(*child),
            Op::Only(child) => {
                column.scalar = match self.done[*child].values.as_slice() {
                    [only] => *only,
                    [first, ..] if is_mutant(Mutant::TakesFirst) => *first,
                    _ => f64::NAN,
                }
            }
            Op::Single(child) => column.push(0, self.scalar(*child)),
            Op::Newest { members, offset_ms, is_time } => {
                let (_, at) = Reach::newest(*offset_ms).span(self.at);
                let members = &self.members[*members];
                column.generation = members.generation;
                for (row, id) in members.iter() {
                    if let Some(sample) = self.store.series(id).value_at(at, LOOKBACK) {
                        column.push(row, if *is_time { sample.at.seconds() } else { sample.value });
                    }
                }
            }
            Op::Window { windows, members, reach, function, .. } => {
                let (span, members) = (reach.span(self.at), &self.members[*members]);
                column.generation = members.generation;
                self.windows[*windows].evaluate(*function, members, self.store, span, column);
            }
            Op::Scan { members, reach, function, scalars, check } => {
                let (start, end) = reach.span(self.at);
                let members = &self.members[*members];
                let scalars: Vec<f64> = scalars.iter().map(|node| self.scalar(*node)).collect();
                if let Some(Checked { check, args }) = check {
                    check(&scalars, args, &mut Annotations::muted()).map_err(|_| Undecided)?;
                }
                column.generation = members.generation;
                scan(*function, &scalars, members, self.store, (start, end, self.at), column);
            }
            Op::Each { child, function } => each(&self.done[*child], column, |value| Some(function(value))),
            Op::Map { child, function, scalars } => {
                let scalars: Vec<f64> = scalars.iter().map(|node| self.scalar(*node)).collect();
                each(&self.done[*child], column, |value| function(value, &scalars));
            }
            Op::Moment(child) => {
                let now = self.at.seconds();
                each(&self.done[*child], column, |_| Some(now));
            }
            Op::Beside { op, vector, scalar, is_left, returns_bool } => {
                let (op, number) = (*op, self.scalar(*scalar));
                let is_left = *is_left != is_mutant(Mutant::SwapsSides);
                let sides = |value: f64| if is_left { (number, value) } else { (value, number) };
                let holds = |value: f64| {
                    let (left, right) = sides(value);
                    compare(op, left, right)
                };
                let vector = &self.done[*vector];
                if !op.is_comparison() {
                    each(vector, column, |value| {
                        let (left, right) = sides(value);
                        Some(calculate(op, left, right))
                    });
                } else if *returns_bool && !is_mutant(Mutant::FiltersBool) {
                    each(vector, column, |value| Some(f64::from(u8::from(holds(value)))));
                } else {
                    each(vector, column, |value| holds(value).then_some(value));
                }
            }
            Op::Absent { child, .. } => {
                if self.done[*child].is_empty() {
                    column.push(0, 1.0);
                }
            }
            Op::Sort { child, is_descending } => {
                let child = &self.done[*child];
                let first = if *is_descending { Ordering::Greater } else { Ordering::Less };
                let mut elements: Vec<(u32, f64)> = child.iter().collect();
                elements.sort_by(|(_, a), (_, b)| order(*a, *b, first));
                column.generation = child.generation;
                elements.into_iter().for_each(|(row, value)| column.push(row, value));
            }
            _ => return Err(Undecided),
        }
        Ok(())
    }

    /// Nodes that remember what depends on labels.
    fn with_table(&self, step: NodeId, table: &mut Table, column: &mut Column) -> Result<(), Undecided> {
        let child = |node: NodeId| {
            let naming = self.naming;
            (&self.done[node], move |row: u32| naming.labels(node, row))
        };
        match (&self.nodes[step].op, table) {
            (Op::Fold { op, child: of, param, grouping }, Table::Groups(groups)) => {
                let (of, labels) = child(*of);
                let param = param.map_or(f64::NAN, |param| self.scalar(param));
                groups.fold(*op, param, grouping, of, labels, column);
            }
            (Op::Choose { op, child: of, count, grouping }, Table::Groups(groups)) => {
                let (of, labels) = child(*of);
                let count = whole_count(self.scalar(*count)).ok_or(Undecided)?;
                debug_assert!(matches!(op, AggregateOp::TopK | AggregateOp::BottomK | AggregateOp::LimitK));
                groups.choose(*op, count, grouping, of, labels, column);
            }
            (Op::Relabel { child: of, how }, Table::Written(written)) => {
                let (of, labels) = child(*of);
                written.evaluate(how, of, labels, column)?;
            }
            (Op::Join { op, left, right, returns_bool, matching }, Table::Partners(partners)) => {
                let joining = Joining { op: *op, returns_bool: *returns_bool, matching };
                partners.evaluate(joining, child(*left), child(*right), column)?;
            }
            (Op::Filter { op, left, right, matching }, Table::Keys(keys)) => {
                keys.filter(*op, matching, child(*left), child(*right), column);
            }
            (Op::Or { left, right, matching }, Table::Sides(sides)) => {
                sides.unite(matching, child(*left), child(*right), column);
            }
            (Op::Histogram { child: of, what }, Table::Histograms(histograms)) => {
                let (of, labels) = child(*of);
                match what {
                    HistogramFn::Quantile(q) => {
                        let q = self.scalar(*q);
                        histograms.evaluate(of, labels, |buckets| classic_quantile(q, buckets).0, column);
                    }
                    HistogramFn::Fraction(low, high) => {
                        let (low, high) = (self.scalar(*low), self.scalar(*high));
                        histograms.evaluate(of, labels, |buckets| classic_fraction(low, high, buckets), column);
                    }
                }
            }
            (Op::Interpret(expr), Table::Written(written)) => {
                match query::evaluate(expr, self.store, self.at).map_err(|_| Undecided)? {
                    Value::Scalar(value) => column.scalar = value,
                    Value::Vector(elements) if !elements.iter().any(|it| says_type(&it.labels)) => {
                        written.intern(elements, INTERPRETED_MAX, column)?;
                    }
                    _ => return Err(Undecided),
                }
            }
            _ => return Err(Undecided),
        }
        Ok(())
    }
}

/// Changes each value; those without a result are left out.
fn each(child: &Column, column: &mut Column, change: impl Fn(f64) -> Option<f64>) {
    column.generation = child.generation;
    for (row, value) in child.iter() {
        if let Some(value) = change(value) {
            column.push(row, value);
        }
    }
}
