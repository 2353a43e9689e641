//! Asks all that a tick wants to know: within limits, and nothing twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Stopwatch;
use crate::evaluator::{Answered, Question, QuestionId};
use crate::model::{SourceName, Timestamp};
use crate::source::{Sampled, Source};
use crate::telemetry::{RemoteLabels, SourceLabel, Telemetry};
use crate::transport::HttpClients;

use super::{RemoteSource, RemoteSpec};

/// How many different queries may wait for one API. Beyond, it is answered at once that the API cannot keep up.
const WAITING_MAX: usize = 10_000;

/// An answer, and to which question.
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteAnswer {
    /// The question.
    pub id: QuestionId,
    /// The answer, or why there is none; that names the source.
    pub result: Result<Answered, String>,
}

/// All APIs by name. Cloning shares them.
#[derive(Clone, Debug)]
pub struct RemoteSources {
    apis: Arc<BTreeMap<SourceName, Arc<Api>>>,
}

/// An API, who asks it at the moment, and what.
#[derive(Debug)]
struct Api {
    source: RemoteSource,
    turns: Semaphore,
    waiting: Mutex<HashMap<Query, Vec<Waiting>>>,
    telemetry: Telemetry,
}

type Query = (String, Timestamp);
type Waiting = oneshot::Sender<Result<Answered, String>>;

impl RemoteSources {
    /// Sources for these APIs.
    pub fn new(specs: impl IntoIterator<Item = RemoteSpec>, clients: &HttpClients, telemetry: &Telemetry) -> Self {
        let api = |spec: RemoteSpec| {
            let api = Api {
                turns: Semaphore::new(spec.max_concurrency),
                source: RemoteSource::new(spec, clients.clone()),
                waiting: Mutex::default(),
                telemetry: telemetry.clone(),
            };
            (api.source.spec().name.clone(), Arc::new(api))
        };
        Self { apis: Arc::new(specs.into_iter().map(api).collect()) }
    }

    /// Asks all of these questions and hands each answer to `out` when it comes, in no order. No answer takes longer than
    /// `within`, the interval at which these questions are asked. To be called on a runtime; does not wait.
    pub fn ask_all<T: From<RemoteAnswer> + Send + 'static>(
        &self,
        questions: Vec<Question>,
        within: Duration,
        out: &mpsc::Sender<T>,
    ) {
        for Question { id, source, query, at } in questions {
            let answer = self.enqueue(&source, query, at, within);
            let out = out.clone();
            tokio::spawn(async move {
                let result = received(answer).await;
                // An error says that nobody wants to know any more.
                let _ = out.send(RemoteAnswer { id, result }.into()).await;
            });
        }
    }

    /// Asks one thing.
    pub async fn ask(&self, source: &SourceName, query: &str, at: Timestamp) -> Result<Answered, String> {
        received(self.enqueue(source, query.to_owned(), at, Duration::MAX)).await
    }

    /// Asks for the samples of a selector, which has no range of its own, from a moment to another, both included.
    pub async fn range(
        &self,
        source: &SourceName,
        selector: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Sampled, String> {
        let api = self.apis.get(source).ok_or_else(|| unknown(source))?;
        let stopwatch = Stopwatch::start();
        let timeout = api.source.spec().timeout;
        let asked = async {
            let _turn = api.turns.acquire().await;
            api.source.range(selector, from, to).await
        };
        let result = match tokio::time::timeout(timeout, asked).await {
            Ok(result) => result,
            Err(_) => Err(api.source.told_late(timeout)),
        };
        api.count(result.is_ok(), stopwatch);
        result
    }

    /// Sees to it that something is asked, and gives where the answer will be.
    fn enqueue(
        &self,
        source: &SourceName,
        query: String,
        at: Timestamp,
        within: Duration,
    ) -> oneshot::Receiver<Result<Answered, String>> {
        let (answered, answer) = oneshot::channel();
        let Some(api) = self.apis.get(source) else {
            let _ = answered.send(Err(unknown(source)));
            return answer;
        };
        let mut waiting = api.waiting();
        if let Some(others) = waiting.get_mut(&(query.clone(), at)) {
            others.push(answered);
            api.telemetry.remote_coalesced.get_or_create(&api.label()).inc();
            return answer;
        }
        if waiting.len() >= WAITING_MAX {
            drop(waiting);
            api.count(false, Stopwatch::start());
            let _ = answered.send(Err(format!("source `{source}`: {WAITING_MAX} queries wait already")));
            return answer;
        }
        waiting.insert((query.clone(), at), vec![answered]);
        drop(waiting);
        tokio::spawn(api.clone().see_through(query, at, within));
        answer
    }
}

impl Api {
    /// Asks when it is our turn, and tells everyone who waits for it.
    async fn see_through(self: Arc<Self>, query: String, at: Timestamp, within: Duration) {
        let timeout = self.source.spec().timeout.min(within);
        let stopwatch = Stopwatch::start();
        let asked = async {
            let _turn = self.turns.acquire().await;
            let left = timeout.saturating_sub(stopwatch.elapsed());
            self.source.ask_once(&query, at, left).await
        };
        let result = match tokio::time::timeout(timeout, asked).await {
            Ok(result) => result,
            Err(_) => Err(self.source.told_late(timeout)),
        };
        self.count(result.is_ok(), stopwatch);
        let mut others = self.waiting().remove(&(query, at)).unwrap_or_default();
        let last = others.pop();
        for other in others {
            let _ = other.send(result.clone());
        }
        if let Some(last) = last {
            let _ = last.send(result);
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<Query, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn label(&self) -> SourceLabel {
        SourceLabel { source: self.source.spec().name.to_string() }
    }

    fn count(&self, is_ok: bool, stopwatch: Stopwatch) {
        let SourceLabel { source } = self.label();
        let result = if is_ok { "ok" } else { "error" };
        self.telemetry.remote_seconds.get_or_create(&self.label()).observe(stopwatch.elapsed().as_secs_f64());
        self.telemetry.remote_queries.get_or_create(&RemoteLabels { source, result }).inc();
    }
}

async fn received(answer: oneshot::Receiver<Result<Answered, String>>) -> Result<Answered, String> {
    // An error says that the runtime is being taken down.
    answer.await.unwrap_or_else(|_| Err("the daemon is stopping".to_owned()))
}

fn unknown(source: &SourceName) -> String {
    format!("no source is named `{source}`")
}
