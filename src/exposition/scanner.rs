//! Walks over the lines of a page.

use memchr::memchr;

use super::number::{parse_timestamp, parse_value, whole_to_line_end};
use super::openmetrics::{self, Read};
use super::series::{Cursor, Parts};
use super::{Entry, Line, Malformed, MetricKind, Trouble};

/// So many characters of a bad token are shown in an error.
const SHOWN_MAX: usize = 40;

/// The samples and types of a page, in order.
///
/// After an error the next line is read, so that a linter can show all that is wrong. Who scrapes stops at the first
/// error: a page that is wrong in one place is not to be trusted in others.
pub struct Scanner<'a> {
    page: &'a str,
    /// Where the next line starts; beyond the page's last byte when there is none.
    next: usize,
    /// The number of the next line.
    number: u32,
    parts: Parts,
    format: Format,
}

/// What the page is written in.
enum Format {
    /// The text format.
    Text,
    /// OpenMetrics, whose end mark has not come yet.
    OpenMetrics,
    /// OpenMetrics behind its end mark, or behind what was wrong with its end.
    Ended,
}

/// The page as text, or where it is not UTF-8.
pub fn text(page: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(page).map_err(|error| {
        let good = std::str::from_utf8(&page[..error.valid_up_to()]).unwrap_or("");
        Trouble::new(good.len(), "this is not UTF-8 text").locate(good, 0, 1)
    })
}

impl<'a> Scanner<'a> {
    /// A scanner at the top of a page in the text format.
    pub fn new(page: &'a str) -> Self {
        Self { page, next: 0, number: 1, parts: Parts::default(), format: Format::Text }
    }

    /// A scanner at the top of a page in OpenMetrics.
    pub fn openmetrics(page: &'a str) -> Self {
        Self { format: Format::OpenMetrics, ..Self::new(page) }
    }

    /// The next entry, if it is a sample of the series with this text, one that a [`Line`] of the same format had and that
    /// holds no line break: a comparison of bytes finds that out. `None` says nothing about what comes instead, or whether
    /// it is written a little differently.
    #[inline]
    pub fn next_of(&mut self, series: &str) -> Option<Result<Line<'a>, Malformed>> {
        debug_assert!(!series.contains('\n'), "{series:?}");
        let (start, number) = (self.next, self.number);
        let end = start + series.len();
        let bytes = self.page.as_bytes();
        if bytes.get(start..end)? != series.as_bytes() || bytes.get(end) != Some(&b' ') || start == end {
            return None;
        }
        if let Some((value, length)) = whole_to_line_end(&bytes[end + 1..])
            && !matches!(self.format, Format::Ended)
        {
            self.next = end + 1 + length + 1;
            self.number = number.saturating_add(1);
            return Some(Ok(Line { series: &self.page[start..end], value, at: None, number }));
        }
        self.next_from(end)
    }

    /// The next sample, of which the series is known to end here.
    fn next_from(&mut self, end: usize) -> Option<Result<Line<'a>, Malformed>> {
        let (start, number) = (self.next, self.number);
        let mut cursor = Cursor::new(self.page, end);
        let series = &self.page[start..end];
        let line = match self.format {
            Format::Text => {
                cursor.skip_blanks();
                if cursor.peek() == b'{' {
                    // A name, and its labels behind a space.
                    return None;
                }
                behind_series(&mut cursor, series, number)
            }
            Format::OpenMetrics => openmetrics::behind_series(&mut cursor, &mut self.parts, series, number),
            Format::Ended => return None,
        };
        self.next = cursor.end + 1;
        self.number = number.saturating_add(1 + cursor.breaks);
        Some(line.map_err(|trouble| trouble.locate(self.page, start, number)))
    }

    /// What is wrong with the end of a page in OpenMetrics, if something is; asked once.
    #[cold]
    fn end(&mut self) -> Option<Malformed> {
        let what = match std::mem::replace(&mut self.format, Format::Text) {
            Format::Text => return None,
            Format::OpenMetrics => "the page does not end with `# EOF`: it may have been cut off",
            Format::Ended if self.next >= self.page.len() => return None,
            Format::Ended => "there is something behind `# EOF`",
        };
        let number = self.number;
        self.next = self.page.len();
        Some(Malformed { line: number, column: 1, what: what.to_owned() })
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.page.len() {
            let (start, number) = (self.next, self.number);
            let mut cursor = Cursor::new(self.page, start);
            let entry = match self.format {
                Format::Text => read_line(&mut cursor, &mut self.parts, number),
                Format::OpenMetrics => {
                    openmetrics::read_line(&mut cursor, &mut self.parts, number).map(|read| match read {
                        Read::Entry(entry) => Some(entry),
                        Read::Nothing => None,
                        Read::End => {
                            self.format = Format::Ended;
                            None
                        }
                    })
                }
                Format::Ended => break,
            };
            self.next = cursor.end + 1;
            self.number = number.saturating_add(1 + cursor.breaks);
            match entry {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(trouble) => return Some(Err(trouble.locate(self.page, start, number))),
            }
        }
        self.end().map(Err)
    }
}

