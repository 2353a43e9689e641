//! The template language against Prometheus's own cases: each gives what Prometheus gives, or is refused at parse
//! because a part of the language is missing, and says so. Never does a template silently mean something else.

use std::path::PathBuf;

use atalaya::model::Labels;
use atalaya::template::{OUTPUT_BYTES_MAX, Template, TemplateData};
use proptest::prelude::*;
use serde_json::Value as Json;

/// Cases that cannot be told by this module, by a part of their note, and why.
const APART: &[(&str, &str)] = &[
    ("HTML escaping.", "escapes for a web console, which rules have not"),
    ("in ExpandHTML", "escapes for a web console, which rules have not"),
    (
        "Missing value is no value",
        "gives a bare map as data; a rule's data has fixed fields, and a wrong one is refused",
    ),
];

/// How a case went.
enum Verdict {
    Passed,
    Refused(String),
    Apart(&'static str),
}

#[test]
fn every_case_passes_or_is_refused() {
    let Some(cases) = cases() else { return };
    let (mut passed, mut refused, mut apart) = (0, 0, 0);
    for case in cases.as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        match judge(case, text) {
            Verdict::Passed => passed += 1,
            Verdict::Refused(why) => {
                refused += 1;
                println!("refused: {text}: {why}");
            }
            Verdict::Apart(why) => {
                apart += 1;
                println!("apart: {text}: {why}");
            }
        }
    }
    println!("{passed} passed, {refused} refused, {apart} apart");
    assert!(passed >= 37, "only {passed} passed");
}

fn judge(case: &Json, text: &str) -> Verdict {
    let note = case["note"].as_str().unwrap_or("");
    let template = match Template::parse(text) {
        Err(error) if error.what.ends_with("is not supported yet") => return Verdict::Refused(error.to_string()),
        parsed => parsed,
    };
    if let Some((_, why)) = APART.iter().find(|(part, _)| note.contains(part)) {
        return Verdict::Apart(why);
    }
    let (labels, external_labels) = (Labels::empty(), Labels::empty());
    let external_url = "http://testhost:9090/path/prefix";
    let data = TemplateData { labels: &labels, external_labels: &external_labels, external_url, value: 0.0 };
    let expanded = template
        .map_err(|error| error.to_string())
        .and_then(|template| template.expand(&data).map_err(|error| error.to_string()));
    match (expanded, case["shouldFail"].as_bool()) {
        (Err(_), Some(true)) => Verdict::Passed,
        (Ok(output), None) if Some(output.as_str()) == case["output"].as_str() => Verdict::Passed,
        (ours, _) => panic!("{text}: {ours:?}, but Prometheus says {case}"),
    }
}

/// The cases; `None`, said aloud, when they are not there and need not be.
#[expect(clippy::print_stdout, reason = "a test that checks nothing says so")]
fn cases() -> Option<Json> {
    let root = std::env::var("ATALAYA_TESTDATA").unwrap_or_else(|_| "../shared/testdata".to_owned());
    let path = PathBuf::from(root).join("promqltest/template_cases.json");
    match std::fs::read_to_string(&path) {
        Ok(json) => Some(serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))),
        Err(error) => {
            let required = std::env::var("ATALAYA_REQUIRE_TESTDATA").as_deref() == Ok("1");
            assert!(!required, "no test data in {}, and ATALAYA_REQUIRE_TESTDATA=1: {error}", path.display());
            println!("skipped: no test data in {}: {error}", path.display());
            None
        }
    }
}

/// Text that has a chance to look like a template.
fn template_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{{",
            "}}",
            "{{ ",
            " }}",
            "{{- ",
            " -}}",
            "{{/*",
            "*/}}",
            "\n",
            " ",
            "|",
            " | ",
            "(",
            ")",
            "\"",
            "`",
            "\\",
            ":=",
            "$labels.job",
            ".Labels.job",
            "$value",
            "$",
            ".",
            "$x",
            ".Value",
            "1",
            "-1.5",
            "1e3",
            "0x1",
            "\"a\"",
            "`b`",
            "true",
            "printf ",
            "\"%d%s\" ",
            "\"%5.1f\" ",
            "humanize ",
            "print ",
            "eq ",
            "and ",
            "match ",
            "len ",
            "range ",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic_and_errors_lie_within(text in template_like(), wrapped in any::<bool>()) {
        let source = if wrapped { format!("{{{{ {text} }}}}") } else { text };
        let widths: Vec<_> = source.split('\n').map(|line| line.chars().count()).collect();
        let within = |line: u32, column: u32| {
            let width = widths.get(line as usize - 1);
            width.is_some_and(|width| (1..=width + 1).contains(&(column as usize)))
        };
        let labels = Labels::from_pairs([("job", "node")]);
        let data = TemplateData { labels: &labels, external_labels: &labels, external_url: "", value: 1.5 };
        match Template::parse(&source) {
            Err(error) => prop_assert!(within(error.line, error.column), "{error}"),
            Ok(template) => match template.expand(&data) {
                Err(error) => {
                    prop_assert!(within(error.line, error.column), "{error}");
                    prop_assert!(!error.to_string().contains('\n'));
                }
                Ok(text) => {
                    prop_assert!(text.len() <= OUTPUT_BYTES_MAX);
                    prop_assert!(!template.is_constant() || source.contains("{{") || text == source);
                }
            },
        }
    }
}
