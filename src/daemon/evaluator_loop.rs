//! The thread on which the evaluator lives: scrapes in, ticks on time, transitions out.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::clock::{self, Clock, Stopwatch};
use crate::engine::Event;
use crate::evaluator::{
    Answered, Evaluator, EvaluatorSpec, GroupView, QuestionId, Scrape, ScrapeReport, ScrapeTarget, TargetView,
    Transitions,
};
use crate::model::{TargetId, Timestamp};
use crate::source::{RemoteAnswer, TargetsChanged};
use crate::store::Inventory;
use crate::telemetry::{HealthLabel, PlanLabel, QueueLabel, ReasonLabel, ResultLabel, Telemetry};

use super::engine_loop::{EngineCommand, EngineReload};
use super::means::Remote;
use super::query_turns::QueryTurns;

/// What the evaluator's thread is asked.
pub(super) enum EvaluatorCommand {
    /// Take this in.
    Scrape(Scrape),
    /// These are the targets from now on.
    SetTargets(Vec<ScrapeTarget>),
    /// A question was answered.
    Answer(QuestionId, Result<Answered, String>),
    /// Say that you are there.
    Ping(oneshot::Sender<()>),
    /// Show what there is.
    View(oneshot::Sender<EvaluatorView>),
    /// Show the rules.
    Groups(oneshot::Sender<Vec<GroupView>>),
    /// Show the series.
    Inventory(oneshot::Sender<Inventory>),
    /// Show the targets.
    Targets(oneshot::Sender<Vec<TargetView>>),
    /// Go on with another configuration, and hand on the engine's.
    Reload(Box<EvaluatorReload>),
}

impl From<TargetsChanged> for EvaluatorCommand {
    fn from(change: TargetsChanged) -> Self {
        Self::SetTargets(change.targets)
    }
}

impl From<Scrape> for EvaluatorCommand {
    fn from(scrape: Scrape) -> Self {
        Self::Scrape(scrape)
    }
}

impl From<RemoteAnswer> for EvaluatorCommand {
    fn from(RemoteAnswer { id, result }: RemoteAnswer) -> Self {
        Self::Answer(id, result)
    }
}

/// What another configuration means for the evaluator.
pub(super) struct EvaluatorReload {
    pub(super) spec: EvaluatorSpec,
    /// Whom questions are asked from now on.
    pub(super) remote: Remote,
    /// For the engine, in front of what the evaluator has to say about it.
    pub(super) engine: Box<EngineReload>,
    /// Told when the evaluator has taken it over, and the engine's half waits for the engine.
    pub(super) done: oneshot::Sender<()>,
}

/// What the evaluator holds, to look at.
#[derive(Clone, Debug)]
pub(super) struct EvaluatorView {
    pub(super) groups: Vec<GroupView>,
    pub(super) targets: Vec<TargetView>,
    pub(super) series: usize,
    pub(super) series_bytes: usize,
}

/// The evaluator and what its thread talks to.
pub(super) struct EvaluatorLoop {
    pub(super) evaluator: Evaluator,
    pub(super) clock: Clock,
    pub(super) telemetry: Telemetry,
    pub(super) commands: mpsc::Receiver<EvaluatorCommand>,
    /// Queries of the API. A piece of one is evaluated when nothing else is to be done, so that a tick waits for no more.
    pub(super) queries: QueryTurns,
    pub(super) engine: mpsc::Sender<EngineCommand>,
    /// Who answers what rules ask of others, and where the answers go; not kept alive.
    pub(super) remote: Remote,
    pub(super) back: mpsc::WeakSender<EvaluatorCommand>,
    pub(super) runtime: Handle,
    /// When it was last counted how many targets are well.
    pub(super) targets_counted: Option<Stopwatch>,
}

/// How often it is counted how many targets are well.
const COUNT_TARGETS_EVERY: Duration = Duration::from_secs(2);

/// What there is to do next.
enum Next {
    Command(EvaluatorCommand),
    Query,
    /// It is time to look at the clock.
    Tick,
    /// Nobody commands any more.
    End,
}

