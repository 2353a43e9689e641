//! A PagerDuty of one service: the Events API v2.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::model::Timestamp;

use super::super::happening::{Happening, PagerDutyHeard};
use super::{Reports, answer, json_of, text_at};

/// The service, by its integration.
pub(in crate::demo) struct FakePagerDuty {
    routing_key: String,
    /// What each incident is about, by its deduplication key: a resolve does not say.
    incidents: Mutex<BTreeMap<String, String>>,
}

impl FakePagerDuty {
    /// A service with this integration key.
    pub(in crate::demo) fn new(routing_key: &str) -> Self {
        Self { routing_key: routing_key.to_owned(), incidents: Mutex::default() }
    }

    /// Its API: `/v2/enqueue`.
    pub(in crate::demo) fn router(self, clock: Clock, reports: Reports) -> Router {
        let pagerduty = Arc::new(self);
        let enqueue = async move |body: Bytes| {
            let (status, body, heard) = pagerduty.hear(&json_of(&body), clock.now());
            // The narrator may have gone.
            let _ = reports.send(Happening::PagerDuty(heard));
            answer(status, &body)
        };
        Router::new().route("/v2/enqueue", post(enqueue))
    }

    fn hear(&self, body: &Value, now: Timestamp) -> (StatusCode, Value, PagerDutyHeard) {
        let refused = self.fault(body);
        let heard = PagerDutyHeard {
            at: now,
            action: text_at(body, "/event_action").to_owned(),
            dedup_key: text_at(body, "/dedup_key").to_owned(),
            summary: text_at(body, "/payload/summary").to_owned(),
            severity: text_at(body, "/payload/severity").to_owned(),
            class: self.class(body),
            refused,
        };
        match refused {
            None => {
                let key = &heard.dedup_key;
                (
                    StatusCode::ACCEPTED,
                    json!({ "status": "success", "message": "Event processed", "dedup_key": key }),
                    heard,
                )
            }
            Some(why) => {
                let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": [why] });
                (StatusCode::BAD_REQUEST, body, heard)
            }
        }
    }

    /// What an event is about.
    fn class(&self, body: &Value) -> String {
        let mut incidents = self.incidents.lock().unwrap_or_else(PoisonError::into_inner);
        let key = text_at(body, "/dedup_key");
        match text_at(body, "/payload/class") {
            "" => incidents.get(key).cloned().unwrap_or_default(),
            class => {
                incidents.insert(key.to_owned(), class.to_owned());
                class.to_owned()
            }
        }
    }

    /// What is wrong with an event.
    fn fault(&self, body: &Value) -> Option<&'static str> {
        let is_missing = |pointer: &str| text_at(body, pointer).is_empty();
        if text_at(body, "/routing_key") != self.routing_key {
            return Some("Invalid routing key");
        }
        match text_at(body, "/event_action") {
            "trigger" if is_missing("/payload/summary") => Some("'payload.summary' is missing or blank"),
            "trigger" if is_missing("/payload/source") => Some("'payload.source' is missing or blank"),
            "trigger" => match text_at(body, "/payload/severity") {
                "critical" | "error" | "warning" | "info" => None,
                _ => Some("'payload.severity' is invalid"),
            },
            "acknowledge" | "resolve" if is_missing("/dedup_key") => Some("'dedup_key' is missing or blank"),
            "acknowledge" | "resolve" => None,
            _ => Some("'event_action' is invalid"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_and_refuses_what_pagerduty_does() {
        let pagerduty = FakePagerDuty::new("key");
        let check = |body: Value, refused: Option<&str>| {
            let (status, answer, heard) = pagerduty.hear(&body, Timestamp::from_millis(1));
            assert_eq!(heard.refused, refused, "{body}");
            assert_eq!(status, if refused.is_none() { 202 } else { 400 });
            assert_eq!(answer["status"], if refused.is_none() { "success" } else { "invalid event" });
        };
        let trigger = |key: &str, severity: &str, summary: &str| {
            let payload = json!({"summary": summary, "source": "s", "severity": severity});
            json!({"routing_key": key, "event_action": "trigger", "dedup_key": "d", "payload": payload})
        };
        check(trigger("key", "critical", "it burns"), None);
        check(trigger("other", "critical", "it burns"), Some("Invalid routing key"));
        check(trigger("key", "page", "it burns"), Some("'payload.severity' is invalid"));
        check(trigger("key", "critical", ""), Some("'payload.summary' is missing or blank"));
        check(json!({"routing_key": "key", "event_action": "resolve", "dedup_key": "d"}), None);
        check(json!({"routing_key": "key", "event_action": "resolve"}), Some("'dedup_key' is missing or blank"));
        check(json!({"routing_key": "key", "event_action": "forget"}), Some("'event_action' is invalid"));
        check(Value::Null, Some("Invalid routing key"));
    }

    #[test]
    fn repeats_the_key() {
        let body = json!({"routing_key": "key", "event_action": "resolve", "dedup_key": "d1"});
        let (_, answer, heard) = FakePagerDuty::new("key").hear(&body, Timestamp::from_millis(1));
        assert_eq!((answer["dedup_key"].as_str(), heard.dedup_key.as_str()), (Some("d1"), "d1"));
    }
}
