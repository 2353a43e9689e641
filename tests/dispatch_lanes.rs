//! What a lane still owes after deliveries that were given up: stories of one alert and one integration, by the answers
//! that its attempts get.

#[expect(clippy::unwrap_used, reason = "part of a test")]
#[path = "simulation/spec.rs"]
mod spec;

use std::time::Duration;

use atalaya::dispatch::{Delivery, DeliveryState, Sending};
use atalaya::engine::{Effect, Engine, EngineRows, EngineSpec, Event, Step};
use atalaya::evaluator::{InstanceChange, Reading, Transitions};
use atalaya::model::{
    Alert, AlertStatus, Compat, IntegrationId, IntegrationKind, Labels, Notification, ReceiverName, RuleId, SecretText,
    Timestamp,
};
use atalaya::receiver::{BodySecretValue, Receiver, Reply, Request};

use atalaya::rollout::RollbackSpec;
use spec::{alerts, integration, spec};

/// An engine with one integration for people, and what it wants to send.
struct Story {
    engine: Engine,
    now: Timestamp,
    sendings: Vec<Sending>,
    /// What the secret of PagerDuty holds, when it is looked up before a request leaves.
    key: Option<&'static str>,
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
impl Story {
    /// The engine with all routes but to this receiver, of which it keeps the integrations that `keep` names.
    fn new(receiver: &str, keep: &[IntegrationKind]) -> Self {
        let spec = Self::spec(receiver, keep);
        let now = Timestamp::from_millis(1_764_000_000_000);
        Self { engine: Engine::restore(spec, EngineRows::default()), now, sendings: Vec::new(), key: None }
    }

    fn strict(receiver: &str, keep: &[IntegrationKind]) -> Self {
        let spec = EngineSpec { compat: Compat::Strict, ..Self::spec(receiver, keep) };
        let now = Timestamp::from_millis(1_764_000_000_000);
        Self { engine: Engine::restore(spec, EngineRows::default()), now, sendings: Vec::new(), key: None }
    }

    fn spec(receiver: &str, keep: &[IntegrationKind]) -> EngineSpec {
        let whole = spec(0);
        let is_kept = |id: &IntegrationId| id.receiver.as_str() == receiver && keep.contains(&id.kind);
        let receivers: Vec<(IntegrationId, Receiver)> =
            whole.receivers.iter().filter(|(id, _)| is_kept(id)).cloned().collect();
        let mut route = whole.route.clone();
        route.receiver = receivers.first().map(|(id, _)| id.receiver.clone());
        route.routes.clear();
        let rollbacks = whole.rollbacks.iter().filter(|rollback| is_kept(&rollback.id)).cloned().collect();
        EngineSpec { route, receivers, rollbacks, ..whole }
    }

    /// Goes on with another configuration.
    fn reload(&mut self, spec: EngineSpec) {
        let step = self.engine.reload(self.now, spec);
        self.carry(step);
    }

    /// The process ends, and another goes on from its rows with this configuration; the alerts of these letters fire.
    fn restart(&mut self, spec: EngineSpec, letters: &str) {
        let rows = self.engine.rows();
        self.sendings.clear();
        self.engine = Engine::restore(spec, rows);
        let firing = letters.chars().map(|letter| self.alert(letter)).collect();
        self.take(Event::Started { firing });
    }

    fn take(&mut self, event: Event) {
        let step = self.engine.handle(self.now, event);
        self.carry(step);
    }

    fn carry(&mut self, step: Step) {
        for effect in step.after_commit {
            if let Effect::Send(mut sending) = effect {
                if let (Some(key), Request::Http(request)) = (self.key, &mut sending.request)
                    && let Some(secret) = request.body_secret.as_mut().filter(|secret| secret.is_returned)
                {
                    if matches!(secret.value, BodySecretValue::Named(_)) {
                        secret.value = BodySecretValue::Kept(SecretText::new(key));
                    }
                    let BodySecretValue::Kept(key) = &secret.value else { unreachable!() };
                    self.engine.sent_with(&sending.delivery, key);
                }
                self.sendings.push(*sending);
            }
        }
    }

    /// The alert of a letter, that fires (in capitals) or has resolved.
    fn alert(&self, letter: char) -> Alert {
        let at = usize::try_from(u32::from(letter.to_ascii_lowercase()) - u32::from('a')).unwrap();
        let status = if letter.is_uppercase() { AlertStatus::Firing } else { AlertStatus::Resolved { at: self.now } };
        Alert {
            labels: alerts()[at].clone(),
            annotations: Labels::empty(),
            status,
            starts_at: self.now,
            generator_url: String::new(),
        }
    }

