//! Walks a template's nodes. Everything is bounded: depth, steps, the size of every text and of all that is made.

use std::sync::Arc;

use regex::Regex;

use super::ast::{Arm, Bodies, Body, Expr, Node, Set};
use super::functions::{Call, Kind, Run};
use super::print::Output;
use super::rule_text::QueryHost;
use super::value::Value;
use super::{Limits, RUN_DEPTH_MAX, functions, method, place};
use crate::model::Timestamp;

/// What an expansion may use besides its data.
#[derive(Clone, Copy)]
pub(super) struct World<'w> {
    pub(super) now: Timestamp,
    pub(super) external_url: &'w str,
    pub(super) host: &'w dyn QueryHost,
    /// The labels of the route, by name, each with its own text and what that defines.
    pub(super) route_labels: &'w [(String, Arc<Body>, Arc<Bodies>)],
    /// Whether what is printed is escaped as HTML.
    pub(super) escapes_html: bool,
    pub(super) limits: Limits,
}

/// What went wrong, and where if that is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) what: String,
    /// It is only that a query has no answer yet.
    pub(super) is_pending: bool,
    pub(super) place: Option<Spot>,
}

/// A place in a template.
#[derive(Debug)]
pub(super) struct Spot {
    /// The template's name; empty for the text itself.
    pub(super) template: String,
    pub(super) file: Option<Arc<str>>,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self { what, is_pending: false, place: None }
    }
}

impl Fault {
    /// With the name of the function in which it happened, unless it happened in a template that the function expanded.
    fn in_function(mut self, name: &str) -> Self {
        if self.place.is_none() && !self.is_pending {
            self.what = format!("`{name}`: {}", self.what);
        }
        self
    }

    /// With a place, if it has none yet.
    fn at(mut self, body: &Body, at: usize) -> Self {
        self.place.get_or_insert_with(|| {
            let (line, column) = place(&body.source, at);
            Spot { template: body.name.clone(), file: body.file.clone(), line, column }
        });
        self
    }
}

/// What a node says to the loop around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// A body that is being expanded.
struct Frame<'b> {
    body: &'b Body,
    slots: Vec<Value>,
}

/// An expansion on its way.
pub(super) struct Machine<'w> {
    pub(super) world: World<'w>,
    own: &'w Bodies,
    library: &'w Bodies,
    output: Output,
    root: Value,
    steps: usize,
    bytes: usize,
    depth: usize,
    /// The route labels that are being expanded.
    expanding: Vec<String>,
}

impl<'w> Machine<'w> {
    pub(super) fn new(world: World<'w>, own: &'w Bodies, library: &'w Bodies, root: Value) -> Self {
        let output = Output::new(world.limits.output_bytes);
        Self { world, own, library, output, root, steps: 0, bytes: 0, depth: 0, expanding: Vec::new() }
    }

    /// The text of a body; the variables behind `$` have these values.
    pub(super) fn expand(mut self, body: &Body, given: &[Value]) -> Result<String, Fault> {
        let root = self.root.clone();
        self.body(body, &root, given)?;
        Ok(self.output.into_text())
    }

    fn body(&mut self, body: &Body, dot: &Value, given: &[Value]) -> Result<(), Fault> {
        let count = body.slots.max(given.len() + 1);
        self.spend(count)?;
        let mut slots = vec![Value::Nil; count];
        slots[0] = dot.clone();
        slots[1..=given.len()].clone_from_slice(given);
        let mut frame = Frame { body, slots };
        self.nodes(&mut frame, &body.nodes, dot)?;
        Ok(())
    }

