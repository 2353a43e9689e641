//! Fields, entries of maps and methods, as `.X` finds them on a value.

use super::interpret::Machine;
use super::layout;
use super::moment::{self, Moment};
use super::object::ObjectKind;
use super::print::{self, sorted_pairs};
use super::shape::{Method, Shape};
use super::value::{List, ListKind, Object, Value};

/// What `.name` of a value is, with these arguments.
pub(super) fn get(machine: &mut Machine<'_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, String> {
    if let Some(method) = find(value, name) {
        if arguments.len() != method.arguments {
            let takes = super::pipeline::takes(method.arguments, method.arguments);
            return Err(format!("`.{name}` takes {takes}, not {}", arguments.len()));
        }
        return match value {
            Value::Moment(moment) => of_moment(machine, moment, name, arguments),
            Value::Duration(nanoseconds) => of_duration(machine, *nanoseconds, name, arguments),
            other => of_list(machine, other, name, arguments),
        };
    }
    let found = match value {
        Value::Labels(labels) | Value::Kv(labels) => Value::text(labels.get(name)),
        Value::Map(map) => map.entries.get(name).cloned().unwrap_or(Value::Nil),
        Value::Object(object) => match object.field(name) {
            Some(value) => value.clone(),
            None => return Err(format!("{} has no field `.{name}`", value.a_type())),
        },
        Value::Nil => return Err(format!("there is no value that could have a field `.{name}`")),
        other => return Err(format!("{} has no field `.{name}`", other.a_type())),
    };
    if arguments.is_empty() { Ok(found) } else { Err(format!("`.{name}` is not a method and takes no arguments")) }
}

fn find(value: &Value, name: &str) -> Option<&'static Method> {
    let shape = match value {
        Value::Kv(_) => Shape::Kv,
        Value::Moment(_) => Shape::Moment,
        Value::Duration(_) => Shape::Duration,
        Value::List(list) => match list.kind {
            ListKind::Pairs => Shape::Pairs,
            ListKind::Alerts => Shape::Alerts,
            ListKind::Strings => Shape::Strings,
            ListKind::Any | ListKind::Samples => return None,
        },
        _ => return None,
    };
    shape.methods().iter().find(|method| method.name == name)
}

/// The methods of Alertmanager's `KV`, `Pairs`, `Strings` and `Alerts`.
fn of_list(machine: &mut Machine<'_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, String> {
    if name == "String" {
        let mut output = machine.scratch();
        output.value(value)?;
        return machine.made(output.into_text());
    }
    match (value, name) {
        (Value::Kv(labels), "SortedPairs") => {
            let pair = |(name, value)| Object::value(ObjectKind::Pair, vec![Value::text(name), Value::text(value)]);
            List::value(ListKind::Pairs, sorted_pairs(labels).map(pair).collect())
        }
        (Value::Kv(labels), "Names") => Value::strings(sorted_pairs(labels).map(|(name, _)| name)),
        (Value::Kv(labels), "Values") => Value::strings(sorted_pairs(labels).map(|(_, value)| value)),
        (Value::Kv(labels), "Remove") => {
            let names = texts(&arguments[0])?;
            machine.spend(names.len() * labels.len().max(1))?;
            Ok(Value::Kv(labels.filter(|name| !names.contains(&name))))
        }
        (Value::List(list), "Names") => {
            Value::strings(list.items.iter().filter_map(|pair| print::pair(pair).map(|(name, _)| name)))
        }
        (Value::List(list), "Values") => {
            Value::strings(list.items.iter().filter_map(|pair| print::pair(pair).map(|(_, value)| value)))
        }
        (list, "Join") => join(machine, arguments[0].as_text()?, list),
        (Value::List(list), status) => {
            let wanted = status.to_lowercase();
            let has_status = |alert: &&Value| match alert {
                Value::Object(alert) => alert.field("Status").is_some_and(|it| it.as_text() == Ok(wanted.as_str())),
                _ => false,
            };
            List::value(list.kind, list.items.iter().filter(has_status).cloned().collect())
        }
        (other, name) => Err(format!("{} has no method `.{name}`", other.a_type())),
    }
}

