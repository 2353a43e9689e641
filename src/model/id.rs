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

/// What a secret's name begins with that is named by where it comes from.
const FILE: &str = "file:";
const VARIABLE: &str = "env:";
const WRITTEN: &str = "written:";

impl SecretName {
    /// The secret that a file holds. Names of this kind and the next need no configuration to be looked up.
    pub fn of_file(path: &str) -> Self {
        Self::new(format!("{FILE}{path}"))
    }

    /// The secret that an environment variable holds.
    pub fn of_variable(variable: &str) -> Self {
        Self::new(format!("{VARIABLE}{variable}"))
    }

    /// A secret that stands in the configuration, by digits that tell it from others.
    pub fn of_written(mark: &str) -> Self {
        Self::new(format!("{WRITTEN}{mark}"))
    }

    /// The file that a name of [`SecretName::of_file`] names.
    pub fn file(&self) -> Option<&str> {
        self.as_str().strip_prefix(FILE)
    }

    /// The variable that a name of [`SecretName::of_variable`] names.
    pub fn variable(&self) -> Option<&str> {
        self.as_str().strip_prefix(VARIABLE)
    }

    /// Whether the secret can be looked up although the configuration names it no more.
    pub fn is_lasting(&self) -> bool {
        self.file().is_some() || self.variable().is_some()
    }
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
    /// An Alertmanager that alerts are forwarded to.
    Alertmanager,
}

impl IntegrationKind {
    /// The word used in ids, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::PagerDuty => "pagerduty",
            Self::Webhook => "webhook",
            Self::Rollback => "rollback",
            Self::Alertmanager => "alertmanager",
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
    /// Which of the receiver's integrations of that kind. Rows of before it had a name say `index`.
    #[serde(rename = "index")]
    pub slot: Slot,
}

/// Which of several entries: the one at a position, or the one of a name that stays when entries are moved about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Slot {
    /// The entry at this position.
    Index(u32),
    /// The entry of this name.
    Named(std::sync::Arc<str>),
}

impl From<u32> for Slot {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// What separates an entry's name from the mark of the place that it had before; no name in a configuration has one.
const FORMER: char = '~';

impl IntegrationId {
    /// The entry of a receiver at this position.
    pub fn new(receiver: ReceiverName, kind: IntegrationKind, slot: impl Into<Slot>) -> Self {
        Self { receiver, kind, slot: slot.into() }
    }

    /// What this integration was before it went to another place: `mark` tells its places apart.
    #[must_use]
    pub fn former(&self, mark: &str) -> Self {
        let text = self.slot.to_string();
        let own = text.split_once(FORMER).map_or(text.as_str(), |(own, _)| own);
        Self { slot: Slot::Named(format!("{own}{FORMER}{mark}").into()), ..self.clone() }
    }
}

impl fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.receiver, self.kind, self.slot)
    }
}
