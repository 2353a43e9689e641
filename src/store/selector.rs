//! Standing selectors: which series each one wants, and which of them could want a new series.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::SeriesId;
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, Timestamp};

/// A registered selector.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SelectorId(u32);

#[derive(Debug)]
struct Selector {
    matchers: Vec<Matcher>,
    reach: Duration,
    /// In the order in which they appeared.
    members: Vec<SeriesId>,
    /// Since when its samples are kept; none when that is as long as the store has been there.
    kept_since: Option<Timestamp>,
    /// How far back its samples were kept before it was registered anew.
    kept: Duration,
    /// Whether someone has registered it since the registrations were last renewed.
    is_wanted: bool,
    /// Whether it has not been held against the series that were there before it.
    is_new: bool,
}

/// All registered selectors, found by their matchers and by the metric name they ask for.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    /// A place is empty when nobody wants its selector any more.
    list: Vec<Option<Selector>>,
    free: Vec<u32>,
    /// By sorted matchers.
    by_matchers: HashMap<Vec<Matcher>, SelectorId>,
    /// Those that ask for one metric name; nearly all do.
    by_name: HashMap<Arc<str>, Vec<SelectorId>>,
    /// The others, which are tried on every new series.
    nameless: Vec<SelectorId>,
}

impl Selectors {
    /// The selector with these matchers and at least this reach, and whether it was not there before. `since` is given
    /// when the store has been there before: what the selector asks for may not have been kept until then.
    pub(super) fn add(
        &mut self,
        matchers: &[Matcher],
        reach: Duration,
        since: Option<Timestamp>,
    ) -> (SelectorId, bool) {
        let matchers = sorted(matchers);
        let kept_since = since.and_then(|now| self.kept_since(&matchers, reach, now));
        if let Some(id) = self.find(&matchers) {
            let selector = self.get_mut(id);
            if reach > selector.reach.max(selector.kept) {
                selector.kept_since = kept_since;
            }
            selector.reach = selector.reach.max(reach);
            selector.is_wanted = true;
            return (id, false);
        }
        let matchers = matchers.into_owned();
        let selector = Selector {
            matchers: matchers.clone(),
            reach,
            members: Vec::new(),
            kept_since,
            kept: Duration::ZERO,
            is_wanted: true,
            is_new: true,
        };
        let id = self.place(selector);
        self.index(&matchers, id);
        self.by_matchers.insert(matchers, id);
        (id, true)
    }

    fn place(&mut self, selector: Selector) -> SelectorId {
        if let Some(free) = self.free.pop() {
            self.list[free as usize] = Some(selector);
            return SelectorId(free);
        }
        // A selector is part of an expression that someone wrote: there are not four billion.
        let id = SelectorId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(Some(selector));
        id
    }

    fn index(&mut self, matchers: &[Matcher], id: SelectorId) {
        match metric_name(matchers) {
            Some(name) => self.by_name.entry(name).or_default().push(id),
            None => self.nameless.push(id),
        }
    }

    /// Since when what these matchers select has been kept, asked `reach` back from `now`; none when that is long enough.
    fn kept_since(&self, matchers: &[Matcher], reach: Duration, now: Timestamp) -> Option<Timestamp> {
        let since = |id: SelectorId| {
            let selector = self.get(id);
            let reached = (selector.kept < reach).then(|| now - selector.kept);
            reached.max(selector.kept_since)
        };
        // A selector that is registered for the first time has kept nothing: `kept` is zero, so it answers `now`.
        self.covering(matchers).map(since).min().unwrap_or(Some(now))
    }

    /// The selectors that select at least everything that these matchers select: they ask for no more than those.
    fn covering(&self, matchers: &[Matcher]) -> impl Iterator<Item = SelectorId> {
        let named = metric_name(matchers).and_then(|name| self.by_name.get(&name)).into_iter().flatten();
        let covers = |id: &SelectorId| self.get(*id).matchers.iter().all(|matcher| matchers.contains(matcher));
        named.chain(&self.nameless).copied().filter(covers)
    }

