//! Rules that have failed for too long are told: an alert of our own fires, one for each group and severity.
//!
//! A rule whose alerts are unknown for that reason is told of with them, and not here.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{ALERT_NAME, Labels, Timestamp, format_duration};
use crate::rule::{Rule, RuleError, RuleGroup, Seen};

use super::overdue::NAMED_MAX;
use super::own::Told;

/// The name of our own alert that tells of rules.
pub const RULE_FAILING: &str = "RuleFailing";

/// A rule that fails.
#[derive(Clone, Debug)]
pub(super) struct FailingRule {
    name: String,
    error: String,
    since: Timestamp,
    /// How long that may last before it is told.
    unknown_after: Duration,
    /// The labels of our own alert.
    own: Labels,
}

impl FailingRule {
    pub(super) fn new(rule: &Rule, group: &RuleGroup, since: Timestamp, error: &RuleError) -> Self {
        let (name, error) = (rule.name().to_owned(), error.to_string());
        Self { name, error, since, unknown_after: group.unknown_after, own: own_labels(rule, group) }
    }

    pub(super) fn since(&self) -> Timestamp {
        self.since
    }
}

/// The labels of our own alert that tells of a rule. A severity that is made by a template is left out.
pub(super) fn own_labels(rule: &Rule, group: &RuleGroup) -> Labels {
    let labels = rule.labels();
    let severity = Some(labels.get("severity")).filter(|text| !text.contains("{{")).unwrap_or_default();
    Labels::from_pairs([
        (ALERT_NAME, RULE_FAILING),
        ("group", group.name.as_str()),
        ("file", group.file.as_str()),
        ("severity", severity),
    ])
}

/// What is told at `now` of the rules that have failed for too long.
pub(super) fn failing(told: Told<'_>, now: Timestamp) -> Vec<Seen> {
    let mut failing: BTreeMap<&Labels, Vec<&FailingRule>> = BTreeMap::new();
    for (id, rule) in told.failing.iter().filter(|(_, rule)| rule.since + rule.unknown_after <= now) {
        let alerts = told.unknown.get(id).map_or(&[][..], Vec::as_slice);
        if !alerts.iter().any(|alert| alert.is_overdue(now)) {
            failing.entry(&rule.own).or_default().push(rule);
        }
    }
    failing.into_iter().filter_map(|(own, rules)| tell(own, &rules)).collect()
}

fn tell(own: &Labels, rules: &[&FailingRule]) -> Option<Seen> {
    let first = rules.iter().min_by_key(|rule| rule.since)?;
    let (count, group) = (rules.len(), own.get("group"));
    let have = if count == 1 { "rule of {group} has" } else { "rules of {group} have" }.replace("{group}", group);
    let mut others: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).take(NAMED_MAX).collect();
    let more = format!("and {} more", count.saturating_sub(NAMED_MAX));
    others.extend((count > NAMED_MAX).then_some(more.as_str()));
    let annotations = Labels::from_pairs([
        ("summary", format!("{count} {have} failed for {}", format_duration(first.unknown_after))),
        (
            "description",
            format!(
                "Since {} `{}` fails: {}. Until it succeeds, none of its alerts begins to fire, and nothing is recorded. \
                 Rules: {}",
                first.since,
                first.name,
                first.error,
                others.join(", ")
            ),
        ),
    ]);
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let value = count as f64;
    Some(Seen { labels: own.clone(), element: own.clone(), annotations, value })
}
