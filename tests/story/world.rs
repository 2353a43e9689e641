//! A world in virtual time: targets that show pages, receivers that answer as told, a disk that keeps records.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use atalaya::config::{self, Config};
use atalaya::dispatch::{DispatchRecord, Sending};
use atalaya::engine::{AlertMove, Effect, Engine, EngineRows, Event, Note, Record, Step};
use atalaya::evaluator::{Evaluator, Scrape};
use atalaya::model::{ALERT_NAME, Labels, SecretText, Timestamp};
use atalaya::receiver::{BodySecret, BodySecretValue, Endpoint, Reply, Request, SlackCall};
use atalaya::rule::{InstanceRow, InstanceState};

/// How a receiver answers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Answer {
    /// It takes what it is told.
    Ok,
    /// It answers with this status, or Slack's like.
    Status(u16),
    /// It answers 429 and wants this many seconds.
    RetryAfter(u64),
    /// Slack answers `ok: false` with this code.
    SlackCode(&'static str),
    /// The daemon is killed before the request leaves, once.
    KilledBeforeSend,
    /// The daemon is killed after the request has arrived, once.
    KilledAfterSend,
}

/// Rows on disk, as the records so far have left them.
#[derive(Default)]
struct Disk {
    instances: BTreeMap<String, InstanceRow>,
    rows: BTreeMap<String, DispatchRecord>,
    episodes: BTreeMap<String, atalaya::rollout::Episode>,
}

impl Disk {
    fn put(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Instance(rule, labels, row) => set(&mut self.instances, format!("{rule} {labels}"), row),
                Record::Dispatch(record) => {
                    let (key, is_there) = match &record {
                        DispatchRecord::Group(key, row) => (format!("group {key}"), row.is_some()),
                        DispatchRecord::Member(key, print, row) => (format!("member {key} {print}"), row.is_some()),
                        DispatchRecord::Lane(key, row) => (format!("lane {key}"), row.is_some()),
                        DispatchRecord::Delivery(id, row) => (format!("delivery {id}"), row.is_some()),
                    };
                    set(&mut self.rows, key, is_there.then_some(record));
                }
                Record::Episode((key, row)) => set(&mut self.episodes, key.to_string(), row),
                Record::Note(_) => {}
            }
        }
    }

    fn engine(&self) -> EngineRows {
        let mut rows = EngineRows { episodes: self.episodes.values().cloned().collect(), ..EngineRows::default() };
        for record in self.rows.values().cloned() {
            match record {
                DispatchRecord::Group(_, row) => rows.dispatch.groups.extend(row),
                DispatchRecord::Member(_, _, row) => rows.dispatch.members.extend(row),
                DispatchRecord::Lane(_, row) => rows.dispatch.lanes.extend(row),
                DispatchRecord::Delivery(_, row) => rows.dispatch.deliveries.extend(row),
            }
        }
        rows
    }
}

fn set<T>(map: &mut BTreeMap<String, T>, key: String, row: Option<T>) {
    match row {
        Some(row) => drop(map.insert(key, row)),
        None => drop(map.remove(&key)),
    }
}

/// The world.
pub(crate) struct World {
    config: Config,
    now: Timestamp,
    evaluator: Evaluator,
    engine: Engine,
    disk: Disk,
    pages: BTreeMap<String, Result<String, String>>,
    answers: BTreeMap<&'static str, Answer>,
    transcript: Vec<String>,
    rollback_ids: Vec<String>,
    keys: Vec<String>,
    slack_messages: u32,
    restarts: usize,
}

