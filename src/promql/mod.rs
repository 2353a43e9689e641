//! PromQL: a text becomes a checked tree in which every node knows its place, and a tree becomes a value.
//!
//! `parse_any` accepts what Prometheus accepts; `parse` refuses, by name, what of it cannot be evaluated yet. `evaluate`
//! walks the tree over a [`Store`](crate::store::Store) for one moment. It is plain on purpose: it is the truth that any faster way of
//! evaluation is held against, and Prometheus's own test scripts hold it to Prometheus.

mod place;

mod ast;
mod length;
mod literal;
mod print;

mod lexer;
mod modifier;
mod parser;
mod selector;

mod check;
mod support;
mod survey;

mod aggregate;
mod binary;
mod functions;
mod interpret;
mod matching;
mod sum;

pub use crate::store::LOOKBACK;
pub use ast::{
    AggregateOp, Aggregation, At, BinaryOp, BinaryOperation, Call, Expr, ExprKind, Fill, Grouping, Matching,
    MatchingSide, Reading, Selector, Shift, Subquery, ValueType,
};
pub use check::type_of;
pub use functions::{Function, functions};
pub use interpret::{Element, EvalError, RangeElement, SAMPLES_MAX, Value, evaluate, evaluate_within};
pub use length::{Length, LengthKind};
pub use parser::{DEPTH_MAX, LENGTH_MAX, parse, parse_any, parse_sharing};
pub use place::{ParseError, Span};
pub use print::selector_text;
pub use support::unsupported;
pub use survey::{Latest, SelectorUse, is_condition, selectors};
