//! Keeps one task a target: looks for targets, starts and ends their tasks, and tells the evaluator who there is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::clock::Clock;
use crate::evaluator::{Scrape, ScrapeTarget, TargetView};
use crate::model::TargetId;
use crate::telemetry::Telemetry;
use crate::transport::HttpClients;

use super::discovery::{self, Discovery, Found, Tools};
use super::job::{ActiveTarget, JobTargets, ScrapeJob, TargetGroup, next_moment, phase};
use super::scrape::scrape;
use super::view::{TargetsView, view};

/// How long news from other discoveries is waited for before targets change.
const GATHER: Duration = Duration::from_millis(50);
/// So many findings may wait; discoveries wait when there are more.
const FINDINGS_MAX: usize = 64;
/// So many reloads may wait.
const RELOADS_MAX: usize = 4;

/// The targets that there are from now on. What is sent later through the same channel is about them.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetsChanged {
    /// All of them, in order of their ids.
    pub targets: Vec<ScrapeTarget>,
}

/// The clients of the configuration that holds now.
#[derive(Clone, Debug)]
pub(super) struct Clients(Arc<RwLock<HttpClients>>);

impl Clients {
    pub(super) fn now(&self) -> HttpClients {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, clients: HttpClients) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = clients;
    }
}

/// All scrapes of a configuration, under way until they are shut down.
#[derive(Debug)]
pub struct Scrapes {
    reloads: mpsc::Sender<Reload>,
    shown: Arc<Mutex<Vec<Shown>>>,
    task: JoinHandle<()>,
}

/// A job as others may look at it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) targets: Arc<JobTargets>,
    /// What each of its discoveries found.
    found: Vec<(Discovery, Arc<Vec<TargetGroup>>)>,
}

#[derive(Debug)]
struct Reload {
    jobs: Vec<ScrapeJob>,
    clients: HttpClients,
    done: oneshot::Sender<()>,
}

impl Scrapes {
    /// Starts to look for targets and to scrape them. Whoever holds the other end of `out` is told first who there is, then
    /// what came of asking them.
    pub fn start<T>(
        jobs: Vec<ScrapeJob>,
        clients: HttpClients,
        clock: Clock,
        telemetry: Telemetry,
        out: mpsc::Sender<T>,
    ) -> Self
    where
        T: From<Scrape> + From<TargetsChanged> + Send + 'static,
    {
        let (reloads, reloads_out) = mpsc::channel(RELOADS_MAX);
        let (found_in, found) = mpsc::channel(FINDINGS_MAX);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let clients = Clients(Arc::new(RwLock::new(clients)));
        let tools = Tools { clients, clock, telemetry, found: found_in };
        let mut keeper = Keeper {
            jobs: Vec::new(),
            next_discovery: 0,
            discoveries: JoinSet::new(),
            scrapers: JoinSet::new(),
            running: HashMap::new(),
            told: None,
            shown: shown.clone(),
            tools,
            out,
        };
        keeper.take_jobs(jobs);
        let task = tokio::spawn(keeper.run(reloads_out, found));
        Self { reloads, shown, task }
    }

    /// Goes on with other jobs. Targets that are as they were go on undisturbed; it returns when the others have changed,
    /// and the evaluator was told of all in any case.
    pub async fn reload(&self, jobs: Vec<ScrapeJob>, clients: HttpClients) {
        let (done, is_done) = oneshot::channel();
        if self.reloads.send(Reload { jobs, clients, done }).await.is_ok() {
            // An error says that it has ended, after which there is nothing to wait for.
            let _ = is_done.await;
        }
    }

    /// Looks on, also when this is elsewhere.
    pub fn watch(&self) -> ScrapesWatch {
        ScrapesWatch(self.shown.clone())
    }

    /// The targets that there are under other jobs, as far as is known: those that are written down, and what discoveries
    /// have found that are as they were. So a reload of the evaluator does not end the series of those.
    pub fn expected(&self, jobs: &[ScrapeJob]) -> Vec<ScrapeTarget> {
        self.watch().expected(jobs)
    }

