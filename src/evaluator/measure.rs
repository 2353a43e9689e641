//! Questions that others ask of the numbers at every tick: the guards of rollbacks, later the gates of rollouts.

use std::collections::BTreeSet;

use crate::model::{IntegrationId, Labels, SourceName, Timestamp};
use crate::promql::Expr;

/// A condition to be measured at every tick, for whoever has these label values.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Who asks.
    pub id: IntegrationId,
    /// Whom it is asked of.
    pub source: SourceName,
    /// The condition; it holds for a key when an element of its result agrees with the key.
    pub expr: Expr,
    /// The labels that make up a key.
    pub key: Vec<String>,
}

impl Measure {
    /// Those of these labels that make up a key.
    pub(super) fn key_of(&self, labels: &Labels) -> Labels {
        labels.filter(|name| self.key.iter().any(|key| key == name))
    }
}

/// What a measure gave at a tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Who asked.
    pub id: IntegrationId,
    /// When.
    pub at: Timestamp,
    /// The elements of the result, or why there is none.
    pub elements: Result<Vec<Labels>, String>,
    /// The keys for which an absence proves nothing: a target behind them was not scraped, or not for long enough.
    pub blind: BTreeSet<Labels>,
}

/// What a reading says of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The condition holds.
    Holds,
    /// It does not.
    Fails,
    /// It could not be measured.
    Unknown,
}

impl Reading {
    /// What it says of a key.
    pub fn answer(&self, key: &Labels) -> Answer {
        match &self.elements {
            Err(_) => Answer::Unknown,
            Ok(elements) if elements.iter().any(|element| element.agrees_with(key)) => Answer::Holds,
            Ok(_) if self.blind.iter().any(|blind| blind.agrees_with(key)) => Answer::Unknown,
            Ok(_) => Answer::Fails,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IntegrationKind, ReceiverName};

    fn check(elements: Result<&[&str], &str>, blind: &[&str], expected: Answer) {
        let of = |services: &[&str]| {
            services.iter().map(|name| Labels::from_pairs([("service", *name)])).collect::<Vec<_>>()
        };
        let reading = Reading {
            id: IntegrationId { receiver: ReceiverName::new("r"), kind: IntegrationKind::Rollback, slot: 0.into() },
            at: Timestamp::from_millis(0),
            elements: elements.map(of).map_err(str::to_owned),
            blind: of(blind).into_iter().collect(),
        };
        assert_eq!(reading.answer(&Labels::from_pairs([("service", "chat")])), expected);
    }

    #[test]
    fn an_absence_counts_only_when_it_was_measured() {
        check(Ok(&["chat", "gateway"]), &[], Answer::Holds);
        check(Ok(&["gateway"]), &[], Answer::Fails);
        check(Ok(&["gateway"]), &["chat"], Answer::Unknown);
        check(Ok(&["gateway"]), &["gateway"], Answer::Fails);
        check(Ok(&["chat"]), &["chat"], Answer::Holds);
        check(Err("many-to-many"), &[], Answer::Unknown);
    }
}
