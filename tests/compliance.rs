//! The alert generator's specification, case by case, in virtual time.
//!
//! The rules are those of the specification's own suite. At every evaluation each alert is held against a plain reading of
//! the specification: its state, `ActiveAt` and `FiredAt`, its labels, annotations and value as the API shows them, its
//! `ALERTS` series, and what changes hands when it fires and resolves. What is sent to an Alertmanager from there on (when
//! again, and with which `endsAt`) is the forwarder's, and tested with it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use atalaya::config;
use atalaya::evaluator::{Evaluator, RuleHealth, RuleView, Scrape, ScrapeTarget};
use atalaya::model::{AlertStatus, Labels, TargetId, Timestamp};
use atalaya::promql::{self, Value};
use atalaya::rule::InstanceState;
use atalaya::store::Retain;

const METRIC: &str = "alert_generator_test_suite";
/// The interval of every group of the suite.
const INTERVAL_S: i64 = 30;
const SCRAPE_S: i64 = 15;
/// An evening in 2025, a multiple of the interval.
const BEGIN_MS: i64 = 1_764_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(BEGIN_MS + seconds * 1000)
}

/// A value that holds from some second on, until the next.
type Values = &'static [(i64, f64)];

fn value_at(values: Values, second: i64) -> Option<f64> {
    values.iter().rev().find(|(from, _)| *from <= second).map(|(_, value)| *value).filter(|value| !value.is_nan())
}

/// A series and what alert it makes of a rule.
struct Subject {
    /// The labels of the series besides `alertname` and `rulegroup`.
    own: &'static [(&'static str, &'static str)],
    values: Values,
}

/// A rule of the suite over some series.
struct Case {
    group: &'static str,
    rule: &'static str,
    threshold: f64,
    hold_s: i64,
    /// The labels that the rule adds.
    adds: &'static [(&'static str, &'static str)],
    subjects: Vec<Subject>,
}

/// An alert by a plain reading of the specification.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Life {
    active_at: i64,
    fired_at: Option<i64>,
}

impl Life {
    fn next(life: Option<Self>, is_present: bool, hold_s: i64, now: i64) -> Option<Self> {
        let life = is_present.then(|| life.unwrap_or(Self { active_at: now, fired_at: None }))?;
        let fires = now - life.active_at >= hold_s;
        Some(Self { fired_at: life.fired_at.or(fires.then_some(now)), ..life })
    }
}

struct World {
    evaluator: Evaluator,
    /// What changed hands in the last evaluation: labels, when it began to fire, and when it resolved.
    told: BTreeMap<Labels, (Timestamp, Option<Timestamp>)>,
}

