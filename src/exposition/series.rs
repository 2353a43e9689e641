//! A metric name with its labels: `name{label="value"}` or `{"a name",label="value"}`.
//!
//! The reader notes where each part lies and unescapes nothing, so a line of a known series costs no allocation.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2};

use super::{Malformed, Trouble};
use crate::model::{Labels, LabelsBuilder, METRIC_NAME};

/// So many labels may one sample have. Checking that no name comes twice takes time in the square of it.
pub const LABELS_MAX: usize = 256;

/// Marks of a byte in [`CLASS`].
const LABEL_START: u8 = 1;
const LABEL_REST: u8 = 2;
const METRIC_START: u8 = 4;
const METRIC_REST: u8 = 8;

/// What each byte may be part of, when not in quotes.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let c = byte as u8;
        if c.is_ascii_alphabetic() || c == b'_' {
            class[byte] = LABEL_START | LABEL_REST | METRIC_START | METRIC_REST;
        } else if c == b':' {
            class[byte] = METRIC_START | METRIC_REST;
        } else if c.is_ascii_digit() {
            class[byte] = LABEL_REST | METRIC_REST;
        }
        byte += 1;
    }
    class
};

/// A part of the page, from byte to byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Piece {
    fn bytes(self, page: &str) -> &[u8] {
        &page.as_bytes()[self.start..self.end]
    }

    /// What the piece says, escapes undone.
    pub(super) fn unescaped(self, page: &str) -> Cow<'_, str> {
        unescape(&page[self.start..self.end])
    }
}

/// Where the parts of a series lie. Kept from line to line for its memory.
#[derive(Debug, Default)]
pub(super) struct Parts {
    name: Option<Piece>,
    labels: Vec<(Piece, Piece)>,
    /// A bit for each label name so far, by a hash: two names of one hash are compared, others cannot be the same.
    seen: u64,
    /// Whether a label name has an escape, so that names cannot be compared as they stand there.
    escapes: bool,
}

impl Parts {
    fn clear(&mut self) {
        self.name = None;
        self.labels.clear();
        self.seen = 0;
        self.escapes = false;
    }

    fn set_name(&mut self, page: &str, name: Piece, quote: usize) -> Result<(), Trouble> {
        if self.name.is_some() {
            return Err(Trouble::new(quote, "the metric has a name already; a label needs `=` and a value"));
        }
        if name.start == name.end {
            return Err(Trouble::new(quote, "the metric's name is empty"));
        }
        self.check_new(page, METRIC_NAME.as_bytes(), quote)?;
        self.name = Some(name);
        Ok(())
    }

    fn add_label(&mut self, page: &str, name: Piece, value: Piece, quoted: bool) -> Result<(), Trouble> {
        if quoted {
            self.escapes |= memchr(b'\\', name.bytes(page)).is_some();
            self.check_new(page, name.unescaped(page).as_bytes(), name.start - 1)?;
        } else {
            self.check_new(page, name.bytes(page), name.start)?;
        }
        if self.labels.len() == LABELS_MAX {
            return Err(Trouble::new(name.start, format!("more than {LABELS_MAX} labels")));
        }
        self.labels.push((name, value));
        Ok(())
    }

    /// Complains if a label of this name is there already; the metric's name counts as one.
    fn check_new(&mut self, page: &str, name: &[u8], at: usize) -> Result<(), Trouble> {
        let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
        #[expect(clippy::cast_possible_truncation, reason = "only its low bits matter")]
        let mixed = first.wrapping_mul(7) ^ last.wrapping_mul(29) ^ (name.len() as u8).wrapping_mul(17);
        let bit = 1 << (mixed & 63);
        let maybe_known = self.seen & bit != 0;
        self.seen |= bit;
        if maybe_known && self.has(page, name) {
            let name = String::from_utf8_lossy(name);
            return Err(Trouble::new(at, format!("label `{name}` is there twice")));
        }
        Ok(())
    }

    #[cold]
    fn has(&self, page: &str, name: &[u8]) -> bool {
        (name == METRIC_NAME.as_bytes() && self.name.is_some())
            || self.labels.iter().any(|(other, _)| match self.escapes {
                true => other.unescaped(page).as_bytes() == name,
                false => other.bytes(page) == name,
            })
    }

    fn to_labels(&self, page: &str) -> Labels {
        let mut builder = LabelsBuilder::default();
        if let Some(name) = self.name {
            builder.set(METRIC_NAME, &*name.unescaped(page));
        }
        for (name, value) in &self.labels {
            builder.set(&*name.unescaped(page), &*value.unescaped(page));
        }
        builder.build()
    }
}

