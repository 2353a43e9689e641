//! Numbers as people read them: `1.235M`, `1d 2h 3m 4s`, `12.35%`.

use super::float;

/// So many significant digits have humanized numbers.
const DIGITS: usize = 4;

/// With a prefix of the thousands: `1.235M`, `120m`.
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return float::significant(value, DIGITS);
    }
    if value.abs() < 1.0 {
        return small(value);
    }
    large(value, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"])
}

/// With a prefix of the powers of 1024: `1.177Mi`.
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return float::significant(value, DIGITS);
    }
    large(value, 1024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
}

/// A ratio as a percentage: `0.1234567` is `12.35%`.
pub(super) fn humanize_percentage(value: f64) -> String {
    format!("{}%", float::significant(value * 100.0, DIGITS))
}

/// Seconds as days to seconds: `1d 2h 3m 4s`, `12.35s`, `100ms`.
pub(super) fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return float::significant(value, DIGITS);
    }
    if value == 0.0 {
        return format!("{}s", float::significant(value, DIGITS));
    }
    if value.abs() < 1.0 {
        return format!("{}s", small(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let magnitude = value.abs();
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are wanted; a float cast saturates")]
    let whole = magnitude as i64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", float::significant(magnitude, DIGITS)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

fn large(mut value: f64, step: f64, prefixes: &[&str]) -> String {
    let mut prefix = "";
    for larger in prefixes {
        if value.abs() < step {
            break;
        }
        prefix = larger;
        value /= step;
    }
    format!("{}{prefix}", float::significant(value, DIGITS))
}

fn small(mut value: f64) -> String {
    let mut prefix = "";
    for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = smaller;
        value *= 1000.0;
    }
    format!("{}{prefix}", float::significant(value, DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(printed: impl Fn(f64) -> String, cases: &[(f64, &str)]) {
        for (value, expected) in cases {
            assert_eq!(printed(*value), *expected, "{value}");
        }
    }

    #[test]
    fn numbers() {
        let cases = [(0.0, "0"), (1.0, "1"), (-1.0, "-1"), (1_234_567.0, "1.235M"), (0.12, "120m"), (1e30, "1e+06Y")];
        check(humanize, &cases);
        check(humanize, &[(9_223_372_036_854_775_807.0, "9.223E"), (18_446_744_073_709_551_615.0, "18.45E")]);
        check(humanize, &[(f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf"), (f64::NAN, "NaN"), (1e-30, "1e-06y")]);
        check(humanize_1024, &[(0.0, "0"), (1.0, "1"), (1_048_576.0, "1Mi"), (0.12, "0.12"), (1_234_567.0, "1.177Mi")]);
        check(humanize_1024, &[(9_223_372_036_854_775_807.0, "8Ei"), (f64::NAN, "NaN"), (-2048.0, "-2ki")]);
        check(humanize_percentage, &[(-0.22222, "-22.22%"), (0.0, "0%"), (0.123_456_7, "12.35%"), (1.23456, "123.5%")]);
        check(humanize_percentage, &[(1_234_567.0, "1.235e+08%"), (9_223_372_036_854_775_807.0, "9.223e+20%")]);
    }

    #[test]
    fn durations() {
        let days = -(86_400.0 * 2.0 + 3600.0 * 3.0 + 60.0 * 4.0 + 5.0);
        check(humanize_duration, &[(0.0, "0s"), (1.0, "1s"), (60.0, "1m 0s"), (3600.0, "1h 0m 0s"), (-1.0, "-1s")]);
        check(humanize_duration, &[(86_400.0, "1d 0h 0m 0s"), (days, "-2d 3h 4m 5s"), (899.99, "14m 59s")]);
        check(humanize_duration, &[(0.1, "100ms"), (0.0001, "100us"), (0.12345, "123.5ms"), (60.5, "1m 0s")]);
        check(humanize_duration, &[(1.2345, "1.234s"), (12.345, "12.35s"), (f64::INFINITY, "+Inf")]);
    }
}
