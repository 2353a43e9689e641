//! Series and their samples in memory, for selectors that are known up front.
//!
//! A selector is registered before its samples come. When a series first appears it is held against the selectors that
//! could want it, once; from then on a sample is one push and a selector is a list of series. A series that no selector
//! wants is not stored, and samples live as long as the longest of their selectors looks back. The store knows no
//! clock: whoever owns it says when to trim.
//!
//! When the rules change, [`Store::renew`] forgets who wants what, everyone who still wants something registers it
//! again, and [`Store::sweep`] drops the rest. A selector that is new then knows since when its samples are kept.

mod inventory;
mod limits;
mod outages;
mod lineage;
mod retain;
mod rich;
mod samples;
mod selector;
mod series;
mod starts;

#[cfg(test)]
mod faithful;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;

pub use inventory::Inventory;
pub use limits::Limits;
pub use lineage::{Origin, TargetHistory};
pub use outages::Outages;
pub use retain::Retain;
pub use rich::Rich;
pub use samples::{Place, Walk};
pub use selector::{SelectorId, metric_names};
pub use series::{Append, Series, SeriesId};

use crate::model::{HistogramSample, LabelPool, Labels, Matcher, Sample, TargetId, Timestamp};
use limits::{Refusals, Size};
use rich::RichTable;
use selector::Selectors;

/// How far an instant selector looks back for the newest sample. A series keeps at least this much.
pub const LOOKBACK: Duration = Duration::from_secs(5 * 60);

/// All series that registered selectors want, and what is known about the targets they come from.
#[derive(Debug)]
pub struct Store {
    selectors: Selectors,
    slots: Vec<Slot>,
    /// Slots whose series was dropped, ready for another.
    free: Vec<u32>,
    /// Slots by their series' labels.
    by_labels: HashTable<u32>,
    hasher: RandomState,
    /// The labels of all series, each once.
    pool: LabelPool,
    /// Where the last new series is from: mostly the next one is from there too.
    origin: Arc<Origin>,
    /// How often a series has come or gone.
    membership: u64,
    /// Native histograms and starts of counters.
    rich: RichTable,
    targets: HashMap<TargetId, TargetHistory>,
    limits: Limits,
    size: Size,
    /// What was refused of each target since its refusals were last forgotten.
    refusals: HashMap<TargetId, Refusals>,
    refused_count: u64,
    /// When the registrations were renewed, until they are swept.
    renewed_at: Option<Timestamp>,
    /// What a stale id refers to: a series without samples.
    nothing: Series,
}

/// What became of a series that was offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Offered {
    /// It is there.
    Kept(SeriesId),
    /// No selector wants it.
    Unwanted,
    /// There is no room for it; these selectors wanted it.
    Refused(Vec<SelectorId>),
}

#[derive(Debug)]
struct Slot {
    /// Goes up when the slot is freed, so that an old id does not match what comes after.
    generation: u32,
    series: Option<Series>,
}

impl Store {
    /// A store without selectors, which therefore keeps nothing yet.
    pub fn new() -> Self {
        let nowhere = Arc::new(Origin::Report(TargetId::new("")));
        Self {
            selectors: Selectors::default(),
            slots: Vec::new(),
            free: Vec::new(),
            by_labels: HashTable::new(),
            hasher: RandomState::new(),
            pool: LabelPool::default(),
            origin: nowhere.clone(),
            membership: 0,
            rich: RichTable::default(),
            targets: HashMap::new(),
            limits: Limits::default(),
            size: Size::default(),
            refusals: HashMap::new(),
            refused_count: 0,
            renewed_at: None,
            nothing: Series::new(Labels::empty(), nowhere, Duration::ZERO),
        }
    }