/// Reads along one line of a page. Only a label value may make it go on to the next line.
pub(super) struct Cursor<'a> {
    page: &'a str,
    bytes: &'a [u8],
    /// Where we are.
    pub(super) at: usize,
    /// Where the line ends: at its newline, or at the end of the page.
    pub(super) end: usize,
    /// How many newlines lie in label values.
    pub(super) breaks: u32,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of the line that starts at `start`.
    pub(super) fn new(page: &'a str, start: usize) -> Self {
        let bytes = page.as_bytes();
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length);
        Self { page, bytes, at: start, end, breaks: 0 }
    }

    /// The byte here; a newline at the end of the line.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        if self.at < self.end { self.bytes[self.at] } else { b'\n' }
    }

    #[inline]
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// The rest of the line.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..self.end]
    }

    /// The page that the line is part of.
    pub(super) fn page(&self) -> &'a str {
        self.page
    }

    /// The page between two places that are ends of tokens.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        &self.page[start..end]
    }

    /// An error here: what was expected, and what stands here instead.
    #[cold]
    pub(super) fn expected(&self, what: &str) -> Trouble {
        let found = match self.page[self.at..self.end].chars().next() {
            None => "the end of the line".to_owned(),
            Some('\r') => "a carriage return (lines end with a bare newline in this format)".to_owned(),
            Some('\0') => "a NUL byte".to_owned(),
            Some(c) if c.is_control() => format!("`{}`", c.escape_default()),
            Some(c) => format!("`{c}`"),
        };
        Trouble::new(self.at, format!("expected {what}, found {found}"))
    }

    #[inline]
    fn word(&mut self, start: u8, rest: u8) -> Option<Piece> {
        let from = self.at;
        if CLASS[usize::from(self.peek())] & start == 0 {
            return None;
        }
        self.at += 1;
        while CLASS[usize::from(self.peek())] & rest != 0 {
            self.at += 1;
        }
        Some(Piece { start: from, end: self.at })
    }

    /// A metric name without quotes.
    pub(super) fn metric_name(&mut self) -> Option<Piece> {
        self.word(METRIC_START, METRIC_REST)
    }

    /// Reads a quoted name, which stays on its line and has no NUL; we are at its opening quote.
    pub(super) fn quoted_name(&mut self) -> Result<Piece, Trouble> {
        let piece = self.quoted_on_line()?;
        match memchr(0, piece.bytes(self.page)) {
            Some(at) => Err(Trouble::new(piece.start + at, "a NUL byte can only stand in a label's value")),
            None => Ok(piece),
        }
    }

    /// Reads a text in quotes that stays on its line; we are at its opening quote.
    fn quoted_on_line(&mut self) -> Result<Piece, Trouble> {
        let quote = self.at;
        let (line_end, breaks) = (self.end, self.breaks);
        let piece = self.quoted()?;
        if self.breaks != breaks {
            (self.end, self.breaks) = (line_end, breaks);
            return Err(Trouble::new(quote, "the quote opened here is not closed on this line"));
        }
        Ok(piece)
    }

    /// Reads a text in quotes; we are at its opening quote. Escapes are left as they are. The text may hold newlines.
    #[inline]
    fn quoted(&mut self) -> Result<Piece, Trouble> {
        let quote = self.at;
        match closing_quote(&self.bytes[..self.end], quote + 1)? {
            Some(close) => {
                self.at = close + 1;
                Ok(Piece { start: quote + 1, end: close })
            }
            None => self.quoted_over_lines(quote),
        }
    }

    /// Takes further lines in, because the text that opened at `quote` goes on there.
    #[cold]
    fn quoted_over_lines(&mut self, quote: usize) -> Result<Piece, Trouble> {
        let Some(close) = closing_quote(self.bytes, quote + 1)? else {
            return Err(Trouble::new(quote, "the quote opened here is never closed"));
        };
        let breaks = memchr_iter(b'\n', &self.bytes[self.end..close]).count();
        self.breaks = self.breaks.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.end = memchr(b'\n', &self.bytes[close..]).map_or(self.bytes.len(), |length| close + length);
        self.at = close + 1;
        Ok(Piece { start: quote + 1, end: close })
    }

    /// Reads a series from here; answers where its text ends.
    pub(super) fn series(&mut self, parts: &mut Parts) -> Result<usize, Trouble> {
        parts.clear();
        let start = self.at;
        let name = self.metric_name();
        let mut end = self.at;
        if let Some(name) = name {
            parts.set_name(self.page, name, name.start)?;
            self.skip_blanks();
        } else if self.peek() != b'{' {
            return Err(self.not_a_metric());
        }
        if self.peek() == b'{' {
            self.at += 1;
            self.labels(parts)?;
            end = self.at;
        }
        if parts.name.is_none() {
            return Err(Trouble::new(start, "the metric has no name"));
        }
        Ok(end)
    }

    /// Reads labels up to the closing brace; we are behind the opening one.
    fn labels(&mut self, parts: &mut Parts) -> Result<(), Trouble> {
        loop {
            self.skip_blanks();
            if let Some(name) = self.word(LABEL_START, LABEL_REST) {
                self.label_value(parts, name, false)?;
            } else {
                match self.peek() {
                    b'}' => {
                        self.at += 1;
                        return Ok(());
                    }
                    b'"' => {
                        let quote = self.at;
                        let name = self.quoted_name()?;
                        self.skip_blanks();
                        match self.peek() {
                            b',' | b'}' => parts.set_name(self.page, name, quote)?,
                            b':' => return Err(self.json()),
                            _ if name.start == name.end => {
                                return Err(Trouble::new(quote, "a label's name is empty"));
                            }
                            _ => self.label_value(parts, name, true)?,
                        }
                    }
                    _ => return Err(self.expected("a label name or `}`")),
                }
            }
            self.skip_blanks();
            // Prometheus reads labels with nothing but space between them, so exporters that forget the comma exist.
            if self.peek() == b',' {
                self.at += 1;
            }
        }
    }

    /// Reads a series as OpenMetrics has it, without a space anywhere, from here to its end.
    pub(super) fn strict_series(&mut self, parts: &mut Parts) -> Result<(), Trouble> {
        parts.clear();
        let start = self.at;
        if let Some(name) = self.metric_name() {
            parts.set_name(self.page, name, name.start)?;
        } else if self.peek() != b'{' {
            return Err(self.not_a_metric());
        }
        if self.peek() == b'{' {
            self.at += 1;
            self.strict_labels(parts)?;
        }
        if parts.name.is_none() {
            return Err(Trouble::new(start, "the metric has no name"));
        }
        Ok(())
    }

    /// Reads the labels of an exemplar, which has no name.
    pub(super) fn strict_labels_alone(&mut self, parts: &mut Parts) -> Result<(), Trouble> {
        parts.clear();
        if self.peek() != b'{' {
            return Err(self.expected("the labels of an exemplar in braces"));
        }
        let brace = self.at;
        self.at += 1;
        self.strict_labels(parts)?;
        match parts.name {
            Some(_) => Err(Trouble::new(brace, "an exemplar has labels only, no name")),
            None => Ok(()),
        }
    }

    /// Reads labels up to the closing brace, one comma between two and perhaps one behind the last.
    fn strict_labels(&mut self, parts: &mut Parts) -> Result<(), Trouble> {
        loop {
            if let Some(name) = self.word(LABEL_START, LABEL_REST) {
                self.strict_label_value(parts, name, false)?;
            } else {
                match self.peek() {
                    b'}' => {
                        self.at += 1;
                        return Ok(());
                    }
                    b'"' => {
                        let quote = self.at;
                        let name = self.quoted_name()?;
                        match self.peek() {
                            b',' | b'}' => parts.set_name(self.page, name, quote)?,
                            _ if name.start == name.end => {
                                return Err(Trouble::new(quote, "a label's name is empty"));
                            }
                            _ => self.strict_label_value(parts, name, true)?,
                        }
                    }
                    _ => return Err(self.expected("a label name or `}`")),
                }
            }
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {}
                _ => return Err(self.expected("`,` or `}` after a label")),
            }
        }
    }

    #[inline]
    fn strict_label_value(&mut self, parts: &mut Parts, name: Piece, quoted: bool) -> Result<(), Trouble> {
        if self.peek() != b'=' {
            return Err(self.expected("`=` after the label name"));
        }
        self.at += 1;
        if self.peek() != b'"' {
            return Err(self.expected("a label value in double quotes"));
        }
        let value = self.quoted_on_line()?;
        parts.add_label(self.page, name, value, quoted)
    }

    #[inline]
    fn label_value(&mut self, parts: &mut Parts, name: Piece, quoted: bool) -> Result<(), Trouble> {
        self.skip_blanks();
        if self.peek() != b'=' {
            return Err(self.expected("`=` after the label name"));
        }
        self.at += 1;
        self.skip_blanks();
        if self.peek() != b'"' {
            return Err(self.expected("a label value in double quotes"));
        }
        let value = self.quoted()?;
        parts.add_label(self.page, name, value, quoted)
    }

    #[cold]
    fn not_a_metric(&self) -> Trouble {
        let mut trouble = self.expected("a metric name");
        if self.peek() == b'<' {
            trouble.what.push_str("; this looks like an HTML page, not metrics: is the target's path right?");
        }
        trouble
    }

    #[cold]
    fn json(&self) -> Trouble {
        let mut trouble = self.expected("`=`, `,` or `}` after a quoted name");
        trouble.what.push_str("; this looks like JSON, not metrics: is the target's path right?");
        trouble
    }
}

