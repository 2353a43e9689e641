//! Prometheus durations: `1h30m`, `15s`, `0`.

use std::time::Duration;

/// Why a text is not a Prometheus duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was written.
    #[error("empty duration")]
    Empty,
    /// The text does not follow the grammar.
    #[error("not a valid duration: `{0}` (write it like `1h30m`, `15s` or `500ms`)")]
    Malformed(String),
    /// More than the 292 years that fit into nanoseconds, Prometheus's own limit.
    #[error("duration out of range: `{0}`")]
    OutOfRange(String),
}

/// The units in the order in which they must be written, with their milliseconds. A year has 365 days.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The largest duration, in milliseconds: what fits into 63 bits of nanoseconds.
const MILLIS_MAX: u64 = 9_223_372_036_854;

/// Reads a duration by Prometheus's grammar: whole numbers with units from large to small, each at most once, or `0`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let malformed = || DurationError::Malformed(text.to_owned());
    let out_of_range = || DurationError::OutOfRange(text.to_owned());
    let mut rest = text;
    let mut next_unit = 0;
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, remaining) = after.split_at(letters);
        let at =
            UNITS.iter().position(|(name, _)| *name == unit).filter(|at| *at >= next_unit).ok_or_else(malformed)?;
        if number.is_empty() {
            return Err(malformed());
        }
        let amount: u64 = number.parse().map_err(|_| out_of_range())?;
        let ms = amount.checked_mul(UNITS[at].1).ok_or_else(out_of_range)?;
        total_ms = total_ms.checked_add(ms).filter(|ms| *ms <= MILLIS_MAX).ok_or_else(out_of_range)?;
        next_unit = at + 1;
        rest = remaining;
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a duration as Prometheus does: `1h30m`, `1d`, `0s`. Weeks and years only when nothing is left over, so that
/// `90d` does not become `12w6d`. Parts below a millisecond are cut.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, unit_ms) in UNITS {
        let exact_only = matches!(name, "y" | "w");
        if exact_only && !ms.is_multiple_of(unit_ms) {
            continue;
        }
        if ms >= unit_ms {
            text.push_str(&format!("{}{name}", ms / unit_ms));
            ms %= unit_ms;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_prometheus_reads() {
        let check = |text: &str, ms: u64| assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        check("0", 0);
        check("0s", 0);
        check("324ms", 324);
        check("3s", 3000);
        check("5m", 300_000);
        check("1h", 3_600_000);
        check("4d", 345_600_000);
        check("4d1h", 349_200_000);
        check("14d", 1_209_600_000);
        check("3w", 1_814_400_000);
        check("3w2d1h", 1_990_800_000);
        check("10y", 315_360_000_000);
        check("1h30m", 5_400_000);
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for text in
            ["1", "1y1m1d", "-1w", "1.5d", "d", "5 m", " 5m", "1h 30m", "1M", "1us", "30m1h", "1h1h", "5min", "1month"]
        {
            assert!(matches!(parse_duration(text), Err(DurationError::Malformed(_))), "{text}");
        }
        assert_eq!(parse_duration(""), Err(DurationError::Empty));
        for text in ["294y", "200y10400w", "107675d", "2584200h", "99999999999999999999s"] {
            assert!(matches!(parse_duration(text), Err(DurationError::OutOfRange(_))), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0s", "324ms", "3s", "5m", "1h", "4d1h", "90d", "3w", "10y", "1h30m", "1d1h1m1s1ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(format_duration(Duration::from_secs(14 * 86_400)), "2w");
    }
}
