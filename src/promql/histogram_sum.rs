//! Sums and means of native histograms, and what is worth telling of them.

use super::Span;
use super::annotation::{Annotation, Annotations, HistogramOperation};
use crate::model::{Combined, CounterReset, Histogram, HistogramSum, IncompatibleSchemas};

/// What was noticed among histograms that are put together.
#[derive(Clone, Copy, Debug, Default)]
struct Noticed {
    has_reset: bool,
    has_not_reset: bool,
    bounds_reconciled: bool,
    /// Some have exponential buckets, others custom ones.
    is_incompatible: bool,
}

impl Noticed {
    fn see(&mut self, histogram: &Histogram) {
        self.has_reset |= histogram.reset == CounterReset::Reset;
        self.has_not_reset |= histogram.reset == CounterReset::NotReset;
    }

    fn combined(&mut self, combined: Result<Combined, IncompatibleSchemas>) {
        match combined {
            Ok(combined) => self.bounds_reconciled |= combined.bounds_reconciled,
            Err(IncompatibleSchemas) => self.is_incompatible = true,
        }
    }

    /// Tells what was noticed; whether there is a result.
    fn tell(self, metric: &str, span: Span, notes: &mut Annotations) -> bool {
        if self.is_incompatible {
            notes.add(Annotation::mixed_schemas(metric, span));
            return false;
        }
        if self.has_reset && self.has_not_reset {
            notes.add(Annotation::resets_collide(HistogramOperation::Aggregation, span));
        }
        if self.bounds_reconciled {
            notes.add(Annotation::bounds_reconciled(HistogramOperation::Aggregation, span));
        }
        true
    }
}

/// A sum of histograms under way.
#[derive(Clone, Debug, Default)]
pub(super) struct HistogramTotal {
    sum: Option<HistogramSum>,
    noticed: Noticed,
    /// The metric of the first histogram that did not fit.
    pub(super) misfit: Option<String>,
}

impl HistogramTotal {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        if self.noticed.is_incompatible {
            return;
        }
        self.noticed.see(histogram);
        match &mut self.sum {
            None => self.sum = Some(HistogramSum::of(histogram)),
            Some(sum) => self.noticed.combined(sum.add(histogram)),
        }
    }

    /// Whether a histogram did not fit to those before.
    pub(super) fn is_incompatible(&self) -> bool {
        self.noticed.is_incompatible
    }

    pub(super) fn finish(self, metric: &str, span: Span, notes: &mut Annotations) -> Option<Histogram> {
        let metric = self.misfit.as_deref().unwrap_or(metric);
        if self.noticed.tell(metric, span, notes) { self.sum.map(HistogramSum::total) } else { None }
    }
}

/// A mean of histograms under way. It divides the sum, and goes over to a running mean when the sum would overflow.
#[derive(Clone, Debug, Default)]
pub(super) struct HistogramMean {
    count: f64,
    /// The sum, or the running mean once `is_running`.
    sum: Option<HistogramSum>,
    is_running: bool,
    noticed: Noticed,
    /// The metric of the first histogram that did not fit.
    pub(super) misfit: Option<String>,
}

impl HistogramMean {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        if self.noticed.is_incompatible {
            return;
        }
        self.noticed.see(histogram);
        self.count += 1.0;
        let Some(sum) = &mut self.sum else {
            self.sum = Some(HistogramSum::of(histogram));
            return;
        };
        if !self.is_running {
            let mut longer = sum.clone();
            let combined = longer.add(histogram);
            self.noticed.combined(combined);
            if self.noticed.is_incompatible {
                return;
            }
            if !longer.overflows() {
                *sum = longer;
                return;
            }
            self.is_running = true;
            sum.divide(self.count - 1.0);
        }
        sum.scale((self.count - 1.0) / self.count);
        let mut part = histogram.clone();
        part.divide(self.count);
        let combined = sum.add(&part);
        self.noticed.combined(combined);
    }

    /// Whether a histogram did not fit to those before.
    pub(super) fn is_incompatible(&self) -> bool {
        self.noticed.is_incompatible
    }

    pub(super) fn finish(self, metric: &str, span: Span, notes: &mut Annotations) -> Option<Histogram> {
        let metric = self.misfit.as_deref().unwrap_or(metric);
        if !self.noticed.tell(metric, span, notes) {
            return None;
        }
        let mut sum = self.sum?;
        if !self.is_running {
            sum.divide(self.count);
        }
        Some(sum.total())
    }
}
