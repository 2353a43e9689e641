//! Numbers as a person reads them, and how they went over time, drawn in one line.

/// From the least to the greatest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A whole number with no more digits is written out.
const WHOLE_MAX: f64 = 1e10;
/// What thousands, millions and so on are called.
const PREFIXES: [&str; 6] = ["k", "M", "G", "T", "P", "E"];

/// A number in few digits: a whole one as it is, unless it is very large; any other rounded to six digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else if size < WHOLE_MAX && value.fract() == 0.0 {
        format!("{value}")
    } else if size >= WHOLE_MAX {
        large(value)
    } else if size < 1e-4 {
        shortest(&format!("{value:.5e}"))
    } else {
        // Six digits, the whole ones among them.
        let whole_digits = if size < 1.0 { 0 } else { format!("{size:.0}").len() };
        let decimals = if size < 1.0 { leading_zeros(size) + 6 } else { 6_usize.saturating_sub(whole_digits) };
        without_zeros(&format!("{value:.decimals$}"))
    }
}

/// How many zeros follow the point of a number below one.
fn leading_zeros(size: f64) -> usize {
    format!("{size:.8}").bytes().skip(2).take_while(|byte| *byte == b'0').count()
}

fn large(value: f64) -> String {
    let mut scaled = value / 1000.0;
    for prefix in PREFIXES {
        if scaled.abs() < 1000.0 {
            return format!("{}{prefix}", without_zeros(&format!("{scaled:.3}")));
        }
        scaled /= 1000.0;
    }
    shortest(&format!("{value:.5e}"))
}

/// Without zeros at the end of the digits before an exponent.
fn shortest(text: &str) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) => format!("{}e{exponent}", without_zeros(digits)),
        None => text.to_owned(),
    }
}

fn without_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// How numbers went between two moments, in so many characters, from their own least to their own greatest: of those that
/// share a character the greatest is drawn, so that no peak is lost. Where there is none, nothing is.
pub(super) fn course(points: &[(f64, f64)], (from, to): (f64, f64), chars: usize) -> String {
    let mut columns: Vec<Option<f64>> = vec![None; chars];
    let last = chars.saturating_sub(1);
    for (at, value) in points.iter().filter(|(_, value)| !value.is_nan()) {
        let share = if to > from { (at - from) / (to - from) } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "a few hundred characters")]
        let place = share.clamp(0.0, 1.0) * last as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between zero and the last character"
        )]
        let column = &mut columns[(place.round() as usize).min(last)];
        *column = Some(column.map_or(*value, |before| before.max(*value)));
    }
    let finite = || columns.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, greatest) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    columns.iter().map(|column| column.map_or(' ', |value| bar(value, least, greatest))).collect()
}

fn bar(value: f64, least: f64, greatest: f64) -> char {
    let share = match value {
        f64::INFINITY => 1.0,
        f64::NEG_INFINITY => 0.0,
        _ if greatest > least => (value - least) / (greatest - least),
        // A course without ups and downs.
        _ => 0.0,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and seven")]
    let place = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
    BARS[place.min(7)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let check = |value: f64, want: &str| assert_eq!(number(value), want);
        check(0.0, "0");
        check(-3.0, "-3");
        check(1_795_538_400.0, "1795538400");
        check(17_179_869_184.0, "17.18G");
        check(-2e13, "-20T");
        check(1e20, "100E");
        check(1e21, "1e21");
        check(1e25, "1e25");
        check(0.1 + 0.2, "0.3");
        check(1.0 / 3.0, "0.333333");
        check(0.012_345_678, "0.0123457");
        check(123.456_789, "123.457");
        check(1_234_567.8, "1234568");
        check(0.000_012_345_678, "1.23457e-5");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Inf");
    }

    #[test]
    fn a_course_is_drawn() {
        let check = |values: &[f64], chars: usize, want: &str| {
            let points: Vec<(f64, f64)> = (0..).map(f64::from).zip(values.iter().copied()).collect();
            let to = points.last().map_or(0.0, |(at, _)| *at);
            assert_eq!(course(&points, (0.0, to), chars), want, "{values:?}");
        };
        check(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8, "▁▂▃▄▅▆▇█");
        check(&[5.0, 5.0, 5.0], 3, "▁▁▁");
        check(&[0.0, f64::NAN, 9.0, f64::INFINITY, f64::NEG_INFINITY], 5, "▁ ██▁");
        // A peak between two characters is seen.
        check(&[0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0], 3, "▁█▁");
        check(&[4.0], 3, "▁  ");
        check(&[], 3, "   ");
    }
}
