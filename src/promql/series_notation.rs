//! The notation of made-up series that tests of rules and of PromQL share: `up{job="node"} 1 0x3 _ stale 0+5x10`.
//!
//! A metric, then values between blanks: a number, `stale`, `_` for a missing one; `axN` is `a` and N times `a` again,
//! `a+bxN` adds `b` each time, and `_xN` is N missing ones. A native histogram in double braces stands where a number
//! stands. Numbers are never hexadecimal here, since `x` means "times".

use super::histogram_notation::histogram;
use super::lexer::{Lexer, TokenKind, is_reserved};
use super::literal::parse_number;
use super::value::SampleValue;
use super::{ParseError, Span};
use crate::model::{Histogram, Labels, LabelsBuilder, METRIC_NAME, stale_nan};

/// How many values one series may have: eight years of one a minute.
pub const SEQUENCE_VALUES_MAX: usize = 4_000_000;

/// The longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A value of a made-up series.
#[derive(Clone, PartialEq, Debug)]
pub struct SequenceValue {
    /// A number or a native histogram. The marker of a series that has ended is the stale NaN.
    pub value: SampleValue,
    /// Whether it is a histogram with a `counter_reset_hint`.
    pub says_reset: bool,
}

impl From<f64> for SequenceValue {
    fn from(value: f64) -> Self {
        Self { value: value.into(), says_reset: false }
    }
}

/// Reads a metric and its values. A value that is missing is `None`.
pub fn parse_series(text: &str) -> Result<(Labels, Vec<Option<SequenceValue>>), ParseError> {
    let length = metric_length(text);
    let labels = parse_metric(&text[..length])?;
    let mut values = Scanner::new(text, length)?;
    let mut all = Vec::new();
    loop {
        let had_blank = values.skip_blank();
        if values.rest().is_empty() {
            return Ok((labels, all));
        }
        if !had_blank {
            return Err(values.expected("a blank before the next value"));
        }
        item(&mut values, &mut all)?;
    }
}

/// Reads a metric: a name, labels in braces, or both; an empty text is no labels at all.
pub fn parse_metric(text: &str) -> Result<Labels, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    let mut lexer = Lexer::new(text);
    let mut labels = Labels::empty().edit();
    let mut token = lexer.next()?;
    if let TokenKind::Word(name) = token.kind {
        if is_reserved(name) {
            return Err(ParseError::new(token.span, format!("`{name}` is a keyword, and names no metric")));
        }
        labels.set(METRIC_NAME, name);
        token = lexer.next()?;
    }
    if token.kind == TokenKind::Sign("{") {
        token = braces(&mut lexer, &mut labels)?;
    }
    match token.kind {
        TokenKind::End => Ok(labels.build()),
        _ => Err(unexpected(text, token.span, "a metric like `up{job=\"node\"}`")),
    }
}

/// Reads the one native histogram, in double braces, that a text holds.
pub fn parse_histogram(text: &str) -> Result<Histogram, ParseError> {
    let mut values = Scanner::new(text, 0)?;
    values.skip_blank();
    let (histogram, _) = histogram(&mut values)?;
    values.skip_blank();
    if values.rest().is_empty() { Ok(histogram) } else { Err(values.expected("nothing behind the histogram")) }
}

/// Labels behind a `{`, up to what follows the `}`.
fn braces<'a>(lexer: &mut Lexer<'a>, labels: &mut LabelsBuilder) -> Result<super::lexer::Token<'a>, ParseError> {
    let mut known: Vec<String> = Vec::new();
    // The name before the braces holds, whatever they say.
    let is_named = !labels.get(METRIC_NAME).is_empty();
    let mut token = lexer.next()?;
    while token.kind != TokenKind::Sign("}") {
        let (name, is_quoted) = match &token.kind {
            TokenKind::Word(name) if !name.contains(':') => ((*name).to_owned(), false),
            TokenKind::Text(name) if !name.is_empty() => (name.clone(), true),
            _ => return Err(ParseError::new(token.span, "expected a label name")),
        };
        let span = token.span;
        token = lexer.next()?;
        let (name, value) = match &token.kind {
            // A text alone is the metric's name.
            TokenKind::Sign("," | "}") if is_quoted => (METRIC_NAME.to_owned(), name),
            TokenKind::Sign("=") => {
                token = lexer.next()?;
                let TokenKind::Text(value) = &token.kind else {
                    return Err(ParseError::new(token.span, format!("expected the value of `{name}` in quotes")));
                };
                let value = value.clone();
                token = lexer.next()?;
                (name, value)
            }
            _ => return Err(ParseError::new(token.span, format!("expected `=` behind `{name}`"))),
        };
        if known.contains(&name) {
            return Err(ParseError::new(span, format!("the label `{name}` is set twice")));
        }
        if !(is_named && name == METRIC_NAME) {
            labels.set(name.as_str(), value);
        }
        known.push(name);
        match token.kind {
            TokenKind::Sign(",") => token = lexer.next()?,
            TokenKind::Sign("}") => {}
            _ => return Err(ParseError::new(token.span, "expected `,` or `}`")),
        }
    }
    lexer.next()
}

