//! What is set of groups that rule files, which stay pure Prometheus, cannot say: `rule_options`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::model::{PathGlob, SourceName, did_you_mean};
use crate::rule::{OnUnknown, RuleGroup};

use super::files::plain;
use super::place::{Sheet, Spanned};
use super::raw::{RawRuleOptions, Text};
use super::source::{EMBEDDED, Sources};
use super::value::{positive_duration, word};

/// `rule_options`, checked. What comes later wins.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleOptions {
    default_source: SourceName,
    entries: Vec<RuleOption>,
}

/// One entry: for which groups, and what. What is `None` is said of none.
#[derive(Clone, Debug)]
struct RuleOption {
    /// Patterns of whole paths; all files when absent.
    files: Option<Vec<PathGlob>>,
    /// All groups when absent.
    groups: Option<BTreeSet<String>>,
    source: Option<SourceName>,
    on_unknown: Option<OnUnknown>,
    unknown_after: Option<Duration>,
}

impl RuleOptions {
    /// Checks `rule_options`; paths are relative to `directory`.
    pub(super) fn check(
        sheet: &mut Sheet,
        raw: &[Spanned<RawRuleOptions>],
        sources: &Sources,
        directory: &Path,
    ) -> Self {
        let check = |(index, raw): (usize, &Spanned<RawRuleOptions>)| {
            let path = format!("rule_options[{index}]");
            entry(sheet, &path, &raw.value, sources, directory)
        };
        Self { default_source: sources.default.clone(), entries: raw.iter().enumerate().map(check).collect() }
    }

    /// Sets what is said of a group in the file at this path.
    pub(super) fn apply(&self, group: &mut RuleGroup, file: &Path) {
        group.source = self.default_source.clone();
        for entry in self.entries.iter().filter(|entry| entry.is_of(&group.name, file)) {
            if let Some(source) = &entry.source {
                group.source = source.clone();
            }
            group.on_unknown = entry.on_unknown.unwrap_or(group.on_unknown);
            group.unknown_after = entry.unknown_after.unwrap_or(group.unknown_after);
        }
    }

    /// The entries that are of none of these groups, which come with their files.
    pub(super) fn idle(&self, groups: &[(&str, &Path)]) -> Vec<usize> {
        let is_idle = |entry: &RuleOption| !groups.iter().any(|(group, file)| entry.is_of(group, file));
        self.entries.iter().enumerate().filter(|(_, entry)| is_idle(entry)).map(|(index, _)| index).collect()
    }
}

impl RuleOption {
    fn is_of(&self, group: &str, file: &Path) -> bool {
        let is_file = |patterns: &Vec<PathGlob>| {
            let file = plain(file);
            file.to_str().is_some_and(|file| patterns.iter().any(|pattern| pattern.is_match(file)))
        };
        self.files.as_ref().is_none_or(is_file) && self.groups.as_ref().is_none_or(|groups| groups.contains(group))
    }
}

fn entry(sheet: &mut Sheet, path: &str, raw: &RawRuleOptions, sources: &Sources, directory: &Path) -> RuleOption {
    let mut patterns = |files: &Vec<Text>| {
        let mut whole = Vec::new();
        for (at, text) in files.iter().enumerate() {
            match PathGlob::parse(&plain(&directory.join(&text.value)).to_string_lossy()) {
                Ok(pattern) => whole.push(pattern),
                Err(error) => {
                    sheet.note(text, &format!("{path}.files[{at}]"), error.to_string());
                }
            }
        }
        whole
    };
    let files = raw.files.as_ref().map(&mut patterns);
    let on_unknown = word(
        sheet,
        &format!("{path}.on_unknown"),
        raw.on_unknown.as_ref(),
        &[("keep", OnUnknown::Keep), ("resolve", OnUnknown::Resolve)],
    );
    RuleOption {
        files,
        groups: raw.groups.as_ref().map(|groups| groups.iter().map(|group| group.value.clone()).collect()),
        source: raw.source.as_ref().and_then(|text| source(sheet, &format!("{path}.source"), text, sources)),
        on_unknown,
        unknown_after: positive_duration(sheet, &format!("{path}.unknown_after"), raw.unknown_after.as_ref()),
    }
}

fn source(sheet: &mut Sheet, path: &str, text: &Text, sources: &Sources) -> Option<SourceName> {
    if sources.names.contains(&text.value) {
        return Some(SourceName::new(text.value.as_str()));
    }
    if matches!(text.value.as_str(), EMBEDDED | "") {
        return Some(SourceName::embedded());
    }
    let known = sources.names.iter().map(String::as_str).chain([EMBEDDED]);
    let hint = did_you_mean(&text.value, known)
        .unwrap_or_else(|| "name the API in `source: {apis: […]}`; `embedded` is what is scraped here".to_owned());
    sheet.note(text, path, format!("no source is named `{}`", text.value)).hint = Some(hint);
    None
}
