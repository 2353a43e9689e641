//! Asks one target for its page, again and again.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use crate::clock::{Clock, Stopwatch};
use crate::evaluator::{Scrape, ScrapeTarget};
use crate::exposition::{self, Malformed};
use crate::model::{TargetId, Timestamp, format_duration};
use crate::transport::HttpClient;

/// The largest page that is read, uncompressed.
const BODY_MAX: usize = 512 * 1024 * 1024;
/// What we can read.
const ACCEPTED: &str = "text/plain;version=0.0.4;q=1,*/*;q=0.1";

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
enum ScrapeError {
    #[error("no answer within {}", format_duration(*.0))]
    Timeout(Duration),
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    #[error("the page broke off, or the answer is not HTTP")]
    Http(#[source] reqwest::Error),
    #[error("the target answered {0}")]
    Status(reqwest::StatusCode),
    #[error("the page is OpenMetrics, which is not supported yet: let the target offer text/plain")]
    OpenMetrics,
    #[error("the page is larger than {BODY_MAX} bytes")]
    TooLarge,
    #[error(transparent)]
    NotUtf8(#[from] Malformed),
}

/// Scrapes targets over one client and one clock.
#[derive(Clone, Debug)]
pub struct Scraper {
    http: HttpClient,
    clock: Clock,
}

impl Scraper {
    /// A scraper.
    pub fn new(http: HttpClient, clock: Clock) -> Self {
        Self { http, clock }
    }

    /// Scrapes the target at each of its moments, until `out` is closed. A scrape that takes longer than the interval
    /// costs the moments it covers.
    pub async fn scrape_forever<T: From<Scrape>>(&self, target: &ScrapeTarget, out: &tokio::sync::mpsc::Sender<T>) {
        let phase = phase(&target.id, target.interval);
        let mut due = next_moment(self.clock.now(), target.interval, phase);
        loop {
            self.clock.sleep_until(due).await;
            let scrape = self.scrape(target, due).await;
            if out.send(scrape.into()).await.is_err() {
                return;
            }
            due = next_moment(self.clock.now().max(due), target.interval, phase);
        }
    }

    /// Scrapes a target once, as of `at`.
    pub async fn scrape(&self, target: &ScrapeTarget, at: Timestamp) -> Scrape {
        let stopwatch = Stopwatch::start();
        let page = match tokio::time::timeout(target.timeout, self.page(target)).await {
            Ok(page) => page,
            Err(_) => Err(ScrapeError::Timeout(target.timeout)),
        };
        Scrape {
            target: target.id.clone(),
            at,
            took: stopwatch.elapsed(),
            page: page.map_err(|error| in_a_line(&error)),
        }
    }

    async fn page(&self, target: &ScrapeTarget) -> Result<String, ScrapeError> {
        let request = self
            .http
            .client()
            .get(&target.url)
            .header(ACCEPT, ACCEPTED)
            .header("X-Prometheus-Scrape-Timeout-Seconds", target.timeout.as_secs_f64().to_string());
        let mut response = request.send().await.map_err(ScrapeError::of)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(ScrapeError::Status(response.status()));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/openmetrics-text") {
            return Err(ScrapeError::OpenMetrics);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(ScrapeError::of)? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(ScrapeError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        match String::from_utf8(body) {
            Ok(page) => Ok(page),
            Err(error) => Ok(exposition::text(error.as_bytes()).map(str::to_owned)?),
        }
    }
}

impl ScrapeError {
    fn of(error: reqwest::Error) -> Self {
        if error.is_connect() { Self::Connect(error) } else { Self::Http(error) }
    }
}

/// An error and its deepest cause in one line: the layers of the HTTP library between them say nothing to people, and
/// the request's URL stands beside it.
fn in_a_line(error: &ScrapeError) -> String {
    let mut deepest = std::error::Error::source(error);
    while let Some(source) = deepest.and_then(std::error::Error::source) {
        deepest = Some(source);
    }
    deepest.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// When within its interval a target is scraped: by a hash of its id, so that targets spread evenly, and over a restart
/// each keeps its moment.
pub fn phase(target: &TargetId, interval: Duration) -> Duration {
    let digest = Sha256::digest(target.as_str());
    let hash = digest[..8].iter().fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(hash % interval_ms)
}

fn next_moment(after: Timestamp, interval: Duration, phase: Duration) -> Timestamp {
    let slot = (after - phase).floor_to(interval) + phase;
    slot + interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_an_interval_apart_and_keep_their_phase() {
        let (interval, phase) = (Duration::from_secs(15), Duration::from_millis(4200));
        let first = next_moment(Timestamp::from_millis(1_000_000), interval, phase);
        assert_eq!(first, Timestamp::from_millis(1_009_200 - 1_009_200 % 15_000 + 4200));
        assert_eq!(next_moment(first, interval, phase), first + interval);
        assert_eq!(next_moment(first.shifted(-1), interval, phase), first);
    }

    #[test]
    fn targets_spread_over_their_interval() {
        let interval = Duration::from_secs(15);
        let early = (0..1000).filter(|at| phase(&TargetId::new(format!("job/{at}")), interval) < interval / 2).count();
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
    }
}
