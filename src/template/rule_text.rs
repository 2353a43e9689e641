//! The texts of rules, as Prometheus has them: labels and annotations of alerts.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::functions::Dialect;
use super::interpret::World;
use super::object::ObjectKind;
use super::program::{Given, Program};
use super::shape::Shape;
use super::value::{Object, Value};
use super::{ExpandError, RULE_LIMITS, TemplateError};
use crate::model::{Labels, Timestamp};

/// A parsed text of a rule. Two are the same when their sources are.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    program: Program,
}

/// What a rule's text may speak of.
#[derive(Clone, Copy, Debug)]
pub struct TemplateData<'a> {
    /// `$labels`: the alert's labels, without its metric name.
    pub labels: &'a Labels,
    /// `$externalLabels`: what tells this daemon from its peers.
    pub external_labels: &'a Labels,
    /// `$externalURL`: where a person reaches this daemon.
    pub external_url: &'a str,
    /// `$value`: what the rule's expression gave.
    pub value: f64,
    /// `now`: when the rule is evaluated.
    pub now: Timestamp,
}

/// Who answers the `query` of a text, at the time of the rule's evaluation.
pub trait QueryHost {
    /// The elements that an instant query gives.
    fn query(&self, expression: &str) -> Result<Vec<QuerySample>, QueryError>;
}

/// An element of what a query gave.
#[derive(Clone, Debug, PartialEq)]
pub struct QuerySample {
    /// Its labels, the metric name included.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// It failed; in words.
    Failed(String),
    /// The answer must first be fetched: the expansion ends with an error that says `is_pending`.
    Pending,
}

impl From<String> for QueryError {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

/// A host that knows no answers.
#[derive(Clone, Copy, Debug)]
pub struct NoQueries;

impl QueryHost for NoQueries {
    fn query(&self, _: &str) -> Result<Vec<QuerySample>, QueryError> {
        Err(QueryError::Failed("nobody answers queries here".to_owned()))
    }
}

/// What queries gave that were asked before, by their text.
pub type KnownAnswers = BTreeMap<String, Result<Vec<QuerySample>, String>>;

/// A host for numbers that are elsewhere: it gives the answers that are known and notes the queries that are not.
///
/// A text is then expanded in two goes. The first, with the answers to [`Template::queries`] or none, ends with an error
/// whose `is_pending` holds, and [`Answers::asked`] says what to ask. When that is answered, the second gives the text. A
/// query whose own text depends on the answer to another needs one go more for each such step.
#[derive(Debug)]
pub struct Answers<'a> {
    known: &'a KnownAnswers,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Answers<'a> {
    /// A host with these answers.
    pub fn new(known: &'a KnownAnswers) -> Self {
        Self { known, asked: RefCell::new(BTreeSet::new()) }
    }

    /// The queries that had no answer.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}

impl QueryHost for Answers<'_> {
    fn query(&self, expression: &str) -> Result<Vec<QuerySample>, QueryError> {
        match self.known.get(expression) {
            Some(answer) => answer.clone().map_err(QueryError::Failed),
            None => {
                self.asked.borrow_mut().insert(expression.to_owned());
                Err(QueryError::Pending)
            }
        }
    }
}

/// The data, and the variables that Prometheus puts before every text.
const GIVEN: Given<'static> = (
    Shape::Object(ObjectKind::Rule),
    &[
        ("$labels", Shape::Labels),
        ("$externalLabels", Shape::Labels),
        ("$externalURL", Shape::Text),
        ("$value", Shape::Float),
    ],
);

impl Template {
    /// Parses a text.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let program = Program::parse(source, Dialect::Rule, GIVEN, Arc::default())?;
        Ok(Self { source: source.to_owned(), program })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The queries that are written out in it, such as `query "up"`: they can be asked before it is expanded.
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        self.program.queries.iter().map(String::as_str)
    }

    /// The text for this data.
    pub fn expand(&self, data: &TemplateData<'_>, host: &dyn QueryHost) -> Result<String, ExpandError> {
        // Most labels say the same of everyone.
        if let Some(text) = self.program.constant() {
            return Ok(text);
        }
        let world = World {
            now: data.now,
            external_url: data.external_url,
            host,
            route_labels: &[],
            escapes_html: false,
            limits: RULE_LIMITS,
        };
        let values = [
            Value::Labels(data.labels.clone()),
            Value::Labels(data.external_labels.clone()),
            Value::text(data.external_url),
            Value::Float(data.value),
        ];
        let root = Object::value(ObjectKind::Rule, values.to_vec());
        self.program.expand(world, root, &values)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Template {}
