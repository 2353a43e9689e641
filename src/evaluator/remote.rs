//! Questions for remote sources, and what becomes of their answers.
//!
//! When a group is due whose rules a remote source answers, each of its alerts becomes a question, and the evaluation goes
//! on as the answers come, each at the moment that the question was about. An alert that is not in the answer any more is
//! asked on about. What has not been answered when the group is due again has failed.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{IntegrationId, Labels, RuleId, Timestamp};
use crate::promql::Value;
use crate::rule::{AnnotateContext, OnUnknown, Rule, RuleError, annotate};
use crate::template::{Answers, QuerySample};

use super::blind::Sight;
use super::group::{Group, Round};
use super::ingest::Intake;
use super::join::elements_of;
use super::outage::{Inquiry, Step};
use super::standing::{Standing, Surroundings};
use super::{Answered, Evaluator, Measure, Question, QuestionId, Reading, ScrapeTarget, Transitions};

/// How often the texts of a rule may ask on because of what they were answered.
const GOES_MAX: usize = 4;
/// How many queries the texts of one evaluation of a rule may ask.
const TEXT_QUERIES_MAX: usize = 200;

/// Who waits for an answer.
#[derive(Debug)]
enum Asker {
    Rule(RuleId),
    /// A query in the texts of a rule, and the how manieth go it is of.
    Text(RuleId, String, usize),
    /// An inquiry into what is absent in the result of a rule.
    Absence(RuleId, Step),
    Measure(IntegrationId, Timestamp),
    /// An inquiry into what is absent in what a measure gave.
    Blind(Reading, Step),
}

/// What of a rule's evaluation an answer is.
enum Part {
    Result,
    Text(String, usize),
    Absence(Step),
}

/// The questions that are open.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<QuestionId, Asker>,
    asked: u64,
}

impl Questions {
    fn open(&mut self, asker: Asker) -> QuestionId {
        self.asked += 1;
        let id = QuestionId::new(self.asked);
        self.open.insert(id, asker);
        id
    }

    /// Forgets what a group waits for: it was replaced by another.
    pub(super) fn abandon(&mut self, round: &Round) {
        for id in round.waiting.keys() {
            self.open.remove(id);
        }
    }

    /// Forgets what the measures wait for.
    pub(super) fn abandon_measures(&mut self) {
        self.open.retain(|_, asker| !matches!(asker, Asker::Measure(..) | Asker::Blind(..)));
    }

    /// Begins an evaluation of a group at `at`; the one before it ends without the answers that have not come.
    pub(super) fn ask(
        &mut self,
        group: &mut Group,
        around: &mut Surroundings<'_>,
        at: Timestamp,
        transitions: &mut Transitions,
    ) {
        if let Some(mut round) = group.round.take() {
            self.abandon(&round);
            round.report.missed += 1;
            let waiting: BTreeSet<usize> = std::mem::take(&mut round.waiting).into_values().collect();
            for rule in waiting {
                let error = RuleError::Unanswered(group.spec.source.clone());
                let standing = &mut group.rules[rule];
                let it = standing.evaluation(&group.spec, round.at);
                standing.take(Err(error), it, around, &mut transitions.changes, &mut round.report);
            }
            group.evaluated_at = Some(round.at);
            transitions.groups.push(round.report);
        }
        let mut round = Round { at, waiting: BTreeMap::new(), held: BTreeMap::new(), report: group.begin(at) };
        for (index, standing) in group.rules.iter_mut().enumerate() {
            match &*standing.rule {
                Rule::Alert(alert) => {
                    let id = self.open(Asker::Rule(alert.id.clone()));
                    round.waiting.insert(id, index);
                    transitions.questions.push(Question {
                        id,
                        source: group.spec.source.clone(),
                        query: alert.source.clone(),
                        at: standing.evaluation(&group.spec, at).read,
                    });
                }
                Rule::Record(_) => {
                    let error = RuleError::RecordsRemote(group.spec.source.clone());
                    let it = standing.evaluation(&group.spec, at);
                    standing.take(Err(error), it, around, &mut transitions.changes, &mut round.report);
                }
            }
        }
        group.wait(round, transitions);
    }

    /// Asks what the measures of remote sources want to know; what they asked before has not been answered.
    pub(super) fn ask_measures(&mut self, measures: &[(Measure, Sight)], at: Timestamp, transitions: &mut Transitions) {
        for (id, asker) in std::mem::take(&mut self.open) {
            match asker {
                Asker::Rule(_) | Asker::Text(..) | Asker::Absence(..) => drop(self.open.insert(id, asker)),
                Asker::Measure(measure, asked_at) => {
                    let elements = Err("the source gave no answer in time".to_owned());
                    let reading = Reading { id: measure, at: asked_at, elements, blind: Default::default() };
                    transitions.readings.push(reading);
                }
                Asker::Blind(reading, _) => transitions.readings.push(all_blind(reading)),
            }
        }
        for (measure, _) in measures.iter().filter(|(measure, _)| !measure.source.is_embedded()) {
            let id = self.open(Asker::Measure(measure.id.clone(), at));
            let (source, query) = (measure.source.clone(), measure.expr.to_string());
            transitions.questions.push(Question { id, source, query, at });
        }
    }
}

