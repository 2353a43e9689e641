//! Values as `printf`'s verbs print them.

use super::float;
use super::moment;
use super::print::{Output, sorted_pairs};
use super::printf::Spec;
use super::value::{ListKind, Value};

/// Prints a value by a verb.
pub(super) fn print(output: &mut Output, spec: Spec, verb: char, value: &Value) -> Result<(), String> {
    if verb == 'T' {
        let name = if matches!(value, Value::Nil) { "<nil>" } else { value.type_name() };
        return output.push(&spec.pad(&spec.cut(name)));
    }
    if let Some(text) = as_string(value, spec).filter(|_| matches!(verb, 'v' | 's' | 'q' | 'x' | 'X')) {
        return output.push(&spec.text(verb, &text).unwrap_or(text));
    }
    let printed = match value {
        Value::Nil => (verb == 'v').then(|| spec.pad("<nil>")),
        Value::Bool(value) => matches!(verb, 't' | 'v').then(|| spec.pad(&value.to_string())),
        Value::Int(value) | Value::Duration(value) | Value::Month(value) | Value::Weekday(value) => {
            spec.integer(verb, value.unsigned_abs(), *value < 0, true)
        }
        Value::Uint(value) => spec.integer(verb, *value, false, false),
        Value::Float(value) => spec.float(verb, *value),
        Value::Text(text) | Value::Html(text) => spec.text(verb, text),
        Value::Labels(labels) | Value::Kv(labels) => {
            let entries = labels.iter().map(|(name, value)| (name, Value::text(value)));
            return map(output, spec, verb, value.type_name(), entries);
        }
        Value::Map(inner) => {
            let entries = inner.entries.iter().map(|(name, value)| (name.as_str(), value.clone()));
            return map(output, spec, verb, value.type_name(), entries);
        }
        Value::List(list) => return sequence(output, spec, verb, (value.type_name(), "[", "]"), &list.items, &[]),
        Value::Object(object) => {
            let names: Vec<&str> = object.kind.fields().iter().map(|field| field.name).collect();
            let names = if spec.named || spec.as_go { &names[..] } else { &[] };
            return sequence(output, spec, verb, (value.type_name(), "{", "}"), &object.values, names);
        }
        Value::Moment(_) => None,
    };
    match printed {
        Some(printed) => output.push(&printed),
        None if matches!(value, Value::Nil) => output.push(&format!("%!{verb}(<nil>)")),
        None => {
            output.push(&format!("%!{verb}({}=", value.type_name()))?;
            match value {
                // Of a wrong verb Go shows the number behind a name.
                _ if value.get_int().is_some() => {
                    print(output, spec, 'v', &Value::Int(value.get_int().unwrap_or_default()))?;
                }
                _ => print(output, spec, 'v', value)?,
            }
            output.push(")")
        }
    }
}

/// What a value that has a `String` method says of itself.
fn as_string(value: &Value, spec: Spec) -> Option<String> {
    if spec.as_go {
        return None;
    }
    let pairs = |pairs: &mut dyn Iterator<Item = (&str, &str)>| {
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    };
    match value {
        Value::Kv(labels) => Some(pairs(&mut sorted_pairs(labels))),
        Value::List(list) if list.kind == ListKind::Pairs => {
            Some(pairs(&mut list.items.iter().filter_map(super::print::pair)))
        }
        Value::Moment(moment) => Some(moment.to_string()),
        Value::Duration(nanoseconds) => Some(moment::duration(*nanoseconds)),
        Value::Month(month) => Some(moment::month_name(*month).to_owned()),
        Value::Weekday(day) => Some(moment::weekday_name(*day).to_owned()),
        _ => None,
    }
}

fn map<'v>(
    output: &mut Output,
    spec: Spec,
    verb: char,
    type_name: &str,
    entries: impl Iterator<Item = (&'v str, Value)>,
) -> Result<(), String> {
    output.push(if spec.as_go { type_name } else { "map" })?;
    output.push(if spec.as_go { "{" } else { "[" })?;
    for (at, (name, value)) in entries.enumerate() {
        separate(output, spec, at)?;
        print(output, spec, verb, &Value::text(name))?;
        output.push(":")?;
        print(output, spec, verb, &value)?;
    }
    output.push(if spec.as_go { "}" } else { "]" })
}

fn sequence(
    output: &mut Output,
    spec: Spec,
    verb: char,
    (type_name, open, close): (&str, &str, &str),
    values: &[Value],
    names: &[&str],
) -> Result<(), String> {
    output.push(if spec.as_go { type_name } else { "" })?;
    output.push(if spec.as_go { "{" } else { open })?;
    for (at, value) in values.iter().enumerate() {
        separate(output, spec, at)?;
        if let Some(name) = names.get(at) {
            output.push(name)?;
            output.push(":")?;
        }
        print(output, spec, verb, value)?;
    }
    output.push(if spec.as_go { "}" } else { close })
}

fn separate(output: &mut Output, spec: Spec, at: usize) -> Result<(), String> {
    match (at, spec.as_go) {
        (0, _) => Ok(()),
        (_, true) => output.push(", "),
        (_, false) => output.push(" "),
    }
}

