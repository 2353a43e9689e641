//! YAML as a tree in which everything has its place, before anybody knows what it means.
//!
//! Read once, event by event: aliases stand for the nodes that they name, `<<` is merged as Go's YAML does it (what is
//! written wins), and a name that stands twice is kept and marked. Only what is not YAML ends the tree early; what else is
//! odd is a [`Fault`], and the rest of the file is read all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::explain::syntax;
use super::place::{Spanned, Spot};

/// How deep a file may be nested: a routing tree of eleven levels.
pub(super) const DEPTH_MAX: usize = 24;
/// How many values a file may hold, with those that its aliases repeat.
const NODES_MAX: usize = 1_000_000;
/// How many bytes of text a file may hold, with those that its aliases repeat.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A value with its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) spot: Spot,
    pub(super) value: Value,
    weight: Weight,
    /// How many levels are under it, its own included.
    height: usize,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Value {
    /// Nothing, or `null`.
    Null,
    /// A text as it is meant; a plain one, without quotes, may also be a number or a boolean.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Child>),
    Mapping(Vec<Entry>),
}

/// A node at one of the places where it stands.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) node: Rc<Node>,
    /// Where it is referred to: its own place, or that of an alias.
    pub(super) referenced: Spot,
}

/// A name and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Spanned<String>,
    pub(super) value: Child,
    pub(super) oddity: Option<Oddity>,
}

/// What is odd about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// It stands above in the same mapping.
    Repeated,
    /// It is a list or a mapping.
    NotText,
}

/// Something that is wrong whatever the file is meant to be.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) spot: Spot,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// `None` when there is nothing, or when it ended early.
    pub(super) root: Option<Child>,
    /// Whether the text is YAML as far as it was read.
    pub(super) is_whole: bool,
    pub(super) faults: Vec<Fault>,
}

impl Tree {
    /// Whether there is a setting of this name at the top.
    pub(super) fn has(&self, setting: &str) -> bool {
        match self.root.as_ref().map(|root| &root.node.value) {
            Some(Value::Mapping(entries)) => entries.iter().any(|entry| entry.name.value == setting),
            _ => false,
        }
    }
}

/// What a node costs those who read it.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

