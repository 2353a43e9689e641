//! Problems with their places: a file's text, what is wrong with it, and how that is shown. What holds a secret is not.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::{Patterns, Place, Problem};
use crate::template::Library;

use super::explain::{fill_in_hint, instead_of};
use super::files::FILE_BYTES_MAX;
use super::reader::{Read, Reader, field};
use super::scalar;
use super::secrecy::{holds_secret, may_be_hook, means_secret, secrets_of};
use super::tree::{Tree, Value, grow};

/// How many problems of one file are told; whoever has more mends some first.
const PROBLEMS_MAX: usize = 10_000;

/// The longest line that is shown with a problem in it.
const LINE_BYTES_MAX: usize = 2000;

/// A spot in a file. Without a line it is the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    line: u32,
    column: u32,
    /// In characters; the mark goes no further than the line.
    width: u32,
    start: u32,
    end: u32,
}

impl Spot {
    /// The spot at a line and column, both from 1, and the bytes of the file that are meant.
    pub(super) fn new(line: usize, column: usize, width: usize, bytes: Range<usize>) -> Self {
        Self {
            line: number(line),
            column: number(column),
            width: number(width),
            start: number(bytes.start),
            end: number(bytes.end),
        }
    }

    /// Its first character.
    pub(super) fn narrow(self) -> Self {
        Self { width: self.width.min(1), ..self }
    }

    /// The bytes of the file that are meant.
    pub(super) fn bytes(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    /// Where it is referred to: where it stands, or the alias that stands for it.
    pub(super) referenced: Spot,
    /// Where it is written.
    pub(super) defined: Spot,
}

impl<T> Spanned<T> {
    pub(super) fn new(value: T, referenced: Spot, defined: Spot) -> Self {
        Self { value, referenced, defined }
    }
}

impl<T> From<&Spanned<T>> for Spot {
    fn from(value: &Spanned<T>) -> Self {
        value.defined
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
    /// Of lines that were looked at, whether they are not to be shown.
    hiding_lines: BTreeMap<u32, bool>,
    /// The bytes that stand for secrets, in order.
    secrets: Vec<Range<usize>>,
    /// What follows from other problems and is not told.
    hushed: Vec<Problem>,
    /// By where settings begin, those of them that could not be read or were misspelt.
    wounds: BTreeMap<Spot, Vec<String>>,
    /// The patterns that its expressions share.
    pub(super) patterns: Patterns,
    /// The named templates that its texts may use.
    pub(super) library: Library,
    /// Whether there should be more of them, in files that could not be read.
    pub(super) lacks_templates: bool,
    /// A pattern of `templates` that means no file.
    pub(super) templates_nowhere: Option<String>,
}

impl Sheet {
    /// A file with this text.
    pub(super) fn new(file: String, text: String) -> Self {
        let line_starts = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self {
            file,
            text,
            line_starts,
            problems: Vec::new(),
            hiding_lines: BTreeMap::new(),
            secrets: Vec::new(),
            hushed: Vec::new(),
            wounds: BTreeMap::new(),
            patterns: Patterns::default(),
            library: Library::new(),
            lacks_templates: false,
            templates_nowhere: None,
        }
    }

    /// Whether there is nothing in the file, not even a comment.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Reads the text as YAML; what hinders that is noted.
    pub(super) fn grow(&mut self) -> Tree {
        if u64::try_from(self.text.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
            self.note(Spot::default(), "", format!("the file has more than {FILE_BYTES_MAX} bytes"));
            return Tree::default();
        }
        let mut tree = grow(&self.text);
        self.secrets = secrets_of(&tree);
        for fault in std::mem::take(&mut tree.faults) {
            let may_be_hook = !tree.is_whole && may_be_hook(self.line(fault.spot.line), &self.text);
            // There, what YAML says is beside the point.
            let fill_in = fill_in_hint(self.line(fault.spot.line)).filter(|_| !tree.is_whole);
            let is_secret = may_be_hook || self.is_below_secret(fault.spot.line);
            let problem = match is_secret {
                true => self.note_unseen(fault.spot, "", fault.what),
                false => self.note(fault.spot, "", fault.what),
            };
            problem.hint = fill_in.or(fault.hint);
        }
        tree
    }