impl Group {
    /// Goes on waiting, or ends an evaluation that waits for nothing any more.
    fn wait(&mut self, round: Round, transitions: &mut Transitions) {
        if round.waiting.is_empty() {
            self.evaluated_at = Some(round.at);
            transitions.groups.push(round.report);
        } else {
            self.round = Some(round);
        }
    }
}

impl Standing {
    /// The queries that its texts ask for these elements and that have no answer yet.
    fn text_queries(&self, value: &Value, context: &AnnotateContext, at: Timestamp) -> BTreeSet<String> {
        let Rule::Alert(alert) = &*self.rule else { return BTreeSet::new() };
        if !alert.labels.iter().chain(&alert.annotations).any(|(_, text)| text.source().contains("query")) {
            return BTreeSet::new();
        }
        let answers = Answers::new(&self.answers);
        // Only what it asks matters here: its result is made when all is known.
        let _ = annotate(alert, value.clone(), context, at, &answers);
        let room = TEXT_QUERIES_MAX.saturating_sub(self.answers.len());
        answers.asked().into_iter().take(room).collect()
    }

    /// What to ask about the alerts that this result of its expression does not have any more, if any are missing and one
    /// that cannot be measured is to be kept.
    fn inquiry(
        &mut self,
        value: &Value,
        on_unknown: OnUnknown,
        context: &AnnotateContext,
        at: Timestamp,
    ) -> Option<Inquiry> {
        let missing_since = match &*self.rule {
            Rule::Alert(alert) if on_unknown == OnUnknown::Keep && self.instances.iter().len() > 0 => {
                let seen = annotate(alert, value.clone(), context, at, &Answers::new(&self.answers)).ok()?;
                let present: BTreeSet<&Labels> = seen.iter().map(|it| &it.labels).collect();
                let missing = self.instances.iter().filter(|instance| !present.contains(&instance.labels));
                missing.map(|instance| instance.state.active_at()).min()
            }
            Rule::Alert(_) | Rule::Record(_) => None,
        };
        if missing_since.is_none() {
            self.sight.outage.clear();
        }
        Inquiry::new(self.rule.expr(), missing_since?, at)
    }
}

/// What a query of a text was answered, as the text sees it.
fn samples_of(answered: Answered) -> Result<Vec<QuerySample>, String> {
    match answered.value {
        Value::Scalar(value) => Ok(vec![QuerySample { labels: Labels::empty(), value }]),
        Value::Vector(elements) => {
            Ok(elements.into_iter().map(|it| QuerySample { labels: it.labels, value: it.value.number() }).collect())
        }
        Value::Matrix(_) | Value::String(_) => Err("it gives neither a vector nor a scalar".to_owned()),
    }
}

/// A reading of which an absence proves nothing for anyone: what hides behind it could not be asked.
fn all_blind(reading: Reading) -> Reading {
    Reading { blind: [Labels::empty()].into(), ..reading }
}

impl Evaluator {
    /// Takes in the answer to a question. One that came too late, or is of a rule that is gone, changes nothing.
    pub fn apply(&mut self, id: QuestionId, answer: Result<Answered, String>, now: Timestamp) -> Transitions {
        let mut transitions = Transitions { at: now, ..Transitions::default() };
        match self.questions.open.remove(&id) {
            Some(Asker::Rule(rule)) => self.answer_rule(id, &rule, Part::Result, answer, &mut transitions),
            Some(Asker::Text(rule, query, go)) => {
                self.answer_rule(id, &rule, Part::Text(query, go), answer, &mut transitions);
            }
            Some(Asker::Absence(rule, step)) => {
                self.answer_rule(id, &rule, Part::Absence(step), answer, &mut transitions);
            }
            Some(Asker::Measure(measure, at)) => {
                let elements = answer.and_then(|answered| elements_of(answered.value));
                let reading = Reading { id: measure, at, elements, blind: Default::default() };
                let step = reading.elements.is_ok().then_some(Step::Down);
                self.ask_what_hides(reading, step, &mut transitions);
            }
            Some(Asker::Blind(mut reading, step)) => {
                let measure = self.measures.iter_mut().find(|(measure, _)| measure.id == reading.id);
                let next = measure.map_or(Err(String::new()), |(measure, sight)| {
                    let next = answer.and_then(|answered| sight.outage.hear(step, answered.value));
                    reading.blind = sight.outage.lost().map(|series| measure.key_of(series)).collect();
                    next
                });
                match next {
                    Ok(next) => self.ask_what_hides(reading, next, &mut transitions),
                    Err(_) => transitions.readings.push(all_blind(reading)),
                }
            }
            None => {}
        }
        self.finish(&mut transitions);
        transitions
    }

