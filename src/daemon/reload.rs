//! Exchanges the configuration of a running daemon: on a signal, on request, or when a file has changed.
//!
//! Everything that can fail comes first: files are read and checked, secrets resolved. Then the evaluator, between two
//! ticks, takes its part and hands the engine its own, in front of what it has to say; so each transition is told by the
//! configuration that it comes from. One reload at a time, in one task.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::config::Config;
use crate::evaluator::EvaluatorSpec;
use crate::model::{Place, Problem, Problems, Timestamp};
use crate::receiver::Endpoint;
use crate::source::Scrapes;
use crate::telemetry::{ResultLabel, Telemetry};
use crate::transport::HttpClient;
use crate::web::{Loaded, Refused, Status};

use super::config_file::{ConfigFile, Loading, Seen};
use super::engine_loop::EngineReload;
use super::evaluator_loop::{EvaluatorCommand, EvaluatorReload};
use super::means::Means;

/// How often it is looked whether a file has changed. A change counts when it is there twice, so that whoever writes
/// several files, or exchanges a link, has come to the end.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many requests to reload may wait.
pub(super) const RELOADS_WAITING_MAX: usize = 8;

/// Why a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// Someone asked for it.
    Request,
    /// A file is not as it was.
    Change,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "SIGHUP",
            Self::Request => "request",
            Self::Change => "a file has changed",
        })
    }
}

/// A request to reload, and whom to tell how it went.
pub(super) struct ReloadRequest {
    pub(super) cause: Cause,
    pub(super) reply: Option<oneshot::Sender<Result<(), String>>>,
}

/// Asks for reloads.
#[derive(Clone, Debug)]
pub struct Reloads(pub(super) mpsc::Sender<ReloadRequest>);