    /// What a setting at the top holds in a text that is not YAML: what stands around it is left out. Nothing when the
    /// trouble is in that setting itself.
    pub(super) fn salvage<T: Read>(&self, setting: &str) -> Option<T> {
        let mut is_of_setting = false;
        let mut rest = String::with_capacity(self.text.len());
        for line in self.text.split_inclusive('\n') {
            // What is not indented begins a setting, unless it is an entry of a list or closes a bracket.
            if !line.starts_with([' ', '\t', '-', '#', ']', '}', '\r', '\n']) {
                is_of_setting = line.strip_prefix(setting).is_some_and(|rest| rest.trim_start().starts_with(':'));
            }
            match is_of_setting {
                true => rest.push_str(line),
                // Every place stays what it is.
                false => rest.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' })),
            }
        }
        let mut sheet = Sheet::new(String::new(), rest);
        let tree = sheet.grow();
        let Value::Mapping(entries) = &tree.root.as_ref()?.node.value else { return None };
        let entry = entries.iter().find(|entry| entry.name.value == setting)?;
        field(&mut Reader::new(&mut sheet), &entry.value)
    }

    /// Whether a line goes on with what a line above begins, and that holds a secret.
    fn is_below_secret(&self, number: u32) -> bool {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let own = indent(self.line(number));
        let mut above = (1..number).rev().map(|number| self.line(number)).filter(|line| !line.trim().is_empty());
        above.find(|line| indent(line) < own).is_some_and(holds_secret)
    }

    /// Reads what the text holds; what hinders that is noted. Only a text that is not YAML gives nothing.
    pub(super) fn fill<T: Read + Default>(&mut self, tree: &Tree) -> Option<T> {
        let value = tree.root.as_ref().and_then(|root| {
            let value = field(&mut Reader::new(self), root);
            // What the file lacks as a whole is noted without a place.
            if let Some(names) = self.wounds.get(&root.node.spot).cloned() {
                self.wounds.insert(Spot::default(), names);
            }
            value
        });
        tree.is_whole.then(|| value.unwrap_or_default())
    }

    /// How many problems there are.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Remembers that one of the settings that begin at `owner` could not be read or was misspelt, so that nobody is told
    /// that it is missing.
    pub(super) fn wound(&mut self, owner: Spot, setting: &str) {
        self.wounds.entry(owner).or_default().push(setting.to_owned());
    }

    /// Whether one of the settings that begin at `owner` could not be read.
    pub(super) fn is_wounded(&self, owner: Spot, setting: &str) -> bool {
        self.wounds.get(&owner).is_some_and(|settings| settings.iter().any(|wounded| wounded == setting))
    }

    /// Takes back what was noted since there were `before` problems and follows from others.
    pub(super) fn hush(&mut self, before: usize, follows: impl Fn(&Problem) -> bool) {
        let kept = self.problems.split_off(before);
        self.problems.extend(kept.into_iter().filter(|problem| !follows(problem)));
    }

