//! Native histograms as they are written: `{{schema:1 sum:-0.3 count:32.1 buckets:[5.1 10 7] offset:-3}}`.

use std::sync::Arc;

use super::ParseError;
use super::series_notation::Scanner;
use crate::model::{Cell, CounterReset, GoFloat, Histogram, SCHEMA_CUSTOM, SCHEMAS};

/// How many empty buckets between two that are not are written out.
const EMPTY_BUCKETS_MAX: i64 = 10_000;

/// What is written between the braces. What is not written is zero, or empty.
#[derive(Default)]
struct Literal {
    /// All but the buckets.
    histogram: Histogram,
    says_reset: bool,
    /// Counts of the positive buckets, one after the other, and the index of the first of them.
    positive: (Vec<f64>, i32),
    /// The same of the negative ones.
    negative: (Vec<f64>, i32),
}

const KEYS: [&str; 11] = [
    "schema",
    "sum",
    "count",
    "z_bucket",
    "z_bucket_w",
    "buckets",
    "offset",
    "n_buckets",
    "n_offset",
    "custom_values",
    "counter_reset_hint",
];

const HINTS: [(&str, CounterReset); 4] = [
    ("unknown", CounterReset::Unknown),
    ("reset", CounterReset::Reset),
    ("not_reset", CounterReset::NotReset),
    ("gauge", CounterReset::Gauge),
];

/// Reads a histogram with its double braces; also says whether there is a `counter_reset_hint`.
pub(super) fn histogram(values: &mut Scanner<'_>) -> Result<(Histogram, bool), ParseError> {
    if !values.rest().starts_with("{{") {
        return Err(values.expected("a histogram in `{{…}}`"));
    }
    values.skip(2);
    let mut literal = Literal::default();
    let mut written: Vec<&str> = Vec::new();
    loop {
        let had_blank = values.skip_blank();
        if values.rest().starts_with("}}") {
            values.skip(2);
            return Ok(literal.histogram());
        }
        if !had_blank && !written.is_empty() {
            return Err(values.expected("a blank or `}}`"));
        }
        let key = key(values)?;
        if written.contains(&key) {
            let start = values.at();
            values.skip(key.len());
            return Err(ParseError::new(values.span(start), format!("`{key}` is written twice")));
        }
        written.push(key);
        values.skip(key.len());
        if !values.take(':') {
            return Err(values.expected(&format!("`:` behind `{key}`")));
        }
        set(&mut literal, key, values)?;
    }
}

