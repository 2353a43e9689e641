//! The files as they were read, before anything is checked.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::model::IntegrationKind;

use super::place::{Sheet, Spot};
use super::raw::{RawMain, RawRuleFile, Text};
use super::{global, receivers};

/// A configuration as it is written, with its rule files.
///
/// What may be exchanged before it is checked is where numbers come from and where messages go, and nothing else: so the
/// demo runs the very rules, routes and guards of a real configuration.
#[derive(Clone, Debug)]
pub struct RawConfig {
    /// Against which the paths in it are resolved.
    pub(super) directory: PathBuf,
    pub(super) sheet: Sheet,
    /// `None` when it is not YAML, which is noted.
    pub(super) main: Option<RawMain>,
    pub(super) rule_files: Vec<RawRules>,
}

/// A rule file as it is written.
#[derive(Clone, Debug)]
pub(super) struct RawRules {
    /// As the configuration names it.
    pub(super) name: String,
    pub(super) sheet: Sheet,
    /// `None` when it is not YAML, which is noted.
    pub(super) file: Option<RawRuleFile>,
}

impl RawConfig {
    /// Reads the file at `path` and the rule files that it names. What is wrong with them is kept for [`Self::build`].
    pub fn read(path: &Path, read: &dyn Fn(&Path) -> io::Result<String>) -> Self {
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let file = path.display().to_string();
        let mut sheet = match read(path) {
            Ok(text) => Sheet::new(file, text),
            Err(error) => {
                let mut sheet = Sheet::new(file, String::new());
                sheet.note(Spot::default(), "", read_error(&error));
                return Self { directory, sheet, main: None, rule_files: Vec::new() };
            }
        };
        let main: Option<RawMain> = sheet.parse();
        let names = main.as_ref().and_then(|main| main.rule_files.clone());
        let rule_files = read_rule_files(&names.unwrap_or_default(), &directory, &mut sheet, read);
        Self { directory, sheet, main, rule_files }
    }

    /// Exchanges the addresses of targets; `replace` is given one as it is written.
    pub fn replace_targets(&mut self, replace: &dyn Fn(&str) -> Option<String>) {
        let jobs = self.main.iter_mut().flat_map(|main| main.scrape_configs.iter_mut().flatten());
        let configs = jobs.flat_map(|job| job.value.static_configs.iter_mut().flatten());
        for target in configs.flat_map(|config| config.value.targets.iter_mut().flatten()) {
            if let Some(address) = replace(&target.value) {
                target.value = address;
            }
        }
    }

    /// Exchanges the URLs of receivers; `replace` is given the kind and what is written: a URL, `${NAME}`, the path of a
    /// `url_file`, or, when there is none, the URL that would be called.
    pub fn replace_endpoints(&mut self, replace: &dyn Fn(IntegrationKind, &str) -> Option<String>) {
        let Some(main) = &mut self.main else { return };
        let defaults = main.global.clone().unwrap_or_default();
        let written = |url: Option<Text>, default: &str| url.map_or_else(|| default.to_owned(), |url| url.value);
        let slack = written(defaults.slack_api_url, global::SLACK_API_URL);
        let pagerduty = written(defaults.pagerduty_url, global::PAGERDUTY_URL);
        for receiver in main.receivers.iter_mut().flatten() {
            let at = receiver.defined;
            let exchange = |kind, url: &mut Option<Text>, file: Option<&mut Option<Text>>, default: &str| {
                let in_file = file.as_ref().and_then(|file| file.as_ref());
                let now = url.as_ref().or(in_file).map_or(default, |text| text.value.as_str());
                if let Some(new) = replace(kind, now) {
                    *url = Some(Text::new(new, at, at));
                    if let Some(file) = file {
                        *file = None;
                    }
                }
            };
            for it in receiver.value.slack_configs.iter_mut().flatten() {
                exchange(IntegrationKind::Slack, &mut it.value.api_url, None, &slack);
            }
            for it in receiver.value.pagerduty_configs.iter_mut().flatten() {
                exchange(IntegrationKind::PagerDuty, &mut it.value.url, None, &pagerduty);
            }
            for it in receiver.value.webhook_configs.iter_mut().flatten() {
                exchange(IntegrationKind::Webhook, &mut it.value.url, Some(&mut it.value.url_file), "");
            }
            for it in receiver.value.rollback_configs.iter_mut().flatten() {
                exchange(IntegrationKind::Rollback, &mut it.value.url, Some(&mut it.value.url_file), "");
            }
        }
    }

    /// Exchanges secrets; `replace` is given the name of one, like `receivers[oncall].slack_configs[0].bot_token`.
    pub fn replace_secrets(&mut self, replace: &dyn Fn(&str) -> Option<String>) {
        let entries = self.main.iter_mut().flat_map(|main| main.receivers.iter_mut().flatten()).enumerate();
        for (index, receiver) in entries {
            let at = receiver.defined;
            let path = receivers::path(index, &receiver.value);
            let exchange = |path: &str, name: &str, inline: &mut Option<Text>, file: &mut Option<Text>| {
                if let Some(new) = replace(&format!("{path}.{name}")) {
                    (*inline, *file) = (Some(Text::new(new, at, at)), None);
                }
            };
            for (at, it) in receiver.value.slack_configs.iter_mut().flatten().enumerate() {
                let path = format!("{path}.slack_configs[{at}]");
                exchange(&path, "bot_token", &mut it.value.bot_token, &mut it.value.bot_token_file);
            }
            for (at, it) in receiver.value.pagerduty_configs.iter_mut().flatten().enumerate() {
                let path = format!("{path}.pagerduty_configs[{at}]");
                exchange(&path, "routing_key", &mut it.value.routing_key, &mut it.value.routing_key_file);
            }
            for (at, it) in receiver.value.rollback_configs.iter_mut().flatten().enumerate() {
                let path = format!("{path}.rollback_configs[{at}]");
                exchange(&path, "secret", &mut it.value.secret, &mut it.value.secret_file);
            }
        }
    }
}

fn read_rule_files(
    names: &[Text],
    directory: &Path,
    sheet: &mut Sheet,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Vec<RawRules> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let setting = format!("rule_files[{index}]");
        // Without `.`, so that `./a.yaml` is `a.yaml`.
        let path: PathBuf =
            directory.join(&name.value).components().filter(|part| !matches!(part, Component::CurDir)).collect();
        if name.value.is_empty() {
            sheet.note(name, &setting, "the path is empty");
        } else if name.value.contains(['*', '?', '[']) {
            sheet.note(name, &setting, "patterns of files are not supported yet").hint =
                Some("name each rule file on a line of its own".to_owned());
        } else if !seen.insert(path.clone()) {
            sheet.note(name, &setting, format!("`{}` is listed twice", name.value));
        } else {
            match read(&path) {
                Ok(text) => files.push(RawRules::parse(&name.value, &path, text)),
                Err(error) => {
                    let what = format!("`{}`: {}", path.display(), read_error(&error));
                    sheet.note(name, &setting, what).hint = (error.kind() == io::ErrorKind::NotFound)
                        .then(|| "a path is relative to the directory of this file".to_owned());
                }
            }
        }
    }
    files
}

impl RawRules {
    fn parse(name: &str, path: &Path, text: String) -> Self {
        let mut sheet = Sheet::new(path.display().to_string(), text);
        let file = sheet.parse();
        Self { name: name.to_owned(), sheet, file }
    }
}

fn read_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::InvalidData => "the file is not UTF-8".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
