//! Receivers and their integrations.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::model::{IntegrationId, IntegrationKind, ReceiverName, SecretName};
use crate::receiver::{Endpoint, PagerDuty, Receiver, Slack, Webhook};
use crate::rollout::RollbackSpec;
use crate::transport::SecretSource;

use super::global::{Global, slack_api_url};
use super::place::{Sheet, Spanned, Spot};
use super::raw::{RawPagerDuty, RawReceiver, RawSlack, RawWebhook};
use super::rollback::rollback;
use super::secret::{SecretList, Setting, source};
use super::value::{http_url, positive_duration, secret_url};

/// How long an attempt may take, unless an integration says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// What `receivers` holds.
pub(super) struct Receivers {
    pub(super) names: BTreeSet<String>,
    pub(super) integrations: Vec<(IntegrationId, Receiver)>,
    pub(super) rollbacks: Vec<RollbackSpec>,
    pub(super) secrets: Vec<(SecretName, SecretSource)>,
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
    global: &Global,
    directory: &Path,
) -> Receivers {
    let mut names = BTreeSet::new();
    let mut builder = Builder {
        global,
        integrations: Vec::new(),
        rollbacks: Vec::new(),
        secrets: SecretList { directory, secrets: Vec::new() },
    };
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
    }
}

struct Builder<'a> {
    global: &'a Global,
    integrations: Vec<(IntegrationId, Receiver)>,
    rollbacks: Vec<RollbackSpec>,
    secrets: SecretList<'a>,
}

impl Builder<'_> {
    fn add(&mut self, sheet: &mut Sheet, path: &str, receiver: &ReceiverName, raw: &RawReceiver) {
        let id = |kind, index: usize| IntegrationId {
            receiver: receiver.clone(),
            kind,
            slot: u32::try_from(index).unwrap_or(u32::MAX).into(),
        };
        for (at, raw) in raw.slack_configs.iter().flatten().enumerate() {
            let path = format!("{path}.slack_configs[{at}]");
            sheet.refuse(&path, raw.value.not_yet());
            let slack = self.slack(sheet, &path, raw.into(), &raw.value);
            self.integrations.extend(slack.map(|it| (id(IntegrationKind::Slack, at), Receiver::Slack(it))));
        }
        for (at, raw) in raw.pagerduty_configs.iter().flatten().enumerate() {
            let path = format!("{path}.pagerduty_configs[{at}]");
            sheet.refuse(&path, raw.value.not_yet());
            let pagerduty = self.pagerduty(sheet, &path, raw.into(), &raw.value);
            self.integrations.extend(pagerduty.map(|it| (id(IntegrationKind::PagerDuty, at), Receiver::PagerDuty(it))));
        }
        for (at, raw) in raw.webhook_configs.iter().flatten().enumerate() {
            let path = format!("{path}.webhook_configs[{at}]");
            sheet.refuse(&path, raw.value.not_yet());
            let webhook = self.webhook(sheet, &path, raw.into(), &raw.value);
            self.integrations.extend(webhook.map(|it| (id(IntegrationKind::Webhook, at), Receiver::Webhook(it))));
        }
        for (at, raw) in raw.rollback_configs.iter().flatten().enumerate() {
            let path = format!("{path}.rollback_configs[{at}]");
            sheet.refuse(&path, raw.value.not_yet());
            let id = id(IntegrationKind::Rollback, at);
            let checked = rollback(sheet, &path, raw.into(), &raw.value, &id, &mut self.secrets);
            if let Some((receiver, spec)) = checked {
                self.integrations.push((id, Receiver::Rollback(receiver)));
                self.rollbacks.push(spec);
            }
        }
    }

    fn slack(&mut self, sheet: &mut Sheet, path: &str, owner: Spot, raw: &RawSlack) -> Option<Slack> {
        let (inline, file) = (raw.bot_token.as_ref(), raw.bot_token_file.as_ref());
        let token = self.secrets.add(sheet, Setting { path, name: "bot_token", inline, file, owner });
        let api_url = match &raw.api_url {
            Some(text) => slack_api_url(sheet, &format!("{path}.api_url"), text),
            None => Some(self.global.slack_api_url.clone()),
        };
        let channel = raw.channel.as_ref().filter(|channel| !channel.value.is_empty());
        if let Some(text) = channel.filter(|channel| channel.value.contains("{{")) {
            sheet.note(text, &format!("{path}.channel"), "templates are not supported here yet");
        }
        if channel.is_none() {
            sheet.note(owner, path, "there is no `channel`").hint = Some(
                "a channel's id or name; a name is quoted, since `#` begins a comment: `channel: '#alerts'`".to_owned(),
            );
        }
        let timeout = positive_duration(sheet, &format!("{path}.timeout"), raw.timeout.as_ref()).unwrap_or(TIMEOUT);
        Some(Slack {
            api_url: api_url?,
            token: token?,
            channel: crate::receiver::Text::constant(channel?.value.as_str()),
            updates: true,
            texts: crate::receiver::SlackTexts::default(),
            send_resolved: raw.send_resolved.unwrap_or(true),
            timeout,
            client: None,
        })
    }

    fn pagerduty(&mut self, sheet: &mut Sheet, path: &str, owner: Spot, raw: &RawPagerDuty) -> Option<PagerDuty> {
        let (inline, file) = (raw.routing_key.as_ref(), raw.routing_key_file.as_ref());
        let routing_key = self.secrets.add(sheet, Setting { path, name: "routing_key", inline, file, owner });
        let url = match &raw.url {
            Some(text) => http_url(sheet, &format!("{path}.url"), text),
            None => Some(self.global.pagerduty_url.clone()),
        };
        let timeout = positive_duration(sheet, &format!("{path}.timeout"), raw.timeout.as_ref()).unwrap_or(TIMEOUT);
        Some(PagerDuty {
            url: url?,
            routing_key: routing_key?,
            texts: crate::receiver::PagerDutyTexts::default(),
            send_resolved: raw.send_resolved.unwrap_or(true),
            timeout,
            client: None,
        })
    }

    fn webhook(&mut self, sheet: &mut Sheet, path: &str, owner: Spot, raw: &RawWebhook) -> Option<Webhook> {
        let (inline, file) = (raw.url.as_ref(), raw.url_file.as_ref());
        let url = endpoint(sheet, Setting { path, name: "url", inline, file, owner }, &mut self.secrets);
        let timeout = positive_duration(sheet, &format!("{path}.timeout"), raw.timeout.as_ref()).unwrap_or(TIMEOUT);
        Some(Webhook {
            url: url?,
            send_resolved: raw.send_resolved.unwrap_or(true),
            max_alerts: raw.max_alerts.as_ref().map_or(0, |max| max.value as usize),
            timeout,
            client: None,
        })
    }
}

/// Where a webhook goes: a URL in the file is plain unless it holds a password, any other is a secret.
pub(super) fn endpoint(sheet: &mut Sheet, setting: Setting<'_>, secrets: &mut SecretList<'_>) -> Option<Endpoint> {
    let source = source(sheet, setting, secrets.directory)?;
    if let (SecretSource::Inline(_), Some(text)) = (&source, setting.inline) {
        let url = secret_url(sheet, &setting.full_path(), text)?;
        let has_password = Url::parse(&url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        if !has_password {
            return Some(Endpoint::Plain(url));
        }
    }
    Some(Endpoint::Secret(secrets.keep(setting, source)))
}
