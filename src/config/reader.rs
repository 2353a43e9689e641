//! Trees to raw settings: what a setting holds has the kind that it should have, and what has not is noted. Reading goes
//! on behind every mistake, so all of a file's are told at once.

use super::explain::unknown_setting;
use super::place::{Sheet, Spanned, Spot};
use super::raw::Known;
use super::tree::{Child, Entry, Node, Oddity, QUOTE_TEMPLATE, Value};

/// What can be read from a tree.
pub(super) trait Read: Sized {
    /// Reads a value. `None` when it is not what it should be, which is noted.
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self>;
}

/// Where in a tree we are.
enum Step<'t> {
    Setting(&'t str),
    Entry(usize, &'t Node),
}

/// Walks a tree and notes what is wrong with it.
pub(super) struct Reader<'s, 't> {
    sheet: &'s mut Sheet,
    path: Vec<Step<'t>>,
}

/// Settings by which the entries of a list are told apart.
const NAMES: [&str; 4] = ["name", "job_name", "alert", "record"];

impl<'s, 't> Reader<'s, 't> {
    pub(super) fn new(sheet: &'s mut Sheet) -> Self {
        Self { sheet, path: Vec::new() }
    }

    /// Reads a mapping of settings: `set` is given each that is known. The answer has those that are not supported yet,
    /// with the places of their names.
    pub(super) fn settings(
        &mut self,
        child: &'t Child,
        known: &Known,
        set: &mut dyn FnMut(&mut Self, &'t str, &'t Child),
    ) -> Option<Vec<(&'static str, Spot)>> {
        let Value::Mapping(entries) = &child.node.value else {
            self.expected(child, "settings: lines like `name: value`, or `{…}`");
            return None;
        };
        let owner = child.node.spot;
        let mut later = Vec::new();
        for entry in entries {
            let name = entry.name.value.as_str();
            if !self.is_sound(entry) {
                continue;
            }
            if known.settings.contains(&name) {
                let before = self.sheet.count();
                self.path.push(Step::Setting(name));
                set(self, name, &entry.value);
                self.path.pop();
                if self.sheet.count() > before {
                    self.sheet.wound(owner, name);
                }
            } else if let Some(name) = known.not_yet.iter().find(|later| **later == name) {
                if !entry.value.node.is_empty() {
                    later.push((*name, entry.name.defined));
                }
            } else if known.idle.contains(&name) {
                // There is nothing to be done with it.
            } else {
                let (what, hint, meant) = unknown_setting(name, known);
                let path = self.path();
                self.sheet.note_name(entry.name.defined, &path, what).hint = hint;
                if let Some(meant) = meant {
                    self.sheet.wound(owner, meant);
                }
            }
        }
        Some(later)
    }

    /// Reads names with values; `set` is given each.
    pub(super) fn names(&mut self, child: &'t Child, set: &mut dyn FnMut(&mut Self, &'t Entry)) -> Option<()> {
        let Value::Mapping(entries) = &child.node.value else {
            self.expected(child, "names with values: lines like `name: value`, or `{…}`");
            return None;
        };
        for entry in entries {
            if self.is_sound(entry) {
                self.path.push(Step::Setting(&entry.name.value));
                set(self, entry);
                self.path.pop();
            }
        }
        Some(())
    }

    /// The text of a scalar, and whether it is written without quotes.
    pub(super) fn scalar(&mut self, child: &'t Child, wanted: &str) -> Option<(&'t str, bool)> {
        match &child.node.value {
            Value::Scalar { text, is_plain } => Some((text, *is_plain)),
            _ => {
                self.expected(child, wanted);
                None
            }
        }
    }

    /// Notes that a value is of another kind.
    pub(super) fn expected(&mut self, child: &Child, wanted: &str) {
        let (node, path) = (&*child.node, self.path());
        let is_list_wanted = wanted.starts_with("a list");
        let (found, hint) = match &node.value {
            Value::Null if wanted == "a text" => {
                (", found nothing", Some("write the text, or `''` for an empty one".to_owned()))
            }
            Value::Null => (", found nothing", None),
            Value::Scalar { .. } if is_list_wanted => {
                ("", Some("a list of one value is that value in brackets: `[…]`".to_owned()))
            }
            Value::Scalar { .. } => ("", None),
            Value::List(_) => (", found a list", None),
            Value::Mapping(_) if self.sheet.text_at(node.spot).starts_with("{{") => {
                (", found a mapping", Some(QUOTE_TEMPLATE.to_owned()))
            }
            Value::Mapping(_) => (if is_list_wanted { "" } else { ", found a mapping" }, None),
        };
        let is_secret = self.path.iter().any(|step| matches!(step, Step::Setting(name) if Sheet::may_be_secret(name)));
        let what = format!("expected {wanted}{found}");
        let problem = match is_secret {
            true => self.sheet.note_unseen(node.spot, &path, what),
            false => self.sheet.note(node.spot, &path, what),
        };
        problem.hint = hint;
    }

    /// Whether an entry has a name of its own.
    fn is_sound(&mut self, entry: &Entry) -> bool {
        let Some(oddity) = entry.oddity else { return true };
        let path = self.path();
        match oddity {
            Oddity::Repeated => {
                let what = format!("`{}` is set twice", entry.name.value);
                self.sheet.note_name(entry.name.defined, &path, what).hint = Some("keep one of the two".to_owned());
            }
            Oddity::NotText => {
                let hint = self.sheet.text_at(entry.name.defined).starts_with('{').then(|| QUOTE_TEMPLATE.to_owned());
                self.sheet.note_unseen(entry.name.defined, &path, "a name is a text").hint = hint;
            }
        }
        false
    }

    /// Where we are, in words: `groups[node].rules[Down]`.
    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Setting(name) => {
                    path.push_str(if path.is_empty() { "" } else { "." });
                    path.push_str(name);
                }
                Step::Entry(index, node) => match node.name() {
                    Some(name) => path.push_str(&format!("[{name}]")),
                    None => path.push_str(&format!("[{index}]")),
                },
            }
        }
        path
    }
}

