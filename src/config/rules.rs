//! Rule files: Prometheus's form, with everything that its loader refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::RuleId;
use crate::promql::{self, Expr, ValueType};
use crate::rule::{AlertRule, RecordRule, Rule, RuleGroup};
use crate::template::Template;

use super::expression::{expression, kind_of, template};
use super::place::{Sheet, Spanned, Spot};
use super::raw::{Pair, Pairs, RawGroup, RawRule, Text};
use super::read::RawRules;
use super::rule_options::RuleOptions;
use super::value::{duration, label_name_trouble, path_of, set_duration};

/// What holds for groups that do not say.
pub(super) struct Defaults<'a> {
    pub(super) interval: Duration,
    pub(super) query_offset: Duration,
    pub(super) options: &'a RuleOptions,
}

/// The groups of a rule file; what is wrong with it is noted on its sheet.
pub(super) fn check(raw: &mut RawRules, defaults: &Defaults<'_>) -> Vec<RuleGroup> {
    let RawRules { name: file, path: file_path, sheet, file: content } = raw;
    let mut names = BTreeSet::new();
    let mut groups = Vec::new();
    let raw_groups = content.as_ref().and_then(|file| file.groups.as_deref()).unwrap_or_default();
    for (index, raw) in raw_groups.iter().enumerate() {
        let name = raw.value.name.as_ref().map_or("", |name| name.value.as_str());
        let path = if name.is_empty() { format!("groups[{index}]") } else { format!("groups[{name}]") };
        if name.is_empty() {
            sheet.note(raw, &path, "the group has no `name`").hint = Some("write `name: …`".to_owned());
        } else if !names.insert(name) {
            let spot = raw.value.name.as_ref().map_or(raw.defined, |name| name.defined);
            sheet.note(spot, &path, "a group of this name stands above in this file").hint =
                Some("give each group of a file a name of its own".to_owned());
        }
        sheet.refuse(&path, raw.value.not_yet());
        let mut group = RuleGroup::new(file.as_str(), name, defaults.interval, Vec::new());
        defaults.options.apply(&mut group, file_path);
        fill(sheet, &path, &raw.value, &mut group, defaults);
        groups.push(group);
    }
    groups
}

/// Sets what a group says, and its rules.
fn fill(sheet: &mut Sheet, path: &str, raw: &RawGroup, group: &mut RuleGroup, defaults: &Defaults<'_>) {
    group.limit = raw.limit.as_ref().map_or(0, |limit| usize::try_from(limit.value).unwrap_or(usize::MAX));
    let query_offset = duration(sheet, &format!("{path}.query_offset"), raw.query_offset.as_ref());
    group.query_offset = query_offset.unwrap_or(defaults.query_offset);
    let interval = set_duration(sheet, &format!("{path}.interval"), raw.interval.as_ref());
    group.interval = interval.unwrap_or(group.interval);
    let shared = raw.labels.clone().unwrap_or_default();
    label_names(sheet, &format!("{path}.labels"), &shared);
    let mut ids = BTreeMap::new();
    for (index, raw) in raw.rules.iter().flatten().enumerate() {
        let raw = RawRuleAt::new(&format!("{path}.rules"), index, raw, &shared);
        let Some(mut rule) = raw.check(sheet, group) else { continue };
        let id = AlertRule::id_of(&group.file, &group.name, rule.name(), &raw.written_labels());
        match &mut rule {
            Rule::Alert(alert) => alert.id = unique(id, &mut ids),
            Rule::Record(record) => record.id = unique(id, &mut ids),
        }
        group.rules.push(rule);
    }
}

/// Prometheus allows rules that differ in their expressions only; the later ones get a number.
fn unique(id: RuleId, seen: &mut BTreeMap<RuleId, u32>) -> RuleId {
    let count = seen.entry(id.clone()).or_default();
    *count += 1;
    if *count > 1 { RuleId::new(format!("{id}#{count}")) } else { id }
}

/// A rule as it is written, and where.
struct RawRuleAt<'a> {
    path: String,
    spot: Spot,
    raw: &'a RawRule,
    alert: Option<&'a Text>,
    record: Option<&'a Text>,
    /// Its labels, with those of its group.
    labels: Vec<Pair>,
}

