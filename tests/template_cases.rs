//! The template language against Prometheus's own cases: each gives what Prometheus gives, native histograms apart.

mod support;

use atalaya::model::{Labels, Timestamp};
use atalaya::template::{
    Dialect, FreeContext, FreeTemplate, NoQueries, QueryError, QueryHost, QuerySample, Template, Value,
};
use serde_json::Value as Json;

/// When Prometheus's tests expand.
const NOW: Timestamp = Timestamp::from_millis(1_353_755_652_000);

/// How many of the cases speak of native histograms.
const HISTOGRAMS: usize = 2;

/// The elements that a case's query gives.
struct Answer(Vec<QuerySample>);

impl QueryHost for Answer {
    fn query(&self, expression: &str) -> Result<Vec<QuerySample>, QueryError> {
        match expression {
            "1.5" => Ok(vec![QuerySample { labels: Labels::empty(), value: 1.5 }]),
            "missing" => Ok(Vec::new()),
            _ => Ok(self.0.clone()),
        }
    }
}

#[test]
fn every_case_passes() {
    let Some(cases) = cases() else { return };
    let cases = cases.as_array().unwrap();
    let is_histogram = |case: &&Json| case.to_string().contains("histogram.FloatHistogram");
    let (histograms, others): (Vec<_>, Vec<_>) = cases.iter().partition(is_histogram);
    assert_eq!(histograms.len(), HISTOGRAMS);
    let failures: Vec<String> = others.iter().filter_map(|case| judge(case).err()).collect();
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), others.len(), failures.join("\n"));
    println!("{} passed, {HISTOGRAMS} with native histograms skipped", others.len());
}

fn judge(case: &Json) -> Result<(), String> {
    let text = case["text"].as_str().expect("a case has a text");
    let ours = expand(case, text);
    match (&ours, case["shouldFail"].as_bool()) {
        (Err(_), Some(true)) => Ok(()),
        (Ok(output), None) if Some(output.as_str()) == case["output"].as_str() => Ok(()),
        _ => Err(format!("{text}: {ours:?}, but Prometheus says {case}")),
    }
}

fn expand(case: &Json, text: &str) -> Result<String, String> {
    if case["errorMsg"].as_str().is_some_and(|error| error.contains("no entry for key")) {
        // With `missingkey=error` Prometheus refuses a name that its data have not; ours is refused when it is loaded.
        return Template::parse(text).map(|_| String::new()).map_err(|error| error.to_string());
    }
    let template = FreeTemplate::parse(text, Dialect::Rule).map_err(|error| error.to_string())?;
    let host = Answer(case["queryResult_go"].as_str().map(samples).unwrap_or_default());
    let external_url = "http://testhost:9090/path/prefix";
    let context = FreeContext { now: NOW, external_url, host: &host, escapes_html: case["html"] == true };
    let data = case["input_go"].as_str().map_or(Value::Nil, input);
    template.expand(data, context).map_err(|error| error.to_string())
}

/// The list that Go source like `[]int64{0, math.MaxInt64}` means.
fn input(go: &str) -> Value {
    let (kind, items) = go.split_once('{').expect("a list has braces");
    let items = items.trim_end_matches('}').split(", ").map(|item| match (kind, item) {
        ("[]string", item) => Value::text(item.trim_matches('"')),
        (_, "math.Inf(1)") => Value::Float(f64::INFINITY),
        (_, "math.Inf(-1)") => Value::Float(f64::NEG_INFINITY),
        (_, "math.NaN()") => Value::Float(f64::NAN),
        (_, "math.MaxInt64") => Value::Int(i64::MAX),
        (_, "math.MinInt64") => Value::Int(i64::MIN),
        (_, "math.MaxUint64") => Value::Uint(u64::MAX),
        ("[]float64", item) => Value::Float(sum_of_products(item)),
        ("[]uint64" | "[]uint", item) => Value::Uint(item.parse().expect("a whole number")),
        (_, item) => Value::Int(item.parse().expect("a whole number")),
    });
    Value::list(items.collect()).expect("a short list")
}

/// The value of `-(86400*2 + 5)`.
fn sum_of_products(go: &str) -> f64 {
    let (sign, inner) = match go.strip_prefix("-(").and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => (-1.0, inner),
        None => (1.0, go),
    };
    let number = |factor: &str| factor.trim().parse::<f64>().expect("a number");
    sign * inner.split(" + ").map(|factors| factors.split('*').map(number).product::<f64>()).sum::<f64>()
}

/// The elements that Go source like `{ Metric: labels.FromStrings(labels.MetricName, "m"), T: 0, F: 11, }` means.
fn samples(go: &str) -> Vec<QuerySample> {
    let sample = |part: &str| {
        let (labels, rest) = part.split_once(')').expect("labels are closed");
        let words: Vec<&str> = labels.split(", ").map(|word| word.trim_matches('"')).collect();
        let name = |word: &&str| if *word == "labels.MetricName" { "__name__".to_owned() } else { (*word).to_owned() };
        let pairs = words.chunks_exact(2).map(|pair| (name(&pair[0]), pair[1].to_owned()));
        let value = rest.split("F: ").nth(1).and_then(|rest| rest.split(',').next()).expect("a value");
        QuerySample { labels: Labels::from_pairs(pairs), value: value.parse().expect("a number") }
    };
    go.split("labels.FromStrings(").skip(1).map(sample).collect()
}

#[test]
fn the_cases_are_read_right() {
    assert_eq!(sum_of_products("-(86400*2 + 3600*3 + 5)").to_bits(), (-183_605.0_f64).to_bits());
    let read = samples(
        "promql.Vector{ { Metric: labels.FromStrings(labels.MetricName, \"m\", \"a\", \"1\"), T: 0, F: 11, }, }",
    );
    assert_eq!(read, [QuerySample { labels: Labels::from_pairs([("__name__", "m"), ("a", "1")]), value: 11.0 }]);
    assert!(NoQueries.query("up").is_err());
}

/// The cases; `None`, said aloud, when they are not there and need not be.
fn cases() -> Option<Json> {
    let path = support::testdata("promqltest/template_cases.json")?;
    let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
