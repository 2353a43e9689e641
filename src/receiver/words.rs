//! Moments, durations and rollbacks in words for a reader who has just been woken.

use std::time::Duration;

use crate::model::{RollbackNote, RollbackOutcome, Timestamp};

/// The parts of a duration, from large to small, in seconds.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// A moment to the minute; with its date when that is not today's.
pub(super) fn clock(at: Timestamp, now: Timestamp) -> String {
    let day = |moment: Timestamp| moment.millis().div_euclid(86_400_000);
    format(at, if day(at) == day(now) { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" })
}

/// A moment to the second.
pub(super) fn clock_seconds(at: Timestamp) -> String {
    format(at, "%H:%M:%S UTC")
}

fn format(at: Timestamp, form: &str) -> String {
    jiff::Timestamp::from_millisecond(at.millis()).map_or_else(|_| at.to_string(), |at| at.strftime(form).to_string())
}

/// How long something has lasted, in its two largest units; nobody needs more: `45s`, `8m`, `1h12m`, `3d`.
pub(super) fn how_long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let largest = UNITS.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let (name, unit) = UNITS[largest];
    let mut text = format!("{}{name}", seconds / unit);
    if let Some((next_name, next_unit)) = UNITS.get(largest + 1)
        // Seconds beside minutes are noise.
        && *next_name != "s"
        && seconds % unit >= *next_unit
    {
        text.push_str(&format!("{}{next_name}", seconds % unit / next_unit));
    }
    text
}

/// What became of a rollback.
pub(super) fn rollback(note: &RollbackNote) -> String {
    let id = &note.id;
    match note.outcome {
        RollbackOutcome::Sending => {
            format!("Rollback {id} asked for at {}, not yet accepted", clock_seconds(note.claimed_at))
        }
        RollbackOutcome::Accepted { at } => format!("Rollback {id} accepted at {}", clock_seconds(at)),
        RollbackOutcome::Withdrawn { at } => {
            format!("Rollback {id} withdrawn at {}: its guard no longer holds", clock_seconds(at))
        }
        RollbackOutcome::Failed { at } => {
            format!("Rollback {id} FAILED at {}: roll back by hand", clock_seconds(at))
        }
    }
}

/// What became of the rollbacks, for the end of one line; empty when there are none. Of several it is what asks for a
/// person, then what is not over yet.
pub(super) fn rollback_end(notes: &[RollbackNote]) -> String {
    let count = |is: fn(RollbackOutcome) -> bool| notes.iter().filter(|note| is(note.outcome)).count();
    let counts = [
        (count(|outcome| matches!(outcome, RollbackOutcome::Failed { .. })), "FAILED"),
        (count(|outcome| matches!(outcome, RollbackOutcome::Sending)), "triggered"),
        (count(|outcome| matches!(outcome, RollbackOutcome::Accepted { .. })), "accepted"),
        (count(|outcome| matches!(outcome, RollbackOutcome::Withdrawn { .. })), "withdrawn"),
    ];
    match counts.iter().find(|(count, _)| *count > 0) {
        None => String::new(),
        Some((1, word)) => format!(" · rollback {word}"),
        Some((count, word)) => format!(" · {count} rollbacks {word}"),
    }
}

/// A text of at most `max` characters, its end marked when some are missing.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// A text on one line, without control characters.
pub(super) fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RollbackId;

    #[test]
    fn durations_have_two_units() {
        let check = |seconds: u64, text: &str| assert_eq!(how_long(Duration::from_secs(seconds)), text);
        check(0, "0s");
        check(45, "45s");
        check(60, "1m");
        check(515, "8m");
        check(3600, "1h");
        check(3659, "1h");
        check(4320, "1h12m");
        check(86_400 * 3 + 7200 + 60, "3d2h");
        check(86_400 * 3 + 60, "3d");
    }

    #[test]
    fn moments_have_a_date_when_it_is_not_today() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let check = |minutes_ago: i64, text: &str| assert_eq!(clock(now.shifted(-minutes_ago * 60_000), now), text);
        check(0, "16:00 UTC");
        check(16 * 60, "00:00 UTC");
        check(16 * 60 + 1, "2025-11-23 23:59 UTC");
        assert_eq!(clock_seconds(now.shifted(44_120)), "16:00:44 UTC");
        assert_eq!(clock(Timestamp::from_millis(i64::MAX), now), format!("{}ms", i64::MAX));
    }

    #[test]
    fn rollbacks_say_what_became_of_them() {
        let at = Timestamp::from_millis(1_764_000_000_000);
        let check = |outcome: RollbackOutcome, text: &str| {
            assert_eq!(rollback(&RollbackNote { id: RollbackId::new("rb_1"), claimed_at: at, outcome }), text);
        };
        check(RollbackOutcome::Sending, "Rollback rb_1 asked for at 16:00:00 UTC, not yet accepted");
        check(RollbackOutcome::Accepted { at }, "Rollback rb_1 accepted at 16:00:00 UTC");
        check(RollbackOutcome::Withdrawn { at }, "Rollback rb_1 withdrawn at 16:00:00 UTC: its guard no longer holds");
        check(RollbackOutcome::Failed { at }, "Rollback rb_1 FAILED at 16:00:00 UTC: roll back by hand");
    }

    #[test]
    fn a_line_ends_with_what_became_of_its_rollbacks() {
        let at = Timestamp::from_millis(1_764_000_000_000);
        let (sending, accepted) = (RollbackOutcome::Sending, RollbackOutcome::Accepted { at });
        let (withdrawn, failed) = (RollbackOutcome::Withdrawn { at }, RollbackOutcome::Failed { at });
        let check = |outcomes: &[RollbackOutcome], text: &str| {
            let note = |outcome: &RollbackOutcome| RollbackNote {
                id: RollbackId::new("rb_1"),
                claimed_at: at,
                outcome: *outcome,
            };
            assert_eq!(rollback_end(&outcomes.iter().map(note).collect::<Vec<_>>()), text);
        };
        check(&[], "");
        check(&[sending], " · rollback triggered");
        check(&[accepted], " · rollback accepted");
        check(&[withdrawn], " · rollback withdrawn");
        check(&[failed], " · rollback FAILED");
        check(&[accepted, withdrawn, accepted], " · 2 rollbacks accepted");
        check(&[accepted, sending], " · rollback triggered");
        check(&[accepted, failed, sending], " · rollback FAILED");
    }

    #[test]
    fn texts_are_cut_by_characters() {
        let check = |text: &str, max: usize, expected: &str| assert_eq!(cut(text, max), expected);
        check("four", 4, "four");
        check("fives", 4, "fiv…");
        check("ééééé", 4, "ééé…");
        check("", 0, "");
        assert_eq!(one_line(" a\n\tb \u{7} c "), "a b c");
    }
}