/// Where the metric at the beginning of a text ends.
fn metric_length(text: &str) -> usize {
    let start = text.len() - text.trim_start().len();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let name_end = text[start..].find(|c| !is_name(c)).map_or(text.len(), |at| start + at);
    if !text[name_end..].starts_with('{') {
        return name_end;
    }
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in text[name_end..].char_indices() {
        match (c, quote) {
            _ if is_escaped => is_escaped = false,
            ('\\', Some('"' | '\'')) => is_escaped = true,
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'' | '`', None) => quote = Some(c),
            ('}', None) => return name_end + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Reads what stands between two blanks.
fn item(values: &mut Scanner<'_>, all: &mut Vec<Option<SequenceValue>>) -> Result<(), ParseError> {
    let start = values.at;
    if values.take('_') {
        let times = if values.take('x') { values.times()? } else { 1 };
        values.room(start, all.len(), times)?;
        all.extend(std::iter::repeat_n(None, times));
        return Ok(());
    }
    if values.rest().starts_with("{{") {
        return histograms(values, all);
    }
    let mut value = values.value()?;
    let step = if values.rest().starts_with(['+', '-']) { Some(values.number()?) } else { None };
    let is_repeated = values.take('x');
    if step.is_some() && !is_repeated {
        return Err(values.expected("`x` and how often the step is made").with_hint("write `0+5x10`"));
    }
    let times = if is_repeated { values.times()? } else { 0 };
    values.room(start, all.len(), times + 1)?;
    for _ in 0..=times {
        all.push(Some(value.into()));
        value += step.unwrap_or_default();
    }
    Ok(())
}

/// Reads a histogram and its repetitions.
fn histograms(values: &mut Scanner<'_>, all: &mut Vec<Option<SequenceValue>>) -> Result<(), ParseError> {
    let start = values.at;
    let (mut current, mut says_reset) = histogram(values)?;
    let sign = values.peek().filter(|c| matches!(c, '+' | '-'));
    let mut step = None;
    if let Some(sign) = sign {
        values.skip(1);
        let (histogram, step_says_reset) = histogram(values)?;
        says_reset = step_says_reset;
        step = Some((sign, histogram));
    }
    if let Some((_, step)) = step.as_ref().filter(|(_, step)| current.schema > step.schema) {
        let (step, base) = (step.schema, current.schema);
        let what = format!("a histogram of schema {step} cannot be joined to one of schema {base}");
        return Err(ParseError::new(values.span(start), what));
    }
    let is_repeated = values.take('x');
    if step.is_some() && !is_repeated {
        return Err(values.expected("`x` and how often the step is made"));
    }
    let times = if is_repeated { values.times()? } else { 0 };
    values.room(start, all.len(), times + 1)?;
    let Some((sign, step)) = step else {
        let value: SampleValue = current.into();
        all.extend(std::iter::repeat_n(Some(SequenceValue { value, says_reset }), times + 1));
        return Ok(());
    };
    all.push(Some(SequenceValue { value: current.clone().into(), says_reset }));
    for _ in 0..times {
        let joined = if sign == '+' { current.add(&step) } else { current.subtract(&step) };
        joined.map_err(|error| ParseError::new(values.span(start), error.to_string()))?;
        all.push(Some(SequenceValue { value: current.clone().into(), says_reset }));
    }
    Ok(())
}

fn too_long() -> ParseError {
    ParseError::new(Span::default(), format!("the text has more than {TEXT_BYTES_MAX} bytes"))
}

/// An error about what stands at a span.
fn unexpected(text: &str, span: Span, wanted: &str) -> ParseError {
    let found = text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let found = if found.is_empty() { "the end".to_owned() } else { format!("`{found}`") };
    ParseError::new(span, format!("expected {wanted}, found {found}"))
}

/// Walks over the values of a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, at: usize) -> Result<Self, ParseError> {
        if text.len() > TEXT_BYTES_MAX { Err(too_long()) } else { Ok(Self { text, at }) }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Whether this character comes next, which it then is over.
    pub(super) fn take(&mut self, c: char) -> bool {
        let is_next = self.rest().starts_with(c);
        self.at += if is_next { c.len_utf8() } else { 0 };
        is_next
    }

    /// Whether there was a blank, which it then is over.
    pub(super) fn skip_blank(&mut self) -> bool {
        let before = self.at;
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at > before
    }

    /// The word that comes next: letters, digits, `_` and `:`; may be empty.
    pub(super) fn word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(rest.len())]
    }

    /// From `start` to here.
    pub(super) fn span(&self, start: usize) -> Span {
        // No text is longer than `TEXT_BYTES_MAX`.
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: offset(start), end: offset(self.at) }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// An error about what comes next.
    pub(super) fn expected(&self, wanted: &str) -> ParseError {
        let word = self.rest().split([' ', '\t', '\n', '\r']).next().unwrap_or_default();
        let next = Self { text: self.text, at: self.at + word.len() };
        unexpected(self.text, next.span(self.at), wanted)
    }

    /// `stale`, or a number.
    fn value(&mut self) -> Result<f64, ParseError> {
        if self.word() == "stale" {
            self.skip("stale".len());
            return Ok(stale_nan());
        }
        self.number()
    }

    /// A number with or without a sign.
    pub(super) fn number(&mut self) -> Result<f64, ParseError> {
        let is_negative = self.rest().starts_with('-');
        if is_negative || self.rest().starts_with('+') {
            self.skip(1);
        }
        let value = self.unsigned()?;
        Ok(if is_negative { -value } else { value })
    }

    /// A number without a sign.
    pub(super) fn unsigned(&mut self) -> Result<f64, ParseError> {
        let rest = self.rest();
        let begins = rest.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
        let text = if begins { &rest[..number_length(rest)] } else { self.word() };
        let value = parse_number(text).filter(|_| begins || is_named_number(text));
        let follows = rest[text.len()..].chars().next();
        let is_glued = follows.is_some_and(|c| (c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) && c != 'x');
        match value {
            Some(value) if !is_glued => {
                self.skip(text.len());
                Ok(value)
            }
            _ if text.is_empty() || !begins => Err(self.expected("a number, `stale`, `_` or a histogram in `{{…}}`")),
            _ => {
                let glued = Self { text: self.text, at: self.at + text.len() + follows.map_or(0, char::len_utf8) };
                let span = if is_glued { glued.span(self.at) } else { self.ahead(text.len()) };
                Err(unexpected(self.text, span, "a number").with_hint("numbers are decimal here, like `1.5e3`"))
            }
        }
    }

    fn ahead(&self, bytes: usize) -> Span {
        Self { text: self.text, at: self.at + bytes }.span(self.at)
    }

    /// How often something is repeated.
    fn times(&mut self) -> Result<usize, ParseError> {
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_whole = !rest[digits..].starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        match rest[..digits].parse() {
            Ok(times) if is_whole => {
                self.skip(digits);
                Ok(times)
            }
            _ if is_whole && digits > 0 => Err(self.too_many(self.at + digits)),
            _ => Err(self.expected("a whole number of repetitions")),
        }
    }

    /// Fails when there is no room for so many values more; what asks for them began at `start`.
    fn room(&self, start: usize, before: usize, more: usize) -> Result<(), ParseError> {
        if before.saturating_add(more) <= SEQUENCE_VALUES_MAX {
            return Ok(());
        }
        let mut error = self.too_many(self.at);
        error.span = self.span(start);
        Err(error)
    }

    fn too_many(&self, end: usize) -> ParseError {
        let span = Self { text: self.text, at: end }.span(self.at);
        ParseError::new(span, format!("a series may have no more than {SEQUENCE_VALUES_MAX} values"))
    }
}

