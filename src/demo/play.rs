//! Sets the stage, starts the daemon on it, and plays: what happens is checked, told and written down as it comes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{Daemon, DaemonError, DaemonSpec, ServiceSpec};
use crate::engine::Note;
use crate::model::{Problems, Timestamp};
use crate::rule::RuleGroup;
use crate::transport::{SigningKey, SigningKeyError};

use super::fakes::{FakePagerDuty, FakeSlack, Reports, RollbackReceiver};
use super::happening::Happening;
use super::keys::Keys;
use super::loopback::{self, Loopback};
use super::narrator::{Narrator, Pace};
use super::progress;
use super::scratch::Scratch;
use super::screen::Screen;
use super::script::{ALERT, Beat, HEALTHY, Script, Verdict};
use super::setting::{self, Addresses};
use super::summary;
use super::transcript::Transcript;
use super::world::{GATEWAY, SERVICES, SharedWorld, Track, World};

/// The channel that `rules/atalaya.yaml` names.
const CHANNEL: &str = "#enova-alerts";
/// How long the story is, about.
const STORY: Duration = Duration::from_secs(16 * 60);
/// How often the last line is drawn and it is looked whether the story is over.
const REDRAW: Duration = Duration::from_millis(50);
/// How long the daemon's end is waited for.
const FAREWELL: Duration = Duration::from_secs(10);

/// What a demo is made of.
#[derive(Debug)]
pub struct DemoSpec {
    /// How many times faster than life it goes.
    pub speed: f64,
    /// Whether it ends with the story.
    pub exit: bool,
    /// Where to write what happened.
    pub transcript: Option<PathBuf>,
    /// Where the daemon's page is.
    pub listen: SocketAddr,
    /// What the rollback receiver verifies with, if not with the key that the daemon signs with.
    pub receiver_secret: Option<String>,
}

