//! The notation of series in tests: `up{job="node"} 1 _ 2+3x4 stale {{schema:1 count:3 buckets:[1 2]}}`.
//!
//! It is that of Prometheus's test scripts and of promtool's unit tests.

use std::iter::repeat_n;
use std::sync::Arc;

use super::literal::parse_number;
use super::parser::series_labels;
use super::value::SampleValue;
use super::{ParseError, Span};
use crate::model::{Cell, CounterReset, Histogram, Labels, SCHEMA_CUSTOM, SCHEMAS, stale_nan};

/// How many values one series may be written with.
pub const NOTED_MAX: usize = 1_000_000;

/// What stands at one place of a series.
#[derive(Clone, PartialEq, Debug)]
pub enum Noted {
    /// There is no sample.
    Gap,
    /// A sample.
    Value {
        /// Its value; a stale marker is a number.
        value: SampleValue,
        /// Whether it is a histogram that says whether its counter started anew.
        says_reset: bool,
    },
}

/// A series and its values.
#[derive(Clone, PartialEq, Debug)]
pub struct NotedSeries {
    /// The labels.
    pub labels: Labels,
    /// The values, one after another.
    pub values: Vec<Noted>,
}

/// Reads a series and its values.
pub fn read_series(line: &str) -> Result<NotedSeries, ParseError> {
    let end = end_of_labels(line);
    Ok(NotedSeries { labels: series_labels(&line[..end])?, values: values_from(line, end)? })
}

/// Reads values alone, as a unit test has them.
pub fn read_values(text: &str) -> Result<Vec<Noted>, ParseError> {
    values_from(text, 0)
}

/// Where the labels end: at the first blank outside of quotes and braces.
fn end_of_labels(line: &str) -> usize {
    let (mut quote, mut depth, mut is_escaped) = (None, 0_u32, false);
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) => {
                if is_escaped {
                    is_escaped = false;
                } else if c == '\\' && open != '`' {
                    is_escaped = true;
                } else if c == open {
                    quote = None;
                }
            }
            None => match c {
                '"' | '\'' | '`' => quote = Some(c),
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                // A blank may stand before the braces.
                c if c.is_whitespace() && depth == 0 && !begins_braces(&line[at..]) => return at,
                _ => {}
            },
        }
    }
    line.len()
}

fn begins_braces(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') && !text.starts_with("{{")
}

fn span(from: usize, to: usize) -> Span {
    Span { start: u32::try_from(from).unwrap_or(u32::MAX), end: u32::try_from(to).unwrap_or(u32::MAX) }
}

fn values_from(line: &str, from: usize) -> Result<Vec<Noted>, ParseError> {
    let mut values = Vec::new();
    let mut at = from;
    while let Some((start, end)) = next_token(line, at) {
        let token = &line[start..end];
        let fail = |what: String| ParseError::new(span(start, end), what);
        let added = one(token).map_err(fail)?;
        if values.len().saturating_add(added.len()) > NOTED_MAX {
            return Err(fail(format!("a series may have {NOTED_MAX} values")));
        }
        values.extend(added);
        at = end;
    }
    Ok(values)
}

/// The next piece without a blank outside of `{{ }}`.
fn next_token(line: &str, from: usize) -> Option<(usize, usize)> {
    let start = from + line[from..].find(|c: char| !c.is_whitespace())?;
    let mut depth = 0_i32;
    let end = line[start..].char_indices().find(|(_, c)| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth <= 0 && c.is_whitespace()
    });
    Some((start, end.map_or(line.len(), |(at, _)| start + at)))
}

/// `5`, `_x3`, `1+2x4`, `stale`, `{{…}}`, `{{…}}+{{…}}x3`
fn one(token: &str) -> Result<Vec<Noted>, String> {
    if token.starts_with("{{") {
        return histograms(token);
    }
    let (head, times) = match token.split_once('x') {
        // There are no hexadecimal numbers here: `0x8` is nine times 0.
        Some((head, times)) => (head, Some(count_of(times)?)),
        None => (token, None),
    };
    if head == "_" {
        return Ok(vec![Noted::Gap; times.unwrap_or(1)]);
    }
    let more = times.unwrap_or(0);
    if head == "stale" {
        return Ok(vec![float(stale_nan()); more + 1]);
    }
    let (mut value, step) = start_and_step(head).ok_or_else(|| format!("`{token}` is no value"))?;
    let mut values = Vec::with_capacity(more + 1);
    for _ in 0..=more {
        values.push(float(value));
        value += step;
    }
    Ok(values)
}

