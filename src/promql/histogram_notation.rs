//! Native histograms as they are written: `{{schema:1 sum:-0.3 count:32.1 buckets:[5.1 10 7] offset:-3}}`.

use super::ParseError;
use super::series_notation::Scanner;

/// A native histogram as it is written. What is not written is zero, or empty.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HistogramLiteral {
    /// `schema`: how fine the buckets are, or -53 when their bounds are `custom_values`.
    pub schema: i32,
    /// `sum` of what was observed.
    pub sum: f64,
    /// `count` of observations.
    pub count: f64,
    /// `z_bucket`: how many of them are in the bucket around zero.
    pub zero_count: f64,
    /// `z_bucket_w`: how far that bucket goes to either side.
    pub zero_threshold: f64,
    /// `buckets`: counts of the positive buckets, one after the other.
    pub buckets: Vec<f64>,
    /// `offset`: the index of the first of them.
    pub offset: i32,
    /// `n_buckets`: counts of the negative buckets.
    pub negative_buckets: Vec<f64>,
    /// `n_offset`: the index of the first of them.
    pub negative_offset: i32,
    /// `custom_values`: upper bounds of the buckets of schema -53.
    pub custom_values: Vec<f64>,
    /// `counter_reset_hint`, when it is written.
    pub counter_reset_hint: Option<ResetHint>,
}

/// What is known about a counter's reset before a histogram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetHint {
    /// Nothing.
    Unknown,
    /// There was one.
    Reset,
    /// There was none.
    NotReset,
    /// It is no counter.
    Gauge,
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

const HINTS: [(&str, ResetHint); 4] = [
    ("unknown", ResetHint::Unknown),
    ("reset", ResetHint::Reset),
    ("not_reset", ResetHint::NotReset),
    ("gauge", ResetHint::Gauge),
];

/// Reads a histogram with its double braces.
pub(super) fn histogram(values: &mut Scanner<'_>) -> Result<HistogramLiteral, ParseError> {
    if !values.rest().starts_with("{{") {
        return Err(values.expected("a histogram in `{{…}}`"));
    }
    values.skip(2);
    let mut literal = HistogramLiteral::default();
    let mut written: Vec<&str> = Vec::new();
    loop {
        let had_blank = values.skip_blank();
        if values.rest().starts_with("}}") {
            values.skip(2);
            return Ok(literal);
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

fn set(literal: &mut HistogramLiteral, key: &str, values: &mut Scanner<'_>) -> Result<(), ParseError> {
    match key {
        "schema" => literal.schema = whole(values)?,
        "offset" => literal.offset = whole(values)?,
        "n_offset" => literal.negative_offset = whole(values)?,
        "sum" => literal.sum = values.number()?,
        "count" => literal.count = values.number()?,
        "z_bucket" => literal.zero_count = values.number()?,
        "z_bucket_w" => literal.zero_threshold = values.unsigned()?,
        "buckets" => literal.buckets = list(values)?,
        "n_buckets" => literal.negative_buckets = list(values)?,
        "custom_values" => literal.custom_values = list(values)?,
        _ => literal.counter_reset_hint = Some(hint(values)?),
    }
    Ok(())
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

fn hint(values: &mut Scanner<'_>) -> Result<ResetHint, ParseError> {
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
        let want = HistogramLiteral {
            schema: -53,
            sum: -0.3,
            count: 32.1,
            zero_count: 7.1,
            zero_threshold: 0.05,
            buckets: vec![5.1, 10.0, -7.0],
            offset: -3,
            negative_buckets: vec![4.1, f64::INFINITY],
            negative_offset: 2,
            custom_values: vec![1.0, 2.5],
            counter_reset_hint: Some(ResetHint::NotReset),
        };
        assert_eq!(parse_histogram(text), Ok(want));
        assert_eq!(parse_histogram("{{}}"), Ok(HistogramLiteral::default()));
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
        check("{{z_bucket_w:-1}}", 13, "expected a number");
        check("{{buckets:5}}", 10, "expected numbers in brackets");
        check("{{buckets:[]}}", 11, "expected a number");
        check("{{buckets:[1,2]}}", 12, "expected a blank or `]`");
        check("{{buckets:[1 2", 14, "expected a blank or `]`, found the end");
        check("{{counter_reset_hint:maybe}}", 21, "expected `unknown`, `reset`, `not_reset` or `gauge`");
        check("{{sum:1", 7, "expected a blank or `}}`, found the end");
    }
}
