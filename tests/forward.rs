//! Alerts sent on to Alertmanagers, in virtual time: when each is sent, with which end, and what becomes of failures.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use atalaya::dispatch::{Forward, ForwardSpec, ForwardTarget, Forwarded, RESEND_DELAY, RouteSpec, Sending};
use atalaya::engine::{Effect, Engine, EngineRows, EngineSpec, Event};
use atalaya::evaluator::{InstanceChange, Transitions};
use atalaya::model::{
    Alert, AlertStatus, Compat, IntegrationId, IntegrationKind, Labels, ReceiverName, RelabelAction, RelabelRule,
    RelabelSpec, RuleId, Slot, Timestamp,
};
use atalaya::receiver::{Alertmanager, Endpoint, Reply, Request};
use atalaya::rule::Transition;
use serde_json::Value;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + seconds * 1000)
}

fn id(name: &str) -> IntegrationId {
    IntegrationId::new(ReceiverName::new("alerting"), IntegrationKind::Alertmanager, Slot::Named(name.into()))
}

fn target(name: &str) -> ForwardTarget {
    let url = Endpoint::Plain(format!("http://{name}/api/v2/alerts"));
    let alertmanager = Alertmanager { url, timeout: Duration::from_secs(10), client: None };
    ForwardTarget { id: id(name), alertmanager, relabel: Vec::new() }
}

/// Forwarding to these; the rules of alert `A` are evaluated every so many seconds.
fn spec(names: &[&str], interval_s: u64) -> ForwardSpec {
    ForwardSpec {
        alertmanagers: names.iter().map(|name| target(name)).collect(),
        intervals: BTreeMap::from([("A".to_owned(), Duration::from_secs(interval_s))]),
        ..ForwardSpec::default()
    }
}

fn alert(n: usize, status: AlertStatus) -> Alert {
    Alert {
        labels: Labels::from_pairs([("alertname", "A"), ("n", &n.to_string())]),
        annotations: Labels::from_pairs([("summary", "it fails")]),
        status,
        starts_at: at(0),
        generator_url: "http://atalaya/graph".to_owned(),
    }
}

fn firing(n: usize) -> Alert {
    alert(n, AlertStatus::Firing)
}

fn resolved(n: usize, seconds: i64) -> Alert {
    alert(n, AlertStatus::Resolved { at: at(seconds) })
}

fn body(sending: &Sending) -> Vec<Value> {
    let Request::Http(request) = &sending.request else { panic!("a call over HTTP") };
    request.body.as_array().unwrap().clone()
}

fn http(status: u16) -> Reply {
    Reply::Http { status, retry_after: None, body: String::new() }
}

/// Lets every second until `end` pass, everything being taken; what was sent: when, and until when it is to be believed.
fn run(forward: &mut Forward, from: i64, end: i64) -> Vec<(i64, String)> {
    let mut sent = Vec::new();
    for second in from..end {
        assert!(forward.next_wake().is_none_or(|wake| wake >= at(second)), "something was due before {second}");
        for sending in forward.due(at(second)) {
            sent.extend(body(&sending).iter().map(|alert| (second, alert["endsAt"].as_str().unwrap().to_owned())));
            assert_eq!(forward.reply(&sending.delivery, &http(200), at(second)), Some((id("am"), Forwarded::Taken)));
        }
    }
    sent
}

#[test]
fn what_fires_is_sent_again_at_the_first_evaluation_after_the_delay() {
    let check = |interval_s: u64, seconds: &[i64], belief_s: i64| {
        let mut forward = Forward::new(spec(&["am"], interval_s));
        forward.take_in(&firing(1), at(0));
        let expected: Vec<_> = seconds.iter().map(|second| (*second, at(*second + belief_s).to_string())).collect();
        assert_eq!(run(&mut forward, 0, 200), expected, "every {interval_s} s");
    };
    check(15, &[0, 60, 120, 180], 240);
    check(25, &[0, 75, 150], 240);
    check(60, &[0, 60, 120, 180], 240);
    check(90, &[0, 90, 180], 360);
}

#[test]
fn what_has_resolved_is_sent_again_for_a_quarter_of_an_hour() {
    let mut forward = Forward::new(spec(&["am"], 15));
    forward.take_in(&firing(1), at(0));
    assert_eq!(run(&mut forward, 0, 30).len(), 1);
    forward.take_in(&resolved(1, 30), at(30));
    let expected: Vec<_> = (0..15).map(|minute| (30 + 60 * minute, at(30).to_string())).collect();
    assert_eq!(run(&mut forward, 30, 3600), expected);
    assert_eq!(forward.next_wake(), None, "nothing is left");
}

#[test]
fn an_end_is_history_once_the_alert_is_pending_or_fires_again() {
    let mut forward = Forward::new(spec(&["am"], 15));
    forward.take_in(&firing(1), at(0));
    forward.take_in(&resolved(1, 30), at(30));
    assert_eq!(run(&mut forward, 30, 60).len(), 1, "the end replaces the beginning that waited");
    forward.take_in_pending(&firing(1).labels);
    assert_eq!(run(&mut forward, 60, 600), []);
    let again = Alert { starts_at: at(600), ..firing(1) };
    forward.take_in(&again, at(600));
    let sending = forward.due(at(600)).remove(0);
    assert_eq!(body(&sending)[0]["startsAt"], at(600).to_string());
}

