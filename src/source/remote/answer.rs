//! What an API answers, in the form that Prometheus gave it: JSON in, values out. Whatever else comes is an error that
//! says what it was.

use std::collections::HashSet;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::evaluator::Answered;
use crate::model::{Labels, Sample, Timestamp};
use crate::promql::{Element, Value};
use crate::source::{Sampled, SampledSeries};

/// How much of a text that is no answer is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    /// The query failed; what the API calls the error, and what it says.
    #[error("{0}")]
    Refused(String),
    #[error("it answered {status}{shown}")]
    Status { status: String, shown: String },
    #[error("its answer is not that of a Prometheus API: {0}")]
    Malformed(String),
    #[error("the result has native histograms, which are not supported yet: `{0}`")]
    Histogram(Labels),
    #[error("its answer has two elements with the labels `{0}`")]
    Twice(Labels),
    #[error("expected {expected}, found {found}")]
    Kind { expected: &'static str, found: String },
}

/// The answer to a query for a value.
pub(super) fn value(status: reqwest::StatusCode, body: &[u8]) -> Result<Answered, AnswerError> {
    let (data, warnings) = envelope(status, body)?;
    let value = match (data.kind.as_str(), data.result) {
        ("vector", items) => Value::Vector(vector(items)?),
        ("scalar", Items::Sample(sample)) => Value::Scalar(sample.number()?),
        ("string", Items::Sample(sample)) => Value::String(sample.text),
        ("matrix", _) => {
            return Err(AnswerError::Kind {
                expected: "an instant vector or a number",
                found: "a range vector".to_owned(),
            });
        }
        (kind, _) => return Err(unfit(kind)),
    };
    Ok(Answered { value, warnings })
}

/// The answer to a query for raw samples, those before `from` left out.
pub(super) fn samples(status: reqwest::StatusCode, body: &[u8], from: Timestamp) -> Result<Sampled, AnswerError> {
    let (data, warnings) = envelope(status, body)?;
    let items = match (data.kind.as_str(), data.result) {
        ("matrix", Items::Series(items)) => items,
        ("matrix", Items::Sample(_)) => return Err(unfit("matrix")),
        (kind, _) => return Err(AnswerError::Kind { expected: "raw samples", found: format!("`{kind}`") }),
    };
    let mut seen = HashSet::new();
    let mut series = Vec::new();
    for item in items {
        let labels = item.labels()?;
        if !seen.insert(labels.clone()) {
            return Err(AnswerError::Twice(labels));
        }
        let mut samples = Vec::with_capacity(item.values.len());
        for raw in item.values {
            let sample = Sample { at: raw.at()?, value: raw.number()? };
            if samples.last().is_some_and(|last: &Sample| last.at >= sample.at) {
                return Err(AnswerError::Malformed(format!("the samples of `{labels}` are not in order")));
            }
            samples.push(sample);
        }
        samples.retain(|sample| sample.at >= from);
        if !samples.is_empty() {
            series.push(SampledSeries { labels, samples });
        }
    }
    Ok(Sampled { series, warnings })
}

fn vector(items: Items) -> Result<Vec<Element>, AnswerError> {
    let Items::Series(items) = items else { return Err(unfit("vector")) };
    let mut seen = HashSet::new();
    let mut elements = Vec::with_capacity(items.len());
    for item in items {
        let labels = item.labels()?;
        let Some(sample) = &item.value else {
            return Err(AnswerError::Malformed(format!("`{labels}` has no value")));
        };
        let value = sample.number()?.into();
        if !seen.insert(labels.clone()) {
            return Err(AnswerError::Twice(labels));
        }
        elements.push(Element { labels, value });
    }
    Ok(elements)
}

fn unfit(kind: &str) -> AnswerError {
    let kind: String = kind.chars().take(SHOWN_CHARS_MAX).collect();
    AnswerError::Malformed(format!("the result is not what `{kind}` stands for"))
}