/// How a demo ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The story happened as it should.
    Happened,
    /// It did not.
    Failed,
    /// It was interrupted before it was over.
    Interrupted,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is no place for the state.
    #[error("make a temporary directory")]
    Scratch(#[source] io::Error),
    /// A stand-in cannot be served.
    #[error("serve on this machine")]
    Serve(#[source] io::Error),
    /// The transcript cannot be written.
    #[error("write the transcript `{path}`")]
    Transcript {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The receiver's secret cannot verify anything.
    #[error("the rollback receiver's secret")]
    ReceiverSecret(#[from] SigningKeyError),
    /// The built-in configuration does not work: a bug of ours.
    #[error("the built-in configuration: {0}")]
    Config(Problems),
    /// The daemon did not start, or ended.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The daemon's task was lost: a bug of ours.
    #[error("the daemon ended unexpectedly")]
    Ended,
}

/// The stage: everything but the daemon.
struct Stage {
    world: SharedWorld,
    config: Config,
    /// The servers, for as long as it is kept.
    servers: Loopback,
}

/// Plays the story until it is over, or until `stop` completes.
pub async fn play(spec: DemoSpec, stop: impl Future<Output = ()>) -> Result<Ending, DemoError> {
    let clock = Clock::scaled(spec.speed);
    let started = clock.now();
    let broken_at = started + HEALTHY;
    let transcript = Transcript::create(spec.transcript.as_deref());
    let transcript = transcript.map_err(|source| spec.transcript_error(source))?;
    let (reports, mut reported) = unbounded_channel();
    let stage = Stage::set(&spec, &clock, broken_at, &reports).await?;
    let scratch = Scratch::new(started).map_err(DemoError::Scratch)?;
    let hold = hold(&stage.config);
    let (notes_in, mut notes) = unbounded_channel();
    let daemon = Daemon::start(DaemonSpec {
        config: stage.config,
        data_dir: scratch.path().to_owned(),
        listen: spec.listen,
        clock: clock.clone(),
        notes: Some(notes_in),
        service: ServiceSpec::default(),
    })
    .await?;
    let page = format!("http://{}/", daemon.address());
    let mut running = Running::start(daemon);

    let pace = Pace { started, speed: spec.speed, hold };
    let mut play = Play::new(clock, stage.world, pace, broken_at, transcript);
    play.narrator.open(&page, STORY);
    let mut stop = pin!(stop);
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let happening = tokio::select! {
            biased;
            () = &mut stop => break,
            ended = &mut running.task => return Err(ended_early(ended)),
            happening = next(&mut notes, &mut reported) => Some(happening),
            _ = redraw.tick() => None,
        };
        play.break_canary_if_due();
        if let Some(happening) = happening {
            play.take(&happening).map_err(|source| spec.transcript_error(source))?;
        }
        if play.has_just_ended() {
            if spec.exit {
                break;
            }
            play.narrator.screen().line("");
            play.narrator.screen().line(&format!("The daemon stays up at {page} until Ctrl-C."));
        }
    }
    let ending = play.close();
    running.stop().await?;
    // Only now: to its end the daemon may have something to tell.
    drop(stage.servers);
    Ok(ending)
}

/// The story as it is played.
struct Play {
    clock: Clock,
    world: SharedWorld,
    pace: Pace,
    broken_at: Timestamp,
    script: Script,
    narrator: Narrator,
    transcript: Transcript,
    ending: Option<Ending>,
}

impl Play {
    fn new(clock: Clock, world: SharedWorld, pace: Pace, broken_at: Timestamp, transcript: Transcript) -> Self {
        let narrator = Narrator::new(Screen::stdout(), pace);
        Self { clock, world, pace, broken_at, script: Script::new(pace.started), narrator, transcript, ending: None }
    }

    /// The world has it planned; here it is said when the time has come.
    fn break_canary_if_due(&mut self) {
        if self.script.at(Beat::Broken).is_none() && self.clock.now() >= self.broken_at {
            let broke = Happening::CanaryBroke { at: self.broken_at };
            self.script.hear(&broke);
            self.narrator.tell(&broke);
        }
    }

    fn take(&mut self, happening: &Happening) -> io::Result<()> {
        self.transcript.write(happening)?;
        self.script.hear(happening);
        self.narrator.tell(happening);
        Ok(())
    }

    /// Draws how things stand; when the story is over, ends it once.
    fn has_just_ended(&mut self) -> bool {
        if self.ending.is_some() {
            return false;
        }
        let now = self.clock.now();
        if !self.script.is_over(now) {
            if self.narrator.screen().redraws() {
                let line = progress::line(&self.script, &self.world, &self.pace, now);
                self.narrator.screen().status(line);
            }
            return false;
        }
        let verdict = self.script.verdict();
        self.ending = Some(if verdict == Verdict::Happened { Ending::Happened } else { Ending::Failed });
        self.narrator.screen().status(String::new());
        summary::show(self.narrator.screen(), &self.script, &self.pace);
        true
    }

    /// Leaves the terminal as it was.
    fn close(mut self) -> Ending {
        let screen = self.narrator.screen();
        screen.status(String::new());
        self.ending.unwrap_or_else(|| {
            screen.line("Interrupted before the story was over.");
            Ending::Interrupted
        })
    }
}

impl DemoSpec {
    fn transcript_error(&self, source: io::Error) -> DemoError {
        DemoError::Transcript { path: self.transcript.clone().unwrap_or_default(), source }
    }
}

/// Why the daemon ended although nobody asked it to.
fn ended_early(ended: Result<Result<(), DaemonError>, JoinError>) -> DemoError {
    match ended {
        Ok(Err(error)) => DemoError::Daemon(error),
        Ok(Ok(())) | Err(_) => DemoError::Ended,
    }
}

impl Stage {
    /// Serves the targets and the receivers, and makes the configuration that knows them.
    async fn set(spec: &DemoSpec, clock: &Clock, broken_at: Timestamp, reports: &Reports) -> Result<Self, DemoError> {
        let keys = Keys::new(clock.now());
        let receiver_key = SigningKey::parse(spec.receiver_secret.as_deref().unwrap_or(&keys.rollback_secret))?;
        let mut world = World::new(clock.now());
        world.break_canary(GATEWAY, broken_at);
        let world = SharedWorld::new(world);
        let mut servers = Loopback::default();
        let mut targets = Vec::new();
        for service in SERVICES {
            for track in Track::ALL {
                let router = loopback::target(world.clone(), clock.clone(), service.name, track);
                let address = servers.serve(router).await.map_err(DemoError::Serve)?;
                targets.push((service.name, track, address));
            }
        }
        let routers = [
            FakeSlack::new(&keys.slack_token, CHANNEL).router(clock, reports),
            FakePagerDuty::new(&keys.routing_key).router(clock.clone(), reports.clone()),
            RollbackReceiver::new(receiver_key, world.clone()).router(clock.clone(), reports.clone()),
        ];
        let mut receivers = Vec::new();
        for router in routers {
            receivers.push(servers.serve(router).await.map_err(DemoError::Serve)?);
        }
        let addresses = Addresses { targets, slack: receivers[0], pagerduty: receivers[1], rollback: receivers[2] };
        let config = setting::config(&addresses, &keys).map_err(DemoError::Config)?;
        Ok(Self { world, config, servers })
    }
}

/// How long the condition of the story's alert must hold.
fn hold(config: &Config) -> Duration {
    let mut rules = config.groups.iter().flat_map(RuleGroup::alerts);
    rules.find(|rule| rule.name == ALERT).map(|rule| rule.hold).unwrap_or_default()
}

/// What happens next. The daemon's notes come first: it notes a decision before it sends anything, so a call is never told
/// before what led to it.
async fn next(notes: &mut UnboundedReceiver<Note>, reported: &mut UnboundedReceiver<Happening>) -> Happening {
    tokio::select! {
        biased;
        Some(note) = notes.recv() => Happening::Noted(note),
        Some(happening) = reported.recv() => happening,
        // Both ends have gone, and the daemon's end is about to be noticed.
        else => std::future::pending().await,
    }
}

/// The daemon, running beside the play.
struct Running {
    task: JoinHandle<Result<(), DaemonError>>,
    stop: oneshot::Sender<()>,
}

impl Running {
    fn start(daemon: Daemon) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(daemon.run_until(async {
            // An error says that the play is gone, which is as good a reason to stop.
            let _ = stopped.await;
        }));
        Self { task, stop }
    }

    /// Ends it in order. One that takes too long, as with a browser that does not hang up, is left behind.
    async fn stop(self) -> Result<(), DemoError> {
        let _ = self.stop.send(());
        match tokio::time::timeout(FAREWELL, self.task).await {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(_)) => Err(DemoError::Ended),
            Err(_) => Ok(()),
        }
    }
}