impl Node {
    /// Whether it asks for nothing: an empty list or mapping is as absent, and so is what is switched off.
    fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar { text, is_plain } => *is_plain && matches!(text.as_str(), "false" | "False" | "FALSE"),
            Value::List(items) => items.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
        }
    }

    /// How an entry of a list calls itself.
    fn name(&self) -> Option<&str> {
        let Value::Mapping(entries) = &self.value else { return None };
        let named = entries.iter().find(|entry| NAMES.contains(&entry.name.value.as_str()))?;
        match &named.value.node.value {
            Value::Scalar { text, .. } if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// Reads what a setting holds; one that is left empty is as absent.
pub(super) fn field<'t, T: Read>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<T> {
    match child.node.value {
        Value::Null => None,
        _ => T::read(reader, child),
    }
}

impl<T: Read> Read for Spanned<T> {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        let value = T::read(reader, child)?;
        Some(Self::new(value, child.referenced, child.node.spot))
    }
}

impl<T: Read> Read for Vec<T> {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        let Value::List(items) = &child.node.value else {
            reader.expected(child, "a list: lines that begin with `- `, or `[…]`");
            return None;
        };
        let mut list = Self::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            reader.path.push(Step::Entry(index, &item.node));
            list.extend(T::read(reader, item));
            reader.path.pop();
        }
        Some(list)
    }
}

impl Read for String {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        reader.scalar(child, "a text").map(|(text, _)| text.to_owned())
    }
}

impl Read for bool {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        const WANTED: &str = "`true` or `false`";
        // The other words are those that Go's YAML takes where a boolean is wanted.
        match reader.scalar(child, WANTED)? {
            ("true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON", true) => Some(true),
            ("false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF", true) => Some(false),
            _ => {
                reader.expected(child, WANTED);
                None
            }
        }
    }
}

impl Read for u64 {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        const WANTED: &str = "a whole number";
        let number = match reader.scalar(child, WANTED)? {
            (text, true) => whole_number(text),
            (_, false) => None,
        };
        if number.is_none() {
            reader.expected(child, WANTED);
        }
        number
    }
}

impl Read for u32 {
    fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
        let number = Self::try_from(u64::read(reader, child)?);
        if number.is_err() {
            reader.expected(child, "a whole number below 4294967296");
        }
        number.ok()
    }
}

/// A number as Go's YAML reads it: with `_` between digits, and in other bases with their prefixes.
fn whole_number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text).replace('_', "");
    let of_base = |digits: &str, base| match digits.starts_with(['+', '-']) {
        true => None,
        false => u64::from_str_radix(digits, base).ok(),
    };
    match (digits.get(..2), digits.get(2..)) {
        (Some("0x"), Some(rest)) => of_base(rest, 16),
        (Some("0o"), Some(rest)) => of_base(rest, 8),
        (Some("0b"), Some(rest)) => of_base(rest, 2),
        (Some(start), _) if start.starts_with('0') => of_base(&digits, 8),
        _ => of_base(&digits, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_does() {
        let check = |text: &str, want: Option<u64>| assert_eq!(whole_number(text), want, "{text}");
        check("0", Some(0));
        check("512", Some(512));
        check("+1_000", Some(1000));
        check("0x1F", Some(31));
        check("017", Some(15));
        check("0o17", Some(15));
        check("0b11", Some(3));
        check("-1", None);
        check("0x-1", None);
        check("1.5", None);
        check("", None);
        check("18446744073709551616", None);
    }
}