/// Takes off what is around the data.
fn envelope(status: reqwest::StatusCode, body: &[u8]) -> Result<(Data, Vec<String>), AnswerError> {
    let envelope = match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope,
        Err(error) if status.is_success() => {
            let why = if looks_like_json(body) { error.to_string() } else { shown(body) };
            return Err(AnswerError::Malformed(why));
        }
        Err(_) => {
            let shown = if body.is_empty() { String::new() } else { format!(": {}", shown(body)) };
            return Err(AnswerError::Status { status: status.to_string(), shown });
        }
    };
    if envelope.status != "success" || !status.is_success() {
        let kind = envelope.error_kind.filter(|kind| !kind.is_empty()).map(|kind| format!(" ({kind})"));
        let what = envelope.error.unwrap_or_default();
        let what = if what.is_empty() { format!("it answered {status}") } else { what };
        return Err(AnswerError::Refused(short(&format!("{what}{}", kind.unwrap_or_default()))));
    }
    let Some(data) = envelope.data else { return Err(AnswerError::Malformed("there is no `data`".to_owned())) };
    let mut warnings = envelope.warnings.unwrap_or_default();
    warnings.extend(envelope.infos.unwrap_or_default());
    if envelope.is_partial == Some(true) {
        warnings.push("the answer is partial: some of its storage could not be asked".to_owned());
    }
    Ok((data, warnings.iter().map(|warning| short(warning)).collect()))
}

fn looks_like_json(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// What a body that is no answer says, in a few words.
fn shown(body: &[u8]) -> String {
    let start = body.trim_ascii_start();
    let begins_with = |tag: &str| start.get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag.as_bytes()));
    if body.trim_ascii().is_empty() {
        "the body is empty".to_owned()
    } else if begins_with("<!doctype") || begins_with("<html") {
        "an HTML page".to_owned()
    } else {
        format!("`{}`", short(&String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN_CHARS_MAX)])))
    }
}

/// The beginning of a text, on one line.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARS_MAX * 5) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    error_kind: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
    /// As VictoriaMetrics says it.
    #[serde(default, rename = "isPartial")]
    is_partial: Option<bool>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    #[serde(default)]
    result: Items,
}

/// What a result holds: series, or the time and the text of one sample.
enum Items {
    Series(Vec<Item>),
    Sample(RawSample),
}

impl Default for Items {
    fn default() -> Self {
        Self::Series(Vec::new())
    }
}

/// A time in seconds and a value as a text.
#[derive(Deserialize)]
#[serde(from = "(f64, String)")]
struct RawSample {
    seconds: f64,
    text: String,
}

impl From<(f64, String)> for RawSample {
    fn from((seconds, text): (f64, String)) -> Self {
        Self { seconds, text }
    }
}

impl RawSample {
    fn number(&self) -> Result<f64, AnswerError> {
        let malformed = || AnswerError::Malformed(format!("`{}` is not a number", short(&self.text)));
        self.text.parse().map_err(|_| malformed())
    }

    fn at(&self) -> Result<Timestamp, AnswerError> {
        // Far from where a moment in milliseconds ends.
        if self.seconds.abs() < 1e15 {
            Ok(Timestamp::from_seconds(self.seconds))
        } else {
            Err(AnswerError::Malformed(format!("{} is not a time", self.seconds)))
        }
    }
}

#[derive(Deserialize)]
struct Item {
    metric: Metric,
    #[serde(default)]
    value: Option<RawSample>,
    #[serde(default)]
    values: Vec<RawSample>,
    #[serde(default)]
    histogram: Option<IgnoredAny>,
    #[serde(default)]
    histograms: Option<IgnoredAny>,
}

impl Item {
    /// Its labels, if it is what we can read.
    fn labels(&self) -> Result<Labels, AnswerError> {
        let labels = self.metric.0.clone();
        if self.histogram.is_some() || self.histograms.is_some() {
            return Err(AnswerError::Histogram(labels));
        }
        Ok(labels)
    }
}

