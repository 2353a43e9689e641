//! Standing selectors: which series each one wants, and which of them could want a new series.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::SeriesId;
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher};

/// A registered selector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SelectorId(u32);

#[derive(Debug)]
struct Selector {
    matchers: Vec<Matcher>,
    reach: Duration,
    /// In the order in which they appeared.
    members: Vec<SeriesId>,
}

/// All registered selectors, found by their matchers and by the metric name they ask for.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    list: Vec<Selector>,
    /// By sorted matchers.
    by_matchers: HashMap<Vec<Matcher>, SelectorId>,
    /// Those that ask for one metric name; nearly all do.
    by_name: HashMap<Arc<str>, Vec<SelectorId>>,
    /// The others, which are tried on every new series.
    nameless: Vec<SelectorId>,
}

impl Selectors {
    /// The selector with these matchers and at least this reach, and whether it was not there before.
    pub(super) fn add(&mut self, matchers: &[Matcher], reach: Duration) -> (SelectorId, bool) {
        if let Some(id) = self.find(matchers) {
            let selector = &mut self.list[id.0 as usize];
            selector.reach = selector.reach.max(reach);
            return (id, false);
        }
        let matchers = sorted(matchers).into_owned();
        // A selector is part of an expression that someone wrote: there are not four billion.
        let id = SelectorId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        match metric_name(&matchers) {
            Some(name) => self.by_name.entry(name).or_default().push(id),
            None => self.nameless.push(id),
        }
        self.by_matchers.insert(matchers.clone(), id);
        self.list.push(Selector { matchers, reach, members: Vec::new() });
        (id, true)
    }

    pub(super) fn find(&self, matchers: &[Matcher]) -> Option<SelectorId> {
        self.by_matchers.get(&*sorted(matchers)).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The selectors that want a series with these labels.
    pub(super) fn wanting(&self, labels: &Labels) -> Vec<SelectorId> {
        let named = self.by_name.get(labels.metric_name()).into_iter().flatten();
        named.chain(&self.nameless).copied().filter(|id| self.matches(*id, labels)).collect()
    }

    pub(super) fn matches(&self, id: SelectorId, labels: &Labels) -> bool {
        self.list[id.0 as usize].matchers.iter().all(|matcher| matcher.matches(labels))
    }

    pub(super) fn reach(&self, id: SelectorId) -> Duration {
        self.list[id.0 as usize].reach
    }

    pub(super) fn members(&self, id: SelectorId) -> &[SeriesId] {
        &self.list[id.0 as usize].members
    }

    pub(super) fn join(&mut self, id: SelectorId, series: SeriesId) {
        self.list[id.0 as usize].members.push(series);
    }

    /// Forgets series that were dropped.
    pub(super) fn prune(&mut self, dropped: &[SeriesId]) {
        if dropped.is_empty() {
            return;
        }
        let dropped: HashSet<SeriesId> = dropped.iter().copied().collect();
        for selector in &mut self.list {
            selector.members.retain(|id| !dropped.contains(id));
        }
    }
}

fn sorted(matchers: &[Matcher]) -> Cow<'_, [Matcher]> {
    if matchers.is_sorted() {
        return Cow::Borrowed(matchers);
    }
    let mut sorted = matchers.to_vec();
    sorted.sort();
    Cow::Owned(sorted)
}

fn metric_name(matchers: &[Matcher]) -> Option<Arc<str>> {
    let name = matchers.iter().find(|matcher| &*matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal)?;
    Some(name.value.clone())
}
