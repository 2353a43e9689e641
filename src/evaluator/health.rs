//! How a rule's evaluations went, for those that read what it writes.

use std::time::Duration;

use crate::model::Timestamp;
use crate::store::Outages;

/// The smallest step of time.
const SMALLEST: Duration = Duration::from_millis(1);

/// How the evaluations of a rule went.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    is_failing: bool,
    /// Whether it has been evaluated since it is as it is.
    is_evaluated: bool,
    /// The moment for which it wrote first, and the one for which it wrote last.
    written: Option<(Timestamp, Timestamp)>,
    /// The moments for which it failed.
    failures: Outages,
    /// The moments for which it did not write although it should have.
    gaps: Outages,
}

impl Health {
    /// Notes how an evaluation went that wrote for the moment `stamp`, `interval` after the last if none was missed.
    pub(super) fn note(&mut self, stamp: Timestamp, is_failing: bool, interval: Duration) {
        if let Some((_, last)) = self.written
            && stamp.since(last) > interval
        {
            self.gaps.add(last + SMALLEST, stamp);
        }
        if let Some((_, last)) = self.written.filter(|_| self.is_failing) {
            self.failures.add(last, stamp);
        }
        let first = self.written.map_or(stamp, |(first, _)| first);
        (self.written, self.is_failing, self.is_evaluated) = (Some((first, stamp)), is_failing, true);
    }

    /// Says that the rule is another one now, whose series are the same.
    pub(super) fn renew(&mut self) {
        self.is_evaluated = false;
    }

    /// Whether it fails now, or has not been evaluated yet.
    pub(super) fn is_silent(&self) -> bool {
        self.is_failing || !self.is_evaluated
    }

    /// Whether what it wrote for the moment `at` is missing because it failed, or was not evaluated yet.
    pub(super) fn fails_at(&self, at: Timestamp) -> bool {
        match self.written {
            Some((_, last)) if at < last => !self.is_evaluated || self.failures.covers(at),
            _ => self.is_silent(),
        }
    }

    /// The first moment for which it wrote.
    pub(super) fn began_at(&self) -> Option<Timestamp> {
        self.written.map(|(first, _)| first)
    }

    /// The last moment for which it wrote, not after `at`. `due` is the last for which it should have.
    pub(super) fn written_by(&self, at: Timestamp, due: Timestamp) -> Timestamp {
        match self.written {
            Some((_, last)) if last <= at => last,
            _ => self.gaps.begin_of(due).map_or(due, |begin| begin - SMALLEST),
        }
    }
}
