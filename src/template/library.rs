//! Named templates that notification texts share: our own, and those of the files that a configuration names.

use std::fmt;
use std::sync::Arc;

use super::ast::{Bodies, Body};
use super::check::{self, Found};
use super::functions::Dialect;
use super::parser::{self, Parsed};
use super::program::all_are_defined;
use super::{TemplateError, Trouble};

/// The templates that are there without any file, each as a file's name and its text. Files may define them anew.
const BUILT_IN: [(&str, &str); 0] = [];

/// Names of templates, each with the place where it is used.
type Uses = Vec<(usize, String)>;

/// Named templates. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Library {
    bodies: Arc<Bodies>,
    /// Each body with the templates that it uses, to be looked for when all files are there.
    uses: Vec<(Arc<Body>, Uses)>,
}

/// What is wrong in a file of templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryError {
    /// The file.
    pub file: String,
    /// What is wrong there.
    pub error: TemplateError,
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.file, self.error)
    }
}

impl std::error::Error for LibraryError {}

impl Default for Library {
    fn default() -> Self {
        Self::new()
    }
}

impl Library {
    /// The templates that are there without any file.
    pub fn new() -> Self {
        let mut library = Self { bodies: Arc::default(), uses: Vec::new() };
        for (file, source) in BUILT_IN {
            let added = library.add(file, source);
            debug_assert!(added.is_ok(), "{file}: {added:?}");
        }
        library
    }

    /// Adds what a file defines. Of a name that was there before the new template takes the place.
    pub fn add(&mut self, file: &str, source: &str) -> Result<(), TemplateError> {
        let error = |trouble: Trouble| trouble.placed(source);
        let Parsed { main, defined } =
            parser::parse(source, Some(Arc::from(file)), Dialect::Notification, &[]).map_err(error)?;
        check::check(&main, &[], &mut Found::default()).map_err(error)?;
        let mut checked = Vec::new();
        for (_, body) in defined {
            let mut found = Found::default();
            check::check(&body, &[], &mut found).map_err(error)?;
            checked.push((Arc::new(body), found.templates));
        }
        let bodies = Arc::make_mut(&mut self.bodies);
        for (body, uses) in checked {
            let is_taken = body.is_blank() && bodies.get(&body.name).is_some_and(|other| !other.is_blank());
            if !is_taken {
                self.uses.retain(|(other, _)| other.name != body.name);
                bodies.insert(body.name.clone(), Arc::clone(&body));
                self.uses.push((body, uses));
            }
        }
        Ok(())
    }

    /// The templates that use one which nobody defines; to be asked when all files are added.
    pub fn check(&self) -> Vec<LibraryError> {
        let mut errors = Vec::new();
        for (body, uses) in &self.uses {
            let found = Found { templates: uses.clone(), ..Found::default() };
            if let Err(trouble) = all_are_defined(&found, &[&self.bodies]) {
                let file = body.file.as_deref().unwrap_or_default().to_owned();
                errors.push(LibraryError { file, error: trouble.placed(&body.source) });
            }
        }
        errors
    }

    /// The names of all templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.bodies.keys().map(String::as_str)
    }

    pub(super) fn bodies(&self) -> Arc<Bodies> {
        Arc::clone(&self.bodies)
    }
}
