//! The template language of alert annotations: Go's `text/template` with Prometheus's functions.
//!
//! What a rule author can get wrong is found at parse, with its place: an unknown function, a variable that does not
//! exist, a wrong number of arguments, and every part of the language that is not supported yet. What is left to go
//! wrong at expansion depends on data, and is an error with a place too. Text, numbers and their printing are Go's.

mod float;
mod functions;
mod host;
mod humanize;
mod interpret;
mod lexer;
mod parser;
mod printf;
mod value;

use crate::model::Labels;

/// So many bytes may a template have.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;

/// So many bytes may an expansion, or any value on the way to it, have.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// So deep may calls be nested, by parentheses and by pipes.
pub const DEPTH_MAX: usize = 100;

/// A parsed template. Two are the same when their sources are.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    nodes: Vec<parser::Node>,
}

/// What a template may speak of.
#[derive(Clone, Copy, Debug)]
pub struct TemplateData<'a> {
    /// `$labels`: the alert's labels, without its metric name.
    pub labels: &'a Labels,
    /// `$externalLabels`: what tells this daemon from its peers.
    pub external_labels: &'a Labels,
    /// `$externalURL`: where a person reaches this daemon.
    pub external_url: &'a str,
    /// `$value`: what the rule's expression gave.
    pub value: f64,
}

/// Why a text is not a template, or not one that we support.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct TemplateError {
    /// Line of the template, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
    /// What is wrong there.
    pub what: String,
    /// What the author could do.
    pub hint: Option<String>,
}

/// Why a template did not expand with this data. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct ExpandError {
    /// Line of the template, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
    /// What went wrong there.
    pub what: String,
}

impl Template {
    /// Parses a template.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let nodes = parser::parse(source).map_err(|trouble| {
            let (line, column) = place(source, trouble.at);
            TemplateError { line, column, what: trouble.what, hint: trouble.hint }
        })?;
        Ok(Self { source: source.to_owned(), nodes })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether there is no action in it, so that it expands to the same text whatever the data.
    pub fn is_constant(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, parser::Node::Text(_)))
    }

    /// The text for this data.
    pub fn expand(&self, data: &TemplateData<'_>) -> Result<String, ExpandError> {
        interpret::expand(&self.nodes, data).map_err(|failure| {
            let (line, column) = place(&self.source, failure.at);
            ExpandError { line, column, what: failure.what }
        })
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Template {}

/// What is wrong at a byte offset of the source.
#[derive(Debug)]
struct Trouble {
    at: usize,
    what: String,
    hint: Option<String>,
}

impl Trouble {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), hint: None }
    }

    fn unsupported(at: usize, what: &str) -> Self {
        Self::new(at, format!("{what} is not supported yet"))
    }

    fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

/// Line and column of a byte offset, both from 1, the column in characters.
fn place(source: &str, at: usize) -> (u32, u32) {
    let before = source.get(..at).unwrap_or(source);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (count(before.matches('\n').count() + 1), count(before[line_start..].chars().count() + 1))
}

