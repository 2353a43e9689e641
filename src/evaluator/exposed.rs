//! The labels of a scraped series: its own and the target's, relabeled, and held against the limits.
//!
//! Asked once for each series that a target exposes; what comes of it is remembered.

use crate::exposition::{Malformed, MetricKind, parse_series_as};
use crate::model::{Labels, LabelsBuilder, METRIC_NAME, RelabelRule, relabel_in_place};

/// How the pages of a target are taken in. Whatever is 0 has no limit.
#[derive(Clone, Debug, PartialEq)]
pub struct IntakeOptions {
    /// Whether a label of the series stays where the target has one of the same name.
    pub honor_labels: bool,
    /// Whether the times count that stand on the page.
    pub honor_timestamps: bool,
    /// Whether series with times of their own end when they are missing.
    pub track_timestamps_staleness: bool,
    /// So many samples may a page have, those that relabeling drops not counted.
    pub sample_limit: usize,
    /// So many labels may a series have, its name included.
    pub label_limit: usize,
    /// So many bytes may the name of a label have.
    pub label_name_length_limit: usize,
    /// So many bytes may the value of a label have.
    pub label_value_length_limit: usize,
    /// What is done with the labels of each series.
    pub metric_relabel: Vec<RelabelRule>,
    /// Whether the limits of a scrape are written as series too.
    pub extra_metrics: bool,
}

impl Default for IntakeOptions {
    fn default() -> Self {
        Self {
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            sample_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            metric_relabel: Vec::new(),
            extra_metrics: false,
        }
    }
}

/// Why a page does not count although it is well-formed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum NotTaken {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the page has more than {limit} samples after relabeling, the `sample_limit`")]
    Samples { limit: usize },
    #[error("the series that the target exposes take more than 4 GiB of text")]
    Text,
    #[error("relabeling leaves `{series}` without a metric name")]
    NoName { series: String },
    #[error("`{metric}` has {count} labels, its name included; the `label_limit` is {limit}")]
    Labels { metric: String, count: usize, limit: usize },
    #[error("`{metric}`: the label name `{name}` has {length} bytes; the `label_name_length_limit` is {limit}")]
    NameLength { metric: String, name: String, length: usize, limit: usize },
    #[error("`{metric}`: the value of `{name}` has {length} bytes; the `label_value_length_limit` is {limit}")]
    ValueLength { metric: String, name: String, length: usize, limit: usize },
}

/// So many characters of a name are shown in an error.
const SHOWN_MAX: usize = 50;

/// The labels under which a series is stored; `None` when relabeling drops it. `kind` is that of the last `# TYPE` line
/// above it.
pub(super) fn labels(
    series: &str,
    kind: MetricKind,
    target: &Labels,
    options: &IntakeOptions,
) -> Result<Option<Labels>, NotTaken> {
    let mut labels = parse_series_as(series, kind)?.edit();
    if options.honor_labels {
        fill(&mut labels, series, target);
    } else {
        overlay(&mut labels, target);
    }
    if !relabel_in_place(&mut labels, &options.metric_relabel) {
        return Ok(None);
    }
    let labels = labels.build();
    if labels.is_empty() {
        return Ok(None);
    }
    if labels.metric_name().is_empty() {
        return Err(NotTaken::NoName { series: shown(series) });
    }
    limits(&labels, options)?;
    Ok(Some(labels))
}

/// `honor_labels: true`: the target's labels where the series has none. A label that the series has with an empty value
/// counts as had, and then there is none.
fn fill(labels: &mut LabelsBuilder, series: &str, target: &Labels) {
    for (name, value) in target.iter() {
        if labels.get(name).is_empty() && !has_empty(series, name) {
            labels.set(name, value);
        }
    }
}

/// Whether the text of a series has this label with an empty value. In a value, a quote has a backslash before it.
fn has_empty(series: &str, name: &str) -> bool {
    series.contains("\"\"")
        && series.match_indices(name).any(|(at, _)| {
            let after = series[at + name.len()..].trim_start_matches('"').trim_start();
            let is_whole = series[..at].ends_with(['{', ',', ' ', '\t', '"']);
            is_whole && after.strip_prefix('=').is_some_and(|value| value.trim_start().starts_with("\"\""))
        })
}

/// `honor_labels: false`: the target's labels; where the series has one of the same name, that one is renamed to
/// `exported_…`, short names first, with as many `exported_` as it takes.
fn overlay(labels: &mut LabelsBuilder, target: &Labels) {
    let mut exposed = Vec::new();
    for (name, value) in target.iter() {
        let own = labels.get(name);
        if !own.is_empty() {
            exposed.push((name, own.to_owned()));
        }
        labels.set(name, value);
    }
    exposed.sort_by_key(|(name, _)| name.len());
    for (name, value) in exposed {
        let mut exported = format!("exported_{name}");
        while !labels.get(&exported).is_empty() {
            exported.insert_str(0, "exported_");
        }
        labels.set(exported, value);
    }
}

