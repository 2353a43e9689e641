//! The files as they were read, before anything is checked.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{IntegrationKind, is_glob};
use crate::template::{Library, LibraryError, TemplateError};

use super::explain::foreign;
use super::expression::NO_TEMPLATE;
use super::files::{Files, glob, plain};
use super::place::{Sheet, Spot};
use super::raw::{RawMain, RawRuleFile, RawScrapeFile, Text};
use super::tree::Tree;
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
    /// Whether it is a rule file by itself, without a main file.
    pub(super) is_rules_only: bool,
    /// What `rule_files` says.
    pub(super) listed: Vec<Listed>,
    pub(super) rule_files: Vec<RawRules>,
    pub(super) scrape_files: Vec<RawJobs>,
    /// The files that `templates` names, with what is wrong with them.
    pub(super) template_files: Vec<Sheet>,
}

/// A file with more jobs as it is written.
#[derive(Clone, Debug)]
pub(super) struct RawJobs {
    /// Against which the paths in it are resolved.
    pub(super) directory: PathBuf,
    pub(super) sheet: Sheet,
    /// `None` when it is not YAML, which is noted.
    pub(super) file: Option<RawScrapeFile>,
}

/// An entry of `rule_files`.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) name: Text,
    pub(super) is_pattern: bool,
    /// How many files it means, and how many of them no entry above means.
    pub(super) files: usize,
    pub(super) new_files: usize,
}

/// A file that an entry means.
struct ReadFile {
    /// As the configuration names it.
    name: String,
    /// Where it is.
    path: PathBuf,
    text: String,
}

/// A rule file as it is written.
#[derive(Clone, Debug)]
pub(super) struct RawRules {
    /// As the configuration names it.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    pub(super) sheet: Sheet,
    /// `None` when it is not YAML, which is noted.
    pub(super) file: Option<RawRuleFile>,
}

impl RawConfig {
    /// Reads the file at `path` and the rule files that it names, none of them by a pattern. What is wrong with them is
    /// kept for [`Self::build`].
    pub fn read(path: &Path, read: &dyn Fn(&Path) -> io::Result<String>) -> Self {
        Self::read_from(path, Files { read, list: &|_| Err(io::ErrorKind::Unsupported.into()) })
    }

    /// Reads the file at `path` and the rule files that it names. What is wrong with them is kept for [`Self::build`].
    pub fn read_from(path: &Path, files: Files<'_>) -> Self {
        match (files.read)(path) {
            Ok(text) => Self::of_text(path, text, files),
            Err(error) => {
                let mut sheet = Sheet::new(path.display().to_string(), String::new());
                sheet.note(Spot::default(), "", read_error(&error));
                Self::empty(path, sheet)
            }
        }
    }

    /// The configuration that `path` holds, with the rule files that it names.
    pub fn of_text(path: &Path, text: String, files: Files<'_>) -> Self {
        let mut sheet = Sheet::new(path.display().to_string(), text);
        let tree = sheet.grow();
        Self::of_main(path, sheet, &tree, files)
    }

    /// What `path` holds, which is told by its content: what has `groups` is a rule file by itself.
    pub fn of_either(path: &Path, text: String, files: Files<'_>) -> Self {
        let mut sheet = Sheet::new(path.display().to_string(), text);
        let tree = sheet.grow();
        if tree.has("groups") { Self::of_rules(path, sheet, &tree) } else { Self::of_main(path, sheet, &tree, files) }
    }

    fn of_main(path: &Path, sheet: Sheet, tree: &Tree, files: Files<'_>) -> Self {
        let mut raw = Self::empty(path, sheet);
        if let Some((spot, what, hint)) = foreign(tree) {
            raw.sheet.note_name(spot, "", what).hint = Some(hint);
            return raw;
        }
        raw.main = raw.sheet.fill(tree);
        if raw.main.is_some() && raw.sheet.is_blank() {
            let problem = raw.sheet.note(Spot::default(), "", "there is nothing in the file".to_owned());
            problem.hint = Some("a file that is being written looks like this: wait, or write it again".to_owned());
        }
        let names = match &raw.main {
            Some(main) => main.rule_files.clone(),
            // So that what is wrong with them is told along with what is wrong here.
            None => raw.sheet.salvage("rule_files"),
        };
        let names = names.unwrap_or_default();
        raw.read_rule_files(&names, files);
        let names = raw.main.as_ref().and_then(|main| main.scrape_config_files.clone()).unwrap_or_default();
        raw.read_scrape_files(&names, files);
        let names = raw.main.as_ref().and_then(|main| main.templates.clone()).unwrap_or_default();
        raw.read_templates(&names, files);
        raw
    }

    fn of_rules(path: &Path, sheet: Sheet, tree: &Tree) -> Self {
        let name = path.display().to_string();
        Self {
            main: Some(RawMain::default()),
            is_rules_only: true,
            rule_files: vec![RawRules::new(&name, path, sheet, tree)],
            ..Self::empty(path, Sheet::new(name, String::new()))
        }
    }

    fn empty(path: &Path, sheet: Sheet) -> Self {
        Self {
            directory: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            sheet,
            main: None,
            is_rules_only: false,
            listed: Vec::new(),
            rule_files: Vec::new(),
            scrape_files: Vec::new(),
            template_files: Vec::new(),
        }
    }

