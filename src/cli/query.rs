//! `atalaya query`: what an expression comes to, in the store of a daemon or of anything that speaks Prometheus's API.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use url::Url;

use crate::clock::Clock;
use crate::model::{Timestamp, format_duration, parse_duration};
use crate::promql::{self, Span};
use crate::transport::{HttpClient, body_within};

use super::query_answer::{Envelope, Shown, shown};
use super::run::runtime;
use super::table::{courses, instant};
use super::{QueryArguments, QueryOutput};

/// How long an answer is waited for. A daemon gives up a little earlier, and says so.
const PATIENCE: Duration = Duration::from_secs(35);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many moments a range has unless `--step` says something else.
const MOMENTS: u32 = 120;
/// The status of a query that cannot be asked.
const NOT_ASKED: u8 = 2;

/// Why there is no value.
enum Failure {
    /// The query cannot be answered.
    Query(String),
    /// Nobody can be asked.
    Asking(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Asking(error)
    }
}

/// What is asked.
struct Question {
    url: Url,
    form: String,
    /// The first and the last moment of a range.
    span: Option<(Timestamp, Timestamp)>,
}

/// Asks, and writes the value on standard output, warnings and errors on standard error. Ends with status 1 when the query
/// is refused or fails, and with 2 when it cannot be asked.
pub(super) fn query(arguments: &QueryArguments) -> ExitCode {
    match ask(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Query(why)) => {
            tell(&why);
            ExitCode::FAILURE
        }
        Err(Failure::Asking(error)) => {
            tell(&format!("{error:#}\n"));
            ExitCode::from(NOT_ASKED)
        }
    }
}

fn ask(arguments: &QueryArguments) -> Result<(), Failure> {
    let question = question(arguments, Clock::wall().now())?;
    let span = question.span;
    let answer = runtime()?.block_on(answer(question, &arguments.source))?;
    for (kind, texts) in [("warning", &answer.warnings), ("info", &answer.infos)] {
        tell(&texts.iter().map(|text| format!("{kind}: {text}\n")).collect::<String>());
    }
    if answer.status != "success" {
        return Err(Failure::Query(refusal(&arguments.expr, &answer)));
    }
    let data = answer.data.ok_or_else(|| anyhow!("`{}` answered without `data`", arguments.source))?;
    if arguments.output == QueryOutput::Json {
        return Ok(say(&format!("{data}\n"))?);
    }
    let width = io::stdout().is_terminal().then(terminal_width).flatten();
    let shown = shown(data);
    match shown.map_err(|why| anyhow!("`{}` answered what is no value: {why}", arguments.source))? {
        Shown::One(text) => say(&format!("{text}\n"))?,
        Shown::Series(series) if series.is_empty() => tell("nothing is selected\n"),
        Shown::Series(series) => match span {
            Some((from, to)) => {
                let text = courses(&series, (from.seconds(), to.seconds()), width);
                say(&format!("{from} to {to}, each from its own least to its own greatest\n{text}"))?;
            }
            None if series.iter().any(|it| it.points.len() > 1) => {
                let moments = || series.iter().flat_map(|it| it.points.iter().map(|(at, _)| *at));
                let ends = (moments().fold(f64::INFINITY, f64::min), moments().fold(f64::NEG_INFINITY, f64::max));
                say(&courses(&series, ends, width))?;
            }
            None => say(&instant(&series, width))?,
        },
    }
    Ok(())
}

