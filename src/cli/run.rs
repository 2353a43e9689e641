//! `atalaya run`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{Cause, ConfigFile, Daemon, DaemonSpec, Loading, ServiceSpec, warn_of};

use super::RunArguments;

/// Where the page is, unless something else is said: for this machine alone, since anyone who reaches it can read it.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9095);
/// Where the state is kept, unless something else is said.
const DATA_DIR: &str = "atalaya-data";
/// Threads that move bytes; what decides has its own.
const WORKERS: usize = 2;

/// Runs the daemon until SIGINT or SIGTERM. SIGHUP loads its configuration anew.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let compat = match arguments.compat.as_deref() {
        Some("strict") => Some("strict"),
        Some(_) => Some("default"),
        None => None,
    };
    let file = ConfigFile { path: arguments.config.clone(), compat };
    let Loading { config, shown, seen } = file.load();
    let config = config?;
    warn_of(&config);
    let data_dir = arguments.data_dir.clone().or_else(|| config.state_dir.clone());
    let data_dir = data_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let listen = arguments.listen.or(config.listen).unwrap_or(LISTEN);
    let spec = DaemonSpec {
        service: ServiceSpec {
            file: Some((file, seen)),
            shown,
            is_watching: !arguments.no_watch,
            has_lifecycle: arguments.has_lifecycle,
            flags: flags(arguments, &config, &data_dir, listen),
            is_listen_given: arguments.listen.is_some(),
            is_data_dir_given: arguments.data_dir.is_some(),
        },
        data_dir,
        listen,
        config,
        clock: Clock::wall(),
        notes: None,
    };
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        // Asked for before anything starts, so that no signal is missed.
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        let daemon = tokio::select! {
            daemon = Daemon::start(spec) => daemon?,
            _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
            _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        };
        let reloads = daemon.reloads();
        daemon
            .run_until(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => return,
                        _ = terminate.recv() => return,
                        // How it went is logged.
                        _ = hangup.recv() => drop(reloads.reload(Cause::Signal).await),
                    }
                }
            })
            .await?;
        Ok(ExitCode::SUCCESS)
    });
    // A disk that does not answer is not waited for.
    runtime.shutdown_background();
    result
}

/// The options as they count, for whoever asks how this was started.
fn flags(arguments: &RunArguments, config: &Config, data_dir: &Path, listen: SocketAddr) -> Vec<(String, String)> {
    [
        ("compat", if config.compat.is_strict() { "strict" } else { "default" }.to_owned()),
        ("config", arguments.config.display().to_string()),
        ("data-dir", data_dir.display().to_string()),
        ("listen", listen.to_string()),
        ("no-watch", arguments.no_watch.to_string()),
        ("web.enable-lifecycle", arguments.has_lifecycle.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The runtime on which bytes move.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("start the runtime")
}