#[test]
fn new_annotations_leave_with_the_next_resend() {
    let mut forward = Forward::new(spec(&["am"], 15));
    forward.take_in(&firing(1), at(0));
    assert_eq!(run(&mut forward, 0, 10).len(), 1);
    let annotations = Labels::from_pairs([("summary", "it fails more")]);
    forward.take_in(&Alert { annotations, ..firing(1) }, at(10));
    assert_eq!(forward.due(at(10)).len(), 0);
    let sending = forward.due(at(60)).remove(0);
    assert_eq!(body(&sending)[0]["annotations"]["summary"], "it fails more");
}

#[test]
fn batches_leave_one_after_the_other() {
    let mut forward = Forward::new(spec(&["am"], 15));
    for n in 0..600 {
        forward.take_in(&firing(n), at(0));
    }
    let mut sizes = Vec::new();
    while let Some(sending) = forward.due(at(1)).pop() {
        sizes.push(body(&sending).len());
        assert!(forward.due(at(1)).is_empty(), "one request at a time");
        forward.reply(&sending.delivery, &http(200), at(1));
    }
    assert_eq!(sizes, [256, 256, 88]);
    assert_eq!((forward.view()[0].sent, forward.view()[0].waiting), (600, 0));
}

#[test]
fn a_failure_is_tried_again_with_what_is_newest() {
    let mut forward = Forward::new(spec(&["am", "other"], 15));
    forward.take_in(&firing(1), at(0));
    forward.take_in(&firing(2), at(0));
    let sendings = forward.due(at(0));
    assert_eq!(sendings.len(), 2, "each Alertmanager hears of it");
    let failed = forward.reply(&sendings[0].delivery, &http(503), at(0)).unwrap();
    assert!(matches!(failed.1, Forwarded::Failed { .. }), "{failed:?}");
    assert_eq!(forward.reply(&sendings[1].delivery, &http(200), at(0)).unwrap().1, Forwarded::Taken);
    assert!(forward.next_wake().is_some_and(|wake| at(0) < wake && wake <= at(1)), "the second attempt has its moment");
    forward.take_in(&resolved(1, 1), at(1));
    let sendings = forward.due(at(1));
    assert!(sendings.iter().any(|sending| sending.integration == id("other") && body(sending).len() == 1));
    let again: Vec<_> = sendings.into_iter().filter(|sending| sending.integration == id("am")).collect();
    assert_eq!((again.len(), again[0].attempt), (1, 2));
    let ends: Vec<_> = body(&again[0]).iter().map(|alert| alert["endsAt"].clone()).collect();
    assert!(ends.contains(&at(1).to_string().into()) && ends.contains(&at(240).to_string().into()), "{ends:?}");
}

#[test]
fn a_refusal_waits_for_the_resend() {
    let mut forward = Forward::new(spec(&["am"], 15));
    forward.take_in(&firing(1), at(0));
    let sending = forward.due(at(0)).remove(0);
    let refused = forward.reply(&sending.delivery, &http(400), at(0)).unwrap().1;
    assert!(matches!(refused, Forwarded::Refused { .. }), "{refused:?}");
    assert_eq!(run(&mut forward, 0, 70), [(60, at(300).to_string())]);
    let view = &forward.view()[0];
    assert_eq!((view.sent, view.failed, view.last_error.as_ref()), (1, 1, None));
}

#[test]
fn one_that_hangs_drops_the_oldest_and_counts_them() {
    let mut forward = Forward::new(spec(&["am"], 15));
    forward.take_in(&firing(0), at(0));
    assert_eq!(forward.due(at(0)).len(), 1);
    for n in 1..=10_005 {
        forward.take_in(&firing(n), at(1));
    }
    assert_eq!(forward.due(at(1)).len(), 0);
    assert_eq!(forward.drain_dropped(), BTreeMap::from([(id("am"), 5)]));
    assert_eq!((forward.view()[0].dropped, forward.view()[0].waiting), (5, 10_000));
    assert_eq!(forward.drain_dropped(), BTreeMap::new());
}

fn rule(spec: RelabelSpec) -> RelabelRule {
    RelabelRule::new(spec).unwrap()
}

#[test]
fn labels_are_made_anew_for_all_and_for_each() {
    let mut spec = spec(&["am", "other"], 15);
    spec.relabel =
        vec![rule(RelabelSpec { action: RelabelAction::LabelDrop, regex: "replica".into(), ..RelabelSpec::default() })];
    spec.alertmanagers[1].relabel = vec![rule(RelabelSpec {
        source_labels: vec!["n".into()],
        action: RelabelAction::Drop,
        regex: "2".into(),
        ..RelabelSpec::default()
    })];
    let mut forward = Forward::new(spec);
    for n in [1, 2] {
        let mut labels = firing(n).labels.edit();
        labels.set("replica", "a");
        forward.take_in(&Alert { labels: labels.build(), ..firing(n) }, at(0));
    }
    let sendings = forward.due(at(0));
    let heard: BTreeMap<String, usize> =
        sendings.iter().map(|it| (it.integration.slot.to_string(), body(it).len())).collect();
    assert_eq!(heard, BTreeMap::from([("am".to_owned(), 2), ("other".to_owned(), 1)]));
    assert!(sendings.iter().flat_map(body).all(|alert| alert["labels"].get("replica").is_none()));
}

