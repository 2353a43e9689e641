//! Mutates expressions, and sees that nothing panics, hangs, or is printed as something else. Prometheus's parser tests are
//! among the expressions when the folder that `ATALAYA_TESTDATA` names is there.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use atalaya::model::{HistogramSample, Labels, MatchOp, Matcher, Sample, TargetId, Timestamp};
use atalaya::promql::{
    Expr, Moments, Options, RangeElement, SampleValue, Value, ValueType, evaluate_within, functions, is_condition,
    parse, parse_any, parse_series, query, selectors, type_of, unsupported,
};
use atalaya::store::{Origin, Store};

/// A failure prints it; the same seed makes the same expressions.
const SEED: u64 = 0x5eed_0f57_a1a7_0001;

/// How many expressions are made.
const ROUNDS: usize = 12_000;

/// How many samples an evaluation may look at, so that what is expensive by chance does not make the test long.
const SAMPLES_MAX: u64 = 20_000;

/// Expressions that exercise what the parser tests do not.
const SEEDS: &[&str] = &[
    "sum by (job) (rate(a{x=~\"1|2\"}[5m] offset 1m)) / on (job) group_left (x) b > bool 0.5",
    "histogram_quantile(0.9, sum without (x) (rate(b{le!=\"\"}[2m:30s] @ end())))",
    "label_replace(label_join(a, 'j', '-', 'x', 'le'), 'k', '$1', 'j', '(.*)-.*') or -b ^ 2",
    "a + on (x) group_right (le) fill_left (0) fill_right (NaN) b unless vector(time())",
    "max_over_time((a - b @ 60)[min_of(10m, step() + 5m):1m * 2] offset -(2m))",
    "topk by (x) (2, a) and limit_ratio(-0.3, b) or count_values('v', a) atan2 limitk(1, b)",
    "sort_by_label(histogram_quantiles(b, 'q', 0.1, 0.9), 'q') % absent(c{x='1'})",
    "predict_linear(a[5m], 60) + double_exponential_smoothing(b[9m], 0.3, 0.7) - mad_over_time(a[1h])",
    "quantile_over_time(0.5, a[5m]) >= clamp(scalar(a), 0, 3) * hour() + 0x1F + 1e3 + 5m",
    "rate(a[5m] smoothed) + info(b, {x=~'.*'}) </ 3",
    "histogram_quantile(0.9, rate(h[5m])) or histogram_fraction(0, 2, sum by (x) (h </ 2)) - histogram_count(h >/ -1)",
    "sum(h) - avg(h) * 2 / scalar(count(h)) == h or histogram_stddev(increase(h[9m] anchored))",
    "avg_over_time(h[5m]) + sum_over_time(h[9m:1m]) and delta(h[5m] smoothed) + (h smoothed) - irate(h[5m])",
    "resets(h[9m]) * changes(h[5m]) + histogram_sum(last_over_time(h[5m])) % limitk(1, h) + -h",
];

/// Pieces that are put in somewhere.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "@",
    "-",
    "+",
    "*",
    "/",
    "^",
    "=",
    "!=",
    "=~",
    "\"",
    "'",
    "`",
    "\\",
    "#",
    "\n",
    " ",
    "0",
    "1",
    "5m",
    "1e9",
    "0x",
    "1d",
    "30s",
    "inf",
    "nan",
    "by",
    "on",
    "offset",
    "bool",
    "group_left",
    "fill",
    "step()",
    "start()",
    "smoothed",
    "é",
    "a",
    "b",
    "h",
    "x",
    "le",
    "or",
    "[5m:]",
    "[1m]",
    "sum",
    "rate",
    "__name__",
    "end",
    "\\xff",
    "%",
    "<",
];

/// A small generator of chance, which is the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).expect("fits")).expect("fits")
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let chosen = self.below(text.chars().count() + 1);
        places.into_iter().nth(chosen).unwrap_or(text.len())
    }
}

#[derive(serde::Deserialize)]
struct Input {
    input: String,
}

fn corpus() -> Vec<String> {
    let file = support::testdata("promqltest/parser_parse_test_inputs.json");
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let inputs: Vec<Input> = file.map(read).unwrap_or_default();
    let calls = functions().iter().map(|function| format!("{}(a[5m], b, 1, 'x')", function.name()));
    let seeds = SEEDS.iter().map(|seed| (*seed).to_owned());
    inputs.into_iter().map(|input| input.input).chain(seeds).chain(calls).collect()
}

