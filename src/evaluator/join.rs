//! The evaluator itself: the store, the rules and the measures, joined.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::model::{Alert, AlertStatus, Labels, RuleId, TargetId, Timestamp};
use crate::promql::live::{Plan, RootId};
use crate::promql::{EvalError, Value};
use crate::rule::{AnnotateContext, InstanceRow, RuleError, Transition};
use crate::store::{Inventory, Limits, Retain, Store};

use super::blind::{Scene, Sight};
use super::failing::{FailingRule, own_labels};
use super::group::Group;
use super::health::Health;
use super::ingest::Intake;
use super::metadata::Metadata;
use super::overdue::UnknownAlert;
use super::own::{OwnAlerts, Told};
use super::remote::Questions;
use super::standing::{Standing, Surroundings};
use super::wire::Wiring;
use super::{
    EvaluatorSpec, GroupView, InstanceChange, Measure, Reading, Scrape, ScrapeReport, ScrapeTarget, TargetView,
    Transitions,
};

/// How often samples that no rule reaches any more are dropped.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// The machine that measures.
#[derive(Debug)]
pub struct Evaluator {
    pub(super) store: Store,
    pub(super) plan: Plan,
    pub(super) groups: Vec<Group>,
    /// The order in which groups are evaluated that are due together.
    pub(super) order: Vec<usize>,
    /// Where each rule stands: its group, and its place there.
    pub(super) places: HashMap<RuleId, (usize, usize)>,
    pub(super) healths: Vec<Health>,
    pub(super) measures: Vec<(Measure, Sight)>,
    /// The expressions of the measures on the embedded source, in the plan.
    pub(super) measure_roots: Vec<RootId>,
    pub(super) measured_at: Option<Timestamp>,
    pub(super) intakes: BTreeMap<TargetId, Intake>,
    pub(super) interval: Duration,
    pub(super) context: AnnotateContext,
    pub(super) questions: Questions,
    /// The alerts of each rule that cannot be measured.
    pub(super) unknown: BTreeMap<RuleId, Vec<UnknownAlert>>,
    /// The rules that fail.
    pub(super) failing: BTreeMap<RuleId, FailingRule>,
    own: OwnAlerts,
    /// Instances from before a restart whose rule is gone: they resolve at the first tick.
    pub(super) orphans: Vec<InstanceRow>,
    pub(super) metadata: Metadata,
    trimmed_at: Option<Timestamp>,
    ticked_at: Option<Timestamp>,
    pub(super) is_strict: bool,
    pub(super) elapsed: fn() -> Duration,
}

impl Evaluator {
    /// An evaluator that goes on from these rows; without any, afresh.
    pub fn new(spec: EvaluatorSpec, rows: Vec<InstanceRow>) -> Self {
        let mut evaluator = Self {
            store: Store::new(),
            plan: Plan::new(),
            groups: Vec::new(),
            order: Vec::new(),
            places: HashMap::new(),
            healths: Vec::new(),
            measures: Vec::new(),
            measure_roots: Vec::new(),
            measured_at: None,
            intakes: BTreeMap::new(),
            interval: Duration::ZERO,
            context: AnnotateContext::default(),
            questions: Questions::default(),
            unknown: BTreeMap::new(),
            failing: BTreeMap::new(),
            own: OwnAlerts::new(),
            orphans: Vec::new(),
            metadata: Metadata::default(),
            trimmed_at: None,
            ticked_at: None,
            is_strict: false,
            elapsed: || Duration::ZERO,
        };
        let targets = evaluator.install(spec);
        evaluator.intakes = targets.into_iter().map(|target| (target.id.clone(), Intake::new(target))).collect();
        evaluator.restore(rows);
        evaluator.wire();
        evaluator
    }

    /// Makes groups and measures of a specification, their selectors registered. Returns its targets.
    pub(super) fn install(&mut self, spec: EvaluatorSpec) -> Vec<ScrapeTarget> {
        self.groups.clear();
        self.places.clear();
        let mut number = 0;
        for group in spec.groups {
            let group = Group::new(group, &mut self.store, number);
            number += group.rules.len();
            let index = self.groups.len();
            let places = group.rules.iter().enumerate().map(|(at, rule)| (rule.rule.id().clone(), (index, at)));
            self.places.extend(places);
            self.groups.push(group);
        }
        let measure = |measure: Measure, store: &mut Store| {
            let sight = if measure.source.is_embedded() {
                Sight::new(store, &measure.expr, Duration::ZERO)
            } else {
                Sight::default()
            };
            (measure, sight)
        };
        self.measures = spec.measures.into_iter().map(|it| measure(it, &mut self.store)).collect();
        match &spec.retain {
            Retain::Nothing => {}
            Retain::All => {
                self.store.register(&[], Duration::ZERO);
            }
            Retain::Matchers(list) => {
                for matchers in list {
                    self.store.register(matchers, Duration::ZERO);
                }
            }
        }
        self.store.limit(Limits { series_max: spec.series_max, memory_max: spec.memory_max });
        self.interval = spec.interval;
        self.context = spec.context;
        self.is_strict = spec.is_strict;
        spec.targets
    }

