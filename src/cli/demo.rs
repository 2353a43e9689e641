//! `atalaya demo`.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::{DemoSpec, Ending, play};

use super::run::runtime;
use super::{DemoArguments, LogFormat, log};

/// Plays the story; fails when it did not happen as it should.
pub(super) fn demo(
    arguments: DemoArguments,
    log_format: LogFormat,
    log_level: Option<&str>,
) -> anyhow::Result<ExitCode> {
    // On a terminal the story is told, and the log would break into it; whatever is wrong is part of the story. Who asks
    // for a log gets one.
    if log_level.is_some() || !io::stdout().is_terminal() {
        log::install(log_format, log_level.unwrap_or("warn"));
    }
    let spec = DemoSpec {
        speed: arguments.speed,
        exit: arguments.exit,
        transcript: arguments.transcript,
        listen: arguments.listen,
        receiver_secret: arguments.receiver_secret,
    };
    let ending = runtime()?.block_on(async {
        // Asked for before anything starts, so that no signal is missed.
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        anyhow::Ok(play(spec, stop).await?)
    })?;
    Ok(match ending {
        Ending::Happened => ExitCode::SUCCESS,
        Ending::Failed | Ending::Interrupted => ExitCode::FAILURE,
    })
}
