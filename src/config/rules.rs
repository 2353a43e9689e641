//! Rule files: Prometheus's form, with everything that its loader refuses, and what we do not support yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{Problem, RuleId};
use crate::promql::{self, ValueType};
use crate::rule::{AlertRule, Rule, RuleGroup};
use crate::template::Template;

use super::expression::{expression, kind_of, template};
use super::place::{Sheet, Spanned};
use super::raw::{Pair, Pairs, RawGroup, RawRule};
use super::read::RawRules;
use super::value::{duration, label_name_trouble, path_of, positive_duration};

/// The groups of a rule file and what is wrong with it. `interval` holds for groups that do not say.
pub(super) fn check(raw: RawRules, interval: Duration) -> (Vec<RuleGroup>, Vec<Problem>) {
    let RawRules { name: file, mut sheet, file: content } = raw;
    let mut names = BTreeSet::new();
    let mut groups = Vec::new();
    for (index, raw) in content.and_then(|file| file.groups).unwrap_or_default().iter().enumerate() {
        let name = raw.value.name.as_ref().map_or("", |name| name.value.as_str());
        let path = if name.is_empty() { format!("groups[{index}]") } else { format!("groups[{name}]") };
        if name.is_empty() {
            sheet.note(raw, &path, "the group has no `name`");
        } else if !names.insert(name) {
            let spot = raw.value.name.as_ref().map_or(raw.defined, |name| name.defined);
            sheet.note(spot, &path, "a group of this name stands above in this file");
        }
        groups.push(group(&mut sheet, &path, &file, name, &raw.value, interval));
    }
    (groups, sheet.into_problems())
}

fn group(sheet: &mut Sheet, path: &str, file: &str, name: &str, raw: &RawGroup, interval: Duration) -> RuleGroup {
    sheet.refuse(path, raw.not_yet());
    if let Some(limit) = raw.limit.as_ref().filter(|limit| limit.value > 0) {
        sheet.note(limit, path, "`limit` is not supported yet");
    }
    let query_offset = duration(sheet, &format!("{path}.query_offset"), raw.query_offset.as_ref());
    if let Some(offset) = raw.query_offset.as_ref().filter(|_| query_offset.is_some_and(|it| !it.is_zero())) {
        sheet.note(offset, path, "`query_offset` is not supported yet");
    }
    let interval = positive_duration(sheet, &format!("{path}.interval"), raw.interval.as_ref()).unwrap_or(interval);
    let shared = raw.labels.clone().unwrap_or_default();
    label_names(sheet, &format!("{path}.labels"), &shared);
    let mut ids = BTreeMap::new();
    let mut rules = Vec::new();
    for (index, raw) in raw.rules.iter().flatten().enumerate() {
        let checked = rule(sheet, &format!("{path}.rules"), index, raw, &shared);
        rules.extend(checked.map(|(mut rule, labels)| {
            rule.id = unique(AlertRule::id_of(file, name, &rule.name, &labels), &mut ids);
            Rule::Alert(rule)
        }));
    }
    RuleGroup::new(file, name, interval, rules)
}

/// Prometheus allows rules that differ in their expressions only; the later ones get a number.
fn unique(id: RuleId, seen: &mut BTreeMap<RuleId, u32>) -> RuleId {
    let count = seen.entry(id.clone()).or_default();
    *count += 1;
    if *count > 1 { RuleId::new(format!("{id}#{count}")) } else { id }
}

/// A rule, still without its id, and its labels as they are written.
fn rule(
    sheet: &mut Sheet,
    path: &str,
    index: usize,
    raw: &Spanned<RawRule>,
    shared: &Pairs,
) -> Option<(AlertRule, Vec<(String, String)>)> {
    let (spot, raw) = (raw.defined, &raw.value);
    let alert = raw.alert.as_ref().filter(|alert| !alert.value.is_empty());
    let path = match alert {
        Some(alert) => format!("{path}[{}]", alert.value),
        None => format!("{path}[{index}]"),
    };
    match (alert, &raw.record) {
        (Some(_), Some(record)) => drop(sheet.note(record, &path, "a rule has either `alert` or `record`, not both")),
        (None, Some(record)) => {
            sheet.note(record, &path, "recording rules are not supported yet");
            return None;
        }
        (None, None) => drop(sheet.note(spot, &path, "the rule has no `alert`")),
        (Some(_), None) => {}
    }
    let expr = match &raw.expr {
        Some(text) => expression(sheet, &format!("{path}.expr"), text).filter(|(expr, _)| {
            let fits = matches!(promql::type_of(expr), ValueType::Vector | ValueType::Scalar);
            if !fits {
                let what = format!("an alert needs an instant vector or a number, this is {}", kind_of(expr));
                sheet.note(text, &format!("{path}.expr"), what);
            }
            fits
        }),
        None => {
            sheet.note(spot, &path, "the rule has no `expr`");
            None
        }
    };
    let hold = duration(sheet, &format!("{path}.for"), raw.hold.as_ref()).unwrap_or_default();
    let keep_firing_for =
        duration(sheet, &format!("{path}.keep_firing_for"), raw.keep_firing_for.as_ref()).unwrap_or_default();
    let own = raw.labels.clone().unwrap_or_default();
    label_names(sheet, &format!("{path}.labels"), &own);
    let labels = merge(shared, &own);
    let label_templates = templates(sheet, &format!("{path}.labels"), &labels);
    let path = format!("{path}.annotations");
    let written = raw.annotations.clone().unwrap_or_default();
    for pair in written.0.iter().filter(|pair| pair.name.value.is_empty()) {
        sheet.note(&pair.name, &path, "the name of an annotation is empty");
    }
    let annotations = templates(sheet, &path, &written.0);
    let (expr, source) = expr?;
    let written = labels.into_iter().map(|pair| (pair.name.value, pair.value.value)).collect();
    let rule = AlertRule {
        id: RuleId::new(""),
        name: alert?.value.clone(),
        source,
        expr,
        hold,
        keep_firing_for,
        labels: label_templates,
        annotations,
    };
    Some((rule, written))
}

fn label_names(sheet: &mut Sheet, path: &str, labels: &Pairs) {
    for pair in &labels.0 {
        if let Some(why) = label_name_trouble(&pair.name.value) {
            sheet.note(&pair.name, path, why);
        }
    }
}

/// The labels of a group under those of a rule.
fn merge(shared: &Pairs, own: &Pairs) -> Vec<Pair> {
    let is_own = |pair: &&Pair| own.0.iter().any(|other| other.name.value == pair.name.value);
    shared.0.iter().filter(|pair| !is_own(pair)).chain(&own.0).cloned().collect()
}

fn templates(sheet: &mut Sheet, path: &str, pairs: &[Pair]) -> Vec<(String, Template)> {
    let mut templates = Vec::new();
    for pair in pairs {
        let parsed = template(sheet, &path_of(path, pair), &pair.value);
        templates.extend(parsed.map(|template| (pair.name.value.clone(), template)));
    }
    templates
}
