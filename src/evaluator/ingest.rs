//! From a scraped page to samples in the store.
//!
//! A page counts whole or not at all. The raw text of a series is the key of what is known of it; targets write their series
//! in the same order each time, and so each series knows the one that came after it last time, and a line that is where it
//! was costs one comparison and the reading of its value. A series that no rule selects, or that relabeling drops, is remembered as such and never stored.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::exposition::{Entry, MetricKind, Scanner, parse_series_as};
use crate::model::{LabelPool, Labels, Sample, Timestamp, stale_nan};
use crate::store::{Append, Offered, Origin, SelectorId, SeriesId, Store};

use super::exposed::{self, NotTaken, report_labels};
use super::scrape::{Page, PageFormat, Scrape, ScrapeReport, ScrapeTarget};
use super::texts::{HasText, Text, Texts};

/// How far in the future a sample's own time may lie, as in Prometheus. One from the next century would make every true one
/// out of order.
const FUTURE_MAX: Duration = Duration::from_secs(600);

/// What becomes of a series' samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// They go there.
    Stored(SeriesId),
    /// No rule selects the series.
    Unwanted,
    /// The store had no room for it.
    Refused,
    /// Whether any rule selects it is to be asked again.
    Unasked,
    /// Relabeling drops the series.
    Dropped,
}

/// A series of a target as the last pages had it.
#[derive(Debug)]
struct Known {
    /// Its raw text, which is its key.
    text: Text,
    /// In which format it is well-formed, if it is on one line; then it can be compared with the page as it stands there.
    plain: Option<PageFormat>,
    fate: Fate,
    /// The last scrape that had it.
    seen: u32,
    /// The series that came after it on the last page.
    next: u32,
    /// Whether its end is to be marked when it is missing: it was there, without a time of its own.
    is_live: bool,
}

/// A series that the store had no room for.
#[derive(Debug)]
struct Refused {
    /// What the page said of its kind.
    kind: MetricKind,
    wanted_by: Box<[SelectorId]>,
}

/// A sample of the page under way: where its series is known, and what was measured.
struct Pending {
    value: f64,
    known: u32,
}

/// The samples of the page under way.
#[derive(Default)]
struct PendingPage {
    samples: Vec<Pending>,
    /// Their own times, if any sample has one: up to the last that has.
    times: Vec<Option<Timestamp>>,
}

impl PendingPage {
    #[inline]
    fn push(&mut self, known: u32, value: f64, own: Option<Timestamp>) {
        if own.is_some() {
            self.times.resize(self.samples.len(), None);
            self.times.push(own);
        }
        self.samples.push(Pending { value, known });
    }
}

/// A place among the known series that there is not.
const NOWHERE: u32 = u32::MAX;

/// What is remembered of a target between scrapes.
#[derive(Debug)]
pub(super) struct Intake {
    target: ScrapeTarget,
    scrapes: u32,
    known: Vec<Known>,
    free: Vec<u32>,
    texts: Texts,
    /// How many of the known the last page that counts had.
    present: usize,
    /// The series that came first on the last page.
    first: u32,
    /// Series under labels that the target no longer has: they end when the next scrape does not bring them.
    parting: Vec<SeriesId>,
    /// What we wrote about the target itself at the last scrape.
    reports: Vec<SeriesId>,
    /// Of the series that the store had no room for, by their places, who wanted them.
    refused: HashMap<u32, Refused>,
    pub(super) last: Option<(Timestamp, Duration, ScrapeReport)>,
}

impl Intake {
    pub(super) fn new(target: ScrapeTarget) -> Self {
        Self {
            target,
            scrapes: 0,
            known: Vec::new(),
            free: Vec::new(),
            texts: Texts::default(),
            present: 0,
            first: NOWHERE,
            parting: Vec::new(),
            reports: Vec::new(),
            refused: HashMap::new(),
            last: None,
        }
    }

    pub(super) fn target(&self) -> &ScrapeTarget {
        &self.target
    }

    /// Goes on with another description of the same target. Where its series get other labels, those under the old ones
    /// end with the next scrape.
    pub(super) fn set_target(&mut self, target: ScrapeTarget) {
        if self.target.labels != target.labels {
            self.parting.append(&mut self.reports);
        }
        if self.target.labels != target.labels || self.target.intake != target.intake {
            self.parting.extend(self.known.iter().filter(|known| known.is_live).filter_map(Known::id));
            self.known.clear();
            self.free.clear();
            self.texts = Texts::default();
            self.refused.clear();
            self.first = NOWHERE;
        }
        self.target = target;
    }

