//! How each kind of integration is told something, and what its answers mean.
//!
//! A receiver is two pure functions: `render` makes a [`Request`] from a notification, `classify` makes an [`Outcome`]
//! from the [`Reply`]. `transport` carries the one out and the other back. A secret appears here by name only, so nothing
//! that is rendered, compared or logged can give one away.

mod address;
mod alertmanager;
mod memory;
mod mrkdwn;
mod outcome;
mod pagerduty;
mod pagerduty_texts;
mod rollback;
mod severity;
mod slack;
mod slack_hook;
mod slack_message;
mod slack_texts;
mod slack_thread;
mod text;
mod told;
mod webhook;
mod words;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slack_morphism::api::{SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest};

use crate::model::{
    ClientName, DeliveryId, Fingerprint, IntegrationKind, Notification, SecretName, SecretText, Timestamp,
};

pub use address::{Address, Destination};
pub use alertmanager::{Alertmanager, FORWARD_ALERTS_MAX, ForwardedAlert};
pub use outcome::Outcome;
pub use pagerduty::PagerDuty;
pub use pagerduty_texts::{PagerDutyImage, PagerDutyLink, PagerDutyTexts};
pub use rollback::Rollback;
pub use slack::Slack;
pub use slack_hook::SlackHook;
pub use slack_texts::{SlackAction, SlackConfirm, SlackField, SlackTexts};
pub use text::Text;
pub use webhook::Webhook;

/// An integration of a receiver: where notifications go, and in which language.
#[derive(Clone, PartialEq, Debug)]
pub enum Receiver {
    /// A Slack channel.
    Slack(Slack),
    /// An incoming webhook of Slack.
    SlackHook(SlackHook),
    /// A PagerDuty service.
    PagerDuty(PagerDuty),
    /// Anything that understands Alertmanager's webhook.
    Webhook(Webhook),
    /// What carries out rollbacks.
    Rollback(Rollback),
}

impl Receiver {
    /// What it speaks.
    pub fn kind(&self) -> IntegrationKind {
        match self {
            Self::Slack(_) | Self::SlackHook(_) => IntegrationKind::Slack,
            Self::PagerDuty(_) => IntegrationKind::PagerDuty,
            Self::Webhook(_) => IntegrationKind::Webhook,
            Self::Rollback(_) => IntegrationKind::Rollback,
        }
    }

    /// Whether it wants to hear that alerts have resolved.
    pub fn send_resolved(&self) -> bool {
        match self {
            Self::Slack(slack) => slack.send_resolved,
            Self::SlackHook(hook) => hook.send_resolved,
            Self::PagerDuty(pagerduty) => pagerduty.send_resolved,
            Self::Webhook(webhook) => webhook.send_resolved,
            Self::Rollback(_) => false,
        }
    }

    /// Whether what was told is changed in place, which disturbs nobody.
    pub fn updates_in_place(&self) -> bool {
        matches!(self, Self::Slack(slack) if slack.updates)
    }

    /// What to send. Every receiver has an answer to every notification, if only to say that it is not meant for it.
    pub fn render(&self, note: &Notification, context: &RenderContext<'_>) -> Rendered {
        match self {
            Self::Slack(slack) => slack.render(note, context),
            Self::SlackHook(hook) => hook.render(note, context),
            Self::PagerDuty(pagerduty) => pagerduty.render(note, context),
            Self::Webhook(webhook) => webhook.render(note, context).into(),
            Self::Rollback(rollback) => rollback.render(note, context).into(),
        }
    }

    /// What an answer means.
    pub fn classify(&self, reply: &Reply) -> Outcome {
        match self {
            Self::Slack(slack) => slack.classify(reply),
            Self::SlackHook(hook) => hook.classify(reply),
            Self::PagerDuty(pagerduty) => pagerduty.classify(reply),
            Self::Webhook(webhook) => webhook.classify(reply),
            Self::Rollback(rollback) => rollback.classify(reply),
        }
    }
}

/// How to reach what an attempt with this key may have opened although nobody said so.
pub fn presumed_handle(kind: IntegrationKind, note: &Notification, key: Option<&SecretText>) -> Option<Handle> {
    match kind {
        IntegrationKind::PagerDuty => Some(pagerduty::presumed_handle(note, key?)),
        _ => None,
    }
}

/// What `render` needs to know beside the notification.
#[derive(Clone, Copy, Debug)]
pub struct RenderContext<'a> {
    /// The delivery; the same on every attempt.
    pub delivery: &'a DeliveryId,
    /// How to reach the message that told this before, if there is one.
    pub handle: Option<&'a Handle>,
    /// The alerts that those who are told know to fire; nothing when they know nothing for certain.
    pub before: Option<&'a BTreeSet<Fingerprint>>,
    /// Whether only what is owed goes there any more: the configuration has it elsewhere now, or not at all.
    pub is_left_behind: bool,
    /// Where our own pages are; empty when nobody said.
    pub external_url: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// What to send, and what of it could not be written as the configuration has it.
