//! `printf` with Go's verbs and what Go prints when verb and value do not fit: `%!d(float64=1.5)`.

use std::fmt::Write as _;

use super::float;
use super::value::{Output, Value};

/// No width and no precision may be more.
const WIDTH_MAX: usize = 1000;

/// What stands between `%` and its verb.
#[derive(Clone, Copy, Debug, Default)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Whether a format picks arguments by number, as in `%[1]d`.
pub(super) fn has_argument_index(format: &str) -> bool {
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let verb = after.find(|c: char| !"+-# 0123456789.*".contains(c)).unwrap_or(after.len());
        if after[verb..].starts_with('[') {
            return true;
        }
        rest = after.get(verb..).map_or("", |rest| rest.strip_prefix('%').unwrap_or(rest));
    }
    false
}

/// The format with the arguments in it.
pub(super) fn print(format: &str, arguments: &[Value<'_>]) -> Result<String, String> {
    if has_argument_index(format) {
        return Err("an argument index in a format is not supported yet".to_owned());
    }
    let mut output = Output::default();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        output.push(before)?;
        let mut bad = String::new();
        let (spec, after) = Spec::read(after, &mut arguments, &mut bad)?;
        output.push(&bad)?;
        let mut chars = after.chars();
        match (chars.next(), arguments.clone().next()) {
            (None, _) => output.push("%!(NOVERB)")?,
            (Some('%'), _) => output.push("%")?,
            (Some(verb), None) => output.push(&format!("%!{verb}(MISSING)"))?,
            (Some(verb), Some(argument)) => {
                arguments.next();
                output.push(&spec.print(verb, argument)?)?;
            }
        }
        rest = chars.as_str();
    }
    output.push(rest)?;
    if arguments.len() > 0 {
        let extra: Vec<_> = arguments.map(|value| format!("{}={}", value.type_name(), value.print())).collect();
        output.push(&format!("%!(EXTRA {})", extra.join(", ")))?;
    }
    Ok(output.into_text())
}