/// What the arguments ask for.
fn question(arguments: &QueryArguments, now: Timestamp) -> anyhow::Result<Question> {
    let at = |name: &str, text: Option<&String>| -> anyhow::Result<Option<Timestamp>> {
        text.map(|text| moment(text, now).with_context(|| format!("`--{name}`"))).transpose()
    };
    let (at, from, to) =
        (at("at", arguments.at.as_ref())?, at("from", arguments.from.as_ref())?, at("to", arguments.to.as_ref())?);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", &arguments.expr);
    let Some(from) = from else {
        form.append_pair("time", &at.unwrap_or(now).seconds().to_string());
        return Ok(Question { url: endpoint(&arguments.source, "query")?, form: form.finish(), span: None });
    };
    let to = to.unwrap_or(now);
    if to < from {
        return Err(anyhow!("`--from` {from} is later than `--to` {to}"));
    }
    let step = match &arguments.step {
        Some(text) => stretch(text).context("`--step`")?,
        None => Duration::from_secs((to.since(from) / MOMENTS).as_secs().max(1)),
    };
    form.append_pair("start", &from.seconds().to_string());
    form.append_pair("end", &to.seconds().to_string());
    form.append_pair("step", &step.as_secs_f64().to_string());
    let url = endpoint(&arguments.source, "query_range")?;
    Ok(Question { url, form: form.finish(), span: Some((from, to)) })
}

/// A moment: `now`, a while ago as in `-5m`, seconds since the epoch, or RFC 3339.
fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return Ok(now - stretch(ago)?);
    }
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        return Ok(Timestamp::from_seconds(seconds));
    }
    let at = text.parse::<jiff::Timestamp>().map_err(|_| {
        anyhow!("`{text}` is no moment: write it as in `-5m`, `2026-01-31T03:00:00Z`, `1769828400` or `now`")
    })?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

/// A stretch of time: as in `5m`, or seconds.
fn stretch(text: &str) -> anyhow::Result<Duration> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = seconds.or_else(|| parse_duration(text).ok()).filter(|duration| !duration.is_zero());
    duration.with_context(|| format!("`{text}` is no duration: write it as in `30s`, `5m` or `1h30m`"))
}

