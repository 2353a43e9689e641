//! `stripPort` and `stripDomain`: what remains of `web-1.example:9100`.

use std::net::IpAddr;

/// The host without its port; the text itself when it is not a host with a port.
pub(super) fn strip_port(text: &str) -> &str {
    split(text).map_or(text, |(host, _)| host)
}

/// The first part of a host name, with the port if there is one; an address stays whole.
pub(super) fn strip_domain(text: &str) -> String {
    let (host, port) = split(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let first = host.split('.').next().unwrap_or(host);
    match port {
        "" => first.to_owned(),
        _ if first.contains(':') => format!("[{first}]:{port}"),
        _ => format!("{first}:{port}"),
    }
}

/// Host and port of `host:port` or `[address]:port`.
fn split(text: &str) -> Option<(&str, &str)> {
    let (before, port) = text.rsplit_once(':')?;
    let host = match before.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if before.contains(':') => return None,
        None => before,
    };
    let stray = |part: &str| part.contains(['[', ']']);
    (!stray(host) && !stray(port)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips() {
        let check = |text: &str, without_port: &str, without_domain: &str| {
            assert_eq!((strip_port(text), &*strip_domain(text)), (without_port, without_domain), "{text}");
        };
        check("foo.example.com", "foo.example.com", "foo");
        check("foo.example.com:12345", "foo.example.com", "foo:12345");
        check("foo:", "foo", "foo");
        check("192.0.2.1", "192.0.2.1", "192.0.2.1");
        check("192.0.2.1:12345", "192.0.2.1", "192.0.2.1:12345");
        check("2001:0DB8::1", "2001:0DB8::1", "2001:0DB8::1");
        check("[2001:0DB8::1]:12345", "2001:0DB8::1", "[2001:0DB8::1]:12345");
        check("[2001:0DB8::1]::12345", "[2001:0DB8::1]::12345", "[2001:0DB8::1]::12345");
        check("[a]b:1", "[a]b:1", "[a]b:1");
        check("a[b]:1", "a[b]:1", "a[b]:1");
        check("[a.b:c]:1", "a.b:c", "a:1");
        check("[a:b.c]:1", "a:b.c", "[a:b]:1");
        check("", "", "");
    }
}
