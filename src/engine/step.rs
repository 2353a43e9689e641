//! What goes into the engine and what comes out.

use crate::dispatch::{DispatchRecord, Sending};
use crate::evaluator::Transitions;
use crate::model::{Alert, DeliveryId, Labels, RuleId};
use crate::receiver::Reply;
use crate::rollout::EpisodeRecord;
use crate::rule::InstanceRow;

use super::Note;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The process has started, and everything it knew is restored.
    Started {
        /// The alerts that the evaluator holds to fire.
        firing: Vec<Alert>,
    },
    /// The evaluator has something to say.
    Transitions(Transitions),
    /// An attempt was answered, or failed.
    Reply {
        /// Which delivery.
        delivery: DeliveryId,
        /// What came of it.
        reply: Reply,
    },
    /// The moment that `next_wake` named has come.
    Wake,
}

/// A row to keep: as it is now, or gone. Never a change to one.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a step has few records, and they live until its commit")]
pub enum Record {
    /// An alert instance.
    Instance(RuleId, Labels, Option<InstanceRow>),
    /// A row of dispatch.
    Dispatch(DispatchRecord),
    /// An episode.
    Episode(EpisodeRecord),
    /// Something that happened, for the audit. It is never read back.
    Note(Note),
}

impl Record {
    /// Whether it says that a row is gone.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Instance(.., row) => row.is_none(),
            Self::Dispatch(record) => record.is_end(),
            Self::Episode((_, row)) => row.is_none(),
            Self::Note(_) => false,
        }
    }
}

/// Something for the shell to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send this, and hand the answer back.
    Send(Box<Sending>),
    /// Let those who watch know.
    Note(Note),
}

/// What an event led to, and what waits for what.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// To be on disk, all of them, before anything of `after_commit` happens.
    pub records: Vec<Record>,
    /// To be done once the records are on disk.
    pub after_commit: Vec<Effect>,
}

impl Step {
    /// Adds another step behind this one, so that both are committed together.
    pub fn append(&mut self, other: Self) {
        self.records.extend(other.records);
        self.after_commit.extend(other.after_commit);
    }

    /// Whether nothing came of the event.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.after_commit.is_empty()
    }
}
