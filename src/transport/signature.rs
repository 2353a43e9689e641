//! Standard Webhooks 1.0.0, symmetric: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
//!
//! What is signed is `{id}.{timestamp}.{body}`, so neither a body nor a moment can be exchanged, and an old message cannot
//! be played again once it is older than the tolerance.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::HeaderMap;
use sha2::Sha256;

use crate::model::Timestamp;

/// How far a message's moment may be from ours.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// What a key begins with, so that people and scanners recognise one.
const KEY_PREFIX: &str = "whsec_";
/// The lengths that a key may have.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

const ID_HEADER: &str = "webhook-id";
const TIMESTAMP_HEADER: &str = "webhook-timestamp";
const SIGNATURE_HEADER: &str = "webhook-signature";
/// The scheme that we know: HMAC-SHA256.
const SCHEME: &str = "v1,";

/// A key to sign with, and to verify with.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// Why a text is not a key. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It begins with something else.
    #[error("a signing key begins with `{KEY_PREFIX}`")]
    Prefix,
    /// The rest is not Base64.
    #[error("after `{KEY_PREFIX}` a signing key is Base64")]
    Base64,
    /// It is too short to be safe, or longer than the standard allows.
    #[error("a signing key has 24 to 64 bytes, this one {0}")]
    Length(usize),
}

/// Why a message cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Its id holds what separates the parts that are signed.
    #[error("the id of a signed message holds no `.`")]
    DottedId,
}

/// Why a message is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is not there, or is not text.
    #[error("header `{0}` is missing")]
    Missing(&'static str),
    /// The moment is not a number of seconds.
    #[error("header `{TIMESTAMP_HEADER}` is not a number of seconds")]
    Timestamp,
    /// It is too old, or from the future.
    #[error("the message is not from the last five minutes")]
    Stale,
    /// No signature is one of this key's.
    #[error("no signature matches")]
    Signature,
}

