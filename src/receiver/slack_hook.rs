//! An incoming webhook of Slack. It takes messages and says nothing about them, so none can be updated: each news is
//! posted anew.

use std::time::Duration;

use serde_json::Value;

use super::slack_message::message;
use super::slack_texts::SlackTexts;
use super::text::{Text, Writer};
use super::told::Told;
use super::{Endpoint, HttpRequest, Method, Outcome, RenderContext, Rendered, Reply, Request};
use crate::model::{ClientName, Notification};

/// An incoming webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlackHook {
    /// Where to.
    pub url: Endpoint,
    /// The channel, for the old webhooks that let one choose.
    pub channel: Option<Text>,
    /// Whether it wants to hear that alerts have resolved.
    pub send_resolved: bool,
    /// What the configuration says of its messages.
    pub texts: SlackTexts,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls; the plain one when none is named.
    pub client: Option<ClientName>,
}

impl SlackHook {
    /// A message.
    pub fn render(&self, note: &Notification, context: &RenderContext<'_>) -> Rendered {
        let told = Told::of(note);
        let mut writer = Writer::new(&told, context);
        let mut content = message(&told, &self.texts, context, &mut writer);
        // Only an app's own messages have it.
        content.metadata = None;
        // A message is plain data with text keys, which always has a JSON form.
        let mut body = serde_json::to_value(&content).unwrap_or_default();
        let settings = [
            ("channel", self.channel.as_ref()),
            ("username", self.texts.username.as_ref()),
            ("icon_emoji", self.texts.icon_emoji.as_ref()),
            ("icon_url", self.texts.icon_url.as_ref()),
        ];
        for (name, text) in settings {
            if let Some(text) = writer.text(name, text) {
                body[name] = text.into();
            }
        }
        if self.texts.link_names {
            body["link_names"] = Value::Bool(true);
        }
        let request = Request::Http(HttpRequest {
            method: Method::Post,
            url: self.url.clone(),
            headers: Vec::new(),
            body,
            body_secret: None,
            signature: None,
            timeout: self.timeout,
            client: self.client.clone(),
        });
        Rendered { request, troubles: writer.into_troubles() }
    }

    /// What an answer means. Slack says what it does not like in a word, with a status that fits.
    pub fn classify(&self, reply: &Reply) -> Outcome {
        Outcome::of_service("Slack's webhook", reply)
    }
}
