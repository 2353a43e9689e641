//! Could this absence have been measured?
//!
//! An instance that is not in a rule's result is not therefore well: the target behind it may have failed its last
//! scrape, or, after a start, may not have been scraped for as long as the rule looks back.

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

    /// Whether some series of the selectors agrees with these labels and has a target whose last scrape failed. What we
    /// write about a target ourselves (`up`, `scrape_*`) is exempt: it is there because the scrape failed.
    pub(super) fn lost_target(&self, store: &Store, labels: &Labels) -> bool {
        self.lost_series(store).any(|series| series.agrees_with(labels))
    }

    /// The labels of the series whose target failed its last scrape.
    pub(super) fn lost_series<'a>(&'a self, store: &'a Store) -> impl Iterator<Item = &'a Labels> {
        self.selectors
            .iter()
            .flat_map(|(id, _)| store.selected(*id))
            .map(|id| store.series(*id))
            .filter(|series| match series.origin() {
                Origin::Scraped(target) => store.target(target).is_some_and(|history| !history.last_ok),
                Origin::Report(_) => false,
            })
            .map(crate::store::Series::labels)
    }

    /// The labels of the targets that the selectors could reach and that have not been scraped for as long as the
    /// expression looks back, counted from the start of this process.
    pub(super) fn unfilled_targets<'a>(
        &'a self,
        store: &'a Store,
        targets: &'a [&'a ScrapeTarget],
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Labels> + 'a {
        targets
            .iter()
            .filter(move |target| {
                let history = store.target(&target.id);
                self.selectors.iter().filter(|(_, it)| reaches(it, target)).any(|(_, it)| {
                    let since = history.and_then(|history| {
                        if asks_about_scrapes(it) { Some(history.first_at) } else { history.first_ok_at }
                    });
                    since.is_none_or(|since| since + self.window > at)
                })
            })
            .map(|target| &target.labels)
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
