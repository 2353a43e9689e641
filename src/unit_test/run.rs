//! Runs tests: feeds series, evaluates rules step by step, and looks at what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::evaluator::{Evaluator, EvaluatorSpec, RuleFailure};
use crate::model::{HistogramSample, Labels, Place, Problem, Sample, Timestamp, format_duration};
use crate::promql::{SampleValue, SequenceValue, Value, written_histogram};
use crate::store::{Retain, SeriesId};

use super::difference::{Difference, Field, Item, differences};
use super::{AlertTest, ExprTest, Test, TestFile};

/// How many times the rules of a test may be evaluated: nineteen years, once a minute.
pub const EVALUATIONS_MAX: u128 = 10_000_000;

/// What is not as `promtool test rules` has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whether a group with an `interval` of its own is evaluated at that one.
    pub honors_intervals: bool,
}

/// Why a test failed.
#[derive(Clone, PartialEq, Debug)]
pub enum Failure {
    /// It is not sound.
    Problem(Problem),
    /// It would take too long.
    TooLong {
        /// The test.
        place: Place,
        /// How often its rules would be evaluated.
        evaluations: u128,
    },
    /// A rule could not be evaluated, which ends the test.
    Rule {
        /// The test.
        place: Place,
        /// When, from the start.
        at: Duration,
        /// The rule and the reason.
        failure: RuleFailure,
    },
    /// Other alerts fire.
    Alerts {
        /// What was expected.
        place: Place,
        /// When, from the start.
        at: Duration,
        /// The name of the alerts.
        name: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// An expression could not be evaluated.
    Expr {
        /// What was expected.
        place: Place,
        /// When, from the start.
        at: Duration,
        /// The expression.
        source: String,
        /// The reason.
        why: String,
    },
    /// An expression gives something else.
    Samples {
        /// What was expected.
        place: Place,
        /// When, from the start.
        at: Duration,
        /// The expression.
        source: String,
        /// What differs.
        differences: Vec<Difference>,
    },
}

/// A file's rules, ready for its tests, one after the other.
#[derive(Debug)]
pub struct Rehearsal {
    evaluator: Evaluator,
    /// The groups in the order in which they are evaluated, each with its interval.
    order: Vec<(usize, Duration)>,
    evaluation_interval: Duration,
    is_fuzzy: bool,
}

/// A series on its way into the store.
struct Feed<'a> {
    labels: &'a Labels,
    values: &'a [Option<SequenceValue>],
    series: Option<SeriesId>,
    next: usize,
}

impl Rehearsal {
    /// The rules of a file. They are set up once, for all its tests.
    pub fn new(file: &TestFile, options: Options) -> Self {
        let interval = file.evaluation_interval;
        let spec =
            EvaluatorSpec { groups: file.groups.clone(), retain: Retain::All, interval, ..EvaluatorSpec::default() };
        let evaluator = Evaluator::new(spec, Vec::new());
        let rank = |place: &usize| {
            let name = file.groups.get(*place).map_or("", |group| group.name.as_str());
            file.group_eval_order.iter().position(|listed| listed == name).unwrap_or_default()
        };
        let mut order = evaluator.evaluation_order().to_vec();
        order.sort_by_key(rank);
        let own = |place: usize| file.groups.get(place).map(|group| group.interval).filter(|it| !it.is_zero());
        let interval_of = |place: usize| own(place).filter(|_| options.honors_intervals).unwrap_or(interval);
        let order = order.into_iter().map(|place| (place, interval_of(place))).collect();
        Self { evaluator, order, evaluation_interval: interval, is_fuzzy: file.is_fuzzy }
    }

    /// Runs a test. It has passed when the answer is empty.
    pub fn run(&mut self, test: &Test) -> Vec<Failure> {
        self.evaluator.start_over(test.context.clone());
        if !test.problems.is_empty() {
            return test.problems.iter().cloned().map(Failure::Problem).collect();
        }
        let evaluations = self.evaluations(test);
        if evaluations > EVALUATIONS_MAX {
            return vec![Failure::TooLong { place: test.place.clone(), evaluations }];
        }
        let mut failures = Vec::new();
        if self.play(test, &mut failures) {
            failures.extend(test.exprs.iter().filter_map(|it| self.check_expr(test, it)));
        }
        failures
    }

