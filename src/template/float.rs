//! Floats as Go prints them.

/// The fewest digits that mean this number, as Go's `%v` and `%g`: `0.1`, `1e+06`, `+Inf`.
pub(super) fn shortest(value: f64) -> String {
    /// From this exponent on the shortest form has one.
    const PLAIN_EXPONENT_MAX: i32 = 6;
    special(value).unwrap_or_else(|| general(&format!("{value:e}"), PLAIN_EXPONENT_MAX))
}

/// So many significant digits at most, as Go's `%.4g`.
pub(super) fn significant(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let exponent_from = i32::try_from(digits).unwrap_or(i32::MAX);
    special(value).unwrap_or_else(|| general(&format!("{value:.*e}", digits - 1), exponent_from))
}

/// So many digits behind the point, as Go's `%.2f`.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    special(value).unwrap_or_else(|| format!("{value:.decimals$}"))
}

/// So many digits behind the point and an exponent, as Go's `%.2e`.
pub(super) fn exponential(value: f64, decimals: usize) -> String {
    special(value).unwrap_or_else(|| {
        let (digits, exponent) = split(&format!("{value:.decimals$e}"));
        format!("{digits}e{}", signed(exponent))
    })
}

/// The fewest digits that mean this number, always with an exponent, as Go's `%e` of the shortest form.
pub(super) fn exponential_shortest(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let (digits, exponent) = split(&format!("{value:e}"));
        format!("{digits}e{}", signed(exponent))
    })
}

/// So many significant digits, with trailing zeros, as Go's `%#.4g`.
pub(super) fn significant_padded(value: f64, digits: usize) -> String {
    let wanted = digits.max(1);
    let text = significant(value, wanted);
    if special(value).is_some() {
        return text;
    }
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa.to_owned(), format!("e{exponent}")),
        None => (text, String::new()),
    };
    let mut mantissa = mantissa;
    if !mantissa.contains('.') {
        mantissa.push('.');
    }
    let has = mantissa.trim_start_matches(['-', '0', '.']).chars().filter(char::is_ascii_digit).count();
    // A zero is one digit by itself.
    let has = if has == 0 { 1 } else { has };
    mantissa.push_str(&"0".repeat(wanted.saturating_sub(has)));
    format!("{mantissa}{exponent}")
}

