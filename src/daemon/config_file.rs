//! The configuration on disk: loads it, and notices when any file of it has changed.
//!
//! Everything that is read on the way is remembered by a hash of what it held, so that whatever the configuration names,
//! and through whatever links, is watched without knowing what it is. A Kubernetes ConfigMap is exchanged by a link above
//! the files: by content, that is a change like any other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
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

/// What files held when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(BTreeMap<PathBuf, Print>);

/// A fingerprint of what is at a path, or why there is none.
type Print = Result<Held, io::ErrorKind>;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Held {
    /// A text with this hash.
    Text([u8; 32]),
    /// A directory in which patterns are looked for; its names have this hash.
    Names([u8; 32]),
}

impl ConfigFile {
    /// Reads everything anew.
    pub fn load(&self) -> Loading {
        let seen = RefCell::new(Seen::default());
        let main = RefCell::new(String::new());
        let read = |path: &Path| {
            let result = std::fs::read_to_string(path);
            seen.borrow_mut().0.insert(path.to_owned(), print_of(&result));
            if path == self.path
                && let Ok(text) = &result
            {
                main.borrow_mut().clone_from(text);
            }
            result
        };
        let list = |directory: &Path| {
            let result = config::list(directory);
            seen.borrow_mut().0.insert(directory.to_owned(), print_of_names(&result));
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
    /// What the same files hold now.
    pub fn again(&self) -> Self {
        let look = |(path, print): (&PathBuf, &Print)| {
            let print = match print {
                Ok(Held::Names(_)) => print_of_names(&config::list(path)),
                Ok(Held::Text(_)) | Err(_) if path.is_dir() => print_of_names(&config::list(path)),
                Ok(Held::Text(_)) | Err(_) => print_of(&std::fs::read_to_string(path)),
            };
            (path.clone(), print)
        };
        Self(self.0.iter().map(look).collect())
    }

    /// How many files these are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn print_of(result: &io::Result<String>) -> Print {
    match result {
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
