//! What instant selectors select: the newest sample of each series, or one interpolated between two.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::Span;
use super::annotation::Annotation;
use super::ast::{Reading, Selector};
use super::extended::{interpolated, interpolated_histogram};
use super::interpret::{EvalError, Interpreter};
use super::value::{Item, SampleValue};
use super::window::strip_buckets;
use crate::model::{CounterReset, HistogramSample, Labels, Matcher, Sample, Timestamp, is_stale};
use crate::store::{Rich, Series, SeriesId};

/// The series that a selector selects.
pub(super) enum Selected<'a> {
    /// The store was told of the selector and has them ready.
    Standing(&'a [SeriesId]),
    /// They were looked for.
    Found(Arc<[SeriesId]>),
}

impl Deref for Selected<'_> {
    type Target = [SeriesId];

    fn deref(&self) -> &[SeriesId] {
        match self {
            Self::Standing(ids) => ids,
            Self::Found(ids) => ids,
        }
    }
}

/// The newest sample of a series at a moment.
pub(super) struct Newest {
    pub(super) labels: Labels,
    pub(super) at: Timestamp,
    pub(super) value: SampleValue,
    /// Since when what it counts is counted, if that is known.
    pub(super) start: Option<Timestamp>,
}

/// Whether what is around a selector looks at buckets of histograms. Where only counts and sums are asked for, Prometheus
/// reads histograms without their buckets, which shows in what it warns of.
#[derive(Clone, Copy, Default)]
pub(super) struct Bare {
    /// Whether something around asks for count or sum.
    asks_for_stats: bool,
    /// Whether something around asks for buckets.
    asks_for_buckets: bool,
}

impl Bare {
    pub(super) fn enter_call(&mut self, function: &str) {
        match function {
            "histogram_count" | "histogram_sum" | "histogram_avg" => self.asks_for_stats = true,
            "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => self.needs_buckets(),
            _ => {}
        }
    }

    pub(super) fn needs_buckets(&mut self) {
        self.asks_for_buckets = true;
    }

    /// Whether histograms are read without their buckets.
    pub(super) fn is_on(self) -> bool {
        self.asks_for_stats && !self.asks_for_buckets
    }
}

impl<'a> Interpreter<'a> {
    /// The value of an instant selector.
    pub(super) fn instant(&mut self, selector: &Selector, span: Span) -> Result<Vec<Item>, EvalError> {
        if selector.reading == Reading::Smoothed {
            return self.smoothed(selector, span);
        }
        let newest = self.newest(selector, span)?.into_iter();
        Ok(newest.map(|Newest { labels, value, .. }| Item { labels, value, drops_name: false }).collect())
    }

    /// The newest sample of each series that a selector selects.
    pub(super) fn newest(&mut self, selector: &Selector, span: Span) -> Result<Vec<Newest>, EvalError> {
        let at = self.moment(&selector.shift)?;
        self.newest_at(&selector.matchers, at, span)
    }

    /// The same at a moment.
    pub(super) fn newest_at(
        &mut self,
        matchers: &[Matcher],
        at: Timestamp,
        span: Span,
    ) -> Result<Vec<Newest>, EvalError> {
        let ids = self.selected(matchers, span)?;
        self.spend(ids.len() as u64, span)?;
        let (is_bare, lookback) = (self.bare.is_on(), self.options.lookback);
        let newest = |id: &SeriesId| newest_of(self.store.series(*id), self.store.rich(*id), (at, lookback), is_bare);
        let all = ids.iter().filter_map(newest);
        Ok(all.collect())
    }

