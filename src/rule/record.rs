//! The series that rules write: what a recording rule recorded, and `ALERTS` for every alert.

use std::collections::BTreeSet;

use crate::model::{Labels, METRIC_NAME};
use crate::promql::{SampleValue, Value};

use super::{Instance, InstanceState, RecordRule, RuleError};

/// The series that tells which alerts there are, with their state.
pub const ALERTS: &str = "ALERTS";
/// The series whose value is since when an alert's condition holds.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label of [`ALERTS`] that has the state.
const ALERT_STATE: &str = "alertstate";

/// The series that a result becomes. As in Prometheus the rule's name and labels win over those of the element, an empty
/// one takes a label away, and two elements with the same labels fail the rule. `limit` 0 is none.
pub fn record(rule: &RecordRule, value: Value, limit: usize) -> Result<Vec<(Labels, SampleValue)>, RuleError> {
    let elements: Vec<(Labels, SampleValue)> = match value {
        Value::Scalar(value) => vec![(Labels::empty(), value.into())],
        Value::Vector(elements) => elements.into_iter().map(|element| (element.labels, element.value)).collect(),
        Value::Matrix(_) | Value::String(_) => return Err(RuleError::NotAVector),
    };
    let mut known = BTreeSet::new();
    let mut series = Vec::with_capacity(elements.len());
    for (element, value) in elements {
        let mut labels = element.edit();
        labels.set(METRIC_NAME, rule.name.as_str());
        for (name, text) in &rule.labels {
            labels.set(name.as_str(), text.as_str());
        }
        let labels = labels.build();
        if !known.insert(labels.clone()) {
            return Err(RuleError::SameSeries(labels));
        }
        series.push((labels, value));
    }
    if limit > 0 && series.len() > limit {
        return Err(RuleError::Limit { limit, count: series.len(), what: "series" });
    }
    Ok(series)
}

/// The two series that tell of an alert.
pub fn series_of(instance: &Instance) -> [(Labels, f64); 2] {
    let state = match instance.state {
        InstanceState::Pending { .. } => "pending",
        InstanceState::Firing { .. } | InstanceState::Lingering { .. } => "firing",
    };
    let mut alerts = instance.labels.edit();
    alerts.set(METRIC_NAME, ALERTS).set(ALERT_STATE, state);
    let mut for_state = instance.labels.edit();
    for_state.set(METRIC_NAME, ALERTS_FOR_STATE);
    // Whole seconds, as Prometheus has them.
    let since = instance.state.active_at().seconds().floor();
    [(alerts.build(), 1.0), (for_state.build(), since)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RuleId;
    use crate::promql::{Element, parse};

    fn check(labels: &[(&str, &str)], elements: &[&[(&str, &str)]], limit: usize, expected: Result<&[&str], &str>) {
        let rule = RecordRule {
            id: RuleId::new("r"),
            name: "job:x".to_owned(),
            source: "x".to_owned(),
            expr: parse("x").unwrap(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let element =
            |pairs: &&[(&str, &str)]| Element { labels: Labels::from_pairs(pairs.iter().copied()), value: 1.0.into() };
        let got = record(&rule, Value::Vector(elements.iter().map(element).collect()), limit);
        let got = got.map(|series| series.iter().map(|(labels, _)| labels.to_string()).collect::<Vec<_>>());
        let expected = expected.map(|list| list.iter().map(ToString::to_string).collect()).map_err(str::to_owned);
        assert_eq!(got.map_err(|error| error.to_string()), expected);
    }

    #[test]
    fn names_and_labels_win() {
        let element: &[_] = &[("__name__", "x"), ("job", "a"), ("pod", "1")];
        let labels = [("job", "b"), ("pod", ""), ("team", "t")];
        check(&labels, &[element], 0, Ok(&[r#"job:x{job="b", team="t"}"#]));
        check(&[], &[&[]], 0, Ok(&["job:x"]));
    }

    #[test]
    fn two_of_a_kind_and_too_many_fail() {
        let pods: &[&[(&str, &str)]] = &[&[("pod", "1")], &[("pod", "2")]];
        let same = "two elements of the result have the same labels `job:x` once the rule's labels are added";
        check(&[("pod", "")], pods, 0, Err(same));
        check(&[], pods, 1, Err("exceeded limit of 1 with 2 series"));
        check(&[], pods, 2, Ok(&[r#"job:x{pod="1"}"#, r#"job:x{pod="2"}"#]));
    }
}
