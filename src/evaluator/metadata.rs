//! What targets say of their metrics: kind, help and unit, for whoever asks; no rule reads it.
//!
//! A page is read for it when it is the first of its target, and when it has brought new series, but no more than once a
//! minute. Targets that say the same share what they say.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{TargetId, Timestamp};

use super::Evaluator;
use super::scrape::{Page, PageFormat, Scrape, ScrapeReport};

/// How often the pages of a target are read for it at most.
const READ_EVERY: Duration = Duration::from_secs(60);
/// How many metrics of a page are described.
const METRICS_MAX: usize = 20_000;
/// How long a text may be; of a longer one the beginning is kept.
const TEXT_BYTES_MAX: usize = 1024;

/// What is said of a metric.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MetricMetadata {
    /// What it is, as Prometheus names it: `counter`, `unknown`.
    pub kind: String,
    /// What it means.
    pub help: String,
    /// What it is measured in.
    pub unit: String,
}

impl Default for MetricMetadata {
    fn default() -> Self {
        Self { kind: "unknown".to_owned(), help: String::new(), unit: String::new() }
    }
}

/// What the metrics of a page are.
type Described = BTreeMap<String, MetricMetadata>;

/// What each target says.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    targets: HashMap<TargetId, Told>,
}

/// What a target says.
#[derive(Debug)]
struct Told {
    read_at: Timestamp,
    fingerprint: u64,
    metrics: Arc<Described>,
}

impl Metadata {
    /// Takes note of a page, if it is due.
    pub(super) fn note(&mut self, scrape: &Scrape, report: &ScrapeReport) {
        let (Ok(page), None) = (&scrape.page, &report.error) else { return };
        let is_due = match self.targets.get(&scrape.target) {
            None => true,
            Some(told) => report.added > 0 && scrape.at.since(told.read_at) >= READ_EVERY,
        };
        if is_due {
            let metrics = described(page);
            let mut hasher = DefaultHasher::new();
            metrics.hash(&mut hasher);
            let fingerprint = hasher.finish();
            let same = self.targets.values().find(|told| told.fingerprint == fingerprint && *told.metrics == metrics);
            let metrics = same.map_or_else(|| Arc::new(metrics), |told| told.metrics.clone());
            self.targets.insert(scrape.target.clone(), Told { read_at: scrape.at, fingerprint, metrics });
        }
    }

    /// Forgets the targets that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(&TargetId) -> bool) {
        self.targets.retain(|target, _| is_there(target));
    }
}

impl Evaluator {
    /// What the targets say of their metrics: of each, everything different that is said.
    pub fn metadata(&self) -> BTreeMap<String, BTreeSet<MetricMetadata>> {
        let mut all: BTreeMap<String, BTreeSet<MetricMetadata>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for told in self.metadata.targets.values().filter(|told| seen.insert(Arc::as_ptr(&told.metrics))) {
            for (metric, said) in &*told.metrics {
                all.entry(metric.clone()).or_default().insert(said.clone());
            }
        }
        all
    }
}

/// What a page, which is well-formed, says of its metrics.
fn described(page: &Page) -> Described {
    let mut all = Described::new();
    for line in page.text.lines().filter(|line| line.starts_with('#')) {
        let Some((keyword, name, text)) = comment(line) else { continue };
        if !all.contains_key(&name) && all.len() == METRICS_MAX {
            continue;
        }
        let said = all.entry(name).or_default();
        match keyword {
            "HELP" => said.help = beginning(&unescaped(text, page.format)),
            "TYPE" if text != "untyped" => said.kind = beginning(text),
            "UNIT" if page.format == PageFormat::OpenMetrics => said.unit = beginning(text),
            _ => {}
        }
    }
    all
}