/// Reads one line; `None` when it is blank, a comment or a help text.
fn read_line<'a>(cursor: &mut Cursor<'a>, parts: &mut Parts, number: u32) -> Result<Option<Entry<'a>>, Trouble> {
    cursor.skip_blanks();
    match cursor.peek() {
        b'\n' => Ok(None),
        b'#' => comment(cursor),
        _ => sample(cursor, parts, number).map(|line| Some(Entry::Sample(line))),
    }
}

fn sample<'a>(cursor: &mut Cursor<'a>, parts: &mut Parts, number: u32) -> Result<Line<'a>, Trouble> {
    let start = cursor.at;
    let end = cursor.series(parts)?;
    behind_series(cursor, cursor.slice(start, end), number)
}

/// Reads what comes behind the series.
fn behind_series<'a>(cursor: &mut Cursor<'a>, series: &'a str, number: u32) -> Result<Line<'a>, Trouble> {
    cursor.skip_blanks();
    let value = value(cursor)?;
    cursor.skip_blanks();
    let at = match cursor.peek() {
        b'\n' => None,
        b'0'..=b'9' => {
            let from = cursor.at;
            while cursor.peek().is_ascii_digit() {
                cursor.at += 1;
            }
            let digits = cursor.slice(from, cursor.at);
            let at = parse_timestamp(digits.as_bytes())
                .ok_or_else(|| Trouble::new(from, format!("`{}` is too big a timestamp", shown(digits))))?;
            cursor.skip_blanks();
            Some(at)
        }
        b'#' => {
            let mut trouble = cursor.expected("a timestamp or the end of the line");
            trouble.what.push_str("; exemplars belong to OpenMetrics, not to the text format");
            return Err(trouble);
        }
        _ => return Err(cursor.expected("a timestamp in whole milliseconds or the end of the line")),
    };
    if cursor.peek() != b'\n' {
        let expected = "the end of the line after the timestamp, which is in whole milliseconds";
        return Err(cursor.expected(expected));
    }
    Ok(Line { series, value, at, number })
}

fn value(cursor: &mut Cursor<'_>) -> Result<f64, Trouble> {
    let start = cursor.at;
    while !matches!(cursor.peek(), b' ' | b'\t' | b'{' | b'\n') {
        cursor.at += 1;
    }
    if cursor.at == start {
        return Err(cursor.expected("a value after the series"));
    }
    let token = cursor.slice(start, cursor.at);
    parse_value(token.as_bytes()).map_err(|why| not_a_value(token, start, why))
}

#[cold]
pub(super) fn not_a_value(token: &str, start: usize, why: &str) -> Trouble {
    let mut what = format!("the value `{}` {why}", shown(token));
    if token.ends_with('\r') {
        what.push_str("; lines end with a bare newline in this format, not with a carriage return");
    }
    Trouble::new(start, what)
}