impl Weight {
    fn and(self, other: Self) -> Self {
        Self { nodes: self.nodes.saturating_add(other.nodes), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// Reads a text.
pub(super) fn grow(text: &str) -> Tree {
    let options = granit_parser::options! { emit_unresolved_aliases: true, block_scalar_eof_without_line_feed: true };
    let mut grower = Grower::default();
    for event in Parser::new_from_str_with_options(text, options) {
        match event.map_err(|error| syntax_fault(&error, text)).and_then(|(event, span)| grower.take(event, span)) {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => {
                grower.faults.push(fault);
                return Tree { root: None, is_whole: false, faults: grower.faults };
            }
        }
    }
    Tree { root: grower.root, is_whole: true, faults: grower.faults }
}

/// Why a text is not YAML.
fn syntax_fault(error: &ScanError, text: &str) -> Fault {
    let marker = *error.marker();
    let at = marker.byte_offset().unwrap_or(text.len()).min(text.len());
    let line_start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    // A template without quotes begins like a mapping in a mapping, and goes wrong somewhere behind that.
    if let Some(column) = unquoted_template(line) {
        let chars = line[..column].chars().count();
        let spot = Spot::new(marker.line(), chars + 1, 2, line_start + column..line_start + column + 2);
        let hint = Some(QUOTE_TEMPLATE.to_owned());
        return Fault { spot, what: "expected a text, found a mapping".to_owned(), hint };
    }
    let (what, hint) = syntax(&error.info());
    Fault { spot: spot_of(&Span::empty(marker)), what, hint }
}

/// What to do when a template is read as a mapping.
pub(super) const QUOTE_TEMPLATE: &str = "quote a value that begins with `{{`: '{{ … }}'";

/// The byte of a line at which a value begins with `{{`.
fn unquoted_template(line: &str) -> Option<usize> {
    let at = line.find("{{")?;
    let before = line[..at].trim_end();
    (before.ends_with(':') || before.ends_with('-')).then_some(at)
}

fn spot_of(span: &Span) -> Spot {
    let start = span.start;
    Spot::new(start.line(), start.col() + 1, span.len(), span.byte_range().unwrap_or_default())
}

/// A collection that is still being read.
struct Open {
    spot: Spot,
    anchor: usize,
    weight: Weight,
    height: usize,
    items: Items,
}

enum Items {
    List(Vec<Child>),
    Mapping { entries: Vec<Entry>, merged: Vec<Child>, name: Option<Name> },
}

/// A name that waits for its value.
enum Name {
    Setting(Spanned<String>, Option<Oddity>),
    /// `<<`.
    Merge,
}

#[derive(Default)]
struct Grower {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    weight: Weight,
    documents: usize,
    root: Option<Child>,
    faults: Vec<Fault>,
}

impl Grower {
    /// Takes the next event, and says whether there is a reason to go on.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<bool, Fault> {
        let spot = spot_of(&span);
        if event.is_node() && self.documents > 1 {
            // A `---` with nothing behind it asks for nothing.
            if !(matches!(event, Event::Scalar(..)) && span.is_empty()) {
                let hint = "remove the `---`, or put it into a file of its own";
                self.fault(spot.narrow(), "a second YAML document begins here".to_owned(), Some(hint));
            }
            return Ok(false);
        }
        match event {
            Event::DocumentStart(..) => self.documents += 1,
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let is_text = !is_plain || tag.as_deref().is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                if tag
                    .as_deref()
                    .is_some_and(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("binary"))
                {
                    self.fault(spot, "`!!binary` is not supported".to_owned(), Some("write the text itself"));
                }
                let weight = Weight { nodes: 1, bytes: text.len() };
                let value = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if !is_text => Value::Null,
                    _ => Value::Scalar { text: text.into_owned(), is_plain: !is_text },
                };
                self.weigh(weight, spot)?;
                self.close(Node { spot, value, weight, height: 0 }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => self.open(spot, anchor, Items::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                let items = Items::Mapping { entries: Vec::new(), merged: Vec::new(), name: None };
                self.open(spot, anchor, items)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => match self.anchors.get(&id).map(Rc::clone) {
                Some(node) => {
                    self.weigh(node.weight, spot)?;
                    if self.open.len() + node.height > DEPTH_MAX {
                        return Err(too_deep(spot));
                    }
                    self.add(Child { node, referenced: spot });
                }
                None => {
                    self.fault(spot, "this alias stands inside of what it stands for".to_owned(), None);
                    self.add(nothing(spot));
                }
            },
            Event::UnresolvedAlias(name) => {
                let hint = "quote a value that begins with `*`";
                self.fault(spot, format!("no value is marked with `&{name}` above"), Some(hint));
                self.add(nothing(spot));
            }
            _ => {}
        }
        Ok(true)
    }

    fn fault(&mut self, spot: Spot, what: String, hint: Option<&str>) {
        self.faults.push(Fault { spot, what, hint: hint.map(str::to_owned) });
    }

    /// Counts what a value costs; a few aliases of aliases are soon more than any machine can hold.
    fn weigh(&mut self, weight: Weight, spot: Spot) -> Result<(), Fault> {
        self.weight = self.weight.and(weight);
        let what = if self.weight.nodes > NODES_MAX {
            format!(
                "the file holds more than a configuration can: {NODES_MAX} values, aliases counted as what they repeat"
            )
        } else if self.weight.bytes > TEXT_BYTES_MAX {
            format!(
                "the file holds more than a configuration can: {TEXT_BYTES_MAX} bytes, aliases counted as what they repeat"
            )
        } else {
            return Ok(());
        };
        Err(Fault { spot, what, hint: None })
    }

    fn open(&mut self, spot: Spot, anchor: usize, items: Items) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(spot));
        }
        let weight = Weight { nodes: 1, bytes: 0 };
        self.weigh(weight, spot)?;
        self.open.push(Open { spot, anchor, weight, height: 1, items });
        Ok(())
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let Open { spot, anchor, mut weight, height, items } = open;
        let value = match items {
            Items::List(items) => Value::List(items),
            Items::Mapping { mut entries, merged, .. } => {
                mark_repeated(&mut entries);
                for child in merged {
                    self.merge(&child, &mut entries);
                }
                weight = entries.iter().fold(weight, |sum, entry| sum.and(entry.value.node.weight));
                Value::Mapping(entries)
            }
        };
        self.close(Node { spot, value, weight, height }, anchor);
    }