    /// Forgets where the samples of these series go, after the store has dropped them.
    pub(super) fn forget(&mut self, dropped: &HashSet<SeriesId>) {
        self.parting.retain(|id| !dropped.contains(id));
        self.reports.retain(|id| !dropped.contains(id));
        self.release(|known| known.id().is_some_and(|id| dropped.contains(&id)));
    }

    /// Has the next scrape ask again about the series that there was no room for, and, if someone new may want them, about
    /// those that nobody wanted.
    pub(super) fn ask_again(&mut self, has_new: bool) {
        self.refused.clear();
        for known in &mut self.known {
            if known.fate == Fate::Refused || (has_new && known.fate == Fate::Unwanted) {
                known.fate = Fate::Unasked;
            }
        }
    }

    /// Stores a scrape and what it says of the target itself.
    pub(super) fn take_in(&mut self, store: &mut Store, scrape: &Scrape) -> ScrapeReport {
        self.scrapes += 1;
        let mut report = ScrapeReport::default();
        let mut wanted_by = HashSet::new();
        let result = match &scrape.page {
            Ok(page) => {
                let result = self.store_page(store, page, scrape.at, &mut report, &mut wanted_by);
                result.map_err(|why| why.to_string())
            }
            Err(error) => Err(error.why.clone()),
        };
        let is_ok = result.is_ok();
        if !is_ok {
            // Whatever was found on the page before it turned out not to count was not seen.
            self.scrapes += 1;
        }
        self.end_missing(store, scrape.at, is_ok);
        store.record_scrape(&self.target.id, scrape.at, is_ok, self.next_by(scrape.at));
        report.dropped = report.duplicates + report.out_of_order + report.in_future;
        report.error = result.err();
        self.store_report(store, scrape, &mut report, &mut wanted_by);
        store.note_refused(&self.target.id, scrape.at, report.refused, &wanted_by);
        self.last = Some((scrape.at, scrape.took, report.clone()));
        report
    }

    /// When the scrape after one at `at` must have come: in an interval, plus the time that it may take, plus half an
    /// interval for a machine that is busy.
    fn next_by(&self, at: Timestamp) -> Timestamp {
        let interval = self.target.interval;
        at + interval + self.target.timeout.min(interval) + interval / 2
    }

