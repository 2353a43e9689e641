//! Configurations and rule files of the peers, from their own tests: what they refuse is refused, and what they take is
//! taken, or refused by the name of what is not supported.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use atalaya::config::{Files, RawConfig};
use atalaya::model::Problems;
use serde::Deserialize;

/// Whether a text is a rule file.
fn is_rule_file(text: &str) -> bool {
    text.starts_with("groups:") || text.contains("\ngroups:")
}

/// What is said of a file by itself.
fn check(path: &Path, text: &str) -> Result<Vec<&'static str>, Problems> {
    let raw = RawConfig::of_either(path, text.to_owned(), Files::disk());
    raw.build().map(|config| config.lints.iter().map(|finding| finding.lint).collect())
}

/// Whether a file is refused because of something that is not supported, which is named with its place.
fn is_refused_by_name(problems: &Problems) -> bool {
    problems.0.iter().any(|it| it.what.contains("not supported") && it.place.line.is_some())
}

#[derive(Deserialize)]
struct ConfigLoad {
    files: Vec<Verdict>,
    inline: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    file: Option<String>,
    test: Option<String>,
    yaml: Option<String>,
    needs: Option<String>,
}

/// What Alertmanager refuses and we take, and why.
const TAKEN: &[(&str, &str)] = &[];

#[test]
fn alertmanager_s_files_load_or_are_refused_by_name() {
    let Some(folder) = support::testdata("alertmanager") else { return };
    let golden = std::fs::read_to_string(folder.join("golden/config_load.json")).unwrap();
    let golden: ConfigLoad = serde_json::from_str(&golden).unwrap();
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::<&str, usize>::new();
    for verdict in golden.files.iter().chain(&golden.inline) {
        let name = verdict.file.as_deref().or(verdict.test.as_deref()).unwrap_or_default();
        let text = match (&verdict.yaml, &verdict.file) {
            (Some(yaml), _) => yaml.clone(),
            (None, Some(file)) => {
                let path = folder.join("config").join(Path::new(file).file_name().unwrap());
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                text
            }
            (None, None) => continue,
        };
        let outcome = match (verdict.ok, check(Path::new("alertmanager.yml"), &text)) {
            (true, Ok(_)) => "taken by both",
            (false, Err(_)) => "refused by both",
            (true, Err(problems)) if is_refused_by_name(&problems) => "refused by name",
            (true, Err(_)) if STRICTER.iter().any(|(refused, _)| *refused == name) => "stricter",
            (true, Err(problems)) => {
                wrong.push(format!("{name} is refused:\n{problems}"));
                "refused"
            }
            (false, Ok(_)) if verdict.needs.is_some() || TAKEN.iter().any(|(taken, _)| *taken == name) => "newer",
            (false, Ok(_)) => {
                wrong.push(format!("{name} is taken:\n{text}"));
                "taken"
            }
        };
        *counts.entry(outcome).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{counts:?}\n{}", wrong.join("\n"));
    assert!(counts["refused by both"] > 40, "{counts:?}");
}

/// Files that Alertmanager takes and we do not, each with the reason.
const STRICTER: [(&str, &str); 1] =
    [("config/testdata/conf.http-config.good.yml", "its proxy is `foo`, through which no call can go")];

/// Rule files that must not load, but for those whose fault is one of their old naming scheme.
const BAD_RULES: [&str; 14] = [
    "_rulefmt_testdata/bad_expr.bad.yaml",
    "_rulefmt_testdata/bad_field.bad.yaml",
    "_rulefmt_testdata/duplicate_grp.bad.yaml",
    "_rulefmt_testdata/invalid_label_name.bad.yaml",
    "_rulefmt_testdata/invalid_record_name.bad.yaml",
    "_rulefmt_testdata/no_rec_alert.bad.yaml",
    "_rulefmt_testdata/noexpr.bad.yaml",
    "_rulefmt_testdata/record_and_alert.bad.yaml",
    "_rulefmt_testdata/record_and_for.bad.yaml",
    "_rulefmt_testdata/record_and_keep_firing_for.bad.yaml",
    "_rules_fixtures/invalid_rules.yaml",
    "rules-bad.yml",
    "bad-rules-syntax.yml",
    "rules_extrafields.yml",
];

/// Rule files that Prometheus takes and we refuse, with what is said.
const REFUSED_RULES: [(&str, &str); 3] = [
    ("_rules_fixtures/rules_multi_doc.yaml", "a second YAML document begins here"),
    // There it is found out when the alert fires, and told in its place.
    ("_rulefmt_testdata/test.yaml", "there is no field `.labels`"),
    ("_rulefmt_testdata/test_aliases.yaml", "there is no field `.labels`"),
];

/// Files that hold experimental PromQL.
const EXPERIMENTAL: [&str; 1] = ["features.yml"];

#[test]
fn prometheus_s_rule_files_are_taken_and_refused_as_there() {
    let Some(folder) = support::testdata("promtool") else { return };
    let mut taken = 0;
    for part in ["", "_rules_fixtures", "_rulefmt_testdata"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            let text = match path.is_file() {
                true => std::fs::read_to_string(&path).unwrap(),
                false => continue,
            };
            // A file in the old naming scheme is bad there only.
            if !is_rule_file(&text) || EXPERIMENTAL.contains(&name.as_str()) || name.contains("legacy_validation") {
                continue;
            }
            let result = check(&path, &text);
            if BAD_RULES.contains(&name.as_str()) {
                assert!(result.is_err(), "{name} loads");
            } else if let Some((_, what)) = REFUSED_RULES.iter().find(|(refused, _)| *refused == name) {
                assert_eq!(result.unwrap_err().0[0].what, *what, "{name}");
            } else {
                match result {
                    Ok(_) => taken += 1,
                    Err(problems) => assert!(is_refused_by_name(&problems), "{name}: {problems}"),
                }
            }
        }
    }
    assert!(taken > 20, "{taken} rule files are taken");
}

#[test]
fn prometheus_s_configurations_are_taken_and_refused_as_there() {
    let Some(folder) = support::testdata("promtool") else { return };
    let check = |name: &str| {
        let path = folder.join(name);
        check(&path, &std::fs::read_to_string(&path).unwrap())
    };
    let name = "prometheus-config.rules.good.yml";
    assert_eq!(check(name).unwrap_or_else(|problems| panic!("{name}: {problems}")), [""; 0], "{name}");
    // This one is empty, which there is a configuration that does nothing.
    assert_eq!(check("prometheus-config.good.yml").unwrap_err().0[0].what, "there is nothing in the file");
    for name in ["prometheus-config.bad.yml", "config_with_rule_files.yml"] {
        assert!(check(name).is_err(), "{name} loads");
    }
    let lints = |name: &str| check(name).unwrap_or_else(|problems| panic!("{name}: {problems}"));
    assert_eq!(lints("prometheus-rules.lint.yml"), ["duplicate-rules"]);
    assert_eq!(lints("prometheus-config.lint.yml"), ["alerts-reach-nobody", "duplicate-rules"]);
    assert_eq!(lints("prometheus-config.lint.too_long_scrape_interval.yml"), ["too-long-scrape-interval"]);
}
