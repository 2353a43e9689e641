//! What a query tells about itself besides its value: warnings, and what may be of interest, each with its place.

use std::collections::BTreeMap;

use super::Span;
use super::literal::Quoted;
use crate::model::{GoFloat, Timestamp};

/// How much an annotation matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The value is likely not what was meant.
    Warning,
    /// The value may not be what was meant.
    Info,
}

/// An annotation of a query, in Prometheus's words.
#[derive(Clone, PartialEq, Debug)]
pub struct Annotation {
    /// How much it matters.
    pub severity: Severity,
    /// The part of the expression that it is about.
    pub span: Span,
    text: String,
    detail: Detail,
}

/// What is told besides the text, and what becomes of it when the same annotation comes twice.
#[derive(Clone, PartialEq, Debug)]
enum Detail {
    None,
    /// How far classic buckets were from growing with their bounds.
    Fixed {
        from: Timestamp,
        to: Timestamp,
        lowest: f64,
        highest: f64,
        difference: f64,
        count: u64,
    },
    /// How often.
    Count(u64),
}

/// What was done with histograms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HistogramOperation {
    Addition,
    Subtraction,
    Aggregation,
}

impl HistogramOperation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

impl Annotation {
    fn warning(span: Span, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, span, text: text.into(), detail: Detail::None }
    }

    fn info(span: Span, text: impl Into<String>) -> Self {
        Self { severity: Severity::Info, span, text: text.into(), detail: Detail::None }
    }

    /// As Prometheus's API shows it: `PromQL info: ignored histogram in max aggregation (1:5)`.
    pub fn render(&self, source: &str) -> String {
        let kind = if self.severity == Severity::Warning { "PromQL warning" } else { "PromQL info" };
        let (line, column) = self.span.line_byte_column(source);
        let detail = match &self.detail {
            Detail::None | Detail::Count(0 | 1) => String::new(),
            Detail::Count(count) => format!(" ({count} occurrences)"),
            Detail::Fixed { from, to, lowest, highest, difference, count } => format!(
                ", from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {}",
                GoFloat(*lowest),
                GoFloat(*highest),
                two_digits(*difference),
                to_second(*from),
                to_second(*to),
            ),
        };
        format!("{kind}: {}{detail} ({line}:{column})", self.text)
    }

    /// What both tell, the later of them in front.
    fn merged(self, earlier: &Self) -> Self {
        match (&self.detail, &earlier.detail) {
            (Detail::Count(now), Detail::Count(before)) => Self { detail: Detail::Count(now + before), ..self },
            (
                Detail::Fixed { from, to, lowest, highest, difference, count },
                Detail::Fixed {
                    from: from0,
                    to: to0,
                    lowest: lowest0,
                    highest: highest0,
                    difference: difference0,
                    count: count0,
                },
            ) => {
                let detail = Detail::Fixed {
                    from: *from.min(from0),
                    to: *to.max(to0),
                    lowest: lowest.min(*lowest0),
                    highest: highest.max(*highest0),
                    difference: difference.max(*difference0),
                    count: count + count0,
                };
                Self { detail, ..self }
            }
            _ => self,
        }
    }

    pub(super) fn invalid_quantile(q: f64, span: Span) -> Self {
        Self::warning(span, format!("quantile value should be between 0 and 1, got {}", GoFloat(q)))
    }

    pub(super) fn invalid_ratio(ratio: f64, to: f64, span: Span) -> Self {
        let (ratio, to) = (GoFloat(ratio), GoFloat(to));
        Self::warning(span, format!("ratio value should be between -1 and 1, got {ratio}, capping to {to}"))
    }

    pub(super) fn bad_bucket_label(metric: &str, bound: &str, span: Span) -> Self {
        let text = format!("bucket label \"le\" is missing or has a malformed value of {}", Quoted(bound));
        Self::warning(span, with_metric(text, metric))
    }

    pub(super) fn mixed_range(metric: &str, span: Span) -> Self {
        Self::warning(span, format!("encountered a mix of histograms and floats for metric name {}", Quoted(metric)))
    }

    pub(super) fn mixed_aggregation(span: Span) -> Self {
        Self::warning(span, "encountered a mix of histograms and floats for aggregation")
    }

    pub(super) fn mixed_classic_and_native(metric: &str, span: Span) -> Self {
        let text = "vector contains a mix of classic and native histograms".to_owned();
        Self::warning(span, with_metric(text, metric))
    }

    pub(super) fn not_a_counter(metric: &str, span: Span) -> Self {
        Self::warning(span, format!("this native histogram metric is not a counter: {}", Quoted(metric)))
    }

    pub(super) fn not_a_gauge(metric: &str, span: Span) -> Self {
        Self::warning(span, format!("this native histogram metric is not a gauge: {}", Quoted(metric)))
    }

    pub(super) fn mixed_schemas(metric: &str, span: Span) -> Self {
        let what = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
        Self::warning(span, format!("{what} {}", Quoted(metric)))
    }

    pub(super) fn incompatible_layout(op: &str, span: Span) -> Self {
        Self::warning(span, format!("incompatible bucket layout encountered for binary operator {op}"))
    }

    pub(super) fn sort_in_range_query(span: Span) -> Self {
        Self::warning(span, "sort is ineffective for range queries since results are always ordered by labels")
    }

    pub(super) fn resets_collide(operation: HistogramOperation, span: Span) -> Self {
        Self::warning(span, format!("conflicting counter resets during histogram {}", operation.as_str()))
    }

    pub(super) fn starts_overlap(metric: &str, span: Span) -> Self {
        let text =
            format!("sample has start time that overlaps with previous sample timestamp for metric {}", Quoted(metric));
        Self { detail: Detail::Count(1), ..Self::warning(span, text) }
    }

    fn possible_non_counter(metric: &str, span: Span) -> Self {
        let what = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
        Self::info(span, format!("{what} {}", Quoted(metric)))
    }

    pub(super) fn forced_monotonicity(
        metric: &str,
        (lowest, highest, difference): (f64, f64, f64),
        at: Timestamp,
        span: Span,
    ) -> Self {
        let text = "input to histogram_quantile needed to be fixed for monotonicity (see \
                    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        let detail = Detail::Fixed { from: at, to: at, lowest, highest, difference, count: 1 };
        Self { detail, ..Self::info(span, with_metric(text.to_owned(), metric)) }
    }

    pub(super) fn incompatible_types(left: &str, op: &str, right: &str, span: Span) -> Self {
        let what = "incompatible sample types encountered for binary operator";
        Self::info(span, format!("{what} {}: {left} {op} {right}", Quoted(op)))
    }

    pub(super) fn histogram_ignored_in_aggregation(op: &str, span: Span) -> Self {
        Self::info(span, format!("ignored histogram in {op} aggregation"))
    }

    pub(super) fn histograms_ignored_in_range(metric: &str, span: Span) -> Self {
        let what = "ignored histograms in a range containing both floats and histograms for metric name";
        Self::info(span, format!("{what} {}", Quoted(metric)))
    }

    pub(super) fn nan_makes_quantile_nan(metric: &str, span: Span) -> Self {
        let text = "input to histogram_quantile has NaN observations, result is NaN".to_owned();
        Self::info(span, with_metric(text, metric))
    }

    pub(super) fn nan_skews_quantile(metric: &str, span: Span) -> Self {
        let text = "input to histogram_quantile has NaN observations, result is skewed higher".to_owned();
        Self::info(span, with_metric(text, metric))
    }

    pub(super) fn nan_is_in_no_fraction(metric: &str, span: Span) -> Self {
        let text = "input to histogram_fraction has NaN observations, which are excluded from all fractions".to_owned();
        Self::info(span, with_metric(text, metric))
    }

    pub(super) fn bounds_reconciled(operation: HistogramOperation, span: Span) -> Self {
        Self::info(span, format!("mismatched custom buckets were reconciled during {}", operation.as_str()))
    }
}

