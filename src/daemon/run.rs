//! Wiring: starts the threads and tasks, watches over them, and ends them in order.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Engine, Note};
use crate::evaluator::Evaluator;
use crate::source::Scrapes;
use crate::state::{SqliteState, StateError};
use crate::telemetry::Telemetry;
use crate::transport::{HttpClient, HttpClientError};
use crate::web::{self, Status, Web};

use super::config_file::{ConfigFile, Seen};
use super::engine_loop::{EngineCommand, EngineLoop};
use super::evaluator_loop::{EvaluatorCommand, EvaluatorLoop, QueryCommand};
use super::fixed::Fixed;
use super::loaded;
use super::looks::Looks;
use super::means::{Means, MeansError};
use super::reload::{RELOADS_WAITING_MAX, Reloader, Reloads};
use super::watch::Watch;

/// How many scrapes may wait for the evaluator. When it is behind, scrapers wait too.
const SCRAPES_WAITING_MAX: usize = 64;
/// How many queries may wait for the evaluator. More are refused.
const QUERIES_WAITING_MAX: usize = 8;
/// How long the web's clients may take to hang up.
const FAREWELL: Duration = Duration::from_secs(2);
/// How many events may wait for the engine.
const EVENTS_WAITING_MAX: usize = 4096;

/// What a daemon is made of.
#[derive(Debug)]
pub struct DaemonSpec {
    /// What it does.
    pub config: Config,
    /// Where it keeps its state.
    pub data_dir: PathBuf,
    /// Where its page and APIs are.
    pub listen: SocketAddr,
    /// Its time.
    pub clock: Clock,
    /// Who watches what happens, besides the log.
    pub notes: Option<mpsc::UnboundedSender<Note>>,
    /// How it is run.
    pub service: ServiceSpec,
}

/// How a daemon is run: what only a real one needs. By default nothing is reloaded.
#[derive(Debug, Default)]
pub struct ServiceSpec {
    /// Where the configuration comes from, if it can be loaded anew, and what loading it has given.
    pub file: Option<(ConfigFile, Seen)>,
    /// The configuration as it may be shown.
    pub shown: String,
    /// Whether it is loaded anew when a file has changed.
    pub is_watching: bool,
    /// Whether it is loaded anew by request.
    pub has_lifecycle: bool,
    /// The options of the command line.
    pub flags: Vec<(String, String)>,
    /// Whether the command line says where to listen, and not the configuration.
    pub is_listen_given: bool,
    /// Whether the command line says where the state is kept, and not the configuration.
    pub is_data_dir_given: bool,
}