fn load(config: &str, files: &[(&str, &str)]) -> Config {
    let read = |path: &Path| -> std::io::Result<String> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == "atalaya.yaml" {
            return Ok(config.to_owned());
        }
        let file = files.iter().find(|(file, _)| *file == name);
        file.map(|(_, text)| (*text).to_owned()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    match config::load(Path::new("atalaya.yaml"), &read) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

impl World {
    /// A world that starts at 00:00 with this configuration and these rule files.
    pub(crate) fn new(config: &str, files: &[(&str, &str)]) -> Self {
        let config = load(config, files);
        let evaluator = Evaluator::new(config.evaluator_spec(), Vec::new());
        let engine = Engine::restore(config.engine_spec(), EngineRows::default());
        let mut world = Self {
            config,
            now: Timestamp::from_millis(0),
            evaluator,
            engine,
            disk: Disk::default(),
            pages: BTreeMap::new(),
            answers: BTreeMap::new(),
            transcript: Vec::new(),
            rollback_ids: Vec::new(),
            keys: Vec::new(),
            slack_messages: 0,
            restarts: 0,
        };
        world.tell(Event::Started { firing: Vec::new() });
        world
    }

    /// The target shows this page from now on.
    pub(crate) fn show(&mut self, target: &str, page: &str) {
        self.pages.insert(target.to_owned(), Ok(page.to_owned()));
    }

    /// The target cannot be scraped from now on.
    pub(crate) fn lose(&mut self, target: &str, why: &str) {
        self.pages.insert(target.to_owned(), Err(why.to_owned()));
    }

    /// Whoever's line in the transcript begins like this answers so from now on.
    pub(crate) fn answer(&mut self, who: &'static str, answer: Answer) {
        self.answers.insert(who, answer);
    }

    /// Lets time pass, second by second, until `mm:ss`.
    pub(crate) fn run_to(&mut self, end: &str) {
        let end = moment(end);
        while self.now < end {
            // What is due between two seconds happens at its moment.
            let second = self.now.floor_to(Duration::from_secs(1)) + Duration::from_secs(1);
            let wake = self.engine.next_wake().filter(|at| *at > self.now && *at < second);
            self.now = wake.unwrap_or(second);
            if self.now == second && second.millis() % 15_000 == 0 {
                self.scrape();
                let transitions = self.evaluator.tick(second);
                self.tell(Event::Transitions(transitions));
            }
            if self.engine.next_wake().is_some_and(|at| at <= self.now) {
                self.tell(Event::Wake);
            }
        }
    }

    /// Lets time pass in which the daemon does nothing at all.
    pub(crate) fn sleep_to(&mut self, end: &str) {
        self.now = moment(end);
    }

    /// Kills the daemon and starts it again from its records.
    pub(crate) fn restart(&mut self) {
        self.restarts += 1;
        self.evaluator = Evaluator::new(self.config.evaluator_spec(), self.disk.instances.values().cloned().collect());
        self.engine = Engine::restore(self.config.engine_spec(), self.disk.engine());
        self.tell(Event::Started { firing: self.evaluator.firing() });
    }

    /// The same, with another configuration.
    pub(crate) fn restart_with(&mut self, config: &str, files: &[(&str, &str)]) {
        self.config = load(config, files);
        self.restart();
    }

    /// Goes on with another configuration, but for its rules.
    pub(crate) fn reload_with(&mut self, config: &str) {
        self.config = load(config, &[("rules.yaml", "groups: []")]);
        let step = self.engine.reload(self.now, self.config.engine_spec());
        self.carry_out(step);
    }

    fn scrape(&mut self) {
        for target in self.config.scrape.clone() {
            let address = target.labels.get("instance");
            let missing = || Err("no such page".to_owned());
            let page = self.pages.get(address).cloned().unwrap_or_else(missing);
            let scrape = Scrape { target: target.id.clone(), at: self.now, took: Duration::from_millis(1), page };
            self.evaluator.ingest(&scrape);
        }
    }

    fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let step = self.engine.handle(self.now, event);
            let Some(replies) = self.carry(step) else { return self.restart() };
            for reply in replies {
                events.insert(0, reply);
            }
        }
    }

    fn carry_out(&mut self, step: Step) {
        match self.carry(step) {
            Some(replies) => replies.into_iter().for_each(|reply| self.tell(reply)),
            None => self.restart(),
        }
    }

    /// Carries a step out; what is answered, or nothing when the process was killed on the way.
    fn carry(&mut self, step: Step) -> Option<Vec<Event>> {
        let mut replies = Vec::new();
        let Step { records, after_commit } = step;
        self.disk.put(records);
        let again = Engine::restore(self.config.engine_spec(), self.disk.engine());
        assert_eq!(again.rows(), self.engine.rows(), "at {}: the records do not tell the whole state", self.now);
        for effect in after_commit {
            match effect {
                Effect::Note(note) => self.note(&note),
                Effect::Send(sending) => match self.send(&sending) {
                    Some(reply) => replies.push(Event::Reply { delivery: sending.delivery, reply }),
                    // Killed: the rest of the step never happened.
                    None => return None,
                },
            }
        }
        Some(replies)
    }

    fn note(&mut self, note: &Note) {
        let line = match note {
            Note::Alert { to, labels, .. } => {
                let to = match to {
                    AlertMove::Pending => "pending",
                    AlertMove::Firing => "firing",
                    AlertMove::Resolved => "resolved",
                    AlertMove::Dropped => "dropped",
                };
                format!("alert {to} {}", short(labels))
            }
            Note::RollbackClaimed { key, .. } => format!("rollback claimed {}", short(key)),
            Note::Orphaned { integration, .. } => format!("orphaned {integration}"),
            _ => return,
        };
        self.say(&line);
    }

    fn say(&mut self, line: &str) {
        let seconds = self.now.millis() / 1000;
        self.transcript.push(format!("{:02}:{:02} {line}", seconds / 60, seconds % 60));
    }

    fn answer_to(&self, line: &str) -> Answer {
        // The longest that fits.
        let fits = self.answers.iter().filter(|(who, _)| line.starts_with(**who));
        fits.max_by_key(|(who, _)| who.len()).map_or(Answer::Ok, |(_, answer)| *answer)
    }

    fn send(&mut self, sending: &Sending) -> Option<Reply> {
        let (line, rollback) = describe(sending);
        let answer = self.answer_to(&line);
        if answer == Answer::KilledBeforeSend {
            self.answers.clear();
            return None;
        }
        self.rollback_ids.extend(rollback);
        self.say(&line);
        if answer == Answer::KilledAfterSend {
            self.answers.clear();
            return None;
        }
        Some(match (&sending.request, answer) {
            (Request::Slack(_), Answer::SlackCode(code)) => {
                Reply::SlackRefused { code: code.to_owned(), retry_after: None }
            }
            (Request::Slack(_), Answer::Status(status)) => Reply::Failed { why: format!("HTTP {status}") },
            (Request::Slack(request), _) => {
                self.slack_messages += 1;
                let ts = match &request.call {
                    SlackCall::Post(_) => format!("{}.0", self.slack_messages),
                    SlackCall::Update(update) => update.ts.to_string(),
                };
                Reply::SlackDone { channel: "C1".to_owned(), ts }
            }
            (Request::Http(_), Answer::Status(status)) => {
                Reply::Http { status, retry_after: None, body: String::new() }
            }
            (Request::Http(_), Answer::RetryAfter(seconds)) => {
                Reply::Http { status: 429, retry_after: Some(Duration::from_secs(seconds)), body: String::new() }
            }
            (Request::Http(request), _) => {
                self.keys.extend(request.body_secret.iter().map(|secret| match &secret.value {
                    BodySecretValue::Named(name) => name.to_string(),
                    BodySecretValue::Kept(text) => text.expose().to_owned(),
                }));
                let key = request.body.get("dedup_key").and_then(|key| key.as_str()).unwrap_or_default();
                let body = format!(r#"{{"status":"success","dedup_key":"{key}"}}"#);
                let answer = Reply::Http { status: 202, retry_after: None, body };
                match &request.body_secret {
                    Some(BodySecret { value: BodySecretValue::Named(name), is_returned: true, .. }) => {
                        Reply::Keyed { answer: Box::new(answer), key: SecretText::new(name.as_str()) }
                    }
                    _ => answer,
                }
            }
        })
    }

    /// All that happened.
    pub(crate) fn transcript(&self) -> &[String] {
        &self.transcript
    }

    /// The lines of the transcript that begin like this after the time.
    pub(crate) fn lines_of(&self, who: &str) -> Vec<&str> {
        self.transcript.iter().map(String::as_str).filter(|line| line[6..].starts_with(who)).collect()
    }

    /// The ids of the rollbacks that arrived, one for each arrival.
    pub(crate) fn rollback_ids(&self) -> &[String] {
        &self.rollback_ids
    }

    /// The routing keys of what PagerDuty took; that of an event is the name of the secret that it was opened with.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// How often the daemon was started again.
    pub(crate) fn restarts(&self) -> usize {
        self.restarts
    }

    /// Every instance with its state.
    pub(crate) fn states(&self) -> Vec<String> {
        let state = |instance: &atalaya::rule::Instance| {
            let state = match instance.state {
                InstanceState::Pending { .. } => "pending",
                InstanceState::Firing { .. } => "firing",
                InstanceState::Lingering { .. } => "lingering",
            };
            let unknown = if instance.unknown_since.is_some() { " unknown" } else { "" };
            format!("{} {state}{unknown}", short(&instance.labels))
        };
        self.evaluator
            .rules()
            .iter()
            .flat_map(|group| &group.rules)
            .flat_map(|rule| rule.instances.iter().map(state))
            .collect()
    }

    /// That this is all that happened; each line may begin as expected.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        let fits = self.transcript.len() == expected.len()
            && self.transcript.iter().zip(expected).all(|(line, expected)| line.starts_with(expected));
        assert!(fits, "expected:\n  {}\ngot:\n  {}", expected.join("\n  "), self.transcript.join("\n  "));
    }

    /// That nobody is owed anything: no group, no lane, nothing on its way, and no rollback but those that cool down.
    #[track_caller]
    pub(crate) fn expect_quiet(&self) {
        let rows = self.engine.rows().dispatch;
        assert!(rows.groups.is_empty(), "groups are left: {:?}", rows.groups);
        assert!(rows.members.is_empty() && rows.lanes.is_empty() && rows.deliveries.is_empty(), "{rows:?}");
    }
}

