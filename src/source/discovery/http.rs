//! Targets that a URL lists, as JSON.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use url::Url;

use crate::model::{ClientName, format_duration};
use crate::transport::{BodyError, ClientError, body_within};

use super::super::job::TargetGroup;
use super::super::scrape::in_a_line;
use super::Reporter;
use super::groups::{marked, read_json};

/// The largest list that is read.
const LIST_MAX: usize = 32 * 1024 * 1024;

/// A URL that lists targets.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpDiscovery {
    /// The URL.
    pub url: Url,
    /// How often it is asked.
    pub refresh_interval: Duration,
    /// The client with settings of its own, if it has any.
    pub client: Option<ClientName>,
}

#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("no answer within {}", format_duration(*.0))]
    Timeout(Duration),
    #[error("no answer")]
    Http(#[source] reqwest::Error),
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error("the answer is `{0}`, not `application/json`")]
    Kind(String),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the list cannot be read: {0}")]
    List(String),
}

impl HttpDiscovery {
    pub(super) async fn run(&self, reporter: &mut Reporter) {
        loop {
            let list = match tokio::time::timeout(self.refresh_interval, self.list(reporter)).await {
                Ok(list) => list,
                Err(_) => Err(ListError::Timeout(self.refresh_interval)),
            };
            match list {
                Ok(groups) => {
                    reporter.outcome(None);
                    if !reporter.found(groups).await {
                        return;
                    }
                }
                Err(error) => {
                    let place = place(&self.url);
                    reporter.outcome(Some(format!("`{place}`: {}", in_a_line(&error))));
                }
            }
            reporter.wait(self.refresh_interval).await;
        }
    }

    async fn list(&self, reporter: &Reporter) -> Result<Vec<TargetGroup>, ListError> {
        let caller = reporter.tools.clients.now().get(self.client.as_ref()).await?;
        let seconds = self.refresh_interval.as_secs_f64().to_string();
        let request = caller.get(self.url.clone()).header(ACCEPT, "application/json");
        let request = request.header("X-Prometheus-Refresh-Interval-Seconds", seconds);
        let response = request.send().await.map_err(|error| ListError::Http(error.without_url()))?;
        if response.status() != StatusCode::OK {
            return Err(ListError::Status(response.status()));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err(ListError::Kind(kind.chars().take(80).collect()));
        }
        let body = body_within(response, LIST_MAX).await?;
        let text = std::str::from_utf8(&body).map_err(|_| ListError::List("it is not UTF-8".to_owned()))?;
        let groups = read_json(text).and_then(|groups| marked(groups, "__meta_url", self.url.as_str()));
        groups.map_err(ListError::List)
    }
}

/// A URL without what may be secret in it.
fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}
