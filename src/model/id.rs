//! Names of things, one type each, so that none can be taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The id with this text.
            pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )*};
}

text_ids! {
    /// A rule, the same over restarts and edits of its expression: file, group, name and static labels.
    RuleId;
    /// A notification group: its route and the labels it is grouped by, e.g. `{}/{severity="page"}:{service="chat"}`.
    GroupKey;
    /// One thing to be told to one integration, and the idempotency key of every attempt at it.
    DeliveryId;
    /// One claim of a rollback, and the idempotency key of every attempt at it.
    RollbackId;
    /// A receiver as the configuration names it.
    ReceiverName;
    /// A secret as the configuration names it; its value is known to `transport` alone.
    SecretName;
    /// A scrape target: its job and URL.
    TargetId;
    /// A client with settings of its own: the path at which the configuration has them.
    ClientName;
    /// Where queries are answered, as the configuration names it; the embedded source has no name.
    SourceName;
}

impl SourceName {
    /// The store that scrapes fill.
    pub fn embedded() -> Self {
        Self::new("")
    }

    /// Whether it is the store that scrapes fill.
    pub fn is_embedded(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for SourceName {
    fn default() -> Self {
        Self::embedded()
    }
}

/// What an integration of a receiver speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntegrationKind {
    /// Slack's Web API.
    Slack,
    /// PagerDuty's Events API v2.
    PagerDuty,
    /// Alertmanager's webhook, version 4.
    Webhook,
    /// A rollback webhook, signed as Standard Webhooks say.
    Rollback,
}

impl IntegrationKind {
    /// The word used in ids, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::PagerDuty => "pagerduty",
            Self::Webhook => "webhook",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for IntegrationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of a receiver's `…_configs`: the place that a notification goes to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IntegrationId {
    /// The receiver that has it.
    pub receiver: ReceiverName,
    /// What it speaks.
    pub kind: IntegrationKind,
    /// Its position among the receiver's integrations of that kind.
    pub index: u32,
}

impl fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.receiver, self.kind, self.index)
    }
}
