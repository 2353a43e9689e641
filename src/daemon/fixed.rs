//! What a running daemon cannot change: where it listens, and where it keeps its state.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::model::{Place, Problem, Problems};

/// What a running daemon cannot change, as the files gave it at the start.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    /// The address, when it is the configuration that says it.
    pub(super) listen: Option<Option<SocketAddr>>,
    /// The data directory, when it is the configuration that says it.
    pub(super) state_dir: Option<Option<PathBuf>>,
}

impl Fixed {
    /// What is set otherwise than at the start, and cannot be changed while we run.
    pub(super) fn check(&self, file: &Path, config: &Config) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let mut note = |path: &str, before: String, now: String| {
            problems.push(Problem {
                place: Place { file: file.display().to_string(), line: None, column: None },
                path: path.to_owned(),
                what: format!("was {before} at the start, is {now} now, and cannot change while Atalaya runs"),
                hint: Some("restart needed: set it back, or restart".to_owned()),
                snippet: String::new(),
            });
        };
        if let Some(before) = &self.listen
            && *before != config.listen
        {
            note("web.listen", told(before.as_ref()), told(config.listen.as_ref()));
        }
        if let Some(before) = &self.state_dir
            && *before != config.state_dir
        {
            let path = |path: &Option<PathBuf>| told(path.as_ref().map(|path| path.display()).as_ref());
            note("state.dir", path(before), path(&config.state_dir));
        }
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}

fn told(value: Option<&impl fmt::Display>) -> String {
    value.map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"))
}
