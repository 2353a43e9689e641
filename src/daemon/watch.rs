//! Lets the web look on: asks both threads whether they are there, or what they hold, which it puts together as the page's
//! view. Requests are answered side by side, so that nobody's probe waits for somebody's page.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::source::ScrapesWatch;
use crate::telemetry::{ResultLabel, Telemetry};
use crate::web::{Looked, QueryReply, QueryRequest, Status, Unanswered, View, WebRequest};

use super::engine_loop::EngineCommand;
use super::evaluator_loop::{EvaluatorCommand, QueryCommand};
use super::reload::{Cause, RELOADS_WAITING_MAX, Reloads};

/// How long a thread may take to answer before it counts as stalled.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many requests may wait for being looked at.
const REQUESTS_WAITING_MAX: usize = 64;
/// How many pings are under way at once; more wait.
const PINGS_MAX: usize = 64;
/// How many views are made at once, each with a copy of everything. More are refused: waiting, they would keep out pings.
const VIEWS_MAX: usize = 8;

/// Answers the web's requests.
#[derive(Clone)]
pub(super) struct Watch {
    /// The thread that measures; not kept alive.
    pub(super) evaluator: mpsc::WeakSender<EvaluatorCommand>,
    /// Where the evaluator takes queries from; not kept alive.
    pub(super) queries: mpsc::WeakSender<QueryCommand>,
    /// The thread that tells; not kept alive.
    pub(super) engine: mpsc::WeakSender<EngineCommand>,
    /// Who loads another configuration.
    pub(super) reloads: Reloads,
    pub(super) telemetry: Telemetry,
    pub(super) clock: Clock,
    pub(super) status: Arc<Status>,
    pub(super) scrapes: ScrapesWatch,
    pub(super) external_url: String,
}

/// How many of each kind of request are answered at once.
#[derive(Clone)]
struct Turns {
    pings: Arc<Semaphore>,
    views: Arc<Semaphore>,
    reloads: Arc<Semaphore>,
}

impl Watch {
    /// Starts to answer.
    pub(super) fn start(self) -> mpsc::Sender<WebRequest> {
        let (requests_in, mut requests) = mpsc::channel(REQUESTS_WAITING_MAX);
        let turns = Turns {
            pings: Arc::new(Semaphore::new(PINGS_MAX)),
            views: Arc::new(Semaphore::new(VIEWS_MAX)),
            reloads: Arc::new(Semaphore::new(RELOADS_WAITING_MAX)),
        };
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                self.take(request, &turns).await;
            }
        });
        requests_in
    }

    /// Begins to answer a request. Whoever asked may have gone.
    async fn take(&self, request: WebRequest, turns: &Turns) {
        let watch = self.clone();
        match request {
            WebRequest::Ping(reply) => {
                // The semaphores are never closed.
                let permit = turns.pings.clone().acquire_owned().await;
                tokio::spawn(async move {
                    let _ = reply.send(watch.ping().await);
                    drop(permit);
                });
            }
            WebRequest::View(reply) => in_turn(&turns.views, reply, async move { watch.view().await }),
            WebRequest::Groups(reply) => {
                in_turn(&turns.views, reply, async move { watch.ask_evaluator(EvaluatorCommand::Groups).await });
            }
            WebRequest::Targets(reply) => in_turn(&turns.views, reply, async move {
                let seen = watch.ask_evaluator(EvaluatorCommand::Targets).await?;
                Ok(watch.scrapes.targets(&seen, &watch.external_url))
            }),
            WebRequest::Inventory(reply) => {
                in_turn(&turns.views, reply, async move { watch.ask_evaluator(EvaluatorCommand::Inventory).await });
            }
            WebRequest::Query(query, reply) => self.query(query, reply),
            WebRequest::Reload(reply) => {
                in_turn(&turns.reloads, reply, async move { Ok(watch.reloads.reload(Cause::Request).await) });
            }
        }
    }

    /// Puts a query in the line, if there is room. The line is short: what waits long is of no use to anyone.
    fn query(&self, query: QueryRequest, reply: QueryReply) {
        let (inner, answer) = oneshot::channel();
        let Some(queries) = self.queries.upgrade() else {
            let _ = reply.send(Err(Unanswered::Stalled { part: "evaluator" }));
            return;
        };
        if queries.try_send(QueryCommand { query, reply: inner }).is_err() {
            self.telemetry.service.queries.get_or_create(&ResultLabel { result: "refused" }).inc();
            let _ = reply.send(Err(Unanswered::Crowded));
            return;
        }
        tokio::spawn(async move {
            let mut reply = reply;
            tokio::select! {
                answer = answer => {
                    let _ = reply.send(answer.map_err(|_| Unanswered::Stalled { part: "evaluator" }));
                }
                // Nobody waits any more: what has not been begun is not.
                () = reply.closed() => {}
            }
        });
    }

    async fn ping(&self) -> Result<(), Unanswered> {
        tokio::try_join!(self.ask_evaluator(EvaluatorCommand::Ping), self.ask_engine(EngineCommand::Ping))?;
        Ok(())
    }

    async fn view(&self) -> Result<View, Unanswered> {
        let (evaluator, engine) =
            tokio::try_join!(self.ask_evaluator(EvaluatorCommand::View), self.ask_engine(EngineCommand::View))?;
        Ok(View::new(&Looked {
            now: self.clock.now(),
            is_durable: self.status.is_durable(),
            loaded: self.status.loaded(),
            series: evaluator.series,
            series_bytes: evaluator.series_bytes,
            rules: evaluator.groups.into_iter().flat_map(|group| group.rules).collect(),
            targets: evaluator.targets,
            groups: engine.groups,
            deliveries: engine.deliveries,
            episodes: engine.episodes,
        }))
    }

    async fn ask_evaluator<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> EvaluatorCommand,
    ) -> Result<T, Unanswered> {
        ask(&self.evaluator, command).await.ok_or(Unanswered::Stalled { part: "evaluator" })
    }

    async fn ask_engine<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> EngineCommand) -> Result<T, Unanswered> {
        ask(&self.engine, command).await.ok_or(Unanswered::Stalled { part: "engine" })
    }
}

