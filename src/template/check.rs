//! What can be known wrong before there is data: fields that nothing has, methods with the wrong number of arguments,
//! templates that nobody defines.

use std::collections::BTreeSet;

use crate::model::nearest;

use super::Trouble;
use super::ast::{Body, Expr, Node, Set};
use super::object::ObjectKind;
use super::pipeline::takes;
use super::shape::Shape;
use super::value::Value;

/// What a check found besides faults.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The queries that are written out.
    pub(super) queries: BTreeSet<String>,
    /// The named templates that are used, each with a place.
    pub(super) templates: Vec<(usize, String)>,
}

/// Checks a body whose `.` has the first of these shapes, and whose variables behind `$` have the others.
pub(super) fn check(body: &Body, given: &[Shape], found: &mut Found) -> Result<(), Trouble> {
    let mut shapes = vec![Shape::Any; body.slots.max(given.len()).max(1)];
    shapes[..given.len()].copy_from_slice(given);
    let mut changing = BTreeSet::new();
    note_changing(&body.nodes, &mut changing);
    for slot in &changing {
        if let Some(shape) = shapes.get_mut(*slot) {
            *shape = Shape::Any;
        }
    }
    let dot = shapes[0];
    let mut checker = Checker { shapes, changing, found };
    checker.nodes(&body.nodes, dot)
}

/// Collects the variables that are set again somewhere: of these nothing is known.
fn note_changing(nodes: &[Node], changing: &mut BTreeSet<usize>) {
    for node in nodes {
        let (sets, inner): (Vec<&Set>, Vec<&[Node]>) = match node {
            Node::Set { set, .. } => (vec![set], Vec::new()),
            Node::Choose { arms, otherwise, .. } => {
                let bodies = arms.iter().map(|arm| &arm.nodes[..]).chain([&otherwise[..]]);
                (arms.iter().filter_map(|arm| arm.set.as_ref()).collect(), bodies.collect())
            }
            Node::Range { key, element, nodes, otherwise, .. } => {
                (key.iter().chain(element).collect(), vec![nodes, otherwise])
            }
            Node::Text(_) | Node::Print { .. } | Node::Break | Node::Continue | Node::Template { .. } => continue,
        };
        changing.extend(sets.into_iter().filter(|set| set.is_again).map(|set| set.slot));
        for nodes in inner {
            note_changing(nodes, changing);
        }
    }
}

struct Checker<'f> {
    shapes: Vec<Shape>,
    changing: BTreeSet<usize>,
    found: &'f mut Found,
}

impl Checker<'_> {
    fn set(&mut self, set: Set, shape: Shape) {
        if let Some(known) = self.shapes.get_mut(set.slot) {
            *known = if self.changing.contains(&set.slot) { Shape::Any } else { shape };
        }
    }

    fn nodes(&mut self, nodes: &[Node], dot: Shape) -> Result<(), Trouble> {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Print { expr, .. } => {
                    self.shape(expr, dot)?;
                }
                Node::Set { set, expr } => {
                    let shape = self.shape(expr, dot)?;
                    self.set(*set, shape);
                }
                Node::Choose { is_with, arms, otherwise } => {
                    for arm in arms {
                        let shape = self.shape(&arm.expr, dot)?;
                        if let Some(set) = arm.set {
                            self.set(set, shape);
                        }
                        self.nodes(&arm.nodes, if *is_with { shape } else { dot })?;
                    }
                    self.nodes(otherwise, dot)?;
                }
                Node::Range { at, key, element, expr, nodes, otherwise } => {
                    let over = self.shape(expr, dot)?;
                    if matches!(over, Shape::Text | Shape::Float | Shape::Bool | Shape::Moment | Shape::Object(_)) {
                        return Err(Trouble::new(*at, format!("`range` cannot go over {}", in_words(over))));
                    }
                    let each = over.element();
                    if let Some(set) = key {
                        self.set(*set, Shape::Any);
                    }
                    if let Some(set) = element {
                        self.set(*set, each);
                    }
                    self.nodes(nodes, each)?;
                    self.nodes(otherwise, dot)?;
                }
                Node::Template { at, name, expr } => {
                    if let Some(expr) = expr {
                        self.shape(expr, dot)?;
                    }
                    self.found.templates.push((*at, name.clone()));
                }
            }
        }
        Ok(())
    }

    fn shape(&mut self, expr: &Expr, dot: Shape) -> Result<Shape, Trouble> {
        match expr {
            Expr::Constant(Value::Text(_)) => Ok(Shape::Text),
            Expr::Constant(Value::Int(_)) => Ok(Shape::Int),
            Expr::Constant(Value::Float(_)) => Ok(Shape::Float),
            Expr::Constant(Value::Bool(_)) => Ok(Shape::Bool),
            Expr::Constant(_) => Ok(Shape::Any),
            Expr::Dot => Ok(dot),
            Expr::Variable(slot) => Ok(self.shapes.get(*slot).copied().unwrap_or(Shape::Any)),
            Expr::Call { at, function, arguments, .. } => {
                for argument in arguments {
                    self.shape(argument, dot)?;
                }
                match (function.name, arguments.first().and_then(Expr::as_literal)) {
                    ("query", Some(query)) => {
                        self.found.queries.insert(query.to_owned());
                    }
                    ("tmpl", Some(name)) => self.found.templates.push((*at, name.to_owned())),
                    _ => {}
                }
                Ok(function.gives)
            }
            Expr::Field { at, of, name, arguments } => {
                let of = self.shape(of, dot)?;
                for argument in arguments {
                    self.shape(argument, dot)?;
                }
                field(*at, of, name, arguments.len())
            }
        }
    }
}

