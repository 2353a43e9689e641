//! What could not be put on disk yet.
//!
//! Records are whole rows, so of one row only the newest counts: what waits is never more than what there is, plus what was
//! on disk and is to go from there, however long the disk takes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::engine::Record;
use crate::state::{RowKey, SqliteState, StateError};

/// How many notes for the audit wait at most; of more, the oldest are dropped.
const NOTES_MAX: usize = 10_000;
/// How long after an attempt that failed the next one is made: a disk in trouble is not hammered, and what is told waits
/// for no further attempt.
const COMMIT_RETRY: Duration = Duration::from_secs(1);
/// From how many rows on it is looked whether some of them need not wait.
const ROWS_LOOK: usize = 20_000;

/// Records in wait for the disk.
#[derive(Debug)]
pub(super) struct Backlog {
    rows: BTreeMap<RowKey, Record>,
    notes: Vec<Record>,
    notes_dropped: u64,
    look_at: usize,
    /// How long ago the last attempt failed; none when it did not.
    failed: Option<Stopwatch>,
}

/// What came of records that are to be on disk.
#[derive(Debug)]
pub(super) enum Commit {
    /// They are, and everything that waited.
    Done {
        /// Whether the attempt before had failed.
        is_recovered: bool,
    },
    /// The disk did not take them: they wait.
    Failed {
        /// Why.
        error: StateError,
        /// Whether the attempt before had been taken.
        is_first: bool,
    },
    /// They wait, and it was not tried: an attempt has just failed.
    NotTried,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), notes: Vec::new(), notes_dropped: 0, look_at: ROWS_LOOK, failed: None }
    }
}

impl Backlog {
    /// How many records wait.
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.notes.len()
    }

    /// Puts everything on disk, these included, all or none, unless an attempt has just failed.
    pub(super) fn commit(&mut self, records: Vec<Record>, state: &mut SqliteState) -> Commit {
        if self.failed.is_some_and(|since| since.elapsed() < COMMIT_RETRY) {
            self.add(records);
            self.bound(state);
            return Commit::NotTried;
        }
        self.commit_now(records, state)
    }

    /// Puts everything on disk, these included, all or none. What the disk does not take waits.
    pub(super) fn commit_now(&mut self, records: Vec<Record>, state: &mut SqliteState) -> Commit {
        let waiting = self.rows.values().chain(&self.notes);
        match state.commit(waiting.chain(&records)) {
            Ok(()) => Commit::Done { is_recovered: std::mem::take(self).failed.is_some() },
            Err(error) => {
                self.add(records);
                self.bound(state);
                Commit::Failed { error, is_first: self.failed.replace(Stopwatch::start()).is_none() }
            }
        }
    }

    /// How long it is until the next attempt, when the last one failed.
    pub(super) fn retry_in(&self) -> Option<Duration> {
        self.failed.map(|since| COMMIT_RETRY.saturating_sub(since.elapsed()))
    }

    fn add(&mut self, records: Vec<Record>) {
        for record in records {
            match RowKey::of(&record) {
                Some(key) => drop(self.rows.insert(key, record)),
                None => self.notes.push(record),
            }
        }
    }

    /// Lets go of what need not wait: the oldest notes, and the end of rows that the disk has never seen.
    fn bound(&mut self, state: &SqliteState) {
        if self.notes.len() > NOTES_MAX {
            let excess = self.notes.len() - NOTES_MAX;
            self.notes.drain(..excess);
            if self.notes_dropped == 0 {
                tracing::warn!(
                    kept = NOTES_MAX,
                    "the audit loses its oldest entries until the disk takes writes again"
                );
            }
            self.notes_dropped += excess as u64;
        }
        if self.rows.len() >= self.look_at {
            // What cannot be read is kept.
            self.rows.retain(|_, record| !record.is_end() || state.has_row(record).unwrap_or(true));
            self.look_at = ROWS_LOOK.max(self.rows.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Labels, RuleId, Timestamp};
    use crate::rule::{InstanceRow, InstanceState};

    fn record(pod: &str, since_ms: Option<i64>) -> Record {
        let (rule, labels) = (RuleId::new("r"), Labels::from_pairs([("pod", pod)]));
        let row = since_ms.map(|ms| InstanceRow {
            rule: rule.clone(),
            labels: labels.clone(),
            element: Labels::empty(),
            annotations: Labels::empty(),
            value: "1".to_owned(),
            state: InstanceState::Pending { since: Timestamp::from_millis(ms) },
            unknown_since: None,
        });
        Record::Instance(rule, labels, row)
    }

    #[test]
    fn of_a_row_only_the_newest_waits() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = SqliteState::open(directory.path()).unwrap();
        let mut backlog = Backlog::default();
        for ms in 0..1000 {
            backlog.add(vec![record("a", Some(ms)), record("b", Some(ms))]);
        }
        backlog.add(vec![record("b", None)]);
        assert_eq!(backlog.len(), 2);
        assert!(matches!(backlog.commit(Vec::new(), &mut state), Commit::Done { is_recovered: false }));
        assert_eq!(backlog.len(), 0);
        let rows = state.load().unwrap().instances;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].state, InstanceState::Pending { since: Timestamp::from_millis(999) });
    }

    /// Alerts that come and go while the disk is full leave nothing behind; what was on disk is still to go from there.
    #[test]
    fn what_came_and_went_does_not_wait() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = SqliteState::open(directory.path()).unwrap();
        state.commit(&[record("old", Some(1))]).unwrap();
        let mut backlog = Backlog::default();
        backlog.add(vec![record("old", None)]);
        for pod in 0..ROWS_LOOK {
            backlog.add(vec![record(&pod.to_string(), Some(1)), record(&pod.to_string(), None)]);
        }
        backlog.bound(&state);
        assert_eq!(backlog.len(), 1);
        assert!(matches!(backlog.commit(Vec::new(), &mut state), Commit::Done { is_recovered: false }));
        assert_eq!(state.load().unwrap().instances, []);
    }

    /// A disk in trouble is tried once a second, however much there is to write; only who stops does not wait for that.
    #[test]
    fn a_disk_in_trouble_is_not_hammered() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = SqliteState::open(directory.path()).unwrap();
        let other = rusqlite::Connection::open(directory.path().join("atalaya.db")).unwrap();
        other.execute_batch("ALTER TABLE instance RENAME TO away").unwrap();
        let mut backlog = Backlog::default();
        assert_eq!(backlog.retry_in(), None);
        let first = backlog.commit(vec![record("a", Some(1))], &mut state);
        assert!(matches!(first, Commit::Failed { is_first: true, .. }), "{first:?}");
        other.execute_batch("ALTER TABLE away RENAME TO instance").unwrap();
        for ms in 0..100 {
            assert!(matches!(backlog.commit(vec![record("a", Some(ms))], &mut state), Commit::NotTried));
        }
        assert_eq!((backlog.len(), state.load().unwrap().instances.len()), (1, 0));
        assert!(backlog.retry_in().is_some_and(|wait| wait <= COMMIT_RETRY));
        assert!(matches!(backlog.commit_now(Vec::new(), &mut state), Commit::Done { is_recovered: true }));
        assert_eq!((backlog.len(), state.load().unwrap().instances.len(), backlog.retry_in()), (0, 1, None));
    }
}