/// Some of: a piece put in, a stretch taken out, a stretch put elsewhere, a part of another expression put in.
fn mutate(chance: &mut Chance, corpus: &[String]) -> String {
    let mut text = corpus[chance.below(corpus.len())].clone();
    for _ in 0..=chance.below(3) {
        let (a, b) = (chance.place(&text), chance.place(&text));
        let (from, to) = (a.min(b), a.max(b));
        match chance.below(5) {
            0 => text.replace_range(from..to, ""),
            1 => text.insert_str(from, chance.pick(PIECES)),
            2 => {
                let stretch = text[from..to].to_owned();
                let place = chance.place(&text);
                text.insert_str(place, &stretch);
            }
            3 => {
                let other = &corpus[chance.below(corpus.len())];
                let (c, d) = (chance.place(other), chance.place(other));
                text.replace_range(from..to, &other[c.min(d)..c.max(d)]);
            }
            _ => {
                let other = &corpus[chance.below(corpus.len())];
                let op = chance.pick(&[" + ", " and ", " > ", " or ", " * on (x) "]);
                text = format!("({text}){op}({other})");
            }
        }
    }
    text
}

/// The last moment of which the small store knows.
const NOW: Timestamp = Timestamp::from_millis(1_800_000);

/// A few series with a sample every half minute, as far as they are wanted.
fn fill(store: &mut Store) {
    let series = [
        [("__name__", "a"), ("x", "1"), ("le", "1")],
        [("__name__", "a"), ("x", "2"), ("le", "+Inf")],
        [("__name__", "b"), ("x", "1"), ("le", "+Inf")],
        [("__name__", "b"), ("x", "1"), ("le", "0.5")],
        [("__name__", "foo"), ("x", "3"), ("le", "many")],
        [("__name__", "some_metric"), ("x", "3"), ("le", "")],
    ];
    for (index, labels) in (1_u32..).zip(series) {
        let origin = Origin::Scraped(TargetId::new("t"));
        let Some(id) = store.series_for(&Labels::from_pairs(labels), &origin) else { continue };
        for at in 0..60_u32 {
            let value = if at == 13 { f64::NAN } else { f64::from(index * at % 17) };
            store.append(id, Sample { at: Timestamp::from_millis(i64::from(at) * 30_000), value });
        }
    }
    for (x, values) in HISTOGRAMS {
        let origin = Origin::Scraped(TargetId::new("t"));
        let labels = Labels::from_pairs([("__name__", "h"), ("x", x)]);
        let Some(id) = store.series_for(&labels, &origin) else { continue };
        let (_, values) = parse_series(&format!("h {values}")).expect("valid");
        for (at, value) in (0..).zip(values) {
            let at = Timestamp::from_millis(at * 30_000);
            match value.map(|it| it.value) {
                Some(SampleValue::Float(value)) => drop(store.append(id, Sample { at, value })),
                Some(SampleValue::Histogram(histogram)) => {
                    store.append_histogram(id, HistogramSample { at, histogram });
                }
                None => {}
            }
        }
    }
}

/// Native histograms of every kind: growing, starting anew, with other schemas and bounds, gauges, next to numbers.
const HISTOGRAMS: [(&str, &str); 4] = [
    (
        "1",
        "{{schema:1 sum:1 count:3 z_bucket:1 z_bucket_w:0.001 buckets:[1 1]}}+{{schema:1 sum:2 count:4 z_bucket:1 \
         z_bucket_w:0.01 buckets:[1 1] n_buckets:[1]}}x30 {{schema:0 sum:2 count:2 buckets:[0 2]}}x28",
    ),
    (
        "2",
        "{{schema:-53 sum:1 count:3 custom_values:[1 2] buckets:[1 1 1]}}+{{schema:-53 sum:1 count:3 custom_values:[1 2] \
         buckets:[1 1 1]}}x40 {{schema:-53 sum:1 count:3 custom_values:[2 4] buckets:[1 1 1]}}x18",
    ),
    (
        "3",
        "_x30 1+1x9 {{schema:0 sum:NaN count:5 buckets:[1 2]}}x9 stale {{count:1 counter_reset_hint:gauge buckets:[1]}}x8",
    ),
    (
        "4",
        "{{schema:-4 sum:-1 count:2 n_buckets:[1 1] n_offset:-1}}-{{schema:-4 count:1 n_buckets:[0 1] n_offset:-1}}x59",
    ),
];