    /// Adds what a `<<` stands for: a mapping or a list of mappings, of which the first wins.
    fn merge(&mut self, child: &Child, entries: &mut Vec<Entry>) {
        let mappings = match &child.node.value {
            Value::List(list) => list.as_slice(),
            _ => std::slice::from_ref(child),
        };
        let mut names: BTreeSet<String> = entries.iter().map(|entry| entry.name.value.clone()).collect();
        for mapping in mappings {
            let Value::Mapping(merged) = &mapping.node.value else {
                self.fault(mapping.referenced, "expected a mapping behind `<<`".to_owned(), None);
                continue;
            };
            for entry in merged.iter().filter(|entry| entry.oddity.is_none()) {
                if names.insert(entry.name.value.clone()) {
                    entries.push(entry.clone());
                }
            }
        }
    }

    fn close(&mut self, node: Node, anchor: usize) {
        let (referenced, node) = (node.spot, Rc::new(node));
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(Child { node, referenced });
    }

    /// Puts a value where it belongs: into the innermost collection, there as a name or as what a name stands for.
    fn add(&mut self, child: Child) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(child);
            return;
        };
        open.height = open.height.max(child.node.height + 1);
        match &mut open.items {
            Items::List(items) => {
                open.weight = open.weight.and(child.node.weight);
                items.push(child);
            }
            Items::Mapping { entries, merged, name } => match name.take() {
                None => *name = Some(name_of(&child)),
                Some(Name::Merge) => merged.push(child),
                Some(Name::Setting(name, oddity)) => entries.push(Entry { name, value: child, oddity }),
            },
        }
    }
}

fn too_deep(spot: Spot) -> Fault {
    Fault { spot, what: format!("the file is nested more than {DEPTH_MAX} deep"), hint: None }
}

fn nothing(spot: Spot) -> Child {
    let node = Node { spot, value: Value::Null, weight: Weight { nodes: 1, bytes: 0 }, height: 0 };
    Child { node: Rc::new(node), referenced: spot }
}

fn name_of(child: &Child) -> Name {
    let (text, oddity) = match &child.node.value {
        Value::Scalar { text, is_plain: true } if text == "<<" => return Name::Merge,
        Value::Scalar { text, .. } => (text.clone(), None),
        Value::Null => (String::new(), None),
        Value::List(_) | Value::Mapping(_) => (String::new(), Some(Oddity::NotText)),
    };
    Name::Setting(Spanned::new(text, child.referenced, child.node.spot), oddity)
}

