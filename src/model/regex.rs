//! Go's regular expressions, as far as they differ from those of the `regex` crate.
//!
//! Both are RE2's. But in Go `\d`, `\w`, `\s` and `\b` know ASCII alone, and a brace that begins no repetition is a brace.

use regex::{Error, Regex};

/// Compiles a pattern as Go would, anchored at both ends; `.` matches line breaks too, as in Prometheus's matchers.
pub fn anchored_regex(pattern: &str) -> Result<Regex, Error> {
    Regex::new(&format!("^(?s:{})$", translated(pattern)))
}

/// Compiles a pattern as Go would; it may match anywhere.
pub fn go_regex(pattern: &str) -> Result<Regex, Error> {
    Regex::new(&translated(pattern))
}

/// The pattern in the words of the `regex` crate.
fn translated(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    // Inside brackets, and whether something has been said there yet: a `]` at once is a bracket.
    let mut class: Option<bool> = None;
    while let Some(c) = rest.next() {
        match (c, class) {
            ('\\', _) => escape(&mut text, rest.next(), class.is_some()),
            ('[', None) => {
                text.push('[');
                if let Some(after) = rest.as_str().strip_prefix('^') {
                    text.push('^');
                    rest = after.chars();
                }
                class = Some(false);
                continue;
            }
            (']', Some(true)) => {
                text.push(']');
                class = None;
            }
            (']', Some(false)) => text.push_str("\\]"),
            // Nested classes and set operations are the crate's own; in Go these are plain characters, but for `[:alpha:]`.
            ('[', Some(_)) if rest.as_str().starts_with(':') => text.push('['),
            ('[' | '&' | '~', Some(_)) => text.extend(['\\', c]),
            ('{', None) if !begins_repetition(rest.as_str()) => text.push_str("\\{"),
            (other, _) => text.push(other),
        }
        class = class.map(|_| true);
    }
    text
}

fn escape(text: &mut String, letter: Option<char>, in_class: bool) {
    let ascii = match (letter, in_class) {
        (Some('d'), false) => "[0-9]",
        (Some('D'), false) => "[^0-9]",
        (Some('w'), false) => "[0-9A-Za-z_]",
        (Some('W'), false) => "[^0-9A-Za-z_]",
        (Some('s'), false) => r"[\t\n\f\r ]",
        (Some('S'), false) => r"[^\t\n\f\r ]",
        (Some('b'), false) => r"(?-u:\b)",
        (Some('d'), true) => "0-9",
        (Some('w'), true) => "0-9A-Za-z_",
        (Some('s'), true) => r"\t\n\f\r ",
        _ => "",
    };
    match (ascii, letter) {
        ("", Some(letter)) => text.extend(['\\', letter]),
        ("", None) => text.push('\\'),
        (ascii, _) => text.push_str(ascii),
    }
}

/// Whether what follows a brace makes it a repetition: `3}`, `3,}` or `3,5}`.
fn begins_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go_does() {
        let check = |pattern: &str, text: &str, yes: bool| {
            assert_eq!(anchored_regex(pattern).unwrap().is_match(text), yes, "{pattern} on {text}");
        };
        check("/api/{id}", "/api/{id}", true);
        check("a{2,3}", "aaa", true);
        check("a{2,3}", "a", false);
        check("a{,3}", "a{,3}", true);
        check(r"\d+", "٣", false);
        check(r"\d+", "42", true);
        check(r"\w", "é", false);
        check(r"[\d.]+", "4.2", true);
        check(r"[^\w]", "é", true);
        check("a.b", "a\nb", true);
        check("[]a]+", "]a", true);
        check("[^]]", "x", true);
        check("[[:alpha:]]+", "abc", true);
        check("[a[]", "[", true);
        check("[a&&b]", "&", true);
        check("é+", "éé", true);
        check(r"\.", ".", true);
    }

    #[test]
    fn refuses_what_cannot_be_compiled() {
        for pattern in ["(", "a**b(", "[", r"\", "(?<n"] {
            assert!(anchored_regex(pattern).is_err(), "{pattern}");
        }
    }
}
