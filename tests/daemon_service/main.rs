//! The real binary as a service: what is reloaded, what is asked of it, what it does while the disk is full.

mod api;
mod disk;
mod metrics;
mod process;
mod prometheus;
mod reload;
mod shape;
mod world;
