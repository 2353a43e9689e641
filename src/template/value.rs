//! The values that actions work on, with the types that Go gives them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{OUTPUT_BYTES_MAX, float, shown};
use crate::model::Labels;

/// A value in an action.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Float(f64),
    Int(i64),
    Bool(bool),
    Map(&'a Labels),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// What Go calls its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Float(_) => "float64",
            Self::Int(_) => "int",
            Self::Bool(_) => "bool",
            Self::Map(_) => "map[string]string",
        }
    }

    /// As Go's `%v` prints it.
    pub(super) fn print(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Float(value) => float::shortest(*value).into(),
            Self::Int(value) => value.to_string().into(),
            Self::Bool(value) => value.to_string().into(),
            Self::Map(labels) => {
                let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("map[{}]", pairs.join(" ")).into()
            }
        }
    }

    /// Whether `and`, `or` and `not` take it for true: anything but zero and the empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Float(value) => *value != 0.0,
            Self::Int(value) => *value != 0,
            Self::Bool(value) => *value,
            Self::Map(labels) => !labels.is_empty(),
        }
    }

    /// The text of a string; any other type is an error, as in Go.
    pub(super) fn as_text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(format!("wants a string, not the {} `{}`", other.type_name(), shown(&other.print()))),
        }
    }

    /// The number that this is, or that this text says.
    pub(super) fn as_number(&self) -> Result<f64, String> {
        match self {
            Self::Float(value) => Ok(*value),
            #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
            Self::Int(value) => Ok(*value as f64),
            Self::Text(text) => number_in(text).ok_or_else(|| format!("`{}` is not a number", shown(text))),
            other => Err(format!("wants a number, not a {}", other.type_name())),
        }
    }

    /// Whether both are the same. Values of different types cannot be compared.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, String> {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => Ok(left == right),
            (Self::Float(left), Self::Float(right)) => Ok(left == right),
            (Self::Int(left), Self::Int(right)) => Ok(left == right),
            (Self::Bool(left), Self::Bool(right)) => Ok(left == right),
            _ => Err(format!("cannot compare {} with {}", self.type_name(), other.type_name())),
        }
    }

    /// How both are ordered; `None` when NaN is among them.
    pub(super) fn order(&self, other: &Self) -> Result<Option<Ordering>, String> {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => Ok(Some(left.cmp(right))),
            (Self::Float(left), Self::Float(right)) => Ok(left.partial_cmp(right)),
            (Self::Int(left), Self::Int(right)) => Ok(Some(left.cmp(right))),
            (Self::Bool(_), Self::Bool(_)) | (Self::Map(_), Self::Map(_)) => {
                Err(format!("cannot order {}", self.type_name()))
            }
            _ => Err(format!("cannot compare {} with {}", self.type_name(), other.type_name())),
        }
    }
}

/// The number that a text says, as Go's `ParseFloat` reads decimal ones.
fn number_in(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let infinity = digits.eq_ignore_ascii_case("inf") || digits.eq_ignore_ascii_case("infinity");
    if !(number || infinity || text.eq_ignore_ascii_case("nan")) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    (infinity || !value.is_infinite()).then_some(value)
}

/// A text that is being made, and does not grow beyond its limit.
#[derive(Debug, Default)]
pub(super) struct Output(String);

impl Output {
    pub(super) fn push(&mut self, text: &str) -> Result<(), String> {
        if self.0.len() + text.len() > OUTPUT_BYTES_MAX {
            return Err(format!("makes more than {OUTPUT_BYTES_MAX} bytes"));
        }
        self.0.push_str(text);
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_as_go_reads_them() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(number_in(text).map(f64::to_bits), expected.map(f64::to_bits), "{text}");
        };
        check("0.0", Some(0.0));
        check(".12", Some(0.12));
        check("-1e3", Some(-1000.0));
        check("+Inf", Some(f64::INFINITY));
        check("-infinity", Some(f64::NEG_INFINITY));
        check("NaN", Some(f64::NAN));
        check("1e400", None);
        check("one", None);
        check("", None);
        check(" 1", None);
        check("+nan", None);
        check("infin", None);
    }

    #[test]
    fn truth_is_not_being_zero_or_empty() {
        for (value, expected) in [
            (Value::text(""), false),
            (Value::text("x"), true),
            (Value::Float(0.0), false),
            (Value::Float(f64::NAN), true),
            (Value::Int(-1), true),
            (Value::Bool(false), false),
            (Value::Map(&Labels::empty()), false),
        ] {
            assert_eq!(value.is_true(), expected, "{value:?}");
        }
    }

    #[test]
    fn nan_equals_and_precedes_nothing() {
        let nan = Value::Float(f64::NAN);
        assert_eq!((nan.equals(&nan), nan.order(&nan)), (Ok(false), Ok(None)));
    }
}
