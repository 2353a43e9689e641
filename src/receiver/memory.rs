//! What leaves while nothing can be kept says so itself: whoever is woken by it is to know that this Atalaya forgets.

use serde_json::{Value, json};
use slack_morphism::prelude::{SlackBlock, SlackBlockMarkDownText, SlackMessageContent};

use super::{HttpRequest, Request, SlackCall};
use crate::model::IntegrationKind;

/// What is said, as short as it is useful to somebody who was asleep.
const SAID: &str = "Sent from memory: Atalaya cannot write its state file (disk full?). A restart may tell this again; new \
                    rollbacks wait.";
/// Under which name it stands where everything has one.
const NAME: &str = "atalaya_state";

impl Request {
    /// The request with a sentence that it left from memory, where people read it. It stays what it was in all else: an
    /// event is of the same incident, and Alertmanager's webhook keeps its form, with one common annotation more.
    #[must_use]
    pub fn sent_from_memory(mut self, kind: IntegrationKind) -> Self {
        match &mut self {
            Self::Slack(request) => {
                match &mut request.call {
                    SlackCall::Post(post) => say_in(&mut post.content),
                    SlackCall::Update(update) => say_in(&mut update.content),
                }
                // An update rings nobody: what rings is what the thread is told.
                if let Some(text) = request.thread.as_mut().and_then(|thread| thread.content.text.as_mut()) {
                    text.push('\n');
                    text.push_str(&marked());
                }
            }
            Self::Http(HttpRequest { body, .. }) => match kind {
                IntegrationKind::Slack => {
                    let last = body.pointer_mut("/attachments/0/blocks").and_then(Value::as_array_mut);
                    let elements = last.and_then(|blocks| blocks.last_mut()?.get_mut("elements")?.as_array_mut());
                    if let Some(elements) = elements {
                        elements.push(json!({ "type": "mrkdwn", "text": marked() }));
                    }
                }
                IntegrationKind::PagerDuty => say_at(body, "/payload/custom_details"),
                IntegrationKind::Webhook => say_at(body, "/commonAnnotations"),
                // A claim is on disk before it leaves, and nothing of what is sent on is kept.
                IntegrationKind::Rollback | IntegrationKind::Alertmanager => {}
            },
        }
        self
    }
}

fn marked() -> String {
    format!("⚠️ {SAID}")
}

/// A message ends with a line of small print; one text more fits there whatever else the message holds.
fn say_in(content: &mut SlackMessageContent) {
    let attachments = content.attachments.iter_mut().flatten();
    for block in attachments.filter_map(|attachment| attachment.blocks.as_mut()?.last_mut()) {
        if let SlackBlock::Context(context) = block {
            context.elements.push(SlackBlockMarkDownText::new(marked()).into());
        }
    }
}

/// A resolve of PagerDuty's has no details, and needs none.
fn say_at(body: &mut Value, pointer: &str) {
    if let Some(map) = body.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.entry(NAME).or_insert_with(|| SAID.into());
    }
}
