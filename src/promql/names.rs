//! When a metric's name goes, and whether what remains still tells elements apart.

use std::collections::HashSet;

use super::Span;
use super::interpret::EvalError;
use super::value::{Item, SampleValue};
use crate::model::{Labels, METRIC_NAME};

/// Whether a label says what a metric is: its name, and its type and unit where those are kept as labels. A value that is
/// calculated from it is something else.
pub(super) fn is_about_metric(label: &str) -> bool {
    matches!(label, METRIC_NAME | "__type__" | "__unit__")
}

/// Labels without those that say what a metric is.
pub(super) fn without_metric(labels: &Labels) -> Labels {
    if labels.get("__type__").is_empty() && labels.get("__unit__").is_empty() {
        return labels.without_metric_name();
    }
    labels.filter(|label| !is_about_metric(label))
}

/// Drops metric names at once, or notes that they go at the end of the query; and knows whether that can have made label
/// sets equal.
pub(super) struct Names {
    is_delayed: bool,
    first: Option<String>,
    is_mixed: bool,
}

impl Names {
    pub(super) fn new(is_delayed: bool) -> Self {
        Self { is_delayed, first: None, is_mixed: false }
    }

    /// An element calculated from one with these labels.
    pub(super) fn item(&mut self, labels: &Labels, value: impl Into<SampleValue>) -> Item {
        let value = value.into();
        if self.is_delayed {
            return Item { labels: labels.clone(), value, drops_name: true };
        }
        Item { labels: self.dropped(labels), value, drops_name: false }
    }

    fn dropped(&mut self, labels: &Labels) -> Labels {
        let name = labels.metric_name();
        match &self.first {
            None => self.first = Some(name.to_owned()),
            Some(first) => self.is_mixed |= first != name,
        }
        let nameless = without_metric(labels);
        self.is_mixed |= nameless.len() + 1 < labels.len();
        nameless
    }

    /// Fails when two elements have become the same, which takes different names before.
    pub(super) fn finish(self, items: &[Item], span: Span) -> Result<(), EvalError> {
        if self.is_mixed { expect_unique(items.iter().map(|item| &item.labels), span) } else { Ok(()) }
    }
}

/// Fails when label sets come twice.
pub(super) fn expect_unique<'a>(all: impl ExactSizeIterator<Item = &'a Labels>, span: Span) -> Result<(), EvalError> {
    let mut seen = HashSet::with_capacity(all.len());
    for labels in all {
        if !seen.insert(labels) {
            return Err(same_labels(labels, span));
        }
    }
    Ok(())
}

/// Two elements have these labels.
pub(super) fn same_labels(labels: &Labels, span: Span) -> EvalError {
    EvalError::new(span, "vector cannot contain metrics with the same labelset")
        .with_detail(format!("{labels} comes twice"))
}
