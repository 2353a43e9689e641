//! Raw values whose names are free, or whose shape is: labels, parameters, headers, a word or a list.

use super::raw::Text;
use super::reader::{Read, Reader};
use super::tree::{Child, Value};

/// Names and values in the order in which they are written; a value that is left empty is the empty text.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(pub(super) Vec<Pair>);

/// A name and its value.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) name: Text,
    /// Empty when it is left empty, at the name's place.
    pub(super) value: Text,
    pub(super) is_null: bool,
}

impl Read for Pairs {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        let mut pairs = Vec::new();
        reader.names(child, &mut |reader, entry| {
            let name = entry.name.clone();
            let is_null = matches!(entry.value.node.value, Value::Null);
            let value = match is_null {
                true => Some(Text::new(String::new(), name.referenced, name.defined)),
                false => Text::read(reader, &entry.value),
            };
            pairs.extend(value.map(|value| Pair { name, value, is_null }));
        })?;
        Some(Self(pairs))
    }
}

/// Settings by names that are free, in the order in which they are written.
#[derive(Clone, Debug)]
pub(super) struct Named<T>(pub(super) Vec<(Text, T)>);

impl<T: Read + Default> Read for Named<T> {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        let mut named = Vec::new();
        reader.names(child, &mut |reader, entry| {
            let value = match entry.value.node.value {
                Value::Null => Some(T::default()),
                _ => T::read(reader, &entry.value),
            };
            named.extend(value.map(|value| (entry.name.clone(), value)));
        })?;
        Some(Self(named))
    }
}

/// A word, or a list of texts.
#[derive(Clone, Debug)]
pub(super) enum OneOrMany {
    One(Text),
    Many(Vec<Text>),
}

impl Read for OneOrMany {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        match child.node.value {
            Value::List(_) => Vec::read(reader, child).map(Self::Many),
            _ => Text::read(reader, child).map(Self::One),
        }
    }
}
