//! Problems with their places: a file's text, what is wrong with it, and how that is shown. What holds a secret is not.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location, Spanned};

use crate::model::{Place, Problem};

use super::explain::{explain, instead_of, is_unknown_setting};
use super::hint::nearest;
use super::scalar;

/// The largest file that is read; rule files of whole companies are far smaller.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How deep a file may be nested: a routing tree of eleven levels. A level takes up to 40 KiB of stack while it is read.
pub(super) const DEPTH_MAX: usize = 24;

/// A spot in a file. Without a line it is the file as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spot {
    line: u32,
    column: u32,
    /// In characters; the mark goes no further than the line.
    width: u32,
}

impl From<Location> for Spot {
    fn from(location: Location) -> Self {
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(location.line()), column: number(location.column()), width: number(location.span().len()) }
    }
}

impl<T> From<&Spanned<T>> for Spot {
    fn from(value: &Spanned<T>) -> Self {
        value.defined.into()
    }
}

/// A file's text and what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    file: String,
    text: String,
    /// Where each line begins, since a file may have a problem on each of many thousands.
    line_starts: Vec<usize>,
    problems: Vec<Problem>,
}

impl Sheet {
    /// A file with this text.
    pub(super) fn new(file: String, text: String) -> Self {
        let line_starts = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, line_starts, problems: Vec::new() }
    }

    /// Reads the text as YAML of this shape; what hinders that is noted.
    pub(super) fn parse<T: DeserializeOwned>(&mut self) -> Option<T> {
        if self.text.len() > FILE_BYTES_MAX {
            self.note(Spot::default(), "", format!("the file has more than {FILE_BYTES_MAX} bytes"));
            return None;
        }
        match parse(&self.text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.note_error(&error);
                None
            }
        }
    }

    /// Reads the text as YAML of this shape, and says nothing when it is not.
    pub(super) fn peek<T: DeserializeOwned>(&self) -> Option<T> {
        parse(&self.text).ok()
    }

    /// Notes a problem and shows its line.
    pub(super) fn note(&mut self, spot: impl Into<Spot>, path: &str, what: impl Into<String>) -> &mut Problem {
        let spot = spot.into();
        let snippet = snippet(self.line(spot.line), spot);
        self.push(spot, path, what.into(), snippet)
    }

    /// Notes a problem without showing its line, which may hold a secret.
    pub(super) fn note_unseen(&mut self, spot: impl Into<Spot>, path: &str, what: impl Into<String>) -> &mut Problem {
        self.push(spot.into(), path, what.into(), String::new())
    }

    /// Notes a problem with the name of a setting. What the setting holds is not shown: nobody knows whether a name that
    /// is not known stands for a secret.
    fn note_name(&mut self, spot: Spot, path: &str, what: String) -> &mut Problem {
        let snippet = snippet(up_to_name(self.line(spot.line), spot), spot);
        self.push(spot, path, what, snippet)
    }

    /// Notes settings that are not supported yet, at their names; `settings` has the places of their values.
    pub(super) fn refuse(&mut self, path: &str, settings: Vec<(&'static str, Location)>) {
        for (name, value) in settings {
            let bytes = value.span().byte_offset().and_then(|at| usize::try_from(at).ok());
            let before = bytes.and_then(|at| self.text.get(..at));
            let what = format!("`{name}` is not supported yet");
            let problem = match before.and_then(|before| before.rfind(name)) {
                Some(at) => self.note_name(self.spot_of(at..at + name.len()), path, what),
                None => self.note_unseen(value, path, what),
            };
            problem.hint = instead_of(name);
        }
    }

    /// Notes a problem in a piece of a value, given as bytes of the value.
    pub(super) fn note_within(
        &mut self,
        value: &Spanned<String>,
        piece: Range<usize>,
        path: &str,
        what: impl Into<String>,
    ) -> &mut Problem {
        let bytes = bytes_of(value).and_then(|scalar| scalar::locate(&self.text, scalar, &value.value, piece));
        let spot = match bytes {
            Some(bytes) => self.spot_of(bytes),
            None => value.into(),
        };
        self.note(spot, path, what)
    }

    /// What is wrong, from top to bottom.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        self.problems
    }

    fn push(&mut self, spot: Spot, path: &str, what: String, snippet: String) -> &mut Problem {
        let known = |number: u32| (spot.line > 0).then_some(number);
        let place = Place { file: self.file.clone(), line: known(spot.line), column: known(spot.column) };
        self.problems.push_mut(Problem { place, path: path.to_owned(), what, hint: None, snippet })
    }

    fn spot_of(&self, bytes: Range<usize>) -> Spot {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let line = self.line_starts.partition_point(|start| *start <= bytes.start);
        let line_start = line.checked_sub(1).map_or(0, |at| self.line_starts[at]);
        let before = self.text.get(line_start..bytes.start).unwrap_or_default();
        Spot {
            line: number(line),
            column: number(before.chars().count() + 1),
            width: number(self.text.get(bytes).unwrap_or_default().chars().count()),
        }
    }

    /// A line, counted from 1.
    fn line(&self, number: u32) -> &str {
        let start = (number as usize).checked_sub(1).and_then(|at| self.line_starts.get(at));
        start.and_then(|start| self.text[*start..].lines().next()).unwrap_or_default()
    }

    /// Says in our words why a file is not YAML or not of the shape it should be.
    fn note_error(&mut self, error: &Error) {
        let error = error.without_snippet();
        let spot = error.location().map(Spot::from).unwrap_or_default();
        let at = self.line(spot.line).chars().skip(spot.column.saturating_sub(1) as usize);
        let (what, hint) = explain(error, &at.collect::<String>());
        let problem =
            if is_unknown_setting(error) { self.note_name(spot, "", what) } else { self.note(spot, "", what) };
        problem.hint = hint;
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let budget = serde_saphyr::budget! { max_depth: DEPTH_MAX };
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { with_snippet: false, budget: budget })
}

