//! `printf`: a format with its flags, widths, precisions and argument indexes, as Go reads it, and what Go prints when a
//! verb and its argument do not fit: `%!d(float64=1.5)`.

use super::print::Output;
use super::value::Value;
use super::verb;

/// No width and no precision may be more.
const WIDTH_MAX: usize = 1000;

/// What stands between `%` and its verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`: with the names of fields.
    pub(super) named: bool,
    /// `%#v`: as Go would write the value in a program.
    pub(super) as_go: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

/// Prints the format with the arguments in it.
pub(super) fn print(output: &mut Output, format: &str, arguments: &[Value]) -> Result<(), String> {
    let mut reader = Reader { rest: format, arguments, next: 0, reordered: false, index_is_good: true };
    while let Some((before, after)) = reader.rest.split_once('%') {
        output.push(before)?;
        reader.rest = after;
        let spec = reader.spec(output)?;
        let Some(verb) = reader.rest.chars().next() else {
            output.push("%!(NOVERB)")?;
            break;
        };
        reader.rest = &reader.rest[verb.len_utf8()..];
        if verb == '%' {
            output.push("%")?;
        } else if !reader.index_is_good {
            output.push(&format!("%!{verb}(BADINDEX)"))?;
        } else if let Some(argument) = arguments.get(reader.next) {
            reader.next += 1;
            let named = verb == 'v' && spec.plus;
            let as_go = verb == 'v' && spec.sharp;
            let spec = Spec { named, as_go, plus: spec.plus && !named, sharp: spec.sharp && !as_go, ..spec };
            verb::print(output, spec, verb, argument)?;
        } else {
            output.push(&format!("%!{verb}(MISSING)"))?;
        }
    }
    output.push(reader.rest)?;
    let extra = arguments.get(reader.next..).unwrap_or_default();
    if !reader.reordered && !extra.is_empty() {
        output.push("%!(EXTRA ")?;
        for (at, value) in extra.iter().enumerate() {
            output.push(if at > 0 { ", " } else { "" })?;
            match value {
                Value::Nil => output.push("<nil>")?,
                _ => {
                    output.push(value.type_name())?;
                    output.push("=")?;
                    output.value(value)?;
                }
            }
        }
        output.push(")")?;
    }
    Ok(())
}

struct Reader<'f> {
    rest: &'f str,
    arguments: &'f [Value],
    next: usize,
    /// Whether any argument was picked by number: then it is no matter that some were not used.
    reordered: bool,
    index_is_good: bool,
}

