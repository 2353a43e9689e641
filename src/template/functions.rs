//! The functions that actions may call: a row in [`FUNCTIONS`] each.

use std::cmp::Ordering;
use std::fmt;

use regex::Regex;

use crate::model::go_regex;

use super::value::{Output, Value};
use super::{TemplateData, host, humanize, printf, shown};

/// A function as templates call it.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) arguments_min: usize,
    pub(super) arguments_max: usize,
    pub(super) body: Body,
}

/// How a function gets its value.
pub(super) enum Body {
    /// From the values of all its arguments, whose number is right.
    Plain(Run),
    /// The first false argument, or the last.
    And,
    /// The first true argument, or the last.
    Or,
}

type Run = for<'d> fn(&[Value<'d>], &TemplateData<'d>) -> Result<Value<'d>, String>;

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn plain(name: &'static str, arguments: usize, run: Run) -> Function {
    Function { name, arguments_min: arguments, arguments_max: arguments, body: Body::Plain(run) }
}

const fn variadic(name: &'static str, arguments_min: usize, body: Body) -> Function {
    Function { name, arguments_min, arguments_max: usize::MAX, body }
}

/// All functions, by name.
static FUNCTIONS: &[Function] = &[
    variadic("and", 1, Body::And),
    variadic("eq", 2, Body::Plain(eq)),
    plain("externalURL", 0, |_, data| Ok(Value::text(data.external_url))),
    plain("ge", 2, |arguments, _| ordered(arguments, Ordering::is_ge)),
    plain("graphLink", 1, |arguments, _| Ok(Value::text(link(arguments[0].as_text()?, 0)))),
    plain("gt", 2, |arguments, _| ordered(arguments, Ordering::is_gt)),
    plain("humanize", 1, |arguments, _| number(arguments, humanize::humanize)),
    plain("humanize1024", 1, |arguments, _| number(arguments, humanize::humanize_1024)),
    plain("humanizeDuration", 1, |arguments, _| number(arguments, humanize::humanize_duration)),
    plain("humanizePercentage", 1, |arguments, _| number(arguments, humanize::humanize_percentage)),
    plain("humanizeTimestamp", 1, |arguments, _| {
        humanize::humanize_timestamp(arguments[0].as_number()?).map(Value::text)
    }),
    plain("index", 2, index),
    plain("le", 2, |arguments, _| ordered(arguments, Ordering::is_le)),
    plain("len", 1, length),
    plain("lt", 2, |arguments, _| ordered(arguments, Ordering::is_lt)),
    plain("match", 2, |arguments, _| {
        Ok(Value::Bool(pattern(arguments[0].as_text()?)?.is_match(arguments[1].as_text()?)))
    }),
    plain("ne", 2, |arguments, _| Ok(Value::Bool(!arguments[0].equals(&arguments[1])?))),
    plain("not", 1, |arguments, _| Ok(Value::Bool(!arguments[0].is_true()))),
    variadic("or", 1, Body::Or),
    plain("pathPrefix", 0, |_, data| Ok(Value::text(path_of(data.external_url)))),
    variadic("print", 0, Body::Plain(|arguments, _| print(arguments).map(Value::text))),
    variadic(
        "printf",
        1,
        Body::Plain(|arguments, _| printf::print(arguments[0].as_text()?, &arguments[1..]).map(Value::text)),
    ),
    variadic("println", 0, Body::Plain(|arguments, _| print_line(arguments).map(Value::text))),
    plain("reReplaceAll", 3, replace_all),
    plain("stripDomain", 1, |arguments, _| text(arguments, host::strip_domain)),
    plain("stripPort", 1, |arguments, _| text(arguments, |host| host::strip_port(host).to_owned())),
    plain("tableLink", 1, |arguments, _| Ok(Value::text(link(arguments[0].as_text()?, 1)))),
    plain("title", 1, |arguments, _| text(arguments, title)),
    plain("toLower", 1, |arguments, _| text(arguments, str::to_lowercase)),
    plain("toUpper", 1, |arguments, _| text(arguments, str::to_uppercase)),
    plain("urlQueryEscape", 1, |arguments, _| text(arguments, escape_query)),
    variadic("urlquery", 0, Body::Plain(|arguments, _| print(arguments).map(|text| Value::text(escape_query(&text))))),
];

/// What Prometheus's templates can call and ours cannot yet.
const OF_PROMETHEUS: &[&str] = &[
    "args",
    "call",
    "first",
    "html",
    "js",
    "label",
    "now",
    "parseDuration",
    "query",
    "safeHtml",
    "slice",
    "sortByLabel",
    "strvalue",
    "tmpl",
    "toDuration",
    "toTime",
    "value",
];

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The names of all functions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

/// Whether Prometheus has a function of this name that is missing here.
pub(super) fn is_of_prometheus(name: &str) -> bool {
    OF_PROMETHEUS.contains(&name)
}

/// A regular expression as templates use it: not anchored.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    go_regex(text).map_err(|error| {
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`{}` is not a regular expression: {why}", shown(text))
    })
}

fn number<'d>(arguments: &[Value<'d>], print: impl Fn(f64) -> String) -> Result<Value<'d>, String> {
    Ok(Value::text(print(arguments[0].as_number()?)))
}

fn text<'d>(arguments: &[Value<'d>], change: impl Fn(&str) -> String) -> Result<Value<'d>, String> {
    Ok(Value::text(change(arguments[0].as_text()?)))
}

