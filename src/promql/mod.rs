//! PromQL: a text becomes a checked tree in which every node knows its place, and a tree becomes a value.
//!
//! `parse_any` accepts what Prometheus accepts; `parse` refuses, by name, what of it cannot be evaluated yet. `evaluate`
//! walks the tree over a [`Store`](crate::store::Store) for one moment. It is plain on purpose: it is the truth that any faster way of
//! evaluation is held against, and Prometheus's own test scripts hold it to Prometheus.

mod place;

mod ast;
mod length;
mod literal;
mod pretty;
mod print;

mod lexer;
mod modifier;
mod parser;
mod selector;

mod check;
mod subquery_step;
mod support;
mod survey;

mod annotation;
mod value;

mod aggregate;
mod binary;
mod combine;
mod extended;
mod functions;
mod histogram_sum;
mod interpret;
mod invariant;
mod matching;
mod names;
mod query;
mod range;
mod selection;
mod share;
mod sum;
mod window;

mod histogram_notation;
mod series_notation;

pub mod live;

pub use crate::store::LOOKBACK;
pub use annotation::{Annotation, Annotations, Severity};
pub use ast::{
    AggregateOp, Aggregation, At, BinaryOp, BinaryOperation, Call, Expr, ExprKind, Fill, Grouping, Matching,
    MatchingSide, Reading, Selector, Shift, Subquery, ValueType,
};
pub use check::type_of;
pub use functions::{Function, functions};
pub use histogram_notation::written_histogram;
pub use interpret::EvalError;
pub use length::{Length, LengthKind, Moments};
pub use parser::{DEPTH_MAX, LENGTH_MAX, parse, parse_any, parse_sharing};
pub use place::{ParseError, Span};
pub use pretty::pretty;
pub use print::selector_text;
pub use query::{Answer, MOMENTS_MAX, Options, SAMPLES_MAX, evaluate, evaluate_within, query, query_at};
pub use range::RangeQuery;
pub use series_notation::{SEQUENCE_VALUES_MAX, SequenceValue, parse_histogram, parse_metric, parse_series};
pub use support::unsupported;
pub use survey::{Latest, SelectorUse, is_condition, selectors};
pub use value::{Element, RangeElement, SampleValue, Value};
