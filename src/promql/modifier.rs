//! What stands behind an operand: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`; and lengths of time.

use std::time::Duration;

use super::ast::{At, BinaryOp, Expr, ExprKind, Reading, Shift, Subquery};
use super::length::{Length, LengthKind, Moments, NoLength, SECONDS_MAX};
use super::lexer::TokenKind;
use super::parser::Parser;
use super::{ParseError, Span};
use crate::model::Timestamp;

/// The moments that `@` may name are at most this far from the epoch: 31,000 years, in which a float holds milliseconds.
const AT_SECONDS_MAX: f64 = 1e12;

/// How many signs, calls, parentheses and operators one length of time may have.
const LENGTH_PARTS_MAX: u32 = 200;

impl From<NoLength> for ParseError {
    fn from(NoLength { span, what }: NoLength) -> Self {
        Self::new(span, what)
    }
}

impl Parser<'_> {
    /// Everything that stands behind an operand.
    pub(super) fn postfix(&mut self, mut expr: Expr) -> Result<Expr, ParseError> {
        loop {
            if self.at_sign("[") {
                expr = self.range(expr)?;
            } else if self.at_word("offset") {
                self.offset(&mut expr)?;
            } else if self.at_sign("@") {
                self.at(&mut expr)?;
            } else if self.at_word("anchored") {
                self.reading(&mut expr, Reading::Anchored)?;
            } else if self.at_word("smoothed") {
                self.reading(&mut expr, Reading::Smoothed)?;
            } else {
                return Ok(expr);
            }
        }
    }

    /// `[5m]`, or `[5m:1m]` which makes a subquery of any vector.
    fn range(&mut self, expr: Expr) -> Result<Expr, ParseError> {
        self.take_sign("[")?;
        let range = self.positive_length()?;
        let is_subquery = self.take_sign_if(":")?;
        let step = if is_subquery && !self.at_sign("]") { Some(self.positive_length()?) } else { None };
        let span = expr.span.to(self.take_sign("]")?);
        let kind = match expr.kind {
            _ if is_subquery => {
                self.height += 1;
                self.limit_depth(self.height)?;
                ExprKind::Subquery(Box::new(Subquery { expr, range, step, shift: Shift::default() }))
            }
            ExprKind::Selector(selector) => {
                let misplaced = match &selector {
                    selector if selector.shift.offset.is_some() => "an offset stands",
                    selector if selector.shift.at.is_some() => "`@` stands",
                    selector if selector.reading == Reading::Anchored => "`anchored` stands",
                    selector if selector.reading == Reading::Smoothed => "`smoothed` stands",
                    _ => return Ok(Expr { kind: ExprKind::Range { selector, range }, span }),
                };
                return Err(ParseError::new(span, format!("{misplaced} behind the range, not before it")));
            }
            _ => {
                return Err(ParseError::new(span, "only a selector can have a range")
                    .with_hint("a subquery, with a colon as in `[5m:]`, takes any instant vector"));
            }
        };
        Ok(Expr { kind, span })
    }

    fn offset(&mut self, expr: &mut Expr) -> Result<(), ParseError> {
        let word = self.advance()?.span;
        let offset = self.signed_length()?;
        let shift = shift(expr, word, "an offset")?;
        if shift.offset.is_some() {
            return Err(ParseError::new(word, "an offset can only be given once"));
        }
        shift.offset = Some(offset);
        expr.span.end = self.taken_end;
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Result<(), ParseError> {
        let sign = self.advance()?.span;
        let at = self.moment()?;
        let shift = shift(expr, sign, "`@`")?;
        if shift.at.is_some() {
            return Err(ParseError::new(sign, "`@` can only be given once"));
        }
        shift.at = Some(at);
        expr.span.end = self.taken_end;
        Ok(())
    }

    /// A number of seconds since the epoch, `start()` or `end()`.
    fn moment(&mut self) -> Result<At, ParseError> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.at_word(word) {
                self.advance()?;
                self.take_sign("(")?;
                self.take_sign(")")?;
                return Ok(at);
            }
        }
        let start = self.token.span;
        let negative = self.sign()?;
        let seconds = match self.token.kind {
            TokenKind::Number(seconds) => seconds,
            TokenKind::Duration(duration) => duration.as_secs_f64(),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("nan") => f64::NAN,
            _ => {
                return Err(self
                    .expected("a moment")
                    .with_hint("a moment is a number of seconds since 1970, `start()` or `end()`"));
            }
        };
        let span = start.to(self.advance()?.span);
        if seconds.is_nan() || seconds.abs() > AT_SECONDS_MAX {
            return Err(ParseError::new(span, "the moment is out of range"));
        }
        Ok(At::Time(Timestamp::from_seconds(if negative { -seconds } else { seconds })))
    }

    fn reading(&mut self, expr: &mut Expr, reading: Reading) -> Result<(), ParseError> {
        let name = reading.as_str();
        let span = self.advance()?.span;
        let fail = |what: String| Err(ParseError::new(span, what));
        let selector = match &mut expr.kind {
            ExprKind::Range { selector, .. } => selector,
            ExprKind::Selector(selector) if reading == Reading::Smoothed => selector,
            ExprKind::Selector(_) => {
                return fail(format!("`{name}` can only stand behind a range, as in `[5m] {name}`"));
            }
            _ => return fail(format!("`{name}` can only stand behind a selector")),
        };
        match selector.reading {
            Reading::Plain => selector.reading = reading,
            before if before == reading => return fail(format!("`{name}` can only be given once")),
            _ => return fail("`anchored` and `smoothed` exclude each other".to_owned()),
        }
        expr.span.end = self.taken_end;
        Ok(())
    }

    // Lengths of time.

    /// A length that has to be more than nothing, which is known at once when it is written as one number.
    fn positive_length(&mut self) -> Result<Length, ParseError> {
        self.length_parts = 0;
        let length = self.length(0)?;
        if length.is_literal() {
            length.duration(Moments::instant(Timestamp::from_millis(0)))?;
        }
        Ok(alone(length))
    }

    /// The length of an offset: one number, one call or one parenthesis, since what follows is another operator.
    fn signed_length(&mut self) -> Result<Length, ParseError> {
        self.length_parts = 0;
        let start = self.token.span;
        let negative = self.sign()?;
        let length = self.length_operand()?;
        let length = if negative { negated(start, length) } else { length };
        Ok(alone(length))
    }

    /// Whether a minus comes next; it is taken, and so is a plus.
    fn sign(&mut self) -> Result<bool, ParseError> {
        let negative = self.at_sign("-");
        if negative || self.at_sign("+") {
            self.advance()?;
        }
        Ok(negative)
    }

    /// A calculation of operators that bind at least as strongly as `weakest`.
    fn length(&mut self, weakest: u8) -> Result<Length, ParseError> {
        let mut left = self.length_prefix()?;
        while let Some(op) = self.length_op().filter(|op| op.precedence() >= weakest) {
            self.count_length_part()?;
            self.advance()?;
            let next = if op == BinaryOp::Power { op.precedence() } else { op.precedence() + 1 };
            let right = self.length(next)?;
            refuse_zero(op, &right)?;
            let span = left.span.to(right.span);
            left = Length { kind: LengthKind::Binary(op, Box::new((left, right))), span };
        }
        Ok(left)
    }

    /// Everything that walks a length recurs, so this bounds the stack.
    fn count_length_part(&mut self) -> Result<(), ParseError> {
        self.length_parts += 1;
        if self.length_parts <= LENGTH_PARTS_MAX {
            return Ok(());
        }
        Err(ParseError::new(self.token.span, format!("a duration has more than {LENGTH_PARTS_MAX} parts")))
    }

    fn length_op(&self) -> Option<BinaryOp> {
        match self.token.kind {
            TokenKind::Sign(sign @ ("+" | "-" | "*" | "/" | "%" | "^")) => BinaryOp::from_word(sign),
            _ => None,
        }
    }

    fn length_prefix(&mut self) -> Result<Length, ParseError> {
        let start = self.token.span;
        if !self.at_sign("-") && !self.at_sign("+") {
            return self.length_operand();
        }
        self.count_length_part()?;
        let negative = self.sign()?;
        let operand = self.length(BinaryOp::Power.precedence())?;
        Ok(if negative { negated(start, operand) } else { operand })
    }

    fn length_operand(&mut self) -> Result<Length, ParseError> {
        let start = self.token.span;
        let kind = match self.token.kind {
            TokenKind::Duration(duration) => LengthKind::Duration(duration),
            TokenKind::Number(seconds) if seconds.abs() > SECONDS_MAX => {
                return Err(ParseError::new(start, "duration out of range"));
            }
            TokenKind::Number(seconds) => LengthKind::Seconds(seconds),
            TokenKind::Sign("(") => {
                self.count_length_part()?;
                self.advance()?;
                let inner = self.length(0)?;
                let span = start.to(self.take_sign(")")?);
                return Ok(Length { kind: LengthKind::Paren(Box::new(inner)), span });
            }
            TokenKind::Word(word) => return self.length_call(word),
            _ => return Err(self.expected("a duration")),
        };
        Ok(Length { kind, span: self.advance()?.span })
    }

    /// `step()`, `range()`, `min_of(…)` and `max_of(…)`.
    fn length_call(&mut self, word: &str) -> Result<Length, ParseError> {
        let lower = word.to_ascii_lowercase();
        if !matches!(lower.as_str(), "step" | "range" | "min_of" | "max_of") {
            return Err(self.expected("a duration"));
        }
        let name = self.advance()?.span;
        if !self.at_sign("(") {
            let what = format!("expected a duration, found {}", self.quote(name));
            return Err(ParseError::new(name, what).with_hint(format!("to call it, write `{lower}()`")));
        }
        self.count_length_part()?;
        self.advance()?;
        let kind = match lower.as_str() {
            "step" => LengthKind::Step,
            "range" => LengthKind::Range,
            _ => {
                let left = self.length(0)?;
                self.take_sign(",")?;
                let sides = Box::new((left, self.length(0)?));
                if lower == "min_of" { LengthKind::MinOf(sides) } else { LengthKind::MaxOf(sides) }
            }
        };
        Ok(Length { kind, span: name.to(self.take_sign(")")?) })
    }
}