    /// Registers a selector that looks `reach` back from now. The same matchers in any order are the same selector, which
    /// then has the longest reach asked for. Series that are already stored are looked through, at once or, after a
    /// renewal, all together at the sweep; what came before and was not wanted is gone.
    pub fn register(&mut self, matchers: &[Matcher], reach: Duration) -> SelectorId {
        let reach = reach.max(LOOKBACK);
        let (id, is_new) = self.selectors.add(matchers, reach, self.renewed_at);
        if self.renewed_at.is_some() {
            return id;
        }
        if is_new {
            self.selectors.settle(id);
            for (index, slot) in self.slots.iter_mut().enumerate() {
                let Some(series) = &mut slot.series else { continue };
                if self.selectors.matches(id, series.labels()) {
                    series.reach_at_least(reach);
                    self.selectors.join(id, series_id(index, slot.generation));
                }
            }
        } else {
            for member in self.selectors.members(id) {
                if let Some(series) = live(&mut self.slots, *member) {
                    series.reach_at_least(reach);
                }
            }
        }
        id
    }

    /// Forgets who wants what: everyone who still wants something registers it again before [`Store::sweep`].
    pub fn renew(&mut self, now: Timestamp) {
        self.renewed_at = Some(now);
        self.selectors.renew();
    }

    /// Drops the selectors that were not registered again, and the series that none of those left wants. Returns the ids
    /// dropped, which whoever caches ids must forget, and whether there are selectors now that were not there before: then
    /// a cache of answers of [`Store::series_for`] must ask again about the `None`s.
    pub fn sweep(&mut self) -> (Vec<SeriesId>, bool) {
        self.renewed_at = None;
        let has_new = self.selectors.has_new();
        if has_new {
            for (index, slot) in self.slots.iter().enumerate() {
                let Some(series) = &slot.series else { continue };
                for id in self.selectors.wanting(series.labels()) {
                    if self.selectors.is_new(id) {
                        self.selectors.join(id, series_id(index, slot.generation));
                    }
                }
            }
        }
        self.selectors.sweep();
        let selectors = &self.selectors;
        self.refusals
            .retain(|_, refusals| refusals.forget(Timestamp::from_millis(i64::MIN), |id| selectors.is_there(id)));
        let mut reaches: Vec<Option<Duration>> = vec![None; self.slots.len()];
        for (reach, members) in self.selectors.iter() {
            for member in members {
                let place = &mut reaches[member.slot as usize];
                *place = (*place).max(Some(reach));
            }
        }
        let mut dropped = Vec::new();
        for (index, (slot, reach)) in self.slots.iter_mut().zip(reaches).enumerate() {
            match (&mut slot.series, reach) {
                (Some(series), Some(reach)) => series.set_reach(reach),
                (Some(_), None) => dropped.push(series_id(index, slot.generation)),
                (None, _) => {}
            }
        }
        for id in &dropped {
            self.vacate(*id);
        }
        self.pool.forget();
        (dropped, has_new)
    }

    /// Since when the samples that a selector wants are kept, if it was registered later than the store began.
    pub fn kept_since(&self, id: SelectorId) -> Option<Timestamp> {
        self.selectors.kept_since_of(id)
    }

    /// How far back everything that these matchers select is kept; none when some of it may not be kept at all.
    pub fn coverage(&self, matchers: &[Matcher]) -> Option<Duration> {
        self.selectors.coverage(matchers)
    }

    /// Whether a series of this name could be wanted: if not, its labels need not be made.
    pub fn may_want(&self, name: &str) -> bool {
        self.selectors.may_want(name)
    }

    /// Sets how much may be stored. What is stored already stays.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How many selectors are registered. When it grows, a series that was not wanted before may be wanted now, so a
    /// cache of answers of [`Store::series_for`] must ask again about the `None`s.
    pub fn selector_count(&self) -> usize {
        self.selectors.len()
    }

    /// The series with these labels, created if some registered selector wants it and there is room; `None` otherwise (then
    /// it is not kept).
    pub fn series_for(&mut self, labels: &Labels, origin: &Origin) -> Option<SeriesId> {
        match self.offer(labels, origin) {
            Offered::Kept(id) => Some(id),
            Offered::Unwanted => None,
            Offered::Refused(_) => {
                self.refused_count += 1;
                None
            }
        }
    }

