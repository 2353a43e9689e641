//! The Prometheus text format 0.0.4 and OpenMetrics 1.0: a page that a target exposes, read into samples and types.
//!
//! Follows Prometheus's own reader in what is accepted, and goes beyond it in what an error says. The [`Scanner`] borrows
//! from the page and allocates nothing for a good line, because most lines of most scrapes belong to series that a
//! scraper knows already: it finds them by their raw text, and calls [`parse_series`] for the new ones only.

mod bound;
mod number;
mod openmetrics;
mod scanner;
mod series;

use std::borrow::Cow;

use crate::model::Timestamp;

pub use bound::parse_series_as;
pub use scanner::{Scanner, text};
pub use series::{LABELS_MAX, parse_series};

/// One sample line, borrowed from the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    /// Name and labels as the page has them, without the space around: the same text is the same series.
    pub series: &'a str,
    /// What was measured. A NaN is never the stale marker, whatever the page says.
    pub value: f64,
    /// When, if the page says so.
    pub at: Option<Timestamp>,
    /// The line of the page on which the sample starts, from 1.
    pub number: u32,
}

/// What a page consists of. Help texts, units, exemplars and comments are checked and skipped.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A measured value.
    Sample(Line<'a>),
    /// A `# TYPE` line.
    Type {
        /// The metric family's name.
        name: Cow<'a, str>,
        /// What kind of metric it is.
        kind: MetricKind,
    },
}

/// The kinds of metrics that the two formats know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only goes up, except when its process restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
    /// Quantiles, a sum and a count.
    Summary,
    /// Buckets of what goes up and down; OpenMetrics only.
    GaugeHistogram,
    /// Always 1, its labels say something; OpenMetrics only.
    Info,
    /// 1 for each state that holds, else 0; OpenMetrics only.
    StateSet,
    /// The target does not say: `untyped`, or `unknown` in OpenMetrics.
    Untyped,
}

impl MetricKind {
    /// The kind that a `# TYPE` line calls by this name.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "summary" => Self::Summary,
            "untyped" => Self::Untyped,
            _ => return None,
        })
    }

    /// The kind that a `# TYPE` line of OpenMetrics calls by this name.
    fn named_in_openmetrics(name: &str) -> Option<Self> {
        Some(match name {
            "gaugehistogram" => Self::GaugeHistogram,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            "unknown" => Self::Untyped,
            "untyped" => return None,
            other => return Self::named(other),
        })
    }
}

/// Why a page, or a line of it, is not in the text format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct Malformed {
    /// Line of the page, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
    /// What is wrong there.
    pub what: String,
}

/// What is wrong at a byte offset of the page; becomes [`Malformed`] where lines are counted.
#[derive(Debug)]
struct Trouble {
    at: usize,
    what: String,
}

impl Trouble {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }

    /// The same trouble in terms of lines and columns; `start` is the offset at which line `number` starts.
    fn locate(self, page: &str, start: usize, number: u32) -> Malformed {
        let before = page.get(start..self.at).unwrap_or("");
        let breaks = memchr::memchr_iter(b'\n', before.as_bytes()).count();
        let last_line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Malformed {
            line: number.saturating_add(count(breaks)),
            column: count(last_line.chars().count()).saturating_add(1),
            what: self.what,
        }
    }
}
