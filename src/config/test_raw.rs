//! A file of tests as it is written.

use super::named::Pairs;
use super::place::Spanned;
use super::raw::{Known, Text, settings};
use super::reader::{Read, Reader, field};
use super::tree::Child;

settings! {
    /// The file.
    RawTestFile in "at the top of a file of tests" {
        rule_files "rule_files": Vec<Text>,
        evaluation_interval "evaluation_interval": Text,
        group_eval_order "group_eval_order": Vec<Text>,
        fuzzy_compare "fuzzy_compare": bool,
        tests "tests": Vec<Spanned<RawTest>>,
    }
}

settings! {
    /// A test.
    RawTest in "in an entry of `tests`" {
        name "name": Text,
        interval "interval": Text,
        start_timestamp "start_timestamp": Text,
        external_labels "external_labels": Pairs,
        external_url "external_url": Text,
        input_series "input_series": Vec<Spanned<RawInputSeries>>,
        alert_rule_test "alert_rule_test": Vec<Spanned<RawAlertTest>>,
        promql_expr_test "promql_expr_test": Vec<Spanned<RawExprTest>>,
    }
}

settings! {
    /// A made-up series.
    RawInputSeries in "in an entry of `input_series`" {
        series "series": Text,
        values "values": Text,
    }
}

settings! {
    /// Which alerts are to fire.
    RawAlertTest in "in an entry of `alert_rule_test`" {
        eval_time "eval_time": Text,
        alertname "alertname": Text,
        exp_alerts "exp_alerts": Vec<Spanned<RawExpectedAlert>>,
    }
}

settings! {
    /// An alert that is to fire.
    RawExpectedAlert in "in an entry of `exp_alerts`" {
        exp_labels "exp_labels": Pairs,
        exp_annotations "exp_annotations": Pairs,
    }
}

settings! {
    /// What an expression is to give.
    RawExprTest in "in an entry of `promql_expr_test`" {
        expr "expr": Text,
        eval_time "eval_time": Text,
        exp_samples "exp_samples": Vec<Spanned<RawExpectedSample>>,
    }
}

settings! {
    /// A sample that an expression is to give.
    RawExpectedSample in "in an entry of `exp_samples`" {
        labels "labels": Text,
        value "value": RawNumber,
        histogram "histogram": Text,
    }
}

/// A number as YAML writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawNumber(pub(super) f64);

impl Read for RawNumber {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        const WANTED: &str = "a number";
        let number = match reader.scalar(child, WANTED)? {
            (text, true) => number(text),
            (_, false) => None,
        };
        if number.is_none() {
            reader.expected(child, "a number (infinity is `.inf`)");
        }
        number.map(Self)
    }
}

/// A number as Go's YAML reads it: whole in any base, decimal with an exponent, `.inf` and `.nan`.
fn number(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    let (is_negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let value = match digits {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if digits.len() == text.len() => Some(f64::NAN),
        _ => whole(digits).or_else(|| decimal(digits)),
    };
    value.map(|value| if is_negative { -value } else { value })
}

fn decimal(digits: &str) -> Option<f64> {
    let is_decimal = digits.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    digits.parse().ok().filter(|_| is_decimal)
}

#[expect(clippy::cast_precision_loss, reason = "a number of more than 53 bits is rounded, as any float")]
fn whole(digits: &str) -> Option<f64> {
    let of_base = |digits: &str, base| {
        let is_digit = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
        u64::from_str_radix(digits, base).ok().filter(|_| is_digit).map(|value| value as f64)
    };
    match (digits.get(..2), digits.get(2..)) {
        (Some("0x" | "0X"), Some(rest)) => of_base(rest, 16),
        (Some("0b" | "0B"), Some(rest)) => of_base(rest, 2),
        (Some("0o" | "0O"), Some(rest)) => of_base(rest, 8),
        (Some(start), _) if start.starts_with('0') => of_base(digits, 8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_does() {
        let check = |text: &str, want: Option<f64>| assert_eq!(number(text), want, "{text}");
        check("5", Some(5.0));
        check("-5.5e3", Some(-5500.0));
        check("+.5", Some(0.5));
        check("1_000", Some(1000.0));
        check("0x1F", Some(31.0));
        check("010", Some(8.0));
        check("0b11", Some(3.0));
        check("08", Some(8.0));
        check("-.Inf", Some(f64::NEG_INFINITY));
        check("2.9999999999999996", Some(2.999_999_999_999_999_6));
        for text in ["", "inf", "NaN", "abc", "1m", "-", "0x", "0x-1", "-.nan"] {
            check(text, None);
        }
        assert!(number(".NaN").is_some_and(f64::is_nan));
    }
}
