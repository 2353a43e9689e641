//! Rollbacks: when one is claimed, and what becomes of the claim.
//!
//! For now an episode of firing alerts stands in for a rollout: it makes at most one claim, on disk before it leaves, only
//! while a guard holds. Later a rollout's claim takes the episode's place.

mod episode;
mod join;

pub use episode::{Claim, Episode, EpisodeKey, GuardSpec, RollbackSpec};
pub use join::{Clearance, EpisodeRecord, Moved, NoticeOrder, Rollouts};
