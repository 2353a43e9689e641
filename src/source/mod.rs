//! Numbers in: targets that are scraped, and APIs that answer queries.
//!
//! [`Source`] is what every answerer of queries is: the store that scrapes fill, and the APIs of others.

mod embedded;
mod remote;
mod scrape;

use std::future::Future;

use crate::evaluator::Answered;
use crate::model::{Labels, Sample, Timestamp};

pub use embedded::Embedded;
pub use remote::{RemoteAnswer, RemoteSource, RemoteSources, RemoteSpec};
pub use scrape::{Scraper, phase};

/// The samples of a series.
#[derive(Clone, PartialEq, Debug)]
pub struct SampledSeries {
    /// Its labels.
    pub labels: Labels,
    /// What was measured, the oldest first.
    pub samples: Vec<Sample>,
}

/// Raw samples, and what the source says about them.
#[derive(Clone, PartialEq, Debug)]
pub struct Sampled {
    /// The series, no two with the same labels.
    pub series: Vec<SampledSeries>,
    /// What the source says about them.
    pub warnings: Vec<String>,
}

/// What answers queries. The reason why one is not answered names the source.
pub trait Source {
    /// What an expression evaluates to at a moment.
    fn ask(&self, query: &str, at: Timestamp) -> impl Future<Output = Result<Answered, String>> + Send;

    /// The samples of a selector, without a range of its own, from a moment to another, both included.
    fn range(
        &self,
        selector: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Future<Output = Result<Sampled, String>> + Send;
}
