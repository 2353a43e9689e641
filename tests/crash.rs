//! The real binary, killed at every boundary of a durable write and a send, and started again.
//!
//! Promised is that nobody is left without the page or its resolve, that a rollback is claimed once, and that the only
//! repeat is the one of a request that had left and whose answer was not yet on disk. What is allowed at a point is
//! computed from the state that the dead process left and from what its receivers had seen.
//!
//! Only debug builds have crash points.

#[cfg(debug_assertions)]
#[expect(clippy::unwrap_used, reason = "part of a test")]
#[path = "crash/points.rs"]
mod points;
#[cfg(debug_assertions)]
#[expect(clippy::unwrap_used, reason = "part of a test")]
#[path = "crash/process.rs"]
mod process;
#[cfg(debug_assertions)]
#[expect(clippy::unwrap_used, reason = "part of a test")]
#[path = "crash/world.rs"]
mod world;
