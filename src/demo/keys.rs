//! The demo's secrets, made afresh at each start.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use crate::model::{Timestamp, hex};

/// What the daemon proves itself with.
pub(super) struct Keys {
    /// To Slack: a bot's token.
    pub(super) slack_token: String,
    /// To PagerDuty: an integration key.
    pub(super) routing_key: String,
    /// To the rollback receiver: the key that signs.
    pub(super) rollback_secret: String,
}

impl Keys {
    /// New ones. They guard nothing but servers on this machine that live for minutes.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            slack_token: format!("xoxb-demo-{}", hex(&fresh("slack", now)[..12])),
            routing_key: hex(&fresh("pagerduty", now)[..16]),
            rollback_secret: format!("whsec_{}", BASE64.encode(fresh("rollback", now))),
        }
    }
}

/// Bytes that are others each time: the standard library seeds its hash maps from the system's randomness.
fn fresh(purpose: &str, now: Timestamp) -> [u8; 32] {
    let seed = RandomState::new().build_hasher().finish();
    Sha256::digest(format!("{purpose} {} {} {seed}", now.millis(), std::process::id())).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::SigningKey;

    #[test]
    fn are_usable_and_never_the_same() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let (one, other) = (Keys::new(now), Keys::new(now));
        assert!(SigningKey::parse(&one.rollback_secret).is_ok());
        assert_eq!(one.routing_key.len(), 32);
        assert_ne!(one.rollback_secret, other.rollback_secret);
        assert_ne!(one.slack_token, other.slack_token);
        assert_ne!(one.routing_key, other.routing_key);
    }
}
