//! Mistakes in our words: what is wrong, and what to do about it.

use super::hint::nearest;
use super::place::Spot;
use super::raw::{self, Known};
use super::tree::{Tree, Value};

/// What the YAML reader says of a text that is not YAML, with a hint.
pub(super) fn syntax(what: &str) -> (String, Option<String>) {
    let what = what.lines().next().unwrap_or_default();
    (format!("not valid YAML: {what}"), Some(syntax_hint(what).to_owned()))
}

/// What is wrong with a name that is not a setting here, a hint, and the setting that was probably meant.
pub(super) fn unknown_setting(name: &str, known: &Known) -> (String, Option<String>, Option<&'static str>) {
    let meant = |name: &str| nearest(name, known.settings.iter().chain(known.not_yet).chain(known.idle).copied());
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
    let elsewhere = ELSEWHERE.iter().find(|(names, _)| names.contains(&name)).map(|(_, hint)| *hint);
    let meant = meant(name).filter(|_| elsewhere.is_none());
    let hint = match (meant, raw::KNOWN.iter().find(|known| known.settings.contains(&name))) {
        _ if elsewhere.is_some() => elsewhere.unwrap_or_default().to_owned(),
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some(home)) => format!("`{name}` belongs {}", home.place),
        (None, None) => {
            let names: Vec<String> = known.settings.iter().map(|name| format!("`{name}`")).collect();
            format!("settings here: {}", names.join(", "))
        }
    };
    (format!("there is no setting `{name}` here"), Some(hint), meant)
}

/// Where it shows that a text is something else than we read, what it is, and what to do.
pub(super) fn foreign(tree: &Tree) -> Option<(Spot, String, String)> {
    let Value::Mapping(entries) = &tree.root.as_ref()?.node.value else { return None };
    let find = |name: &str| entries.iter().find(|entry| entry.name.value == name);
    if let (Some(version), Some(kind)) = (find("apiVersion"), find("kind")) {
        let Value::Scalar { text: kind, .. } = &kind.value.node.value else { return None };
        let what = "this is an object of Kubernetes, neither a configuration nor a rule file".to_owned();
        let hint = match kind.as_str() {
            "PrometheusRule" => "put what stands under its `spec` into a file of its own",
            "ConfigMap" | "Secret" => "put each file that it holds into a file of its own",
            _ => "check the files that are made of it",
        };
        return Some((version.name.defined, what, hint.to_owned()));
    }
    let tests = find("tests")?;
    let is_ours = ["scrape_configs", "global", "route", "groups"].into_iter().any(|name| find(name).is_some());
    let what = "this is a file of tests, neither a configuration nor a rule file".to_owned();
    (!is_ours).then(|| (tests.name.defined, what, "check the rule files that it tests".to_owned()))
}

/// Settings that others have, or had, under other names, with what to do; the first row that has a name holds.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &["scrape_classic_histograms"],
        "classic histograms are always read: remove it; Prometheus 3 calls it `always_scrape_classic_histograms`",
    ),
    (&["target_groups"], "Prometheus calls it `static_configs` since 1.0"),
    (&["evaluation_delay"], "it is `query_offset` now"),
    (
        &["source_tenants", "align_evaluation_time_on_interval", "namespace", "ownership"],
        "it is for a server of many tenants, or for whoever keeps the files: remove it",
    ),
    (
        &["concurrency", "eval_offset", "eval_delay", "eval_alignment", "notifier_headers", "update_entries_limit"],
        "it is for another evaluator of rules: remove it",
    ),
    (&["hipchat_configs", "hipchat_api_url", "hipchat_auth_token", "hipchat_url"], "HipChat is no more: remove it"),
];

const NAME_AND_VALUE: &str = "write `name: value`";

