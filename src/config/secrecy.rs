//! What of a configuration is not shown: which settings hold secrets, and what secrets look like.
//!
//! One list for all who show something: problems with their lines, and the configuration to whoever asks.

use std::collections::BTreeMap;
use std::ops::Range;

use super::hint::nearest;
use super::raw;
use super::tree::{Child, Tree, Value};

/// Settings that hold secrets, besides those whose names end like one. Where a name could be of either kind, it is one.
const NAMES: [&str; 10] = [
    "key",
    "slack_api_url",
    "api_url",
    "app_url",
    "webhook_url",
    "http_headers",
    "headers",
    "values",
    "secrets",
    "proxy_connect_header",
];
/// How the names of secrets end.
const ENDS: [&str; 10] = [
    "password",
    "secret",
    "token",
    "credentials",
    "api_key",
    "access_key",
    "secret_key",
    "user_key",
    "routing_key",
    "service_key",
];
/// Settings whose values are not to be shown even when their names are misspelt.
const MEANT: [&str; 8] =
    ["bot_token", "app_token", "secret", "password", "routing_key", "service_key", "api_key", "credentials"];
/// What secrets look like by themselves.
const LOOKS: [&str; 6] = ["whsec_", "xoxb-", "xoxp-", "xapp-", "hooks.slack.com/", "PRIVATE KEY"];

/// What calls things whose URLs are secrets, under whatever names they are written there.
const HOOKS: [&str; 3] = ["receivers", "webhook_configs", "rollback_configs"];

/// The bytes of a file that stand for secrets, however they are written: in a block, in braces, over several lines, at
/// the mark that an alias refers to. Names of variables are none. They are in order, and none overlaps another.
pub(super) fn secrets_of(tree: &Tree) -> Vec<Range<usize>> {
    let mut seeker = Seeker { names: BTreeMap::new(), found: Vec::new() };
    if let Some(root) = &tree.root {
        // A rule file holds none.
        seeker.walk(root, false, false, !tree.has("groups"));
    }
    seeker.found.sort_by_key(|bytes| (bytes.start, bytes.end));
    seeker.found.dedup();
    seeker.found
}

/// Settings that hold names of anybody's choice.
const FREE: [&str; 9] = [
    "labels",
    "annotations",
    "external_labels",
    "match",
    "match_re",
    "details",
    "params",
    "endpoint_params",
    "http_headers",
];

/// Whether anything is called so.
fn is_known(name: &str) -> bool {
    raw::KNOWN.iter().any(|known| [known.settings, known.not_yet, known.idle].iter().any(|names| names.contains(&name)))
}

struct Seeker<'t> {
    /// Of names that were looked at, whether they mean a secret, and whether they are those of settings.
    names: BTreeMap<&'t str, (bool, bool)>,
    found: Vec<Range<usize>>,
}

