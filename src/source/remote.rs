//! APIs that answer queries as Prometheus does: Prometheus itself, Thanos, Mimir, VictoriaMetrics.
//!
//! [`RemoteSource`] asks one API one thing. [`RemoteSources`] asks all that a tick wants to know: no API is asked more at
//! once than it should be, and what several want to know is asked once.

mod answer;
mod pool;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use url::Url;

use crate::evaluator::Answered;
use crate::model::{ClientName, SourceName, Timestamp, format_duration};
use crate::transport::{BodyError, Caller, ClientError, HttpClients, body_within};

use super::{Sampled, Source};
use answer::AnswerError;

pub use pool::{RemoteAnswer, RemoteSources};

/// The largest answer that is read, uncompressed: some two hundred thousand series.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The largest answer that is understood where it arrives; a larger one would keep others waiting, so it goes elsewhere.
const READ_AT_ONCE_MAX: usize = 256 * 1024;
/// How much is read of an answer that is an error.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// An API and how it is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteSpec {
    /// Its name.
    pub name: SourceName,
    /// Where it is: what stands before `/api/v1/query`, with what is added to every query behind a `?`.
    pub url: Url,
    /// How long a query may take, waiting for its turn included.
    pub timeout: Duration,
    /// How many queries it is asked at once.
    pub max_concurrency: usize,
    /// What is added to every query.
    pub params: Vec<(String, String)>,
    /// The client that asks; the shared one when the API has no settings of its own.
    pub client: Option<ClientName>,
}

/// One API.
#[derive(Debug)]
pub struct RemoteSource {
    spec: RemoteSpec,
    clients: HttpClients,
    /// Whether it has said that it takes no `POST`.
    wants_get: AtomicBool,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no answer within {}", format_duration(*.0))]
    Timeout(Duration),
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    #[error("the answer broke off, or is not HTTP")]
    Http(#[source] reqwest::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Body(#[from] BodyError),
    /// What is wrong with the answer, without what we said to be let in, should the API repeat it.
    #[error("{0}")]
    Answer(String),
    #[error("the daemon is stopping")]
    Stopping,
}

impl RemoteSource {
    /// A source that asks this API.
    pub fn new(spec: RemoteSpec, clients: HttpClients) -> Self {
        Self { spec, clients, wants_get: AtomicBool::new(false) }
    }

    /// How it is asked.
    pub fn spec(&self) -> &RemoteSpec {
        &self.spec
    }

    /// Asks what an expression evaluates to. Whoever calls this sees to it that it ends; the API hears `within` when that is.
    async fn ask_once(&self, query: &str, at: Timestamp, within: Duration) -> Result<Answered, String> {
        self.call(query, at, within, answer::value).await.map_err(|error| self.told(&error))
    }

    /// A failure, with the name of the source.
    fn told(&self, error: &AskError) -> String {
        format!("source `{}`: {}", self.spec.name, in_a_line(error))
    }

    /// What is said of an answer that did not come in time.
    fn told_late(&self, timeout: Duration) -> String {
        self.told(&AskError::Timeout(timeout))
    }

    /// Makes the call, and reads the answer with `read`.
    async fn call<T>(
        &self,
        query: &str,
        at: Timestamp,
        within: Duration,
        read: impl FnOnce(StatusCode, &[u8]) -> Result<T, AnswerError> + Send + 'static,
    ) -> Result<T, AskError>
    where
        T: Send + 'static,
    {
        let caller = self.clients.get(self.spec.client.as_ref()).await?;
        let response = self.response(&caller, query, at, within).await?;
        let status = response.status();
        let body = match status.is_success() {
            true => body_within(response, ANSWER_BYTES_MAX).await?,
            false => beginning(response, ERROR_BYTES_MAX).await,
        };
        let answer = if body.len() <= READ_AT_ONCE_MAX {
            read(status, &body)
        } else {
            tokio::task::spawn_blocking(move || read(status, &body)).await.map_err(|_| AskError::Stopping)?
        };
        answer.map_err(|error| AskError::Answer(caller.hide(error.to_string())))
    }

    async fn response(
        &self,
        caller: &Caller,
        query: &str,
        at: Timestamp,
        within: Duration,
    ) -> Result<reqwest::Response, AskError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .append_pair("time", &at.seconds().to_string())
            .append_pair("timeout", &format!("{}ms", within.as_millis().max(1)))
            .finish();
        if !self.wants_get.load(Ordering::Relaxed) {
            let post = caller
                .post(self.endpoint(None))
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone());
            let response = send(post).await?;
            if !matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
                return Ok(response);
            }
        }
        let response = send(caller.get(self.endpoint(Some(&form)))).await?;
        if response.status().is_success() {
            self.wants_get.store(true, Ordering::Relaxed);
        }
        Ok(response)
    }

    /// Where queries go, with the parameters that every query has, and those of this one when they are part of the URL.
    fn endpoint(&self, form: Option<&str>) -> Url {
        let mut url = self.spec.url.clone();
        let path = format!("{}/api/v1/query", url.path().trim_end_matches('/'));
        url.set_path(&path);
        if !self.spec.params.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.spec.params);
        }
        if let Some(form) = form {
            let query = url.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&{form}"));
            url.set_query(Some(query.as_deref().unwrap_or(form)));
        }
        url
    }
}

impl Source for RemoteSource {
    async fn ask(&self, query: &str, at: Timestamp) -> Result<Answered, String> {
        let timeout = self.spec.timeout;
        let answer = tokio::time::timeout(timeout, self.ask_once(query, at, timeout)).await;
        answer.unwrap_or_else(|_| Err(self.told_late(timeout)))
    }

    async fn range(&self, selector: &str, from: Timestamp, to: Timestamp) -> Result<Sampled, String> {
        // Prometheus 3 leaves the beginning of a range out, earlier ones do not.
        let range_ms = to.since(from).as_millis() + 1;
        let timeout = self.spec.timeout;
        let query = format!("{selector}[{range_ms}ms]");
        let asked = self.call(&query, to, timeout, move |status, body| answer::samples(status, body, from));
        let answer = tokio::time::timeout(timeout, asked).await.unwrap_or(Err(AskError::Timeout(timeout)));
        answer.map_err(|error| self.told(&error))
    }
}

async fn send(call: reqwest::RequestBuilder) -> Result<reqwest::Response, AskError> {
    call.header(ACCEPT, "application/json").send().await.map_err(|error| {
        let error = error.without_url();
        if error.is_connect() { AskError::Connect(error) } else { AskError::Http(error) }
    })
}

/// The beginning of a body, or what there is of it.
async fn beginning(mut response: reqwest::Response, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes_max
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(bytes_max - body.len())]);
    }
    body
}

/// An error and its deepest cause: what the layers of the HTTP library between them say, says nothing to people.
fn in_a_line(error: &AskError) -> String {
    let mut deepest: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(source) = deepest.and_then(std::error::Error::source) {
        deepest = Some(source);
    }
    match deepest {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