/// Answers when there is a turn left, and otherwise at once that there is none.
fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    reply: oneshot::Sender<Result<T, Unanswered>>,
    answer: impl Future<Output = Result<T, Unanswered>> + Send + 'static,
) {
    match turns.clone().try_acquire_owned() {
        Ok(permit) => drop(tokio::spawn(async move {
            // Whoever asked may have gone.
            let _ = reply.send(answer.await);
            drop(permit);
        })),
        Err(_) => drop(reply.send(Err(Unanswered::Crowded))),
    }
}

/// What a thread answers to a command, if it does in time.
async fn ask<C, T>(thread: &mpsc::WeakSender<C>, command: impl FnOnce(oneshot::Sender<T>) -> C) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let answered = async {
        thread.upgrade()?.send(command(reply)).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(PATIENCE, answered).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::Loaded;

    fn watch(evaluator: &mpsc::Sender<EvaluatorCommand>, engine: &mpsc::Sender<EngineCommand>) -> Watch {
        Watch {
            scrapes: ScrapesWatch::default(),
            external_url: String::new(),
            evaluator: evaluator.downgrade(),
            queries: mpsc::channel(1).0.downgrade(),
            engine: engine.downgrade(),
            reloads: Reloads(mpsc::channel(1).0),
            telemetry: Telemetry::new(),
            clock: Clock::wall(),
            status: Arc::new(Status::new(Vec::new(), true, Loaded::default())),
        }
    }

    /// A view that takes its time, as with thousands of alerts, and a probe meanwhile.
    #[tokio::test]
    async fn a_ping_does_not_wait_for_views() {
        let (evaluator, mut evaluator_asked) = mpsc::channel(64);
        let (engine, mut engine_asked) = mpsc::channel(64);
        let watch = watch(&evaluator, &engine);
        let requests = watch.start();
        let mut views = Vec::new();
        for _ in 0..VIEWS_MAX {
            let (reply, answer) = oneshot::channel();
            requests.send(WebRequest::View(reply)).await.unwrap();
            views.push(answer);
        }
        let (reply, one_too_many) = oneshot::channel();
        requests.send(WebRequest::View(reply)).await.unwrap();
        let (reply, pinged) = oneshot::channel();
        requests.send(WebRequest::Ping(reply)).await.unwrap();
        tokio::spawn(async move {
            let mut views = Vec::new();
            while let Some(command) = evaluator_asked.recv().await {
                match command {
                    EvaluatorCommand::Ping(reply) => reply.send(()).unwrap(),
                    other => views.push(other),
                }
            }
        });
        tokio::spawn(async move {
            let mut views = Vec::new();
            while let Some(command) = engine_asked.recv().await {
                match command {
                    EngineCommand::Ping(reply) => reply.send(()).unwrap(),
                    other => views.push(other),
                }
            }
        });
        assert_eq!(pinged.await, Ok(Ok(())));
        assert_eq!(one_too_many.await.unwrap().err(), Some(Unanswered::Crowded));
        assert!(views.iter_mut().all(|view| view.try_recv().is_err()));
    }

    #[tokio::test]
    async fn a_thread_that_is_gone_does_not_answer() {
        let (evaluator, mut asked) = mpsc::channel(1);
        let (engine, _) = mpsc::channel(1);
        let watch = watch(&evaluator, &engine);
        tokio::spawn(async move {
            while let Some(EvaluatorCommand::Ping(reply)) = asked.recv().await {
                reply.send(()).unwrap();
            }
        });
        assert_eq!(watch.ping().await, Err(Unanswered::Stalled { part: "engine" }));
    }
}
