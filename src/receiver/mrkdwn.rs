//! Slack's text format: what must be escaped, and texts that keep to a length without breaking an escape.

use super::told::is_link;

/// A text in which Slack finds no markup of its own, neither mention nor link, of at most `max` characters as sent.
/// Line breaks stay; other control characters become spaces.
pub(super) fn escape(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let single;
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => {
                let shown = if c.is_control() && c != '\n' { ' ' } else { c };
                single = shown.to_string();
                &single
            }
        };
        let length = piece.chars().count();
        // Room is kept for the mark of a cut unless this is the end.
        let needed = used + length + usize::from(rest.peek().is_some());
        if needed > max {
            if used < max {
                out.push('…');
            }
            break;
        }
        out.push_str(piece);
        used += length;
    }
    out
}

/// Bold text; what is in it must be on one line.
pub(super) fn bold(text: &str, max: usize) -> String {
    // An asterisk would end it early; Slack has no escape for one.
    format!("*{}*", escape(&text.replace('*', "∗"), max))
}

/// Text as it is, for names and values.
pub(super) fn code(text: &str, max: usize) -> String {
    format!("`{}`", escape(&text.replace('`', "ˋ").replace('\n', " "), max))
}

/// A link, or nothing when it cannot be one or is longer than `max` characters.
pub(super) fn link(title: &str, url: &str, max: usize) -> Option<String> {
    let text = format!("<{}|{title}>", url.replace('&', "&amp;"));
    (is_link(url) && text.chars().count() <= max).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_cuts_as_sent() {
        let check =
            |text: &str, max: usize, expected: &str| assert_eq!(escape(text, max), expected, "{text:?} in {max}");
        check("a < b && c > d", 100, "a &lt; b &amp;&amp; c &gt; d");
        check("<!channel> <@U1>", 100, "&lt;!channel&gt; &lt;@U1&gt;");
        check("a\u{7}b\nc", 100, "a b\nc");
        check("abcd", 4, "abcd");
        check("abcde", 4, "abc…");
        check("ab&", 7, "ab&amp;");
        check("ab&", 6, "ab…");
        check("ab&c", 7, "ab…");
        check("ab", 0, "");
        check("ab", 1, "…");
    }

    #[test]
    fn never_longer_than_asked() {
        for max in 0..40 {
            for text in ["&&&&&&&&&&&&&&&", "a&b<c>d&e<f>g&h<i>j", "plain text that is long enough for it"] {
                assert!(escape(text, max).chars().count() <= max, "{text} in {max}");
            }
        }
    }

    #[test]
    fn marks_up() {
        assert_eq!(bold("5 * 3", 20), "*5 ∗ 3*");
        assert_eq!(code("a=`b`\nc", 20), "`a=ˋbˋ c`");
        assert_eq!(link("Go", "https://a/?x=1&y=2", 40).as_deref(), Some("<https://a/?x=1&amp;y=2|Go>"));
        assert_eq!(link("Go", "https://a/?x=1&y=2", 10), None);
        assert_eq!(link("Go", "mailto:a@b", 40), None);
    }
}
