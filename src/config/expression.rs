//! PromQL and templates in a file: what is wrong with one is shown where it stands.

use crate::promql::{self, Expr, ValueType};
use crate::template::{Template, TemplateError};

use super::place::Sheet;
use super::raw::Text;

/// The expression of a setting, and its source without the line break that a block scalar ends with.
pub(super) fn expression(sheet: &mut Sheet, path: &str, text: &Text) -> Option<(Expr, String)> {
    let source = text.value.trim_end();
    if source.is_empty() {
        sheet.note(text, path, "the expression is empty");
        return None;
    }
    match promql::parse_sharing(source, &sheet.patterns) {
        Ok(expr) => Some((expr, source.to_owned())),
        Err(error) => {
            let piece = error.span.start as usize..error.span.end as usize;
            sheet.note_within(text, piece, path, error.what).hint = error.hint;
            None
        }
    }
}

/// What an expression gives, in words.
pub(super) fn kind_of(expr: &Expr) -> &'static str {
    match promql::type_of(expr) {
        ValueType::Scalar => "a number",
        ValueType::Vector => "an instant vector",
        ValueType::Matrix => "a range of samples",
        ValueType::String => "a string",
    }
}

/// The template of a setting.
pub(super) fn template(sheet: &mut Sheet, path: &str, text: &Text) -> Option<Template> {
    match Template::parse(&text.value) {
        Ok(template) => Some(template),
        Err(error) => {
            note_in_template(sheet, path, text, error);
            None
        }
    }
}

/// How it is told that there is no template of a name, which follows.
pub(super) const NO_TEMPLATE: &str = "there is no template ";

/// Whether a template of this name comes with Alertmanager.
fn is_default(name: &str) -> bool {
    name.contains(".default.")
        || ["__alertmanager", "__subject", "__text_alert_list"].iter().any(|start| name.starts_with(start))
}

/// Notes what is wrong with a template, at its place within a setting.
pub(super) fn note_in_template(sheet: &mut Sheet, path: &str, text: &Text, error: TemplateError) {
    if error.what.starts_with(NO_TEMPLATE) && sheet.lacks_templates {
        // That a file of templates cannot be read is told already.
        return;
    }
    let TemplateError { line, column, what, hint } = explain(sheet, error);
    let at = offset(&text.value, line, column);
    let rest = &text.value[at..];
    let word = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || "_$.".contains(c)).len();
    let length = word.max(rest.chars().next().map_or(0, char::len_utf8));
    sheet.note_within(text, at..at + length, path, what).hint = hint;
}

/// What a reader needs besides what is wrong.
fn explain(sheet: &Sheet, error: TemplateError) -> TemplateError {
    let Some(name) = error.what.strip_prefix(NO_TEMPLATE) else {
        return TemplateError { hint: error.hint.or_else(|| label_hint(&error.what)), ..error };
    };
    if is_default(name.trim_matches('`')) {
        let what = format!("{name} is one of Alertmanager's default templates, which are not supported yet");
        return TemplateError {
            what,
            hint: Some("leave the setting out, and our own text stands there".to_owned()),
            ..error
        };
    }
    match &sheet.templates_nowhere {
        Some(pattern) if !error.hint.as_deref().is_some_and(|hint| hint.starts_with("did you mean")) => {
            TemplateError { hint: Some(format!("`{pattern}` of `templates` means no file here")), ..error }
        }
        _ => error,
    }
}

/// What was probably meant by somebody who looked for the number or a label of an alert in the wrong place.
fn label_hint(what: &str) -> Option<String> {
    let hint = match what {
        _ if what.starts_with("`value` takes") => {
            "the number of an alert is `$value`; `value` is for a sample of a `query`"
        }
        _ if what.starts_with("a number has no field") => {
            "the number of an alert is `$value`, its labels are in `$labels`"
        }
        _ if what.contains("is not a method") => {
            "a label is written with `$labels` before it: `{{ $labels.instance }}`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: u32, column: u32) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let rest = &text[line_start..];
    line_start + rest.char_indices().nth(column.saturating_sub(1) as usize).map_or(rest.len(), |(at, _)| at)
}
