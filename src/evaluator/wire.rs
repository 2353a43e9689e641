//! Which rules read what other rules write: from it follow the order of groups, and what stands behind an absence.
//!
//! A rule reads another when one of its selectors could select the series that the other writes, judged by their name
//! (and, for `ALERTS`, by `alertname`). Groups that are due together are evaluated so that what is read was written
//! before; otherwise, and where groups read each other, in the order of their files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::model::{ALERT_NAME, METRIC_NAME, MatchOp, Matcher};
use crate::promql::SelectorUse;
use crate::rule::{ALERTS, ALERTS_FOR_STATE, Rule};
use crate::store::metric_names;

use super::blind::{Branch, Sight};
use super::group::Group;
use super::standing::Standing;

/// How many rules one sees through to. An expression over the alerts of thousands of rules is not followed further.
const UPSTREAM_MAX: usize = 200;

/// What writes which series.
struct Writers<'a> {
    recorded: BTreeMap<&'a str, Vec<usize>>,
    alerts: HashMap<&'a str, Vec<usize>>,
    /// What matchers that do not ask for one name found.
    found: HashMap<Vec<Matcher>, Vec<usize>>,
}

impl<'a> Writers<'a> {
    fn new(rules: &[&'a Standing]) -> Self {
        let mut writers = Self { recorded: BTreeMap::new(), alerts: HashMap::new(), found: HashMap::new() };
        for rule in rules {
            match &*rule.rule {
                Rule::Record(record) => writers.recorded.entry(&record.name).or_default().push(rule.number),
                Rule::Alert(alert) => writers.alerts.entry(&alert.name).or_default().push(rule.number),
            }
        }
        writers
    }

    /// The rules whose series a selector could select.
    fn read_by(&mut self, selector: &SelectorUse) -> Vec<usize> {
        let matchers = &selector.matchers;
        let one = |name: &str| {
            matchers.iter().find(|it| &*it.name == name && it.op == MatchOp::Equal).map(|it| it.value.clone())
        };
        let fits = |label: &str, value: &str| {
            matchers.iter().filter(|it| &*it.name == label).all(|it| it.matches_value(value))
        };
        if let Some(names) = metric_names(matchers)
            && names.iter().all(|name| *name != ALERTS && *name != ALERTS_FOR_STATE)
        {
            return names.into_iter().filter_map(|name| self.recorded.get(name)).flatten().copied().collect();
        }
        if let Some(found) = self.found.get(matchers) {
            return found.clone();
        }
        let recorded = self.recorded.iter().filter(|(name, _)| fits(METRIC_NAME, name));
        let mut found: Vec<usize> = recorded.flat_map(|(_, rules)| rules).copied().collect();
        if fits(METRIC_NAME, ALERTS) || fits(METRIC_NAME, ALERTS_FOR_STATE) {
            match one(ALERT_NAME) {
                Some(name) => found.extend(self.alerts.get(&*name).into_iter().flatten()),
                None => {
                    let alerts = self.alerts.iter().filter(|(name, _)| fits(ALERT_NAME, name));
                    found.extend(alerts.flat_map(|(_, rules)| rules));
                }
            }
        }
        found.sort_unstable();
        found.truncate(UPSTREAM_MAX);
        self.found.insert(matchers.clone(), found.clone());
        found
    }
}

/// What rules there are and what they read.
pub(super) struct Wiring {
    /// Of each rule, by number, those that it reads itself, each with how far back.
    reads: Vec<Vec<(usize, Duration)>>,
    /// Of each rule what it selects, and the labels that it sets itself.
    branches: Vec<(Option<Branch>, Vec<String>)>,
}

impl Wiring {
    /// Lets every rule see through what it reads. Returns the order in which groups are evaluated, and what measures can
    /// be wired by.
    pub(super) fn connect(groups: &mut [Group], measures: &mut [&mut Sight]) -> Vec<usize> {
        let rules: Vec<&Standing> = groups.iter().flat_map(|group| &group.rules).collect();
        let mut writers = Writers::new(&rules);
        let wiring = Self {
            reads: rules.iter().map(|rule| reads(&rule.sight, &mut writers)).collect(),
            branches: rules.iter().map(|rule| (rule.sight.branch().cloned(), labels_set_by(&rule.rule))).collect(),
        };
        let of_measures: Vec<_> = measures.iter().map(|sight| reads(sight, &mut writers)).collect();
        let order = wiring.order(groups);
        for rule in groups.iter_mut().flat_map(|group| &mut group.rules) {
            let number = rule.number;
            wiring.see_through(&mut rule.sight, &wiring.reads[number], Some(number));
        }
        for (sight, reads) in measures.iter_mut().zip(of_measures) {
            wiring.see_through(sight, &reads, None);
        }
        order
    }

