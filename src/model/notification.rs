//! What is told: a group of alerts, a claim of a rollback, or a notice of our own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Alert, GroupKey, Labels, ReceiverName, RollbackId, Timestamp};

/// Something to tell one integration. It is a snapshot: what is rendered from it never changes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notification {
    /// The state of a group of alerts.
    Group(GroupNotification),
    /// A rollback is asked for.
    Rollback(RollbackNotification),
    /// Something that Atalaya itself has to say to a human.
    Notice(NoticeNotification),
}

/// Why a group is told now; Alertmanager's reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    /// It was never told, or had been told resolved.
    First,
    /// Alerts joined it.
    NewAlerts,
    /// No alert of it fires any more.
    AllResolved,
    /// Some alerts of it resolved.
    SomeResolved,
    /// It was told `repeat_interval` ago.
    Repeat,
    /// A rollback that its alerts asked for has got on.
    RollbackNews,
}

impl NotifyReason {
    /// In words, as Alertmanager's `.NotificationReason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::AllResolved => "all alerts resolved",
            Self::SomeResolved => "some alerts resolved",
            Self::Repeat => "repeat interval elapsed",
            Self::RollbackNews => "news of the rollback",
        }
    }
}

/// Whether any alert of a group fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupStatus {
    /// At least one does.
    Firing,
    /// None does.
    Resolved,
}

/// A group of alerts as it stood at a flush.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupNotification {
    /// Which group.
    pub key: GroupKey,
    /// Who is told.
    pub receiver: ReceiverName,
    /// The labels that all its alerts are grouped by.
    pub group_labels: Labels,
    /// Why it is told now.
    pub reason: NotifyReason,
    /// When it was flushed.
    pub at: Timestamp,
    /// Its alerts, firing ones first, each kind in order of their labels. Resolved ones are left out when the
    /// integration does not want them.
    pub alerts: Vec<Alert>,
    /// What became of rollbacks that alerts of this group asked for.
    pub rollbacks: Vec<RollbackNote>,
}

impl GroupNotification {
    /// Whether any of its alerts fires.
    pub fn status(&self) -> GroupStatus {
        if self.alerts.iter().any(Alert::is_firing) { GroupStatus::Firing } else { GroupStatus::Resolved }
    }

    /// The alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.is_firing())
    }

    /// The alerts that have resolved.
    pub fn resolved(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| !alert.is_firing())
    }

    /// The labels that all alerts share with the same value.
    pub fn common_labels(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.labels))
    }

    /// The annotations that all alerts share with the same value.
    pub fn common_annotations(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.annotations))
    }
}

fn common<'a>(mut sets: impl Iterator<Item = &'a Labels> + Clone) -> Labels {
    let Some(first) = sets.next() else { return Labels::empty() };
    first.filter(|name| sets.clone().all(|other| other.get(name) == first.get(name)))
}

/// A rollback, as it stood when a group was flushed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RollbackNote {
    /// The claim.
    pub id: RollbackId,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// What became of it.
    pub outcome: RollbackOutcome,
}

/// What became of a rollback's claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RollbackOutcome {
    /// It is being sent.
    Sending,
    /// The receiver took it.
    Accepted {
        /// When.
        at: Timestamp,
    },
    /// Its guard did not hold when its deadline came, and no alert asked for it any more.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
    /// The receiver refused it, or did not take it before the deadline.
    Failed {
        /// When.
        at: Timestamp,
    },
}

/// A claim of a rollback, on its way to a rollback webhook.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RollbackNotification {
    /// The claim; the idempotency key of every attempt.
    pub id: RollbackId,
    /// The receiver whose `rollback_configs` asks for it.
    pub receiver: ReceiverName,
    /// The labels that tell its episode from others.
    pub key: Labels,
    /// The guard that held, as PromQL.
    pub guard: String,
    /// A fingerprint of where it goes, for what and when: an entry of the configuration that has another one is not the
    /// one that was asked.
    pub terms: String,
    /// The alert that asked for it.
    pub alert: Alert,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When attempts end and a human is paged instead.
    pub deadline: Timestamp,
}

impl RollbackNotification {
    /// How long attempts may go on.
    pub fn patience(&self) -> Duration {
        self.deadline.since(self.claimed_at)
    }
}

/// Something that Atalaya itself has to say to a human: an incident of its own, with its own deduplication key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NoticeNotification {
    /// What tells this incident from others: the same while it is open and when it resolves.
    pub key: String,
    /// Who is told.
    pub receiver: ReceiverName,
    /// Whether it is open or over.
    pub status: GroupStatus,
    /// One line that says what happened.
    pub summary: String,
    /// What to know and do, in a few sentences.
    pub description: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// What it is about.
    pub labels: Labels,
    /// When it was raised or resolved.
    pub at: Timestamp,
}
