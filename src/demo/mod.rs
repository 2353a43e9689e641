//! The demo: ENOVA's canary goes bad and is rolled back, in one process and over real HTTP on this machine.
//!
//! The daemon is the real one, with the configuration and the rules of `rules/`; only addresses, URLs and secrets are
//! others. The world that it watches and the people whom it tells are stand-ins. A checker follows the story, so the demo
//! is a proof as well as a show: with `--exit` its status says whether all of it happened.

mod page;
mod world;

mod happening;
mod keys;

mod fakes;
mod loopback;

mod scratch;
mod setting;

mod script;
mod transcript;

mod excerpt;
mod narrator;
mod progress;
mod screen;
mod summary;

mod play;

pub use play::{DemoError, DemoSpec, Ending, play};
