//! The rules as one plan.

use std::time::Duration;

use crate::promql::live::{Cadence, Plan, PlanSize};

use super::Evaluator;

impl Evaluator {
    /// Puts the rules that the embedded source answers, and what is to be measured there, into a new plan.
    pub(super) fn replan(&mut self) {
        self.plan = Plan::new();
        for group in &mut self.groups {
            if !group.spec.source.is_embedded() {
                continue;
            }
            let cadence = Cadence { interval: group.spec.interval, behind: group.spec.query_offset };
            for rule in &mut group.rules {
                let root = self.plan.add(rule.rule.expr(), cadence, &self.store);
                rule.interpreted = self.plan.interpreted(root).to_vec();
                rule.root = Some(root);
            }
        }
        let cadence = Cadence { interval: self.interval, behind: Duration::ZERO };
        let embedded = self.measures.iter().filter(|(measure, _)| measure.source.is_embedded());
        self.measure_roots = embedded.map(|(measure, _)| self.plan.add(&measure.expr, cadence, &self.store)).collect();
    }

    /// What the plan of all rules is made of.
    pub fn plan_size(&self) -> PlanSize {
        self.plan.size()
    }

    /// How often, since this was last asked, the interpreter evaluated an expression that the plan knows, because the plan
    /// met what may be an error, or a native histogram.
    pub fn take_undecided(&mut self) -> u64 {
        self.plan.take_undecided()
    }
}
