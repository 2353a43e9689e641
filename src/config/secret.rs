//! Secrets: where each comes from. What one holds is not looked at, but for what stands in the file itself.

use std::path::Path;

use crate::model::{SecretName, is_label_name};
use crate::transport::SecretSource;

use super::place::{Sheet, Spot};
use super::raw::Text;

/// Collects the secrets of a configuration.
pub(super) struct SecretList<'a> {
    /// Against which paths are resolved.
    pub(super) directory: &'a Path,
    pub(super) secrets: Vec<(SecretName, SecretSource)>,
}

/// A setting that is given as it is, as `${NAME}`, or as a file.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    /// The integration: `receivers[oncall].slack_configs[0]`.
    pub(super) path: &'a str,
    pub(super) name: &'static str,
    pub(super) inline: Option<&'a Text>,
    pub(super) file: Option<&'a Text>,
    /// Where the integration begins.
    pub(super) owner: Spot,
}

impl Setting<'_> {
    /// Its path: the integration's and its name.
    pub(super) fn full_path(&self) -> String {
        format!("{}.{}", self.path, self.name)
    }
}

impl SecretList<'_> {
    /// Takes in a secret that must be there.
    pub(super) fn add(&mut self, sheet: &mut Sheet, setting: Setting<'_>) -> Option<SecretName> {
        let source = source(sheet, setting, self.directory)?;
        Some(self.keep(setting, source))
    }

    /// Takes in a secret with this source.
    pub(super) fn keep(&mut self, setting: Setting<'_>, source: SecretSource) -> SecretName {
        let name = SecretName::new(setting.full_path());
        self.secrets.push((name.clone(), source));
        name
    }
}

/// Where a setting's value comes from.
pub(super) fn source(sheet: &mut Sheet, setting: Setting<'_>, directory: &Path) -> Option<SecretSource> {
    let Setting { path, name, inline, file, owner } = setting;
    match (inline, file) {
        (Some(_), Some(file)) => {
            sheet.note_unseen(file, path, format!("`{name}` and `{name}_file` are both set")).hint =
                Some("keep one of the two".to_owned());
            None
        }
        (None, None) => {
            let variable = match name {
                "bot_token" | "app_token" => "SLACK_BOT_TOKEN",
                "routing_key" => "PAGERDUTY_ROUTING_KEY",
                "secret" => "ROLLBACK_WEBHOOK_SECRET",
                _ => "WEBHOOK_URL",
            };
            sheet.note(owner, path, format!("there is neither `{name}` nor `{name}_file`")).hint =
                Some(format!("take it from the environment with `{name}: ${{{variable}}}`, or name a file"));
            None
        }
        (None, Some(file)) if file.value.is_empty() => {
            sheet.note(file, &format!("{path}.{name}_file"), "the path is empty");
            None
        }
        (None, Some(file)) => Some(SecretSource::File(directory.join(&file.value))),
        (Some(text), None) => inline_source(sheet, &setting.full_path(), text),
    }
}

/// Where the value of a text comes from that stands in the file.
pub(super) fn inline_source(sheet: &mut Sheet, path: &str, text: &Text) -> Option<SecretSource> {
    let value = text.value.as_str();
    let variable = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match variable {
        Some(variable) if is_variable(variable) => return Some(SecretSource::Env(variable.to_owned())),
        Some(_) => sheet.note_unseen(text, path, "the braces of `${…}` do not hold the name of a variable"),
        None if value.is_empty() => sheet.note_unseen(text, path, "is empty"),
        None if value.contains("${") => {
            let problem = sheet.note_unseen(text, path, "`${NAME}` must be the whole value");
            problem.hint = Some("put the whole value into the variable".to_owned());
            problem
        }
        None if value.strip_prefix('$').is_some_and(is_variable) => {
            // The hint does not repeat it: it may be a password after all.
            let problem = sheet.note_unseen(text, path, "a variable of the environment is written with braces");
            problem.hint = Some("write `${NAME}`; a secret that begins with `$` goes into a file".to_owned());
            problem
        }
        None => return Some(SecretSource::Inline(value.to_owned())),
    };
    None
}

fn is_variable(text: &str) -> bool {
    is_label_name(text)
}