fn is_named_number(text: &str) -> bool {
    ["inf", "nan"].iter().any(|name| name.eq_ignore_ascii_case(text))
}

/// The length of the decimal number at the beginning, whether or not it is one.
fn number_length(text: &str) -> usize {
    let mut previous = ' ';
    let end = text.find(|c: char| {
        let is_sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
        previous = c;
        !(c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E') || is_sign)
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The series and its values, in words.
    fn read(text: &str) -> Result<String, ParseError> {
        let (labels, values) = parse_series(text)?;
        let words = values.iter().map(|value| match value {
            None => "_".to_owned(),
            Some(it) if it.value.float().is_some_and(crate::model::is_stale) => "stale".to_owned(),
            Some(SequenceValue { value, says_reset }) => format!("{value}{}", if *says_reset { "!" } else { "" }),
        });
        Ok(format!("{labels}: {}", words.collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn reads_series() {
        let check = |text: &str, want: &str| assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        check("m 1 2.5 -3 +4 1e3 .5 5. 1_000 010", "m: 1 2.5 -3 4 1000 0.5 5 1000 8");
        check("m 1x2 _x2 _ _x0 stale", "m: 1 1 1 _ _ _ stale");
        check("m 0+5x2 1-2x2 -2+4x1 1e1x1", "m: 0 5 10 1 -1 -3 -2 2 10 10");
        check("m inf -Inf NaN", "m: +Inf -Inf NaN");
        check("  m{a=\"x y\", 'b c'='}\\'{' ,} \t 1\n2", "m{a=\"x y\", \"b c\"=\"}'{\"}: 1 2");
        check("{\"m.x\", a=`\\`} 1", "m.x{a=\"\\\\\"}: 1");
        check("by{le=\"\"} 1", "by: 1");
        check("m{__name__=\"n\", a=\"b\"} 1", "m{a=\"b\"}: 1");
        check("m", "m: ");
        check("", "{}: ");
        check("m {{}} {{sum:1}}x1", "m: {count:0, sum:0} {count:0, sum:1} {count:0, sum:1}");
        check(
            "m {{count:1 buckets:[1]}}+{{count:2 buckets:[0 2] offset:1}}x1 5",
            "m: {count:1, sum:0, (0.5,1]:1} {count:3, sum:0, (0.5,1]:1, (2,4]:2} 5",
        );
        check(
            "m {{count:3 buckets:[3] counter_reset_hint:reset}}-{{buckets:[1] counter_reset_hint:gauge}}x1 {{}}",
            "m: {count:3, sum:0, (0.5,1]:3}! {count:3, sum:0, (0.5,1]:2}! {count:0, sum:0}",
        );
        check("m {{schema:-53 custom_values:[5 10] buckets:[1 0 4]}}", "m: {count:0, sum:0, [-Inf,5]:1, (10,+Inf]:4}");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |text: &str, spot: &str, want: &str| {
            let error = parse_series(text).expect_err(text);
            assert_eq!(error.what, want, "{text}");
            assert_eq!(&text[error.span.start as usize..error.span.end as usize], spot, "{text}");
        };
        let value = "expected a number, `stale`, `_` or a histogram in `{{…}}`, found ";
        check("m 1 abc 2", "abc", &format!("{value}`abc`"));
        check("m stalex3", "stalex3", &format!("{value}`stalex3`"));
        check("m Infx3", "Infx3", &format!("{value}`Infx3`"));
        check("m 1 +", "", &format!("{value}the end"));
        check("m __", "_", "expected a blank before the next value, found `_`");
        check("m{}1", "1", "expected a blank before the next value, found `1`");
        check("m 1+2", "", "expected `x` and how often the step is made, found the end");
        check("m 1+ 2x3", "", &format!("{value}the end"));
        check("m 1x2.5", "2.5", "expected a whole number of repetitions, found `2.5`");
        check("m 1x", "", "expected a whole number of repetitions, found the end");
        check("m 0x1F", "1F", "expected a whole number of repetitions, found `1F`");
        check("m 5m", "5m", "expected a number, found `5m`");
        check("m 1.2.3", "1.2.3", "expected a number, found `1.2.3`");
        check("m 1x4000000", "1x4000000", "a series may have no more than 4000000 values");
        check("m 1x99999999999999999999", "99999999999999999999", "a series may have no more than 4000000 values");
        check("m{a=\"b\" 1", "1", "expected `,` or `}`");
        check("m{a=\"b\"", "", "expected `,` or `}`");
        check("m{a=\"b\", a=\"c\"} 1", "a", "the label `a` is set twice");
        check("{\"n\", __name__=\"m\"} 1", "__name__", "the label `__name__` is set twice");
        check("nan 1", "nan", "`nan` is a keyword, and names no metric");
        check("m{a!=\"b\"} 1", "!=", "expected `=` behind `a`");
        check("m{a=b} 1", "b", "expected the value of `a` in quotes");
        check("m{1=\"b\"} 1", "1", "expected a label name");
        check(
            "m {{schema:1}}+{{schema:0}}x2",
            "{{schema:1}}+{{schema:0}}",
            "a histogram of schema 0 cannot be joined to one of schema 1",
        );
        let what = "histograms with exponential and with custom buckets cannot be combined";
        check("m {{schema:-53}}+{{schema:0}}x2", "{{schema:-53}}+{{schema:0}}x2", what);
    }

    #[test]
    fn reads_metrics_and_histograms_alone() {
        let check =
            |text: &str, want: &str| assert_eq!(parse_metric(text).map(|it| it.to_string()).as_deref(), Ok(want));
        check("", "{}");
        check(" up {job = \"a\"} ", "up{job=\"a\"}");
        check("{}", "{}");
        assert!(parse_metric("up 1").is_err_and(|error| error.what.contains("found `1`")));
        assert_eq!(parse_histogram(" {{sum:2}} ").map(|it| it.sum), Ok(2.0));
        assert!(parse_histogram("{{sum:2}} 1").is_err_and(|error| error.what.contains("nothing behind")));
        assert!(parse_histogram("1").is_err());
    }
}
