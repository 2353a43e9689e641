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
    /// How often a series has left; in between the list only grows at its end.
    departures: u64,
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
    /// Those that ask for a metric name, or a choice of names; nearly all do.
    by_name: HashMap<Arc<str>, Index>,
    /// The others, which are tried on every new series.
    nameless: Index,
}

/// Selectors by a label value that they ask for: there may be thousands that ask for one name, each for another pod.
#[derive(Debug, Default)]
struct Index {
    by_label: HashMap<Arc<str>, HashMap<Arc<str>, Vec<SelectorId>>>,
    /// Those that ask for no label value.
    rest: Vec<SelectorId>,
}

impl Index {
    fn add(&mut self, matchers: &[Matcher], id: SelectorId) {
        let list = match matchers.iter().find(|it| asks_for_value(it)) {
            Some(it) => self.by_label.entry(it.name.clone()).or_default().entry(it.value.clone()).or_default(),
            None => &mut self.rest,
        };
        list.push(id);
    }

    /// Those that a series with these labels could belong to.
    fn of_series<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = SelectorId> + 'a {
        let by_label = self.by_label.iter().filter_map(|(name, values)| values.get(labels.get(name)));
        by_label.flatten().chain(&self.rest).copied()
    }

    /// Those that could ask for no more than these matchers.
    fn of_matchers<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = SelectorId> + 'a {
        let by_label = matchers.iter().filter(|it| asks_for_value(it));
        let by_label = by_label.filter_map(|it| self.by_label.get(&it.name)?.get(&it.value));
        by_label.flatten().chain(&self.rest).copied()
    }

    fn is_empty(&self) -> bool {
        self.by_label.is_empty() && self.rest.is_empty()
    }
}

fn asks_for_value(matcher: &Matcher) -> bool {
    matcher.op == MatchOp::Equal && &*matcher.name != METRIC_NAME && !matcher.value.is_empty()
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
        if let Some(id) = self.find(&matchers) {
            let selector = self.get(id);
            if let Some(now) = since
                && reach > selector.reach.max(selector.kept)
            {
                let kept_since = self.kept_since(&matchers, reach, now);
                self.get_mut(id).kept_since = kept_since;
            }
            let selector = self.get_mut(id);
            selector.reach = selector.reach.max(reach);
            selector.is_wanted = true;
            return (id, false);
        }
        let kept_since = since.and_then(|now| self.kept_since(&matchers, reach, now));
        let matchers = matchers.into_owned();
        let selector = Selector {
            matchers: matchers.clone(),
            reach,
            members: Vec::new(),
            departures: 0,
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
        match metric_names(matchers) {
            Some(names) => {
                for name in names {
                    self.by_name.entry(name.into()).or_default().add(matchers, id);
                }
            }
            None => self.nameless.add(matchers, id),
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
    fn covering<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = SelectorId> + 'a {
        // Whatever covers a selector of several names is listed under each of them.
        let first = metric_names(matchers).and_then(|names| names.first().copied());
        let named = first.and_then(|name| self.by_name.get(name));
        let found = [named, Some(&self.nameless)].into_iter().flatten().flat_map(|index| index.of_matchers(matchers));
        found.filter(|id| self.get(*id).matchers.iter().all(|matcher| matchers.contains(matcher)))
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
        let indexes = [self.by_name.get(labels.metric_name()), Some(&self.nameless)];
        let found = indexes.into_iter().flatten().flat_map(|index| index.of_series(labels));
        found.filter(|id| self.matches(*id, labels)).collect()
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

    pub(super) fn departures(&self, id: SelectorId) -> u64 {
        self.get(id).departures
    }

    pub(super) fn join(&mut self, id: SelectorId, series: SeriesId) {
        self.get_mut(id).members.push(series);
    }

    /// Whether someone still wants it.
    pub(super) fn is_there(&self, id: SelectorId) -> bool {
        self.list.get(id.0 as usize).is_some_and(Option::is_some)
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
        self.nameless = Index::default();
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
            let before = selector.members.len();
            selector.members.retain(|id| !dropped.contains(id));
            selector.departures += u64::from(selector.members.len() < before);
        }
    }

    /// Forgets all series.
    pub(super) fn forget_members(&mut self) {
        for selector in self.list.iter_mut().flatten().filter(|selector| !selector.members.is_empty()) {
            selector.members.clear();
            selector.departures += 1;
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

/// The metric names that these matchers ask for, one or a choice as in `__name__=~"a|b"`; none when they ask for another
/// set of names.
pub fn metric_names(matchers: &[Matcher]) -> Option<Vec<&str>> {
    let is_plain =
        |text: &str| text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b':'));
    let names = matchers.iter().filter(|it| &*it.name == METRIC_NAME).find_map(|it| match it.op {
        MatchOp::Equal => Some(vec![&*it.value]),
        MatchOp::Regex => {
            let choices = it.value.split('|');
            choices.clone().all(is_plain).then(|| choices.collect::<Vec<_>>())
        }
        MatchOp::NotEqual | MatchOp::NotRegex => None,
    });
    names.map(|mut names| {
        names.sort_unstable();
        names.dedup();
        names
    })
}
