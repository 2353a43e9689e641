//! Numbers of bytes as Prometheus's configuration has them: `512MB`, `1.5GiB`, `1GB512MB`, `0`.

/// The letters of the units: each counts 1024 times as much as the one before, and the first 1024 bytes.
const LETTERS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];

/// More than the 63 bits that Prometheus counts in.
const TOO_MANY: f64 = (1_u64 << 63) as f64;

/// Reads a number of bytes: numbers with units that are added up. `KB` and `KiB` both count in 1024s, but one text keeps
/// to one spelling, as Prometheus's `units.Base2Bytes` has it. `None` when the text is none of these, or below zero.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(0);
    }
    sum(text, "iB").or_else(|| sum(text, "B"))
}

/// Adds up what units that end like this count; `B` alone belongs to either spelling.
fn sum(text: &str, ending: &str) -> Option<u64> {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c| !is_of_number(c))?);
        let (unit, after) = after.split_at(after.find(is_of_number).unwrap_or(after.len()));
        let power = match unit {
            "B" => 0,
            _ => LETTERS.iter().position(|letter| unit.strip_suffix(ending) == Some(letter))? + 1,
        };
        total += number.parse::<f64>().ok()? * 1024_f64.powi(i32::try_from(power).ok()?);
        rest = after;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is held against both bounds")]
    (!text.is_empty() && total < TOO_MANY).then_some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_prometheus_reads() {
        let check = |text: &str, want: u64| assert_eq!(parse_bytes(text), Some(want), "{text}");
        check("0", 0);
        check("0B", 0);
        check("10B", 10);
        check("+10B", 10);
        check("15KB", 15 << 10);
        check("15KiB", 15 << 10);
        check("512MB", 512 << 20);
        check("1.5GB", 1536 << 20);
        check(".5KB", 512);
        check("1.KB", 1 << 10);
        check("2EiB", 2 << 60);
        check("1GB512MB", 1536 << 20);
        check("1GiB512MiB7B", (1536 << 20) + 7);
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for text in
            ["", "+", "10", "MB", ".KB", "1 MB", "1mb", "1kB", "1iB", "1XB", "8EB", "4EiB4EiB", "1.5.5KB", "1e3KB"]
        {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn one_text_keeps_to_one_spelling() {
        assert_eq!(parse_bytes("1GiB512MB"), None);
        assert_eq!(parse_bytes("1GB512MiB"), None);
    }

    #[test]
    fn no_number_of_bytes_is_below_zero() {
        assert_eq!(parse_bytes("-1MB"), None);
    }
}