/// Whether a name of a setting, right or wrong, may hold this; what else is there may be a value, and a secret.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn syntax_hint(what: &str) -> &'static str {
    match what {
        _ if what.contains("mapping values are not allowed") => {
            "quote a value that holds `: `, and indent settings of one level alike"
        }
        _ if what.starts_with("unexpected character") => "quote a value that begins with this character",
        _ if what.contains("unclosed quote") => "the quote that begins here is not closed",
        _ if what.starts_with("simple key expected") => "write `name: value`",
        _ if what.starts_with("tabs disallowed") => "indent with spaces, not tabs",
        _ if what.contains("expected key") || what.contains("'-' indicator") => {
            "indent settings of one level alike, and entries of one list alike"
        }
        _ if what.contains("expected ',' or") => {
            "put `,` between what stands in brackets, close them, and quote a value that holds one"
        }
        _ if what.contains("only valid inside a block") => "an entry of a list begins on a line of its own",
        _ if what.contains("trailing content") => "quote the whole value, and write a quote in it twice",
        _ => "look for a quote, a bracket or an indentation that is wrong here or in the line above",
    }
}

/// What to do about a line that is for another tool to fill in, if it is one: templates of ERB, Jinja, Helm and the like.
pub(super) fn fill_in_hint(line: &str) -> Option<String> {
    let is_foreign = ["<%", "{%", ".Values.", ".Release."].iter().any(|mark| line.contains(mark));
    is_foreign.then(|| "this seems to be for another tool to fill in: check the file that comes of it".to_owned())
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
    (&["tracing", "event_recorder"], "it says nothing about what is watched: remove it"),
    (&["query_log_file", "scrape_failure_log_file"], "there is one log, on standard error: remove this"),
    (
        &[
            "scrape_native_histograms",
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
    (
        &["inhibit_rules", "time_intervals", "mute_time_intervals", "active_time_intervals"],
        "an Alertmanager does this: name it in `alerting`, and alerts are sent on to it",
    ),
    (
        &["slo_files", "rollout_files", "heartbeat", "schedules", "alert_resend_delay"],
        "it comes with a later version: remove it",
    ),
    (&["external_url"], "write `external_url` under `global`"),
    (&["tls_server_config", "basic_auth_users"], "put a proxy that does this before Atalaya, and remove it"),
    (&["payload"], "the body is Alertmanager's, of its version 4: remove it"),
    (&["name", "value"], "they are for an app that hears a button pressed: remove them, and give the button a `url`"),
    (&["sigv4", "azuread"], "let a proxy sign the calls, or use `basic_auth`, `authorization` or `oauth2`"),
    (
        &[
            "grant_type",
            "client_certificate_key",
            "client_certificate_key_file",
            "client_certificate_key_id",
            "signature_algorithm",
            "iss",
            "audience",
            "claims",
        ],
        "`oauth2` asks for a token with `client_id` and `client_secret`; with `authorization` a token is read from a file",
    ),
    (&["slack_app_url"], "write `app_url` in `slack_configs`"),
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
    if setting.ends_with("_ref") {
        return Some("there is no manager of secrets here: name a file that holds the value".to_owned());
    }
    if setting.ends_with("_sd_configs") {
        return Some("let something write these targets into a file, and name it in `file_sd_configs`".to_owned());
    }
    let is_other = OTHER_RECEIVERS.iter().any(|kind| setting.starts_with(kind));
    is_other.then(|| "send these alerts through `webhook_configs`, or on to an Alertmanager with `alerting`".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The manual.
    const MANUAL: &str = include_str!("../../docs/configuration.md");

    #[test]
    fn every_setting_is_in_the_manual() {
        // What stands between backticks, word by word.
        let quoted = MANUAL.split('`').skip(1).step_by(2);
        let words: BTreeSet<&str> =
            quoted.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();
        let is_there = |name: &str| {
            // Of settings that may be a file, only the first is written out.
            let base = name.strip_suffix("_file").unwrap_or(name);
            // What is for receivers that are not there is named as a whole.
            words.contains(base) || OTHER_RECEIVERS.iter().any(|kind| name.starts_with(kind))
        };
        let all = raw::KNOWN.iter().flat_map(|known| known.settings.iter().chain(known.idle));
        let missing: BTreeSet<_> = all.filter(|name| !is_there(name)).collect();
        assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
    }

    #[test]
    fn whoever_is_refused_a_setting_is_told_what_to_do() {
        let all = raw::KNOWN.iter().flat_map(|known| known.not_yet);
        let silent: BTreeSet<_> = all.filter(|name| instead_of(name).is_none()).collect();
        assert!(silent.is_empty(), "{silent:?}");
    }
}
