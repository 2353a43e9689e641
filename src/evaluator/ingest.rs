//! From a scraped page to samples in the store.
//!
//! A page counts whole or not at all. The raw text of a series is the key of a cache, so that a line seen before costs
//! one look-up; a series that no rule selects is remembered as such and never stored.

use std::collections::HashMap;
use std::time::Duration;

use crate::exposition::{Entry, Malformed, MetricKind, Scanner, parse_series_as};
use crate::model::{Labels, METRIC_NAME, Sample, TargetId, Timestamp, stale_nan};
use crate::store::{Append, Origin, SeriesId, Store};

/// How far in the future a sample's own time may lie, as in Prometheus. One from the next century would make every true one
/// out of order.
const FUTURE_MAX: Duration = Duration::from_secs(600);

/// A target as the configuration gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeTarget {
    /// Which.
    pub id: TargetId,
    /// Where it is.
    pub url: String,
    /// The labels of everything that comes from it: `job`, `instance` and those of its configuration.
    pub labels: Labels,
    /// How often it is scraped.
    pub interval: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// What came of asking a target.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// Which target.
    pub target: TargetId,
    /// When it was asked.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The page, or why there is none.
    pub page: Result<String, String>,
}

/// What a scrape brought.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ScrapeReport {
    /// Sample lines on the page.
    pub samples: usize,
    /// Samples stored.
    pub stored: usize,
    /// Series that some rule selects and that were new.
    pub added: usize,
    /// Samples dropped because their series came twice, went back in time or lie in the future.
    pub dropped: usize,
    /// New series that a rule selects and that were refused, because the store is full.
    pub refused: usize,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A series of a target as the last pages had it.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Where its samples go; `None` when no rule selects it.
    id: Option<SeriesId>,
    /// The last scrape that had it.
    seen: u64,
    /// Whether its end is to be marked when it is missing: it was there, without a time of its own.
    is_live: bool,
}

/// What is remembered of a target between scrapes.
#[derive(Debug)]
pub(super) struct Intake {
    target: ScrapeTarget,
    scrapes: u64,
    known: HashMap<Box<str>, Known>,
    pub(super) last: Option<(Timestamp, Duration, ScrapeReport)>,
}

impl Intake {
    pub(super) fn new(target: ScrapeTarget) -> Self {
        Self { target, scrapes: 0, known: HashMap::new(), last: None }
    }

    pub(super) fn target(&self) -> &ScrapeTarget {
        &self.target
    }

    /// Forgets where the samples of these series go, after the store has dropped them.
    pub(super) fn forget(&mut self, dropped: &std::collections::HashSet<SeriesId>) {
        self.known.retain(|_, known| known.id.is_none_or(|id| !dropped.contains(&id)));
    }

    /// Forgets which series nobody wanted, so that the next scrape asks again: someone may want them now.
    pub(super) fn forget_unwanted(&mut self) {
        self.known.retain(|_, known| known.id.is_some());
    }

    /// Goes on with the same target, asked in another way.
    pub(super) fn set_target(&mut self, target: ScrapeTarget) {
        self.target = target;
    }

    /// Stores a scrape and what it says of the target itself.
    pub(super) fn take_in(&mut self, store: &mut Store, scrape: &Scrape) -> ScrapeReport {
        self.scrapes += 1;
        let result = match &scrape.page {
            Ok(page) => self.store_page(store, page, scrape.at).map_err(|malformed| malformed.to_string()),
            Err(why) => Err(why.clone()),
        };
        self.end_missing(store, scrape.at);
        store.record_scrape(&self.target.id, scrape.at, result.is_ok(), self.next_by(scrape.at));
        let report = result.unwrap_or_else(|why| ScrapeReport { error: Some(why), ..ScrapeReport::default() });
        self.store_report(store, scrape, &report);
        self.last = Some((scrape.at, scrape.took, report.clone()));
        report
    }

    /// When the scrape after one at `at` must have come: in an interval, plus the time that it may take, plus half an
    /// interval for a machine that is busy.
    fn next_by(&self, at: Timestamp) -> Timestamp {
        let interval = self.target.interval;
        at + interval + self.target.timeout.min(interval) + interval / 2
    }

