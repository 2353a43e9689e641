//! Alertmanager's webhook, version 4: what any tool that Alertmanager can talk to understands.

use std::time::Duration;

use serde_json::{Value, json};

use super::told::Told;
use super::{Endpoint, HttpRequest, Method, Outcome, RenderContext, Reply, Request};
use crate::model::{Alert, AlertStatus, ClientName, GroupStatus, Labels, Notification};

/// When an alert ends that has not ended: the zero of Go's time, which receivers compare with.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The header by which a receiver recognises a repeat of what it had before.
pub(super) const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// A webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// Where to.
    pub url: Endpoint,
    /// Whether it wants to hear that alerts have resolved.
    pub send_resolved: bool,
    /// The alerts that one request holds at most; all, when zero.
    pub max_alerts: usize,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls; the plain one when none is named.
    pub client: Option<ClientName>,
}

impl Webhook {
    /// The group as Alertmanager would send it.
    pub fn render(&self, note: &Notification, context: &RenderContext<'_>) -> Request {
        Request::Http(HttpRequest {
            method: Method::Post,
            url: self.url.clone(),
            headers: vec![(IDEMPOTENCY_HEADER.to_owned(), context.delivery.to_string())],
            body: body(&Told::of(note), self.max_alerts, context.external_url),
            body_secret: None,
            signature: None,
            timeout: self.timeout,
            client: self.client.clone(),
        })
    }

    /// What an answer means.
    pub fn classify(&self, reply: &Reply) -> Outcome {
        Outcome::of_http("the webhook", reply)
    }
}

fn body(told: &Told<'_>, max_alerts: usize, external_url: &str) -> Value {
    let mut group = told.group.clone().into_owned();
    let truncated = match max_alerts {
        0 => 0,
        max => group.alerts.len().saturating_sub(max),
    };
    // As Alertmanager does, what the alerts have in common is said of those that are sent.
    group.alerts.truncate(group.alerts.len() - truncated);
    json!({
        "version": "4",
        "groupKey": group.key.as_str(),
        "truncatedAlerts": truncated,
        "status": match group.status() {
            GroupStatus::Firing => "firing",
            GroupStatus::Resolved => "resolved",
        },
        "receiver": group.receiver.as_str(),
        "groupLabels": labels_json(&group.group_labels),
        "commonLabels": labels_json(&group.common_labels()),
        "commonAnnotations": labels_json(&group.common_annotations()),
        "externalURL": external_url,
        "alerts": group.alerts.iter().map(alert_json).collect::<Vec<_>>(),
    })
}

fn alert_json(alert: &Alert) -> Value {
    let (status, ends_at) = match alert.status {
        AlertStatus::Firing => ("firing", NEVER.to_owned()),
        AlertStatus::Resolved { at } => ("resolved", at.to_string()),
    };
    json!({
        "status": status,
        "labels": labels_json(&alert.labels),
        "annotations": labels_json(&alert.annotations),
        "startsAt": alert.starts_at.to_string(),
        "endsAt": ends_at,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint().to_string(),
    })
}

/// Labels as a JSON object.
pub(super) fn labels_json(labels: &Labels) -> Value {
    labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<serde_json::Map<_, _>>().into()
}
