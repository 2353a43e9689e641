//! Which rules read what other rules write: from it follow the order of groups, and what stands behind an absence.
//!
//! A rule reads another when one of its selectors could select the series that the other writes, judged by their name
//! (and, for `ALERTS`, by `alertname`). Groups that are due together are evaluated so that what is read was written
//! before; otherwise, and where groups read each other, in the order of their files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::model::{ALERT_NAME, METRIC_NAME, MatchOp, Matcher, Timestamp};
use crate::promql::{Latest, SelectorUse};
use crate::rule::{ALERTS, ALERTS_FOR_STATE, Rule};
use crate::store::{LOOKBACK, metric_names};

use super::blind::{Branch, Sight};
use super::group::Group;
use super::health::Health;
use super::standing::Standing;

/// By how many ways one sees through to what other rules read. Of an expression over the alerts of thousands of rules,
/// whatever is lost counts as behind it.
const WAYS_MAX: usize = 1_000;
/// The same of all rules together, for the sake of memory.
const WAYS_TOTAL_MAX: usize = 300_000;

/// A step from what reads a series to the rule that writes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Hop {
    /// The rule that writes it, by number.
    pub(super) writer: usize,
    /// The newest moment that is read of it.
    pub(super) latest: Latest,
    /// How long before that moment a sample is still found.
    found_for: Duration,
    /// How often the rule writes.
    interval: Duration,
    /// How far behind its evaluation it writes.
    query_offset: Duration,
}

impl Hop {
    /// The moment of the newest sample that is found when `moment` is read.
    pub(super) fn stamp(&self, healths: &[Health], moment: Timestamp) -> Timestamp {
        let read = self.latest.of(moment);
        let due = (read + self.query_offset).floor_to(self.interval) - self.query_offset;
        healths.get(self.writer).map_or(due, |health| health.written_by(read, due))
    }

    /// Whether the newest sample is older than what is found when `moment` is read.
    pub(super) fn is_out_of_sight(&self, healths: &[Health], moment: Timestamp) -> bool {
        self.latest.of(moment).since(self.stamp(healths, moment)) >= self.found_for
    }
}

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
        self.found.insert(matchers.clone(), found.clone());
        found
    }
}

/// What rules there are and what they read.
pub(super) struct Wiring {
    /// Of each rule, by number, what it reads itself.
    reads: Vec<Vec<Read>>,
    nodes: Vec<Node>,
    /// How far back any rule looks.
    window_max: Duration,
    /// How many ways may still be followed.
    left: usize,
}

/// A rule as those see it that read what it writes.
struct Node {
    /// What it selects.
    branch: Option<Branch>,
    /// The labels that it sets itself.
    sets: Vec<String>,
    interval: Duration,
    query_offset: Duration,
}

/// What an expression reads of a rule.
#[derive(Clone, Copy, Debug)]
struct Read {
    rule: usize,
    /// How far back.
    window: Duration,
    latest: Latest,
}

/// A way from an expression to a rule, over the rules between them.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    hops: Vec<Hop>,
    /// The labels that the rules on it set, in order.
    ignored: Vec<String>,
}

impl Wiring {
    /// Lets every rule see through what it reads. Returns the order in which groups are evaluated.
    pub(super) fn connect(groups: &mut [Group], measures: &mut [&mut Sight]) -> Vec<usize> {
        let rules: Vec<&Standing> = groups.iter().flat_map(|group| &group.rules).collect();
        let mut writers = Writers::new(&rules);
        let reads: Vec<_> = rules.iter().map(|rule| reads(&rule.sight, &mut writers)).collect();
        let of_measures: Vec<_> = measures.iter().map(|sight| self::reads(sight, &mut writers)).collect();
        let nodes = groups.iter().flat_map(|group| {
            group.rules.iter().map(|rule| Node {
                branch: rule.sight.branch().cloned(),
                sets: labels_set_by(&rule.rule),
                interval: group.spec.interval,
                query_offset: group.spec.query_offset,
            })
        });
        let nodes: Vec<Node> = nodes.collect();
        let window_max = nodes.iter().filter_map(|node| Some(node.branch.as_ref()?.window)).max().unwrap_or_default();
        let mut wiring = Self { reads, nodes, window_max, left: WAYS_TOTAL_MAX };
        let order = wiring.order(groups);
        for rule in groups.iter_mut().flat_map(|group| &mut group.rules) {
            let reads = std::mem::take(&mut wiring.reads[rule.number]);
            wiring.see_through(&mut rule.sight, &reads, Some(rule.number));
            wiring.reads[rule.number] = reads;
        }
        for (sight, reads) in measures.iter_mut().zip(of_measures) {
            wiring.see_through(sight, &reads, None);
        }
        order
    }

