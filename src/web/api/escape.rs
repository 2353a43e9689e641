//! Names of labels that cannot stand in a URL as they are, as Prometheus escapes them: `U__http_2e_status`.

/// The name that an escaped one stands for; what is not escaped, or wrongly, stands for itself.
pub(super) fn unescaped(name: &str) -> String {
    name.strip_prefix("U__").and_then(decoded).unwrap_or_else(|| name.to_owned())
}

/// `_` is escaped as `__`, any other character as its number in hexadecimal between two underscores.
fn decoded(escaped: &str) -> Option<String> {
    let mut name = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('_') {
        name.push_str(before);
        rest = match after.strip_prefix('_') {
            Some(after) => {
                name.push('_');
                after
            }
            None => {
                let (number, after) = after.split_once('_')?;
                // No character has a larger number than 10FFFF.
                let is_number = (1..=6).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = u32::from_str_radix(number, 16).ok().filter(|_| is_number)?;
                name.push(char::from_u32(number)?);
                after
            }
        };
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        let check = |name: &str, want: &str| assert_eq!(unescaped(name), want, "{name}");
        check("job", "job");
        check("U__http_2e_status", "http.status");
        check("U__a__b", "a_b");
        check("U___1F600_x", "😀x");
        check("U__", "");
        // Prometheus takes what is no escape for the name itself.
        check("U__a_", "U__a_");
        check("U__a_2e", "U__a_2e");
        check("U__a_xyz_", "U__a_xyz_");
        check("U__a_1234567_", "U__a_1234567_");
        check("U__a_+2e_", "U__a_+2e_");
        check("U__a_D800_", "U__a_D800_");
    }
}
