//! Where we differ from Alertmanager on purpose, and the way back.

/// Whose way is kept where ours and Alertmanager's differ.
///
/// With [`Compat::Strict`]
///
/// - a reload rebuilds all groups: each waits its `group_wait` anew, or looks for news at once when its alerts have fired
///   for longer. By default a group's next moment is kept over reloads and restarts.
/// - a 429 of Slack or of a webhook, and any refusal in Slack's words, ends the attempt until the group's next
///   `group_interval`, and nobody's `Retry-After` is read. By default both are tried again, not before `Retry-After`.
/// - Slack's `send_resolved` is `false` unless set. By default it is `true`.
/// - that alerts have resolved is told only to the receivers that the configuration gives the group now, and only when a
///   firing was certainly taken. By default whoever was told, or may have been told, that something fires is told that it
///   does no more, at the same place, whatever has become of the receiver since.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compat {
    /// Ours.
    #[default]
    Default,
    /// Alertmanager's.
    Strict,
}

impl Compat {
    /// Whether it is Alertmanager's.
    pub fn is_strict(self) -> bool {
        self == Self::Strict
    }
}