    /// Offers a series, which is created if some registered selector wants it and there is room. An existing one keeps the
    /// origin it was created with, unless the target that it was from is gone.
    pub fn offer(&mut self, labels: &Labels, origin: &Origin) -> Offered {
        if let Some(id) = self.find(labels) {
            self.adopt(id, origin);
            return Offered::Kept(id);
        }
        let wanted_by = self.selectors.wanting(labels);
        let Some(reach) = wanted_by.iter().map(|id| self.selectors.reach(*id)).max() else { return Offered::Unwanted };
        if !self.has_room() {
            return Offered::Refused(wanted_by);
        }
        let labels = self.pool.share(labels);
        let origin = self.share_origin(origin);
        let series = Series::new(labels.clone(), origin, reach);
        let Some(id) = self.occupy(series) else { return Offered::Refused(wanted_by) };
        for selector in wanted_by {
            self.selectors.join(selector, id);
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash_of = |slot: &u32| slots[*slot as usize].series.as_ref().map_or(0, |it| hasher.hash_one(it.labels()));
        self.by_labels.insert_unique(hasher.hash_one(&labels), id.slot, hash_of);
        self.size.add_series(&labels);
        Offered::Kept(id)
    }

    fn share_origin(&mut self, origin: &Origin) -> Arc<Origin> {
        if *self.origin != *origin {
            self.origin = Arc::new(origin.clone());
        }
        self.origin.clone()
    }

    /// Whether a new series would be kept.
    pub fn has_room(&self) -> bool {
        !self.size.reaches(&self.limits, self.pool.bytes() + self.rich.bytes())
    }

    /// A series whose target is gone belongs to whoever brings it now.
    fn adopt(&mut self, id: SeriesId, origin: &Origin) {
        let is_gone = |target: &TargetId| !self.targets.contains_key(target);
        let before = self.series(id).origin();
        if before != origin && before.target().is_some_and(is_gone) {
            let origin = self.share_origin(origin);
            if let Some(series) = live(&mut self.slots, id) {
                series.set_origin(origin);
            }
        }
    }

    /// The series with these labels, if it is stored.
    pub fn find(&self, labels: &Labels) -> Option<SeriesId> {
        let slot_of = |slot: &u32| &self.slots[*slot as usize];
        let is_it = |slot: &u32| slot_of(slot).series.as_ref().is_some_and(|it| it.labels() == labels);
        let slot = self.by_labels.find(self.hasher.hash_one(labels), is_it)?;
        Some(SeriesId { slot: *slot, generation: slot_of(slot).generation })
    }

    /// Marks the end of a series that is stored: there is no value any more from `at` on, or right after its last sample.
    pub fn end(&mut self, labels: &Labels, at: Timestamp) {
        if let Some(id) = self.find(labels)
            && let Some(series) = live(&mut self.slots, id)
        {
            let newest_histogram = self.rich.newest_at(id);
            self.size.change(series, |series| series.end_at(at, newest_histogram));
        }
    }

    /// Forgets a target: its series end at `at`, and nobody waits for its next scrape.
    pub fn end_target(&mut self, target: &TargetId, at: Timestamp) {
        self.targets.remove(target);
        self.refusals.remove(target);
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(series) = &mut slot.series else { continue };
            if series.origin().target() == Some(target) {
                let newest_histogram = self.rich.newest_at(series_id(index, slot.generation));
                self.size.change(series, |series| series.end_at(at, newest_histogram));
            }
        }
    }

    /// Notes how many new series a scrape of a target at `at` brought that were refused, and which selectors wanted some of
    /// them.
    pub fn note_refused(&mut self, target: &TargetId, at: Timestamp, count: usize, wanted_by: &HashSet<SelectorId>) {
        self.refused_count += u64::try_from(count).unwrap_or(u64::MAX);
        if count > 0 || self.refusals.contains_key(target) {
            self.refusals.entry(target.clone()).or_default().note(at, count, wanted_by);
        }
    }

