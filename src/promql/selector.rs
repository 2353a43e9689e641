//! Selectors in the source: names, matchers and label lists.

use super::ast::{Expr, ExprKind, Selector};
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
            matchers.push(self.new_matcher(METRIC_NAME, MatchOp::Equal, name, span)?);
        }
        if name.is_none() || self.at_sign("{") {
            span = span.to(self.braces(&mut matchers)?);
        }
        if matchers.iter().all(|matcher| matcher.matches_value("")) {
            return Err(ParseError::new(span, "a selector needs a matcher that does not match the empty text")
                .with_hint("name a metric, or ask for a label with `=~\".+\"`"));
        }
        Ok(Expr { kind: ExprKind::Selector(Selector::new(matchers)), span })
    }

    /// Matchers in braces that choose labels, as the second argument of `info` does; they may match the empty text.
    pub(super) fn label_matchers(&mut self) -> Result<Expr, ParseError> {
        self.height = 0;
        if !self.at_sign("{") {
            return Err(self
                .expected("label matchers in braces")
                .with_hint("the metric of the labels is chosen with `{__name__=\"…\"}`"));
        }
        let start = self.token.span;
        let mut matchers = Vec::new();
        let span = start.to(self.braces(&mut matchers)?);
        Ok(Expr { kind: ExprKind::Selector(Selector::new(matchers)), span })
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
                let matcher = self.new_matcher(METRIC_NAME, MatchOp::Equal, &label, span)?;
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
            _ => {
                let error = self.expected("one of \"=\", \"!=\", \"=~\", \"!~\"");
                let is_double = self.at_sign("==");
                return Err(if is_double { error.with_hint("labels are compared with one `=`") } else { error });
            }
        };
        self.advance()?;
        let span = self.token.span;
        let value = match &self.token.kind {
            TokenKind::Text(value) => value,
            TokenKind::Bytes(_) => return Err(ParseError::new(span, "the value of a label must be UTF-8")),
            TokenKind::Word(word) => {
                let hint = format!("values stand in quotes: `\"{word}\"`");
                return Err(self.expected("a quoted text").with_hint(hint));
            }
            _ => return Err(self.expected("a quoted text")),
        };
        let matcher = self.new_matcher(label, op, value, span)?;
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

    /// `(a, "b c", d,)`
    pub(super) fn label_list(&mut self) -> Result<Vec<String>, ParseError> {
        Ok(self.label_list_span()?.0)
    }

    pub(super) fn label_list_span(&mut self) -> Result<(Vec<String>, Span), ParseError> {
        if let TokenKind::Word(word) = self.token.kind {
            return Err(self.expected("\"(\"").with_hint(format!("labels stand in parentheses: `({word})`")));
        }
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

    fn new_matcher(&self, label: &str, op: MatchOp, value: &str, span: Span) -> Result<Matcher, ParseError> {
        Matcher::sharing(label, op, value, self.patterns).map_err(|error| ParseError::new(span, error.to_string()))
    }
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
        check(r#"up{a="\xff"}"#, r#""\xff""#, "the value of a label must be UTF-8");
        check("sum by (a,,b) (up)", ",", r#"expected a label name, found ",""#);
    }
}
