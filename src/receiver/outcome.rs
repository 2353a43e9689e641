//! What an answer means for a delivery, and the table of HTTP statuses that all receivers share.

use std::time::Duration;

use super::{Handle, Reply};
use crate::model::IntegrationKind;

/// How much of an answer's body is worth repeating in a reason.
const EXCERPT_CHARS_MAX: usize = 200;

/// What an answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was taken.
    Delivered {
        /// How to reach it again, if it can be.
        handle: Option<Handle>,
    },
    /// Not now; the same request may do later.
    Retry {
        /// Not before this long.
        after: Option<Duration>,
        /// Why not now.
        why: String,
    },
    /// The handle is of no use any more: render without it.
    Lost {
        /// Why not.
        why: String,
    },
    /// Never: the same request will be refused again. Somebody has to change something.
    Rejected {
        /// What is to change.
        why: String,
    },
}

impl Outcome {
    /// The same of a service whose answers are known to be no web pages: one says that somebody on the way answers in its
    /// place, as a proxy that wants a password does, and that nothing has arrived.
    pub(super) fn of_service(who: &str, reply: &Reply) -> Self {
        match (Self::of_http(who, reply), reply.answer()) {
            (Self::Delivered { .. }, Reply::Http { status, body, .. }) if body.trim_start().starts_with('<') => {
                let why =
                    format!("{who} answered {status} with a web page, as somebody on the way would{}", excerpt(body));
                Self::Retry { after: None, why }
            }
            (outcome, _) => outcome,
        }
    }

    /// What a status says. Success is 2xx. 408, 425, 429, 5xx, no answer at all, and statuses that nobody has defined are
    /// tried again; redirects that were not followed, and all other 4xx are not. `who` names the other side.
    pub(super) fn of_http(who: &str, reply: &Reply) -> Self {
        match reply.answer() {
            Reply::Http { status: 200..=299, .. } => Self::Delivered { handle: None },
            Reply::Http { status, retry_after, body } => {
                let why = format!("{who} answered {status}{}", excerpt(body));
                match status {
                    408 | 425 | 429 => Self::Retry { after: *retry_after, why },
                    300..=499 => Self::Rejected { why },
                    _ => Self::Retry { after: *retry_after, why },
                }
            }
            Reply::Failed { why } => Self::Retry { after: None, why: why.clone() },
            // Only a bug of ours pairs these; a page must not be lost to it.
            Reply::SlackDone { .. } | Reply::SlackRefused { .. } | Reply::Keyed { .. } => {
                Self::Retry { after: None, why: format!("{who} was answered for by Slack") }
            }
        }
    }
}

impl Outcome {
    /// The outcome as Alertmanager sees it: nobody's `Retry-After` is read, and Slack and webhooks are not tried again
    /// after a 429, nor Slack after anything that it refuses in its own words.
    #[must_use]
    pub fn as_in_alertmanager(self, kind: IntegrationKind, reply: &Reply) -> Self {
        let is_final = match reply.answer() {
            Reply::Http { status: 400..=499, .. } => matches!(kind, IntegrationKind::Slack | IntegrationKind::Webhook),
            Reply::SlackRefused { .. } => true,
            _ => false,
        };
        match self {
            Self::Retry { why, .. } if is_final => Self::Rejected { why },
            Self::Retry { why, .. } => Self::Retry { after: None, why },
            other => other,
        }
    }
}

/// The body's beginning on one line, ready to follow the status; empty when there is nothing to see.
fn excerpt(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(EXCERPT_CHARS_MAX) {
        _ if line.is_empty() => String::new(),
        Some((end, _)) => format!(": {}…", &line[..end]),
        None => format!(": {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_answered_in_one_line() {
        let check = |body: &str, why: &str| {
            let reply = Reply::Http { status: 400, retry_after: None, body: body.to_owned() };
            assert_eq!(Outcome::of_http("pager", &reply), Outcome::Rejected { why: why.to_owned() });
        };
        check("", "pager answered 400");
        check("  \n", "pager answered 400");
        check("bad\n  event ", "pager answered 400: bad event");
        check(&"é".repeat(201), &format!("pager answered 400: {}…", "é".repeat(200)));
        check(&"é".repeat(200), &format!("pager answered 400: {}", "é".repeat(200)));
    }
    /// A page that is taken for told because a proxy shows its login is a page that nobody hears of.
    #[test]
    fn a_web_page_is_no_arrival() {
        let answer = |status: u16, body: &str| {
            let reply = Reply::Http { status, retry_after: None, body: body.to_owned() };
            Outcome::of_service("pager", &reply)
        };
        let why = "pager answered 200 with a web page, as somebody on the way would: <html>Sign in</html>".to_owned();
        assert_eq!(answer(200, " <html>Sign in</html>"), Outcome::Retry { after: None, why });
        assert_eq!(answer(202, "{}"), Outcome::Delivered { handle: None });
        assert_eq!(answer(400, "<html>"), Outcome::Rejected { why: "pager answered 400: <html>".to_owned() });
    }
}
