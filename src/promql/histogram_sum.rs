//! Sums and means of native histograms, and what is worth telling of them.

use super::Span;
use super::annotation::{Annotation, Annotations, HistogramOperation};
use crate::model::{Combined, CounterReset, Histogram, HistogramSum, IncompatibleSchemas};

/// A sum or a mean of histograms under way. A mean divides the sum, and goes over to a running mean when the sum would
/// overflow.
#[derive(Clone, Debug)]
pub(super) struct HistogramFold {
    is_mean: bool,
    count: f64,
    /// The sum, or the running mean once `is_running`.
    sum: Option<HistogramSum>,
    is_running: bool,
    has_reset: bool,
    has_not_reset: bool,
    bounds_reconciled: bool,
    /// The metric of the histogram that did not fit: some have exponential buckets, others custom ones.
    misfit: Option<String>,
}

impl HistogramFold {
    /// A sum of nothing yet.
    pub(super) fn sum() -> Self {
        Self {
            is_mean: false,
            count: 0.0,
            sum: None,
            is_running: false,
            has_reset: false,
            has_not_reset: false,
            bounds_reconciled: false,
            misfit: None,
        }
    }

    /// A mean of nothing yet.
    pub(super) fn mean() -> Self {
        Self { is_mean: true, ..Self::sum() }
    }

    /// Adds a histogram of a metric, unless one before did not fit.
    pub(super) fn add(&mut self, histogram: &Histogram, metric: &str) {
        if self.is_incompatible() {
            return;
        }
        self.has_reset |= histogram.reset == CounterReset::Reset;
        self.has_not_reset |= histogram.reset == CounterReset::NotReset;
        self.count += 1.0;
        match self.include(histogram) {
            Ok(combined) => self.bounds_reconciled |= combined.bounds_reconciled,
            Err(IncompatibleSchemas) => self.misfit = Some(metric.to_owned()),
        }
    }

    fn include(&mut self, histogram: &Histogram) -> Result<Combined, IncompatibleSchemas> {
        let Some(sum) = &mut self.sum else {
            self.sum = Some(HistogramSum::of(histogram));
            return Ok(Combined::default());
        };
        if !self.is_mean {
            return sum.add(histogram);
        }
        let mut before = Combined::default();
        if !self.is_running {
            let mut longer = sum.clone();
            before = longer.add(histogram)?;
            if !longer.overflows() {
                *sum = longer;
                return Ok(before);
            }
            self.is_running = true;
            sum.divide(self.count - 1.0);
        }
        sum.scale((self.count - 1.0) / self.count);
        let mut part = histogram.clone();
        part.divide(self.count);
        let combined = sum.add(&part)?;
        Ok(Combined { bounds_reconciled: combined.bounds_reconciled || before.bounds_reconciled, ..combined })
    }

    /// Whether a histogram did not fit to those before.
    pub(super) fn is_incompatible(&self) -> bool {
        self.misfit.is_some()
    }

    /// Tells how the histograms fitted together, even if there is no result.
    pub(super) fn tell_combined(&self, span: Span, notes: &mut Annotations) {
        if let Some(metric) = &self.misfit {
            notes.add(Annotation::mixed_schemas(metric, span));
        }
        if self.bounds_reconciled {
            notes.add(Annotation::bounds_reconciled(HistogramOperation::Aggregation, span));
        }
    }

    /// The sum or the mean, and what is worth telling of it.
    pub(super) fn finish(self, span: Span, notes: &mut Annotations) -> Option<Histogram> {
        if let Some(metric) = &self.misfit {
            notes.add(Annotation::mixed_schemas(metric, span));
            return None;
        }
        if self.has_reset && self.has_not_reset {
            notes.add(Annotation::resets_collide(HistogramOperation::Aggregation, span));
        }
        if self.bounds_reconciled {
            notes.add(Annotation::bounds_reconciled(HistogramOperation::Aggregation, span));
        }
        let mut sum = self.sum?;
        if self.is_mean && !self.is_running {
            sum.divide(self.count);
        }
        Some(sum.total())
    }
}
