//! The evaluator in made-up time: the code that runs live, told what was measured and what to evaluate when.
//!
//! Nothing is scraped here, so nothing is unknown because a target was lost, and nothing is dropped: whoever rehearses
//! retains everything and says when to start over.

use std::collections::BTreeMap;

use crate::model::{HistogramSample, Labels, Sample, Timestamp};
use crate::promql::{EvalError, Expr, SampleValue, Value, evaluate};
use crate::rule::{AnnotateContext, Rule};
use crate::store::{Origin, Rich, SeriesId};

use super::Evaluator;
use super::standing::Surroundings;

/// A rule whose evaluation failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleFailure {
    /// Its name.
    pub rule: String,
    /// Its group.
    pub group: String,
    /// The file of its group.
    pub file: String,
    /// Why it failed.
    pub why: String,
}

/// An alert that fires.
#[derive(Clone, PartialEq, Debug)]
pub struct FiringAlert {
    /// Its labels.
    pub labels: Labels,
    /// Its annotations as the rule names them, those whose text came out empty among them.
    pub annotations: BTreeMap<String, String>,
}

impl Evaluator {
    /// Forgets everything that was measured and what became of it. The rules stay; their texts see another context.
    pub fn start_over(&mut self, context: AnnotateContext) {
        self.store.forget_series();
        self.unknown.clear();
        self.failing.clear();
        self.healths.fill_with(Default::default);
        self.context = context;
        for group in &mut self.groups {
            (group.scheduled_at, group.evaluated_at) = (None, None);
            for rule in &mut group.rules {
                rule.instances.forget();
                rule.outputs.clear();
                (rule.error, rule.evaluated_at, rule.read_at) = (None, None, None);
            }
        }
    }

    /// The series with these labels, for [`Self::feed`]; none when nobody wants it.
    pub fn series_to_feed(&mut self, labels: &Labels) -> Option<SeriesId> {
        self.store.series_for(labels, &Origin::Recorded)
    }

    /// Takes in a sample.
    pub fn feed(&mut self, series: SeriesId, sample: Sample) {
        self.store.append(series, sample);
    }

    /// Takes in a native histogram.
    pub fn feed_histogram(&mut self, series: SeriesId, sample: HistogramSample) {
        self.store.append_histogram(series, sample);
    }

    /// The places of the groups in the order in which those are evaluated that are due together.
    pub fn evaluation_order(&self) -> &[usize] {
        &self.order
    }

    /// Evaluates the group at this place, whether or not it is due. Returns its rules that failed.
    pub fn evaluate_group(&mut self, place: usize, at: Timestamp) -> Vec<RuleFailure> {
        self.plan.begin();
        let Self { store, plan, groups, context, healths, unknown, failing, .. } = self;
        let (is_strict, elapsed) = (self.is_strict, self.elapsed);
        let mut around =
            Surroundings { store, plan, targets: &[], context, healths, unknown, failing, is_strict, elapsed };
        let Some(group) = groups.get_mut(place) else { return Vec::new() };
        group.evaluate(&mut around, at, &mut Vec::new());
        let failed = group.rules.iter().filter_map(|rule| rule.error.clone().map(|why| (rule.rule.name(), why)));
        let (name, file) = (&group.spec.name, &group.spec.file);
        let failure = |(rule, why): (&str, String)| RuleFailure {
            rule: rule.to_owned(),
            group: name.clone(),
            file: file.clone(),
            why,
        };
        failed.map(failure).collect()
    }

    /// The alerts of this name that fire, of all groups.
    pub fn firing_named(&self, name: &str) -> Vec<FiringAlert> {
        let mut firing = Vec::new();
        for standing in self.groups.iter().flat_map(|group| &group.rules) {
            let Rule::Alert(alert) = &*standing.rule else { continue };
            if alert.name != name {
                continue;
            }
            for instance in standing.instances.iter().filter(|instance| instance.state.fired_at().is_some()) {
                let text = |name: &String| (name.clone(), instance.annotations.get(name).to_owned());
                let annotations = alert.annotations.iter().map(|(name, _)| text(name)).collect();
                firing.push(FiringAlert { labels: instance.labels.clone(), annotations });
            }
        }
        firing
    }

    /// The value of an expression over what was fed and recorded.
    pub fn value_of(&self, expr: &Expr, at: Timestamp) -> Result<Value, EvalError> {
        evaluate(expr, &self.store, at)
    }

