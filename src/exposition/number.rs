//! Sample values and timestamps, as Go's `ParseFloat` and `ParseInt` read them.

use crate::model::Timestamp;

/// So many decimal digits always fit into the mantissa of a float.
const EXACT_DIGITS: usize = 15;

/// The value of a token; `Err` says why it is none.
///
/// Decimal only: no `0x1p-3`, no `1_000`. `Inf` may be signed and written out, NaN may not, both in any case. Too big a
/// number is an error, as it is for Prometheus.
pub(super) fn parse_value(token: &[u8]) -> Result<f64, &'static str> {
    if let Some(value) = small_integer(token) {
        return Ok(value);
    }
    let (negative, digits) = match token {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, token),
    };
    match digits.first() {
        Some(b'0'..=b'9' | b'.') => match fast_float2::parse::<f64, _>(digits) {
            Ok(value) if value.is_infinite() => Err("is too big a number"),
            Ok(value) => Ok(if negative { -value } else { value }),
            Err(_) if digits.contains(&b'_') => Err("is not a number: `_` cannot stand between digits"),
            Err(_) if digits.iter().any(|byte| matches!(byte, b'x' | b'X' | b'p' | b'P')) => {
                Err("is not a number: only decimal numbers are allowed")
            }
            Err(_) => Err("is not a number"),
        },
        _ if digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity") => {
            Ok(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        _ if token.eq_ignore_ascii_case(b"nan") => Ok(f64::NAN),
        _ => Err("is not a number"),
    }
}

/// Most values are counts; reading them needs no float parser.
fn small_integer(token: &[u8]) -> Option<f64> {
    if token.is_empty() || token.len() > EXACT_DIGITS {
        return None;
    }
    let mut sum: u64 = 0;
    for byte in token {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum * 10 + u64::from(digit);
    }
    #[expect(clippy::cast_precision_loss, reason = "15 digits are exact")]
    Some(sum as f64)
}

/// The whole number at the beginning of `rest`, if it ends its line and is exact as a float, and how long it is: what most
/// lines have behind their series.
#[inline]
pub(super) fn whole_to_line_end(rest: &[u8]) -> Option<(f64, usize)> {
    let mut sum: u64 = 0;
    let mut length = 0;
    for byte in rest.iter().take(EXACT_DIGITS + 1) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        sum = sum * 10 + u64::from(digit);
        length += 1;
    }
    let is_end = matches!(rest.get(length), None | Some(b'\n'));
    #[expect(clippy::cast_precision_loss, reason = "15 digits are exact")]
    let value = sum as f64;
    (is_end && length > 0 && length <= EXACT_DIGITS).then_some((value, length))
}

/// The moment that a run of digits means, in milliseconds; `None` when there are too many.
pub(super) fn parse_timestamp(digits: &[u8]) -> Option<Timestamp> {
    let mut ms: i64 = 0;
    for byte in digits {
        ms = ms.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some(Timestamp::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_values_as_go_does() {
        let check = |token: &str, value: f64| {
            let read = parse_value(token.as_bytes());
            assert_eq!(read.map(f64::to_bits), Ok(value.to_bits()), "{token}");
        };
        check("0", 0.0);
        check("-0", -0.0);
        check("+0", 0.0);
        check("123", 123.0);
        check("+123", 123.0);
        check("-123", -123.0);
        check("999999999999999", 999_999_999_999_999.0);
        check("9007199254740993", 9_007_199_254_740_992.0);
        check("123456789012345678901234567890", 1.234_567_890_123_456_8e29);
        check("000000000000000000000000000001", 1.0);
        check("1.", 1.0);
        check(".5", 0.5);
        check("-.5", -0.5);
        check("1e5", 1e5);
        check("1E+5", 1e5);
        check("4.9351e-05", 4.9351e-05);
        check("7.424100000000001e-05", 7.424100000000001e-05);
        check("5e-324", 5e-324);
        check("1e-400", 0.0);
        check("-1e-400", -0.0);
        check("inf", f64::INFINITY);
        check("+Inf", f64::INFINITY);
        check("-INF", f64::NEG_INFINITY);
        check("Infinity", f64::INFINITY);
        check("-infinity", f64::NEG_INFINITY);
        check("NaN", f64::NAN);
        check("nan", f64::NAN);
        check("NAN", f64::NAN);
    }

    #[test]
    fn refuses_values_as_go_does() {
        let check = |token: &str, why: &str| assert_eq!(parse_value(token.as_bytes()), Err(why), "{token}");
        check("", "is not a number");
        check("+", "is not a number");
        check("-", "is not a number");
        check(".", "is not a number");
        check("e5", "is not a number");
        check("1e", "is not a number");
        check("1e+", "is not a number");
        check("--1", "is not a number");
        check("+-1", "is not a number");
        check("+NaN", "is not a number");
        check("-nan", "is not a number");
        check("infin", "is not a number");
        check("true", "is not a number");
        check("1\r", "is not a number");
        check("1,5", "is not a number");
        check("1_2", "is not a number: `_` cannot stand between digits");
        check("0x1p-3", "is not a number: only decimal numbers are allowed");
        check("0x1A", "is not a number: only decimal numbers are allowed");
        check("1e400", "is too big a number");
        check("-1e400", "is too big a number");
    }

    #[test]
    fn an_exposed_nan_is_never_the_stale_marker() {
        for token in ["NaN", "nan", "NAN"] {
            assert!(!crate::model::is_stale(parse_value(token.as_bytes()).unwrap()), "{token}");
        }
    }

    #[test]
    fn timestamps_are_milliseconds_that_fit() {
        assert_eq!(parse_timestamp(b"123123"), Some(Timestamp::from_millis(123_123)));
        assert_eq!(parse_timestamp(b"9223372036854775807"), Some(Timestamp::from_millis(i64::MAX)));
        assert_eq!(parse_timestamp(b"9223372036854775808"), None);
    }
}
