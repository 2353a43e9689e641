//! A group of rules and its evaluation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Labels, RuleId, Sample, Timestamp};
use crate::promql::live::{Plan, RootId};
use crate::promql::{EvalError, Value, evaluate};
use crate::rule::{
    ALERTS, ALERTS_FOR_STATE, AlertRule, AnnotateContext, Change, Instance, OnUnknown, RecordRule, Rule, RuleError,
    RuleGroup, RuleInstances, Seen, Timing, annotate, record, series_of,
};
use crate::store::{Append, Origin, Store};
use crate::template::{Answers, KnownAnswers, QueryHost};

use super::blind::{Health, Scene, Sight};
use super::overdue::UnknownAlert;
use super::queries::{self, StoreQueries};
use super::{GroupReport, GroupView, InstanceChange, QuestionId, RuleHealth, RuleKind, RuleView, ScrapeTarget};

/// A group and its rules as they stand.
#[derive(Debug)]
pub(super) struct Group {
    /// What it is, without its rules.
    pub(super) spec: RuleGroup,
    pub(super) rules: Vec<Standing>,
    /// The moment of the last evaluation that was begun.
    pub(super) scheduled_at: Option<Timestamp>,
    /// The moment of the last evaluation that came to its end.
    pub(super) evaluated_at: Option<Timestamp>,
    pub(super) took: Duration,
    /// The evaluation that waits for answers.
    pub(super) round: Option<Round>,
}

/// An evaluation that waits for answers of a remote source.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) at: Timestamp,
    /// The rules whose answers have not come, with their questions.
    pub(super) waiting: BTreeMap<QuestionId, usize>,
    /// What rules gave whose texts wait for answers of their own.
    pub(super) held: BTreeMap<usize, Value>,
    pub(super) report: GroupReport,
}

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
    pub(super) instances: RuleInstances,
    /// The series that it wrote in its last successful evaluation.
    pub(super) outputs: BTreeSet<Labels>,
    pub(super) error: Option<String>,
    pub(super) warnings: Vec<String>,
    /// What a remote source answered to the queries of its texts, in this evaluation.
    pub(super) answers: KnownAnswers,
    pub(super) evaluated_at: Option<Timestamp>,
    pub(super) took: Duration,
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
    pub(super) is_strict: bool,
    pub(super) elapsed: fn() -> Duration,
}

impl Surroundings<'_> {
    fn scene(&self) -> Scene<'_> {
        Scene { store: self.store, targets: self.targets, healths: self.healths }
    }

    /// The value of a rule's expression.
    fn evaluate(&mut self, rule: &Standing, at: Timestamp) -> Result<Value, EvalError> {
        match rule.root {
            Some(root) => self.plan.evaluate(root, self.store, at),
            None => evaluate(rule.rule.expr(), self.store, at),
        }
    }

    /// Lets those who read what a rule writes know that it may have written.
    fn note_written(&mut self, rule: &Rule) {
        match rule {
            Rule::Record(rule) => self.plan.wrote(&rule.name),
            Rule::Alert(_) => [ALERTS, ALERTS_FOR_STATE].iter().for_each(|name| self.plan.wrote(name)),
        }
    }
}

impl Group {
    /// A group that was never evaluated, its selectors registered. Rules are numbered from `number` on.
    pub(super) fn new(mut spec: RuleGroup, store: &mut Store, number: usize) -> Self {
        let rules = std::mem::take(&mut spec.rules);
        let (is_embedded, query_offset) = (spec.source.is_embedded(), spec.query_offset);
        let rules = rules
            .into_iter()
            .zip(number..)
            .map(|(rule, number)| Standing::new(rule, number, is_embedded, query_offset, store));
        let rules = rules.collect();
        Self { spec, rules, scheduled_at: None, evaluated_at: None, took: Duration::ZERO, round: None }
    }

    /// What tells groups apart.
    pub(super) fn key(&self) -> (String, String) {
        (self.spec.file.clone(), self.spec.name.clone())
    }

    /// How far behind the multiples of its interval it is evaluated. Groups on the embedded source tick together; those
    /// that ask a remote one are spread by a hash of their names, as Prometheus spreads all of its own.
    fn phase(&self) -> Duration {
        if self.spec.source.is_embedded() {
            return Duration::ZERO;
        }
        let key = Labels::from_pairs([("file", self.spec.file.as_str()), ("name", self.spec.name.as_str())]);
        let step = u64::try_from(self.spec.interval.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(key.fingerprint().0 % step)
    }

    /// The last moment not after `now` at which it is evaluated.
    fn moment(&self, now: Timestamp) -> Timestamp {
        let phase = self.phase();
        (now - phase).floor_to(self.spec.interval) + phase
    }

    /// The moment for which an evaluation is due at `now`, if one is.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.moment(now);
        self.scheduled_at.is_none_or(|last| last < at).then_some(at)
    }

