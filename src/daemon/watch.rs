//! Lets the web look on: asks both threads what they hold and puts it together as the page's view.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::web::{Looked, Stalled, View, ViewRequest};

use super::engine_loop::{EngineCommand, EngineView};
use super::evaluator_loop::{EvaluatorCommand, EvaluatorView};

/// How long a thread may take to answer before it counts as stalled.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many requests for a view may wait.
const REQUESTS_WAITING_MAX: usize = 64;

/// Answers requests for a view of the daemon.
pub(super) struct Watch {
    evaluator: mpsc::WeakSender<EvaluatorCommand>,
    engine: mpsc::WeakSender<EngineCommand>,
    clock: Clock,
    is_ready: Arc<AtomicBool>,
}

impl Watch {
    /// Starts to answer. It keeps neither thread alive.
    pub(super) fn start(
        evaluator: &mpsc::Sender<EvaluatorCommand>,
        engine: &mpsc::Sender<EngineCommand>,
        clock: Clock,
        is_ready: Arc<AtomicBool>,
    ) -> mpsc::Sender<ViewRequest> {
        let watch = Self { evaluator: evaluator.downgrade(), engine: engine.downgrade(), clock, is_ready };
        let (requests_in, mut requests) = mpsc::channel::<ViewRequest>(REQUESTS_WAITING_MAX);
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                // Whoever asked may have gone.
                let _ = request.send(watch.view().await);
            }
        });
        requests_in
    }

    async fn view(&self) -> Result<View, Stalled> {
        let evaluator = self.ask_evaluator().await.ok_or(Stalled { part: "evaluator" })?;
        let engine = self.ask_engine().await.ok_or(Stalled { part: "engine" })?;
        Ok(View::new(&Looked {
            now: self.clock.now(),
            is_ready: self.is_ready.load(Ordering::Relaxed),
            is_durable: engine.is_durable,
            series: evaluator.series,
            rules: evaluator.rules,
            targets: evaluator.targets,
            groups: engine.groups,
            deliveries: engine.deliveries,
            episodes: engine.episodes,
        }))
    }

    async fn ask_evaluator(&self) -> Option<EvaluatorView> {
        let (reply, answer) = oneshot::channel();
        let ask = async {
            self.evaluator.upgrade()?.send(EvaluatorCommand::View(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
    }

    async fn ask_engine(&self) -> Option<EngineView> {
        let (reply, answer) = oneshot::channel();
        let ask = async {
            self.engine.upgrade()?.send(EngineCommand::View(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
    }
}
