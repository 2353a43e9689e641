//! Where files come from, and which of them a pattern means.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::disk;

/// How many files one pattern may mean.
const FILES_MAX: usize = 10_000;
/// The largest file that is read. The largest rule files that are known have a fifth of it.
pub(super) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What gives files; a disk, or a test.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// What a file holds.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The names in a directory, in any order.
    pub list: &'a dyn Fn(&Path) -> io::Result<Vec<String>>,
}

impl Files<'static> {
    /// Those of this machine.
    pub fn disk() -> Self {
        Self { read: &read, list: &list }
    }
}

/// What a file of this machine holds.
pub fn read(path: &Path) -> io::Result<String> {
    // What cannot be a configuration is not taken into memory to see it.
    disk::read_text(path, FILE_BYTES_MAX)
}

/// The names in a directory of this machine.
pub fn list(directory: &Path) -> io::Result<Vec<String>> {
    // Relative to an empty path is here.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        // A name that is not UTF-8 could not be written in a pattern, and not in a message either.
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// Whether a path is a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '\\'])
}

/// A path without `.` in it, so that `./a.yaml` is `a.yaml`.
pub(super) fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// What is wrong with a pattern, if anything is.
pub(super) fn pattern_trouble(pattern: &str) -> Option<&'static str> {
    let pieces = pattern.split('/').map(|piece| matches_name(piece, ""));
    pieces.fold(None, |trouble, piece| trouble.or(piece.err()))
}

/// The files that a pattern means, from `directory`, as they would be written in its place: sorted, and none when there
/// are none. What cannot be listed holds nothing, as with Go's `filepath.Glob`.
pub(super) fn glob(pattern: &str, directory: &Path, files: Files<'_>) -> Result<Vec<String>, &'static str> {
    if let Some(trouble) = pattern_trouble(pattern) {
        return Err(trouble);
    }
    let (root, rest) = match pattern.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", pattern),
    };
    let mut found = vec![root.to_owned()];
    let mut pieces = rest.split('/').filter(|piece| !piece.is_empty()).peekable();
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let mut next = Vec::new();
        for before in found {
            let join = |name: &str| match before.as_str() {
                "" | "/" => format!("{before}{name}"),
                _ => format!("{before}/{name}"),
            };
            // What leads there is taken as it is written; whether it is there shows when it is listed.
            if !is_pattern(piece) && !is_last {
                next.push(join(piece));
                continue;
            }
            let mut names = match (files.list)(&plain(&directory.join(&before))) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Err("files have to be named one by one here");
                }
                names => names.unwrap_or_default(),
            };
            names.sort();
            names.retain(|name| matches_name(piece, name) == Ok(true));
            next.extend(names.iter().map(|name| join(name)));
            next.truncate(FILES_MAX);
        }
        found = next;
    }
    Ok(found)
}

/// Whether a pattern means this path; both are whole, and `*` stays within a name.
pub(super) fn matches_path(pattern: &str, path: &str) -> bool {
    let (mut pieces, mut names) = (pattern.split('/'), path.split('/'));
    loop {
        match (pieces.next(), names.next()) {
            (None, None) => return true,
            (Some(piece), Some(name)) if matches_name(piece, name) == Ok(true) => {}
            _ => return false,
        }
    }
}

/// Whether a pattern without `/` means this name: `*`, `?`, `[a-z]`, `[^a]` and `\` as Go's `filepath.Match` has them.
fn matches_name(pattern: &str, name: &str) -> Result<bool, &'static str> {
    let tokens = tokens(pattern)?;
    let name: Vec<char> = name.chars().collect();
    let (mut at_token, mut at_name) = (0, 0);
    // Where the last `*` stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while at_name < name.len() {
        match tokens.get(at_token) {
            Some(Token::Any) => {
                star = Some((at_token, at_name));
                at_token += 1;
            }
            Some(token) if token.takes(name[at_name]) => (at_token, at_name) = (at_token + 1, at_name + 1),
            _ => match star {
                Some((token, taken)) => {
                    star = Some((token, taken + 1));
                    (at_token, at_name) = (token + 1, taken + 1);
                }
                None => return Ok(false),
            },
        }
    }
    Ok(tokens[at_token..].iter().all(|token| *token == Token::Any))
}

#[derive(PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Char(own) => *own == c,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *is_negated
            }
        }
    }
}

const UNCLOSED: &str = "a `[` of the pattern is never closed by `]`";
const EMPTY_CLASS: &str = "the brackets of the pattern hold nothing that they could mean";
const DANGLING: &str = "the pattern ends with a `\\`";

fn tokens(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Char(rest.next().ok_or(DANGLING)?),
            '[' => {
                let is_negated = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
                    let mut end = || match rest.next().ok_or(UNCLOSED)? {
                        '\\' => rest.next().ok_or(UNCLOSED),
                        '-' | ']' => Err(EMPTY_CLASS),
                        c => Ok(c),
                    };
                    let from = end()?;
                    let to = match rest.next_if_eq(&'-') {
                        Some(_) => match rest.next().ok_or(UNCLOSED)? {
                            '\\' => rest.next().ok_or(UNCLOSED)?,
                            '-' | ']' => return Err(EMPTY_CLASS),
                            c => c,
                        },
                        None => from,
                    };
                    ranges.push((from, to));
                }
                Token::Class { is_negated, ranges }
            }
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        let check = |pattern: &str, path: &str, want: bool| {
            assert_eq!((pattern_trouble(pattern), matches_path(pattern, path)), (None, want), "{pattern} {path}");
        };
        check("rules/*.yaml", "rules/a.yaml", true);
        check("rules/*.yaml", "rules/a/b.yaml", false);
        check("rules/*.yaml", "rules/a.yml", false);
        check("*", "", true);
        check("*a*b", "xaab", true);
        check("*a*b", "xaabc", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[^a-c]x", "bx", false);
        check("[^a-c]x", "dx", true);
        check("a\\*c", "a*c", true);
        check("a\\*c", "abc", false);
        check("[\\]]", "]", true);
    }

    #[test]
    fn broken_patterns_are_told() {
        let check = |pattern: &str, want: &str| assert_eq!(pattern_trouble(pattern), Some(want), "{pattern}");
        check("a/[b", UNCLOSED);
        check("[]", EMPTY_CLASS);
        check("[a-]", EMPTY_CLASS);
        check("a\\", DANGLING);
    }

    #[test]
    fn a_directory_is_looked_through_in_order() {
        let list = |path: &Path| match path.to_str() {
            Some("etc/rules") => {
                Ok(vec!["b.yaml".to_owned(), "a.yaml".to_owned(), "sub".to_owned(), "c.txt".to_owned()])
            }
            Some("etc/rules/sub") => Ok(vec!["d.yaml".to_owned()]),
            Some("/abs") => Ok(vec!["e.yaml".to_owned()]),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let files = Files { read: &|_| Err(io::Error::from(io::ErrorKind::NotFound)), list: &list };
        let check = |pattern: &str, want: &[&str]| {
            assert_eq!(glob(pattern, Path::new("etc"), files).unwrap(), want, "{pattern}");
        };
        check("rules/*.yaml", &["rules/a.yaml", "rules/b.yaml"]);
        check("./rules/?.yaml", &["./rules/a.yaml", "./rules/b.yaml"]);
        check("rules/*/*.yaml", &["rules/sub/d.yaml"]);
        check("rules/*/d.yaml", &["rules/sub/d.yaml"]);
        check("nowhere/*.yaml", &[]);
        check("/abs/*.yaml", &["/abs/e.yaml"]);
    }
}
