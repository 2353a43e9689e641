//! A text with what it defines and what it may use of others: parsed, checked, and ready to be expanded.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::did_you_mean;

use super::ast::{Bodies, Body, Node};
use super::check::{self, Found};
use super::functions::Dialect;
use super::interpret::{Fault, Machine, World};
use super::parser::{self, Parsed};
use super::shape::Shape;
use super::value::Value;
use super::{ExpandError, NO_TEMPLATE, TemplateError, Trouble};

/// A text, ready to be expanded.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) main: Arc<Body>,
    pub(super) own: Arc<Bodies>,
    pub(super) library: Arc<Bodies>,
    /// The queries that are written out in it.
    pub(super) queries: BTreeSet<String>,
}

/// What a text begins with: the shape of its `.`, and its variables.
pub(super) type Given<'g> = (Shape, &'g [(&'static str, Shape)]);

impl Program {
    pub(super) fn parse(
        source: &str,
        dialect: Dialect,
        (dot, variables): Given<'_>,
        library: Arc<Bodies>,
    ) -> Result<Self, TemplateError> {
        let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        let shapes: Vec<Shape> = std::iter::once(dot).chain(variables.iter().map(|(_, shape)| *shape)).collect();
        let error = |trouble: Trouble| trouble.placed(source);
        let Parsed { main, defined } = parser::parse(source, None, dialect, &names).map_err(error)?;
        let mut found = Found::default();
        check::check(&main, &shapes, &mut found).map_err(error)?;
        for (_, body) in &defined {
            check::check(body, &[], &mut found).map_err(error)?;
        }
        let own: Bodies = defined.into_iter().map(|(_, body)| (body.name.clone(), Arc::new(body))).collect();
        all_are_defined(&found, &[&own, &library]).map_err(error)?;
        Ok(Self { main: Arc::new(main), own: Arc::new(own), library, queries: found.queries })
    }

    /// Its text, if there is no action in it.
    pub(super) fn constant(&self) -> Option<String> {
        let text = |node: &Node| match node {
            Node::Text(text) => Some(text.clone()),
            _ => None,
        };
        self.main.nodes.iter().map(text).collect()
    }

    pub(super) fn expand(&self, world: World<'_>, root: Value, given: &[Value]) -> Result<String, ExpandError> {
        let machine = Machine::new(world, &self.own, &self.library, root);
        machine.expand(&self.main, given).map_err(|fault| error_of(fault, &self.main))
    }
}

fn error_of(fault: Fault, main: &Body) -> ExpandError {
    let Fault { what, is_pending, place } = fault;
    let Some(spot) = place else {
        return ExpandError { template: main.name.clone(), file: None, line: 1, column: 1, what, is_pending };
    };
    let file = spot.file.map(|file| file.to_string());
    ExpandError { template: spot.template, file, line: spot.line, column: spot.column, what, is_pending }
}

/// Finds a template that is used and nowhere defined.
pub(super) fn all_are_defined(found: &Found, known: &[&Bodies]) -> Result<(), Trouble> {
    let is_known = |name: &str| known.iter().any(|bodies| bodies.contains_key(name));
    match found.templates.iter().find(|(_, name)| !is_known(name)) {
        None => Ok(()),
        Some((at, name)) => {
            let names = known.iter().flat_map(|bodies| bodies.keys()).map(String::as_str);
            let hint = did_you_mean(name, names);
            Err(Trouble::new(*at, format!("{NO_TEMPLATE}`{}`", super::shown(name)))
                .with_hint(hint)
                .with_default_hint("`define` makes one"))
        }
    }
}
