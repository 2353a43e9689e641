//! A secret that must be kept: the routing key of an incident that is open.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex;

/// The text of a secret. It is written to the state file, which is for its owner alone, and shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// A secret with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A few digits that tell it from others and say nothing about it.
    pub fn mark(&self) -> String {
        let digest = Sha256::digest(format!("atalaya {}", self.0));
        hex(&digest[..4])
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing() {
        let secret = SecretText::new("hunter2");
        assert_eq!(format!("{secret:?}"), "SecretText(…)");
        assert!(!secret.mark().contains("hunter2"));
        assert_ne!(secret.mark(), SecretText::new("hunter3").mark());
    }
}
