//! Alerts that have been unknown for too long are told: an alert of our own fires.
//!
//! It says which rule, in its labels, and since when and why, in its annotations. It has none of the labels of the alerts
//! that it is about but their severity: it is no evidence for anything that those would be evidence for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{ALERT_NAME, Labels, RuleId, Timestamp, format_duration};
use crate::rule::{Instance, RuleGroup, Seen};

/// The name of our own alert that tells of alerts.
pub const ALERT_UNKNOWN: &str = "AlertUnknown";
/// How many of the alerts are named.
pub(super) const NAMED_MAX: usize = 5;

/// An alert that cannot be measured.
#[derive(Clone, Debug)]
pub(super) struct UnknownAlert {
    /// Its labels.
    pub(super) labels: Labels,
    /// Whether it fires; otherwise it is pending.
    pub(super) fires: bool,
    since: Timestamp,
    /// From when on that is told.
    overdue_at: Timestamp,
    unknown_after: Duration,
    why: String,
    /// The labels of our own alert.
    own: Labels,
}

impl UnknownAlert {
    /// An instance, if it cannot be measured.
    pub(super) fn new(
        instance: &Instance,
        group: &RuleGroup,
        rule: &str,
        why: impl FnOnce() -> String,
    ) -> Option<Self> {
        let since = instance.unknown_since?;
        let own = Labels::from_pairs([
            (ALERT_NAME, ALERT_UNKNOWN),
            ("rule", rule),
            ("group", group.name.as_str()),
            ("file", group.file.as_str()),
            ("severity", instance.labels.get("severity")),
        ]);
        Some(Self {
            labels: instance.labels.clone(),
            fires: instance.state.fired_at().is_some(),
            since,
            overdue_at: since + group.unknown_after,
            unknown_after: group.unknown_after,
            why: why(),
            own,
        })
    }
}

impl UnknownAlert {
    /// Whether it is told at `now`.
    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        self.overdue_at <= now
    }
}

/// What is told at `now` of the alerts that have been unknown for too long.
pub(super) fn overdue(unknown: &BTreeMap<RuleId, Vec<UnknownAlert>>, now: Timestamp) -> Vec<Seen> {
    let mut overdue: BTreeMap<&Labels, Vec<&UnknownAlert>> = BTreeMap::new();
    for alert in unknown.values().flatten().filter(|alert| alert.is_overdue(now)) {
        overdue.entry(&alert.own).or_default().push(alert);
    }
    overdue.into_iter().map(|(own, alerts)| tell(own, &alerts)).collect()
}

fn tell(own: &Labels, alerts: &[&UnknownAlert]) -> Seen {
    let first = alerts.iter().min_by_key(|alert| alert.since);
    let (since, why, after) =
        first.map_or((Timestamp::default(), "", Duration::ZERO), |it| (it.since, it.why.as_str(), it.unknown_after));
    let rule = own.get("rule");
    let mut named: Vec<String> = alerts.iter().take(NAMED_MAX).map(|alert| alert.labels.to_string()).collect();
    if alerts.len() > NAMED_MAX {
        named.push(format!("and {} more", alerts.len() - NAMED_MAX));
    }
    let annotations = Labels::from_pairs([
        ("summary", format!("{rule} has been unknown for {}", format_duration(after))),
        (
            "description",
            format!(
                "Since {since} it cannot be measured: {why}. Until it can, what fires goes on firing and what is pending \
                 does not fire. Alerts: {}",
                named.join(", ")
            ),
        ),
    ]);
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let value = alerts.len() as f64;
    Seen { labels: own.clone(), element: own.clone(), annotations, value }
}
