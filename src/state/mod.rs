//! Memory across restarts: rows behind `commit` and `load`, with no idea of what they mean.

mod sqlite;

pub use sqlite::{Rows, SqliteState, StateError};
