//! What the receivers are given to tell.

use std::time::Duration;

use atalaya::model::{
    Alert, AlertStatus, GroupKey, GroupNotification, GroupStatus, Labels, NoticeNotification, Notification,
    NotifyReason, ReceiverName, RollbackId, RollbackNote, RollbackNotification, RollbackOutcome, Timestamp,
};

/// 2026-11-24T03:12:50.120Z.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_795_489_970_120)
}

fn ago(minutes: u64) -> Timestamp {
    now() - Duration::from_secs(minutes * 60)
}

/// Each story with its name, and whether it continues one told before.
pub(crate) fn all() -> Vec<(&'static str, Notification, bool)> {
    let bad_canary = error_rate("canary", ago(8), AlertStatus::Firing);
    let resolved = AlertStatus::Resolved { at: ago(2) };
    vec![
        ("one_critical", group(NotifyReason::First, vec![bad_canary.clone()], vec![]), false),
        (
            "rolled_back",
            group(
                NotifyReason::NewAlerts,
                vec![bad_canary.clone()],
                vec![note(RollbackOutcome::Accepted { at: now() - Duration::from_millis(6000) })],
            ),
            true,
        ),
        (
            "several",
            group(
                NotifyReason::NewAlerts,
                vec![bad_canary.clone(), latency(ago(60 * 30)), error_rate("stable", ago(20), resolved)],
                vec![note(RollbackOutcome::Failed { at: ago(1) })],
            ),
            true,
        ),
        (
            "resolved",
            group(
                NotifyReason::AllResolved,
                vec![error_rate("canary", ago(8), resolved)],
                vec![note(RollbackOutcome::Accepted { at: ago(6) })],
            ),
            true,
        ),
        ("bare", group(NotifyReason::Repeat, vec![bare()], vec![]), false),
        ("notice", notice(GroupStatus::Firing), false),
        ("notice_over", notice(GroupStatus::Resolved), true),
        ("claim", claim(bad_canary), false),
    ]
}

