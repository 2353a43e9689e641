//! The running daemon: two machines on two threads, and tasks that carry bytes between them and the world.
//!
//! ```text
//! files, signals → reload ──┐
//! scrape tasks → evaluator thread → engine thread → state file, then send tasks → engine thread
//!                                        └→ notes: the log, and whoever watches
//! ```

mod backlog;
mod config_file;
mod crash;
mod engine_loop;
mod evaluator_loop;
mod fixed;
mod loaded;
mod looks;
mod means;
mod reload;
mod run;
mod secrets;
mod watch;

pub use config_file::{ConfigFile, Loading, Seen};
pub use loaded::warn_of;
pub use means::MeansError;
pub use reload::{Cause, Reloads};
pub use run::{Daemon, DaemonError, DaemonSpec, ServiceSpec};
pub use secrets::SecretsMissing;