fn bytes_of(value: &Spanned<String>) -> Option<Range<usize>> {
    let span = value.defined.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    Some(start..start + length)
}

/// A line as far as the name of a setting at this spot and its colon; a name with its value glued to it ends at the colon.
fn up_to_name(line: &str, spot: Spot) -> &str {
    let byte = |chars: usize| line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at);
    let start = (spot.column as usize).saturating_sub(1);
    let name = &line[byte(start)..byte(start + spot.width as usize)];
    let after = &line[byte(start + spot.width as usize)..];
    let colon = after.len() - after.trim_start().len();
    let end = match name.find(':') {
        Some(at) => byte(start) + at + 1,
        None if after[colon..].starts_with(':') => byte(start) + name.len() + colon + 1,
        None => byte(start) + name.len(),
    };
    &line[..end]
}

/// The line of a spot with a mark under it; nothing when the line holds a secret, or nothing.
fn snippet(line: &str, spot: Spot) -> String {
    if line.trim().is_empty() || holds_secret(line) {
        return String::new();
    }
    let number = spot.line.to_string();
    let before = (spot.column as usize).saturating_sub(1);
    let indent: String = line.chars().take(before).map(|c| if c == '\t' { c } else { ' ' }).collect();
    let rest = line.trim_end().chars().count().saturating_sub(before);
    let mark = "^".repeat((spot.width as usize).min(rest).max(1));
    format!("  {number} | {line}\n  {} | {indent}{mark}", " ".repeat(number.len()))
}

/// Settings whose values are not to be shown, by the end of their names.
const SECRET_SETTINGS: [&str; 9] = [
    "token",
    "secret",
    "secrets",
    "password",
    "routing_key",
    "service_key",
    "api_key",
    "credentials",
    "proxy_connect_header",
];
/// Settings whose values are not to be shown even when their names are misspelt.
const SECRET_NAMES: [&str; 8] =
    ["bot_token", "app_token", "secret", "password", "routing_key", "service_key", "api_key", "credentials"];
/// What secrets look like by themselves.
const SECRET_LOOKS: [&str; 6] = ["whsec_", "xoxb-", "xoxp-", "xapp-", "hooks.slack.com/services/", "PRIVATE KEY"];

