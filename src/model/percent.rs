//! Texts as parts of URLs: what would mean something else there is written `%…`, as Go does it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is escaped everywhere: all but what RFC 3986 (section 2.3) reserves for no purpose.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What is escaped in a whole path: what may stand in one as it is, is left.
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED
    .remove(b'/')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@')
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

/// A text as any part of a URL.
pub fn escape_url(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// A text as a name or a value in the query of a URL: there a space is a `+`.
pub fn escape_query(text: &str) -> String {
    escape_url(text).replace("%20", "+")
}

/// A text as the path of a URL; its `/` part it.
pub fn escape_path(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED_IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_mean_something_else_is_escaped() {
        assert_eq!(escape_url("a-B_c.d~1 é/%"), "a-B_c.d~1%20%C3%A9%2F%25");
        assert_eq!(escape_query("up{job=\"é\"} + 1~"), "up%7Bjob%3D%22%C3%A9%22%7D+%2B+1~");
        assert_eq!(escape_path("/a b?c#d%/!'()*+;@$"), "/a%20b%3Fc%23d%25/!'()*+;@$");
    }
}
