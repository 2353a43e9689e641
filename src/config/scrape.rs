//! Scrape targets, in Prometheus's form.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use url::Url;

use crate::evaluator::ScrapeTarget;
use crate::model::{Labels, TargetId};

use super::global::Global;
use super::place::{Sheet, Spanned};
use super::raw::{RawScrapeConfig, RawStaticConfig, Text};
use super::value::{labels, positive_duration};

/// What the targets of a job share.
struct Job {
    name: String,
    scheme: String,
    metrics_path: String,
    interval: Duration,
    timeout: Duration,
}

/// Checks `scrape_configs`.
pub(super) fn targets(sheet: &mut Sheet, raw: &[Spanned<RawScrapeConfig>], global: &Global) -> Vec<ScrapeTarget> {
    let mut targets = Vec::new();
    let mut seen = Seen::default();
    for (index, raw) in raw.iter().enumerate() {
        let name = raw.value.job_name.as_ref().map_or("", |name| name.value.as_str());
        let path = if name.is_empty() { format!("scrape_configs[{index}]") } else { format!("scrape_configs[{name}]") };
        if name.is_empty() {
            sheet.note(raw, &path, "the job has no `job_name`");
        } else if !seen.jobs.insert(name.to_owned()) {
            let spot = raw.value.job_name.as_ref().map_or(raw.defined, |name| name.defined);
            sheet.note(spot, &path, "a job of this name stands above");
        }
        sheet.refuse(&path, raw.value.not_yet());
        let job = job(sheet, &path, name, &raw.value, global);
        for (at, config) in raw.value.static_configs.iter().flatten().enumerate() {
            let path = format!("{path}.static_configs[{at}]");
            static_targets(sheet, &path, &job, &config.value, &mut seen, &mut targets);
        }
    }
    targets
}

/// What must not come twice.
#[derive(Default)]
struct Seen {
    jobs: BTreeSet<String>,
    ids: BTreeSet<TargetId>,
    /// By the labels of a target, its id.
    labels: BTreeMap<Labels, TargetId>,
}

fn job(sheet: &mut Sheet, path: &str, name: &str, raw: &RawScrapeConfig, global: &Global) -> Job {
    let interval = positive_duration(sheet, &format!("{path}.scrape_interval"), raw.scrape_interval.as_ref())
        .unwrap_or(global.scrape_interval);
    let timeout_path = format!("{path}.scrape_timeout");
    let timeout = positive_duration(sheet, &timeout_path, raw.scrape_timeout.as_ref());
    if let Some(text) = raw.scrape_timeout.as_ref().filter(|_| timeout.is_some_and(|timeout| timeout > interval)) {
        sheet.note(text, &timeout_path, "must not be longer than the job's scrape interval");
    }
    let scheme = raw.scheme.as_ref().map_or("http", |scheme| scheme.value.as_str());
    if let Some(text) = raw.scheme.as_ref().filter(|_| !matches!(scheme, "http" | "https")) {
        sheet.note(text, &format!("{path}.scheme"), format!("expected `http` or `https`, found `{scheme}`"));
    }
    let metrics_path = raw.metrics_path.as_ref().map_or("/metrics", |path| path.value.as_str());
    if let Some(text) = raw.metrics_path.as_ref().filter(|_| !metrics_path.starts_with('/')) {
        sheet.note(text, &format!("{path}.metrics_path"), "a path begins with `/`");
    } else if let Some(text) = raw.metrics_path.as_ref().filter(|_| metrics_path.contains(['?', '#'])) {
        sheet.note(text, &format!("{path}.metrics_path"), "a path holds neither `?` nor `#`");
    }
    Job {
        name: name.to_owned(),
        scheme: scheme.to_owned(),
        metrics_path: metrics_path.to_owned(),
        interval,
        timeout: timeout.unwrap_or(global.scrape_timeout.min(interval)),
    }
}

fn static_targets(
    sheet: &mut Sheet,
    path: &str,
    job: &Job,
    raw: &RawStaticConfig,
    seen: &mut Seen,
    targets: &mut Vec<ScrapeTarget>,
) {
    let shared = labels(sheet, &format!("{path}.labels"), raw.labels.as_ref(), |name| {
        name.starts_with("__").then_some("labels that begin with `__` are not supported yet")
    });
    for (at, address) in raw.targets.iter().flatten().enumerate() {
        let path = format!("{path}.targets[{at}]");
        if !is_address(sheet, &path, address) {
            continue;
        }
        let url = format!("{}://{}{}", job.scheme, address.value, job.metrics_path);
        let id = TargetId::new(format!("{}/{url}", job.name));
        let labels = labels_of(&shared, &job.name, &address.value);
        let told = if !seen.ids.insert(id.clone()) {
            Some(format!("`{}` is listed twice in this job", address.value))
        } else {
            let other = seen.labels.insert(labels.clone(), id.clone());
            other.map(|other| format!("has the same labels as `{other}`: their series could not be told apart"))
        };
        if let Some(what) = told {
            sheet.note(address, &path, what);
        }
        targets.push(ScrapeTarget { id, url, labels, interval: job.interval, timeout: job.timeout });
    }
}

/// The static labels, and `job` and `instance` where those do not say otherwise.
fn labels_of(shared: &Labels, job: &str, address: &str) -> Labels {
    let mut builder = shared.edit();
    for (name, value) in [("job", job), ("instance", address)] {
        if shared.get(name).is_empty() {
            builder.set(name, value);
        }
    }
    builder.build()
}

/// Whether a text is a host with or without a port, and nothing else.
fn is_address(sheet: &mut Sheet, path: &str, address: &Text) -> bool {
    let text = address.value.as_str();
    let (what, hint) = if text.is_empty() {
        ("the address is empty".to_owned(), None)
    } else if let Some((scheme, _)) = text.split_once("://") {
        let hint = format!("write `host:port`, and set `scheme: {scheme}` for the job");
        (format!("`{text}` is a URL, not an address"), Some(hint))
    } else if text.contains("${") {
        ("`${NAME}` can be used in secrets only".to_owned(), None)
    } else if let Some((host, tail)) = text.split_once('/') {
        let hint = format!("write `{host}`, and set `metrics_path: /{tail}` for the job");
        (format!("`{text}` has a path"), Some(hint))
    } else {
        match Url::parse(&format!("http://{text}/")) {
            Ok(url)
                if url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !text.contains('@') =>
            {
                return true;
            }
            Ok(_) => (format!("`{text}` is not an address"), None),
            Err(error) => (format!("`{text}` is not an address: {error}"), None),
        }
    };
    sheet.note(address, path, what).hint = hint.or_else(|| Some("write `host:port`".to_owned()));
    false
}
