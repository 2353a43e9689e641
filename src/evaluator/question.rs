//! What is asked of a remote source, and what it answers.

use crate::model::{SourceName, Timestamp};
use crate::promql::Value;

/// Which question; never given twice by one evaluator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QuestionId(u64);

impl QuestionId {
    /// The question with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A query for a remote source.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    /// Which.
    pub id: QuestionId,
    /// Whom to ask.
    pub source: SourceName,
    /// The expression.
    pub query: String,
    /// The moment that it is about.
    pub at: Timestamp,
}

/// What a remote source answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Answered {
    /// The result.
    pub value: Value,
    /// What the source says about it.
    pub warnings: Vec<String>,
}
