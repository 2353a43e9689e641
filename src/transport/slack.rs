//! Slack's Web API: slack-morphism's client over our own HTTP client, for one TLS stack and deadlines that hold.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use slack_morphism::api::SlackApiChatPostMessageRequest;
use slack_morphism::errors::{
    SlackClientApiError, SlackClientError, SlackClientHttpError, SlackClientHttpProtocolError, SlackClientSystemError,
    SlackRateLimitError,
};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackApiToken, SlackClient, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId,
    SlackClientSecret, SlackClientSession, SlackEnvelopeMessage,
};
use url::Url;

use super::http::exchange;
use super::{Caller, HIDDEN, SecretValue, chain, kept};
use crate::model::Timestamp;
use crate::receiver::{Outcome, Reply, Slack, SlackCall, SlackRequest};

/// How much of an answer is read. Slack repeats the whole message, and what comes first is not promised.
const ANSWER_READ_MAX: usize = 1024 * 1024;

/// Slack's code for "too much"; what a 429 without a code means too.
const RATE_LIMITED: &str = "ratelimited";

/// How long a thread waits when there was too much at once.
const THREAD_PATIENCE: Duration = Duration::from_secs(10);

/// Calls Slack.
pub(super) struct SlackSender {
    caller: Caller,
}

impl SlackSender {
    pub(super) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes the call once.
    pub(super) async fn send(&self, request: &SlackRequest, token: &SecretValue, now: Timestamp) -> Reply {
        let connector =
            Connector { caller: self.caller.clone(), api_url: request.api_url.clone(), timeout: request.timeout, now };
        let client = SlackClient::new(connector);
        let api_token = SlackApiToken::new(token.expose().into());
        let session = client.open_session(&api_token);
        let result: ClientResult<Posted> = match &request.call {
            SlackCall::Post(call) => session.http_session_api.http_post("chat.postMessage", call, None).await,
            SlackCall::Update(call) => session.http_session_api.http_post("chat.update", call, None).await,
        };
        match result {
            Ok(posted) => {
                let failure = match &request.thread {
                    Some(post) => self.tell_thread(&session, post, token).await,
                    None => None,
                };
                failure.unwrap_or(Reply::SlackDone { channel: posted.channel, ts: posted.ts })
            }
            Err(error) => reply(error, token),
        }
    }

    /// Tells a thread, once more when Slack asks for a little patience. What the channel is to see of it is the only part of
    /// an update that disturbs anyone: if that fails in a way that can pass, so has the whole. Otherwise the message above
    /// it is right in any case, and what does not work is only said.
    async fn tell_thread(
        &self,
        session: &SlackClientSession<'_, Connector>,
        post: &SlackApiChatPostMessageRequest,
        token: &SecretValue,
    ) -> Option<Reply> {
        let mut is_first = true;
        loop {
            let result: ClientResult<Posted> = session.http_session_api.http_post("chat.postMessage", post, None).await;
            let failure = reply(result.err()?, token);
            match &failure {
                Reply::SlackRefused { retry_after: Some(after), .. } if is_first && *after <= THREAD_PATIENCE => {
                    is_first = false;
                    tokio::time::sleep(*after).await;
                }
                failed
                    if post.reply_broadcast == Some(true)
                        && matches!(Slack::outcome(failed), Outcome::Retry { .. }) =>
                {
                    return Some(failure);
                }
                _ => {
                    tracing::warn!(answer = ?failure, "the message in Slack is up to date, but its thread was not told");
                    return None;
                }
            }
        }
    }
}

/// What we want to know of the answer. Slack also repeats the message; were that read, a block of a kind that is new to
/// us would make a failure of what has been delivered.
#[derive(Deserialize)]
struct Posted {
    channel: String,
    ts: String,
}

/// How an error looks to a receiver.
fn reply(error: SlackClientError, token: &SecretValue) -> Reply {
    let shown = |text: String| kept(text.replace(token.expose(), HIDDEN));
    let failed = |why: String| Reply::Failed { why: shown(format!("call Slack: {why}")) };
    match error {
        SlackClientError::ApiError(error) => Reply::SlackRefused { code: shown(error.code), retry_after: None },
        SlackClientError::RateLimitError(error) => Reply::SlackRefused {
            code: error.code.map_or_else(|| RATE_LIMITED.to_owned(), shown),
            retry_after: error.retry_after,
        },
        SlackClientError::HttpError(error) => Reply::Http {
            status: error.status_code.as_u16(),
            retry_after: None,
            body: shown(error.http_response_body.unwrap_or_default()),
        },
        SlackClientError::HttpProtocolError(SlackClientHttpProtocolError { cause: Some(cause) })
        | SlackClientError::SystemError(SlackClientSystemError { cause: Some(cause), .. }) => failed(chain(&*cause)),
        // Its own text would repeat the whole answer.
        SlackClientError::ProtocolError(error) => {
            failed(format!("its answer is not JSON as expected: {}", error.json_error))
        }
        other => failed(other.to_string()),
    }
}

