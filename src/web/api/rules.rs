//! `/rules` and `/alerts`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::evaluator::{GroupView, RuleHealth, RuleKind, RuleView};
use crate::model::{Labels, Matcher, Timestamp, hex};
use crate::rule::{Instance, InstanceState};
use crate::web::{Web, WebRequest};

use super::ApiError;
use super::envelope::Answer;
use super::number::{Lasting, alert_value, moment};
use super::parameters::Parameters;

/// The answer of `/rules`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rules {
    groups: Vec<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    file: String,
    rules: Vec<Rule>,
    interval: Lasting,
    limit: usize,
    evaluation_time: Lasting,
    last_evaluation: String,
    /// Ours: whom it asks, if not the store that scrapes fill.
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Rule {
    Alerting(Box<AlertingRule>),
    Recording(Box<RecordingRule>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertingRule {
    state: &'static str,
    name: String,
    query: String,
    duration: Lasting,
    keep_firing_for: Lasting,
    labels: Pairs,
    annotations: Pairs,
    alerts: Vec<Alert>,
    #[serde(flatten)]
    course: Course,
    r#type: &'static str,
}

#[derive(Serialize)]
struct RecordingRule {
    name: String,
    query: String,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    labels: Pairs,
    #[serde(flatten)]
    course: Course,
    r#type: &'static str,
}

/// How a rule's evaluations go.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Course {
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Ours: the parts of the query that the interpreter evaluates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interpreted: Vec<String>,
    evaluation_time: Lasting,
    last_evaluation: String,
}

/// The answer of `/alerts`.
#[derive(Serialize)]
pub(super) struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: Pairs,
    annotations: Pairs,
    state: &'static str,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<String>,
    /// Ours: since when it cannot be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_since: Option<String>,
    value: String,
}

/// Labels as an object, in order.
struct Pairs(Labels);

impl Pairs {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Pairs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// Which rules are asked for.
struct Filter {
    parameters: Parameters,
    kind: Option<RuleKind>,
    matchers: Vec<Vec<Matcher>>,
    has_alerts: bool,
}

/// Which page of the groups is asked for.
struct Page {
    limit: Option<usize>,
    token: Option<String>,
}

/// All rules with their alerts, or those that the parameters name.
pub(super) async fn rules(State(web): State<Arc<Web>>, uri: Uri) -> Result<Answer<Rules>, ApiError> {
    let parameters = Parameters::of(&uri);
    let page = Page::of(&parameters)?;
    let filter = Filter::of(parameters)?;
    let groups = web.ask(WebRequest::Groups).await?;
    Ok(Answer::new(listed(groups, &filter, &page)?))
}

/// All alerts that are pending or fire.
pub(super) async fn alerts(State(web): State<Arc<Web>>) -> Result<Answer<Alerts>, ApiError> {
    let groups = web.ask(WebRequest::Groups).await?;
    let rules = groups.iter().flat_map(|group| &group.rules);
    let alerts = rules.flat_map(|rule| rule.instances.iter().map(alert)).collect();
    Ok(Answer::new(Alerts { alerts }))
}

impl Filter {
    fn of(parameters: Parameters) -> Result<Self, ApiError> {
        let kind = match parameters.get("type") {
            None => None,
            Some("alert") => Some(RuleKind::Alerting),
            Some("record") => Some(RuleKind::Recording),
            Some(other) => return Err(ApiError::bad_parameter("type", format!("not supported value {other:?}"))),
        };
        let matchers = parameters.matchers("match[]")?;
        let has_alerts = !parameters.flag("exclude_alerts")?;
        Ok(Self { parameters, kind, matchers, has_alerts })
    }