fn mark_repeated(entries: &mut [Entry]) {
    let mut names = BTreeSet::new();
    let repeated: Vec<usize> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.oddity.is_none() && !names.insert(entry.name.value.as_str()))
        .map(|(at, _)| at)
        .collect();
    for at in repeated {
        entries[at].oddity = Some(Oddity::Repeated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in one line, and what is wrong with it.
    fn check(text: &str, tree: &str, faults: &[&str]) {
        let grown = grow(text);
        assert_eq!(grown.root.map(|root| show(&root)).unwrap_or_default(), tree, "{text}");
        let told: Vec<_> = grown.faults.iter().map(|fault| fault.what.as_str()).collect();
        assert_eq!(told, faults, "{text}");
    }

    fn show(child: &Child) -> String {
        match &child.node.value {
            Value::Null => "~".to_owned(),
            Value::Scalar { text, is_plain: true } => text.clone(),
            Value::Scalar { text, is_plain: false } => format!("{text:?}"),
            Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            Value::Mapping(entries) => {
                let entries = entries.iter().map(|entry| {
                    let oddity = entry.oddity.map(|oddity| format!("{oddity:?} ")).unwrap_or_default();
                    format!("{oddity}{}:{}", entry.name.value, show(&entry.value))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn values_are_what_go_makes_of_them() {
        check("", "", &[]);
        check("# nothing\n", "", &[]);
        check(
            "a: [1, '1', ~, null, NULL, nULL, '', !!str null, !!str 1]",
            "{a:[1 \"1\" ~ ~ ~ nULL \"\" \"null\" \"1\"]}",
            &[],
        );
        check("a:\nb: |\n  x\n  y", "{a:~ b:\"x\\ny\"}", &[]);
        check("a: !!binary aGk=", "{a:aGk=}", &["`!!binary` is not supported"]);
        check("a: 1\na: 2\n? [x]\n: 3\n'': 4", "{a:1 Repeated a:2 NotText :3 :4}", &[]);
    }

    #[test]
    fn aliases_stand_for_what_they_name() {
        check("[&a x, *a, &b {k: *a}, *b]", "[x x {k:x} {k:x}]", &[]);
        check("[&a x, &a y, *a]", "[x y y]", &[]);
        check("[*b, &b x]", "[~ x]", &["no value is marked with `&b` above"]);
        check("&a [x, *a]", "[x ~]", &["this alias stands inside of what it stands for"]);
    }

    #[test]
    fn what_is_written_wins_over_what_is_merged() {
        check("[&a {x: 1, y: 1}, {<<: *a, x: 2}]", "[{x:1 y:1} {x:2 y:1}]", &[]);
        check("[&a {x: 1}, {x: 2, <<: *a}]", "[{x:1} {x:2}]", &[]);
        check("[&a {x: 1}, &b {x: 3, y: 3}, {<<: [*a, *b]}]", "[{x:1} {x:3 y:3} {x:1 y:3}]", &[]);
        check("{'<<': {x: 1}}", "{<<:{x:1}}", &[]);
        check("{<<: x, y: 1}", "{y:1}", &["expected a mapping behind `<<`"]);
    }

    #[test]
    fn a_second_document_is_told_and_not_read() {
        check("a: 1\n---\n", "{a:1}", &[]);
        check("a: 1\n---\n# nothing\n...\n", "{a:1}", &[]);
        check("a: 1\n---\nb: 2\n", "{a:1}", &["a second YAML document begins here"]);
    }

    #[test]
    fn what_is_not_yaml_gives_nothing() {
        let check = |text: &str, what: &str| {
            let grown = grow(text);
            assert!(grown.root.is_none() && !grown.is_whole && grown.faults[0].what.contains(what), "{grown:?}");
        };
        check("a: [1", "not valid YAML: ");
        check("a: {{ x }} y", "expected a text, found a mapping");
        check(&format!("{}{}", "[".repeat(30), "]".repeat(30)), "nested more than 24 deep");
        check(
            &format!("a: &a {}1{}\nb: {}*a{}", "[".repeat(15), "]".repeat(15), "[".repeat(15), "]".repeat(15)),
            "24 deep",
        );
        check(&format!("- &a '{}'\n- [{}]", "x".repeat(1 << 20), "*a, ".repeat(100)), "67108864 bytes");
    }

    #[test]
    fn every_value_has_its_place() {
        let text = "a: &x 'é b'\nc: *x\n";
        let grown = grow(text).root.unwrap();
        let Value::Mapping(entries) = &grown.node.value else { panic!("{grown:?}") };
        let piece = |spot: Spot| &text[spot.bytes()];
        assert_eq!((piece(entries[0].name.defined), piece(entries[0].value.node.spot)), ("a", "'é b'"));
        assert_eq!((piece(entries[1].value.referenced), piece(entries[1].value.node.spot)), ("*x", "'é b'"));
    }
}
