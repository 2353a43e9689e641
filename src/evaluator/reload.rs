//! Another configuration, or other targets, without forgetting what is still there.

use std::collections::{HashMap, HashSet};

use crate::model::{RuleId, TargetId, Timestamp};
use crate::rule::{Rule, RuleGroup};

use super::group::Group;
use super::ingest::Intake;
use super::join::ending;
use super::standing::Standing;
use super::{Evaluator, EvaluatorSpec, ScrapeTarget, Transitions};

impl Evaluator {
    /// Goes on with another configuration.
    ///
    /// A rule keeps its alerts by its id: an edit of its expression, `for` or annotations keeps their state, and a raised
    /// `for` is judged at the next evaluation. The alerts of rules that are gone resolve now, and their series end.
    /// Targets that stay keep everything that is known of them. A selector that is new has no history: until its window
    /// is filled, an absence proves nothing for what was there before.
    pub fn reload(&mut self, spec: EvaluatorSpec, now: Timestamp) -> Transitions {
        let mut transitions = Transitions { at: now, ..Transitions::default() };
        for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
            rule.health = self.healths.get_mut(rule.number).map(std::mem::take).unwrap_or_default();
        }
        let mut old = Old::new(std::mem::take(&mut self.groups));
        let same: HashSet<_> = spec.groups.iter().filter(|group| old.is_same(group)).map(key_of).collect();
        self.store.renew(now);
        let targets = self.install(spec);
        for group in &mut self.groups {
            let Some(mut before) = old.groups.remove(&group.key()) else {
                // A moment before now is one of which it may know nothing.
                group.skip_to(now);
                continue;
            };
            group.scheduled_at = before.scheduled_at;
            group.evaluated_at = before.evaluated_at;
            group.took = before.took;
            match before.round.take() {
                Some(round) if same.contains(&group.key()) => group.round = Some(round),
                Some(round) => {
                    self.questions.abandon(&round);
                    // What was asked of it is asked again, of whom it is to be asked now.
                    group.scheduled_at = before.evaluated_at;
                }
                None => {}
            }
        }
        for group in &mut self.groups {
            for rule in &mut group.rules {
                if let Some(before) = old.rules.remove(rule.rule.id()) {
                    old.mismatched.extend(rule.adopt(before));
                }
            }
        }
        old.groups.values().filter_map(|group| group.round.as_ref()).for_each(|round| self.questions.abandon(round));
        for mut gone in old.rules.into_values().chain(old.mismatched) {
            self.unknown.remove(gone.rule.id());
            self.failing.remove(gone.rule.id());
            gone.end_outputs(&mut self.store, now);
            transitions.changes.extend(gone.instances.rows().into_iter().map(|row| ending(row, now)));
        }
        transitions.changes.sort_by(|left, right| (&left.rule, &left.labels).cmp(&(&right.rule, &right.labels)));
        let orphans = std::mem::take(&mut self.orphans);
        self.restore(orphans);
        self.questions.abandon_measures();
        self.measured_at = None;
        let (dropped, has_new) = self.store.sweep();
        let dropped: HashSet<_> = dropped.into_iter().collect();
        for intake in self.intakes.values_mut() {
            if !dropped.is_empty() {
                intake.forget(&dropped);
            }
            intake.ask_again(has_new);
        }
        self.wire();
        self.set_targets(targets, now);
        self.finish(&mut transitions);
        transitions
    }

    /// Goes on with other targets. Those that stay keep everything that is known of them; of those that go, or have other
    /// labels now, the series end.
    pub fn set_targets(&mut self, targets: Vec<ScrapeTarget>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.intakes);
        for target in targets {
            if self.intakes.contains_key(&target.id) {
                continue;
            }
            let intake = match before.remove(&target.id) {
                Some(mut intake) if is_same_source(intake.target(), &target) => {
                    intake.set_target(target);
                    intake
                }
                Some(_) => {
                    self.store.end_target(&target.id, now);
                    Intake::new(target)
                }
                None => Intake::new(target),
            };
            self.intakes.insert(intake.target().id.clone(), intake);
        }
        let gone: Vec<TargetId> = before.into_keys().filter(|id| !self.intakes.contains_key(id)).collect();
        for id in gone {
            self.store.end_target(&id, now);
        }
    }
}

/// What there was before.
struct Old {
    /// The groups, without their rules.
    groups: HashMap<(String, String), Group>,
    rules: HashMap<RuleId, Standing>,
    /// What each group's rules were, in order.
    written: HashMap<(String, String), Vec<std::sync::Arc<Rule>>>,
    /// Rules that are of another kind now.
    mismatched: Vec<Standing>,
}

impl Old {
    fn new(list: Vec<Group>) -> Self {
        let mut old =
            Self { groups: HashMap::new(), rules: HashMap::new(), written: HashMap::new(), mismatched: Vec::new() };
        for mut group in list {
            let rules = std::mem::take(&mut group.rules);
            old.written.insert(group.key(), rules.iter().map(|rule| rule.rule.clone()).collect());
            old.rules.extend(rules.into_iter().map(|rule| (rule.rule.id().clone(), rule)));
            old.groups.insert(group.key(), group);
        }
        old
    }

    /// Whether a group is what it was.
    fn is_same(&self, group: &RuleGroup) -> bool {
        let key = key_of(group);
        let head = |it: &RuleGroup| {
            (it.interval, it.limit, it.query_offset, it.source.clone(), it.on_unknown, it.unknown_after)
        };
        self.groups.get(&key).is_some_and(|before| head(&before.spec) == head(group))
            && self.written.get(&key).is_some_and(|rules| rules.iter().map(|rule| &**rule).eq(&group.rules))
    }
}

impl Standing {
    /// Goes on from what it was before. Gives back what cannot be gone on from.
    fn adopt(&mut self, mut before: Standing) -> Option<Standing> {
        match (&*self.rule, &*before.rule) {
            (Rule::Alert(alert), Rule::Alert(_)) => before.instances.set_timing(alert.timing()),
            (Rule::Record(_), Rule::Record(_)) => {}
            (Rule::Alert(_), Rule::Record(_)) | (Rule::Record(_), Rule::Alert(_)) => return Some(before),
        }
        if *self.rule == *before.rule {
            self.error = before.error;
            self.warnings = before.warnings;
            self.answers = before.answers;
            self.evaluated_at = before.evaluated_at;
            self.took = before.took;
        } else {
            before.health.renew();
        }
        self.health = before.health;
        self.instances = before.instances;
        self.read_at = before.read_at;
        self.outputs = before.outputs;
        None
    }
}

fn key_of(group: &RuleGroup) -> (String, String) {
    (group.file.clone(), group.name.clone())
}

/// Whether two targets differ in nothing but how they are asked: then their series are the same.
fn is_same_source(before: &ScrapeTarget, now: &ScrapeTarget) -> bool {
    let asked_alike =
        ScrapeTarget { url: now.url.clone(), interval: now.interval, timeout: now.timeout, ..before.clone() };
    asked_alike == *now
}