#[test]
fn a_reload_adds_and_removes_alertmanagers() {
    let mut forward = Forward::new(spec(&["am"], 15));
    forward.take_in(&firing(1), at(0));
    assert_eq!(run(&mut forward, 0, 10).len(), 1);
    forward.reload(spec(&["other"], 15), at(10));
    let sendings = forward.due(at(10));
    assert_eq!(sendings.iter().map(|it| &it.integration).collect::<Vec<_>>(), [&id("other")]);
    assert_eq!(forward.due(at(60)).len(), 0, "its first request is under way");
}

/// Nothing of it is kept over a restart, and nothing is needed: what fires is sent at once as it was, and its end too.
#[test]
fn after_a_restart_what_fires_is_sent_at_once_and_so_is_its_end() {
    let spec = || EngineSpec {
        route: RouteSpec::default(),
        receivers: Vec::new(),
        origins: BTreeMap::new(),
        rollbacks: Vec::new(),
        alertmanagers: spec(&["am"], 15),
        compat: Compat::Default,
        external_labels: Labels::empty(),
        external_url: String::new(),
    };
    let mut engine = Engine::restore(spec(), EngineRows::default());
    let mut tell = |second: i64, event: Event| {
        let mut sent = Vec::new();
        for effect in engine.handle(at(second), event).after_commit {
            if let Effect::Send(sending) = effect {
                sent.extend(body(&sending));
                engine.handle(at(second), Event::Reply { delivery: sending.delivery, reply: http(200) });
            }
        }
        sent.iter().map(|alert| (alert["startsAt"].clone(), alert["endsAt"].clone())).collect::<Vec<_>>()
    };
    let text = |second: i64| Value::from(at(second).to_string());
    assert_eq!(tell(100, Event::Started { firing: vec![firing(1)] }), [(text(0), text(340))]);
    let change = InstanceChange {
        rule: RuleId::new("r"),
        labels: firing(1).labels,
        row: None,
        transition: Some(Transition::Resolved),
        value: 1.0,
        alert: Some(resolved(1, 130)),
    };
    let over = Transitions { at: at(130), changes: vec![change], ..Transitions::default() };
    assert_eq!(tell(130, Event::Transitions(over)), [(text(0), text(130))]);
}

#[test]
fn without_a_route_alerts_are_forwarded_with_external_labels() {
    let spec = EngineSpec {
        route: RouteSpec::default(),
        receivers: Vec::new(),
        origins: BTreeMap::new(),
        rollbacks: Vec::new(),
        alertmanagers: spec(&["am"], 15),
        compat: Compat::Default,
        external_labels: Labels::from_pairs([("n", "not this"), ("cluster", "enova")]),
        external_url: String::new(),
    };
    let mut engine = Engine::restore(spec, EngineRows::default());
    let change = |alert: Alert, transition| InstanceChange {
        rule: RuleId::new("r"),
        labels: alert.labels.clone(),
        row: None,
        transition: Some(transition),
        value: 1.0,
        alert: Some(alert),
    };
    let mut tell = |second: i64, changes: Vec<InstanceChange>| {
        let event = Event::Transitions(Transitions { at: at(second), changes, ..Transitions::default() });
        let step = engine.handle(at(second), event);
        let sendings: Vec<Sending> = step
            .after_commit
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Send(sending) => Some(*sending),
                Effect::Note(_) => None,
            })
            .collect();
        for sending in &sendings {
            let reply = Event::Reply { delivery: sending.delivery.clone(), reply: http(200) };
            assert!(engine.handle(at(second), reply).records.is_empty(), "nothing of it is kept");
        }
        assert_eq!(engine.rows(), EngineRows::default());
        sendings.iter().flat_map(body).collect::<Vec<_>>()
    };
    let sent = tell(0, vec![change(firing(1), Transition::Fired)]);
    assert_eq!(sent[0]["labels"], serde_json::json!({ "alertname": "A", "n": "1", "cluster": "enova" }));
    assert_eq!(sent[0]["generatorURL"], "http://atalaya/graph");
    assert_eq!(tell(15, vec![]).len(), 0);
    assert_eq!(tell(60, vec![]).len(), 1);
    let sent = tell(75, vec![change(resolved(1, 75), Transition::Resolved)]);
    assert_eq!(
        (sent[0]["startsAt"].clone(), sent[0]["endsAt"].clone()),
        (at(0).to_string().into(), at(75).to_string().into())
    );
    assert_eq!(RESEND_DELAY, Duration::from_secs(60));
}
