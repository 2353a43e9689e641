//! Could this absence have been measured?
//!
//! An instance that is not in a rule's result is not therefore well: the target behind it may have failed its last
//! scrape, or, after a start or a standstill, may not have been scraped for as long as the rule looks back.

use std::time::Duration;

use crate::model::{Labels, METRIC_NAME, Timestamp};
use crate::promql::{Expr, SelectorUse, selectors};
use crate::store::{Origin, SelectorId, Store};

use super::ScrapeTarget;

/// The selectors of an expression, registered with the store.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    selectors: Vec<(SelectorId, SelectorUse)>,
    /// How far back the expression looks, beyond the newest sample.
    window: Duration,
}

impl Sight {
    /// Registers every selector of an expression.
    pub(super) fn new(store: &mut Store, expr: &Expr) -> Self {
        let uses = selectors(expr);
        let window = uses.iter().map(|selector| selector.window).max().unwrap_or_default();
        let selectors = uses.into_iter().map(|it| (store.register(&it.matchers, it.reach), it)).collect();
        Self { selectors, window }
    }

    /// Whether some series of the selectors agrees with these labels and has a target whose last scrape failed, or did not
    /// come. What we write about a target ourselves (`up`, `scrape_*`) is exempt: it is there because the scrape failed.
    pub(super) fn lost_target(&self, store: &Store, labels: &Labels, at: Timestamp) -> bool {
        self.lost_series(store, at).any(|series| series.agrees_with(labels))
    }

    /// The labels of the series whose target is lost.
    pub(super) fn lost_series<'a>(&'a self, store: &'a Store, at: Timestamp) -> impl Iterator<Item = &'a Labels> {
        // Mostly no target is, and then no series needs a look.
        let selectors = if store.has_lost_target(at) { self.selectors.as_slice() } else { &[] };
        selectors
            .iter()
            .flat_map(|(id, _)| store.selected(*id))
            .map(|id| store.series(*id))
            .filter(move |series| match series.origin() {
                Origin::Scraped(target) => store.target(target).is_some_and(|history| history.is_lost(at)),
                Origin::Report(_) => false,
            })
            .map(crate::store::Series::labels)
    }

    /// The targets that the selectors could reach and that have not been scraped for as long as the expression looks back:
    /// their labels, and since when they have been, without a gap, since this process began.
    pub(super) fn unfilled_targets<'a>(
        &'a self,
        store: &'a Store,
        targets: &'a [&'a ScrapeTarget],
        at: Timestamp,
    ) -> impl Iterator<Item = (&'a Labels, Option<Timestamp>)> + 'a {
        targets.iter().filter_map(move |target| {
            let history = store.target(&target.id);
            let run = |selector: &SelectorUse| {
                history.and_then(|it| if asks_about_scrapes(selector) { Some(it.first_at) } else { it.first_ok_at })
            };
            let runs = self.selectors.iter().filter(|(_, it)| reaches(it, target)).map(|(_, it)| run(it));
            let unfilled = |start: &Option<Timestamp>| start.is_none_or(|start| start + self.window > at);
            runs.filter(unfilled).min().map(|run| (&target.labels, run))
        })
    }
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
fn asks_about_scrapes(selector: &SelectorUse) -> bool {
    let about = |name: &str| name == "up" || name.starts_with("scrape_");
    selector.matchers.iter().any(|matcher| &*matcher.name == METRIC_NAME && about(&matcher.value))
}
