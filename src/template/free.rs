//! Texts whose data may be anything: for trying a template out.

use std::sync::Arc;

use super::functions::Dialect;
use super::interpret::World;
use super::program::Program;
use super::rule_text::QueryHost;
use super::shape::Shape;
use super::value::Value;
use super::{ExpandError, NOTIFICATION_LIMITS, TemplateError};
use crate::model::Timestamp;

/// A parsed text whose `.` may be anything.
#[derive(Clone, Debug)]
pub struct FreeTemplate {
    program: Program,
}

/// What a free text may use besides its data.
#[derive(Clone, Copy)]
pub struct FreeContext<'a> {
    /// `now`.
    pub now: Timestamp,
    /// `externalURL`.
    pub external_url: &'a str,
    /// Who answers `query`.
    pub host: &'a dyn QueryHost,
    /// Whether what actions print is escaped as text of an HTML page.
    pub escapes_html: bool,
}

impl FreeTemplate {
    /// Parses a text that may call the functions of a dialect.
    pub fn parse(source: &str, dialect: Dialect) -> Result<Self, TemplateError> {
        Ok(Self { program: Program::parse(source, dialect, (Shape::Any, &[]), Arc::default())? })
    }

    /// The text for this data.
    pub fn expand(&self, data: Value, context: FreeContext<'_>) -> Result<String, ExpandError> {
        let FreeContext { now, external_url, host, escapes_html } = context;
        let limits = NOTIFICATION_LIMITS;
        let world = World { now, external_url, host, route_labels: &[], escapes_html, limits };
        self.program.expand(world, data, &[])
    }
}
