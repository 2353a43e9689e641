//! What an expression asks of the store, and whether it is a condition.

use std::time::Duration;

use super::LOOKBACK;
use super::ast::{At, BinaryOp, Expr, ExprKind, Reading, Selector, Shift, ValueType};
use super::check::type_of;
use super::functions::{info_matchers, info_shifts};
use super::length::{Length, Moments};
use crate::model::{Matcher, Timestamp};

/// A selector of an expression and how far it looks back from the moment of evaluation.
#[derive(Clone, PartialEq, Debug)]
pub struct SelectorUse {
    /// Its matchers, the one on the metric's name among them.
    pub matchers: Vec<Matcher>,
    /// How long the store must keep samples for it: for ever ([`Duration::MAX`]) when `@` fixes a moment.
    pub reach: Duration,
    /// The span of time that its value is about: nothing but the offset for an instant selector.
    pub window: Duration,
    /// The newest moment that it reads.
    pub latest: Latest,
}

/// A moment, seen from the one for which the whole expression is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Latest {
    /// So many milliseconds before it; after it, when negative.
    Ago(i64),
    /// The same, whenever it is evaluated.
    Fixed(Timestamp),
}

impl Latest {
    /// Which moment it is for an evaluation at `at`.
    pub fn of(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ms) => at.shifted(ms.saturating_neg()),
            Self::Fixed(moment) => moment,
        }
    }

    /// The moment that `@` and `offset` lead to.
    fn shifted(self, shift: &Shift) -> Self {
        let from = match shift.at {
            None => self,
            Some(At::Time(moment)) => Self::Fixed(moment),
            Some(At::Start | At::End) => Self::Ago(0),
        };
        let ms = shift.offset.as_ref().map_or(0, millis);
        match from {
            Self::Ago(before) => Self::Ago(before.saturating_add(ms)),
            Self::Fixed(moment) => Self::Fixed(moment.shifted(ms.saturating_neg())),
        }
    }
}

/// All selectors of an expression, in the order in which they are written. What subqueries around a selector look back is
/// added to it. The expression is taken to be evaluated for one moment at a time, as rules are.
pub fn selectors(expr: &Expr) -> Vec<SelectorUse> {
    let mut uses = Vec::new();
    collect(expr, Past::Ago(0), Latest::Ago(0), &mut uses);
    uses
}

/// How far back the earliest of the moments is for which something is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Past {
    /// Milliseconds before the moment of the whole expression; after it, when negative.
    Ago(i64),
    /// It is a fixed moment, or counted from one, and so further back every time.
    Fixed,
}

impl Past {
    /// The moment that `@` and `offset` lead to.
    fn shifted(self, shift: &Shift) -> Self {
        let from = match shift.at {
            None => self,
            Some(At::Time(_)) => Self::Fixed,
            // Whatever is around it, these are the moment of the whole expression.
            Some(At::Start | At::End) => Self::Ago(0),
        };
        from.further(shift.offset.as_ref().map_or(0, millis))
    }

    fn further(self, ms: i64) -> Self {
        match self {
            Self::Ago(before) => Self::Ago(before.saturating_add(ms)),
            Self::Fixed => Self::Fixed,
        }
    }

    /// As a length of time; nothing when it is not in the past.
    fn duration(self) -> Duration {
        match self {
            Self::Ago(ms) => Duration::from_millis(u64::try_from(ms).unwrap_or(0)),
            Self::Fixed => Duration::MAX,
        }
    }
}

/// What a length comes to for one moment. When it comes to nothing, the evaluation fails and reads nothing.
fn millis(length: &Length) -> i64 {
    length.millis(Moments::instant(Timestamp::from_millis(0))).unwrap_or(0)
}

