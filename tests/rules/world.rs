//! An evaluator in virtual time: pages in, and what changed, what is asked and what is stored out.

use std::collections::BTreeMap;
use std::time::Duration;

use atalaya::evaluator::{
    Answered, Evaluator, EvaluatorSpec, Question, QuestionId, RuleView, Scrape, ScrapeReport, ScrapeTarget, Transitions,
};
use atalaya::model::{Labels, RuleId, SourceName, TargetId, Timestamp, format_duration};
use atalaya::promql::{self, Value};
use atalaya::rule::{AlertRule, InstanceRow, InstanceState, RecordRule, Rule, RuleGroup, Transition};
use atalaya::template::Template;

/// How often targets are scraped and the evaluator is ticked.
pub(crate) const STEP: Duration = Duration::from_secs(15);
/// Every story begins here, a multiple of every interval in use.
const BEGIN_MS: i64 = 1_764_000_000_000;

/// The moment this many seconds into the story.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(BEGIN_MS + seconds * 1000)
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// An alert without `for`, labels and annotations.
pub(crate) fn alert(name: &str, expr: &str) -> AlertRule {
    AlertRule {
        id: RuleId::new(name),
        name: name.to_owned(),
        source: expr.to_owned(),
        expr: parse(expr),
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        labels: Vec::new(),
        annotations: Vec::new(),
    }
}

/// The alert `Hot` with this `for`.
pub(crate) fn hot(expr: &str, hold_s: u64) -> Rule {
    let mut rule = alert("Hot", expr);
    rule.hold = seconds(hold_s);
    Rule::Alert(rule)
}

pub(crate) fn templates(pairs: &[(&str, &str)]) -> Vec<(String, Template)> {
    let template = |text: &str| Template::parse(text).expect("a template");
    pairs.iter().map(|(name, text)| ((*name).to_owned(), template(text))).collect()
}

/// A recording rule without labels.
pub(crate) fn record(name: &str, expr: &str) -> Rule {
    record_with(name, expr, &[])
}

pub(crate) fn record_with(name: &str, expr: &str, labels: &[(&str, &str)]) -> Rule {
    Rule::Record(RecordRule {
        id: RuleId::new(format!("record {name}")),
        name: name.to_owned(),
        source: expr.to_owned(),
        expr: parse(expr),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    })
}

/// A group of the embedded source that is evaluated at every step.
pub(crate) fn group(name: &str, rules: Vec<Rule>) -> RuleGroup {
    RuleGroup::new("f", name, STEP, rules)
}

pub(crate) fn parse(expr: &str) -> promql::Expr {
    promql::parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}"))
}