    /// Whether series of a target were refused as of `at` that one selector wanted.
    pub fn has_refused(&self, target: &TargetId, selector: SelectorId, at: Timestamp) -> bool {
        self.refusals.get(target).is_some_and(|refusals| refusals.concern(selector, at))
    }

    /// Whether series of any target were refused, now or at a moment that some selector may still read.
    pub fn has_refusals(&self) -> bool {
        !self.refusals.is_empty()
    }

    /// A target of which series are refused now, if there is one.
    pub fn refused_target(&self) -> Option<&TargetId> {
        self.refusals.iter().find(|(_, refusals)| refusals.count > 0).map(|(id, _)| id)
    }

    /// How often a series was refused, ever; one that comes again each time it comes.
    pub fn refused_count(&self) -> u64 {
        self.refused_count
    }

    /// Adds a sample. Only samples newer than the newest one of the series, which may be a histogram, are stored.
    #[inline]
    pub fn append(&mut self, id: SeriesId, sample: Sample) -> Append {
        let Some(series) = live(&mut self.slots, id) else {
            debug_assert!(false, "append to the dropped series {id:?}");
            return Append::OutOfOrder;
        };
        match self.rich.newest_at(id).and_then(|newest| refused(newest, sample.at)) {
            Some(refused) => refused,
            None => self.size.change(series, |series| series.append(sample)),
        }
    }

    /// Adds a native histogram. Only histograms newer than the newest sample of the series, which may be a float, are stored.
    pub fn append_histogram(&mut self, id: SeriesId, sample: HistogramSample) -> Append {
        let Some(series) = live(&mut self.slots, id) else {
            debug_assert!(false, "append to the dropped series {id:?}");
            return Append::OutOfOrder;
        };
        let newest_float = series.last().map(|last| last.at);
        match newest_float.and_then(|newest| refused(newest, sample.at)) {
            Some(refused) => refused,
            None => self.rich.append(id, sample, newest_float),
        }
    }

    /// Notes since when what the newest sample of a series counts is counted.
    pub fn note_start(&mut self, id: SeriesId, at: Timestamp, start: Timestamp) {
        if live(&mut self.slots, id).is_some() {
            self.rich.note_start(id, at, start);
        }
    }

    /// When the newest sample of a series was taken, float or histogram, which may be a stale marker.
    pub fn newest_at(&self, id: SeriesId) -> Option<Timestamp> {
        self.series(id).last().map(|last| last.at).max(self.rich.newest_at(id))
    }

    /// What a series has besides float samples; few have anything.
    pub fn rich(&self, id: SeriesId) -> Option<&Rich> {
        self.rich.get(id)
    }

    /// How often a series began to have histograms, or has none any more: as long as it is the same, the same series have some.
    pub fn histogram_changes(&self) -> u64 {
        self.rich.changes()
    }

