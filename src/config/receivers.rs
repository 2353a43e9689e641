//! Receivers and their integrations.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::model::{ClientName, Compat, IntegrationId, IntegrationKind, ReceiverName, SecretName, Slot};
use crate::receiver::{Endpoint, Receiver, Rollback, Webhook};
use crate::rollout::RollbackSpec;
use crate::transport::{HttpOptions, SecretSource};

use super::global::Global;
use super::http::client;
use super::place::{Sheet, Spanned, Spot};
use super::raw::{RawGlobal, RawHttpConfig, RawReceiver, RawWebhook, Text};
use super::rollback::rollback;
use super::secret::{SecretList, Setting, source};
use super::value::{has_login, is_hook_or_variable, positive_duration, secret_url};

/// How long an attempt may take, unless an integration says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// What `receivers` holds.
pub(super) struct Receivers {
    pub(super) names: BTreeSet<String>,
    pub(super) integrations: Vec<(IntegrationId, Receiver)>,
    pub(super) rollbacks: Vec<RollbackSpec>,
    pub(super) secrets: Vec<(SecretName, SecretSource)>,
    pub(super) clients: Vec<(ClientName, HttpOptions)>,
}

/// How a receiver is called in problems and in the names of its secrets.
pub(super) fn path(index: usize, raw: &RawReceiver) -> String {
    match raw.name.as_ref().filter(|name| !name.value.is_empty()) {
        Some(name) => format!("receivers[{}]", name.value),
        None => format!("receivers[{index}]"),
    }
}

/// Checks `receivers`.
pub(super) fn receivers(
    sheet: &mut Sheet,
    raw: &[Spanned<RawReceiver>],
    (global, raw_global): (&Global, &RawGlobal),
    compat: Compat,
    directory: &Path,
) -> Receivers {
    let mut names = BTreeSet::new();
    let mut builder = Builder {
        global,
        compat,
        global_hook: None,
        global_client: None,
        clients: Vec::new(),
        integrations: Vec::new(),
        rollbacks: Vec::new(),
        secrets: SecretList { directory, secrets: Vec::new() },
    };
    builder.global_hook(sheet, raw_global);
    builder.global_client = builder.client(sheet, "global", raw_global.http_config.as_ref());
    for (index, raw) in raw.iter().enumerate() {
        let path = path(index, &raw.value);
        let name = raw.value.name.as_ref().map_or("", |name| name.value.as_str());
        if name.is_empty() {
            sheet.note(raw, &path, "the receiver has no `name`");
        } else if !names.insert(name.to_owned()) {
            let spot = raw.value.name.as_ref().map_or(raw.defined, |name| name.defined);
            sheet.note(spot, &path, "a receiver of this name stands above");
        }
        sheet.refuse(&path, raw.value.not_yet());
        builder.add(sheet, &path, &ReceiverName::new(name), &raw.value);
    }
    Receivers {
        names,
        integrations: builder.integrations,
        rollbacks: builder.rollbacks,
        secrets: builder.secrets.secrets,
        clients: builder.clients,
    }
}

/// Checks integrations one by one, and gathers what they need.
pub(super) struct Builder<'a> {
    pub(super) global: &'a Global,
    pub(super) compat: Compat,
    /// The incoming webhook of Slack that is for all.
    pub(super) global_hook: Option<Endpoint>,
    /// The client that is for all.
    global_client: Option<ClientName>,
    clients: Vec<(ClientName, HttpOptions)>,
    integrations: Vec<(IntegrationId, Receiver)>,
    rollbacks: Vec<RollbackSpec>,
    pub(super) secrets: SecretList<'a>,
}

