//! Mistakes in our words: what is wrong, and what to do about it.

use super::hint::nearest;
use super::raw::{self, Known};

/// What the YAML reader says of a text that is not YAML, with a hint.
pub(super) fn syntax(what: &str) -> (String, Option<String>) {
    let what = what.lines().next().unwrap_or_default();
    (format!("not valid YAML: {what}"), syntax_hint(what).map(str::to_owned))
}

/// What is wrong with a name that is not a setting here, a hint, and the setting that was probably meant.
pub(super) fn unknown_setting(name: &str, known: &Known) -> (String, Option<String>, Option<&'static str>) {
    let meant = |name: &str| nearest(name, known.settings.iter().chain(known.not_yet).copied());
    // What stands behind the colon may be a secret.
    if let Some((before, _)) = name.split_once(':') {
        let what = format!("there is no space behind `{before}:`");
        return (what, Some(NAME_AND_VALUE.to_owned()), meant(before));
    }
    if !name.chars().all(is_name_char) {
        let start: String = name.chars().take_while(|c| is_name_char(*c)).collect();
        let what = format!("`{start}…` is not the name of a setting");
        return (what, Some(NAME_AND_VALUE.to_owned()), meant(&start));
    }
    let meant = meant(name);
    let hint = match (meant, raw::KNOWN.iter().find(|known| known.settings.contains(&name))) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some(home)) => format!("`{name}` belongs {}", home.place),
        (None, None) => {
            let names: Vec<String> = known.settings.iter().map(|name| format!("`{name}`")).collect();
            format!("settings here: {}", names.join(", "))
        }
    };
    (format!("there is no setting `{name}` here"), Some(hint), meant)
}

const NAME_AND_VALUE: &str = "write `name: value`";

/// Whether a name of a setting, right or wrong, may hold this; what else is there may be a value, and a secret.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn syntax_hint(what: &str) -> Option<&'static str> {
    Some(match what {
        _ if what.contains("mapping values are not allowed") => {
            "quote a value that holds `: `, and indent settings of one level alike"
        }
        _ if what.starts_with("unexpected character") => "quote a value that begins with this character",
        _ if what.contains("unclosed quote") => "the quote that begins here is not closed",
        _ if what.starts_with("simple key expected") => "write `name: value`",
        _ if what.starts_with("tabs disallowed") => "indent with spaces, not tabs",
        _ => return None,
    })
}

/// What to do about settings that are not supported, where there is something to do; the first row that has a name holds.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["remote_write"],
        "Atalaya ships no samples: leave this setting to the Prometheus or the agent that does, and scrape what rules need",
    ),
    (&["remote_read"], "let rules ask that store themselves, if it answers as Prometheus does: name it in `source`"),
    (
        &["otlp"],
        "Atalaya takes no samples that are sent to it: let a collector offer them at a `/metrics` page, and scrape that",
    ),
    (
        &["storage"],
        "samples are kept in memory, for as long as rules look back; `store` says what else is kept. Remove this",
    ),
    (&["tracing", "runtime", "event_recorder"], "it says nothing about what is watched: remove it"),
    (&["query_log_file", "scrape_failure_log_file"], "there is one log, on standard error: remove this"),
    (&["scrape_config_files"], "move the jobs of these files into `scrape_configs`"),
    (
        &[
            "scrape_native_histograms",
            "always_scrape_classic_histograms",
            "convert_classic_histograms_to_nhcb",
            "native_histogram_bucket_limit",
            "native_histogram_min_bucket_factor",
        ],
        "native histograms are not read; remove it, and classic ones are",
    ),
    (&["scrape_protocols", "fallback_scrape_protocol"], "the text format and OpenMetrics are told apart: remove it"),
    (
        &["metric_name_validation_scheme", "metric_name_escaping_scheme"],
        "every UTF-8 name is taken, as Prometheus does unless told: remove it",
    ),
    (&["partial_response_strategy"], "it is Thanos's, and every answer is whole here: remove it"),
    (
        &["service_key", "service_key_file"],
        "use `routing_key`, of an integration of the kind Events API v2; it can be in the same service",
    ),
    (&["app_token", "slack_app_token"], "use `bot_token` in `slack_configs`"),
    (&["app_token_file", "slack_app_token_file"], "use `bot_token_file` in `slack_configs`"),
];

/// Receivers of other kinds, by how their settings begin.
const OTHER_RECEIVERS: [&str; 15] = [
    "email_",
    "smtp_",
    "opsgenie_",
    "wechat_",
    "pushover_",
    "victorops_",
    "sns_",
    "telegram_",
    "discord_",
    "webex_",
    "msteams",
    "jira_",
    "rocketchat_",
    "mattermost_",
    "incidentio_",
];

/// What to use instead of a setting that is not supported, where there is something.
pub(super) fn instead_of(setting: &str) -> Option<String> {
    if let Some((_, hint)) = INSTEAD.iter().find(|(names, _)| names.contains(&setting)) {
        return Some((*hint).to_owned());
    }
    if setting.ends_with("_sd_configs") {
        return Some("let something write these targets into a file, and name it in `file_sd_configs`".to_owned());
    }
    let is_other = OTHER_RECEIVERS.iter().any(|kind| setting.starts_with(kind));
    is_other.then(|| "send these alerts through `webhook_configs`, or on to an Alertmanager with `alerting`".to_owned())
}
