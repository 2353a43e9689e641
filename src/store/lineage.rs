//! Where series come from, so that silence of a target is not mistaken for good news.

use crate::model::{TargetId, Timestamp};

/// Where a series comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The target exposes it.
    Scraped(TargetId),
    /// `up` and `scrape_*`, which we write about a target ourselves.
    Report(TargetId),
}

impl Origin {
    /// The target that it is from or about.
    pub fn target(&self) -> &TargetId {
        match self {
            Self::Scraped(target) | Self::Report(target) => target,
        }
    }
}

/// What the scrapes of a target were like since this process began, or since it last stood still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TargetHistory {
    /// The last scrape.
    pub last_at: Timestamp,
    /// Whether it succeeded.
    pub last_ok: bool,
    /// The first scrape; what we write about the target ourselves goes back no further.
    pub first_at: Timestamp,
    /// The first scrape that succeeded; samples of the target go back no further.
    pub first_ok_at: Option<Timestamp>,
}

impl TargetHistory {
    pub(super) fn new(at: Timestamp, ok: bool) -> Self {
        Self { last_at: at, last_ok: ok, first_at: at, first_ok_at: ok.then_some(at) }
    }

    pub(super) fn record(&mut self, at: Timestamp, ok: bool) {
        (self.last_at, self.last_ok) = (at, ok);
        self.first_ok_at = self.first_ok_at.or(ok.then_some(at));
    }
}