/// The labels of an element.
struct Metric(Labels);

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Metric;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Metric, A::Error> {
                let mut builder = Labels::empty().edit();
                while let Some((name, value)) = entries.next_entry::<String, String>()? {
                    builder.set(name, value);
                }
                Ok(Metric(builder.build()))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of series, or a time with a value")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Items, E> {
                Ok(Items::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
                let mut items = Vec::new();
                let mut seconds = None;
                while let Some(next) = list.next_element::<Next>()? {
                    match (next, seconds) {
                        (Next::Series(item), None) => items.push(*item),
                        (Next::Seconds(at), None) if items.is_empty() => seconds = Some(at),
                        (Next::Text(text), Some(at)) => {
                            return match list.next_element::<IgnoredAny>()? {
                                None => Ok(Items::Sample(RawSample { seconds: at, text })),
                                Some(_) => {
                                    Err(serde::de::Error::custom("a sample has a time and a value, nothing else"))
                                }
                            };
                        }
                        _ => return Err(serde::de::Error::custom("neither a list of series nor a time with a value")),
                    }
                }
                if seconds.is_some() {
                    return Err(serde::de::Error::custom("a time without a value"));
                }
                Ok(Items::Series(items))
            }
        }

        /// An entry of the list, told apart by its JSON without being kept in between.
        enum Next {
            Series(Box<Item>),
            Seconds(f64),
            Text(String),
        }

        impl<'de> Deserialize<'de> for Next {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct NextReader;

                impl<'de> Visitor<'de> for NextReader {
                    type Value = Next;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a series, a time or a value")
                    }

                    fn visit_f64<E>(self, seconds: f64) -> Result<Next, E> {
                        Ok(Next::Seconds(seconds))
                    }

                    fn visit_u64<E>(self, seconds: u64) -> Result<Next, E> {
                        #[expect(clippy::cast_precision_loss, reason = "a time in seconds, far below 2^53")]
                        Ok(Next::Seconds(seconds as f64))
                    }

                    fn visit_i64<E>(self, seconds: i64) -> Result<Next, E> {
                        #[expect(clippy::cast_precision_loss, reason = "a time in seconds, far below 2^53")]
                        Ok(Next::Seconds(seconds as f64))
                    }

                    fn visit_str<E>(self, text: &str) -> Result<Next, E> {
                        Ok(Next::Text(text.to_owned()))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Next, A::Error> {
                        let item = Item::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                        Ok(Next::Series(Box::new(item)))
                    }
                }

                deserializer.deserialize_any(NextReader)
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn success(data: &str) -> String {
        format!(r#"{{"status":"success","data":{data}}}"#)
    }

    fn ask(status: u16, body: &str) -> Result<Answered, String> {
        value(StatusCode::from_u16(status).unwrap(), body.as_bytes()).map_err(|error| error.to_string())
    }

    /// A value as a text: `{labels} value, …`, a number or a quoted text.
    fn told(value: &Value) -> String {
        match value {
            Value::Scalar(number) => number.to_string(),
            Value::String(text) => format!("{text:?}"),
            Value::Vector(elements) => {
                let texts = elements.iter().map(|element| format!("{} {}", element.labels, element.value));
                texts.collect::<Vec<_>>().join(", ")
            }
            Value::Matrix(_) => panic!("no API gives a matrix where a value was asked for"),
        }
    }

    #[test]
    fn reads_what_prometheus_answers() {
        let check = |data: &str, expected: &str| {
            let answered = ask(200, &success(data)).unwrap_or_else(|why| panic!("{data}: {why}"));
            assert_eq!(told(&answered.value), expected, "{data}");
            assert_eq!(answered.warnings, Vec::<String>::new());
        };
        check(
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\u00e9"},"value":[1435781451.781,"1"]},
               {"metric":{},"value":[1,"-2.5e+06"]}]}"#,
            "up{job=\"aé\"} 1, {} -2500000",
        );
        check(
            r#"{"result":[{"value":[1,"+Inf"],"metric":{"a":"b"},"more":[{}]}],"resultType":"vector"}"#,
            r#"{a="b"} +Inf"#,
        );
        check(r#"{"resultType":"vector","result":[{"metric":{"a":""},"value":[-1,"NaN"]}]}"#, "{} NaN");
        for nothing in ["[]", "null"] {
            check(&format!(r#"{{"resultType":"vector","result":{nothing}}}"#), "");
        }
        check(r#"{"resultType":"vector"}"#, "");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check(&format!(r#"{{"resultType":"vector","result":[],"stats":{deep}}}"#), "");
        check(r#"{"resultType":"scalar","result":[1435781451.781,"-Inf"]}"#, "-inf");
        check(r#"{"result":[1435781451,"0.1"],"resultType":"scalar"}"#, "0.1");
        check(r#"{"resultType":"string","result":[1435781451.781,"a \"b\""]}"#, r#""a \"b\"""#);
    }

    #[test]
    fn warnings_are_kept() {
        let check = |members: &str, expected: &[&str]| {
            let data = r#""data":{"resultType":"vector","result":[]}"#;
            let answered = ask(200, &format!(r#"{{"status":"success",{data}{members}}}"#)).unwrap();
            assert_eq!(answered.warnings, expected, "{members}");
        };
        check("", &[]);
        check(r#","warnings":null,"infos":null,"isPartial":false,"stats":{"seriesFetched":"4"}"#, &[]);
        check(r#","warnings":["a\nb"],"infos":["c"]"#, &["a b", "c"]);
        let partial = "the answer is partial: some of its storage could not be asked";
        check(r#","isPartial":true,"warnings":["a"]"#, &["a", partial]);
    }

    #[test]
    fn says_what_is_no_answer() {
        let check = |status: u16, body: &str, expected: &str| {
            assert_eq!(ask(status, body), Err(expected.to_owned()), "{status} {body}");
        };
        let error =
            r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error"}"#;
        let refused = r#"invalid parameter "query": 1:5: parse error (bad_data)"#;
        check(400, error, refused);
        check(200, error, refused);
        check(
            503,
            r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
            "query timed out (timeout)",
        );
        check(422, r#"{"status":"error"}"#, "it answered 422 Unprocessable Entity");
        check(500, &success(r#"{"resultType":"vector","result":[]}"#), "it answered 500 Internal Server Error");
        check(502, "", "it answered 502 Bad Gateway");
        check(502, "<HTML><body>no</body>", "it answered 502 Bad Gateway: an HTML page");
        check(404, "404 page not found\n", "it answered 404 Not Found: `404 page not found`");
        check(401, r#"{"message":"no"}"#, r#"it answered 401 Unauthorized: `{"message":"no"}`"#);
        let malformed = |why: &str| format!("its answer is not that of a Prometheus API: {why}");
        check(200, "<!DOCTYPE html><title>Login</title>", &malformed("an HTML page"));
        check(200, "", &malformed("the body is empty"));
        check(200, "ok", &malformed("`ok`"));
        check(200, "[]", &malformed("`[]`"));
        check(200, r#"{"status":"success"}"#, &malformed("there is no `data`"));
        let long = "é".repeat(3000);
        assert!(ask(200, &long).unwrap_err().chars().count() < 1100);
        assert!(ask(400, &format!(r#"{{"status":"error","error":"{long}"}}"#)).unwrap_err().chars().count() < 1100);
    }

    #[test]
    fn refuses_results_that_are_none() {
        let check = |data: &str, expected: &str| {
            let why = ask(200, &success(data)).map(|answered| told(&answered.value)).unwrap_err();
            let malformed = "its answer is not that of a Prometheus API: ";
            let why = why.strip_prefix(malformed).unwrap_or(&why);
            assert!(why.starts_with(expected), "{data}: {why}");
        };
        let vector = |items: &str| format!(r#"{{"resultType":"vector","result":[{items}]}}"#);
        check(&vector(r#"{"metric":{"a":"b"},"value":[1,"x"]}"#), "`x` is not a number");
        check(
            &vector(r#"{"metric":{"a":"b"},"value":[1,2]}"#),
            "invalid type: integer `2`, expected a string at line 1",
        );
        check(
            &vector(r#"{"metric":{"a":5},"value":[1,"2"]}"#),
            "invalid type: integer `5`, expected a string at line 1",
        );
        check(&vector(r#"{"metric":{"a":"b"}}"#), r#"`{a="b"}` has no value"#);
        check(&vector(r#"{"value":[1,"2"]}"#), "missing field `metric`");
        check(&vector(r#"{"metric":{},"value":[1,"2","3"]}"#), "trailing characters at line 1");
        check(&vector("[]"), "invalid type: sequence");
        check(&vector(r#"1,"2",3"#), "a sample has a time and a value, nothing else");
        check(&vector(r#"{"metric":{},"value":[1,"2"]},1,"2""#), "neither a list of series nor a time with a value");
        check(&vector(r#""2""#), "neither a list of series nor a time with a value");
        check(&vector("1"), "a time without a value");
        let twice = r#"{"metric":{"a":"b"},"value":[1,"2"]}"#;
        check(&vector(&format!("{twice},{twice}")), r#"its answer has two elements with the labels `{a="b"}`"#);
        let histogram = r#"{"metric":{"a":"b"},"histogram":[1,{"count":"2","sum":"3","buckets":[[0,"1","2","3"]]}]}"#;
        check(&vector(histogram), r#"the result has native histograms, which are not supported yet: `{a="b"}`"#);
        check(&vector(r#"1,"2""#), "the result is not what `vector` stands for");
        check(r#"{"resultType":"scalar","result":[]}"#, "the result is not what `scalar` stands for");
        check(r#"{"resultType":"streams","result":[]}"#, "the result is not what `streams` stands for");
        check(r#"{"resultType":"matrix","result":[]}"#, "expected an instant vector or a number, found a range vector");
        check(r#"{"resultType":"scalar","result":"5"}"#, "invalid type: string");
        check(r#"{"result":[]}"#, "missing field `resultType`");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check(&vector(&deep), "invalid type: sequence");
    }

    #[test]
    fn reads_raw_samples() {
        let from = Timestamp::from_millis(2000);
        let check = |body: &str, expected: Result<&str, &str>| {
            let sampled = samples(StatusCode::OK, success(body).as_bytes(), from).map_err(|error| error.to_string());
            let text = sampled.map(|sampled| {
                let shown = |series: &SampledSeries| {
                    let samples = series.samples.iter().map(|it| format!("{}@{}", it.value, it.at.seconds()));
                    format!("{} {}", series.labels, samples.collect::<Vec<_>>().join(" "))
                };
                sampled.series.iter().map(shown).collect::<Vec<_>>().join(", ")
            });
            assert_eq!(text.as_deref().map_err(String::as_str), expected, "{body}");
        };
        let matrix = |items: &str| format!(r#"{{"resultType":"matrix","result":[{items}]}}"#);
        check(&matrix(""), Ok(""));
        check(
            &matrix(
                r#"{"metric":{"a":"b"},"values":[[1.5,"1"],[2,"2"],[2.001,"NaN"]]},{"metric":{},"values":[[1,"1"]]}"#,
            ),
            Ok(r#"{a="b"} 2@2 NaN@2.001"#),
        );
        let malformed = "its answer is not that of a Prometheus API: ";
        let disordered = format!(r#"{malformed}the samples of `{{a="b"}}` are not in order"#);
        check(&matrix(r#"{"metric":{"a":"b"},"values":[[3,"1"],[3,"2"]]}"#), Err(&disordered));
        check(
            &matrix(r#"{"metric":{},"values":[[1e15,"1"]]}"#),
            Err(&format!("{malformed}1000000000000000 is not a time")),
        );
        let histograms = r#"{"metric":{"a":"b"},"histograms":[[3,{"count":"2"}]]}"#;
        check(&matrix(histograms), Err(r#"the result has native histograms, which are not supported yet: `{a="b"}`"#));
        check(r#"{"resultType":"vector","result":[]}"#, Err("expected raw samples, found `vector`"));
    }
}
