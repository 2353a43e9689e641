//! Values as Go's `encoding/json` writes them.

use super::float;
use super::print::Output;
use super::value::Value;
use crate::model::Labels;

/// Writes a value.
pub(super) fn write(output: &mut Output, value: &Value) -> Result<(), String> {
    match value {
        Value::Nil => output.push("null"),
        Value::Float(value) => output.push(&number(*value)?),
        Value::Text(text) | Value::Html(text) => string(output, text),
        Value::Labels(labels) | Value::Kv(labels) => object(output, labels),
        Value::Map(map) => {
            output.push("{")?;
            for (at, (name, value)) in map.entries.iter().enumerate() {
                member(output, at, name)?;
                write(output, value)?;
            }
            output.push("}")
        }
        Value::List(list) => {
            output.push("[")?;
            for (at, value) in list.items.iter().enumerate() {
                output.push(if at > 0 { "," } else { "" })?;
                write(output, value)?;
            }
            output.push("]")
        }
        Value::Object(it) => {
            output.push("{")?;
            let mut written = 0;
            for (field, value) in it.kind.fields().iter().zip(&it.values) {
                let is_left_out = matches!(field.json, "routeLabels" | "notification_reason") && !value.is_true();
                if !is_left_out {
                    member(output, written, field.json)?;
                    write(output, value)?;
                    written += 1;
                }
            }
            output.push("}")
        }
        Value::Moment(moment) => string(output, &moment.rfc_3339()),
        Value::Duration(value) | Value::Month(value) | Value::Weekday(value) => output.push(&value.to_string()),
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) => output.value(value),
    }
}

fn object(output: &mut Output, labels: &Labels) -> Result<(), String> {
    output.push("{")?;
    for (at, (name, value)) in labels.iter().enumerate() {
        member(output, at, name)?;
        string(output, value)?;
    }
    output.push("}")
}

fn member(output: &mut Output, at: usize, name: &str) -> Result<(), String> {
    output.push(if at > 0 { "," } else { "" })?;
    string(output, name)?;
    output.push(":")
}

fn number(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Err(format!("JSON has no {}", float::shortest(value)));
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        // Go writes 1e-9 where its printing has 1e-09.
        let text = float::exponential_shortest(value);
        return Ok(text.replace("e-0", "e-"));
    }
    Ok(format!("{value}"))
}

fn string(output: &mut Output, text: &str) -> Result<(), String> {
    output.push("\"")?;
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let escaped = match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => format!("\\u{:04x}", u32::from(c)),
            _ => continue,
        };
        output.push(&text[from..at])?;
        output.push(&escaped)?;
        from = at + c.len_utf8();
    }
    output.push(&text[from..])?;
    output.push("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go() {
        let check = |value: &Value, expected: &str| {
            let mut output = Output::new(1000);
            let written = write(&mut output, value).map(|()| output.into_text());
            assert_eq!(written.unwrap_or_else(|what| what), expected);
        };
        check(&Value::text("a\"<b>\n\u{1}é"), "\"a\\\"\\u003cb\\u003e\\n\\u0001é\"");
        for (value, expected) in
            [(1.0, "1"), (0.1, "0.1"), (1e-7, "1e-7"), (1e21, "1e+21"), (1e20, "100000000000000000000")]
        {
            check(&Value::Float(value), expected);
        }
        check(&Value::Float(f64::NAN), "JSON has no NaN");
        check(&Value::Nil, "null");
        check(&Value::Kv(Labels::from_pairs([("b", "1"), ("a", "2")])), "{\"a\":\"2\",\"b\":\"1\"}");
        check(&Value::list(vec![Value::Bool(true), Value::Uint(3)]).unwrap(), "[true,3]");
    }
}
