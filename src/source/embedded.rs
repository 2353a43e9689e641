//! The store that scrapes fill, as a source.

use crate::evaluator::Answered;
use crate::model::Timestamp;
use crate::promql::{self, Value};
use crate::store::Store;

use super::{Sampled, SampledSeries, Source};

/// A store that answers queries.
#[derive(Clone, Copy, Debug)]
pub struct Embedded<'a> {
    /// The store.
    pub store: &'a Store,
}

impl Source for Embedded<'_> {
    async fn ask(&self, query: &str, at: Timestamp) -> Result<Answered, String> {
        let expr = promql::parse(query).map_err(|error| error.to_string())?;
        let value = promql::evaluate(&expr, self.store, at).map_err(|error| error.to_string())?;
        Ok(Answered { value, warnings: Vec::new() })
    }

    async fn range(&self, selector: &str, from: Timestamp, to: Timestamp) -> Result<Sampled, String> {
        // A window leaves its beginning out.
        let length_ms = to.since(from).as_millis() + 1;
        let expr = promql::parse(&format!("{selector}[{length_ms}ms]")).map_err(|error| error.to_string())?;
        let value = promql::evaluate(&expr, self.store, to).map_err(|error| error.to_string())?;
        let Value::Matrix(elements) = value else {
            return Err(format!("expected a selector, found `{selector}`"));
        };
        let sampled = elements.into_iter().map(|it| SampledSeries { labels: it.labels, samples: it.samples });
        Ok(Sampled { series: sampled.collect(), warnings: Vec::new() })
    }
}
