//! The `Retry-After` header: seconds, or a date.

use std::time::Duration;

use crate::model::Timestamp;

/// The longest that we let another side put us off. A page does not wait for a day because a proxy says so.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long to wait from `now`; nothing when the header says nothing that we understand.
pub(super) fn parse(header: &str, now: Timestamp) -> Option<Duration> {
    let text = header.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        Timestamp::from_millis(date.timestamp().as_millisecond()).since(now)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let check = |header: &str, seconds: Option<u64>| {
            assert_eq!(parse(header, now), seconds.map(Duration::from_secs), "{header}");
        };
        check("0", Some(0));
        check(" 30 ", Some(30));
        check("86400", Some(3600));
        check("99999999999999999999999", Some(3600));
        check("Mon, 24 Nov 2025 16:00:30 GMT", Some(30));
        check("Mon, 24 Nov 2025 15:00:00 GMT", Some(0));
        check("Mon, 24 Nov 2031 15:00:00 GMT", Some(3600));
        check("Someday, 24 Nov 2025 16:00:30 GMT", None);
        check("Tue, 25 Nov 2025 16:00:00 GMT", Some(3600));
        check("", None);
        check("-1", None);
        check("1.5", None);
        check("soon", None);
    }
}
