//! Those who are told: what they heard, and how they fail.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use atalaya::dispatch::{Delivery, Sending};
use atalaya::model::{
    Alert, DeliveryId, Fingerprint, GroupStatus, IntegrationId, IntegrationKind, Notification, SecretText, Timestamp,
};
use atalaya::receiver::{BodySecretValue, Endpoint, Receiver, Reply, Request, SlackCall, Webhook};
use serde_json::{Value, json};

use super::dice::Dice;

/// What a notification says: which alerts fire and which have resolved.
pub(crate) type Content = (BTreeSet<Fingerprint>, BTreeSet<Fingerprint>);

/// What is told, and at which place: the lanes that lead there may change their names.
pub(crate) type Told = (String, String);

/// The place that a receiver leads to.
pub(crate) fn place(receiver: &Receiver) -> String {
    match receiver {
        Receiver::Slack(slack) => slack.channel.source().to_owned(),
        Receiver::PagerDuty(pagerduty) => pagerduty.url.clone(),
        Receiver::Webhook(Webhook { url: Endpoint::Plain(url), .. }) => url.clone(),
        _ => String::new(),
    }
}

/// Whether those at a place want to hear that alerts have resolved.
pub(crate) fn wants_resolved(place: &str) -> bool {
    !place.is_empty() && !place.contains("quiet") && !place.contains("rollback")
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) delivery: DeliveryId,
    pub(crate) told: Told,
    content: Content,
    /// Whether the receiver takes it, whatever we hear of that.
    pub(crate) arrives: bool,
    pub(crate) answered_at: Timestamp,
    pub(crate) reply: Reply,
}

/// How a request fares.
enum Fate {
    Taken,
    AnswerLost,
    NeverArrives,
    TooMany(Duration),
    Broken,
    Rejected,
    MessageGone,
}

#[derive(Debug, Default)]
pub(crate) struct Receivers {
    heard: BTreeMap<Told, Vec<Content>>,
    /// Slack's messages, and what each tells where.
    messages: BTreeMap<String, Told>,
    /// Who does not answer, and until when.
    silent: BTreeMap<IntegrationId, Timestamp>,
}

pub(crate) fn content(notification: &Notification) -> Content {
    match notification {
        Notification::Group(group) => {
            (group.firing().map(Alert::fingerprint).collect(), group.resolved().map(Alert::fingerprint).collect())
        }
        Notification::Notice(notice) => {
            let print = BTreeSet::from([notice.labels.fingerprint()]);
            match notice.status {
                GroupStatus::Firing => (print, BTreeSet::new()),
                GroupStatus::Resolved => (BTreeSet::new(), print),
            }
        }
        Notification::Rollback(_) => Content::default(),
    }
}

/// Puts the key of now where a key is looked up, as transport does; it is what is to be remembered of the request.
pub(crate) fn settle(request: &mut Request, key: &SecretText) -> Option<SecretText> {
    let Request::Http(request) = request else { return None };
    let secret = request.body_secret.as_mut()?;
    if matches!(secret.value, BodySecretValue::Named(_)) {
        secret.value = BodySecretValue::Kept(key.clone());
    }
    match &secret.value {
        BodySecretValue::Kept(key) if secret.is_returned => Some(key.clone()),
        _ => None,
    }
}

impl Receivers {
    /// Decides how a request fares; without dice it is taken.
    pub(crate) fn take(
        &mut self,
        sending: &Sending,
        delivery: Delivery,
        now: Timestamp,
        dice: Option<&mut Dice>,
    ) -> Flight {
        let is_silent = self.silent.get(&sending.integration).is_some_and(|until| now < *until);
        let (fate, takes) = match dice {
            _ if is_silent => (Fate::NeverArrives, Duration::from_secs(10)),
            Some(dice) => (fate(dice, &sending.request), dice.seconds(10)),
            None => (Fate::Taken, Duration::from_millis(200)),
        };
        let told = self.told(&delivery.lane.subject, sending);
        let taken = self.taken(&told, sending);
        let is_slack = sending.integration.kind == IntegrationKind::Slack;
        let failed = |why: &str| Reply::Failed { why: why.to_owned() };
        let http = |status, retry_after| Reply::Http { status, retry_after, body: String::new() };
        let refused = |code: &str, retry_after| Reply::SlackRefused { code: code.to_owned(), retry_after };
        let key = match &sending.request {
            Request::Http(request) => request.body_secret.as_ref().filter(|secret| secret.is_returned),
            Request::Slack(_) => None,
        };
        let (arrives, reply) = match fate {
            Fate::Taken => (true, taken),
            Fate::AnswerLost => (true, failed("the answer was lost")),
            Fate::NeverArrives => (false, failed("no answer")),
            Fate::TooMany(after) if is_slack => (false, refused("ratelimited", Some(after))),
            Fate::TooMany(after) => (false, http(429, Some(after))),
            Fate::Broken => (false, http(503, None)),
            Fate::Rejected if is_slack => (false, refused("invalid_blocks", None)),
            Fate::Rejected => (false, http(400, None)),
            Fate::MessageGone => (false, refused("message_not_found", None)),
        };
        let reply = match key.map(|secret| &secret.value) {
            Some(BodySecretValue::Kept(key)) => Reply::Keyed { answer: Box::new(reply), key: key.clone() },
            _ => reply,
        };
        Flight {
            content: content(&delivery.notification),
            delivery: delivery.id,
            told,
            arrives,
            answered_at: now + takes,
            reply,
        }
    }

