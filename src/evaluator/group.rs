//! A group of rules: when it is due, and its evaluation.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Labels, Timestamp};
use crate::promql::Value;
use crate::rule::{RuleError, RuleGroup};
use crate::store::Store;

use super::standing::{Standing, Surroundings};
use super::{GroupReport, GroupView, InstanceChange, QuestionId};

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
            let it = rule.evaluation(&self.spec, at);
            let result = match rule.sight.too_early(around.scene(it)) {
                Some(target) => Err(RuleError::TooEarly(target.clone())),
                None => around.evaluate(rule, it.read).map_err(RuleError::from),
            };
            rule.take(result, it, around, changes, &mut report);
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

fn intervals_between(from: Timestamp, to: Timestamp, interval: Duration) -> u64 {
    let step = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX) / step
}
