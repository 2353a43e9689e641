//! The values that actions work on, with the types that Go gives them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::moment::Moment;
use super::object::ObjectKind;
use super::{print, shown};
use crate::model::Labels;

/// So many elements may a list or map have that a template makes.
pub(super) const ITEMS_MAX: usize = 10_000;

/// So deep may lists and maps be nested that a template makes.
pub(super) const NESTING_MAX: usize = 32;

/// A value in an action. Cloning is cheap.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value.
    Nil,
    /// Go's `bool`.
    Bool(bool),
    /// Go's `int`.
    Int(i64),
    /// Go's `uint64`; a byte of a string is one, too.
    Uint(u64),
    /// Go's `float64`.
    Float(f64),
    /// Go's `string`.
    Text(Arc<str>),
    /// A text that is HTML already and is not escaped again.
    Html(Arc<str>),
    /// Labels as a `map[string]string`.
    Labels(Labels),
    /// Labels as Alertmanager's `KV`, with its methods.
    Kv(Labels),
    /// A map of anything by name.
    Map(Arc<Map>),
    /// A list.
    List(Arc<List>),
    /// Something with fields.
    Object(Arc<Object>),
    /// Go's `time.Time`.
    Moment(Moment),
    /// Go's `time.Duration`, in nanoseconds.
    Duration(i64),
    /// Go's `time.Month`, from 1.
    Month(i64),
    /// Go's `time.Weekday`, from 0 for Sunday.
    Weekday(i64),
}

/// A map of anything by name.
#[derive(Debug)]
pub struct Map {
    pub(super) entries: BTreeMap<String, Value>,
    nesting: usize,
}

/// A list, and what it is a list of.
#[derive(Debug)]
pub struct List {
    pub(super) kind: ListKind,
    pub(super) items: Vec<Value>,
    nesting: usize,
}

/// Something with fields, whose values stand in the order of its kind.
#[derive(Debug)]
pub struct Object {
    pub(super) kind: ObjectKind,
    pub(super) values: Vec<Value>,
}

/// What a list is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    Any,
    Strings,
    Pairs,
    Alerts,
    Samples,
}

impl Map {
    pub(super) fn value(entries: BTreeMap<String, Value>) -> Result<Value, String> {
        let nesting = limits(entries.len(), entries.values())?;
        Ok(Value::Map(Arc::new(Self { entries, nesting })))
    }
}

impl List {
    pub(super) fn value(kind: ListKind, items: Vec<Value>) -> Result<Value, String> {
        let nesting = limits(items.len(), items.iter())?;
        Ok(Value::List(Arc::new(Self { kind, items, nesting })))
    }
}

/// Holds what is made of others to its limits; answers how deep it is nested.
fn limits<'v>(count: usize, mut inner: impl Iterator<Item = &'v Value>) -> Result<usize, String> {
    if count > ITEMS_MAX {
        return Err(format!("makes a list or map of more than {ITEMS_MAX}"));
    }
    let nesting = 1 + inner.try_fold(0, |deepest, value| Ok::<_, String>(nesting_of(value).max(deepest)))?;
    if nesting > NESTING_MAX { Err(format!("nests lists and maps more than {NESTING_MAX} deep")) } else { Ok(nesting) }
}

fn nesting_of(value: &Value) -> usize {
    match value {
        Value::List(list) => list.nesting,
        Value::Map(map) => map.nesting,
        Value::Object(_) => 4,
        _ => 0,
    }
}

