//! Could this absence have been measured?
//!
//! An instance that is not in a rule's result is not therefore well: at the moment that was read, the target behind it may
//! have failed its last scrape, or, after a start or a standstill, may not have been scraped for as long as the rule looks
//! back. What a recording rule wrote is looked through to what that rule reads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Labels, METRIC_NAME, TargetId, Timestamp};
use crate::promql::{Expr, ExprKind, SelectorUse, selectors};
use crate::rule::{Instance, OnUnknown};
use crate::store::{Origin, SelectorId, Store, TargetHistory};

use super::ScrapeTarget;
use super::agreement::Agreement;
use super::health::Health;
use super::outage::Outage;
use super::wire::Hop;

/// The selectors of an expression, registered with the store, and what stands behind them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// What the expression selects itself comes first, then what the rules select whose series it reads.
    branches: Vec<Branch>,
    /// Set when it reads more rules than are seen through: how far back any of them may look. Then whatever is lost counts
    /// as behind it.
    beyond: Option<Duration>,
    /// Whether something being absent makes it have a result, so that a presence proves as little as an absence.
    asks_absence: bool,
    /// What a remote source could not measure, if one answers the expression.
    pub(super) outage: Outage,
}

/// The selectors of one expression.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) selectors: Arc<[(SelectorId, SelectorUse)]>,
    /// How far back from the moment of evaluation it matters what they select, beyond the newest sample.
    pub(super) window: Duration,
    /// Labels that a rule between here and there sets itself, so that they say nothing about the series.
    pub(super) ignored: Arc<[String]>,
    /// The way from here to the rule whose expression it is; none for what is selected here.
    pub(super) way: Arc<[Hop]>,
}

/// What there is to be seen, by an evaluation at `at` that reads the moment `read`.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) store: &'a Store,
    pub(super) targets: &'a [&'a ScrapeTarget],
    pub(super) healths: &'a [Health],
    pub(super) at: Timestamp,
    pub(super) read: Timestamp,
}

/// Why an absence proves nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    /// A rule whose series are read fails, or was not evaluated yet.
    Upstream,
    /// The last scrape failed, or the next is overdue.
    Lost(TargetId),
    /// Series were refused.
    Refused(TargetId),
    /// It was not scraped for long enough.
    Unfilled(TargetId),
    /// A remote source says that it could not scrape this instance while the rule looked back.
    Elsewhere(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream => f.write_str("a rule whose series it reads fails or has not been evaluated yet"),
            Self::Lost(target) => write!(f, "the last scrape of `{target}` failed, or the next one did not come"),
            Self::Refused(target) => write!(f, "new series of `{target}` were refused because the store is full"),
            Self::Unfilled(target) => {
                write!(f, "`{target}` has not been scraped for as long as the rule looks back")
            }
            Self::Elsewhere(instance) => {
                write!(f, "its source could not scrape `{instance}` all the time that the rule looks back")
            }
        }
    }
}

impl Sight {
    /// Registers every selector of an expression that is evaluated `behind` the present.
    pub(super) fn new(store: &mut Store, expr: &Expr, behind: Duration) -> Self {
        let mut uses = selectors(expr);
        for it in &mut uses {
            it.reach = it.reach.saturating_add(behind);
            it.window = it.window.saturating_add(behind);
        }
        let window = uses.iter().map(|selector| selector.window).max().unwrap_or_default();
        let selectors = uses.into_iter().map(|it| (store.register(&it.matchers, it.reach), it)).collect();
        let branches = vec![Branch { selectors, window, ignored: Arc::from([]), way: Arc::from([]) }];
        Self { branches, beyond: None, asks_absence: asks_absence(expr), outage: Outage::default() }
    }

    /// The target because of which what is absent may only not have been seen yet, if the expression asks for what is
    /// absent: it answers, but has not for as long as the expression looks back. One that does not answer is waited for by
    /// nobody, since its series are absent indeed.
    pub(super) fn too_early<'a>(&'a self, scene: Scene<'a>) -> Option<&'a TargetId> {
        if self.asks_absence { self.awaited(scene) } else { None }
    }