fn float(value: f64) -> Noted {
    Noted::Value { value: value.into(), says_reset: false }
}

fn count_of(text: &str) -> Result<usize, String> {
    let count = text.parse().map_err(|_| format!("`{text}` is no number of repetitions"))?;
    if count > NOTED_MAX { Err(format!("a series may have {NOTED_MAX} values")) } else { Ok(count) }
}

/// `1-2` is 1 and -2; `1e-5` is a number.
fn start_and_step(text: &str) -> Option<(f64, f64)> {
    if let Some(value) = signed(text) {
        return Some((value, 0.0));
    }
    let signs = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    signs.filter_map(|(at, _)| Some((signed(&text[..at])?, signed(&text[at..])?))).last()
}

fn signed(text: &str) -> Option<f64> {
    match text.strip_prefix('-') {
        Some(rest) => parse_number(rest).map(|value| -value),
        None => parse_number(text.strip_prefix('+').unwrap_or(text)),
    }
}

/// `{{…}}`, `{{…}}x3`, `{{…}}+{{…}}x3`, `{{…}}-{{…}}x3`
fn histograms(token: &str) -> Result<Vec<Noted>, String> {
    let (first, mut says_reset, rest) = histogram(token)?;
    let (step, times) = match rest.chars().next() {
        None => (None, ""),
        Some('x') => (None, rest),
        Some(sign @ ('+' | '-')) => {
            let (step, step_says_reset, times) = histogram(&rest[1..])?;
            says_reset = step_says_reset;
            (Some((step, sign)), times)
        }
        Some(_) => return Err(format!("expected `x`, `+` or `-` behind a histogram, found `{rest}`")),
    };
    let more = match times.strip_prefix('x') {
        Some(count) => count_of(count)?,
        None if times.is_empty() && step.is_none() => 0,
        None => return Err(format!("expected `x` and a number of repetitions, found `{times}`")),
    };
    let noted = |histogram: &Histogram| Noted::Value { value: histogram.clone().into(), says_reset };
    let Some((step, sign)) = step else { return Ok(repeat_n(noted(&first), more + 1).collect()) };
    let mut values = vec![noted(&first)];
    let mut current = first;
    for _ in 0..more {
        if current.schema > step.schema {
            return Err(format!("cannot merge a histogram of schema {} into one of {}", step.schema, current.schema));
        }
        let combined = if sign == '+' { current.add(&step) } else { current.subtract(&step) };
        combined.map_err(|error| error.to_string())?;
        values.push(noted(&current));
    }
    Ok(values)
}