/// Whether the first equals any of the others.
fn eq<'d>(arguments: &[Value<'d>], _: &TemplateData<'d>) -> Result<Value<'d>, String> {
    for other in &arguments[1..] {
        if arguments[0].equals(other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn ordered<'d>(arguments: &[Value<'d>], holds: impl Fn(Ordering) -> bool) -> Result<Value<'d>, String> {
    Ok(Value::Bool(arguments[0].order(&arguments[1])?.is_some_and(holds)))
}

fn index<'d>(arguments: &[Value<'d>], _: &TemplateData<'d>) -> Result<Value<'d>, String> {
    match arguments {
        [Value::Map(labels), Value::Text(name)] => Ok(Value::text(labels.get(name))),
        [of, by, ..] => Err(format!("wants a map and a string, not {} and {}", of.type_name(), by.type_name())),
        _ => Err("wants a map and a string".to_owned()),
    }
}

fn length<'d>(arguments: &[Value<'d>], _: &TemplateData<'d>) -> Result<Value<'d>, String> {
    let length = match &arguments[0] {
        Value::Text(text) => text.len(),
        Value::Map(labels) => labels.len(),
        other => return Err(format!("a {} has no length", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// As Go's `Sprint`: with a space between two arguments if neither is a string.
fn print(arguments: &[Value<'_>]) -> Result<String, String> {
    let mut output = Output::default();
    for (at, argument) in arguments.iter().enumerate() {
        let is_text = |value: &Value<'_>| matches!(value, Value::Text(_));
        if at > 0 && !is_text(argument) && !is_text(&arguments[at - 1]) {
            output.push(" ")?;
        }
        output.push(&argument.print())?;
    }
    Ok(output.into_text())
}

/// As Go's `Sprintln`: with a space between all arguments and a newline at the end.
fn print_line(arguments: &[Value<'_>]) -> Result<String, String> {
    let mut output = Output::default();
    for (at, argument) in arguments.iter().enumerate() {
        output.push(if at > 0 { " " } else { "" })?;
        output.push(&argument.print())?;
    }
    output.push("\n")?;
    Ok(output.into_text())
}

/// Replaces what matches; `$1` and `${name}` in the replacement stand for what a group matched.
fn replace_all<'d>(arguments: &[Value<'d>], _: &TemplateData<'d>) -> Result<Value<'d>, String> {
    let pattern = pattern(arguments[0].as_text()?)?;
    let (replacement, text) = (arguments[1].as_text()?, arguments[2].as_text()?);
    let mut output = Output::default();
    let mut from = 0;
    for found in pattern.captures_iter(text) {
        let whole = found.get_match();
        output.push(&text[from..whole.start()])?;
        let mut expanded = String::new();
        found.expand(replacement, &mut expanded);
        output.push(&expanded)?;
        from = whole.end();
    }
    output.push(&text[from..])?;
    Ok(Value::text(output.into_text()))
}

/// With the first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            titled.push(c);
        } else {
            titled.extend(c.to_uppercase());
        }
        in_word = c == '_' || c.is_alphanumeric() || (!c.is_ascii() && !c.is_whitespace());
    }
    titled
}

/// As a value in the query of a URL.
fn escape_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The path of Prometheus's page for an expression.
fn link(expression: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", escape_query(expression))
}

/// The path of a URL.
fn path_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = behind_scheme.find('/').map_or("", |slash| &behind_scheme[slash..]);
    path.find(['?', '#']).map_or(path, |end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_apart_from_what_is_missing() {
        let names: Vec<_> = names().collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(OF_PROMETHEUS.is_sorted());
        assert!(names.iter().all(|name| !is_of_prometheus(name)));
    }

    #[test]
    fn titles_words() {
        let check = |text: &str, expected: &str| assert_eq!(title(text), expected);
        check("aa bb CC", "Aa Bb CC");
        check("a-b_c d.e", "A-B_c D.E");
        check("élan 1st", "Élan 1st");
    }

    #[test]
    fn escapes_queries() {
        assert_eq!(escape_query("up{job=\"é\"} + 1~"), "up%7Bjob%3D%22%C3%A9%22%7D+%2B+1~");
        assert_eq!(link("up", 1), "/graph?g0.expr=up&g0.tab=1");
    }

    #[test]
    fn finds_the_path_of_a_url() {
        let check = |url: &str, expected: &str| assert_eq!(path_of(url), expected, "{url}");
        check("http://testhost:9090/path/prefix", "/path/prefix");
        check("http://testhost:9090", "");
        check("https://h/?q=/x", "/");
        check("https://h/a#b", "/a");
    }

    #[test]
    fn replaces_with_groups() {
        let data = TemplateData {
            labels: &crate::model::Labels::empty(),
            external_labels: &crate::model::Labels::empty(),
            external_url: "",
            value: 0.0,
        };
        let check = |pattern: &'static str, by: &'static str, text: &'static str, expected: &str| {
            let replaced = replace_all(&[Value::text(pattern), Value::text(by), Value::text(text)], &data);
            assert_eq!(replaced.unwrap().print(), expected);
        };
        check("(a)b", "x$1", "ab", "xa");
        check("b*", "-", "abc", "-a-c-");
        check("(?P<n>.)", "${n}$n_", "ab", "ab");
        check("a", "$$", "aa", "$$");
    }
}
