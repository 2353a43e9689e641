//! The world around one daemon: a target whose page is bad until everyone has been told, and those who are told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use atalaya::clock::Clock;
use atalaya::model::{IntegrationKind, Timestamp};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What a request says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Firing,
    Resolved,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The process that sent it, from 1: each says so in a header.
    pub(crate) process: u32,
    pub(crate) kind: IntegrationKind,
    pub(crate) at: Timestamp,
    pub(crate) status: Status,
    /// By what a repeat is known: the key of PagerDuty's alert, a webhook's idempotency key, the rollback's id, and
    /// for Slack the message that was posted or updated.
    pub(crate) id: String,
    /// Whether it was taken; otherwise it was answered with 503.
    pub(crate) taken: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What happens in the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// The services that are bad at first.
    pub(crate) services: Vec<&'static str>,
    /// Whether a canary is out, which the rollback's guard asks.
    pub(crate) is_canary_out: bool,
    /// Who answers its first request with 503.
    pub(crate) busy_at_first: BTreeSet<IntegrationKind>,
}

#[derive(Debug)]
struct Scene {
    story: Story,
    is_bad: bool,
    heard: Vec<Heard>,
    messages: u32,
    /// Whether the page was ever asked for.
    is_scraped: bool,
}

/// The servers of one point.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    scene: Arc<Mutex<Scene>>,
    clock: Clock,
}

impl World {
    /// Starts the servers. They end with the runtime.
    pub(crate) async fn start(story: Story) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scene = Scene { story, is_bad: true, heard: Vec::new(), messages: 0, is_scraped: false };
        let world = Self { address, scene: Arc::new(Mutex::new(scene)), clock: Clock::wall() };
        let answering = world.clone();
        let app = Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
            answering.answer(uri.path(), headers, body)
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        world
    }

    /// Everything that arrived, in the order in which it was sent: what a process that is dead had sent may be read only
    /// when the next one speaks already.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        let mut heard = self.scene.lock().unwrap().heard.clone();
        heard.sort_by_key(|it| it.process);
        heard
    }

    /// Whether each of these kinds has taken a request of this status.
    pub(crate) fn all_told(&self, kinds: &[IntegrationKind], status: Status) -> bool {
        self.scene.lock().unwrap().all_told(kinds, status)
    }

    /// Whether someone is there who asks for the page.
    pub(crate) fn is_scraped(&self) -> bool {
        self.scene.lock().unwrap().is_scraped
    }

    /// Makes the page good.
    pub(crate) fn mend(&self) {
        self.scene.lock().unwrap().is_bad = false;
    }

    /// Makes the page bad.
    pub(crate) fn worsen(&self) {
        self.scene.lock().unwrap().is_bad = true;
    }

    fn answer(&self, path: &str, headers: HeaderMap, body: Bytes) -> Response {
        let mut scene = self.scene.lock().unwrap();
        if path == "/metrics" {
            scene.is_scraped = true;
            return scene.page().into_response();
        }
        let process = headers.get("x-speaker").unwrap().to_str().unwrap().parse().unwrap();
        scene.hear(process, path.trim_start_matches('/'), self.clock.now(), headers, body)
    }
}

impl Scene {
    fn page(&self) -> String {
        let ratio = if self.is_bad { 0.2 } else { 0.0 };
        let weight = if self.story.is_canary_out { 10 } else { 0 };
        let line = |service: &&str| {
            format!("error_ratio{{service=\"{service}\"}} {ratio}\ncanary_weight{{service=\"{service}\"}} {weight}\n")
        };
        self.story.services.iter().map(line).collect()
    }

    fn all_told(&self, kinds: &[IntegrationKind], status: Status) -> bool {
        kinds.iter().all(|kind| self.heard.iter().any(|it| it.kind == *kind && it.status == status && it.taken))
    }

    fn hear(&mut self, process: u32, place: &str, at: Timestamp, headers: HeaderMap, body: Bytes) -> Response {
        let said: Value = serde_json::from_slice(&body).unwrap();
        let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let header = |name: &str| headers.get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        let status_of = |is_firing: bool| if is_firing { Status::Firing } else { Status::Resolved };
        let (kind, status, id) = match place {
            // What stands in a message's thread is beside what it is about.
            "slack/chat.postMessage" if said.get("thread_ts").is_some() => {
                return json!({ "ok": true, "channel": "C1", "ts": "2.1" }).to_string().into_response();
            }
            "slack/chat.postMessage" => {
                self.messages += 1;
                let status = status_of(!text("/blocks/0/text/text").contains("RESOLVED"));
                (IntegrationKind::Slack, status, format!("1.{}", self.messages))
            }
            "slack/chat.update" => {
                let status = status_of(!text("/blocks/0/text/text").contains("RESOLVED"));
                (IntegrationKind::Slack, status, text("/ts"))
            }
            "pagerduty" => {
                (IntegrationKind::PagerDuty, status_of(text("/event_action") == "trigger"), text("/dedup_key"))
            }
            "webhook" => (IntegrationKind::Webhook, status_of(text("/status") == "firing"), header("idempotency-key")),
            "rollback" => (IntegrationKind::Rollback, Status::Firing, header("webhook-id")),
            other => panic!("nobody lives at {other}"),
        };
        let is_first = !self.heard.iter().any(|it| it.kind == kind);
        let taken = !(is_first && self.story.busy_at_first.contains(&kind));
        self.heard.push(Heard { process, kind, at, status, id: id.clone(), taken, headers, body });
        if !taken {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let answer = match kind {
            IntegrationKind::Slack => json!({ "ok": true, "channel": "C1", "ts": id }),
            IntegrationKind::PagerDuty => json!({ "status": "success", "dedup_key": id }),
            _ => json!({}),
        };
        answer.to_string().into_response()
    }
}
