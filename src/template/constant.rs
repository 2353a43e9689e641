//! Constants as Go writes them: strings and characters with their escapes, numbers in every base.

use super::Trouble;
use super::lexer::visible;
use super::value::Value;

/// What an escape stands for.
enum Escaped {
    Char(char),
    Byte(u8),
}

/// The string at the beginning, quotes included in its length. Escaped bytes that make no text become U+FFFD.
pub(super) fn string(rest: &str, at: usize) -> Result<(String, usize), Trouble> {
    let mut bytes = Vec::new();
    let mut offset = 1;
    while let Some(c) = rest[offset..].chars().next() {
        match c {
            '"' => return Ok((String::from_utf8_lossy(&bytes).into_owned(), offset + 1)),
            '\n' => break,
            '\\' => {
                let (escaped, length) = escape(&rest[offset + 1..], '"', at + offset)?;
                match escaped {
                    Escaped::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    Escaped::Byte(byte) => bytes.push(byte),
                }
                offset += 1 + length;
            }
            _ => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                offset += c.len_utf8();
            }
        }
    }
    Err(Trouble::new(at, "this string is never closed"))
}

/// The character at the beginning, quotes included in its length.
pub(super) fn character(rest: &str, at: usize) -> Result<(u32, usize), Trouble> {
    let never_closed = || Trouble::new(at, "this character is never closed by `'`");
    let (code, length) = match rest[1..].chars().next() {
        None | Some('\n') => return Err(never_closed()),
        Some('\'') => return Err(Trouble::new(at, "there is no character between these quotes")),
        Some('\\') => match escape(&rest[2..], '\'', at + 1)? {
            (Escaped::Char(c), length) => (u32::from(c), 1 + length),
            (Escaped::Byte(byte), length) => (u32::from(byte), 1 + length),
        },
        Some(c) => (u32::from(c), c.len_utf8()),
    };
    match rest[1 + length..].chars().next() {
        Some('\'') => Ok((code, length + 2)),
        _ if rest[1..].contains('\'') => {
            let hint = Some("write a string with double quotes".to_owned());
            Err(Trouble::new(at, "between single quotes stands one character").with_hint(hint))
        }
        _ => Err(never_closed()),
    }
}

/// What an escape means and how many bytes it has behind its backslash, which stands at `at`.
fn escape(rest: &str, quote: char, at: usize) -> Result<(Escaped, usize), Trouble> {
    let Some(kind) = rest.chars().next() else { return Err(Trouble::new(at, "this string is never closed")) };
    let plain = match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => kind,
        _ if kind == quote => kind,
        'x' | 'u' | 'U' | '0'..='7' => return numeric_escape(rest, kind, at),
        _ => {
            let hint = Some("use `\\\\` for a backslash".to_owned());
            return Err(Trouble::new(at, format!("unknown escape `\\{}`", visible(kind))).with_hint(hint));
        }
    };
    Ok((Escaped::Char(plain), 1))
}

fn numeric_escape(rest: &str, kind: char, at: usize) -> Result<(Escaped, usize), Trouble> {
    let (from, length, radix) = match kind {
        'x' => (1, 3, 16),
        'u' => (1, 5, 16),
        'U' => (1, 9, 16),
        _ => (0, 3, 8),
    };
    let digits = rest.get(from..length).filter(|digits| digits.chars().all(|c| c.is_digit(radix)));
    let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()) else {
        return Err(Trouble::new(at, format!("the escape `\\{kind}` lacks digits")));
    };
    if kind == 'x' || radix == 8 {
        let too_big = || Trouble::new(at, "an octal escape ends at `\\377`");
        return u8::try_from(code).map(|byte| (Escaped::Byte(byte), length)).map_err(|_| too_big());
    }
    match char::from_u32(code) {
        Some(c) => Ok((Escaped::Char(c), length)),
        None => Err(Trouble::new(at, "this escape means no character")),
    }
}

