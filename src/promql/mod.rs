//! PromQL: a text becomes a checked tree in which every node knows its place, and a tree becomes a value.
//!
//! `parse` accepts what Prometheus accepts, except for a few features that it refuses by name. `evaluate` walks the tree
//! over a [`Store`](crate::store::Store) for one moment. It is plain on purpose: it is the truth that any faster way of
//! evaluation is held against, and Prometheus's own test scripts hold it to Prometheus.

mod place;

mod ast;
mod literal;
mod print;

mod lexer;
mod parser;
mod selector;

mod check;
mod survey;

mod aggregate;
mod binary;
mod functions;
mod interpret;
mod matching;
mod sum;

pub use crate::store::LOOKBACK;
pub use ast::{
    AggregateOp, Aggregation, BinaryOp, BinaryOperation, Call, Expr, ExprKind, Grouping, Matching, MatchingSide,
    Selector, Subquery, ValueType,
};
pub use check::type_of;
pub use interpret::{Element, EvalError, SAMPLES_MAX, Value, evaluate};
pub use parser::{DEPTH_MAX, LENGTH_MAX, parse};
pub use place::{ParseError, Span};
pub use survey::{SelectorUse, is_condition, selectors};
