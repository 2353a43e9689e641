//! A Slack of one channel: `chat.postMessage` and `chat.update`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::model::Timestamp;

use super::super::happening::{Happening, SlackHeard, SlackMethod};
use super::{Reports, answer, bears, json_of, text_at};

/// The channel's id, which an update must name.
const CHANNEL_ID: &str = "C0ENOVA1";

/// The workspace.
pub(in crate::demo) struct FakeSlack {
    token: String,
    /// The channel's name, `#…`.
    channel: String,
    messages: Mutex<BTreeSet<String>>,
}

impl FakeSlack {
    /// A workspace with this bot and this channel.
    pub(in crate::demo) fn new(token: &str, channel: &str) -> Self {
        Self { token: token.to_owned(), channel: channel.to_owned(), messages: Mutex::default() }
    }

    /// Its API, below `/api`.
    pub(in crate::demo) fn router(self, clock: &Clock, reports: &Reports) -> Router {
        let slack = Arc::new(self);
        let route = |method: SlackMethod| {
            let (slack, clock, reports) = (slack.clone(), clock.clone(), reports.clone());
            post(async move |headers: HeaderMap, body: Bytes| {
                let (body, heard) = slack.hear(method, &headers, json_of(&body), clock.now());
                // The narrator may have gone.
                let _ = reports.send(Happening::Slack(heard));
                answer(StatusCode::OK, &body)
            })
        };
        Router::new()
            .route("/api/chat.postMessage", route(SlackMethod::Post))
            .route("/api/chat.update", route(SlackMethod::Update))
    }

    /// What it answers, and what it heard. Slack refuses with a 200 and a word.
    fn hear(&self, method: SlackMethod, headers: &HeaderMap, body: Value, now: Timestamp) -> (Value, SlackHeard) {
        let is_reply = method == SlackMethod::Post && body.get("thread_ts").is_some();
        let method = if is_reply { SlackMethod::Thread } else { method };
        let result = self.take(method, headers, &body, now);
        let ts = result.clone().unwrap_or_else(|_| text_at(&body, "/ts").to_owned());
        let heard = SlackHeard {
            at: now,
            method,
            channel: text_at(&body, "/channel").to_owned(),
            ts,
            text: unescape(text_at(&body, "/text")),
            alertname: text_at(&body, "/metadata/event_payload/alertname").to_owned(),
            refused: result.as_ref().err().copied(),
            body,
        };
        let answer = match result {
            Ok(ts) => json!({ "ok": true, "channel": CHANNEL_ID, "ts": ts }),
            Err(code) => json!({ "ok": false, "error": code }),
        };
        (answer, heard)
    }

    fn take(
        &self,
        method: SlackMethod,
        headers: &HeaderMap,
        body: &Value,
        now: Timestamp,
    ) -> Result<String, &'static str> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = text_at(body, "/channel");
        if !bears(headers, &self.token) {
            Err("invalid_auth")
        } else if text_at(body, "/text").is_empty() {
            Err("no_text")
        } else if method != SlackMethod::Update && channel != self.channel && channel != CHANNEL_ID {
            Err("channel_not_found")
        } else if method == SlackMethod::Post {
            let ts = format!("{}.{:06}", now.millis().div_euclid(1000), messages.len() + 1);
            messages.insert(ts.clone());
            Ok(ts)
        } else if method == SlackMethod::Thread {
            // A reply is found by its message, and is no message of the channel.
            messages.get(text_at(body, "/thread_ts")).cloned().ok_or("thread_not_found")
        } else if channel != CHANNEL_ID {
            // An update knows no names.
            Err("channel_not_found")
        } else {
            let ts = text_at(body, "/ts");
            messages.get(ts).cloned().ok_or("message_not_found")
        }
    }
}

/// A text as Slack shows it.
pub(in crate::demo) fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn hear(slack: &FakeSlack, method: SlackMethod, token: &str, body: Value) -> (Value, SlackHeard) {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
        slack.hear(method, &headers, body, Timestamp::from_millis(1_764_000_000_120))
    }

    #[test]
    fn an_update_finds_its_message() {
        let slack = FakeSlack::new("t", "#alerts");
        let (answer, heard) = hear(&slack, SlackMethod::Post, "t", json!({"channel": "#alerts", "text": "a &lt; b"}));
        assert_eq!(answer, json!({"ok": true, "channel": CHANNEL_ID, "ts": "1764000000.000001"}));
        assert_eq!((heard.ts.as_str(), heard.text.as_str()), ("1764000000.000001", "a < b"));
        let update = json!({"channel": CHANNEL_ID, "ts": "1764000000.000001", "text": "b"});
        assert_eq!(hear(&slack, SlackMethod::Update, "t", update).0["ok"], true);
        let reply = json!({"channel": "#alerts", "thread_ts": "1764000000.000001", "text": "c"});
        let (answer, heard) = hear(&slack, SlackMethod::Post, "t", reply);
        assert_eq!((&answer["ok"], heard.method), (&json!(true), SlackMethod::Thread));
        let (second, _) = hear(&slack, SlackMethod::Post, "t", json!({"channel": "#alerts", "text": "c"}));
        assert_eq!(second["ts"], "1764000000.000002");
    }

    #[test]
    fn refuses_what_slack_refuses() {
        let slack = FakeSlack::new("t", "#alerts");
        let check = |method: SlackMethod, token: &str, body: Value, code: &'static str| {
            let (answer, heard) = hear(&slack, method, token, body);
            assert_eq!(answer, json!({"ok": false, "error": code}));
            assert_eq!(heard.refused, Some(code));
        };
        let post = json!({"channel": "#alerts", "text": "a"});
        check(SlackMethod::Post, "other", post.clone(), "invalid_auth");
        check(SlackMethod::Post, "t", json!({"channel": "#other", "text": "a"}), "channel_not_found");
        check(SlackMethod::Post, "t", json!({"channel": "#alerts"}), "no_text");
        check(SlackMethod::Post, "t", Value::Null, "no_text");
        let update = |channel: &str, ts: &str| json!({"channel": channel, "ts": ts, "text": "a"});
        check(SlackMethod::Update, "t", update(CHANNEL_ID, "1.2"), "message_not_found");
        let reply = json!({"channel": "#alerts", "thread_ts": "1.2", "text": "a"});
        check(SlackMethod::Post, "t", reply, "thread_not_found");
        check(SlackMethod::Update, "t", update("#alerts", "1.2"), "channel_not_found");
    }
}
