//! Atalaya watches: an alert and SLO evaluation daemon in one binary.
//!
//! Two pure machines, `evaluator` and `engine`, decide; a thin shell moves bytes. `docs/ARCHITECTURE.md` is the map.
//! A module uses only modules declared above it, or to its left on its own line of the map, which
//! `tests/architecture.rs` holds.

pub mod model;

pub mod exposition;
pub mod store;

pub mod promql;
pub mod template;

pub mod rule;

pub mod evaluator;

pub mod receiver;

pub mod dispatch;

pub mod rollout;

pub mod engine;

pub mod clock;
pub mod disk;
pub mod telemetry;

pub mod transport;
pub mod state;
pub mod source;
pub mod web;

pub mod config;

pub mod daemon;
pub mod demo;

pub mod cli;