/// Where the moment of an expression is kept.
fn shift<'a>(expr: &'a mut Expr, span: Span, what: &str) -> Result<&'a mut Shift, ParseError> {
    match &mut expr.kind {
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => Ok(&mut selector.shift),
        ExprKind::Subquery(subquery) => Ok(&mut subquery.shift),
        _ => Err(ParseError::new(span, format!("{what} can only stand behind a selector or a subquery"))),
    }
}

fn negated(start: Span, length: Length) -> Length {
    let span = start.to(length.span);
    Length { kind: LengthKind::Negate(Box::new(length)), span }
}

/// A number that stands alone is a duration.
fn alone(length: Length) -> Length {
    let Length { kind, span } = length;
    let kind = match kind {
        LengthKind::Seconds(seconds) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "numbers are limited when read"
            )]
            let millis = (seconds * 1000.0).round() as u64;
            LengthKind::Duration(Duration::from_millis(millis))
        }
        LengthKind::Negate(inner) => LengthKind::Negate(Box::new(alone(*inner))),
        kind => kind,
    };
    Length { kind, span }
}

fn refuse_zero(op: BinaryOp, right: &Length) -> Result<(), ParseError> {
    match op {
        BinaryOp::Divide if right.is_zero() => Err(ParseError::new(right.span, "division by zero")),
        BinaryOp::Modulo if right.is_zero() => Err(ParseError::new(right.span, "modulo by zero")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_any;

    #[test]
    fn reads_modifiers() {
        let check = |source: &str, want: &str| assert_eq!(parse_any(source).unwrap().to_string(), want, "{source}");
        check("up[90]", "up[1m30s]");
        check("up[4.18]", "up[4s180ms]");
        check("up[1h] OFFSET 1w", "up[1h] offset 1w");
        check("up offset -7m", "up offset -7m");
        check("up offset +(5)", "up offset (5)");
        check("up offset 5m [10m:5s]", "up offset 5m[10m:5s]");
        check("up offset 0s", "up offset 0s");
        check("up @ 1603774568", "up @ 1603774568");
        check("up @ -3.3e1 offset 5m", "up @ -33 offset 5m");
        check("up offset 5m @ 1.5", "up @ 1.5 offset 5m");
        check("up[5m] @ 1m", "up[5m] @ 60");
        check("up[5m:] @ END() offset -step()", "up[5m:] @ end() offset -step()");
        check("up @start()[5m:]", "up @ start()[5m:]");
        check("foo offset 5s-8", "foo offset 5s - 8");
        check("foo offset -1^1", "foo offset -1s ^ 1");
        check("foo offset (-1^2)", "foo offset (-1 ^ 2)");
        check("foo offset -min_of(5s,step()+8s)", "foo offset -min_of(5s, step() + 8s)");
        check("foo[4s+4s:1s*2] offset (5s-8)", "foo[4s + 4s:1s * 2] offset (5s - 8)");
        check("foo[-(10s-5s)+20s]", "foo[-(10s - 5s) + 20s]");
        check("foo[  -  step  (  )  ]", "foo[-step()]");
        check("rate(foo[5m] anchored offset 1m)", "rate(foo[5m] anchored offset 1m)");
        check("rate(foo[5m] offset 1m Smoothed)", "rate(foo[5m] smoothed offset 1m)");
        check("foo smoothed", "foo smoothed");
        check("anchored{a='b'} + smoothed", "anchored{a=\"b\"} + smoothed");
        check("step + min_over_time(range[5m:]) + offset", "step + min_over_time(range[5m:]) + offset");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |source: &str, spot: &str, want: &str| {
            let error = parse_any(source).unwrap_err();
            assert_eq!(error.what, want, "{source}");
            assert_eq!(&source[error.span.start as usize..error.span.end as usize], spot, "{source}");
        };
        check("up[0s]", "0s", "the duration must be greater than 0");
        check("up[-1]", "-1", "the duration must be greater than 0");
        check("up[]", "]", r#"expected a duration, found "]""#);
        check("up['5m']", "'5m'", r#"expected a duration, found "'5m'""#);
        check("up[5m x]", "x", r#"expected "]", found "x""#);
        check("up[9.5e10]", "9.5e10", "duration out of range");
        check("up offset 9.5e10", "9.5e10", "duration out of range");
        check("up[step]", "step", r#"expected a duration, found "step""#);
        check("up[step()/0d]", "0d", "division by zero");
        check("up offset (4d % (1-1))", "(1-1)", "modulo by zero");
        check("up[min_of(1)]", ")", r#"expected ",", found ")""#);
        check("up offset 1m[5m]", "up offset 1m[5m]", "an offset stands behind the range, not before it");
        check("up @ 5 [5m]", "up @ 5 [5m]", "`@` stands behind the range, not before it");
        check("up smoothed[5m]", "up smoothed[5m]", "`smoothed` stands behind the range, not before it");
        check("abs(up)[5m]", "abs(up)[5m]", "only a selector can have a range");
        check("1 offset 5m", "offset", "an offset can only stand behind a selector or a subquery");
        check("up offset 5m offset 5m", "offset", "an offset can only be given once");
        check("up @ 5 @ 6", "@", "`@` can only be given once");
        check("rate(up[5m]) @ 1234", "@", "`@` can only stand behind a selector or a subquery");
        check("up @ +Inf", "+Inf", "the moment is out of range");
        check("up @ now", "now", r#"expected a moment, found "now""#);
        check("up @ start", "", r#"expected "(", found the end"#);
        check("up anchored", "anchored", "`anchored` can only stand behind a range, as in `[5m] anchored`");
        check("up[5m:] smoothed", "smoothed", "`smoothed` can only stand behind a selector");
        check("up[5m] smoothed anchored", "anchored", "`anchored` and `smoothed` exclude each other");
        check("up smoothed smoothed", "smoothed", "`smoothed` can only be given once");
    }
}