    fn store_page(
        &mut self,
        store: &mut Store,
        page: &Page,
        at: Timestamp,
        report: &mut ScrapeReport,
        wanted_by: &mut HashSet<SelectorId>,
    ) -> Result<(), NotTaken> {
        let options = self.target.intake.clone();
        let scanner = match page.format {
            PageFormat::Text => Scanner::new(&page.text),
            PageFormat::OpenMetrics => Scanner::openmetrics(&page.text),
        };
        let mut scanner = scanner;
        let mut kind = MetricKind::Untyped;
        let mut pending = PendingPage::default();
        pending.samples.reserve_exact(self.known.len());
        // Series to be offered once the page has turned out to count, with their labels. Those share what they have in common:
        // a first page of a hundred thousand series would take ten times the memory of all that is kept of it.
        let mut offers: Vec<(u32, Option<Labels>, MetricKind)> = Vec::new();
        let mut pool = LabelPool::default();
        let mut added = 0;
        let mut previous = NOWHERE;
        loop {
            let guess = self.known.get(previous as usize).map_or(self.first, |before| before.next);
            let expected = self.known.get(guess as usize).filter(|known| known.plain == Some(page.format));
            let (line, known) = match expected.and_then(|known| scanner.next_of(self.texts.get(known.text))) {
                Some(line) => (line?, Some(guess)),
                None => match scanner.next().transpose()? {
                    Some(Entry::Sample(line)) => (line, self.find(line.series, page.format)),
                    Some(Entry::Type { kind: declared, .. }) => {
                        kind = declared;
                        continue;
                    }
                    None => break,
                },
            };
            report.samples += 1;
            let known = match known {
                Some(known) => {
                    if self.known[known as usize].fate == Fate::Unasked {
                        let labels = exposed::labels(line.series, kind, &self.target.labels, &options)?;
                        offers.push((known, labels.map(|labels| pool.share(&labels)), kind));
                    }
                    known
                }
                None => {
                    let is_creation = page.format == PageFormat::OpenMetrics && is_creation_time(line.series, kind);
                    let labels = if is_creation {
                        None
                    } else {
                        exposed::labels(line.series, kind, &self.target.labels, &options)?
                    };
                    added += usize::from(labels.is_some());
                    let fate = if labels.is_some() { Fate::Unasked } else { Fate::Dropped };
                    let known = self.remember(line.series, page.format, fate).ok_or(NotTaken::Text)?;
                    offers.push((known, labels.map(|labels| pool.share(&labels)), kind));
                    known
                }
            };
            match self.known.get_mut(previous as usize) {
                Some(before) => before.next = known,
                None => self.first = known,
            }
            previous = known;
            let is_dropped = self.known[known as usize].fate == Fate::Dropped;
            report.relabeled += usize::from(!is_dropped);
            pending.push(known, line.value, line.at.filter(|_| options.honor_timestamps));
        }
        if options.sample_limit > 0 && report.relabeled > options.sample_limit {
            return Err(NotTaken::Samples { limit: options.sample_limit });
        }
        // The page counts: from here on nothing fails.
        report.added = added;
        for (known, labels, kind) in offers {
            if let Some(labels) = labels {
                self.offer(store, known, &labels, kind);
            }
        }
        self.present = 0;
        let mut times = pending.times.into_iter();
        for Pending { value, known: place } in pending.samples {
            let own = times.next().flatten();
            let is_again = std::mem::replace(&mut self.known[place as usize].seen, self.scrapes) == self.scrapes;
            self.present += usize::from(!is_again);
            if !is_again && self.known[place as usize].fate == Fate::Refused {
                self.offer_again(store, place, report, wanted_by);
            }
            let known = &mut self.known[place as usize];
            if known.fate == Fate::Dropped {
                continue;
            }
            if is_again && own.is_none() {
                report.duplicates += 1;
                continue;
            }
            known.is_live = own.is_none() || options.track_timestamps_staleness;
            if own.is_some_and(|own| own > at + FUTURE_MAX) {
                report.in_future += 1;
                continue;
            }
            if let Fate::Stored(id) = known.fate {
                match store.append(id, Sample { at: own.unwrap_or(at), value }) {
                    Append::Stored => report.stored += 1,
                    // A target that repeats its own time and value says nothing new, and nothing wrong.
                    Append::Duplicate if own.is_some() && has_value(store, id, value) => {}
                    Append::Duplicate => report.duplicates += 1,
                    Append::OutOfOrder => report.out_of_order += 1,
                }
            }
        }
        Ok(())
    }

    /// Offers a series to the store.
    fn offer(&mut self, store: &mut Store, place: u32, labels: &Labels, kind: MetricKind) {
        let fate = match store.offer(labels, &Origin::Scraped(self.target.id.clone())) {
            Offered::Kept(id) => Fate::Stored(id),
            Offered::Unwanted => Fate::Unwanted,
            Offered::Refused(wanted_by) => {
                self.refused.insert(place, Refused { kind, wanted_by: wanted_by.into() });
                Fate::Refused
            }
        };
        self.known[place as usize].fate = fate;
    }

    /// Offers a series again that was refused, if there is room now; otherwise it counts as refused, and costs no more.
    fn offer_again(
        &mut self,
        store: &mut Store,
        place: u32,
        report: &mut ScrapeReport,
        wanted_by: &mut HashSet<SelectorId>,
    ) {
        if store.has_room()
            && let Some(Refused { kind, .. }) = self.refused.remove(&place)
        {
            let text = self.texts.get(self.known[place as usize].text).to_owned();
            // It was well-formed when it was refused.
            if let Ok(Some(labels)) = exposed::labels(&text, kind, &self.target.labels, &self.target.intake) {
                self.offer(store, place, &labels, kind);
            }
        }
        if let Some(refused) = self.refused.get(&place) {
            report.refused += 1;
            wanted_by.extend(refused.wanted_by.iter().copied());
        }
    }

    /// The place of a series that is known.
    fn find(&mut self, series: &str, format: PageFormat) -> Option<u32> {
        let place = self.texts.find(series, &self.known)?;
        // The same text may have come in the other format before.
        self.known[place as usize].plain = plain(series, format);
        Some(place)
    }