    /// Evaluates it only from after `now` on.
    pub(super) fn skip_to(&mut self, now: Timestamp) {
        self.scheduled_at = Some(self.moment(now));
    }

    /// When it is next due after `now`.
    pub(super) fn next_due(&self, now: Timestamp) -> Timestamp {
        self.moment(now) + self.spec.interval
    }

    /// A report of an evaluation that begins at `at`.
    pub(super) fn begin(&mut self, at: Timestamp) -> GroupReport {
        let missed =
            self.scheduled_at.map_or(0, |last| intervals_between(last, at, self.spec.interval).saturating_sub(1));
        self.scheduled_at = Some(at);
        GroupReport {
            group: format!("{};{}", self.spec.file, self.spec.name),
            rules: self.rules.len(),
            missed,
            ..GroupReport::default()
        }
    }

    /// Evaluates all rules, in order, over the store.
    pub(super) fn evaluate(
        &mut self,
        around: &mut Surroundings<'_>,
        at: Timestamp,
        changes: &mut Vec<InstanceChange>,
    ) -> GroupReport {
        let mut report = self.begin(at);
        let started = (around.elapsed)();
        for rule in &mut self.rules {
            let started = (around.elapsed)();
            let query_at = at - self.spec.query_offset;
            let result = match rule.sight.too_early(around.scene(), at) {
                Some(target) => Err(RuleError::TooEarly(target.clone())),
                None => around.evaluate(rule, query_at).map_err(RuleError::from),
            };
            rule.take(result, &self.spec, around, at, changes, &mut report);
            rule.took = (around.elapsed)().saturating_sub(started);
        }
        self.took = (around.elapsed)().saturating_sub(started);
        report.took = self.took;
        self.evaluated_at = Some(at);
        report
    }

    /// How the outside sees it.
    pub(super) fn view(&self) -> GroupView {
        GroupView {
            file: self.spec.file.clone(),
            name: self.spec.name.clone(),
            interval: self.spec.interval,
            limit: self.spec.limit,
            query_offset: self.spec.query_offset,
            source: self.spec.source.clone(),
            evaluated_at: self.evaluated_at,
            took: self.took,
            rules: self.rules.iter().map(|rule| rule.view(&self.spec)).collect(),
        }
    }
}

impl Standing {
    /// A rule that was never evaluated. Its selectors are registered when the store is to answer them.
    fn new(rule: Rule, number: usize, is_embedded: bool, query_offset: Duration, store: &mut Store) -> Self {
        let sight = if is_embedded { Sight::new(store, rule.expr(), query_offset) } else { Sight::default() };
        if let (true, Rule::Alert(alert)) = (is_embedded, &rule) {
            queries::keep(store, alert, query_offset);
        }
        let timing = match &rule {
            Rule::Alert(alert) => alert.timing(),
            Rule::Record(_) => Timing { hold: Duration::ZERO, keep_firing_for: Duration::ZERO },
        };
        Self {
            number,
            sight,
            root: None,
            interpreted: Vec::new(),
            instances: RuleInstances::new(rule.id().clone(), timing),
            rule: Arc::new(rule),
            outputs: BTreeSet::new(),
            error: None,
            warnings: Vec::new(),
            answers: KnownAnswers::new(),
            evaluated_at: None,
            took: Duration::ZERO,
        }
    }

    /// Where its expression and alerts can be looked at.
    pub(super) fn link(&self, context: &AnnotateContext) -> String {
        link(context, self.rule.name())
    }