#[derive(Clone, PartialEq, Debug)]
pub struct Rendered {
    /// What to send; whole, whatever did not work.
    pub request: Request,
    /// What did not work, in words.
    pub troubles: Vec<String>,
}

impl From<Request> for Rendered {
    fn from(request: Request) -> Self {
        Self { request, troubles: Vec::new() }
    }
}

/// How to reach the same message or incident again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Handle {
    /// A message in Slack.
    Slack {
        /// The channel's id, which Slack wants for an update even if the post named the channel.
        channel: String,
        /// The message in it.
        ts: String,
    },
    /// An alert in PagerDuty.
    #[serde(rename = "pagerduty")]
    PagerDuty {
        /// Its deduplication key.
        dedup_key: String,
        /// The routing key that opened it, which alone can close it, whatever the configuration says by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routing_key: Option<SecretText>,
    },
}

/// What `transport` is asked to do.
#[expect(clippy::large_enum_variant, reason = "made one at a time and sent at once; a box would only get in the way")]
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// A call over HTTP.
    Http(HttpRequest),
    /// A call of Slack's Web API.
    Slack(SlackRequest),
}

/// A call over HTTP with a JSON body.
#[derive(Clone, PartialEq, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Endpoint,
    /// Headers beside those that every call has; nothing secret.
    pub headers: Vec<(String, String)>,
    /// The body, but for what is secret in it.
    pub body: serde_json::Value,
    /// What of the body is secret.
    pub body_secret: Option<BodySecret>,
    /// The Standard Webhooks signature that `transport` makes at each attempt.
    pub signature: Option<Signature>,
    /// How long the whole call may take.
    pub timeout: Duration,
    /// The client that makes the call; the plain one when none is named.
    pub client: Option<ClientName>,
}

/// A member of a body that is a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodySecret {
    /// A JSON pointer to the member, which `transport` sets.
    pub pointer: String,
    /// What it is set to.
    pub value: BodySecretValue,
    /// Whether the value comes back with the answer, because what is done needs it to be undone: see [`Reply::Keyed`].
    pub is_returned: bool,
}

/// What a secret member of a body is set to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BodySecretValue {
    /// What the secret of this name holds now.
    Named(SecretName),
    /// This, kept from an earlier call.
    Kept(SecretText),
}

/// An HTTP method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// `POST`.
    Post,
}

/// A URL.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// One that anybody may see.
    Plain(String),
    /// One that is itself a secret, as with incoming webhooks.
    Secret(SecretName),
}

/// What a request is signed with, and as which message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// The message's id, the same on every attempt. Has no `.`, which separates the parts that are signed.
    pub id: String,
    /// The key, `whsec_…`.
    pub secret: SecretName,
}

/// A call of Slack's Web API.
#[derive(Clone, PartialEq, Debug)]
pub struct SlackRequest {
    /// The API's base URL, without a trailing slash.
    pub api_url: String,
    /// The bot's token.
    pub token: SecretName,
    /// The method with its arguments.
    pub call: SlackCall,
    /// What the message's thread is told once that is done. That it was not is no reason to do it all again.
    pub thread: Option<SlackApiChatPostMessageRequest>,
    /// How long the whole call may take.
    pub timeout: Duration,
    /// The client that makes the call; the plain one when none is named.
    pub client: Option<ClientName>,
}

/// A method of Slack's Web API with its arguments.
#[derive(Clone, PartialEq, Debug)]
pub enum SlackCall {
    /// `chat.postMessage`.
    Post(SlackApiChatPostMessageRequest),
    /// `chat.update`.
    Update(SlackApiChatUpdateRequest),
}

/// What came back. Nothing of it that is shown has a secret in it, even if the other side repeated one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// An HTTP response.
    Http {
        /// The status.
        status: u16,
        /// How long the other side asks us to wait.
        retry_after: Option<Duration>,
        /// The beginning of the body.
        body: String,
    },
    /// Slack did as asked.
    SlackDone {
        /// The channel's id.
        channel: String,
        /// The message in it.
        ts: String,
    },
    /// Slack answered `ok: false`.
    SlackRefused {
        /// Slack's word for it.
        code: String,
        /// How long Slack asks us to wait.
        retry_after: Option<Duration>,
    },
    /// No answer, or none that can be understood; or the request could not be made at all.
    Failed {
        /// The reason with all its causes.
        why: String,
    },
    /// The answer to a request whose secret was asked for, with the value that was used.
    Keyed {
        /// The answer.
        answer: Box<Reply>,
        /// The value.
        key: SecretText,
    },
}

impl Reply {
    /// The answer, without the secret that comes with it.
    pub fn answer(&self) -> &Self {
        match self {
            Self::Keyed { answer, .. } => answer,
            plain => plain,
        }
    }

    /// The secret that comes with the answer.
    pub fn key(&self) -> Option<&SecretText> {
        match self {
            Self::Keyed { key, .. } => Some(key),
            _ => None,
        }
    }
}
