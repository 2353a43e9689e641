//! What there is to tell, seen the same way whatever it was made from: what is wrong, where, how bad, since when.
//!
//! A notice, or a rollback's claim that strays to a receiver for people, is seen as a group of one alert.

use std::borrow::Cow;
use std::collections::HashSet;

use super::severity::{SEVERITY, Severity};
use super::words::one_line;
use crate::model::{
    ALERT_NAME, Alert, AlertStatus, GroupKey, GroupNotification, GroupStatus, Labels, NoticeNotification, Notification,
    NotifyReason, RollbackNote, RollbackNotification, RollbackOutcome, Timestamp,
};

/// The `alertname` of a notice.
const NOTICE_NAME: &str = "AtalayaNotice";

/// The labels that say where something is, the most telling first.
const WHERE_LABELS: [&str; 13] = [
    "service",
    "app",
    "job",
    "deployment",
    "pod",
    "instance",
    "node",
    "namespace",
    "environment",
    "env",
    "cluster",
    "region",
    "zone",
];
/// How many of them a headline holds.
const PLACES_MAX: usize = 3;
/// How many alert names a headline holds.
const NAMES_MAX: usize = 2;

/// What there is to tell.
pub(super) struct Told<'a> {
    /// The group, or what stands for one.
    pub(super) group: Cow<'a, GroupNotification>,
    /// What is wrong, if that is more than an alert's name.
    title: Option<String>,
    /// The labels that all its alerts share.
    pub(super) common_labels: Labels,
}

impl<'a> Told<'a> {
    /// What a notification tells.
    pub(super) fn of(note: &'a Notification) -> Self {
        let (group, title) = match note {
            Notification::Group(group) => (Cow::Borrowed(group), None),
            Notification::Notice(notice) => (Cow::Owned(group_of_notice(notice)), Some(one_line(&notice.summary))),
            Notification::Rollback(claim) => {
                (Cow::Owned(group_of_claim(claim)), Some(format!("rollback asked for by {}", claim.alert.name())))
            }
        };
        let common_labels = group.common_labels();
        Self { group, title, common_labels }
    }

    /// Whether anything is wrong still.
    pub(super) fn is_firing(&self) -> bool {
        self.group.status() == GroupStatus::Firing
    }

    /// The alerts that matter for the headline: those that fire, or all once none does.
    fn relevant(&self) -> impl Iterator<Item = &Alert> {
        let is_firing = self.is_firing();
        self.group.alerts.iter().filter(move |alert| alert.is_firing() || !is_firing)
    }

    /// All alerts as people want to see them: firing ones first, the worst of each kind first.
    pub(super) fn by_urgency(&self) -> Vec<&Alert> {
        let mut alerts: Vec<&Alert> = self.group.alerts.iter().collect();
        alerts.sort_by_key(|alert| (!alert.is_firing(), Severity::of(alert)));
        alerts
    }

