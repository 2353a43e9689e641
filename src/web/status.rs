//! What the service says of itself: how it was started, what is loaded, and whether what it knows is on disk. Written by
//! the daemon, read by whoever asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::model::{Labels, Timestamp};

/// How the daemon was started and how it is; shared.
#[derive(Debug)]
pub struct Status {
    /// The options of the command line with their values.
    pub flags: Vec<(String, String)>,
    /// When it was started.
    pub started_at: Timestamp,
    /// Whether `/-/reload` may be called.
    pub has_lifecycle: bool,
    durable: AtomicBool,
    loaded: Mutex<Loaded>,
}

/// The configuration in use, and the last attempt to load another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration as it may be shown: without secrets.
    pub shown: String,
    /// When it was loaded.
    pub at: Timestamp,
    /// The Alertmanagers that alerts are forwarded to.
    pub alertmanagers: Vec<String>,
    /// The remote sources: names and URLs.
    pub sources: Vec<(String, String)>,
    /// What is added to every alert that has not got them.
    pub external_labels: Labels,
    /// Why a later one is not in use.
    pub refused: Option<Refused>,
}

/// A configuration that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When it was tried.
    pub at: Timestamp,
    /// Everything that is wrong with it.
    pub problems: String,
}

impl Status {
    /// The status of a daemon that starts with this.
    pub fn new(flags: Vec<(String, String)>, has_lifecycle: bool, loaded: Loaded) -> Self {
        let started_at = loaded.at;
        Self { flags, started_at, has_lifecycle, durable: AtomicBool::new(true), loaded: Mutex::new(loaded) }
    }

    /// Whether everything known is on disk. While it is not, nothing new is accepted that must not be lost.
    pub fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }

    /// Says whether everything known is on disk.
    pub fn set_durable(&self, is_durable: bool) {
        self.durable.store(is_durable, Ordering::Relaxed);
    }

    /// What is loaded.
    pub fn loaded(&self) -> Loaded {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another configuration is in use.
    pub fn set_loaded(&self, loaded: Loaded) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
    }

    /// Another configuration was tried and is not in use.
    pub fn set_refused(&self, refused: Refused) {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).refused = Some(refused);
    }
}
