//! Could this absence have been measured?
//!
//! An instance that is not in a rule's result is not therefore well: the target behind it may have failed its last
//! scrape, or, after a start or a standstill, may not have been scraped for as long as the rule looks back. What a
//! recording rule wrote is looked through to what that rule reads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Labels, METRIC_NAME, TargetId, Timestamp};
use crate::promql::{Expr, ExprKind, SelectorUse, selectors};
use crate::rule::{Instance, OnUnknown};
use crate::store::{Origin, SelectorId, Store, TargetHistory};

use super::ScrapeTarget;
use super::outage::Outage;

/// The selectors of an expression, registered with the store, and what stands behind them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// What the expression selects itself comes first, then what the rules select whose series it reads.
    branches: Vec<Branch>,
    /// The rules whose series it reads, by number.
    upstream: Vec<usize>,
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
}

/// How the last evaluation of a rule went, for those that read what it writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    pub(super) is_failing: bool,
    pub(super) is_evaluated: bool,
}

/// What there is to be seen.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) store: &'a Store,
    pub(super) targets: &'a [&'a ScrapeTarget],
    pub(super) healths: &'a [Health],
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
        let branches = vec![Branch { selectors, window, ignored: Arc::from([]) }];
        Self { branches, upstream: Vec::new(), asks_absence: asks_absence(expr), outage: Outage::default() }
    }

    /// The target because of which what is absent may only not have been seen yet, if the expression asks for what is
    /// absent: it answers, but has not for as long as the expression looks back. One that does not answer is waited for by
    /// nobody, since its series are absent indeed.
    pub(super) fn too_early<'a>(&'a self, scene: Scene<'a>, at: Timestamp) -> Option<&'a TargetId> {
        let mut unfilled = if self.asks_absence { Some(self.unfilled_targets(scene, at)) } else { None };
        let found = unfilled.as_mut()?.find(|it| !it.is_lost(scene.store, at))?;
        Some(&found.target.id)
    }

    /// What the expression selects itself.
    pub(super) fn own(&self) -> &[(SelectorId, SelectorUse)] {
        self.branches.first().map_or(&[], |branch| &branch.selectors)
    }

    /// What the expression selects itself, as a branch of what reads it.
    pub(super) fn branch(&self) -> Option<&Branch> {
        self.branches.first()
    }

    /// Lets it see through to what a rule reads whose series it reads.
    pub(super) fn see_through(&mut self, rule: usize, branch: Branch) {
        self.upstream.push(rule);
        self.branches.push(branch);
    }

    /// Why the absence of an instance proves nothing, if it does not.
    pub(super) fn trouble(
        &self,
        scene: Scene<'_>,
        instance: &Instance,
        on_unknown: OnUnknown,
        at: Timestamp,
    ) -> Option<Trouble> {
        let element = &instance.element;
        let is_kept = on_unknown == OnUnknown::Keep;
        if is_kept && let Some(trouble) = self.loss(scene, element, at) {
            return Some(trouble);
        }
        if is_kept && let Some(target) = self.outage.target_of(instance) {
            return Some(Trouble::Elsewhere(target));
        }
        let proves_nothing = |unfilled: &Unfilled<'_>| match unfilled.run {
            Some(start) => is_kept && start > instance.state.active_at(),
            // Whoever wants what is unknown to resolve does not therefore want every start to resolve everything: the
            // first scrape, or its failure, is waited for.
            None => instance.restored && (is_kept || !unfilled.is_lost(scene.store, at)),
        };
        let mut unfilled = self.unfilled_targets(scene, at);
        let found = unfilled.find(|it| agrees(&it.target.labels, element, it.ignored) && proves_nothing(it));
        found.map(|unfilled| Trouble::Unfilled(unfilled.target.id.clone()))
    }

    /// Why what agrees with these labels cannot be measured now.
    fn loss(&self, scene: Scene<'_>, labels: &Labels, at: Timestamp) -> Option<Trouble> {
        if self.has_failing_upstream(scene) {
            return Some(Trouble::Upstream);
        }
        let mut lost = self.lost_series(scene.store, at);
        if let Some((_, target, _)) = lost.find(|(series, _, ignored)| agrees(series, labels, ignored)) {
            return Some(Trouble::Lost(target.clone()));
        }
        let mut refused = self.refused_targets(scene);
        let found = refused.find(|(target, ignored)| agrees(&target.labels, labels, ignored));
        found.map(|(target, _)| Trouble::Refused(target.id.clone()))
    }

    /// Whether a rule whose series it reads fails, or was not evaluated yet: then what is missing is missing for everyone.
    pub(super) fn has_failing_upstream(&self, scene: Scene<'_>) -> bool {
        self.upstream.iter().any(|rule| {
            let health = scene.healths.get(*rule).copied().unwrap_or_default();
            health.is_failing || !health.is_evaluated
        })
    }

    /// The labels of everything that cannot be measured now.
    pub(super) fn blind_spots<'a>(&'a self, scene: Scene<'a>, at: Timestamp) -> impl Iterator<Item = Labels> + 'a {
        let without = |labels: &Labels, ignored: &[String]| labels.filter(|name| !ignored.iter().any(|it| it == name));
        let lost = self.lost_series(scene.store, at).map(move |(series, _, ignored)| without(series, ignored));
        let refused = self.refused_targets(scene).map(move |(target, ignored)| without(&target.labels, ignored));
        let unfilled = self.unfilled_targets(scene, at).map(move |it| without(&it.target.labels, it.ignored));
        lost.chain(refused).chain(unfilled)
    }

    /// The series whose target is lost. What we write about a target ourselves (`up`, `scrape_*`) is exempt: it is there
    /// because the scrape failed.
    fn lost_series<'a>(
        &'a self,
        store: &'a Store,
        at: Timestamp,
    ) -> impl Iterator<Item = (&'a Labels, &'a TargetId, &'a [String])> {
        // Mostly no target is, and then no series needs a look.
        let branches = if store.has_lost_target(at) { self.branches.as_slice() } else { &[] };
        branches.iter().flat_map(move |branch| {
            let members = branch.selectors.iter().flat_map(|(id, _)| store.selected(*id));
            members.map(|id| store.series(*id)).filter_map(move |series| match series.origin() {
                Origin::Scraped(target) if store.target(target).is_some_and(|history| history.is_lost(at)) => {
                    Some((series.labels(), target, &*branch.ignored))
                }
                Origin::Scraped(_) | Origin::Report(_) | Origin::Recorded => None,
            })
        })
    }

    /// The targets of which series were refused that the selectors want.
    fn refused_targets<'a>(&'a self, scene: Scene<'a>) -> impl Iterator<Item = (&'a ScrapeTarget, &'a [String])> {
        let branches = if scene.store.refuses() { self.branches.as_slice() } else { &[] };
        branches.iter().flat_map(move |branch| {
            let refused = |target: &&&ScrapeTarget| {
                branch.selectors.iter().any(|(id, _)| scene.store.has_refused(&target.id, *id))
            };
            scene.targets.iter().filter(refused).map(|target| (*target, &*branch.ignored)).collect::<Vec<_>>()
        })
    }

    /// The targets that the selectors could reach and that have not been scraped for as long as the expression looks back.
    fn unfilled_targets<'a>(&'a self, scene: Scene<'a>, at: Timestamp) -> impl Iterator<Item = Unfilled<'a>> + 'a {
        self.branches.iter().flat_map(move |branch| {
            scene.targets.iter().filter_map(move |target| {
                let history = scene.store.target(&target.id);
                let runs = branch.selectors.iter().filter(|(_, it)| reaches(it, target));
                let unfilled = runs.filter_map(|(id, it)| {
                    let run = Run::new(history, it, scene.store.kept_since(*id));
                    let is_filled = run.since.is_some_and(|since| since + branch.window <= at) && !run.is_awaited;
                    (!is_filled).then_some(run.since)
                });
                unfilled.min().map(|run| Unfilled { target, run, ignored: &branch.ignored })
            })
        })
    }
}

/// A target that was not scraped for as long as an expression looks back.
#[derive(Clone, Copy)]
struct Unfilled<'a> {
    target: &'a ScrapeTarget,
    /// Since when it has been, without a gap, since this process began, or since its samples are kept.
    run: Option<Timestamp>,
    ignored: &'a [String],
}

impl Unfilled<'_> {
    fn is_lost(&self, store: &Store, at: Timestamp) -> bool {
        store.target(&self.target.id).is_some_and(|history| history.is_lost(at))
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

fn agrees(series: &Labels, element: &Labels, ignored: &[String]) -> bool {
    if ignored.is_empty() {
        return series.agrees_with(element);
    }
    series.filter(|name| !ignored.iter().any(|it| it == name)).agrees_with(element)
}

/// Whether an expression has a result because something is absent.
fn asks_absence(expr: &Expr) -> bool {
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
