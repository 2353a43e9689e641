//! What happened, in words and fields: the one stream behind logs, the audit and the demo's story.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{ALERT_NAME, DeliveryId, GroupKey, IntegrationId, IntegrationKind, Labels, RollbackId, Timestamp};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Note {
    /// An alert changed its state.
    Alert {
        /// When.
        at: Timestamp,
        /// How.
        to: AlertMove,
        /// The alert.
        labels: Labels,
        /// The value of its expression; text, because JSON has no NaN.
        value: String,
    },
    /// An attempt at a delivery failed and will be made again.
    AttemptFailed {
        /// When.
        at: Timestamp,
        /// The delivery.
        delivery: DeliveryId,
        /// To whom.
        integration: IntegrationId,
        /// Why.
        why: String,
    },
    /// A delivery arrived.
    Delivered {
        /// When.
        at: Timestamp,
        /// The delivery.
        delivery: DeliveryId,
        /// To whom.
        integration: IntegrationId,
        /// The group, notice or claim it was about.
        subject: String,
        /// How many attempts it took.
        attempts: u32,
    },
    /// A delivery was given up: refused for good, or past its deadline.
    Undeliverable {
        /// When.
        at: Timestamp,
        /// The delivery.
        delivery: DeliveryId,
        /// To whom.
        integration: IntegrationId,
        /// What it was about.
        subject: String,
        /// Why.
        why: String,
    },
    /// A rollback was claimed.
    RollbackClaimed {
        /// When.
        at: Timestamp,
        /// The claim.
        rollback: RollbackId,
        /// To whom it goes.
        integration: IntegrationId,
        /// The episode's labels.
        key: Labels,
        /// The alert that asked for it.
        alert: Labels,
    },
    /// A claim was called back, because its guard ceased to hold before the receiver took it.
    RollbackWithdrawn {
        /// When.
        at: Timestamp,
        /// The claim's delivery.
        delivery: DeliveryId,
        /// To whom it would have gone.
        integration: IntegrationId,
    },
    /// An alert cannot ask for a rollback: it has none of the labels of `rollback_key`.
    RollbackKeyless {
        /// When.
        at: Timestamp,
        /// Whom it would have asked.
        integration: IntegrationId,
        /// The alert.
        alert: Labels,
    },
    /// What an integration knows that is configured no more: nobody can be told that it is over.
    Orphaned {
        /// When.
        at: Timestamp,
        /// The integration that is gone.
        integration: IntegrationId,
        /// What it was told of.
        subject: String,
    },
    /// A text of the configuration could not be rendered; the delivery leaves with what is built in.
    TextFailed {
        /// When.
        at: Timestamp,
        /// The delivery.
        delivery: DeliveryId,
        /// To whom.
        integration: IntegrationId,
        /// Which, and why.
        why: String,
    },
    /// Alerts were dropped that waited for an Alertmanager: it does not take them as fast as they come.
    ForwardDropped {
        /// When.
        at: Timestamp,
        /// The Alertmanager.
        integration: IntegrationId,
        /// How many.
        alerts: u64,
    },
    /// An episode is over; the next firing alert of its key opens a new one.
    EpisodeEnded {
        /// When.
        at: Timestamp,
        /// Its integration.
        integration: IntegrationId,
        /// Its labels.
        key: Labels,
    },
    /// A group had news to tell; the deliveries follow.
    GroupTold {
        /// When.
        at: Timestamp,
        /// The group.
        group: GroupKey,
        /// How many of its alerts fire.
        firing: usize,
        /// How many have resolved.
        resolved: usize,
    },
}

/// How much something that happened matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It is the course of things.
    Course,
    /// It did not work, and is tried again.
    Setback,
    /// A person should look at it.
    Trouble,
}

/// How an alert changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertMove {
    /// Its condition began to hold.
    Pending,
    /// It began to fire.
    Firing,
    /// It ceased to fire.
    Resolved,
    /// Its condition ceased to hold before it fired.
    Dropped,
}

impl Note {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Alert { at, .. }
            | Self::AttemptFailed { at, .. }
            | Self::Delivered { at, .. }
            | Self::Undeliverable { at, .. }
            | Self::RollbackClaimed { at, .. }
            | Self::RollbackWithdrawn { at, .. }
            | Self::RollbackKeyless { at, .. }
            | Self::Orphaned { at, .. }
            | Self::ForwardDropped { at, .. }
            | Self::TextFailed { at, .. }
            | Self::EpisodeEnded { at, .. }
            | Self::GroupTold { at, .. } => *at,
        }
    }

    /// How much it matters.
    pub fn weight(&self) -> Weight {
        match self {
            Self::Undeliverable { .. }
            | Self::RollbackKeyless { .. }
            | Self::Orphaned { .. }
            | Self::ForwardDropped { .. }
            | Self::TextFailed { .. } => Weight::Trouble,
            Self::AttemptFailed { .. } => Weight::Setback,
            _ => Weight::Course,
        }
    }
}

/// One readable sentence.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert { to, labels, value, .. } => {
                let to = match to {
                    AlertMove::Pending => "is pending",
                    AlertMove::Firing => "fires",
                    AlertMove::Resolved => "has resolved",
                    AlertMove::Dropped => "is no longer pending",
                };
                let others = labels.filter(|name| name != ALERT_NAME);
                write!(f, "{}{others} {to}", labels.get(ALERT_NAME))?;
                if value == "NaN" { Ok(()) } else { write!(f, ", value {value}") }
            }
            Self::AttemptFailed { integration, why, .. } => write!(f, "cannot tell {integration} yet: {why}"),
            Self::Delivered { integration, subject, attempts: 1, .. } => write!(f, "told {integration} of {subject}"),
            Self::Delivered { integration, subject, attempts, .. } => {
                write!(f, "told {integration} of {subject} in {attempts} attempts")
            }
            Self::Undeliverable { integration, delivery, why, .. } if integration.kind == IntegrationKind::Rollback => {
                write!(f, "gave up rollback {delivery}, which {integration} did not take: {why}")
            }
            Self::Undeliverable { integration, subject, why, .. } => {
                write!(f, "gave up telling {integration} of {subject}: {why}")
            }
            Self::RollbackClaimed { rollback, integration, key, .. } => {
                write!(f, "claimed rollback {rollback} of {key} for {integration}")
            }
            Self::RollbackWithdrawn { delivery, integration, .. } => {
                write!(f, "withdrew {delivery} to {integration}: its guard holds no more")
            }
            Self::RollbackKeyless { integration, alert, .. } => write!(
                f,
                "{}{} cannot ask {integration} for a rollback: it has none of the labels of `rollback_key`",
                alert.get(ALERT_NAME),
                alert.filter(|name| name != ALERT_NAME),
            ),
            Self::Orphaned { integration, subject, .. } => write!(
                f,
                "{integration} was told of {subject} and is no longer configured: close what it shows by hand once it is over",
            ),
            Self::TextFailed { integration, why, .. } => write!(f, "telling {integration} in our own words: {why}"),
            Self::ForwardDropped { integration, alerts, .. } => {
                write!(f, "dropped {alerts} alerts that waited for {integration}: it does not take them fast enough")
            }
            Self::EpisodeEnded { integration, key, .. } => write!(f, "the episode of {key} for {integration} is over"),
            Self::GroupTold { group, firing, resolved, .. } => {
                write!(f, "group {group} has news: {firing} firing, {resolved} resolved")
            }
        }
    }
}
