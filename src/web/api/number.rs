//! Numbers and moments as Prometheus writes them.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::model::Timestamp;

/// The moment of something that never happened: Go's zero time.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// A scalar's value: the shortest digits without an exponent, as Go's `%f` with precision -1.
pub(super) fn scalar_value(value: f64) -> String {
    special(value).unwrap_or_else(|| value.to_string())
}

/// A sample's value: the same, but with an exponent when it is very small or very large.
pub(super) fn sample_value(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && !(1e-6..1e21).contains(&size) => alert_value(value),
        _ => scalar_value(value),
    }
}

/// An alert's value: the shortest digits with an exponent, as Go's `%e` with precision -1.
pub(super) fn alert_value(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        format!("{digits}e{sign}{exponent:0>2}")
    })
}

fn special(value: f64) -> Option<String> {
    match value {
        _ if value.is_nan() => Some("NaN".to_owned()),
        f64::INFINITY => Some("+Inf".to_owned()),
        f64::NEG_INFINITY => Some("-Inf".to_owned()),
        _ => None,
    }
}

/// A moment in RFC 3339, or that there was none.
pub(super) fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), |at| at.to_string())
}

/// A moment as a number of seconds: whole ones without a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seconds(pub(super) Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.millis() {
            ms if ms % 1000 == 0 => serializer.serialize_i64(ms / 1000),
            _ => serializer.serialize_f64(self.0.seconds()),
        }
    }
}

/// A stretch of time as a number of seconds: whole ones without a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting(pub(super) Duration);

impl Serialize for Lasting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_nanos() {
            0 => serializer.serialize_u64(self.0.as_secs()),
            _ => serializer.serialize_f64(self.0.as_secs_f64()),
        }
    }
}

/// A sample's value. It becomes a text only when it is written: there may be millions.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampleText(f64);

impl Serialize for SampleText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&sample_value(self.0))
    }
}

/// A sample: its moment and its value.
pub(super) type Point = (Seconds, SampleText);

/// A value at a moment.
pub(super) fn point(at: Timestamp, value: f64) -> Point {
    (Seconds(at), SampleText(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let check = |value: f64, scalar: &str, alert: &str| {
            assert_eq!((scalar_value(value).as_str(), alert_value(value).as_str()), (scalar, alert));
            let is_plain = value.is_nan() || value.is_infinite() || value == 0.0 || (1e-6..1e21).contains(&value.abs());
            assert_eq!(sample_value(value), if is_plain { scalar } else { alert });
        };
        check(1.0, "1", "1e+00");
        check(0.25, "0.25", "2.5e-01");
        check(-1234.5, "-1234.5", "-1.2345e+03");
        check(1e21, "1000000000000000000000", "1e+21");
        check(1e-7, "0.0000001", "1e-07");
        check(5e-324, &format!("{:.324}", 5e-324), "5e-324");
        check(0.0, "0", "0e+00");
        check(-0.0, "-0", "-0e+00");
        check(f64::NAN, "NaN", "NaN");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
    }

    #[test]
    fn moments_are_seconds() {
        let check = |ms: i64, expected: &str| {
            assert_eq!(serde_json::to_string(&Seconds(Timestamp::from_millis(ms))).unwrap(), expected);
        };
        check(1_435_781_451_781, "1435781451.781");
        check(1_435_781_451_000, "1435781451");
        check(1_435_781_451_100, "1435781451.1");
        check(0, "0");
        let lasting = |ms: u64| serde_json::to_string(&Lasting(Duration::from_millis(ms))).unwrap();
        assert_eq!((lasting(60_000), lasting(200), lasting(0)), ("60".to_owned(), "0.2".to_owned(), "0".to_owned()));
    }
}