fn with_metric(text: String, metric: &str) -> String {
    if metric.is_empty() { text } else { format!("{text} for metric name {}", Quoted(metric)) }
}

/// A number with two digits, as Go's `%.2g` writes it.
fn two_digits(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return GoFloat(value).to_string();
    }
    let rounded: f64 = format!("{value:.1e}").parse().unwrap_or(value);
    let text = format!("{rounded:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent @ 2..) => format!("{digits}e+{exponent:02}"),
        _ => GoFloat(rounded).to_string(),
    }
}

/// A moment to the second, as RFC 3339 has it.
fn to_second(at: Timestamp) -> String {
    let seconds = at.millis() / 1000;
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// The annotations of a query, each text once.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Annotations {
    all: BTreeMap<String, Annotation>,
    /// Whether nobody listens.
    is_muted: bool,
    /// The metric and the place of which it was told last that it may be no counter: mostly it is the same again.
    non_counter: Option<(String, Span)>,
}

impl Annotations {
    /// Takes nothing in.
    pub(super) fn muted() -> Self {
        Self { is_muted: true, ..Self::default() }
    }

    /// Tells that a metric may be no counter.
    pub(super) fn possible_non_counter(&mut self, metric: &str, span: Span) {
        let is_same = self.non_counter.as_ref().is_some_and(|(told, place)| told == metric && *place == span);
        if !self.is_muted && !is_same {
            self.non_counter = Some((metric.to_owned(), span));
            self.add(Annotation::possible_non_counter(metric, span));
        }
    }

