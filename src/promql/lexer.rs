//! Cuts an expression into tokens, on demand.

use std::time::Duration;

use super::literal::{Unescaped, parse_number, unescape};
use super::{ParseError, Span};
use crate::model::{DurationError, parse_duration};

/// A token and its place.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum TokenKind<'a> {
    /// `1.5`
    Number(f64),
    /// `5m`
    Duration(Duration),
    /// A quoted text, its escapes resolved.
    Text(String),
    /// A quoted text whose escapes make it no UTF-8.
    Bytes(Vec<u8>),
    /// A name or a keyword; which of them depends on where it stands.
    Word(&'a str),
    /// Anything else: `(`, `=~`, …
    Sign(&'static str),
    /// Nothing follows.
    End,
}

/// Signs, longer ones before those that they begin with.
const SIGNS: [&str; 26] = [
    "==", "=~", "!=", "!~", ">=", "<=", "</", ">/", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}",
    "[", "]", ",", ":", "@",
];

/// Words that are never a metric's name where an expression may begin.
const RESERVED: [&str; 8] = ["atan2", "bool", "group_left", "group_right", "ignoring", "inf", "nan", "on"];

/// Whether a text can be written as a selector without braces.
pub(super) fn is_metric_name(text: &str) -> bool {
    word_length(text) == text.len() && !text.is_empty() && !is_reserved(text)
}

/// Whether a word may not begin an expression.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

#[derive(Clone, Copy)]
pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    /// How many `[` are open: between them `:` separates and is no part of a name.
    brackets: u32,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0, brackets: 0 }
    }

    /// The next token; `End` over and over when there is none.
    pub(super) fn next(&mut self) -> Result<Token<'a>, ParseError> {
        self.skip_blank();
        let start = self.at;
        let rest = &self.source[start..];
        let Some(first) = rest.chars().next() else { return Ok(self.token(start, TokenKind::End)) };
        let kind = match first {
            '"' | '\'' | '`' => self.quoted(first)?,
            c if begins_number(c, rest) => self.number()?,
            ':' if self.brackets > 0 => self.sign(":"),
            c if is_word_char(c) => {
                let length = word_length(rest);
                self.at += length;
                TokenKind::Word(&rest[..length])
            }
            c => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => self.sign(sign),
                None => return Err(self.unexpected(start, c)),
            },
        };
        Ok(self.token(start, kind))
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = &self.source[self.at..];
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn sign(&mut self, sign: &'static str) -> TokenKind<'a> {
        self.at += sign.len();
        match sign {
            "[" => self.brackets += 1,
            "]" => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        TokenKind::Sign(sign)
    }

    fn number(&mut self) -> Result<TokenKind<'a>, ParseError> {
        let start = self.at;
        let length = number_length(&self.source[start..]);
        let text = &self.source[start..start + length];
        self.at += length;
        if let Some(value) = parse_number(text) {
            return Ok(TokenKind::Number(value));
        }
        let span = self.span(start, self.at);
        match parse_duration(text) {
            Ok(duration) => Ok(TokenKind::Duration(duration)),
            Err(DurationError::OutOfRange(_)) => Err(ParseError::new(span, "duration out of range")),
            Err(_) => Err(ParseError::new(span, format!("\"{text}\" is neither a number nor a duration"))
                .with_hint("write a duration like `1h30m`, units from large to small")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<TokenKind<'a>, ParseError> {
        let start = self.at;
        let body = &self.source[start + 1..];
        let length = closing_quote(body, quote)
            .ok_or_else(|| ParseError::new(self.span(start, start + 1), format!("this {quote} is never closed")))?;
        self.at = start + 1 + length + 1;
        let text = &body[..length];
        if quote == '`' {
            return Ok(TokenKind::Text(text.to_owned()));
        }
        match unescape(text, quote) {
            Ok(Unescaped::Text(text)) => Ok(TokenKind::Text(text)),
            Ok(Unescaped::Bytes(bytes)) => Ok(TokenKind::Bytes(bytes)),
            Err(at) => {
                let spot = start + 1 + at;
                let end = self.source[spot..].char_indices().nth(2).map_or(self.source.len(), |(at, _)| spot + at);
                Err(ParseError::new(self.span(spot, end), "unknown escape sequence")
                    .with_hint("a backslash is written `\\\\`, or stands as it is between back-ticks"))
            }
        }
    }

    /// A character that begins nothing.
    fn unexpected(&self, start: usize, c: char) -> ParseError {
        let what = match c {
            '!' => "unexpected \"!\", expected \"!=\" or \"!~\"".to_owned(),
            c => format!("unexpected character {c:?}"),
        };
        let error = ParseError::new(self.span(start, start + c.len_utf8()), what);
        match c {
            '&' => error.with_hint("the operator is written `and`"),
            '|' => error.with_hint("the operator is written `or`"),
            '“' | '”' | '„' | '‘' | '’' => {
                error.with_hint("texts stand between straight quotes, `\"` or `'`")
            }
            '$' => error.with_hint("variables are filled in by dashboards and templates, not here"),
            ';' => error.with_hint("an expression ends without a sign"),
            _ => error,
        }
    }

    fn token(&self, start: usize, kind: TokenKind<'a>) -> Token<'a> {
        Token { kind, span: self.span(start, self.at) }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        // The parser refuses sources longer than `LENGTH_MAX` before it asks for a token.
        let offset = |at: usize| u32::try_from(at.min(self.source.len())).unwrap_or(u32::MAX);
        Span { start: offset(start), end: offset(end) }
    }
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The length of the name or keyword at the beginning; 0 when there is none.
fn word_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !is_word_char(c)).unwrap_or(text.len())
}

fn begins_number(first: char, rest: &str) -> bool {
    first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())
}

/// The length of what stands together like a number, whether or not it is one.
fn number_length(text: &str) -> usize {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let mut previous = ' ';
    let end = text.find(|c: char| {
        let is_sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E') && !is_hex;
        previous = c;
        !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || is_sign)
    });
    end.unwrap_or(text.len())
}