    /// The rest of the line at a spot.
    pub(super) fn text_at(&self, spot: Spot) -> &str {
        self.text.get(spot.start as usize..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// Whether a setting of this name may hold a secret.
    pub(super) fn may_be_secret(name: &str) -> bool {
        means_secret(name)
    }

    /// Notes a problem and shows its line.
    pub(super) fn note(&mut self, spot: impl Into<Spot>, path: &str, what: impl Into<String>) -> &mut Problem {
        let spot = spot.into();
        let line = self.line(spot.line);
        // Many problems may stand on one long line, which is looked through once.
        let looked_at = self.hiding_lines.get(&spot.line).copied();
        let bytes = self.line_start(spot.line)..self.line_start(spot.line) + line.len();
        let hides =
            looked_at.unwrap_or_else(|| line.len() > LINE_BYTES_MAX || holds_secret(line) || self.is_of_secret(bytes));
        let snippet = if hides { String::new() } else { mark(line, spot) };
        self.hiding_lines.insert(spot.line, hides);
        self.push(spot, path, what.into(), snippet)
    }

    /// Notes a problem without showing its line, which may hold a secret.
    pub(super) fn note_unseen(&mut self, spot: impl Into<Spot>, path: &str, what: impl Into<String>) -> &mut Problem {
        self.push(spot.into(), path, what.into(), String::new())
    }

    /// Notes a problem with the name of a setting. What the setting holds is not shown: nobody knows whether a name that
    /// is not known stands for a secret.
    pub(super) fn note_name(&mut self, spot: Spot, path: &str, what: String) -> &mut Problem {
        let shown = up_to_name(self.line(spot.line), spot);
        let start = self.line_start(spot.line);
        let hides = self.is_of_secret(start..start + shown.len());
        let snippet = if hides { String::new() } else { snippet(shown, spot) };
        self.push(spot, path, what, snippet)
    }

    /// Notes settings that are not supported yet, at their names.
    pub(super) fn refuse(&mut self, path: &str, settings: Vec<(&'static str, Spot)>) {
        for (name, spot) in settings {
            self.note_name(spot, path, format!("`{name}` is not supported yet")).hint = instead_of(name);
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
        let bytes = scalar::locate(&self.text, value.defined.bytes(), &value.value, piece);
        let spot = match bytes {
            Some(bytes) => self.spot_of(bytes),
            None => value.into(),
        };
        self.note(spot, path, what)
    }

    /// What is wrong, from top to bottom.
    pub(super) fn take_problems(&mut self) -> Vec<Problem> {
        let mut problems = std::mem::take(&mut self.problems);
        for problem in &mut problems {
            let fill_in = problem.place.line.and_then(|number| fill_in_hint(self.line(number)));
            problem.hint = fill_in.or_else(|| problem.hint.take());
        }
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        let more = self.hushed.iter().filter(|problem| problem.path == MORE).count();
        if more > 0 {
            let what = format!("{more} more problems are not shown");
            let place = Place { file: self.file.clone(), line: None, column: None };
            problems.push(Problem { place, path: String::new(), what, hint: None, snippet: String::new() });
        }
        problems
    }

    fn push(&mut self, spot: Spot, path: &str, what: String, snippet: String) -> &mut Problem {
        let known = |number: u32| (spot.line > 0).then_some(number);
        let place = Place { file: self.file.clone(), line: known(spot.line), column: known(spot.column) };
        let problem = Problem { place, path: path.to_owned(), what, hint: None, snippet };
        if self.problems.len() >= PROBLEMS_MAX {
            return self.hushed.push_mut(Problem { path: MORE.to_owned(), ..problem });
        }
        // "There is no `expr`" is no news where `exrp` is no setting.
        let follows = |setting: &String| problem.what.contains(&format!("`{setting}`"));
        if self.wounds.get(&spot).is_some_and(|settings| settings.iter().any(follows)) {
            return self.hushed.push_mut(problem);
        }
        self.problems.push_mut(problem)
    }

    fn spot_of(&self, bytes: Range<usize>) -> Spot {
        let line = self.line_starts.partition_point(|start| *start <= bytes.start);
        let line_start = line.checked_sub(1).map_or(0, |at| self.line_starts[at]);
        let before = self.text.get(line_start..bytes.start).unwrap_or_default();
        let width = self.text.get(bytes.clone()).unwrap_or_default().chars().count();
        Spot::new(line, before.chars().count() + 1, width, bytes)
    }

    /// A line, counted from 1.
    fn line(&self, number: u32) -> &str {
        self.text.get(self.line_start(number)..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// The byte at which a line begins, counted from 1.
    fn line_start(&self, number: u32) -> usize {
        let start = (number as usize).checked_sub(1).and_then(|at| self.line_starts.get(at));
        start.copied().unwrap_or(self.text.len())
    }

    /// Whether some of these bytes stand for a secret.
    fn is_of_secret(&self, bytes: Range<usize>) -> bool {
        let before = self.secrets.partition_point(|secret| secret.start < bytes.end);
        self.secrets[..before].last().is_some_and(|secret| bytes.start < secret.end)
    }
}

/// Marks problems that are counted only.
const MORE: &str = "…";

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
    if line.len() > LINE_BYTES_MAX || holds_secret(line) { String::new() } else { mark(line, spot) }
}

/// A line with a mark under the spot.
fn mark(line: &str, spot: Spot) -> String {
    if line.trim().is_empty() {
        return String::new();
    }
    let number = spot.line.to_string();
    let before = (spot.column as usize).saturating_sub(1);
    let indent: String = line.chars().take(before).map(|c| if c == '\t' { c } else { ' ' }).collect();
    let rest = line.trim_end().chars().count().saturating_sub(before);
    let mark = "^".repeat((spot.width as usize).min(rest).max(1));
    format!("  {number} | {line}\n  {} | {indent}{mark}", " ".repeat(number.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_setting_that_is_none_the_name_is_shown() {
        let check = |line: &str, column: u32, width: u32, want: &str| {
            assert_eq!(up_to_name(line, Spot { line: 1, column, width, ..Spot::default() }), want, "{line}");
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
            assert_eq!(snippet(sheet.line(line), Spot { line, column, width, ..Spot::default() }), want);
        };
        check((2, 5, 99), "  2 | \tb: four\n    | \t   ^^^^");
        check((1, 5, 0), "  1 | a: 1\n    |     ^");
        check((0, 0, 0), "");
        check((3, 1, 1), "");
    }
}
