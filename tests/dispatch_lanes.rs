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
        Self::with(Self::spec(receiver, keep))
    }

    fn with(spec: EngineSpec) -> Self {
        let now = Timestamp::from_millis(1_764_000_000_000);
        Self { engine: Engine::restore(spec, EngineRows::default()), now, sendings: Vec::new(), key: None }
    }

    /// Of these alerts, by their letters, incidents are open under the key `k1`.
    fn opened(letters: &str) -> Self {
        let mut story = Self::new("pager", &[IntegrationKind::PagerDuty]);
        story.alerts(letters);
        story.pass();
        assert_eq!(story.answer_keyed(202, "k1"), "trigger k1");
        story
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
                    && let Some(secret) = &mut request.body_secret
                    && let Some(key) = secret.settle(|_| Some(SecretText::new(key)))
                {
                    self.engine.sent_with(&sending.delivery, &key);
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

    /// Answers all requests that are under way for PagerDuty.
    fn answer_all_keyed(&mut self, status: u16, current: &str) -> Vec<String> {
        (0..self.sendings.len()).map(|_| self.answer_keyed(status, current)).collect()
    }

    /// What is under way closes two incidents, when the secret holds this key, and after that nothing is left.
    fn check_closes(&mut self, current: &str, expected: [&str; 2]) {
        let mut closed = self.answer_all_keyed(202, current);
        closed.sort();
        assert_eq!(closed, expected);
        assert_eq!(self.engine.rows(), EngineRows::default());
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

    /// Answers all requests that are under way.
    fn answer_all(&mut self, status: u16) -> Vec<String> {
        (0..self.sendings.len()).map(|_| self.answer(status)).collect()
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
    let mut heard = story.answer_all(202);
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
    let mut story = Story::opened("C");
    // The secret's file holds another key now.
    story.alerts("D");
    story.pass();
    assert_eq!(story.answer_keyed(202, "k2"), "trigger k2");
    assert!(!format!("{:?}", story.engine.rows()).contains("k1"), "nothing shows a key");
    story.alerts("cd");
    story.pass();
    story.check_closes("k3", ["resolve k1", "resolve k2"]);
}

#[test]
fn what_a_former_key_opened_is_told_with_that_key_alone() {
    let mut story = Story::opened("CD");
    // The secret's file holds another key now, and a part of it is over.
    story.alerts("c");
    story.pass();
    assert_eq!(story.answer_keyed(202, "k2"), "trigger k2");
    story.pass();
    assert_eq!(story.answer_all_keyed(202, "k2"), ["trigger k1"]);
    for _ in 0..3 {
        story.pass();
        assert_eq!(story.sendings.len(), 0, "there is nothing new to say");
    }
    story.alerts("d");
    story.pass();
    story.check_closes("k2", ["resolve k1", "resolve k2"]);
}

/// What was answered is all that is known of it: 202 took it, 400 refused it, and after anything else it may have been
/// carried out.
#[test]
fn a_rollback_whose_entry_goes_away_while_it_is_under_way_pages_a_human_unless_it_was_taken() {
    let cases =
        [(503, Some("may have been")), (0, Some("may have been")), (400, Some("was not carried out")), (202, None)];
    for (status, said) in cases {
        let kept = [IntegrationKind::PagerDuty, IntegrationKind::Rollback];
        let mut story = Story::new("canary", &kept);
        story.alerts("A");
        assert_eq!(story.under_way(), "rollback");
        let whole = Story::spec("canary", &kept);
        let receivers = whole.receivers.iter().filter(|(id, _)| id.kind != IntegrationKind::Rollback).cloned();
        story.reload(EngineSpec { receivers: receivers.collect(), rollbacks: Vec::new(), ..whole });
        assert_eq!(story.answer(status), "rollback");
        story.pass();
        let notice = story.engine.dispatch().deliveries().find_map(|delivery| match &delivery.notification {
            Notification::Notice(notice) => Some(notice.description.clone()),
            Notification::Group(_) | Notification::Rollback(_) => None,
        });
        match said {
            Some(said) => assert!(notice.as_ref().is_some_and(|text| text.contains(said)), "{status}: {notice:?}"),
            None => assert_eq!(notice, None, "{status}"),
        }
        story.answer_all(202);
        story.alerts("a");
        for _ in 0..3 {
            story.pass();
            story.answer_all(202);
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
    for (is_restart, status) in [(false, 202), (true, 202), (false, 503), (true, 503)] {
        let mut story = Story::new("canary", &kept);
        story.alerts("A");
        assert_eq!(story.answer(status), "rollback");
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
        let heard = story.answer_all(202);
        let again = heard.iter().filter(|what| *what == "rollback").count();
        assert_eq!(again, usize::from(status == 503), "{is_restart} {status}: {heard:?}");
        assert!(!heard.iter().any(|what| what.contains("notice")), "{is_restart} {status}: {heard:?}");
    }
}

/// Two receivers would ask the same for the same, and only one is told. When that one is taken out, its alerts do not
/// claim at the other, which nobody routes them to.
#[test]
fn what_was_not_claimed_does_not_go_to_who_asks_the_same() {
    let kept = [IntegrationKind::Rollback];
    let alone = || {
        let mut spec = Story::spec("canary", &kept);
        spec.route.receiver = Some(ReceiverName::new("people"));
        spec
    };
    let (mut both, other) = (renamed(Story::spec("canary", &kept)), alone());
    both.receivers.extend(other.receivers);
    both.rollbacks.extend(other.rollbacks);
    let mut story = Story::new("canary", &kept);
    story.reload(both);
    // The guard of the one that is told is not known, that of the other holds.
    story.alerts("A");
    let claims = |story: &Story| story.engine.rollouts().episodes().filter(|it| it.claim.is_some()).count();
    assert_eq!((story.engine.rollouts().episodes().count(), claims(&story)), (1, 0));
    story.reload(alone());
    story.alerts("A");
    assert_eq!((claims(&story), story.sendings.len()), (0, 0));
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
    let heard = story.answer_all(202);
    assert_eq!(heard.iter().filter(|what| *what == "rollback").count(), 1, "{heard:?}");
    story.alerts("a");
    for _ in 0..5 {
        story.pass();
        story.answer_all(202);
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
    let closed = story.answer_all_keyed(202, "k2");
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
        let mut closed = story.answer_all_keyed(202, "");
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
    for (compat, told_after_s) in [(Compat::Default, 30), (Compat::Strict, 50)] {
        let spec = EngineSpec { compat, ..Story::spec("pager", &kept) };
        let mut story = Story::with(spec.clone());
        let begin = story.now;
        story.alerts("G");
        story.now = begin + Duration::from_secs(20);
        story.reload(spec);
        let moments: Vec<_> = story.engine.dispatch().groups().map(|group| group.row.next_flush_at).collect();
        assert_eq!(moments, [begin + Duration::from_secs(told_after_s)]);
    }
}

#[test]
fn strictly_a_429_waits_for_the_next_flush() {
    let kept = [IntegrationKind::Webhook];
    for (compat, waits) in [(Compat::Default, "G."), (Compat::Strict, "")] {
        let mut story = Story::with(EngineSpec { compat, ..Story::spec("pager", &kept) });
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
    for (compat, heard) in [(Compat::Default, 1), (Compat::Strict, 0)] {
        let spec = EngineSpec { compat, ..Story::spec("pager", &kept) };
        let mut story = Story::with(spec.clone());
        story.alerts("G");
        story.pass();
        assert_eq!(story.answer_keyed(202, "k1"), "trigger k1");
        story.reload(without_receivers(spec));
        story.alerts("g");
        story.pass();
        assert_eq!(story.sendings.len(), heard);
    }
}
