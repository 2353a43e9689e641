//! Queries of the API take turns on the evaluator's thread: each a piece at a time, so that neither a tick nor a small query
//! waits for a large one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Stopwatch;
use crate::evaluator::{
    Evaluator, MetricMetadata, Queried, Query, QueryProgress, RunningQuery, SeriesFound, SeriesQuery,
};
use crate::promql::EvalError;
use crate::telemetry::{ResultLabel, Telemetry};

/// How long a query is evaluated before the next one has its turn.
const TURN: Duration = Duration::from_millis(10);
/// How many queries are under way at once. More wait.
const RUNNING_MAX: usize = 8;

/// What the API asks of what is stored.
pub(super) enum QueryCommand {
    /// The value of an expression.
    Query(Query, oneshot::Sender<Result<Queried, EvalError>>),
    /// Which series there are.
    Series(SeriesQuery, oneshot::Sender<Result<SeriesFound, String>>),
    /// What metrics are.
    Metadata(oneshot::Sender<BTreeMap<String, BTreeSet<MetricMetadata>>>),
}

/// The queries that wait, and those that are under way.
pub(super) struct QueryTurns {
    waiting: mpsc::Receiver<QueryCommand>,
    running: VecDeque<Turn>,
    /// What was taken and is to be looked at.
    taken: Option<QueryCommand>,
}

/// A query under way.
struct Turn {
    query: Box<RunningQuery>,
    reply: oneshot::Sender<Result<Queried, EvalError>>,
    /// How long it has been evaluated.
    took: Duration,
}

impl QueryTurns {
    pub(super) fn new(waiting: mpsc::Receiver<QueryCommand>) -> Self {
        Self { waiting, running: VecDeque::new(), taken: None }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.running.len() + usize::from(self.taken.is_some())
    }

    /// Waits until there is something to go on with; says no when there will not be anything any more.
    pub(super) async fn wait(&mut self) -> bool {
        if self.taken.is_none() && self.running.is_empty() {
            self.taken = self.waiting.recv().await;
        }
        self.taken.is_some() || !self.running.is_empty()
    }

    /// Does a piece of what there is to do.
    pub(super) fn go_on(&mut self, evaluator: &Evaluator, telemetry: &Telemetry) {
        // Those that have come meanwhile have their turn before those that have had one.
        if self.running.len() < RUNNING_MAX
            && let Some(command) = self.taken.take().or_else(|| self.waiting.try_recv().ok())
        {
            match command {
                // Whoever asked may have given up while it waited.
                QueryCommand::Query(_, reply) if reply.is_closed() => return,
                QueryCommand::Series(_, reply) if reply.is_closed() => return,
                QueryCommand::Metadata(reply) if reply.is_closed() => return,
                QueryCommand::Query(query, reply) => match RunningQuery::new(query) {
                    Ok(query) => {
                        self.running.push_front(Turn { query: Box::new(query), reply, took: Duration::ZERO });
                    }
                    Err(error) => return answer(Err(error), reply, Duration::ZERO, telemetry),
                },
                QueryCommand::Series(query, reply) => return drop(reply.send(evaluator.series(&query))),
                QueryCommand::Metadata(reply) => return drop(reply.send(evaluator.metadata())),
            }
        }
        let Some(Turn { query, reply, took }) = self.running.pop_front() else { return };
        let stopwatch = Stopwatch::start();
        let progress = evaluator.go_on(query, &|| reply.is_closed(), &mut || stopwatch.elapsed() >= TURN);
        let took = took + stopwatch.elapsed();
        match progress {
            QueryProgress::Paused(_) if reply.is_closed() => count("canceled", took, telemetry),
            QueryProgress::Paused(query) => self.running.push_back(Turn { query, reply, took }),
            QueryProgress::Done(_) if reply.is_closed() => count("canceled", took, telemetry),
            QueryProgress::Done(result) => answer(result, reply, took, telemetry),
        }
    }
}

fn answer(
    result: Result<Queried, EvalError>,
    reply: oneshot::Sender<Result<Queried, EvalError>>,
    took: Duration,
    telemetry: &Telemetry,
) {
    count(if result.is_ok() { "ok" } else { "error" }, took, telemetry);
    // Whoever asked may have gone.
    let _ = reply.send(result.map(|queried| Queried { took, ..queried }));
}

fn count(result: &'static str, took: Duration, telemetry: &Telemetry) {
    telemetry.service.query_seconds.observe(took.as_secs_f64());
    telemetry.service.queries.get_or_create(&ResultLabel { result }).inc();
}
