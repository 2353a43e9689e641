//! Tokens of OAuth 2's client credentials: asked for when there is none, kept until shortly before they expire.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;

use super::client_options::OAuth2Options;
use super::http::{BodyError, body_within};
use super::secret::{SecretError, SecretValue, Secrets};
use crate::clock::Stopwatch;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const ANSWER_READ_MAX: usize = 64 * 1024;
/// How long before its end a token is given up, since a call takes its time.
const MARGIN: Duration = Duration::from_secs(10);
/// How long a token is kept that does not say how long it lasts.
const LIFETIME: Duration = Duration::from_secs(300);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// What proves who we are is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is no answer.
    #[error("ask `{url}` for a token")]
    Call {
        /// Where.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The answer broke off or does not end.
    #[error("read the token from `{url}`")]
    Body {
        /// Where.
        url: String,
        /// Why.
        source: BodyError,
    },
    /// The answer is a refusal.
    #[error("`{url}` gives no token: it answered {status}{why}")]
    Refused {
        /// Where.
        url: String,
        /// The status.
        status: u16,
        /// What it says, if it says something that is meant for us.
        why: String,
    },
    /// The answer is something else.
    #[error("the answer of `{url}` is not a token")]
    NotToken {
        /// Where.
        url: String,
    },
}

/// A token and for how long it is good.
#[derive(Debug)]
pub(super) struct Token {
    value: SecretValue,
    /// With which secret it was asked for: with another one, it is asked for again.
    secret: SecretValue,
    since: Stopwatch,
    lifetime: Duration,
}

impl Token {
    /// The token's text.
    pub(super) fn value(&self) -> &SecretValue {
        &self.value
    }

    /// The token's text, if it is still good.
    pub(super) fn usable(&self, secret: &SecretValue) -> Option<&SecretValue> {
        let is_usable = self.secret == *secret && self.since.elapsed() + MARGIN.min(self.lifetime / 2) < self.lifetime;
        is_usable.then_some(&self.value)
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// What proves who we are, as it is now.
pub(super) fn secret(options: &OAuth2Options, secrets: &Secrets) -> Result<SecretValue, SecretError> {
    secrets.resolve(&options.client_secret)
}

/// Asks for a token: with our name in a header, and when that is refused, with it in the body, as some servers want it.
pub(super) async fn ask(
    client: &reqwest::Client,
    options: &OAuth2Options,
    secret: SecretValue,
) -> Result<Token, TokenError> {
    match ask_once(client, options, &secret, true).await {
        Err(TokenError::Refused { .. }) => ask_once(client, options, &secret, false).await,
        other => other,
    }
}

async fn ask_once(
    client: &reqwest::Client,
    options: &OAuth2Options,
    secret: &SecretValue,
    in_header: bool,
) -> Result<Token, TokenError> {
    let url = || options.token_url.clone();
    let mut call = client
        .post(&options.token_url)
        .timeout(TIMEOUT)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form(options, (!in_header).then_some(secret)));
    if in_header {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        call = call.basic_auth(encode(&options.client_id), Some(encode(secret.expose())));
    }
    let since = Stopwatch::start();
    let response = call.send().await.map_err(|source| TokenError::Call { url: url(), source: source.without_url() })?;
    let status = response.status();
    let body =
        body_within(response, ANSWER_READ_MAX).await.map_err(|source| TokenError::Body { url: url(), source })?;
    if !status.is_success() {
        let why = serde_json::from_slice::<Refusal>(&body).map_or_else(
            |_| String::new(),
            |it| format!(": {} {}", it.error, it.error_description).trim_end().replace(secret.expose(), super::HIDDEN),
        );
        return Err(TokenError::Refused { url: url(), status: status.as_u16(), why: super::kept(why) });
    }
    let Ok(granted) = serde_json::from_slice::<Granted>(&body) else {
        return Err(TokenError::NotToken { url: url() });
    };
    if granted.access_token.is_empty() {
        return Err(TokenError::NotToken { url: url() });
    }
    // Some servers write the number as a text.
    let seconds = granted.expires_in.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    let lifetime = seconds.filter(|seconds| *seconds > 0).map_or(LIFETIME, Duration::from_secs);
    Ok(Token { value: SecretValue::new(granted.access_token), secret: secret.clone(), since, lifetime })
}

/// What is asked for, along with who we are if the header does not say it.
fn form(options: &OAuth2Options, secret: Option<&SecretValue>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !options.scopes.is_empty() {
        form.append_pair("scope", &options.scopes.join(" "));
    }
    form.extend_pairs(&options.endpoint_params);
    if let Some(secret) = secret {
        form.append_pair("client_id", &options.client_id).append_pair("client_secret", secret.expose());
    }
    form.finish()
}