    /// Lets alerts fire (in capitals) or resolve, by their letter.
    fn alerts(&mut self, letters: &str) {
        let change = |letter: char| {
            let alert = self.alert(letter);
            let labels = alert.labels.clone();
            InstanceChange {
                rule: RuleId::new("r"),
                labels,
                row: None,
                transition: None,
                value: 1.0,
                alert: Some(alert),
            }
        };
        let changes = letters.chars().map(change).collect();
        let readings = vec![Reading {
            id: integration("canary", IntegrationKind::Rollback),
            at: self.now,
            elements: Ok(vec![Labels::empty()]),
            blind: std::collections::BTreeSet::new(),
        }];
        self.take(Event::Transitions(Transitions { at: self.now, changes, readings, ..Transitions::default() }));
    }

    /// Lets so much time pass that every group has looked for news and every retry was made.
    fn pass(&mut self) {
        self.now = self.now + Duration::from_secs(301);
        self.take(Event::Wake);
    }

    /// What the deliveries under way say: capitals fire; `.` is one that waits for its next attempt.
    fn under_way(&self) -> String {
        let say = |delivery: &Delivery| {
            let waits = if matches!(delivery.state, DeliveryState::Waiting { .. }) { "." } else { "" };
            format!("{}{waits}", letters_of(&delivery.notification))
        };
        self.engine.dispatch().deliveries().map(say).collect::<Vec<_>>().join(" ")
    }

    /// Answers the request that is under way for PagerDuty, when the secret holds this key; returns the key that it was
    /// sent with.
    fn answer_keyed(&mut self, status: u16, current: &str) -> String {
        let sending = self.sendings.remove(0);
        let Request::Http(request) = &sending.request else { panic!("a call over HTTP") };
        let secret = request.body_secret.as_ref().unwrap();
        let key = match &secret.value {
            BodySecretValue::Named(_) => current.to_owned(),
            BodySecretValue::Kept(key) => key.expose().to_owned(),
        };
        let verb = request.body["event_action"].as_str().unwrap().to_owned();
        let body = request.body["dedup_key"].clone();
        let answer = match status {
            0 => Reply::Failed { why: "no answer".to_owned() },
            status => Reply::Http { status, retry_after: None, body: format!("{{\"dedup_key\": {body}}}") },
        };
        let reply = match secret.is_returned {
            true => Reply::Keyed { answer: Box::new(answer), key: SecretText::new(key.as_str()) },
            false => answer,
        };
        self.take(Event::Reply { delivery: sending.delivery, reply });
        format!("{verb} {key}")
    }