impl Builder<'_> {
    fn add(&mut self, sheet: &mut Sheet, path: &str, receiver: &ReceiverName, raw: &RawReceiver) {
        let id = |kind, slot| IntegrationId::new(receiver.clone(), kind, slot);
        let mut taken = BTreeSet::new();
        for (at, raw) in raw.slack_configs.iter().flatten().enumerate() {
            let path = format!("{path}.slack_configs[{at}]");
            let slot = slot(sheet, &path, at, raw.value.id.as_ref(), &mut taken);
            let slack = self.slack(sheet, &path, raw.into(), &raw.value);
            self.integrations.extend(slack.map(|it| (id(IntegrationKind::Slack, slot), it)));
        }
        let mut taken = BTreeSet::new();
        for (at, raw) in raw.pagerduty_configs.iter().flatten().enumerate() {
            let path = format!("{path}.pagerduty_configs[{at}]");
            let slot = slot(sheet, &path, at, raw.value.id.as_ref(), &mut taken);
            let pagerduty = self.pagerduty(sheet, &path, raw.into(), &raw.value);
            self.integrations
                .extend(pagerduty.map(|it| (id(IntegrationKind::PagerDuty, slot), Receiver::PagerDuty(it))));
        }
        let mut taken = BTreeSet::new();
        for (at, raw) in raw.webhook_configs.iter().flatten().enumerate() {
            let path = format!("{path}.webhook_configs[{at}]");
            sheet.refuse(&path, raw.value.not_yet());
            let slot = slot(sheet, &path, at, raw.value.id.as_ref(), &mut taken);
            let webhook = self.webhook(sheet, &path, raw.into(), &raw.value);
            self.integrations.extend(webhook.map(|it| (id(IntegrationKind::Webhook, slot), Receiver::Webhook(it))));
        }
        let mut taken = BTreeSet::new();
        for (at, raw) in raw.rollback_configs.iter().flatten().enumerate() {
            let path = format!("{path}.rollback_configs[{at}]");
            let id = id(IntegrationKind::Rollback, slot(sheet, &path, at, raw.value.id.as_ref(), &mut taken));
            let client = self.client(sheet, &path, raw.value.http_config.as_ref());
            let checked = rollback(sheet, &path, raw.into(), &raw.value, &id, &mut self.secrets);
            if let Some((receiver, spec)) = checked {
                self.integrations.push((id, Receiver::Rollback(Rollback { client, ..receiver })));
                self.rollbacks.push(spec);
            }
        }
    }

    fn webhook(&mut self, sheet: &mut Sheet, path: &str, owner: Spot, raw: &RawWebhook) -> Option<Webhook> {
        let (inline, file) = (raw.url.as_ref(), raw.url_file.as_ref());
        let url = endpoint(sheet, Setting { path, name: "url", inline, file, owner }, &mut self.secrets);
        let timeout = self.timeout(sheet, path, raw.timeout.as_ref());
        let client = self.client(sheet, path, raw.http_config.as_ref());
        Some(Webhook {
            url: url?,
            send_resolved: raw.send_resolved.unwrap_or(true),
            max_alerts: raw.max_alerts.as_ref().map_or(0, |max| max.value as usize),
            timeout,
            client,
        })
    }

    /// How long an attempt may take.
    pub(super) fn timeout(&self, sheet: &mut Sheet, path: &str, text: Option<&Text>) -> Duration {
        positive_duration(sheet, &format!("{path}.timeout"), text).unwrap_or(TIMEOUT)
    }

    /// The client of an integration: its own, or the one that is for all.
    pub(super) fn client(&mut self, sheet: &mut Sheet, path: &str, raw: Option<&RawHttpConfig>) -> Option<ClientName> {
        match raw {
            Some(raw) => client(sheet, &format!("{path}.http_config"), raw, &mut self.secrets, &mut self.clients),
            None => self.global_client.clone(),
        }
    }

    /// The incoming webhook of Slack that is for all, if there is one.
    fn global_hook(&mut self, sheet: &mut Sheet, raw: &RawGlobal) {
        let inline = raw.slack_api_url.as_ref().filter(|text| is_hook_or_variable(&text.value));
        if inline.is_none() && raw.slack_api_url_file.is_none() {
            return;
        }
        let (name, file) = ("slack_api_url", raw.slack_api_url_file.as_ref());
        let setting = Setting { path: "global", name, inline, file, owner: Spot::default() };
        let Some(source) = source(sheet, setting, self.secrets.directory) else { return };
        if let (SecretSource::Inline(_), Some(text)) = (&source, inline)
            && secret_url(sheet, "global.slack_api_url", text).is_none()
        {
            return;
        }
        self.global_hook = Some(Endpoint::Secret(self.secrets.keep(setting, source)));
    }
}

/// The place of an entry among others, or its name.
fn slot(sheet: &mut Sheet, path: &str, index: usize, id: Option<&Text>, taken: &mut BTreeSet<String>) -> Slot {
    let Some(id) = id else { return u32::try_from(index).unwrap_or(u32::MAX).into() };
    let path = format!("{path}.id");
    let text = id.value.as_str();
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !is_word || text.is_empty() || text.bytes().all(|byte| byte.is_ascii_digit()) {
        sheet.note(id, &path, format!("`{text}` is not a name: letters, digits, `-` and `_`, not digits alone"));
    } else if !taken.insert(text.to_owned()) {
        sheet.note(id, &path, format!("`{text}` names another entry already"));
    }
    Slot::Named(text.into())
}

/// Where a webhook goes: a URL in the file is plain unless it holds a password, any other is a secret.
pub(super) fn endpoint(sheet: &mut Sheet, setting: Setting<'_>, secrets: &mut SecretList<'_>) -> Option<Endpoint> {
    let source = source(sheet, setting, secrets.directory)?;
    if let (SecretSource::Inline(_), Some(text)) = (&source, setting.inline) {
        let url = secret_url(sheet, &setting.full_path(), text)?;
        let has_password = Url::parse(&url).is_ok_and(|url| has_login(&url));
        if !has_password {
            return Some(Endpoint::Plain(url));
        }
    }
    Some(Endpoint::Secret(secrets.keep(setting, source)))
}
