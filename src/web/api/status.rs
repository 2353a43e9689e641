//! `/status/…` and `/alertmanagers`: what the service says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use crate::web::Web;

use super::envelope::Answer;
use super::number::moment;

/// The version of Prometheus whose API and PromQL are spoken here.
const PROMETHEUS_VERSION: &str = "3.14.0";

/// The configuration.
#[derive(Serialize)]
pub(super) struct Config {
    yaml: String,
}

/// How it runs.
#[derive(Serialize)]
pub(super) struct RuntimeInfo {
    #[serde(rename = "startTime")]
    start_time: String,
    #[serde(rename = "CWD")]
    cwd: String,
    #[serde(rename = "serverTime")]
    server_time: String,
    #[serde(rename = "reloadConfigSuccess")]
    reload_config_success: bool,
    #[serde(rename = "lastConfigTime")]
    last_config_time: String,
    #[serde(rename = "corruptionCount")]
    corruption_count: u32,
    #[serde(rename = "storageRetention")]
    storage_retention: &'static str,
    /// Ours: what is wrong with the configuration that was tried last and is not in use.
    #[serde(rename = "reloadProblems", skip_serializing_if = "Option::is_none")]
    reload_problems: Option<String>,
    /// Ours: when that was.
    #[serde(rename = "lastReloadFailure", skip_serializing_if = "Option::is_none")]
    last_reload_failure: Option<String>,
    /// Ours: whether everything known is on disk.
    durable: bool,
}

/// What was built.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    /// Ours: what answers.
    application: &'static str,
    /// Ours: which version of it.
    application_version: &'static str,
}

/// Where alerts are forwarded to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alertmanagers {
    active_alertmanagers: Vec<Alertmanager>,
    dropped_alertmanagers: Vec<Alertmanager>,
}

#[derive(Serialize)]
struct Alertmanager {
    url: String,
}

/// The main file in use, without secrets.
pub(super) async fn config(State(web): State<Arc<Web>>) -> Answer<Config> {
    Answer::new(Config { yaml: web.status.loaded().shown })
}

/// The options of the command line.
pub(super) async fn flags(State(web): State<Arc<Web>>) -> Answer<BTreeMap<String, String>> {
    Answer::new(web.status.flags.iter().cloned().collect())
}

/// How it runs.
pub(super) async fn runtime_info(State(web): State<Arc<Web>>) -> Answer<RuntimeInfo> {
    let loaded = web.status.loaded();
    let cwd = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
    Answer::new(RuntimeInfo {
        start_time: web.status.started_at.to_string(),
        cwd,
        server_time: web.clock.now().to_string(),
        reload_config_success: loaded.refused.is_none(),
        last_config_time: moment(Some(loaded.at)),
        // A damaged file is an error at the start.
        corruption_count: 0,
        storage_retention: "as far as the rules look back",
        last_reload_failure: loaded.refused.as_ref().map(|refused| refused.at.to_string()),
        reload_problems: loaded.refused.map(|refused| refused.problems),
        durable: web.status.is_durable(),
    })
}

/// What was built. What is not known is empty. The version is Prometheus's, whose API this is: by it Grafana decides what it
/// can ask.
pub(super) async fn build_info() -> Answer<BuildInfo> {
    Answer::new(BuildInfo {
        version: PROMETHEUS_VERSION,
        revision: "",
        branch: "",
        build_user: "",
        build_date: "",
        go_version: "",
        application: "Atalaya",
        application_version: env!("CARGO_PKG_VERSION"),
    })
}

/// The Alertmanagers that alerts are forwarded to.
pub(super) async fn alertmanagers(State(web): State<Arc<Web>>) -> Answer<Alertmanagers> {
    let active = web.status.loaded().alertmanagers.into_iter().map(|url| Alertmanager { url }).collect();
    Answer::new(Alertmanagers { active_alertmanagers: active, dropped_alertmanagers: Vec::new() })
}
