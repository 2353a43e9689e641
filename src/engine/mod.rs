//! Tells: an event in, a [`Step`] out.
//!
//! The engine joins dispatch and rollouts. Its memory is the truth; a step's records are the rows that changed, whole, for
//! the shell to commit in one transaction before it carries out what waits for them.

mod join;
mod note;
mod step;

pub use join::{Engine, EngineRows, EngineSpec};
pub use note::{AlertMove, Note, Weight};
pub use step::{Effect, Event, Record, Step};
