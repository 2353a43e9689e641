//! How bad an alert is, read from its `severity` label.

use crate::model::Alert;

/// The label that says it.
pub(super) const SEVERITY: &str = "severity";

/// How bad something is, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Severity {
    /// Users suffer now.
    Critical,
    /// Something is broken.
    Error,
    /// There is no such label, or none of the words below. It ranks below an error and above a warning: whoever wrote
    /// it wanted it told, and nobody has said that it can wait.
    Unsaid,
    /// Something will break.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// What an alert's label says; the words are those that rule sets in the wild use, in any case.
    pub(super) fn of(alert: &Alert) -> Self {
        Self::of_word(alert.labels.get(SEVERITY))
    }

    /// What a word says.
    pub(super) fn of_word(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "page" | "fatal" | "emergency" | "disaster" => Self::Critical,
            "error" | "err" | "major" | "high" => Self::Error,
            "warning" | "warn" | "minor" | "medium" | "ticket" => Self::Warning,
            "info" | "information" | "informational" | "notice" | "low" | "none" | "debug" => Self::Info,
            _ => Self::Unsaid,
        }
    }

    /// The word for people. An alert that does not say how bad it is just fires.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::Error => "ERROR",
            Self::Unsaid => "FIRING",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AlertStatus, Labels, Timestamp};

    #[test]
    fn reads_the_words_in_use() {
        let check = |word: &str, severity: Severity| {
            let alert = Alert {
                labels: Labels::from_pairs([(SEVERITY, word)]),
                annotations: Labels::empty(),
                status: AlertStatus::Firing,
                starts_at: Timestamp::from_millis(0),
                generator_url: String::new(),
            };
            assert_eq!(Severity::of(&alert), severity, "{word}");
        };
        check("critical", Severity::Critical);
        check("Page", Severity::Critical);
        check("error", Severity::Error);
        check("WARNING", Severity::Warning);
        check("ticket", Severity::Warning);
        check("info", Severity::Info);
        check("", Severity::Unsaid);
        check("p1", Severity::Unsaid);
        assert!(Severity::Critical < Severity::Unsaid && Severity::Unsaid < Severity::Warning);
    }
}