impl Spec {
    /// Reads flags, width and precision; answers what follows. What Go prints about a bad one goes to `bad`.
    fn read<'f>(
        format: &'f str,
        arguments: &mut std::slice::Iter<'_, Value<'_>>,
        bad: &mut String,
    ) -> Result<(Self, &'f str), String> {
        let mut spec = Self::default();
        let mut rest = format;
        loop {
            match rest.chars().next() {
                Some('+') => spec.plus = true,
                Some('-') => spec.minus = true,
                Some('#') => spec.sharp = true,
                Some(' ') => spec.space = true,
                Some('0') => spec.zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            match arguments.next() {
                Some(Value::Int(width)) => {
                    spec.minus |= *width < 0;
                    spec.width = Some(limited(usize::try_from(width.unsigned_abs()).ok())?);
                }
                _ => bad.push_str("%!(BADWIDTH)"),
            }
        } else {
            (spec.width, rest) = digits(rest)?;
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            if let Some(after) = rest.strip_prefix('*') {
                rest = after;
                match arguments.next() {
                    Some(Value::Int(precision)) if *precision >= 0 => {
                        spec.precision = Some(limited(usize::try_from(*precision).ok())?);
                    }
                    _ => bad.push_str("%!(BADPREC)"),
                }
            } else {
                let precision;
                (precision, rest) = digits(rest)?;
                spec.precision = Some(precision.unwrap_or(0));
            }
        }
        spec.zero &= !spec.minus;
        Ok((spec, rest))
    }

    fn print(self, verb: char, value: &Value<'_>) -> Result<String, String> {
        if verb == 'T' {
            return Ok(self.pad(&self.cut(value.type_name())));
        }
        let printed = match value {
            Value::Text(text) => self.text(verb, text)?,
            Value::Float(value) => self.float(verb, *value)?,
            Value::Int(value) => self.int(verb, *value)?,
            Value::Bool(value) if matches!(verb, 't' | 'v') => Some(self.pad(&value.to_string())),
            Value::Bool(_) => None,
            Value::Map(labels) => {
                let print = |text: &str| self.print(verb, &Value::text(text.to_owned()));
                let pairs: Result<Vec<_>, String> =
                    labels.iter().map(|(name, value)| Ok(format!("{}:{}", print(name)?, print(value)?))).collect();
                Some(format!("map[{}]", pairs?.join(" ")))
            }
        };
        match printed {
            Some(printed) => Ok(printed),
            None => Ok(format!("%!{verb}({}={})", value.type_name(), self.print('v', value)?)),
        }
    }

    fn text(self, verb: char, text: &str) -> Result<Option<String>, String> {
        Ok(Some(match verb {
            'v' if self.sharp => return Err(unsupported(verb)),
            's' | 'v' => self.pad(&self.cut(text)),
            'q' if self.sharp || self.plus => return Err(unsupported(verb)),
            'q' => self.pad(&quoted(&self.cut(text))),
            'x' | 'X' if self.sharp || self.space => return Err(unsupported(verb)),
            'x' | 'X' => {
                let bytes = &text.as_bytes()[..self.precision.unwrap_or(text.len()).min(text.len())];
                let mut hex = String::new();
                for byte in bytes {
                    // Writing to a string does not fail.
                    let _ = if verb == 'x' { write!(hex, "{byte:02x}") } else { write!(hex, "{byte:02X}") };
                }
                self.pad(&hex)
            }
            _ => return Ok(None),
        }))
    }

    fn float(self, verb: char, value: f64) -> Result<Option<String>, String> {
        const DECIMALS: usize = 6;
        if self.sharp || matches!(verb, 'x' | 'X' | 'b') {
            return Err(unsupported(verb));
        }
        let printed = match verb {
            'e' | 'E' => float::exponential(value, self.precision.unwrap_or(DECIMALS)),
            'f' | 'F' => float::fixed(value, self.precision.unwrap_or(DECIMALS)),
            'g' | 'G' | 'v' => match self.precision {
                Some(precision) => float::significant(value, precision),
                None => float::shortest(value),
            },
            _ => return Ok(None),
        };
        let printed = if matches!(verb, 'E' | 'G') && value.is_finite() { printed.to_uppercase() } else { printed };
        let (negative, digits) = match printed.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, printed.strip_prefix('+').unwrap_or(&printed)),
        };
        // Go signs an infinity always, and pads neither it nor NaN with zeros.
        let always_signed = value.is_infinite();
        let sign = self.sign(negative).or((always_signed && !negative).then_some("+")).unwrap_or("");
        let plain = Self { zero: self.zero && value.is_finite(), ..self };
        Ok(Some(plain.pad_number(sign, digits)))
    }

    fn int(self, verb: char, value: i64) -> Result<Option<String>, String> {
        let magnitude = value.unsigned_abs();
        let digits = match verb {
            'c' | 'q' | 'U' | 'O' => return Err(unsupported(verb)),
            _ if self.sharp => return Err(unsupported(verb)),
            'd' | 'v' => magnitude.to_string(),
            'b' => format!("{magnitude:b}"),
            'o' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            _ => return Ok(None),
        };
        let sign = self.sign(value < 0).unwrap_or("");
        Ok(Some(match self.precision {
            Some(0) if value == 0 => Self { zero: false, ..self }.pad(""),
            Some(precision) => {
                let zeros = "0".repeat(precision.saturating_sub(digits.len()));
                Self { zero: false, ..self }.pad(&format!("{sign}{zeros}{digits}"))
            }
            None => self.pad_number(sign, &digits),
        }))
    }

    fn sign(self, negative: bool) -> Option<&'static str> {
        match (negative, self.plus, self.space) {
            (true, _, _) => Some("-"),
            (false, true, _) => Some("+"),
            (false, false, true) => Some(" "),
            (false, false, false) => None,
        }
    }

    /// Zeros go between the sign and the digits.
    fn pad_number(self, sign: &str, digits: &str) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
        if self.zero { format!("{sign}{}{digits}", "0".repeat(missing)) } else { self.pad(&format!("{sign}{digits}")) }
    }

    fn pad(self, text: &str) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        match (self.minus, self.zero) {
            (true, _) => format!("{text}{}", " ".repeat(missing)),
            (false, true) => format!("{}{text}", "0".repeat(missing)),
            (false, false) => format!("{}{text}", " ".repeat(missing)),
        }
    }

    /// So many characters of a text as the precision says.
    fn cut(self, text: &str) -> String {
        match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.to_owned(),
        }
    }
}

fn unsupported(verb: char) -> String {
    format!("the verb `{verb}` with this value or flag is not supported yet")
}

fn limited(count: Option<usize>) -> Result<usize, String> {
    match count {
        Some(count) if count <= WIDTH_MAX => Ok(count),
        _ => Err(format!("a width or precision of more than {WIDTH_MAX} is not supported")),
    }
}

/// The number at the beginning, if there is one, and what follows it.
fn digits(format: &str) -> Result<(Option<usize>, &str), String> {
    let end = format.find(|c: char| !c.is_ascii_digit()).unwrap_or(format.len());
    let count = if end == 0 { None } else { Some(limited(format[..end].parse().ok())?) };
    Ok((count, &format[end..]))
}

