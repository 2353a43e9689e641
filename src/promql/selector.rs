//! Selectors in the source: names, matchers, ranges, offsets and label lists.

use std::time::Duration;

use super::ast::{Expr, ExprKind, Selector, Subquery};
use super::lexer::TokenKind;
use super::parser::Parser;
use super::{ParseError, Span};
use crate::model::{METRIC_NAME, MatchOp, Matcher, is_label_name};

impl Parser<'_> {
    /// A selector whose name, if it has one before the braces, is already taken.
    pub(super) fn selector(&mut self, name: Option<(&str, Span)>) -> Result<Expr, ParseError> {
        let mut span = name.map_or(self.token.span, |(_, span)| span);
        let mut matchers = Vec::new();
        if let Some((name, span)) = name {
            matchers.push(new_matcher(METRIC_NAME, MatchOp::Equal, name, span)?);
        }
        if name.is_none() || self.at_sign("{") {
            span = span.to(self.braces(&mut matchers)?);
        }
        if matchers.iter().all(|matcher| matcher.matches_value("")) {
            return Err(ParseError::new(span, "a selector needs a matcher that does not match the empty text")
                .with_hint("name a metric, or ask for a label with `=~\".+\"`"));
        }
        Ok(Expr { kind: ExprKind::Selector(Selector { matchers, offset_ms: 0 }), span })
    }

    /// `{a="b", "metric"}`; returns where it ends.
    fn braces(&mut self, matchers: &mut Vec<Matcher>) -> Result<Span, ParseError> {
        let named_before = matchers.first().map(|name| name.value.clone());
        let mut name = named_before.clone();
        self.take_sign("{")?;
        while !self.at_sign("}") {
            let span = self.token.span;
            let is_quoted = matches!(self.token.kind, TokenKind::Text(_));
            let label = self.label_name()?;
            let is_name = is_quoted && (self.at_sign(",") || self.at_sign("}"));
            let repeats_name = if is_name { name.is_some() } else { label == METRIC_NAME && named_before.is_some() };
            if repeats_name {
                let first = name.unwrap_or_default();
                return Err(ParseError::new(span, format!("the metric's name is already given: `{first}`")));
            }
            if is_name {
                let matcher = new_matcher(METRIC_NAME, MatchOp::Equal, &label, span)?;
                name = Some(matcher.value.clone());
                matchers.insert(0, matcher);
            } else {
                matchers.push(self.matcher(&label)?);
            }
            if !self.at_sign("}") {
                self.take_sign(",")?;
            }
        }
        self.take_sign("}")
    }

    /// An operator and a text behind a label name.
    fn matcher(&mut self, label: &str) -> Result<Matcher, ParseError> {
        let op = match self.token.kind {
            TokenKind::Sign("=") => MatchOp::Equal,
            TokenKind::Sign("!=") => MatchOp::NotEqual,
            TokenKind::Sign("=~") => MatchOp::Regex,
            TokenKind::Sign("!~") => MatchOp::NotRegex,
            _ => return Err(self.expected("one of \"=\", \"!=\", \"=~\", \"!~\"")),
        };
        self.advance()?;
        let span = self.token.span;
        let TokenKind::Text(value) = &self.token.kind else { return Err(self.expected("a quoted text")) };
        let matcher = new_matcher(label, op, value, span)?;
        self.advance()?;
        Ok(matcher)
    }

    /// A label name, with or without quotes.
    fn label_name(&mut self) -> Result<String, ParseError> {
        let name = match &self.token.kind {
            TokenKind::Text(name) if !name.is_empty() => name.clone(),
            TokenKind::Word(name) if is_label_name(name) => (*name).to_owned(),
            _ => return Err(self.expected("a label name")),
        };
        self.advance()?;
        Ok(name)
    }

    /// `[5m]`, or `[5m:1m]` which makes a subquery of any vector.
    pub(super) fn range(&mut self, expr: Expr) -> Result<Expr, ParseError> {
        self.take_sign("[")?;
        let range = self.positive_duration()?;
        let is_subquery = self.take_sign_if(":")?;
        let step = if is_subquery && !self.at_sign("]") { Some(self.positive_duration()?) } else { None };
        let span = expr.span.to(self.take_sign("]")?);
        let kind = match expr.kind {
            _ if is_subquery => {
                self.height += 1;
                self.limit_depth(self.height)?;
                ExprKind::Subquery(Box::new(Subquery { expr, range, step, offset_ms: 0 }))
            }
            ExprKind::Selector(selector) if selector.offset_ms == 0 => ExprKind::Range { selector, range },
            ExprKind::Selector(_) => {
                return Err(ParseError::new(span, "an offset stands behind the range, not before it"));
            }
            _ => {
                return Err(ParseError::new(span, "only a selector can have a range")
                    .with_hint("a subquery, with a colon as in `[5m:]`, takes any instant vector"));
            }
        };
        Ok(Expr { kind, span })
    }

    fn positive_duration(&mut self) -> Result<Duration, ParseError> {
        let span = self.token.span;
        let ms = self.duration_ms()?;
        if let TokenKind::Sign("*" | "/" | "%" | "^" | "+" | "-") = self.token.kind {
            return Err(self.unsupported("arithmetic in a duration"));
        }
        match u64::try_from(ms) {
            Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
            _ => Err(ParseError::new(span, "the duration must be greater than 0")),
        }
    }

    pub(super) fn offset(&mut self, expr: &mut Expr) -> Result<(), ParseError> {
        let word = self.advance()?.span;
        let negative = match self.token.kind {
            TokenKind::Sign(sign @ ("+" | "-")) => {
                self.advance()?;
                sign == "-"
            }
            _ => false,
        };
        let ms = self.duration_ms()?;
        let place = match &mut expr.kind {
            ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => &mut selector.offset_ms,
            ExprKind::Subquery(subquery) => &mut subquery.offset_ms,
            _ => return Err(ParseError::new(word, "an offset can only stand behind a selector or a subquery")),
        };
        if *place != 0 {
            return Err(ParseError::new(word, "an offset can only be given once"));
        }
        *place = if negative { -ms } else { ms };
        expr.span.end = self.taken_end;
        Ok(())
    }

    /// A duration, or a number of seconds, in milliseconds.
    fn duration_ms(&mut self) -> Result<i64, ParseError> {
        /// Prometheus's own limit: what fits into 63 bits of nanoseconds.
        const SECONDS_MAX: f64 = 9_223_372_036.854;
        let span = self.token.span;
        let seconds = match self.token.kind {
            TokenKind::Duration(duration) => duration.as_secs_f64(),
            TokenKind::Number(seconds) => seconds,
            TokenKind::Sign("(" | "+" | "-") => return Err(self.unsupported("arithmetic in a duration")),
            TokenKind::Word("step" | "range" | "min_of" | "max_of") => return Err(self.duration_function()?),
            _ => return Err(self.expected("a duration")),
        };
        self.advance()?;
        if seconds.is_nan() || seconds.abs() > SECONDS_MAX {
            return Err(ParseError::new(span, "duration out of range"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the limit above fits")]
        Ok((seconds * 1000.0).round() as i64)
    }

    /// Why `step()` and its like cannot stand for a duration.
    fn duration_function(&mut self) -> Result<ParseError, ParseError> {
        let name = self.advance()?;
        if !self.at_sign("(") {
            return Ok(ParseError::new(name.span, format!("expected a duration, found {}", self.quote(name.span))));
        }
        Ok(ParseError::unsupported(name.span, "arithmetic in a duration"))
    }

    /// `(a, "b c", d,)`
    pub(super) fn label_list(&mut self) -> Result<Vec<String>, ParseError> {
        Ok(self.label_list_span()?.0)
    }

    pub(super) fn label_list_span(&mut self) -> Result<(Vec<String>, Span), ParseError> {
        self.take_sign("(")?;
        let mut labels = Vec::new();
        while !self.at_sign(")") {
            labels.push(self.label_name()?);
            if !self.at_sign(")") {
                self.take_sign(",")?;
            }
        }
        Ok((labels, self.take_sign(")")?))
    }
}

fn new_matcher(label: &str, op: MatchOp, value: &str, span: Span) -> Result<Matcher, ParseError> {
    Matcher::new(label, op, value).map_err(|error| ParseError::new(span, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn reads_selectors() {
        let check = |source: &str, want: &str| assert_eq!(parse(source).unwrap().to_string(), want);
        check("up", "up");
        check(r#"up{a="b",c!~"d",}"#, r#"up{a="b", c!~"d"}"#);
        check(r#"{"a.b", 'c d'="e"}"#, r#"{__name__="a.b", "c d"="e"}"#);
        check(r#"{__name__=~"a|b"}"#, r#"{__name__=~"a|b"}"#);
        check("up{NaN='x', by='y', offset='z'}", r#"up{NaN="x", by="y", offset="z"}"#);
        check("up[90]", "up[1m30s]");
        check("up[4.18]", "up[4s180ms]");
        check("up[1h] OFFSET 1w", "up[1h] offset 1w");
        check("up offset -7m", "up offset -7m");
        check("up offset 5m [10m:5s]", "up offset 5m[10m:5s]");
        check("sum by (\"a b\", c,) (up)", "sum by (\"a b\", c) (up)");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |source: &str, spot: &str, want: &str| {
            let error = parse(source).unwrap_err();
            assert_eq!(error.what, want, "{source}");
            assert_eq!(&source[error.span.start as usize..error.span.end as usize], spot, "{source}");
        };
        let empty = "a selector needs a matcher that does not match the empty text";
        check("1 + {a=~\".*\"}", "{a=~\".*\"}", empty);
        check("{}", "{}", empty);
        check("up{a=b}", "b", r#"expected a quoted text, found "b""#);
        check("up{a:b='c'}", "a:b", r#"expected a label name, found "a:b""#);
        check("up{,}", ",", r#"expected a label name, found ",""#);
        check("up{a}", "}", r#"expected one of "=", "!=", "=~", "!~", found "}""#);
        check("up{a='b' c='d'}", "c", r#"expected ",", found "c""#);
        check("up{__name__='x'}", "__name__", "the metric's name is already given: `up`");
        check("{'up', 'x'}", "'x'", "the metric's name is already given: `up`");
        check("up{a=~'('}", "'('", "`(` is not a regular expression: unclosed group");
        check("up[0s]", "0s", "the duration must be greater than 0");
        check("up[]", "]", r#"expected a duration, found "]""#);
        check("up[5m x]", "x", r#"expected "]", found "x""#);
        check("up[9.5e10]", "9.5e10", "duration out of range");
        check("up[5m*2]", "*", "arithmetic in a duration is not supported yet");
        check("up offset step()", "step", "arithmetic in a duration is not supported yet");
        check("up[step]", "step", r#"expected a duration, found "step""#);
        check("up offset 1m[5m]", "up offset 1m[5m]", "an offset stands behind the range, not before it");
        check("abs(up)[5m]", "abs(up)[5m]", "only a selector can have a range");
        check("1 offset 5m", "offset", "an offset can only stand behind a selector or a subquery");
        check("up offset 5m offset 5m", "offset", "an offset can only be given once");
        check("sum by (a,,b) (up)", ",", r#"expected a label name, found ",""#);
    }
}