    /// Takes in the result of an evaluation: alerts move, series are written, and the report says how it went.
    pub(super) fn take(
        &mut self,
        result: Result<Value, RuleError>,
        group: &RuleGroup,
        around: &mut Surroundings<'_>,
        at: Timestamp,
        changes: &mut Vec<InstanceChange>,
        report: &mut GroupReport,
    ) {
        let stamp = at - group.query_offset;
        let rule = self.rule.clone();
        let mut is_whole = true;
        let error = match &*rule {
            Rule::Alert(rule) => {
                let error = self.take_alerts(rule, result, group, around, at, changes);
                if error.is_none() || !around.is_strict {
                    let (written, is_stored) = self.write_alerts(around.store, stamp);
                    report.samples += written;
                    is_whole = is_stored;
                }
                self.note_unknown(group, around, error.as_ref(), at);
                error
            }
            Rule::Record(rule) => match self.take_record(rule, result, group, around.store, stamp) {
                Ok(written) => {
                    report.samples += written;
                    None
                }
                Err(error) => Some(error),
            },
        };
        around.note_written(&rule);
        if let Some(health) = around.healths.get_mut(self.number) {
            *health = Health { is_failing: error.is_some() || !is_whole, is_evaluated: true };
        }
        self.evaluated_at = Some(at);
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
        group: &RuleGroup,
        around: &Surroundings<'_>,
        at: Timestamp,
        changes: &mut Vec<InstanceChange>,
    ) -> Option<RuleError> {
        let link = self.link(around.context);
        let sight = &self.sight;
        let scene = around.scene();
        let is_unknown = |instance: &Instance| sight.trouble(scene, instance, group.on_unknown, at).is_some();
        let embedded = StoreQueries { store: around.store, at: at - group.query_offset, rule };
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
        error
    }

    /// Writes the series that tell of the alerts, if anyone wants them, and ends those of alerts that are no more or have
    /// another state. What cannot be measured is still what it was. Returns how many there are, and whether all were stored.
    fn write_alerts(&mut self, store: &mut Store, stamp: Timestamp) -> (usize, bool) {
        if self.instances.iter().len() == 0 && self.outputs.is_empty() {
            return (0, true);
        }
        let is_wanted = store.may_want(ALERTS) || store.may_want(ALERTS_FOR_STATE);
        let series: Vec<_> = if is_wanted { self.instances.iter().flat_map(series_of).collect() } else { Vec::new() };
        let count = series.len();
        // That there is no room for it must not keep an alert from being told: the rule does not fail, only for those that
        // read its series.
        let is_stored = self.write(series, store, stamp).is_ok();
        (count, is_stored)
    }

    fn take_record(
        &mut self,
        rule: &RecordRule,
        result: Result<Value, RuleError>,
        group: &RuleGroup,
        store: &mut Store,
        stamp: Timestamp,
    ) -> Result<usize, RuleError> {
        let series = record(rule, result?, group.limit)?;
        let count = series.len();
        self.write(series, store, stamp)?;
        Ok(count)
    }

    /// Stores the series that someone wants, and ends those that were written the last time and are not now.
    fn write(&mut self, series: Vec<(Labels, f64)>, store: &mut Store, stamp: Timestamp) -> Result<(), RuleError> {
        let refused_before = store.refused_count();
        let mut dropped = 0;
        let mut outputs = BTreeSet::new();
        for (labels, value) in series {
            if let Some(id) = store.series_for(&labels, &Origin::Recorded) {
                let appended = store.append(id, Sample { at: stamp, value });
                let is_same = || store.series(id).last().is_some_and(|last| last.value.to_bits() == value.to_bits());
                dropped += usize::from(match appended {
                    Append::Stored => false,
                    Append::Duplicate => !is_same(),
                    Append::OutOfOrder => true,
                });
                outputs.insert(labels);
            }
        }
        for gone in self.outputs.difference(&outputs) {
            store.end(gone, stamp);
        }
        self.outputs = outputs;
        let refused = usize::try_from(store.refused_count() - refused_before).unwrap_or(usize::MAX);
        if refused + dropped > 0 { Err(RuleError::NotStored { refused, dropped }) } else { Ok(()) }
    }

    /// Ends everything that it wrote.
    pub(super) fn end_outputs(&mut self, store: &mut Store, at: Timestamp) {
        for labels in std::mem::take(&mut self.outputs) {
            store.end(&labels, at);
        }
    }

    fn note_unknown(&self, group: &RuleGroup, around: &mut Surroundings<'_>, error: Option<&RuleError>, at: Timestamp) {
        let unknown: Vec<UnknownAlert> = self
            .instances
            .iter()
            .filter_map(|instance| {
                let why = || match (error, self.sight.trouble(around.scene(), instance, group.on_unknown, at)) {
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

    fn view(&self, group: &RuleGroup) -> RuleView {
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
            warnings: self.warnings.clone(),
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
    format!("{}/?rule={}", context.external_url.trim_end_matches('/'), url_escape(rule))
}

fn intervals_between(from: Timestamp, to: Timestamp, interval: Duration) -> u64 {
    let step = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX) / step
}

/// A text for use in a URL's query.
fn url_escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