    /// Ends everything. When it returns nothing is sent any more.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // It was aborted, which is what its result says.
        let _ = (&mut self.task).await;
    }
}

/// Whoever lets go of it wants no more scrapes.
impl Drop for Scrapes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks on at scrapes. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct ScrapesWatch(Arc<Mutex<Vec<Shown>>>);

impl ScrapesWatch {
    fn shown(&self) -> Vec<Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who is scraped and who is not; `seen` is what the evaluator saw of them.
    pub fn targets(&self, seen: &[TargetView], external_url: &str) -> TargetsView {
        view(&self.shown(), seen, external_url)
    }

    fn expected(&self, jobs: &[ScrapeJob]) -> Vec<ScrapeTarget> {
        let shown = self.shown();
        let mut targets = Vec::new();
        for job in jobs {
            let known = shown.iter().find(|known| known.name == job.name);
            let groups = job.discoveries.iter().flat_map(|discovery| match discovery {
                Discovery::Static(groups) => groups.as_slice(),
                other => {
                    let found = known.and_then(|known| known.found.iter().find(|(found, _)| found == other));
                    found.map_or(&[][..], |(_, groups)| groups.as_slice())
                }
            });
            targets.extend(job.targets(groups).active.into_iter().map(|active| active.target));
        }
        targets
    }
}

/// A job and what its discoveries found.
struct Job {
    job: ScrapeJob,
    /// The discoveries of the job, in its order.
    finding: Vec<Finding>,
    targets: Arc<JobTargets>,
    is_stale: bool,
}

/// A discovery under way.
struct Finding {
    id: u64,
    discovery: Discovery,
    groups: Arc<Vec<TargetGroup>>,
    /// Ends its task.
    task: Option<AbortHandle>,
}

/// A scraper under way.
struct Running {
    active: ActiveTarget,
    task: AbortHandle,
}

/// The task that keeps the others.
struct Keeper<T> {
    jobs: Vec<Job>,
    next_discovery: u64,
    discoveries: JoinSet<()>,
    scrapers: JoinSet<()>,
    running: HashMap<TargetId, Running>,
    /// Who there is, as the evaluator was told.
    told: Option<Vec<ScrapeTarget>>,
    shown: Arc<Mutex<Vec<Shown>>>,
    tools: Tools,
    out: mpsc::Sender<T>,
}