    /// Says whose ways are followed, whatever the file says.
    pub fn set_compat(&mut self, word: &str) {
        if let Some(main) = &mut self.main {
            let at = main.compat.as_ref().map_or_else(Spot::default, |compat| compat.defined);
            main.compat = Some(Text::new(word.to_owned(), at, at));
        }
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

    fn read_rule_files(&mut self, names: &[Text], files: Files<'_>) {
        let (listed, read) = self.read_each("rule_files", names, files);
        self.listed = listed;
        self.rule_files = read.into_iter().map(|file| RawRules::parse(&file.name, &file.path, file.text)).collect();
    }

    fn read_scrape_files(&mut self, names: &[Text], files: Files<'_>) {
        let (_, read) = self.read_each("scrape_config_files", names, files);
        for ReadFile { path, text, .. } in read {
            let mut sheet = Sheet::new(path.display().to_string(), text);
            let tree = sheet.grow();
            let file = sheet.fill(&tree);
            let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
            self.scrape_files.push(RawJobs { directory, sheet, file });
        }
    }

    fn read_templates(&mut self, names: &[Text], files: Files<'_>) {
        let mut library = Library::new();
        let before = self.sheet.count();
        let (_, read) = self.read_each("templates", names, files);
        let lacks_templates = self.sheet.count() > before;
        let mut sheets: Vec<(String, Sheet)> = Vec::new();
        for ReadFile { path, text, .. } in read {
            let name = path.display().to_string();
            let added = library.add(&name, &text);
            let mut sheet = Sheet::new(name.clone(), text);
            if let Err(error) = added {
                note_template(&mut sheet, error);
            }
            sheets.push((name, sheet));
        }
        let told = |it: &LibraryError| !(lacks_templates && it.error.what.starts_with(NO_TEMPLATE));
        for LibraryError { file, error } in library.check().into_iter().filter(told) {
            if let Some((_, sheet)) = sheets.iter_mut().find(|(name, _)| *name == file) {
                note_template(sheet, error);
            }
        }
        self.sheet.lacks_templates = lacks_templates;
        self.sheet.library = library;
        self.template_files = sheets.into_iter().map(|(_, sheet)| sheet).collect();
    }

    /// The entries of a list of files, and the files that they mean, each once; what cannot be read is noted.
    fn read_each(&mut self, list: &str, names: &[Text], files: Files<'_>) -> (Vec<Listed>, Vec<ReadFile>) {
        let (mut entries, mut read) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let setting = format!("{list}[{index}]");
            let is_pattern = is_glob(&name.value);
            let meant = match name.value.as_str() {
                "" => Err("the path is empty".to_owned()),
                pattern if is_pattern => glob(pattern, &self.directory, files),
                plain => Ok(vec![plain.to_owned()]),
            };
            let is_nowhere = meant.as_ref().map_or(true, Vec::is_empty);
            if is_nowhere && list == "templates" {
                self.sheet.templates_nowhere = Some(name.value.clone());
            }
            let meant = match meant {
                Ok(meant) => meant,
                Err(what) => {
                    self.sheet.note(name, &setting, what);
                    continue;
                }
            };
            let mut listed = Listed { name: name.clone(), is_pattern, files: meant.len(), new_files: 0 };
            for file in meant {
                let path = plain(&self.directory.join(&file));
                if !seen.insert(path.clone()) {
                    continue;
                }
                listed.new_files += 1;
                match (files.read)(&path) {
                    Ok(text) => read.push(ReadFile { name: file, path, text }),
                    Err(error) => {
                        let what = format!("`{}`: {}", path.display(), read_error(&error));
                        self.sheet.note(name, &setting, what).hint = path_hint(&error, &name.value);
                    }
                }
            }
            entries.push(listed);
        }
        (entries, read)
    }
}

/// Notes what is wrong in a file of templates.
fn note_template(sheet: &mut Sheet, error: TemplateError) {
    let spot = Spot::new(error.line as usize, error.column as usize, 1, 0..0);
    sheet.note(spot, "", error.what).hint = error.hint;
}

impl RawRules {
    fn parse(name: &str, path: &Path, text: String) -> Self {
        let mut sheet = Sheet::new(path.display().to_string(), text);
        let tree = sheet.grow();
        Self::new(name, path, sheet, &tree)
    }

    fn new(name: &str, path: &Path, mut sheet: Sheet, tree: &Tree) -> Self {
        let file = match foreign(tree) {
            Some((spot, what, hint)) => {
                sheet.note_name(spot, "", what).hint = Some(hint);
                None
            }
            None => sheet.fill(tree),
        };
        Self { name: name.to_owned(), path: path.to_owned(), sheet, file }
    }
}

/// What to do about a file that cannot be read.
fn path_hint(error: &io::Error, written: &str) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotFound if Path::new(written).is_absolute() => {
            "the path is one of this machine: check the file where it is to run, or write the path relative to it"
        }
        io::ErrorKind::NotFound => "a path is relative to the directory of this file",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn read_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::InvalidData => "the file is not UTF-8".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
