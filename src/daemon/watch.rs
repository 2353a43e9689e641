//! Lets the web look on: asks both threads whether they are there, or what they hold, which it puts together as the page's
//! view. Requests are answered side by side, so that nobody's probe waits for somebody's page.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::model::Labels;
use crate::web::{Looked, Unanswered, View, WebRequest};

use super::engine_loop::EngineCommand;
use super::evaluator_loop::EvaluatorCommand;

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
    /// The thread that tells; not kept alive.
    pub(super) engine: mpsc::WeakSender<EngineCommand>,
    pub(super) clock: Clock,
    pub(super) external_labels: Labels,
}

impl Watch {
    /// Starts to answer.
    pub(super) fn start(self) -> mpsc::Sender<WebRequest> {
        let (requests_in, mut requests) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (pings, views) = (Arc::new(Semaphore::new(PINGS_MAX)), Arc::new(Semaphore::new(VIEWS_MAX)));
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                let watch = self.clone();
                // Whoever asked may have gone. The semaphores are never closed.
                match request {
                    WebRequest::Ping(reply) => {
                        let permit = pings.clone().acquire_owned().await;
                        tokio::spawn(async move {
                            let _ = reply.send(watch.ping().await);
                            drop(permit);
                        });
                    }
                    WebRequest::View(reply) => match views.clone().try_acquire_owned() {
                        Ok(permit) => drop(tokio::spawn(async move {
                            let _ = reply.send(watch.view().await);
                            drop(permit);
                        })),
                        Err(_) => drop(reply.send(Err(Unanswered::Crowded))),
                    },
                }
            }
        });
        requests_in
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
            is_durable: engine.is_durable,
            series: evaluator.series,
            rules: evaluator.rules,
            targets: evaluator.targets,
            groups: engine.groups,
            deliveries: engine.deliveries,
            episodes: engine.episodes,
            external_labels: self.external_labels.clone(),
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

    /// A view that takes its time, as with thousands of alerts, and a probe meanwhile.
    #[tokio::test]
    async fn a_ping_does_not_wait_for_views() {
        let (evaluator, mut evaluator_asked) = mpsc::channel(64);
        let (engine, mut engine_asked) = mpsc::channel(64);
        let watch = Watch {
            evaluator: evaluator.downgrade(),
            engine: engine.downgrade(),
            clock: Clock::wall(),
            external_labels: Labels::empty(),
        };
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
        let watch = Watch {
            evaluator: evaluator.downgrade(),
            engine: engine.downgrade(),
            clock: Clock::wall(),
            external_labels: Labels::empty(),
        };
        tokio::spawn(async move {
            while let Some(EvaluatorCommand::Ping(reply)) = asked.recv().await {
                reply.send(()).unwrap();
            }
        });
        assert_eq!(watch.ping().await, Err(Unanswered::Stalled { part: "engine" }));
    }
}
