//! The shape of JSON: keys and kinds, without what they hold.

use std::collections::BTreeSet;

use serde_json::Value;

/// What of one answer has not the shape of another: each a path and what is wrong. Of lists, the first entries are compared.
/// `ours` are keys that only the left may have, `theirs` those that only the right may have.
pub(crate) fn differences(left: &Value, right: &Value, ours: &[&str], theirs: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    compare("", left, right, &mut |path, what| found.push(format!("{path}: {what}")), ours, theirs);
    found
}

fn compare(
    path: &str,
    left: &Value,
    right: &Value,
    tell: &mut dyn FnMut(&str, String),
    ours: &[&str],
    theirs: &[&str],
) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            for key in keys(left).difference(&keys(right)).filter(|key| !ours.contains(&key.as_str())) {
                tell(path, format!("only ours has `{key}`"));
            }
            for key in keys(right).difference(&keys(left)).filter(|key| !theirs.contains(&key.as_str())) {
                tell(path, format!("only theirs has `{key}`"));
            }
            for (key, left) in left {
                if let Some(right) = right.get(key) {
                    compare(&format!("{path}/{key}"), left, right, tell, ours, theirs);
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => match (left.first(), right.first()) {
            (Some(left), Some(right)) => compare(&format!("{path}[]"), left, right, tell, ours, theirs),
            (None, None) => {}
            (left, _) => tell(path, format!("only {} has entries", if left.is_some() { "ours" } else { "theirs" })),
        },
        (left, right) if kind(left) == kind(right) => {}
        (left, right) => tell(path, format!("ours is {}, theirs is {}", kind(left), kind(right))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[test]
fn a_difference_is_seen() {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let check = |left: &str, right: &str, expected: &[&str]| {
        assert_eq!(differences(&json(left), &json(right), &["mine"], &["thine"]), expected);
    };
    check(r#"{"a":1,"mine":2}"#, r#"{"a":3.5,"thine":"x"}"#, &[]);
    check(r#"{"a":{"b":1}}"#, r#"{"a":{"b":"1"}}"#, &["/a/b: ours is a number, theirs is a string"]);
    check(r#"[{"x":1}]"#, r#"[{"y":1}]"#, &["[]: only ours has `x`", "[]: only theirs has `y`"]);
    check("[1]", "[]", &[": only ours has entries"]);
}
