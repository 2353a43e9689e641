//! Lengths of time: `5m`, `300`, and calculations such as `2 * step() + 1m`.

use std::fmt;
use std::time::Duration;

use super::Span;
use super::ast::{BinaryOp, is_same_number};
use super::binary::calculate;
use super::functions::{max_of, min_of};
use super::literal::Number;
use crate::model::{Timestamp, format_duration};

/// The longest length, in seconds: what fits into 63 bits of nanoseconds, which is Prometheus's own limit.
pub(super) const SECONDS_MAX: f64 = 9_223_372_036.854;

/// The moments that a query is evaluated for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moments {
    /// The first.
    pub start: Timestamp,
    /// The last.
    pub end: Timestamp,
    /// How far they are apart; zero when there is only one, and no range is asked for.
    pub step: Duration,
}

impl Moments {
    /// One moment.
    pub fn instant(at: Timestamp) -> Self {
        Self { start: at, end: at, step: Duration::ZERO }
    }

    /// What `step()` gives in a length, in seconds.
    pub(super) fn step(self) -> f64 {
        self.step.as_secs_f64()
    }

    /// What `range()` gives, in seconds.
    pub(super) fn range(self) -> f64 {
        self.end.since(self.start).as_secs_f64()
    }
}

/// A length of time as it is written. What it comes to can depend on the query.
#[derive(Clone, Debug)]
pub struct Length {
    /// What it is.
    pub kind: LengthKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Length {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (LengthKind::Seconds(left), LengthKind::Seconds(right)) => is_same_number(*left, *right),
            (left, right) => left == right,
        }
    }
}

/// The kinds of lengths.
#[derive(Clone, PartialEq, Debug)]
pub enum LengthKind {
    /// `5m`
    Duration(Duration),
    /// `300`, within a calculation; alone it is a duration.
    Seconds(f64),
    /// `step()`: how far the moments of the query are apart.
    Step,
    /// `range()`: how long the query is.
    Range,
    /// `-5m`
    Negate(Box<Length>),
    /// `(5m)`
    Paren(Box<Length>),
    /// `5m * 2`
    Binary(BinaryOp, Box<(Length, Length)>),
    /// `min_of(5m, step())`
    MinOf(Box<(Length, Length)>),
    /// `max_of(5m, step())`
    MaxOf(Box<(Length, Length)>),
}

/// Why a length is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NoLength {
    pub(super) span: Span,
    pub(super) what: &'static str,
}

impl Length {
    /// What it comes to in every query; `None` when that depends on the query, or is not more than nothing.
    pub fn fixed(&self) -> Option<Duration> {
        let ms = self.fixed_ms().filter(|ms| *ms > 0)?;
        u64::try_from(ms).ok().map(Duration::from_millis)
    }

    /// What it comes to in every query, in milliseconds; `None` when that depends on the query.
    pub fn fixed_ms(&self) -> Option<i64> {
        let any = Moments::instant(Timestamp::from_millis(0));
        if self.is_constant() { self.millis(any).ok() } else { None }
    }

    /// Whether it is written as one number or duration, with or without a sign.
    pub(super) fn is_literal(&self) -> bool {
        match &self.kind {
            LengthKind::Duration(_) | LengthKind::Seconds(_) => true,
            LengthKind::Negate(inner) => inner.is_literal(),
            _ => false,
        }
    }

    /// Whether it is the same in every query.
    pub(super) fn is_constant(&self) -> bool {
        match &self.kind {
            LengthKind::Duration(_) | LengthKind::Seconds(_) => true,
            LengthKind::Step | LengthKind::Range => false,
            LengthKind::Negate(inner) | LengthKind::Paren(inner) => inner.is_constant(),
            LengthKind::Binary(_, sides) | LengthKind::MinOf(sides) | LengthKind::MaxOf(sides) => {
                sides.0.is_constant() && sides.1.is_constant()
            }
        }
    }

    /// Whether it comes to nothing in every query.
    pub(super) fn is_zero(&self) -> bool {
        self.is_constant() && self.seconds(Moments::instant(Timestamp::from_millis(0))) == Ok(0.0)
    }