    /// What a request tells, and where.
    pub(crate) fn told(&self, subject: &str, sending: &Sending) -> Told {
        let place = match &sending.request {
            Request::Http(request) => match &request.url {
                Endpoint::Plain(url) => match request.body_secret.as_ref().map(|secret| &secret.value) {
                    Some(BodySecretValue::Kept(key)) => format!("{url} {}", key.expose()),
                    Some(BodySecretValue::Named(_)) => panic!("nobody knows with which key {url} is told"),
                    None => url.clone(),
                },
                Endpoint::Secret(name) => panic!("the URL {name}"),
            },
            Request::Slack(request) => match &request.call {
                SlackCall::Post(post) => post.channel.to_string(),
                SlackCall::Update(update) => self.messages[&update.ts.to_string()].1.clone(),
            },
        };
        (subject.to_owned(), place)
    }

    /// The answer of a receiver that takes a request.
    fn taken(&mut self, told: &Told, sending: &Sending) -> Reply {
        match &sending.request {
            Request::Slack(request) => {
                let ts = match &request.call {
                    SlackCall::Post(_) => format!("{}.0", self.messages.len() + 1),
                    SlackCall::Update(update) => {
                        let ts = update.ts.to_string();
                        assert_eq!(
                            self.messages.get(&ts),
                            Some(told),
                            "an update of a message that tells something else"
                        );
                        ts
                    }
                };
                self.messages.insert(ts.clone(), told.clone());
                Reply::SlackDone { channel: "C1".to_owned(), ts }
            }
            Request::Http(request) => {
                let key = request.body.get("dedup_key").and_then(Value::as_str);
                let body = json!({ "dedup_key": key }).to_string();
                Reply::Http { status: 202, retry_after: None, body }
            }
        }
    }

    /// A request has arrived.
    pub(crate) fn hear(&mut self, flight: &Flight) {
        self.heard.entry(flight.told.clone()).or_default().push(flight.content.clone());
    }

    /// Someone answers nothing for a while.
    pub(crate) fn silence(&mut self, integration: IntegrationId, until: Timestamp) {
        self.silent.insert(integration, until);
    }

    pub(crate) fn end_silences(&mut self) {
        self.silent.clear();
    }

    /// What was heard last.
    pub(crate) fn last(&self, told: &Told) -> Option<Content> {
        self.heard.get(told)?.last().cloned()
    }

    /// Whether those at a place believe that an alert fires, if they ever heard of it.
    pub(crate) fn believes_firing(&self, told: &Told, print: Fingerprint) -> Option<bool> {
        let heard = self.heard.get(told)?.iter().rev();
        heard
            .filter(|(firing, resolved)| firing.contains(&print) || resolved.contains(&print))
            .map(|it| it.0.contains(&print))
            .next()
    }

    /// Where it is believed of something that it fires.
    pub(crate) fn hanging(&self) -> Vec<(&Told, BTreeSet<Fingerprint>)> {
        let all = self.heard.iter().map(|(told, heard)| {
            let ever: BTreeSet<Fingerprint> = heard.iter().flat_map(|(firing, _)| firing).copied().collect();
            let still = ever.into_iter().filter(|print| self.believes_firing(told, *print) == Some(true)).collect();
            (told, still)
        });
        all.filter(|(_, still): &(_, BTreeSet<_>)| !still.is_empty()).collect()
    }
}

fn fate(dice: &mut Dice, request: &Request) -> Fate {
    let is_update = matches!(request, Request::Slack(slack) if matches!(slack.call, SlackCall::Update(_)));
    match dice.below(100) {
        0..60 => Fate::Taken,
        60..68 => Fate::AnswerLost,
        68..76 => Fate::NeverArrives,
        76..84 => Fate::TooMany(dice.seconds(3600)),
        84..90 => Fate::Broken,
        90..96 => Fate::Rejected,
        _ if is_update => Fate::MessageGone,
        _ => Fate::Taken,
    }
}