    /// Takes in a series that was not known; `None` when there is no room for its text.
    fn remember(&mut self, series: &str, format: PageFormat, fate: Fate) -> Option<u32> {
        let text = self.texts.add(series)?;
        let known = Known { text, plain: plain(series, format), fate, seen: 0, next: NOWHERE, is_live: false };
        let place = match self.free.pop() {
            Some(place) => {
                self.known[place as usize] = known;
                place
            }
            None => {
                self.known.push(known);
                // A page of four billion series does not fit into memory.
                u32::try_from(self.known.len() - 1).unwrap_or(NOWHERE)
            }
        };
        self.texts.place(place, &self.known);
        Some(place)
    }

    /// Marks the end of every series that this scrape did not have, and, when the page counted, forgets those that were not
    /// there before either.
    fn end_missing(&mut self, store: &mut Store, at: Timestamp, is_ok: bool) {
        let scrapes = self.scrapes;
        let mut has_gone = false;
        let is_complete = is_ok && self.present == self.known.len() - self.free.len();
        for known in self.known.iter_mut().filter(|_| !is_complete) {
            if known.seen == scrapes || known.text.is_empty() {
                continue;
            }
            if known.is_live {
                known.is_live = false;
                if let Fate::Stored(id) = known.fate {
                    store.append(id, Sample { at, value: stale_nan() });
                }
            } else {
                has_gone = true;
            }
        }
        for id in std::mem::take(&mut self.parting) {
            store.append(id, Sample { at, value: stale_nan() });
        }
        if has_gone && is_ok {
            // Those that have just ended are kept for one more page.
            let gone_before = scrapes.saturating_sub(1);
            self.release(|known| known.seen < gone_before && !known.is_live);
        } else if has_gone {
            // New on a page that did not count.
            self.release(|known| known.seen == 0);
        }
    }

    /// Forgets some series.
    fn release(&mut self, gone: impl Fn(&Known) -> bool) {
        for (place, known) in (0..).zip(&mut self.known) {
            if !known.text.is_empty() && gone(known) {
                self.texts.remove(place, known.text);
                (known.text, known.plain) = (Text::default(), None);
                known.is_live = false;
                known.fate = Fate::Unwanted;
                self.refused.remove(&place);
                self.free.push(place);
            }
        }
        if self.texts.is_wasteful() {
            self.texts.compact(&mut self.known);
        }
    }

    fn store_report(
        &mut self,
        store: &mut Store,
        scrape: &Scrape,
        report: &mut ScrapeReport,
        wanted_by: &mut HashSet<SelectorId>,
    ) {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let count = |count: usize| count as f64;
        let body = match &scrape.page {
            Ok(page) => count(page.text.len()),
            Err(error) if error.is_too_large => -1.0,
            Err(_) => 0.0,
        };
        let rows = [
            if report.error.is_none() { 1.0 } else { 0.0 },
            scrape.took.as_secs_f64(),
            count(report.samples),
            count(report.relabeled),
            count(report.added),
            self.target.timeout.as_secs_f64(),
            count(self.target.intake.sample_limit),
            body,
        ];
        let rows = REPORTS.into_iter().zip(rows);
        self.reports.clear();
        for (name, value) in rows.take(if self.target.intake.extra_metrics { REPORTS.len() } else { REPORTS_ALWAYS }) {
            let labels = report_labels(name, &self.target.labels);
            match store.offer(&labels, &Origin::Report(self.target.id.clone())) {
                Offered::Kept(id) => {
                    store.append(id, Sample { at: scrape.at, value });
                    self.reports.push(id);
                }
                Offered::Unwanted => {}
                Offered::Refused(by) => {
                    report.refused += 1;
                    wanted_by.extend(by);
                }
            }
        }
    }
}

/// The format in which a series can be compared with a page as it stands there.
fn plain(series: &str, format: PageFormat) -> Option<PageFormat> {
    (!series.contains('\n')).then_some(format)
}

impl HasText for Known {
    fn text(&self) -> Text {
        self.text
    }

    fn set_text(&mut self, text: Text) {
        self.text = text;
    }
}

impl Known {
    fn id(&self) -> Option<SeriesId> {
        match self.fate {
            Fate::Stored(id) => Some(id),
            Fate::Unwanted | Fate::Refused | Fate::Unasked | Fate::Dropped => None,
        }
    }
}

