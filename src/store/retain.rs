//! What is kept although no rule reads it.

use crate::model::Matcher;

/// What is kept although no rule reads it, so that it can be asked for. It is kept as long as an instant selector looks
/// back; what a rule reads as well is kept as long as that rule looks back.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Retain {
    /// Nothing.
    #[default]
    Nothing,
    /// Every series.
    All,
    /// The series that one of these selectors selects.
    Matchers(Vec<Vec<Matcher>>),
}
