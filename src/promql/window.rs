//! Ranges: the samples of each series that a range covers, and subqueries that make them.

use std::collections::HashMap;
use std::time::Duration;

use super::Span;
use super::annotation::Annotations;
use super::ast::{Expr, ExprKind, Reading, Selector, Subquery};
use super::extended::extended;
use super::interpret::{EvalError, Interpreter, noted_span};
use super::length::Length;
use super::names::without_metric;
use super::query::merged;
use super::value::{Item, RangeElement, SampleValue};
use crate::model::{CounterReset, HistogramSample, Labels, Sample, Timestamp, is_stale};
use crate::store::Rich;

/// How many samples a moment of a subquery counts for besides those that are looked at: an evaluation takes its time even
/// when it looks at nothing.
const MOMENT_COST: u64 = 100;

/// How far the moments of a subquery are apart when it does not say: Prometheus's default evaluation interval.
const SUBQUERY_STEP: Duration = Duration::from_secs(60);

/// The samples of one series that a range covers.
#[derive(Debug)]
pub(super) struct Window<'a> {
    pub(super) labels: &'a Labels,
    /// Numbers in order of time, all after `start` and none after `end`, but for `anchored` and `smoothed`, which look
    /// further.
    pub(super) floats: &'a [Sample],
    /// Histograms, in the same way; there is at least one of either.
    pub(super) histograms: &'a [HistogramSample],
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// When the expression is evaluated, which an offset makes differ from `end`.
    pub(super) at: Timestamp,
    pub(super) reading: Reading,
    /// Whether the metric's name goes at the end of the query because of what made the samples.
    pub(super) drops_name: bool,
    /// The place that annotations name.
    pub(super) span: Span,
    /// Where it is known since when samples count, if that is to be looked at.
    starts: Option<&'a Rich>,
}

impl<'a> Window<'a> {
    /// The numbers of a series in the range `(start, end]` of an expression that is evaluated for `at`.
    pub(super) fn of_floats(
        labels: &'a Labels,
        floats: &'a [Sample],
        (start, end, at): (Timestamp, Timestamp, Timestamp),
    ) -> Self {
        let (reading, span) = (Reading::Plain, Span::default());
        Self { labels, floats, histograms: &[], start, end, at, reading, drops_name: false, span, starts: None }
    }
}

impl Window<'_> {
    /// The metric's name.
    pub(super) fn metric(&self) -> &str {
        self.labels.metric_name()
    }

    /// Since when what the sample of a moment counts is counted, if that is known and looked at.
    pub(super) fn start_of(&self, at: Timestamp) -> Option<Timestamp> {
        self.starts?.start_of(at)
    }

    /// Whether it is known of any sample.
    pub(super) fn has_starts(&self) -> bool {
        self.starts.is_some_and(Rich::has_starts)
    }

    /// How long the range is, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    pub(super) fn seconds(&self) -> f64 {
        (self.end.millis() - self.start.millis()) as f64 / 1000.0
    }
}

/// What a series gave at the moments of a subquery.
struct Gathered {
    labels: Labels,
    drops_name: bool,
    floats: Vec<Sample>,
    histograms: Vec<HistogramSample>,
}