/// As Go's `%x`: `0x1.8p+01`, of the shortest form or with so many hexadecimal digits behind the point.
pub(super) fn hexadecimal(value: f64, decimals: Option<usize>) -> String {
    special(value).unwrap_or_else(|| {
        const MANTISSA_BITS: u32 = 52;
        let bits = value.to_bits();
        let sign = if value.is_sign_negative() { "-" } else { "" };
        if value == 0.0 {
            let zeros = decimals.filter(|decimals| *decimals > 0).map(|decimals| format!(".{}", "0".repeat(decimals)));
            return format!("{sign}0x0{}p+00", zeros.unwrap_or_default());
        }
        let biased = i32::try_from(bits >> MANTISSA_BITS & 0x7ff).unwrap_or(0);
        let mut mantissa = bits & ((1 << MANTISSA_BITS) - 1);
        let mut exponent = biased - 1023;
        if biased == 0 {
            // A subnormal is shifted until it begins with a one.
            exponent = -1022;
            while mantissa >> MANTISSA_BITS == 0 {
                mantissa <<= 1;
                exponent -= 1;
            }
        } else {
            mantissa |= 1 << MANTISSA_BITS;
        }
        const DIGITS: usize = 13;
        if let Some(kept) = decimals.filter(|decimals| *decimals < DIGITS) {
            let cut = 4 * u32::try_from(DIGITS - kept).unwrap_or(0);
            let (rest, half) = (mantissa & ((1 << cut) - 1), 1 << (cut - 1));
            mantissa >>= cut;
            if rest > half || (rest == half && mantissa & 1 == 1) {
                mantissa += 1;
            }
            mantissa <<= cut;
            if mantissa >> (MANTISSA_BITS + 1) != 0 {
                mantissa >>= 1;
                exponent += 1;
            }
        }
        let all = format!("{:013x}", mantissa & ((1 << MANTISSA_BITS) - 1));
        let digits = match decimals {
            Some(decimals) if decimals <= DIGITS => all[..decimals].to_owned(),
            Some(decimals) => format!("{all}{}", "0".repeat(decimals - DIGITS)),
            None => all.trim_end_matches('0').to_owned(),
        };
        let point = if digits.is_empty() { "" } else { "." };
        format!("{sign}0x1{point}{digits}p{}", signed(exponent))
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

fn split(scientific: &str) -> (String, i32) {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or(0))
}

fn signed(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{:02}", exponent.unsigned_abs())
}

/// Without trailing zeros, and with an exponent when it is below -4 or not below `exponent_from`.
fn general(scientific: &str, exponent_from: i32) -> String {
    let (mut digits, exponent) = split(scientific);
    if digits.contains('.') {
        digits.truncate(digits.trim_end_matches('0').trim_end_matches('.').len());
    }
    if exponent < -4 || exponent >= exponent_from {
        return format!("{digits}e{}", signed(exponent));
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest.replace('.', "")),
        None => ("", digits.replace('.', "")),
    };
    let lead = usize::try_from(exponent).map(|exponent| exponent + 1);
    match lead {
        Err(_) => {
            let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        Ok(lead) if lead >= digits.len() => format!("{sign}{digits}{}", "0".repeat(lead - digits.len())),
        Ok(lead) => format!("{sign}{}.{}", &digits[..lead], &digits[lead..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_shortest_form() {
        let check = |value: f64, expected: &str| assert_eq!(shortest(value), expected);
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(-1.5, "-1.5");
        check(0.1, "0.1");
        check(0.1 + 0.2, "0.30000000000000004");
        check(100_000.0, "100000");
        check(123_456.0, "123456");
        check(123_456.789, "123456.789");
        check(1_000_000.0, "1e+06");
        check(1_234_567.0, "1.234567e+06");
        check(1_353_755_652.0, "1.353755652e+09");
        check(0.0001, "0.0001");
        check(0.000_123, "0.000123");
        check(0.000_01, "1e-05");
        check(1e21, "1e+21");
        check(1e100, "1e+100");
        check(5e-324, "5e-324");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
        check(f64::NAN, "NaN");
    }

    #[test]
    fn prints_significant_digits() {
        let check = |value: f64, digits: usize, expected: &str| assert_eq!(significant(value, digits), expected);
        check(0.0, 4, "0");
        check(1.234_567, 4, "1.235");
        check(120.0, 4, "120");
        check(999.96, 4, "1000");
        check(1000.0, 4, "1000");
        check(12_345.0, 4, "1.234e+04");
        check(123_456_700.0, 4, "1.235e+08");
        check(-22.222, 4, "-22.22");
        check(0.000_012_345, 3, "1.23e-05");
        check(0.000_123_45, 3, "0.000123");
        check(7.0, 0, "7");
        check(70.0, 0, "7e+01");
    }

    #[test]
    fn prints_fixed_and_exponential() {
        assert_eq!(fixed(2.5, 0), "2");
        assert_eq!(fixed(-1234.567, 2), "-1234.57");
        assert_eq!(exponential(1_234_567.0, 2), "1.23e+06");
        assert_eq!(exponential(0.0, 6), "0.000000e+00");
        assert_eq!(exponential(-1e-100, 1), "-1.0e-100");
        assert_eq!(exponential_shortest(1e-7), "1e-07");
        assert_eq!(significant_padded(1.0, 6), "1.00000");
        assert_eq!(significant_padded(0.001_5, 3), "0.00150");
        assert_eq!(significant_padded(0.0, 3), "0.00");
        assert_eq!(significant_padded(1e6, 6), "1.00000e+06");
    }

    #[test]
    fn prints_hexadecimal() {
        assert_eq!(hexadecimal(1.0, None), "0x1p+00");
        assert_eq!(hexadecimal(-1.5, None), "-0x1.8p+00");
        assert_eq!(hexadecimal(0.0, Some(2)), "0x0.00p+00");
        assert_eq!(hexadecimal(5e-324, None), "0x1p-1074");
        assert_eq!(hexadecimal(1.999_999, Some(1)), "0x1.0p+01");
        assert_eq!(hexadecimal(1.5, Some(15)), "0x1.800000000000000p+00");
    }
}
