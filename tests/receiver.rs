//! What every receiver sends, as goldens in `tests/receiver/<kind>/`, and the promises that all of them share.
//!
//! `ATALAYA_BLESS=1 cargo test --test receiver` writes the goldens anew; read the difference before you keep it.

#[path = "receiver/stories.rs"]
mod stories;
#[path = "receiver/written.rs"]
mod written;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use atalaya::model::{Alert, DeliveryId, IntegrationKind, Notification, SecretName, Timestamp};
use atalaya::receiver::{
    BodySecretValue, Endpoint, Handle, Outcome, PagerDuty, PagerDutyTexts, Receiver, RenderContext, Reply, Request,
    Rollback, Slack, SlackCall, SlackTexts, Text, Webhook,
};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(10);

fn receivers() -> [Receiver; 4] {
    [
        Receiver::Slack(Slack {
            api_url: "https://slack.com/api".into(),
            token: SecretName::new("slack-token"),
            channel: Text::constant("#enova-alerts"),
            updates: true,
            texts: SlackTexts::default(),
            send_resolved: true,
            timeout: TIMEOUT,
            client: None,
        }),
        Receiver::PagerDuty(PagerDuty {
            url: "https://events.pagerduty.com/v2/enqueue".into(),
            routing_key: SecretName::new("pagerduty-key"),
            texts: PagerDutyTexts::default(),
            send_resolved: true,
            timeout: TIMEOUT,
            client: None,
        }),
        Receiver::Webhook(webhook(0)),
        Receiver::Rollback(Rollback {
            url: Endpoint::Plain("https://deploy.enova.example/rollback".into()),
            secret: SecretName::new("rollback-key"),
            timeout: TIMEOUT,
            client: None,
        }),
    ]
}

fn webhook(max_alerts: usize) -> Webhook {
    Webhook {
        url: Endpoint::Secret(SecretName::new("hook-url")),
        send_resolved: true,
        max_alerts,
        timeout: TIMEOUT,
        client: None,
    }
}

/// A request; whoever has a handle knows that the first alert of the story fires.
fn render(receiver: &Receiver, note: &Notification, handle: Option<&Handle>) -> Request {
    let before = match note {
        Notification::Group(group) => group.alerts.first().map(Alert::fingerprint).into_iter().collect(),
        Notification::Notice(_) | Notification::Rollback(_) => BTreeSet::new(),
    };
    let before = handle.map(|_| &before);
    let delivery = DeliveryId::new("d_01JX2R8K3M");
    let external_url = "https://atalaya.enova.example";
    let context = RenderContext { handle, before, external_url, ..RenderContext::first(&delivery, stories::now()) };
    receiver.render(note, &context).request
}

/// A request as JSON, with secrets by name.
#[expect(clippy::unwrap_used, reason = "part of a test")]
fn view(request: &Request) -> Value {
    match request {
        Request::Http(http) => json!({
            "method": format!("{:?}", http.method).to_uppercase(),
            "url": match &http.url {
                Endpoint::Plain(url) => url.clone(),
                Endpoint::Secret(name) => format!("the secret {name}"),
            },
            "headers": http.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>(),
            "body": http.body,
            "body_secret": http.body_secret.as_ref().map(|secret| match &secret.value {
                BodySecretValue::Named(name) => format!("{name} at {}", secret.pointer),
                BodySecretValue::Kept(_) => format!("one kept from before at {}", secret.pointer),
            }),
            "signature": http.signature.as_ref().map(|signature| format!("{} by {}", signature.id, signature.secret)),
            "timeout_s": http.timeout.as_secs(),
        }),
        Request::Slack(slack) => {
            let (method, arguments) = match &slack.call {
                SlackCall::Post(call) => ("chat.postMessage", serde_json::to_value(call).unwrap()),
                SlackCall::Update(call) => ("chat.update", serde_json::to_value(call).unwrap()),
            };
            json!({
                "method": format!("{}/{method}", slack.api_url),
                "token": format!("the secret {}", slack.token),
                "arguments": arguments,
                "thread": slack.thread.as_ref().map(|post| serde_json::to_value(post).unwrap()),
                "timeout_s": slack.timeout.as_secs(),
            })
        }
    }
}

