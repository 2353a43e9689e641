//! What the simulated engine is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use atalaya::dispatch::{ForwardSpec, GroupBy, RouteSpec};
use atalaya::engine::EngineSpec;
use atalaya::model::{Compat, IntegrationId, IntegrationKind, Labels, Matcher, ReceiverName, SecretName};
use atalaya::promql;
use atalaya::receiver::{Endpoint, PagerDuty, PagerDutyTexts, Receiver, Rollback, Slack, SlackTexts, Text, Webhook};
use atalaya::rollout::{GuardSpec, RollbackSpec};

const TIMEOUT: Duration = Duration::from_secs(10);
const GUARD: &str = "canary_weight > 0";

/// An integration of a receiver.
pub(crate) fn integration(receiver: &str, kind: IntegrationKind) -> IntegrationId {
    IntegrationId { receiver: ReceiverName::new(receiver), kind, slot: 0.into() }
}

fn slack(receiver: &str, channel: &str, send_resolved: bool) -> (IntegrationId, Receiver) {
    let slack = Slack {
        api_url: "http://slack".into(),
        token: SecretName::new("slack"),
        channel: Text::constant(format!("#{channel}")),
        updates: true,
        texts: SlackTexts::default(),
        send_resolved,
        timeout: TIMEOUT,
        client: None,
    };
    (integration(receiver, IntegrationKind::Slack), Receiver::Slack(slack))
}

fn pagerduty(receiver: &str, place: &str) -> (IntegrationId, Receiver) {
    let pagerduty = PagerDuty {
        url: format!("http://pagerduty/{place}"),
        routing_key: SecretName::new("key"),
        texts: PagerDutyTexts::default(),
        send_resolved: true,
        timeout: TIMEOUT,
        client: None,
    };
    (integration(receiver, IntegrationKind::PagerDuty), Receiver::PagerDuty(pagerduty))
}

fn webhook(receiver: &str, place: &str, send_resolved: bool) -> (IntegrationId, Receiver) {
    let url = Endpoint::Plain(format!("http://webhook/{place}"));
    let webhook = Webhook { url, send_resolved, max_alerts: 0, timeout: TIMEOUT, client: None };
    (integration(receiver, IntegrationKind::Webhook), Receiver::Webhook(webhook))
}

fn rollback(receiver: &str) -> (IntegrationId, Receiver) {
    let url = Endpoint::Plain("http://rollback".into());
    let rollback = Rollback { url, secret: SecretName::new("signing"), timeout: TIMEOUT, client: None };
    (integration(receiver, IntegrationKind::Rollback), Receiver::Rollback(rollback))
}

fn route(receiver: &str, matchers: &str) -> RouteSpec {
    RouteSpec {
        receiver: Some(ReceiverName::new(receiver)),
        matchers: Matcher::parse_list(matchers).unwrap(),
        ..RouteSpec::default()
    }
}

/// The engine by one of its configurations. From one to the next team b's alerts move to other people, one group is
/// split, receivers are renamed, tell at other places and go away.
pub(crate) fn spec(edit: usize) -> EngineSpec {
    let team_b = if edit == 1 { "pager" } else { "quiet" };
    let by_service = GroupBy::Labels(vec!["alertname".into(), "service".into()]);
    // A receiver with another name at the same places, and one with the same name at others.
    let chat = if edit == 2 { "talk" } else { "chat" };
    let pager = if edit == 3 { "pager-2" } else { "pager" };
    let canary = if edit == 1 { "bird" } else { "canary" };
    let mut routes = vec![
        RouteSpec { continue_matching: true, group_wait: Some(Duration::ZERO), ..route(canary, "canary=yes") },
        RouteSpec { group_by: (edit == 1).then_some(by_service), ..route("pager", "team=a") },
    ];
    if edit != 2 {
        routes.push(route(team_b, "team=b"));
    }
    let root = RouteSpec { group_by: Some(GroupBy::Labels(vec!["alertname".into()])), routes, ..route(chat, "") };
    let mut receivers = vec![
        slack(chat, "chat", true),
        slack("pager", pager, true),
        pagerduty("pager", pager),
        webhook("pager", "pager", true),
        webhook("quiet", "quiet", false),
        (integration(canary, IntegrationKind::PagerDuty), pagerduty("canary", "canary").1),
        rollback(canary),
    ];
    match edit {
        0 => receivers.push(slack("quiet", "quiet", false)),
        // The entry goes away, and another one comes.
        2 => receivers[3] = webhook("pager", "pager-3", true),
        3 => receivers.retain(|(id, _)| *id != integration("pager", IntegrationKind::Webhook)),
        _ => {}
    }
    EngineSpec {
        route: root,
        receivers,
        origins: BTreeMap::from([
            (SecretName::new("slack"), SecretName::of_file("/slack")),
            (SecretName::new("key"), SecretName::of_file("/key")),
        ]),
        alertmanagers: ForwardSpec::default(),
        compat: Compat::Default,
        rollbacks: vec![RollbackSpec {
            id: integration(canary, IntegrationKind::Rollback),
            key: vec!["service".into()],
            guard: GuardSpec { source: GUARD.into(), expr: promql::parse(GUARD).unwrap() },
            cooldown: Duration::from_secs(600),
            deadline: Duration::from_secs(120),
            terms: "terms".into(),
        }],
        external_labels: Labels::from_pairs([("env", "simulation")]),
        external_url: "http://atalaya".into(),
    }
}

/// The alerts that come and go.
pub(crate) fn alerts() -> Vec<Labels> {
    let alert = |name, service, team, canary| {
        Labels::from_pairs([("alertname", name), ("service", service), ("team", team), ("canary", canary)])
    };
    vec![
        alert("Errors", "chat", "a", "yes"),
        alert("Latency", "chat", "a", "yes"),
        alert("Errors", "gateway", "a", "yes"),
        alert("Errors", "gateway", "a", ""),
        alert("Disk", "gateway", "b", ""),
        alert("Disk", "chat", "b", ""),
        alert("Other", "mail", "", ""),
    ]
}
