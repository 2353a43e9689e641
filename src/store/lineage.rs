//! Where series come from, so that silence of a target is not mistaken for good news.

use std::time::Duration;

use super::Outages;
use crate::model::{TargetId, Timestamp};

/// Where a series comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The target exposes it.
    Scraped(TargetId),
    /// `up` and `scrape_*`, which we write about a target ourselves.
    Report(TargetId),
    /// A rule writes it.
    Recorded,
}

impl Origin {
    /// The target that it is from or about; none when a rule writes it.
    pub fn target(&self) -> Option<&TargetId> {
        match self {
            Self::Scraped(target) | Self::Report(target) => Some(target),
            Self::Recorded => None,
        }
    }
}

/// What the scrapes of a target were like since this process began, or since it last stood still.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetHistory {
    /// The last scrape.
    pub last_at: Timestamp,
    /// Whether it succeeded.
    pub last_ok: bool,
    /// When the next one must have come. If it has not, the process stood still or its machine slept.
    pub next_by: Timestamp,
    /// The first scrape of this run; what we write about the target ourselves goes back no further.
    pub first_at: Timestamp,
    /// The first scrape of this run that succeeded; samples of the target go back no further, or are from before a gap.
    pub first_ok_at: Option<Timestamp>,
    /// The last scrape of this run that succeeded.
    pub last_ok_at: Option<Timestamp>,
    /// When it was lost before the last scrape, as far back as any selector looks; gaps included.
    pub(super) outages: Outages,
}

impl TargetHistory {
    pub(super) fn new(at: Timestamp, ok: bool, next_by: Timestamp) -> Self {
        let ok_at = ok.then_some(at);
        let outages = Outages::default();
        Self { last_at: at, last_ok: ok, next_by, first_at: at, first_ok_at: ok_at, last_ok_at: ok_at, outages }
    }

    /// Takes in a scrape. After a gap the run of scrapes begins anew, as after a start.
    pub(super) fn record(&mut self, at: Timestamp, ok: bool, next_by: Timestamp) {
        let silent_from = self.next_by + Duration::from_millis(1);
        self.outages.add(if self.last_ok { silent_from } else { self.last_at }, at);
        if at > self.next_by {
            *self = Self { outages: std::mem::take(&mut self.outages), ..Self::new(at, ok, next_by) };
        } else {
            (self.last_at, self.last_ok, self.next_by) = (at, ok, next_by);
            let ok_at = ok.then_some(at);
            (self.first_ok_at, self.last_ok_at) = (self.first_ok_at.or(ok_at), ok_at.or(self.last_ok_at));
        }
    }

    /// Whether nothing is known of the target as of `at`: the last scrape before that failed, or the next one was overdue.
    pub fn is_lost(&self, at: Timestamp) -> bool {
        if at < self.last_at { self.outages.covers(at) } else { !self.last_ok || at > self.next_by }
    }

    /// When the last outage ended that emptied a window of this length, or left the samples of a scrape or two in it: one
    /// of four fifths of it, from the last scrape before on. `interval` is how far scrapes are apart.
    pub fn emptied_until(&self, window: Duration, interval: Duration) -> Option<Timestamp> {
        if window.is_zero() {
            return None;
        }
        self.outages.last_of(window.saturating_mul(4) / 5, interval)
    }

    /// Whether it is lost at `now` or was within `reach` of it.
    pub(super) fn was_lost(&self, now: Timestamp, reach: Duration) -> bool {
        self.is_lost(now) || self.outages.reach_beyond(now - reach)
    }
}