#[test]
fn requests_are_as_blessed() {
    let bless = std::env::var_os("ATALAYA_BLESS").is_some();
    let written = [("slack_written", written::slack(1)), ("slack_hook", written::hook())];
    let written = written.into_iter().chain([("pagerduty_written", written::pagerduty(1))]);
    for (name, receiver) in receivers().map(|receiver| (receiver.kind().as_str(), receiver)).into_iter().chain(written)
    {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/receiver").join(name);
        let mut expected_files = Vec::new();
        for (name, note, is_update) in stories::all() {
            let handle = match receiver.kind() {
                IntegrationKind::Slack => Handle::Slack { channel: "C0123".into(), ts: "1764000000.000100".into() },
                _ => Handle::PagerDuty { dedup_key: "kept-key".into(), routing_key: None },
            };
            let request = render(&receiver, &note, is_update.then_some(&handle));
            let text = format!("{:#}\n", view(&request));
            let path = folder.join(format!("{name}.json"));
            if bless {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let golden = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(golden == text, "{} is not what is rendered now:\n{text}", path.display());
            expected_files.push(format!("{name}.json"));
        }
        let mut files: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        expected_files.sort();
        assert_eq!(files, expected_files, "{} holds what no story tells", folder.display());
    }
}

/// The promises of Slack: at most this many characters in such a place, and blocks in a message.
#[expect(clippy::unwrap_used, reason = "part of a test")]
fn check_slack_limits(arguments: &Value) {
    let chars = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let mut blocks: Vec<&Value> = arguments["blocks"].as_array().unwrap().iter().collect();
    blocks.extend(arguments["attachments"][0]["blocks"].as_array().unwrap());
    assert!(blocks.len() <= 50, "{} blocks", blocks.len());
    let all: usize = blocks.iter().map(|block| block.to_string().chars().count()).sum();
    assert!(all <= 13_200, "{all} characters in blocks");
    assert!((1..=4000).contains(&chars(&arguments["text"])), "{} characters of text", chars(&arguments["text"]));
    let first = arguments["attachments"][0]["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(!first.starts_with('…'), "no alert is shown: {first}");
    for block in blocks {
        let kind = block["type"].as_str().unwrap();
        let (length, max) = match kind {
            "header" => (chars(&block["text"]["text"]), 150),
            "section" if block["fields"].is_array() => {
                let fields = block["fields"].as_array().unwrap();
                assert!(fields.len() <= 10, "{} fields", fields.len());
                (fields.iter().map(|field| chars(&field["text"])).max().unwrap(), 2000)
            }
            "section" => (chars(&block["text"]["text"]), 3000),
            "image" => (chars(&block["image_url"]), 3000),
            "actions" => {
                let buttons = block["elements"].as_array().unwrap();
                assert!(buttons.len() <= 25, "{} buttons", buttons.len());
                let confirm = buttons.iter().map(|it| chars(&it["confirm"]["text"]["text"])).max().unwrap();
                assert!(confirm <= 300, "a question of {confirm} characters");
                (buttons.iter().map(|button| chars(&button["text"]["text"])).max().unwrap(), 75)
            }
            "context" => (chars(&block["elements"][0]["text"]), 3000),
            other => panic!("a block of type {other}"),
        };
        assert!((1..=max).contains(&length), "{length} characters in a {kind}");
    }
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn check_limits(receiver: &Receiver, request: &Request) {
    let value = view(request);
    match receiver.kind() {
        IntegrationKind::Slack => check_slack_limits(&value["arguments"]),
        IntegrationKind::PagerDuty => {
            let body = &value["body"];
            assert!(body.to_string().len() + 100 <= 512_000, "{} bytes", body.to_string().len());
            let summary = body["payload"]["summary"].as_str().unwrap_or("resolved").chars().count();
            assert!((1..=1024).contains(&summary), "a summary of {summary} characters");
            assert!(body["dedup_key"].as_str().unwrap().len() <= 255);
        }
        _ => {}
    }
}

#[test]
fn limits_hold_for_ten_thousand_alerts_with_long_texts() {
    let storms =
        stories::long_texts().into_iter().flat_map(|text| [1, 2, 60].map(|count| stories::storm(count, &text)));
    // Of ten thousand alerts with texts as long as those nothing more is to be learned, and they take a gigabyte.
    let storms = storms.chain(["long text ", "\"\n"].map(|piece| stories::storm(10_000, &piece.repeat(50))));
    let stories = stories::all().into_iter().map(|(_, note, _)| note);
    let [slack, pagerduty, ..] = receivers();
    let written = [written::slack(1), written::slack(5000), written::pagerduty(1), written::pagerduty(50_000)];
    for note in storms.chain(stories) {
        for receiver in written.iter().chain([&slack, &pagerduty]) {
            check_limits(receiver, &render(receiver, &note, None));
        }
    }
}

/// What leaves while nothing can be kept says so where people read it, fits all the same, and is otherwise what it was.
#[test]
fn what_leaves_from_memory_says_so() {
    let said = "Sent from memory: Atalaya cannot write its state file (disk full?). A restart may tell this again; new \
                rollbacks wait.";
    let long = stories::long_texts().into_iter().map(|text| stories::storm(60, &text));
    let all: Vec<Notification> = stories::all().into_iter().map(|(_, note, _)| note).chain(long).collect();
    let written = [written::slack(5000), written::hook(), written::pagerduty(50_000)];
    for receiver in receivers().into_iter().chain(written) {
        for note in &all {
            let plain = render(&receiver, note, None);
            let told = plain.clone().sent_from_memory(receiver.kind());
            let (before, mut after) = (view(&plain), view(&told));
            let is_hook = receiver.kind() == IntegrationKind::Slack && matches!(told, Request::Http(_));
            if !is_hook {
                check_limits(&receiver, &told);
            }
            let root = if is_hook { "body" } else { "arguments" };
            let found = match receiver.kind() {
                IntegrationKind::Slack => {
                    let blocks = after[root]["attachments"][0]["blocks"].as_array_mut().unwrap();
                    let elements = blocks.last_mut().unwrap()["elements"].as_array_mut().unwrap();
                    elements.pop().unwrap()["text"].as_str().unwrap().trim_start_matches("⚠️ ").to_owned()
                }
                IntegrationKind::PagerDuty if after["body"]["event_action"] == "resolve" => said.to_owned(),
                IntegrationKind::PagerDuty => {
                    let details = after["body"]["payload"]["custom_details"].as_object_mut().unwrap();
                    details.remove("atalaya_state").unwrap().as_str().unwrap().to_owned()
                }
                IntegrationKind::Webhook => {
                    let annotations = after["body"]["commonAnnotations"].as_object_mut().unwrap();
                    annotations.remove("atalaya_state").unwrap().as_str().unwrap().to_owned()
                }
                IntegrationKind::Rollback | IntegrationKind::Alertmanager => said.to_owned(),
            };
            assert_eq!(found, said, "{}", receiver.kind().as_str());
            assert_eq!(after, before, "{}", receiver.kind().as_str());
        }
    }
}

/// What a message was, is edited, and rings nobody: its thread says that it left from memory.
#[test]
fn the_thread_says_that_it_left_from_memory() {
    let [slack, ..] = receivers();
    let handle = Handle::Slack { channel: "C0123".into(), ts: "1764000000.000100".into() };
    let thread = |request: Request| match request {
        Request::Slack(request) => request.thread.map(|thread| thread.content.text.unwrap()),
        Request::Http(_) => None,
    };
    let mut count = 0;
    for (name, note, _) in stories::all() {
        let plain = render(&slack, &note, Some(&handle));
        let told = plain.clone().sent_from_memory(IntegrationKind::Slack);
        let (Some(before), Some(after)) = (thread(plain), thread(told)) else { continue };
        assert!(
            after.starts_with(&before) && after[before.len()..].starts_with("\n⚠️ Sent from memory"),
            "{name}: {after}"
        );
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn what_does_not_fit_is_counted() {
    let note = stories::storm(60, "short");
    let [slack, pagerduty, ..] = receivers();

    let message = view(&render(&slack, &note, None))["arguments"].clone();
    let blocks = message["attachments"][0]["blocks"].as_array().unwrap();
    // The last two say how many are left out, and what all have in common. Half of the alerts fire, and come first.
    let shown = blocks.len() - 2;
    assert!((10..=20).contains(&shown), "{shown} alerts shown");
    let sentence = format!("…and {} more: {} firing, 30 resolved", 60 - shown, 30 - shown);
    assert_eq!(blocks[shown]["text"]["text"], sentence);

    let note = stories::storm(10_000, &"text ".repeat(100));
    let details = view(&render(&pagerduty, &note, None))["body"]["payload"]["custom_details"].clone();
    let told = details["firing"].as_array().unwrap().len() + details["resolved"].as_array().unwrap().len();
    assert!(told > 50, "{told} alerts told");
    let sentence = format!("and {} more alerts, which do not fit into an event of PagerDuty (512 KB)", 10_000 - told);
    assert_eq!(details["left_out"], sentence);

    let body = view(&render(&Receiver::Webhook(webhook(50)), &note, None))["body"].clone();
    assert_eq!(body["alerts"].as_array().unwrap().len(), 50);
    assert_eq!(body["truncatedAlerts"], 9950);
    let body = view(&render(&Receiver::Webhook(webhook(0)), &note, None))["body"].clone();
    assert_eq!(body["alerts"].as_array().unwrap().len(), 10_000);
    assert_eq!(body["truncatedAlerts"], 0);
}

/// Every attempt at a delivery sends what the first one sent, but for what Slack says about the time.
#[test]
fn a_repeat_is_recognisable() {
    for receiver in receivers() {
        for (name, note, _) in stories::all() {
            let delivery = DeliveryId::new("d_01JX2R8K3M");
            let at = |now: Timestamp| view(&receiver.render(&note, &RenderContext::first(&delivery, now)).request);
            let (first, second) = (at(stories::now()), at(stories::now() + Duration::from_secs(90)));
            if receiver.kind() == IntegrationKind::Slack {
                let delivery_of = |view: &Value| view["arguments"]["metadata"]["event_payload"]["delivery"].clone();
                assert_eq!(delivery_of(&first), "d_01JX2R8K3M");
                assert_eq!(delivery_of(&second), "d_01JX2R8K3M");
            } else {
                assert_eq!(first, second, "{} {name}", receiver.kind());
            }
        }
    }
}

/// Only a claim may look like one.
#[test]
fn nothing_but_a_claim_asks_for_a_rollback() {
    let [.., rollback] = receivers();
    for (name, note, _) in stories::all() {
        let is_claim = matches!(note, Notification::Rollback(_));
        let body = view(&render(&rollback, &note, None))["body"].clone();
        assert_eq!(body["type"] == "rollout.rollback.requested", is_claim, "{name}");
    }
}

fn http(status: u16, retry_after_s: Option<u64>) -> Reply {
    Reply::Http { status, retry_after: retry_after_s.map(Duration::from_secs), body: String::new() }
}

/// What an outcome is, with the time to wait.
fn word(outcome: &Outcome) -> (&'static str, Option<u64>) {
    match outcome {
        Outcome::Delivered { .. } => ("delivered", None),
        Outcome::Retry { after, .. } => ("retry", after.map(|after| after.as_secs())),
        Outcome::Lost { .. } => ("lost", None),
        Outcome::Rejected { .. } => ("rejected", None),
    }
}

#[test]
fn statuses_mean_the_same_to_all() {
    for receiver in receivers() {
        let check = |reply: &Reply, expected: &str, after: Option<u64>| {
            assert_eq!(word(&receiver.classify(reply)), (expected, after), "{} {reply:?}", receiver.kind());
        };
        if receiver.kind() != IntegrationKind::Slack {
            for status in [200, 201, 202, 204] {
                check(&http(status, None), "delivered", None);
            }
        }
        for status in [301, 302, 307, 400, 401, 403, 404, 409, 410, 413, 422] {
            check(&http(status, Some(5)), "rejected", None);
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599, 600] {
            check(&http(status, None), "retry", None);
            check(&http(status, Some(7)), "retry", Some(7));
        }
        check(&Reply::Failed { why: "connection refused".into() }, "retry", None);
    }
}

#[test]
fn slack_refuses_in_words() {
    let [slack, ..] = receivers();
    let check = |code: &str, expected: &str| {
        let after = Some(Duration::from_secs(3));
        let outcome = slack.classify(&Reply::SlackRefused { code: code.into(), retry_after: after });
        assert_eq!(word(&outcome).0, expected, "{code}");
    };
    for code in ["ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"] {
        check(code, "retry");
    }
    for code in ["team_added_to_org", "http_503", "a_code_of_next_year", ""] {
        check(code, "retry");
    }
    for code in ["channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "token_revoked"] {
        check(code, "rejected");
    }
    for code in ["account_inactive", "missing_scope", "msg_too_long", "invalid_blocks", "no_text"] {
        check(code, "rejected");
    }
    for code in ["restricted_action_thread_locked", "restricted_action_read_only_channel", "cannot_reply_to_message"] {
        check(code, "rejected");
    }
    for code in ["message_not_found", "cant_update_message", "edit_window_closed"] {
        check(code, "lost");
    }
    let limited = Reply::SlackRefused { code: "ratelimited".into(), retry_after: Some(Duration::from_secs(3)) };
    assert_eq!(word(&slack.classify(&limited)), ("retry", Some(3)));
    // A page of a proxy, say; whether Slack took the message nobody knows.
    assert_eq!(word(&slack.classify(&http(200, None))), ("retry", None));
}

#[test]
fn handles_lead_back() {
    let [slack, pagerduty, webhook, rollback] = receivers();
    let handle = |receiver: &Receiver, reply: &Reply| match receiver.classify(reply) {
        Outcome::Delivered { handle } => handle,
        other => panic!("{other:?}"),
    };
    let done = Reply::SlackDone { channel: "C0123".into(), ts: "1.2".into() };
    assert_eq!(handle(&slack, &done), Some(Handle::Slack { channel: "C0123".into(), ts: "1.2".into() }));
    let body = r#"{"status":"success","message":"Event processed","dedup_key":"k1"}"#;
    let accepted = Reply::Http { status: 202, retry_after: None, body: body.into() };
    assert_eq!(handle(&pagerduty, &accepted), Some(Handle::PagerDuty { dedup_key: "k1".into(), routing_key: None }));
    assert_eq!(handle(&pagerduty, &http(202, None)), None);
    assert_eq!(handle(&webhook, &accepted), None);
    assert_eq!(handle(&rollback, &accepted), None);
    // Another kind's handle is none: Slack posts, PagerDuty computes its key.
    let (_, note, _) = &stories::all()[0];
    let other = Handle::PagerDuty { dedup_key: "k1".into(), routing_key: None };
    assert!(view(&render(&slack, note, Some(&other)))["method"].as_str().unwrap().ends_with("chat.postMessage"));
}

/// Whatever the text, Slack finds no mention, link or entity in it that we did not make.
#[test]
fn slack_markup_in_texts_is_harmless() {
    let [slack, ..] = receivers();
    let note = stories::storm(3, "<!channel> & <https://evil.example|click> *bold* `code`");
    let arguments = view(&render(&slack, &note, None))["arguments"].to_string();
    assert!(!arguments.contains("<!channel>") && !arguments.contains("<https://evil.example"), "{arguments}");
    assert!(arguments.contains("&lt;!channel&gt; &amp;"), "{arguments}");
}
