//! What is asked of a target, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Labels, TargetId, Timestamp};

use super::exposed::IntakeOptions;

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
    /// How its pages are taken in.
    pub intake: Arc<IntakeOptions>,
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
    pub page: Result<Page, PageError>,
}

/// A page as a target exposes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What it says.
    pub text: String,
    /// What it is written in.
    pub format: PageFormat,
}

/// What a page is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PageFormat {
    /// The text format.
    #[default]
    Text,
    /// OpenMetrics.
    OpenMetrics,
}

/// A page in the text format.
impl From<String> for Page {
    fn from(text: String) -> Self {
        Self { text, format: PageFormat::Text }
    }
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageError {
    /// In one line.
    pub why: String,
    /// Whether there is one and it is larger than it may be.
    pub is_too_large: bool,
}

impl From<String> for PageError {
    fn from(why: String) -> Self {
        Self { why, is_too_large: false }
    }
}

/// What a scrape brought.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ScrapeReport {
    /// Sample lines on the page; of one that does not count, those that were read.
    pub samples: usize,
    /// Those of them that relabeling leaves.
    pub relabeled: usize,
    /// Samples stored.
    pub stored: usize,
    /// Series that the last pages did not have, selected by a rule or not.
    pub added: usize,
    /// Samples dropped, for one of the three reasons below.
    pub dropped: usize,
    /// Samples whose series came twice, or whose moment has another value already.
    pub duplicates: usize,
    /// Samples that are older than what is there.
    pub out_of_order: usize,
    /// Samples that lie more than ten minutes in the future.
    pub in_future: usize,
    /// New series that a rule selects and that were refused, because the store is full.
    pub refused: usize,
    /// Why it failed, if it did.
    pub error: Option<String>,
}