/// A histogram, whether it says that its counter started anew, and what stands behind it.
fn histogram(text: &str) -> Result<(Histogram, bool, &str), String> {
    let inner = text.strip_prefix("{{").ok_or_else(|| format!("expected `{{{{`, found `{text}`"))?;
    let (inner, rest) = inner.split_once("}}").ok_or("a histogram is never closed")?;
    let mut histogram = Histogram::default();
    let (mut says_reset, mut offset, mut negative_offset) = (false, 0, 0);
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    let mut fields = inner.trim();
    while !fields.is_empty() {
        let (name, after) = fields.split_once(':').ok_or_else(|| format!("expected `name:value`, found `{fields}`"))?;
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('[') {
            Some(list) => list.split_once(']').ok_or("a list is never closed")?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        let number = || signed(value).ok_or_else(|| format!("`{value}` is no number for `{name}`"));
        let whole = || value.parse::<i32>().map_err(|_| format!("`{value}` is no whole number for `{name}`"));
        let list = || {
            let numbers = value.split_whitespace().map(|it| signed(it).ok_or_else(|| format!("`{it}` is no number")));
            numbers.collect::<Result<Vec<f64>, String>>()
        };
        match name.trim() {
            "schema" => histogram.schema = whole()?,
            "sum" => histogram.sum = number()?,
            "count" => histogram.count = number()?,
            "z_bucket" => histogram.zero_count = number()?,
            "z_bucket_w" => histogram.zero_threshold = number()?,
            "custom_values" => histogram.bounds = Arc::from(list()?),
            "buckets" => positive = list()?,
            "n_buckets" => negative = list()?,
            "offset" => offset = whole()?,
            "n_offset" => negative_offset = whole()?,
            "counter_reset_hint" => {
                says_reset = true;
                histogram.reset = match value {
                    "unknown" => CounterReset::Unknown,
                    "reset" => CounterReset::Reset,
                    "not_reset" => CounterReset::NotReset,
                    "gauge" => CounterReset::Gauge,
                    _ => return Err(format!("`{value}` is no counter reset hint")),
                };
            }
            name => return Err(format!("a histogram has no `{name}`")),
        }
        fields = after.trim_start();
    }
    if histogram.schema != SCHEMA_CUSTOM && !SCHEMAS.contains(&histogram.schema) {
        return Err(format!("there is no schema {}", histogram.schema));
    }
    histogram.positive = cells(&positive, offset);
    histogram.negative = cells(&negative, negative_offset);
    Ok((histogram, says_reset, rest))
}

fn cells(counts: &[f64], offset: i32) -> Vec<Cell> {
    (offset..).zip(counts).map(|(index, count)| Cell { index, count: *count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values as texts: `_` a gap.
    fn values(line: &str) -> String {
        let read = match read_series(line) {
            Ok(read) => read,
            Err(error) => return format!("error: {error}"),
        };
        let texts = read.values.iter().map(|noted| match noted {
            Noted::Gap => "_".to_owned(),
            Noted::Value { value, .. } => value.to_string(),
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_are_unfolded() {
        let check = |line: &str, want: &str| assert_eq!(values(line), want, "{line}");
        check("m 1 2 3", "1 2 3");
        check("m{a=\"b c\", d='}'} 1+2x3 _ _x2 5x2", "1 3 5 7 _ _ _ 5 5 5");
        check("{\"a b\", c=\"\"} 1e3-1e2x2 -1 +Inf NaN 0x2", "1000 900 800 -1 +Inf NaN 0 0 0");
        check(
            "m {{count:3 sum:4 buckets:[1 2] offset:1}}x1",
            "{count:3, sum:4, (1,2]:1, (2,4]:2} {count:3, sum:4, (1,2]:1, (2,4]:2}",
        );
        check(
            "m {{count:1 buckets:[1]}}+{{count:2 buckets:[0 2]}}x1",
            "{count:1, sum:0, (0.5,1]:1} {count:3, sum:0, (0.5,1]:1, (1,2]:2}",
        );
        check("m {{count:1 buckets:[3]}}-{{buckets:[1]}}x1", "{count:1, sum:0, (0.5,1]:3} {count:1, sum:0, (0.5,1]:2}");
        check("m {{schema:-53 custom_values:[5 10] buckets:[1 0 4]}}", "{count:0, sum:0, [-Inf,5]:1, (10,+Inf]:4}");
        check("m 1x", "error: `` is no number of repetitions");
        check("m 1x2000000", "error: a series may have 1000000 values");
        check("m one", "error: `one` is no value");
        check("m {{count:x}}", "error: `x` is no number for `count`");
        check("m {{schema:9}}", "error: there is no schema 9");
        check("m {{count:1", "error: a histogram is never closed");
    }

    #[test]
    fn what_is_said_of_resets_is_known() {
        let read = read_values("{{count:1 counter_reset_hint:gauge}} {{count:1}} stale").unwrap();
        let says = |noted: &Noted| matches!(noted, Noted::Value { says_reset: true, .. });
        assert_eq!(read.iter().map(says).collect::<Vec<_>>(), [true, false, false]);
        let is_stale = |noted: &Noted| match noted {
            Noted::Value { value, .. } => value.float().is_some_and(crate::model::is_stale),
            Noted::Gap => false,
        };
        assert!(is_stale(&read[2]));
    }
}
