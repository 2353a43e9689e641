//! A rollback receiver as one should be: it believes only what is signed, and does only once what it is asked twice.
//!
//! A real one applies ENOVA's `ingress-rollback.yaml`; this one sends the world's traffic back to legacy.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::model::Timestamp;
use crate::transport::{SigningKey, TOLERANCE};

use super::super::happening::{Happening, RollbackHeard};
use super::super::world::{SERVICES, SharedWorld};
use super::{Reports, answer, json_of, text_at};

/// How long an Ingress takes to be applied and reloaded.
const APPLYING: Duration = Duration::from_secs(5);
/// The only message that is acted upon.
const REQUESTED: &str = "rollout.rollback.requested";
/// Where Standard Webhooks put a message's id.
const ID_HEADER: &str = "webhook-id";

/// The receiver.
pub(in crate::demo) struct RollbackReceiver {
    key: SigningKey,
    world: SharedWorld,
    seen: Mutex<Seen>,
}

/// The messages that have come, by their ids.
#[derive(Default)]
struct Seen {
    attempts: HashMap<String, u32>,
    answers: HashMap<String, (StatusCode, Value)>,
}

/// What came of a message.
struct Heard {
    status: StatusCode,
    body: Value,
    report: RollbackHeard,
    /// The service whose traffic was moved, and from when on.
    moved: Option<(String, Timestamp)>,
}

impl RollbackReceiver {
    /// A receiver that believes what this key signed.
    pub(in crate::demo) fn new(key: SigningKey, world: SharedWorld) -> Self {
        Self { key, world, seen: Mutex::default() }
    }

    /// Its webhook: `/rollback`.
    pub(in crate::demo) fn router(self, clock: Clock, reports: Reports) -> Router {
        let receiver = Arc::new(self);
        let rollback = async move |headers: HeaderMap, body: Bytes| {
            let heard = receiver.hear(&headers, &body, clock.now());
            // The narrator may have gone.
            let _ = reports.send(Happening::Rollback(heard.report));
            if let Some((service, at)) = heard.moved {
                tokio::spawn(receiver.clone().watch(service, at, clock.clone(), reports.clone()));
            }
            answer(heard.status, &heard.body)
        };
        Router::new().route("/rollback", post(rollback))
    }

    /// Looks where the traffic goes once it should have moved.
    async fn watch(self: Arc<Self>, service: String, at: Timestamp, clock: Clock, reports: Reports) {
        clock.sleep_until(at).await;
        let canary_percent = self.world.lock().canary_percent(&service, clock.now());
        let _ = reports.send(Happening::TrafficMoved { at, service, canary_percent });
    }

    fn hear(&self, headers: &HeaderMap, body: &Bytes, now: Timestamp) -> Heard {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed_id = headers.get(ID_HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let attempt = seen.attempts.entry(claimed_id.clone()).or_default();
        *attempt += 1;
        let mut report = RollbackHeard {
            at: now,
            id: claimed_id,
            attempt: *attempt,
            refused: None,
            is_verified: false,
            key: BTreeMap::new(),
            alertname: String::new(),
            decided_at: None,
        };
        if let Err(why) = self.key.verify(headers, body, now, TOLERANCE) {
            let body = json!({ "error": why.to_string() });
            report.refused = Some(why.to_string());
            return Heard { status: StatusCode::UNAUTHORIZED, body, report, moved: None };
        }
        let message = json_of(body);
        report.is_verified = true;
        report.key = texts(message.pointer("/data/key"));
        report.alertname = text_at(&message, "/data/reason/alertname").to_owned();
        report.decided_at = moment(text_at(&message, "/data/reason/starts_at"));
        if let Some((status, body)) = seen.answers.get(&report.id) {
            return Heard { status: *status, body: body.clone(), report, moved: None };
        }
        let result = self.act(&message, &report, now);
        let (status, body) = match &result {
            Ok(_) => (StatusCode::OK, json!({ "status": "accepted", "rollback_id": report.id })),
            Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "error": why })),
        };
        seen.answers.insert(report.id.clone(), (status, body.clone()));
        report.refused = result.as_ref().err().map(|why| (*why).to_owned());
        Heard { status, body, report, moved: result.ok() }
    }

    /// Sends the traffic of the service that the message names back to legacy.
    fn act(
        &self,
        message: &Value,
        report: &RollbackHeard,
        now: Timestamp,
    ) -> Result<(String, Timestamp), &'static str> {
        if text_at(message, "/type") != REQUESTED {
            return Err("not a message that asks for a rollback");
        }
        if text_at(message, "/data/rollback_id") != report.id {
            return Err("the message's id is not that of the rollback");
        }
        let service = report.key.get("service").cloned().unwrap_or_default();
        if !SERVICES.iter().any(|it| it.name == service) {
            return Err("there is no such service");
        }
        let at = now + APPLYING;
        self.world.lock().route_to_legacy(&service, at);
        Ok((service, at))
    }
}

