//! `atalaya run`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::config;
use crate::daemon::{Daemon, DaemonSpec};

use super::RunArguments;

/// Where the page is, unless something else is said: for this machine alone, since anyone who reaches it can read it.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9095);
/// Where the state is kept, unless something else is said.
const DATA_DIR: &str = "atalaya-data";
/// Threads that move bytes; what decides has its own.
const WORKERS: usize = 2;

/// Runs the daemon until SIGINT or SIGTERM.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let config = config::load_from(&arguments.config, config::Files::disk())?;
    for finding in &config.lints {
        let (lint, place) = (finding.lint, finding.problem.place.to_string());
        tracing::warn!(lint, place, path = finding.problem.path, "{}", finding.problem.what);
    }
    let spec = DaemonSpec {
        data_dir: arguments
            .data_dir
            .clone()
            .or_else(|| config.state_dir.clone())
            .unwrap_or_else(|| PathBuf::from(DATA_DIR)),
        listen: arguments.listen.or(config.listen).unwrap_or(LISTEN),
        config,
        clock: Clock::wall(),
        notes: None,
    };
    runtime()?.block_on(async {
        // Asked for before anything starts, so that no signal is missed.
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let daemon = Daemon::start(spec).await?;
        daemon
            .run_until(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            })
            .await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The runtime on which bytes move.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("start the runtime")
}
