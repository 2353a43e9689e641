//! From an element of a rule's result to an alert's labels and annotations.

use std::collections::BTreeSet;

use crate::model::{ALERT_NAME, Labels, SourceName, TargetId, Timestamp};
use crate::promql::{EvalError, Value};
use crate::template::{QueryHost, TemplateData};

use super::AlertRule;

/// Why a rule's evaluation gave nothing. Its alerts are unknown until it succeeds again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// The expression could not be evaluated.
    #[error("{0}")]
    Eval(#[from] EvalError),
    /// The expression gave a string or a range of samples.
    #[error("the rule's result is a string or a range, not a vector or scalar")]
    NotAVector,
    /// Two elements became one alert.
    #[error("two elements of the result have the same alert labels `{0}`: keep a label that tells them apart")]
    SameAlert(Labels),
    /// Two elements became one series.
    #[error("two elements of the result have the same labels `{0}` once the rule's labels are added")]
    SameSeries(Labels),
    /// There are more alerts or series than the group's `limit` allows.
    #[error("exceeded limit of {limit} with {count} {what}")]
    Limit {
        /// The limit.
        limit: usize,
        /// How many there are.
        count: usize,
        /// `alerts` or `series`.
        what: &'static str,
    },
    /// It asks for what is absent, and that has not been looked at for long enough.
    #[error("an absence cannot be told yet: `{0}` has not been scraped for as long as the rule looks back")]
    TooEarly(TargetId),
    /// The source could not answer.
    #[error("{0}")]
    Source(String),
    /// The source did not answer in time.
    #[error("`{0}` gave no answer before the next evaluation was due")]
    Unanswered(SourceName),
    /// A recording rule whose query would be asked of a remote source.
    #[error("a recording rule needs the embedded source, its group has `{0}`")]
    RecordsRemote(SourceName),
    /// Some samples could not be stored.
    #[error(
        "{refused} new series were refused because the store is full, {dropped} samples because theirs are newer or differ"
    )]
    NotStored {
        /// New series for which there was no room.
        refused: usize,
        /// Samples of a moment that has another already, or a later one.
        dropped: usize,
    },
}

/// What templates see besides the element.
#[derive(Clone, Debug, Default)]
pub struct AnnotateContext {
    /// The labels that this Atalaya adds to everything it says.
    pub external_labels: Labels,
    /// Where this Atalaya can be reached.
    pub external_url: String,
}

/// An element of a rule's result, dressed as the alert that it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The alert's labels.
    pub labels: Labels,
    /// The labels of the element, by which the series behind it are found.
    pub element: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// The element's value.
    pub value: f64,
}

/// Dresses every element of a result. As in Prometheus the rule's labels win over the element's, `alertname` wins over
/// both, a template that fails to expand says so in its place, and two elements with the same labels fail the rule.
pub fn annotate(
    rule: &AlertRule,
    value: Value,
    context: &AnnotateContext,
    at: Timestamp,
    host: &dyn QueryHost,
) -> Result<Vec<Seen>, RuleError> {
    let elements = elements_of(value)?;
    let mut known = BTreeSet::new();
    let mut all = Vec::with_capacity(elements.len());
    for (element, value) in elements {
        let seen = dress(rule, &element, value, context, at, host);
        if !known.insert(seen.labels.clone()) {
            return Err(RuleError::SameAlert(seen.labels));
        }
        all.push(seen);
    }
    Ok(all)
}

/// The elements of a result. As in Prometheus a scalar is one without labels.
pub(super) fn elements_of(value: Value) -> Result<Vec<(Labels, f64)>, RuleError> {
    match value {
        Value::Scalar(value) => Ok(vec![(Labels::empty(), value)]),
        Value::Vector(elements) => {
            Ok(elements.into_iter().map(|element| (element.labels, element.value.number())).collect())
        }
        Value::Matrix(_) | Value::String(_) => Err(RuleError::NotAVector),
    }
}

fn dress(
    rule: &AlertRule,
    element: &Labels,
    value: f64,
    context: &AnnotateContext,
    at: Timestamp,
    host: &dyn QueryHost,
) -> Seen {
    let element = element.without_metric_name();
    let data = TemplateData {
        labels: &element,
        external_labels: &context.external_labels,
        external_url: &context.external_url,
        value,
        now: at,
    };
    let expand = |template: &crate::template::Template| {
        template.expand(&data, host).unwrap_or_else(|error| format!("<error expanding template: {error}>"))
    };
    let mut labels = element.edit();
    for (name, template) in &rule.labels {
        labels.set(name.as_str(), expand(template));
    }
    labels.set(ALERT_NAME, rule.name.as_str());
    let annotations = Labels::from_pairs(rule.annotations.iter().map(|(name, text)| (name.as_str(), expand(text))));
    Seen { labels: labels.build(), element, annotations, value }
}
