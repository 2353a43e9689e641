//! What happens on stage: one stream that the script checks, the narrator tells and the transcript keeps.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::Note;
use crate::model::Timestamp;

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// The daemon says so itself.
    Noted(Note),
    /// Slack was called.
    Slack(SlackHeard),
    /// PagerDuty was called.
    PagerDuty(PagerDutyHeard),
    /// The rollback receiver was called.
    Rollback(RollbackHeard),
    /// The canary of a service went bad.
    CanaryBroke {
        /// When.
        at: Timestamp,
    },
    /// Traffic was moved as a rollback asked.
    TrafficMoved {
        /// When.
        at: Timestamp,
        /// Whose.
        service: String,
        /// What the canary still gets.
        canary_percent: u64,
    },
}

impl Happening {
    /// When.
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Noted(note) => note.at(),
            Self::Slack(heard) => heard.at,
            Self::PagerDuty(heard) => heard.at,
            Self::Rollback(heard) => heard.at,
            Self::CanaryBroke { at } | Self::TrafficMoved { at, .. } => *at,
        }
    }
}

/// A call of Slack's API.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct SlackHeard {
    pub(super) at: Timestamp,
    pub(super) method: SlackMethod,
    /// As the call named it.
    pub(super) channel: String,
    /// The message; empty when a post was refused.
    pub(super) ts: String,
    /// What a notification would show.
    pub(super) text: String,
    /// The names of the alerts, as the message's metadata has them.
    pub(super) alertname: String,
    /// Everything that was sent.
    pub(super) body: Value,
    /// Slack's word for why it refused.
    pub(super) refused: Option<&'static str>,
}

/// What Slack was asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SlackMethod {
    Post,
    Update,
    /// A post in the thread of a message.
    Thread,
}

/// An event that PagerDuty was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PagerDutyHeard {
    pub(super) at: Timestamp,
    pub(super) action: String,
    pub(super) dedup_key: String,
    /// Empty for a resolve, which has none.
    pub(super) summary: String,
    pub(super) severity: String,
    /// The names of the alerts.
    pub(super) class: String,
    /// Why it was refused.
    pub(super) refused: Option<&'static str>,
}

/// A call of the rollback webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RollbackHeard {
    pub(super) at: Timestamp,
    /// As the message says; nothing to rely on unless it is verified.
    pub(super) id: String,
    /// How often a message with this id has come.
    pub(super) attempt: u32,
    /// Why it was refused.
    pub(super) refused: Option<String>,
    /// Whether its signature is right.
    pub(super) is_verified: bool,
    /// What is to be rolled back.
    pub(super) key: BTreeMap<String, String>,
    /// The alert that asked for it.
    pub(super) alertname: String,
    /// When the evaluation was that decided.
    pub(super) decided_at: Option<Timestamp>,
}
