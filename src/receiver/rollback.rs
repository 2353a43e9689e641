//! The rollback webhook: a claim, signed as Standard Webhooks say, the same on every attempt.

use std::time::Duration;

use serde_json::{Value, json};

use super::told::{Told, summary};
use super::webhook::{IDEMPOTENCY_HEADER, labels_json};
use super::{Endpoint, HttpRequest, Method, Outcome, RenderContext, Reply, Request, Signature};
use crate::model::{ClientName, Notification, RollbackNotification, SecretName};

/// The message that asks for a rollback; the only one that a receiver may act on.
const REQUESTED: &str = "rollout.rollback.requested";
/// A message that is for information only.
const NOTICE: &str = "rollout.notice";

/// A webhook that carries out rollbacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rollback {
    /// Where to.
    pub url: Endpoint,
    /// The signing key, `whsec_…`.
    pub secret: SecretName,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls; the plain one when none is named.
    pub client: Option<ClientName>,
}

impl Rollback {
    /// The claim. Nothing in it depends on the attempt, so a receiver may compare bodies.
    pub fn render(&self, note: &Notification, context: &RenderContext<'_>) -> Request {
        let (id, body) = match note {
            Notification::Rollback(claim) => {
                let id = wire_id(claim.id.as_str());
                let body = claim_body(&id, claim, context.external_url);
                (id, body)
            }
            // No configuration sends these here. Should one arrive all the same, it must not look like a claim.
            Notification::Group(_) | Notification::Notice(_) => {
                (wire_id(context.delivery.as_str()), notice_body(&Told::of(note)))
            }
        };
        Request::Http(HttpRequest {
            method: Method::Post,
            url: self.url.clone(),
            headers: vec![(IDEMPOTENCY_HEADER.to_owned(), id.clone())],
            body,
            body_secret: None,
            signature: Some(Signature { id, secret: self.secret.clone() }),
            timeout: self.timeout,
            client: self.client.clone(),
        })
    }

    /// What an answer means.
    pub fn classify(&self, reply: &Reply) -> Outcome {
        Self::outcome(reply)
    }

    /// What an answer to a claim means, whichever entry made it.
    pub fn outcome(reply: &Reply) -> Outcome {
        Outcome::of_http("the rollback receiver", reply)
    }
}

fn claim_body(id: &str, claim: &RollbackNotification, external_url: &str) -> Value {
    let alert = &claim.alert;
    json!({
        "type": REQUESTED,
        "timestamp": claim.claimed_at.to_string(),
        "data": {
            "rollback_id": id,
            "receiver": claim.receiver.as_str(),
            "key": labels_json(&claim.key),
            "mode": "enforce",
            "attempt_deadline": claim.deadline.to_string(),
            "reason": {
                "alertname": alert.name(),
                "summary": summary(alert),
                "guard": claim.guard,
                "labels": labels_json(&alert.labels),
                "annotations": labels_json(&alert.annotations),
                "starts_at": alert.starts_at.to_string(),
            },
            "links": { "atalaya": external_url, "expression": alert.generator_url },
        },
    })
}

fn notice_body(told: &Told<'_>) -> Value {
    json!({
        "type": NOTICE,
        "timestamp": told.group.at.to_string(),
        "data": { "receiver": told.group.receiver.as_str(), "what": told.what(), "summary": told.summary() },
    })
}

/// An id as it is sent: Standard Webhooks sign `id.timestamp.body`, so it holds no `.`, and a header holds no more than
/// ASCII. The ids of claims are such already; this makes sure.
fn wire_id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_the_signature() {
        let check = |id: &str, expected: &str| assert_eq!(wire_id(id), expected);
        check("rb_01JX2R8K3M-enova-gateway-7f3c-1", "rb_01JX2R8K3M-enova-gateway-7f3c-1");
        check("rb_1.2", "rb_1-2");
        check("rb é\n", "rb---");
    }
}