    /// The series that pass all matchers.
    pub(super) fn selected(&mut self, matchers: &[Matcher], span: Span) -> Result<Selected<'a>, EvalError> {
        if let Some(ids) = self.store.standing(matchers) {
            return Ok(Selected::Standing(ids));
        }
        if let Some(ids) = self.found.get(matchers) {
            return Ok(Selected::Found(ids.clone()));
        }
        let most = self.options.samples_max;
        let too_many = || EvalError::new(span, format!("the expression looks through more than {most} series"));
        self.series_left = self.series_left.checked_sub(self.store.series_count() as u64).ok_or_else(too_many)?;
        let ids: Arc<[SeriesId]> = self.store.matching(matchers).into();
        self.found.insert(matchers.to_vec(), ids.clone());
        Ok(Selected::Found(ids))
    }

    /// The value of `x smoothed`: between the samples around the moment, or the last one before it.
    fn smoothed(&mut self, selector: &Selector, span: Span) -> Result<Vec<Item>, EvalError> {
        let at = self.moment(&selector.shift)?;
        let lookback = self.options.lookback;
        let mut items = Vec::new();
        for id in self.selected(&selector.matchers, span)?.iter() {
            let series = self.store.series(*id);
            let floats: Vec<Sample> = series.window(at - lookback, at + lookback).collect();
            let histograms: Vec<HistogramSample> = match self.store.rich(*id) {
                Some(rich) => rich.window(at - lookback, at + lookback).cloned().collect(),
                None => Vec::new(),
            };
            self.spend((floats.len() + histograms.len()) as u64, span)?;
            if !floats.is_empty() && !histograms.is_empty() {
                self.notes.add(Annotation::mixed_range(series.labels().metric_name(), span));
                continue;
            }
            let value = if histograms.is_empty() {
                smoothed_float(&floats, at).map(SampleValue::Float)
            } else {
                self.smoothed_histogram(&histograms, at, series.labels().metric_name(), span)
            };
            items.extend(value.map(|value| Item { labels: series.labels().clone(), value, drops_name: false }));
        }
        Ok(items)
    }

    fn smoothed_histogram(
        &mut self,
        samples: &[HistogramSample],
        at: Timestamp,
        metric: &str,
        span: Span,
    ) -> Option<SampleValue> {
        let place = samples.partition_point(|sample| sample.at < at);
        let next = samples.get(place);
        if let Some(exact) = next.filter(|next| next.at == at) {
            return Some(SampleValue::Histogram(exact.histogram.clone()));
        }
        let before = samples.get(place.checked_sub(1)?)?;
        let Some(next) = next else {
            let mut last = (*before.histogram).clone();
            last.reset = CounterReset::Unknown;
            return Some(last.into());
        };
        if before.histogram.is_custom() != next.histogram.is_custom() {
            self.notes.add(Annotation::mixed_schemas(metric, span));
            return None;
        }
        let is_gauge = |sample: &HistogramSample| sample.histogram.reset == CounterReset::Gauge;
        let is_counter = !is_gauge(before) || !is_gauge(next);
        match interpolated_histogram(before, next, at, is_counter, &mut self.notes, span) {
            Ok(histogram) => Some(histogram.into()),
            Err(_) => {
                self.notes.add(Annotation::mixed_schemas(metric, span));
                None
            }
        }
    }
}

fn smoothed_float(samples: &[Sample], at: Timestamp) -> Option<f64> {
    let place = samples.partition_point(|sample| sample.at < at);
    let next = samples.get(place);
    if let Some(exact) = next.filter(|next| next.at == at) {
        return Some(exact.value);
    }
    let before = samples.get(place.checked_sub(1)?)?;
    Some(next.map_or(before.value, |next| interpolated(*before, *next, at, false)))
}

/// The newest sample of a series at a moment, looked for so far back, unless the series has ended.
fn newest_of(
    series: &Series,
    rich: Option<&Rich>,
    (at, lookback): (Timestamp, Duration),
    is_bare: bool,
) -> Option<Newest> {
    let Some(rich) = rich else {
        let Sample { at, value } = series.value_at(at, lookback)?;
        return Some(Newest { labels: series.labels().clone(), at, value: value.into(), start: None });
    };
    let float = series.sample_at(at, lookback);
    let histogram = rich.value_at(at, lookback);
    let (at, value) = match (float, histogram) {
        (Some(float), histogram) if histogram.is_none_or(|histogram| histogram.at < float.at) => {
            if is_stale(float.value) {
                return None;
            }
            (float.at, SampleValue::Float(float.value))
        }
        (_, Some(histogram)) if is_bare => {
            let mut all: Vec<HistogramSample> = rich.window(at - lookback, at).cloned().collect();
            strip_buckets(&mut all);
            (histogram.at, SampleValue::Histogram(all.pop()?.histogram))
        }
        (_, Some(histogram)) => (histogram.at, SampleValue::Histogram(histogram.histogram.clone())),
        (_, None) => return None,
    };
    Some(Newest { labels: series.labels().clone(), at, value, start: rich.start_of(at) })
}