impl<'a> RawRuleAt<'a> {
    fn new(path: &str, index: usize, raw: &'a Spanned<RawRule>, shared: &Pairs) -> Self {
        let is_set = |text: &&Text| !text.value.is_empty();
        let alert = raw.value.alert.as_ref().filter(is_set);
        let record = raw.value.record.as_ref().filter(is_set);
        let path = match alert.or(record) {
            Some(name) => format!("{path}[{}]", name.value),
            None => format!("{path}[{index}]"),
        };
        let labels = merge(shared, raw.value.labels.as_ref());
        Self { path, spot: raw.defined, raw: &raw.value, alert, record, labels }
    }

    fn written_labels(&self) -> Vec<(String, String)> {
        self.labels.iter().map(|pair| (pair.name.value.clone(), pair.value.value.clone())).collect()
    }

    /// The rule, still without its id.
    fn check(&self, sheet: &mut Sheet, group: &RuleGroup) -> Option<Rule> {
        let Self { path, spot, raw, .. } = self;
        match (self.alert, self.record) {
            (Some(_), Some(record)) => {
                sheet.note(record, path, "a rule has either `alert` or `record`, not both").hint =
                    Some("remove one of the two, or make two rules of it".to_owned());
            }
            (None, None) => {
                sheet.note(*spot, path, "the rule has neither `alert` nor `record`").hint =
                    Some("write `alert: …` with its name, or `record: …` with the name of the series".to_owned());
            }
            _ => {}
        }
        let expr = self.expr(sheet);
        let hold = duration(sheet, &format!("{path}.for"), raw.hold.as_ref()).unwrap_or_default();
        let linger = duration(sheet, &format!("{path}.keep_firing_for"), raw.keep_firing_for.as_ref());
        if let Some(own) = &raw.labels {
            label_names(sheet, &format!("{path}.labels"), own);
        }
        if let (Some(name), None) = (self.record, self.alert) {
            self.only_of_alerts(sheet, hold, linger.unwrap_or_default());
            if !group.source.is_embedded() {
                let what =
                    format!("a recording rule cannot ask the source `{}`: what it records is kept here", group.source);
                sheet.note(name, &self.path, what).hint = Some(
                    "let the server behind that source record it, or set `source: embedded` for this group in `rule_options`"
                        .to_owned(),
                );
            }
            let labels = self.written_labels();
            let (expr, source) = expr?;
            let name = name.value.clone();
            return Some(Rule::Record(RecordRule { id: RuleId::new(""), name, source, expr, labels }));
        }
        let labels = templates(sheet, &format!("{path}.labels"), &self.labels);
        let path = format!("{path}.annotations");
        let written = raw.annotations.as_ref().map(|pairs| pairs.0.as_slice()).unwrap_or_default();
        for pair in written.iter().filter(|pair| pair.name.value.is_empty()) {
            sheet.note(&pair.name, &path, "the name of an annotation is empty");
        }
        let annotations = templates(sheet, &path, written);
        let (expr, source) = expr?;
        Some(Rule::Alert(AlertRule {
            id: RuleId::new(""),
            name: self.alert?.value.clone(),
            source,
            expr,
            hold,
            keep_firing_for: linger.unwrap_or_default(),
            labels,
            annotations,
        }))
    }

    fn expr(&self, sheet: &mut Sheet) -> Option<(Expr, String)> {
        let Some(text) = &self.raw.expr else {
            sheet.note(self.spot, &self.path, "the rule has no `expr`").hint = Some("write `expr: …`".to_owned());
            return None;
        };
        let path = format!("{}.expr", self.path);
        let (expr, source) = expression(sheet, &path, text)?;
        if !matches!(promql::type_of(&expr), ValueType::Vector | ValueType::Scalar) {
            let kind = if self.alert.is_some() { "an alert" } else { "a recording rule" };
            let what = format!("{kind} needs an instant vector or a number, this is {}", kind_of(&expr));
            sheet.note(text, &path, what);
            return None;
        }
        Some((expr, source))
    }

