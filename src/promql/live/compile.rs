//! From an expression to nodes of the graph. What is there already is not made again.

use std::fmt::Write as _;

use super::super::ast::{
    AggregateOp, Aggregation, BinaryOperation, Call, Expr, ExprKind, Grouping, Matching, Reading, Selector, ValueType,
};
use super::super::check::type_of;
use super::super::functions::{FloatBody, anchored, labels_of, max_of, min_of};
use super::super::names::is_about_metric;
use super::super::survey::selectors;
use super::Plan;
use super::members::Members;
use super::naming::drops_name;
use super::node::{Checked, HistogramFn, Names, Node, NodeId, Op, Reach, Relabeling};
use super::tables::Table;
use super::window::{Kept, Windows};
use crate::model::METRIC_NAME;
use crate::store::Store;

/// Makes the nodes of one expression.
pub(super) struct Compiler<'a> {
    pub(super) plan: &'a mut Plan,
    pub(super) store: &'a Store,
    /// Nodes are shared among expressions that are evaluated for the same moments, so that windows move forwards only.
    pub(super) lane: &'a str,
    /// The parts that the interpreter evaluates, as they are written.
    pub(super) interpreted: Vec<String>,
}

impl Compiler<'_> {
    /// The node of an expression that is a scalar or a vector.
    pub(super) fn node(&mut self, expr: &Expr) -> NodeId {
        match self.known(expr) {
            Some(node) => node,
            None => self.interpret(expr),
        }
    }

    /// The node of an expression; `None` when only the interpreter can evaluate it.
    fn known(&mut self, expr: &Expr) -> Option<NodeId> {
        match &expr.kind {
            ExprKind::Number(value) => Some(self.add(&format!("number {:x}", value.to_bits()), Op::Number(*value))),
            ExprKind::Paren(inner) => Some(self.node(inner)),
            ExprKind::Selector(selector) => self.newest(selector, false),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Aggregate(aggregation) => self.aggregate(aggregation),
            ExprKind::Binary(operation) => self.binary(operation),
            ExprKind::Negate(inner) => {
                let child = self.node(inner);
                if self.plan.nodes[child].is_scalar {
                    return Some(self.add(&format!("- {child}"), Op::NegatedScalar(child)));
                }
                let negate: fn(f64) -> f64 = |value| -value;
                Some(self.dropping_name(child, |plan, child| {
                    plan.add(&format!("negate {child}"), Op::Each { child, function: negate })
                }))
            }
            ExprKind::Text(_) | ExprKind::Bytes(_) | ExprKind::Range { .. } | ExprKind::Subquery(_) => None,
        }
    }

    fn interpret(&mut self, expr: &Expr) -> NodeId {
        let text = expr.to_string();
        let key = format!("interpret {text}");
        let node = self.add(&key, Op::Interpret(Box::new(expr.clone())));
        self.interpreted.push(text);
        node
    }

    /// A node of this kind whose result has no names, over a child whose elements may be the same without theirs.
    fn dropping_name(&mut self, child: NodeId, make: impl FnOnce(&mut Self, NodeId) -> NodeId) -> NodeId {
        let differ = self.plan.nodes[child].names == Names::Any;
        let child = if differ { self.without_names(child) } else { child };
        make(self, child)
    }

    fn without_names(&mut self, child: NodeId) -> NodeId {
        self.add(&format!("unname {child}"), Op::Relabel { child, how: Relabeling::DropName })
    }

    fn selector(&mut self, selector: &Selector) -> Option<(usize, i64)> {
        if selector.reading != Reading::Plain {
            return None;
        }
        let offset_ms = selector.shift.fixed_ms()?;
        let id = self.store.selector(&selector.matchers)?;
        if let Some(members) = self.plan.by_selector.get(&id) {
            return Some((*members, offset_ms));
        }
        let members = self.plan.members.len();
        self.plan.members.push(Members::new(id, &selector.matchers));
        self.plan.by_selector.insert(id, members);
        Some((members, offset_ms))
    }

    fn newest(&mut self, selector: &Selector, is_time: bool) -> Option<NodeId> {
        let (members, offset_ms) = self.selector(selector)?;
        let key = format!("newest {members} {offset_ms} {is_time}");
        if is_time && self.plan.members[members].name().is_none() {
            return None;
        }
        Some(self.add(&key, Op::Newest { members, offset_ms, is_time }))
    }

    /// The selector of an argument that is a range, and how far it reaches.
    fn range(&mut self, arg: &Expr) -> Option<(usize, Reach)> {
        match &arg.kind {
            ExprKind::Paren(inner) => self.range(inner),
            ExprKind::Range { selector, range } => {
                let range_ms = range.fixed_ms().filter(|ms| *ms > 0)?;
                let (members, offset_ms) = self.selector(selector)?;
                Some((members, Reach { offset_ms, range_ms }))
            }
            _ => None,
        }
    }

    fn window(&mut self, members: usize, reach: Reach, function: Kept, keeps_name: bool) -> NodeId {
        let Reach { offset_ms, range_ms } = reach;
        let is_mixed = self.plan.members[members].name().is_none();
        let keeps = keeps_name || is_mixed;
        let track = function.track();
        let lane = self.lane.to_owned();
        let plan = &mut *self.plan;
        let windows = *plan.by_window.entry((lane, members, reach, track)).or_insert_with(|| {
            plan.windows.push(Windows::new(track));
            plan.windows.len() - 1
        });
        let key = format!("{} {members} {offset_ms} {range_ms} {keeps}", function.as_str());
        let node = self.add(&key, Op::Window { windows, members, reach, function, keeps_name: keeps });
        if is_mixed && !keeps_name { self.without_names(node) } else { node }
    }

    fn call(&mut self, call: &Call) -> Option<NodeId> {
        let (name, args) = (call.name(), call.args.as_slice());
        match (name, args) {
            ("time" | "start" | "end", _) => return Some(self.add("time", Op::Time)),
            ("step" | "range", _) => return Some(self.add("number 0", Op::Number(0.0))),
            ("pi", _) => return Some(self.add("pi", Op::Number(std::f64::consts::PI))),
            ("min_of" | "max_of", [left, right]) => {
                let (left, right) = (self.node(left), self.node(right));
                let choose = if name == "min_of" { min_of } else { max_of };
                return Some(self.add(&format!("{name} {left} {right}"), Op::Chosen { choose, left, right }));
            }
            ("scalar", [arg]) => {
                let child = self.node(arg);
                return Some(self.add(&format!("scalar {child}"), Op::Only(child)));
            }
            ("vector", [arg]) => {
                let child = self.node(arg);
                return Some(self.add(&format!("vector {child}"), Op::Single(child)));
            }
            ("timestamp", [arg]) => return self.timestamp(arg),
            ("absent", [arg]) => {
                let child = self.node(arg);
                let labels = labels_of(arg);
                return Some(self.add(&format!("absent {child} {labels}"), Op::Absent { child, labels }));
            }
            ("absent_over_time", [arg]) => {
                let (members, reach) = self.range(arg)?;
                let child = self.window(members, reach, Kept::First, true);
                let labels = labels_of(arg);
                return Some(self.add(&format!("absent {child} {labels}"), Op::Absent { child, labels }));
            }
            ("histogram_quantile", [q, buckets]) => {
                let (q, child) = (self.node(q), self.node(buckets));
                return self.histogram(child, HistogramFn::Quantile(q));
            }
            ("histogram_fraction", [low, high, buckets]) => {
                let (low, high, child) = (self.node(low), self.node(high), self.node(buckets));
                return self.histogram(child, HistogramFn::Fraction(low, high));
            }
            ("label_replace" | "label_join", _) => return self.relabel(call),
            (_, [range]) if let Some(kept) = Kept::named(name) => {
                let (members, reach) = self.range(range)?;
                let keeps_name = matches!(kept, Kept::First | Kept::Last);
                return Some(self.window(members, reach, kept, keeps_name));
            }
            ("sort" | "sort_desc", [arg]) => {
                let child = self.node(arg);
                let is_descending = name == "sort_desc";
                return Some(self.add(&format!("{name} {child}"), Op::Sort { child, is_descending }));
            }
            _ => {}
        }
        match call.function().float_body()? {
            FloatBody::Each(function) => {
                let child = match args.first() {
                    Some(arg) => self.node(arg),
                    None => {
                        let time = self.add("time", Op::Time);
                        self.add(&format!("vector {time}"), Op::Single(time))
                    }
                };
                Some(
                    self.dropping_name(child, |it, child| {
                        it.add(&format!("{name} {child}"), Op::Each { child, function })
                    }),
                )
            }
            FloatBody::Map(function) => {
                let scalars = self.scalars(args);
                let child = self.node(args.first()?);
                Some(self.dropping_name(child, |it, child| {
                    it.add(&format!("{name} {child} {scalars:?}"), Op::Map { child, function, scalars })
                }))
            }
            FloatBody::Floats(function, check) => {
                let range = args.iter().find(|arg| type_of(arg) == ValueType::Matrix)?;
                let (members, reach) = self.range(range)?;
                self.plan.members[members].name()?;
                let scalars = self.scalars(args);
                let Reach { offset_ms, range_ms } = reach;
                let key = format!("{name} {members} {offset_ms} {range_ms} {scalars:?}");
                let check = check.map(|check| Checked { check, args: args.to_vec() });
                Some(self.add(&key, Op::Scan { members, reach, function, scalars, check }))
            }
        }
    }

    fn scalars(&mut self, args: &[Expr]) -> Vec<NodeId> {
        args.iter().filter(|arg| type_of(arg) == ValueType::Scalar).map(|arg| self.node(arg)).collect()
    }

    fn timestamp(&mut self, arg: &Expr) -> Option<NodeId> {
        let mut inner = arg;
        while let ExprKind::Paren(expr) = &inner.kind {
            inner = expr;
        }
        if let ExprKind::Selector(selector) = &inner.kind {
            return self.newest(selector, true);
        }
        let child = self.node(inner);
        Some(self.dropping_name(child, |it, child| it.add(&format!("moment {child}"), Op::Moment(child))))
    }

    fn histogram(&mut self, child: NodeId, what: HistogramFn) -> Option<NodeId> {
        if self.plan.nodes[child].names == Names::Any {
            return None;
        }
        Some(self.add(&format!("{what} {child}"), Op::Histogram { child, what }))
    }

    fn relabel(&mut self, call: &Call) -> Option<NodeId> {
        let texts: Vec<&str> = call.args[1..].iter().map(text).collect::<Option<_>>()?;
        let how = match (call.name(), texts.as_slice()) {
            ("label_replace", [target, replacement, source, pattern]) => Relabeling::Replace {
                target: (*target).into(),
                replacement: (*replacement).to_owned(),
                source: (*source).to_owned(),
                regex: Box::new(anchored(pattern).ok()?),
            },
            ("label_join", [target, separator, sources @ ..]) => Relabeling::Join {
                target: (*target).into(),
                separator: (*separator).to_owned(),
                sources: sources.iter().map(|source| (*source).to_owned()).collect(),
            },
            _ => return None,
        };
        let has_nameless_source = call.name() == "label_join" && texts[2..].contains(&"");
        if texts[0].is_empty() || is_about_metric(texts[0]) || has_nameless_source {
            return None;
        }
        let child = self.node(&call.args[0]);
        Some(self.add(&format!("{} {child} {texts:?}", call.name()), Op::Relabel { child, how }))
    }

    fn aggregate(&mut self, aggregation: &Aggregation) -> Option<NodeId> {
        let Aggregation { op, param, expr, grouping } = aggregation;
        let how = format!("{} {grouping:?}", op.as_str());
        match op {
            AggregateOp::CountValues | AggregateOp::LimitRatio => None,
            AggregateOp::TopK | AggregateOp::BottomK | AggregateOp::LimitK => {
                let (count, child) = (self.node(param.as_ref()?), self.node(expr));
                let choose = Op::Choose { op: *op, child, count, grouping: grouping.clone() };
                Some(self.add(&format!("{how} {count} {child}"), choose))
            }
            _ => {
                let param = param.as_ref().map(|param| self.node(param));
                let child = self.node(expr);
                let fold = Op::Fold { op: *op, child, param, grouping: grouping.clone() };
                Some(self.add(&format!("{how} {param:?} {child}"), fold))
            }
        }
    }

    fn binary(&mut self, operation: &BinaryOperation) -> Option<NodeId> {
        let BinaryOperation { op, left, right, returns_bool, matching } = operation;
        let (op, returns_bool) = (*op, *returns_bool);
        let named = matching.labels.iter().chain(&matching.include).any(|name| is_about_metric(name));
        if op.is_trim() || named || !matching.fill.is_none() {
            return None;
        }
        let (left, right) = (self.node(left), self.node(right));
        let scalar = |node: NodeId| self.plan.nodes[node].is_scalar;
        let how = format!("{} {returns_bool} {left} {right}", op.as_str());
        match (scalar(left), scalar(right)) {
            (true, true) => Some(self.add(&how, Op::Scalars { op, left, right })),
            (is_left, true) | (is_left @ true, false) => {
                let (vector, scalar) = if is_left { (right, left) } else { (left, right) };
                let make = |it: &mut Self, vector: NodeId| {
                    let key = format!("{} {returns_bool} {vector} {scalar} {is_left}", op.as_str());
                    it.add(&key, Op::Beside { op, vector, scalar, is_left, returns_bool })
                };
                if drops_name(op, returns_bool) {
                    Some(self.dropping_name(vector, make))
                } else {
                    Some(make(self, vector))
                }
            }
            (false, false) => self.vectors(operation, &how, left, right),
        }
    }

    fn vectors(&mut self, operation: &BinaryOperation, how: &str, left: NodeId, right: NodeId) -> Option<NodeId> {
        let BinaryOperation { op, returns_bool, .. } = *operation;
        let matching = operation.matching.clone();
        let mut key = how.to_owned();
        let Matching { is_on, labels, many, include, .. } = &matching;
        // Writing into a string cannot fail.
        let _ = write!(key, " {is_on} {labels:?} {many:?} {include:?}");
        if op == super::super::ast::BinaryOp::Or {
            return Some(self.add(&key, Op::Or { left, right, matching }));
        }
        if op.is_set() {
            return Some(self.add(&key, Op::Filter { op, left, right, matching }));
        }
        let many_side = if super::naming::is_swapped(&matching) { right } else { left };
        let may_repeat = matching.many.is_some() && self.plan.nodes[many_side].names == Names::Any;
        if may_repeat && drops_name(op, returns_bool) {
            return None;
        }
        Some(self.add(&key, Op::Join { op, left, right, returns_bool, matching }))
    }

    /// The node that does this. `key` says in its first word what that is, and tells it from all others.
    fn add(&mut self, key: &str, op: Op) -> NodeId {
        let what = key.split(' ').next().unwrap_or_default().to_owned();
        let key = format!("{} {key}", self.lane);
        if let Some(node) = self.plan.by_key.get(&key) {
            return *node;
        }
        let node = self.plan.nodes.len();
        let children = op.children();
        let nodes = &self.plan.nodes;
        let mut reads: Vec<usize> = op.reads().map(|(members, _)| members).into_iter().collect();
        reads.extend(children.iter().flat_map(|child| nodes[*child].reads.iter().copied()));
        if let Op::Interpret(expr) = &op {
            // What the interpreter reads is looked at like what the plan reads, to know when a rule has written to it.
            for it in selectors(expr) {
                let Some(id) = self.store.selector(&it.matchers) else { continue };
                let next = self.plan.members.len();
                let members = *self.plan.by_selector.entry(id).or_insert(next);
                if members == next {
                    self.plan.members.push(Members::new(id, &it.matchers));
                }
                reads.push(members);
            }
        }
        reads.sort_unstable();
        reads.dedup();
        let mut order: Vec<NodeId> = children.iter().flat_map(|child| nodes[*child].order.iter().copied()).collect();
        order.sort_unstable();
        order.dedup();
        order.push(node);
        let names = self.names(&op);
        let is_scalar = match &op {
            Op::Number(_) | Op::Time | Op::Scalars { .. } | Op::Chosen { .. } | Op::NegatedScalar(_) | Op::Only(_) => {
                true
            }
            Op::Interpret(expr) => type_of(expr) == ValueType::Scalar,
            _ => false,
        };
        let table = table_of(&op);
        self.plan.push(Node { what, op, names, is_scalar, reads, order }, table);
        self.plan.by_key.insert(key, node);
        node
    }

    /// What is known of the names of a node's elements.
    fn names(&self, op: &Op) -> Names {
        let of = |node: &NodeId| self.plan.nodes[*node].names.clone();
        let of_members = |members: &usize| self.plan.members[*members].name().map_or(Names::Any, Names::One);
        match op {
            Op::Newest { members, is_time: false, .. } | Op::Window { members, keeps_name: true, .. } => {
                of_members(members)
            }
            Op::Relabel { how: Relabeling::DropName, .. } => Names::None,
            Op::Relabel { child, .. } | Op::Choose { child, .. } | Op::Sort { child, .. } => of(child),
            Op::Beside { op, vector, returns_bool: false, .. } if op.is_comparison() => of(vector),
            Op::Fold { child, grouping: Grouping::By(labels), .. } => {
                let keeps_name = labels.iter().any(|label| label == METRIC_NAME);
                if keeps_name { of(child) } else { Names::None }
            }
            Op::Join { op, left, right, returns_bool: false, matching } if op.is_comparison() => {
                if matching.is_on && matching.many.is_none() {
                    return Names::None;
                }
                of(if super::naming::is_swapped(matching) { right } else { left })
            }
            Op::Filter { left, .. } => of(left),
            Op::Or { left, right, .. } => of(left).or(&of(right)),
            Op::Interpret(_) => Names::Any,
            _ => Names::None,
        }
    }
}

fn table_of(op: &Op) -> Table {
    match op {
        Op::Fold { .. } | Op::Choose { .. } => Table::Groups(Default::default()),
        Op::Relabel { .. } | Op::Interpret(_) => Table::Written(Default::default()),
        Op::Join { .. } => Table::Partners(Default::default()),
        Op::Filter { .. } => Table::Keys(Default::default()),
        Op::Or { .. } => Table::Sides(Default::default()),
        Op::Histogram { .. } => Table::Histograms(Default::default()),
        _ => Table::Nothing,
    }
}

/// The text that an argument is.
fn text(arg: &Expr) -> Option<&str> {
    match &arg.kind {
        ExprKind::Text(text) => Some(text),
        ExprKind::Paren(inner) => text(inner),
        _ => None,
    }
}
