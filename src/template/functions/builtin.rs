//! Go's own functions: logic, comparison, indexes.

use std::cmp::Ordering;

use super::super::interpret::Fault;
use super::super::value::{List, Value};
use super::Call;

/// None of our values is a function, so nothing can be called.
pub(super) fn call(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Err(format!("{} is not a function", arguments[0].a_type()).into())
}

pub(super) fn not(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Bool(!arguments[0].is_true()))
}

/// Whether the first equals any of the others.
pub(super) fn eq(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    for other in &arguments[1..] {
        if arguments[0].equals(other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn ne(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Bool(!arguments[0].equals(&arguments[1])?))
}

fn order(arguments: &[Value]) -> Result<Option<Ordering>, String> {
    arguments[0].order(&arguments[1])
}

pub(super) fn lt(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Bool(order(arguments)?.is_some_and(Ordering::is_lt)))
}

pub(super) fn le(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Bool(order(arguments)?.is_some_and(Ordering::is_le)))
}

/// As in Go this is "not less or equal", so it holds for NaN.
pub(super) fn gt(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Bool(!order(arguments)?.is_some_and(Ordering::is_le)))
}

/// As in Go this is "not less", so it holds for NaN.
pub(super) fn ge(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    Ok(Value::Bool(!order(arguments)?.is_some_and(Ordering::is_lt)))
}

pub(super) fn length(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let length = match &arguments[0] {
        Value::Text(text) | Value::Html(text) => text.len(),
        Value::Labels(labels) | Value::Kv(labels) => labels.len(),
        Value::Map(map) => map.entries.len(),
        Value::List(list) => list.items.len(),
        Value::Nil => return Err("there is no value whose length could be told".to_owned().into()),
        other => return Err(format!("{} has no length", other.a_type()).into()),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// What stands at an index of an index of a value.
pub(super) fn index(_: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let mut value = arguments[0].clone();
    for by in &arguments[1..] {
        let position = |length: usize| {
            let index = by.as_index()?;
            let found = usize::try_from(index).ok().filter(|index| *index < length);
            found.ok_or_else(|| format!("index {index} is out of range: there are {length}"))
        };
        value = match &value {
            Value::Labels(labels) | Value::Kv(labels) => Value::text(labels.get(by.as_text()?)),
            Value::Map(map) => map.entries.get(by.as_text()?).cloned().unwrap_or(Value::Nil),
            Value::List(list) => list.items[position(list.items.len())?].clone(),
            Value::Text(text) | Value::Html(text) => Value::Uint(u64::from(text.as_bytes()[position(text.len())?])),
            Value::Nil => return Err("there is no value in which to look".to_owned().into()),
            other => return Err(format!("{} has no indexes", other.a_type()).into()),
        };
    }
    Ok(value)
}

/// A part of a string or list. Bytes of a string that make no text any more become U+FFFD.
pub(super) fn slice(call: &mut Call<'_, '_>, arguments: &[Value]) -> Result<Value, Fault> {
    let length = match &arguments[0] {
        Value::Text(_) | Value::Html(_) if arguments.len() > 3 => {
            return Err("a string is cut at two indexes at most".to_owned().into());
        }
        Value::Text(text) | Value::Html(text) => text.len(),
        Value::List(list) => list.items.len(),
        Value::Nil => return Err("there is no value that could be cut".to_owned().into()),
        other => return Err(format!("{} cannot be cut", other.a_type()).into()),
    };
    let mut at = [0, length, length];
    for (place, argument) in at.iter_mut().zip(&arguments[1..]) {
        let index = argument.as_index()?;
        let found = usize::try_from(index).ok().filter(|index| *index <= length);
        *place = found.ok_or_else(|| format!("index {index} is out of range: there are {length}"))?;
    }
    let [from, to, most] = at;
    if from > to || to > most {
        return Err(format!("the indexes {from} and {to} are in the wrong order").into());
    }
    match &arguments[0] {
        Value::List(list) => {
            call.machine.spend(to - from)?;
            Ok(List::value(list.kind, list.items[from..to].to_vec())?)
        }
        other => {
            let bytes = other.as_text()?.as_bytes();
            Ok(call.machine.made(String::from_utf8_lossy(&bytes[from..to]))?)
        }
    }
}