/// Collects the selectors of an expression that is evaluated from `past` until `latest`.
fn collect(expr: &Expr, past: Past, latest: Latest, uses: &mut Vec<SelectorUse>) {
    let mut note = |selector: &Selector, range_ms: i64, reach_ms: i64| {
        let past = past.shifted(&selector.shift);
        let (reach, window) = (past.further(reach_ms).duration(), past.further(range_ms).duration());
        uses.push(SelectorUse {
            matchers: selector.matchers.clone(),
            reach,
            window,
            latest: latest.shifted(&selector.shift),
        });
    };
    let lookback_ms = i64::try_from(LOOKBACK.as_millis()).unwrap_or(i64::MAX);
    match &expr.kind {
        ExprKind::Selector(selector) => note(selector, 0, lookback_ms),
        ExprKind::Range { selector, range } => {
            let range_ms = millis(range).max(0);
            // Values at the ends of a range are taken from samples before it.
            let before_ms = if selector.reading == Reading::Plain { 0 } else { lookback_ms };
            note(selector, range_ms, range_ms.saturating_add(before_ms));
        }
        ExprKind::Call(call) if call.function.chooses_labels() => {
            collect(&call.args[0], past, latest, uses);
            let shifts = info_shifts(&call.args[0]).unwrap_or_default();
            let latest = shifts.iter().rev().fold(latest, |latest, shift| latest.shifted(shift));
            let past = shifts.into_iter().rev().fold(past, Past::shifted);
            let (reach, window) = (past.further(lookback_ms).duration(), past.duration());
            uses.push(SelectorUse { matchers: info_matchers(&call.args), reach, window, latest });
        }
        ExprKind::Subquery(query) => {
            let earliest = past.shifted(&query.shift).further(millis(&query.range).max(0));
            collect(&query.expr, earliest, latest.shifted(&query.shift), uses);
        }
        _ => expr.children().into_iter().for_each(|child| collect(child, past, latest, uses)),
    }
}