    /// Notes what a recording rule cannot have.
    fn only_of_alerts(&self, sheet: &mut Sheet, hold: Duration, linger: Duration) {
        let Self { path, raw, .. } = self;
        if let Some(name) = self.record.filter(|name| name.value.contains(['{', '}'])) {
            sheet.note(name, path, "the name of a recorded series holds braces").hint =
                Some("a selector belongs into `expr`, and labels for the result into `labels`".to_owned());
        }
        let waits = [("for", raw.hold.as_ref(), hold), ("keep_firing_for", raw.keep_firing_for.as_ref(), linger)];
        for (setting, text, duration) in waits {
            if let Some(text) = text.filter(|_| !duration.is_zero()) {
                sheet.note(text, path, format!("a recording rule has no `{setting}`: only alerts wait")).hint =
                    Some(format!("remove `{setting}`"));
            }
        }
        if let Some(pair) = raw.annotations.as_ref().and_then(|pairs| pairs.0.first()) {
            sheet
                .note(&pair.name, path, "a recording rule has no `annotations`: only alerts tell people something")
                .hint = Some("remove `annotations`".to_owned());
        }
    }
}

fn label_names(sheet: &mut Sheet, path: &str, labels: &Pairs) {
    for pair in &labels.0 {
        if let Some(why) = label_name_trouble(&pair.name.value) {
            sheet.note(&pair.name, path, why);
        }
    }
}

/// The labels of a group under those of a rule.
fn merge(shared: &Pairs, own: Option<&Pairs>) -> Vec<Pair> {
    let own = own.map(|pairs| pairs.0.as_slice()).unwrap_or_default();
    let is_own = |pair: &&Pair| own.iter().any(|other| other.name.value == pair.name.value);
    shared.0.iter().filter(|pair| !is_own(pair)).chain(own).cloned().collect()
}

fn templates(sheet: &mut Sheet, path: &str, pairs: &[Pair]) -> Vec<(String, Template)> {
    let mut templates = Vec::new();
    for pair in pairs {
        let parsed = template(sheet, &path_of(path, pair), &pair.value);
        templates.extend(parsed.map(|template| (pair.name.value.clone(), template)));
    }
    templates
}

#[cfg(test)]
mod tests {
    use super::super::raw::{RawRuleFile, RawRuleOptions};
    use super::super::source::Sources;
    use super::*;
    use crate::model::SourceName;

    /// The sources of the groups of a rule file, or what is wrong.
    fn check(text: &str, options: &[Spanned<RawRuleOptions>]) -> Result<Vec<String>, Vec<String>> {
        let mut sheet = Sheet::new("r.yaml".to_owned(), text.to_owned());
        let tree = sheet.grow();
        let file: Option<RawRuleFile> = sheet.fill(&tree);
        let sources =
            Sources { names: ["thanos".to_owned()].into(), default: SourceName::new("thanos"), apis: Vec::new() };
        let options = RuleOptions::check(&mut sheet, options, &sources, "".as_ref());
        let mut raw = RawRules { name: "r.yaml".to_owned(), path: "r.yaml".into(), sheet, file };
        let defaults = Defaults { interval: Duration::from_secs(60), query_offset: Duration::ZERO, options: &options };
        let groups = check_groups(&mut raw, &defaults);
        match raw.sheet.take_problems() {
            problems if problems.is_empty() => Ok(groups.iter().map(|group| group.source.to_string()).collect()),
            problems => Err(problems.into_iter().map(|problem| problem.what).collect()),
        }
    }

    use super::check as check_groups;

    #[test]
    fn what_is_recorded_is_recorded_here() {
        let spot = Spot::default();
        let text = |text: &str| Text::new(text.to_owned(), spot, spot);
        let of_b =
            RawRuleOptions { groups: Some(vec![text("b")]), source: Some(text("embedded")), ..Default::default() };
        let of_b = [Spanned::new(of_b, spot, spot)];
        let alerts = "groups: [{name: a, rules: [{alert: A, expr: up}]}, {name: b, rules: [{record: r, expr: up}]}]";
        assert_eq!(check(alerts, &of_b), Ok(vec!["thanos".to_owned(), String::new()]));
        let what = "a recording rule cannot ask the source `thanos`: what it records is kept here";
        assert_eq!(check(alerts, &[]), Err(vec![what.to_owned()]));
    }
}
