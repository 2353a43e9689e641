//! The thread on which the engine lives: events in, records on disk, then sends out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::{Clock, Stopwatch};
use crate::dispatch::{Delivery, DeliveryState, DispatchRecord, Group, Sending};
use crate::engine::{Effect, Engine, EngineSpec, Event, Note, Record, Step, Weight};
use crate::model::{Alert, DeliveryId, IntegrationId, IntegrationKind, Timestamp};
use crate::receiver::Reply;
use crate::rollout::Episode;
use crate::state::SqliteState;
use crate::telemetry::{AttemptLabels, IntegrationLabel, NotificationLabels, QueueLabel, ResultLabel, Telemetry};
use crate::transport::Transport;
use crate::web::Status;

use super::backlog::{Backlog, Commit};
use super::crash;

/// How many events are committed together at most.
const BATCH_MAX: usize = 256;
/// How many sends to one integration are under way at once; more wait, in order. Each has its own, so that one that does
/// not answer holds up nobody else; rollbacks wait for nothing.
const SENDS_MAX: usize = 16;
/// How long nothing is done at most when nothing is due.
const NAP_MAX: Duration = Duration::from_secs(1);
/// How often a daemon that stops looks whether it may.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a shutdown waits for answers. What is not answered by then is sent again after the next start.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the engine's thread is told.
pub(super) enum EngineCommand {
    /// This happened.
    Event(Event),
    /// Say that you are there.
    Ping(oneshot::Sender<()>),
    /// Show what there is.
    View(oneshot::Sender<EngineView>),
    /// Go on with another configuration. What happened before is told as it was configured then.
    Reload(Box<EngineReload>),
    /// End once what is under way has been answered.
    Stop,
}

/// What another configuration means for the engine.
#[derive(Debug)]
pub(super) struct EngineReload {
    pub(super) spec: EngineSpec,
    pub(super) transport: Transport,
}

/// What the engine holds, to look at.
#[derive(Clone, Debug)]
pub(super) struct EngineView {
    pub(super) groups: Vec<Group>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) episodes: Vec<Episode>,
}

/// The engine and what its thread talks to.
pub(super) struct EngineLoop {
    pub(super) engine: Engine,
    /// The alerts that fired when the process before this one ended.
    pub(super) firing: Vec<Alert>,
    pub(super) state: SqliteState,
    pub(super) clock: Clock,
    pub(super) telemetry: Telemetry,
    pub(super) transport: Transport,
    pub(super) commands: mpsc::Receiver<EngineCommand>,
    /// For the tasks that send, to bring their answers back.
    pub(super) back: mpsc::Sender<EngineCommand>,
    pub(super) notes: Option<mpsc::UnboundedSender<Note>>,
    pub(super) runtime: Handle,
    /// The turns of each integration's sends.
    pub(super) turns: HashMap<IntegrationId, Arc<Semaphore>>,
    /// Where it is said whether everything is on disk.
    pub(super) status: Arc<Status>,
}