    fn wants(&self, rule: &RuleView) -> bool {
        self.kind.is_none_or(|kind| kind == rule.kind)
            && self.parameters.allows("rule_name[]", &rule.name)
            && (self.matchers.is_empty()
                || self.matchers.iter().any(|set| set.iter().all(|matcher| matcher.matches(&rule.labels))))
    }
}

impl Page {
    fn of(parameters: &Parameters) -> Result<Self, ApiError> {
        let limit = parameters.count("group_limit")?;
        let token = parameters.get("group_next_token").map(str::to_owned);
        match (limit, &token) {
            (Some(0), _) => Err(ApiError::bad_parameter("group_limit", "needs to be greater than 0")),
            (None, Some(_)) => {
                Err(ApiError::bad_parameter("group_limit", "needs to be provided in order to paginate over the groups"))
            }
            _ => Ok(Self { limit, token }),
        }
    }
}

/// The rules that are asked for, group by group in order of file and name; a group without any is left out.
fn listed(mut groups: Vec<GroupView>, filter: &Filter, page: &Page) -> Result<Rules, ApiError> {
    groups.sort_by(|left, right| (&left.file, &left.name).cmp(&(&right.file, &right.name)));
    if let Some(token) = &page.token {
        let Some(start) = groups.iter().position(|group| token_of(group) == *token) else {
            let why = format!("invalid token {token:?}: the rule groups have changed");
            return Err(ApiError::bad_parameter("group_next_token", why));
        };
        groups.drain(..start);
    }
    let parameters = &filter.parameters;
    let mut listed = Rules { groups: Vec::new(), group_next_token: None };
    for group in groups {
        let is_asked_for = parameters.allows("rule_group[]", &group.name) && parameters.allows("file[]", &group.file);
        if !is_asked_for || !group.rules.iter().any(|rule| filter.wants(rule)) {
            continue;
        }
        if page.limit.is_some_and(|limit| listed.groups.len() == limit) {
            listed.group_next_token = Some(token_of(&group));
            break;
        }
        listed.groups.push(shown(&group, filter));
    }
    Ok(listed)
}

/// Names a group without showing its name.
fn token_of(group: &GroupView) -> String {
    let digest = Sha256::digest(format!("{};{}", group.file, group.name));
    hex(&digest[..20])
}

fn shown(group: &GroupView, filter: &Filter) -> Group {
    let rules = group.rules.iter().filter(|rule| filter.wants(rule)).map(|rule| rule_of(rule, filter.has_alerts));
    Group {
        name: group.name.clone(),
        file: group.file.clone(),
        rules: rules.collect(),
        interval: Lasting(group.interval),
        limit: group.limit,
        evaluation_time: Lasting(group.took),
        last_evaluation: moment(group.evaluated_at),
        source: group.source.to_string(),
    }
}

fn rule_of(rule: &RuleView, has_alerts: bool) -> Rule {
    let course = Course {
        health: match rule.health {
            RuleHealth::Unknown => "unknown",
            RuleHealth::Ok => "ok",
            RuleHealth::Failing => "err",
        },
        last_error: rule.error.clone(),
        interpreted: rule.interpreted.clone(),
        evaluation_time: Lasting(rule.took),
        last_evaluation: moment(rule.evaluated_at),
    };
    let (name, query, labels) = (rule.name.clone(), rule.source.clone(), Pairs(rule.labels.clone()));
    match rule.kind {
        RuleKind::Recording => {
            Rule::Recording(Box::new(RecordingRule { name, query, labels, course, r#type: "recording" }))
        }
        RuleKind::Alerting => Rule::Alerting(Box::new(AlertingRule {
            state: state_of(rule),
            name,
            query,
            duration: Lasting(rule.hold),
            keep_firing_for: Lasting(rule.keep_firing_for),
            labels,
            annotations: Pairs(rule.annotations.clone()),
            alerts: if has_alerts { rule.instances.iter().map(alert).collect() } else { Vec::new() },
            course,
            r#type: "alerting",
        })),
    }
}

/// The state of a rule is that of its worst alert.
fn state_of(rule: &RuleView) -> &'static str {
    let mut fires = rule.instances.iter().map(|instance| instance.state.fired_at().is_some());
    match (rule.evaluated_at, fires.clone().max()) {
        (_, Some(_)) if fires.any(|fires| fires) => "firing",
        (_, Some(_)) => "pending",
        (Some(_), None) => "inactive",
        (None, None) => "unknown",
    }
}

fn alert(instance: &Instance) -> Alert {
    let (state, gone) = match instance.state {
        InstanceState::Pending { .. } => ("pending", None),
        InstanceState::Firing { .. } => ("firing", None),
        InstanceState::Lingering { gone, .. } => ("firing", Some(gone)),
    };
    Alert {
        labels: Pairs(instance.labels.clone()),
        annotations: Pairs(instance.annotations.clone()),
        state,
        active_at: instance.state.active_at().to_string(),
        keep_firing_since: gone.map(|at: Timestamp| at.to_string()),
        unknown_since: instance.unknown_since.map(|at| at.to_string()),
        value: alert_value(instance.value),
    }
}
