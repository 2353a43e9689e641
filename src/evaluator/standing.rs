//! A rule as it stands, and what an evaluation makes of it: alerts move, series are written, and who is unknown is noted.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{HistogramSample, Labels, RuleId, Sample, Timestamp, escape_url};
use crate::promql::live::{Plan, RootId};
use crate::promql::{EvalError, SampleValue, Value, evaluate};
use crate::rule::{
    ALERTS, ALERTS_FOR_STATE, AlertRule, AnnotateContext, Change, Instance, OnUnknown, RecordRule, Rule, RuleError,
    RuleGroup, RuleInstances, Seen, Timing, annotate, record, series_of,
};
use crate::store::{Append, Origin, Store};
use crate::template::{Answers, KnownAnswers, QueryHost};

use super::blind::{Scene, Sight, Trouble};
use super::failing::FailingRule;
use super::health::Health;
use super::overdue::UnknownAlert;
use super::queries::{StoreQueries, Texts};
use super::{GroupReport, InstanceChange, RuleHealth, RuleKind, RuleView, ScrapeTarget};

/// What is said of a rule that reads more rules than are seen through.
const CUT: &str = "it reads the series of so many rules that they are not seen through: while any target is down or any \
                   rule fails, its alerts do not resolve; ask for fewer names";

/// A rule and what became of it.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) rule: Arc<Rule>,
    /// Its place among all rules.
    pub(super) number: usize,
    pub(super) sight: Sight,
    /// Its expression in the plan, when the embedded source answers it.
    pub(super) root: Option<RootId>,
    /// The parts of it that the interpreter evaluates.
    pub(super) interpreted: Vec<String>,
    /// How it went so far, while a reload is under way; otherwise the evaluator has it.
    pub(super) health: Health,
    pub(super) instances: RuleInstances,
    /// The series that it wrote in its last successful evaluation.
    pub(super) outputs: BTreeSet<Labels>,
    pub(super) error: Option<String>,
    pub(super) warnings: Vec<String>,
    /// What a remote source answered to the queries of its texts, in this evaluation.
    pub(super) answers: KnownAnswers,
    pub(super) evaluated_at: Option<Timestamp>,
    /// The newest moment that it has read.
    pub(super) read_at: Option<Timestamp>,
    pub(super) took: Duration,
    /// The queries of its texts.
    texts: Texts,
}

/// One evaluation of a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evaluation<'a> {
    pub(super) group: &'a RuleGroup,
    pub(super) at: Timestamp,
    /// The moment that it reads, and for which it writes.
    pub(super) read: Timestamp,
    /// Whether it has read that moment before.
    is_again: bool,
}

/// What rules see and write to.
pub(super) struct Surroundings<'a> {
    pub(super) store: &'a mut Store,
    pub(super) plan: &'a mut Plan,
    pub(super) targets: &'a [&'a ScrapeTarget],
    pub(super) context: &'a AnnotateContext,
    pub(super) healths: &'a mut [Health],
    /// The alerts of each rule that cannot be measured.
    pub(super) unknown: &'a mut BTreeMap<RuleId, Vec<UnknownAlert>>,
    /// The rules that fail.
    pub(super) failing: &'a mut BTreeMap<RuleId, FailingRule>,
    pub(super) is_strict: bool,
    pub(super) elapsed: fn() -> Duration,
}

impl Surroundings<'_> {
    /// The value of a rule's expression, as of the moment that it reads.
    pub(super) fn evaluate(&mut self, rule: &Standing, read: Timestamp) -> Result<Value, EvalError> {
        match rule.root {
            Some(root) => self.plan.evaluate(root, self.store, read),
            None => evaluate(rule.rule.expr(), self.store, read),
        }
    }

    /// Lets those who read what a rule writes know that it may have written.
    fn note_written(&mut self, rule: &Rule) {
        match rule {
            Rule::Record(rule) => self.plan.wrote(&rule.name),
            Rule::Alert(_) => [ALERTS, ALERTS_FOR_STATE].iter().for_each(|name| self.plan.wrote(name)),
        }
    }

    /// What an evaluation sees.
    pub(super) fn scene(&self, it: Evaluation<'_>) -> Scene<'_> {
        Scene { store: self.store, targets: self.targets, healths: self.healths, at: it.at, read: it.read }
    }
}