impl EvaluatorLoop {
    /// Runs until nobody can command it any more or the engine is gone.
    pub(super) fn run(mut self) {
        self.evaluator.measure_with(clock::elapsed);
        let mut due = self.evaluator.next_tick(self.clock.now());
        loop {
            let is_open = match self.next(due) {
                Next::Command(command) => self.take(command, &mut due),
                Next::Query => {
                    self.queries.go_on(&self.evaluator, &self.telemetry);
                    true
                }
                Next::Tick => true,
                Next::End => false,
            };
            if !is_open {
                return;
            }
            if self.clock.now() < due {
                continue;
            }
            // Scrapes that were taken before the tick's moment count in it.
            while let Ok(command) = self.commands.try_recv() {
                if !self.take(command, &mut due) {
                    return;
                }
            }
            let now = self.clock.now();
            let transitions = self.tick(now);
            if !self.tell(transitions) {
                return;
            }
            due = self.evaluator.next_tick(now);
        }
    }

    /// Waits for something to do, but not past the next tick. Commands come before queries.
    fn next(&mut self, due: Timestamp) -> Next {
        let nap = self.clock.nap_until(due);
        let (commands, queries) = (&mut self.commands, &mut self.queries);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                command = commands.recv() => command.map_or(Next::End, Next::Command),
                () = tokio::time::sleep(nap) => Next::Tick,
                true = queries.wait() => Next::Query,
            }
        })
    }

    /// Lets the engine know, and asks what remote sources are to be asked. Says whether the engine is still there.
    fn tell(&self, mut transitions: Transitions) -> bool {
        let questions = std::mem::take(&mut transitions.questions);
        if !questions.is_empty()
            && let Some(back) = self.back.upgrade()
        {
            let _on_the_runtime = self.runtime.enter();
            self.remote.sources.ask_all(questions, self.remote.within, &back);
        }
        self.engine.blocking_send(EngineCommand::Event(Event::Transitions(transitions))).is_ok()
    }

    fn reload(&mut self, reload: EvaluatorReload, due: &mut Timestamp) -> bool {
        let now = self.clock.now();
        self.remote = reload.remote;
        let transitions = self.evaluator.reload(reload.spec, now);
        let is_there =
            self.engine.blocking_send(EngineCommand::Reload(reload.engine)).is_ok() && self.tell(transitions);
        // What was due already is not put off.
        *due = self.evaluator.next_tick(now).min(*due);
        // Whoever asked may have gone.
        let _ = reload.done.send(());
        is_there
    }

    /// Does as it is told. Says whether the engine is still there.
    fn take(&mut self, command: EvaluatorCommand, due: &mut Timestamp) -> bool {
        match command {
            EvaluatorCommand::Scrape(scrape) => {
                let stopwatch = Stopwatch::start();
                let before = self.last_error(&scrape.target);
                let report = self.evaluator.ingest(&scrape);
                self.telemetry.ingest_seconds.observe(stopwatch.elapsed().as_secs_f64());
                self.count(&report);
                log_scrape(&scrape.target, before.as_deref(), &report);
            }
            EvaluatorCommand::SetTargets(targets) => {
                tracing::info!(targets = targets.len(), "these are the targets from now on");
                self.evaluator.set_targets(targets, self.clock.now());
            }
            EvaluatorCommand::Answer(id, answer) => {
                let transitions = self.evaluator.apply(id, answer, self.clock.now());
                self.report(&transitions);
                return self.tell(transitions);
            }
            EvaluatorCommand::Reload(reload) => return self.reload(*reload, due),
            // Whoever asked may have gone.
            EvaluatorCommand::Ping(reply) => drop(reply.send(())),
            EvaluatorCommand::Groups(reply) => drop(reply.send(self.evaluator.rules())),
            EvaluatorCommand::Inventory(reply) => drop(reply.send(self.evaluator.inventory())),
            EvaluatorCommand::Targets(reply) => drop(reply.send(self.evaluator.targets())),
            EvaluatorCommand::View(reply) => {
                let view = EvaluatorView {
                    groups: self.evaluator.rules(),
                    targets: self.evaluator.targets(),
                    series: self.evaluator.series_count(),
                    series_bytes: self.evaluator.memory_bytes(),
                };
                drop(reply.send(view));
            }
        }
        true
    }

    fn last_error(&self, target: &TargetId) -> Option<String> {
        self.evaluator.last_scrape(target).and_then(|report| report.error.clone())
    }

    fn count(&self, report: &ScrapeReport) {
        let result = if report.error.is_none() { "ok" } else { "error" };
        self.telemetry.scrapes.get_or_create(&ResultLabel { result }).inc();
        self.telemetry.scrape_samples.inc_by(report.samples as u64);
        let dropped =
            [("duplicate", report.duplicates), ("out_of_order", report.out_of_order), ("in_future", report.in_future)];
        for (reason, count) in dropped.into_iter().filter(|(_, count)| *count > 0) {
            self.telemetry.service.samples_dropped.get_or_create(&ReasonLabel { reason }).inc_by(count as u64);
        }
        self.telemetry.service.series_refused.inc_by(report.refused as u64);
        self.telemetry.series.set(gauge(self.evaluator.series_count()));
        self.telemetry.service.series_bytes.set(gauge(self.evaluator.memory_bytes()));
    }

    fn tick(&mut self, now: Timestamp) -> Transitions {
        let stopwatch = Stopwatch::start();
        let transitions = self.evaluator.tick(now);
        self.telemetry.tick_seconds.observe(stopwatch.elapsed().as_secs_f64());
        self.report(&transitions);
        self.count_plan();
        self.count_views();
        transitions
    }

    /// Counts what the live plan is made of, and what it left to the interpreter.
    fn count_plan(&mut self) {
        self.telemetry.service.plan_fallbacks.inc_by(self.evaluator.take_undecided());
        let size = self.evaluator.plan_size();
        self.telemetry.service.plan_nodes.set(gauge(size.nodes));
        for (evaluation, count) in [("plan", size.whole), ("partly_interpreted", size.expressions - size.whole)] {
            self.telemetry.service.plan_expressions.get_or_create(&PlanLabel { evaluation }).set(gauge(count));
        }
    }

    /// Counts and logs how evaluations went.
    fn report(&self, transitions: &Transitions) {
        for group in &transitions.groups {
            let ok = group.rules - group.failed;
            self.telemetry.rule_evaluations.get_or_create(&ResultLabel { result: "ok" }).inc_by(ok as u64);
            let failed = group.failed as u64;
            self.telemetry.rule_evaluations.get_or_create(&ResultLabel { result: "error" }).inc_by(failed);
            self.telemetry.missed_evaluations.inc_by(group.missed);
            self.telemetry.service.rule_samples.inc_by(group.samples as u64);
            self.telemetry.service.group_seconds.observe(group.took.as_secs_f64());
            for (rule, error) in &group.failures {
                let group = &group.group;
                tracing::warn!(%group, %rule, %error, "cannot evaluate a rule: its alerts stay as they were");
            }
            for rule in &group.recovered {
                tracing::info!(group = %group.group, %rule, "a rule can be evaluated again");
            }
        }
        self.telemetry.alerts_firing.set(gauge(self.evaluator.firing_count()));
        self.telemetry.service.alerts_unknown.set(gauge(transitions.unknown.len()));
    }

    fn count_views(&mut self) {
        let service = &self.telemetry.service;
        service.queue_length.get_or_create(&QueueLabel { queue: "evaluator" }).set(gauge(self.commands.len()));
        service.queue_length.get_or_create(&QueueLabel { queue: "queries" }).set(gauge(self.queries.len()));
        if self.targets_counted.is_some_and(|last| last.elapsed() < COUNT_TARGETS_EVERY) {
            return;
        }
        self.targets_counted = Some(Stopwatch::start());
        let [mut up, mut down, mut unknown] = [0, 0, 0];
        for target in self.evaluator.targets() {
            match target.last.as_ref().map(|(_, _, report)| report.error.is_none()) {
                Some(true) => up += 1,
                Some(false) => down += 1,
                None => unknown += 1,
            }
        }
        for (health, count) in [("up", up), ("down", down), ("unknown", unknown)] {
            service.targets.get_or_create(&HealthLabel { health }).set(count);
        }
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Says once that a target is lost, and once that it is back.
fn log_scrape(target: &TargetId, before: Option<&str>, report: &ScrapeReport) {
    match (before, &report.error) {
        (None, Some(error)) => {
            tracing::warn!(target_id = %target, error = %error, "cannot scrape a target: its alerts are unknown until it answers");
        }
        (Some(_), None) => tracing::info!(target_id = %target, samples = report.samples, "a target answers again"),
        _ => {}
    }
}