impl Interpreter<'_> {
    /// All samples of a range, by labels.
    pub(super) fn matrix(&mut self, expr: &Expr) -> Result<Vec<RangeElement>, EvalError> {
        let mut all = Vec::new();
        let mut failed = None;
        self.windows(expr, |window, _| {
            let (mut samples, histograms) = (window.floats.to_vec(), window.histograms.to_vec());
            if window.reading != Reading::Plain {
                if !histograms.is_empty() {
                    failed = Some(window.reading);
                }
                samples = extended(&samples, window.start, window.end, window.reading);
            }
            if !samples.is_empty() || !histograms.is_empty() {
                all.push((window.labels.clone(), window.drops_name, samples, histograms));
            }
        })?;
        if let Some(reading) = failed {
            let what = format!("{} modifier is not supported with histograms", reading.as_str());
            return Err(EvalError::new(expr.span, what));
        }
        let delays = self.options.delays_name_removal;
        let elements = all.into_iter().map(|(labels, drops_name, samples, histograms)| {
            let labels = if delays && drops_name { without_metric(&labels) } else { labels };
            RangeElement { labels, samples, histograms }
        });
        merged(elements, expr.span)
    }

    /// Hands the windows of a range to `each`, series by series, and with them where to tell what is worth telling. Series
    /// without samples in the range are left out.
    pub(super) fn windows(
        &mut self,
        expr: &Expr,
        mut each: impl FnMut(&Window<'_>, &mut Annotations),
    ) -> Result<(), EvalError> {
        match &expr.kind {
            ExprKind::Paren(inner) => self.windows(inner, each),
            ExprKind::Subquery(subquery) => {
                let range = self.subquery(subquery, expr.span)?;
                for series in &range.series {
                    let window = Window {
                        labels: &series.labels,
                        floats: &series.floats,
                        histograms: &series.histograms,
                        start: range.start,
                        end: range.end,
                        at: self.at,
                        reading: Reading::Plain,
                        drops_name: series.drops_name,
                        span: noted_span(expr),
                        starts: None,
                    };
                    each(&window, &mut self.notes);
                }
                Ok(())
            }
            ExprKind::Range { selector, range } => self.selected_windows(selector, range, expr.span, each),
            _ => Err(EvalError::new(expr.span, "expected a range vector")),
        }
    }

    fn selected_windows(
        &mut self,
        selector: &Selector,
        range: &Length,
        span: Span,
        mut each: impl FnMut(&Window<'_>, &mut Annotations),
    ) -> Result<(), EvalError> {
        let end = self.moment(&selector.shift)?;
        let start = end - range.duration(self.query)?;
        let lookback = self.options.lookback;
        let (from, to) = match selector.reading {
            Reading::Plain => (start, end),
            Reading::Anchored => (start - lookback, end),
            Reading::Smoothed => (start - lookback, end + lookback),
        };
        let is_bare = self.bare.is_on();
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for id in self.selected(&selector.matchers, span)?.iter() {
            let series = self.store.series(*id);
            let rich = self.store.rich(*id);
            floats.clear();
            floats.extend(series.window(from, to));
            histograms.clear();
            if let Some(rich) = rich {
                histograms.extend(rich.window(from, to).cloned());
                if is_bare {
                    strip_buckets(&mut histograms);
                }
            }
            self.spend((floats.len() + histograms.len()) as u64, span)?;
            if floats.is_empty() && histograms.is_empty() {
                continue;
            }
            let window = Window {
                labels: series.labels(),
                floats: &floats,
                histograms: &histograms,
                start,
                end,
                at: self.at,
                reading: selector.reading,
                drops_name: false,
                span,
                starts: rich.filter(|_| self.options.reads_start_timestamps),
            };
            each(&window, &mut self.notes);
        }
        Ok(())
    }

    /// Evaluates an expression at every multiple of the step that the range covers.
    fn subquery(&mut self, subquery: &Subquery, span: Span) -> Result<SubqueryRange, EvalError> {
        let (at, was_ranged, bare) = (self.at, self.is_ranged, self.bare);
        let step = match &subquery.step {
            Some(step) => step.duration(self.query)?,
            None => self.options.subquery_step.unwrap_or(SUBQUERY_STEP),
        };
        let range = subquery.range.duration(self.query)?;
        let end = self.moment(&subquery.shift)?;
        let start = end - range;
        let moments = u64::try_from(range.as_millis() / step.as_millis().max(1)).unwrap_or(u64::MAX);
        self.spend(moments.saturating_mul(MOMENT_COST), span)?;
        let first = start.floor_to(step) + step;
        self.is_ranged = was_ranged || first + step <= end;
        self.bare.needs_buckets();
        let mut gathering = Gathering::default();
        let mut moment = first;
        while moment <= end {
            self.at = moment;
            let items = self.vector(&subquery.expr)?;
            self.spend(items.len() as u64, span)?;
            gathering.add(items, moment);
            moment = moment + step;
        }
        (self.at, self.is_ranged, self.bare) = (at, was_ranged, bare);
        Ok(SubqueryRange { series: gathering.series, start, end })
    }
}

/// What a subquery gave.
struct SubqueryRange {
    series: Vec<Gathered>,
    start: Timestamp,
    end: Timestamp,
}

/// Samples put together by labels, moment by moment.
#[derive(Default)]
struct Gathering {
    index: HashMap<Labels, usize>,
    series: Vec<Gathered>,
}

impl Gathering {
    fn add(&mut self, items: Vec<Item>, at: Timestamp) {
        for Item { labels, value, drops_name } in items {
            let next = self.series.len();
            let place = *self.index.entry(labels.clone()).or_insert(next);
            if place == next {
                self.series.push(Gathered { labels, drops_name, floats: Vec::new(), histograms: Vec::new() });
            }
            match value {
                SampleValue::Float(value) if is_stale(value) => {}
                SampleValue::Float(value) => self.series[place].floats.push(Sample { at, value }),
                SampleValue::Histogram(mut histogram) => {
                    // What a histogram says of the one before it does not hold for the moment before.
                    if matches!(histogram.reset, CounterReset::Reset | CounterReset::NotReset) {
                        std::sync::Arc::make_mut(&mut histogram).reset = CounterReset::Unknown;
                    }
                    self.series[place].histograms.push(HistogramSample { at, histogram });
                }
            }
        }
    }
}

/// Takes the buckets away, and notes before that what they say of resets.
pub(super) fn strip_buckets(samples: &mut [HistogramSample]) {
    let mut before: Option<std::sync::Arc<crate::model::Histogram>> = None;
    for sample in samples {
        let mut stats = sample.histogram.stats();
        if let (CounterReset::Unknown, Some(before)) = (stats.reset, &before) {
            let has_reset = sample.histogram.has_reset_since(before);
            stats.reset = if has_reset { CounterReset::Reset } else { CounterReset::NotReset };
        }
        before = Some(std::mem::replace(&mut sample.histogram, stats.into()));
    }
}