    /// Adds one. When there is one with the same text, what both tell is put together, and the place is the later one's.
    pub(super) fn add(&mut self, annotation: Annotation) {
        if self.is_muted {
            return;
        }
        let annotation = match self.all.get(&annotation.text) {
            Some(earlier) => annotation.merged(earlier),
            None => annotation,
        };
        self.all.insert(annotation.text.clone(), annotation);
    }

    /// All of them, by their texts.
    pub fn iter(&self) -> impl Iterator<Item = &Annotation> {
        self.all.values()
    }

    /// Those of a severity, as Prometheus's API shows them.
    pub fn render(&self, severity: Severity, source: &str) -> Vec<String> {
        let chosen = self.iter().filter(|annotation| annotation.severity == severity);
        chosen.map(|annotation| annotation.render(source)).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_what_go_writes() {
        let check = |value: f64, want: &str| assert_eq!(two_digits(value), want);
        check(0.0, "0");
        check(1.0, "1");
        check(0.25, "0.25");
        check(0.126, "0.13");
        check(12.4, "12");
        check(99.6, "1e+02");
        check(1234.0, "1.2e+03");
        check(12_345_678.0, "1.2e+07");
        check(0.000_012_3, "1.2e-05");
    }

    #[test]
    fn the_same_text_is_told_once_at_its_last_place() {
        let mut all = Annotations::default();
        let place = |start: u32| Span { start, end: start + 1 };
        all.add(Annotation::mixed_aggregation(place(4)));
        all.add(Annotation::mixed_aggregation(place(9)));
        all.add(Annotation::starts_overlap("m", place(0)));
        all.add(Annotation::starts_overlap("m", place(0)));
        all.add(Annotation::forced_monotonicity("", (1.0, 2.0, 0.5), Timestamp::from_millis(60_000), place(0)));
        all.add(Annotation::forced_monotonicity("", (0.5, 1.0, 0.75), Timestamp::from_millis(0), place(0)));
        let source = "sum(a) + sum(b)";
        assert_eq!(
            all.render(Severity::Warning, source),
            [
                "PromQL warning: encountered a mix of histograms and floats for aggregation (1:10)",
                "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric \"m\" \
                 (2 occurrences) (1:1)",
            ]
        );
        let [fixed] = all.render(Severity::Info, source).try_into().unwrap();
        assert!(
            fixed.ends_with(
                "from buckets 0.5 to 2, with a max diff of 0.75, over 2 samples from 1970-01-01T00:00:00Z to \
                 1970-01-01T00:01:00Z (1:1)"
            ),
            "{fixed}"
        );
    }
}