impl SigningKey {
    /// The key that a `whsec_…` text holds.
    pub fn parse(text: &str) -> Result<Self, SigningKeyError> {
        let encoded = text.strip_prefix(KEY_PREFIX).ok_or(SigningKeyError::Prefix)?;
        let bytes = BASE64.decode(encoded).map_err(|_| SigningKeyError::Base64)?;
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(SigningKeyError::Length(bytes.len()));
        }
        // HMAC takes keys of any length.
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| SigningKeyError::Length(bytes.len()))
    }

    /// The signature of a message: `v1,` and Base64.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> Result<String, SignError> {
        if id.contains('.') {
            return Err(SignError::DottedId);
        }
        let code = self.mac(id, &unix_seconds(at).to_string(), body).finalize().into_bytes();
        Ok(format!("{SCHEME}{}", BASE64.encode(code)))
    }

    /// The headers of a signed message.
    pub fn headers(&self, id: &str, at: Timestamp, body: &[u8]) -> Result<[(&'static str, String); 3], SignError> {
        let signature = self.sign(id, at, body)?;
        Ok([
            (ID_HEADER, id.to_owned()),
            (TIMESTAMP_HEADER, unix_seconds(at).to_string()),
            (SIGNATURE_HEADER, signature),
        ])
    }

    /// The id of a message, if it was signed with this key within `tolerance` of `now` ([`TOLERANCE`] unless there is a
    /// reason). Of several signatures, as while a key is exchanged, one has to match. How long the comparison takes says
    /// nothing about the signature that was expected.
    pub fn verify<'h>(
        &self,
        headers: &'h HeaderMap,
        body: &[u8],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<&'h str, VerifyError> {
        let header = |name: &'static str| {
            headers.get(name).and_then(|value| value.to_str().ok()).ok_or(VerifyError::Missing(name))
        };
        let (id, seconds, signatures) = (header(ID_HEADER)?, header(TIMESTAMP_HEADER)?, header(SIGNATURE_HEADER)?);
        let at: i64 = seconds.parse().map_err(|_| VerifyError::Timestamp)?;
        if u128::from(at.abs_diff(unix_seconds(now))) > u128::from(tolerance.as_secs()) {
            return Err(VerifyError::Stale);
        }
        let matches = |signature: &str| {
            let code = signature.strip_prefix(SCHEME).and_then(|encoded| BASE64.decode(encoded).ok());
            code.is_some_and(|code| self.mac(id, seconds, body).verify_slice(&code).is_ok())
        };
        if signatures.split(' ').any(matches) { Ok(id) } else { Err(VerifyError::Signature) }
    }

    fn mac(&self, id: &str, seconds: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn unix_seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the standard's examples.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSW";
    /// The bytes 0 to 63.
    const LONG_KEY: &str =
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// What is expected was computed with Python's hmac module.
    #[test]
    fn signs_as_others_do() {
        let check = |key: &str, id: &str, seconds: i64, body: &str, expected: &str| {
            let signature = SigningKey::parse(key).unwrap().sign(id, at(seconds), body.as_bytes());
            assert_eq!(signature.as_deref(), Ok(expected));
        };
        check(
            KEY,
            "msg_p5jXN8AQM9LWM0D4loKwxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,BgpHXfRDPMRrWOgGjgeDjA7PvhaFp/JYOzw4W+NWR/c=",
        );
        check(
            KEY,
            "msg_p5jXN8AQM9LxM0D4loKwxekf",
            1_764_000_000,
            r#"{"type":"rollout.rollback.requested"}"#,
            "v1,MAz38N7jwXjmsv4Y/cPIZLABxOaSOpUUUVpBK+/WXRU=",
        );
        check(LONG_KEY, "rb_1", 1_764_000_000, "", "v1,k4RDFZ8BfR3k8sCKH7KPgOQjBJD6D3tqTyesRLr9c2Q=");
    }

    #[test]
    fn refuses_what_is_not_a_key() {
        let check =
            |text: &str, error: SigningKeyError| assert_eq!(SigningKey::parse(text).err(), Some(error), "{text}");
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSW", SigningKeyError::Prefix);
        check("whsec_not base64", SigningKeyError::Base64);
        check("whsec_", SigningKeyError::Length(0));
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLs==", SigningKeyError::Base64);
        check("whsec_AAAA", SigningKeyError::Length(3));
        check(&format!("whsec_{}", BASE64.encode([1; 65])), SigningKeyError::Length(65));
        assert_eq!(format!("{:?}", SigningKey::parse(KEY).unwrap()), "SigningKey(…)");
    }

    #[test]
    fn refuses_a_dotted_id() {
        assert_eq!(SigningKey::parse(KEY).unwrap().sign("a.1", at(2), b"x"), Err(SignError::DottedId));
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn believes_only_what_it_should() {
        let key = SigningKey::parse(KEY).unwrap();
        let good = key.sign("rb_1", at(1000), b"body").unwrap();
        let others = SigningKey::parse(LONG_KEY).unwrap().sign("rb_1", at(1000), b"body").unwrap();
        let check =
            |id: &str, seconds: &str, signature: &str, body: &str, now: i64, expected: Result<&str, VerifyError>| {
                let headers = headers(&[(ID_HEADER, id), (TIMESTAMP_HEADER, seconds), (SIGNATURE_HEADER, signature)]);
                assert_eq!(key.verify(&headers, body.as_bytes(), at(now), TOLERANCE), expected);
            };
        let (stale, wrong) = (Err(VerifyError::Stale), Err(VerifyError::Signature));
        check("rb_1", "1000", &good, "body", 1000, Ok("rb_1"));
        check("rb_1", "1000", &good, "body", 1300, Ok("rb_1"));
        check("rb_1", "1000", &good, "body", 1301, stale);
        check("rb_1", "1000", &good, "body", 700, Ok("rb_1"));
        check("rb_1", "1000", &good, "body", 699, stale);
        check("rb_1", "1000", &good, "Body", 1000, wrong);
        check("rb_2", "1000", &good, "body", 1000, wrong);
        check("rb_1", "1001", &good, "body", 1000, wrong);
        check("rb_1", "soon", &good, "body", 1000, Err(VerifyError::Timestamp));
        check("rb_1", "9223372036854775807", &good, "body", 1000, stale);
        check("rb_1", "1000", &others, "body", 1000, wrong);
        check("rb_1", "1000", &format!("{others} {good}"), "body", 1000, Ok("rb_1"));
        check("rb_1", "1000", &good.replace("v1,", "v1a,"), "body", 1000, wrong);
        check("rb_1", "1000", &good[..10], "body", 1000, wrong);
        check("rb_1", "1000", "", "body", 1000, wrong);
        let unsigned = headers(&[(ID_HEADER, "rb_1"), (TIMESTAMP_HEADER, "1000")]);
        let missing = Err(VerifyError::Missing(SIGNATURE_HEADER));
        assert_eq!(key.verify(&unsigned, b"body", at(1000), TOLERANCE), missing);
    }
}
