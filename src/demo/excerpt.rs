//! A Slack message as text: its header, sections and context, from the blocks that were sent.

use serde_json::Value;

use super::fakes::unescape;

/// How wide the excerpt is at most.
const COLUMNS: usize = 92;
/// How many lines of one block are shown.
const LINES_MAX: usize = 4;

/// A piece of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// The headline.
    Header(String),
    /// A line of the rest.
    Line(String),
}

/// The message in a body, top to bottom.
pub(super) fn pieces(body: &Value) -> Vec<Piece> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut blocks = list(&body["blocks"]);
    for attachment in list(&body["attachments"]) {
        blocks.extend(list(&attachment["blocks"]));
    }
    blocks.iter().flat_map(block).collect()
}

fn block(block: &Value) -> Vec<Piece> {
    let text = block["text"]["text"].as_str().unwrap_or_default();
    match block["type"].as_str() {
        Some("header") => vec![Piece::Header(unescape(text))],
        Some("context") => {
            let elements = block["elements"].as_array().into_iter().flatten();
            let texts: Vec<&str> = elements.filter_map(|element| element["text"].as_str()).collect();
            lines(&texts.join(" "))
        }
        _ => lines(text),
    }
}

fn lines(mrkdwn: &str) -> Vec<Piece> {
    let mut lines: Vec<String> = mrkdwn.lines().flat_map(|line| wrap(&readable(line))).collect();
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
    lines.into_iter().map(Piece::Line).collect()
}

/// Slack's markup as plain text: without the marks of bold and code, links by their titles.
fn readable(mrkdwn: &str) -> String {
    let mut text = String::new();
    let mut rest = mrkdwn;
    while let Some((before, link)) = rest.split_once('<') {
        let Some((link, after)) = link.split_once('>') else { break };
        text.push_str(before);
        text.push_str(link.rsplit('|').next().unwrap_or(link));
        rest = after;
    }
    text.push_str(rest);
    let words = text.split(' ').map(|word| {
        // Bold begins before a word and ends behind one; a lone star is a star.
        let word = if word.len() > 1 { word.trim_matches('*') } else { word };
        word.replace('`', "")
    });
    unescape(&words.collect::<Vec<_>>().join(" "))
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_top_to_bottom() {
        let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
        let context =
            json!({"type": "context", "elements": [{"type": "mrkdwn", "text": "`env=staging` · <http://a|Atalaya>"}]});
        let header = json!({"type": "header", "text": {"type": "plain_text", "text": "🚨 A &amp; B"}});
        let body = json!({
            "blocks": [header, section("↩️ Rollback rb_1 accepted")],
            "attachments": [{"color": "#f00", "blocks": [section("🔴 *it burns*\n1 * 2 &lt; 3"), context]}],
        });
        let line = |text: &str| Piece::Line(text.to_owned());
        let expected = [
            Piece::Header("🚨 A & B".to_owned()),
            line("↩️ Rollback rb_1 accepted"),
            line("🔴 it burns"),
            line("1 * 2 < 3"),
            line("env=staging · Atalaya"),
        ];
        assert_eq!(pieces(&body), expected);
        assert_eq!(pieces(&Value::Null), []);
    }

    #[test]
    fn long_sections_are_cut() {
        let body = json!({"blocks": [{"type": "section", "text": {"text": "word ".repeat(200)}}]});
        let pieces = pieces(&body);
        assert_eq!(pieces.len(), LINES_MAX);
        assert!(matches!(pieces.last(), Some(Piece::Line(line)) if line.ends_with(" …")));
    }
}
