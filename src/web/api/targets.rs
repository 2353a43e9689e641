//! `/targets`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::model::{Labels, format_duration};
use crate::source::ActiveView;
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
    let has_dropped = parameters.get("state") != Some("active");
    let view = web.ask(WebRequest::Targets).await?;
    let is_asked = |name: &str| pool.as_ref().is_none_or(|pool| pool == name);
    let active = view.active.iter().filter(|target| has_active && is_asked(&target.pool));
    let dropped = view.dropped.iter().filter(|target| has_dropped && is_asked(&target.job));
    Ok(Answer::new(Targets {
        active_targets: active.map(target).collect(),
        dropped_targets: dropped
            .map(|it| DroppedTarget { discovered_labels: map(&it.discovered), scrape_pool: it.job.clone() })
            .collect(),
        dropped_target_counts: view.dropped_counts.into_iter().filter(|(name, _)| is_asked(name)).collect(),
    }))
}

fn target(view: &ActiveView) -> Target {
    Target {
        discovered_labels: map(&view.discovered),
        labels: map(&view.labels),
        scrape_pool: view.pool.clone(),
        scrape_url: view.url.clone(),
        global_url: view.global_url.clone(),
        last_error: view.error.clone(),
        last_scrape: moment(view.scraped_at),
        last_scrape_duration: Lasting(view.took),
        health: view.health.as_str(),
        scrape_interval: format_duration(view.interval),
        scrape_timeout: format_duration(view.timeout),
    }
}

fn map(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
