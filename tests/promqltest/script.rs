//! Reads scripts: what is loaded, what is evaluated, and what is expected of it.

use std::time::Duration;

use atalaya::model::{Labels, Timestamp, parse_duration};
use atalaya::promql::{ExprKind, SequenceValue, parse_any, parse_series};
use regex::Regex;

/// A command of a script.
pub(crate) enum Command {
    Clear,
    Load {
        step: Duration,
        with_native: bool,
        lines: Vec<String>,
    },
    Eval(Box<Eval>),
    /// A command that cannot be read, and why.
    Broken {
        line: usize,
        is_eval: bool,
        why: String,
    },
}

/// When something is evaluated.
#[derive(Clone, Copy)]
pub(crate) enum When {
    At(Timestamp),
    Range { start: Timestamp, end: Timestamp, step: Duration },
}

/// What an annotation or an error must be.
pub(crate) enum Wanted {
    Exactly(String),
    Matching(Regex),
}

impl Wanted {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == text,
            Self::Matching(regex) => regex.is_match(text),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Exactly(wanted) => wanted,
            Self::Matching(regex) => regex.as_str(),
        }
    }
}

/// An evaluation and what is expected of it.
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) expr: String,
    pub(crate) when: When,
    pub(crate) fails: bool,
    pub(crate) fail: Vec<Wanted>,
    pub(crate) has_warning: bool,
    pub(crate) has_info: bool,
    pub(crate) warnings: Vec<Wanted>,
    pub(crate) infos: Vec<Wanted>,
    pub(crate) no_warning: bool,
    pub(crate) no_info: bool,
    pub(crate) is_ordered: bool,
    pub(crate) string: Option<String>,
    /// The moments of the samples of a range vector.
    pub(crate) moments: Option<(Timestamp, Timestamp, Duration)>,
    pub(crate) scalar: Option<f64>,
    pub(crate) series: Vec<(Labels, Vec<Option<SequenceValue>>)>,
}

impl Eval {
    /// The moment that `@` fixes.
    pub(crate) fn moment(&self) -> Timestamp {
        match (self.moments, self.when) {
            (Some((_, end, _)), _) => end,
            (None, When::At(at)) => at,
            (None, When::Range { start, .. }) => start,
        }
    }
}

/// The commands of a script.
pub(crate) fn read(text: &str) -> Vec<Command> {
    let lines: Vec<&str> =
        text.lines().map(|line| if line.trim().starts_with('#') { "" } else { line.trim() }).collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let head = lines[at];
        let number = at + 1;
        at += 1;
        if head.is_empty() {
            continue;
        }
        let word = head.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if word == "clear" {
            commands.push(Command::Clear);
            continue;
        }
        let body = || lines[at..].iter().take_while(|line| !line.is_empty()).copied();
        let count = body().count();
        let broken = |why: String| Command::Broken { line: number, is_eval: word.starts_with("eval"), why };
        if word.starts_with("load") {
            let step = head.split_once(char::is_whitespace).map_or("", |(_, step)| step.trim());
            commands.push(match length(step) {
                Ok(step) => {
                    let lines = body().map(str::to_owned).collect();
                    Command::Load { step, with_native: word == "load_with_nhcb", lines }
                }
                Err(why) => broken(why),
            });
            at += count;
        } else if word.starts_with("eval") {
            let body: Vec<&str> = body().collect();
            match eval(number, head, &body) {
                Ok((eval, taken)) => {
                    commands.push(Command::Eval(Box::new(eval)));
                    at += taken;
                }
                Err(why) => {
                    commands.push(broken(why));
                    at += count;
                }
            }
        } else {
            commands.push(broken(format!("unknown command `{head}`")));
        }
    }
    commands
}

/// A length of time as scripts write it.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| format!("{text:?}: {error}"))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Ok(Timestamp::from_millis(0) + length(text)?)
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| error.to_string())
}