/// Where the quote that ends a text stands. A line break does, too, end a text that is not raw.
fn closing_quote(body: &str, quote: char) -> Option<usize> {
    if quote == '`' {
        return body.find(quote);
    }
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a source, as words.
    fn tokens(source: &str) -> Result<String, ParseError> {
        let mut lexer = Lexer::new(source);
        let mut words = Vec::new();
        loop {
            match lexer.next()?.kind {
                TokenKind::End => return Ok(words.join(" ")),
                TokenKind::Number(value) => words.push(format!("{value}")),
                TokenKind::Duration(duration) => words.push(format!("{duration:?}")),
                TokenKind::Text(text) => words.push(format!("{text:?}")),
                TokenKind::Bytes(bytes) => words.push(format!("{bytes:?}")),
                TokenKind::Word(word) => words.push(word.to_owned()),
                TokenKind::Sign(sign) => words.push(format!("'{sign}'")),
            }
        }
    }

    #[test]
    fn cuts_into_tokens() {
        let check = |source: &str, want: &str| assert_eq!(tokens(source).as_deref(), Ok(want), "{source}");
        check("a:b{c!='d'}", "a:b '{' c '!=' \"d\" '}'");
        check("x[5m:1m]", "x '[' 300s ':' 60s ']'");
        check("x[5m:step()]", "x '[' 300s ':' step '(' ')' ']'");
        check("1e-3-0x1e-3", "0.001 '-' 30 '-' 3");
        check("1<=2 # one\n</3", "1 '<=' 2 '</' 3");
        check(r#"`a\n` "a\n""#, r#""a\\n" "a\n""#);
        check(r#""\xff""#, "[255]");
        check("Inf + .5", "Inf '+' 0.5");
        check("# nothing", "");
    }

    #[test]
    fn says_what_it_cannot_read() {
        let check = |source: &str, want: &str| {
            let error = tokens(source).unwrap_err();
            assert_eq!(format!("{}-{}: {}", error.span.start, error.span.end, error.what), want, "{source}");
        };
        check("a # b\n$", "6-7: unexpected character '$'");
        check("a ! b", "2-3: unexpected \"!\", expected \"!=\" or \"!~\"");
        check("x[5mm]", "2-5: \"5mm\" is neither a number nor a duration");
        check("x[999y]", "2-6: duration out of range");
        check("x{a=\"b}", "4-5: this \" is never closed");
        check("'a\n'", "0-1: this ' is never closed");
        check(r#""ab\cd""#, "3-5: unknown escape sequence");
    }

    #[test]
    fn knows_metric_names() {
        for (text, want) in [("up", true), ("a:b", true), (":a", true), ("9a", false), ("", false), ("é", false)] {
            assert_eq!(is_metric_name(text), want, "{text}");
        }
        for reserved in ["bool", "ON", "Inf"] {
            assert!(!is_metric_name(reserved), "{reserved}");
        }
    }
}