/// A token as an error shows it.
pub(super) fn shown(token: &str) -> String {
    let mut text: String = token.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if token.chars().nth(SHOWN_MAX).is_some() {
        text.push('…');
    }
    text
}

/// Reads a line that starts with `#`: a type, a help text, or a comment, which may say anything.
fn comment<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Entry<'a>>, Trouble> {
    cursor.at += 1;
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    if !blank(cursor.peek()) {
        return Ok(None);
    }
    cursor.skip_blanks();
    let keyword = match cursor.rest() {
        [b'T', b'Y', b'P', b'E', next, ..] if blank(*next) => "TYPE",
        [b'H', b'E', b'L', b'P', next, ..] if blank(*next) => "HELP",
        _ => return Ok(None),
    };
    cursor.at += keyword.len();
    cursor.skip_blanks();
    let name = match cursor.peek() {
        b'"' => Some(cursor.quoted_name()?),
        _ => cursor.metric_name(),
    };
    let Some(name) = name else {
        return Err(cursor.expected(&format!("a metric name after {keyword}")));
    };
    if keyword == "HELP" {
        return Ok(None);
    }
    cursor.skip_blanks();
    let kind = cursor.slice(cursor.at, cursor.end);
    let kind = MetricKind::named(kind.trim_end_matches([' ', '\t'])).ok_or_else(|| unknown_kind(kind, cursor.at))?;
    Ok(Some(Entry::Type { name: name.unescaped(cursor.page()), kind }))
}