    fn store_page(&mut self, store: &mut Store, page: &str, at: Timestamp) -> Result<ScrapeReport, Malformed> {
        let mut kind = MetricKind::Untyped;
        let mut lines = Vec::new();
        for entry in Scanner::new(page) {
            match entry? {
                Entry::Sample(line) => lines.push((line, kind)),
                Entry::Type { kind: declared, .. } => kind = declared,
            }
        }
        // The page is sound: from here on nothing fails.
        let mut report = ScrapeReport { samples: lines.len(), ..ScrapeReport::default() };
        for (line, kind) in lines {
            let scrapes = self.scrapes;
            let known = match self.known.get_mut(line.series) {
                Some(known) if known.seen == scrapes && line.at.is_none() => {
                    report.dropped += 1;
                    continue;
                }
                Some(known) => known,
                None => {
                    let labels = series_labels(line.series, kind, &self.target.labels)?;
                    let id = store.series_for(&labels, &Origin::Scraped(self.target.id.clone()));
                    report.added += usize::from(id.is_some());
                    let known = Known { id, seen: 0, is_live: false };
                    self.known.entry(line.series.into()).or_insert(known)
                }
            };
            known.seen = scrapes;
            known.is_live = line.at.is_none();
            if line.at.is_some_and(|sampled_at| sampled_at > at + FUTURE_MAX) {
                report.dropped += 1;
                continue;
            }
            if let Some(id) = known.id {
                match store.append(id, Sample { at: line.at.unwrap_or(at), value: line.value }) {
                    Append::Stored => report.stored += 1,
                    Append::Duplicate | Append::OutOfOrder => report.dropped += 1,
                }
            }
        }
        Ok(report)
    }

    /// Marks the end of every series that this scrape did not have, and forgets those that were not there before either.
    fn end_missing(&mut self, store: &mut Store, at: Timestamp) {
        let scrapes = self.scrapes;
        self.known.retain(|_, known| {
            if known.seen == scrapes {
                return true;
            }
            if known.is_live
                && let Some(id) = known.id
            {
                store.append(id, Sample { at, value: stale_nan() });
            }
            std::mem::replace(&mut known.is_live, false)
        });
    }

    fn store_report(&self, store: &mut Store, scrape: &Scrape, report: &ScrapeReport) {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let count = |count: usize| count as f64;
        let rows = [
            ("up", if report.error.is_none() { 1.0 } else { 0.0 }),
            ("scrape_duration_seconds", scrape.took.as_secs_f64()),
            ("scrape_samples_scraped", count(report.samples)),
            ("scrape_samples_post_metric_relabeling", count(report.samples)),
            ("scrape_series_added", count(report.added)),
        ];
        for (name, value) in rows {
            let mut labels = self.target.labels.edit();
            labels.set(METRIC_NAME, name);
            if let Some(id) = store.series_for(&labels.build(), &Origin::Report(self.target.id.clone())) {
                store.append(id, Sample { at: scrape.at, value });
            }
        }
    }
}

/// The labels of a scraped series: its own, those of the target, and where both have one the scraped is renamed to
/// `exported_…`, as with Prometheus's `honor_labels: false`.
fn series_labels(series: &str, kind: MetricKind, target: &Labels) -> Result<Labels, Malformed> {
    let mut labels = parse_series_as(series, kind)?.edit();
    for (name, value) in target.iter() {
        let own = labels.get(name).to_owned();
        if !own.is_empty() {
            let mut exported = format!("exported_{name}");
            while !labels.get(&exported).is_empty() || !target.get(&exported).is_empty() {
                exported.insert_str(0, "exported_");
            }
            labels.set(exported, own);
        }
        labels.set(name, value);
    }
    Ok(labels.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_labels_win() {
        let target = Labels::from_pairs([("job", "j"), ("service", "chat")]);
        let labels = series_labels(r#"m{job="own",le="1"}"#, MetricKind::Untyped, &target).unwrap();
        assert_eq!(labels.to_string(), r#"m{exported_job="own", job="j", le="1", service="chat"}"#);
        let labels = series_labels(r#"m_bucket{le="1"}"#, MetricKind::Histogram, &Labels::empty()).unwrap();
        assert_eq!(labels.to_string(), r#"m_bucket{le="1.0"}"#);
    }
}
