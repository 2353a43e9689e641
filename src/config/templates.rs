//! Texts that notifications are written with.

use crate::receiver;

use super::place::Sheet;
use super::raw::Text;

/// A text, if one is set.
pub(super) fn text(sheet: &mut Sheet, path: &str, raw: Option<&Text>) -> Option<receiver::Text> {
    let raw = raw?;
    if raw.value.contains("{{") {
        sheet.note(raw, path, "templates are not supported here yet");
        return None;
    }
    Some(receiver::Text::constant(raw.value.as_str()))
}

/// A text that must be there.
pub(super) fn needed(
    sheet: &mut Sheet,
    owner: impl Into<super::place::Spot>,
    path: &str,
    name: &str,
    raw: Option<&Text>,
) -> Option<receiver::Text> {
    if raw.is_none_or(|raw| raw.value.is_empty()) {
        sheet.note(owner, path, format!("there is no `{name}`"));
        return None;
    }
    text(sheet, &format!("{path}.{name}"), raw)
}
