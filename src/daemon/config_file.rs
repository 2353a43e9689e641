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

use crate::config::{self, Config};
use crate::model::Problems;

/// Where a configuration is, and what the command line says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// The main file.
    pub path: PathBuf,
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

/// A fingerprint of a file, or why there is none.
type Print = Result<[u8; 32], io::ErrorKind>;

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
        let config = config::load(&self.path, &read);
        let shown = config::shown(&main.into_inner());
        Loading { config, shown, seen: seen.into_inner() }
    }
}

impl Seen {
    /// What the same files hold now.
    pub fn again(&self) -> Self {
        let look = |path: &PathBuf| (path.clone(), print_of(&std::fs::read_to_string(path)));
        Self(self.0.keys().map(look).collect())
    }

    /// How many files these are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn print_of(result: &io::Result<String>) -> Print {
    match result {
        Ok(text) => Ok(Sha256::digest(text).into()),
        Err(error) => Err(error.kind()),
    }
}