/// slack-morphism's way to the network, for one call.
#[derive(Clone, Debug)]
struct Connector {
    caller: Caller,
    api_url: String,
    timeout: Duration,
    now: Timestamp,
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = ClientResult<T>> + Send + 'a>>;

impl Connector {
    async fn call<T: for<'de> Deserialize<'de>>(&self, call: reqwest::RequestBuilder) -> ClientResult<T> {
        let answer = exchange(call, self.timeout, ANSWER_READ_MAX, self.now).await.map_err(network)?;
        let envelope = serde_json::from_str::<SlackEnvelopeMessage>(&answer.body);
        match (answer.status, answer.retry_after) {
            (200, _) => {
                let envelope = envelope.map_err(not_json)?;
                if !envelope.ok {
                    let code = envelope.error.unwrap_or_else(|| "unknown_error".to_owned());
                    return Err(SlackClientError::ApiError(SlackClientApiError::new(code)));
                }
                serde_json::from_str(&answer.body).map_err(not_json)
            }
            (429, retry_after) => {
                let mut error = SlackRateLimitError::new();
                error.retry_after = retry_after;
                error.code = envelope.ok().and_then(|envelope| envelope.error);
                Err(SlackClientError::RateLimitError(error))
            }
            // An outage with a time to come back at; slack-morphism's HTTP error has no room for one.
            (status @ 500.., Some(retry_after)) => {
                let error =
                    SlackRateLimitError::new().with_retry_after(retry_after).with_code(format!("http_{status}"));
                Err(SlackClientError::RateLimitError(error))
            }
            (status, _) => {
                let status = reqwest::StatusCode::from_u16(status).unwrap_or(reqwest::StatusCode::BAD_GATEWAY);
                let error = SlackClientHttpError::new(status).with_http_response_body(answer.body);
                Err(SlackClientError::HttpError(error))
            }
        }
    }
}

fn network(error: impl std::error::Error + Send + Sync + 'static) -> SlackClientError {
    SlackClientError::HttpProtocolError(SlackClientHttpProtocolError::new().with_cause(Box::new(error)))
}

fn not_json(error: serde_json::Error) -> SlackClientError {
    slack_morphism::errors::map_serde_error(error, None)
}

/// What we never call.
fn unused<'a, T: Send + 'a>() -> Pending<'a, T> {
    let error = SlackClientSystemError::new().with_cause("not a call that Atalaya makes".into());
    Box::pin(std::future::ready(Err(SlackClientError::SystemError(error))))
}

impl SlackClientHttpConnector for Connector {
    fn create_method_uri_path(&self, method: &str) -> ClientResult<Url> {
        Ok(Url::parse(&format!("{}/{method}", self.api_url.trim_end_matches('/')))?)
    }

    fn http_post_uri<'a, Q, S>(
        &'a self,
        url: Url,
        body: &'a Q,
        context: SlackClientApiCallContext<'a>,
    ) -> Pending<'a, S>
    where
        Q: Serialize + Send + Sync,
        S: for<'de> Deserialize<'de> + Send + 'a,
    {
        Box::pin(async move {
            let bytes = serde_json::to_vec(body).map_err(not_json)?;
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            let mut call = self.caller.post(url).header(CONTENT_TYPE, json).body(bytes);
            if let Some(token) = context.token {
                call = call.bearer_auth(&token.token_value.0);
            }
            self.call(call).await
        })
    }

    fn http_get_uri<'a, S>(&'a self, _: Url, _: SlackClientApiCallContext<'a>) -> Pending<'a, S>
    where
        S: for<'de> Deserialize<'de> + Send + 'a,
    {
        unused()
    }

    fn http_get_with_client_secret<'a, S>(
        &'a self,
        _: Url,
        _: &'a SlackClientId,
        _: &'a SlackClientSecret,
    ) -> Pending<'a, S>
    where
        S: for<'de> Deserialize<'de> + Send + 'a,
    {
        unused()
    }

    fn http_post_uri_multipart_form<'a, 'p, S, P, T>(
        &'a self,
        _: Url,
        _: Option<FileMultipartData<'p>>,
        _: &'p P,
        _: SlackClientApiCallContext<'a>,
    ) -> Pending<'a, S>
    where
        S: for<'de> Deserialize<'de> + Send + 'a,
        P: IntoIterator<Item = (&'p str, Option<T>)> + Clone,
        T: AsRef<str> + 'p + Send,
    {
        unused()
    }

    fn http_post_uri_binary<'a, 'p, S>(
        &'a self,
        _: Url,
        _: String,
        _: &'a [u8],
        _: SlackClientApiCallContext<'a>,
    ) -> Pending<'a, S>
    where
        S: for<'de> Deserialize<'de> + Send + 'a,
    {
        unused()
    }
}
