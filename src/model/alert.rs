//! An alert as the engine, the receivers and the outside know it.

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Labels, Timestamp};

/// Whether an alert's condition holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It holds.
    Firing,
    /// It held, until then.
    Resolved {
        /// When it ceased to hold.
        at: Timestamp,
    },
}

/// An alert. Its labels are its identity.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// Who it is.
    pub labels: Labels,
    /// What it tells people; changes with the value.
    pub annotations: Labels,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// A link to its expression.
    pub generator_url: String,
}

impl Alert {
    /// The hash of its labels.
    pub fn fingerprint(&self) -> Fingerprint {
        self.labels.fingerprint()
    }

    /// Its `alertname`.
    pub fn name(&self) -> &str {
        self.labels.get(super::ALERT_NAME)
    }

    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.status == AlertStatus::Firing
    }
}