impl Standing {
    /// A rule that was never evaluated. Its selectors are registered when the store is to answer them.
    pub(super) fn new(rule: Rule, number: usize, is_embedded: bool, query_offset: Duration, store: &mut Store) -> Self {
        let sight = if is_embedded { Sight::new(store, rule.expr(), query_offset) } else { Sight::default() };
        let texts = match &rule {
            Rule::Alert(alert) if is_embedded => Texts::keep(store, alert, query_offset),
            Rule::Alert(_) | Rule::Record(_) => Texts::default(),
        };
        let timing = match &rule {
            Rule::Alert(alert) => alert.timing(),
            Rule::Record(_) => Timing { hold: Duration::ZERO, keep_firing_for: Duration::ZERO },
        };
        Self {
            number,
            sight,
            root: None,
            interpreted: Vec::new(),
            health: Health::default(),
            instances: RuleInstances::new(rule.id().clone(), timing),
            rule: Arc::new(rule),
            outputs: BTreeSet::new(),
            error: None,
            warnings: Vec::new(),
            answers: KnownAnswers::new(),
            evaluated_at: None,
            read_at: None,
            took: Duration::ZERO,
            texts,
        }
    }

    /// The evaluation at `at`. The moment that is read never goes back: where `query_offset` was raised, what was read last
    /// is read again until the new offset has caught up with it.
    pub(super) fn evaluation<'a>(&self, group: &'a RuleGroup, at: Timestamp) -> Evaluation<'a> {
        let behind = at - group.query_offset;
        let read = self.read_at.map_or(behind, |last| last.max(behind));
        Evaluation { group, at, read, is_again: self.read_at == Some(read) }
    }

    /// Where its expression and alerts can be looked at.
    pub(super) fn link(&self, context: &AnnotateContext) -> String {
        link(context, self.rule.name())
    }

    /// Takes in the result of an evaluation: alerts move, series are written, and the report says how it went.
    pub(super) fn take(
        &mut self,
        result: Result<Value, RuleError>,
        it: Evaluation<'_>,
        around: &mut Surroundings<'_>,
        changes: &mut Vec<InstanceChange>,
        report: &mut GroupReport,
    ) {
        let rule = self.rule.clone();
        let mut is_whole = true;
        let error = match &*rule {
            Rule::Alert(rule) => {
                let (error, troubles) = self.take_alerts(rule, result, it, around, changes);
                if error.is_none() || !around.is_strict {
                    let (written, is_stored) = self.write_alerts(around.store, it);
                    report.samples += written;
                    is_whole = is_stored;
                }
                self.note_unknown(it.group, around, error.as_ref(), &troubles);
                error
            }
            Rule::Record(rule) => match self.take_record(rule, result, it, around.store) {
                Ok(written) => {
                    report.samples += written;
                    None
                }
                Err(error) => Some(error),
            },
        };
        around.note_written(&rule);
        if let Some(health) = around.healths.get_mut(self.number) {
            health.note(it.read, error.is_some() || !is_whole, it.group.interval);
        }
        (self.evaluated_at, self.read_at) = (Some(it.at), Some(it.read));
        self.note_failing(it, around, error.as_ref());
        let error = error.map(|error| error.to_string());
        let had_failed = std::mem::replace(&mut self.error, error).is_some();
        match &self.error {
            Some(error) => {
                report.failed += 1;
                if !had_failed {
                    report.failures.push((self.rule.name().to_owned(), error.clone()));
                }
            }
            None if had_failed => report.recovered.push(self.rule.name().to_owned()),
            None => {}
        }
    }

    fn take_alerts(
        &mut self,
        rule: &AlertRule,
        result: Result<Value, RuleError>,
        it: Evaluation<'_>,
        around: &Surroundings<'_>,
        changes: &mut Vec<InstanceChange>,
    ) -> (Option<RuleError>, HashMap<Labels, Trouble>) {
        let Evaluation { group, at, .. } = it;
        let link = self.link(around.context);
        let sight = &self.sight;
        let scene = around.scene(it);
        // Most evaluations miss nothing, and then nobody asks; in an outage thousands may ask.
        let blindness = OnceCell::new();
        let trouble =
            |instance: &Instance| blindness.get_or_init(|| sight.blindness(scene, group.on_unknown)).trouble(instance);
        let troubles = RefCell::new(HashMap::new());
        let is_unknown = |instance: &Instance| {
            if troubles.borrow().contains_key(&instance.labels) {
                return true;
            }
            let found = trouble(instance);
            let is_unknown = found.is_some();
            troubles.borrow_mut().extend(found.map(|found| (instance.labels.clone(), found)));
            is_unknown
        };
        let embedded = StoreQueries::new(around.store, it.read, &self.texts);
        let remote = Answers::new(&self.answers);
        let queries: &dyn QueryHost = if group.source.is_embedded() { &embedded } else { &remote };
        let mut result = result.and_then(|value| annotate(rule, value, around.context, at, queries));
        if let Ok(seen) = &result
            && group.limit > 0
        {
            let count = self.instances.count_after(seen, is_unknown, at);
            if count > group.limit {
                result = Err(RuleError::Limit { limit: group.limit, count, what: "alerts" });
            }
        }
        let error = result.as_ref().err().cloned();
        let values = values_of(&result);
        let made = match (result, group.on_unknown) {
            (Err(RuleError::Limit { .. }), _) if around.is_strict => self.instances.end_all(&link, at),
            (Err(_), OnUnknown::Resolve) => self.instances.apply(Ok(Vec::new()), is_unknown, &link, at),
            (result, _) => self.instances.apply(result, is_unknown, &link, at),
        };
        changes.extend(made.into_iter().map(|change| changed(&rule.id, change, &values)));
        (error, troubles.into_inner())
    }

    /// Writes the series that tell of the alerts, if anyone wants them, and ends those of alerts that are no more or have
    /// another state. What cannot be measured is still what it was. Returns how many there are, and whether all were stored.
    fn write_alerts(&mut self, store: &mut Store, it: Evaluation<'_>) -> (usize, bool) {
        if self.instances.iter().len() == 0 && self.outputs.is_empty() {
            return (0, true);
        }
        let is_wanted = store.may_want(ALERTS) || store.may_want(ALERTS_FOR_STATE);
        let series: Vec<_> = if is_wanted { self.instances.iter().flat_map(series_of).collect() } else { Vec::new() };
        let count = series.len();
        // That there is no room for it must not keep an alert from being told: the rule does not fail, only for those that
        // read its series.
        let series = series.into_iter().map(|(labels, value)| (labels, value.into())).collect();
        let is_stored = self.write(series, store, it).is_ok();
        (count, is_stored)
    }

    fn take_record(
        &mut self,
        rule: &RecordRule,
        result: Result<Value, RuleError>,
        it: Evaluation<'_>,
        store: &mut Store,
    ) -> Result<usize, RuleError> {
        let series = record(rule, result?, it.group.limit)?;
        let count = series.len();
        self.write(series, store, it)?;
        Ok(count)
    }

    /// Stores the series that someone wants, and ends those that were written the last time and are not now.
    fn write(
        &mut self,
        series: Vec<(Labels, SampleValue)>,
        store: &mut Store,
        it: Evaluation<'_>,
    ) -> Result<(), RuleError> {
        let refused_before = store.refused_count();
        let mut dropped = 0;
        let mut outputs = BTreeSet::new();
        for (labels, value) in series {
            if let Some(id) = store.series_for(&labels, &Origin::Recorded) {
                let (appended, number) = match value {
                    SampleValue::Float(value) => (store.append(id, Sample { at: it.read, value }), value),
                    SampleValue::Histogram(histogram) => {
                        (store.append_histogram(id, HistogramSample { at: it.read, histogram }), f64::NAN)
                    }
                };
                let is_same = || store.series(id).last().is_some_and(|last| last.value.to_bits() == number.to_bits());
                dropped += usize::from(match appended {
                    Append::Stored => false,
                    Append::Duplicate => !it.is_again && !is_same(),
                    // When a moment is read again, what ended right behind it has begun again.
                    Append::OutOfOrder => !it.is_again,
                });
                outputs.insert(labels);
            }
        }
        for gone in self.outputs.difference(&outputs) {
            // What another rule has written in this evaluation goes on.
            let last_at = store.find(gone).and_then(|id| store.newest_at(id));
            if last_at.is_none_or(|last_at| last_at < it.read) {
                store.end(gone, it.read);
            }
        }
        self.outputs = outputs;
        let refused = usize::try_from(store.refused_count() - refused_before).unwrap_or(usize::MAX);
        if refused + dropped > 0 { Err(RuleError::NotStored { refused, dropped }) } else { Ok(()) }
    }

    /// Ends everything that it wrote, right behind it: whoever writes the same from now on may be behind the present.
    pub(super) fn end_outputs(&mut self, store: &mut Store, now: Timestamp) {
        let at = self.read_at.unwrap_or(now);
        for labels in std::mem::take(&mut self.outputs) {
            store.end(&labels, at);
        }
    }

    /// Notes whether it fails, and since when.
    fn note_failing(&self, it: Evaluation<'_>, around: &mut Surroundings<'_>, error: Option<&RuleError>) {
        match error {
            // It waits, and says so, but nothing is wrong.
            None | Some(RuleError::TooEarly(_)) => drop(around.failing.remove(self.rule.id())),
            Some(error) => {
                let since = around.failing.get(self.rule.id()).map_or(it.at, FailingRule::since);
                around.failing.insert(self.rule.id().clone(), FailingRule::new(&self.rule, it.group, since, error));
            }
        }
    }

    /// Notes which alerts cannot be measured, and why: `troubles` says so of those whose absence was asked about.
    fn note_unknown(
        &self,
        group: &RuleGroup,
        around: &mut Surroundings<'_>,
        error: Option<&RuleError>,
        troubles: &HashMap<Labels, Trouble>,
    ) {
        let unknown: Vec<UnknownAlert> = self
            .instances
            .iter()
            .filter_map(|instance| {
                let why = || match (error, troubles.get(&instance.labels)) {
                    (Some(error), _) => format!("the rule fails: {error}"),
                    (None, Some(trouble)) => trouble.to_string(),
                    (None, None) => String::new(),
                };
                UnknownAlert::new(instance, group, self.rule.name(), why)
            })
            .collect();
        if unknown.is_empty() {
            around.unknown.remove(self.rule.id());
        } else {
            around.unknown.insert(self.rule.id().clone(), unknown);
        }
    }

    pub(super) fn view(&self, group: &RuleGroup) -> RuleView {
        let alert = match &*self.rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Record(_) => None,
        };
        RuleView {
            id: self.rule.id().clone(),
            file: group.file.clone(),
            group: group.name.clone(),
            kind: if alert.is_some() { RuleKind::Alerting } else { RuleKind::Recording },
            name: self.rule.name().to_owned(),
            source: self.rule.source().to_owned(),
            hold: alert.map_or(Duration::ZERO, |alert| alert.hold),
            keep_firing_for: alert.map_or(Duration::ZERO, |alert| alert.keep_firing_for),
            labels: self.rule.labels(),
            annotations: alert.map(AlertRule::written_annotations).unwrap_or_default(),
            health: match (&self.error, self.evaluated_at) {
                (_, None) => RuleHealth::Unknown,
                (Some(_), Some(_)) => RuleHealth::Failing,
                (None, Some(_)) => RuleHealth::Ok,
            },
            evaluated_at: self.evaluated_at,
            took: self.took,
            error: self.error.clone(),
            interpreted: self.interpreted.clone(),
            warnings: self.warnings.iter().cloned().chain(self.sight.is_cut().then(|| CUT.to_owned())).collect(),
            instances: self.instances.iter().cloned().collect(),
        }
    }
}

fn values_of(result: &Result<Vec<Seen>, RuleError>) -> HashMap<Labels, f64> {
    let seen = result.as_ref().map_or(&[][..], Vec::as_slice);
    seen.iter().map(|it| (it.labels.clone(), it.value)).collect()
}

/// A change of an instance of a rule, with the value that its element has now.
pub(super) fn changed(rule: &RuleId, change: Change, values: &HashMap<Labels, f64>) -> InstanceChange {
    InstanceChange {
        rule: rule.clone(),
        value: values.get(&change.labels).copied().unwrap_or(f64::NAN),
        labels: change.labels,
        row: change.row,
        transition: change.transition,
        alert: change.alert,
    }
}

/// Where a rule of this name can be looked at.
pub(super) fn link(context: &AnnotateContext, rule: &str) -> String {
    format!("{}/?rule={}", context.external_url.trim_end_matches('/'), escape_url(rule))
}
