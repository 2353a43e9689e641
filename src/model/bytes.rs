//! Numbers of bytes as Prometheus's configuration has them: `512MB`, `1.5GiB`, `0`. Both spellings count in 1024s.

/// The units with how many times 1024 is in them.
const UNITS: [(&str, u32); 13] = [
    ("KiB", 1),
    ("KB", 1),
    ("MiB", 2),
    ("MB", 2),
    ("GiB", 3),
    ("GB", 3),
    ("TiB", 4),
    ("TB", 4),
    ("PiB", 5),
    ("PB", 5),
    ("EiB", 6),
    ("EB", 6),
    ("B", 0),
];

/// Reads a number of bytes; `None` when the text is none, or more than a process can ever hold.
pub fn parse_bytes(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (unit, power) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit)?;
    if !number.starts_with(|c: char| c.is_ascii_digit()) || !number.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
        return None;
    }
    let scale = 1024_u64.pow(*power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(i32::try_from(*power).ok()?);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held against both bounds")]
    (0.0..1e18).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_prometheus_reads() {
        let check = |text: &str, want: Option<u64>| assert_eq!(parse_bytes(text), want, "{text}");
        check("0", Some(0));
        check("0B", Some(0));
        check("10B", Some(10));
        check("15KB", Some(15 * 1024));
        check("15KiB", Some(15 * 1024));
        check("512MB", Some(512 * 1024 * 1024));
        check("1.5GB", Some(3 * 512 * 1024 * 1024));
        check("2EiB", Some(2 << 60));
        for text in ["", "10", "MB", "-1MB", "1 MB", "1mb", "16EB", "1.5.5KB", ".5KB", "1e3KB"] {
            check(text, None);
        }
    }
}
