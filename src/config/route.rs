//! The routing tree, in Alertmanager's form.

use std::collections::BTreeSet;

use crate::dispatch::{GroupBy, RouteSpec};
use crate::model::{MatchOp, Matcher, ReceiverName};

use super::hint::did_you_mean;
use super::place::{Sheet, Spanned};
use super::raw::{Pairs, RawRoute, Text};
use super::value::{duration, label_name_trouble, path_of, positive_duration};

/// Checks `route`; its receivers must be among `receivers`.
pub(super) fn root(sheet: &mut Sheet, raw: &Spanned<RawRoute>, receivers: &BTreeSet<String>) -> RouteSpec {
    if raw.value.receiver.is_none() {
        sheet.note(raw, "route", "the first route has no `receiver`").hint =
            Some("name the receiver of alerts that match no other route".to_owned());
    }
    let spec = node(sheet, "route", &raw.value, receivers);
    if !spec.matchers.is_empty() {
        sheet.note(raw, "route", "the first route takes every alert and cannot have matchers").hint =
            Some("move it into its own `routes`, under a first route that has only a `receiver`".to_owned());
    }
    if let Some(text) = raw.value.continue_matching.as_ref().filter(|set| set.value) {
        sheet.note(text, "route.continue", "the first route has no siblings to continue with");
    }
    spec
}

fn node(sheet: &mut Sheet, path: &str, raw: &RawRoute, receivers: &BTreeSet<String>) -> RouteSpec {
    sheet.refuse(path, raw.not_yet());
    let mut matchers = Vec::new();
    for (at, text) in raw.matchers.iter().flatten().enumerate() {
        matchers.extend(matcher_list(sheet, &format!("{path}.matchers[{at}]"), text));
    }
    matchers.extend(matchers_of(sheet, &format!("{path}.match"), raw.equal.as_ref(), MatchOp::Equal));
    matchers.extend(matchers_of(sheet, &format!("{path}.match_re"), raw.regex.as_ref(), MatchOp::Regex));
    let routes = raw.routes.iter().flatten().enumerate();
    RouteSpec {
        receiver: raw.receiver.as_ref().and_then(|name| receiver(sheet, path, name, receivers)),
        matchers,
        group_by: group_by(sheet, path, raw.group_by.as_deref().unwrap_or_default()),
        group_wait: duration(sheet, &format!("{path}.group_wait"), raw.group_wait.as_ref()),
        group_interval: positive_duration(sheet, &format!("{path}.group_interval"), raw.group_interval.as_ref()),
        repeat_interval: positive_duration(sheet, &format!("{path}.repeat_interval"), raw.repeat_interval.as_ref()),
        continue_matching: raw.continue_matching.as_ref().is_some_and(|set| set.value),
        routes: routes.map(|(at, raw)| node(sheet, &format!("{path}.routes[{at}]"), &raw.value, receivers)).collect(),
    }
}

/// How many names of receivers a hint tells.
const NAMES_MAX: usize = 20;

fn receiver(sheet: &mut Sheet, path: &str, name: &Text, receivers: &BTreeSet<String>) -> Option<ReceiverName> {
    if receivers.contains(&name.value) {
        return Some(ReceiverName::new(name.value.as_str()));
    }
    let what = format!("no receiver is named `{}`", name.value);
    sheet.note(name, &format!("{path}.receiver"), what).hint =
        did_you_mean(&name.value, receivers.iter().map(String::as_str)).or_else(|| {
            let names: Vec<String> = receivers.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
            (!names.is_empty()).then(|| format!("receivers: {}", names.join(", ")))
        });
    None
}

fn matcher_list(sheet: &mut Sheet, path: &str, text: &Text) -> Vec<Matcher> {
    match Matcher::parse_list(&text.value) {
        Ok(matchers) if matchers.is_empty() => {
            sheet.note(text, path, "the matcher is empty").hint = Some(EXAMPLE.to_owned());
            matchers
        }
        Ok(matchers) => matchers,
        Err(error) => {
            sheet.note(text, path, error.to_string()).hint = Some(EXAMPLE.to_owned());
            Vec::new()
        }
    }
}

const EXAMPLE: &str = "write it like `severity=\"critical\"` or `service=~\"gateway|frontend\"`";

fn matchers_of(sheet: &mut Sheet, path: &str, pairs: Option<&Pairs>, op: MatchOp) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    for pair in pairs.iter().flat_map(|pairs| &pairs.0) {
        let path = path_of(path, pair);
        if let Some(why) = label_name_trouble(&pair.name.value) {
            sheet.note(&pair.name, &path, why);
        }
        if op == MatchOp::Regex && pair.is_null {
            sheet.note(&pair.name, &path, "there is no regular expression");
        }
        match Matcher::new(pair.name.value.as_str(), op, pair.value.value.as_str()) {
            Ok(matcher) => matchers.push(matcher),
            Err(error) => drop(sheet.note(&pair.value, &path, error.to_string())),
        }
    }
    matchers
}

/// By what a route groups; an empty list is inherited, as none at all.
fn group_by(sheet: &mut Sheet, path: &str, names: &[Text]) -> Option<GroupBy> {
    let mut labels: Vec<String> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let path = format!("{path}.group_by[{at}]");
        if name.value == "..." {
            if names.len() > 1 {
                sheet.note(name, &path, "`...` means all labels and stands alone").hint =
                    Some("keep either `...` or the names".to_owned());
            }
            return Some(GroupBy::All);
        }
        if let Some(why) = label_name_trouble(&name.value) {
            sheet.note(name, &path, why);
        } else if labels.contains(&name.value) {
            sheet.note(name, &path, format!("`{}` is named twice", name.value));
        }
        labels.push(name.value.clone());
    }
    (!labels.is_empty()).then_some(GroupBy::Labels(labels))
}