fn rules_text() -> Option<String> {
    let path = support::testdata("promqltest/compliance/alert_generator_rules.yaml")?;
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

impl World {
    fn new() -> Option<Self> {
        let text = rules_text()?;
        let main = "rule_files: [rules.yaml]\nglobal: {evaluation_interval: 30s}\nroute: {receiver: r}\nreceivers:\n- name: r\n  webhook_configs: [{url: 'http://r/'}]\n";
        let read = |path: &Path| -> std::io::Result<String> {
            let is_main = path.ends_with("atalaya.yaml");
            Ok(if is_main { main.to_owned() } else { text.clone() })
        };
        let config = match config::load(Path::new("atalaya.yaml"), &read) {
            Ok(config) => config,
            Err(problems) => panic!("{problems}"),
        };
        let mut spec = config.evaluator_spec();
        spec.retain = Retain::All;
        spec.targets = vec![ScrapeTarget {
            id: TargetId::new("suite"),
            url: String::new(),
            labels: Labels::empty(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(15),
            intake: Default::default(),
        }];
        Some(Self { evaluator: Evaluator::new(spec, Vec::new()), told: BTreeMap::new() })
    }

    /// Scrapes what the cases show at this second, and evaluates when that is due. Returns whether it was.
    fn step(&mut self, cases: &[&Case], more: &str, second: i64) -> bool {
        let mut page = more.to_owned();
        for case in cases {
            for subject in &case.subjects {
                let Some(value) = value_at(subject.values, second) else { continue };
                let own: String = subject.own.iter().map(|(name, value)| format!(", {name}={value:?}")).collect();
                page += &format!("{METRIC}{{alertname={:?}, rulegroup={:?}{own}}} {value}\n", case.rule, case.group);
            }
        }
        let scrape =
            Scrape { target: TargetId::new("suite"), at: at(second), took: Duration::ZERO, page: Ok(page.into()) };
        assert_eq!(self.evaluator.ingest(&scrape).error, None);
        let transitions = self.evaluator.tick(at(second));
        self.told.clear();
        for change in transitions.changes {
            let Some(alert) = change.alert else { continue };
            assert!(change.transition.is_some() || alert.is_firing());
            let resolved_at = match alert.status {
                AlertStatus::Firing => None,
                AlertStatus::Resolved { at } => Some(at),
            };
            self.told.insert(alert.labels, (alert.starts_at, resolved_at));
        }
        !transitions.groups.is_empty()
    }

    fn rule(&self, name: &str) -> RuleView {
        let groups = self.evaluator.rules();
        let mut rules = groups.iter().flat_map(|group| &group.rules);
        rules.find(|rule| rule.name == name).cloned().unwrap_or_else(|| panic!("no rule {name}"))
    }

    /// The `ALERTS` series of a rule, without their name.
    fn alerts_series(&self, rule: &str, second: i64) -> BTreeSet<Labels> {
        let expr = promql::parse(&format!("ALERTS{{alertname={rule:?}}}")).expect("a selector");
        match self.evaluator.query(&expr, at(second)).expect("it is evaluated").value {
            Value::Vector(elements) => {
                assert!(elements.iter().all(|element| element.value == 1.0.into()));
                elements.into_iter().map(|element| element.labels.without_metric_name()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Holds a rule's alerts against what the specification says of them; `lives` are those of its subjects before, and are
    /// those of now afterwards.
    fn check(&self, case: &Case, lives: &mut [Option<Life>], second: i64) {
        let view = self.rule(case.rule);
        assert_eq!((view.health, view.error.clone(), view.evaluated_at), (RuleHealth::Ok, None, Some(at(second))));
        assert_eq!(view.hold.as_secs(), u64::try_from(case.hold_s).expect("it is positive"));
        let mut expected = BTreeSet::new();
        let mut series = BTreeSet::new();
        let mut told = BTreeMap::new();
        for (subject, life) in case.subjects.iter().zip(lives) {
            let value = value_at(subject.values, second).filter(|value| *value > case.threshold);
            let before = *life;
            *life = Life::next(before, value.is_some(), case.hold_s, second);
            let base = Labels::from_pairs([("alertname", case.rule), ("rulegroup", case.group)]);
            let mut labels = base.edit();
            for (name, value) in subject.own.iter().chain(case.adds) {
                labels.set(*name, *value);
            }
            let labels = labels.build();
            let fired_before = before.and_then(|life| life.fired_at);
            match *life {
                Some(now) => {
                    let state = if now.fired_at.is_some() { "firing" } else { "pending" };
                    expected.insert(format!("{labels} {state} since {} {}", now.active_at, value.unwrap_or_default()));
                    let mut alerts = labels.edit();
                    alerts.set("alertstate", state);
                    series.insert(alerts.build());
                    if let (Some(fired_at), None) = (now.fired_at, fired_before) {
                        told.insert(labels, (at(fired_at), None));
                    }
                }
                None => {
                    if let Some(fired_at) = fired_before {
                        told.insert(labels, (at(fired_at), Some(at(second))));
                    }
                }
            }
        }
        let got: BTreeSet<String> = view
            .instances
            .iter()
            .map(|it| {
                let state = if it.state.fired_at().is_some() { "firing" } else { "pending" };
                assert!(!matches!(it.state, InstanceState::Lingering { .. }));
                let since = (it.state.active_at().millis() - BEGIN_MS) / 1000;
                format!("{} {state} since {since} {}", it.labels, it.value)
            })
            .collect();
        assert_eq!(got, expected, "{} at {second}", case.rule);
        assert_eq!(self.alerts_series(case.rule, second), series, "{} at {second}", case.rule);
        // An alert that goes on firing may be passed on again with new annotations; its beginning stays.
        let mine = self.told.iter().filter(|(labels, _)| labels.get("alertname") == case.rule);
        let news: BTreeMap<Labels, _> = mine
            .filter(|(labels, what)| what.1.is_some() || told.contains_key(*labels) || what.0 == at(second))
            .map(|(labels, what)| (labels.clone(), *what))
            .collect();
        assert_eq!(news, told, "{} at {second}", case.rule);
    }

    /// Plays cases of one group until a second, checking every evaluation.
    fn play(&mut self, cases: &[&Case], more: &str, end: i64, mut each: impl FnMut(&Self, &[Vec<Option<Life>>], i64)) {
        let mut lives: Vec<Vec<Option<Life>>> = cases.iter().map(|case| vec![None; case.subjects.len()]).collect();
        for second in (0..=end).step_by(usize::try_from(SCRAPE_S).expect("it is positive")) {
            let was_due = self.step(cases, more, second);
            assert_eq!(was_due, second % INTERVAL_S == 0);
            if !was_due {
                assert!(self.told.is_empty(), "nothing is sent between evaluations");
                continue;
            }
            for (case, lives) in cases.iter().zip(&mut lives) {
                self.check(case, lives, second);
            }
            each(self, &lives, second);
        }
    }
}

#[test]
fn pending_and_firing_and_resolved() {
    let Some(mut world) = World::new() else { return };
    let case = Case {
        group: "PendingAndFiringAndResolved",
        rule: "PendingAndFiringAndResolved_SimpleAlert",
        threshold: 10.0,
        hold_s: 360,
        adds: &[("foo", "bar")],
        subjects: vec![Subject {
            own: &[],
            // Well; hot for less than `for`; well; hot until long after `for`, with values that change; gone; a new alert.
            values: &[
                (0, 5.0),
                (120, 15.0),
                (450, 5.0),
                (600, 11.0),
                (900, 12.0),
                (1300, 19.0),
                (1500, f64::NAN),
                (1800, 13.0),
            ],
        }],
    };
    let mut states = BTreeSet::new();
    world.play(&[&case], "", 2500, |world, lives, second| {
        let view = world.rule(case.rule);
        for (instance, life) in view.instances.iter().zip(lives[0].iter().flatten()) {
            let value = instance.value;
            assert_eq!(instance.annotations.get("summary"), format!("The value is {value} {value}"), "at {second}");
            assert_eq!(instance.annotations.get("description"), "SimpleAlert is firing");
            states.insert((life.active_at, life.fired_at));
        }
    });
    // Three alerts: one that never fired, one that did, and one with the same labels after it.
    let expected = [(120, None), (600, None), (600, Some(960)), (1800, None), (1800, Some(2160))];
    assert_eq!(states, expected.into());
    let view = world.rule(case.rule);
    assert_eq!(view.labels.to_string(), r#"{foo="bar", rulegroup="PendingAndFiringAndResolved"}"#);
    assert_eq!(view.annotations.get("summary"), "The value is {{$value}} {{.Value}}");
    assert!(view.source.starts_with("{__name__=\"alert_generator_test_suite\""), "{}", view.source);
}

#[test]
fn pending_and_resolved_and_always_inactive() {
    let Some(mut world) = World::new() else { return };
    let group = "PendingAndResolved_AlwaysInactive";
    let pending = Case {
        group,
        rule: "PendingAndResolved_AlwaysInactive_PendingAlert",
        threshold: 10.0,
        hold_s: 180,
        adds: &[("foo", "bar")],
        subjects: vec![Subject { own: &[], values: &[(0, 5.0), (60, 15.0), (225, 5.0), (300, 12.0), (450, 1.0)] }],
    };
    let inactive = Case {
        group,
        rule: "PendingAndResolved_AlwaysInactive_InactiveAlert",
        threshold: 99.0,
        hold_s: 180,
        adds: &[("ba_dum", "tss")],
        subjects: vec![Subject { own: &[], values: &[(0, 5.0), (60, 15.0), (300, 98.0)] }],
    };
    let (mut pended, mut fired) = (0, 0);
    world.play(&[&pending, &inactive], "", 900, |_, lives, _| {
        assert_eq!(lives[1], [None]);
        pended += usize::from(lives[0][0].is_some());
        fired += usize::from(lives[0][0].is_some_and(|life| life.fired_at.is_some()));
    });
    // From 60 to 210 and from 300 to 420.
    assert_eq!((pended, fired), (6 + 5, 0));
}

#[test]
fn no_for_and_one_shorter_than_the_interval() {
    let Some(mut world) = World::new() else { return };
    let group = "ZeroFor_SmallFor";
    let zero = Case {
        group,
        rule: "ZeroFor_SmallFor_ZeroFor",
        threshold: 10.0,
        hold_s: 0,
        adds: &[("foo", "bar")],
        subjects: vec![Subject { own: &[], values: &[(0, 5.0), (60, 15.0), (300, 5.0), (420, 11.0)] }],
    };
    let small = Case {
        group,
        rule: "ZeroFor_SmallFor_SmallFor",
        threshold: 13.0,
        hold_s: 15,
        adds: &[("ba_dum", "tss")],
        subjects: vec![Subject { own: &[], values: &[(0, 5.0), (60, 15.0), (90, 5.0), (120, 15.0), (300, 5.0)] }],
    };
    let more = format!(
        "{METRIC}{{rulegroup={group:?}, for=\"template\", id=\"2\"}} 7\n\
         {METRIC}{{rulegroup={group:?}, for=\"template\", id=\"1\"}} 5\n"
    );
    let mut seen = BTreeSet::new();
    world.play(&[&zero, &small], &more, 600, |world, lives, second| {
        for life in lives[0].iter().flatten() {
            assert_eq!(life.fired_at, Some(life.active_at));
            let annotations = world.rule(zero.rule).instances[0].annotations.clone();
            let texts = "1.049M 1Mi 2m 15s 95.9% 2022-01-25 12:36:43 +0000 UTC";
            assert_eq!(annotations.get("template_test"), texts, "at {second}");
            let queried = "Args are: foo bar 99. first_id:1,1:5,2:7,";
            assert_eq!(annotations.get("template_query_test"), queried, "at {second}");
        }
        for life in lives[1].iter().flatten() {
            let annotations = world.rule(small.rule).instances[0].annotations.clone();
            let texts = "This Part IS TESTING the strings. ::1 127.0.0.1. 7815. replaced text. .";
            assert_eq!(annotations.get("template_test"), texts, "at {second}");
            seen.insert((life.active_at, life.fired_at));
        }
    });
    // It fires at the next evaluation, and not at all when it is gone by then.
    assert_eq!(seen, [(60, None), (120, None), (120, Some(150))].into());
}

#[test]
fn new_alerts_and_the_order_of_rules() {
    let Some(mut world) = World::new() else { return };
    let group = "NewAlerts_OrderCheck";
    let first = Case {
        group,
        rule: "NewAlerts_OrderCheck_Rule1",
        threshold: 10.0,
        hold_s: 180,
        adds: &[("foo", "bar")],
        subjects: vec![
            Subject { own: &[("variant", "one")], values: &[(0, 5.0), (60, 15.0), (900, 5.0)] },
            // It comes later, while the other already fires.
            Subject { own: &[("variant", "two")], values: &[(0, f64::NAN), (330, 12.0), (750, 5.0)] },
        ],
    };
    let second_rule = "NewAlerts_OrderCheck_Rule2";
    let mut life: Option<Life> = None;
    let mut spans = BTreeSet::new();
    world.play(&[&first], "", 1200, |world, lives, second| {
        let fires = |life: &Option<Life>| life.is_some_and(|life| life.fired_at.is_some());
        // What the first rule gave in this evaluation counts for the second in the same.
        life = Life::next(life, lives[0].iter().all(fires), 0, second);
        let view = world.rule(second_rule);
        assert_eq!(view.instances.len(), usize::from(life.is_some()), "at {second}");
        for (instance, life) in view.instances.iter().zip(life) {
            let since = at(life.active_at);
            assert_eq!(instance.state, InstanceState::Firing { since, fired_at: since });
            assert_eq!((instance.labels.to_string(), instance.value), (
                format!(
                    "{{alertname={second_rule:?}, alertstate=\"firing\", ba_dum=\"tss\", foo=\"baz\", rulegroup={group:?}}}"
                ),
                2.0,
            ));
            let text = "Based on ALERTS. Old alertname was NewAlerts_OrderCheck_Rule1. foo was bar.";
            assert_eq!(instance.annotations.get("description"), text);
            assert_eq!(world.alerts_series(second_rule, second), [instance.labels.clone()].into());
            spans.insert(life.active_at);
        }
        if life.is_none() {
            assert_eq!(world.alerts_series(second_rule, second), BTreeSet::new());
        }
    });
    assert_eq!(spans, [510].into());
}