impl Reader<'_> {
    /// Reads flags, width, precision and indexes. What Go prints about a bad one is printed.
    fn spec(&mut self, output: &mut Output) -> Result<Spec, String> {
        self.index_is_good = true;
        let mut spec = Spec::default();
        loop {
            match self.rest.chars().next() {
                Some('+') => spec.plus = true,
                Some('-') => spec.minus = true,
                Some('#') => spec.sharp = true,
                Some(' ') => spec.space = true,
                Some('0') => spec.zero = true,
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        let mut behind_index = self.index();
        if self.skip("*") {
            match self.star()? {
                Some(width) => {
                    spec.minus |= width < 0;
                    spec.width = Some(limited(usize::try_from(width.unsigned_abs()).ok())?);
                }
                None => output.push("%!(BADWIDTH)")?,
            }
            behind_index = false;
        } else {
            spec.width = self.digits()?;
            self.index_is_good &= !(behind_index && spec.width.is_some());
        }
        if self.skip(".") {
            self.index_is_good &= !behind_index;
            behind_index = self.index();
            if self.skip("*") {
                match self.star()?.filter(|precision| *precision >= 0) {
                    Some(precision) => spec.precision = Some(limited(usize::try_from(precision).ok())?),
                    None => output.push("%!(BADPREC)")?,
                }
                behind_index = false;
            } else {
                spec.precision = Some(self.digits()?.unwrap_or(0));
            }
        }
        if !behind_index {
            self.index();
        }
        spec.zero &= !spec.minus;
        Ok(spec)
    }

    fn skip(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Reads `[2]`; answers whether a good one was there.
    fn index(&mut self) -> bool {
        if !self.rest.starts_with('[') {
            return false;
        }
        self.reordered = true;
        let Some((inside, after)) = self.rest[1..].split_once(']') else {
            self.rest = &self.rest[1..];
            self.index_is_good = false;
            return false;
        };
        self.rest = after;
        let is_number = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
        let index = inside.parse::<usize>().ok().filter(|_| is_number).and_then(|index| index.checked_sub(1));
        match index.filter(|index| *index < self.arguments.len()) {
            Some(index) => self.next = index,
            None => self.index_is_good = false,
        }
        is_number
    }

    /// The argument that says a width or precision; `None` when it is no integer.
    fn star(&mut self) -> Result<Option<i64>, String> {
        let argument = self.arguments.get(self.next);
        self.next += usize::from(argument.is_some());
        Ok(argument.and_then(|value| value.as_index().ok()))
    }

    /// The number at the beginning, if there is one.
    fn digits(&mut self) -> Result<Option<usize>, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let count = if end == 0 { None } else { Some(limited(self.rest[..end].parse().ok())?) };
        self.rest = &self.rest[end..];
        Ok(count)
    }
}

fn limited(count: Option<usize>) -> Result<usize, String> {
    match count {
        Some(count) if count <= WIDTH_MAX => Ok(count),
        _ => Err(format!("a width or precision of more than {WIDTH_MAX} is not supported")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    fn printed(format: &str, arguments: &[Value]) -> Result<String, String> {
        let mut output = Output::new(100_000);
        print(&mut output, format, arguments).map(|()| output.into_text())
    }

    fn check(format: &str, arguments: &[Value], expected: &str) {
        assert_eq!(printed(format, arguments).as_deref(), Ok(expected), "{format} {arguments:?}");
    }

    fn float(value: f64) -> [Value; 1] {
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
            &[Value::Labels(labels.clone()), Value::Labels(labels.clone()), Value::Labels(labels.clone())],
            "map[a:1 b:x y]|map[a:1 b:x y]|map[\"a\":\"1\" \"b\":\"x y\"]",
        );
        check("%d", &[Value::Labels(labels.clone())], "map[%!d(string=a):%!d(string=1) %!d(string=b):%!d(string=x y)]");
        check("%T %T", &[Value::Labels(labels.clone()), Value::Int(1)], "map[string]string int");
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
    fn argument_indexes() {
        check("%[2]d %[1]d", &[1, 2].map(Value::Int), "2 1");
        check("%[1]d %d %[1]v", &[1, 2].map(Value::Int), "1 2 1");
        check("%[3]*.[2]*[1]f", &[Value::Float(12.0), Value::Int(2), Value::Int(6)], " 12.00");
        check("%[2]*[1]d", &[Value::Int(7), Value::Int(3)], "  7");
        check("%[5]d %[0]d", &[Value::Int(1)], "%!d(BADINDEX) %!d(BADINDEX)");
        check("%[x]d|%[]d|%[1", &[Value::Int(1)], "%!d(BADINDEX)|%!d(BADINDEX)|%!(NOVERB)");
        check("%[1]2d", &[Value::Int(1)], "%!d(BADINDEX)");
        check("%.[1]d", &[Value::Int(1)], "1");
    }

    #[test]
    fn characters_bases_and_flags() {
        check("%c|%q|%U|%#U|%+q", &[65, 10, 9731, 9731, 9731].map(Value::Int), "A|'\\n'|U+2603|U+2603 '☃'|'\\u2603'");
        check("%#x|%#o|%#b|%O|%#X|%#06x", &[255, 8, 5, 8, 255, 1].map(Value::Int), "0xff|010|0b101|0o10|0XFF|0x000001");
        check("% x|%#x|%# x", &["hi", "hi", "hi"].map(Value::text), "68 69|0x6869|0x68 0x69");
        check("%#q|%+q|%#q", &["a b", "é", "a`"].map(Value::text), "`a b`|\"\\u00e9\"|\"a`\"");
        check(
            "%x|%X|%.1x|%b",
            &[1.5, -1.5, 1.0, 1.0].map(Value::Float),
            "0x1.8p+00|-0X1.8P+00|0x1.0p+00|4503599627370496p-52",
        );
        check("%#g|%#.3g|%#v|%#.0f", &[1.0, 100.0, 1e6, 3.0].map(Value::Float), "1.00000|100.|1e+06|3.");
        check("%c", &[Value::Int(-1)], "\u{fffd}");
    }

    #[test]
    fn values_of_other_types() {
        check("%v|%s|%d", &[Value::Nil, Value::Nil, Value::Nil], "<nil>|%!s(<nil>)|%!d(<nil>)");
        let list = Value::list(vec![Value::Int(1), Value::text("a")]).unwrap();
        check(
            "%v|%d|%#v|%T",
            &[list.clone(), list.clone(), list.clone(), list],
            "[1 a]|[1 %!d(string=a)]|[]interface {}{1, \"a\"}|[]interface {}",
        );
        let labels = Labels::from_pairs([("a", "1")]);
        check("%#v|%q", &[Value::Labels(labels.clone()), Value::Kv(labels)], "map[string]string{\"a\":\"1\"}|\"a=1\"");
        check(
            "%v|%d|%s|%5.1f",
            &[1, 2, 3, 4].map(|s| Value::Duration(s * 1_000_000_000)),
            "1s|2000000000|3s|%!f(time.Duration=4000000000)",
        );
        check("%s|%d|%v", &[Value::Month(3), Value::Month(3), Value::Uint(200)], "March|3|200");
    }

    #[test]
    fn widths_have_a_limit() {
        assert!(printed("%1001d", &[Value::Int(1)]).unwrap_err().contains("more than 1000"));
        assert!(printed("%.*d", &[Value::Int(2000), Value::Int(1)]).unwrap_err().contains("more than 1000"));
    }
}
