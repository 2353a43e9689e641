//! Values as Go's `%v` prints them, and texts that do not grow beyond their limit.

use super::float;
use super::value::{ListKind, Value};
use crate::model::{ALERT_NAME, Labels};

/// A text that is being made.
#[derive(Debug)]
pub(super) struct Output {
    text: String,
    bytes_max: usize,
}

impl Output {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { text: String::new(), bytes_max }
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), String> {
        if self.text.len() + text.len() > self.bytes_max {
            return Err(format!("makes more than {} bytes", self.bytes_max));
        }
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Prints a value as Go's `%v`, alone or within another.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Nil => self.push("<nil>"),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Int(value) => self.push(&value.to_string()),
            Value::Uint(value) => self.push(&value.to_string()),
            Value::Float(value) => self.push(&float::shortest(*value)),
            Value::Text(text) | Value::Html(text) => self.push(text),
            Value::Labels(labels) => self.map(labels.iter().map(|(name, value)| (name, Value::text(value)))),
            Value::Kv(labels) => self.pairs(sorted_pairs(labels)),
            Value::Map(map) => self.map(map.entries.iter().map(|(name, value)| (name.as_str(), value.clone()))),
            Value::List(list) if list.kind == ListKind::Pairs => {
                let pairs: Vec<(&str, &str)> = list.items.iter().filter_map(pair).collect();
                self.pairs(pairs.into_iter())
            }
            Value::List(list) => self.within("[", list.items.iter(), "]"),
            Value::Object(object) => self.within("{", object.values.iter(), "}"),
            Value::Moment(moment) => self.push(&moment.to_string()),
            Value::Duration(nanoseconds) => self.push(&super::moment::duration(*nanoseconds)),
            Value::Month(month) => self.push(super::moment::month_name(*month)),
            Value::Weekday(day) => self.push(super::moment::weekday_name(*day)),
        }
    }

    fn within<'v>(&mut self, open: &str, values: impl Iterator<Item = &'v Value>, close: &str) -> Result<(), String> {
        self.push(open)?;
        for (at, value) in values.enumerate() {
            self.push(if at > 0 { " " } else { "" })?;
            self.value(value)?;
        }
        self.push(close)
    }

    fn map<'v>(&mut self, entries: impl Iterator<Item = (&'v str, Value)>) -> Result<(), String> {
        self.push("map[")?;
        for (at, (name, value)) in entries.enumerate() {
            self.push(if at > 0 { " " } else { "" })?;
            self.push(name)?;
            self.push(":")?;
            self.value(&value)?;
        }
        self.push("]")
    }

    fn pairs<'v>(&mut self, pairs: impl Iterator<Item = (&'v str, &'v str)>) -> Result<(), String> {
        for (at, (name, value)) in pairs.enumerate() {
            self.push(if at > 0 { ", " } else { "" })?;
            self.push(name)?;
            self.push("=")?;
            self.push(value)?;
        }
        Ok(())
    }
}

/// Names and values with the alert's name first, as Alertmanager sorts them.
pub(super) fn sorted_pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    let first = labels.iter().filter(|(name, _)| *name == ALERT_NAME);
    first.chain(labels.iter().filter(|(name, _)| *name != ALERT_NAME))
}

/// Name and value of a pair.
pub(super) fn pair(value: &Value) -> Option<(&str, &str)> {
    let Value::Object(object) = value else { return None };
    match &object.values[..] {
        [Value::Text(name), Value::Text(value)] => Some((name, value)),
        _ => None,
    }
}

/// The value as a message shows it; cut when it is long.
pub(super) fn short(value: &Value) -> String {
    const BYTES_MAX: usize = 4096;
    let mut output = Output::new(BYTES_MAX);
    // What did not fit any more would not be shown either.
    let _ = output.value(value);
    output.into_text()
}

/// As Go's `Sprint`: with a space between two arguments if neither is a string.
pub(super) fn print(output: &mut Output, arguments: &[Value]) -> Result<(), String> {
    for (at, argument) in arguments.iter().enumerate() {
        if at > 0 && argument.get_text().is_none() && arguments[at - 1].get_text().is_none() {
            output.push(" ")?;
        }
        output.value(argument)?;
    }
    Ok(())
}

/// As Go's `Sprintln`: with a space between all arguments and a newline at the end.
pub(super) fn print_line(output: &mut Output, arguments: &[Value]) -> Result<(), String> {
    for (at, argument) in arguments.iter().enumerate() {
        output.push(if at > 0 { " " } else { "" })?;
        output.value(argument)?;
    }
    output.push("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go() {
        let check = |value: Value, expected: &str| assert_eq!(short(&value), expected);
        let labels = Labels::from_pairs([("a", "1"), ("alertname", "X")]);
        check(Value::Labels(labels.clone()), "map[a:1 alertname:X]");
        check(Value::Kv(labels), "alertname=X, a=1");
        let list = Value::list(vec![Value::Int(1), Value::text("a b"), Value::Nil, Value::Float(1e6)]).unwrap();
        check(list.clone(), "[1 a b <nil> 1e+06]");
        check(Value::list(vec![list, Value::Bool(true)]).unwrap(), "[[1 a b <nil> 1e+06] true]");
        check(
            Value::from_json(&serde_json::json!({"b": [1, 2.5], "a": {"x": "y"}})).unwrap(),
            "map[a:map[x:y] b:[1 2.5]]",
        );
        check(Value::Duration(90_000_000_000), "1m30s");
        check(Value::Month(2), "February");
    }

    #[test]
    fn what_doubles_stays_bounded() {
        let mut value = Value::text("x");
        for _ in 0..30 {
            value = Value::list(vec![value.clone(), value]).unwrap();
        }
        let mut output = Output::new(1000);
        assert_eq!(output.value(&value), Err("makes more than 1000 bytes".to_owned()));
    }
}