    /// A target that answers, but has not for as long as the expression looks back.
    pub(super) fn awaited<'a>(&'a self, scene: Scene<'a>) -> Option<&'a TargetId> {
        self.unfilled_targets(scene).find(|it| !it.is_lost && !it.was_emptied).map(|it| &it.target.id)
    }

    /// What the expression selects itself.
    pub(super) fn own(&self) -> &[(SelectorId, SelectorUse)] {
        self.branches.first().map_or(&[], |branch| &branch.selectors)
    }

    /// What the expression selects itself, as a branch of what reads it.
    pub(super) fn branch(&self) -> Option<&Branch> {
        self.branches.first()
    }

    /// Lets it see through to what rules read whose series it reads. `beyond` is set when they are too many.
    pub(super) fn see_through(&mut self, branches: Vec<Branch>, beyond: Option<Duration>) {
        self.branches.truncate(1);
        self.branches.extend(branches);
        self.beyond = beyond;
    }

    /// Whether it reads more rules than are seen through.
    pub(super) fn is_cut(&self) -> bool {
        self.beyond.is_some()
    }

    /// What cannot be measured, ready to be asked about many instances.
    pub(super) fn blindness<'a>(&'a self, scene: Scene<'a>, on_unknown: OnUnknown) -> Blindness<'a> {
        let first = |_: &mut &'a TargetId, _: &&'a TargetId| ();
        let mut blindness = Blindness {
            on_unknown,
            all: self.trouble_of_all(scene),
            began: self.began(scene),
            elsewhere: &self.outage,
            lost: Agreement::new(first),
            refused: Agreement::new(first),
            unfilled: Agreement::new(Unfilled::merge),
        };
        if on_unknown == OnUnknown::Keep {
            for (series, target, ignored) in self.lost_series(scene) {
                blindness.lost.add(series, |name| contains(ignored, name), target);
            }
            for (target, ignored) in self.refused_targets(scene) {
                blindness.refused.add(&target.labels, |name| contains(ignored, name), &target.id);
            }
        }
        for it in self.unfilled_targets(scene) {
            let is_ignored = |name: &str| it.is_anyone || contains(it.ignored, name);
            blindness.unfilled.add(&it.target.labels, is_ignored, Unfilled::new(&it));
        }
        blindness
    }

    /// Whether a rule whose series it reads failed then, or was not evaluated yet: then what is missing is missing for
    /// everyone.
    pub(super) fn has_failing_upstream(&self, scene: Scene<'_>) -> bool {
        let is_failing = |branch: &Branch| {
            branch.writer(scene).is_some_and(|(health, read)| health.fails_at(read) || branch.is_unwritten(scene))
        };
        self.branches.iter().any(is_failing) || (self.is_cut() && scene.healths.iter().any(Health::is_silent))
    }

    /// The trouble that concerns every instance.
    fn trouble_of_all(&self, scene: Scene<'_>) -> Option<Trouble> {
        if self.has_failing_upstream(scene) {
            return Some(Trouble::Upstream);
        }
        self.beyond?;
        let lost = scene.store.lost_target(scene.read).cloned().map(Trouble::Lost);
        lost.or_else(|| scene.store.refused_target().cloned().map(Trouble::Refused))
    }

    /// When the youngest of the rules whose series it reads began to be evaluated, if what is read lies before that.
    fn began(&self, scene: Scene<'_>) -> Option<Timestamp> {
        let began = |branch: &Branch| {
            let (health, read) = branch.writer(scene)?;
            health.began_at().filter(|began| read < *began)
        };
        self.branches.iter().filter_map(began).max()
    }

