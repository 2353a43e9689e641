//! The evaluator itself: the store, the rules and the measures, joined.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::model::{Alert, AlertStatus, Labels, RuleId, TargetId, Timestamp};
use crate::promql::{Value, evaluate};
use crate::rule::{
    AlertRule, AnnotateContext, Instance, InstanceRow, RuleError, RuleGroup, RuleInstances, Transition, annotate,
};
use crate::store::Store;

use super::blind::Sight;
use super::ingest::Intake;
use super::queries::{self, StoreQueries};
use super::{Measure, Reading, Scrape, ScrapeReport, ScrapeTarget};

/// How often samples that no rule reaches any more are dropped.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// What an evaluator is made of.
#[derive(Clone, Debug, Default)]
pub struct EvaluatorSpec {
    /// The rules.
    pub groups: Vec<RuleGroup>,
    /// What others want to have measured.
    pub measures: Vec<Measure>,
    /// Where the numbers come from.
    pub targets: Vec<ScrapeTarget>,
    /// How often measures are taken when no group is due sooner.
    pub interval: Duration,
    /// What templates see.
    pub context: AnnotateContext,
}

/// What a tick changed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Transitions {
    /// When.
    pub at: Timestamp,
    /// The instances that changed.
    pub changes: Vec<InstanceChange>,
    /// What the measures gave.
    pub readings: Vec<Reading>,
    /// The firing alerts, by their labels, that cannot be measured now.
    pub unknown: Vec<Labels>,
    /// How the evaluations went, one entry a group.
    pub groups: Vec<GroupReport>,
}

/// An instance that changed: its row, and the alert when others are to hear of it.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceChange {
    /// Its rule.
    pub rule: RuleId,
    /// The alert's labels.
    pub labels: Labels,
    /// The row to keep; none when the instance is gone.
    pub row: Option<InstanceRow>,
    /// What happened, if it has a name.
    pub transition: Option<Transition>,
    /// The value of its element.
    pub value: f64,
    /// The alert, if it fires or has just resolved.
    pub alert: Option<Alert>,
}

/// How a group's evaluation went.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupReport {
    /// `file;name`.
    pub group: String,
    /// How many rules were evaluated.
    pub rules: usize,
    /// How many of them failed.
    pub failed: usize,
    /// The rules that failed and did not before, with the reason.
    pub failures: Vec<(String, String)>,
    /// The rules that failed before and do no more.
    pub recovered: Vec<String>,
    /// Evaluations that were due and did not happen.
    pub missed: u64,
}

/// A rule as the outside may look at it.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// Its group's file.
    pub file: String,
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Its expression.
    pub source: String,
    /// `for`.
    pub hold: Duration,
    /// When it was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// Why the last evaluation failed, if it did.
    pub error: Option<String>,
    /// Its instances.
    pub instances: Vec<Instance>,
}

/// A target as the outside may look at it.
#[derive(Clone, Debug)]
pub struct TargetView {
    /// The target.
    pub target: ScrapeTarget,
    /// When it was last scraped, how long that took, and what it brought.
    pub last: Option<(Timestamp, Duration, ScrapeReport)>,
}

#[derive(Debug)]
struct Rule {
    spec: AlertRule,
    sight: Sight,
    instances: RuleInstances,
    error: Option<String>,
}

#[derive(Debug)]
struct Group {
    file: String,
    name: String,
    interval: Duration,
    rules: Vec<Rule>,
    evaluated_at: Option<Timestamp>,
}

/// The machine that measures.
#[derive(Debug)]
pub struct Evaluator {
    store: Store,
    groups: Vec<Group>,
    measures: Vec<(Measure, Sight)>,
    measured_at: Option<Timestamp>,
    intakes: BTreeMap<TargetId, Intake>,
    interval: Duration,
    context: AnnotateContext,
    /// Instances from before a restart whose rule is gone: they resolve at the first tick.
    orphans: Vec<InstanceRow>,
    trimmed_at: Option<Timestamp>,
}

impl Evaluator {
    /// An evaluator that goes on from these rows; without any, afresh.
    pub fn new(spec: EvaluatorSpec, rows: Vec<InstanceRow>) -> Self {
        let mut store = Store::new();
        let measures = spec.measures.into_iter().map(|measure| {
            let sight = Sight::new(&mut store, &measure.expr);
            (measure, sight)
        });
        let measures = measures.collect();
        let groups = spec.groups.into_iter().map(|group| Group::new(group, &mut store)).collect();
        let intakes = spec.targets.into_iter().map(|target| (target.id.clone(), Intake::new(target))).collect();
        let mut evaluator = Self {
            store,
            groups,
            measures,
            measured_at: None,
            intakes,
            interval: spec.interval,
            context: spec.context,
            orphans: Vec::new(),
            trimmed_at: None,
        };
        evaluator.restore(rows);
        evaluator
    }