/// Over a range an expression has at each moment the value that it has there by itself.
fn check_range(source: &str, expr: &Expr, printed: &str, store: &Store) {
    let step = Duration::from_secs(90);
    let moments = Moments { start: NOW - step * 2, end: NOW, step };
    let options = Options { samples_max: SAMPLES_MAX, delays_name_removal: true, ..Options::default() };
    let Ok(ranged) = query(expr, store, moments, &options) else { return };
    // What asks for the query itself differs.
    if ["start", "end", "step", "range"].iter().any(|word| printed.to_ascii_lowercase().contains(word)) {
        return;
    }
    let Value::Matrix(series) = ranged.value else { panic!("{source:?} is no matrix over a range") };
    for at in [moments.start, moments.start + step, moments.end] {
        let alone = query(expr, store, Moments::instant(at), &Options { samples_max: u64::MAX, ..options.clone() });
        let alone = alone.unwrap_or_else(|error| panic!("{source:?} at {at} fails, but not over a range: {error}"));
        let mut alone: Vec<String> = match alone.value {
            Value::Scalar(value) => vec![format!("{:?} {:?}", Labels::empty(), SampleValue::Float(value))],
            Value::Vector(elements) => elements.iter().map(|it| format!("{:?} {:?}", it.labels, it.value)).collect(),
            other => panic!("{source:?} is {other:?}"),
        };
        let mut ranged: Vec<String> = series.iter().flat_map(|series| values_at(series, at)).collect();
        alone.sort();
        ranged.sort();
        assert_eq!(ranged, alone, "{source:?} at {at}");
    }
}

fn values_at(series: &RangeElement, at: Timestamp) -> Vec<String> {
    let floats = series.samples.iter().filter(|it| it.at == at).map(|it| SampleValue::Float(it.value));
    let histograms = series.histograms.iter().filter(|it| it.at == at);
    let histograms = histograms.map(|it| SampleValue::Histogram(it.histogram.clone()));
    floats.chain(histograms).map(|value| format!("{:?} {value:?}", series.labels)).collect()
}

fn small_store() -> Store {
    let mut store = Store::new();
    store.register(&[Matcher::new("__name__", MatchOp::Regex, ".+").expect("valid")], Duration::MAX);
    fill(&mut store);
    store
}

/// A store that keeps no more than an expression is said to reach gives the same value as one that keeps everything.
fn check_reach(source: &str, expr: &Expr, everything: &Store) {
    let Ok(value) = evaluate_within(expr, everything, NOW, SAMPLES_MAX) else { return };
    let mut store = Store::new();
    for used in selectors(expr) {
        store.register(&used.matchers, used.reach);
    }
    fill(&mut store);
    store.trim(NOW);
    let found = evaluate_within(expr, &store, NOW, SAMPLES_MAX);
    assert_eq!(format!("{found:?}"), format!("Ok({value:?})"), "{source:?} reaches {:?}", selectors(expr));
}

/// Prints an expression and reads that again, and asks everything about it that can be asked.
fn check(source: &str, expr: &Expr, empty: &Store, small: &Store) {
    let printed = expr.to_string();
    let again = parse_any(&printed).unwrap_or_else(|error| panic!("{source:?} is printed as {printed:?}: {error}"));
    assert_eq!(&again, expr, "{source:?} is printed as {printed:?}");
    assert_eq!(again.to_string(), printed, "{source:?}");
    assert_eq!(type_of(&again), type_of(expr), "{source:?}");
    assert!(source.get(expr.span.start as usize..expr.span.end as usize).is_some(), "{source:?}");
    let refused = unsupported(expr);
    assert_eq!(parse(source).err(), refused, "{source:?}");
    let _ = is_condition(expr);
    check_reach(source, expr, small);
    if matches!(type_of(expr), ValueType::Scalar | ValueType::Vector) {
        check_range(source, expr, &printed, small);
    }
    for store in [empty, small] {
        for at in [NOW, Timestamp::from_millis(i64::MAX), Timestamp::from_millis(i64::MIN)] {
            let value = evaluate_within(expr, store, at, SAMPLES_MAX);
            // What is refused has no value, unless it stands in a subquery that has no moment.
            let is_right = refused.is_none() || value.is_err() || printed.contains(':');
            assert!(is_right, "{source:?} is refused, but is {value:?}");
        }
    }
}

#[test]
fn mutated_expressions_do_no_harm() {
    let (corpus, mut chance) = (corpus(), Chance(SEED));
    let (empty, small) = (Store::new(), small_store());
    let (mut valid, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let source = mutate(&mut chance, &corpus);
        match parse_any(&source) {
            Ok(expr) => {
                valid += 1;
                check(&source, &expr, &empty, &small);
            }
            Err(error) => {
                refused += 1;
                let spot = source.get(error.span.start as usize..error.span.end as usize);
                assert!(spot.is_some(), "{source:?}: {error:?}");
                assert!(error.render(&source).contains('^'), "{source:?}");
                assert!(!error.what.is_empty() && !error.what.ends_with('.'), "{source:?}: {}", error.what);
            }
        }
    }
    println!("seed {SEED:#x}: {valid} valid, {refused} refused");
    // More where the test data is: its short expressions bear more.
    assert!(valid > ROUNDS / 100, "only {valid} mutations were valid: they are not worth much");
}
