//! OpenMetrics 1.0 as text: stricter than the text format, with seconds for timestamps, exemplars, and an end mark.
//!
//! One space stands between tokens and none elsewhere, no line is blank, and the last line is `# EOF`, so that a page that
//! broke off is not taken for a whole one. Exemplars and units are checked and skipped. A `…_created` line is handed out like any
//! other sample; whoever takes the page in leaves it out.

use super::number::parse_value;
use super::scanner::{not_a_value, shown};
use super::series::{Cursor, Parts};
use super::{Entry, Line, MetricKind, Trouble};
use crate::model::Timestamp;

/// What a line turned out to be.
pub(super) enum Read<'a> {
    /// Something to hand out.
    Entry(Entry<'a>),
    /// A help text or a unit.
    Nothing,
    /// The end mark.
    End,
}

/// Reads one line.
pub(super) fn read_line<'a>(cursor: &mut Cursor<'a>, parts: &mut Parts, number: u32) -> Result<Read<'a>, Trouble> {
    match cursor.peek() {
        b'#' => metadata(cursor),
        b'\n' => Err(Trouble::new(cursor.at, "a blank line, which OpenMetrics does not allow")),
        b' ' | b'\t' => Err(Trouble::new(cursor.at, "a line of OpenMetrics does not begin with a space")),
        _ => sample(cursor, parts, number).map(|line| Read::Entry(Entry::Sample(line))),
    }
}

fn sample<'a>(cursor: &mut Cursor<'a>, parts: &mut Parts, number: u32) -> Result<Line<'a>, Trouble> {
    let start = cursor.at;
    cursor.strict_series(parts)?;
    let series = cursor.slice(start, cursor.at);
    behind_series(cursor, parts, series, number)
}

/// Reads what comes behind the series.
pub(super) fn behind_series<'a>(
    cursor: &mut Cursor<'a>,
    parts: &mut Parts,
    series: &'a str,
    number: u32,
) -> Result<Line<'a>, Trouble> {
    let value = number_after_space(cursor, "value", "after the series")?;
    let mut at = None;
    if cursor.peek() == b' ' && !cursor.rest().starts_with(b" # ") {
        at = Some(timestamp(cursor)?);
    }
    if cursor.rest().starts_with(b" # ") {
        cursor.at += b" # ".len();
        exemplar(cursor, parts)?;
    }
    if cursor.peek() != b'\n' {
        return Err(cursor.expected("the end of the line, or ` # ` and an exemplar"));
    }
    Ok(Line { series, value, at, number })
}

