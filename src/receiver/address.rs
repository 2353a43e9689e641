//! Where something was told, and what it takes to reach that place again once the configuration knows it no more.
//!
//! An address is kept with what an integration was told. It names secrets by where they come from (a file, a variable of
//! the environment) and holds none, but for URLs that the configuration holds as plain text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Endpoint, Handle, PagerDuty, PagerDutyTexts, Receiver, Slack, SlackHook, SlackTexts, Text, Webhook};
use crate::model::{ClientName, SecretName, hex};

/// A place and how to reach it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Address {
    /// The place.
    pub destination: Destination,
    /// Whether those who are there want to hear that alerts have resolved.
    pub send_resolved: bool,
    /// How long a call may take.
    pub timeout: Duration,
    /// The client that makes the calls.
    #[serde(default)]
    pub client: Option<ClientName>,
}

/// A place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Destination {
    /// A channel, reached with a bot's token.
    Slack {
        /// The API's base URL.
        api_url: String,
        /// The channel as the configuration names it.
        channel: String,
        /// The token, by its origin.
        token: SecretName,
    },
    /// A service of PagerDuty.
    #[serde(rename = "pagerduty")]
    PagerDuty {
        /// The API.
        url: String,
        /// The routing key, by its origin.
        routing_key: SecretName,
    },
    /// An incoming webhook of Slack.
    SlackHook {
        /// Where to.
        url: Endpoint,
        /// The channel as the configuration names it, if it does.
        channel: Option<String>,
    },
    /// A webhook.
    Webhook {
        /// Where to.
        url: Endpoint,
    },
}

impl Address {
    /// Whether both lead to the same place. By which token a channel is reached makes no difference.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (&self.destination, &other.destination) {
            (
                Destination::Slack { api_url, channel, .. },
                Destination::Slack { api_url: other_url, channel: other_channel, .. },
            ) => (api_url, channel) == (other_url, other_channel),
            (own, other) => own == other,
        }
    }

    /// A few digits that tell this place from others.
    pub fn mark(&self) -> String {
        let text = match &self.destination {
            Destination::Slack { api_url, channel, .. } => format!("slack {api_url} {channel}"),
            other => format!("{other:?}"),
        };
        hex(&Sha256::digest(text)[..4])
    }

    /// A receiver that reaches the place and says what it has to say in our own words.
    pub fn receiver(&self) -> Receiver {
        let (send_resolved, timeout, client) = (self.send_resolved, self.timeout, self.client.clone());
        match self.destination.clone() {
            Destination::Slack { api_url, channel, token } => {
                let (channel, texts) = (Text::constant(channel), SlackTexts::default());
                Receiver::Slack(Slack { api_url, token, channel, updates: true, texts, send_resolved, timeout, client })
            }
            Destination::PagerDuty { url, routing_key } => {
                let texts = PagerDutyTexts::default();
                Receiver::PagerDuty(PagerDuty { url, routing_key, texts, send_resolved, timeout, client })
            }
            Destination::SlackHook { url, channel } => {
                let (channel, texts) = (channel.map(Text::constant), SlackTexts::default());
                Receiver::SlackHook(SlackHook { url, channel, texts, send_resolved, timeout, client })
            }
            Destination::Webhook { url } => {
                Receiver::Webhook(Webhook { url, send_resolved, max_alerts: 0, timeout, client })
            }
        }
    }

    /// The secret without which the place cannot be reached; of an open incident the key is kept with it.
    pub fn needs<'a>(&'a self, handle: Option<&Handle>) -> Option<&'a SecretName> {
        match (&self.destination, handle) {
            (Destination::PagerDuty { .. }, Some(Handle::PagerDuty { routing_key: Some(_), .. })) => None,
            (Destination::PagerDuty { routing_key, .. }, _) => Some(routing_key),
            (Destination::Slack { token, .. }, _) => Some(token),
            (Destination::Webhook { url } | Destination::SlackHook { url, .. }, _) => match url {
                Endpoint::Secret(name) => Some(name),
                Endpoint::Plain(_) => None,
            },
        }
    }
}

impl Receiver {
    /// Where it tells; `origins` says where each secret comes from. Rollbacks have none: what asked for one is looked at
    /// anew before each attempt.
    pub fn address(&self, origins: &BTreeMap<SecretName, SecretName>) -> Option<Address> {
        let origin = |name: &SecretName| origins.get(name).unwrap_or(name).clone();
        let place = |url: &Endpoint| match url {
            Endpoint::Plain(url) => Endpoint::Plain(url.clone()),
            Endpoint::Secret(name) => Endpoint::Secret(origin(name)),
        };
        let (destination, timeout, client) = match self {
            Self::Slack(slack) => (
                Destination::Slack {
                    api_url: slack.api_url.clone(),
                    channel: slack.channel.source().to_owned(),
                    token: origin(&slack.token),
                },
                slack.timeout,
                &slack.client,
            ),
            Self::PagerDuty(pagerduty) => (
                Destination::PagerDuty { url: pagerduty.url.clone(), routing_key: origin(&pagerduty.routing_key) },
                pagerduty.timeout,
                &pagerduty.client,
            ),
            Self::SlackHook(hook) => {
                let channel = hook.channel.as_ref().map(|channel| channel.source().to_owned());
                (Destination::SlackHook { url: place(&hook.url), channel }, hook.timeout, &hook.client)
            }
            Self::Webhook(webhook) => {
                (Destination::Webhook { url: place(&webhook.url) }, webhook.timeout, &webhook.client)
            }
            Self::Rollback(_) => return None,
        };
        Some(Address { destination, send_resolved: self.send_resolved(), timeout, client: client.clone() })
    }
}
