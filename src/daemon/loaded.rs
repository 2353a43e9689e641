//! What a configuration that is now in use says of itself: to whoever asks, in the metrics, and in the log.

use crate::config::Config;
use crate::model::Timestamp;
use crate::receiver::Endpoint;
use crate::telemetry::Telemetry;
use crate::web::Loaded;

/// What a configuration says of itself to whoever asks.
pub(super) fn loaded(config: &Config, shown: String, at: Timestamp) -> Loaded {
    let sources = config.apis.iter().map(|api| (api.name.to_string(), api.url.origin().ascii_serialization()));
    let alertmanagers = config.engine_spec().alertmanagers.alertmanagers;
    let alertmanagers = alertmanagers.into_iter().filter_map(|it| match it.alertmanager.url {
        Endpoint::Plain(url) => Some(url),
        Endpoint::Secret(_) => None,
    });
    Loaded {
        shown,
        at,
        alertmanagers: alertmanagers.collect(),
        sources: sources.collect(),
        external_labels: config.external_labels.clone(),
        refused: None,
    }
}

/// Counts what a configuration holds that is now in use.
pub(super) fn count(config: &Config, loaded: &Loaded, telemetry: &Telemetry) {
    let rules = config.groups.iter().map(|group| group.rules.len()).sum::<usize>();
    telemetry.service.rules.set(i64::try_from(rules).unwrap_or(i64::MAX));
    telemetry.service.reloaded_at.set(loaded.at.seconds());
}

/// Logs what is sound and probably not meant.
pub fn warn_of(config: &Config) {
    for finding in &config.lints {
        let (lint, place) = (finding.lint, finding.problem.place.to_string());
        tracing::warn!(lint, place, path = finding.problem.path, "{}", finding.problem.what);
    }
}