/// What we write about a target ourselves; behind the first few only if `extra_scrape_metrics` asks for it.
const REPORTS: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];
/// How many of them are always written.
const REPORTS_ALWAYS: usize = 5;

/// Whether the newest sample of a series has this value.
fn has_value(store: &Store, id: SeriesId, value: f64) -> bool {
    store.series(id).last().is_some_and(|last| last.value.to_bits() == value.to_bits())
}

/// Whether a line of OpenMetrics says when its series began to count, which is nothing measured.
fn is_creation_time(series: &str, kind: MetricKind) -> bool {
    let counts =
        matches!(kind, MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary | MetricKind::GaugeHistogram);
    // A name in quotes stands within the braces.
    let quoted = || parse_series_as(series, kind).ok().map(|labels| labels.metric_name().ends_with("_created"));
    let plain = series.split(['{', ' ']).next().unwrap_or_default();
    counts && if series.starts_with('{') { quoted() == Some(true) } else { plain.ends_with("_created") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::exposed::IntakeOptions;
    use super::super::scrape::PageError;
    use super::*;
    use crate::model::TargetId;
    use crate::model::{MatchOp, Matcher, RelabelAction, RelabelRule, RelabelSpec, is_stale};

    /// A target whose every series is wanted, scraped every ten seconds.
    struct Bench {
        store: Store,
        intake: Intake,
        all: SelectorId,
        now: Timestamp,
    }

    impl Bench {
        fn new(edit: impl FnOnce(&mut IntakeOptions)) -> Self {
            let mut store = Store::new();
            let any = Matcher::new("__name__", MatchOp::Regex, ".+").expect("it is a regex");
            let all = store.register(&[any], Duration::from_secs(3600));
            let intake = Intake::new(Self::target(edit));
            Self { store, intake, all, now: Timestamp::from_millis(1_764_000_000_000) }
        }

        fn target(edit: impl FnOnce(&mut IntakeOptions)) -> ScrapeTarget {
            let mut options = IntakeOptions::default();
            edit(&mut options);
            ScrapeTarget {
                id: TargetId::new("j/t"),
                url: "http://t/metrics".to_owned(),
                labels: Labels::from_pairs([("job", "j")]),
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(5),
                intake: Arc::new(options),
            }
        }

        fn take(&mut self, page: Result<Page, PageError>) -> ScrapeReport {
            self.now = self.now + Duration::from_secs(10);
            let scrape = Scrape { target: TargetId::new("j/t"), at: self.now, took: Duration::from_millis(20), page };
            self.intake.take_in(&mut self.store, &scrape)
        }

        fn page(&mut self, text: &str) -> ScrapeReport {
            self.take(Ok(text.to_owned().into()))
        }

        /// The newest sample of every series but our own, in order.
        fn newest(&self) -> Vec<String> {
            self.newest_of(|name| !REPORTS.contains(&name))
        }

        fn newest_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
            let series = self.store.selected(self.all).iter().map(|id| self.store.series(*id));
            let mut lines: Vec<String> = series
                .filter(|series| wanted(series.labels().metric_name()))
                .map(|series| {
                    let value = series.last().map_or(f64::NAN, |last| last.value);
                    let value = if is_stale(value) { "stale".to_owned() } else { value.to_string() };
                    format!("{} {value}", series.labels())
                })
                .collect();
            lines.sort();
            lines
        }

        fn report(&self, name: &str) -> String {
            let lines = self.newest_of(|other| other == name);
            lines.first().and_then(|line| line.rsplit(' ').next()).unwrap_or("none").to_owned()
        }
    }

    #[test]
    fn what_is_missing_ends_and_comes_back() {
        let mut bench = Bench::new(|_| ());
        let report = bench.page("a 1\nb{x=\"y\"} 2\n");
        assert_eq!((report.samples, report.relabeled, report.stored, report.added), (2, 2, 2, 2));
        assert_eq!(bench.newest(), [r#"a{job="j"} 1"#, r#"b{job="j", x="y"} 2"#]);
        assert_eq!(bench.page("a 3\n").added, 0);
        assert_eq!(bench.newest(), [r#"a{job="j"} 3"#, r#"b{job="j", x="y"} stale"#]);
        // Still remembered once, then forgotten.
        assert_eq!(bench.page("b{x=\"y\"} 4\na 3\n").added, 0);
        bench.page("a 3\n");
        bench.page("a 3\n");
        assert_eq!(bench.intake.texts.len(), 1);
        assert_eq!(bench.page("c 1\na 5\nb{x=\"y\"} 5\n").added, 2);
        assert_eq!(bench.newest(), [r#"a{job="j"} 5"#, r#"b{job="j", x="y"} 5"#, r#"c{job="j"} 1"#]);
        assert_eq!((bench.intake.known.len(), bench.intake.free.len()), (3, 0));
    }

    #[test]
    fn a_failed_scrape_ends_everything_and_forgets_nothing() {
        let mut bench = Bench::new(|_| ());
        bench.page("a 1\nb 2\n");
        let report = bench.take(Err("no answer".to_owned().into()));
        assert_eq!(report.error.as_deref(), Some("no answer"));
        assert_eq!(bench.newest(), [r#"a{job="j"} stale"#, r#"b{job="j"} stale"#]);
        assert_eq!((bench.report("up"), bench.report("scrape_samples_scraped")), ("0".to_owned(), "0".to_owned()));
        let report = bench.page("a 1\nnew 1\nb 2 what\n");
        assert_eq!((report.samples, report.stored), (2, 0), "{report:?}");
        assert!(report.error.is_some_and(|why| why.starts_with("line 3, ")));
        assert_eq!(bench.newest(), [r#"a{job="j"} stale"#, r#"b{job="j"} stale"#]);
        assert_eq!(bench.intake.texts.len(), 2, "what was new on a page that does not count is not kept");
        assert_eq!(bench.page("a 2\nb 2\n").added, 0);
        assert_eq!(bench.newest(), [r#"a{job="j"} 2"#, r#"b{job="j"} 2"#]);
        assert_eq!(bench.report("up"), "1");
    }

    #[test]
    fn what_comes_twice_is_counted() {
        let mut bench = Bench::new(|_| ());
        let report = bench.page("a 1\na 2\na{job=\"x\"} 1\na{exported_job=\"x\"} 9\n");
        assert_eq!((report.duplicates, report.dropped, report.stored, report.relabeled), (2, 2, 2, 4), "{report:?}");
        assert_eq!(bench.newest(), [r#"a{exported_job="x", job="j"} 1"#, r#"a{job="j"} 1"#]);
        // Other labels of the same series may stay away without ending it.
        bench.page("a 1\na{exported_job=\"x\"} 9\n");
        assert_eq!(bench.newest(), [r#"a{exported_job="x", job="j"} 9"#, r#"a{job="j"} 1"#]);
    }

    #[test]
    fn times_of_their_own() {
        let mut bench = Bench::new(|_| ());
        let now = bench.now.millis();
        let report = bench.page(&format!("a 1 {now}\nb 1 {}\nc 1 {}\n", now + 610_000, now + 611_000));
        assert_eq!((report.stored, report.in_future, report.error), (2, 1, None));
        // The same again is nothing wrong; another value of the same moment and an older moment are.
        let report = bench.page(&format!("a 1 {now}\n"));
        assert_eq!((report.stored, report.dropped), (0, 0));
        let report = bench.page(&format!("a 2 {now}\na 1 {}\n", now - 1));
        assert_eq!((report.stored, report.duplicates, report.out_of_order), (0, 1, 1));
        bench.page("x 1\n");
        assert_eq!(bench.newest()[0], r#"a{job="j"} 1"#, "it does not end by being away");
        let mut bench = Bench::new(|options| options.track_timestamps_staleness = true);
        bench.page(&format!("a 1 {now}\n"));
        bench.page("x 1\n");
        assert_eq!(bench.newest()[0], r#"a{job="j"} stale"#);
        let mut bench = Bench::new(|options| options.honor_timestamps = false);
        let report = bench.page("a 1 5\na 2 6\n");
        assert_eq!((report.stored, report.duplicates), (1, 1));
    }

    #[test]
    fn a_limit_fails_the_page_whole_and_still_counts_it() {
        let drop_b = RelabelSpec {
            source_labels: vec!["__name__".to_owned()],
            regex: "b".to_owned(),
            action: RelabelAction::Drop,
            ..RelabelSpec::default()
        };
        let mut bench = Bench::new(|options| {
            options.sample_limit = 2;
            options.extra_metrics = true;
            options.metric_relabel = vec![RelabelRule::new(drop_b).unwrap()];
        });
        let report = bench.page("a 1\nb 1\nc 1\n");
        assert_eq!((report.samples, report.relabeled, report.stored, report.error), (3, 2, 2, None));
        let report = bench.page("a 2\nb 2\nc 2\nd 2\n");
        let why = "the page has more than 2 samples after relabeling, the `sample_limit`";
        assert_eq!(report.error.as_deref(), Some(why));
        assert_eq!((report.samples, report.relabeled, report.stored), (4, 3, 0));
        assert_eq!(bench.newest(), [r#"a{job="j"} stale"#, r#"c{job="j"} stale"#]);
        let reports = REPORTS.map(|name| bench.report(name));
        assert_eq!(reports, ["0", "0.02", "4", "3", "0", "5", "2", "16"]);
        bench.take(Err(PageError { why: "too large".to_owned(), is_too_large: true }));
        assert_eq!(bench.report("scrape_body_size_bytes"), "-1");
        let report = bench.page("a 2\nb 2\n");
        assert_eq!((report.error, report.stored), (None, 1));
    }

    #[test]
    fn other_options_for_the_same_target() {
        let mut bench = Bench::new(|_| ());
        bench.page("a{job=\"x\"} 1\nb 1\n");
        bench.intake.set_target(Bench::target(|options| options.honor_labels = true));
        bench.page("a{job=\"x\"} 2\nb 2\n");
        assert_eq!(bench.newest(), [r#"a{exported_job="x", job="j"} stale"#, r#"a{job="x"} 2"#, r#"b{job="j"} 2"#]);
        let labels = Labels::from_pairs([("job", "k")]);
        bench.intake.set_target(ScrapeTarget { labels, ..Bench::target(|options| options.honor_labels = true) });
        bench.page("b 3\n");
        assert_eq!(bench.newest()[2..], [r#"b{job="j"} stale"#, r#"b{job="k"} 3"#]);
        assert_eq!(bench.newest_of(|name| name == "up"), [r#"up{job="j"} stale"#, r#"up{job="k"} 1"#]);
    }

    #[test]
    fn a_new_selector_finds_what_was_not_wanted() {
        let mut bench = Bench::new(|_| ());
        bench.store = Store::new();
        let named = |name: &str| [Matcher::new("__name__", MatchOp::Equal, name).unwrap()];
        bench.all = bench.store.register(&named("a"), Duration::ZERO);
        assert_eq!(bench.page("a 1\nb 1\n").stored, 1);
        bench.all = bench.store.register(&named("b"), Duration::ZERO);
        bench.intake.ask_again(true);
        let report = bench.page("a 1\nb 1\n");
        assert_eq!((report.stored, report.error), (2, None));
        assert_eq!(bench.newest(), [r#"b{job="j"} 1"#]);
    }

    #[test]
    fn a_creation_time_may_have_a_name_in_quotes() {
        let check = |series: &str, want: bool| {
            assert_eq!(is_creation_time(series, MetricKind::Counter), want, "{series}");
        };
        check("a_created", true);
        check("a_created{b=\"c\"}", true);
        check("{\"a.b_created\"}", true);
        check("{\"a.b_created\",c=\"d_total\"}", true);
        check("{ \"a.b_created\" , c=\"d\"}", true);
        check("{\"a \\\" {b_created\"}", true);
        check("{c=\"d\",\"a.b_created\"}", true);
        check("{\"a.b_total\",c=\"d_created\"}", false);
        check("a_total{c=\"d_created\"}", false);
    }

    #[test]
    fn of_openmetrics_the_creation_times_are_left_out() {
        let mut bench = Bench::new(|_| ());
        let text = "# TYPE a counter\na_total 1 # {id=\"1\"} 1\na_created 1.5e9\n# TYPE b gauge\nb_created 3\n# EOF\n";
        let report = bench.take(Ok(Page { text: text.to_owned(), format: PageFormat::OpenMetrics }));
        assert_eq!((report.error, report.stored), (None, 2));
        assert_eq!(bench.newest(), [r#"a_total{job="j"} 1"#, r#"b_created{job="j"} 3"#]);
        let cut = text.trim_end_matches("# EOF\n");
        let report = bench.take(Ok(Page { text: cut.to_owned(), format: PageFormat::OpenMetrics }));
        assert!(report.error.is_some());
    }
}
