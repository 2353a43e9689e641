//! PagerDuty's Events API v2: one alert there per group, opened by `trigger` and closed by `resolve`.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::pagerduty_texts::PagerDutyTexts;
use super::severity::Severity;
use super::text::Writer;
use super::told::{Told, is_link, links};
use super::words::{cut, rollback};
use super::{
    BodySecret, BodySecretValue, Endpoint, Handle, HttpRequest, Method, Outcome, RenderContext, Rendered, Reply,
    Request,
};
use crate::model::{Alert, AlertStatus, ClientName, Notification, SecretName, SecretText, hex};

/// A whole event, in bytes. PagerDuty says 512 KB; read as the smaller of its meanings.
pub(super) const EVENT_BYTES_MAX: usize = 512_000;
/// What stays free for the routing key, and for the sentence about alerts left out.
const RESERVE_BYTES: usize = 1024;
/// The summary.
pub(super) const SUMMARY_CHARS_MAX: usize = 1024;
/// The other short fields. PagerDuty names no limit for them.
pub(super) const FIELD_CHARS_MAX: usize = 255;
/// One text of the details: an annotation, or the labels of an alert.
const DETAIL_CHARS_MAX: usize = 4000;
/// Rollbacks mentioned, the latest ones.
const ROLLBACKS_MAX: usize = 20;
/// Links, and how long each may be.
pub(super) const LINKS_MAX: usize = 10;
const LINK_CHARS_MAX: usize = 2000;

/// A service of PagerDuty, by its integration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PagerDuty {
    /// The API's `…/v2/enqueue`.
    pub url: String,
    /// The integration key.
    pub routing_key: SecretName,
    /// What the configuration says of its events.
    pub texts: PagerDutyTexts,
    /// Whether it wants to hear that alerts have resolved.
    pub send_resolved: bool,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls; the plain one when none is named.
    pub client: Option<ClientName>,
}

impl PagerDuty {
    /// A `trigger`, which opens the alert or adds to it, or the `resolve` that closes it.
    pub fn render(&self, note: &Notification, context: &RenderContext<'_>) -> Rendered {
        let told = Told::of(note);
        let (dedup_key, kept) = match context.handle {
            Some(Handle::PagerDuty { dedup_key, routing_key }) => (dedup_key.clone(), routing_key.clone()),
            _ => (dedup_key(told.group.key.as_str()), None),
        };
        // What is open is closed with the key that opened it; what fires is told to whose key it is now, but for what has
        // stayed behind: that belongs to its old key alone.
        let is_firing = told.is_firing();
        let value = match kept.filter(|_| !is_firing || context.is_left_behind) {
            Some(key) => BodySecretValue::Kept(key),
            None => BodySecretValue::Named(self.routing_key.clone()),
        };
        let mut writer = Writer::new(&told, context);
        let body = if is_firing {
            trigger(&told, &dedup_key, &self.texts, context.external_url, &mut writer)
        } else {
            // PagerDuty reads no more than this of a resolve.
            json!({ "event_action": "resolve", "dedup_key": dedup_key })
        };
        let request = Request::Http(HttpRequest {
            method: Method::Post,
            url: Endpoint::Plain(self.url.clone()),
            headers: Vec::new(),
            body,
            body_secret: Some(BodySecret { pointer: "/routing_key".to_owned(), value, is_returned: is_firing }),
            signature: None,
            timeout: self.timeout,
            client: self.client.clone(),
        });
        Rendered { request, troubles: writer.into_troubles() }
    }

    /// What an answer means. PagerDuty repeats the deduplication key when it takes an event.
    pub fn classify(&self, reply: &Reply) -> Outcome {
        match (Outcome::of_service("PagerDuty", reply), reply.answer()) {
            (Outcome::Delivered { .. }, Reply::Http { body, .. }) => {
                let answer: Value = serde_json::from_str(body).unwrap_or_default();
                let key = answer.get("dedup_key").and_then(Value::as_str);
                let handle = |key: &str| handle(key.to_owned(), reply.key().cloned());
                Outcome::Delivered { handle: key.map(handle) }
            }
            (outcome, _) => outcome,
        }
    }
}

fn handle(dedup_key: String, routing_key: Option<SecretText>) -> Handle {
    Handle::PagerDuty { dedup_key, routing_key }
}

/// How to reach the incident that a trigger with this key may have opened although nobody said so.
pub(super) fn presumed_handle(note: &Notification, key: &SecretText) -> Handle {
    handle(dedup_key(Told::of(note).group.key.as_str()), Some(key.clone()))
}

/// Alertmanager's: the hash of the group's key, so that both daemons would write to the same alert.
fn dedup_key(group_key: &str) -> String {
    hex(&Sha256::digest(group_key.as_bytes()))
}