    /// What is wrong: the names of the alerts, the worst first.
    pub(super) fn what(&self) -> String {
        if let Some(title) = &self.title {
            return title.clone();
        }
        let mut names: Vec<&str> = Vec::new();
        let mut seen = HashSet::new();
        let is_firing = self.is_firing();
        for alert in self.by_urgency() {
            let is_relevant = alert.is_firing() || !is_firing;
            if is_relevant && !alert.name().is_empty() && seen.insert(alert.name()) {
                names.push(alert.name());
            }
        }
        let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
        match names.len().saturating_sub(NAMES_MAX) {
            _ if names.is_empty() => "Alert".to_owned(),
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }

    /// Where: the values of the telling labels that all alerts share, then other labels of the group by name. Empty when
    /// there are none.
    pub(super) fn place(&self) -> String {
        let mut places: Vec<String> = Vec::new();
        for name in WHERE_LABELS {
            let value = one_line(self.common_labels.get(name));
            if !value.is_empty() && !places.contains(&value) {
                places.push(value);
            }
        }
        places.truncate(PLACES_MAX);
        let said = |name: &str| name == ALERT_NAME || name == SEVERITY || WHERE_LABELS.contains(&name);
        let others = self.group.group_labels.iter().filter(|(name, _)| !said(name));
        places.extend(others.map(|(name, value)| format!("{name}={}", one_line(value))).take(PLACES_MAX));
        places.join(", ")
    }

    /// How bad: the worst of the relevant alerts.
    pub(super) fn severity(&self) -> Severity {
        self.relevant().map(Severity::of).min().unwrap_or(Severity::Unsaid)
    }

    /// How many: `2 firing, 1 resolved`.
    pub(super) fn counts(&self) -> String {
        match (self.group.firing().count(), self.group.resolved().count()) {
            (firing, 0) => format!("{firing} firing"),
            (0, resolved) => format!("{resolved} resolved"),
            (firing, resolved) => format!("{firing} firing, {resolved} resolved"),
        }
    }

    /// What the most urgent alert says about itself on one line; empty when it says nothing.
    pub(super) fn summary(&self) -> String {
        let told = self.relevant().min_by_key(|alert| Severity::of(alert)).map(summary).unwrap_or_default();
        if self.title.as_ref() == Some(&told) { String::new() } else { told }
    }

    /// When the first of the relevant alerts began.
    pub(super) fn since(&self) -> Timestamp {
        self.relevant().map(|alert| alert.starts_at).min().unwrap_or(self.group.at)
    }

    /// When the last alert resolved, if none fires.
    pub(super) fn resolved_at(&self) -> Option<Timestamp> {
        let ends = self.group.alerts.iter().map(|alert| match alert.status {
            AlertStatus::Firing => None,
            AlertStatus::Resolved { at } => Some(at),
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// What an alert says about itself on one line: its summary, or else the nearest thing to one.
pub(super) fn summary(alert: &Alert) -> String {
    ["summary", "message", "title", "description"]
        .iter()
        .map(|name| one_line(alert.annotations.get(name)))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// The links of an alert for people, with their titles: the runbook first. Only what is an HTTP URL is a link.
pub(super) fn links(alert: &Alert) -> impl Iterator<Item = (&'static str, &str)> {
    let annotation = |names: [&str; 2]| {
        names.map(|name| alert.annotations.get(name)).into_iter().find(|url| is_link(url)).unwrap_or_default()
    };
    [
        ("Runbook", annotation(["runbook_url", "runbook"])),
        ("Dashboard", annotation(["dashboard_url", "dashboard"])),
        ("Expression", alert.generator_url.as_str()),
    ]
    .into_iter()
    .filter(|(_, url)| is_link(url))
}

/// Whether a text is a URL that a reader can follow, with nothing in it that could end the link early.
pub(super) fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '|' | '"'))
        && url::Url::parse(text).is_ok()
}

fn group_of_notice(notice: &NoticeNotification) -> GroupNotification {
    let mut labels = notice.labels.edit();
    labels.set(ALERT_NAME, NOTICE_NAME).set(SEVERITY, notice.severity.as_str());
    let status = match notice.status {
        GroupStatus::Firing => AlertStatus::Firing,
        GroupStatus::Resolved => AlertStatus::Resolved { at: notice.at },
    };
    let annotations =
        Labels::from_pairs([("summary", notice.summary.as_str()), ("description", notice.description.as_str())]);
    let generator_url = String::new();
    let alert = Alert { labels: labels.build(), annotations, status, starts_at: notice.at, generator_url };
    GroupNotification {
        key: GroupKey::new(notice.key.as_str()),
        receiver: notice.receiver.clone(),
        group_labels: Labels::from_pairs([(ALERT_NAME, NOTICE_NAME)]),
        reason: match notice.status {
            GroupStatus::Firing => NotifyReason::First,
            GroupStatus::Resolved => NotifyReason::AllResolved,
        },
        at: notice.at,
        alerts: vec![alert],
        rollbacks: Vec::new(),
    }
}

fn group_of_claim(claim: &RollbackNotification) -> GroupNotification {
    let note = RollbackNote { id: claim.id.clone(), claimed_at: claim.claimed_at, outcome: RollbackOutcome::Sending };
    GroupNotification {
        key: GroupKey::new(claim.id.as_str()),
        receiver: claim.receiver.clone(),
        group_labels: claim.key.clone(),
        reason: NotifyReason::First,
        at: claim.claimed_at,
        alerts: vec![claim.alert.clone()],
        rollbacks: vec![note],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReceiverName;

    fn alert(labels: &[(&str, &str)], is_firing: bool) -> Alert {
        let at = Timestamp::from_millis(60_000);
        Alert {
            labels: Labels::from_pairs(labels.iter().copied()),
            annotations: Labels::empty(),
            status: if is_firing { AlertStatus::Firing } else { AlertStatus::Resolved { at } },
            starts_at: Timestamp::from_millis(0),
            generator_url: String::new(),
        }
    }

    fn group(group_labels: &[(&str, &str)], alerts: Vec<Alert>) -> Notification {
        Notification::Group(GroupNotification {
            key: GroupKey::new("{}"),
            receiver: ReceiverName::new("ops"),
            group_labels: Labels::from_pairs(group_labels.iter().copied()),
            reason: NotifyReason::First,
            at: Timestamp::from_millis(60_000),
            alerts,
            rollbacks: Vec::new(),
        })
    }

    #[test]
    fn says_what_and_where() {
        let check = |group_labels: &[(&str, &str)], alerts: &[&[(&str, &str)]], what: &str, place: &str| {
            let note = group(group_labels, alerts.iter().map(|labels| alert(labels, true)).collect());
            let told = Told::of(&note);
            assert_eq!((told.what().as_str(), told.place().as_str()), (what, place));
        };
        check(&[], &[], "Alert", "");
        check(&[], &[&[("alertname", "Slow"), ("job", "chat")]], "Slow", "chat");
        check(
            &[],
            &[&[("alertname", "Slow"), ("service", "chat"), ("job", "chat"), ("env", "dev")]],
            "Slow",
            "chat, dev",
        );
        check(&[], &[&[("alertname", "A"), ("job", "x")], &[("alertname", "B"), ("job", "y")]], "A, B", "");
        check(
            &[("team", "web"), ("alertname", "A")],
            &[&[("alertname", "A")], &[("alertname", "B")], &[("alertname", "C")]],
            "A, B and 1 more",
            "team=web",
        );
    }

    #[test]
    fn a_resolved_alert_does_not_make_a_headline_while_others_fire() {
        let note = group(
            &[],
            vec![
                alert(&[("alertname", "Slow"), ("severity", "warning")], true),
                alert(&[("alertname", "Down"), ("severity", "critical")], false),
            ],
        );
        let told = Told::of(&note);
        assert_eq!(
            (told.what(), told.severity(), told.counts()),
            ("Slow".into(), Severity::Warning, "1 firing, 1 resolved".into())
        );
        assert_eq!(told.resolved_at(), None);
        let note = group(&[], vec![alert(&[("alertname", "Down"), ("severity", "critical")], false)]);
        let told = Told::of(&note);
        assert_eq!((told.what(), told.severity()), ("Down".into(), Severity::Critical));
        assert_eq!(told.resolved_at(), Some(Timestamp::from_millis(60_000)));
    }

    #[test]
    fn only_urls_are_links() {
        for text in ["https://wiki/run?a=b&c=d", "http://localhost:9090/graph"] {
            assert!(is_link(text), "{text}");
        }
        for text in ["", "wiki/run", "javascript:alert(1)", "https://", "https://a b", "https://a|b", "https://a>b"] {
            assert!(!is_link(text), "{text}");
        }
    }
}
