//! `/query` and `/query_range`: the value of an expression at a moment, or at many; and `/query_exemplars`.
//!
//! It is evaluated on the thread that also evaluates the rules. So a query is parsed here, waits in a short line of its own,
//! and is gone on with only when nothing else is to be done; what it may cost is bounded where it is evaluated. When
//! whoever asked hangs up, or the time is up, nobody waits for the answer any more, and the evaluation ends.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use crate::clock::Stopwatch;
use crate::evaluator::{Queried, Query};
use crate::promql::{self, Annotations, Expr, MOMENTS_MAX, Moments, ParseError, Severity};
use crate::web::{Unanswered, Web, WebRequest};

use super::ApiError;
use super::envelope::{Answer, nothing};
use super::parameters::Parameters;
use super::query_data::{Stats, data_of};

/// How long a query may take, waiting for its turn included, unless its `timeout` says less.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// The shortest step that there is: time is counted in milliseconds.
const STEP_MIN: Duration = Duration::from_millis(1);
/// How many annotations of a kind are shown, as in Prometheus.
const ANNOTATIONS_MAX: usize = 10;

/// How a query is to be answered.
struct Asking {
    limit: Option<usize>,
    timeout: Duration,
    lookback: Option<Duration>,
    /// What is asked of its cost, if anything.
    stats: Option<String>,
}

impl Asking {
    fn of(parameters: &Parameters) -> Result<Self, ApiError> {
        let limit = parameters.count("limit")?.filter(|limit| *limit > 0);
        let timeout = parameters.seconds("timeout")?.map_or(QUERY_TIMEOUT, |it| it.min(QUERY_TIMEOUT));
        let lookback = parameters.seconds("lookback_delta")?.filter(|lookback| !lookback.is_zero());
        Ok(Self { limit, timeout, lookback, stats: parameters.get("stats").map(str::to_owned) })
    }
}

/// Evaluates the expression of the parameter `query` at a moment.
pub(super) async fn query(State(web): State<Arc<Web>>, parameters: Parameters) -> Result<Response, ApiError> {
    let at = parameters.moment("time")?.unwrap_or_else(|| web.clock.now());
    let asking = Asking::of(&parameters)?;
    let source = parameters.get("query").unwrap_or_default();
    let expr = parse("query", source)?;
    answer(&web, (expr, source), Moments::instant(at), asking).await
}

/// Evaluates it at every moment of a range.
pub(super) async fn query_range(State(web): State<Arc<Web>>, parameters: Parameters) -> Result<Response, ApiError> {
    let moments = moments(&parameters)?;
    let asking = Asking::of(&parameters)?;
    let source = parameters.get("query").unwrap_or_default();
    let expr = parse("query", source)?;
    match promql::type_of(&expr) {
        promql::ValueType::Scalar | promql::ValueType::Vector => {}
        kind => {
            let kind = kind.as_str();
            let what = format!("invalid expression type {kind:?} for range query, must be Scalar or instant Vector");
            return Err(ApiError::bad_parameter("query", what));
        }
    }
    answer(&web, (expr, source), moments, asking).await
}