impl Reloads {
    /// Loads the configuration anew. The answer is everything that is wrong with it, if it is not taken.
    pub async fn reload(&self, cause: Cause) -> Result<(), String> {
        let gone = || "the daemon is stopping".to_owned();
        let (reply, answer) = oneshot::channel();
        self.0.send(ReloadRequest { cause, reply: Some(reply) }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// What a running daemon cannot change, as the files gave it at the start.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    /// The address, when it is the configuration that says it.
    pub(super) listen: Option<Option<SocketAddr>>,
    /// The data directory, when it is the configuration that says it.
    pub(super) state_dir: Option<Option<PathBuf>>,
}

impl Fixed {
    /// What is set otherwise than at the start, and cannot be changed while we run.
    fn check(&self, file: &Path, config: &Config) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let mut note = |path: &str, before: String, now: String| {
            problems.push(Problem {
                place: Place { file: file.display().to_string(), line: None, column: None },
                path: path.to_owned(),
                what: format!("was {before} at the start, is {now} now, and cannot change while Atalaya runs"),
                hint: Some("restart needed: set it back, or restart".to_owned()),
                snippet: String::new(),
            });
        };
        if let Some(before) = &self.listen
            && *before != config.listen
        {
            note("web.listen", told(before.as_ref()), told(config.listen.as_ref()));
        }
        if let Some(before) = &self.state_dir
            && *before != config.state_dir
        {
            let path = |path: &Option<PathBuf>| told(path.as_ref().map(|path| path.display()).as_ref());
            note("state.dir", path(before), path(&config.state_dir));
        }
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}

/// Reloads.
pub(super) struct Reloader {
    /// Where the configuration is; none when it comes from no file.
    pub(super) file: Option<ConfigFile>,
    pub(super) fixed: Fixed,
    /// What was read when the configuration was last tried.
    pub(super) seen: Seen,
    pub(super) is_watching: bool,
    pub(super) http: HttpClient,
    pub(super) scrapes: Scrapes,
    pub(super) evaluator: mpsc::WeakSender<EvaluatorCommand>,
    pub(super) status: Arc<Status>,
    pub(super) telemetry: Telemetry,
    pub(super) clock: Clock,
}

impl Reloader {
    /// Reloads when asked, and when files change, until nobody can ask any more.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<ReloadRequest>) {
        let mut looked = tokio::time::interval(LOOK_EVERY);
        looked.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // What was there at the last look.
        let mut last = self.seen.clone();
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    None => return,
                    Some(ReloadRequest { cause, reply }) => {
                        let answer = self.reload(cause).await;
                        if let Some(reply) = reply {
                            // Whoever asked may have gone.
                            let _ = reply.send(answer);
                        }
                        last = self.seen.clone();
                    }
                },
                _ = looked.tick(), if self.is_watching => {
                    let seen = self.seen.clone();
                    let Ok(now) = tokio::task::spawn_blocking(move || seen.again()).await else { continue };
                    if now != self.seen && now == last {
                        // What is wrong is logged, counted and shown.
                        let _ = self.reload(Cause::Change).await;
                        last = self.seen.clone();
                    } else {
                        last = now;
                    }
                }
            }
        }
    }

    /// Loads the configuration and puts it to use, or leaves everything as it is.
    async fn reload(&mut self, cause: Cause) -> Result<(), String> {
        let result = self.load_and_use().await;
        let service = &self.telemetry.service;
        let label = if result.is_ok() { "ok" } else { "error" };
        service.reloads.get_or_create(&ResultLabel { result: label }).inc();
        service.reload_successful.set(i64::from(result.is_ok()));
        match &result {
            Ok(loaded) => {
                tracing::info!(%cause, files = self.seen.count(), "the configuration was reloaded");
                self.status.set_loaded(loaded.clone());
            }
            Err(problems) => {
                tracing::error!(
                    %cause,
                    error = %problems,
                    "cannot reload the configuration: the one before stays in use"
                );
                self.status.set_refused(Refused { at: self.clock.now(), problems: problems.clone() });
            }
        }
        result.map(drop)
    }

    async fn load_and_use(&mut self) -> Result<Loaded, String> {
        let file = self.file.clone().ok_or("this configuration comes from no file")?;
        let path = file.path.clone();
        let loading = tokio::task::spawn_blocking(move || file.load()).await.map_err(|error| error.to_string())?;
        let Loading { config, shown, seen } = loading;
        self.seen = seen;
        let config = config.map_err(|problems| problems.to_string())?;
        self.fixed.check(&path, &config).map_err(|problems| problems.to_string())?;
        let means = Means::new(&config, &self.http, &self.telemetry).map_err(|missing| missing.to_string())?;
        let loaded = loaded(&config, shown, self.clock.now());
        let (done, is_done) = oneshot::channel();
        let reload = EvaluatorReload {
            // The targets that discovery has found stay, as far as their jobs do.
            spec: EvaluatorSpec { targets: self.scrapes.expected(&config.scrape), ..config.evaluator_spec() },
            remote: means.remote,
            engine: Box::new(EngineReload { spec: config.engine_spec(), transport: means.transport }),
            done,
        };
        let stopping = || "the daemon is stopping".to_owned();
        let evaluator = self.evaluator.upgrade().ok_or_else(stopping)?;
        evaluator.send(EvaluatorCommand::Reload(Box::new(reload))).await.map_err(|_| stopping())?;
        is_done.await.map_err(|_| stopping())?;
        self.scrapes.reload(config.scrape.clone(), means.clients).await;
        count(&config, &loaded, &self.telemetry);
        warn_of(&config);
        Ok(loaded)
    }
}

fn told(value: Option<&impl fmt::Display>) -> String {
    value.map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"))
}

/// What a configuration says of itself to whoever asks.
pub(super) fn loaded(config: &Config, shown: String, at: Timestamp) -> Loaded {
    let sources = config.apis.iter().map(|api| (api.name.to_string(), api.url.origin().ascii_serialization()));
    let alertmanagers = config.engine_spec().alertmanagers.alertmanagers;
    let alertmanagers = alertmanagers.into_iter().filter_map(|it| match it.alertmanager.url {
        Endpoint::Plain(url) => Some(url),
        Endpoint::Secret(_) => None,
    });
    Loaded {
        shown,
        at,
        alertmanagers: alertmanagers.collect(),
        sources: sources.collect(),
        external_labels: config.external_labels.clone(),
        refused: None,
    }
}

/// Counts what a configuration holds that is now in use.
pub(super) fn count(config: &Config, loaded: &Loaded, telemetry: &Telemetry) {
    let rules = config.groups.iter().map(|group| group.rules.len()).sum::<usize>();
    telemetry.service.rules.set(i64::try_from(rules).unwrap_or(i64::MAX));
    telemetry.service.reloaded_at.set(loaded.at.seconds());
}

/// Logs what is sound and probably not meant.
pub fn warn_of(config: &Config) {
    for finding in &config.lints {
        let (lint, place) = (finding.lint, finding.problem.place.to_string());
        tracing::warn!(lint, place, path = finding.problem.path, "{}", finding.problem.what);
    }
}