/// A text as a one-line message shows it.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let mut shown: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(source: &str) -> Result<String, String> {
        let labels = Labels::from_pairs([("instance", "web-1:9100"), ("job", "node"), ("path", "a b\n\"c\"")]);
        let external_labels = Labels::from_pairs([("region", "eu")]);
        let external_url = "https://atalaya.example/x";
        let data =
            TemplateData { labels: &labels, external_labels: &external_labels, external_url, value: 1_234_567.5 };
        let template = Template::parse(source).map_err(|error| match &error.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        })?;
        template.expand(&data).map_err(|error| format!("expand: {error}"))
    }

    #[test]
    fn expands() {
        let check = |source: &str, expected: &str| assert_eq!(expand(source).as_deref(), Ok(expected), "{source}");
        check("", "");
        check("plain } text }} { é", "plain } text }} { é");
        check("{{ $labels.instance }} of {{ .Labels.job }}", "web-1:9100 of node");
        check("{{$labels.instance}}", "web-1:9100");
        check("{{ $.Labels.job }}", "node");
        check("[{{ $labels.missing }}]", "[]");
        check("{{ $labels }}", "map[instance:web-1:9100 job:node path:a b\n\"c\"]");
        check("{{ $externalLabels.region }}{{ .ExternalLabels.region }}", "eueu");
        check("{{ $externalURL }} {{ .ExternalURL }}", "https://atalaya.example/x https://atalaya.example/x");
        check("{{ $value }} {{ .Value }}", "1.2345675e+06 1.2345675e+06");
        check("{{ $value | printf \"%.2f\" }}", "1234567.50");
        check("{{ printf \"%s is %.1f\" $labels.job .Value }}", "node is 1234567.5");
        check("{{ printf \"%s\" $value }}", "%!s(float64=1.2345675e+06)");
        check("{{ printf \"%d\" 1.5 }}", "%!d(float64=1.5)");
        check("{{ humanize $value }} {{ $value | humanize1024 }}", "1.235M 1.177Mi");
        check("{{ $value | humanizeDuration }}", "14d 6h 56m 7s");
        check("{{ $labels.instance | stripPort | toUpper }}", "WEB-1");
        check("{{ printf \"%s\" ($labels.job | toUpper) }}", "NODE");
        check("{{ (((1))) }}", "1");
        check("{{ true }} {{ 1.0 }} {{ -3 }} {{ 1e3 }} {{ .5 }}", "true 1 -3 1000 0.5");
        check("{{ \"a\\t\\u00e9\\\"\" }}{{ `\\n}}` }}", "a\té\"\\n}}");
        check("a {{- 1 -}} b", "a1b");
        check("a\n\t {{- /* no */ -}} \n b", "ab");
        check("a {{/* }} */}} b", "a  b");
        check("{{-3}}", "-3");
        check("{{ printf\n\"%d\"\n1 }}", "1");
        check("{{ print 1 2 \"a\" \"b\" 3 }}", "1 2ab3");
        check("{{ println \"a\" 1 }}", "a 1\n");
        check("{{ index $labels \"job\" }}{{ index $labels \"none\" }}", "node");
        check("{{ len $labels }} {{ len \"é\" }}", "3 2");
        check("{{ urlquery $labels.path \"&\" }}", "a+b%0A%22c%22%26");
        check("{{ match \"^web\" $labels.instance }}", "true");
        check("{{ reReplaceAll \"(.*):.*\" \"$1!\" $labels.instance }}", "web-1!");
        check(
            "{{ eq $labels.job \"a\" \"node\" }} {{ ne 1 2 }} {{ lt 1.5 2.5 }} {{ ge \"a\" \"b\" }}",
            "true true true false",
        );
        check("{{ and 1 0 }} {{ or \"\" \"x\" }} {{ not true }} {{ and false (humanize \"x\") }}", "0 x false false");
        check("{{ externalURL }}{{ pathPrefix }}", "https://atalaya.example/x/x");
        check("{{ printf \"%s\" externalURL }}", "https://atalaya.example/x");
    }

    #[test]
    fn refuses_with_a_place() {
        let check = |source: &str, expected: &str| assert_eq!(expand(source).unwrap_err(), expected, "{source}");
        check("{{ range . }}x{{ end }}", "line 1, column 4: `range` is not supported yet");
        check("é\n {{- if true }}", "line 2, column 6: `if` is not supported yet");
        check("{{ end }}", "line 1, column 4: `end` is not supported yet");
        check("{{ $x := 1 }}", "line 1, column 7: setting a variable is not supported yet");
        check("{{ query \"up\" | first }}", "line 1, column 4: `query` is not supported yet");
        check("{{ 'a' }}", "line 1, column 4: a character constant is not supported yet");
        check("{{ ($labels).job }}", "line 1, column 13: a field of a parenthesised value is not supported yet");
        check("{{ . }}", "line 1, column 4: `.` alone is not supported yet");
        check("{{ 0x10 }}", "line 1, column 4: a number like `0x10` is not supported yet");
        check("{{ 010 }}", "line 1, column 4: a number like `010` is not supported yet");
        check("{{ printf \"%[1]d\" 1 }}", "line 1, column 11: an argument index in a format is not supported yet");
        check("{{ humanise $value }}", "line 1, column 4: there is no function `humanise` (did you mean `humanize`?)");
        check("{{ frobnicate }}", "line 1, column 4: there is no function `frobnicate`");
        check("{{ labels.job }}", "line 1, column 4: there is no function `labels` (did you mean `$labels`?)");
        check("{{ $label.job }}", "line 1, column 4: there is no variable `$label` (did you mean `$labels`?)");
        check(
            "{{ .Foo }}",
            "line 1, column 4: there is no field `.Foo` (there are `.Labels`, `.ExternalLabels`, `.ExternalURL` and `.Value`)",
        );
        check("{{ .labels.job }}", "line 1, column 4: there is no field `.labels` (did you mean `.Labels`?)");
        check("{{ $value.x }}", "line 1, column 4: `$value` has no fields");
        check("{{ $labels.job.x }}", "line 1, column 4: `$labels.job` has no fields");
        check("a {{ $value", "line 1, column 3: this `{{` is never closed by `}}`");
        check("{{", "line 1, column 1: this `{{` is never closed by `}}`");
        check("{{ \"a }}", "line 1, column 4: this string is never closed");
        check("{{ `a }}", "line 1, column 4: this string is never closed");
        check("{{/* a }}", "line 1, column 1: this comment is never closed by `*/}}`");
        check("{{/* a */ 1 }}", "line 1, column 1: a comment cannot share its braces with anything else");
        check("{{ /* a */}}", "line 1, column 4: a comment must follow its `{{` directly");
        check("{{ }}", "line 1, column 1: there is nothing between these braces");
        check("{{ 1 | }}", "line 1, column 6: nothing follows this `|`");
        check("{{ | 1 }}", "line 1, column 4: nothing precedes this `|`");
        check("{{ () }}", "line 1, column 4: there is nothing between these parentheses");
        check("{{ (1 }}", "line 1, column 4: this `(` is never closed");
        check("{{ 1) }}", "line 1, column 5: this `)` closes nothing");
        check("{{ 1 2 }}", "line 1, column 4: `1` is not a function and takes no arguments");
        check("{{ 1 | 2 }}", "line 1, column 8: `2` is not a function, so nothing can be piped into it");
        check("{{ 1\"a\" }}", "line 1, column 5: expected a space, `|`, `)` or `}}` before `\"`");
        check("{{ humanize(1) }}", "line 1, column 12: expected a space, `|`, `)` or `}}` before `(`");
        check("{{\u{a0}1 }}", "line 1, column 3: unexpected character U+00A0 (use plain spaces)");
        check("{{ % }}", "line 1, column 4: unexpected character `%`");
        check("{{ 1x }}", "line 1, column 4: `1x` is not a number");
        check("{{ 99999999999999999999 }}", "line 1, column 4: `99999999999999999999` is too big for a whole number");
        check("{{ \"\\q\" }}", "line 1, column 5: unknown escape `\\q` (use `\\\\` for a backslash)");
        check("{{ humanize }}", "line 1, column 4: `humanize` takes 1 argument, not 0");
        check("{{ humanize 1 2 }}", "line 1, column 4: `humanize` takes 1 argument, not 2");
        check("{{ 1 | match \"a\" \"b\" }}", "line 1, column 8: `match` takes 2 arguments, not 3");
        check("{{ eq 1 }}", "line 1, column 4: `eq` takes at least 2 arguments, not 1");
        check("{{ match \"(\" \"b\" }}", "line 1, column 10: `(` is not a regular expression: unclosed group");
    }

    #[test]
    fn fails_with_a_place_in_one_line() {
        let check = |source: &str, expected: &str| assert_eq!(expand(source).unwrap_err(), expected, "{source}");
        check("{{ humanize \"a\\nb\" }}", "expand: line 1, column 4: `humanize`: `a\\nb` is not a number");
        check("\n{{ 1 | toUpper }}", "expand: line 2, column 8: `toUpper`: wants a string, not the int `1`");
        check("{{ eq $value 1 }}", "expand: line 1, column 4: `eq`: cannot compare float64 with int");
        check("{{ lt true false }}", "expand: line 1, column 4: `lt`: cannot order bool");
        check(
            "{{ index \"abc\" 1 }}",
            "expand: line 1, column 4: `index`: wants a map and a string, not string and int",
        );
        check(
            "{{ match $labels.path \"(\" }}{{ match (print \"(\") \"\" }}",
            "expand: line 1, column 32: `match`: `(` is not a regular expression: unclosed group",
        );
        check(
            "{{ 1e10 | humanizeTimestamp }}",
            "expand: line 1, column 11: `humanizeTimestamp`: 1e+10 cannot be represented as a nanoseconds timestamp since it overflows int64",
        );
    }

    #[test]
    fn is_bounded() {
        let check = |source: &str, expected: &str| {
            let error = expand(source).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let (open, close) = ("(".repeat(100_000), ")".repeat(100_000));
        check(&"x".repeat(SOURCE_BYTES_MAX + 1), "the template has more than 65536 bytes");
        check(&format!("{{{{ {}1{} }}}}", &open[..30_000], &close[..30_000]), "nested more than 100 deep");
        check(&format!("{{{{ 1 {} }}}}", "| print ".repeat(101)), "nested more than 100 deep");
        check(&format!("{{{{ {open}1{close} }}}}"), "the template has more than 65536 bytes");
        check(&"{{ printf \"%1000d\" 1 }}".repeat(100), "makes more than 65536 bytes");
        check(
            &format!("{{{{ printf \"{}\" {} }}}}", "%1000d".repeat(100), "1 ".repeat(100)),
            "makes more than 65536 bytes",
        );
        check("{{ printf \"%999999999d\" 1 }}", "width or precision of more than 1000");
        let long = "x".repeat(1000);
        check(&format!("{{{{ reReplaceAll \"x\" \"{long}\" \"{long}\" }}}}"), "makes more than 65536 bytes");
        let shallow = format!("{{{{ {}1{} }}}}", "(".repeat(99), ")".repeat(99));
        assert_eq!(expand(&shallow).as_deref(), Ok("1"));
        assert_eq!(expand(&"x".repeat(SOURCE_BYTES_MAX)).map(|text| text.len()), Ok(SOURCE_BYTES_MAX));
    }

    #[test]
    fn knows_when_it_is_constant() {
        assert!(Template::parse("plain").unwrap().is_constant());
        assert!(Template::parse("a{{/* b */}}").unwrap().is_constant());
        assert!(!Template::parse("{{ $value }}").unwrap().is_constant());
    }
}
