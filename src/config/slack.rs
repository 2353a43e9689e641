//! `slack_configs`: a bot's channel, or an incoming webhook.

use crate::receiver::{Endpoint, Receiver, Slack, SlackAction, SlackConfirm, SlackField, SlackHook, SlackTexts};
use crate::transport::SecretSource;

use super::global::SLACK_API_URL;
use super::place::{Sheet, Spot};
use super::raw::{RawSlack, RawSlackAction, Text};
use super::receivers::Builder;
use super::secret::{Setting, source};
use super::templates::{needed, text};
use super::value::{is_hook, secret_url};

impl Builder<'_> {
    /// Checks an entry of `slack_configs`.
    pub(super) fn slack(&mut self, sheet: &mut Sheet, path: &str, owner: Spot, raw: &RawSlack) -> Option<Receiver> {
        let has_bot = raw.bot_token.is_some() || raw.bot_token_file.is_some();
        let has_app = raw.app_token.is_some() || raw.app_token_file.is_some();
        let has_hook = raw.api_url_file.is_some()
            || raw.api_url.as_ref().is_some_and(|url| !has_bot && !has_app && (is_hook(&url.value)));
        let is_global_hook = raw.api_url.is_none() && self.global_hook.is_some();
        let texts = self.slack_texts(sheet, path, raw);
        if has_bot && has_app {
            let spot = raw.app_token.as_ref().or(raw.app_token_file.as_ref()).map_or(owner, Spot::from);
            sheet.note_unseen(spot, path, "`bot_token` and `app_token` mean the same").hint =
                Some("keep one of the two".to_owned());
        }
        if has_bot || has_app {
            if let Some(file) = &raw.api_url_file {
                let what = "an incoming webhook needs no token, and a bot no webhook";
                sheet.note(file, path, what).hint = Some("keep the token: its messages can be updated".to_owned());
            }
            return self.bot(sheet, path, owner, raw, texts);
        }
        if has_hook {
            let setting =
                Setting { path, name: "api_url", inline: raw.api_url.as_ref(), file: raw.api_url_file.as_ref(), owner };
            let source = source(sheet, setting, self.secrets.directory);
            let source = source.filter(|source| match (source, &raw.api_url) {
                (SecretSource::Inline(_), Some(text)) => secret_url(sheet, &setting.full_path(), text).is_some(),
                _ => true,
            });
            let url = Endpoint::Secret(self.secrets.keep(setting, source?));
            return self.hook(sheet, path, raw, texts, url);
        }
        if is_global_hook && let Some(url) = self.global_hook.clone() {
            return self.hook(sheet, path, raw, texts, url);
        }
        self.bot(sheet, path, owner, raw, texts)
    }

    fn hook(
        &mut self,
        sheet: &mut Sheet,
        path: &str,
        raw: &RawSlack,
        texts: SlackTexts,
        url: Endpoint,
    ) -> Option<Receiver> {
        if let Some(set) = raw.update_message.as_ref().filter(|set| set.value) {
            let what = "what an incoming webhook has posted cannot be updated";
            sheet.note(set, &format!("{path}.update_message"), what).hint =
                Some("a bot can: set `bot_token` and `channel`".to_owned());
        }
        Some(Receiver::SlackHook(SlackHook {
            url,
            channel: text(sheet, &format!("{path}.channel"), raw.channel.as_ref()),
            send_resolved: self.send_resolved_of_slack(raw),
            texts,
            timeout: self.timeout(sheet, path, raw.timeout.as_ref()),
            client: self.client(sheet, path, raw.http_config.as_ref()),
        }))
    }

    fn bot(
        &mut self,
        sheet: &mut Sheet,
        path: &str,
        owner: Spot,
        raw: &RawSlack,
        texts: SlackTexts,
    ) -> Option<Receiver> {
        let (name, inline, file) = if raw.app_token.is_some() || raw.app_token_file.is_some() {
            ("app_token", raw.app_token.as_ref(), raw.app_token_file.as_ref())
        } else {
            ("bot_token", raw.bot_token.as_ref(), raw.bot_token_file.as_ref())
        };
        let token = self.secrets.add(sheet, Setting { path, name, inline, file, owner });
        let api_url = self.api_url(sheet, path, raw);
        let channel = raw.channel.as_ref().filter(|channel| !channel.value.is_empty());
        if channel.is_none() {
            sheet.note(owner, path, "there is no `channel`").hint = Some(
                "a channel's id or name; a name is quoted, since `#` begins a comment: `channel: '#alerts'`".to_owned(),
            );
        }
        let channel = text(sheet, &format!("{path}.channel"), channel);
        let timeout = self.timeout(sheet, path, raw.timeout.as_ref());
        let client = self.client(sheet, path, raw.http_config.as_ref());
        Some(Receiver::Slack(Slack {
            api_url: api_url?,
            token: token?,
            channel: channel?,
            updates: raw.update_message.as_ref().is_none_or(|set| set.value),
            texts,
            send_resolved: self.send_resolved_of_slack(raw),
            timeout,
            client,
        }))
    }

    /// The base of the Web API. Alertmanager names the method `chat.postMessage` with it, in `app_url`.
    fn api_url(&self, sheet: &mut Sheet, path: &str, raw: &RawSlack) -> Option<String> {
        let (name, set) = match (&raw.api_url, &raw.app_url) {
            (Some(url), _) => ("api_url", url),
            (None, Some(url)) => ("app_url", url),
            (None, None) => return Some(self.global.slack_api_url.clone()),
        };
        let path = format!("{path}.{name}");
        let url = secret_url(sheet, &path, set)?;
        if url.contains("/services/") || url.contains("/workflows/") {
            let what = "an incoming webhook needs no token, and a bot no webhook";
            sheet.note_unseen(set, &path, what).hint = Some(format!(
                "keep the token, whose messages can be updated; this URL is then the base of the Web API, \
                 `{SLACK_API_URL}` unless you say otherwise"
            ));
            return None;
        }
        let base = url.trim_end_matches('/');
        Some(base.strip_suffix("/chat.postMessage").unwrap_or(base).to_owned())
    }

    fn send_resolved_of_slack(&self, raw: &RawSlack) -> bool {
        raw.send_resolved.unwrap_or(!self.compat.is_strict())
    }

    fn slack_texts(&mut self, sheet: &mut Sheet, path: &str, raw: &RawSlack) -> SlackTexts {
        let mut said = |name: &str, raw: &Option<Text>| text(sheet, &format!("{path}.{name}"), raw.as_ref());
        let mut texts = SlackTexts {
            title: said("title", &raw.title),
            title_link: said("title_link", &raw.title_link),
            pretext: said("pretext", &raw.pretext),
            text: said("text", &raw.text),
            footer: said("footer", &raw.footer),
            fallback: said("message_text", &raw.message_text).or_else(|| said("fallback", &raw.fallback)),
            color: said("color", &raw.color),
            image_url: said("image_url", &raw.image_url),
            thumb_url: said("thumb_url", &raw.thumb_url),
            username: said("username", &raw.username),
            icon_emoji: said("icon_emoji", &raw.icon_emoji),
            icon_url: said("icon_url", &raw.icon_url),
            link_names: raw.link_names.unwrap_or(false),
            fields: Vec::new(),
            actions: Vec::new(),
        };
        for (at, field) in raw.fields.iter().flatten().enumerate() {
            let path = format!("{path}.fields[{at}]");
            let title = needed(sheet, field, &path, "title", field.value.title.as_ref());
            let value = needed(sheet, field, &path, "value", field.value.value.as_ref());
            let is_short = field.value.short.or(raw.short_fields).unwrap_or(false);
            texts.fields.extend(title.zip(value).map(|(title, value)| SlackField { title, value, is_short }));
        }
        for (at, action) in raw.actions.iter().flatten().enumerate() {
            let path = format!("{path}.actions[{at}]");
            texts.actions.extend(slack_action(sheet, &path, action.into(), &action.value));
        }
        texts
    }
}

