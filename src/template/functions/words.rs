//! Texts: printing, case, patterns, escapes.

use regex::Regex;

use crate::model::escape_query;

use super::super::interpret::Fault;
use super::super::value::Value;
use super::super::{print as printing, printf as formats};
use super::{Call, pattern};

/// So many steps a pattern costs that is not written out but made by the template.
const PATTERN_STEPS: usize = 500;

pub(super) fn print(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = printed(call, arguments)?;
    Ok(call.machine.made(text)?)
}

/// The arguments as `print` prints them.
fn printed(call: &Call<'_, '_>, arguments: &[Value]) -> Result<String, String> {
    let mut output = call.machine.scratch();
    printing::print(&mut output, arguments)?;
    Ok(output.into_text())
}

pub(super) fn println(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let mut output = call.machine.scratch();
    printing::print_line(&mut output, arguments)?;
    Ok(call.machine.made(output.into_text())?)
}

pub(super) fn printf(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let mut output = call.machine.scratch();
    formats::print(&mut output, arguments[0].as_text()?, &arguments[1..])?;
    Ok(call.machine.made(output.into_text())?)
}

/// Changes the text of the only argument.
pub(super) fn changed(
    call: &mut Call<'_, '_>,
    arguments: &[Value],
    change: impl Fn(&str) -> String,
) -> Result<Value, Fault> {
    Ok(call.machine.made(change(arguments[0].as_text()?))?)
}

pub(super) fn to_lower(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, str::to_lowercase)
}

pub(super) fn to_upper(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, str::to_uppercase)
}

pub(super) fn title(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, titled)
}

pub(super) fn safe_html(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let not_text = || arguments[0].not_a("a string");
    Ok(Value::Html(arguments[0].get_text().cloned().ok_or_else(not_text)?))
}

/// The pattern of the first argument; one that is not written out costs.
fn compiled(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Regex, String> {
    if let Some(pattern) = call.pattern {
        return Ok(pattern.clone());
    }
    call.machine.spend(PATTERN_STEPS)?;
    pattern(arguments[0].as_text()?)
}

pub(super) fn matches(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let pattern = compiled(call, arguments)?;
    Ok(Value::Bool(pattern.is_match(arguments[1].as_text()?)))
}

/// Replaces what matches; `$1` and `${name}` in the replacement stand for what a group matched.
pub(super) fn replace_all(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let pattern = compiled(call, arguments)?;
    let (replacement, text) = (arguments[1].as_text()?, arguments[2].as_text()?);
    let mut output = call.machine.scratch();
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
    Ok(call.machine.made(output.into_text())?)
}

pub(super) fn html(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = printed(call, arguments)?;
    Ok(call.machine.made(escape_html(&text))?)
}

pub(super) fn js(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = printed(call, arguments)?;
    Ok(call.machine.made(escape_js(&text))?)
}

pub(super) fn url_query(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = printed(call, arguments)?;
    Ok(call.machine.made(escape_query(&text))?)
}

pub(super) fn url_query_escape(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, escape_query)
}

/// With the first letter of each word in upper case.
fn titled(text: &str) -> String {
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

/// As text of an HTML page.
pub(in crate::template) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => escaped.push('\u{fffd}'),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// As text between the quotes of a JavaScript string.
fn escape_js(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => escaped.extend(['\\', c]),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => escaped.push_str(&format!("\\u{:04X}", u32::from(c))),
            _ if !c.is_ascii() && (c.is_control() || c.is_whitespace()) => {
                escaped.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_words() {
        let check = |text: &str, expected: &str| assert_eq!(titled(text), expected);
        check("aa bb CC", "Aa Bb CC");
        check("a-b_c d.e", "A-B_c D.E");
        check("élan 1st", "Élan 1st");
    }

    #[test]
    fn escapes() {
        assert_eq!(escape_html("<a b='c'>&\"\0"), "&lt;a b=&#39;c&#39;&gt;&amp;&#34;\u{fffd}");
        assert_eq!(escape_js("'<a=\"\\\n\u{a0}é"), "\\'\\u003Ca\\u003D\\\"\\\\\\u000A\\u00A0é");
    }
}
