//! The thread on which the evaluator lives: scrapes in, ticks on time, transitions out.

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, Stopwatch};
use crate::engine::Event;
use crate::evaluator::{Evaluator, RuleView, Scrape, ScrapeReport, TargetView, Transitions};
use crate::model::{TargetId, Timestamp};
use crate::telemetry::{ResultLabel, Telemetry};

use super::engine_loop::EngineCommand;

/// What the evaluator's thread is asked.
pub(super) enum EvaluatorCommand {
    /// Take this in.
    Scrape(Scrape),
    /// Say that you are there.
    Ping(oneshot::Sender<()>),
    /// Show what there is.
    View(oneshot::Sender<EvaluatorView>),
}

impl From<Scrape> for EvaluatorCommand {
    fn from(scrape: Scrape) -> Self {
        Self::Scrape(scrape)
    }
}

/// What the evaluator holds, to look at.
#[derive(Clone, Debug)]
pub(super) struct EvaluatorView {
    pub(super) rules: Vec<RuleView>,
    pub(super) targets: Vec<TargetView>,
    pub(super) series: usize,
}

/// The evaluator and what its thread talks to.
pub(super) struct EvaluatorLoop {
    pub(super) evaluator: Evaluator,
    pub(super) clock: Clock,
    pub(super) telemetry: Telemetry,
    pub(super) commands: mpsc::Receiver<EvaluatorCommand>,
    pub(super) engine: mpsc::Sender<EngineCommand>,
    pub(super) runtime: Handle,
}

impl EvaluatorLoop {
    /// Runs until nobody can command it any more or the engine is gone.
    pub(super) fn run(mut self) {
        let mut due = self.evaluator.next_tick(self.clock.now());
        loop {
            let nap = self.clock.nap_until(due);
            let commands = &mut self.commands;
            let command = self.runtime.block_on(async { tokio::time::timeout(nap, commands.recv()).await });
            match command {
                Ok(None) => return,
                Ok(Some(command)) => self.take(command),
                Err(_) => {}
            }
            if self.clock.now() < due {
                continue;
            }
            // Scrapes that were taken before the tick's moment count in it.
            while let Ok(command) = self.commands.try_recv() {
                self.take(command);
            }
            let now = self.clock.now();
            let transitions = self.tick(now);
            let event = EngineCommand::Event(Event::Transitions(transitions));
            if self.engine.blocking_send(event).is_err() {
                return;
            }
            due = self.evaluator.next_tick(now);
        }
    }

    fn take(&mut self, command: EvaluatorCommand) {
        match command {
            EvaluatorCommand::Scrape(scrape) => {
                let stopwatch = Stopwatch::start();
                let before = self.last_error(&scrape.target);
                let report = self.evaluator.ingest(&scrape);
                self.telemetry.ingest_seconds.observe(stopwatch.elapsed().as_secs_f64());
                self.count(&report);
                log_scrape(&scrape.target, before.as_deref(), &report);
            }
            // Whoever asked may have gone.
            EvaluatorCommand::Ping(reply) => drop(reply.send(())),
            EvaluatorCommand::View(reply) => {
                let view = EvaluatorView {
                    rules: self.evaluator.rules().into_iter().flat_map(|group| group.rules).collect(),
                    targets: self.evaluator.targets(),
                    series: self.evaluator.series_count(),
                };
                // Whoever asked may have gone.
                let _ = reply.send(view);
            }
        }
    }

    fn last_error(&self, target: &TargetId) -> Option<String> {
        self.evaluator.last_scrape(target).and_then(|report| report.error.clone())
    }

    fn count(&self, report: &ScrapeReport) {
        let result = if report.error.is_none() { "ok" } else { "error" };
        self.telemetry.scrapes.get_or_create(&ResultLabel { result }).inc();
        self.telemetry.scrape_samples.inc_by(report.samples as u64);
        self.telemetry.series.set(i64::try_from(self.evaluator.series_count()).unwrap_or(i64::MAX));
    }

    fn tick(&mut self, now: Timestamp) -> Transitions {
        let stopwatch = Stopwatch::start();
        let transitions = self.evaluator.tick(now);
        self.telemetry.tick_seconds.observe(stopwatch.elapsed().as_secs_f64());
        for group in &transitions.groups {
            let ok = group.rules - group.failed;
            self.telemetry.rule_evaluations.get_or_create(&ResultLabel { result: "ok" }).inc_by(ok as u64);
            let failed = group.failed as u64;
            self.telemetry.rule_evaluations.get_or_create(&ResultLabel { result: "error" }).inc_by(failed);
            self.telemetry.missed_evaluations.inc_by(group.missed);
            for (rule, error) in &group.failures {
                let group = &group.group;
                tracing::warn!(%group, %rule, %error, "cannot evaluate a rule: its alerts stay as they were");
            }
            for rule in &group.recovered {
                tracing::info!(group = %group.group, %rule, "a rule can be evaluated again");
            }
        }
        self.telemetry.alerts_firing.set(i64::try_from(self.evaluator.firing_count()).unwrap_or(i64::MAX));
        transitions
    }
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
