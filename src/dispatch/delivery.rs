//! One notification on its way to one integration: attempts, retries, endings.
//!
//! Deliveries to one place about one thing form a lane and leave in order: the next waits until the one before has
//! ended. What waits is replaced by newer news; what was attempted once is never taken back, because it may have
//! arrived.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{DeliveryId, Fingerprint, IntegrationId, Notification, SecretText, Timestamp, hex};
use crate::receiver::{Address, Handle};

use super::Told;

/// The first wait after a failed attempt; each further one doubles.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The longest wait between attempts at a rollback: it is useful only soon.
const BACKOFF_ROLLBACK_MAX: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is honoured; a receiver that asks for more is tried again after this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// The keys that are remembered of one delivery; who changes them more often while it is tried loses the oldest.
const KEYS_MAX: usize = 8;

/// Which thing is told to which integration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LaneKey {
    /// The thing: a group's key, a rollback's id, a notice's key.
    pub subject: String,
    /// The place.
    pub integration: IntegrationId,
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.integration, self.subject)
    }
}

/// What one integration knows of one thing, and what is on its way to it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Lane {
    /// Which.
    pub key: LaneKey,
    /// What was last told for certain.
    pub told: Option<Told>,
    /// The alerts of which it may believe that they fire, because a delivery was given up that may have arrived. Nothing
    /// is then told for certain.
    #[serde(default)]
    pub doubted: BTreeSet<Fingerprint>,
    /// How to reach the same message or incident again.
    pub handle: Option<Handle>,
    /// Where it is told, and how to get there although the configuration has changed.
    #[serde(default)]
    pub address: Option<Box<Address>>,
    /// The delivery that is under way.
    pub head: Option<DeliveryId>,
    /// What to tell once it has ended.
    pub next: Option<Notification>,
    /// How many deliveries there were.
    pub count: u64,
    /// Whether it stayed behind because its place has another key by now: it leads to what the old key opened alone, and
    /// never takes anybody's place again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_of_old_key: bool,
}

impl Lane {
    /// A lane on which nothing has moved yet.
    pub fn new(key: LaneKey) -> Self {
        Self {
            key,
            told: None,
            doubted: BTreeSet::new(),
            handle: None,
            address: None,
            head: None,
            next: None,
            count: 0,
            is_of_old_key: false,
        }
    }
}

/// One notification on its way to one integration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// The same at every attempt, so that the other side can recognise a repeat.
    pub id: DeliveryId,
    /// Its lane.
    pub lane: LaneKey,
    /// What is told.
    pub notification: Notification,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When attempts end; never, for what still fires.
    pub deadline: Option<Timestamp>,
    /// How many attempts there were.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_failure: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// The keys with which attempts were made that may have opened something which no other key closes, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_with: Vec<SecretText>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// An attempt is under way; after a crash it may or may not have arrived.
    InFlight {
        /// Since when.
        since: Timestamp,
    },
    /// The last attempt failed.
    Waiting {
        /// When to try again.
        until: Timestamp,
    },
}

/// How a delivery ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// The other side took it.
    Delivered,
    /// The other side refused it for good.
    Rejected {
        /// In its words.
        why: String,
    },
    /// It was not taken before its deadline.
    Expired {
        /// How the last attempt failed.
        why: String,
    },
    /// It was called back between two attempts.
    Withdrawn,
}

/// A delivery that has ended, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct Finished {
    /// The delivery as it was.
    pub delivery: Delivery,
    /// How it ended.
    pub ending: Ending,
}

impl Delivery {
    /// The id of a lane's delivery number `count`: the same on every machine and after every restart.
    pub fn id_of(lane: &LaneKey, count: u64, created_at: Timestamp) -> DeliveryId {
        let mut hash = Sha256::new();
        hash.update(format!("{lane} {count} {}", created_at.millis()));
        let digest = hash.finalize();
        DeliveryId::new(format!("dl_{}", hex(&digest[..12])))
    }

    /// When something must happen although no reply comes: the next attempt, or the deadline while it waits.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            DeliveryState::InFlight { .. } => None,
            DeliveryState::Waiting { until } => Some(self.deadline.map_or(until, |deadline| until.min(deadline))),
        }
    }

    /// Whether its deadline has passed.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// When to try again after a failed attempt at `now`: never before the other side's `Retry-After`.
    pub fn retry_at(&self, retry_after: Option<Duration>, now: Timestamp) -> Timestamp {
        let max = match self.notification {
            Notification::Rollback(_) => BACKOFF_ROLLBACK_MAX,
            Notification::Group(_) | Notification::Notice(_) => BACKOFF_MAX,
        };
        now + backoff(&self.id, self.attempts, max).max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
    }

    /// Whether it may have been taken although it ended like this: an attempt before the last was not answered, or not
    /// with a refusal for good.
    pub fn may_have_arrived(&self, ending: &Ending) -> bool {
        match ending {
            Ending::Delivered => true,
            Ending::Rejected { .. } => self.attempts > 1,
            Ending::Expired { .. } | Ending::Withdrawn => self.attempts > 0,
        }
    }

    /// Notes that an attempt is made with this key. Returns whether that is news.
    pub fn note_key(&mut self, key: &SecretText) -> bool {
        if self.sent_with.last() == Some(key) {
            return false;
        }
        self.sent_with.retain(|other| other != key);
        self.sent_with.push(key.clone());
        if self.sent_with.len() > KEYS_MAX {
            self.sent_with.remove(0);
        }
        true
    }

    /// The alerts of a group that it tells as firing.
    pub fn tells_firing(&self, print: Fingerprint) -> bool {
        matches!(&self.notification, Notification::Group(group) if group.firing().any(|alert| alert.fingerprint() == print))
    }
}

/// The wait after attempt number `attempts`: doubling from one second up to `max`, of which the last fifth is spread by
/// a hash of the id and the attempt, so that deliveries that failed together do not return together.
pub fn backoff(id: &DeliveryId, attempts: u32, max: Duration) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = BACKOFF_FIRST.saturating_mul(1 << doublings).min(max);
    let digest = Sha256::digest(format!("{id} {attempts}"));
    let spread = u32::from(digest[0]);
    full * 4 / 5 + full * spread / (5 * 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit() {
        let id = DeliveryId::new("dl_1");
        let max = Duration::from_secs(60);
        for (attempts, expected) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (u32::MAX, 60)] {
            let wait = backoff(&id, attempts, max).as_secs_f64();
            let expected = f64::from(expected);
            assert!((expected * 0.8..=expected).contains(&wait), "{attempts}: {wait}");
        }
        assert_ne!(backoff(&id, 9, max), backoff(&DeliveryId::new("dl_2"), 9, max));
    }

    #[test]
    fn ids_do_not_depend_on_the_machine() {
        let lane = LaneKey {
            subject: "{}:{}".to_owned(),
            integration: IntegrationId {
                receiver: crate::model::ReceiverName::new("r"),
                kind: crate::model::IntegrationKind::Slack,
                slot: 0.into(),
            },
        };
        let at = Timestamp::from_millis(1000);
        assert_eq!(Delivery::id_of(&lane, 1, at), Delivery::id_of(&lane, 1, at));
        assert_ne!(Delivery::id_of(&lane, 1, at), Delivery::id_of(&lane, 2, at));
    }
}