fn group(reason: NotifyReason, alerts: Vec<Alert>, rollbacks: Vec<RollbackNote>) -> Notification {
    Notification::Group(GroupNotification {
        key: GroupKey::new(r#"{}/{team="enova"}:{namespace="enova-staging", service="chat"}"#),
        receiver: ReceiverName::new("enova-oncall"),
        group_labels: Labels::from_pairs([("namespace", "enova-staging"), ("service", "chat")]),
        reason,
        at: now(),
        alerts,
        rollbacks,
    })
}

fn note(outcome: RollbackOutcome) -> RollbackNote {
    RollbackNote { id: RollbackId::new("rb_01JX2R8K3M-enova-chat-7"), claimed_at: ago(7), outcome }
}

fn error_rate(track: &str, starts_at: Timestamp, status: AlertStatus) -> Alert {
    Alert {
        labels: Labels::from_pairs([
            ("alertname", "HighErrorRate"),
            ("severity", "critical"),
            ("namespace", "enova-staging"),
            ("service", "chat"),
            ("track", track),
        ]),
        annotations: Labels::from_pairs([
            ("summary", format!("5.1 % of requests to chat ({track}) fail, limit 1 %")),
            (
                "description",
                "Users see \"message not sent\".\nFirst look: is the database <primary> & its pool alive?".into(),
            ),
            ("runbook_url", "https://wiki.enova.example/runbooks/chat?section=errors&lang=en".into()),
        ]),
        status,
        starts_at,
        generator_url: "https://atalaya.enova.example/graph?g0.expr=rate(errors%5B5m%5D)+%3E+0.01&g0.tab=1".into(),
    }
}

fn latency(starts_at: Timestamp) -> Alert {
    Alert {
        labels: Labels::from_pairs([
            ("alertname", "ChatLatencyHigh"),
            ("severity", "warning"),
            ("namespace", "enova-staging"),
            ("service", "chat"),
            ("instance", "10.0.3.7:8080"),
        ]),
        annotations: Labels::from_pairs([("summary", "p95 of chat is 143 ms, limit 100 ms")]),
        status: AlertStatus::Firing,
        starts_at,
        generator_url: String::new(),
    }
}

/// An alert that says nothing about itself.
fn bare() -> Alert {
    Alert {
        labels: Labels::from_pairs([("alertname", "Watchdog")]),
        annotations: Labels::empty(),
        status: AlertStatus::Firing,
        starts_at: ago(0),
        generator_url: "not a link".into(),
    }
}

fn notice(status: GroupStatus) -> Notification {
    Notification::Notice(NoticeNotification {
        key: "delivery/enova-oncall/pagerduty/0".into(),
        receiver: ReceiverName::new("ops"),
        status,
        summary: "PagerDuty refuses what enova-oncall is told".into(),
        description: "401 for 3 deliveries since 03:04 UTC. Check the key in /etc/atalaya/pagerduty-key.".into(),
        severity: "critical".into(),
        labels: Labels::from_pairs([("receiver", "enova-oncall")]),
        at: now(),
    })
}

fn claim(alert: Alert) -> Notification {
    Notification::Rollback(RollbackNotification {
        id: RollbackId::new("rb_01JX2R8K3M-enova-chat-7"),
        receiver: ReceiverName::new("enova-rollback"),
        key: Labels::from_pairs([("namespace", "enova-staging"), ("service", "chat")]),
        guard: "sum(rate(nginx_requests_total{track=\"canary\"}[1m])) > 0".into(),
        terms: String::new(),
        alert,
        claimed_at: ago(7),
        deadline: ago(7) + Duration::from_secs(300),
    })
}

/// Texts that are too long in as many ways as there are ways to count.
pub(crate) fn long_texts() -> Vec<String> {
    ["plain words ", "&<>", "\"\\\n", "\u{1}", "é", "𝛀", "x", "`*_~|", "https://a/?b&"]
        .iter()
        .map(|piece| piece.repeat(6000 / piece.len()))
        .collect()
}

/// A group of so many alerts, every other one resolved, with this text wherever there can be one.
pub(crate) fn storm(count: usize, text: &str) -> Notification {
    let alerts = (0..count).map(|number| Alert {
        labels: storm_labels(number, text),
        annotations: Labels::from_pairs([
            ("summary", text.to_owned()),
            ("description", format!("{text} {}", number % 7)),
            ("runbook_url", format!("https://wiki.example/{}{number}", "r".repeat((text.len() / 2).min(400)))),
            ("dashboard_url", format!("https://grafana.example/?a=1&b={number}{}", "&".repeat(text.len() / 4))),
        ]),
        status: if number % 2 == 0 { AlertStatus::Firing } else { AlertStatus::Resolved { at: ago(1) } },
        starts_at: ago(30),
        generator_url: format!("https://atalaya.example/graph?{}", "e".repeat((text.len() / 4).min(400))),
    });
    let mut alerts: Vec<Alert> = alerts.collect();
    alerts.sort_by_key(|alert| !alert.is_firing());
    let rollbacks = (0..40).map(|number| RollbackNote {
        id: RollbackId::new(format!("rb_{number}-{text}")),
        claimed_at: ago(5),
        outcome: RollbackOutcome::Accepted { at: ago(4) },
    });
    Notification::Group(GroupNotification {
        key: GroupKey::new(format!("{{}}:{{zone={text:?}}}")),
        receiver: ReceiverName::new("storm"),
        group_labels: Labels::from_pairs([("zone", text), ("team", text)]),
        reason: NotifyReason::First,
        at: ago(0),
        alerts,
        rollbacks: rollbacks.collect(),
    })
}

/// Some labels that all alerts share, some that tell them apart, all of them long.
fn storm_labels(number: usize, text: &str) -> Labels {
    let mut labels = Labels::from_pairs([("severity", "critical")]).edit();
    labels.set("number", number.to_string());
    for shared in ["alertname", "service", "zone", "a", "b", "c", "d", "e", "f", "g"] {
        labels.set(shared, text);
    }
    for own in ["instance", "h", "i", "j", "k", "l", "m", "n"] {
        labels.set(own, format!("{number} {text}"));
    }
    labels.build()
}