impl EngineLoop {
    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        let mut backlog = Backlog::default();
        let started = Event::Started { firing: std::mem::take(&mut self.firing) };
        let mut step = self.engine.handle(self.clock.now(), started);
        let mut stopping: Option<Stopwatch> = None;
        loop {
            let refused = self.carry_out(step, &mut backlog);
            self.measure(&backlog);
            if stopping.is_some_and(|since| self.is_quiet() || since.elapsed() > FAREWELL) {
                if backlog.len() > 0 {
                    let last = backlog.commit_now(Vec::new(), &mut self.state);
                    self.learn(last);
                }
                return;
            }
            step = self.hand_back(refused);
            let first = self.next_command(&backlog, stopping.is_some());
            let mut taken = 0;
            let mut next = first;
            while let Some(command) = next {
                match command {
                    EngineCommand::Event(event) => step.append(self.take(event)),
                    EngineCommand::Ping(reply) => drop(reply.send(())),
                    EngineCommand::View(reply) => drop(reply.send(self.view())),
                    EngineCommand::Reload(reload) => {
                        let refused = self.carry_out(std::mem::take(&mut step), &mut backlog);
                        step = self.hand_back(refused);
                        self.transport = reload.transport;
                        step.append(self.engine.reload(self.clock.now(), reload.spec));
                    }
                    EngineCommand::Stop => stopping = Some(Stopwatch::start()),
                }
                taken += 1;
                next = if taken < BATCH_MAX { self.commands.try_recv().ok() } else { None };
            }
            let now = self.clock.now();
            if self.engine.next_wake().is_some_and(|at| at <= now) {
                step.append(self.engine.handle(now, Event::Wake));
            }
        }
    }

    /// Waits for a command, but not past the next moment at which something is due.
    fn next_command(&mut self, backlog: &Backlog, is_stopping: bool) -> Option<EngineCommand> {
        let wake = self.engine.next_wake().map_or(NAP_MAX, |at| self.clock.nap_until(at));
        let nap = match (is_stopping, backlog.retry_in()) {
            (true, _) => wake.min(GLANCE),
            (false, Some(retry)) => wake.min(retry),
            (false, None) => wake,
        };
        let commands = &mut self.commands;
        self.runtime.block_on(async { tokio::time::timeout(nap, commands.recv()).await }).ok().flatten()
    }

    fn is_quiet(&self) -> bool {
        !self.engine.dispatch().deliveries().any(|delivery| matches!(delivery.state, DeliveryState::InFlight { .. }))
    }

    fn view(&self) -> EngineView {
        EngineView {
            groups: self.engine.dispatch().groups().cloned().collect(),
            deliveries: self.engine.dispatch().deliveries().cloned().collect(),
            episodes: self.engine.rollouts().episodes().cloned().collect(),
        }
    }

    /// Lets the engine know of what could not be carried out.
    fn hand_back(&mut self, refused: Vec<Event>) -> Step {
        let mut step = Step::default();
        for event in refused {
            step.append(self.engine.handle(self.clock.now(), event));
        }
        step
    }

    /// Hands an event to the engine. Of an answer by which something has arrived, it is measured how long that took.
    fn take(&mut self, event: Event) -> Step {
        let now = self.clock.now();
        let answered = match &event {
            Event::Reply { delivery, .. } => self.engine.dispatch().delivery(delivery),
            _ => None,
        };
        let answered = answered.map(|it| (it.id.clone(), it.lane.integration.kind.as_str(), it.created_at));
        let step = self.engine.handle(now, event);
        if let Some((id, integration, created_at)) = answered
            && step.after_commit.iter().any(|effect| is_arrival(effect, &id))
        {
            let seconds = &self.telemetry.service.delivery_seconds;
            seconds.get_or_create(&IntegrationLabel { integration }).observe(now.since(created_at).as_secs_f64());
        }
        step
    }

    fn measure(&self, backlog: &Backlog) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let service = &self.telemetry.service;
        self.telemetry.deliveries_waiting.set(count(self.engine.dispatch().deliveries().count()));
        service.notification_groups.set(count(self.engine.dispatch().groups().count()));
        service.backlog.set(count(backlog.len()));
        service.queue_length.get_or_create(&QueueLabel { queue: "engine" }).set(count(self.commands.len()));
    }

    /// Commits a step's records and does what waits for them. When the disk does not take them, pages leave all the same,
    /// from memory, and say so; only rollbacks do not, because a claim is on disk before it leaves. For those the answer is
    /// that they failed: they are tried again, and past their deadline a human is paged.
    fn carry_out(&mut self, mut step: Step, backlog: &mut Backlog) -> Vec<Event> {
        for effect in &mut step.after_commit {
            if let Effect::Send(sending) = effect
                && let Some(key) = self.transport.settle(&mut sending.request)
            {
                step.records.extend(self.engine.sent_with(&sending.delivery, &key));
            }
        }
        let has_nothing = step.records.is_empty() && backlog.len() == 0 && backlog.retry_in().is_none();
        let is_committed = has_nothing || self.commit(step.records, backlog);
        let mut refused = Vec::new();
        for effect in step.after_commit {
            match effect {
                Effect::Send(sending) if is_committed || self.is_claim_on_disk(&sending) => self.send(*sending),
                Effect::Send(sending) if sending.integration.kind == IntegrationKind::Rollback => {
                    let why = "the claim cannot be written to the state file, and must not leave before".to_owned();
                    refused.push(Event::Reply { delivery: sending.delivery, reply: Reply::Failed { why } });
                }
                Effect::Send(mut sending) => {
                    sending.request = sending.request.sent_from_memory(sending.integration.kind);
                    self.send(*sending);
                }
                Effect::Note(note) => self.tell(note),
            }
        }
        refused
    }

    /// Whether this is an attempt at a claim that has been on disk since before it took no more: the same claim may leave.
    fn is_claim_on_disk(&self, sending: &Sending) -> bool {
        let row = || Record::Dispatch(DispatchRecord::Delivery(sending.delivery.clone(), None));
        sending.integration.kind == IntegrationKind::Rollback && self.state.has_row(&row()).unwrap_or(false)
    }

    fn commit(&mut self, records: Vec<Record>, backlog: &mut Backlog) -> bool {
        crash::boundary("before commit");
        let stopwatch = Stopwatch::start();
        let commit = backlog.commit(records, &mut self.state);
        if !matches!(commit, Commit::NotTried) {
            self.telemetry.commit_seconds.observe(stopwatch.elapsed().as_secs_f64());
        }
        self.learn(commit)
    }

    /// Lets everyone know what came of a commit. Returns whether everything is on disk.
    fn learn(&self, commit: Commit) -> bool {
        let is_done = matches!(commit, Commit::Done { .. });
        if !matches!(commit, Commit::NotTried) {
            let label = if is_done { "ok" } else { "error" };
            self.telemetry.commits.get_or_create(&ResultLabel { result: label }).inc();
            self.telemetry.state_writable.set(i64::from(is_done));
            self.status.set_durable(is_done);
        }
        match commit {
            Commit::Done { is_recovered } => {
                crash::boundary("after commit");
                if is_recovered {
                    tracing::info!("the state file takes writes again: everything is on disk");
                }
            }
            Commit::Failed { error, is_first: true } => {
                let error = anyhow::Error::new(error);
                tracing::error!(
                    error = %format!("{error:#}"),
                    "cannot write the state file: pages leave from memory, rollbacks wait, and a restart now would \
                     repeat or forget; free some space"
                );
            }
            Commit::Failed { is_first: false, .. } | Commit::NotTried => {}
        }
        is_done
    }

    /// Lets those who watch know.
    fn tell(&self, note: Note) {
        self.count(&note);
        match note.weight() {
            Weight::Course => tracing::info!("{note}"),
            Weight::Setback => tracing::warn!("{note}"),
            Weight::Trouble => tracing::error!("{note}"),
        }
        if let Some(notes) = &self.notes {
            // Whoever watched may have gone.
            let _ = notes.send(note);
        }
    }

    fn count(&self, note: &Note) {
        let (integration, result) = match note {
            Note::Delivered { integration, .. } => (integration, "delivered"),
            Note::AttemptFailed { integration, .. } => (integration, "retry"),
            Note::Undeliverable { integration, .. } => (integration, "gave_up"),
            Note::RollbackWithdrawn { integration, .. } => (integration, "withdrawn"),
            Note::RollbackClaimed { .. } => {
                self.telemetry.rollbacks_claimed.inc();
                return;
            }
            Note::Alert { .. }
            | Note::RollbackKeyless { .. }
            | Note::Orphaned { .. }
            | Note::ForwardDropped { .. }
            | Note::TextFailed { .. }
            | Note::EpisodeEnded { .. }
            | Note::GroupTold { .. } => return,
        };
        let labels = NotificationLabels { integration: integration.kind.as_str(), result };
        self.telemetry.notifications.get_or_create(&labels).inc();
    }

    /// Starts a task that sends and brings the answer back.
    fn send(&mut self, sending: Sending) {
        let kind = sending.integration.kind;
        let is_rollback = kind == IntegrationKind::Rollback;
        let turns = (!is_rollback).then(|| {
            let turns = self.turns.entry(sending.integration.clone());
            turns.or_insert_with(|| Arc::new(Semaphore::new(SENDS_MAX))).clone()
        });
        let (transport, clock, back) = (self.transport.clone(), self.clock.clone(), self.back.clone());
        let telemetry = self.telemetry.service.clone();
        if let Some(delay) = delay(&self.engine, &sending, clock.now()) {
            self.telemetry.send_delay_seconds.set(delay);
        }
        self.runtime.spawn(async move {
            // A semaphore is never closed, and without a permit nothing would be lost but the limit.
            let _turn = match &turns {
                Some(turns) => turns.acquire().await.ok(),
                None => None,
            };
            crash::boundary("before send");
            let stopwatch = Stopwatch::start();
            let reply = transport.send(sending.request, clock.outside()).await;
            crash::boundary("after send");
            let (integration, answer) = (kind.as_str(), answer_of(&reply));
            let took = stopwatch.elapsed().as_secs_f64();
            telemetry.call_seconds.get_or_create(&IntegrationLabel { integration }).observe(took);
            telemetry.attempts.get_or_create(&AttemptLabels { integration, answer }).inc();
            let event = Event::Reply { delivery: sending.delivery, reply };
            // Once the engine is gone, the delivery is still in flight in its file and is sent again at the next start.
            let _ = back.send(EngineCommand::Event(event)).await;
        });
    }
}

fn is_arrival(effect: &Effect, id: &DeliveryId) -> bool {
    matches!(effect, Effect::Note(Note::Delivered { delivery, .. }) if delivery == id)
}

/// What came of a call, as the metrics name it.
fn answer_of(reply: &Reply) -> &'static str {
    match reply.answer() {
        Reply::Http { status: 200..=299, .. } | Reply::SlackDone { .. } => "2xx",
        Reply::Http { status: 429, .. } => "429",
        Reply::Http { status: 300..=399, .. } => "3xx",
        Reply::Http { status: 400..=499, .. } => "4xx",
        Reply::Http { .. } => "5xx",
        Reply::SlackRefused { .. } => "refused",
        Reply::Failed { .. } | Reply::Keyed { .. } => "no_answer",
    }
}

fn delay(engine: &Engine, sending: &Sending, now: Timestamp) -> Option<f64> {
    let delivery = engine.dispatch().delivery(&sending.delivery)?;
    Some(now.since(delivery.created_at).as_secs_f64())
}
