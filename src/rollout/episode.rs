//! An episode: firing alerts of one receiver and one key, from the first until none has fired for the cooldown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{
    Alert, Fingerprint, IntegrationId, Labels, RollbackId, RollbackNotification, RollbackOutcome, Timestamp, hex,
};
use crate::promql::Expr;

/// One entry of a receiver's `rollback_configs`.
#[derive(Clone, Debug)]
pub struct RollbackSpec {
    /// Its integration.
    pub id: IntegrationId,
    /// The labels of an alert that tell its episode from others.
    pub key: Vec<String>,
    /// The condition under which a rollback can help.
    pub guard: GuardSpec,
    /// How long no alert may have fired for an episode to be over.
    pub cooldown: Duration,
    /// How long a claim is tried before a human is paged instead.
    pub deadline: Duration,
    /// A fingerprint of where it goes, for what and when, as they were written.
    pub terms: String,
}

/// The condition under which a rollback can help.
#[derive(Clone, Debug)]
pub struct GuardSpec {
    /// As it was written.
    pub source: String,
    /// The expression.
    pub expr: Expr,
}

/// Which episode: an integration and the values of its key's labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct EpisodeKey {
    /// The `rollback_configs` entry.
    pub integration: IntegrationId,
    /// The values of the key's labels.
    pub labels: Labels,
}

impl fmt::Display for EpisodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.integration, self.labels)
    }
}

/// An episode, as it is kept over restarts too.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Episode {
    /// Which.
    pub key: EpisodeKey,
    /// When its first alert fired.
    pub started_at: Timestamp,
    /// The alerts that fire now.
    #[serde(with = "by_print")]
    pub firing: BTreeMap<Fingerprint, Alert>,
    /// Since when none fires; `None` while one does.
    pub quiet_since: Option<Timestamp>,
    /// Its claim, once it has made it.
    pub claim: Option<Claim>,
    /// The terms of its entry, by which the entry is known again under another name. Rows of before have none.
    #[serde(default)]
    pub terms: String,
}

/// The one claim of an episode.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Its id, the idempotency key of every attempt.
    pub id: RollbackId,
    /// When it was made.
    pub at: Timestamp,
    /// The alert that asked for it.
    pub alert: Alert,
    /// What became of it.
    pub outcome: RollbackOutcome,
}

impl Episode {
    /// The episode that an alert opens, of an entry with these terms.
    pub fn open(key: EpisodeKey, terms: &str, now: Timestamp) -> Self {
        Self { key, started_at: now, firing: BTreeMap::new(), quiet_since: None, claim: None, terms: terms.to_owned() }
    }

    /// Makes the claim, if there is none yet and an alert fires that is not `unknown`: what cannot be measured now is no
    /// evidence. The id is the same on every machine that knows when the episode began.
    pub fn claim(
        &mut self,
        spec: &RollbackSpec,
        unknown: &BTreeSet<Fingerprint>,
        now: Timestamp,
    ) -> Option<RollbackNotification> {
        if self.claim.is_some() {
            return None;
        }
        let seen = self.firing.iter().filter(|(print, _)| !unknown.contains(print)).map(|(_, alert)| alert);
        let alert = seen.min_by_key(|alert| (alert.starts_at, alert.labels.clone()))?.clone();
        let digest = Sha256::digest(format!("{} {}", self.key, self.started_at.millis()));
        let hash = hex(&digest[..6]);
        let id = RollbackId::new(format!("rb_{}_{hash}", self.started_at.millis()));
        self.claim = Some(Claim { id: id.clone(), at: now, alert: alert.clone(), outcome: RollbackOutcome::Sending });
        Some(RollbackNotification {
            id,
            receiver: self.key.integration.receiver.clone(),
            key: self.key.labels.clone(),
            guard: spec.guard.source.clone(),
            terms: spec.terms.clone(),
            alert,
            claimed_at: now,
            deadline: now + spec.deadline,
        })
    }

    /// When it is over, if no alert fires again.
    pub fn ends_at(&self, cooldown: Duration) -> Option<Timestamp> {
        self.quiet_since.map(|since| since + cooldown)
    }
}

/// JSON's keys are texts, so the alerts are kept as a list.
mod by_print {
    use super::{Alert, BTreeMap, Fingerprint};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<Fingerprint, Alert>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Fingerprint, Alert>, D::Error> {
        let alerts = Vec::<Alert>::deserialize(deserializer)?;
        Ok(alerts.into_iter().map(|alert| (alert.fingerprint(), alert)).collect())
    }
}
