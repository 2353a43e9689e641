//! Matchers: a label name, an operator and a value. PromQL selectors and Alertmanager routes share them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use regex::Regex;

use super::{Labels, anchored_regex, is_label_name};

/// How a matcher compares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl fmt::Display for MatchOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        })
    }
}

/// Why a text is not a matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// The regular expression does not compile.
    #[error("`{pattern}` is not a regular expression: {why}")]
    Regex {
        /// What was written.
        pattern: String,
        /// What the compiler says, in one line.
        why: String,
    },
    /// The text does not follow the grammar.
    #[error("not a matcher: `{text}`: {why}")]
    Malformed {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// How many patterns are kept for others to share.
const PATTERNS_MAX: usize = 10_000;

/// Compiled patterns of a few files that are read together: the same pattern is compiled once, and kept in memory once.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    compiled: RefCell<BTreeMap<Arc<str>, Regex>>,
}

impl Patterns {
    /// The pattern, compiled and anchored at both ends.
    fn compile(&self, pattern: &Arc<str>) -> Result<Regex, MatcherError> {
        if let Some(regex) = self.compiled.borrow().get(pattern) {
            return Ok(regex.clone());
        }
        let regex = anchored(pattern)?;
        let mut compiled = self.compiled.borrow_mut();
        if compiled.len() < PATTERNS_MAX {
            compiled.insert(pattern.clone(), regex.clone());
        }
        Ok(regex)
    }

    /// How many different patterns were compiled and are kept.
    pub fn len(&self) -> usize {
        self.compiled.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A condition on one label. A label that is not there has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub name: Arc<str>,
    /// How it compares.
    pub op: MatchOp,
    /// With what.
    pub value: Arc<str>,
    /// The compiled value, anchored at both ends, for the two regex operators.
    regex: Option<Regex>,
}

impl Matcher {
    /// A matcher; a regex is compiled, anchored at both ends, and its `.` matches line breaks, as in Prometheus.
    pub fn new(name: impl Into<Arc<str>>, op: MatchOp, value: impl Into<Arc<str>>) -> Result<Self, MatcherError> {
        Self::sharing(name, op, value, &Patterns::default())
    }

    /// The same, with what others have compiled.
    pub fn sharing(
        name: impl Into<Arc<str>>,
        op: MatchOp,
        value: impl Into<Arc<str>>,
        patterns: &Patterns,
    ) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(patterns.compile(&value)?),
        };
        Ok(Self { name, op, value, regex })
    }

    /// Whether a label value passes.
    pub fn matches_value(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != &*self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            _ => value == &*self.value,
        }
    }

    /// Whether the label of this set passes.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name))
    }

    /// Reads one matcher in Alertmanager's form: `severity="critical"`, `team=~sre|dev`; quotes are needed only around
    /// white space and any of ``{}!=~,\"'` ``.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let mut matchers = Reader { text, rest: text }.list()?;
        match (matchers.pop(), matchers.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(malformed(text, "expected exactly one matcher")),
        }
    }

    /// Reads a list in Alertmanager's form: `{severity="critical", team=~"sre|dev"}`; the braces may be left out.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, MatcherError> {
        let trimmed = text.trim();
        let inner = match (trimmed.strip_prefix('{'), trimmed.strip_suffix('}')) {
            (Some(rest), Some(_)) => rest.strip_suffix('}').unwrap_or(""),
            (None, None) => trimmed,
            _ => return Err(malformed(text, "unbalanced braces")),
        };
        Reader { text, rest: inner }.list()
    }
}

fn anchored(pattern: &str) -> Result<Regex, MatcherError> {
    anchored_regex(pattern).map_err(|error| MatcherError::Regex {
        pattern: pattern.to_owned(),
        why: error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

fn malformed(text: &str, why: &'static str) -> MatcherError {
    MatcherError::Malformed { text: text.to_owned(), why }
}

/// Two matchers are the same when they are written the same.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Matcher {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.name, &self.value, self.op).cmp(&(&other.name, &other.value, other.op))
    }
}

impl std::hash::Hash for Matcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_label_name(&self.name) {
            write!(f, "{}{}{:?}", self.name, self.op, self.value)
        } else {
            write!(f, "{:?}{}{:?}", self.name, self.op, self.value)
        }
    }
}

