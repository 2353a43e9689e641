//! The instances of one rule: an evaluation's result in, what changed out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Alert, AlertStatus, Labels, RuleId, Timestamp};

use super::instance::{Observation, Transition, step};
use super::{InstanceState, RuleError, Seen, Timing};

/// How old the annotations of a firing alert may get before those of now are passed on: Prometheus's resend delay.
const REFRESH_AFTER: Duration = Duration::from_secs(60);

/// One alert of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The alert's labels.
    pub labels: Labels,
    /// The labels of the element behind it.
    pub element: Labels,
    /// What it tells people, as of when it was last seen.
    pub annotations: Labels,
    /// The value when it was last seen.
    pub value: f64,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Since when it cannot be measured, if it cannot.
    pub unknown_since: Option<Timestamp>,
    /// Whether it comes from before a restart: its absence counts only once its
    /// window has been filled again, even if it was seen in between.
    pub restored: bool,
    /// When its annotations were last passed on.
    refreshed_at: Timestamp,
}

/// An instance as it is kept over restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceRow {
    /// Its rule.
    pub rule: RuleId,
    /// The alert's labels.
    pub labels: Labels,
    /// The labels of the element behind it.
    pub element: Labels,
    /// What it tells people.
    pub annotations: Labels,
    /// The value when it was last seen; text, because JSON has no infinities.
    pub value: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Since when it cannot be measured, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
}

/// Something that changed: an instance's row, and the alert when others are to hear of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The alert's labels.
    pub labels: Labels,
    /// The row to keep; none when the instance is gone.
    pub row: Option<InstanceRow>,
    /// What happened, if the state changed in a way that has a name.
    pub transition: Option<Transition>,
    /// The alert as others are to know it now, if it fires or has just resolved.
    pub alert: Option<Alert>,
}

impl Instance {
    /// The alert as others are to know it.
    fn alert(&self, status: AlertStatus, starts_at: Timestamp, link: &str) -> Alert {
        Alert {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            status,
            starts_at,
            generator_url: link.to_owned(),
        }
    }
}

/// All instances of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleInstances {
    rule: RuleId,
    timing: Timing,
    instances: BTreeMap<Labels, Instance>,
}

impl RuleInstances {
    /// A rule without instances.
    pub fn new(rule: RuleId, timing: Timing) -> Self {
        Self { rule, timing, instances: BTreeMap::new() }
    }

    /// Brings back an instance from before a restart.
    pub fn restore(&mut self, row: InstanceRow) {
        let instance = Instance {
            labels: row.labels.clone(),
            element: row.element,
            annotations: row.annotations,
            value: row.value.parse().unwrap_or(f64::NAN),
            state: row.state,
            unknown_since: row.unknown_since,
            restored: true,
            refreshed_at: row.state.active_at(),
        };
        self.instances.insert(row.labels, instance);
    }

    /// Goes on with other waits: what was there before is judged by them from the next evaluation on.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// The rows of all instances.
    pub fn rows(&self) -> Vec<InstanceRow> {
        self.instances.values().map(|instance| self.row(instance, instance.state)).collect()
    }

    /// How many instances there would be after an evaluation that saw these.
    pub fn count_after(&self, seen: &[Seen], is_unknown: impl Fn(&Instance) -> bool, now: Timestamp) -> usize {
        let present: BTreeSet<&Labels> = seen.iter().map(|it| &it.labels).collect();
        let absent = self.instances.values().filter(|instance| !present.contains(&instance.labels));
        let stays = |instance: &&Instance| {
            let gone = || step(Some(instance.state), Observation::Absent, self.timing, now).0.is_none();
            is_unknown(instance) || !gone()
        };
        seen.len() + absent.filter(stays).count()
    }

    /// Ends all instances, whatever they wait for.
    pub fn end_all(&mut self, link: &str, now: Timestamp) -> Vec<Change> {
        let ended = std::mem::take(&mut self.instances);
        let end = |instance: &Instance| {
            let is_told = instance.state.fired_at().is_some();
            let transition = if is_told { Transition::Resolved } else { Transition::Dropped };
            self.change(instance, None, Some(transition), instance.state, link, now)
        };
        ended.values().map(end).collect()
    }

