//! Puts what a script loads into a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atalaya::model::{Histogram, HistogramSample, Labels, MatchOp, Matcher, Sample, TargetId, Timestamp};
use atalaya::promql::{SampleValue, SequenceValue, parse_series};
use atalaya::store::{Append, Origin, SeriesId, Store};

use crate::script::length;

/// A store that keeps whatever comes.
pub(crate) fn everything() -> Store {
    let mut store = Store::new();
    let any = Matcher::new("__name__", MatchOp::Regex, ".*").expect("valid");
    store.register(&[any], Duration::from_secs(1 << 40));
    store
}

/// Loads series; with native histograms as well, if that is asked for.
pub(crate) fn load(store: &mut Store, step: Duration, with_native: bool, lines: &[String]) -> Result<(), String> {
    let mut loaded: Vec<(Labels, Vec<(Timestamp, SampleValue)>)> = Vec::new();
    let mut starts: Option<Vec<Option<i64>>> = None;
    for line in lines {
        let (head, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if head.ends_with("@st") {
            starts = Some(start_offsets(rest)?);
            continue;
        }
        let (labels, values) = parse_series(line).map_err(|error| format!("{line}: {error}"))?;
        let mut samples = Vec::new();
        let mut at = Timestamp::from_millis(0);
        let mut known = Vec::new();
        for (place, noted) in values.into_iter().enumerate() {
            if let Some(SequenceValue { value, .. }) = noted {
                samples.push((at, value));
                if let Some(Some(offset)) = starts.as_ref().and_then(|starts| starts.get(place)) {
                    known.push((at, at.shifted(*offset)));
                }
            }
            at = at + step;
        }
        if !known.is_empty() {
            let id = series(store, &labels)?;
            known.iter().for_each(|(at, start)| store.note_start(id, *at, *start));
        }
        starts = None;
        // A series that comes twice in one load has the later samples.
        loaded.retain(|(other, _)| *other != labels);
        loaded.push((labels, samples));
    }
    for (labels, samples) in &loaded {
        append(store, labels, samples)?;
    }
    if with_native {
        for (labels, samples) in native(&loaded)? {
            append(store, &labels, &samples)?;
        }
    }
    Ok(())
}

fn series(store: &mut Store, labels: &Labels) -> Result<SeriesId, String> {
    let origin = Origin::Scraped(TargetId::new("script"));
    store.series_for(labels, &origin).ok_or_else(|| format!("{labels} is not stored"))
}

fn append(store: &mut Store, labels: &Labels, samples: &[(Timestamp, SampleValue)]) -> Result<(), String> {
    let id = series(store, labels)?;
    for (at, value) in samples {
        let appended = match value {
            SampleValue::Float(value) => store.append(id, Sample { at: *at, value: *value }),
            SampleValue::Histogram(histogram) => {
                store.append_histogram(id, HistogramSample { at: *at, histogram: Arc::clone(histogram) })
            }
        };
        if appended != Append::Stored {
            return Err(format!("{labels}: a sample is {appended:?}"));
        }
    }
    Ok(())
}

/// Parts of a classic histogram at a moment.
#[derive(Default)]
struct Parts {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

type NativeSeries = Vec<(Labels, Vec<(Timestamp, SampleValue)>)>;

/// The classic histograms among series, as native ones.
fn native(loaded: &NativeSeries) -> Result<NativeSeries, String> {
    let mut parts: BTreeMap<Labels, BTreeMap<Timestamp, Parts>> = BTreeMap::new();
    for (labels, samples) in loaded {
        let name = labels.metric_name();
        let ending = ["_bucket", "_count", "_sum"].into_iter().find(|ending| name.ends_with(ending));
        let Some(ending) = ending else { continue };
        let bound: f64 = labels.get("le").parse().unwrap_or(f64::NAN);
        if ending == "_bucket" && bound.is_nan() {
            continue;
        }
        let mut base = labels.edit();
        base.set("__name__", &name[..name.len() - ending.len()]).remove("le");
        let series = parts.entry(base.build()).or_default();
        for (at, value) in samples {
            let Some(value) = value.float() else { continue };
            let parts = series.entry(*at).or_default();
            match ending {
                "_bucket" => parts.buckets.push((bound, value)),
                "_count" => parts.count = Some(value),
                _ => parts.sum = value,
            }
        }
    }
    let mut all = Vec::new();
    for (labels, moments) in parts {
        let mut samples = Vec::new();
        for (at, Parts { buckets, count, sum }) in moments {
            let histogram =
                Histogram::from_classic(buckets, count, sum).map_err(|error| format!("{labels}: {error}"))?;
            samples.push((at, histogram.into()));
        }
        all.push((labels, samples));
    }
    Ok(all)
}

/// `-1m`, `-1mx3`, `-1m-30sx3`, `_`, `_x2`: how far starts are from their samples, in milliseconds.
fn start_offsets(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut all = Vec::new();
    for item in text.split_whitespace() {
        let (head, times) = item.split_once('x').map_or((item, None), |(head, times)| (head, Some(times)));
        let times: Option<usize> =
            times.map(|times| times.parse().map_err(|_| format!("{item}: no count"))).transpose()?;
        if head == "_" {
            all.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        let (mut offset, rest) = signed_length(head)?;
        let step = if rest.is_empty() { 0 } else { signed_length(rest)?.0 };
        for _ in 0..=times.unwrap_or(0) {
            all.push(Some(offset));
            offset += step;
        }
    }
    Ok(all)
}

/// A length with a sign, in milliseconds, and what is behind it.
fn signed_length(text: &str) -> Result<(i64, &str), String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(['+', '-']).unwrap_or(unsigned.len());
    let millis = i64::try_from(length(&unsigned[..end])?.as_millis()).map_err(|error| error.to_string())?;
    Ok((sign * millis, &unsigned[end..]))
}
