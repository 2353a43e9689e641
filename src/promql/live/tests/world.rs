//! A made-up world: series that come and go, are reset, have gaps, stale markers, NaN and infinities, and arrive late;
//! rules that write; and configurations that change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::super::{Expr, SampleValue, Value, evaluate, parse, parse_histogram, selectors};
use super::super::{Cadence, Plan, RootId};
use super::dice::Dice;
use super::expressions::{EVERY, expression};
use crate::model::{Histogram, HistogramSample, Labels, Sample, TargetId, Timestamp, stale_nan};
use crate::store::{Origin, Store};

const INTERVAL_MS: i64 = 15_000;
const TICKS: u32 = 40;
const EXPRESSIONS: usize = 10;
const CADENCE: Cadence = Cadence { interval: Duration::from_secs(15), behind: Duration::ZERO };

/// How a series moves.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Constant,
    /// Native histograms.
    Native,
    /// A gauge that is a native histogram now and then.
    Mixed,
}

struct Source {
    labels: Labels,
    kind: Kind,
    value: f64,
    /// Its samples come when rules have been evaluated, with a time before that.
    is_late: bool,
    newest_ms: i64,
}

pub(super) struct World {
    seed: u64,
    dice: Dice,
    store: Store,
    sources: Vec<Source>,
    next_pod: u32,
    /// Whether there are native histograms.
    has_natives: bool,
    /// How likely pods come, and go, in a tick, in per cent.
    churn: (u32, u32),
    now_ms: i64,
    rules: Vec<(String, Expr)>,
    plan: Plan,
    roots: Vec<RootId>,
    cases: u64,
    /// The kinds of nodes that gave something, and functions of windows.
    kinds: BTreeSet<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut rules: Vec<_> = (0..EXPRESSIONS).map(|_| rule(&mut dice)).collect();
        let every = EVERY.iter().cycle().skip(seed as usize % EVERY.len() * 2);
        for (place, text) in rules.iter_mut().zip(every.take(2)) {
            *place = ((*text).to_owned(), parsed(text));
        }
        let mut world = Self {
            seed,
            dice,
            store: Store::new(),
            sources: Vec::new(),
            next_pod: 0,
            has_natives: false,
            churn: (12, 10),
            now_ms: 1_700_000_000_000,
            rules,
            plan: Plan::new(),
            roots: Vec::new(),
            cases: 0,
            kinds: BTreeSet::new(),
        };
        world.has_natives = world.dice.percent(25);
        if world.dice.percent(25) {
            world.churn = (60, 60);
        }
        world.register();
        world.replan();
        for _ in 0..4 {
            world.add_pod();
        }
        for job in ["a", "b"] {
            world.add(
                &[("__name__", "role"), ("job", job), ("role", if job == "a" { "web" } else { "db" })],
                Kind::Constant,
            );
        }
        world
    }

    /// Plays it; returns how many comparisons were made and what kinds of nodes gave something, or what differs.
    pub(super) fn play(mut self) -> Result<(u64, BTreeSet<String>), String> {
        for tick in 0..TICKS {
            self.now_ms += INTERVAL_MS;
            if self.dice.percent(1) {
                self.now_ms += 240_000;
            }
            self.churn();
            self.scrape(false);
            self.plan.begin();
            let older = if self.dice.percent(4) { 30_000 } else { 0 };
            self.check(self.now_ms - older)?;
            if self.dice.percent(30) {
                self.record();
                self.check(self.now_ms)?;
            }
            self.scrape(true);
            if tick % 8 == 7 {
                self.note_kinds();
            }
            if tick % 4 == 3 {
                let ahead = if self.dice.percent(10) { 90_000 } else { 0 };
                self.store.trim(Timestamp::from_millis(self.now_ms + ahead));
            }
            if self.dice.percent(3) {
                self.reload();
            }
        }
        Ok((self.cases, self.kinds))
    }

    fn check(&mut self, at_ms: i64) -> Result<(), String> {
        let at = Timestamp::from_millis(at_ms);
        for ((text, expr), root) in self.rules.iter().zip(&self.roots) {
            let wanted = evaluate(expr, &self.store, at).map_err(|error| error.to_string());
            let found = self.plan.evaluate(*root, &self.store, at).map_err(|error| error.to_string());
            self.cases += 1;
            if !is_same(&wanted, &found, sums_in_blocks(text)) {
                let seed = self.seed;
                return Err(format!("seed {seed}: `{text}` at {at_ms}:\nwanted {wanted:?}\nfound  {found:?}"));
            }
        }
        Ok(())
    }

    fn register(&mut self) {
        for (_, expr) in &self.rules {
            for it in selectors(expr) {
                self.store.register(&it.matchers, it.reach);
            }
        }
    }

    fn note_kinds(&mut self) {
        let nodes = self.roots.iter().flat_map(|root| self.plan.nodes(*root));
        let given = nodes.filter(|node| node.elements.is_some_and(|count| count > 0));
        self.kinds.extend(given.map(|node| node.what.to_owned()));
    }

    fn replan(&mut self) {
        self.plan = Plan::new();
        self.roots = self.rules.iter().map(|(_, expr)| self.plan.add(expr, CADENCE, &self.store)).collect();
    }

    /// Some rules are others now.
    fn reload(&mut self) {
        for _ in 0..3 {
            let place = self.dice.below(u32::try_from(EXPRESSIONS).expect("it is small")) as usize;
            self.rules[place] = rule(&mut self.dice);
        }
        self.store.renew(Timestamp::from_millis(self.now_ms));
        self.register();
        self.store.sweep();
        self.note_kinds();
        self.replan();
    }

    fn add(&mut self, labels: &[(&str, &str)], kind: Kind) {
        let value = f64::from(self.dice.below(100));
        let is_late = self.dice.percent(20);
        let labels = Labels::from_pairs(labels.iter().copied());
        self.sources.push(Source { labels, kind, value, is_late, newest_ms: 0 });
    }

    fn add_pod(&mut self) {
        let pod = format!("p{}", self.next_pod);
        self.next_pod += 1;
        let job = self.dice.pick(&["a", "b"]);
        for code in ["200", "500"] {
            self.add(&[("__name__", "c"), ("job", job), ("pod", &pod), ("code", code)], Kind::Counter);
        }
        self.add(&[("__name__", "d"), ("job", job), ("pod", &pod)], Kind::Counter);
        self.add(&[("__name__", "g"), ("job", job), ("pod", &pod)], Kind::Gauge);
        if self.dice.percent(50) {
            let kind = if self.has_natives { Kind::Mixed } else { Kind::Gauge };
            self.add(&[("__name__", "e"), ("job", job), ("pod", &pod)], kind);
        }
        if self.has_natives && self.dice.percent(30) {
            self.add(&[("__name__", "n"), ("job", job), ("pod", &pod)], Kind::Native);
        }
        for le in ["0.5", "1", "1.0", "+Inf", "many"] {
            if self.dice.percent(90) {
                self.add(&[("__name__", "h_bucket"), ("job", job), ("pod", &pod), ("le", le)], Kind::Counter);
            }
        }
    }

    fn churn(&mut self) {
        if self.dice.percent(self.churn.0) && self.sources.len() < 60 {
            self.add_pod();
        }
        if self.dice.percent(self.churn.1) {
            // A whole pod goes, with stale markers or without.
            let pods: Vec<&str> =
                self.sources.iter().map(|it| it.labels.get("pod")).filter(|it| !it.is_empty()).collect();
            let pod = if pods.is_empty() { String::new() } else { self.dice.pick(&pods).to_owned() };
            let (gone, left): (Vec<_>, Vec<_>) =
                self.sources.drain(..).partition(|source| source.labels.get("pod") == pod);
            self.sources = left;
            let is_told = self.dice.percent(70);
            for source in gone.iter().filter(|_| is_told) {
                self.store.end(&source.labels, Timestamp::from_millis(self.now_ms));
            }
        }
    }

    fn scrape(&mut self, is_late: bool) {
        let Self { sources, dice, store, .. } = self;
        for source in sources.iter_mut().filter(|source| source.is_late == is_late) {
            if dice.percent(6) {
                continue;
            }
            match source.kind {
                Kind::Counter if dice.percent(4) => source.value = f64::from(dice.below(3)),
                Kind::Counter | Kind::Native => source.value += f64::from(dice.below(9)) * 0.5,
                Kind::Gauge | Kind::Mixed => source.value += f64::from(dice.below(9)) * 0.25 - 1.0,
                Kind::Constant => {}
            }
            let value = match dice.below(200) {
                0 if source.kind != Kind::Constant => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                3..=5 => stale_nan(),
                6 => -0.0,
                _ => source.value,
            };
            let at_ms = self.now_ms - i64::from(dice.below(12_000)) + if dice.percent(3) { 14_000 } else { 0 };
            if at_ms <= source.newest_ms {
                continue;
            }
            source.newest_ms = at_ms;
            let Some(id) = store.series_for(&source.labels, &Origin::Scraped(TargetId::new("t"))) else { continue };
            let at = Timestamp::from_millis(at_ms);
            if source.kind == Kind::Native || source.kind == Kind::Mixed && dice.percent(5) {
                store.append_histogram(id, HistogramSample { at, histogram: histogram(source.value, dice) });
            } else {
                store.append(id, Sample { at, value });
            }
        }
    }

    /// A rule writes its series.
    fn record(&mut self) {
        for job in ["a", "b"] {
            let labels = Labels::from_pairs([("__name__", "r:x"), ("job", job)]);
            let at = Timestamp::from_millis(self.now_ms);
            if self.dice.percent(20) {
                self.store.end(&labels, at);
            } else if let Some(id) = self.store.series_for(&labels, &Origin::Recorded) {
                let value = f64::from(self.dice.below(10));
                self.store.append(id, Sample { at, value });
            }
        }
        self.plan.wrote("r:x");
    }
}

