//! What a remote source says of its targets when something is absent.
//!
//! A source that is asked for an expression leaves out what it could not scrape, as if it were well. So when an alert of
//! ours is not in its answer, it is asked on: which targets are down, or were for so long that the window has not been
//! filled again since, and, if any, which series of the rule's selectors they had. An alert that agrees with one of those
//! stays what it was.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::{Labels, Timestamp, format_duration};
use crate::promql::{Expr, Value, selector_text, selectors};

use super::blind::{asks_about_scrapes, asks_absence};

/// How far back a target's series are looked for at least: what was lost before is remembered while the target is down.
const SERIES_REACH_MIN: Duration = Duration::from_secs(3600);
/// How far back the source is asked at most, however far the rule looks: an answer over more can take minutes.
const REACH_MAX: Duration = Duration::from_secs(24 * 3600);
/// An outage of so much of a window has emptied it: what is left are the samples of a scrape or two.
const EMPTY_PERCENT: u32 = 80;
/// How much of a window lies between the moments at which it is asked whether it was empty.
const STEP_PERCENT: u32 = 10;
/// The labels by which a series and the `up` of its target are told to belong together.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// What is asked, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Which targets were down?
    Down,
    /// Which series did they have?
    Lost,
}

/// What is asked about the targets behind an absence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Inquiry {
    /// Gives the `up` of each target that was down.
    down: String,
    /// Gives the series of the rule's selectors whose target was down.
    lost: String,
}

impl Inquiry {
    /// The inquiry for an expression in whose result something is missing that was there from `since` on; none if the
    /// expression asks for nothing that a failed scrape could hide.
    pub(super) fn new(expr: &Expr, since: Timestamp, at: Timestamp) -> Option<Self> {
        let uses: Vec<_> = selectors(expr).into_iter().filter(|it| !asks_about_scrapes(it)).collect();
        let window = uses.iter().map(|it| it.window).max()?.min(REACH_MAX);
        // An outage before the alert began has not hidden its end.
        let span = window.min(at.since(since));
        let (empty, step) = (window * EMPTY_PERCENT / 100, window * STEP_PERCENT / 100);
        let down = if span.as_millis() == 0 || step.as_millis() == 0 || asks_absence(expr) {
            "up == 0".to_owned()
        } else {
            let [span, empty, step] = [span, empty, step].map(format_duration);
            format!("(min_over_time(max_over_time(up[{empty}])[{span}:{step}]) == 0) or (up == 0)")
        };
        let reach = format_duration(window.max(SERIES_REACH_MIN));
        let texts: BTreeSet<String> = uses.iter().map(|it| selector_text(&it.matchers)).collect();
        let mut lost = String::from("(");
        for (index, text) in texts.iter().enumerate() {
            let or = if index == 0 { "" } else { " or " };
            // Writing to a `String` does not fail.
            let _ = write!(lost, "{or}last_over_time({text}[{reach}])");
        }
        let _ = write!(lost, ") and on ({}) ({down})", TARGET_LABELS.join(", "));
        Some(Self { down, lost })
    }

    /// The query of a step.
    pub(super) fn query(self, step: Step) -> String {
        match step {
            Step::Down => self.down,
            Step::Lost => self.lost,
        }
    }
}

/// The series that could not be measured when their source was last asked about them.
#[derive(Clone, Debug, Default)]
pub(super) struct Outage {
    lost: BTreeSet<Labels>,
}

impl Outage {
    /// Takes in an answer, and says what to ask next, if anything. An answer that is no list of series says nothing: it is
    /// handed back as an error.
    pub(super) fn hear(&mut self, step: Step, told: Value) -> Result<Option<Step>, String> {
        let Value::Vector(told) = told else { return Err("the answer is no list of series".to_owned()) };
        Ok(match step {
            Step::Down => {
                let down: BTreeSet<_> = told.iter().map(|it| TARGET_LABELS.map(|name| it.labels.get(name))).collect();
                self.lost.retain(|series| down.contains(&TARGET_LABELS.map(|name| series.get(name))));
                (!down.is_empty()).then_some(Step::Lost)
            }
            Step::Lost => {
                self.lost.extend(told.into_iter().map(|it| it.labels.without_metric_name()));
                None
            }
        })
    }

    /// Everything was measured.
    pub(super) fn clear(&mut self) {
        self.lost.clear();
    }

    /// The labels of the series.
    pub(super) fn lost(&self) -> impl Iterator<Item = &Labels> {
        self.lost.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn asks_for_what_the_rule_looks_at() {
        let check = |expr: &str, since: i64, want: Option<(&str, &str)>| {
            let inquiry = Inquiry::new(&parse(expr).unwrap(), at(since), at(1_000_000));
            for text in inquiry.iter().flat_map(|it| [&it.down, &it.lost]) {
                parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            }
            let found = inquiry.as_ref().map(|it| (it.down.as_str(), it.lost.as_str()));
            assert_eq!(found, want, "{expr}");
        };
        check("up == 0", 0, None);
        check("vector(1)", 0, None);
        check(
            r#"sum by (pod) (rate(a{b="c\n"}[5m])) > 1"#,
            0,
            Some((
                "(min_over_time(max_over_time(up[4m])[5m:30s]) == 0) or (up == 0)",
                r#"(last_over_time(a{b="c\n"}[1h])) and on (job, instance) ((min_over_time(max_over_time(up[4m])[5m:30s]) == 0) or (up == 0))"#,
            )),
        );
        check(
            "rate(a[2h]) > rate(a[1h]) and b and on () up",
            1_000_000 - 90,
            Some((
                "(min_over_time(max_over_time(up[1h36m])[1m30s:12m]) == 0) or (up == 0)",
                "(last_over_time(a[2h]) or last_over_time(b[2h])) and on (job, instance) \
                 ((min_over_time(max_over_time(up[1h36m])[1m30s:12m]) == 0) or (up == 0))",
            )),
        );
        check(
            "a[30d] offset 1d",
            0,
            Some((
                "(min_over_time(max_over_time(up[19h12m])[1d:2h24m]) == 0) or (up == 0)",
                "(last_over_time(a[1d])) and on (job, instance) \
                 ((min_over_time(max_over_time(up[19h12m])[1d:2h24m]) == 0) or (up == 0))",
            )),
        );
        check(
            "absent_over_time(a[5m])",
            0,
            Some(("up == 0", "(last_over_time(a[1h])) and on (job, instance) (up == 0)")),
        );
        check("a > 1", 0, Some(("up == 0", "(last_over_time(a[1h])) and on (job, instance) (up == 0)")));
    }
}
