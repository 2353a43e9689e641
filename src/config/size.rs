//! Sizes in bytes, as Prometheus writes them: `512MB`, `4GB`, `1.5GiB`. Every unit is a power of 1024.

/// The units by their first letters.
const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

/// Reads a size: numbers with units, added up, or `0`.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit = &rest[end..];
        let unit = &unit[..unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len())];
        rest = &rest[end + unit.len()..];
        let power = match unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B'))?.chars().collect::<Vec<_>>()[..] {
            [] => 0,
            [letter] => i32::try_from(UNITS.iter().position(|known| *known == letter)?).ok()? + 1,
            _ => return None,
        };
        if unit == "iB" {
            return None;
        }
        total += number * 1024_f64.powi(power);
    }
    // The largest that Prometheus's 63 bits hold.
    (!text.is_empty() && total < 9.2e18).then_some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_prometheus_s() {
        let check = |text: &str, want: Option<u64>| assert_eq!(parse_size(text), want, "{text}");
        check("0", Some(0));
        check("512MB", Some(512 << 20));
        check("512MiB", Some(512 << 20));
        check("4GB", Some(4 << 30));
        check("1.5KB", Some(1536));
        check("1GB512MB", Some(1536 << 20));
        check("7B", Some(7));
        check("7", None);
        check("MB", None);
        check("1iB", None);
        check("4gb", None);
        check("4 GB", None);
        check("-1GB", None);
        check("8EB", None);
        check("1XB", None);
        check("", None);
    }
}
