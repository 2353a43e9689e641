//! An Alertmanager that alerts are forwarded to, by its API version 2, as Prometheus does it.

use std::time::Duration;

use serde_json::{Value, json};

use super::webhook::labels_json;
use super::{Endpoint, HttpRequest, Method, Outcome, Reply, Request};
use crate::model::{ClientName, Labels, Timestamp};

/// How many alerts one request holds at most.
pub const FORWARD_ALERTS_MAX: usize = 256;

/// An Alertmanager.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alertmanager {
    /// Its `…/api/v2/alerts`.
    pub url: Endpoint,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls; the plain one when none is named.
    pub client: Option<ClientName>,
}

/// An alert as it is forwarded.
#[derive(Clone, PartialEq, Debug)]
pub struct ForwardedAlert {
    /// Its labels, relabelled.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When it resolved, or until when it is to be believed that it fires if nothing more is heard.
    pub ends_at: Timestamp,
    /// A link to its expression.
    pub generator_url: String,
}

impl Alertmanager {
    /// A batch of alerts.
    pub fn render(&self, alerts: &[ForwardedAlert]) -> Request {
        Request::Http(HttpRequest {
            method: Method::Post,
            url: self.url.clone(),
            headers: Vec::new(),
            body: alerts.iter().map(alert_json).collect(),
            body_secret: None,
            signature: None,
            timeout: self.timeout,
            client: self.client.clone(),
        })
    }

    /// What an answer means.
    pub fn classify(&self, reply: &Reply) -> Outcome {
        Outcome::of_http("the Alertmanager", reply)
    }
}

fn alert_json(alert: &ForwardedAlert) -> Value {
    json!({
        "labels": labels_json(&alert.labels),
        "annotations": labels_json(&alert.annotations),
        "startsAt": alert.starts_at.to_string(),
        "endsAt": alert.ends_at.to_string(),
        "generatorURL": alert.generator_url,
    })
}