    fn restore(&mut self, rows: Vec<InstanceRow>) {
        let mut rules: HashMap<RuleId, &mut Rule> = self
            .groups
            .iter_mut()
            .flat_map(|group| &mut group.rules)
            .map(|rule| (rule.spec.id.clone(), rule))
            .collect();
        for row in rows {
            match rules.get_mut(&row.rule) {
                Some(rule) => rule.instances.restore(row),
                None => self.orphans.push(row),
            }
        }
    }

    /// Takes in a scrape. A target that is not configured is ignored.
    pub fn ingest(&mut self, scrape: &Scrape) -> ScrapeReport {
        match self.intakes.get_mut(&scrape.target) {
            Some(intake) => intake.take_in(&mut self.store, scrape),
            None => ScrapeReport::default(),
        }
    }

    /// When something is next due after `now`: the next multiple of a group's interval, or of that of the measures.
    pub fn next_tick(&self, now: Timestamp) -> Timestamp {
        self.intervals().map(|interval| now.floor_to(interval) + interval).min().unwrap_or(now + self.interval)
    }

    fn intervals(&self) -> impl Iterator<Item = Duration> {
        let own = (!self.measures.is_empty() || self.groups.is_empty()).then_some(self.interval);
        self.groups.iter().map(|group| group.interval).chain(own)
    }

    /// Evaluates what is due at `now`. Each group is evaluated at the last multiple of its interval, once.
    pub fn tick(&mut self, now: Timestamp) -> Transitions {
        let mut transitions = Transitions { at: now, ..Transitions::default() };
        for row in std::mem::take(&mut self.orphans) {
            transitions.changes.push(ending(row, now));
        }
        let Self { store, groups, intakes, context, .. } = self;
        let targets: Vec<&ScrapeTarget> = intakes.values().map(Intake::target).collect();
        for group in groups {
            let at = now.floor_to(group.interval);
            if group.evaluated_at.is_none_or(|last| last < at) {
                let report = group.evaluate(store, &targets, context, at, &mut transitions.changes);
                transitions.groups.push(report);
            }
        }
        let measure_at = now.floor_to(self.interval);
        if !transitions.groups.is_empty() || self.measured_at.is_none_or(|last| last < measure_at) {
            // A group that just fired and the guard that it waits for are judged by the numbers of one moment.
            let at = self.groups.iter().filter_map(|group| group.evaluated_at).max().unwrap_or(measure_at);
            self.measured_at = Some(at);
            transitions.readings = self.measures.iter().map(|(measure, sight)| self.read(measure, sight, at)).collect();
        }
        transitions.unknown = self.unknown();
        self.trim(now);
        transitions
    }

    fn read(&self, measure: &Measure, sight: &Sight, at: Timestamp) -> Reading {
        let elements = match evaluate(&measure.expr, &self.store, at) {
            Ok(Value::Vector(elements)) => Ok(elements.into_iter().map(|it| it.labels.without_metric_name()).collect()),
            Ok(_) => Err("the condition is not a vector".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let key_of = |labels: &Labels| labels.filter(|name| measure.key.iter().any(|key| key == name));
        let targets: Vec<&ScrapeTarget> = self.intakes.values().map(Intake::target).collect();
        let unfilled = sight.unfilled_targets(&self.store, &targets, at);
        let blind = sight.lost_series(&self.store, at).chain(unfilled.map(|(target, _)| target)).map(key_of).collect();
        Reading { id: measure.id.clone(), at, elements, blind }
    }

    fn unknown(&self) -> Vec<Labels> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let instances = rules.flat_map(|rule| rule.instances.iter());
        let is_unknown = |it: &&Instance| it.unknown_since.is_some() && it.state.fired_at().is_some();
        instances.filter(is_unknown).map(|it| it.labels.clone()).collect()
    }

    fn trim(&mut self, now: Timestamp) {
        if self.trimmed_at.is_some_and(|last| now.since(last) < TRIM_EVERY) {
            return;
        }
        self.trimmed_at = Some(now);
        let dropped: HashSet<_> = self.store.trim(now).into_iter().collect();
        if !dropped.is_empty() {
            self.intakes.values_mut().for_each(|intake| intake.forget(&dropped));
        }
    }

    /// The alerts that fire, those of rules that are gone included.
    pub fn firing(&self) -> Vec<Alert> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let own = rules.flat_map(|rule| {
            let link = rule.link(&self.context);
            rule.instances.firing(&link)
        });
        let orphans = self.orphans.iter().filter_map(|row| {
            let alert = ending(row.clone(), Timestamp::default()).alert?;
            Some(Alert { status: AlertStatus::Firing, ..alert })
        });
        own.chain(orphans).collect()
    }

    /// How many alerts fire.
    pub fn firing_count(&self) -> usize {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let fires = |instance: &&Instance| instance.state.fired_at().is_some();
        rules.map(|rule| rule.instances.iter().filter(fires).count()).sum()
    }

