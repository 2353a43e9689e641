//! A configuration as it may be shown to whoever asks: everything that may be a secret is hidden, whatever the file's form.
//!
//! The text is not searched but grown into a tree and written anew, so that no quoting or folding lets anything through. A
//! value is hidden when its name says so. Where a name could be of either kind, it is hidden.

use std::fmt::Write as _;

use super::secrecy::{URL_HOOKS, is_secret};
use super::tree::{Child, Value, grow};
use super::value::has_login;

/// What stands for a secret.
const HIDDEN: &str = "<secret>";

/// The text of a configuration in YAML, with nothing secret in it. What is no YAML is not shown at all.
pub fn shown(text: &str) -> String {
    let tree = grow(text);
    let mut out = String::new();
    match &tree.root {
        Some(root) if tree.is_whole => write_block(&mut out, root, 0, false),
        _ => {}
    }
    out
}

/// Writes a value that begins on a line of its own, `depth` levels in.
fn write_block(out: &mut String, child: &Child, depth: usize, has_secret_urls: bool) {
    let indent = "  ".repeat(depth);
    match &child.node.value {
        Value::Mapping(entries) => {
            for entry in entries {
                let name = entry.name.value.as_str();
                let _ = write!(out, "{indent}{}:", word(name));
                let has_secret_urls = has_secret_urls || URL_HOOKS.contains(&name);
                let is_hidden = is_secret(name) || (has_secret_urls && name == "url");
                if is_hidden && holds_something(&entry.value) && !is_variable(&entry.value) {
                    let _ = writeln!(out, " {HIDDEN}");
                } else {
                    write_value(out, &entry.value, depth + 1, has_secret_urls);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                let _ = write!(out, "{indent}-");
                write_value(out, item, depth + 1, has_secret_urls);
            }
        }
        Value::Null | Value::Scalar { .. } => {
            let _ = write!(out, "{indent}");
            write_value(out, child, depth, has_secret_urls);
        }
    }
}

/// Writes a value behind a name or a dash.
fn write_value(out: &mut String, child: &Child, depth: usize, has_secret_urls: bool) {
    match &child.node.value {
        Value::Null => out.push('\n'),
        Value::Scalar { text, is_plain } => {
            let text = without_user(text);
            let _ = if *is_plain { writeln!(out, " {}", plain(&text)) } else { writeln!(out, " {}", quoted(&text)) };
        }
        Value::List(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Mapping(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Value::List(_) | Value::Mapping(_) => {
            out.push('\n');
            write_block(out, child, depth, has_secret_urls);
        }
    }
}

fn holds_something(child: &Child) -> bool {
    !matches!(&child.node.value, Value::Null)
}

/// Whether a value is `${NAME}`, which tells nobody anything.
fn is_variable(child: &Child) -> bool {
    let Value::Scalar { text, .. } = &child.node.value else { return false };
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// A text, and if it is a URL with a user in it, without that.
fn without_user(text: &str) -> String {
    let is_open = url::Url::parse(text).is_ok_and(|url| has_login(&url));
    let hidden = text.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://{HIDDEN}{}", &rest[user.len()..]))
    });
    match hidden {
        Some(rest) => rest,
        // A URL can do without its slashes, and with more of them.
        None if is_open => HIDDEN.to_owned(),
        None => text.to_owned(),
    }
}

/// A name, in quotes when it needs them.
fn word(name: &str) -> String {
    let is_simple =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) && !name.starts_with('-');
    if is_simple && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

/// A text that stood without quotes, and still can where it is short and simple.
fn plain(text: &str) -> String {
    let is_simple = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./+:".contains(&byte))
        && !text.ends_with(':')
        && !text.starts_with('-')
        && !text.is_empty();
    if is_simple { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes, as JSON has them, which YAML reads too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let text = r#"
global: {scrape_interval: 15s, slack_api_url: "https://hooks/hunter2", external_labels: {},
  mattermost_webhook_url: https://mattermost.example.com/hooks/hunter2, rocketchat_token_id: hunter2,
  rocketchat_token_id_file: some/file}
shared: &shared {password: "\x68unter2", username: me}
scrape_configs:
- job_name: j
  basic_auth: *shared
  authorization:
    credentials: >-
      hun
      ter2
  proxy_url: http://me:hunter2@proxy:3128/x
  http_headers: {X-Key: {values: [hunter2]}}
receivers:
- name: people
  slack_configs: [{channel: '#alerts', bot_token: hunter2}, {bot_token: '${TOKEN}', api_url: }]
  webhook_configs: [{url: 'http://hook/hunter2', url_file: some/file, http_config: {proxy_url: 'http://p'}}]
  rollback_configs:
  - {url: http://roll/hunter2, secret: hunter2, rollback_key: [service], while: 'up == 0'}
  pagerduty_configs: [{routing_key: hunter2, url: https://events}]
source: {apis: [{name: a, url: http://prometheus}]}
"#;
        let expected = r##"global:
  scrape_interval: 15s
  slack_api_url: <secret>
  external_labels: {}
  mattermost_webhook_url: <secret>
  rocketchat_token_id: <secret>
  rocketchat_token_id_file: some/file
shared:
  password: <secret>
  username: me
scrape_configs:
  -
    job_name: j
    basic_auth:
      password: <secret>
      username: me
    authorization:
      credentials: <secret>
    proxy_url: "http://<secret>@proxy:3128/x"
    http_headers: <secret>
receivers:
  -
    name: people
    slack_configs:
      -
        channel: "#alerts"
        bot_token: <secret>
      -
        bot_token: "${TOKEN}"
        api_url:
    webhook_configs:
      -
        url: <secret>
        url_file: some/file
        http_config:
          proxy_url: "http://p"
    rollback_configs:
      -
        url: <secret>
        secret: <secret>
        rollback_key:
          - service
        while: "up == 0"
    pagerduty_configs:
      -
        routing_key: <secret>
        url: https://events
source:
  apis:
    -
      name: a
      url: http://prometheus
"##;
        assert_eq!(shown(text), expected);
        assert_eq!(shown(&shown(text)), expected, "it is YAML, and shows itself");
        assert_eq!(shown("a: [hunter2"), "");
    }

    #[test]
    fn a_url_is_shown_without_its_user() {
        let check = |url: &str, want: &str| assert_eq!(without_user(url), want, "{url}");
        check("http://me:hunter2@proxy:3128/x@y", "http://<secret>@proxy:3128/x@y");
        check("http://hunter2@proxy", "http://<secret>@proxy");
        check("http:///me:hunter2@proxy", HIDDEN);
        check("http:////me:hunter2@proxy", HIDDEN);
        check("http:me:hunter2@proxy", HIDDEN);
        check("http:\\\\me:hunter2@proxy", HIDDEN);
        check("http://proxy:3128/x@y?z@w", "http://proxy:3128/x@y?z@w");
        check("http:///proxy/x@y", "http:///proxy/x@y");
        check("sre@example.com", "sre@example.com");
    }
}