    /// Every series that is stored, with its numbers and histograms in order of time, in order of labels. Stale markers are
    /// left out.
    pub fn stored(&self) -> Vec<(Labels, Vec<(Timestamp, SampleValue)>)> {
        let (start, end) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        let series = self.store.matching(&[]);
        let mut all = Vec::with_capacity(series.len());
        for id in series.iter() {
            let (series, rich) = (self.store.series(*id), self.store.rich(*id));
            let mut samples: Vec<_> =
                series.window(start, end).map(|it| (it.at, SampleValue::Float(it.value))).collect();
            let histograms = rich.into_iter().flat_map(|rich: &Rich| rich.window(start, end));
            samples.extend(histograms.map(|it| (it.at, SampleValue::Histogram(it.histogram.clone()))));
            samples.sort_by_key(|(at, _)| *at);
            all.push((series.labels().clone(), samples));
        }
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::evaluator::EvaluatorSpec;
    use crate::model::RuleId;
    use crate::promql::parse;
    use crate::rule::{AlertRule, RecordRule, RuleGroup};
    use crate::store::Retain;
    use crate::template::Template;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn starts_over_and_over() {
        let rule = AlertRule {
            id: RuleId::new("a"),
            name: "A".to_owned(),
            source: "recorded > 1".to_owned(),
            expr: parse("recorded > 1").unwrap(),
            hold: Duration::from_secs(60),
            keep_firing_for: Duration::ZERO,
            labels: Vec::new(),
            annotations: vec![
                ("who".to_owned(), Template::parse("{{ $externalLabels.who }}").unwrap()),
                ("none".to_owned(), Template::parse("{{ $labels.none }}").unwrap()),
            ],
        };
        let record = RecordRule {
            id: RuleId::new("r"),
            name: "recorded".to_owned(),
            source: "m + on () m2".to_owned(),
            expr: parse("m + on () m2").unwrap(),
            labels: Vec::new(),
        };
        let interval = Duration::from_secs(60);
        let groups = vec![
            RuleGroup::new("f", "reads", interval, vec![Rule::Alert(rule)]),
            RuleGroup::new("f", "writes", interval, vec![Rule::Record(record)]),
        ];
        let spec = EvaluatorSpec { groups, retain: Retain::All, interval, ..EvaluatorSpec::default() };
        let mut evaluator = Evaluator::new(spec, Vec::new());
        assert_eq!(evaluator.evaluation_order(), [1, 0]);
        for who in ["x", "y"] {
            let external_labels = Labels::from_pairs([("who", who)]);
            evaluator.start_over(AnnotateContext { external_labels, external_url: String::new() });
            assert_eq!((evaluator.stored().len(), evaluator.firing_named("A").len()), (0, 0));
            for name in ["m", "m2"] {
                let series = evaluator.series_to_feed(&Labels::from_pairs([("__name__", name)])).unwrap();
                evaluator.feed(series, Sample { at: at(7), value: 2.0 });
                evaluator.feed(series, Sample { at: at(67), value: 2.0 });
            }
            for seconds in [7, 67] {
                assert_eq!(evaluator.firing_named("A"), []);
                assert_eq!(evaluator.evaluate_group(1, at(seconds)), []);
                assert_eq!(evaluator.evaluate_group(0, at(seconds)), []);
            }
            let firing = evaluator.firing_named("A");
            assert_eq!(firing.len(), 1);
            let want = [("none", ""), ("who", who)].map(|(name, text)| (name.to_owned(), text.to_owned()));
            assert_eq!(firing[0].annotations, BTreeMap::from(want));
            assert_eq!(evaluator.firing_named("B"), []);
            assert!(
                matches!(evaluator.value_of(&parse("ALERTS").unwrap(), at(67)), Ok(Value::Vector(it)) if it.len() == 1)
            );
            // `m`, `m2`, `recorded`, `ALERTS` of both states, `ALERTS_FOR_STATE`.
            assert_eq!(evaluator.stored().len(), 6);

            let other = evaluator.series_to_feed(&Labels::from_pairs([("__name__", "m"), ("job", "b")])).unwrap();
            evaluator.feed(other, Sample { at: at(68), value: 2.0 });
            let failed = evaluator.evaluate_group(1, at(70));
            assert!(failed.len() == 1 && failed[0].rule == "recorded", "{failed:?}");
            assert_eq!(evaluator.evaluate_group(1, at(71)), failed, "one that goes on to fail is told again");
        }
    }
}