    /// Answers the request that is under way; returns what it said.
    fn answer(&mut self, status: u16) -> String {
        let sending = self.sendings.remove(0);
        let said = letters_of(&self.engine.dispatch().delivery(&sending.delivery).unwrap().notification);
        let reply = match status {
            0 => Reply::Failed { why: "no answer".to_owned() },
            status => Reply::Http { status, retry_after: None, body: String::new() },
        };
        self.take(Event::Reply { delivery: sending.delivery, reply });
        said
    }
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn letters_of(notification: &Notification) -> String {
    match notification {
        Notification::Group(group) => {
            let letter = |alert: &Alert| {
                let is_of = |labels: &Labels| labels.iter().all(|(name, value)| alert.labels.get(name) == value);
                let letter =
                    (b'a'..).zip(alerts()).find(|(_, labels)| is_of(labels)).map(|(letter, _)| char::from(letter));
                let letter = letter.unwrap();
                if alert.is_firing() { letter.to_ascii_uppercase() } else { letter }
            };
            group.alerts.iter().map(letter).collect()
        }
        Notification::Notice(notice) => format!("notice {:?}", notice.status),
        Notification::Rollback(_) => "rollback".to_owned(),
    }
}

#[test]
fn a_firing_that_may_have_arrived_is_taken_back() {
    let mut story = Story::new("pager", &[IntegrationKind::PagerDuty]);
    story.alerts("G");
    story.pass();
    assert_eq!(story.answer(0), "G");
    story.pass();
    assert_eq!(story.answer(400), "G");
    assert_eq!(story.under_way(), "");
    story.alerts("g");
    story.pass();
    assert_eq!(story.answer(202), "g");
    assert_eq!(story.engine.rows(), EngineRows::default());
}

#[test]
fn a_firing_that_was_refused_at_once_is_not_taken_back() {
    let mut story = Story::new("pager", &[IntegrationKind::PagerDuty]);
    story.alerts("G");
    story.pass();
    assert_eq!(story.answer(400), "G");
    story.alerts("g");
    story.pass();
    assert_eq!(story.under_way(), "");
    assert_eq!(story.engine.rows(), EngineRows::default());
}

#[test]
fn a_resolve_that_may_have_arrived_does_not_hide_the_next_firing() {
    let mut story = Story::new("pager", &[IntegrationKind::PagerDuty]);
    story.alerts("G");
    story.pass();
    assert_eq!(story.answer(202), "G");
    story.alerts("g");
    story.pass();
    assert_eq!(story.answer(0), "g");
    story.alerts("G");
    story.pass();
    assert_eq!(story.answer(400), "g");
    assert_eq!(story.answer(202), "G");
}

#[test]
fn stale_news_is_not_told_to_who_does_not_hear_of_the_end() {
    let mut story = Story::new("quiet", &[IntegrationKind::Webhook]);
    story.alerts("E");
    story.pass();
    assert_eq!(story.answer(0), "E");
    story.alerts("F");
    story.now = story.now + Duration::from_millis(1);
    story.pass();
    assert_eq!(story.under_way(), "E");
    story.alerts("ef");
    story.pass();
    // What was attempted goes on, though not for ever, and what waited behind it is gone.
    assert!(story.engine.dispatch().deliveries().all(|delivery| delivery.deadline.is_some()));
    assert_eq!(story.answer(202), "E");
    assert_eq!(story.under_way(), "");
    story.pass();
    assert_eq!(story.engine.rows(), EngineRows::default());
}

#[test]
fn a_refused_end_of_a_notice_frees_its_lane() {
    let mut story = Story::new("canary", &[IntegrationKind::PagerDuty, IntegrationKind::Rollback]);
    story.alerts("A");
    assert_eq!(story.answer(400), "rollback");
    story.pass();
    let mut heard: Vec<String> = (0..2).map(|_| story.answer(202)).collect();
    heard.sort();
    assert_eq!(heard, ["A", "notice Firing"]);
    story.alerts("a");
    story.pass();
    assert_eq!(story.answer(202), "a");
    story.pass();
    story.pass();
    assert_eq!(story.answer(400), "notice Resolved");
    assert_eq!(story.engine.rows(), EngineRows::default());
}

#[test]
fn an_incident_is_closed_with_the_key_that_opened_it() {
    let mut story = Story::new("pager", &[IntegrationKind::PagerDuty]);
    story.alerts("C");
    story.pass();
    assert_eq!(story.answer_keyed(202, "k1"), "trigger k1");
    // The secret's file holds another key now.
    story.alerts("D");
    story.pass();
    assert_eq!(story.answer_keyed(202, "k2"), "trigger k2");
    assert!(!format!("{:?}", story.engine.rows()).contains("k1"), "nothing shows a key");
    story.alerts("cd");
    story.pass();
    let mut closed = [story.answer_keyed(202, "k3"), story.answer_keyed(202, "k3")];
    closed.sort();
    assert_eq!(closed, ["resolve k1", "resolve k2"]);
    assert_eq!(story.engine.rows(), EngineRows::default());
}

#[test]
fn what_a_former_key_opened_is_told_with_that_key_alone() {
    let mut story = Story::new("pager", &[IntegrationKind::PagerDuty]);
    story.alerts("CD");
    story.pass();
    assert_eq!(story.answer_keyed(202, "k1"), "trigger k1");
    // The secret's file holds another key now, and a part of it is over.
    story.alerts("c");
    story.pass();
    assert_eq!(story.answer_keyed(202, "k2"), "trigger k2");
    story.pass();
    let told: Vec<String> = (0..story.sendings.len()).map(|_| story.answer_keyed(202, "k2")).collect();
    assert_eq!(told, ["trigger k1"]);
    for _ in 0..3 {
        story.pass();
        assert_eq!(story.sendings.len(), 0, "there is nothing new to say");
    }
    story.alerts("d");
    story.pass();
    let mut closed = [story.answer_keyed(202, "k2"), story.answer_keyed(202, "k2")];
    closed.sort();
    assert_eq!(closed, ["resolve k1", "resolve k2"]);
    assert_eq!(story.engine.rows(), EngineRows::default());
}

#[test]
fn a_rollback_whose_entry_goes_away_while_it_is_under_way_pages_a_human() {
    for status in [503, 0, 202] {
        let kept = [IntegrationKind::PagerDuty, IntegrationKind::Rollback];
        let mut story = Story::new("canary", &kept);
        story.alerts("A");
        assert_eq!(story.under_way(), "rollback");
        let whole = Story::spec("canary", &kept);
        let receivers = whole.receivers.iter().filter(|(id, _)| id.kind != IntegrationKind::Rollback).cloned();
        story.reload(EngineSpec { receivers: receivers.collect(), rollbacks: Vec::new(), ..whole });
        assert_eq!(story.answer(status), "rollback");
        story.pass();
        let heard: Vec<String> = (0..story.sendings.len()).map(|_| story.answer(202)).collect();
        assert!(heard.contains(&"notice Firing".to_owned()), "{status}: {heard:?}");
        story.alerts("a");
        for _ in 0..3 {
            story.pass();
            (0..story.sendings.len()).for_each(|_| drop(story.answer(202)));
        }
        assert_eq!(story.engine.rows(), EngineRows::default(), "{status}");
    }
}

/// The configuration with its receiver and its rollback under another name.
fn renamed(spec: EngineSpec) -> EngineSpec {
    let mut spec = spec;
    spec.receivers.iter_mut().for_each(|(id, _)| *id = bird(id));
    spec.rollbacks.iter_mut().for_each(|rollback| rollback.id = bird(&rollback.id));
    spec.route.receiver = Some(ReceiverName::new("bird"));
    spec
}

fn bird(id: &IntegrationId) -> IntegrationId {
    IntegrationId { receiver: ReceiverName::new("bird"), ..id.clone() }
}

/// On a reload as after a restart, whether the claim has arrived by then or is under way.
#[test]
fn an_entry_that_is_renamed_claims_no_second_rollback() {
    let kept = [IntegrationKind::PagerDuty, IntegrationKind::Rollback];
    for (is_restart, answers) in [(false, vec![202]), (true, vec![202]), (false, vec![503]), (true, vec![503])] {
        let mut story = Story::new("canary", &kept);
        story.alerts("A");
        for status in &answers {
            assert_eq!(story.answer(*status), "rollback");
        }
        let claims = |story: &Story| -> Vec<String> {
            story.engine.rollouts().episodes().map(|it| it.claim.as_ref().unwrap().id.to_string()).collect()
        };
        let before = claims(&story);
        match is_restart {
            false => story.reload(renamed(Story::spec("canary", &kept))),
            true => story.restart(renamed(Story::spec("canary", &kept)), "A"),
        }
        let readings = vec![Reading {
            id: bird(&integration("canary", IntegrationKind::Rollback)),
            at: story.now,
            elements: Ok(vec![Labels::empty()]),
            blind: std::collections::BTreeSet::new(),
        }];
        story.take(Event::Transitions(Transitions { at: story.now, readings, ..Transitions::default() }));
        story.now = story.now + Duration::from_secs(15);
        story.take(Event::Wake);
        assert_eq!(claims(&story), before);
        let heard: Vec<String> = (0..story.sendings.len()).map(|_| story.answer(202)).collect();
        let again = heard.iter().filter(|what| *what == "rollback").count();
        assert_eq!(again, usize::from(answers == [503]), "{is_restart} {answers:?}: {heard:?}");
        assert!(!heard.iter().any(|what| what.contains("notice")), "{is_restart} {answers:?}: {heard:?}");
    }
}

/// Two entries of one receiver, of which the first is taken out: the second moves up to its place, and what the first
/// has claimed keeps nobody from claiming there.
#[test]
fn an_entry_that_moves_up_claims_for_itself() {
    let kept = [IntegrationKind::PagerDuty, IntegrationKind::Rollback];
    let mut two = Story::spec("canary", &kept);
    let first = integration("canary", IntegrationKind::Rollback);
    let second = IntegrationId { slot: 1.into(), ..first.clone() };
    let receiver = two.receivers.iter().find(|(id, _)| *id == first).unwrap().1.clone();
    two.receivers.push((second.clone(), receiver));
    two.rollbacks.push(RollbackSpec { id: second.clone(), terms: "others".into(), ..two.rollbacks[0].clone() });
    let mut one = Story::spec("canary", &kept);
    one.rollbacks[0].terms = "others".into();
    let mut story = Story::new("canary", &kept);
    story.reload(two);
    // The guard of the first holds, that of the second is unknown.
    story.alerts("A");
    assert_eq!(story.answer(202), "rollback");
    assert_eq!(story.engine.rollouts().episodes().filter(|it| it.claim.is_some()).count(), 1);
    story.reload(one);
    story.alerts("A");
    let claims = story.engine.rollouts().episodes().filter(|it| it.claim.is_some()).count();
    assert_eq!(claims, 2, "{:?}", story.engine.rollouts().episodes().collect::<Vec<_>>());
    let heard: Vec<String> = (0..story.sendings.len()).map(|_| story.answer(202)).collect();
    assert_eq!(heard.iter().filter(|what| *what == "rollback").count(), 1, "{heard:?}");
    story.alerts("a");
    for _ in 0..5 {
        story.pass();
        (0..story.sendings.len()).for_each(|_| drop(story.answer(202)));
    }
    assert_eq!(story.engine.rows(), EngineRows::default());
}

#[test]
fn an_incident_that_may_have_been_opened_is_closed_with_its_key() {
    let mut story = Story::new("pager", &[IntegrationKind::PagerDuty]);
    story.alerts("G");
    story.pass();
    assert_eq!(story.answer_keyed(0, "k1"), "trigger k1");
    story.pass();
    assert_eq!(story.answer_keyed(400, "k2"), "trigger k2");
    story.alerts("g");
    story.pass();
    let closed: Vec<String> = (0..story.sendings.len()).map(|_| story.answer_keyed(202, "k2")).collect();
    assert!(closed.contains(&"resolve k1".to_owned()), "{closed:?}");
    assert_eq!(story.engine.rows(), EngineRows::default());
}

/// Whether the answer is lost with the process or on its way, a trigger that has arrived is closed with its own key, though
/// the next attempt had another one.
#[test]
fn an_attempt_that_was_not_answered_is_closed_with_its_key() {
    let kept = [IntegrationKind::PagerDuty];
    for is_restart in [false, true] {
        let mut story = Story::new("pager", &kept);
        story.key = Some("k1");
        story.alerts("G");
        story.pass();
        assert_eq!(story.sendings.len(), 1);
        story.key = Some("k2");
        match is_restart {
            true => story.restart(Story::spec("pager", &kept), "G"),
            false => {
                assert_eq!(story.answer_keyed(0, ""), "trigger k1");
                story.pass();
            }
        }
        assert_eq!(story.answer_keyed(202, ""), "trigger k2");
        assert!(!format!("{:?}", story.engine.rows()).contains("\"k1"), "nothing shows a key");
        story.key = Some("k3");
        story.alerts("g");
        story.pass();
        let mut closed: Vec<String> = (0..story.sendings.len()).map(|_| story.answer_keyed(202, "")).collect();
        closed.sort();
        assert_eq!(closed, ["resolve k1", "resolve k2"], "{is_restart}");
        assert_eq!(story.engine.rows(), EngineRows::default());
    }
}

/// The configuration without the receiver's integrations.
fn without_receivers(spec: EngineSpec) -> EngineSpec {
    EngineSpec { receivers: Vec::new(), ..spec }
}

#[test]
fn strictly_a_reload_starts_timers_again() {
    let kept = [IntegrationKind::PagerDuty];
    for (is_strict, told_after_s) in [(false, 30), (true, 50)] {
        let mut story = if is_strict { Story::strict("pager", &kept) } else { Story::new("pager", &kept) };
        let begin = story.now;
        story.alerts("G");
        story.now = begin + Duration::from_secs(20);
        let spec = Story::spec("pager", &kept);
        story.reload(EngineSpec { compat: if is_strict { Compat::Strict } else { Compat::Default }, ..spec });
        let moments: Vec<_> = story.engine.dispatch().groups().map(|group| group.row.next_flush_at).collect();
        assert_eq!(moments, [begin + Duration::from_secs(told_after_s)]);
    }
}

#[test]
fn strictly_a_429_waits_for_the_next_flush() {
    let kept = [IntegrationKind::Webhook];
    for (is_strict, waits) in [(false, "G."), (true, "")] {
        let mut story = if is_strict { Story::strict("pager", &kept) } else { Story::new("pager", &kept) };
        story.alerts("G");
        story.pass();
        assert_eq!(story.answer(429), "G");
        assert_eq!(story.under_way(), waits);
        story.pass();
        assert_eq!(story.answer(200), "G");
    }
}

#[test]
fn strictly_a_receiver_that_is_gone_hears_nothing() {
    let kept = [IntegrationKind::PagerDuty];
    for is_strict in [false, true] {
        let mut story = if is_strict { Story::strict("pager", &kept) } else { Story::new("pager", &kept) };
        story.alerts("G");
        story.pass();
        assert_eq!(story.answer_keyed(202, "k1"), "trigger k1");
        let spec = without_receivers(Story::spec("pager", &kept));
        story.reload(EngineSpec { compat: if is_strict { Compat::Strict } else { Compat::Default }, ..spec });
        story.alerts("g");
        story.pass();
        assert_eq!(story.sendings.len(), usize::from(!is_strict));
    }
}
