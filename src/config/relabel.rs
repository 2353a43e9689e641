//! Relabel rules: `relabel_configs`, `metric_relabel_configs`, `alert_relabel_configs`.

use crate::model::{RelabelAction, RelabelError, RelabelRule, RelabelSpec, did_you_mean};

use super::place::{Sheet, Spanned};
use super::raw::{RawRelabel, Text};

/// Checks a list of rules; `path` is that of the list.
pub(super) fn rules(sheet: &mut Sheet, path: &str, raw: &[Spanned<RawRelabel>]) -> Vec<RelabelRule> {
    let entries = raw.iter().enumerate();
    entries.filter_map(|(index, raw)| rule(sheet, &format!("{path}[{index}]"), raw)).collect()
}

fn rule(sheet: &mut Sheet, path: &str, raw: &Spanned<RawRelabel>) -> Option<RelabelRule> {
    let it = &raw.value;
    let default = RelabelSpec::default();
    let or = |text: &Option<Text>, default: String| text.as_ref().map_or(default, |text| text.value.clone());
    let spec = RelabelSpec {
        source_labels: it.source_labels.iter().flatten().map(|name| name.value.clone()).collect(),
        separator: or(&it.separator, default.separator),
        regex: or(&it.regex, default.regex),
        modulus: it.modulus.as_ref().map_or(0, |modulus| modulus.value),
        target_label: or(&it.target_label, default.target_label),
        replacement: or(&it.replacement, default.replacement),
        action: match &it.action {
            Some(text) => action(sheet, path, text)?,
            None => default.action,
        },
    };
    if let Some(name) = it.source_labels.iter().flatten().find(|name| name.value.is_empty()) {
        sheet.note(name, &format!("{path}.source_labels"), "the name of a label is empty");
        return None;
    }
    match RelabelRule::new(spec) {
        Ok(rule) => Some(rule),
        Err(error) => {
            // At the setting that is wrong, where it is one.
            let (setting, text) = match &error {
                RelabelError::Regex { .. } => ("regex", it.regex.as_ref()),
                RelabelError::NoTarget(_) => ("target_label", it.target_label.as_ref()),
                RelabelError::NoReplacement => ("replacement", it.replacement.as_ref()),
                RelabelError::Unused { setting: "regex", .. } => ("regex", it.regex.as_ref()),
                RelabelError::Unused { setting: "target_label", .. } => ("target_label", it.target_label.as_ref()),
                RelabelError::Unused { setting: "separator", .. } => ("separator", it.separator.as_ref()),
                RelabelError::Unused { setting: "replacement", .. } => ("replacement", it.replacement.as_ref()),
                RelabelError::NoModulus | RelabelError::Unused { .. } => ("", None),
            };
            let hint = match &error {
                RelabelError::Unused { setting, .. } => Some(format!("remove `{setting}`")),
                RelabelError::Regex { source, .. } => Some(in_a_line(source)),
                _ => None,
            };
            let problem = match text {
                Some(text) => sheet.note(text, &format!("{path}.{setting}"), error.to_string()),
                None => sheet.note(raw, path, error.to_string()),
            };
            problem.hint = hint;
            None
        }
    }
}

fn action(sheet: &mut Sheet, path: &str, text: &Text) -> Option<RelabelAction> {
    let action = RelabelAction::named(&text.value);
    if action.is_none() {
        let names = RelabelAction::NAMES.map(|(name, _)| name);
        let hint = did_you_mean(&text.value, names).unwrap_or_else(|| format!("actions: {}", names.join(", ")));
        sheet.note(text, &format!("{path}.action"), format!("there is no action `{}`", text.value)).hint = Some(hint);
    }
    action
}

/// What the regex crate says, without its drawing of the pattern.
fn in_a_line(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