/// The number that a token says: an integer unless it has a point or an exponent.
pub(super) fn number(text: &str, at: usize) -> Result<Value, Trouble> {
    let not_a_number = || Trouble::new(at, format!("`{text}` is not a number"));
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        _ => (10, lower.as_str()),
    };
    if lower.ends_with('i') && radix != 16 {
        return Err(Trouble::new(at, format!("`{text}` is a complex number, which has no place in a text")));
    }
    let body = without_underscores(body, radix != 10).ok_or_else(not_a_number)?;
    let is_float = if radix == 16 { body.contains(['.', 'p']) } else { body.contains(['.', 'e', 'p']) };
    if is_float {
        let magnitude = match radix {
            10 => decimal_float(&body),
            16 => hexadecimal_float(&body),
            _ => None,
        };
        let magnitude = magnitude.ok_or_else(not_a_number)?;
        return Ok(Value::Float(if negative { -magnitude } else { magnitude }));
    }
    // A leading zero means octal, as in C.
    let (radix, body) = match body.strip_prefix('0') {
        Some(rest) if radix == 10 && !rest.is_empty() => (8, rest.to_owned()),
        _ => (radix, body),
    };
    if body.is_empty() || !body.chars().all(|c| c.is_digit(radix)) {
        return Err(not_a_number());
    }
    let too_big = || Trouble::new(at, format!("`{text}` is too big for a whole number"));
    let magnitude = i128::from_str_radix(&body, radix).map_err(|_| too_big())?;
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map(Value::Int).map_err(|_| too_big())
}

/// Digits without the underscores between them; `None` when one stands elsewhere.
fn without_underscores(body: &str, behind_prefix: bool) -> Option<String> {
    let bytes = body.as_bytes();
    for (at, _) in body.match_indices('_') {
        let before = if at == 0 { behind_prefix } else { bytes[at - 1].is_ascii_hexdigit() };
        let after = bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit);
        if !before || !after {
            return None;
        }
    }
    Some(body.replace('_', ""))
}

fn decimal_float(body: &str) -> Option<f64> {
    if !body.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-')) {
        return None;
    }
    body.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// `0x1.8p3`, without its prefix.
fn hexadecimal_float(body: &str) -> Option<f64> {
    /// More digits do not change a float.
    const DIGITS_MAX: usize = 13;
    let (digits, exponent) = body.split_once('p')?;
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() < 2000)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || all.len() > DIGITS_MAX || !all.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let mantissa = u64::from_str_radix(&all, 16).ok()?;
    let shift = exponent - 4 * i32::try_from(fraction.len()).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "13 hexadecimal digits fit exactly")]
    let value = mantissa as f64 * 2f64.powi(shift / 2) * 2f64.powi(shift - shift / 2);
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_base() {
        let check = |text: &str, expected: &str| {
            let value = number(text, 0).map(|value| format!("{value:?}"));
            assert_eq!(value.unwrap_or_else(|trouble| trouble.what), expected, "{text}");
        };
        check("0", "Int(0)");
        check("-3", "Int(-3)");
        check("+3", "Int(3)");
        check("0x1F", "Int(31)");
        check("0b101", "Int(5)");
        check("0o17", "Int(15)");
        check("017", "Int(15)");
        check("1_000", "Int(1000)");
        check("0x_ff", "Int(255)");
        check("1e3", "Float(1000.0)");
        check(".5", "Float(0.5)");
        check("1_0.5", "Float(10.5)");
        check("0x1p4", "Float(16.0)");
        check("0x1.8p-1", "Float(0.75)");
        check("-9223372036854775808", "Int(-9223372036854775808)");
        check("9223372036854775808", "`9223372036854775808` is too big for a whole number");
        check("1__0", "`1__0` is not a number");
        check("_1", "`_1` is not a number");
        check("08", "`08` is not a number");
        check("0x", "`0x` is not a number");
        check("1e400", "`1e400` is not a number");
        check("1.2.3", "`1.2.3` is not a number");
        check("3i", "`3i` is a complex number, which has no place in a text");
    }

    #[test]
    fn strings_and_characters() {
        let text = |rest: &str| string(rest, 0).map_or_else(|trouble| format!("! {}", trouble.what), |(text, _)| text);
        assert_eq!(text(r#""\xc3\xa9\303\251""#), "éé");
        assert_eq!(text(r#""\xff""#), "\u{fffd}");
        assert_eq!(text(r#""\x4""#), "! the escape `\\x` lacks digits");
        assert_eq!(text(r#""\ud800""#), "! this escape means no character");
        assert_eq!(text(r#""\400""#), "! an octal escape ends at `\\377`");
        assert_eq!(text(r#""\'""#), "! unknown escape `\\'`");
        assert_eq!(text("\"\\"), "! this string is never closed");
        assert_eq!(text("\"a\n\""), "! this string is never closed");
        let code = |rest: &str| character(rest, 0).map_err(|trouble| trouble.what);
        assert_eq!(code("'é' "), Ok((233, 4)));
        assert_eq!(code(r"'\n'"), Ok((10, 4)));
        assert_eq!(code(r"'\x41'"), Ok((65, 6)));
        assert_eq!(code("'ab'"), Err("between single quotes stands one character".to_owned()));
        assert_eq!(code("''"), Err("there is no character between these quotes".to_owned()));
        assert_eq!(code("'a"), Err("this character is never closed by `'`".to_owned()));
    }
}