/// Why a daemon could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// What the configuration needs is not there.
    #[error(transparent)]
    Means(#[from] MeansError),
    /// The state cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no HTTP client.
    #[error(transparent)]
    Http(#[from] HttpClientError),
    /// The address is taken or not ours.
    #[error("cannot listen on `{address}`: choose another with --listen or `web.listen`, or stop whoever has it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A part of it ended although nobody asked it to: a bug of ours.
    #[error("the {part} ended unexpectedly")]
    Ended {
        /// Which.
        part: &'static str,
    },
}

/// A daemon that runs.
#[derive(Debug)]
pub struct Daemon {
    address: SocketAddr,
    evaluator: mpsc::Sender<EvaluatorCommand>,
    queries: mpsc::Sender<QueryCommand>,
    engine: mpsc::Sender<EngineCommand>,
    reloads: Reloads,
    evaluator_task: JoinHandle<()>,
    engine_task: JoinHandle<()>,
    reload_task: JoinHandle<()>,
    web_task: JoinHandle<io::Result<()>>,
    stop_web: oneshot::Sender<()>,
    is_ready: Arc<AtomicBool>,
}

impl Daemon {
    /// Sees to it that people could be told, opens the state, goes on from it, and starts everything.
    pub async fn start(spec: DaemonSpec) -> Result<Self, DaemonError> {
        let DaemonSpec { config, data_dir, listen, clock, notes, service } = spec;
        let http = HttpClient::new()?;
        let telemetry = Telemetry::new();
        let means = Means::new(&config, &http, &telemetry)?;
        let listening = |source| DaemonError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        // The last thing that can fail, since it is the first that leaves something behind.
        let opened = data_dir.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let state = SqliteState::open(&opened)?;
            let rows = state.load()?;
            Ok::<_, StateError>((state, rows))
        });
        let (state, rows) = opening.await.map_err(|_| DaemonError::Ended { part: "state file" })??;
        let runtime = Handle::current();
        let (evaluator_in, evaluator_out) = mpsc::channel(SCRAPES_WAITING_MAX);
        let (queries_in, queries_out) = mpsc::channel(QUERIES_WAITING_MAX);
        let (engine_in, engine_out) = mpsc::channel(EVENTS_WAITING_MAX);
        let (reloads_in, reloads_out) = mpsc::channel(RELOADS_WAITING_MAX);
        let reloads = Reloads(reloads_in);
        let loaded = loaded::loaded(&config, service.shown, clock.now());
        loaded::count(&config, &loaded, &telemetry);
        let status = Arc::new(Status::new(service.flags, service.has_lifecycle, loaded));

        let evaluator = Evaluator::new(config.evaluator_spec(), rows.instances);
        let engine_loop = EngineLoop {
            engine: Engine::restore(config.engine_spec(), rows.engine),
            firing: evaluator.firing(),
            state,
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            transport: means.transport,
            commands: engine_out,
            back: engine_in.clone(),
            notes,
            runtime: runtime.clone(),
            turns: HashMap::new(),
            status: status.clone(),
        };
        let evaluator_loop = EvaluatorLoop {
            evaluator,
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            commands: evaluator_out,
            queries: queries_out,
            engine: engine_in.clone(),
            remote: means.remote,
            back: evaluator_in.downgrade(),
            targets_counted: None,
            runtime,
        };
        let engine_task = tokio::task::spawn_blocking(move || engine_loop.run());
        let evaluator_task = tokio::task::spawn_blocking(move || evaluator_loop.run());

        let (jobs, out) = (config.scrape.clone(), evaluator_in.clone());
        let scrapes = Scrapes::start(jobs, means.clients, clock.clone(), telemetry.clone(), out);
        let scrapes_watch = scrapes.watch();
        let (file, seen) = service.file.unzip();
        let mut looks = Looks::default();
        looks.tried(seen.unwrap_or_default());
        let reloader = Reloader {
            file,
            fixed: Fixed {
                listen: (!service.is_listen_given).then_some(config.listen),
                state_dir: (!service.is_data_dir_given).then(|| config.state_dir.clone()),
            },
            looks,
            is_watching: service.is_watching,
            http,
            scrapes,
            evaluator: evaluator_in.downgrade(),
            status: status.clone(),
            telemetry: telemetry.clone(),
            clock: clock.clone(),
            vault: means.vault,
            missing: None,
        };
        let reload_task = tokio::spawn(reloader.run(reloads_out));

        let is_ready = Arc::new(AtomicBool::new(true));
        let watch = Watch {
            evaluator: evaluator_in.downgrade(),
            queries: queries_in.downgrade(),
            engine: engine_in.downgrade(),
            reloads: reloads.clone(),
            telemetry: telemetry.clone(),
            clock: clock.clone(),
            status: status.clone(),
            scrapes: scrapes_watch,
            external_url: config.external_url.clone(),
        };
        let web = Web { requests: watch.start(), is_ready: is_ready.clone(), telemetry, status, clock };
        let (stop_web, stopped) = oneshot::channel::<()>();
        let web_task = tokio::spawn(web::serve(listener, web, async {
            // An error says that the sender is gone, which is as good a reason to stop.
            let _ = stopped.await;
        }));
        tracing::info!(
            %address,
            data_dir = %data_dir.display(),
            jobs = config.scrape.len(),
            groups = config.groups.len(),
            rules = config.groups.iter().map(|group| group.rules.len()).sum::<usize>(),
            integrations = config.receivers.len(),
            "watching"
        );
        Ok(Self {
            address,
            evaluator: evaluator_in,
            queries: queries_in,
            engine: engine_in,
            reloads,
            evaluator_task,
            engine_task,
            reload_task,
            web_task,
            stop_web,
            is_ready,
        })
    }

    /// By which it is asked to load its configuration anew.
    pub fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// Where its page is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` completes, then ends in order: no more scrapes, no more evaluations, what is under way is
    /// answered, then nobody is served any more.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), DaemonError> {
        let ended = tokio::select! {
            () = stop => None,
            _ = &mut self.evaluator_task => Some("evaluator"),
            _ = &mut self.engine_task => Some("engine"),
            _ = &mut self.web_task => Some("web server"),
            _ = &mut self.reload_task => Some("keeper of the configuration"),
        };
        if let Some(part) = ended {
            return Err(DaemonError::Ended { part });
        }
        tracing::info!("stopping");
        self.is_ready.store(false, Ordering::Relaxed);
        // With it end the scrapers.
        self.reload_task.abort();
        // How it ended does not matter: it was told to.
        let _ = self.reload_task.await;
        // The engine listens to the end, so that the evaluator's last transitions are kept.
        drop((self.evaluator, self.queries));
        let evaluator = self.evaluator_task.await;
        // An error says that it has ended already, which its own result tells.
        let _ = self.engine.send(EngineCommand::Stop).await;
        let engine = self.engine_task.await;
        let _ = self.stop_web.send(());
        // A client that does not hang up is not waited for.
        let _ = tokio::time::timeout(FAREWELL, self.web_task).await;
        match (evaluator, engine) {
            (Err(_), _) => Err(DaemonError::Ended { part: "evaluator" }),
            (_, Err(_)) => Err(DaemonError::Ended { part: "engine" }),
            _ => Ok(()),
        }
    }
}