    /// All rules with their instances.
    pub fn rules(&self) -> Vec<RuleView> {
        let view = |group: &Group, rule: &Rule| RuleView {
            file: group.file.clone(),
            group: group.name.clone(),
            name: rule.spec.name.clone(),
            source: rule.spec.source.clone(),
            hold: rule.spec.hold,
            evaluated_at: group.evaluated_at,
            error: rule.error.clone(),
            instances: rule.instances.iter().cloned().collect(),
        };
        self.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| view(group, rule))).collect()
    }

    /// All targets with their last scrape.
    pub fn targets(&self) -> Vec<TargetView> {
        let view = |intake: &Intake| TargetView { target: intake.target().clone(), last: intake.last.clone() };
        self.intakes.values().map(view).collect()
    }

    /// What the last scrape of a target brought.
    pub fn last_scrape(&self, target: &TargetId) -> Option<&ScrapeReport> {
        self.intakes.get(target)?.last.as_ref().map(|(_, _, report)| report)
    }

    /// How many series are stored.
    pub fn series_count(&self) -> usize {
        self.store.series_count()
    }
}

impl Group {
    fn new(group: RuleGroup, store: &mut Store) -> Self {
        group.rules.iter().for_each(|spec| queries::keep(store, spec));
        let rules = group.rules.into_iter().map(|spec| Rule {
            sight: Sight::new(store, &spec.expr),
            instances: RuleInstances::new(spec.id.clone(), spec.timing()),
            spec,
            error: None,
        });
        let rules = rules.collect();
        Self { file: group.file, name: group.name, interval: group.interval, rules, evaluated_at: None }
    }

    fn evaluate(
        &mut self,
        store: &Store,
        targets: &[&ScrapeTarget],
        context: &AnnotateContext,
        at: Timestamp,
        changes: &mut Vec<InstanceChange>,
    ) -> GroupReport {
        let missed = self.evaluated_at.map_or(0, |last| intervals_between(last, at, self.interval).saturating_sub(1));
        let mut report = GroupReport {
            group: format!("{};{}", self.file, self.name),
            rules: self.rules.len(),
            failed: 0,
            failures: Vec::new(),
            recovered: Vec::new(),
            missed,
        };
        for rule in &mut self.rules {
            let had_failed = rule.error.is_some();
            changes.extend(rule.evaluate(store, targets, context, at));
            match &rule.error {
                Some(error) => {
                    report.failed += 1;
                    if !had_failed {
                        report.failures.push((rule.spec.name.clone(), error.clone()));
                    }
                }
                None if had_failed => report.recovered.push(rule.spec.name.clone()),
                None => {}
            }
        }
        self.evaluated_at = Some(at);
        report
    }
}

impl Rule {
    /// Where its expression and alerts can be looked at.
    fn link(&self, context: &AnnotateContext) -> String {
        format!("{}/?rule={}", context.external_url.trim_end_matches('/'), url_escape(&self.spec.name))
    }

    fn evaluate(
        &mut self,
        store: &Store,
        targets: &[&ScrapeTarget],
        context: &AnnotateContext,
        at: Timestamp,
    ) -> Vec<InstanceChange> {
        let result = evaluate(&self.spec.expr, store, at)
            .map_err(RuleError::from)
            .and_then(|value| annotate(&self.spec, value, context, at, &StoreQueries { store, at, rule: &self.spec }));
        self.error = result.as_ref().err().map(ToString::to_string);
        let sight = &self.sight;
        let is_unknown = |instance: &Instance| {
            let element = &instance.element;
            let began_after = |run: Option<Timestamp>| match run {
                Some(start) => start > instance.state.active_at(),
                None => instance.restored,
            };
            sight.lost_target(store, element, at)
                || sight
                    .unfilled_targets(store, targets, at)
                    .any(|(target, run)| target.agrees_with(element) && began_after(run))
        };
        let link = self.link(context);
        let values: HashMap<Labels, f64> = match &result {
            Ok(seen) => seen.iter().map(|it| (it.labels.clone(), it.value)).collect(),
            Err(_) => HashMap::new(),
        };
        self.instances
            .apply(result, is_unknown, &link, at)
            .into_iter()
            .map(|change| InstanceChange {
                rule: self.spec.id.clone(),
                value: values.get(&change.labels).copied().unwrap_or(f64::NAN),
                labels: change.labels,
                row: change.row,
                transition: change.transition,
                alert: change.alert,
            })
            .collect()
    }
}

/// The end of an instance whose rule is gone.
fn ending(row: InstanceRow, now: Timestamp) -> InstanceChange {
    let alert = row.state.fired_at().map(|starts_at| Alert {
        labels: row.labels.clone(),
        annotations: row.annotations.clone(),
        status: AlertStatus::Resolved { at: now },
        starts_at,
        generator_url: String::new(),
    });
    let transition = if alert.is_some() { Transition::Resolved } else { Transition::Dropped };
    let value = row.value.parse().unwrap_or(f64::NAN);
    InstanceChange { rule: row.rule, labels: row.labels, row: None, transition: Some(transition), value, alert }
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