    fn see_through(&self, sight: &mut Sight, reads: &[(usize, Duration)], own: Option<usize>) {
        let mut known: HashSet<usize> = own.into_iter().collect();
        let mut open: Vec<(usize, Duration, Vec<String>)> =
            reads.iter().map(|(rule, window)| (*rule, *window, Vec::new())).collect();
        while let Some((rule, window, mut ignored)) = open.pop() {
            if known.len() > UPSTREAM_MAX || !known.insert(rule) {
                continue;
            }
            let (branch, set) = &self.branches[rule];
            ignored.extend(set.iter().cloned());
            let further = self.reads[rule]
                .iter()
                .map(|(next, further)| (*next, window.saturating_add(*further), ignored.clone()));
            open.extend(further);
            let (selectors, own) = match branch {
                Some(branch) => (branch.selectors.clone(), branch.window),
                None => ([].into(), Duration::ZERO),
            };
            sight.see_through(rule, Branch { selectors, window: window.saturating_add(own), ignored: ignored.into() });
        }
    }

    /// The order of groups: what one reads comes before it, as far as that can be.
    fn order(&self, groups: &[Group]) -> Vec<usize> {
        let home: HashMap<usize, usize> = groups
            .iter()
            .enumerate()
            .flat_map(|(index, group)| group.rules.iter().map(move |rule| (rule.number, index)))
            .collect();
        let needs = |group: &Group| -> Vec<usize> {
            let read = group.rules.iter().flat_map(|rule| &self.reads[rule.number]);
            let mut needs: Vec<usize> = read.filter_map(|(rule, _)| home.get(rule).copied()).collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        };
        let needs: Vec<Vec<usize>> = groups.iter().map(needs).collect();
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
        let mut open: Vec<usize> = vec![0; groups.len()];
        for (reader, needs) in needs.iter().enumerate() {
            for group in needs.iter().filter(|group| **group != reader) {
                readers[*group].push(reader);
                open[reader] += 1;
            }
        }
        let mut left: BTreeSet<usize> = (0..groups.len()).collect();
        let mut ready: BTreeSet<usize> = left.iter().copied().filter(|group| open[*group] == 0).collect();
        let mut order = Vec::with_capacity(groups.len());
        // When none is ready, some read each other: then the first of those left goes first.
        while let Some(group) = ready.pop_first().or_else(|| left.first().copied()) {
            left.remove(&group);
            order.push(group);
            for reader in &readers[group] {
                open[*reader] -= 1;
                if open[*reader] == 0 && left.contains(reader) {
                    ready.insert(*reader);
                }
            }
        }
        order
    }
}

/// The rules whose series an expression reads, each with how far back.
fn reads(sight: &Sight, writers: &mut Writers<'_>) -> Vec<(usize, Duration)> {
    let mut reads: BTreeMap<usize, Duration> = BTreeMap::new();
    for (_, selector) in sight.own() {
        for rule in writers.read_by(selector) {
            let window = reads.entry(rule).or_default();
            *window = (*window).max(selector.window);
        }
    }
    reads.into_iter().collect()
}

/// The labels that a rule sets itself on what it writes.
fn labels_set_by(rule: &Rule) -> Vec<String> {
    let labels = rule.labels();
    let own = [METRIC_NAME, ALERT_NAME].into_iter().filter(|_| matches!(rule, Rule::Alert(_)));
    let mut set: Vec<String> = labels.iter().map(|(name, _)| name.to_owned()).chain(own.map(str::to_owned)).collect();
    if let Rule::Record(record) = rule {
        set.extend(record.labels.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.clone()));
    }
    set
}
