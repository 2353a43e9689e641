//! Carries requests out and brings replies back: the one place where secrets have values.
//!
//! It decides nothing. Whether an answer is a success, and whether to try again, is the receiver's to say; here every way
//! in which a call can end, secrets that are missing included, becomes a [`Reply`].

mod client;
mod client_oauth2;
mod client_options;
mod client_tls;
mod http;
mod retry_after;
mod secret;
mod signature;
mod slack;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::model::{SecretText, Timestamp};
use crate::receiver::{BodySecretValue, Endpoint, HttpRequest, Method, Reply, Request, SlackRequest};

pub use client::{Caller, ClientError, HttpClients};
pub use client_oauth2::TokenError;
pub use client_options::{
    Authentication, ClientCertificate, ConnectionOptions, HttpOptions, OAuth2Options, Part, Pem, ProxyOptions,
    TlsOptions, TlsVersion,
};
pub use client_tls::TlsError;
pub use http::{BodyError, HttpClient, HttpClientError, body_within, install_crypto_provider};
pub use secret::{SecretError, SecretSource, SecretValue, Secrets};
pub use signature::{SignError, SigningKey, SigningKeyError, TOLERANCE, VerifyError};

use http::{ExchangeError, exchange};
use slack::SlackSender;

/// How much of an answer is read, and how much of that is kept.
const ANSWER_READ_MAX: usize = 64 * 1024;
const ANSWER_KEPT_MAX: usize = 4 * 1024;

/// What stands in an answer where it repeated a secret.
const HIDDEN: &str = "<hidden>";

/// Sends requests, with the secrets that they name.
#[derive(Clone, Debug)]
pub struct Transport {
    clients: HttpClients,
}

/// Why a request could not be made or answered.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("secret `{name}` is not a URL")]
    SecretUrl { name: String, source: UrlError },
    #[error("`{url}` is not a URL")]
    Url { url: String, source: UrlError },
    #[error("secret `{name}` cannot sign")]
    Key { name: String, source: SigningKeyError },
    #[error("sign message `{id}`")]
    Sign { id: String, source: SignError },
    #[error("header `{name}` cannot be sent")]
    Header { name: String },
    #[error("there is no place for secret `{name}` at `{pointer}` of the body")]
    Body { name: String, pointer: String },
    #[error("call {place}")]
    Exchange { place: String, source: ExchangeError },
}

/// Why a text is not a URL that can be called.
#[derive(Debug, thiserror::Error)]
enum UrlError {
    #[error(transparent)]
    Parse(#[from] url::ParseError),
    #[error("only http and https can be called")]
    Scheme,
}

impl Transport {
    /// A transport over these clients, with the secrets that they know.
    pub fn new(clients: HttpClients) -> Self {
        Self { clients }
    }

    /// Sends a request once. `now` is the wall time that signatures carry.
    pub async fn send(&self, request: Request, now: Timestamp) -> Reply {
        let result = match request {
            Request::Http(request) => self.send_http(request, now).await,
            Request::Slack(request) => self.send_slack(&request, now).await,
        };
        result.unwrap_or_else(|error| Reply::Failed { why: chain(&error) })
    }

    /// Looks up now what a request needs and what is to come back with its answer, so that it is known before it leaves
    /// which value that is. A secret that cannot be had is left for [`Transport::send`] to complain about.
    pub fn settle(&self, request: &mut Request) -> Option<SecretText> {
        let Request::Http(HttpRequest { body_secret: Some(secret), .. }) = request else { return None };
        if !secret.is_returned {
            return None;
        }
        if let BodySecretValue::Named(name) = &secret.value {
            let value = self.clients.secrets().resolve(name).ok()?;
            secret.value = BodySecretValue::Kept(SecretText::new(value.expose()));
        }
        match &secret.value {
            BodySecretValue::Kept(text) => Some(text.clone()),
            BodySecretValue::Named(_) => None,
        }
    }

    async fn send_slack(&self, request: &SlackRequest, now: Timestamp) -> Result<Reply, SendError> {
        let token = self.clients.secrets().resolve(&request.token)?;
        let caller = self.clients.get_staying(request.client.as_ref()).await?;
        Ok(SlackSender::new(caller).send(request, &token, now).await)
    }

