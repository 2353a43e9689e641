//! What a misspelt name was probably meant to be.

pub(super) use crate::model::{did_you_mean, nearest};