/// Whether a vector can be empty by its own condition: a comparison without `bool`, `absent()`, or anything made of such.
/// What only holds values does not: `up` is empty when nothing is measured, which says nothing.
pub fn is_condition(expr: &Expr) -> bool {
    if type_of(expr) != ValueType::Vector && !matches!(expr.kind, ExprKind::Subquery(_)) {
        return false;
    }
    match &expr.kind {
        ExprKind::Binary(operation) => {
            let (left, right) = (is_condition(&operation.left), is_condition(&operation.right));
            match operation.op {
                // Either side of an `or` can save it from being empty.
                BinaryOp::Or => left && right,
                op if op.is_comparison() && !operation.returns_bool => true,
                _ => left || right,
            }
        }
        ExprKind::Call(call) if matches!(call.name(), "absent" | "absent_over_time") => true,
        _ => expr.children().into_iter().any(is_condition),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Value, evaluate, parse, parse_any};
    use super::*;
    use crate::model::{Labels, MatchOp, Sample, TargetId};
    use crate::store::{Origin, Store};

    #[test]
    fn finds_selectors_and_how_far_they_look() {
        let check = |source: &str, want: &[(&str, u64, u64)]| {
            let found: Vec<_> = selectors(&parse_any(source).unwrap())
                .iter()
                .map(|used| (used.matchers[0].value.to_string(), used.reach.as_secs() / 60, used.window.as_secs() / 60))
                .collect();
            let want: Vec<_> = want.iter().map(|(name, reach, window)| ((*name).to_owned(), *reach, *window)).collect();
            assert_eq!(found, want, "{source}");
        };
        check("1", &[]);
        check("up", &[("up", 5, 0)]);
        check("up offset 1h", &[("up", 65, 60)]);
        check("rate(a[30m] offset 10m) > b", &[("a", 40, 40), ("b", 5, 0)]);
        check("a offset -3m", &[("a", 2, 0)]);
        check("max_over_time(rate(a[5m])[1h:] offset 2h)", &[("a", 185, 185)]);
        check("max_over_time(up[1h:1m])", &[("up", 65, 60)]);
        check("rate(a[30m] anchored)", &[("a", 35, 30)]);
        check("a offset -20m", &[("a", 0, 0)]);
        check("max_over_time((a offset -20m)[1h:])", &[("a", 45, 40)]);
        check("max_over_time(a[10m*3:step()+1m] offset (1h-30m))", &[("a", 65, 60)]);
        check("rate(a[min_of(10m, 1h)] offset -5m)", &[("a", 5, 5)]);
        check("a @ end() + b @ start() offset 10m", &[("a", 5, 0), ("b", 15, 10)]);
        check("max_over_time((a @ end())[1h:])", &[("a", 5, 0)]);
        check("max_over_time((a + b @ end() offset 3m)[1h:] offset 1h)", &[("a", 125, 120), ("b", 8, 3)]);
        check("topk(scalar(k), -(sum(a)))", &[("k", 5, 0), ("a", 5, 0)]);
    }

    #[test]
    fn finds_the_newest_moment_that_is_read() {
        let check = |source: &str, ms: i64| {
            let found = selectors(&parse_any(source).unwrap());
            assert_eq!(found[0].latest.of(Timestamp::from_millis(3_600_000)).millis() - 3_600_000, ms, "{source}");
        };
        check("a", 0);
        check("rate(a[5m])", 0);
        check("a offset 1m", -60_000);
        check("a offset -1m", 60_000);
        check("max_over_time((a offset 1m)[1h:] offset 2m)", -180_000);
        check("a @ 60 offset 1m", -3_600_000);
        check("max_over_time((a offset 1m)[1h:] @ 120)", -3_540_000);
        check("max_over_time((a @ end())[1h:] offset 2m)", 0);
    }

    #[test]
    fn a_fixed_moment_is_out_of_reach_of_any_duration() {
        for source in ["a @ 60", "rate(a[5m] @ 60 offset -1h)", "max_over_time(a[5m:] @ 60)"] {
            let found = selectors(&parse(source).unwrap());
            assert_eq!((found[0].reach, found[0].window), (Duration::MAX, Duration::MAX), "{source}");
        }
        let both = selectors(&parse("max_over_time((a @ end() + b)[5m:] @ 60)").unwrap());
        assert_eq!((both[0].reach, both[1].reach), (LOOKBACK, Duration::MAX));
    }

    /// A store that keeps no more than the survey says gives the same values as one that keeps everything.
    #[test]
    fn reach_covers_what_evaluation_reads() {
        let minute = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let store_with = |reach: Duration| {
            let mut store = Store::new();
            store.register(&[Matcher::new("__name__", MatchOp::Equal, "a").unwrap()], reach);
            let labels = Labels::from_pairs([("__name__", "a")]);
            let id = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))).unwrap();
            for (at, value) in (0..300).zip(1_u32..) {
                store.append(id, Sample { at: minute(at), value: f64::from(value) });
            }
            store.trim(minute(299));
            store
        };
        let everything = store_with(Duration::MAX);
        for source in [
            "a",
            "a offset 37m",
            "a offset -2m",
            "sum_over_time(a[30m] offset 7m)",
            "sum_over_time(a[10m*3] offset -(2m+3m))",
            "sum_over_time(sum_over_time(a[9m])[1h:7m] offset 10m)",
            "sum_over_time((a offset 10m)[1h:3m])",
            "sum_over_time((a offset -10m)[1h:3m])",
            "sum_over_time((a @ end() offset 20m)[1h:3m] offset 2h)",
            "sum_over_time((a + a @ start())[1h:3m] offset 1h)",
            "sum_over_time(a[5m:1m] @ 9000)",
            "sum_over_time(sum_over_time(a[20m] @ 6000)[1h:])",
            "sum_over_time(a[step()+5m:max_of(step(),2m)])",
        ] {
            let expr = parse(source).unwrap();
            let reach = selectors(&expr).iter().map(|used| used.reach).max().unwrap();
            let value = evaluate(&expr, &store_with(reach), minute(299)).unwrap();
            assert_eq!(value, evaluate(&expr, &everything, minute(299)).unwrap(), "{source} reaches {reach:?}");
            assert_ne!(value, Value::Vector(Vec::new()), "{source}");
        }
    }

    #[test]
    fn tells_conditions_from_values() {
        let check = |source: &str, want: bool| assert_eq!(is_condition(&parse(source).unwrap()), want, "{source}");
        check("up == 0", true);
        check("(up == 0)", true);
        check("up == bool 0", false);
        check("up", false);
        check("1 > bool 2", false);
        check("absent(up)", true);
        check("a > 1 and b", true);
        check("a and b", false);
        check("a > 1 or b", false);
        check("a > 1 or b > 1", true);
        check("a unless b > 1", true);
        check("count(up == 0)", true);
        check("vector(scalar(up == 0))", false);
        check("count_over_time((up == 0)[5m:])", true);
        check("rate(a[5m]) * 2", false);
    }
}