fn moment(text: &str) -> Timestamp {
    let (minutes, seconds) = text.split_once(':').expect("mm:ss");
    let number = |text: &str| text.parse::<i64>().expect("mm:ss");
    Timestamp::from_millis((number(minutes) * 60 + number(seconds)) * 1000)
}

/// `Hot{service=a}`.
fn short(labels: &Labels) -> String {
    let hidden = [ALERT_NAME, "severity", "job", "instance"];
    let pairs: Vec<_> = labels
        .iter()
        .filter(|(name, _)| !hidden.contains(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{}{{{}}}", labels.get(ALERT_NAME), pairs.join(","))
}

/// A request in a line, and the rollback's id if it is one.
fn describe(sending: &Sending) -> (String, Option<String>) {
    match &sending.request {
        Request::Slack(request) => {
            let (verb, content) = match &request.call {
                SlackCall::Post(post) => ("post", &post.content),
                SlackCall::Update(update) => ("update", &update.content),
            };
            let text = content.text.clone().unwrap_or_default();
            let plain: String = text.chars().filter(char::is_ascii).collect();
            (format!("slack {verb} {}", plain.trim()), None)
        }
        Request::Http(request) => {
            let text = |pointer: &str| request.body.pointer(pointer).and_then(|it| it.as_str()).unwrap_or_default();
            if let Some(signature) = &request.signature {
                let key: BTreeMap<String, String> =
                    serde_json::from_value(request.body["data"]["key"].clone()).expect("a rollback has a key");
                let line = format!("rollback POST {} attempt {}", short(&Labels::from_pairs(key)), sending.attempt);
                return (line, Some(signature.id.clone()));
            }
            if request.body.get("event_action").is_some() {
                let line = format!("pagerduty {} {}", text("/event_action"), text("/payload/summary"));
                return (line.trim_end().to_owned(), None);
            }
            assert!(matches!(&request.url, Endpoint::Plain(_) | Endpoint::Secret(_)));
            let labels: BTreeMap<String, String> =
                serde_json::from_value(request.body["alerts"][0]["labels"].clone()).expect("a webhook has alerts");
            (format!("webhook {} {}", text("/status"), short(&Labels::from_pairs(labels))), None)
        }
    }
}