/// Where an API takes queries.
fn endpoint(source: &str, path: &str) -> anyhow::Result<Url> {
    let text = if source.contains("://") { source.to_owned() } else { format!("http://{source}") };
    // Not the URL itself, which may hold a password.
    let mut url = Url::parse(&text).context("`--source` is not a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(anyhow!("`--source` must begin with `http://` or `https://`"));
    }
    let path = format!("{}/api/v1/{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

async fn answer(question: Question, source: &str) -> anyhow::Result<Envelope> {
    let source = source.rsplit_once('@').map_or(source, |(_, host)| host);
    let client = HttpClient::new()?;
    let call = client.client().post(question.url).header(ACCEPT, "application/json");
    let call = call.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(question.form);
    let answered = async {
        let response = call.send().await.map_err(|error| {
            let deepest = deepest(&error.without_url());
            anyhow!("cannot ask `{source}`: {deepest}\nhint: is the daemon there? `--source` says where")
        })?;
        let status = response.status();
        let body =
            body_within(response, ANSWER_BYTES_MAX).await.with_context(|| format!("the answer of `{source}`"))?;
        serde_json::from_slice::<Envelope>(&body)
            .map_err(|_| anyhow!("`{source}` answered {status}, not as Prometheus's API does: is the URL right?"))
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await;
    answer.map_err(|_| anyhow!("no answer of `{source}` within {}", format_duration(PATIENCE)))?
}

/// The cause of all: what the layers of the HTTP library between say, says nothing to people.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Why a query has no value, with a mark under the spot when there is one.
fn refusal(source: &str, answer: &Envelope) -> String {
    let Envelope { error_kind, error, .. } = answer;
    match place(error, source) {
        Some((span, what)) => format!("{what}\n{}\n", span.render(source)),
        None => format!("{error} ({error_kind})\n"),
    }
}

/// Where an error says that it is, and what it says. What we cannot read either is marked in its whole length.
fn place<'a>(error: &'a str, source: &str) -> Option<(Span, &'a str)> {
    let error = error.strip_prefix("invalid parameter \"query\": ").unwrap_or(error);
    let (line, rest) = error.split_once(':')?;
    let (column, what) = rest.split_once(": ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let what = what.strip_prefix("parse error: ").unwrap_or(what);
    if let Err(ours) = promql::parse_any(source) {
        let (our_line, our_column) = ours.line_column(source);
        if (our_line as usize, our_column as usize) == (line, column) {
            return Some((ours.span, what));
        }
    }
    let lines = || source.split_inclusive('\n');
    let text = lines().nth(line.checked_sub(1)?)?.trim_end_matches('\n');
    let before: usize = lines().take(line - 1).map(str::len).sum();
    let in_line = text.char_indices().nth(column.checked_sub(1)?).map_or(text.len(), |(at, _)| at);
    let start = u32::try_from(before + in_line).ok()?;
    Some((Span { start, end: start }, what))
}

/// How wide the terminal is.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn say(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write the value"),
    }
}

fn tell(text: &str) {
    // When standard error is closed there is nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(more: &[&str]) -> QueryArguments {
        use clap::Parser as _;
        let all = ["atalaya", "query", "up"].iter().chain(more);
        let parsed = super::super::Arguments::try_parse_from(all).unwrap_or_else(|error| panic!("{error}"));
        match parsed.command {
            super::super::Command::Query(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_become_a_question() {
        let now = Timestamp::from_millis(10_000_500);
        let check = |more: &[&str], url: &str, form: &str| {
            let question = question(&arguments(more), now).unwrap();
            assert_eq!((question.url.as_str(), question.form.as_str()), (url, form), "{more:?}");
        };
        let instant = "http://127.0.0.1:9095/api/v1/query";
        check(&[], instant, "query=up&time=10000.5");
        check(&["--at", "now"], instant, "query=up&time=10000.5");
        check(&["--at", "-1m"], instant, "query=up&time=9940.5");
        check(&["--at", "1970-01-01T00:00:05Z"], instant, "query=up&time=5");
        check(&["--source", "host:1/a/"], "http://host:1/a/api/v1/query", "query=up&time=10000.5");
        let range = "http://127.0.0.1:9095/api/v1/query_range";
        check(&["--from", "-1h"], range, "query=up&start=6400.5&end=10000.5&step=30");
        check(&["--from", "5", "--to", "9", "--step", "1m"], range, "query=up&start=5&end=9&step=60");
        let refused = |more: &[&str], want: &str| {
            let error = question(&arguments(more), now).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains(want), "{more:?}: {error}");
        };
        refused(&["--at", "noon"], "`--at`: `noon` is no moment: write it as in `-5m`");
        refused(&["--from", "-x"], "`--from`: `x` is no duration");
        refused(&["--from", "9", "--to", "5"], "is later than `--to`");
        refused(&["--from", "5", "--step", "0s"], "`--step`: `0s` is no duration");
        refused(&["--source", "ftp://x"], "`--source` must begin with `http://` or `https://`");
    }

    #[test]
    fn the_spot_of_an_error_is_marked() {
        let check = |source: &str, error: &str, want: &str| {
            let envelope = Envelope {
                status: "error".to_owned(),
                data: None,
                error_kind: "bad_data".to_owned(),
                error: error.to_owned(),
                warnings: Vec::new(),
                infos: Vec::new(),
            };
            assert_eq!(refusal(source, &envelope), want);
        };
        let ours = promql::parse_any("sum(up by)").unwrap_err();
        let (line, column) = ours.line_column("sum(up by)");
        check(
            "sum(up by)",
            &format!("invalid parameter \"query\": {line}:{column}: parse error: wrong"),
            "wrong\nsum(up by)\n       ^^\n",
        );
        check("a +\nb", "2:1: too much", "too much\nb\n^\n");
        check("é + b", "1:5: here", "here\né + b\n    ^\n");
        check("up", "1:9: past the end", "past the end\nup\n  ^\n");
        check("up", "query timed out", "query timed out (bad_data)\n");
        check("up", "9:9: nowhere", "9:9: nowhere (bad_data)\n");
    }
}