impl<T> Keeper<T>
where
    T: From<Scrape> + From<TargetsChanged> + Send + 'static,
{
    async fn run(mut self, mut reloads: mpsc::Receiver<Reload>, mut found: mpsc::Receiver<Found>) {
        let mut done = None;
        loop {
            if !self.sync().await {
                return;
            }
            if let Some(done) = done.take() {
                // Whoever asked may have gone.
                let _ = oneshot::Sender::send(done, ());
            }
            tokio::select! {
                reload = reloads.recv() => {
                    let Some(Reload { jobs, clients, done: when_done }) = reload else { return };
                    self.tools.clients.set(clients);
                    self.take_jobs(jobs);
                    // The evaluator was reloaded too, and may have been told of others meanwhile.
                    self.told = None;
                    done = Some(when_done);
                }
                Some(first) = found.recv() => {
                    self.take_found(first);
                    tokio::time::sleep(GATHER).await;
                    while let Ok(more) = found.try_recv() {
                        self.take_found(more);
                    }
                }
                Some(ended) = self.scrapers.join_next() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        tracing::error!("a scraper ended by a mistake of ours; it is started again");
                    }
                    self.running.retain(|_, running| !running.task.is_finished());
                }
                Some(_) = self.discoveries.join_next() => {}
                () = self.out.closed() => return,
            }
        }
    }

    /// Takes over a list of jobs. Discoveries that are as they were keep what they found.
    fn take_jobs(&mut self, jobs: Vec<ScrapeJob>) {
        let mut before: HashMap<String, Job> =
            std::mem::take(&mut self.jobs).into_iter().map(|job| (job.job.name.clone(), job)).collect();
        for job in jobs {
            let mut old = before.remove(&job.name);
            if let Some(old) = old.take_if(|old| old.job == job) {
                self.jobs.push(old);
                continue;
            }
            let mut old = old.map(|old| old.finding).unwrap_or_default();
            let finding = job.discoveries.iter().map(|discovery| {
                match old.iter().position(|other| other.discovery == *discovery) {
                    Some(at) => old.swap_remove(at),
                    None => self.find(&job.name, discovery),
                }
            });
            let finding = finding.collect();
            old.iter().for_each(Finding::end);
            self.jobs.push(Job { job, finding, targets: Arc::default(), is_stale: true });
        }
        before.values().flat_map(|job| &job.finding).for_each(Finding::end);
    }

    /// Starts a discovery.
    fn find(&mut self, job: &str, discovery: &Discovery) -> Finding {
        self.next_discovery += 1;
        let id = self.next_discovery;
        let (groups, task) = match discovery {
            Discovery::Static(groups) => (Arc::new(groups.clone()), None),
            other => {
                let task = discovery::run(other.clone(), id, job.to_owned(), self.tools.clone());
                (Arc::default(), Some(self.discoveries.spawn(task)))
            }
        };
        Finding { id, discovery: discovery.clone(), groups, task }
    }

    fn take_found(&mut self, found: Found) {
        for job in &mut self.jobs {
            if let Some(finding) = job.finding.iter_mut().find(|finding| finding.id == found.of) {
                finding.groups = Arc::new(found.groups);
                job.is_stale = true;
                return;
            }
        }
    }

    /// Sees to it that exactly the targets are scraped that there are. `false` when nobody listens any more.
    async fn sync(&mut self) -> bool {
        for job in self.jobs.iter_mut().filter(|job| job.is_stale) {
            let targets = job.job.targets(job.finding.iter().flat_map(|finding| finding.groups.iter()));
            if targets.problems != job.targets.problems {
                for problem in &targets.problems {
                    tracing::warn!(job = %job.job.name, error = %problem, "a target that was found cannot be scraped");
                }
            }
            (job.targets, job.is_stale) = (Arc::new(targets), false);
        }
        let wanted: BTreeMap<&TargetId, &ActiveTarget> =
            self.jobs.iter().flat_map(|job| &job.targets.active).map(|active| (&active.target.id, active)).collect();
        self.running.retain(|id, running| {
            let stays = wanted.get(id).is_some_and(|active| running.active.is_asked_like(active));
            if !stays {
                running.task.abort();
            }
            stays
        });
        let targets: Vec<ScrapeTarget> = wanted.values().map(|active| active.target.clone()).collect();
        let new: Vec<ActiveTarget> =
            wanted.into_iter().filter(|(id, _)| !self.running.contains_key(id)).map(|(_, it)| it.clone()).collect();
        let shown = self.jobs.iter().map(|job| Shown {
            name: job.job.name.clone(),
            targets: job.targets.clone(),
            found: job.finding.iter().map(|it| (it.discovery.clone(), it.groups.clone())).collect(),
        });
        let shown = shown.collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        if self.told.as_ref() != Some(&targets) {
            self.told = Some(targets.clone());
            if self.out.send(TargetsChanged { targets }.into()).await.is_err() {
                return false;
            }
        }
        for active in new {
            let (clients, clock, out) = (self.tools.clients.clone(), self.tools.clock.clone(), self.out.clone());
            let task = self.scrapers.spawn(scrape_forever(active.clone(), clients, clock, out));
            self.running.insert(active.target.id.clone(), Running { active, task });
        }
        true
    }
}

impl Finding {
    fn end(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Scrapes the target at each of its moments, until `out` is closed. A scrape that takes longer than the interval costs
/// the moments it covers.
async fn scrape_forever<T: From<Scrape>>(active: ActiveTarget, clients: Clients, clock: Clock, out: mpsc::Sender<T>) {
    let interval = active.target.interval;
    let phase = phase(&active.target.id, interval);
    let mut due = next_moment(clock.now(), interval, phase);
    loop {
        clock.sleep_until(due).await;
        let scrape = scrape(&clients.now(), &active, due).await;
        if out.send(scrape.into()).await.is_err() {
            return;
        }
        due = next_moment(clock.now().max(due), interval, phase);
    }
}
