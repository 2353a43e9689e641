//! What is known of a value before there is one: enough to find a wrong field when a template is loaded.

use super::object::ObjectKind;

/// What a value will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing is known of it.
    Any,
    Text,
    Float,
    Int,
    Bool,
    Labels,
    Kv,
    Strings,
    Pairs,
    Alerts,
    Samples,
    Moment,
    Duration,
    Object(ObjectKind),
}

/// A method: how many arguments it takes and what it gives.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) arguments: usize,
    pub(super) gives: Shape,
}

const fn method(name: &'static str, arguments: usize, gives: Shape) -> Method {
    Method { name, arguments, gives }
}

static KV: [Method; 5] = [
    method("Names", 0, Shape::Strings),
    method("Remove", 1, Shape::Kv),
    method("SortedPairs", 0, Shape::Pairs),
    method("String", 0, Shape::Text),
    method("Values", 0, Shape::Strings),
];

static PAIRS: [Method; 3] =
    [method("Names", 0, Shape::Strings), method("String", 0, Shape::Text), method("Values", 0, Shape::Strings)];

static ALERTS: [Method; 2] = [method("Firing", 0, Shape::Alerts), method("Resolved", 0, Shape::Alerts)];

static STRINGS: [Method; 1] = [method("Join", 1, Shape::Text)];

static MOMENT: [Method; 28] = [
    method("Add", 1, Shape::Moment),
    method("AddDate", 3, Shape::Moment),
    method("After", 1, Shape::Bool),
    method("Before", 1, Shape::Bool),
    method("Compare", 1, Shape::Int),
    method("Day", 0, Shape::Int),
    method("Equal", 1, Shape::Bool),
    method("Format", 1, Shape::Text),
    method("Hour", 0, Shape::Int),
    method("IsZero", 0, Shape::Bool),
    method("Local", 0, Shape::Moment),
    method("Minute", 0, Shape::Int),
    method("Month", 0, Shape::Int),
    method("Nanosecond", 0, Shape::Int),
    method("Round", 1, Shape::Moment),
    method("Second", 0, Shape::Int),
    method("String", 0, Shape::Text),
    method("Sub", 1, Shape::Duration),
    method("Truncate", 1, Shape::Moment),
    method("UTC", 0, Shape::Moment),
    method("Unix", 0, Shape::Int),
    method("UnixMicro", 0, Shape::Int),
    method("UnixMilli", 0, Shape::Int),
    method("UnixNano", 0, Shape::Int),
    method("Weekday", 0, Shape::Int),
    method("Year", 0, Shape::Int),
    method("YearDay", 0, Shape::Int),
    method("GoString", 0, Shape::Text),
];

static DURATION: [Method; 10] = [
    method("Abs", 0, Shape::Duration),
    method("Hours", 0, Shape::Float),
    method("Microseconds", 0, Shape::Int),
    method("Milliseconds", 0, Shape::Int),
    method("Minutes", 0, Shape::Float),
    method("Nanoseconds", 0, Shape::Int),
    method("Round", 1, Shape::Duration),
    method("Seconds", 0, Shape::Float),
    method("String", 0, Shape::Text),
    method("Truncate", 1, Shape::Duration),
];

impl Shape {
    /// The methods of such a value.
    pub(super) fn methods(self) -> &'static [Method] {
        match self {
            Self::Kv => &KV,
            Self::Pairs => &PAIRS,
            Self::Alerts => &ALERTS,
            Self::Strings => &STRINGS,
            Self::Moment => &MOMENT,
            Self::Duration => &DURATION,
            _ => &[],
        }
    }

    /// What `range` hands out of such a value.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Labels | Self::Kv | Self::Strings => Self::Text,
            Self::Pairs => Self::Object(ObjectKind::Pair),
            Self::Alerts => Self::Object(ObjectKind::Alert),
            Self::Samples => Self::Object(ObjectKind::Sample),
            Self::Int => Self::Int,
            _ => Self::Any,
        }
    }

    /// Whether any name is an entry of such a value, as in a map.
    pub(super) fn has_any_entry(self) -> bool {
        matches!(self, Self::Labels | Self::Kv)
    }
}