    /// Everything that is stored since the last test: what was fed and what was recorded, as it would be written.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for (labels, samples) in self.evaluator.stored() {
            text.push_str(&format!("{labels}\n"));
            for (at, value) in samples {
                let value = match value {
                    SampleValue::Float(value) => super::difference::number(value),
                    SampleValue::Histogram(histogram) => written_histogram(&histogram),
                };
                text.push_str(&format!("  {at} {value}\n"));
            }
        }
        text
    }

    /// How often groups are evaluated in a test.
    fn evaluations(&self, test: &Test) -> u128 {
        let shortest = self.order.iter().map(|(_, interval)| *interval).min();
        let shortest = shortest.unwrap_or(self.evaluation_interval).min(self.evaluation_interval);
        test.lasts().as_millis() / shortest.as_millis().max(1) + 1
    }

    /// Lets time pass, from the start to the last moment that the test is about. Returns whether every rule could be
    /// evaluated.
    fn play(&mut self, test: &Test, failures: &mut Vec<Failure>) -> bool {
        let mut feeds: Vec<Feed<'_>> = test.series.iter().map(Feed::new).collect();
        let mut alerts: Vec<&AlertTest> = test.alerts.iter().collect();
        alerts.sort_by_key(|it| it.at);
        let mut alerts = alerts.into_iter().peekable();
        let end = test.lasts();
        let mut next_of_groups = vec![Duration::ZERO; self.order.len()];
        let mut next_step = Duration::ZERO;
        let mut at = Duration::ZERO;
        while at <= end {
            let now = test.start + at;
            for feed in &mut feeds {
                feed.until(&mut self.evaluator, test, now);
            }
            let mut failed = Vec::new();
            for ((place, interval), next) in self.order.iter().zip(&mut next_of_groups) {
                if *next == at {
                    failed.extend(self.evaluator.evaluate_group(*place, now));
                    *next += *interval;
                }
            }
            if !failed.is_empty() {
                let failure = |failure| Failure::Rule { place: test.place.clone(), at, failure };
                failures.extend(failed.into_iter().map(failure));
                return false;
            }
            if next_step == at {
                next_step += self.evaluation_interval;
            }
            let next = next_of_groups.iter().copied().chain([next_step]).min().unwrap_or(next_step);
            // What is expected of a moment between two evaluations is expected of the one before.
            while let Some(alert) = alerts.next_if(|it| it.at < next) {
                failures.extend(self.check_alerts(alert));
            }
            at = next;
        }
        true
    }

    fn check_alerts(&self, test: &AlertTest) -> Option<Failure> {
        let item = |labels: BTreeMap<String, String>, annotations: BTreeMap<String, String>| {
            let labels = labels.into_iter().map(|(name, text)| (Field::Label(name), text));
            let annotations = annotations.into_iter().map(|(name, text)| (Field::Annotation(name), text));
            Item { texts: labels.chain(annotations).collect(), value: None }
        };
        let expected = test.expected.iter().map(|it| item(it.labels.clone(), it.annotations.clone())).collect();
        let firing = self.evaluator.firing_named(&test.name).into_iter();
        let owned = |labels: &Labels| labels.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let got = firing.map(|it| item(owned(&it.labels), it.annotations)).collect();
        let differences = differences(expected, got, self.is_fuzzy);
        let failure = || Failure::Alerts {
            place: test.place.clone(),
            at: test.at,
            name: test.name.clone(),
            differences: differences.clone(),
        };
        (!differences.is_empty()).then(failure)
    }

    fn check_expr(&self, test: &Test, expected: &ExprTest) -> Option<Failure> {
        let (place, at, source) = (expected.place.clone(), expected.at, expected.source.clone());
        let got = match self.evaluator.value_of(&expected.expr, test.start + expected.at) {
            Ok(Value::Scalar(value)) => vec![sample(&Labels::empty(), &value.into())],
            Ok(Value::Vector(elements)) => elements.iter().map(|it| sample(&it.labels, &it.value)).collect(),
            Ok(Value::Matrix(_) | Value::String(_)) => {
                let why = "it gives neither a vector nor a number".to_owned();
                return Some(Failure::Expr { place, at, source, why });
            }
            Err(error) => {
                let shown = error.span.render(&source);
                let shown: String = shown.lines().map(|line| format!("\n  {line}")).collect();
                let why = format!("{error}{shown}");
                return Some(Failure::Expr { place, at, source, why });
            }
        };
        let expected = expected.expected.iter().map(|it| sample(&it.labels, &it.value)).collect();
        let differences = differences(expected, got, self.is_fuzzy);
        (!differences.is_empty()).then_some(Failure::Samples { place, at, source, differences })
    }
}