    /// A series. An id that `trim` has dropped is a series without labels and samples.
    pub fn series(&self, id: SeriesId) -> &Series {
        let slot = self.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation);
        debug_assert!(slot.is_some(), "read of the dropped series {id:?}");
        slot.and_then(|slot| slot.series.as_ref()).unwrap_or(&self.nothing)
    }

    /// Ids of the series that pass all matchers: at once for a registered set, otherwise by a look at every series.
    pub fn matching(&self, matchers: &[Matcher]) -> Cow<'_, [SeriesId]> {
        match self.standing(matchers) {
            Some(ids) => Cow::Borrowed(ids),
            None => Cow::Owned(self.scan(matchers)),
        }
    }

    /// The same for a registered set; `None` for another, which takes a look at every series.
    pub fn standing(&self, matchers: &[Matcher]) -> Option<&[SeriesId]> {
        self.selectors.find(matchers).map(|id| self.selectors.members(id))
    }

    /// The registered selector with these matchers, in any order.
    pub fn selector(&self, matchers: &[Matcher]) -> Option<SelectorId> {
        self.selectors.find(matchers)
    }

    /// How often a series that a selector wants was dropped. As long as it is the same, the list of [`Store::selected`]
    /// only grows at its end; when it has changed, those that are left are still in order.
    pub fn departures(&self, id: SelectorId) -> u64 {
        self.selectors.departures(id)
    }

    /// Ids of the series that a selector wants.
    pub fn selected(&self, id: SelectorId) -> &[SeriesId] {
        self.selectors.members(id)
    }

    /// Notes that a target was scraped, and when the next scrape must have come.
    pub fn record_scrape(&mut self, target: &TargetId, at: Timestamp, ok: bool, next_by: Timestamp) {
        match self.targets.get_mut(target) {
            Some(history) => history.record(at, ok, next_by),
            None => drop(self.targets.insert(target.clone(), TargetHistory::new(at, ok, next_by))),
        }
    }

    /// A target that is lost as of `at`, if any is; see [`TargetHistory::is_lost`].
    pub fn lost_target(&self, at: Timestamp) -> Option<&TargetId> {
        self.targets.iter().find(|(_, history)| history.is_lost(at)).map(|(id, _)| id)
    }

    /// What is known about a target; `None` when it was never scraped.
    pub fn target(&self, target: &TargetId) -> Option<&TargetHistory> {
        self.targets.get(target)
    }

    /// Drops samples that no selector reaches from `now` or later, and series without samples, but not those of a target
    /// that is lost at a moment that some selector may still read: they say whose silence it is. Returns the ids dropped,
    /// which whoever caches ids must forget.
    pub fn trim(&mut self, now: Timestamp) -> Vec<SeriesId> {
        let mut dropped = Vec::new();
        let reach_max = self.selectors.iter().map(|(reach, _)| reach).max().unwrap_or_default();
        for history in self.targets.values_mut() {
            history.outages.forget(now, reach_max);
        }
        self.refusals.retain(|_, refusals| refusals.forget(now - reach_max, |_| true));
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(series) = &mut slot.series else { continue };
            self.size.change(series, |series| series.trim(now));
            let id = series_id(index, slot.generation);
            self.rich.trim(id, now - series.reach());
            let history = series.origin().target().and_then(|target| self.targets.get(target));
            let is_lost = history.is_some_and(|history| history.was_lost(now, series.reach()));
            if series.is_empty() && self.rich.get(id).is_none() && !is_lost {
                dropped.push(id);
            }
        }
        for id in &dropped {
            self.vacate(*id);
        }
        if !dropped.is_empty() {
            self.pool.forget();
        }
        self.selectors.prune(&dropped);
        dropped
    }

    /// Forgets all series and all targets. Who wants what stays.
    pub fn forget_series(&mut self) {
        let stored = self.scan(&[]);
        for id in stored {
            self.vacate(id);
        }
        self.pool.forget();
        self.selectors.forget_members();
        self.targets.clear();
        self.refusals.clear();
    }

    /// What the series take in memory, about: `series * 300 + their labels * 8 + samples as they are encoded`, histograms as
    /// they are, and each label that there is once.
    pub fn memory_bytes(&self) -> usize {
        self.size.bytes() + self.pool.bytes() + self.rich.bytes()
    }

    /// How many series are stored.
    pub fn series_count(&self) -> usize {
        self.size.series()
    }

    /// Whether what is counted step by step is what there is.
    #[cfg(test)]
    fn is_counted_right(&self) -> bool {
        let mut size = Size::default();
        for series in self.slots.iter().filter_map(|slot| slot.series.as_ref()) {
            size.add_series(series.labels());
            size.add_samples(series);
        }
        self.size == size && self.rich.is_counted_right()
    }

    fn scan(&self, matchers: &[Matcher]) -> Vec<SeriesId> {
        let all = self.slots.iter().enumerate();
        all.filter_map(|(index, slot)| {
            let series = slot.series.as_ref()?;
            let matches = matchers.iter().all(|matcher| matcher.matches(series.labels()));
            matches.then(|| series_id(index, slot.generation))
        })
        .collect()
    }

    /// A number that differs when series have come or gone: until then the ids of a scan stay what they are.
    pub fn membership(&self) -> u64 {
        self.membership
    }

    /// Puts a series into a slot; `None` when all four billion are taken.
    fn occupy(&mut self, series: Series) -> Option<SeriesId> {
        self.membership += 1;
        if let Some(free) = self.free.pop() {
            let slot = &mut self.slots[free as usize];
            slot.series = Some(series);
            return Some(SeriesId { slot: free, generation: slot.generation });
        }
        let slot = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot { generation: 0, series: Some(series) });
        Some(SeriesId { slot, generation: 0 })
    }

    fn vacate(&mut self, id: SeriesId) {
        self.membership += 1;
        let slot = &mut self.slots[id.slot as usize];
        if let Some(series) = slot.series.take() {
            self.size.remove_series(&series);
            self.rich.remove(id);
            let hash = self.hasher.hash_one(series.labels());
            if let Ok(entry) = self.by_labels.find_entry(hash, |slot| *slot == id.slot) {
                entry.remove();
            }
        }
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.slot);
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