fn texts(object: Option<&Value>) -> BTreeMap<String, String> {
    let entries = object.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn moment(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::keys::Keys;
    use crate::demo::world::{GATEWAY, World};

    fn now() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_500)
    }

    fn message(service: &str) -> Bytes {
        let reason = json!({"alertname": "HighErrorRate", "starts_at": "2025-11-24T16:00:00.000Z"});
        let data = json!({"rollback_id": "rb_1", "key": {"service": service}, "reason": reason});
        Bytes::from(json!({"type": REQUESTED, "data": data}).to_string())
    }

    fn signed(key: &SigningKey, body: &Bytes, at: Timestamp) -> HeaderMap {
        let headers = key.headers("rb_1", at, body).unwrap();
        headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    struct Stage {
        receiver: RollbackReceiver,
        key: SigningKey,
        world: SharedWorld,
    }

    fn stage() -> Stage {
        let key = SigningKey::parse(&Keys::new(now()).rollback_secret).unwrap();
        let world = SharedWorld::new(World::new(now()));
        Stage { receiver: RollbackReceiver::new(key.clone(), world.clone()), key, world }
    }

    #[test]
    fn moves_traffic_once() {
        let Stage { receiver, key, world } = stage();
        let body = message(GATEWAY);
        let first = receiver.hear(&signed(&key, &body, now()), &body, now());
        assert_eq!((first.status, first.report.attempt, first.report.is_verified), (StatusCode::OK, 1, true));
        assert_eq!(first.report.decided_at, Some(Timestamp::from_millis(1_764_000_000_000)));
        assert_eq!(first.moved, Some((GATEWAY.to_owned(), now() + APPLYING)));
        assert_eq!(world.lock().canary_percent(GATEWAY, now()), 10);
        assert_eq!(world.lock().canary_percent(GATEWAY, now() + APPLYING), 0);

        let later = now() + Duration::from_secs(60);
        let again = receiver.hear(&signed(&key, &body, later), &body, later);
        assert_eq!((again.status, again.body), (first.status, first.body));
        assert_eq!((again.report.attempt, again.moved), (2, None));
    }

    #[test]
    fn refuses_what_it_must_not_do() {
        let check = |sign: &dyn Fn(&SigningKey, &Bytes) -> HeaderMap, service: &str, status: u16| {
            let Stage { receiver, key, world } = stage();
            let body = message(service);
            let heard = receiver.hear(&sign(&key, &body), &body, now());
            assert_eq!(heard.status, status);
            assert!(heard.report.refused.is_some() && heard.moved.is_none());
            assert_eq!(heard.report.is_verified, status != 401);
            assert_eq!(world.lock().canary_percent(GATEWAY, now() + APPLYING), 10);
        };
        let other = SigningKey::parse(&Keys::new(now()).rollback_secret).unwrap();
        check(&|_, body| signed(&other, body, now()), GATEWAY, 401);
        check(&|_, _| HeaderMap::new(), GATEWAY, 401);
        check(&|key, body| signed(key, body, now() + Duration::from_secs(400)), GATEWAY, 401);
        check(&|key, _| signed(key, &message("frontend"), now()), GATEWAY, 401);
        check(&|key, body| signed(key, body, now()), "billing", 422);
    }
}