/// Elements that a remote source answers, each with its labels, or why it does not.
pub(crate) type Elements<'a> = Result<&'a [(&'a [(&'a str, &'a str)], f64)], &'a str>;

/// A target that is scraped at every step.
pub(crate) fn target(name: &str) -> ScrapeTarget {
    ScrapeTarget {
        id: TargetId::new(name),
        url: format!("http://{name}"),
        labels: Labels::from_pairs([("job", name)]),
        interval: STEP,
        timeout: STEP,
        intake: std::sync::Arc::default(),
    }
}

/// Groups over one target `t`.
pub(crate) fn spec(groups: Vec<RuleGroup>) -> EvaluatorSpec {
    EvaluatorSpec { groups, targets: vec![target("t")], interval: STEP, ..EvaluatorSpec::default() }
}

pub(crate) struct World {
    pub(crate) evaluator: Evaluator,
    pub(crate) now: i64,
    pages: BTreeMap<String, Result<String, String>>,
    log: Vec<String>,
    rows: BTreeMap<(RuleId, Labels), InstanceRow>,
    pub(crate) questions: Vec<Question>,
    /// What the last tick or answer gave.
    pub(crate) last: Transitions,
    pub(crate) reports: BTreeMap<String, ScrapeReport>,
}

impl World {
    pub(crate) fn new(spec: EvaluatorSpec) -> Self {
        Self {
            evaluator: Evaluator::new(spec, Vec::new()),
            now: 0,
            pages: BTreeMap::new(),
            log: Vec::new(),
            rows: BTreeMap::new(),
            questions: Vec::new(),
            last: Transitions::default(),
            reports: BTreeMap::new(),
        }
    }

    /// Groups over one target `t` that shows this page, so many seconds into the story.
    pub(crate) fn showing(groups: Vec<RuleGroup>, page: &str, until: i64) -> Self {
        let mut world = Self::new(spec(groups));
        world.show("t", page);
        world.run_to(until);
        world
    }

    /// The target shows this page from now on.
    pub(crate) fn show(&mut self, target: &str, page: &str) {
        self.pages.insert(target.to_owned(), Ok(format!("{page}\n")));
    }

    /// The target cannot be scraped from now on.
    pub(crate) fn lose(&mut self, target: &str) {
        self.pages.insert(target.to_owned(), Err("refused".to_owned()));
    }

    /// Lets time pass until so many seconds into the story.
    pub(crate) fn run_to(&mut self, end: i64) {
        while self.now < end {
            self.now += 15;
            self.scrape();
            let transitions = self.evaluator.tick(at(self.now));
            self.take(transitions);
        }
    }

    pub(crate) fn scrape(&mut self) {
        for (target, page) in &self.pages {
            let scrape = Scrape {
                target: TargetId::new(target.as_str()),
                at: at(self.now),
                took: STEP / 100,
                page: page.clone().map(Into::into).map_err(Into::into),
            };
            let report = self.evaluator.ingest(&scrape);
            self.reports.insert(target.clone(), report);
        }
    }

    pub(crate) fn take(&mut self, transitions: Transitions) {
        for change in &transitions.changes {
            let key = (change.rule.clone(), change.labels.clone());
            match &change.row {
                Some(row) => drop(self.rows.insert(key, row.clone())),
                None => drop(self.rows.remove(&key)),
            }
            let what = match change.transition {
                None => continue,
                Some(Transition::Started) => "pending",
                Some(Transition::Fired) => "firing",
                Some(Transition::Resolved) => "resolved",
                Some(Transition::Dropped) => "dropped",
            };
            self.log.push(format!("{} {what} {}", clock(self.now), short(&change.labels)));
        }
        self.questions.extend(transitions.questions.iter().cloned());
        self.last = transitions;
    }

    /// Answers the first open question with these elements.
    pub(crate) fn answer(&mut self, elements: Elements<'_>) {
        let question = self.questions.remove(0);
        self.answer_to(question.id, elements);
    }

    pub(crate) fn answer_to(&mut self, id: QuestionId, elements: Elements<'_>) {
        let element = |(labels, value): &(&[(&str, &str)], f64)| promql::Element {
            labels: Labels::from_pairs(labels.iter().copied()),
            value: (*value).into(),
        };
        let answer = elements
            .map(|list| Answered { value: Value::Vector(list.iter().map(element).collect()), warnings: Vec::new() })
            .map_err(str::to_owned);
        let transitions = self.evaluator.apply(id, answer, at(self.now));
        self.take(transitions);
    }

    pub(crate) fn reload(&mut self, spec: EvaluatorSpec) {
        let transitions = self.evaluator.reload(spec, at(self.now));
        self.take(transitions);
    }

    /// Starts anew from the rows.
    pub(crate) fn restart(&mut self, spec: EvaluatorSpec) {
        self.evaluator = Evaluator::new(spec, self.rows.values().cloned().collect());
    }

    /// What happened since this was last asked.
    pub(crate) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Every instance, with its state, and for how long it has been unknown.
    pub(crate) fn states(&self) -> Vec<String> {
        let groups = self.evaluator.rules();
        let instances = groups.iter().flat_map(|group| &group.rules).flat_map(|rule| &rule.instances);
        let state = |it: &atalaya::rule::Instance| {
            let state = match it.state {
                InstanceState::Pending { .. } => "pending",
                InstanceState::Firing { .. } => "firing",
                InstanceState::Lingering { .. } => "lingering",
            };
            let unknown =
                it.unknown_since.map(|since| format!(" unknown {}", format_duration(at(self.now).since(since))));
            format!("{} {state}{}", short(&it.labels), unknown.unwrap_or_default())
        };
        instances.map(state).collect()
    }

    pub(crate) fn rule(&self, name: &str) -> RuleView {
        let groups = self.evaluator.rules();
        let found = groups.iter().flat_map(|group| &group.rules).find(|rule| rule.name == name);
        found.cloned().unwrap_or_else(|| panic!("no rule is named {name}"))
    }

    /// What a query gives now: `labels value`, sorted.
    pub(crate) fn query(&self, expr: &str) -> Vec<String> {
        let queried =
            self.evaluator.query(&parse(expr), at(self.now)).unwrap_or_else(|error| panic!("{expr}: {error}"));
        let mut found = match queried.value {
            Value::Vector(elements) => elements.iter().map(|it| format!("{} {}", it.labels, it.value)).collect(),
            Value::Scalar(value) => vec![value.to_string()],
            Value::String(text) => vec![text],
            Value::Matrix(elements) => elements.iter().map(|it| format!("{} {:?}", it.labels, it.samples)).collect(),
        };
        found.sort();
        found
    }

    pub(crate) fn warnings(&self, expr: &str) -> Vec<String> {
        self.evaluator.query(&parse(expr), at(self.now)).map(|queried| queried.warnings).unwrap_or_default()
    }
}

/// A group whose rules a remote source answers.
pub(crate) fn remote(mut group: RuleGroup) -> RuleGroup {
    group.source = SourceName::new("thanos");
    group
}

fn clock(seconds: i64) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// The alert's name and its other labels.
fn short(labels: &Labels) -> String {
    let others: Vec<String> =
        labels.iter().filter(|(name, _)| *name != "alertname").map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}{{{}}}", labels.get("alertname"), others.join(","))
}
