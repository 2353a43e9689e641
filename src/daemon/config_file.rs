//! The configuration on disk: loads it, and notices when any file of it has changed.
//!
//! Everything that is read on the way is remembered by a hash of what it held, so that whatever the configuration names,
//! and through whatever links, is watched without knowing what it is. A Kubernetes ConfigMap is exchanged by a link above
//! the files: by content, that is a change like any other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::config::{self, Config, Files, RawConfig};
use crate::model::Problems;

/// Where a configuration is, and what the command line says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// The main file.
    pub path: PathBuf,
    /// Whose ways are followed, whatever the file says: `default` or `strict`.
    pub compat: Option<&'static str>,
}

/// What came of loading a configuration.
#[derive(Debug)]
pub struct Loading {
    /// The configuration, or everything that is wrong with it.
    pub config: Result<Config, Problems>,
    /// The main file as it may be shown.
    pub shown: String,
    /// What was read.
    pub seen: Seen,
}

/// What was there when it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What was read.
    files: BTreeMap<PathBuf, Print>,
    /// Files of secrets and certificates that are waited for, by what can be told without reading them.
    secrets: BTreeMap<PathBuf, Result<Stamp, io::ErrorKind>>,
}

/// A fingerprint of what is at a path, or why there is none.
type Print = Result<Held, io::ErrorKind>;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Held {
    /// Nothing but white space.
    Blank,
    /// A text with this hash.
    Text([u8; 32]),
    /// A directory in which patterns are looked for; its names have this hash.
    Names([u8; 32]),
}

/// What a file looks like that is not read. One that is written again differs in one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl ConfigFile {
    /// Reads everything anew.
    pub fn load(&self) -> Loading {
        let seen = RefCell::new(Seen::default());
        let main = RefCell::new(String::new());
        let read = |path: &Path| {
            let result = config::read(path);
            seen.borrow_mut().files.insert(path.to_owned(), print_of(&result));
            if path == self.path
                && let Ok(text) = &result
            {
                main.borrow_mut().clone_from(text);
            }
            result
        };
        let list = |directory: &Path| {
            let result = config::list(directory);
            seen.borrow_mut().files.insert(directory.to_owned(), print_of_names(&result));
            result
        };
        let mut raw = RawConfig::read_from(&self.path, Files { read: &read, list: &list });
        if let Some(compat) = self.compat {
            raw.set_compat(compat);
        }
        let config = raw.build();
        let shown = config::shown(&main.into_inner());
        Loading { config, shown, seen: seen.into_inner() }
    }
}

impl Seen {
    /// What is there now, where this was.
    pub fn again(&self) -> Self {
        let look = |(path, print): (&PathBuf, &Print)| {
            let print = match print {
                Ok(Held::Names(_)) => print_of_names(&config::list(path)),
                // What was looked through and was not there may have come.
                Err(kind) if *kind != io::ErrorKind::IsADirectory && path.is_dir() => {
                    print_of_names(&config::list(path))
                }
                _ => print_of(&config::read(path)),
            };
            (path.clone(), print)
        };
        Self { files: self.files.iter().map(look).collect(), secrets: stamps(self.secrets.keys()) }
    }

    /// How many files these are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Waits for these files of secrets, too.
    pub(super) fn with_secrets(self, paths: &[PathBuf]) -> Self {
        Self { secrets: stamps(paths), ..self }
    }

    /// With the secrets as another has them.
    pub(super) fn with_secrets_of(self, other: &Self) -> Self {
        Self { secrets: other.secrets.clone(), ..self }
    }

    /// Whether the same was read.
    pub(super) fn has_same_files(&self, other: &Self) -> bool {
        self.files == other.files
    }