    /// The labels of everything that cannot be measured now.
    pub(super) fn blind_spots<'a>(&'a self, scene: Scene<'a>) -> impl Iterator<Item = Labels> + 'a {
        let without = |labels: &Labels, ignored: &[String]| labels.filter(|name| !contains(ignored, name));
        let lost = self.lost_series(scene).map(move |(series, _, ignored)| without(series, ignored));
        let refused = self.refused_targets(scene).map(move |(target, ignored)| without(&target.labels, ignored));
        let unfilled = self
            .unfilled_targets(scene)
            .map(move |it| if it.is_anyone { Labels::empty() } else { without(&it.target.labels, it.ignored) });
        let all = self.trouble_of_all(scene).map(|_| Labels::empty());
        lost.chain(refused).chain(unfilled).chain(all)
    }

    /// The series whose target was lost at the moment that is read of them. What we write about a target ourselves (`up`,
    /// `scrape_*`) is exempt: it is there because the scrape failed.
    fn lost_series<'a>(
        &'a self,
        scene: Scene<'a>,
    ) -> impl Iterator<Item = (&'a Labels, &'a TargetId, &'a [String])> + 'a {
        let store = scene.store;
        self.branches.iter().flat_map(move |branch| {
            let read = branch.read(scene);
            branch.selectors.iter().flat_map(move |(id, it)| {
                let moment = it.latest.of(read).min(scene.at);
                // Mostly no target is, and then no series needs a look.
                let members = if store.lost_target(moment).is_some() { store.selected(*id) } else { &[] };
                members.iter().map(|id| store.series(*id)).filter_map(move |series| match series.origin() {
                    Origin::Scraped(target) if store.target(target).is_some_and(|it| it.is_lost(moment)) => {
                        Some((series.labels(), target, &*branch.ignored))
                    }
                    Origin::Scraped(_) | Origin::Report(_) | Origin::Recorded => None,
                })
            })
        })
    }

    /// The targets of which series were refused that the selectors want.
    fn refused_targets<'a>(&'a self, scene: Scene<'a>) -> impl Iterator<Item = (&'a ScrapeTarget, &'a [String])> + 'a {
        let branches = if scene.store.has_refusals() { self.branches.as_slice() } else { &[] };
        branches.iter().flat_map(move |branch| {
            let read = branch.read(scene);
            let refused = move |target: &&&ScrapeTarget| {
                let has_refused =
                    |(id, it): &(SelectorId, SelectorUse)| scene.store.has_refused(&target.id, *id, it.latest.of(read));
                branch.selectors.iter().any(has_refused)
            };
            scene.targets.iter().filter(refused).map(move |target| (*target, &*branch.ignored))
        })
    }

    /// The targets that the selectors could reach and that have not been scraped for as long as the expression looks back.
    fn unfilled_targets<'a>(&'a self, scene: Scene<'a>) -> impl Iterator<Item = UnfilledTarget<'a>> + 'a {
        let of_branches = self.branches.iter().flat_map(move |branch| {
            let read = branch.read(scene);
            scene.targets.iter().filter_map(move |target| {
                let history = scene.store.target(&target.id);
                let is_lost_at = |at| history.is_some_and(|history| history.is_lost(at));
                let is_filled = |since: Timestamp| since + branch.window <= scene.at;
                let uses = branch.selectors.iter().filter(|(_, it)| reaches(it, target));
                let unfilled = uses.clone().filter_map(|(id, it)| {
                    let run = Run::new(history, it, scene.store.kept_since(*id));
                    let moment = it.latest.of(read).min(scene.at);
                    // Of what was scraped before, and failed then, it says nothing that there is no series of it.
                    let is_lost = is_lost_at(moment) && !asks_about_scrapes(it);
                    let is_long_enough = run.since.is_some_and(|since| is_filled(since) && since <= moment);
                    (!is_long_enough || run.is_awaited || is_lost).then_some((run.since, is_lost))
                });
                let ignored = &*branch.ignored;
                if let Some((run, is_lost)) = unfilled.min() {
                    let is_lost = is_lost || is_lost_at(scene.at);
                    let (was_emptied, is_anyone) = (false, false);
                    return Some(UnfilledTarget { target, run, ignored, is_lost, was_emptied, is_anyone });
                }
                // An outage that left nothing in the window is like a start, but to who asks for what is absent: it is there
                // again.
                let mut exposed = uses.filter(|(_, it)| !self.asks_absence && !asks_about_scrapes(it));
                let run = history?.emptied_until(branch.window, target.interval).filter(|since| !is_filled(*since));
                let (is_lost, was_emptied, is_anyone) = (is_lost_at(scene.at), true, false);
                let emptied = UnfilledTarget { target, run, ignored, is_lost, was_emptied, is_anyone };
                (run.is_some() && exposed.next().is_some()).then_some(emptied)
            })
        });
        let beyond = self.beyond.into_iter().flat_map(move |window| {
            scene.targets.iter().filter_map(move |target| {
                let history = scene.store.target(&target.id);
                let run = history.and_then(|history| history.first_ok_at);
                let is_filled = run.is_some_and(|since| since + window <= scene.at);
                let is_lost = history.is_some_and(|history| history.is_lost(scene.at));
                let (was_emptied, is_anyone) = (false, true);
                (!is_filled).then_some(UnfilledTarget { target, run, ignored: &[], is_lost, was_emptied, is_anyone })
            })
        });
        of_branches.chain(beyond)
    }
}