/// What `.name` of such a value is.
fn field(at: usize, of: Shape, name: &str, arguments: usize) -> Result<Shape, Trouble> {
    if of == Shape::Any {
        return Ok(Shape::Any);
    }
    if let Some(method) = of.methods().iter().find(|method| method.name == name) {
        if method.arguments != arguments {
            let takes = takes(method.arguments, method.arguments);
            return Err(Trouble::new(at, format!("`.{name}` takes {takes}, not {arguments}")));
        }
        return Ok(method.gives);
    }
    let found = match of {
        _ if of.has_any_entry() => Some(Shape::Text),
        Shape::Object(kind) => kind.fields().iter().find(|field| field.name == name).map(|field| field.shape),
        _ => None,
    };
    match found {
        Some(_) if arguments > 0 => Err(Trouble::new(at, format!("`.{name}` is not a method and takes no arguments"))),
        Some(shape) => Ok(shape),
        None => Err(unknown_field(at, of, name)),
    }
}

fn unknown_field(at: usize, of: Shape, name: &str) -> Trouble {
    let mut names: Vec<&str> = of.methods().iter().map(|method| method.name).collect();
    if let Shape::Object(kind) = of {
        names.extend(kind.fields().iter().map(|field| field.name));
    }
    let pointed = |name: &&str| format!("`.{name}`");
    let all = || match names.split_last() {
        None => None,
        Some((last, [])) => Some(format!("there is {}", pointed(last))),
        Some((last, others)) => {
            let others: Vec<String> = others.iter().map(pointed).collect();
            Some(format!("there are {} and {}", others.join(", "), pointed(last)))
        }
    };
    let near = nearest(name, names.iter().copied()).map(|near| format!("did you mean `.{near}`?"));
    let what = match of {
        Shape::Object(ObjectKind::Rule | ObjectKind::Notification) => format!("there is no field `.{name}`"),
        _ => format!("{} has no field `.{name}`", in_words(of)),
    };
    Trouble::new(at, what).with_hint(near.or_else(all))
}

fn in_words(shape: Shape) -> &'static str {
    match shape {
        Shape::Any => "this",
        Shape::Text => "a string",
        Shape::Float | Shape::Int => "a number",
        Shape::Bool => "a boolean",
        Shape::Labels | Shape::Kv => "a map",
        Shape::Strings => "a list of strings",
        Shape::Pairs => "a list of pairs",
        Shape::Alerts => "a list of alerts",
        Shape::Samples => "what a query gave",
        Shape::Moment => "a time",
        Shape::Duration => "a duration",
        Shape::Object(ObjectKind::Rule | ObjectKind::Notification) => "the data",
        Shape::Object(ObjectKind::Sample) => "an element of what a query gave",
        Shape::Object(ObjectKind::Alert) => "an alert",
        Shape::Object(ObjectKind::Pair) => "a pair",
    }
}
