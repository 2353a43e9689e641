//! The template language of alert annotations and of notifications: Go's `text/template`, with the functions of
//! Prometheus for the texts of rules and with those of Alertmanager for the texts of notifications.
//!
//! What an author can get wrong is found at parse, with its place: blocks that are not closed, functions, variables,
//! templates and fields that do not exist, wrong numbers of arguments. What is left to go wrong at expansion depends on
//! data, and is an error with a place too. Text, numbers and their printing are Go's. Go's strings are bytes; ours are
//! text, and where bytes make none they become U+FFFD.
//!
//! From text to text: `lexer` cuts, `parser` and `pipeline` make the tree of `ast`, `check` looks for what is known wrong,
//! `interpret` walks it with `value`s, which `method` and `functions` work on.

mod ast;
mod check;
mod constant;
mod float;
mod free;
mod functions;
mod host;
mod humanize;
mod interpret;
mod json;
mod layout;
mod lexer;
mod library;
mod method;
mod moment;
mod notification_text;
mod object;
mod parser;
mod pipeline;
mod print;
mod printf;
mod program;
mod rule_text;
mod shape;
mod value;
mod verb;

use std::fmt;

pub use free::{FreeContext, FreeTemplate};
pub use functions::Dialect;
pub use library::{Library, LibraryError};
pub use moment::Moment;
pub use notification_text::{NotificationData, NotificationTemplate};
pub use rule_text::{Answers, KnownAnswers, NoQueries, QueryError, QueryHost, QuerySample, Template, TemplateData};
pub use value::{List, Map, Object, Value};

/// So many bytes may a template have.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;

/// So many bytes may the expansion of a rule's text, or any value on the way to it, have.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// So deep may blocks be nested, and so deep calls and fields by parentheses and pipes. With both at their most a thread needs
/// a megabyte of stack to read it, unoptimised.
pub const DEPTH_MAX: usize = 40;

/// So deep may an expansion be nested: blocks, calls and templates that use each other, all together.
pub const RUN_DEPTH_MAX: usize = 150;

/// How it is told that there is no template of a name, which follows in backticks.
pub const NO_TEMPLATE: &str = "there is no template ";

/// What an expansion may use up.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes of the expansion, and of every value on the way.
    output_bytes: usize,
    /// Bytes of all values on the way together.
    made_bytes: usize,
    /// Calls, fields, and turns of loops.
    steps: usize,
}

/// The limits of rules' texts: many are expanded at every evaluation.
const RULE_LIMITS: Limits = Limits { output_bytes: OUTPUT_BYTES_MAX, made_bytes: 1024 * 1024, steps: 100_000 };

/// The limits of notifications' texts: they may list thousands of alerts.
const NOTIFICATION_LIMITS: Limits = Limits { output_bytes: 1024 * 1024, made_bytes: 8 * 1024 * 1024, steps: 1_000_000 };

/// Why a text is not a template.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandError {
    /// The named template in which it went wrong; empty for the text itself.
    pub template: String,
    /// The file of that template, if it comes from one.
    pub file: Option<String>,
    /// Line of the template, or of its file, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
    /// What went wrong there.
    pub what: String,
    /// It is only that a query has no answer yet.
    pub is_pending: bool,
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "template `{}` of {file}, ", shown(&self.template))?;
        }
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

impl std::error::Error for ExpandError {}

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

    fn with_hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// With this hint if there is no other.
    fn with_default_hint(self, hint: &str) -> Self {
        Self { hint: self.hint.or_else(|| Some(hint.to_owned())), ..self }
    }

    fn placed(self, source: &str) -> TemplateError {
        let (line, column) = place(source, self.at);
        TemplateError { line, column, what: self.what, hint: self.hint }
    }
}

fn too_deep(at: usize) -> Trouble {
    Trouble::new(at, format!("this is nested more than {DEPTH_MAX} deep"))
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
mod tests;
