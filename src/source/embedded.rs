//! The store that scrapes fill, as a source.

use crate::evaluator::Answered;
use crate::model::Timestamp;
use crate::promql::{self, ExprKind};
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
        let expr = promql::parse(selector).map_err(|error| error.to_string())?;
        let ExprKind::Selector(selector) = &expr.kind else {
            return Err(format!("expected a selector, found `{selector}`"));
        };
        let Some(offset_ms) = selector.shift.fixed_ms() else {
            return Err(format!("expected a selector without `@`, found `{expr}`"));
        };
        let ids = self.store.matching(&selector.matchers);
        let (from, to) = (from.shifted(-offset_ms), to.shifted(-offset_ms));
        let sampled = ids.iter().map(|id| {
            let series = self.store.series(*id);
            // A window leaves its beginning out.
            let samples = series.window(from.shifted(-1), to).collect();
            SampledSeries { labels: series.labels().clone(), samples }
        });
        Ok(Sampled { series: sampled.filter(|series| !series.samples.is_empty()).collect(), warnings: Vec::new() })
    }
}