fn limits(labels: &Labels, options: &IntakeOptions) -> Result<(), NotTaken> {
    let exceeds = |length: usize, limit: usize| limit > 0 && length > limit;
    let metric = || shown(labels.metric_name());
    if exceeds(labels.len(), options.label_limit) {
        return Err(NotTaken::Labels { metric: metric(), count: labels.len(), limit: options.label_limit });
    }
    let (name_limit, value_limit) = (options.label_name_length_limit, options.label_value_length_limit);
    if name_limit == 0 && value_limit == 0 {
        return Ok(());
    }
    for (name, value) in labels.iter() {
        if exceeds(name.len(), name_limit) {
            let (metric, length) = (metric(), name.len());
            return Err(NotTaken::NameLength { metric, name: shown(name), length, limit: name_limit });
        }
        if exceeds(value.len(), value_limit) {
            let (metric, length) = (metric(), value.len());
            return Err(NotTaken::ValueLength { metric, name: shown(name), length, limit: value_limit });
        }
    }
    Ok(())
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The labels of something that we write about a target ourselves.
pub(super) fn report_labels(name: &str, target: &Labels) -> Labels {
    let mut labels = target.edit();
    labels.set(METRIC_NAME, name);
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RelabelAction, RelabelSpec};

    fn check(series: &str, target: &[(&str, &str)], honor_labels: bool, want: &str) {
        let options = IntakeOptions { honor_labels, ..IntakeOptions::default() };
        let target = Labels::from_pairs(target.iter().copied());
        let got = labels(series, MetricKind::Untyped, &target, &options).unwrap().unwrap();
        assert_eq!(got.to_string(), want, "{series}");
    }

    #[test]
    fn target_labels_win() {
        let check = |series: &str, target: &[(&str, &str)], want: &str| check(series, target, false, want);
        let target = [("job", "j"), ("service", "chat")];
        check(r#"m{job="own",le="1"}"#, &target, r#"m{exported_job="own", job="j", le="1", service="chat"}"#);
        check("m", &target, r#"m{job="j", service="chat"}"#);
        let taken = r#"m{exported_job="e",job="own"}"#;
        check(taken, &target, r#"m{exported_exported_job="own", exported_job="e", job="j", service="chat"}"#);
        // The short name is renamed first, whichever comes first by the alphabet.
        let both = [("exported_foo", "t1"), ("foo", "t2")];
        check(
            r#"m{foo="s1",exported_foo="s2"}"#,
            &both,
            r#"m{exported_exported_exported_foo="s2", exported_exported_foo="s1", exported_foo="t1", foo="t2"}"#,
        );
        check(r#"m{job=""}"#, &target, r#"m{job="j", service="chat"}"#);
    }

    #[test]
    fn honored_labels_stay() {
        let check = |series: &str, want: &str| check(series, &[("job", "j"), ("zone", "z")], true, want);
        check(r#"m{job="own"}"#, r#"m{job="own", zone="z"}"#);
        check("m", r#"m{job="j", zone="z"}"#);
        // An empty label is had, and so there is none.
        check(r#"m{job=""}"#, r#"m{zone="z"}"#);
        check(r#"m{a="b", "job" = "" }"#, r#"m{a="b", zone="z"}"#);
        check(r#"m{my_job="",a="job="}"#, r#"m{a="job=", job="j", zone="z"}"#);
    }

    #[test]
    fn buckets_have_one_form() {
        let options = IntakeOptions::default();
        let got = labels(r#"m_bucket{le="1"}"#, MetricKind::Histogram, &Labels::empty(), &options).unwrap().unwrap();
        assert_eq!(got.to_string(), r#"m_bucket{le="1.0"}"#);
    }

    #[test]
    fn relabeling_sees_the_whole_and_may_drop_it() {
        let rule = |action, edit: fn(&mut RelabelSpec)| {
            let mut spec = RelabelSpec { action, ..RelabelSpec::default() };
            edit(&mut spec);
            IntakeOptions { metric_relabel: vec![RelabelRule::new(spec).unwrap()], ..IntakeOptions::default() }
        };
        let target = Labels::from_pairs([("job", "j")]);
        let check = |options: &IntakeOptions, want: Result<Option<&str>, &str>| {
            let got = labels(r#"go_threads{a="b"}"#, MetricKind::Gauge, &target, options);
            let got = got.map(|labels| labels.map(|labels| labels.to_string())).map_err(|why| why.to_string());
            assert_eq!(got, want.map(|text| text.map(str::to_owned)).map_err(str::to_owned));
        };
        let drop_go = rule(RelabelAction::Drop, |spec| {
            spec.source_labels = vec!["__name__".to_owned(), "job".to_owned()];
            spec.regex = "go_.*;j".to_owned();
        });
        check(&drop_go, Ok(None));
        check(&rule(RelabelAction::LabelKeep, |spec| spec.regex = "x".to_owned()), Ok(None));
        check(&rule(RelabelAction::LabelDrop, |spec| spec.regex = "a".to_owned()), Ok(Some(r#"go_threads{job="j"}"#)));
        let nameless = "relabeling leaves `go_threads{a=\"b\"}` without a metric name";
        check(&rule(RelabelAction::LabelDrop, |spec| spec.regex = "__name__".to_owned()), Err(nameless));
    }

    #[test]
    fn limits_are_told_with_their_numbers() {
        let check = |edit: fn(&mut IntakeOptions), want: &str| {
            let mut options = IntakeOptions::default();
            edit(&mut options);
            let target = Labels::from_pairs([("job", "j")]);
            let got = labels(r#"m{label="value"}"#, MetricKind::Gauge, &target, &options);
            assert_eq!(got.err().map(|why| why.to_string()).unwrap_or_default(), want);
        };
        check(|options| options.label_limit = 3, "");
        check(|options| options.label_limit = 2, "`m` has 3 labels, its name included; the `label_limit` is 2");
        check(|options| options.label_name_length_limit = 8, "");
        let name = "`m`: the label name `__name__` has 8 bytes; the `label_name_length_limit` is 7";
        check(|options| options.label_name_length_limit = 7, name);
        check(|options| options.label_value_length_limit = 5, "");
        let value = "`m`: the value of `label` has 5 bytes; the `label_value_length_limit` is 4";
        check(|options| options.label_value_length_limit = 4, value);
    }
}
