//! Memory across restarts: rows behind `commit` and `load`, with no idea of what they mean.

mod error;
mod log;
mod migrate;
mod sqlite;

pub use error::StateError;
pub use sqlite::{RowKey, Rows, SqliteState};
