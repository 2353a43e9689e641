//! How much a native histogram grew between the samples of a window.

use std::sync::Arc;

use super::super::annotation::{Annotation, Annotations, HistogramOperation};
use super::super::window::Window;
use super::counter::{Kind, overlaps, starts_anew};
use crate::model::{CounterReset, Histogram};

/// The last histogram less the first, and for a counter with what resets in between took.
pub(super) fn histogram_growth(window: &Window<'_>, kind: Kind, notes: &mut Annotations) -> Option<Histogram> {
    let samples = window.histograms;
    let [first_sample, second, ..] = samples else { return None };
    let last = &*samples.last()?.histogram;
    let is_gauge = |histogram: &Histogram| histogram.reset == CounterReset::Gauge;
    let mut first: Arc<Histogram> = first_sample.histogram.clone();
    let is_counter = kind == Kind::Counter;
    if is_counter && (is_gauge(&first) || is_gauge(last)) {
        notes.add(Annotation::not_a_counter(window.metric(), window.span));
    }
    if is_counter {
        let (start_first, start_second) = (window.start_of(first_sample.at), window.start_of(second.at));
        let starts = starts_anew(first_sample.at, start_first, second.at, start_second);
        if starts || second.histogram.has_reset_since(&first) {
            // The first counted something else, so it is as if there had been nothing.
            first = Arc::new(Histogram::empty(second.histogram.schema, second.histogram.bounds.clone()));
        }
    }
    let mixed = |notes: &mut Annotations| {
        notes.add(Annotation::mixed_schemas(window.metric(), window.span));
        None
    };
    if last.is_custom() != first.is_custom() {
        return mixed(notes);
    }
    let mut schema = last.schema.min(first.schema);
    if is_counter {
        for sample in &samples[1..samples.len() - 1] {
            if is_gauge(&sample.histogram) {
                notes.add(Annotation::not_a_counter(window.metric(), window.span));
            }
            schema = schema.min(sample.histogram.schema);
            if sample.histogram.is_custom() != first.is_custom() {
                return mixed(notes);
            }
        }
    }
    let mut growth = last.clone();
    if schema < growth.schema && !growth.is_custom() {
        growth.reduce_to(schema);
        growth.reset = CounterReset::Unknown;
    }
    match growth.subtract(&first) {
        Err(_) => return mixed(notes),
        Ok(combined) => note_bounds(combined.bounds_reconciled, HistogramOperation::Subtraction, window, notes),
    }
    if is_counter {
        let mut has_overlap = false;
        let mut before = first;
        for pair in samples.windows(2) {
            let [earlier, now] = pair else { continue };
            let (start_earlier, start_now) = (window.start_of(earlier.at), window.start_of(now.at));
            if !has_overlap && overlaps(earlier.at, start_earlier, start_now) {
                has_overlap = true;
                notes.add(Annotation::starts_overlap(window.metric(), window.span));
            }
            let starts = starts_anew(earlier.at, start_earlier, now.at, start_now);
            if starts || now.histogram.has_reset_since(&before) {
                match growth.add(&before) {
                    Err(_) => return mixed(notes),
                    Ok(combined) => {
                        note_bounds(combined.bounds_reconciled, HistogramOperation::Addition, window, notes);
                    }
                }
            }
            before = now.histogram.clone();
        }
    } else if !is_gauge(&first_sample.histogram) || !is_gauge(last) {
        notes.add(Annotation::not_a_gauge(window.metric(), window.span));
    }
    growth.reset = CounterReset::Gauge;
    growth.compact();
    Some(growth)
}

fn note_bounds(is_reconciled: bool, operation: HistogramOperation, window: &Window<'_>, notes: &mut Annotations) {
    if is_reconciled {
        notes.add(Annotation::bounds_reconciled(operation, window.span));
    }
}
