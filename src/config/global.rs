//! What holds for all: `global`, `web` and `state`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Labels, format_duration};

use super::place::Sheet;
use super::raw::{RawGlobal, RawState, RawWeb, Text};
use super::slack::is_hook;
use super::value::{NOT_FILLED_IN, duration, http_url, labels, secret_url, set_duration};

/// Slack's Web API.
pub(super) const SLACK_API_URL: &str = "https://slack.com/api";
/// PagerDuty's Events API v2.
pub(super) const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// Prometheus's default of both intervals.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);
/// Prometheus's default, unless the interval is shorter.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// `global`, checked.
pub(super) struct Global {
    pub(super) scrape_interval: Duration,
    pub(super) scrape_timeout: Duration,
    pub(super) evaluation_interval: Duration,
    pub(super) rule_query_offset: Duration,
    pub(super) external_labels: Labels,
    pub(super) external_url: String,
    pub(super) slack_api_url: String,
    pub(super) pagerduty_url: String,
}

/// Checks `global`.
pub(super) fn global(sheet: &mut Sheet, raw: &RawGlobal) -> Global {
    sheet.refuse("global", raw.not_yet());
    let mut interval = |setting: &str, text: Option<&Text>| set_duration(sheet, &format!("global.{setting}"), text);
    let scrape_interval = interval("scrape_interval", raw.scrape_interval.as_ref()).unwrap_or(INTERVAL);
    let evaluation_interval = interval("evaluation_interval", raw.evaluation_interval.as_ref()).unwrap_or(INTERVAL);
    let scrape_timeout = interval("scrape_timeout", raw.scrape_timeout.as_ref());
    if let Some(text) = raw.scrape_timeout.as_ref().filter(|_| scrape_timeout.is_some_and(|it| it > scrape_interval)) {
        sheet.note(text, "global.scrape_timeout", "must not be longer than `scrape_interval`").hint =
            Some(format!("the interval is {}", format_duration(scrape_interval)));
    }
    // It is for alerts that are sent here without an end; those of our own rules have one.
    duration(sheet, "global.resolve_timeout", raw.resolve_timeout.as_ref());
    let rule_query_offset = duration(sheet, "global.rule_query_offset", raw.rule_query_offset.as_ref());
    let external_labels = labels(sheet, "global.external_labels", raw.external_labels.as_ref(), |_| None);
    for pair in raw.external_labels.iter().flat_map(|pairs| &pairs.0).filter(|pair| names_variable(&pair.value.value)) {
        let path = format!("global.external_labels.{}", pair.name.value);
        sheet.note(&pair.value, &path, "`$NAME` stands for a variable in Prometheus").hint =
            Some(NOT_FILLED_IN.to_owned());
    }
    let mut url = |setting: &str, text: Option<&Text>| {
        text.and_then(|text| http_url(sheet, &format!("global.{setting}"), text)).map(without_final_slash)
    };
    Global {
        scrape_interval,
        scrape_timeout: scrape_timeout.unwrap_or(SCRAPE_TIMEOUT.min(scrape_interval)),
        evaluation_interval,
        rule_query_offset: rule_query_offset.unwrap_or_default(),
        external_labels,
        external_url: url("external_url", raw.external_url.as_ref()).unwrap_or_default(),
        pagerduty_url: url("pagerduty_url", raw.pagerduty_url.as_ref()).unwrap_or_else(|| PAGERDUTY_URL.to_owned()),
        slack_api_url: raw
            .slack_api_url
            .as_ref()
            .and_then(|text| slack_api_url(sheet, "global.slack_api_url", text))
            .unwrap_or_else(|| SLACK_API_URL.to_owned()),
    }
}

/// Whether a text holds a variable that Prometheus fills in, in its form without braces.
fn names_variable(text: &str) -> bool {
    text.split('$').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

/// The base URL of Slack's Web API, if that is what the setting holds: Alertmanager's setting of this name takes an
/// incoming webhook.
fn slack_api_url(sheet: &mut Sheet, path: &str, text: &Text) -> Option<String> {
    let is_reference = text.value.contains("${");
    if is_reference || is_hook(&text.value) {
        return None;
    }
    secret_url(sheet, path, text).map(without_final_slash)
}

fn without_final_slash(url: String) -> String {
    match url.strip_suffix('/') {
        Some(rest) => rest.to_owned(),
        None => url,
    }
}

/// Where we serve, from `web`.
pub(super) fn web(sheet: &mut Sheet, raw: &RawWeb) -> Option<SocketAddr> {
    sheet.refuse("web", raw.not_yet());
    let text = raw.listen.as_ref()?;
    match text.value.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let what = format!("`{}` is not an address to listen on", text.value);
            sheet.note(text, "web.listen", what).hint = Some(match text.value.rsplit_once(':') {
                Some(("", port)) => format!("for every address of this host write `0.0.0.0:{port}`"),
                Some(("localhost", port)) => format!("write it as a number: `127.0.0.1:{port}`"),
                _ => "write an IP address and a port, as in `127.0.0.1:9090`".to_owned(),
            });
            None
        }
    }
}

/// Where the state is kept, from `state`.
pub(super) fn state(sheet: &mut Sheet, raw: &RawState, directory: &Path) -> Option<PathBuf> {
    let text = raw.dir.as_ref()?;
    if text.value.is_empty() {
        sheet.note(text, "state.dir", "the path is empty");
    }
    Some(directory.join(&text.value))
}
