//! Queries over a range of moments, which can be answered a piece at a time: whoever evaluates them has other things to do.

use std::collections::HashMap;
use std::sync::Arc;

use super::annotation::Annotations;
use super::ast::{Expr, ValueType};
use super::check::type_of;
use super::interpret::{EvalError, Interpreter};
use super::length::Moments;
use super::query::{Answer, Gathering, MOMENTS_MAX, Options, within};
use super::value::{Item, Outcome, Value};
use crate::model::{Labels, Matcher, Timestamp};
use crate::store::{SeriesId, Store};

/// A query over a range, under way.
#[derive(Debug)]
pub struct RangeQuery {
    moments: Moments,
    /// The moment that is next.
    next: Timestamp,
    options: Options,
    samples_left: u64,
    series_left: u64,
    /// How many samples the result may have besides those that it has.
    result_left: u64,
    /// What selectors that the store was not told of found, and in which state of its series.
    found: (u64, HashMap<Vec<Matcher>, Arc<[SeriesId]>>),
    gathering: Gathering,
    notes: Annotations,
}

impl RangeQuery {
    /// A query that has not begun; refused when there is no range of such an expression, or the range has too many steps.
    pub fn new(expr: &Expr, moments: Moments, options: Options) -> Result<Self, EvalError> {
        let kind = type_of(expr);
        if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
            let kind = kind.as_str();
            let what = format!("invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector");
            return Err(EvalError::new(expr.span, what));
        }
        let moments = Moments { start: within(moments.start), end: within(moments.end), step: moments.step };
        let steps = moments.end.since(moments.start).as_millis() / moments.step.as_millis().max(1);
        if steps > u128::from(MOMENTS_MAX) {
            let what = format!("a query over a range may have {MOMENTS_MAX} steps, and this one has {steps}");
            return Err(EvalError::new(expr.span, what));
        }
        let notes = if options.annotates { Annotations::default() } else { Annotations::muted() };
        let (next, samples_left, series_left) = (moments.start, options.samples_max, options.samples_max);
        let (found, gathering) = ((0, HashMap::new()), Gathering::default());
        let result_left = options.result_samples_max;
        Ok(Self { moments, next, options, samples_left, series_left, result_left, found, gathering, notes })
    }

    /// Evaluates the expression, which is the one that this was made of, at one moment after the other, until `pauses` says
    /// to go on later. Returns whether it has come to the end. It fails when it is given up.
    pub fn proceed(
        &mut self,
        expr: &Expr,
        store: &Store,
        is_given_up: &dyn Fn() -> bool,
        pauses: &mut dyn FnMut() -> bool,
    ) -> Result<bool, EvalError> {
        let mut interpreter = Interpreter::new(store, self.moments, &self.options);
        interpreter.is_given_up = Some(is_given_up);
        interpreter.samples_left = self.samples_left;
        interpreter.series_left = self.series_left;
        interpreter.notes = std::mem::take(&mut self.notes);
        if self.found.0 == store.membership() {
            interpreter.found = std::mem::take(&mut self.found.1);
        }
        while self.next <= self.moments.end {
            let at = self.next;
            interpreter.at = at;
            interpreter.spend(1, expr.span)?;
            match interpreter.value(expr)? {
                Outcome::Scalar(value) => {
                    let item = Item { labels: Labels::empty(), value: value.into(), drops_name: false };
                    self.gathering.add(item, at, expr.span)?;
                }
                Outcome::Vector(items) => {
                    let most = self.options.result_samples_max;
                    let too_many = || EvalError::new(expr.span, format!("the result has more than {most} samples"));
                    self.result_left = self.result_left.checked_sub(items.len() as u64).ok_or_else(too_many)?;
                    for item in items {
                        self.gathering.add(item, at, expr.span)?;
                    }
                }
                Outcome::String(_) => {}
            }
            self.next = at + self.moments.step;
            if pauses() {
                break;
            }
        }
        self.samples_left = interpreter.samples_left;
        self.series_left = interpreter.series_left;
        self.found = (store.membership(), interpreter.found);
        self.notes = interpreter.notes;
        Ok(self.next > self.moments.end)
    }

    /// What has been found.
    pub fn finish(self, expr: &Expr) -> Result<Answer, EvalError> {
        let samples = self.options.samples_max - self.samples_left;
        let value = self.gathering.finish(expr.span).map(Value::Matrix)?;
        Ok(Answer { value, annotations: self.notes, samples })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::interpret::tests::store;
    use super::super::{parse, query};
    use super::*;
    use crate::model::{Sample, TargetId};
    use crate::store::Origin;

    fn moments(minutes: i64) -> Moments {
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        Moments { start: at(0), end: at(minutes), step: Duration::from_secs(60) }
    }

    #[test]
    fn pieces_make_the_whole() {
        let store = store(&[("a{x='1'}", "0 1 2 3 4 5"), ("a{x='2'}", "_ 7 8 _ stale 3")]);
        for source in ["a", "sum_over_time(a[3m] @ end())", "1 + sort(a)", "rate(a[2m])", "quantile(2, a)"] {
            let expr = parse(source).unwrap();
            let whole = query(&expr, &store, moments(5), &Options::default()).unwrap();
            let mut running = RangeQuery::new(&expr, moments(5), Options::default()).unwrap();
            let mut pieces = 1;
            while !running.proceed(&expr, &store, &|| false, &mut || true).unwrap() {
                pieces += 1;
            }
            assert_eq!((running.finish(&expr), pieces), (Ok(whole), 6), "{source}");
        }
    }

    #[test]
    fn what_was_found_is_looked_for_again_when_there_are_other_series() {
        let expr = parse("{__name__=~'a|b'}").unwrap();
        let mut store = store(&[("a", "0 1 2 3 4 5")]);
        let options = Options { samples_max: 20, ..Options::default() };
        let mut running = RangeQuery::new(&expr, moments(5), options).unwrap();
        assert_eq!(running.proceed(&expr, &store, &|| false, &mut || true), Ok(false));
        let labels = Labels::from_pairs([("__name__", "b")]);
        let id = store.series_for(&labels, &Origin::Scraped(TargetId::new("t"))).unwrap();
        store.append(id, Sample { at: Timestamp::from_millis(60_000), value: 7.0 });
        assert_eq!(running.proceed(&expr, &store, &|| false, &mut || true), Ok(false));
        // Once more it would look through more series than it may.
        running.series_left = 0;
        assert_eq!(running.proceed(&expr, &store, &|| false, &mut || false), Ok(true));
        let Ok(Answer { value: Value::Matrix(found), .. }) = running.finish(&expr) else { panic!("no matrix") };
        let samples: Vec<usize> = found.iter().map(|it| it.samples.len()).collect();
        assert_eq!(samples, [6, 5]);
    }

    #[test]
    fn all_pieces_together_are_bounded() {
        let store = store(&[("a", "0 1 2 3 4 5")]);
        let expr = parse("a").unwrap();
        let run = |samples_max: u64| {
            let mut running =
                RangeQuery::new(&expr, moments(5), Options { samples_max, ..Options::default() }).unwrap();
            while !running.proceed(&expr, &store, &|| false, &mut || true)? {}
            running.finish(&expr).map(|answer| answer.samples)
        };
        assert_eq!(run(12), Ok(12));
        assert_eq!(run(11).unwrap_err().what, "the expression looks at more than 11 samples");
    }

    #[test]
    fn the_result_is_bounded() {
        let store = store(&[("a", "0 1 2 3 4 5"), ("b", "0 1 2 3 4 5")]);
        let expr = parse("{__name__=~'.+'}").unwrap();
        let run = |result_samples_max: u64| {
            let options = Options { result_samples_max, ..Options::default() };
            query(&expr, &store, moments(5), &options).map(|_| ())
        };
        assert_eq!(run(12), Ok(()));
        assert_eq!(run(11).unwrap_err().what, "the result has more than 11 samples");
    }

    #[test]
    fn what_nobody_waits_for_ends() {
        let store = store(&[("a", "0 1 2 3 4 5")]);
        let expr = parse("a + a").unwrap();
        let asked = std::cell::Cell::new(0);
        let is_given_up = || {
            asked.set(asked.get() + 1);
            asked.get() > 4
        };
        let mut running = RangeQuery::new(&expr, moments(5), Options::default()).unwrap();
        let error = running.proceed(&expr, &store, &is_given_up, &mut || false).unwrap_err();
        assert_eq!(error.what, "nobody waits for the query any more");
        assert_eq!(asked.get(), 5);
    }
}