fn heads() -> Result<(Regex, Regex), String> {
    Ok((
        compiled(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$")?,
        compiled(r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$")?,
    ))
}

/// An evaluation, and how many of the lines behind it belong to it.
fn eval(line: usize, head: &str, body: &[&str]) -> Result<(Eval, usize), String> {
    let (instant, range) = heads()?;
    let text = |captures: &regex::Captures<'_>, at: usize| captures.get(at).map_or("", |it| it.as_str()).to_owned();
    let (modifier, when, expr) = if let Some(found) = instant.captures(head) {
        (text(&found, 1), When::At(moment(&text(&found, 2))?), text(&found, 3))
    } else if let Some(found) = range.captures(head) {
        let (start, end) = (moment(&text(&found, 2))?, moment(&text(&found, 3))?);
        (text(&found, 1), When::Range { start, end, step: length(&text(&found, 4))? }, text(&found, 5))
    } else {
        return Err(format!("unknown evaluation `{head}`"));
    };
    let mut eval = Eval {
        line,
        expr,
        when,
        fails: modifier == "fail",
        fail: Vec::new(),
        has_warning: modifier == "warn",
        has_info: modifier == "info",
        warnings: Vec::new(),
        infos: Vec::new(),
        no_warning: false,
        no_info: false,
        is_ordered: modifier == "ordered",
        string: None,
        moments: None,
        scalar: None,
        series: Vec::new(),
    };
    for (at, text) in body.iter().enumerate() {
        if eval.expectation(text)? {
            continue;
        }
        if let Some(number) = number(text) {
            eval.scalar = Some(number);
            // Nothing can follow a number, not even a line of the same block.
            return Ok((eval, at + 1));
        }
        let (labels, values) = parse_series(text).map_err(|error| format!("{text}: {error}"))?;
        if values.len() > 1 && matches!(eval.when, When::At(_)) && eval.moments.is_none() {
            return Err(format!("{text}: several values at one moment"));
        }
        eval.series.retain(|(other, _)| *other != labels);
        eval.series.push((labels, values));
    }
    Ok((eval, body.len()))
}

impl Eval {
    /// Reads a line that says what is expected besides values; whether it is one.
    fn expectation(&mut self, line: &str) -> Result<bool, String> {
        if let Some(message) = line.strip_prefix("expected_fail_message") {
            self.fail.push(Wanted::Exactly(message.trim().to_owned()));
        } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            self.fail.push(Wanted::Matching(compiled(pattern.trim())?));
        } else if let Some(moments) = line.strip_prefix("expect range vector") {
            let words: Vec<&str> = moments.split_whitespace().collect();
            let ["from", start, "to", end, "step", step] = words.as_slice() else {
                return Err(format!("{line}: no range"));
            };
            self.moments = Some((moment(start)?, moment(end)?, length(step)?));
        } else if let Some(text) = line.strip_prefix("expect string ") {
            match parse_any(text).map(|expr| expr.kind) {
                Ok(ExprKind::Text(text)) => self.string = Some(text),
                _ => return Err(format!("{line}: no string")),
            }
        } else if let Some(rest) = line.strip_prefix("expect ") {
            let rest = rest.trim();
            let (kind, wanted) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let wanted = match wanted.trim().split_once(':') {
                Some(("msg", message)) => Wanted::Exactly(message.trim().to_owned()),
                Some(("regex", pattern)) => Wanted::Matching(compiled(pattern.trim())?),
                None if wanted.trim().is_empty() => Wanted::Matching(compiled("")?),
                _ => return Err(format!("{line}: unknown match")),
            };
            match kind {
                "fail" => {
                    self.fails = true;
                    self.fail.push(wanted);
                }
                "warn" => self.warnings.push(wanted),
                "info" => self.infos.push(wanted),
                "no_warn" => self.no_warning = true,
                "no_info" => self.no_info = true,
                "ordered" => self.is_ordered = true,
                _ => return Err(format!("{line}: unknown expectation")),
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

/// A line that is a number.
fn number(line: &str) -> Option<f64> {
    if let Some(hex) = line.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).ok().map(f64::from);
    }
    let unsigned = line.trim_start_matches(['+', '-']);
    if unsigned.eq_ignore_ascii_case("inf") {
        return Some(if line.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if unsigned.eq_ignore_ascii_case("nan") { Some(f64::NAN) } else { line.parse().ok() }
}