impl Branch {
    /// The moment that its expression reads.
    fn read(&self, scene: Scene<'_>) -> Timestamp {
        self.way.iter().fold(scene.read, |moment, hop| hop.stamp(scene.healths, moment))
    }

    /// Whether its rule wrote so far behind that nothing of it is found.
    fn is_unwritten(&self, scene: Scene<'_>) -> bool {
        let Some((last, before)) = self.way.split_last() else { return false };
        let moment = before.iter().fold(scene.read, |moment, hop| hop.stamp(scene.healths, moment));
        last.is_out_of_sight(scene.healths, moment)
    }

    /// The rule whose expression it is, and the moment at which its series are read.
    fn writer<'a>(&self, scene: Scene<'a>) -> Option<(&'a Health, Timestamp)> {
        let (last, before) = self.way.split_last()?;
        let moment = before.iter().fold(scene.read, |moment, hop| hop.stamp(scene.healths, moment));
        Some((scene.healths.get(last.writer)?, last.latest.of(moment)))
    }
}

/// What cannot be measured in one evaluation.
#[derive(Debug)]
pub(super) struct Blindness<'a> {
    on_unknown: OnUnknown,
    /// What concerns every instance.
    all: Option<Trouble>,
    /// When a rule began whose series are read as of a moment before.
    began: Option<Timestamp>,
    elsewhere: &'a Outage,
    lost: Agreement<'a, &'a TargetId>,
    refused: Agreement<'a, &'a TargetId>,
    unfilled: Agreement<'a, Unfilled<'a>>,
}

impl Blindness<'_> {
    /// Why the absence of an instance proves nothing, if it does not.
    pub(super) fn trouble(&self, instance: &Instance) -> Option<Trouble> {
        let element = &instance.element;
        let is_kept = self.on_unknown == OnUnknown::Keep;
        if is_kept {
            if let Some(trouble) = &self.all {
                return Some(trouble.clone());
            }
            if let Some(target) = self.lost.of(element).next() {
                return Some(Trouble::Lost(target.clone()));
            }
            if let Some(target) = self.refused.of(element).next() {
                return Some(Trouble::Refused(target.clone()));
            }
            if let Some(target) = self.elsewhere.target_of(instance) {
                return Some(Trouble::Elsewhere(target));
            }
            if self.began.is_some_and(|began| began > instance.state.active_at()) {
                return Some(Trouble::Upstream);
            }
        }
        let proves_nothing = |unfilled: Unfilled<'_>| {
            let began_before = |start: Timestamp| instance.restored || start > instance.state.active_at();
            let newer = unfilled.latest.filter(|(start, _)| is_kept && began_before(*start));
            // Whoever wants what is unknown to resolve does not therefore want every start to resolve everything: the
            // first scrape, or its failure, is waited for.
            let never = unfilled.awaited.or(unfilled.lost.filter(|_| is_kept)).filter(|_| instance.restored);
            newer.map(|(_, target)| target).or(never).cloned()
        };
        self.unfilled.of(element).find_map(proves_nothing).map(Trouble::Unfilled)
    }
}

