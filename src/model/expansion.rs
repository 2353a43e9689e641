//! Replacements: a text with `$1` in it, filled with what the groups of an anchored regex hold, by the rules of Go's
//! `Expand`: `$1_x` is the group that is named `1_x`.

use regex::{Captures, Regex};

use super::regex::anchored_regex;

/// An anchored regex. Most rules have one that needs no engine.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// `.*`, or `(.*)`, which has a group.
    Any {
        has_group: bool,
    },
    /// `a|b|c` and nothing else.
    Literals(Vec<Box<str>>),
    Regex(Regex),
}

impl Pattern {
    /// Reads a regex.
    pub(super) fn new(pattern: &str) -> Result<Self, regex::Error> {
        const SPECIAL: &[char] = &['\\', '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$'];
        Ok(match pattern {
            ".*" | "(.*)" => Self::Any { has_group: pattern != ".*" },
            plain if !plain.contains(SPECIAL) => Self::Literals(plain.split('|').map(Box::from).collect()),
            _ => Self::Regex(anchored_regex(pattern)?),
        })
    }

    /// Whether the whole of a text matches.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Any { .. } => true,
            Self::Literals(list) => list.iter().any(|literal| **literal == *text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// What an expansion gives for a text that matches.
    pub(super) fn expand(&self, expansion: &Expansion, text: &str) -> Option<String> {
        if let Expansion::Constant(constant) = expansion {
            return self.is_match(text).then(|| constant.clone());
        }
        match self {
            Self::Any { has_group } => Some(expansion.fill(&Groups::Whole(text, if *has_group { 2 } else { 1 }))),
            Self::Literals(_) => self.is_match(text).then(|| expansion.fill(&Groups::Whole(text, 1))),
            Self::Regex(regex) => Some(expansion.fill(&Groups::Captured(&regex.captures(text)?))),
        }
    }
}

/// What the groups of a match hold.
enum Groups<'a> {
    /// The first so many groups hold the whole text.
    Whole(&'a str, usize),
    Captured(&'a Captures<'a>),
}

impl Groups<'_> {
    fn get(&self, group: &Group) -> &str {
        match (self, group) {
            (Self::Whole(text, count), Group::Number(number)) if number < count => text,
            (Self::Whole(..), _) => "",
            (Self::Captured(captures), Group::Number(number)) => captures.get(*number).map_or("", |it| it.as_str()),
            (Self::Captured(captures), Group::Name(name)) => captures.name(name).map_or("", |it| it.as_str()),
        }
    }
}

/// A text with `$1`, `${1}` and `${name}`, read by the rules of Go's `Expand`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expansion {
    Constant(String),
    Parts(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Text(String),
    Group(Group),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Group {
    Number(usize),
    Name(String),
}

impl Expansion {
    /// Reads a text: what is no reference to a group stands for itself.
    pub(super) fn parse(text: &str) -> Self {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                plain.push('$');
                rest = after;
            } else if let Some((group, after)) = group(after) {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Group(group));
                rest = after;
            } else {
                plain.push('$');
                rest = after;
            }
        }
        plain.push_str(rest);
        if parts.is_empty() {
            return Self::Constant(plain);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self::Parts(parts)
    }

    fn fill(&self, groups: &Groups<'_>) -> String {
        match self {
            Self::Constant(text) => text.clone(),
            Self::Parts(parts) => parts.iter().fold(String::new(), |mut text, part| {
                text.push_str(match part {
                    Part::Text(plain) => plain,
                    Part::Group(group) => groups.get(group),
                });
                text
            }),
        }
    }
}

/// The group that a text after `$` begins with, and what comes after it. A name is as long as it can be.
fn group(text: &str) -> Option<(Group, &str)> {
    let (in_braces, text) = match text.strip_prefix('{') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = if in_braces { rest.strip_prefix('}')? } else { rest };
    if name.is_empty() {
        return None;
    }
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    match name.parse() {
        Ok(number) if is_number => Some((Group::Number(number), rest)),
        _ => Some((Group::Name(name.to_owned()), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_go_does() {
        let check = |pattern: &str, replacement: &str, want: &str| {
            let pattern = Pattern::new(pattern).expect("it is a regular expression");
            let got = pattern.expand(&Expansion::parse(replacement), "foo");
            assert_eq!(got.as_deref(), Some(want), "{replacement}");
        };
        let expand = |replacement: &str, want: &str| check("(f)oo", replacement, want);
        expand("$1_x", "");
        expand("${1}_x", "f_x");
        expand("$1-x", "f-x");
        expand("$$1", "$1");
        expand("$$$1", "$f");
        expand("$", "$");
        expand("a$", "a$");
        expand("${1", "${1");
        expand("${}", "${}");
        expand("${1.2}", "${1.2}");
        expand("$-", "$-");
        expand("$01", "");
        expand("$2", "");
        expand("$1é", "");
        expand("$0", "foo");
        check("(?P<_1x>f)oo", "$_1x", "f");
        check("(.*)", "$1$0$2", "foofoo");
        check(".*", "[$1$0]", "[foo]");
        check("bar|foo", "[$1$0]", "[foo]");
        assert_eq!(Pattern::new("fo").unwrap().expand(&Expansion::parse("x"), "foo"), None);
        assert_eq!(Pattern::new("f(o)").unwrap().expand(&Expansion::parse("$1"), "foo"), None);
    }
}