    async fn send_http(&self, request: HttpRequest, now: Timestamp) -> Result<Reply, SendError> {
        let HttpRequest { method: Method::Post, url, headers: named, body, body_secret, signature, timeout, client } =
            request;
        // What is secret or signed is meant for one place only.
        let stays = matches!(url, Endpoint::Secret(_)) || body_secret.is_some() || signature.is_some();
        let secrets = self.clients.secrets();
        let mut body = body;
        let mut shown_to_nobody = Vec::new();
        let (url, place) = self.endpoint(&url, &mut shown_to_nobody)?;
        let mut returned = None;
        if let Some(secret) = body_secret {
            let (value, name) = match secret.value {
                BodySecretValue::Named(name) => (secrets.resolve(&name)?, name.to_string()),
                BodySecretValue::Kept(text) => (text.into(), "kept from before".to_owned()),
            };
            let pointer = secret.pointer;
            put(&mut body, &pointer, value.expose()).ok_or_else(|| SendError::Body { name, pointer })?;
            returned = secret.is_returned.then(|| SecretText::new(value.expose()));
            shown_to_nobody.push(value);
        }
        let bytes = body.to_string().into_bytes();

        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        for (name, value) in named {
            insert(&mut headers, &name, &value)?;
        }
        if let Some(signature) = signature {
            let name = signature.secret.to_string();
            let value = secrets.resolve(&signature.secret)?;
            let key = SigningKey::parse(value.expose()).map_err(|source| SendError::Key { name, source })?;
            let signed = key
                .headers(&signature.id, now, &bytes)
                .map_err(|source| SendError::Sign { id: signature.id.clone(), source })?;
            for (name, value) in signed {
                insert(&mut headers, name, &value)?;
            }
            shown_to_nobody.push(value);
        }

        let caller = match stays {
            true => self.clients.get_staying(client.as_ref()).await?,
            false => self.clients.get_posting(client.as_ref()).await?,
        };
        let call = caller.post(url).headers(headers).body(bytes);
        let reply = match exchange(call, timeout, ANSWER_READ_MAX, now).await {
            Ok(answer) => {
                let mut body = caller.hide(answer.body);
                for secret in &shown_to_nobody {
                    body = body.replace(secret.expose(), HIDDEN);
                }
                Reply::Http { status: answer.status, retry_after: answer.retry_after, body: kept(body) }
            }
            // It may have arrived, so that what was used of secrets still matters.
            Err(source) => Reply::Failed { why: chain(&SendError::Exchange { place, source }) },
        };
        Ok(match returned {
            Some(key) => Reply::Keyed { answer: Box::new(reply), key },
            None => reply,
        })
    }

    /// The URL to call, and what to call it in a message.
    fn endpoint(&self, endpoint: &Endpoint, secrets: &mut Vec<SecretValue>) -> Result<(Url, String), SendError> {
        match endpoint {
            Endpoint::Plain(url) => match parse_url(url) {
                Ok(parsed) => {
                    let place = format!("`{}`", parsed.origin().ascii_serialization());
                    Ok((parsed, place))
                }
                Err(source) => Err(SendError::Url { url: url.clone(), source }),
            },
            Endpoint::Secret(name) => {
                let value = self.clients.secrets().resolve(name)?;
                let url = parse_url(value.expose())
                    .map_err(|source| SendError::SecretUrl { name: name.to_string(), source })?;
                secrets.push(value);
                Ok((url, format!("the URL of secret `{name}`")))
            }
        }
    }
}

fn parse_url(text: &str) -> Result<Url, UrlError> {
    let url = Url::parse(text)?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(UrlError::Scheme) }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), SendError> {
    let unsendable = || SendError::Header { name: name.to_owned() };
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
    headers.insert(key, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unsendable())?);
    Ok(())
}

/// Sets the member that a JSON pointer names, whether or not it is there; `None` when nothing can have such a member.
fn put(body: &mut serde_json::Value, pointer: &str, value: &str) -> Option<()> {
    let (parent, member) = pointer.rsplit_once('/')?;
    let object = body.pointer_mut(parent)?.as_object_mut()?;
    object.insert(member.replace("~1", "/").replace("~0", "~"), value.into());
    Some(())
}

/// The beginning of an answer.
fn kept(mut body: String) -> String {
    body.truncate(body.floor_char_boundary(ANSWER_KEPT_MAX));
    body
}

/// An error with all its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors already end in what caused them.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_where_the_pointer_says() {
        let check = |body: serde_json::Value, pointer: &str, expected: Option<serde_json::Value>| {
            let mut changed = body;
            let done = put(&mut changed, pointer, "s");
            assert_eq!(done.map(|()| changed), expected, "{pointer}");
        };
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        check(json("{}"), "/key", Some(json(r#"{"key":"s"}"#)));
        check(json(r#"{"key":"old"}"#), "/key", Some(json(r#"{"key":"s"}"#)));
        check(json(r#"{"a":{"b":1}}"#), "/a/c~1d", Some(json(r#"{"a":{"b":1,"c/d":"s"}}"#)));
        check(json("{}"), "/a/b", None);
        check(json("{}"), "key", None);
        check(json("[]"), "/0", None);
    }

    #[test]
    fn keeps_the_beginning_of_an_answer() {
        assert_eq!(kept("short".to_owned()), "short");
        assert_eq!(kept(format!("a{}", "é".repeat(ANSWER_KEPT_MAX))).len(), ANSWER_KEPT_MAX - 1);
    }
}