/// A target that was not scraped for as long as an expression looks back.
#[derive(Clone, Copy)]
struct UnfilledTarget<'a> {
    target: &'a ScrapeTarget,
    /// Since when it has been, without a gap, since this process began, or since its samples are kept.
    run: Option<Timestamp>,
    ignored: &'a [String],
    is_lost: bool,
    /// Whether it was scraped for long enough before, and then was lost for so long that nothing of that is left.
    was_emptied: bool,
    /// Whether its labels say nothing of what it is behind.
    is_anyone: bool,
}

/// The targets that were not scraped for long enough and that nobody tells apart.
#[derive(Clone, Copy, Debug)]
struct Unfilled<'a> {
    /// The one whose scrapes began last.
    latest: Option<(Timestamp, &'a TargetId)>,
    /// One that has not been scraped, and nothing speaks against it.
    awaited: Option<&'a TargetId>,
    /// One that has not been scraped, and its first scrape failed.
    lost: Option<&'a TargetId>,
}

impl<'a> Unfilled<'a> {
    fn new(it: &UnfilledTarget<'a>) -> Self {
        let id = &it.target.id;
        Self {
            latest: it.run.map(|start| (start, id)),
            awaited: (it.run.is_none() && !it.is_lost).then_some(id),
            lost: (it.run.is_none() && it.is_lost).then_some(id),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.latest = self.latest.max(other.latest);
        self.awaited = self.awaited.or(other.awaited);
        self.lost = self.lost.or(other.lost);
    }
}

/// Since when the samples that a selector wants of a target are there without a gap.
struct Run {
    since: Option<Timestamp>,
    /// Whether no scrape that could bring them has come since they are kept.
    is_awaited: bool,
}

impl Run {
    fn new(history: Option<&TargetHistory>, selector: &SelectorUse, kept_since: Option<Timestamp>) -> Self {
        let start = |it: &TargetHistory| if asks_about_scrapes(selector) { Some(it.first_at) } else { it.first_ok_at };
        let since = history.and_then(start).map(|start| kept_since.map_or(start, |kept| kept.max(start)));
        // A scrape that failed brought nothing, but what we write about the target ourselves.
        let last = |it: &TargetHistory| if asks_about_scrapes(selector) { Some(it.last_at) } else { it.last_ok_at };
        let is_awaited = kept_since.is_some_and(|kept| history.and_then(last).is_none_or(|last| last < kept));
        Self { since, is_awaited }
    }
}

fn contains(list: &[String], name: &str) -> bool {
    list.iter().any(|it| it == name)
}

/// Whether an expression has a result because something is absent.
pub(super) fn asks_absence(expr: &Expr) -> bool {
    let is_absent = matches!(&expr.kind, ExprKind::Call(call) if matches!(call.name(), "absent" | "absent_over_time"));
    is_absent || expr.children().into_iter().any(asks_absence)
}

/// Whether a selector could select a series of this target, judged by the labels that all its series have.
fn reaches(selector: &SelectorUse, target: &ScrapeTarget) -> bool {
    selector
        .matchers
        .iter()
        .filter(|matcher| !target.labels.get(&matcher.name).is_empty())
        .all(|matcher| matcher.matches(&target.labels))
}

/// Whether a selector asks for what we write about targets ourselves.
pub(super) fn asks_about_scrapes(selector: &SelectorUse) -> bool {
    let about = |name: &str| name == "up" || name.starts_with("scrape_");
    selector.matchers.iter().any(|matcher| &*matcher.name == METRIC_NAME && about(&matcher.value))
}
