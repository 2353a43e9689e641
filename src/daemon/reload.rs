//! Exchanges the configuration of a running daemon: on a signal, on request, or when a file has changed.
//!
//! Everything that can fail comes first: files are read and checked, secrets resolved. Then the evaluator, between two
//! ticks, takes its part and hands the engine its own, in front of what it has to say; so each transition is told by the
//! configuration that it comes from. One reload at a time, in one task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::evaluator::EvaluatorSpec;
use crate::source::Scrapes;
use crate::telemetry::{ResultLabel, Telemetry};
use crate::transport::HttpClient;
use crate::web::{Loaded, Refused, Status};

use super::config_file::{ConfigFile, Loading};
use super::engine_loop::EngineReload;
use super::evaluator_loop::{EvaluatorCommand, EvaluatorReload};
use super::fixed::Fixed;
use super::loaded::{count, loaded, warn_of};
use super::looks::{Looks, Next};
use super::means::{Means, MeansError};
use super::secrets::{self, SecretsMissing, Vault};

/// How often it is looked whether a file has changed.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether every secret is there.
const SECRETS_EVERY: Duration = Duration::from_secs(15);
/// How often files are read for somebody who asks, until they are the same behind as before, and how long they are given.
const READS_MAX: u32 = 5;
const REST: Duration = Duration::from_millis(200);
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

/// Reloads.
pub(super) struct Reloader {
    /// Where the configuration is; none when it comes from no file.
    pub(super) file: Option<ConfigFile>,
    pub(super) fixed: Fixed,
    /// What was seen of the files.
    pub(super) looks: Looks,
    pub(super) is_watching: bool,
    pub(super) http: HttpClient,
    pub(super) scrapes: Scrapes,
    pub(super) evaluator: mpsc::WeakSender<EvaluatorCommand>,
    pub(super) status: Arc<Status>,
    pub(super) telemetry: Telemetry,
    pub(super) clock: Clock,
    /// The secrets of the configuration in use, and what was wrong with them at the last look.
    pub(super) vault: Vault,
    pub(super) missing: Option<SecretsMissing>,
}

impl Reloader {
    /// Reloads when asked, and when files change, until nobody can ask any more.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<ReloadRequest>) {
        let every = |period| {
            let mut interval = tokio::time::interval(period);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            interval
        };
        let (mut files_due, mut secrets_due) = (every(LOOK_EVERY), every(SECRETS_EVERY));
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    None => return,
                    Some(ReloadRequest { cause, reply }) => {
                        let answer = match self.load_at_rest().await {
                            Ok(loading) => self.try_out(cause, loading).await,
                            Err(why) => self.judge(cause, Err(why)),
                        };
                        if let Some(reply) = reply {
                            // Whoever asked may have gone.
                            let _ = reply.send(answer);
                        }
                    }
                },
                _ = files_due.tick(), if self.is_watching => self.look().await,
                _ = secrets_due.tick() => self.look_at_secrets().await,
            }
        }
    }

    /// Looks whether files have changed, and reloads when they have and rest.
    async fn look(&mut self) {
        let last = self.looks.last().clone();
        let Ok(now) = tokio::task::spawn_blocking(move || last.again()).await else { return };
        let has_same_secrets = now.has_same_secrets(self.looks.last_tried());
        match self.looks.look(now) {
            Next::Read => {}
            next => return tell(&next),
        }
        let Ok(loading) = self.load().await else { return };
        if let Err(next) = self.looks.read(&loading.seen) {
            return tell(&next);
        }
        if has_same_secrets && loading.seen.has_same_texts(self.looks.last_tried()) {
            // Something has come or gone that is none of ours.
            let seen = loading.seen.with_secrets_of(self.looks.last_tried());
            return self.looks.tried(seen);
        }
        // What is wrong is logged, counted and shown.
        let _ = self.try_out(Cause::Change, loading).await;
    }

    /// Looks whether every secret is there, so that it is known before somebody is to be told something.
    async fn look_at_secrets(&mut self) {
        let vault = self.vault.clone();
        let Ok(found) = tokio::task::spawn_blocking(move || vault.check()).await else { return };
        let missing = found.err();
        let count = missing.as_ref().map_or(0, SecretsMissing::count);
        self.telemetry.service.secrets_missing.set(i64::try_from(count).unwrap_or(i64::MAX));
        if missing == self.missing {
            return;
        }
        match &missing {
            Some(missing) => {
                tracing::error!(error = %missing, "what needs these fails until they are there again");
            }
            None => tracing::info!("every secret and certificate can be used again"),
        }
        self.missing = missing;
    }

    /// Reads everything anew.
    async fn load(&self) -> Result<Loading, String> {
        let file = self.file.clone().ok_or("this configuration comes from no file")?;
        tokio::task::spawn_blocking(move || file.load()).await.map_err(|error| error.to_string())
    }

    /// Reads everything anew, until nothing has changed meanwhile.
    async fn load_at_rest(&self) -> Result<Loading, String> {
        for _ in 0..READS_MAX {
            let loading = self.load().await?;
            let seen = loading.seen.clone();
            let has_rested = tokio::task::spawn_blocking(move || seen.again() == seen).await;
            if has_rested.map_err(|error| error.to_string())? {
                return Ok(loading);
            }
            tokio::time::sleep(REST).await;
        }
        Err("the files are being written: they changed each time while they were read".to_owned())
    }

    /// Puts a configuration to use, or leaves everything as it is.
    async fn try_out(&mut self, cause: Cause, loading: Loading) -> Result<(), String> {
        self.looks.tried(loading.seen.clone());
        let result = self.put_to_use(loading).await;
        self.judge(cause, result)
    }

    /// Tells everyone how it went.
    fn judge(&self, cause: Cause, result: Result<Loaded, String>) -> Result<(), String> {
        let service = &self.telemetry.service;
        let label = if result.is_ok() { "ok" } else { "error" };
        service.reloads.get_or_create(&ResultLabel { result: label }).inc();
        service.reload_successful.set(i64::from(result.is_ok()));
        match &result {
            Ok(loaded) => {
                let files = self.looks.last_tried().count();
                tracing::info!(%cause, files, "the configuration was reloaded");
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

    async fn put_to_use(&mut self, loading: Loading) -> Result<Loaded, String> {
        let Loading { config, shown, seen } = loading;
        let file = self.file.as_ref().ok_or("this configuration comes from no file")?;
        let config = config.map_err(|problems| problems.to_string())?;
        self.fixed.check(&file.path, &config).map_err(|problems| problems.to_string())?;
        let means = Means::new(&config, &self.http, &self.telemetry).map_err(|error| {
            if let MeansError::Secrets(_) = error {
                // It is tried again when what is missing has come.
                self.looks.tried(seen.with_secrets(&secrets::files(&config)));
            }
            error.to_string()
        })?;
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
        (self.vault, self.missing) = (means.vault, None);
        self.telemetry.service.secrets_missing.set(0);
        count(&config, &loaded, &self.telemetry);
        warn_of(&config);
        Ok(loaded)
    }
}

/// Logs why changed files are not read yet.
fn tell(next: &Next) {
    match next {
        Next::Wait | Next::Read => {}
        Next::TellEmpty(paths) => {
            let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            tracing::warn!(
                files = files.join(", "),
                "a file of the configuration has become empty: it is taken for that if it stays so for half a minute"
            );
        }
        Next::TellRestless => {
            tracing::warn!("the files of the configuration keep changing: they are read when they rest");
        }
    }
}
