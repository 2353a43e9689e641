//! Mistakes in our words: what is wrong, and what to do about it.

use super::hint::nearest;
use super::raw::{self, Known};

/// What the YAML reader says of a text that is not YAML, with a hint.
pub(super) fn syntax(what: &str) -> (String, Option<String>) {
    let what = what.lines().next().unwrap_or_default();
    (format!("not valid YAML: {what}"), syntax_hint(what).map(str::to_owned))
}

/// What is wrong with a name that is not a setting here, a hint, and the setting that was probably meant.
pub(super) fn unknown_setting(name: &str, known: &Known) -> (String, Option<String>, Option<&'static str>) {
    let meant = |name: &str| nearest(name, known.settings.iter().chain(known.not_yet).copied());
    // What stands behind the colon may be a secret.
    if let Some((before, _)) = name.split_once(':') {
        let what = format!("there is no space behind `{before}:`");
        return (what, Some(NAME_AND_VALUE.to_owned()), meant(before));
    }
    if !name.chars().all(is_name_char) {
        let start: String = name.chars().take_while(|c| is_name_char(*c)).collect();
        let what = format!("`{start}…` is not the name of a setting");
        return (what, Some(NAME_AND_VALUE.to_owned()), meant(&start));
    }
    let meant = meant(name);
    let hint = match (meant, raw::KNOWN.iter().find(|known| known.settings.contains(&name))) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some(home)) => format!("`{name}` belongs {}", home.place),
        (None, None) => {
            let names: Vec<String> = known.settings.iter().map(|name| format!("`{name}`")).collect();
            format!("settings here: {}", names.join(", "))
        }
    };
    (format!("there is no setting `{name}` here"), Some(hint), meant)
}

const NAME_AND_VALUE: &str = "write `name: value`";

/// Whether a name of a setting, right or wrong, may hold this; what else is there may be a value, and a secret.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn syntax_hint(what: &str) -> Option<&'static str> {
    Some(match what {
        _ if what.contains("mapping values are not allowed") => {
            "quote a value that holds `: `, and indent settings of one level alike"
        }
        _ if what.starts_with("unexpected character") => "quote a value that begins with this character",
        _ if what.contains("unclosed quote") => "the quote that begins here is not closed",
        _ if what.starts_with("simple key expected") => "write `name: value`",
        _ if what.starts_with("tabs disallowed") => "indent with spaces, not tabs",
        _ => return None,
    })
}

/// What to use instead of a setting that is not supported, where there is something.
pub(super) fn instead_of(setting: &str) -> Option<String> {
    let hint = match setting {
        "service_key" | "service_key_file" => {
            "use `routing_key`, of an integration of the kind Events API v2; it can be in the same service"
        }
        "app_token" | "slack_app_token" => "use `bot_token` in `slack_configs`",
        "app_token_file" | "slack_app_token_file" => "use `bot_token_file` in `slack_configs`",
        _ => return None,
    };
    Some(hint.to_owned())
}