    /// Asks which targets behind a reading are down, or hands it out when nothing is left to ask.
    fn ask_what_hides(&mut self, reading: Reading, step: Option<Step>, transitions: &mut Transitions) {
        let measure = self.measures.iter().map(|(measure, _)| measure).find(|measure| measure.id == reading.id);
        let inquiry = measure.zip(step).and_then(|(measure, step)| {
            let inquiry = Inquiry::new(&measure.expr, Timestamp::from_millis(0), reading.at)?;
            Some((measure.source.clone(), inquiry.query(step), step))
        });
        let Some((source, query, step)) = inquiry else { return transitions.readings.push(reading) };
        let at = reading.at;
        let id = self.questions.open(Asker::Blind(reading, step));
        transitions.questions.push(Question { id, source, query, at });
    }

    /// Takes in the answer to a rule's own query, to one of its texts, or about what is absent in its result. What the texts
    /// then still want to know is asked, and then what is absent is asked about; when nothing is, the rule has its result.
    fn answer_rule(
        &mut self,
        id: QuestionId,
        rule: &RuleId,
        part: Part,
        mut answer: Result<Answered, String>,
        transitions: &mut Transitions,
    ) {
        let Self { store, plan, groups, places, intakes, context, healths, unknown, failing, questions, .. } = self;
        let Some(group) = places.get(rule).and_then(|(group, _)| groups.get_mut(*group)) else { return };
        let Some(mut round) = group.round.take() else { return };
        if let Some(index) = round.waiting.remove(&id) {
            let targets: Vec<&ScrapeTarget> = intakes.values().map(Intake::target).collect();
            let (is_strict, elapsed) = (self.is_strict, self.elapsed);
            let mut around =
                Surroundings { store, plan, targets: &targets, context, healths, unknown, failing, is_strict, elapsed };
            let standing = &mut group.rules[index];
            let spec = &group.spec;
            let it = standing.evaluation(spec, round.at);
            let mut step = Some(Step::Down);
            let (result, go) = match part {
                Part::Result => {
                    standing.answers.clear();
                    standing.warnings = answer.as_mut().map(|it| std::mem::take(&mut it.warnings)).unwrap_or_default();
                    (answer.map(|answered| answered.value).map_err(RuleError::Source), 0)
                }
                Part::Text(query, go) => {
                    standing.answers.insert(query, answer.and_then(samples_of));
                    if round.waiting.values().any(|other| *other == index) {
                        return group.wait(round, transitions);
                    }
                    let Some(value) = round.held.remove(&index) else { return group.wait(round, transitions) };
                    (Ok(value), go)
                }
                Part::Absence(asked) => {
                    let Some(value) = round.held.remove(&index) else { return group.wait(round, transitions) };
                    let failed = |error| RuleError::Source(format!("cannot ask which targets are down: {error}"));
                    let hear = |answered: Answered| standing.sight.outage.hear(asked, answered.value);
                    let next = answer.and_then(hear).map_err(failed);
                    step = next.as_ref().ok().copied().flatten();
                    (next.map(|_| value), GOES_MAX)
                }
            };
            let mut asked = Vec::new();
            if let Ok(value) = &result {
                if go < GOES_MAX {
                    let queries = standing.text_queries(value, around.context, round.at);
                    asked.extend(queries.into_iter().map(|it| (it.clone(), Asker::Text(rule.clone(), it, go + 1))));
                }
                if let (true, Some(step)) = (asked.is_empty(), step) {
                    let inquiry = standing.inquiry(value, spec.on_unknown, around.context, round.at);
                    asked.extend(inquiry.map(|it| (it.query(step), Asker::Absence(rule.clone(), step))));
                }
            }
            if let (Ok(value), false) = (&result, asked.is_empty()) {
                round.held.insert(index, value.clone());
                for (query, asker) in asked {
                    let id = questions.open(asker);
                    round.waiting.insert(id, index);
                    let (source, at) = (spec.source.clone(), it.read);
                    transitions.questions.push(Question { id, source, query, at });
                }
                return group.wait(round, transitions);
            }
            standing.take(result, it, &mut around, &mut transitions.changes, &mut round.report);
        }
        group.wait(round, transitions);
    }
}