fn live(slots: &mut [Slot], id: SeriesId) -> Option<&mut Series> {
    let slot = slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
    slot.series.as_mut()
}

/// Why a sample at `at` is not stored beside one of `newest`; none when it is newer.
fn refused(newest: Timestamp, at: Timestamp) -> Option<Append> {
    match at.cmp(&newest) {
        Ordering::Less => Some(Append::OutOfOrder),
        Ordering::Equal => Some(Append::Duplicate),
        Ordering::Greater => None,
    }
}

fn series_id(index: usize, generation: u32) -> SeriesId {
    // `occupy` gives out no index that does not fit.
    SeriesId { slot: u32::try_from(index).unwrap_or(u32::MAX), generation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MatchOp;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn origin() -> Origin {
        Origin::Scraped(TargetId::new("node"))
    }

    fn matchers(list: &[(&str, MatchOp, &str)]) -> Vec<Matcher> {
        list.iter().map(|(name, op, value)| Matcher::new(*name, *op, *value).unwrap()).collect()
    }

    fn named(name: &str) -> Vec<Matcher> {
        matchers(&[("__name__", MatchOp::Equal, name)])
    }

    fn labels(name: &str, job: &str) -> Labels {
        Labels::from_pairs([("__name__", name), ("job", job)])
    }

    /// Stores one sample and returns the series, if it is wanted.
    fn push(store: &mut Store, labels: &Labels, seconds: i64) -> Option<SeriesId> {
        let id = store.series_for(labels, &origin())?;
        assert_eq!(store.append(id, Sample { at: at(seconds), value: 1.0 }), Append::Stored);
        Some(id)
    }

    #[test]
    fn keeps_only_what_is_wanted() {
        let mut store = Store::new();
        let up = store.register(&named("up"), Duration::ZERO);
        let by_job = store.register(&matchers(&[("job", MatchOp::Regex, "a|b")]), Duration::ZERO);
        let (a, c) = (push(&mut store, &labels("up", "a"), 1), push(&mut store, &labels("up", "c"), 1));
        let b = push(&mut store, &labels("down", "b"), 1);
        assert_eq!(push(&mut store, &labels("down", "c"), 1), None);
        assert_eq!(store.series_count(), 3);
        assert_eq!(store.selected(up), [a.unwrap(), c.unwrap()]);
        assert_eq!(store.selected(by_job), [a.unwrap(), b.unwrap()]);
        assert_eq!(store.series_for(&labels("up", "a"), &origin()), a);
    }

    #[test]
    fn a_late_selector_finds_what_is_stored() {
        let mut store = Store::new();
        store.register(&named("up"), Duration::ZERO);
        let a = push(&mut store, &labels("up", "a"), 1).unwrap();
        push(&mut store, &labels("up", "b"), 1);
        let late = store.register(&matchers(&[("job", MatchOp::Equal, "a")]), Duration::from_secs(3600));
        assert_eq!(store.selected(late), [a]);
        assert_eq!(store.trim(at(1 + 3599)).len(), 1, "b is only wanted for the lookback");
        assert_eq!(store.trim(at(1 + 3600)), [a]);
        assert_eq!(store.series_count(), 0);
    }

    #[test]
    fn the_order_of_matchers_does_not_matter() {
        let mut store = Store::new();
        let mut list = matchers(&[("job", MatchOp::Equal, "a"), ("__name__", MatchOp::Equal, "up")]);
        let id = store.register(&list, Duration::ZERO);
        list.reverse();
        assert_eq!(store.register(&list, Duration::ZERO), id);
        let a = push(&mut store, &labels("up", "a"), 1).unwrap();
        assert!(matches!(store.matching(&list), Cow::Borrowed([only]) if *only == a));
        assert!(matches!(store.matching(&named("up")), Cow::Owned(found) if found == [a]));
        assert_eq!(store.selector_count(), 1);
    }

    #[test]
    fn registering_again_lengthens_the_reach() {
        let mut store = Store::new();
        store.register(&named("up"), Duration::ZERO);
        let a = push(&mut store, &labels("up", "a"), 0).unwrap();
        store.register(&named("up"), Duration::from_secs(1000));
        store.register(&named("up"), Duration::from_secs(10));
        assert_eq!(store.trim(at(999)), []);
        assert_eq!(store.trim(at(1000)), [a]);
    }

    #[test]
    fn a_dropped_id_never_comes_back() {
        let mut store = Store::new();
        let up = store.register(&named("up"), Duration::ZERO);
        let old = push(&mut store, &labels("up", "a"), 0).unwrap();
        assert_eq!(store.trim(at(300)), [old]);
        let new = push(&mut store, &labels("up", "b"), 300).unwrap();
        assert_ne!(old, new);
        assert_eq!(store.selected(up), [new]);
        assert_eq!(store.series(new).labels(), &labels("up", "b"));
    }

    #[test]
    fn what_is_forgotten_is_wanted_still() {
        let mut store = Store::new();
        let up = store.register(&named("up"), Duration::ZERO);
        let old = push(&mut store, &labels("up", "a"), 1).unwrap();
        store.record_scrape(&TargetId::new("node"), at(1), false, at(2));
        store.forget_series();
        assert_eq!((store.series_count(), store.memory_bytes(), store.selected(up)), (0, 0, [].as_slice()));
        assert!(store.lost_target(at(1)).is_none());
        let new = push(&mut store, &labels("up", "a"), 1).unwrap();
        assert_ne!(old, new);
        assert_eq!(store.selected(up), [new]);
    }

    #[test]
    fn a_target_remembers_its_first_good_scrape() {
        let (mut store, target) = (Store::new(), TargetId::new("node"));
        assert_eq!(store.target(&target), None);
        let mut check = |seconds: i64, ok: bool, first: i64, first_ok: Option<i64>| {
            store.record_scrape(&target, at(seconds), ok, at(seconds + 2));
            let history = store.target(&target).unwrap();
            assert_eq!((history.first_at, history.first_ok_at), (at(first), first_ok.map(at)), "at {seconds}");
            assert_eq!((history.is_lost(at(seconds + 2)), history.is_lost(at(seconds + 3))), (!ok, true));
        };
        check(1, false, 1, None);
        check(2, true, 1, Some(2));
        check(3, false, 1, Some(2));
        check(4, true, 1, Some(2));
        // A gap: whatever was before it proves nothing about a window of now.
        check(7, false, 7, None);
        check(8, true, 7, Some(8));
    }
}