/// Reads the labels, the value and perhaps the time of an exemplar.
fn exemplar(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Trouble> {
    cursor.strict_labels_alone(parts)?;
    number_after_space(cursor, "value", "after the labels of the exemplar")?;
    if cursor.peek() == b' ' {
        timestamp(cursor)?;
    }
    Ok(())
}

/// Reads a space and a number.
fn number_after_space(cursor: &mut Cursor<'_>, what: &str, place: &str) -> Result<f64, Trouble> {
    let (token, start) = token_after_space(cursor, what, place)?;
    parse_value(token.as_bytes()).map_err(|why| not_a_value(token, start, why))
}

/// Reads a space and a time in seconds. Milliseconds are kept, as Prometheus keeps them.
fn timestamp(cursor: &mut Cursor<'_>) -> Result<Timestamp, Trouble> {
    let (token, start) = token_after_space(cursor, "timestamp", "behind the value")?;
    let bad = |why: &str| Trouble::new(start, format!("the timestamp `{}` {why}", shown(token)));
    let seconds = parse_value(token.as_bytes()).map_err(bad)?;
    if !seconds.is_finite() {
        return Err(bad("is not a moment"));
    }
    let ms = seconds * 1000.0;
    // Further than this no float counts single milliseconds.
    const MS_MAX: f64 = 9_007_199_254_740_992.0;
    if ms.abs() > MS_MAX {
        return Err(bad("is too far away: it is in seconds"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is within 2^53, and is cut as Prometheus cuts it")]
    Ok(Timestamp::from_millis(ms as i64))
}

fn token_after_space<'a>(cursor: &mut Cursor<'a>, what: &str, place: &str) -> Result<(&'a str, usize), Trouble> {
    if cursor.peek() != b' ' {
        return Err(cursor.expected(&format!("one space and a {what} {place}")));
    }
    cursor.at += 1;
    let start = cursor.at;
    while !matches!(cursor.peek(), b' ' | b'\n') {
        cursor.at += 1;
    }
    if cursor.at == start {
        return Err(cursor.expected(&format!("a {what} {place}")));
    }
    Ok((cursor.slice(start, cursor.at), start))
}

/// Reads a line that starts with `#`.
fn metadata<'a>(cursor: &mut Cursor<'a>) -> Result<Read<'a>, Trouble> {
    let start = cursor.at;
    if cursor.rest() == b"# EOF" {
        return Ok(Read::End);
    }
    let keyword = match cursor.rest() {
        [b'#', b' ', b'T', b'Y', b'P', b'E', b' ', ..] => "TYPE",
        [b'#', b' ', b'H', b'E', b'L', b'P', b' ', ..] => "HELP",
        [b'#', b' ', b'U', b'N', b'I', b'T', b' ', ..] => "UNIT",
        _ => {
            let what = "expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`: OpenMetrics has no other comments";
            return Err(Trouble::new(start, what));
        }
    };
    cursor.at += keyword.len() + 3;
    let name = match cursor.peek() {
        b'"' => Some(cursor.quoted_name()?),
        _ => cursor.metric_name(),
    };
    let Some(name) = name else {
        return Err(cursor.expected(&format!("a metric name after {keyword}")));
    };
    if cursor.peek() != b' ' {
        return Err(cursor.expected(&format!("one space and the text of {keyword}")));
    }
    cursor.at += 1;
    let (at, rest) = (cursor.at, cursor.slice(cursor.at, cursor.end));
    match keyword {
        "TYPE" => {
            let kind = MetricKind::named_in_openmetrics(rest).ok_or_else(|| unknown_kind(rest, at))?;
            Ok(Read::Entry(Entry::Type { name: name.unescaped(cursor.page()), kind }))
        }
        "UNIT" => {
            let name = name.unescaped(cursor.page());
            let is_suffix = name.strip_suffix(rest).is_some_and(|before| before.len() > 1 && before.ends_with('_'));
            if !rest.is_empty() && !is_suffix {
                let what = format!("the unit `{}` is not the end of the name `{}`", shown(rest), shown(&name));
                return Err(Trouble::new(at, what));
            }
            Ok(Read::Nothing)
        }
        _ => Ok(Read::Nothing),
    }
}

#[cold]
fn unknown_kind(kind: &str, at: usize) -> Trouble {
    let known = "counter, gauge, histogram, gaugehistogram, summary, info, stateset and unknown";
    Trouble::new(at, format!("`{}` is not a metric type; there are {known}", shown(kind)))
}

#[cfg(test)]
mod tests {
    use crate::exposition::{Entry, Line, Malformed, Scanner};

    fn read(page: &str) -> Vec<String> {
        let show = |entry: Result<Entry<'_>, Malformed>| match entry {
            Ok(Entry::Sample(Line { series, value, at, number })) => {
                let at = at.map_or(String::new(), |at| format!(" @{}", at.millis()));
                format!("{number}: {series} = {value}{at}")
            }
            Ok(Entry::Type { name, kind }) => format!("TYPE {name} {kind:?}"),
            Err(error) => format!("! {error}"),
        };
        Scanner::openmetrics(page).map(show).collect()
    }

    #[test]
    fn reads_pages() {
        let check = |lines: &str, expected: &[&str]| {
            for end in ["# EOF", "# EOF\n"] {
                assert_eq!(read(&format!("{lines}{end}")), expected, "{lines}");
            }
        };
        check("", &[]);
        check("a 1\nb 2 1.5\n", &["1: a = 1", "2: b = 2 @1500"]);
        check("a{b=\"c\",d=\"e\",} 1\n", &["1: a{b=\"c\",d=\"e\",} = 1"]);
        check("{\"a.b\",\"c d\"=\"e\"} 1e3\n", &["1: {\"a.b\",\"c d\"=\"e\"} = 1000"]);
        check("a{b=\"# no comment\"} NaN -1\n", &["1: a{b=\"# no comment\"} = NaN @-1000"]);
        check("a_total 1 # {} 0.5\n", &["1: a_total = 1"]);
        check("a_total 1 2 # {id=\"x\",} 0.5 1.25\n", &["1: a_total = 1 @2000"]);
        check("a_total 1 # {\"i.d\"=\"x # {\"} 0.5\n", &["1: a_total = 1"]);
        check(
            "# TYPE a gaugehistogram\n# UNIT a_bytes bytes\n# UNIT a \n# HELP a \n# HELP a b\n",
            &["TYPE a GaugeHistogram"],
        );
        check("# TYPE \"a.b\" unknown\n", &["TYPE a.b Untyped"]);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |lines: &str, expected: &str| {
            assert_eq!(read(&format!("{lines}\n# EOF\n"))[0], format!("! {expected}"), "{lines}");
        };
        check("a  1", "line 1, column 3: expected a value after the series, found ` `");
        check("a\t1", "line 1, column 2: expected one space and a value after the series, found `\\t`");
        check("a{b=\"c\"}1", "line 1, column 9: expected one space and a value after the series, found `1`");
        check("a 1 ", "line 1, column 5: expected a timestamp behind the value, found the end of the line");
        check("a 1 1z", "line 1, column 5: the timestamp `1z` is not a number");
        check("a 1 Inf", "line 1, column 5: the timestamp `Inf` is not a moment");
        check("a 1 1e300", "line 1, column 5: the timestamp `1e300` is too far away: it is in seconds");
        check("a 1 2 3", "line 1, column 6: expected the end of the line, or ` # ` and an exemplar, found ` `");
        check(
            "a 1 # {b=\"c\"}",
            "line 1, column 14: expected one space and a value after the labels of the exemplar, found the end of the line",
        );
        check("a 1 # x", "line 1, column 7: expected the labels of an exemplar in braces, found `x`");
        check("a{ b=\"c\"} 1", "line 1, column 3: expected a label name or `}`, found ` `");
        check("a{b =\"c\"} 1", "line 1, column 4: expected `=` after the label name, found ` `");
        check("a{b=\"c\"d=\"e\"} 1", "line 1, column 8: expected `,` or `}` after a label, found `d`");
        check("a{b=\"c\",,} 1", "line 1, column 9: expected a label name or `}`, found `,`");
        check("a{b=\"c\nd\"} 1", "line 1, column 5: the quote opened here is not closed on this line");
        check("{b=\"c\"} 1", "line 1, column 1: the metric has no name");
        check(" a 1", "line 1, column 1: a line of OpenMetrics does not begin with a space");
        check("\na 1", "line 1, column 1: a blank line, which OpenMetrics does not allow");
        check(
            "#TYPE a gauge",
            "line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`: OpenMetrics has no other comments",
        );
        check(
            "# TYPE a untyped",
            "line 1, column 10: `untyped` is not a metric type; there are counter, gauge, histogram, gaugehistogram, summary, info, stateset and unknown",
        );
        check("# TYPE a", "line 1, column 9: expected one space and the text of TYPE, found the end of the line");
        check("# UNIT a_bytes seconds", "line 1, column 16: the unit `seconds` is not the end of the name `a_bytes`");
        check("# UNIT bytes bytes", "line 1, column 14: the unit `bytes` is not the end of the name `bytes`");
    }

    #[test]
    fn the_end_is_marked() {
        let check = |page: &str, expected: &[&str]| assert_eq!(read(page), expected, "{page}");
        let cut = "! line 2, column 1: the page does not end with `# EOF`: it may have been cut off";
        check("a 1\n", &["1: a = 1", cut]);
        check("", &["! line 1, column 1: the page does not end with `# EOF`: it may have been cut off"]);
        let after = "! line 2, column 1: there is something behind `# EOF`";
        check("# EOF\na 1", &[after]);
        check("# EOF\n\n", &[after]);
    }
}