/// Where the quote is that closes a text which starts at `at`; `None` when there is none.
#[inline]
fn closing_quote(bytes: &[u8], mut at: usize) -> Result<Option<usize>, Trouble> {
    while let Some(length) = memchr2(b'"', b'\\', &bytes[at..]) {
        at += length;
        if bytes[at] == b'"' {
            return Ok(Some(at));
        }
        // What is escaped is looked at by whoever unescapes; here it matters only that it ends nothing.
        match bytes.get(at + 1) {
            None | Some(b'\n') => return Err(Trouble::new(at, "a backslash cannot stand at the end of a line")),
            Some(_) => at += 2,
        }
    }
    Ok(None)
}

/// Undoes `\"`, `\\` and `\n`; any other escape stays as it is.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr(b'\\', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut plain = String::with_capacity(text.len());
    let mut from = 0;
    let mut done = first;
    for at in memchr_iter(b'\\', text.as_bytes()).filter(|at| *at >= first) {
        if at < done {
            continue; // the second backslash of a pair
        }
        let c = match text.as_bytes().get(at + 1) {
            Some(b'n') => '\n',
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            _ => continue,
        };
        plain.push_str(&text[from..at]);
        plain.push(c);
        from = at + 2;
        done = from;
    }
    plain.push_str(&text[from..]);
    Cow::Owned(plain)
}