/// As Go's `%q` quotes a text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        let escaped = match c {
            '"' | '\\' => format!("\\{c}"),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\u{7}' => "\\a".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{b}' => "\\v".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            ' ' => " ".to_owned(),
            _ if c < '\u{80}' && c.is_control() => format!("\\x{:02x}", u32::from(c)),
            _ if c.is_control() || c.is_whitespace() || c == '\u{feff}' => format!("\\u{:04x}", u32::from(c)),
            _ => c.to_string(),
        };
        quoted.push_str(&escaped);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    fn check(format: &str, arguments: &[Value<'_>], expected: &str) {
        assert_eq!(print(format, arguments).as_deref(), Ok(expected), "{format} {arguments:?}");
    }

    fn float(value: f64) -> [Value<'static>; 1] {
        [Value::Float(value)]
    }

    #[test]
    fn floats() {
        check("%f|%.2f|%.0f", &[Value::Float(1.5), Value::Float(1.005), Value::Float(2.5)], "1.500000|1.00|2");
        check(
            "%5.1f|%-7.1f|%07.2f",
            &[Value::Float(1.25), Value::Float(1.25), Value::Float(-1.25)],
            "  1.2|1.2    |-001.25",
        );
        check("%+.1f|% .1f|%+.1f", &[Value::Float(1.0), Value::Float(1.0), Value::Float(-1.0)], "+1.0| 1.0|-1.0");
        check(
            "%e|%.2E|%g|%G",
            &[Value::Float(1234.5), Value::Float(0.001), Value::Float(1e21), Value::Float(1e-7)],
            "1.234500e+03|1.00E-03|1e+21|1E-07",
        );
        check("%v|%8v|%.3g", &[Value::Float(0.1), Value::Float(1e6), Value::Float(1234.5)], "0.1|   1e+06|1.23e+03");
        check(
            "%f|%5.1f|%06.1f",
            &[Value::Float(f64::INFINITY), Value::Float(f64::NAN), Value::Float(f64::NEG_INFINITY)],
            "+Inf|  NaN|  -Inf",
        );
        check(
            "%+f|% f|%06.1f",
            &[Value::Float(f64::NAN), Value::Float(f64::INFINITY), Value::Float(f64::NAN)],
            "+NaN| Inf|   NaN",
        );
        check("%d", &float(1.5), "%!d(float64=1.5)");
        check("%s", &float(1e6), "%!s(float64=1e+06)");
        check("%5d", &float(1.5), "%!d(float64=  1.5)");
        check("%t", &float(0.0), "%!t(float64=0)");
    }

    #[test]
    fn ints_and_bools() {
        check("%d|%5d|%-5d|%05d|%+d", &[1, 2, 3, -4, 5].map(Value::Int), "1|    2|3    |-0004|+5");
        check("%x|%X|%o|%b|%.3d|%v", &[255, 255, 8, 5, 7, -7].map(Value::Int), "ff|FF|10|101|007|-7");
        check("%f|%s|%z", &[1, 2, 3].map(Value::Int), "%!f(int=1)|%!s(int=2)|%!z(int=3)");
        check("%t|%v|%6t|%d", &[true, false, true, true].map(Value::Bool), "true|false|  true|%!d(bool=true)");
        check(
            "%*d|%-*d|%.*f",
            &[Value::Int(3), Value::Int(1), Value::Int(3), Value::Int(2), Value::Int(1), Value::Float(1.25)],
            "  1|2  |1.2",
        );
        check("%06.0d|%020.8d|% +.3d", &[0, -1234, 42].map(Value::Int), "      |           -00001234|+042");
        check("%*d", &[Value::text("x"), Value::Int(1)], "%!(BADWIDTH)1");
    }

    #[test]
    fn texts_and_maps() {
        check("%05s|%08q|%-010q", &["abc", "abc", "⌘"].map(Value::text), "00abc|000\"abc\"|\"⌘\"       ");
        check(
            "%s|%v|%q",
            &[Value::text("a"), Value::text("b"), Value::text("c\"\\\n\0é\u{a0}")],
            "a|b|\"c\\\"\\\\\\n\\x00é\\u00a0\"",
        );
        check("%5s|%-5s|%.2s|%x|%.1X", &["é", "b", "ébc", "hi", "hi"].map(Value::text), "    é|b    |éb|6869|68");
        check("%d|%f|%t", &["a", "b", "c"].map(Value::text), "%!d(string=a)|%!f(string=b)|%!t(string=c)");
        let labels = Labels::from_pairs([("a", "1"), ("b", "x y")]);
        check(
            "%v|%s|%q",
            &[Value::Map(&labels), Value::Map(&labels), Value::Map(&labels)],
            "map[a:1 b:x y]|map[a:1 b:x y]|map[\"a\":\"1\" \"b\":\"x y\"]",
        );
        check("%d", &[Value::Map(&labels)], "map[%!d(string=a):%!d(string=1) %!d(string=b):%!d(string=x y)]");
        check("%T %T", &[Value::Map(&labels), Value::Int(1)], "map[string]string int");
    }

    #[test]
    fn too_few_too_many_and_no_verb() {
        check("100%%", &[], "100%");
        check("%", &[], "%!(NOVERB)");
        check("%d %s", &[Value::Int(1)], "1 %!s(MISSING)");
        check("%d", &[Value::Int(1), Value::Float(2.5), Value::text("x")], "1%!(EXTRA float64=2.5, string=x)");
        check("é%sé", &[Value::text("ü")], "éüé");
        check("%é", &[Value::Int(1)], "%!é(int=1)");
    }

    #[test]
    fn refuses_what_it_would_print_wrong() {
        for (format, value) in
            [("%[1]d", Value::Int(1)), ("%c", Value::Int(65)), ("%#x", Value::Int(1)), ("%x", Value::Float(1.0))]
        {
            assert!(print(format, &[value]).unwrap_err().contains("is not supported yet"), "{format}");
        }
        assert!(print("%1001d", &[Value::Int(1)]).unwrap_err().contains("more than 1000"));
        assert!(!has_argument_index("%%[1] [%d]"));
        assert!(has_argument_index("%5.[2]f"));
    }
}
