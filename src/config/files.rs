//! Where files come from, and which of them a pattern means.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::disk;
use crate::model::{NameGlob, PathGlob, is_glob};

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

/// A path without `.` in it, so that `./a.yaml` is `a.yaml`.
pub(super) fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// The files that a pattern means, from `directory`, as they would be written in its place: sorted, and none when there
/// are none. What cannot be listed holds nothing, as with Go's `filepath.Glob`.
pub(super) fn glob(pattern: &str, directory: &Path, files: Files<'_>) -> Result<Vec<String>, String> {
    PathGlob::parse(pattern).map_err(|error| error.to_string())?;
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
            if !is_glob(piece) && !is_last {
                next.push(join(piece));
                continue;
            }
            let mut names = match (files.list)(&plain(&directory.join(&before))) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Err("files have to be named one by one here".to_owned());
                }
                names => names.unwrap_or_default(),
            };
            names.sort();
            let glob = NameGlob::parse(piece).map_err(|error| error.to_string())?;
            names.retain(|name| glob.is_match(name));
            next.extend(names.iter().map(|name| join(name)));
            next.truncate(FILES_MAX);
        }
        found = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

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