/// There are no exemplars, of whatever expression they are asked.
pub(super) async fn query_exemplars(parameters: Parameters) -> Result<Response, ApiError> {
    let (from, to) = parameters.span()?;
    if to < from {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = parse("query", parameters.get("query").unwrap_or_default())?;
    let has_selectors = !promql::selectors(&expr).is_empty();
    Ok(if has_selectors { Answer::new(Vec::<()>::new()).into_response() } else { nothing() })
}

/// The moments of a range.
fn moments(parameters: &Parameters) -> Result<Moments, ApiError> {
    let (start, end) = (parameters.moment_of("start")?, parameters.moment_of("end")?);
    if end < start {
        return Err(ApiError::bad_parameter("end", "end timestamp must not be before start time"));
    }
    let step = parameters.step()?;
    if end.since(start).as_nanos() / step.as_nanos().max(1) > u128::from(MOMENTS_MAX) {
        let what = "exceeded maximum resolution of 11,000 points per timeseries";
        return Err(ApiError::bad_data(format!("{what}. Try decreasing the query resolution (?step=XX)")));
    }
    Ok(Moments { start, end, step: step.max(STEP_MIN) })
}

/// The expression of a parameter, or where it is wrong.
pub(super) fn parse(name: &str, source: &str) -> Result<Expr, ApiError> {
    promql::parse(source).map_err(|error| ApiError::bad_parameter(name, parse_error(&error, source)))
}

/// Where and why a text is no expression, as Prometheus says it.
pub(super) fn parse_error(error: &ParseError, source: &str) -> String {
    let (line, column) = error.line_column(source);
    let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{line}:{column}: parse error: {error}{hint}")
}

async fn answer(
    web: &Web,
    (expr, source): (Expr, &str),
    moments: Moments,
    Asking { limit, timeout, lookback, stats }: Asking,
) -> Result<Response, ApiError> {
    let late = || ApiError::timeout("query timed out in expression evaluation");
    if timeout.is_zero() {
        return Err(late());
    }
    let stopwatch = Stopwatch::start();
    let (reply, answer) = oneshot::channel();
    let gone = Unanswered::Stalled { part: "daemon" };
    let query = Query { expr: Arc::new(expr), moments, lookback };
    let asked = async {
        web.requests.send(WebRequest::Query(query, reply)).await.map_err(|_| gone)?;
        answer.await.map_err(|_| gone)?
    };
    let answer = tokio::time::timeout(timeout, asked).await;
    let answer = answer.map_err(|_| late())?;
    let Queried { value, mut warnings, annotations, samples, took } = answer?.map_err(|error| {
        let (line, column) = error.span.line_column(source);
        ApiError::execution(format!("{line}:{column}: {error}"))
    })?;
    warnings.extend(shown(&annotations, Severity::Warning, source));
    let infos = shown(&annotations, Severity::Info, source);
    let at = moments.start;
    let stats = stats.map(|asked| {
        if !matches!(asked.as_str(), "true" | "all") {
            warnings.push(format!("value {asked:?} for parameter \"stats\" is deprecated, use \"true\" or \"all\""));
        }
        Stats::new(took, stopwatch.elapsed(), samples)
    });
    // A large result takes its time, and others wait for the runtime.
    let writing = tokio::task::spawn_blocking(move || {
        let mut data = data_of(value, at, limit, &mut warnings);
        data.stats = stats;
        Answer { data, warnings, infos }.into_response()
    });
    writing.await.map_err(|_| ApiError::internal("the result cannot be written"))
}

/// Annotations of a kind, and how many more there are.
fn shown(annotations: &Annotations, severity: Severity, source: &str) -> Vec<String> {
    let mut texts = annotations.render(severity, source);
    if texts.len() > ANNOTATIONS_MAX {
        let kind = if severity == Severity::Warning { "warning" } else { "info" };
        let more = texts.len() - ANNOTATIONS_MAX;
        texts.truncate(ANNOTATIONS_MAX);
        texts.push(format!("{more} more {kind} annotations omitted"));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::of(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn a_range_has_moments() {
        let range = |query: &str| moments(&parameters(query));
        let ms = |range: Moments| (range.start.millis(), range.end.millis(), range.step.as_millis());
        assert_eq!(range("start=0&end=60&step=15").map(ms), Ok((0, 60_000, 15_000)));
        assert_eq!(range("start=0&end=0&step=0.0001").map(ms), Ok((0, 0, 1)));
        assert_eq!(range("start=1970-01-01T00:00:01Z&end=2&step=1m").map(ms), Ok((1000, 2000, 60_000)));
        assert!(range("start=0&end=11000&step=1").is_ok());
        let check = |query: &str, want: &str| {
            let error = format!("{:?}", range(query).unwrap_err());
            assert!(error.contains(want), "{query}: {error}");
        };
        check("end=1&step=1", r#"invalid parameter \"start\": cannot parse \"\" to a valid timestamp"#);
        check("start=0&end=x&step=1", r#"invalid parameter \"end\": cannot parse \"x\" to a valid timestamp"#);
        check("start=1&end=0&step=1", r#"invalid parameter \"end\": end timestamp must not be before start time"#);
        check("start=0&end=1", r#"invalid parameter \"step\": cannot parse \"\" to a valid duration"#);
        check("start=0&end=1&step=0", "zero or negative query resolution step widths are not accepted");
        check("start=0&end=1&step=-5", "zero or negative query resolution step widths are not accepted");
        check("start=0&end=11001&step=1", "exceeded maximum resolution of 11,000 points per timeseries");
    }

    #[test]
    fn how_to_answer_is_read() {
        let asking = |query: &str| Asking::of(&parameters(query)).map(|it| (it.limit, it.timeout, it.lookback));
        assert_eq!(asking(""), Ok((None, QUERY_TIMEOUT, None)));
        let second = Duration::from_secs(1);
        assert_eq!(asking("limit=3&timeout=1s&lookback_delta=60"), Ok((Some(3), second, Some(second * 60))));
        assert_eq!(asking("limit=0&timeout=1h&lookback_delta=0"), Ok((None, QUERY_TIMEOUT, None)));
        assert!(asking("limit=-1").is_err() && asking("timeout=x").is_err() && asking("lookback_delta=1x").is_err());
    }
}