impl<'t> Seeker<'t> {
    /// Looks through a value; `is_settings` says that its names, if it has any, are those of settings, rather than free. A
    /// tree has no more levels than `tree::DEPTH_MAX`.
    fn walk(&mut self, child: &'t Child, is_secret: bool, is_hook: bool, is_settings: bool) {
        match &child.node.value {
            Value::Null => {}
            Value::Scalar { text, .. } => {
                let is_address = is_hook && text.contains("://");
                if (is_secret || is_address) && !text.is_empty() && !text.starts_with("${") {
                    self.found.push(child.node.spot.bytes());
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.walk(item, is_secret, is_hook, is_settings)),
            Value::Mapping(entries) => {
                for entry in entries {
                    let name = entry.name.value.as_str();
                    let is_url = is_hook && name == "url";
                    // Nobody knows what a name that is not known stands for.
                    let (means, is_known) =
                        *self.names.entry(name).or_insert_with(|| (means_secret(name), is_known(name)));
                    let is_secret = is_secret || means || is_url || is_settings && !is_known;
                    let is_hook = is_hook || HOOKS.contains(&name);
                    // A value that was glued to its name, or has lost its colon.
                    if is_settings
                        && !is_known
                        && let Some(at) = name.find(|c: char| !c.is_alphanumeric() && c != '_')
                    {
                        let bytes = entry.name.defined.bytes();
                        self.found.push((bytes.start + at + 1).min(bytes.end)..bytes.end);
                    }
                    self.walk(&entry.value, is_secret, is_hook, is_settings && !FREE.contains(&name));
                }
            }
        }
    }
}

/// Whether a line of a text that is not YAML may be that of a hook's URL, which no setting gives away.
pub(super) fn may_be_hook(line: &str, text: &str) -> bool {
    line.contains('/') && text.contains("receiver")
}

/// Whether a setting of this name holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether a setting of this name holds a secret, or would if it were spelt right.
pub(super) fn means_secret(name: &str) -> bool {
    is_secret(name) || nearest(name, MEANT).is_some()
}

/// Whether a line of YAML holds a secret as such, rather than the name of its variable or file.
pub(super) fn holds_secret(line: &str) -> bool {
    let set_here = |(colon, _): (usize, &str)| {
        let before = line[..colon].trim_end().trim_end_matches(['"', '\'']);
        let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let start = (start..=before.len()).find(|at| before.is_char_boundary(*at)).unwrap_or(before.len());
        let value = line[colon + 1..].trim_start().trim_start_matches(['"', '\'']);
        is_secret(&before[start..]) && !value.is_empty() && !value.starts_with("${")
    };
    // However it is written: without the space, without the colon, with a slip. Of `${NAME}` the `$` is left.
    let meant_here = |piece: &str| {
        let piece = piece.trim_start_matches([' ', '\t', '-', '?', '"', '\'']);
        let end = piece.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(piece.len());
        let value = piece[end..].trim_start_matches([' ', '\t', '"', '\'', ':', '=']);
        nearest(&piece[..end], MEANT).is_some() && !matches!(value.trim_end(), "" | "}" | "]" | "$")
    };
    let has_password = line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        authority.contains('@')
    });
    has_password
        || LOOKS.iter().any(|look| line.contains(look))
        || line.match_indices(':').any(set_here)
        || line.split([',', '{', '[']).any(meant_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_secret() {
        let check = |line: &str, want: bool| assert_eq!(holds_secret(line), want, "{line}");
        check("    bot_token: hunter2", true);
        check("    'bot_token' : hunter2", true);
        check("  - {url: 'http://x', secret: \"hunter2\", whlie: up}", true);
        check("    routing_key: 0123456789abcdef", true);
        check("      whsec_c2VjcmV0", true);
        check("    bot_tokn:hunter2", true);
        check("  - {http_headers: {X-Key: {secrets: [hunter2]}}, timeout: 5}", true);
        check("  key: '-----BEGIN PRIVATE KEY-----'", true);
        check("    bot_token hunter2", true);
        check("  - {channel: a, 'bot_tokn': \"hunter2}", true);
        check("    bot_tokn:", false);
        check("    bot_tokn: '${SLACK_BOT_TOKEN}'", false);
        check("    routing_key_file: /run/secrets/key", false);
        check("    url: https://user:hunter2@example.com/", true);
        check("    slack_api_url: https://hooks.slack.com/services/T0/B0/x", true);
        check("    api_url: #https://mattermost.example.com/hooks/hunter2", true);
        check("    bot_token: ${SLACK_BOT_TOKEN}", false);
        check("    bot_token: '${SLACK_BOT_TOKEN}'", false);
        check("    bot_token_file: /run/secrets/token", false);
        check("    secret:", false);
        check("    expr: sum by (token) (up)", false);
        check("    url: https://example.com/a@b", false);
        check("  - {api_url: 'https://hooks.slack.com/workflows/T0/hunter2', timeout: 0s}", true);
        check("  - {channel: a, api_url: 'https://mattermost.example.com/hooks/hunter2', timeout: 0s}", true);
        check("  - {http_headers: {X: {values: [hunter2]}}, scrape_timeout: 0s}", true);
        check("        values: [hunter2]", true);
        check("  tls_config: {key: hunter2, min_version: TLS9}", true);
        check("    key: |", true);
        check("    rollback_key: [service]", false);
        check("    é: {key_file: /run/key}", false);
    }
}
