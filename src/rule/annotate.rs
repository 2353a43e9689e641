//! From an element of a rule's result to an alert's labels and annotations.

use std::collections::BTreeSet;

use crate::model::{ALERT_NAME, Labels, Timestamp};
use crate::promql::{EvalError, Value};
use crate::template::{QueryHost, TemplateData};

use super::AlertRule;

/// Why a rule's evaluation gave nothing. Its alerts are unknown until it succeeds again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// The expression could not be evaluated.
    #[error("{0}")]
    Eval(#[from] EvalError),
    /// The expression gave a string.
    #[error("the rule's result is a string, not a vector or scalar")]
    NotAVector,
    /// Two elements became one alert.
    #[error("two elements of the result have the same alert labels `{0}`: keep a label that tells them apart")]
    SameAlert(Labels),
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
    let elements = match value {
        Value::Scalar(value) => vec![(Labels::empty(), value)],
        Value::Vector(elements) => elements.into_iter().map(|element| (element.labels, element.value)).collect(),
        Value::String(_) => return Err(RuleError::NotAVector),
    };
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