fn trigger(
    told: &Told<'_>,
    dedup_key: &str,
    texts: &PagerDutyTexts,
    external_url: &str,
    writer: &mut Writer<'_>,
) -> Value {
    let labels = &told.common_labels;
    let first_of = |names: &[&str]| {
        let value = names.iter().map(|name| labels.get(name)).find(|value| !value.is_empty());
        value.map(|value| cut(value, FIELD_CHARS_MAX))
    };
    let notes = &told.group.rollbacks;
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "Atalaya",
        "links": links_json(told),
        "payload": {
            "summary": summary(told),
            "source": first_of(&["instance", "pod", "service", "app", "job", "namespace", "cluster"])
                .unwrap_or_else(|| "Atalaya".to_owned()),
            "severity": severity(told.severity()),
            "timestamp": told.since().to_string(),
            "class": cut(&told.what(), FIELD_CHARS_MAX),
            "custom_details": {
                "counts": told.counts(),
                "reason": told.group.reason.as_str(),
                "rollbacks": notes.iter().skip(notes.len().saturating_sub(ROLLBACKS_MAX))
                    .map(|note| cut(&rollback(note), FIELD_CHARS_MAX)).collect::<Vec<_>>(),
            },
        },
    });
    if is_link(external_url) {
        event["client_url"] = external_url.into();
    }
    if let Some(component) = first_of(&["service", "app", "deployment", "job"]) {
        event["payload"]["component"] = component.into();
    }
    if let Some(group) = first_of(&["cluster", "environment", "env", "namespace"]) {
        event["payload"]["group"] = group.into();
    }
    texts.fill(&mut event, told, writer);
    let room = EVENT_BYTES_MAX.saturating_sub(RESERVE_BYTES + event.to_string().len());
    let (firing, resolved, left_out) = details(told, room);
    let details = &mut event["payload"]["custom_details"];
    // What the configuration has of these names is what it wants to see there.
    for (name, alerts) in [("firing", firing), ("resolved", resolved)] {
        if details.get(name).is_none() {
            details[name] = alerts.into();
        }
    }
    if left_out > 0 {
        details["left_out"] =
            format!("and {left_out} more alerts, which do not fit into an event of PagerDuty (512 KB)").into();
    }
    event
}

/// The alerts that fit into `room` bytes, the most urgent first, and how many do not.
fn details(told: &Told<'_>, mut room: usize) -> (Vec<Value>, Vec<Value>, usize) {
    let (mut firing, mut resolved) = (Vec::new(), Vec::new());
    for alert in told.by_urgency() {
        let detail = detail(alert);
        let Some(left) = room.checked_sub(detail.to_string().len() + 1) else { break };
        room = left;
        if alert.is_firing() { firing.push(detail) } else { resolved.push(detail) }
    }
    let left_out = told.group.alerts.len() - firing.len() - resolved.len();
    (firing, resolved, left_out)
}

fn detail(alert: &Alert) -> Value {
    let mut detail = json!({
        "labels": cut(&alert.labels.to_string(), DETAIL_CHARS_MAX),
        "since": alert.starts_at.to_string(),
    });
    if let AlertStatus::Resolved { at } = alert.status {
        detail["resolved"] = at.to_string().into();
    }
    for name in ["summary", "description"] {
        if !alert.annotations.get(name).is_empty() {
            detail[name] = cut(alert.annotations.get(name), DETAIL_CHARS_MAX).into();
        }
    }
    for (title, url) in links(alert).filter(|(_, url)| url.chars().count() <= LINK_CHARS_MAX) {
        detail[title.to_lowercase()] = url.into();
    }
    detail
}

/// What a telephone reads out: `HighErrorRate: 5 % of requests fail (chat, staging; 2 firing)`.
fn summary(told: &Told<'_>) -> String {
    let place = told.place();
    let place = if place.is_empty() { place } else { format!("{place}; ") };
    let end = cut(&format!(" ({place}{})", told.counts()), SUMMARY_CHARS_MAX / 2);
    let said = told.summary();
    let separator = if said.is_empty() { "" } else { ": " };
    // The end stays whatever the length of the rest: where and how many matter more than the last words.
    let room = SUMMARY_CHARS_MAX - end.chars().count();
    format!("{}{end}", cut(&format!("{}{separator}{said}", told.what()), room))
}

/// PagerDuty refuses an event with a severity that it does not know, so the table is strict. An alert that does not say
/// how bad it is counts as an error: somebody wanted a pager to ring for it.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Error | Severity::Unsaid => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// Where to look: the links of the most urgent alerts, each once.
fn links_json(told: &Told<'_>) -> Vec<Value> {
    let mut seen: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    let alerts = told.by_urgency();
    for (title, url) in alerts.iter().flat_map(|alert| links(alert)) {
        if out.len() == LINKS_MAX {
            break;
        }
        if url.chars().count() <= LINK_CHARS_MAX && !seen.contains(&url) {
            seen.push(url);
            out.push(json!({ "href": url, "text": title }));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_alertmanager() {
        // By Python's hashlib.
        assert_eq!(
            dedup_key(r#"{}/{severity="page"}:{service="chat"}"#),
            "aa47f64f334d38acfc163f93a905fbb0088ee11cfd139da44cc4c758d64bf064"
        );
    }
}
