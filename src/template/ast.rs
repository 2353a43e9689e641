//! A parsed template.
//!
//! A pipeline is only another way to write calls: `a | f b` is `f b a`. So there is one kind of expression. Variables
//! are slots of a frame; slot 0 is `$`.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use super::functions::Function;
use super::value::Value;

/// A template with a body: one that a text defines by name, or the text itself, without one.
#[derive(Debug)]
pub(super) struct Body {
    /// Empty for the text itself.
    pub(super) name: String,
    /// The file that it stands in, if it comes from one.
    pub(super) file: Option<Arc<str>>,
    /// The text that places in it refer to.
    pub(super) source: Arc<str>,
    pub(super) nodes: Vec<Node>,
    /// How many variables it has at once, at most.
    pub(super) slots: usize,
}

impl Body {
    /// Whether it has nothing but white space, so that another of its name may take its place.
    pub(super) fn is_blank(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
    }
}

/// The templates that are known by name.
pub(super) type Bodies = BTreeMap<String, Arc<Body>>;

/// A part of a body.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Print {
        at: usize,
        expr: Expr,
    },
    Set {
        set: Set,
        expr: Expr,
    },
    /// `if` or `with`, with its `else if` or `else with` as further arms.
    Choose {
        is_with: bool,
        arms: Vec<Arm>,
        otherwise: Vec<Node>,
    },
    Range {
        at: usize,
        key: Option<Set>,
        element: Option<Set>,
        expr: Expr,
        nodes: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Break,
    Continue,
    Template {
        at: usize,
        name: String,
        expr: Option<Expr>,
    },
}

/// A variable that gets a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) slot: usize,
    /// By `=`: it was there before.
    pub(super) is_again: bool,
}

#[derive(Debug)]
pub(super) struct Arm {
    pub(super) at: usize,
    pub(super) set: Option<Set>,
    pub(super) expr: Expr,
    pub(super) nodes: Vec<Node>,
}

/// Something that has a value.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Constant(Value),
    Dot,
    Variable(usize),
    /// A field, an entry of a map, or a method with its arguments.
    Field {
        at: usize,
        of: Box<Expr>,
        name: String,
        arguments: Vec<Expr>,
    },
    /// A function, and the pattern of its first argument if that is written out.
    Call {
        at: usize,
        function: &'static Function,
        arguments: Vec<Expr>,
        pattern: Option<Regex>,
    },
}

impl Expr {
    /// The text that is written out here, if one is.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match self {
            Self::Constant(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}