/// Reads Alertmanager's matcher grammar.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn list(mut self) -> Result<Vec<Matcher>, MatcherError> {
        let mut matchers = Vec::new();
        loop {
            self.skip_space();
            if self.rest.is_empty() {
                return Ok(matchers);
            }
            matchers.push(self.matcher()?);
            self.skip_space();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None if self.rest.is_empty() => {}
                None => return Err(malformed(self.text, "expected `,` or the end after a matcher")),
            }
        }
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let name = self.word("expected a label name")?;
        self.skip_space();
        let ops = [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
        let (sign, op) = ops
            .into_iter()
            .find(|(sign, _)| self.rest.starts_with(sign))
            .ok_or_else(|| malformed(self.text, "expected one of `=`, `!=`, `=~`, `!~` after the label name"))?;
        self.rest = &self.rest[sign.len()..];
        self.skip_space();
        let value = self.word("expected a label value")?;
        Matcher::new(name, op, value)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// A quoted text, or a run of characters that need no quotes.
    fn word(&mut self, why: &'static str) -> Result<String, MatcherError> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            return self.quoted(quoted);
        }
        let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
        let end = self.rest.find(reserved).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(malformed(self.text, why));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn quoted(&mut self, quoted: &str) -> Result<String, MatcherError> {
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let start = self.rest.len() - quoted.len();
                    self.rest = &self.rest[start + at + 1..];
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, other @ ('"' | '\\'))) => value.push(other),
                    _ => return Err(malformed(self.text, "unknown escape in quotes")),
                },
                other => value.push(other),
            }
        }
        Err(malformed(self.text, "missing closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_absent_labels_as_empty() {
        let check = |text: &str, yes: bool| {
            let labels = Labels::from_pairs([("job", "node"), ("text", "a\nb")]);
            assert_eq!(Matcher::parse(text).unwrap().matches(&labels), yes, "{text}");
        };
        check("job=node", true);
        check("job=\"node\"", true);
        check("job!=node", false);
        check("job=~no", false);
        check("job=~no|node", true);
        check("job!~n.*", false);
        check("gone=\"\"", true);
        check("gone=~\".*\"", true);
        check("gone!=\"\"", false);
        check("text=~a.b", true);
    }

    #[test]
    fn the_same_pattern_is_compiled_once() {
        let patterns = Patterns::default();
        let matcher = |op, value| Matcher::sharing("job", op, value, &patterns).unwrap();
        let shared =
            [matcher(MatchOp::Regex, "a|b"), matcher(MatchOp::NotRegex, "a|b"), matcher(MatchOp::Equal, "a|b")];
        assert_eq!(shared.map(|matcher| matcher.matches_value("b")), [true, false, false]);
        assert_eq!(patterns.len(), 1);
        matcher(MatchOp::Regex, "a");
        assert_eq!(patterns.len(), 2);
    }

    #[test]
    fn reads_lists() {
        let list = Matcher::parse_list(r#"{ severity = "critical" , team=~"sre|dev",}"#).unwrap();
        assert_eq!(
            list.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [r#"severity="critical""#, r#"team=~"sre|dev""#]
        );
        assert_eq!(Matcher::parse_list("{}").unwrap(), []);
        assert_eq!(Matcher::parse(r#""a b"="q\"\\\n""#).unwrap().value.as_ref(), "q\"\\\n");
    }

    #[test]
    fn says_what_is_wrong() {
        for text in ["", "a", "a=", "=b", "a=b c=d", "{a=b", "a=\"b", "a=b,c=d", r#"a="\q""#] {
            assert!(matches!(Matcher::parse(text), Err(MatcherError::Malformed { .. })), "{text}");
        }
        let error = Matcher::parse("a=~\"(\"").unwrap_err();
        assert_eq!(error.to_string(), "`(` is not a regular expression: unclosed group");
    }
}