#[cold]
fn unknown_kind(kind: &str, at: usize) -> Trouble {
    let known = "counter, gauge, histogram, summary and untyped";
    let mut what = if kind.is_empty() {
        format!("expected a metric type, which are {known}")
    } else {
        format!("`{}` is not a metric type; there are {known}", shown(kind))
    };
    if memchr(b'\r', kind.as_bytes()).is_some() {
        what.push_str("; lines end with a bare newline in this format, not with a carriage return");
    }
    Trouble::new(at, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page as one reads it back: a line an entry, `name value @ms`, `TYPE name kind` or `! error`.
    fn read(page: &str) -> Vec<String> {
        let show = |entry: Result<Entry<'_>, Malformed>| match entry {
            Ok(Entry::Sample(Line { series, value, at, number })) => {
                let at = at.map_or(String::new(), |at| format!(" @{}", at.millis()));
                format!("{number}: {series} = {value}{at}")
            }
            Ok(Entry::Type { name, kind }) => format!("TYPE {name} {kind:?}"),
            Err(error) => format!("! {error}"),
        };
        Scanner::new(page).map(show).collect()
    }

    #[test]
    fn reads_pages() {
        let check = |page: &str, expected: &[&str]| assert_eq!(read(page), expected, "{page}");
        check("", &[]);
        check("\n \t\n\n", &[]);
        check("a 1", &["1: a = 1"]);
        check("a 1\n\nb 2\n", &["1: a = 1", "3: b = 2"]);
        check("  a\t 1 \t\n", &["1: a = 1"]);
        check("a{} 1 123", &["1: a{} = 1 @123"]);
        check("a{b=\"c\"}1", &["1: a{b=\"c\"} = 1"]);
        check("a { b = \"c\" } -Inf 0 ", &["1: a { b = \"c\" } = -inf @0"]);
        check("a{b=\"# no comment\"} nan", &["1: a{b=\"# no comment\"} = NaN"]);
        check("{\"a b\",c=\"d\"} 1e3\n", &["1: {\"a b\",c=\"d\"} = 1000"]);
        check("a{b=\"1\n2\"} 1\nc 2", &["1: a{b=\"1\n2\"} = 1", "3: c = 2"]);
        check("# TYPE a counter\n# TYPE b gauge\n", &["TYPE a Counter", "TYPE b Gauge"]);
        check("# \tTYPE\t a  histogram \n#  TYPE b summary", &["TYPE a Histogram", "TYPE b Summary"]);
        check("# TYPE \"a\\\"b\" untyped\n", &["TYPE a\"b Untyped"]);
        check("# EOF\n#\n#TYPE a b\n# TYPE\n# HELP\n# HELPA b\n# type a b\n#\0\n# \0 é", &[]);
        check("# HELP a\n# HELP a \n# HELP a b c\\n\n# HELP \"a b\" c\n# HELP a \0\r\n", &[]);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |page: &str, expected: &str| assert_eq!(read(page), [format!("! {expected}")], "{page}");
        check("a", "line 1, column 2: expected a value after the series, found the end of the line");
        check("\na{b=\"c\"} \n", "line 2, column 10: expected a value after the series, found the end of the line");
        check("a true", "line 1, column 3: the value `true` is not a number");
        check("a 1_2", "line 1, column 3: the value `1_2` is not a number: `_` cannot stand between digits");
        check("a-b 1", "line 1, column 2: the value `-b` is not a number");
        check(
            "a 1 1.5",
            "line 1, column 6: expected the end of the line after the timestamp, which is in whole milliseconds, found `.`",
        );
        check(
            "a 1 -5",
            "line 1, column 5: expected a timestamp in whole milliseconds or the end of the line, found `-`",
        );
        check("a 1 99999999999999999999", "line 1, column 5: `99999999999999999999` is too big a timestamp");
        check(
            "a 1 2 3",
            "line 1, column 7: expected the end of the line after the timestamp, which is in whole milliseconds, found `3`",
        );
        check("a 1{", "line 1, column 4: expected a timestamp in whole milliseconds or the end of the line, found `{`");
        check("a{}{} 1", "line 1, column 4: expected a value after the series, found `{`");
        check(
            "a 1 # {id=\"1\"} 1",
            "line 1, column 5: expected a timestamp or the end of the line, found `#`; exemplars belong to OpenMetrics, not to the text format",
        );
        check("# TYPE # counter", "line 1, column 8: expected a metric name after TYPE, found `#`");
        check("# HELP \n", "line 1, column 8: expected a metric name after HELP, found the end of the line");
        check(
            "# TYPE a stateset",
            "line 1, column 10: `stateset` is not a metric type; there are counter, gauge, histogram, summary and untyped",
        );
        check(
            "# TYPE a",
            "line 1, column 9: expected a metric type, which are counter, gauge, histogram, summary and untyped",
        );
        check("\0", "line 1, column 1: expected a metric name, found a NUL byte");
        check(
            "a 1\r\n",
            "line 1, column 3: the value `1\\r` is not a number; lines end with a bare newline in this format, not with a carriage return",
        );
        check(
            "\r\n",
            "line 1, column 1: expected a metric name, found a carriage return (lines end with a bare newline in this format)",
        );
        check(
            "{\"status\": \"ok\"}",
            "line 1, column 10: expected `=`, `,` or `}` after a quoted name, found `:`; this looks like JSON, not metrics: is the target's path right?",
        );
    }

    #[test]
    fn an_html_page_is_recognised() {
        let first = Scanner::new("\n<!DOCTYPE html>\n<html><body>Sign in</body></html>").next().unwrap().unwrap_err();
        assert_eq!(
            first.to_string(),
            "line 2, column 1: expected a metric name, found `<`; this looks like an HTML page, not metrics: is the target's path right?"
        );
    }

    #[test]
    fn goes_on_behind_an_error() {
        assert_eq!(
            read("a x\nb 2\nc{\"d 3\ne 4"),
            [
                "! line 1, column 3: the value `x` is not a number",
                "2: b = 2",
                "! line 3, column 3: the quote opened here is never closed",
                "4: e = 4"
            ]
        );
        assert_eq!(
            read("c{d=\"e 3\nf{g=\"h\"} 4"),
            ["! line 2, column 7: expected `=` after the label name, found `\"`"]
        );
    }

    #[test]
    fn a_page_that_is_not_utf_8_says_where() {
        assert_eq!(text(b"a 1\nb{c=\"\xff\"} 2").unwrap_err().to_string(), "line 2, column 6: this is not UTF-8 text");
        assert_eq!(text(b"\xc3").unwrap_err().to_string(), "line 1, column 1: this is not UTF-8 text");
        assert_eq!(text("é".as_bytes()), Ok("é"));
    }

    /// What a scanner reads that expects each of these series in turn, as long as they come.
    fn read_expecting(mut scanner: Scanner<'_>, expected: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut expected = expected.iter().peekable();
        loop {
            let known = expected.peek().and_then(|series| scanner.next_of(series));
            let (mark, entry) = match known {
                Some(line) => {
                    expected.next();
                    ("=", line.map(Entry::Sample))
                }
                None => match scanner.next() {
                    Some(entry) => ("", entry),
                    None => return lines,
                },
            };
            lines.push(match entry {
                Ok(Entry::Sample(Line { series, value, at, number })) => {
                    let at = at.map_or(String::new(), |at| format!(" @{}", at.millis()));
                    format!("{mark}{number}: {series} {value}{at}")
                }
                Ok(Entry::Type { name, .. }) => format!("{mark}TYPE {name}"),
                Err(error) => format!("{mark}{error}"),
            });
        }
    }

    #[test]
    fn what_is_expected_is_found_by_its_bytes() {
        let check = |page: &str, expected: &[&str], want: &[&str]| {
            assert_eq!(read_expecting(Scanner::new(page), expected), want, "{page}");
        };
        let labeled = "a{b=\"c\"}";
        check("a{b=\"c\"} 1\nd 2.5 7\n", &[labeled, "d"], &["=1: a{b=\"c\"} 1", "=2: d 2.5 @7"]);
        check("# TYPE a gauge\na 1\na 2", &["a", "a"], &["TYPE a", "=2: a 1", "=3: a 2"]);
        check("a 123456789012345\n", &["a"], &["=1: a 123456789012345"]);
        check("a 1234567890123456\n", &["a"], &["=1: a 1234567890123456"]);
        check("a  1 \nb 1 5 \n", &["a", "b"], &["=1: a 1", "=2: b 1 @5"]);
        // Something else that begins alike, or the same written differently.
        check("ab 1\n", &["a"], &["1: ab 1"]);
        check("a {b=\"c\"} 1\n", &["a"], &["1: a {b=\"c\"} 1"]);
        check("a{b=\"c\"}1\n", &[labeled], &["1: a{b=\"c\"} 1"]);
        check(" a 1\n", &["a"], &["1: a 1"]);
        check("a 1\n", &[""], &["1: a 1"]);
        check("a", &["a"], &["line 1, column 2: expected a value after the series, found the end of the line"]);
        // What is wrong stands where it stands, and the next line is read.
        check(
            "b 1\na x\nb 2\n",
            &["b", "a", "b"],
            &["=1: b 1", "=line 2, column 3: the value `x` is not a number", "=3: b 2"],
        );
        check(
            "a 1\r\n",
            &["a"],
            &[
                "=line 1, column 3: the value `1\\r` is not a number; lines end with a bare newline in this format, not with a carriage return",
            ],
        );
        check("a \n", &["a"], &["=line 1, column 3: expected a value after the series, found the end of the line"]);
    }

    #[test]
    fn so_it_is_in_openmetrics() {
        let check = |page: &str, expected: &[&str], want: &[&str]| {
            assert_eq!(read_expecting(Scanner::openmetrics(page), expected), want, "{page}");
        };
        let exemplar = "a_total 1 # {b=\"c\"} 2\na_total 2.5 1.5\n# EOF\n";
        check(exemplar, &["a_total", "a_total"], &["=1: a_total 1", "=2: a_total 2.5 @1500"]);
        let spaces = "a  1\n# EOF\n";
        check(spaces, &["a"], &["=line 1, column 3: expected a value after the series, found ` `"]);
        let behind = "a 1\n# EOF\na 1\n";
        check(behind, &["a", "a"], &["=1: a 1", "line 3, column 1: there is something behind `# EOF`"]);
        let label = "a {b} 1\n# EOF\n";
        check(label, &["a"], &["=line 1, column 3: the value `{b}` is not a number"]);
    }
}
