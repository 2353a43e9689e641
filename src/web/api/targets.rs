//! `/targets`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::evaluator::TargetView;
use crate::model::format_duration;
use crate::web::{Web, WebRequest};

use super::ApiError;
use super::envelope::Answer;
use super::number::{Lasting, moment};
use super::parameters::Parameters;

/// The answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Targets {
    active_targets: Vec<Target>,
    dropped_targets: Vec<DroppedTarget>,
    dropped_target_counts: BTreeMap<String, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    discovered_labels: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    scrape_pool: String,
    scrape_url: String,
    global_url: String,
    last_error: String,
    last_scrape: String,
    last_scrape_duration: Lasting,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedTarget {
    discovered_labels: BTreeMap<String, String>,
    scrape_pool: String,
}

/// All targets, or those of a state or a job.
pub(super) async fn targets(State(web): State<Arc<Web>>, uri: Uri) -> Result<Answer<Targets>, ApiError> {
    let parameters = Parameters::of(&uri);
    let pool = parameters.get("scrapePool").map(str::to_owned);
    // Prometheus shows everything when it does not know the state.
    let has_active = parameters.get("state") != Some("dropped");
    let views = if has_active { web.ask(WebRequest::Targets).await? } else { Vec::new() };
    let active = views.iter().map(target).filter(|target| pool.as_ref().is_none_or(|pool| *pool == target.scrape_pool));
    Ok(Answer::new(Targets {
        active_targets: active.collect(),
        dropped_targets: Vec::new(),
        dropped_target_counts: BTreeMap::new(),
    }))
}

fn target(view: &TargetView) -> Target {
    let target = &view.target;
    let labels: BTreeMap<String, String> =
        target.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let error = view.last.as_ref().and_then(|(_, _, report)| report.error.clone());
    let (scheme, rest) = target.url.split_once("://").unwrap_or(("http", &target.url));
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut discovered = labels.clone();
    let origin = [
        ("__address__", address.to_owned()),
        ("__scheme__", scheme.to_owned()),
        ("__metrics_path__", format!("/{}", path.split('?').next().unwrap_or_default())),
        ("__scrape_interval__", format_duration(target.interval)),
        ("__scrape_timeout__", format_duration(target.timeout)),
    ];
    discovered.extend(origin.map(|(name, value)| (name.to_owned(), value)));
    discovered.remove("instance");
    Target {
        discovered_labels: discovered,
        scrape_pool: target.labels.get("job").to_owned(),
        scrape_url: target.url.clone(),
        global_url: target.url.clone(),
        health: match (&view.last, &error) {
            (None, _) => "unknown",
            (Some(_), Some(_)) => "down",
            (Some(_), None) => "up",
        },
        last_error: error.unwrap_or_default(),
        last_scrape: moment(view.last.as_ref().map(|(at, _, _)| *at)),
        last_scrape_duration: Lasting(view.last.as_ref().map(|(_, took, _)| *took).unwrap_or_default()),
        scrape_interval: format_duration(target.interval),
        scrape_timeout: format_duration(target.timeout),
        labels,
    }
}