    /// What it comes to, in seconds.
    fn seconds(&self, query: Moments) -> Result<f64, NoLength> {
        match &self.kind {
            LengthKind::Duration(duration) => Ok(duration.as_secs_f64()),
            LengthKind::Seconds(seconds) => Ok(*seconds),
            LengthKind::Step => Ok(query.step()),
            LengthKind::Range => Ok(query.range()),
            LengthKind::Negate(inner) => Ok(-inner.seconds(query)?),
            LengthKind::Paren(inner) => inner.seconds(query),
            LengthKind::Binary(op, sides) => {
                let (left, right) = (sides.0.seconds(query)?, sides.1.seconds(query)?);
                match op {
                    BinaryOp::Divide if right == 0.0 => Err(NoLength { span: sides.1.span, what: "division by zero" }),
                    BinaryOp::Modulo if right == 0.0 => Err(NoLength { span: sides.1.span, what: "modulo by zero" }),
                    op => Ok(calculate(*op, left, right)),
                }
            }
            LengthKind::MinOf(sides) => Ok(min_of(sides.0.seconds(query)?, sides.1.seconds(query)?)),
            LengthKind::MaxOf(sides) => Ok(max_of(sides.0.seconds(query)?, sides.1.seconds(query)?)),
        }
    }

    /// What it comes to, in milliseconds. A calculation is cut to whole ones, as Prometheus does.
    pub(super) fn millis(&self, query: Moments) -> Result<i64, NoLength> {
        let seconds = self.seconds(query)?;
        if seconds.is_nan() || seconds.abs() > SECONDS_MAX {
            return Err(NoLength { span: self.span, what: "duration out of range" });
        }
        let millis = seconds * 1000.0;
        #[expect(clippy::cast_possible_truncation, reason = "the limit above fits")]
        Ok(if self.is_literal() { millis.round() as i64 } else { millis.trunc() as i64 })
    }

    /// What it comes to when it must be more than nothing, as ranges and steps must.
    pub(super) fn duration(&self, query: Moments) -> Result<Duration, NoLength> {
        match u64::try_from(self.millis(query)?) {
            Ok(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
            _ => Err(NoLength { span: self.span, what: "the duration must be greater than 0" }),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LengthKind::Duration(duration) => f.write_str(&format_duration(*duration)),
            LengthKind::Seconds(seconds) => write!(f, "{}", Number(*seconds)),
            LengthKind::Step => f.write_str("step()"),
            LengthKind::Range => f.write_str("range()"),
            LengthKind::Negate(inner) => write!(f, "-{inner}"),
            LengthKind::Paren(inner) => write!(f, "({inner})"),
            LengthKind::Binary(op, sides) => write!(f, "{} {} {}", sides.0, op.as_str(), sides.1),
            LengthKind::MinOf(sides) => write!(f, "min_of({}, {})", sides.0, sides.1),
            LengthKind::MaxOf(sides) => write!(f, "max_of({}, {})", sides.0, sides.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::ExprKind;
    use super::super::parse_any;
    use super::*;

    fn range_of(source: &str) -> Length {
        let ExprKind::Range { range, .. } = parse_any(&format!("x[{source}]")).unwrap().kind else {
            panic!("{source}")
        };
        range
    }

    #[test]
    fn lengths_are_calculated() {
        let at = Timestamp::from_millis;
        let query = Moments { start: at(0), end: at(600_000), step: Duration::from_secs(15) };
        let check = |source: &str, want: Result<i64, &str>| {
            let found = range_of(source).millis(query).map_err(|error| error.what);
            assert_eq!(found, want, "{source}");
        };
        check("5m", Ok(300_000));
        check("4.18", Ok(4180));
        check("5m * 2 + 1", Ok(601_000));
        check("11s + 10s - 5 * 2 ^ 2", Ok(1000));
        check("-2 ^ 2", Ok(-4000));
        check("(5s - 8) * 1000ms", Ok(-3000));
        check("1h30m % 1h", Ok(1_800_000));
        check("step()", Ok(15_000));
        check("STEP() + range()", Ok(615_000));
        check("min_of(step(), 1m) - max_of(5s, 3s)", Ok(10_000));
        check("1 / (step() - 15)", Err("division by zero"));
        check("1 % (step() - 15)", Err("modulo by zero"));
        check("10 ^ 100", Err("duration out of range"));
        check("(0 - 1) ^ 0.5", Err("duration out of range"));
        assert_eq!(range_of("1m * 3").fixed(), Some(Duration::from_secs(180)));
        assert_eq!((range_of("1m - 1m").fixed(), range_of("1m + step()").fixed()), (None, None));
        assert_eq!(range_of("step()").millis(Moments::instant(at(5))), Ok(0));
        assert!(range_of("step()").duration(Moments::instant(at(5))).is_err());
    }

    #[test]
    fn lengths_are_printed_as_they_are_read() {
        for source in ["5m", "5m * 2", "(5m)", "-(10s - 5) + 20s", "max_of(step(), 5s)", "0 + -2 ^ 2", "1s / range()"] {
            assert_eq!(range_of(source).to_string(), source);
            assert_eq!(range_of(&range_of(source).to_string()), range_of(source), "{source}");
        }
    }
}
