//! Numbers as Go's `%g` writes them.

use std::fmt;

/// Prints a number with the fewest digits that mean it, as Go's `%g` and `%v` do: with an exponent below `1e-04` and from
/// `1e+06` on.
#[derive(Clone, Copy, Debug)]
pub struct GoFloat(pub f64);

impl fmt::Display for GoFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value => {
                let text = format!("{value:e}");
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let exponent: i32 = exponent.parse().unwrap_or(0);
                if (-4..6).contains(&exponent) { write!(f, "{value}") } else { with_exponent(f, digits, exponent) }
            }
        }
    }
}

fn with_exponent(f: &mut fmt::Formatter<'_>, digits: &str, exponent: i32) -> fmt::Result {
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(f, "{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let check = |value: f64, want: &str| assert_eq!(GoFloat(value).to_string(), want);
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(123_456.5, "123456.5");
        check(1e6, "1e+06");
        check(1_234_567.0, "1.234567e+06");
        check(-2.5e-300, "-2.5e-300");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
        check(f64::NAN, "NaN");
    }
}