    /// Lets rules see through to what they read, and orders their groups.
    pub(super) fn wire(&mut self) {
        let mut measures: Vec<&mut Sight> = self.measures.iter_mut().map(|(_, sight)| sight).collect();
        self.order = Wiring::connect(&mut self.groups, &mut measures);
        let rules = self.groups.iter_mut().flat_map(|group| &mut group.rules);
        self.healths = rules.map(|rule| std::mem::take(&mut rule.health)).collect();
        self.replan();
    }

    pub(super) fn restore(&mut self, rows: Vec<InstanceRow>) {
        let mut restored = HashSet::new();
        for row in rows {
            let Some(row) = self.own.restore(row) else { continue };
            match self.places.get(&row.rule) {
                Some(place) => {
                    restored.insert(*place);
                    self.groups[place.0].rules[place.1].instances.restore(row);
                }
                None => self.orphans.push(row),
            }
        }
        for (group, at) in restored {
            let (group, rule) = (&self.groups[group], &self.groups[group].rules[at]);
            let why = || "it has not been evaluated since the start".to_owned();
            let alert = |it| UnknownAlert::new(it, &group.spec, rule.rule.name(), why);
            let unknown: Vec<_> = rule.instances.iter().filter_map(alert).collect();
            if !unknown.is_empty() {
                self.unknown.insert(rule.rule.id().clone(), unknown);
            }
        }
    }

    /// Takes in a scrape. A target that is not configured is ignored.
    pub fn ingest(&mut self, scrape: &Scrape) -> ScrapeReport {
        let Some(intake) = self.intakes.get_mut(&scrape.target) else { return ScrapeReport::default() };
        let report = intake.take_in(&mut self.store, scrape);
        self.metadata.note(scrape, &report);
        report
    }

    /// When something is next due after `now`: a group, or the measures.
    pub fn next_tick(&self, now: Timestamp) -> Timestamp {
        let own = (!self.measures.is_empty() || self.groups.is_empty()).then_some(self.interval);
        let own = own.map(|interval| now.floor_to(interval) + interval);
        self.groups.iter().map(|group| group.next_due(now)).chain(own).min().unwrap_or(now + self.interval)
    }

    /// Evaluates what is due at `now`. Each group is evaluated at the last moment that it was due, once. What a remote
    /// source answers is asked instead, and evaluated when the answer comes.
    pub fn tick(&mut self, now: Timestamp) -> Transitions {
        let mut transitions = Transitions { at: now, ..Transitions::default() };
        for row in std::mem::take(&mut self.orphans) {
            transitions.changes.push(ending(row, now));
        }
        self.plan.begin();
        let Self { store, plan, groups, intakes, context, healths, unknown, failing, questions, .. } = self;
        let targets: Vec<&ScrapeTarget> = intakes.values().map(Intake::target).collect();
        let (is_strict, elapsed) = (self.is_strict, self.elapsed);
        let mut around =
            Surroundings { store, plan, targets: &targets, context, healths, unknown, failing, is_strict, elapsed };
        for index in &self.order {
            let group = &mut groups[*index];
            let Some(at) = group.due(now) else { continue };
            if group.spec.source.is_embedded() {
                let report = group.evaluate(&mut around, at, &mut transitions.changes);
                transitions.groups.push(report);
            } else {
                questions.ask(group, &mut around, at, &mut transitions);
            }
        }
        let measure_at = now.floor_to(self.interval);
        let is_due = self.measured_at.is_none_or(|last| last < measure_at);
        if is_due || !transitions.groups.is_empty() {
            // A group that just fired and the guard that it waits for are judged by the numbers of one moment.
            let embedded = self.groups.iter().filter(|group| group.spec.source.is_embedded());
            let at = embedded.filter_map(|group| group.evaluated_at).max().unwrap_or(measure_at).max(measure_at);
            self.measured_at = Some(at);
            let values = self.measure_roots.iter().map(|root| self.plan.evaluate(*root, &self.store, at));
            let values: Vec<Result<Value, EvalError>> = values.collect();
            let embedded = self.measures.iter().filter(|(measure, _)| measure.source.is_embedded()).zip(values);
            transitions.readings =
                embedded.map(|((measure, sight), value)| self.read(measure, sight, value, at)).collect();
        }
        if is_due {
            self.questions.ask_measures(&self.measures, measure_at, &mut transitions);
        }
        self.ticked_at = Some(now);
        self.finish(&mut transitions);
        self.trim(now);
        transitions
    }