/// The keyword, the metric's name and the text of a line that says something of a metric.
fn comment(line: &str) -> Option<(&str, String, &str)> {
    let blank = [' ', '\t'];
    let (keyword, rest) = line.strip_prefix('#')?.trim_start_matches(blank).split_once(blank)?;
    if !matches!(keyword, "HELP" | "TYPE" | "UNIT") {
        return None;
    }
    let rest = rest.trim_start_matches(blank);
    let Some(quoted) = rest.strip_prefix('"') else {
        let (name, text) = rest.split_once(blank).unwrap_or((rest, ""));
        return Some((keyword, name.to_owned(), text.trim_matches(blank)));
    };
    let end = quoted.char_indices().scan(false, |is_escaped, (at, c)| {
        let ends = c == '"' && !*is_escaped;
        *is_escaped = c == '\\' && !*is_escaped;
        Some((at, ends))
    });
    let (end, _) = end.into_iter().find(|(_, ends)| *ends)?;
    let name = unescaped(&quoted[..end], PageFormat::OpenMetrics);
    Some((keyword, name, quoted[end + 1..].trim_matches(blank)))
}

/// A text without its escapes: a backslash and a line feed, in OpenMetrics also a quote.
fn unescaped(text: &str, format: PageFormat) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let next = rest.clone().next();
        let escaped = match (c, next) {
            ('\\', Some('\\')) => Some('\\'),
            ('\\', Some('n')) => Some('\n'),
            ('\\', Some('"')) if format == PageFormat::OpenMetrics => Some('"'),
            _ => None,
        };
        if escaped.is_some() {
            rest.next();
        }
        plain.push(escaped.unwrap_or(c));
    }
    plain
}

/// A text, or the beginning of a long one.
fn beginning(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, format: PageFormat) -> Vec<String> {
        let told = described(&Page { text: text.to_owned(), format });
        told.iter().map(|(name, it)| format!("{name}|{}|{}|{}", it.kind, it.help, it.unit)).collect()
    }

    #[test]
    fn comments_that_say_something_are_read() {
        let check = |text: &str, want: &[&str]| assert_eq!(told(text, PageFormat::Text), want, "{text}");
        check("# HELP a What a\\\\is\\nfor \n# TYPE a counter\na 1\n", &["a|counter|What a\\is\nfor|"]);
        check("#  TYPE\ta\tuntyped\n# HELP b\n", &["a|unknown||", "b|unknown||"]);
        check("# TYPE \"a.\\\"b\" gauge\n# a comment\n#TYPE x gauge\n", &["a.\"b|gauge||", "x|gauge||"]);
        check("# UNIT a seconds\n", &["a|unknown||"]);
        let open = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds \\\"so\\\"\na_seconds_total 1\n# EOF\n";
        assert_eq!(told(open, PageFormat::OpenMetrics), ["a_seconds|counter|\"so\"|seconds"]);
        assert_eq!(beginning(&"é".repeat(TEXT_BYTES_MAX)).len(), TEXT_BYTES_MAX);
        assert_eq!(beginning(&format!("a{}", "é".repeat(TEXT_BYTES_MAX))).len(), TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn pages_are_read_when_they_bring_something_new() {
        let mut metadata = Metadata::default();
        let mut note = |target: &str, second: i64, added: usize, text: &str| {
            let at = Timestamp::from_millis(second * 1000);
            let page = Ok(Page::from(text.to_owned()));
            let scrape = Scrape { target: TargetId::new(target), at, took: Duration::ZERO, page };
            metadata.note(&scrape, &ScrapeReport { added, ..ScrapeReport::default() });
            let told = &metadata.targets[&TargetId::new(target)];
            (told.metrics.keys().cloned().collect::<Vec<_>>().join(" "), Arc::strong_count(&told.metrics))
        };
        let known = |names: &str, times: usize| (names.to_owned(), times);
        assert_eq!(note("x", 0, 1, "# TYPE a gauge\n"), known("a", 1));
        assert_eq!(note("x", 30, 1, "# TYPE b gauge\n"), known("a", 1));
        assert_eq!(note("x", 60, 0, "# TYPE b gauge\n"), known("a", 1));
        assert_eq!(note("x", 90, 1, "# TYPE b gauge\n"), known("b", 1));
        assert_eq!(note("y", 90, 1, "# TYPE b gauge\n"), known("b", 2));
        metadata.keep(|target| *target == TargetId::new("y"));
        assert_eq!(metadata.targets.len(), 1);
    }
}