/// A sample of a vector. Of a histogram, its text is compared, as promtool does.
fn sample(labels: &Labels, value: &SampleValue) -> Item {
    let texts = labels.iter().map(|(name, text)| (Field::Label(name.to_owned()), text.to_owned()));
    let histogram = value.histogram().map(|histogram| (Field::Value, written_histogram(histogram)));
    Item { texts: texts.chain(histogram).collect(), value: value.float() }
}

impl<'a> Feed<'a> {
    fn new(series: &'a super::InputSeries) -> Self {
        Self { labels: &series.labels, values: &series.values, series: None, next: 0 }
    }

    /// Feeds the values up to a moment.
    fn until(&mut self, evaluator: &mut Evaluator, test: &Test, now: Timestamp) {
        let step_ms = i64::try_from(test.interval.as_millis()).unwrap_or(i64::MAX);
        while let Some(value) = self.values.get(self.next) {
            let steps = i64::try_from(self.next).unwrap_or(i64::MAX);
            let at = test.start.shifted(step_ms.saturating_mul(steps));
            if at > now {
                return;
            }
            self.next += 1;
            let Some(SequenceValue { value, .. }) = value else { continue };
            if self.series.is_none() {
                self.series = evaluator.series_to_feed(self.labels);
            }
            let Some(series) = self.series else { continue };
            match value {
                SampleValue::Float(value) => evaluator.feed(series, Sample { at, value: *value }),
                SampleValue::Histogram(histogram) => {
                    evaluator.feed_histogram(series, HistogramSample { at, histogram: histogram.clone() });
                }
            }
        }
    }
}

impl Failure {
    /// Where it is, and of what moment.
    pub(super) fn heading(&self) -> String {
        match self {
            Self::Problem(problem) => problem.to_string(),
            Self::TooLong { place, evaluations } => format!(
                "{place}: the rules would be evaluated {evaluations} times, more than {EVALUATIONS_MAX}\nhint: look at an \
                 earlier `eval_time`, or set a longer `evaluation_interval`"
            ),
            Self::Rule { place, at, failure } => {
                let RuleFailure { rule, group, file, why } = failure;
                let at = format_duration(*at);
                format!("{place}: rule `{rule}` of group `{group}` in {file} at {at}: {why}")
            }
            Self::Alerts { place, at, name, .. } => format!("{place}: alert `{name}` at {}", format_duration(*at)),
            Self::Expr { place, at, source, why } => format!("{place}: `{source}` at {}: {why}", format_duration(*at)),
            Self::Samples { place, at, source, .. } => format!("{place}: `{source}` at {}", format_duration(*at)),
        }
    }

    /// What differs from what is expected.
    pub(super) fn differences(&self) -> &[Difference] {
        match self {
            Self::Alerts { differences, .. } | Self::Samples { differences, .. } => differences,
            Self::Problem(_) | Self::TooLong { .. } | Self::Rule { .. } | Self::Expr { .. } => &[],
        }
    }
}
