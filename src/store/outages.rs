//! When something could not be had, as far back as anyone looks.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Timestamp;

/// How many spans of time are told apart. Of more, the oldest two count as one, with the time between them.
const SPANS_MAX: usize = 1000;

/// Spans of time in which something could not be had, each without its end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outages {
    /// The oldest first, none touching the next.
    spans: VecDeque<(Timestamp, Timestamp)>,
}

impl Outages {
    /// Adds the time from `from` until before `until`. What lies before the last span is known already.
    pub fn add(&mut self, from: Timestamp, until: Timestamp) {
        match self.spans.back_mut() {
            Some((_, end)) if from <= *end => *end = until.max(*end),
            _ if from < until => self.spans.push_back((from, until)),
            _ => {}
        }
        if self.spans.len() > SPANS_MAX
            && let Some((begin, _)) = self.spans.pop_front()
            && let Some((next, _)) = self.spans.front_mut()
        {
            *next = begin;
        }
    }

    /// Whether a moment lies in one.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.begin_of(at).is_some()
    }

    /// When the one began in which a moment lies.
    pub fn begin_of(&self, at: Timestamp) -> Option<Timestamp> {
        let after = self.spans.partition_point(|(from, _)| *from <= at);
        let (from, until) = self.spans[after.checked_sub(1)?];
        (at < until).then_some(from)
    }

    /// Whether one reaches beyond `at`.
    pub fn reach_beyond(&self, at: Timestamp) -> bool {
        self.spans.back().is_some_and(|(_, until)| *until > at)
    }

    /// The end of the last one that, with this margin, is at least so long.
    pub(super) fn last_of(&self, length: Duration, margin: Duration) -> Option<Timestamp> {
        let is_long = |(from, until): &&(Timestamp, Timestamp)| until.since(*from).saturating_add(margin) >= length;
        self.spans.iter().rev().find(is_long).map(|(_, until)| *until)
    }

    /// Forgets what ended `reach` before `now` or earlier.
    pub fn forget(&mut self, now: Timestamp, reach: Duration) {
        while self.spans.front().is_some_and(|(_, until)| *until <= now - reach) {
            self.spans.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn spans_that_touch_are_one_and_ends_are_left_out() {
        let mut outages = Outages::default();
        for (from, until) in [(10, 20), (20, 30), (40, 50), (45, 48), (60, 60)] {
            outages.add(at(from), at(until));
        }
        assert_eq!(outages.spans, [(at(10), at(30)), (at(40), at(50))]);
        let covered: Vec<i64> = (0..70).step_by(5).filter(|second| outages.covers(at(*second))).collect();
        assert_eq!(covered, [10, 15, 20, 25, 40, 45]);
        assert_eq!((outages.reach_beyond(at(49)), outages.reach_beyond(at(50))), (true, false));
        outages.forget(at(100), Duration::from_secs(70));
        assert_eq!(outages.spans, [(at(40), at(50))]);
    }

    #[test]
    fn of_too_many_the_oldest_become_one() {
        let mut outages = Outages::default();
        for index in 0..1200 {
            outages.add(at(index * 10), at(index * 10 + 1));
        }
        assert_eq!(outages.spans.len(), SPANS_MAX);
        assert!(outages.covers(at(5)), "what was between them counts as lost");
        assert!(!outages.covers(at(5005)));
    }
}