/// The labels that the text of a series means, its name among them as `__name__`.
///
/// A text from a [`Line`](super::Line) is always good.
pub fn parse_series(series: &str) -> Result<Labels, Malformed> {
    let mut parts = Parts::default();
    let mut cursor = Cursor::new(series, 0);
    whole_series(&mut cursor, &mut parts).map_err(|trouble| trouble.locate(series, 0, 1))?;
    Ok(parts.to_labels(series))
}

fn whole_series(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Trouble> {
    cursor.skip_blanks();
    cursor.series(parts)?;
    cursor.skip_blanks();
    if cursor.at == cursor.page.len() { Ok(()) } else { Err(cursor.expected("the end of the series")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(series: &str) -> Vec<(String, String)> {
        let labels = parse_series(series).unwrap_or_else(|error| panic!("{series}: {error}"));
        labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn reads_names_and_labels() {
        let check = |series: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(pairs(series), expected, "{series}");
        };
        check("up", &[("__name__", "up")]);
        check("up{}", &[("__name__", "up")]);
        check("up { } ", &[("__name__", "up")]);
        check(":a:b{c=\"d\"}", &[("__name__", ":a:b"), ("c", "d")]);
        check("m{b=\"2\",a=\"1\"}", &[("__name__", "m"), ("a", "1"), ("b", "2")]);
        check("m{ b = \"2\" a = \"1\" , }", &[("__name__", "m"), ("a", "1"), ("b", "2")]);
        check("m{a=\"1\"b=\"2\"}", &[("__name__", "m"), ("a", "1"), ("b", "2")]);
        check("m{a=\"},{=\"}", &[("__name__", "m"), ("a", "},{=")]);
        check("m{a=\"\"}", &[("__name__", "m")]);
        check(r#"m{a="\\\"\n\t\q"}"#, &[("__name__", "m"), ("a", "\\\"\n\\t\\q")]);
        check(r#"m{a="\\n"}"#, &[("__name__", "m"), ("a", "\\n")]);
        check("m{a=\"x\0y\"}", &[("__name__", "m"), ("a", "x\0y")]);
        check("m{a=\"one\ntwo\"}", &[("__name__", "m"), ("a", "one\ntwo")]);
        check(r#"{"my.metric"}"#, &[("__name__", "my.metric")]);
        check(r#"{"my.metric",a="b"}"#, &[("__name__", "my.metric"), ("a", "b")]);
        check(r#"{ a="b", "my metric" }"#, &[("__name__", "my metric"), ("a", "b")]);
        check(r#"{"é\n\"","ß"="\\"}"#, &[("__name__", "é\n\""), ("ß", "\\")]);
        check(r#"m{"my.label"="x"}"#, &[("__name__", "m"), ("my.label", "x")]);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |series: &str, expected: &str| {
            assert_eq!(parse_series(series).unwrap_err().to_string(), expected, "{series}");
        };
        check("", "line 1, column 1: expected a metric name, found the end of the line");
        check("9m", "line 1, column 1: expected a metric name, found `9`");
        check("{}", "line 1, column 1: the metric has no name");
        check(r#"{a="b"}"#, "line 1, column 1: the metric has no name");
        check(r#"{"a","b"}"#, "line 1, column 6: the metric has a name already; a label needs `=` and a value");
        check(r#"m{"b"}"#, "line 1, column 3: the metric has a name already; a label needs `=` and a value");
        check(r#"{""}"#, "line 1, column 2: the metric's name is empty");
        check(r#"m{""="x"}"#, "line 1, column 3: a label's name is empty");
        check("m{,}", "line 1, column 3: expected a label name or `}`, found `,`");
        check(r#"m{a="b",,}"#, "line 1, column 9: expected a label name or `}`, found `,`");
        check("m{9=\"b\"}", "line 1, column 3: expected a label name or `}`, found `9`");
        check("m{a:b=\"c\"}", "line 1, column 4: expected `=` after the label name, found `:`");
        check("m{a}", "line 1, column 4: expected `=` after the label name, found `}`");
        check("m{a='b'}", "line 1, column 5: expected a label value in double quotes, found `'`");
        check("m{a=\"b\"", "line 1, column 8: expected a label name or `}`, found the end of the line");
        check("m{é=\"b\"}", "line 1, column 3: expected a label name or `}`, found `é`");
        check("m{a=\"é\" ü=\"b\"}", "line 1, column 9: expected a label name or `}`, found `ü`");
        check("m{a=\"b", "line 1, column 5: the quote opened here is never closed");
        check("m{a=\"b\\", "line 1, column 7: a backslash cannot stand at the end of a line");
        check("m{a\0=\"b\"}", "line 1, column 4: expected `=` after the label name, found a NUL byte");
        check("m{\"a\0\"=\"b\"}", "line 1, column 5: a NUL byte can only stand in a label's value");
        check("m{\"a\nb\"=\"c\"}", "line 1, column 3: the quote opened here is not closed on this line");
        check("m{a=\"1\n2\" =}", "line 2, column 4: expected a label name or `}`, found `=`");
        check("m{a=\"1\",b=\"2\",a=\"3\"}", "line 1, column 15: label `a` is there twice");
        check(r#"m{a="1","a"="2"}"#, "line 1, column 9: label `a` is there twice");
        check(r#"m{"a\\x"="1","a\x"="2"}"#, "line 1, column 14: label `a\\x` is there twice");
        check(r#"m{__name__="n"}"#, "line 1, column 3: label `__name__` is there twice");
        check(r#"{__name__="n","m"}"#, "line 1, column 15: label `__name__` is there twice");
        check("m{} 1", "line 1, column 5: expected the end of the series, found `1`");
    }

    #[test]
    fn a_name_behind_the_labels_is_not_taken_for_one_of_them() {
        for first in 'a'..='z' {
            for length in 0..20 {
                let series = format!("{{{first}{}=\"x\",\"m\"}}", "_".repeat(length));
                assert_eq!(parse_series(&series).map(|labels| labels.len()), Ok(2), "{series}");
            }
        }
    }

    #[test]
    fn labels_have_a_limit() {
        let series = |count: usize| {
            let labels: Vec<_> = (0..count).map(|n| format!("label_{n}=\"v\"")).collect();
            format!("m{{{}}}", labels.join(","))
        };
        assert_eq!(parse_series(&series(LABELS_MAX)).unwrap().len(), LABELS_MAX + 1);
        assert!(parse_series(&series(LABELS_MAX + 1)).unwrap_err().what.starts_with("more than 256 labels"));
    }
}