    /// How far back everything that these matchers select is kept; none when some of it is not.
    pub(super) fn coverage(&self, matchers: &[Matcher]) -> Option<Duration> {
        self.covering(matchers).map(|id| self.get(id).reach).max()
    }

    pub(super) fn find(&self, matchers: &[Matcher]) -> Option<SelectorId> {
        self.by_matchers.get(&*sorted(matchers)).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_matchers.len()
    }

    /// Whether a series of this name could be wanted.
    pub(super) fn may_want(&self, name: &str) -> bool {
        !self.nameless.is_empty() || self.by_name.contains_key(name)
    }

    /// The selectors that want a series with these labels.
    pub(super) fn wanting(&self, labels: &Labels) -> Vec<SelectorId> {
        let named = self.by_name.get(labels.metric_name()).into_iter().flatten();
        named.chain(&self.nameless).copied().filter(|id| self.matches(*id, labels)).collect()
    }

    pub(super) fn matches(&self, id: SelectorId, labels: &Labels) -> bool {
        self.get(id).matchers.iter().all(|matcher| matcher.matches(labels))
    }

    pub(super) fn reach(&self, id: SelectorId) -> Duration {
        self.get(id).reach
    }

    pub(super) fn kept_since_of(&self, id: SelectorId) -> Option<Timestamp> {
        self.get(id).kept_since
    }

    pub(super) fn members(&self, id: SelectorId) -> &[SeriesId] {
        &self.get(id).members
    }

    pub(super) fn join(&mut self, id: SelectorId, series: SeriesId) {
        self.get_mut(id).members.push(series);
    }

    pub(super) fn is_new(&self, id: SelectorId) -> bool {
        self.get(id).is_new
    }

    /// Says that a selector has been held against the series that were there before it.
    pub(super) fn settle(&mut self, id: SelectorId) {
        self.get_mut(id).is_new = false;
    }

    /// Forgets who wants what. What is not registered again goes with [`Selectors::sweep`].
    pub(super) fn renew(&mut self) {
        for selector in self.list.iter_mut().flatten() {
            selector.kept = selector.reach;
            selector.reach = Duration::ZERO;
            selector.is_wanted = false;
        }
    }

    /// Whether any selector has not been held against the series that were there before it.
    pub(super) fn has_new(&self) -> bool {
        self.list.iter().flatten().any(|selector| selector.is_new)
    }

    /// Drops what nobody has registered again, and what is left is new no more.
    pub(super) fn sweep(&mut self) {
        for index in 0..self.list.len() {
            let place = &mut self.list[index];
            if let Some(gone) = place.take_if(|selector| !selector.is_wanted) {
                self.by_matchers.remove(&gone.matchers);
                self.free.extend(u32::try_from(index));
            }
        }
        self.by_name.clear();
        self.nameless.clear();
        let kept: Vec<_> = self.by_matchers.iter().map(|(matchers, id)| (matchers.clone(), *id)).collect();
        for (matchers, id) in kept {
            self.index(&matchers, id);
        }
        for selector in self.list.iter_mut().flatten() {
            selector.is_new = false;
        }
    }

    /// All selectors, with their reach and members.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Duration, &[SeriesId])> {
        self.list.iter().flatten().map(|selector| (selector.reach, selector.members.as_slice()))
    }

    /// Forgets series that were dropped.
    pub(super) fn prune(&mut self, dropped: &[SeriesId]) {
        if dropped.is_empty() {
            return;
        }
        let dropped: HashSet<SeriesId> = dropped.iter().copied().collect();
        for selector in self.list.iter_mut().flatten() {
            selector.members.retain(|id| !dropped.contains(id));
        }
    }

    fn get(&self, id: SelectorId) -> &Selector {
        self.list[id.0 as usize].as_ref().expect("whoever has an id registers it again before a sweep")
    }

    fn get_mut(&mut self, id: SelectorId) -> &mut Selector {
        self.list[id.0 as usize].as_mut().expect("whoever has an id registers it again before a sweep")
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
