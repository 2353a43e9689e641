//! What happened since, in the thread of a group's message: who joined, who resolved, and that it goes on.
//!
//! An edit in place disturbs nobody, which is right for what is over and wrong for what begins. So what joins, and the
//! reminder that a group still fires, is shown in the channel as well.

use std::collections::BTreeSet;

use slack_morphism::prelude::SlackMessageContent;

use super::mrkdwn::{bold, escape};
use super::severity::Severity;
use super::told::{Told, summary};
use super::words::how_long;
use crate::model::{Alert, AlertStatus, Fingerprint, GroupStatus, NotifyReason, Timestamp};

/// Alerts named of each kind.
const ALERTS_MAX: usize = 15;
/// What is said of one.
const LINE_CHARS_MAX: usize = 200;

/// What a thread is told.
pub(super) struct News {
    /// The text.
    pub(super) content: SlackMessageContent,
    /// Whether the channel is to see it.
    pub(super) is_broadcast: bool,
}

/// What changed since those who read the thread were told that `before` fires; nothing when nothing did.
pub(super) fn news(told: &Told<'_>, before: &BTreeSet<Fingerprint>, now: Timestamp) -> Option<News> {
    let joined: Vec<&Alert> = told.group.firing().filter(|alert| !before.contains(&alert.fingerprint())).collect();
    let over: Vec<&Alert> = told.group.resolved().filter(|alert| before.contains(&alert.fingerprint())).collect();
    let mut lines = Vec::new();
    lines.extend(list("fires now", &joined));
    lines.extend(list("resolved", &over));
    if lines.is_empty() && told.group.reason == NotifyReason::Repeat {
        let lasted = how_long(now.since(told.since()));
        lines.push(format!("🔔 {} for {lasted}", bold(&format!("still {}", told.counts()), LINE_CHARS_MAX)));
    } else if lines.is_empty() {
        return None;
    } else if told.group.status() == GroupStatus::Resolved {
        lines.push("✅ everything has resolved".to_owned());
    } else {
        lines.push(format!("{} in all", told.counts()));
    }
    let is_broadcast = !joined.is_empty() || told.group.reason == NotifyReason::Repeat;
    Some(News { content: SlackMessageContent::new().with_text(lines.join("\n")), is_broadcast })
}

fn list(what: &str, alerts: &[&Alert]) -> Vec<String> {
    let mut sorted = alerts.to_vec();
    sorted.sort_by_key(|alert| Severity::of(alert));
    let mut lines: Vec<String> = sorted.iter().take(ALERTS_MAX).map(|alert| line(what, alert)).collect();
    if alerts.len() > ALERTS_MAX {
        lines.push(format!("…and {} more: {what}", alerts.len() - ALERTS_MAX));
    }
    lines
}

fn line(what: &str, alert: &Alert) -> String {
    let mark = if alert.is_firing() { "🔺" } else { "✅" };
    let said = summary(alert);
    let said = if said.is_empty() { alert.labels.to_string() } else { said };
    let after = match alert.status {
        AlertStatus::Resolved { at } => format!(" after {}", how_long(at.since(alert.starts_at))),
        AlertStatus::Firing => String::new(),
    };
    let name = bold(alert.name(), LINE_CHARS_MAX);
    format!("{mark} {name} {what}{after}: {}", escape(&said, LINE_CHARS_MAX))
}