    /// Whether the same texts were read, whatever else is in the directories that were looked through.
    pub(super) fn has_same_texts(&self, other: &Self) -> bool {
        let texts = |seen: &'_ Self| -> Vec<(PathBuf, Print)> {
            let is_text = |(_, print): &(&PathBuf, &Print)| !matches!(print, Ok(Held::Names(_)));
            seen.files.iter().filter(is_text).map(|(path, print)| (path.clone(), print.clone())).collect()
        };
        texts(self) == texts(other)
    }

    /// Whether the secrets that are waited for are as they were.
    pub(super) fn has_same_secrets(&self, other: &Self) -> bool {
        self.secrets == other.secrets
    }

    /// The files that held something before and hold nothing now.
    pub(super) fn emptied_since(&self, before: &Self) -> Vec<PathBuf> {
        let is_emptied = |(path, print): &(&PathBuf, &Print)| {
            **print == Ok(Held::Blank) && matches!(before.files.get(*path), Some(Ok(Held::Text(_))))
        };
        self.files.iter().filter(is_emptied).map(|(path, _)| path.clone()).collect()
    }
}

#[cfg(test)]
impl Seen {
    /// A file with this text.
    pub(super) fn of_text(path: &str, text: &str) -> Self {
        Self::default().and(path, text)
    }

    /// And another.
    pub(super) fn and(mut self, path: &str, text: &str) -> Self {
        self.files.insert(PathBuf::from(path), print_of(&Ok(text.to_owned())));
        self
    }
}

fn stamps<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> BTreeMap<PathBuf, Result<Stamp, io::ErrorKind>> {
    let stamp = |path: &PathBuf| std::fs::metadata(path).map(|found| Stamp::of(&found)).map_err(|error| error.kind());
    paths.into_iter().map(|path| (path.clone(), stamp(path))).collect()
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            inode: (found.dev(), found.ino()),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

fn print_of(result: &io::Result<String>) -> Print {
    match result {
        Ok(text) if text.trim().is_empty() => Ok(Held::Blank),
        Ok(text) => Ok(Held::Text(Sha256::digest(text).into())),
        Err(error) => Err(error.kind()),
    }
}

fn print_of_names(result: &io::Result<Vec<String>>) -> Print {
    match result {
        Ok(names) => {
            let mut names = names.clone();
            names.sort();
            Ok(Held::Names(Sha256::digest(names.join("\0")).into()))
        }
        Err(error) => Err(error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read and what is looked at afterwards is the same, whatever it is.
    #[test]
    fn a_look_sees_what_was_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("atalaya.yaml");
        let file = ConfigFile { path: path.clone(), compat: None };
        let mut last = file.load().seen;
        let mut check = |what: &str| {
            let loaded = file.load().seen;
            assert!(loaded.again() == loaded, "{what}");
            assert!(last != loaded, "{what} is not seen");
            last = loaded;
        };
        std::fs::write(&path, "rule_files: ['*.rules']").unwrap();
        check("a pattern");
        std::fs::write(home.path().join("a.rules"), "groups: []").unwrap();
        check("a file that it means");
        std::fs::write(home.path().join("a.rules"), [0xff]).unwrap();
        check("a file that is no text");
        std::fs::remove_file(home.path().join("a.rules")).unwrap();
        std::fs::create_dir(home.path().join("a.rules")).unwrap();
        check("a directory that it means");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        check("a directory");
    }

    #[test]
    fn what_else_is_in_a_directory_is_no_text_of_ours() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("atalaya.yaml");
        std::fs::write(&path, "rule_files: ['*.rules']").unwrap();
        let file = ConfigFile { path, compat: None };
        let before = file.load().seen;
        std::fs::write(home.path().join("a.log"), "x").unwrap();
        let now = before.again();
        assert!(now != before && now.has_same_texts(&before));
        std::fs::write(home.path().join("a.rules"), "groups: []").unwrap();
        assert!(!file.load().seen.has_same_texts(&before));
    }

    #[test]
    fn a_secret_that_comes_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let token = home.path().join("token");
        let waiting = Seen::default().with_secrets(std::slice::from_ref(&token));
        assert!(waiting.again() == waiting);
        std::fs::write(&token, "x").unwrap();
        assert!(!waiting.again().has_same_secrets(&waiting));
    }
}