/// A histogram of so many observations, in buckets of one of two layouts, which may have been reset.
fn histogram(count: f64, dice: &mut Dice) -> Arc<Histogram> {
    let (low, high) = (count.abs().floor(), f64::from(dice.below(5)));
    let (layout, count) = (dice.pick(&["schema:0", "schema:1", "schema:-53 custom_values:[1 2]"]), low + high);
    parse_histogram(&format!("{{{{{layout} sum:{low} count:{count} buckets:[{low} {high}]}}}}"))
        .unwrap_or_else(|error| panic!("{error:?}"))
        .into()
}

fn rule(dice: &mut Dice) -> (String, Expr) {
    let text = expression(dice);
    let expr = parsed(&text);
    (text, expr)
}

fn parsed(text: &str) -> Expr {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// Whether an expression may differ in the last bits.
fn sums_in_blocks(text: &str) -> bool {
    text.contains("sum_over_time") || text.contains("avg_over_time")
}

fn is_same(wanted: &Result<Value, String>, found: &Result<Value, String>, is_loose: bool) -> bool {
    let is_close = |a: f64, b: f64| {
        a.to_bits() == b.to_bits()
            || a.is_nan() && b.is_nan()
            || is_loose && (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
    };
    let is_value = |a: &SampleValue, b: &SampleValue| match (a, b) {
        (SampleValue::Float(a), SampleValue::Float(b)) => is_close(*a, *b),
        // A NaN in it is the same as another.
        (a, b) => format!("{a:?}") == format!("{b:?}"),
    };
    match (wanted, found) {
        (Ok(Value::Scalar(a)), Ok(Value::Scalar(b))) => is_close(*a, *b),
        (Ok(Value::Vector(a)), Ok(Value::Vector(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.labels == b.labels && is_value(&a.value, &b.value))
        }
        (Err(a), Err(b)) => a == b,
        _ => false,
    }
}