/// The texts of a list of strings.
pub(super) fn texts(value: &Value) -> Result<Vec<&str>, String> {
    match value {
        Value::List(list) => list.items.iter().map(Value::as_text).collect(),
        other => Err(other.not_a("a list of strings")),
    }
}

/// The texts of a list with a separator between them.
pub(super) fn join(machine: &mut Machine<'_>, separator: &str, list: &Value) -> Result<Value, String> {
    let mut output = machine.scratch();
    for (at, text) in texts(list)?.into_iter().enumerate() {
        output.push(if at > 0 { separator } else { "" })?;
        output.push(text)?;
    }
    machine.made(output.into_text())
}

fn of_moment(machine: &mut Machine<'_>, moment: &Moment, name: &str, arguments: &[Value]) -> Result<Value, String> {
    let civil = moment.civil();
    let other = || match &arguments[0] {
        Value::Moment(other) => Ok(other),
        other => Err(other.not_a("a time")),
    };
    let duration = || match &arguments[0] {
        Value::Duration(nanoseconds) | Value::Int(nanoseconds) => Ok(*nanoseconds),
        other => Err(other.not_a("a duration")),
    };
    let scaled = |unit: i128| {
        let total = moment.total().div_euclid(1_000_000_000 / unit);
        Value::Int(i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX }))
    };
    Ok(match name {
        "Add" => Value::Moment(moment.plus(duration()?)),
        "AddDate" => {
            let count = |at: usize| arguments[at].as_index();
            Value::Moment(moment.plus_date(count(0)?, count(1)?, count(2)?))
        }
        "After" => Value::Bool(moment.parts() > other()?.parts()),
        "Before" => Value::Bool(moment.parts() < other()?.parts()),
        "Compare" => Value::Int(moment.parts().cmp(&other()?.parts()) as i64),
        "Day" => Value::Int(civil.day),
        "Equal" => Value::Bool(moment.is_same(other()?)),
        "Format" => {
            let layout = arguments[0].as_text()?;
            machine.spend(1 + layout.len() / 16)?;
            return machine.made(layout::format(&civil, layout));
        }
        "Hour" => Value::Int(civil.hour),
        "IsZero" => Value::Bool(moment.is_zero()),
        "Local" | "UTC" => Value::Moment(moment.utc()),
        "Minute" => Value::Int(civil.minute),
        "Month" => Value::Month(civil.month),
        "Nanosecond" => Value::Int(i64::from(civil.nanosecond)),
        "Round" => Value::Moment(moment.to_multiple(duration()?, true)),
        "Second" => Value::Int(civil.second),
        "String" | "GoString" => return machine.made(moment.to_string()),
        "Sub" => Value::Duration(moment.minus(other()?)),
        "Truncate" => Value::Moment(moment.to_multiple(duration()?, false)),
        "Unix" => scaled(1),
        "UnixMilli" => scaled(1_000),
        "UnixMicro" => scaled(1_000_000),
        "UnixNano" => scaled(1_000_000_000),
        "Weekday" => Value::Weekday(civil.weekday),
        "Year" => Value::Int(civil.year),
        "YearDay" => Value::Int(civil.year_day),
        other => return Err(format!("a time has no method `.{other}`")),
    })
}

fn of_duration(machine: &mut Machine<'_>, it: i64, name: &str, arguments: &[Value]) -> Result<Value, String> {
    let step = || match &arguments[0] {
        Value::Duration(nanoseconds) | Value::Int(nanoseconds) => Ok(*nanoseconds),
        other => Err(other.not_a("a duration")),
    };
    #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
    let seconds = it as f64 / 1e9;
    Ok(match name {
        "Abs" => Value::Duration(it.saturating_abs()),
        "Hours" => Value::Float(seconds / 3600.0),
        "Microseconds" => Value::Int(it / 1_000),
        "Milliseconds" => Value::Int(it / 1_000_000),
        "Minutes" => Value::Float(seconds / 60.0),
        "Nanoseconds" => Value::Int(it),
        "Round" => Value::Duration(moment::duration_to_multiple(it, step()?, true)),
        "Seconds" => Value::Float(seconds),
        "String" => return machine.made(moment::duration(it)),
        "Truncate" => Value::Duration(moment::duration_to_multiple(it, step()?, false)),
        other => return Err(format!("a duration has no method `.{other}`")),
    })
}