impl Object {
    pub(super) fn value(kind: ObjectKind, values: Vec<Value>) -> Value {
        debug_assert_eq!(kind.fields().len(), values.len(), "{kind:?}");
        Value::Object(Arc::new(Self { kind, values }))
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        let at = self.kind.fields().iter().position(|field| field.name == name)?;
        self.values.get(at)
    }
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// A list of texts.
    pub(super) fn strings<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        List::value(ListKind::Strings, texts.into_iter().map(Self::text).collect())
    }

    /// What a JSON text says: whole numbers are integers, a list of strings is Go's `[]string`. An error when it is nested
    /// too deep or too long.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, String> {
        use serde_json::Value as Json;
        Ok(match json {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Self::Int(value),
                (None, Some(value)) => Self::Uint(value),
                (None, None) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => {
                let all_texts = !items.is_empty() && items.iter().all(Json::is_string);
                let kind = if all_texts { ListKind::Strings } else { ListKind::Any };
                List::value(kind, items.iter().map(Self::from_json).collect::<Result<_, _>>()?)?
            }
            Json::Object(entries) => {
                let entry = |(name, value): (&String, &Json)| Ok::<_, String>((name.clone(), Self::from_json(value)?));
                Map::value(entries.iter().map(entry).collect::<Result<_, _>>()?)?
            }
        })
    }

    /// A list of anything.
    pub fn list(items: Vec<Self>) -> Result<Self, String> {
        List::value(ListKind::Any, items)
    }

    /// What Go calls its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Labels(_) => "map[string]string",
            Self::Kv(_) => "template.KV",
            Self::Map(_) => "map[string]interface {}",
            Self::List(list) => match list.kind {
                ListKind::Any => "[]interface {}",
                ListKind::Strings => "[]string",
                ListKind::Pairs => "template.Pairs",
                ListKind::Alerts => "template.Alerts",
                ListKind::Samples => "template.queryResult",
            },
            Self::Object(object) => object.kind.type_name(),
            Self::Moment(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Month(_) => "time.Month",
            Self::Weekday(_) => "time.Weekday",
        }
    }

    /// Its type with an article.
    pub(super) fn a_type(&self) -> String {
        let name = self.type_name();
        if name.starts_with('i') { format!("an {name}") } else { format!("a {name}") }
    }

    /// Whether `if`, `and`, `or` and `not` take it for true: anything but zero and the empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Duration(value) | Self::Month(value) | Self::Weekday(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) | Self::Html(text) => !text.is_empty(),
            Self::Labels(labels) | Self::Kv(labels) => !labels.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Object(_) | Self::Moment(_) => true,
        }
    }

    /// The text, if it is one.
    pub(super) fn get_text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Text(text) | Self::Html(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string; any other type is an error, as in Go.
    pub(super) fn as_text(&self) -> Result<&str, String> {
        self.get_text().map(|text| &**text).ok_or_else(|| self.not_a("a string"))
    }

    /// The complaint that this is not what was wanted.
    pub(super) fn not_a(&self, wanted: &str) -> String {
        match self {
            Self::Nil => format!("wants {wanted}, and there is no value"),
            other => format!("wants {wanted}, not the {} `{}`", other.type_name(), shown(&print::short(other))),
        }
    }

    /// The integer, of whatever kind.
    pub(super) fn get_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Duration(value) | Self::Month(value) | Self::Weekday(value) => Some(*value),
            _ => None,
        }
    }

    /// An integer that counts something.
    pub(super) fn as_index(&self) -> Result<i64, String> {
        match self {
            Self::Uint(value) => i64::try_from(*value).map_err(|_| format!("{value} is too big")),
            other => other.get_int().ok_or_else(|| other.not_a("a whole number")),
        }
    }

    /// The number that this is, or that this text says; a duration is its seconds.
    pub(super) fn as_number(&self) -> Result<f64, String> {
        #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
        match self {
            Self::Float(value) => Ok(*value),
            Self::Int(value) => Ok(*value as f64),
            Self::Uint(value) => Ok(*value as f64),
            Self::Duration(nanoseconds) => Ok(*nanoseconds as f64 / 1e9),
            Self::Text(text) => number_in(text).ok_or_else(|| format!("`{}` is not a number", shown(text))),
            other => Err(other.not_a("a number")),
        }
    }

    /// Whether both are the same. Values of different types cannot be compared.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, String> {
        if let (Some(left), Some(right)) = (self.get_int(), other.get_int()) {
            return Ok(left == right);
        }
        if let (Some(left), Some(right)) = (self.get_text(), other.get_text()) {
            return Ok(left == right);
        }
        match (self, other) {
            (Self::Nil, Self::Nil) => Ok(true),
            (Self::Nil, _) | (_, Self::Nil) => Ok(false),
            (Self::Float(left), Self::Float(right)) => Ok(left == right),
            (Self::Uint(left), Self::Uint(right)) => Ok(left == right),
            (Self::Uint(one), other) | (other, Self::Uint(one)) if other.get_int().is_some() => {
                Ok(other.get_int().and_then(|value| u64::try_from(value).ok()) == Some(*one))
            }
            (Self::Bool(left), Self::Bool(right)) => Ok(left == right),
            (Self::Moment(left), Self::Moment(right)) => Ok(left.is_same(right)),
            _ => Err(self.incomparable(other)),
        }
    }

    /// How both are ordered; `None` when NaN is among them.
    pub(super) fn order(&self, other: &Self) -> Result<Option<Ordering>, String> {
        if let (Some(left), Some(right)) = (self.get_int(), other.get_int()) {
            return Ok(Some(left.cmp(&right)));
        }
        if let (Some(left), Some(right)) = (self.get_text(), other.get_text()) {
            return Ok(Some(left.cmp(right)));
        }
        let signed = |value: &u64| i128::from(*value);
        match (self, other) {
            (Self::Float(left), Self::Float(right)) => Ok(left.partial_cmp(right)),
            (Self::Uint(left), Self::Uint(right)) => Ok(Some(left.cmp(right))),
            (Self::Uint(left), right) if right.get_int().is_some() => {
                Ok(right.get_int().map(|right| signed(left).cmp(&i128::from(right))))
            }
            (left, Self::Uint(right)) if left.get_int().is_some() => {
                Ok(left.get_int().map(|left| i128::from(left).cmp(&signed(right))))
            }
            _ if self.type_name() == other.type_name() => Err(format!("cannot order {}", self.type_name())),
            _ => Err(self.incomparable(other)),
        }
    }

    fn incomparable(&self, other: &Self) -> String {
        let (left, right) = (self.type_name(), other.type_name());
        let is_number = |value: &Self| matches!(value, Self::Float(_) | Self::Int(_) | Self::Uint(_));
        if left == right {
            return format!("values of {left} cannot be compared");
        }
        if is_number(self) && is_number(other) {
            return format!(
                "cannot compare {left} with {right}; write a whole number as `1.0` to compare it with a float"
            );
        }
        format!("cannot compare {left} with {right}")
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
            (Value::Nil, false),
            (Value::Labels(Labels::empty()), false),
            (Value::Moment(Moment::ZERO), true),
            (Value::Duration(0), false),
        ] {
            assert_eq!(value.is_true(), expected, "{value:?}");
        }
    }

    #[test]
    fn nan_equals_and_precedes_nothing() {
        let nan = Value::Float(f64::NAN);
        assert_eq!((nan.equals(&nan), nan.order(&nan)), (Ok(false), Ok(None)));
    }

    #[test]
    fn integers_of_both_signs_can_be_compared() {
        assert_eq!(Value::Int(-1).equals(&Value::Uint(u64::MAX)), Ok(false));
        assert_eq!(Value::Uint(3).equals(&Value::Int(3)), Ok(true));
        assert_eq!(Value::Int(-1).order(&Value::Uint(0)), Ok(Some(Ordering::Less)));
        assert_eq!(Value::Month(1).equals(&Value::Int(1)), Ok(true));
    }

    #[test]
    fn lists_have_limits() {
        let mut value = Value::Nil;
        for _ in 0..NESTING_MAX {
            value = Value::list(vec![value]).unwrap();
        }
        assert!(Value::list(vec![value]).unwrap_err().contains("deep"));
        assert!(Value::list(vec![Value::Nil; ITEMS_MAX + 1]).unwrap_err().contains("more than"));
    }
}