    /// Counts work that is done.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), String> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.world.limits.steps {
            return Err(format!("the expansion takes more than {} steps", self.world.limits.steps));
        }
        Ok(())
    }

    /// An output for a text that an action makes.
    pub(super) fn scratch(&self) -> Output {
        Output::new(self.world.limits.output_bytes)
    }

    /// The text that was made, as a value, if it and all before it are not too much.
    pub(super) fn made(&mut self, text: impl Into<Arc<str>>) -> Result<Value, String> {
        let text = text.into();
        let limits = self.world.limits;
        if text.len() > limits.output_bytes {
            return Err(format!("makes more than {} bytes", limits.output_bytes));
        }
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > limits.made_bytes {
            return Err(format!("the expansion makes more than {} bytes on its way", limits.made_bytes));
        }
        Ok(Value::Text(text))
    }

    /// The text of a named template.
    pub(super) fn expand_named(&mut self, name: &str, dot: &Value) -> Result<String, Fault> {
        let outer = std::mem::replace(&mut self.output, Output::new(self.world.limits.output_bytes));
        let done = self.template(name, dot);
        let text = std::mem::replace(&mut self.output, outer).into_text();
        done.map(|()| text)
    }

    /// The text of a label of the route; empty when there is none of this name.
    pub(super) fn expand_route_label(&mut self, name: &str) -> Result<String, Fault> {
        let labels = self.world.route_labels;
        let Some((_, body, own)) = labels.iter().find(|(other, ..)| other == name) else { return Ok(String::new()) };
        if self.expanding.iter().any(|other| other == name) {
            return Err(format!("the route label `{name}` refers to itself").into());
        }
        self.expanding.push(name.to_owned());
        let outer_output = std::mem::replace(&mut self.output, Output::new(self.world.limits.output_bytes));
        let outer_own = std::mem::replace(&mut self.own, own);
        let root = self.root.clone();
        let done = self.enter().map_err(Fault::from).and_then(|()| self.body(body, &root, &[]));
        self.depth -= 1;
        self.own = outer_own;
        let text = std::mem::replace(&mut self.output, outer_output).into_text();
        self.expanding.pop();
        done.map(|()| text)
    }

    fn enter(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > RUN_DEPTH_MAX {
            return Err(format!("the expansion is nested more than {RUN_DEPTH_MAX} deep"));
        }
        Ok(())
    }

    fn template(&mut self, name: &str, dot: &Value) -> Result<(), Fault> {
        let (own, library) = (self.own, self.library);
        let Some(body) = own.get(name).or_else(|| library.get(name)) else {
            return Err(format!("there is no template `{}`", super::shown(name)).into());
        };
        let done = self.enter().map_err(Fault::from).and_then(|()| self.body(body, dot, &[]));
        self.depth -= 1;
        done
    }

    fn nodes(&mut self, frame: &mut Frame<'_>, nodes: &[Node], dot: &Value) -> Result<Flow, Fault> {
        let body = frame.body;
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.output.push(text).map_err(|what| Fault::from(format!("the expansion {what}")).at(body, 0))?;
                    Flow::Next
                }
                Node::Print { at, expr } => {
                    let value = self.evaluate(frame, expr, dot)?;
                    let printed = self.print(&value);
                    printed.map_err(|what| Fault::from(format!("the expansion {what}")).at(body, *at))?;
                    Flow::Next
                }
                Node::Set { set, expr } => {
                    let value = self.evaluate(frame, expr, dot)?;
                    frame.set(*set, value);
                    Flow::Next
                }
                Node::Choose { is_with, arms, otherwise } => self.choose(frame, *is_with, (arms, otherwise), dot)?,
                Node::Range { .. } => self.range(frame, node, dot)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
                Node::Template { at, name, expr } => {
                    let value = match expr {
                        Some(expr) => self.evaluate(frame, expr, dot)?,
                        None => Value::Nil,
                    };
                    self.spend(1).map_err(|what| Fault::from(what).at(body, *at))?;
                    self.template(name, &value).map_err(|fault| fault.at(body, *at))?;
                    Flow::Next
                }
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// Prints what an action gave.
    fn print(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Nil if self.world.escapes_html => Ok(()),
            Value::Nil => self.output.push("<no value>"),
            Value::Html(text) => self.output.push(text),
            value if self.world.escapes_html => {
                let mut scratch = self.scratch();
                scratch.value(value)?;
                self.output.push(&functions::escape_html(&scratch.into_text()))
            }
            value => self.output.value(value),
        }
    }

    /// Walks nodes within others.
    fn inner(&mut self, frame: &mut Frame<'_>, at: usize, nodes: &[Node], dot: &Value) -> Result<Flow, Fault> {
        let entered = self.enter().map_err(|what| Fault::from(what).at(frame.body, at));
        let flow = entered.and_then(|()| self.nodes(frame, nodes, dot));
        self.depth -= 1;
        flow
    }

    fn choose(
        &mut self,
        frame: &mut Frame<'_>,
        is_with: bool,
        (arms, otherwise): (&[Arm], &[Node]),
        dot: &Value,
    ) -> Result<Flow, Fault> {
        for arm in arms {
            let value = self.evaluate(frame, &arm.expr, dot)?;
            if let Some(set) = arm.set {
                frame.set(set, value.clone());
            }
            if value.is_true() {
                let dot = if is_with { &value } else { dot };
                return self.inner(frame, arm.at, &arm.nodes, dot);
            }
        }
        self.inner(frame, 0, otherwise, dot)
    }

    fn range(&mut self, frame: &mut Frame<'_>, node: &Node, dot: &Value) -> Result<Flow, Fault> {
        let Node::Range { at, key, element, expr, nodes, otherwise } = node else { return Ok(Flow::Next) };
        let over = self.evaluate(frame, expr, dot)?;
        let body = frame.body;
        let fault = |what: String| Fault::from(what).at(body, *at);
        let count = match over.get_int() {
            _ if matches!(over, Value::Month(_) | Value::Weekday(_)) => None,
            Some(count) => Some(usize::try_from(count).unwrap_or(0)),
            None => match &over {
                Value::Uint(count) => Some(usize::try_from(*count).unwrap_or(usize::MAX)),
                _ => None,
            },
        };
        let mut pairs: Box<dyn Iterator<Item = (Value, Value)> + '_> = match (&over, count) {
            (_, Some(_)) if key.is_some() => {
                return Err(fault(format!("`range` over {} gives one variable, not two", over.type_name())));
            }
            (_, Some(count)) => {
                let number = |at: usize| Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
                Box::new((0..count).map(move |at| (Value::Nil, number(at))))
            }
            (Value::List(list), None) => {
                let pair = |(at, value): (i64, &Value)| (Value::Int(at), value.clone());
                Box::new((0..).zip(&list.items).map(pair))
            }
            (Value::Map(map), None) => {
                Box::new(map.entries.iter().map(|(name, value)| (Value::text(name.as_str()), value.clone())))
            }
            (Value::Labels(labels) | Value::Kv(labels), None) => {
                Box::new(labels.iter().map(|(name, value)| (Value::text(name), Value::text(value))))
            }
            (Value::Nil, None) => Box::new(std::iter::empty()),
            (other, None) => return Err(fault(format!("`range` cannot go over {}", other.a_type()))),
        };
        let mut any = false;
        for (name, value) in pairs.by_ref() {
            any = true;
            self.spend(1).map_err(fault)?;
            if let Some(set) = key {
                frame.set(*set, name);
            }
            if let Some(set) = element {
                frame.set(*set, value.clone());
            }
            if self.inner(frame, *at, nodes, &value)? == Flow::Break {
                break;
            }
        }
        if any { Ok(Flow::Next) } else { self.inner(frame, *at, otherwise, dot) }
    }

    fn evaluate(&mut self, frame: &Frame<'_>, expr: &Expr, dot: &Value) -> Result<Value, Fault> {
        match expr {
            Expr::Constant(value) => Ok(value.clone()),
            Expr::Dot => Ok(dot.clone()),
            Expr::Variable(slot) => Ok(frame.slots.get(*slot).cloned().unwrap_or(Value::Nil)),
            Expr::Field { at, of, name, arguments } => {
                self.enter().map_err(|what| Fault::from(what).at(frame.body, *at))?;
                let value = self.evaluate(frame, of, dot)?;
                let arguments = self.all(frame, arguments, dot)?;
                self.depth -= 1;
                self.field(of, &value, name, &arguments).map_err(|fault| fault.at(frame.body, *at))
            }
            Expr::Call { at, function, arguments, pattern } => {
                self.enter().and_then(|()| self.spend(1)).map_err(|what| Fault::from(what).at(frame.body, *at))?;
                let value = match function.kind {
                    Kind::And => self.first_that(frame, arguments, dot, |value| !value.is_true())?,
                    Kind::Or => self.first_that(frame, arguments, dot, Value::is_true)?,
                    Kind::Plain(run) => {
                        let arguments = self.all(frame, arguments, dot)?;
                        let called = self.call(run, &arguments, pattern.as_ref());
                        called.map_err(|fault| fault.in_function(function.name).at(frame.body, *at))?
                    }
                };
                self.depth -= 1;
                Ok(value)
            }
        }
    }

    fn field(&mut self, of: &Expr, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Fault> {
        self.spend(1 + weight(arguments) + weight(std::slice::from_ref(value)))?;
        if matches!(value, Value::Nil) && matches!(of, Expr::Dot | Expr::Variable(_)) {
            return Ok(Value::Nil);
        }
        Ok(method::get(self, value, name, arguments)?)
    }

    fn call(&mut self, run: Run, arguments: &[Value], pattern: Option<&Regex>) -> Result<Value, Fault> {
        self.spend(weight(arguments))?;
        run(&mut Call { machine: self, pattern }, arguments)
    }

    fn all(&mut self, frame: &Frame<'_>, exprs: &[Expr], dot: &Value) -> Result<Vec<Value>, Fault> {
        exprs.iter().map(|expr| self.evaluate(frame, expr, dot)).collect()
    }

    /// The first argument that settles it, or the last; those behind it are not evaluated.
    fn first_that(
        &mut self,
        frame: &Frame<'_>,
        arguments: &[Expr],
        dot: &Value,
        settles: impl Fn(&Value) -> bool,
    ) -> Result<Value, Fault> {
        let mut value = Value::Bool(false);
        for argument in arguments {
            value = self.evaluate(frame, argument, dot)?;
            if settles(&value) {
                break;
            }
        }
        Ok(value)
    }
}

/// So many steps more a function costs that has to look at all of these.
fn weight(values: &[Value]) -> usize {
    const BYTES_A_STEP: usize = 32;
    const ITEMS_A_STEP: usize = 64;
    let weight = |value: &Value| match value {
        Value::Text(text) | Value::Html(text) => text.len() / BYTES_A_STEP,
        Value::List(list) => list.items.len() / ITEMS_A_STEP,
        _ => 0,
    };
    values.iter().map(weight).sum()
}

impl Frame<'_> {
    fn set(&mut self, set: Set, value: Value) {
        if let Some(slot) = self.slots.get_mut(set.slot) {
            *slot = value;
        }
    }
}