    fn see_through(&mut self, sight: &mut Sight, reads: &[Read], own: Option<usize>) {
        let own_window = sight.branch().map_or(Duration::ZERO, |branch| branch.window);
        match self.ways(reads, own) {
            Some(ways) => {
                self.left -= ways.len();
                let branch = |(way, window): (Way, Duration)| {
                    let node = &self.nodes[way.hops.last()?.writer];
                    let (selectors, own) = match &node.branch {
                        Some(branch) => (branch.selectors.clone(), branch.window),
                        None => ([].into(), Duration::ZERO),
                    };
                    let window = window.saturating_add(own);
                    Some(Branch { selectors, window, ignored: way.ignored.into(), way: way.hops.into() })
                };
                sight.see_through(ways.into_iter().filter_map(branch).collect(), None);
            }
            None => sight.see_through(Vec::new(), Some(own_window.saturating_add(self.window_max))),
        }
    }

    /// All ways to the rules that are read, each with how far back it may be looked; none when they are too many. Where
    /// rules read each other, nobody is passed twice.
    fn ways(&self, reads: &[Read], own: Option<usize>) -> Option<Vec<(Way, Duration)>> {
        let max = WAYS_MAX.min(self.left);
        let mut known: HashMap<Way, Duration> = HashMap::new();
        let start = Way { hops: Vec::new(), ignored: Vec::new() };
        let mut open: Vec<(Way, Duration, Vec<usize>, &[Read])> =
            vec![(start, Duration::ZERO, own.into_iter().collect(), reads)];
        let mut steps = 0;
        while let Some((from, window, passed, reads)) = open.pop() {
            for read in reads.iter().filter(|read| !passed.contains(&read.rule)) {
                steps += 1;
                if steps > 10 * max {
                    return None;
                }
                let way = from.further(read, &self.nodes[read.rule]);
                let window = window.saturating_add(read.window);
                if known.get(&way).is_some_and(|known| *known >= window) {
                    continue;
                }
                known.insert(way.clone(), window);
                if known.len() > max {
                    return None;
                }
                let passed = passed.iter().copied().chain([read.rule]).collect();
                open.push((way, window, passed, &self.reads[read.rule]));
            }
        }
        Some(known.into_iter().collect())
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
            let mut needs: Vec<usize> = read.filter_map(|read| home.get(&read.rule).copied()).collect();
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

impl Way {
    /// The way to what a rule at its end reads. What one rule reads of another that writes at the same moments is of the
    /// moment for which it writes itself: then only the last of them matters.
    fn further(&self, read: &Read, node: &Node) -> Self {
        let (interval, query_offset) = (node.interval, node.query_offset);
        let behind = read.latest.of(Timestamp::default()).millis().unsigned_abs();
        let found_for = LOOKBACK.max(read.window.saturating_sub(Duration::from_millis(behind)));
        let mut hop = Hop { writer: read.rule, latest: read.latest, found_for, interval, query_offset };
        let mut hops = self.hops.clone();
        let is_together = |last: &mut Hop| {
            hop.latest == Latest::Ago(0) && (last.interval, last.query_offset) == (interval, query_offset)
        };
        if let Some(last) = hops.pop_if(is_together) {
            hop.latest = last.latest;
        }
        hops.push(hop);
        let mut ignored: Vec<String> = self.ignored.iter().chain(&node.sets).cloned().collect();
        ignored.sort();
        ignored.dedup();
        Self { hops, ignored }
    }
}

/// What an expression reads of rules, of each moment the longest.
fn reads(sight: &Sight, writers: &mut Writers<'_>) -> Vec<Read> {
    let mut reads: BTreeMap<(usize, Latest), Duration> = BTreeMap::new();
    for (_, selector) in sight.own() {
        for rule in writers.read_by(selector) {
            let window = reads.entry((rule, selector.latest)).or_default();
            *window = (*window).max(selector.window);
        }
    }
    reads.into_iter().map(|((rule, latest), window)| Read { rule, window, latest }).collect()
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
