//! Slack: one message per group, posted once and updated in place from then on.

use std::time::Duration;

use slack_morphism::api::{SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest};

use super::slack_message::message;
use super::told::Told;
use super::{Handle, Outcome, RenderContext, Reply, Request, SlackCall, SlackRequest};
use crate::model::{ClientName, Notification, SecretName};

/// Refusals that say the message to be updated is beyond reach; it is posted anew.
const LOST_CODES: [&str; 3] = ["message_not_found", "cant_update_message", "edit_window_closed"];

/// Refusals that only a person can end: the channel, the token, its rights, or a message that Slack does not understand.
const PERMANENT_CODES: [&str; 23] = [
    "account_inactive",
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
    pub channel: String,
    /// Whether it wants to hear that alerts have resolved.
    pub send_resolved: bool,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls; the plain one when none is named.
    pub client: Option<ClientName>,
}

impl Slack {
    /// A new message, or an update of the one that the handle leads to.
    pub fn render(&self, note: &Notification, context: &RenderContext<'_>) -> Request {
        let content = message(&Told::of(note), context);
        let call = match context.handle {
            Some(Handle::Slack { channel, ts }) => {
                SlackCall::Update(SlackApiChatUpdateRequest::new(channel.into(), content, ts.into()))
            }
            _ => SlackCall::Post(
                SlackApiChatPostMessageRequest::new(self.channel.clone().into(), content)
                    // Previews of what the links lead to would bury the message.
                    .with_unfurl_links(false)
                    .with_unfurl_media(false),
            ),
        };
        Request::Slack(SlackRequest {
            api_url: self.api_url.clone(),
            token: self.token.clone(),
            call,
            timeout: self.timeout,
            client: self.client.clone(),
        })
    }

    /// What an answer means.
    pub fn classify(&self, reply: &Reply) -> Outcome {
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