fn slack_action(sheet: &mut Sheet, path: &str, owner: Spot, raw: &RawSlackAction) -> Option<SlackAction> {
    sheet.refuse(path, raw.not_yet());
    if let Some(kind) = raw.kind.as_ref().filter(|kind| kind.value != "button") {
        sheet.note(kind, &format!("{path}.type"), format!("expected `button`, found `{}`", kind.value));
    }
    if raw.url.is_none() {
        sheet.note(owner, path, "the button has no `url`").hint =
            Some("a button that leads nowhere needs an app that hears it pressed; give it a `url`".to_owned());
    }
    let label = needed(sheet, owner, path, "text", raw.text.as_ref());
    let url = text(sheet, &format!("{path}.url"), raw.url.as_ref());
    let style = text(sheet, &format!("{path}.style"), raw.style.as_ref());
    let confirm = raw.confirm.as_ref().and_then(|confirm| {
        let path = format!("{path}.confirm");
        let question = needed(sheet, confirm, &path, "text", confirm.value.text.as_ref())?;
        let mut said = |name: &str, raw: &Option<Text>| text(sheet, &format!("{path}.{name}"), raw.as_ref());
        Some(SlackConfirm {
            text: question,
            title: said("title", &confirm.value.title),
            ok_text: said("ok_text", &confirm.value.ok_text),
            dismiss_text: said("dismiss_text", &confirm.value.dismiss_text),
        })
    });
    Some(SlackAction { text: label?, url: url?, style, confirm })
}
