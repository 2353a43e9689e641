//! Asks one target for its page, once: what we say, what we take, and what is said when there is no page.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use url::Url;

use crate::clock::Stopwatch;
use crate::evaluator::{Page, PageError, PageFormat, Scrape};
use crate::exposition::{self, Malformed, Scanner};
use crate::model::{Timestamp, format_duration};
use crate::transport::{ClientError, HttpClients};

use super::job::{ActiveTarget, Ask};

/// How much of a page is looked at before the rest is waited for: what is no page of metrics is mostly none from its first
/// lines on.
const HEAD: usize = 64 * 1024;
/// A page that is larger gets [`ROOM`] at once.
const LARGE: usize = 256 * 1024;
/// What is asked for so much memory (glibc: more than 32 MiB) asks the system for it, takes only what is written to, and gives
/// all of it back when the page was taken in. Smaller pieces stay with the thread that read the page, and once more with each
/// other thread that has read one.
const ROOM: usize = (32 << 20) + LARGE;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
enum ScrapeError {
    #[error("no answer within {}", format_duration(*.0))]
    Timeout(Duration),
    #[error("the page did not end within {}", format_duration(*.0))]
    Endless(Duration),
    #[error("`{url}` is not a URL")]
    Url { url: String, source: url::ParseError },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    #[error("the target sends its callers elsewhere too often, or in circles")]
    Redirects,
    #[error("the page broke off, or the answer is not HTTP")]
    Http(#[source] reqwest::Error),
    #[error("the target answered {0}")]
    Status(StatusCode),
    #[error("the target answered {0}, and `follow_redirects` is off")]
    Elsewhere(StatusCode),
    #[error("the target answered with an HTML page, not metrics: is `metrics_path` right?")]
    Html,
    #[error("the target does not say what its page is written in; if it is known, set `fallback_scrape_protocol`")]
    NoKind,
    #[error(
        "the page is `{0}`, which is no format of metrics that we read; `fallback_scrape_protocol` says how to read it"
    )]
    Kind(String),
    #[error("the page is protobuf, which nobody asked for: let the target offer text")]
    Protobuf,
    #[error("the page is larger than {0} bytes, the `body_size_limit`")]
    TooLarge(usize),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Scrapes a target once, as of `at`.
pub(super) async fn scrape(clients: &HttpClients, active: &ActiveTarget, at: Timestamp) -> Scrape {
    let stopwatch = Stopwatch::start();
    let page = match &active.refusal {
        Some(why) => Err(PageError::from(why.clone())),
        None => ask(clients, active).await,
    };
    Scrape { target: active.target.id.clone(), at, took: stopwatch.elapsed(), page }
}

async fn ask(clients: &HttpClients, active: &ActiveTarget) -> Result<Page, PageError> {
    let timeout = active.target.timeout;
    let mut has_status = false;
    let page = match tokio::time::timeout(timeout, page(clients, active, &mut has_status)).await {
        Ok(page) => page,
        Err(_) if has_status => Err(ScrapeError::Endless(timeout)),
        Err(_) => Err(ScrapeError::Timeout(timeout)),
    };
    page.map_err(|error| PageError { why: in_a_line(&error), is_too_large: matches!(error, ScrapeError::TooLarge(_)) })
}

async fn page(clients: &HttpClients, active: &ActiveTarget, has_status: &mut bool) -> Result<Page, ScrapeError> {
    let (target, how) = (&active.target, &*active.ask);
    let url = Url::parse(&target.url).map_err(|source| ScrapeError::Url { url: target.url.clone(), source })?;
    let caller = clients.get(how.client.as_ref()).await?;
    let mut request = caller
        .get(url)
        .header(ACCEPT, &how.accept)
        .header("X-Prometheus-Scrape-Timeout-Seconds", target.timeout.as_secs_f64().to_string());
    if !how.compress {
        request = request.header(ACCEPT_ENCODING, "identity");
    }
    let mut response = request.send().await.map_err(ScrapeError::of)?;
    *has_status = true;
    match response.status() {
        StatusCode::OK => {}
        status if status.is_redirection() && response.headers().contains_key("location") => {
            return Err(ScrapeError::Elsewhere(status));
        }
        status => return Err(ScrapeError::Status(status)),
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = format(kind, how)?;
    let mut body = Vec::new();
    let mut is_head_read = false;
    while let Some(chunk) = response.chunk().await.map_err(ScrapeError::of)? {
        if how.body_max > 0 && body.len() + chunk.len() > how.body_max {
            return Err(ScrapeError::TooLarge(how.body_max));
        }
        if body.len() + chunk.len() > LARGE && body.capacity() < ROOM {
            body.reserve_exact(ROOM - body.len());
        }
        body.extend_from_slice(&chunk);
        if !is_head_read && body.len() >= HEAD {
            is_head_read = true;
            check_head(&body, format)?;
        }
    }
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => exposition::text(error.as_bytes()).map(str::to_owned)?,
    };
    if is_html(kind_of(&response)) && Scanner::new(&text).next().is_none_or(|entry| entry.is_err()) {
        return Err(ScrapeError::Html);
    }
    Ok(Page { text, format })
}