    /// The instances, in order of their labels.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Instance> {
        self.instances.values()
    }

    /// The alerts that fire.
    pub fn firing(&self, link: &str) -> Vec<Alert> {
        let alert = |it: &Instance| Some(it.alert(AlertStatus::Firing, it.state.fired_at()?, link));
        self.instances.values().filter_map(alert).collect()
    }

    /// Takes in an evaluation at `now`: what it saw, or why it saw nothing. `is_unknown` says whether an instance that
    /// is absent could not have been measured; `link` is where its expression can be looked at.
    pub fn apply(
        &mut self,
        result: Result<Vec<Seen>, RuleError>,
        is_unknown: impl Fn(&Instance) -> bool,
        link: &str,
        now: Timestamp,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut absent: BTreeSet<Labels> = self.instances.keys().cloned().collect();
        let failed = result.is_err();
        for seen in result.unwrap_or_default() {
            absent.remove(&seen.labels);
            changes.extend(self.see(seen, link, now));
        }
        for labels in absent {
            let unknown = failed || is_unknown(&self.instances[&labels]);
            changes.extend(self.miss(&labels, unknown, link, now));
        }
        changes
    }

    fn see(&mut self, seen: Seen, link: &str, now: Timestamp) -> Option<Change> {
        let before = self.instances.get(&seen.labels);
        let (state, transition) = step(before.map(|it| it.state), Observation::Present, self.timing, now);
        let state = state?;
        let (old_state, old_annotations, refreshed_at) =
            before.map_or((None, None, now), |it| (Some(it.state), Some(&it.annotations), it.refreshed_at.min(now)));
        let restored = before.is_some_and(|it| it.restored);
        let was_unknown = before.is_some_and(|it| it.unknown_since.is_some());
        let stale =
            old_annotations.is_some_and(|old| *old != seen.annotations) && now.since(refreshed_at) >= REFRESH_AFTER;
        let changed = old_state != Some(state) || stale || was_unknown;
        let instance = Instance {
            labels: seen.labels.clone(),
            element: seen.element,
            annotations: seen.annotations,
            value: seen.value,
            state,
            unknown_since: None,
            restored,
            refreshed_at: if changed { now } else { refreshed_at },
        };
        let told = old_state.unwrap_or(state);
        let change = changed.then(|| self.change(&instance, Some(state), transition, told, link, now));
        self.instances.insert(seen.labels, instance);
        change
    }

    fn miss(&mut self, labels: &Labels, unknown: bool, link: &str, now: Timestamp) -> Option<Change> {
        let instance = self.instances.get_mut(labels)?;
        if unknown {
            // One after now is from before a start, when the clock was ahead.
            if instance.unknown_since.is_some_and(|since| since <= now) {
                return None;
            }
            instance.unknown_since = Some(now);
            let instance = instance.clone();
            let row = Some(self.row(&instance, instance.state));
            return Some(Change { labels: instance.labels, row, transition: None, alert: None });
        }
        let was_unknown = instance.unknown_since.take().is_some();
        instance.restored = false;
        let before = instance.state;
        let (state, transition) = step(Some(before), Observation::Absent, self.timing, now);
        if let Some(state) = state {
            instance.state = state;
        }
        let instance = instance.clone();
        if state.is_none() {
            self.instances.remove(labels);
        }
        let changed = state != Some(before) || was_unknown;
        changed.then(|| self.change(&instance, state, transition, before, link, now))
    }

    /// `before` is the state that others know of.
    fn change(
        &self,
        instance: &Instance,
        state: Option<InstanceState>,
        transition: Option<Transition>,
        before: InstanceState,
        link: &str,
        now: Timestamp,
    ) -> Change {
        let row = state.map(|state| self.row(instance, state));
        let status = match transition {
            Some(Transition::Resolved) => AlertStatus::Resolved { at: now },
            _ => AlertStatus::Firing,
        };
        let fired_at = instance.state.fired_at().or(before.fired_at());
        let alert = fired_at.map(|starts_at| instance.alert(status, starts_at, link));
        Change { labels: instance.labels.clone(), row, transition, alert }
    }

    fn row(&self, instance: &Instance, state: InstanceState) -> InstanceRow {
        InstanceRow {
            rule: self.rule.clone(),
            labels: instance.labels.clone(),
            element: instance.element.clone(),
            annotations: instance.annotations.clone(),
            value: instance.value.to_string(),
            state,
            unknown_since: instance.unknown_since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn seen(pod: &str, text: &str) -> Seen {
        let element = Labels::from_pairs([("pod", pod)]);
        let mut labels = element.edit();
        labels.set("alertname", "A");
        let annotations = Labels::from_pairs([("summary", text)]);
        Seen { labels: labels.build(), element, annotations, value: 1.0 }
    }

    fn instances(hold_s: u64) -> RuleInstances {
        let timing = Timing { hold: Duration::from_secs(hold_s), keep_firing_for: Duration::ZERO };
        RuleInstances::new(RuleId::new("f;g;A{}"), timing)
    }

    fn transitions(changes: &[Change]) -> Vec<(String, Option<Transition>)> {
        changes.iter().map(|change| (change.labels.get("pod").to_owned(), change.transition)).collect()
    }

    #[test]
    fn a_failed_evaluation_changes_nothing() {
        let mut rule = instances(0);
        rule.apply(Ok(vec![seen("a", "x")]), |_| false, "", at(0));
        let changes = rule.apply(Err(RuleError::NotAVector), |_| false, "", at(60));
        assert_eq!((transitions(&changes), changes[0].alert.clone()), (vec![("a".to_owned(), None)], None));
        assert_eq!(changes[0].row.as_ref().unwrap().unknown_since, Some(at(60)));
        assert_eq!(rule.apply(Err(RuleError::NotAVector), |_| false, "", at(90)), []);
        assert_eq!(rule.iter().next().unwrap().unknown_since, Some(at(60)));
        let changes = rule.apply(Ok(vec![]), |_| false, "", at(120));
        assert_eq!(transitions(&changes), [("a".to_owned(), Some(Transition::Resolved))]);
        assert_eq!(changes[0].row, None);
        assert_eq!(changes[0].alert.as_ref().unwrap().status, AlertStatus::Resolved { at: at(120) });
    }

    #[test]
    fn only_the_absent_that_could_not_be_measured_stay() {
        let mut rule = instances(0);
        rule.apply(Ok(vec![seen("a", "x"), seen("b", "x")]), |_| false, "", at(0));
        let changes = rule.apply(Ok(vec![]), |it| it.element.get("pod") == "a", "", at(15));
        assert_eq!(transitions(&changes), [("a".to_owned(), None), ("b".to_owned(), Some(Transition::Resolved))]);
        assert_eq!(rule.iter().len(), 1);
    }

    #[test]
    fn a_raised_for_ends_what_fires_and_keeps_since_when() {
        let mut rule = instances(0);
        rule.apply(Ok(vec![seen("a", "x")]), |_| false, "", at(0));
        rule.set_timing(Timing { hold: Duration::from_secs(100), keep_firing_for: Duration::ZERO });
        let changes = rule.apply(Ok(vec![seen("a", "x")]), |_| false, "", at(60));
        assert_eq!(changes[0].row.as_ref().unwrap().state, InstanceState::Pending { since: at(0) });
        let alert = changes[0].alert.as_ref().unwrap();
        assert_eq!((alert.status, alert.starts_at), (AlertStatus::Resolved { at: at(60) }, at(0)));
        let changes = rule.apply(Ok(vec![seen("a", "x")]), |_| false, "", at(100));
        assert_eq!(transitions(&changes), [("a".to_owned(), Some(Transition::Fired))]);
    }

    #[test]
    fn counts_what_would_be_there() {
        let mut rule = instances(0);
        rule.apply(Ok(vec![seen("a", "x"), seen("b", "x")]), |_| false, "", at(0));
        let count = |seen: &[Seen], unknown: &str| rule.count_after(seen, |it| it.element.get("pod") == unknown, at(9));
        assert_eq!(count(&[seen("c", "x")], ""), 1);
        assert_eq!(count(&[seen("c", "x")], "a"), 2);
        assert_eq!(count(&[seen("a", "x")], "a"), 1);
        assert_eq!(rule.end_all("", at(9)).len(), 2);
        assert_eq!(rule.iter().len(), 0);
    }

    #[test]
    fn new_annotations_pass_at_most_once_a_minute() {
        let mut rule = instances(0);
        let count =
            |rule: &mut RuleInstances, text: &str, s| rule.apply(Ok(vec![seen("a", text)]), |_| false, "", at(s)).len();
        assert_eq!(count(&mut rule, "1", 0), 1);
        assert_eq!(count(&mut rule, "2", 30), 0);
        assert_eq!(count(&mut rule, "3", 60), 1);
        assert_eq!(count(&mut rule, "3", 200), 0);
    }

    #[test]
    fn pending_goes_on_over_a_restart() {
        let mut rule = instances(60);
        let changes = rule.apply(Ok(vec![seen("a", "x")]), |_| false, "", at(0));
        let row = changes[0].row.clone().unwrap();
        let mut again = instances(60);
        again.restore(serde_json::from_str(&serde_json::to_string(&row).unwrap()).unwrap());
        assert!(again.iter().next().unwrap().restored);
        let changes = again.apply(Ok(vec![seen("a", "x")]), |_| false, "", at(60));
        assert_eq!(transitions(&changes), [("a".to_owned(), Some(Transition::Fired))]);
        assert!(again.iter().next().unwrap().restored);
    }
}
