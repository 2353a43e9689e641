//! Alertmanager's functions: lists and maps, dates and zones, JSON and base64.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::super::interpret::Fault;
use super::super::moment::Moment;
use super::super::value::{List, ListKind, Map, Value};
use super::super::{json, layout, method};
use super::Call;
use super::words::changed;

pub(super) fn trim_space(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, |text| text.trim().to_owned())
}

pub(super) fn join(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(method::join(call.machine, arguments[0].as_text()?, &arguments[1])?)
}

pub(super) fn safe_url(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, str::to_owned)
}

pub(super) fn url_unescape(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = unescape_query(arguments[0].as_text()?)?;
    Ok(call.machine.made(text)?)
}

/// The text that a value in the query of a URL stands for.
fn unescape_query(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(byte.ok_or("two hexadecimal digits must follow each `%`")?);
                rest = &after[2..];
            }
            other => bytes.push(*other),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn string_slice(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    for argument in arguments {
        argument.as_text()?;
    }
    call.machine.spend(arguments.len())?;
    Ok(List::value(ListKind::Strings, arguments.to_vec())?)
}

pub(super) fn list(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    call.machine.spend(arguments.len())?;
    Ok(Value::list(arguments.to_vec())?)
}

/// A list with more behind it.
pub(super) fn append(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let Value::List(list) = &arguments[0] else { return Err(arguments[0].not_a("a list").into()) };
    let items: Vec<Value> = list.items.iter().chain(&arguments[1..]).cloned().collect();
    call.machine.spend(items.len())?;
    Ok(Value::list(items)?)
}

/// A map of names and values by turns.
pub(super) fn dict(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    call.machine.spend(arguments.len())?;
    if !arguments.len().is_multiple_of(2) {
        return Err("wants names and values by turns, and the last name has no value".to_owned().into());
    }
    let mut entries = BTreeMap::new();
    for pair in arguments.chunks_exact(2) {
        entries.insert(pair[0].as_text()?.to_owned(), pair[1].clone());
    }
    Ok(Map::value(entries)?)
}

fn moment(value: &Value) -> Result<&Moment, String> {
    match value {
        Value::Moment(moment) => Ok(moment),
        other => Err(other.not_a("a time")),
    }
}

/// A moment as a layout writes it.
pub(super) fn date(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let layout = arguments[0].as_text()?;
    call.machine.spend(1 + layout.len() / 16)?;
    let text = layout::format(&moment(&arguments[1])?.civil(), layout);
    Ok(call.machine.made(text)?)
}

pub(super) fn tz(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Moment(moment(&arguments[1])?.in_zone(arguments[0].as_text()?)?))
}

/// When the notification is rendered.
pub(super) fn now(call: &mut Call<'_, '_>, _: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Moment(Moment::new(call.machine.world.now)))
}

pub(super) fn since(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Duration(Moment::new(call.machine.world.now).minus(moment(&arguments[0])?)))
}

/// The moment that a text says; Go's zero time when it says none.
pub(super) fn to_date(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let (layout, text) = (arguments[0].as_text()?, arguments[1].as_text()?);
    call.machine.spend(1 + layout.len() / 16)?;
    Ok(Value::Moment(layout::parse(layout, text).unwrap_or(Moment::ZERO)))
}

pub(super) fn must_to_date(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let (layout, text) = (arguments[0].as_text()?, arguments[1].as_text()?);
    call.machine.spend(1 + layout.len() / 16)?;
    Ok(Value::Moment(layout::parse(layout, text)?))
}

pub(super) fn to_json(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let mut output = call.machine.scratch();
    json::write(&mut output, &arguments[0])?;
    Ok(call.machine.made(output.into_text())?)
}

pub(super) fn base64_encode(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    changed(call, arguments, |text| URL_SAFE.encode(text))
}

/// Reads both alphabets; bytes that make no text become U+FFFD.
pub(super) fn base64_decode(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text: String = arguments[0].as_text()?.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let decoded = URL_SAFE.decode(&text).or_else(|_| STANDARD.decode(&text));
    let bytes = decoded.map_err(|_| format!("`{}` is not base64", super::shown(&text)))?;
    Ok(call.machine.made(String::from_utf8_lossy(&bytes))?)
}

/// The text of a label of the route.
pub(super) fn route_labels(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let text = call.machine.expand_route_label(arguments[0].as_text()?)?;
    Ok(call.machine.made(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes() {
        assert_eq!(unescape_query("search?q=test%20foo+bar%C3%A9"), Ok("search?q=test foo baré".to_owned()));
        assert!(unescape_query("%2").is_err());
        assert!(unescape_query("%zz").is_err());
        assert!(unescape_query("%é").is_err());
    }
}
