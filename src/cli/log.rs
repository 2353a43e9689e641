//! The log, on standard error.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line each, with its fields.
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts to write the log; `level` is one of the names that the command line takes.
pub(super) fn install(format: LogFormat, level: &str) {
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        // A log that cannot be written, on a full disk say, would be told to standard error, and that would be a panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