/// The key that comes next.
fn key(values: &Scanner<'_>) -> Result<&'static str, ParseError> {
    // A word takes the colon behind it along.
    let word = values.word().split(':').next().unwrap_or_default();
    let known = KEYS.iter().find(|key| key.eq_ignore_ascii_case(word));
    known.copied().ok_or_else(|| values.expected(&format!("one of `{}`", KEYS.join("`, `"))))
}

fn set(literal: &mut Literal, key: &str, values: &mut Scanner<'_>) -> Result<(), ParseError> {
    let histogram = &mut literal.histogram;
    match key {
        "schema" => histogram.schema = schema(values)?,
        "offset" => literal.positive.1 = whole(values)?,
        "n_offset" => literal.negative.1 = whole(values)?,
        "sum" => histogram.sum = values.number()?,
        "count" => histogram.count = values.number()?,
        "z_bucket" => histogram.zero_count = values.number()?,
        "z_bucket_w" => histogram.zero_threshold = values.unsigned()?,
        "buckets" => literal.positive.0 = list(values)?,
        "n_buckets" => literal.negative.0 = list(values)?,
        "custom_values" => histogram.bounds = Arc::from(list(values)?),
        _ => (histogram.reset, literal.says_reset) = (hint(values)?, true),
    }
    Ok(())
}

impl Literal {
    fn histogram(self) -> (Histogram, bool) {
        // An index that is too high for any bucket is one of no bucket.
        let cells = |(counts, offset): (Vec<f64>, i32)| -> Vec<Cell> {
            let indices = (0..).map_while(|step| offset.checked_add(step));
            indices.zip(counts).map(|(index, count)| Cell { index, count }).collect()
        };
        let (positive, negative) = (cells(self.positive), cells(self.negative));
        (Histogram { positive, negative, ..self.histogram }, self.says_reset)
    }
}

fn schema(values: &mut Scanner<'_>) -> Result<i32, ParseError> {
    let start = values.at();
    let schema = whole(values)?;
    if schema != SCHEMA_CUSTOM && !SCHEMAS.contains(&schema) {
        let (first, last) = (SCHEMAS.start(), SCHEMAS.end());
        let what = format!("there is no schema {schema}, only {first} to {last} and {SCHEMA_CUSTOM}");
        return Err(ParseError::new(values.span(start), what));
    }
    Ok(schema)
}

/// A histogram as it is written in tests, with what it says of resets, so that two that differ are two texts. Empty buckets
/// at either end are left out.
pub fn written_histogram(histogram: &Histogram) -> String {
    let mut parts = Vec::new();
    let mut part = |key: &str, value: f64| {
        if value != 0.0 {
            parts.push(format!("{key}:{}", GoFloat(value)));
        }
    };
    part("schema", f64::from(histogram.schema));
    part("count", histogram.count);
    part("sum", histogram.sum);
    part("z_bucket", histogram.zero_count);
    part("z_bucket_w", histogram.zero_threshold);
    if histogram.is_custom() {
        parts.push(format!("custom_values:[{}]", joined(histogram.bounds.iter().copied())));
    }
    if histogram.reset != CounterReset::Unknown {
        let hint = HINTS.iter().find(|(_, hint)| *hint == histogram.reset);
        parts.extend(hint.map(|(name, _)| format!("counter_reset_hint:{name}")));
    }
    for (prefix, cells) in [("", &histogram.positive), ("n_", &histogram.negative)] {
        let filled: Vec<&Cell> = cells.iter().filter(|cell| cell.count != 0.0).collect();
        let (Some(first), Some(last)) = (filled.first(), filled.last()) else { continue };
        let length = i64::from(last.index) - i64::from(first.index) + 1;
        let empty = length - i64::try_from(filled.len()).unwrap_or(i64::MAX);
        if empty > EMPTY_BUCKETS_MAX {
            let pairs: Vec<String> = filled.iter().map(|it| format!("{}={}", it.index, GoFloat(it.count))).collect();
            parts.push(format!("{prefix}buckets:{{{}}}", pairs.join(" ")));
            continue;
        }
        let mut next = filled.iter().peekable();
        let counts = (first.index..=last.index).map(|at| next.next_if(|it| it.index == at).map_or(0.0, |it| it.count));
        parts.push(format!("{prefix}buckets:[{}]", joined(counts)));
        if first.index != 0 {
            parts.push(format!("{prefix}offset:{}", first.index));
        }
    }
    format!("{{{{{}}}}}", parts.join(" "))
}

fn joined(numbers: impl Iterator<Item = f64>) -> String {
    numbers.map(|number| GoFloat(number).to_string()).collect::<Vec<_>>().join(" ")
}

/// A whole number, with or without a minus.
fn whole(values: &mut Scanner<'_>) -> Result<i32, ParseError> {
    let rest = values.rest();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let sign = usize::from(rest.starts_with('-'));
    let length = sign + rest[sign..].find(|c| !is_part(c)).unwrap_or(rest.len() - sign);
    let number = rest[..length].parse().ok().filter(|_| !rest.starts_with('+'));
    let number = number.ok_or_else(|| values.expected("a whole number"))?;
    values.skip(length);
    Ok(number)
}

/// Numbers between brackets.
fn list(values: &mut Scanner<'_>) -> Result<Vec<f64>, ParseError> {
    if !values.take('[') {
        return Err(values.expected("numbers in brackets, like `[5 10 7]`"));
    }
    let mut numbers = Vec::new();
    loop {
        let had_blank = values.skip_blank();
        if !numbers.is_empty() && values.take(']') {
            return Ok(numbers);
        }
        if !numbers.is_empty() && !had_blank {
            return Err(values.expected("a blank or `]`"));
        }
        numbers.push(values.number()?);
    }
}

fn hint(values: &mut Scanner<'_>) -> Result<CounterReset, ParseError> {
    let word = values.word();
    let known = HINTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    let (_, hint) = known.ok_or_else(|| values.expected("`unknown`, `reset`, `not_reset` or `gauge`"))?;
    values.skip(word.len());
    Ok(*hint)
}

#[cfg(test)]
mod tests {
    use super::super::series_notation::parse_histogram;
    use super::*;

    #[test]
    fn reads_every_key() {
        let text = "{{schema:-53 sum:-0.3 count:32.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 -7 ] offset:-3 \
                    n_buckets:[4.1 Inf] n_offset:2 custom_values:[1 2.5] counter_reset_hint:not_reset }}";
        let cell = |index, count| Cell { index, count };
        let want = Histogram {
            schema: -53,
            sum: -0.3,
            count: 32.1,
            zero_count: 7.1,
            zero_threshold: 0.05,
            positive: vec![cell(-3, 5.1), cell(-2, 10.0), cell(-1, -7.0)],
            negative: vec![cell(2, 4.1), cell(3, f64::INFINITY)],
            bounds: Arc::from([1.0, 2.5]),
            reset: CounterReset::NotReset,
        };
        let read = parse_histogram(text).unwrap();
        assert_eq!((&read, read.reset), (&want, want.reset));
        assert_eq!(parse_histogram("{{}}"), Ok(Histogram::default()));
        let end = parse_histogram("{{buckets:[1 2 3] offset:2147483646}}").unwrap();
        assert_eq!(end.positive.len(), 2);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let check = |text: &str, want: &str| {
            let histogram = parse_histogram(text).unwrap();
            assert_eq!(written_histogram(&histogram), want, "{text}");
            if !want.contains('=') {
                assert_eq!(written_histogram(&parse_histogram(want).unwrap()), want, "{text}");
            }
        };
        check("{{}}", "{{}}");
        check(
            "{{schema:1 sum:-0.3 count:32.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[0 5.1 0 7 0] offset:-3 n_buckets:[4.1 5] \
             n_offset:-5 counter_reset_hint:gauge}}",
            "{{schema:1 count:32.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 counter_reset_hint:gauge buckets:[5.1 0 7] \
             offset:-2 n_buckets:[4.1 5] n_offset:-5}}",
        );
        check(
            "{{schema:-53 custom_values:[1 2.5] buckets:[0 0] counter_reset_hint:unknown}}",
            "{{schema:-53 custom_values:[1 2.5]}}",
        );
        let mut far = parse_histogram("{{buckets:[1] n_buckets:[1]}}").unwrap();
        far.positive.push(Cell { index: i32::MAX, count: 2.0 });
        assert_eq!(written_histogram(&far), "{{buckets:{0=1 2147483647=2} n_buckets:[1]}}");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |text: &str, at: usize, want: &str| {
            let error = parse_histogram(text).expect_err(text);
            assert!(error.what.starts_with(want), "{text}: {}", error.what);
            assert_eq!(error.span.start as usize, at, "{text}");
        };
        check("{{sun:1}}", 2, "expected one of `schema`, `sum`, ");
        check("{{sum 1}}", 5, "expected `:` behind `sum`, found the end");
        check("{{sum:1,count:2}}", 7, "expected a blank or `}}`, found `,count:2}}`");
        check("{{sum:1 sum:2}}", 8, "`sum` is written twice");
        check("{{schema:1.5}}", 9, "expected a whole number, found `1.5}}`");
        check("{{schema:9}}", 9, "there is no schema 9, only -4 to 8 and -53");
        check("{{z_bucket_w:-1}}", 13, "expected a number");
        check("{{buckets:5}}", 10, "expected numbers in brackets");
        check("{{buckets:[]}}", 11, "expected a number");
        check("{{buckets:[1,2]}}", 12, "expected a blank or `]`");
        check("{{buckets:[1 2", 14, "expected a blank or `]`, found the end");
        check("{{counter_reset_hint:maybe}}", 21, "expected `unknown`, `reset`, `not_reset` or `gauge`");
        check("{{sum:1", 7, "expected a blank or `}}`, found the end");
    }
}
