//! Texts that notifications are written with.

use crate::receiver;
use crate::template::NotificationTemplate;

use super::expression::note_in_template;
use super::place::Sheet;
use super::raw::Text;

/// A text, if one is set.
pub(super) fn text(sheet: &mut Sheet, path: &str, raw: Option<&Text>) -> Option<receiver::Text> {
    let raw = raw?;
    match NotificationTemplate::parse(&raw.value, &sheet.library) {
        Ok(_) if !raw.value.contains("{{") => Some(receiver::Text::constant(raw.value.as_str())),
        Ok(template) => Some(receiver::Text::template(template)),
        Err(error) => {
            note_in_template(sheet, path, raw, error);
            None
        }
    }
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
