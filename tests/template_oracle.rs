//! The template language against another implementation of it, on thousands of made-up templates: where both expand one,
//! both give the same text, and where one fails, the other does too. What the other is known to get wrong is named.

mod template_maker;

use atalaya::model::Timestamp;
use atalaya::template::{Dialect, FreeContext, FreeTemplate, NoQueries, Value};
use serde_json::Value as Json;
use template_maker::{Maker, data};

/// What the other gets wrong, with what Go gives; nothing where it refuses. The templates that are made up have none of it.
const FAULTS: &[(&str, Option<&str>)] = &[
    ("{{ if true }}a", None),
    ("a{{ end }}b", None),
    ("a{{ else }}b", None),
    ("{{ if false }}{{ nosuch }}{{ end }}", None),
    ("{{ if false }}{{ $nosuch }}{{ end }}", None),
    ("{{ printf \"%d\" 1.5 }}", Some("%!d(float64=1.5)")),
    ("{{ printf \"%e\" 97 }}", Some("%!e(int=97)")),
    ("{{ printf \"%6.2f\" true }}", Some("%!f(bool=  true)")),
    ("{{ printf \"%.2s\" 1 }}", Some("%!s(int=01)")),
    ("{{ printf \"%.3d\" 7 }}", Some("007")),
    ("{{ printf \"%[2]*[1]d\" 7 4 }}", Some("   7")),
    ("{{ printf \"%s\" .list }}", Some("[x y z]")),
    ("{{ printf \"%T\" .map }}", Some("map[string]interface {}")),
    ("{{ printf \"%\" }}", Some("%!(NOVERB)")),
    ("{{ 1e6 }} {{ .large }} {{ .small }}", Some("1e+06 1.23456789e+07 1.23e-05")),
    ("{{ urlquery \"a\" \"b\" }}", Some("ab")),
    ("{{ index .list }}", Some("[x y z]")),
];

/// How many templates are made up.
const TEMPLATES: u64 = 4_000;

fn ours(source: &str) -> Result<String, String> {
    let template = FreeTemplate::parse(source, Dialect::Rule).map_err(|error| format!("parse: {error}"))?;
    let context = FreeContext { now: Timestamp::default(), external_url: "", host: &NoQueries, escapes_html: false };
    let data = Value::from_json(&data()).expect("small data");
    template.expand(data, context).map_err(|error| error.to_string())
}

fn theirs(source: &str) -> Result<String, String> {
    fn value(json: &Json) -> gotmpl::Value {
        match json {
            Json::Null => gotmpl::Value::Nil,
            Json::Bool(value) => gotmpl::Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => gotmpl::Value::Int(value),
                None => gotmpl::Value::Float(number.as_f64().expect("a number")),
            },
            Json::String(text) => gotmpl::Value::String(text.as_str().into()),
            Json::Array(items) => gotmpl::Value::List(items.iter().map(value).collect()),
            Json::Object(entries) => gotmpl::Value::Map(std::sync::Arc::new(
                entries.iter().map(|(name, inner)| (name.as_str().into(), value(inner))).collect(),
            )),
        }
    }
    let template = gotmpl::Template::new("t").missing_key(gotmpl::MissingKey::ZeroValue);
    let template = template.parse(source).map_err(|error| format!("parse: {error}"))?;
    template.execute_to_string(&value(&data())).map_err(|error| error.to_string())
}

#[test]
fn both_say_the_same() {
    let (mut texts, mut failures) = (0, 0);
    for seed in 1..=TEMPLATES {
        let source = Maker::new(seed).template(3);
        match (ours(&source), theirs(&source)) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "seed {seed}: {source}");
                texts += 1;
            }
            (Err(_), Err(_)) => failures += 1,
            (ours, theirs) => panic!("seed {seed}: {source}\nours: {ours:?}\ntheirs: {theirs:?}"),
        }
    }
    println!("{texts} texts and {failures} failures alike");
    assert!(texts > TEMPLATES / 2, "only {texts} of {TEMPLATES} templates expand");
}

#[test]
fn what_the_other_gets_wrong_is_ours_alone() {
    for (source, expected) in FAULTS {
        assert_eq!(ours(source).as_deref().ok(), *expected, "{source}");
        let theirs = theirs(source);
        assert_ne!(theirs.as_deref().ok(), *expected, "the other has learned {source}: compare it with the rest");
    }
}