    /// Adds what depends on all rules: the alerts that cannot be measured, and our own that tell of them and of rules that
    /// fail.
    pub(super) fn finish(&mut self, transitions: &mut Transitions) {
        let Self { store, groups, unknown, failing, own, context, intakes, healths, .. } = self;
        let targets: Vec<&ScrapeTarget> = intakes.values().map(Intake::target).collect();
        let scene = Scene { store, targets: &targets, healths, at: transitions.at, read: transitions.at };
        let is_pending = |labels: &Labels| {
            let rules = groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (rule, &group.spec)));
            let mut same = rules.filter(|(rule, group)| own_labels(&rule.rule, group) == *labels);
            same.any(|(rule, _)| {
                let is_seen = rule.evaluated_at.is_some() && rule.sight.awaited(scene).is_none();
                !is_seen || failing.contains_key(rule.rule.id())
            })
        };
        let told = Told { unknown, failing };
        transitions.changes.extend(own.apply(told, is_pending, context, transitions.at));
        let firing = self.unknown.values().flatten().filter(|alert| alert.fires);
        transitions.unknown = firing.map(|alert| alert.labels.clone()).collect();
    }

    fn read(&self, measure: &Measure, sight: &Sight, value: Result<Value, EvalError>, at: Timestamp) -> Reading {
        let targets: Vec<&ScrapeTarget> = self.intakes.values().map(Intake::target).collect();
        let scene = Scene { store: &self.store, targets: &targets, healths: &self.healths, at, read: at };
        let elements = match value {
            Ok(_) if sight.has_failing_upstream(scene) => {
                Err("a rule whose series the condition reads fails or has not been evaluated yet".to_owned())
            }
            Ok(value) => match sight.too_early(scene) {
                Some(target) => Err(RuleError::TooEarly(target.clone()).to_string()),
                None => elements_of(value),
            },
            Err(error) => Err(error.to_string()),
        };
        let blind = sight.blind_spots(scene).map(|labels| measure.key_of(&labels)).collect();
        Reading { id: measure.id.clone(), at, elements, blind }
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
        own.chain(self.own.firing(&self.context)).chain(orphans).collect()
    }

    /// How many alerts fire.
    pub fn firing_count(&self) -> usize {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let fires = |rule: &Standing| rule.instances.iter().filter(|it| it.state.fired_at().is_some()).count();
        rules.map(fires).sum::<usize>() + self.own.firing_count()
    }

    /// All groups, with their rules and their instances, in the order of their files.
    pub fn rules(&self) -> Vec<GroupView> {
        let own = self.own.view(self.interval, self.ticked_at);
        self.groups.iter().map(Group::view).chain(own).collect()
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

    /// What the stored series take in memory, about.
    pub fn memory_bytes(&self) -> usize {
        self.store.memory_bytes()
    }

    /// How often a new series was refused, because the store was full.
    pub fn refused_count(&self) -> u64 {
        self.store.refused_count()
    }

    /// How many alerts cannot be measured, pending ones among them.
    pub fn unknown_count(&self) -> usize {
        self.unknown.values().map(Vec::len).sum()
    }

    /// Measures from now on how long evaluations take, by differences of what `elapsed` gives: the core has no clock.
    pub fn measure_with(&mut self, elapsed: fn() -> Duration) {
        self.elapsed = elapsed;
    }

    /// How many series are stored.
    pub fn series_count(&self) -> usize {
        self.store.series_count()
    }

    /// What is stored, series by series.
    pub fn inventory(&self) -> Inventory {
        self.store.inventory()
    }
}

/// The labels of what a condition gave.
pub(super) fn elements_of(value: Value) -> Result<Vec<Labels>, String> {
    match value {
        Value::Vector(elements) => Ok(elements.into_iter().map(|it| it.labels.without_metric_name()).collect()),
        _ => Err("the condition is not a vector".to_owned()),
    }
}

/// The end of an instance whose rule is gone.
pub(super) fn ending(row: InstanceRow, now: Timestamp) -> InstanceChange {
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
