//! Is there anything new to say? Alertmanager's decision, with its reason.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Fingerprint, NotifyReason, RollbackNote, Timestamp};

/// What an integration was last told of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// The alerts it knows to fire.
    pub firing: BTreeSet<Fingerprint>,
    /// The alerts it knows to have resolved.
    pub resolved: BTreeSet<Fingerprint>,
    /// What became of the rollbacks that they asked for.
    #[serde(default)]
    pub rollbacks: Vec<RollbackNote>,
    /// When.
    pub at: Timestamp,
}

/// Why an integration needs to be told, or `None` when it knows everything.
///
/// `told` is what it was last told, `now` the group's alerts as they are. As in Alertmanager, alerts that merely leave
/// the firing set are news only to an integration that wants resolved ones, and `AllResolved` is answered even to one
/// that does not, so that the caller can clear what it remembers.
pub fn needs_update(
    told: Option<&Told>,
    now: &Told,
    send_resolved: bool,
    repeat_interval: Duration,
) -> Option<NotifyReason> {
    let Some(told) = told else {
        return (!now.firing.is_empty()).then_some(NotifyReason::First);
    };
    if !now.firing.is_subset(&told.firing) {
        return Some(if told.firing.is_empty() { NotifyReason::First } else { NotifyReason::NewAlerts });
    }
    if now.firing.is_empty() {
        return (!told.firing.is_empty()).then_some(NotifyReason::AllResolved);
    }
    if send_resolved && !now.resolved.is_subset(&told.resolved) {
        return Some(NotifyReason::SomeResolved);
    }
    (told.at < now.at - repeat_interval).then_some(NotifyReason::Repeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(firing: &str, resolved: &str, minute: i64) -> Told {
        let set = |letters: &str| letters.bytes().map(|letter| Fingerprint(u64::from(letter))).collect();
        Told {
            firing: set(firing),
            resolved: set(resolved),
            rollbacks: Vec::new(),
            at: Timestamp::from_millis(minute * 60_000),
        }
    }

    fn check(before: Option<(&str, &str)>, firing: &str, resolved: &str, minute: i64, expected: Option<NotifyReason>) {
        let before = before.map(|(firing, resolved)| told(firing, resolved, 0));
        let got = needs_update(before.as_ref(), &told(firing, resolved, minute), true, Duration::from_secs(600));
        assert_eq!(got, expected, "{before:?} then {firing}/{resolved} at {minute}m");
    }

    #[test]
    fn gives_alertmanagers_reasons() {
        check(None, "", "a", 0, None);
        check(None, "a", "", 0, Some(NotifyReason::First));
        check(Some(("", "a")), "a", "", 1, Some(NotifyReason::First));
        check(Some(("a", "")), "ab", "", 1, Some(NotifyReason::NewAlerts));
        check(Some(("a", "")), "", "a", 1, Some(NotifyReason::AllResolved));
        check(Some(("", "")), "", "a", 1, None);
        check(Some(("ab", "")), "a", "b", 1, Some(NotifyReason::SomeResolved));
        check(Some(("ab", "b")), "a", "b", 1, None);
        check(Some(("a", "")), "a", "", 10, None);
        check(Some(("a", "")), "a", "", 11, Some(NotifyReason::Repeat));
    }
}
