//! `alerting`: the Alertmanagers that alerts are forwarded to, in Prometheus's form.

use std::collections::BTreeSet;

use url::Url;

use crate::dispatch::ForwardTarget;
use crate::model::{ClientName, IntegrationId, IntegrationKind, Labels, ReceiverName, RelabelRule, Slot, relabel};
use crate::receiver::{Alertmanager, Endpoint};
use crate::transport::HttpOptions;

use super::http::{client, http_settings};
use super::place::{Sheet, Spanned};
use super::raw::{RawAlerting, RawAlertmanager, Text};
use super::receivers::TIMEOUT;
use super::relabel::rules;
use super::secret::SecretList;
use super::value::{labels, positive_duration};

/// The labels of a target that make up its URL, and the path of the API.
const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const PATH: &str = "__alerts_path__";
const API: &str = "/api/v2/alerts";

/// What `alerting` holds.
#[derive(Default)]
pub(super) struct Alerting {
    pub(super) relabel: Vec<RelabelRule>,
    pub(super) alertmanagers: Vec<ForwardTarget>,
}

/// Checks `alerting`.
pub(super) fn alerting(
    sheet: &mut Sheet,
    raw: &RawAlerting,
    secrets: &mut SecretList<'_>,
    clients: &mut Vec<(ClientName, HttpOptions)>,
) -> Alerting {
    sheet.refuse("alerting", raw.not_yet());
    let mut alerting = Alerting {
        relabel: rules(
            sheet,
            "alerting.alert_relabel_configs",
            raw.alert_relabel_configs.as_deref().unwrap_or_default(),
        ),
        alertmanagers: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for (at, raw) in raw.alertmanagers.iter().flatten().enumerate() {
        let path = format!("alerting.alertmanagers[{at}]");
        let (finders, others): (Vec<_>, Vec<_>) =
            raw.value.not_yet().into_iter().partition(|(name, _)| name.ends_with("_sd_configs"));
        sheet.refuse(&path, others);
        for (name, spot) in finders {
            sheet.note_name(spot, &path, format!("`{name}` is not supported yet for Alertmanagers")).hint =
                Some("write their addresses in `static_configs`; a name of the DNS can be one".to_owned());
        }
        // One without targets, as in the file that Prometheus comes with, is nobody.
        entry(sheet, &path, raw, secrets, clients, &mut seen, &mut alerting.alertmanagers);
    }
    alerting
}

fn entry(
    sheet: &mut Sheet,
    path: &str,
    raw: &Spanned<RawAlertmanager>,
    secrets: &mut SecretList<'_>,
    clients: &mut Vec<(ClientName, HttpOptions)>,
    seen: &mut BTreeSet<String>,
    found: &mut Vec<ForwardTarget>,
) {
    let RawAlertmanager { scheme, path_prefix, api_version, .. } = &raw.value;
    let scheme_text = scheme.as_ref().map_or("http", |scheme| scheme.value.as_str());
    if let Some(text) = scheme.as_ref().filter(|_| !matches!(scheme_text, "http" | "https")) {
        let what = format!("expected `http` or `https`, found `{scheme_text}`");
        sheet.note(text, &format!("{path}.scheme"), what);
    }
    if let Some(text) = api_version.as_ref().filter(|version| version.value != "v2") {
        let what = format!("expected `v2`, found `{}`", text.value);
        sheet.note(text, &format!("{path}.api_version"), what).hint =
            Some("Alertmanager has only `v2` since 0.27; leave the setting out".to_owned());
    }
    let timeout = positive_duration(sheet, &format!("{path}.timeout"), raw.value.timeout.as_ref()).unwrap_or(TIMEOUT);
    let relabel_path = format!("{path}.relabel_configs");
    let of_targets = rules(sheet, &relabel_path, raw.value.relabel_configs.as_deref().unwrap_or_default());
    let of_alerts = raw.value.alert_relabel_configs.as_deref().unwrap_or_default();
    let of_alerts = rules(sheet, &format!("{path}.alert_relabel_configs"), of_alerts);
    let client = client(sheet, path, &http_settings!(raw.value), secrets, clients);
    let prefix = path_prefix.as_ref().map_or("", |prefix| prefix.value.trim_matches('/'));
    let alerts_path = if prefix.is_empty() { API.to_owned() } else { format!("/{prefix}{API}") };
    for (at, group) in raw.value.static_configs.iter().flatten().enumerate() {
        let path = format!("{path}.static_configs[{at}]");
        let shared = labels(sheet, &format!("{path}.labels"), group.value.labels.as_ref(), |_| None);
        for (at, address) in group.value.targets.iter().flatten().enumerate() {
            let path = format!("{path}.targets[{at}]");
            let mut builder = shared.edit();
            builder.set(ADDRESS, address.value.as_str()).set(SCHEME, scheme_text).set(PATH, alerts_path.as_str());
            let Some(kept) = relabel(&builder.build(), &of_targets) else { continue };
            let Some(url) = url_of(sheet, &path, address, &kept) else { continue };
            if seen.insert(url.to_string()) {
                let alertmanager =
                    Alertmanager { url: Endpoint::Plain(url.to_string()), timeout, client: client.clone() };
                let id = id_of(&url, found);
                found.push(ForwardTarget { id, alertmanager, relabel: of_alerts.clone() });
            }
        }
    }
}

fn url_of(sheet: &mut Sheet, path: &str, written: &Text, kept: &Labels) -> Option<Url> {
    let address = kept.get(ADDRESS);
    let text = format!("{}://{address}{}", kept.get(SCHEME), kept.get(PATH));
    let url = Url::parse(&text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    let is_plain = !address.is_empty() && !address.contains(['/', '@', '?', '#']) && !address.contains("${");
    match url.filter(|_| is_plain) {
        Some(url) => Some(url),
        None => {
            sheet.note(written, path, format!("`{address}` is not the address of an Alertmanager")).hint =
                Some("write `host:port`; the scheme and a prefix of the path have settings of their own".to_owned());
            None
        }
    }
}

/// An Alertmanager by its address, which stays when others come and go.
fn id_of(url: &Url, found: &[ForwardTarget]) -> IntegrationId {
    let host = url.host_str().unwrap_or_default();
    let address = url.port_or_known_default().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let id = |text: String| {
        IntegrationId::new(ReceiverName::new("alerting"), IntegrationKind::Alertmanager, Slot::Named(text.into()))
    };
    let first = id(address.clone());
    if found.iter().any(|other| other.id == first) { id(format!("{address}{}", url.path())) } else { first }
}
