//! The commands: what a person types, and what they read.

mod check;
mod demo;
mod log;
mod run;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::transport::install_crypto_provider;

pub use log::LogFormat;

/// Watches: alert rules evaluated, people told, bad canaries rolled back.
#[derive(Debug, Parser)]
#[command(name = "atalaya", version, about)]
struct Arguments {
    /// How the log is written, to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,
    /// The least important messages that are written [default: info, of the demo warn].
    #[arg(long, global = true, value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon until it is interrupted.
    Run(RunArguments),
    /// Says what is wrong with configurations and rule files: exits 1 when something is.
    Check(CheckArguments),
    /// Plays a canary that goes bad, over real HTTP on this machine: an alert, a message, a page and a rollback.
    Demo(DemoArguments),
}

/// What `atalaya run` is told.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where the state is kept [default: the configuration's `state.dir`, or `atalaya-data` here].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the page and the metrics are [default: the configuration's `web.listen`, or 127.0.0.1:9095].
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Whose ways are followed where ours and Alertmanager's differ [default: the configuration's `compat`].
    #[arg(long, value_name = "WHOSE", value_parser = ["default", "strict"])]
    pub compat: Option<String>,
    /// Whether `POST /-/reload` loads the configuration anew.
    #[arg(
        long = "web.enable-lifecycle",
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true
    )]
    pub has_lifecycle: bool,
    /// Do not load the configuration anew when one of its files has changed.
    #[arg(long = "no-watch")]
    pub no_watch: bool,
}

/// What `atalaya check` is told.
#[derive(Debug, clap::Args)]
pub struct CheckArguments {
    /// Configurations and rule files; `-`, or none at all, is standard input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Exit with status 3 when something is probably not meant.
    #[arg(long)]
    pub lint_fatal: bool,
}

/// What `atalaya demo` is told.
#[derive(Debug, clap::Args)]
pub struct DemoArguments {
    /// How many times faster than in life the story goes.
    #[arg(long, value_name = "N", default_value_t = 30.0, value_parser = speed)]
    pub speed: f64,
    /// End with the story, with status 1 if it did not happen as it should.
    #[arg(long)]
    pub exit: bool,
    /// Write one JSON object for each event to this file.
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Where the daemon's page is; a free port unless said.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The secret by which the rollback receiver verifies. It differs from the daemon's only in a test of what then happens.
    #[arg(long, value_name = "WHSEC", hide = true)]
    pub receiver_secret: Option<String>,
}

/// A speed at which scrapes over loopback still keep up.
fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (1.0..=120.0).contains(&speed) { Ok(speed) } else { Err("it must be between 1 and 120".to_owned()) }
}

/// An address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.rsplit_once(':') {
        Some(("", port)) => format!("for every address of this host write `0.0.0.0:{port}`"),
        Some(("localhost", port)) => format!("write it as a number: `127.0.0.1:{port}`"),
        _ => "write an IP address and a port, as in `127.0.0.1:9090`".to_owned(),
    })
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    install_crypto_provider();
    let log_level = arguments.log_level.as_deref();
    let result = match arguments.command {
        Command::Run(run) => {
            log::install(arguments.log_format, log_level.unwrap_or("info"));
            run::run(&run)
        }
        Command::Check(arguments) => check::check(&arguments),
        Command::Demo(demo) => demo::demo(demo, arguments.log_format, log_level),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln_chain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is where a command says why it failed")]
fn eprintln_chain(error: &anyhow::Error) {
    eprintln!("{error:#}");
}