impl Spec {
    fn text(self, verb: char, text: &str) -> Option<String> {
        match verb {
            'v' if self.as_go => Some(self.pad(&quoted(text, false))),
            's' | 'v' => Some(self.pad(&self.cut(text))),
            'q' if self.sharp
                && !text.contains(['`', '\u{feff}'])
                && !text.contains(|c: char| c.is_control() && c != '\t') =>
            {
                Some(self.pad(&format!("`{}`", self.cut(text))))
            }
            'q' => Some(self.pad(&quoted(&self.cut(text), self.plus))),
            'x' | 'X' => {
                let bytes = &text.as_bytes()[..self.precision.unwrap_or(text.len()).min(text.len())];
                let prefix = match (self.sharp, verb) {
                    (false, _) => "",
                    (true, 'x') => "0x",
                    (true, _) => "0X",
                };
                let mut hex = if bytes.is_empty() { String::new() } else { prefix.to_owned() };
                for (at, byte) in bytes.iter().enumerate() {
                    if at > 0 && self.space {
                        hex.push(' ');
                        hex.push_str(prefix);
                    }
                    hex.push_str(&if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") });
                }
                Some(self.pad(&hex))
            }
            _ => None,
        }
    }

    fn float(self, verb: char, value: f64) -> Option<String> {
        const DECIMALS: usize = 6;
        let printed = match (verb, self.precision) {
            ('e' | 'E', precision) => float::exponential(value, precision.unwrap_or(DECIMALS)),
            ('f' | 'F', precision) => float::fixed(value, precision.unwrap_or(DECIMALS)),
            ('g' | 'G', precision) if self.sharp => {
                let shortest = float::shortest(value);
                let digits = shortest.trim_start_matches(['-', '0', '.']).split('e').next().unwrap_or_default();
                let count = digits.chars().filter(char::is_ascii_digit).count();
                float::significant_padded(value, precision.unwrap_or(DECIMALS.max(count)))
            }
            ('g' | 'G' | 'v', Some(precision)) => float::significant(value, precision),
            ('g' | 'G' | 'v', None) => float::shortest(value),
            ('x' | 'X', precision) => float::hexadecimal(value, precision),
            ('b', _) => binary(value),
            _ => return None,
        };
        let mut printed = printed;
        if self.sharp && value.is_finite() && !printed.contains('.') && matches!(verb, 'e' | 'E' | 'f' | 'F') {
            let at = printed.find('e').unwrap_or(printed.len());
            printed.insert(at, '.');
        }
        let printed =
            if matches!(verb, 'E' | 'G' | 'X') && value.is_finite() { printed.to_uppercase() } else { printed };
        let (negative, digits) = match printed.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, printed.strip_prefix('+').unwrap_or(&printed)),
        };
        // Go signs an infinity always, and pads neither it nor NaN with zeros.
        let always_signed = value.is_infinite();
        let sign = self.sign(negative).or((always_signed && !negative).then_some("+")).unwrap_or("");
        let plain = Self { zero: self.zero && value.is_finite(), ..self };
        Some(plain.pad_number(sign, digits))
    }

    fn integer(self, verb: char, magnitude: u64, negative: bool, is_signed: bool) -> Option<String> {
        let character =
            || u32::try_from(magnitude).ok().filter(|_| !negative).and_then(char::from_u32).unwrap_or('\u{fffd}');
        let (mut digits, prefix) = match verb {
            'v' if self.as_go && !is_signed => (format!("{magnitude:x}"), "0x"),
            'd' | 'v' => (magnitude.to_string(), ""),
            'b' => (format!("{magnitude:b}"), if self.sharp { "0b" } else { "" }),
            'o' => (format!("{magnitude:o}"), if self.sharp { "0" } else { "" }),
            'O' => (format!("{magnitude:o}"), "0o"),
            'x' => (format!("{magnitude:x}"), if self.sharp { "0x" } else { "" }),
            'X' => (format!("{magnitude:X}"), if self.sharp { "0X" } else { "" }),
            'c' => return Some(self.pad(&character().to_string())),
            'q' => return Some(self.pad(&quoted_character(character(), self.plus))),
            'U' => {
                let digits = self.precision.unwrap_or(4).max(4);
                let name = format!("U+{magnitude:0digits$X}");
                let shown = if self.sharp { format!("{name} '{}'", character()) } else { name };
                return Some(Self { zero: false, ..self }.pad(&shown));
            }
            _ => return None,
        };
        let plain = Self { zero: false, ..self };
        if self.precision == Some(0) && magnitude == 0 {
            return Some(plain.pad(""));
        }
        let sign = self.sign(negative).unwrap_or("");
        let wanted = match (self.precision, self.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero => width.saturating_sub(sign.len()),
            _ => 0,
        };
        digits = format!("{}{digits}", "0".repeat(wanted.saturating_sub(digits.len())));
        let prefix = if prefix == "0" && digits.starts_with('0') { "" } else { prefix };
        Some(plain.pad(&format!("{sign}{prefix}{digits}")))
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

/// As Go's `%b` prints a float: the mantissa as a whole number, and its binary exponent.
fn binary(value: f64) -> String {
    if !value.is_finite() {
        return float::shortest(value);
    }
    let bits = value.to_bits();
    let biased = i64::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{exponent:+}")
}

/// As Go's `%q` quotes a text; with `ascii`, as `%+q` does.
fn quoted(text: &str, ascii: bool) -> String {
    let escaped: String = text.chars().map(|c| escaped(c, '"', ascii)).collect();
    format!("\"{escaped}\"")
}

fn quoted_character(c: char, ascii: bool) -> String {
    format!("'{}'", escaped(c, '\'', ascii))
}

fn escaped(c: char, quote: char, ascii: bool) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        _ if c == quote => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        ' ' => " ".to_owned(),
        _ if c < '\u{80}' && c.is_control() => format!("\\x{:02x}", u32::from(c)),
        _ if c.is_control() || c.is_whitespace() || c == '\u{feff}' || (ascii && !c.is_ascii()) => {
            if c > '\u{ffff}' {
                format!("\\U{:08x}", u32::from(c))
            } else {
                format!("\\u{:04x}", u32::from(c))
            }
        }
        _ => c.to_string(),
    }
}