/// Whether a line of YAML holds a secret as such, rather than the name of its variable or file.
fn holds_secret(line: &str) -> bool {
    let set_here = |name: &str| {
        line.match_indices(name).any(|(at, _)| {
            let value = line[at + name.len()..].trim_start_matches(['"', '\'']).trim_start();
            value.strip_prefix(':').is_some_and(|value| {
                let value = value.trim_start().trim_start_matches(['"', '\'']);
                !value.is_empty() && !value.starts_with("${") && !value.starts_with('#')
            })
        })
    };
    // However it is written: without the space, without the colon, with a slip. Of `${NAME}` the `$` is left.
    let meant_here = |piece: &str| {
        let piece = piece.trim_start_matches([' ', '\t', '-', '?', '"', '\'']);
        let end = piece.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(piece.len());
        let value = piece[end..].trim_start_matches([' ', '\t', '"', '\'', ':', '=']);
        nearest(&piece[..end], SECRET_NAMES).is_some()
            && !matches!(value.trim_end(), "" | "}" | "]" | "$")
            && !value.starts_with('#')
    };
    let has_password = line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        authority.contains('@')
    });
    has_password
        || SECRET_LOOKS.iter().any(|look| line.contains(look))
        || SECRET_SETTINGS.into_iter().any(set_here)
        || line.split([',', '{', '[']).any(meant_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_secret() {
        let check = |line: &str, want: bool| assert_eq!(holds_secret(line), want, "{line}");
        check("    bot_token: hunter2", true);
        check("    'bot_token' : hunter2", true);
        check("  - {url: 'http://x', secret: \"hunter2\", whlie: up}", true);
        check("    routing_key: 0123456789abcdef", true);
        check("      whsec_c2VjcmV0", true);
        check("    bot_tokn:hunter2", true);
        check("  - {http_headers: {X-Key: {secrets: [hunter2]}}, timeout: 5}", true);
        check("  key: '-----BEGIN PRIVATE KEY-----'", true);
        check("    bot_token hunter2", true);
        check("  - {channel: a, 'bot_tokn': \"hunter2}", true);
        check("    bot_tokn:", false);
        check("    bot_tokn: '${SLACK_BOT_TOKEN}'", false);
        check("    routing_key_file: /run/secrets/key", false);
        check("    url: https://user:hunter2@example.com/", true);
        check("    slack_api_url: https://hooks.slack.com/services/T0/B0/x", true);
        check("    bot_token: ${SLACK_BOT_TOKEN}", false);
        check("    bot_token: '${SLACK_BOT_TOKEN}'", false);
        check("    bot_token_file: /run/secrets/token", false);
        check("    secret:", false);
        check("    expr: sum by (token) (up)", false);
        check("    url: https://example.com/a@b", false);
    }

    #[test]
    fn of_a_setting_that_is_none_the_name_is_shown() {
        let check = |line: &str, column: u32, width: u32, want: &str| {
            assert_eq!(up_to_name(line, Spot { line: 1, column, width }), want, "{line}");
        };
        check("  bot_tokn: hunter2", 3, 8, "  bot_tokn:");
        check("- {é: a, 'bot_tokn' : hunter2}", 10, 10, "- {é: a, 'bot_tokn' :");
        check("- {bot_tokn:hunter2, a: b}", 4, 16, "- {bot_tokn:");
        check("- {hunter2, a: b}", 4, 7, "- {hunter2");
        check("- ? bot_tokn", 5, 8, "- ? bot_tokn");
        check("a: 1", 9, 3, "a: 1");
    }

    #[test]
    fn marks_go_no_further_than_their_line() {
        let sheet = Sheet::new(String::new(), "a: 1\n\tb: four\n".to_owned());
        let check = |spot: (u32, u32, u32), want: &str| {
            let (line, column, width) = spot;
            assert_eq!(snippet(sheet.line(line), Spot { line, column, width }), want);
        };
        check((2, 5, 99), "  2 | \tb: four\n    | \t   ^^^^");
        check((1, 5, 0), "  1 | a: 1\n    |     ^");
        check((0, 0, 0), "");
        check((3, 1, 1), "");
    }
}