fn kind_of(response: &reqwest::Response) -> &str {
    response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What a page is written in, by its `Content-Type`.
fn format(kind: &str, how: &Ask) -> Result<PageFormat, ScrapeError> {
    let name = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match (name.as_str(), how.fallback) {
        ("application/openmetrics-text", _) => Ok(PageFormat::OpenMetrics),
        ("text/plain", _) => Ok(PageFormat::Text),
        ("application/vnd.google.protobuf", _) => Err(ScrapeError::Protobuf),
        (_, Some(fallback)) => Ok(fallback),
        ("", None) => Err(ScrapeError::NoKind),
        ("text/html" | "application/xhtml+xml", None) => Err(ScrapeError::Html),
        (_, None) => Err(ScrapeError::Kind(kind.chars().take(80).collect())),
    }
}

fn is_html(kind: &str) -> bool {
    let name = kind.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("text/html") || name.eq_ignore_ascii_case("application/xhtml+xml")
}

/// Looks at the beginning of a page in the text format, so that one that is something else is not read to its end.
fn check_head(body: &[u8], format: PageFormat) -> Result<(), ScrapeError> {
    if format != PageFormat::Text {
        return Ok(());
    }
    let Some(end) = body.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
    let head = &body[..end];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(_) => exposition::text(head)?,
    };
    // A label value may hold line breaks, and may have been cut at one of them: the quote that begins it lacks its end.
    match Scanner::new(text).find_map(Result::err) {
        Some(malformed) if !malformed.what.contains("never closed") => Err(malformed.into()),
        _ => Ok(()),
    }
}

impl ScrapeError {
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_redirect() {
            Self::Redirects
        } else if error.is_connect() {
            Self::Connect(error)
        } else {
            Self::Http(error)
        }
    }
}

/// An error and its deepest cause in one line: the layers of the HTTP library between them say nothing to people, and
/// the request's URL stands beside it.
pub(super) fn in_a_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error.source();
    while let Some(source) = deepest.and_then(std::error::Error::source) {
        deepest = Some(source);
    }
    deepest.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_page_is_what_its_target_says() {
        let check = |kind: &str, fallback: Option<PageFormat>, want: Result<PageFormat, &str>| {
            let how = Ask { fallback, ..Ask::default() };
            assert_eq!(format(kind, &how).map_err(|why| why.to_string()), want.map_err(str::to_owned), "{kind}");
        };
        let (text, open) = (PageFormat::Text, PageFormat::OpenMetrics);
        check("text/plain; version=0.0.4; charset=utf-8", None, Ok(text));
        check("Text/Plain", Some(open), Ok(text));
        check("application/openmetrics-text; version=1.0.0", None, Ok(open));
        check("", Some(text), Ok(text));
        check("application/json", Some(open), Ok(open));
        check("text/html", Some(text), Ok(text));
        let html = "the target answered with an HTML page, not metrics: is `metrics_path` right?";
        check("text/html; charset=utf-8", None, Err(html));
        let none =
            "the target does not say what its page is written in; if it is known, set `fallback_scrape_protocol`";
        check("", None, Err(none));
        let json = "the page is `application/json`, which is no format of metrics that we read; \
                    `fallback_scrape_protocol` says how to read it";
        check("application/json", None, Err(json));
        let proto = "the page is protobuf, which nobody asked for: let the target offer text";
        check("application/vnd.google.protobuf; proto=x", Some(text), Err(proto));
    }

    #[test]
    fn the_head_of_a_page_gives_it_away() {
        let check = |head: &str, sound: bool| {
            assert_eq!(check_head(head.as_bytes(), PageFormat::Text).is_ok(), sound, "{head}");
        };
        check("a 1\nb 2\nc{d=\"cut", true);
        check("a{b=\"1\n2\n3", true);
        check("a 1\nb x\nc 1", false);
        check("{\"data\": 1}\n", false);
        check("no line break yet", true);
        assert!(check_head(b"a{b=\"\xff\"} 1\n", PageFormat::Text).is_err());
        assert!(check_head(b"<html>\n", PageFormat::OpenMetrics).is_ok());
    }
}
