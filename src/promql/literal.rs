//! Numbers and texts as PromQL writes them: by the rules of Go.

use std::fmt;

/// The value of a number: decimal with `_` between digits, hexadecimal, octal with a leading zero, `inf` and `nan`.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let separated = lower.split('_').all(|part| !part.is_empty());
    let digits = lower.replace('_', "");
    if !separated {
        return None;
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        return whole(hex, 16);
    }
    let is_octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|c| matches!(c, b'0'..=b'7'));
    if is_octal {
        return whole(&digits, 8);
    }
    match digits.as_str() {
        "inf" => return Some(f64::INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    // A literal too large for a float is a mistake, not infinity.
    digits.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

#[expect(clippy::cast_precision_loss, reason = "a literal of more than 53 bits is rounded, as any float")]
fn whole(digits: &str, radix: u32) -> Option<f64> {
    let value = i64::from_str_radix(digits, radix).ok()?;
    digits.starts_with(|c: char| c.is_ascii_hexdigit()).then_some(value as f64)
}

/// What stood between quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unescaped {
    /// A text.
    Text(String),
    /// Bytes that are no UTF-8.
    Bytes(Vec<u8>),
}

/// What stands between quotes, with its escapes resolved; the error is the offset of an escape that does not exist.
pub(super) fn unescape(text: &str, quote: char) -> Result<Unescaped, usize> {
    if !text.contains('\\') {
        return Ok(Unescaped::Text(text.to_owned()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(slash) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..slash]);
        rest = &rest[slash..];
        let (escaped, length) = escape(rest, quote).ok_or(text.len() - rest.len())?;
        match escaped {
            Escaped::Byte(byte) => bytes.push(byte),
            Escaped::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &rest[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8(bytes).map_or_else(|error| Unescaped::Bytes(error.into_bytes()), Unescaped::Text))
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// The escape at the beginning of a text and its length.
fn escape(text: &str, quote: char) -> Option<(Escaped, usize)> {
    let kind = text.chars().nth(1)?;
    let digits = |from: usize, count: usize, radix: u32| {
        let digits = text.get(from..from + count).filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()))?;
        Some((u32::from_str_radix(digits, radix).ok()?, from + count))
    };
    let byte = |(value, length): (u32, usize)| Some((Escaped::Byte(u8::try_from(value).ok()?), length));
    let char = |(value, length): (u32, usize)| Some((Escaped::Char(char::from_u32(value)?), length));
    match kind {
        'a' => Some((Escaped::Byte(0x07), 2)),
        'b' => Some((Escaped::Byte(0x08), 2)),
        'f' => Some((Escaped::Byte(0x0c), 2)),
        'n' => Some((Escaped::Byte(b'\n'), 2)),
        'r' => Some((Escaped::Byte(b'\r'), 2)),
        't' => Some((Escaped::Byte(b'\t'), 2)),
        'v' => Some((Escaped::Byte(0x0b), 2)),
        '\\' => Some((Escaped::Byte(b'\\'), 2)),
        'x' => byte(digits(2, 2, 16)?),
        '0'..='7' => byte(digits(1, 3, 8)?),
        'u' => char(digits(2, 4, 16)?),
        'U' => char(digits(2, 8, 16)?),
        kind if kind == quote => Some((Escaped::Char(kind), 2)),
        _ => None,
    }
}

/// Prints a text in double quotes, so that `unescape` gives it back.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Prints bytes in double quotes, so that `unescape` gives them back.
pub(super) struct QuotedBytes<'a>(pub(super) &'a [u8]);

impl fmt::Display for QuotedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                b' '..=b'~' => write!(f, "{}", char::from(*byte))?,
                byte => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Prints a number so that `parse_number` gives it back, with its sign before it.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value if value != 0.0 && !(1e-5..1e21).contains(&value.abs()) => write!(f, "{value:e}"),
            value => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers() {
        let check = |text: &str, want: f64| assert_eq!(parse_number(text), Some(want), "{text}");
        check("1", 1.0);
        check(".5", 0.5);
        check("5.", 5.0);
        check("5e-3", 0.005);
        check("0xc", 12.0);
        check("0755", 493.0);
        check("08", 8.0);
        check("1_000", 1000.0);
        check("InF", f64::INFINITY);
        assert!(parse_number("nan").is_some_and(f64::is_nan));
        for text in ["", ".", "2.5.", "0deadbeef", "1e", "infinity", "1__0", "_1", "1_", "0x", "1e999", "0x-1"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }

    #[test]
    fn resolves_escapes() {
        let check = |text: &str, want: &str| {
            assert_eq!(unescape(text, '"'), Ok(Unescaped::Text(want.to_owned())), "{text}");
        };
        check("plain", "plain");
        check(r"\a\b\f\n\r\t\v\\", "\x07\x08\x0c\n\r\t\x0b\\");
        check(r#"say \"hi\""#, "say \"hi\"");
        check(r"\x41\101\u00e9\U0001F600", "AAé😀");
        check(r"\xc3\xa9", "é");
        for (text, at) in
            [(r"ab\c", 2), (r"\x.", 0), (r"\'", 0), ("\\", 0), (r"\ud800", 0), (r"\477", 0), (r"\u12é", 0)]
        {
            assert_eq!(unescape(text, '"'), Err(at), "{text}");
        }
        assert_eq!(unescape(r"a\xff\377", '"'), Ok(Unescaped::Bytes(vec![b'a', 0xff, 0xff])));
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["", "a\"b\\c", "tab\tline\nbell\x07", "é😀"] {
            let quoted = Quoted(text).to_string();
            let read = unescape(&quoted[1..quoted.len() - 1], '"');
            assert_eq!(read, Ok(Unescaped::Text(text.to_owned())), "{quoted}");
        }
        let bytes = b"\xff \"a\\\n\xe9\x00".to_vec();
        let quoted = QuotedBytes(&bytes).to_string();
        assert_eq!(unescape(&quoted[1..quoted.len() - 1], '"'), Ok(Unescaped::Bytes(bytes)), "{quoted}");
        for value in [0.0, 1.0, 0.1, 1e100, 1e-100, 300.0, 1e20, f64::MAX] {
            assert_eq!(parse_number(&Number(value).to_string()), Some(value), "{value}");
        }
        assert_eq!(Number(-0.5).to_string(), "-0.5");
    }
}
