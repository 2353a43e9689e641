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
    match promql::parse(source) {
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

/// Notes what is wrong with a template, at its place within a setting.
pub(super) fn note_in_template(sheet: &mut Sheet, path: &str, text: &Text, error: TemplateError) {
    let at = offset(&text.value, error.line, error.column);
    let rest = &text.value[at..];
    let word = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || "_$.".contains(c)).len();
    let length = word.max(rest.chars().next().map_or(0, char::len_utf8));
    sheet.note_within(text, at..at + length, path, error.what).hint = error.hint;
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: u32, column: u32) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let rest = &text[line_start..];
    line_start + rest.char_indices().nth(column.saturating_sub(1) as usize).map_or(rest.len(), |(at, _)| at)
}
