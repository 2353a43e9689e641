//! Slack: one message per group, posted once and updated in place from then on.

use std::collections::BTreeSet;
use std::time::Duration;

use slack_morphism::api::{SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest};

use super::slack_message::message;
use super::slack_texts::SlackTexts;
use super::slack_thread::news;
use super::text::{Text, Writer};
use super::told::Told;
use super::{Handle, Outcome, RenderContext, Rendered, Reply, Request, SlackCall, SlackRequest};
use crate::model::{ClientName, Notification, SecretName};

/// Refusals that say the message to be updated is beyond reach; it is posted anew.
const LOST_CODES: [&str; 3] = ["message_not_found", "cant_update_message", "edit_window_closed"];

/// Refusals that only a person can end: the channel, the token, its rights, or a message that Slack does not understand.
const PERMANENT_CODES: [&str; 28] = [
    "account_inactive",
    "cannot_reply_to_message",
    "channel_not_found",
    "ekm_access_denied",
    "invalid_arguments",
    "invalid_attachments",
    "invalid_auth",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_metadata_format",
    "is_archived",
    "metadata_too_large",
    "missing_scope",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_permission",
    "no_text",
    "not_authed",
    "not_in_channel",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_thread_only_channel",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "too_many_attachments",
];

/// A channel of a Slack workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slack {
    /// The API's base URL, `https://slack.com/api`.
    pub api_url: String,
    /// The bot's token.
    pub token: SecretName,
    /// The channel, by id or as `#name`.
    pub channel: Text,
    /// Whether a message is updated in place; if not, each news is posted anew.
    pub updates: bool,
    /// What the configuration says of its messages.
    pub texts: SlackTexts,
    /// Whether it wants to hear that alerts have resolved.
    pub send_resolved: bool,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls; the plain one when none is named.
    pub client: Option<ClientName>,
}

impl Slack {
    /// A new message, or an update of the one that the handle leads to.
    pub fn render(&self, note: &Notification, context: &RenderContext<'_>) -> Rendered {
        let told = Told::of(note);
        let mut writer = Writer::new(&told, context);
        let content = message(&told, &self.texts, context, &mut writer);
        let mut thread = None;
        let call = match context.handle {
            Some(Handle::Slack { channel, ts }) if self.updates => {
                // Who knows nothing for certain hears of everything: an edit alone would disturb nobody.
                let nothing = BTreeSet::new();
                let news = news(&told, context.before.unwrap_or(&nothing), context.now.max(told.group.at));
                thread = news.map(|news| {
                    SlackApiChatPostMessageRequest::new(channel.into(), news.content)
                        .with_thread_ts(ts.into())
                        .with_reply_broadcast(news.is_broadcast)
                        .with_unfurl_links(false)
                        .with_unfurl_media(false)
                });
                SlackCall::Update(SlackApiChatUpdateRequest::new(channel.into(), content, ts.into()))
            }
            _ => {
                let channel = writer.text("channel", Some(&self.channel));
                let channel = channel.unwrap_or_else(|| self.channel.source().to_owned());
                let mut post = SlackApiChatPostMessageRequest::new(channel.trim().into(), content)
                    // Previews of what the links lead to would bury the message.
                    .with_unfurl_links(false)
                    .with_unfurl_media(false);
                post.username = writer.text("username", self.texts.username.as_ref());
                post.icon_emoji = writer.text("icon_emoji", self.texts.icon_emoji.as_ref());
                post.icon_url = writer.text("icon_url", self.texts.icon_url.as_ref());
                post.link_names = self.texts.link_names.then_some(true);
                SlackCall::Post(post)
            }
        };
        let request = Request::Slack(SlackRequest {
            api_url: self.api_url.clone(),
            token: self.token.clone(),
            call,
            thread,
            timeout: self.timeout,
            client: self.client.clone(),
        });
        Rendered { request, troubles: writer.into_troubles() }
    }

    /// What an answer means.
    pub fn classify(&self, reply: &Reply) -> Outcome {
        Self::outcome(reply)
    }

    /// What an answer of Slack's API means, whichever message it is about.
    pub fn outcome(reply: &Reply) -> Outcome {
        match reply.answer() {
            Reply::SlackDone { channel, ts } => {
                Outcome::Delivered { handle: Some(Handle::Slack { channel: channel.clone(), ts: ts.clone() }) }
            }
            Reply::SlackRefused { code, retry_after } => {
                let why = format!("Slack refused: {code}");
                if LOST_CODES.contains(&code.as_str()) {
                    Outcome::Lost { why }
                } else if PERMANENT_CODES.contains(&code.as_str()) {
                    Outcome::Rejected { why }
                } else {
                    // `ratelimited`, `internal_error`, `fatal_error`, `service_unavailable`, `request_timeout`,
                    // `team_added_to_org`, and every code that we do not know. One try too many costs little; a page
                    // given up for a word that we had not heard costs a night.
                    Outcome::Retry { after: *retry_after, why }
                }
            }
            Reply::Http { status: 200..=299, .. } => {
                Outcome::Retry { after: None, why: "the answer was not one of Slack's API".to_owned() }
            }
            Reply::Http { .. } | Reply::Failed { .. } | Reply::Keyed { .. } => Outcome::of_http("Slack", reply),
        }
    }
}
