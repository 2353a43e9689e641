//! What the YAML reader says, in our words: what is wrong, and what to do about it.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::hint::did_you_mean;
use super::place::DEPTH_MAX;
use super::raw;

/// An error in our words, with a hint; `found` is what stands at its place.
pub(super) fn explain(error: &Error, found: &str) -> (String, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    let is_template = found.starts_with("{{");
    match error {
        // What stands behind the colon may be a secret.
        Error::SerdeUnknownField { field, .. } if field.contains(':') => {
            let name = field.split(':').next().unwrap_or_default();
            (format!("there is no space behind `{name}:`"), hint("write `name: value`"))
        }
        Error::SerdeUnknownField { field, .. } if !field.chars().all(is_name_char) => {
            let name: String = field.chars().take_while(|c| is_name_char(*c)).collect();
            (format!("`{name}…` is not the name of a setting"), hint("write `name: value`"))
        }
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("there is no setting `{field}` here"), field_hint(field, expected))
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("`{key}` is set twice"), hint("keep one of the two"))
        }
        Error::Unexpected { .. } if is_template => {
            ("expected a text, found a mapping".to_owned(), hint("quote a value that begins with `{{`: '{{ … }}'"))
        }
        Error::Unexpected { expected: expected @ "sequence start", .. } if is_one_value(found) => {
            (format!("expected {}", wanted(expected)), hint("a list of one value is that value in brackets: `[…]`"))
        }
        Error::Unexpected { expected, .. } => (format!("expected {}", wanted(expected)), None),
        Error::NullIntoString { .. } => {
            ("expected a text, found nothing".to_owned(), hint("write the text, or `''` for an empty one"))
        }
        Error::InvalidScalar { ty, .. } => (format!("expected {}", scalar_word(ty)), None),
        Error::InvalidBooleanStrict { .. } => ("expected `true` or `false`".to_owned(), None),
        Error::MultipleDocuments { .. } => (
            "a second YAML document begins here".to_owned(),
            hint("remove the `---`, or put it into a file of its own"),
        ),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            (format!("the file is nested more than {DEPTH_MAX} deep"), None)
        }
        Error::Budget { breach, .. } => (format!("the file holds more than a configuration can: {breach:?}"), None),
        Error::AliasError { error, .. } => explain(error, found),
        other => {
            let text = other.to_string();
            let what = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
            (format!("not valid YAML: {what}"), syntax_hint(what))
        }
    }
}

/// Whether an error is about the name of a setting rather than about what it holds.
pub(super) fn is_unknown_setting(error: &Error) -> bool {
    match error {
        Error::SerdeUnknownField { .. } => true,
        Error::AliasError { error, .. } => is_unknown_setting(error),
        _ => false,
    }
}

/// Whether a name of a setting, right or wrong, may hold this; what else is there may be a value, and a secret.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Whether the rest of a line begins with a value that stands by itself.
fn is_one_value(found: &str) -> bool {
    !found.starts_with('{') && !found.contains(": ") && !found.ends_with(':')
}

/// The misspelt setting that was meant, or else where it belongs, or else what there is.
fn field_hint(field: &str, expected: &[&'static str]) -> Option<String> {
    if let Some(hint) = did_you_mean(field, expected.iter().copied()) {
        return Some(hint);
    }
    let home = raw::KNOWN.iter().find(|known| known.settings.contains(&field));
    if let Some(home) = home {
        return Some(format!("`{field}` belongs {}", home.place));
    }
    let here = raw::KNOWN.iter().find(|known| known.settings.iter().chain(known.not_yet).eq(expected))?;
    let names: Vec<String> = here.settings.iter().map(|name| format!("`{name}`")).collect();
    Some(format!("settings here: {}", names.join(", ")))
}

fn wanted(expected: &str) -> &str {
    match expected {
        "string scalar" => "a text",
        "sequence start" => "a list: lines that begin with `- `, or `[…]`",
        "mapping start" => "settings: lines like `name: value`, or `{…}`",
        other => other,
    }
}

fn scalar_word(kind: &str) -> &str {
    match kind {
        "boolean" => "`true` or `false`",
        _ => "a whole number",
    }
}

fn syntax_hint(what: &str) -> Option<String> {
    let hint = match what {
        _ if what.contains("mapping values are not allowed") => {
            "quote a value that holds `: `, and indent settings of one level alike"
        }
        _ if what.starts_with("unexpected character") => "quote a value that begins with this character",
        _ if what.contains("unclosed quote") => "the quote that begins here is not closed",
        _ if what.contains("unknown anchor") => "quote a value that begins with `*`",
        _ if what.starts_with("simple key expected") => "write `name: value`",
        _ if what.starts_with("tabs disallowed") => "indent with spaces, not tabs",
        _ => return None,
    };
    Some(hint.to_owned())
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
