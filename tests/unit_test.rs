//! `atalaya test`: Prometheus's own cases end as they end with promtool, ours say what they should, and the real promtool
//! agrees with ours where it is installed.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::testdata;

/// The exit status, the output and what is on standard error.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atalaya"));
    let output = command.arg("test").args(arguments).current_dir(directory).output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unit_test")
}

/// The exit status of the real promtool; none when it is not installed.
fn promtool(directory: &Path, file: &str) -> Option<i32> {
    let output = Command::new("promtool").args(["test", "rules", file]).current_dir(directory).output().ok()?;
    Some(output.status.code().unwrap_or(-1))
}

/// Files of a folder of ours, by name.
fn files_of(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(own().join(folder)).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is UTF-8"));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    assert!(!names.is_empty(), "{folder}");
    names
}

#[test]
fn cases_of_prometheus_end_as_with_promtool() {
    let Some(folder) = testdata("promtool") else { return };
    let expectations = fs::read_to_string(folder.join("unittest_expectations.txt")).expect("it can be read");
    let mut checked = 0;
    for line in expectations.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [file, engine, selected, ignores, status] = columns[..] else { panic!("{line}") };
        // An engine without `@` or without negative offsets is none that promtool, or we, could be told to have.
        if engine.contains("=false") {
            continue;
        }
        let mut arguments: Vec<&str> =
            selected.split(',').filter(|it| *it != "-").flat_map(|it| ["--run", it]).collect();
        if ignores == "yes" {
            arguments.push("--ignore-unknown-fields");
        }
        arguments.push(file);
        let (found, told, _) = run(&folder, &arguments);
        assert_eq!(found.to_string(), status, "{line}\n{told}");
        checked += 1;
    }
    assert_eq!(checked, 19);
}

#[test]
fn the_rules_of_this_repository_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (status, told, _) = run(root, &["rules/enova.test.yaml", "rules/first.test.yaml"]);
    assert_eq!(status, 0, "{told}");
    assert!(told.lines().count() == 2 && told.lines().all(|line| line.ends_with(" tests passed")), "{told}");
}

#[test]
fn ours_pass() {
    for file in files_of("pass") {
        let mut arguments = vec![file.as_str()];
        if file == "intervals.yaml" {
            let (status, told, _) = run(&own().join("pass"), &arguments);
            assert!(status == 1 && told.contains("expected 180\n        got      300"), "{told}");
            arguments.push("--honor-intervals");
        }
        let (status, told, _) = run(&own().join("pass"), &arguments);
        assert_eq!(status, 0, "{told}");
    }
}

/// `ATALAYA_BLESS=1` writes what is told now.
#[test]
fn ours_fail_with_these_words() {
    for file in files_of("fail") {
        let folder = own().join("fail");
        let (status, told, _) = run(&folder, &[&file]);
        let path = folder.join(&file).with_extension("txt");
        if std::env::var("ATALAYA_BLESS").is_ok_and(|value| value == "1") {
            fs::write(&path, &told).expect("it can be written");
        }
        let want = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!((status, told), (1, want), "{file}");
    }
}

/// The promtool of Debian does not know what is in `later.yaml` and `intervals.yaml`.
#[test]
fn promtool_agrees() {
    let all = files_of("pass").into_iter().map(|file| ("pass", file, 0));
    for (folder, file, want) in all.chain(files_of("fail").into_iter().map(|file| ("fail", file, 1))) {
        if matches!(file.as_str(), "later.yaml" | "intervals.yaml") {
            continue;
        }
        let Some(status) = promtool(&own().join(folder), &file) else {
            let is_required = std::env::var("ATALAYA_REQUIRE_TESTDATA").is_ok_and(|value| value == "1");
            assert!(!is_required, "promtool is not installed, and ATALAYA_REQUIRE_TESTDATA=1");
            println!("skipped: promtool is not installed");
            return;
        };
        assert_eq!(status, want, "{folder}/{file}");
    }
}

#[test]
fn what_is_told_can_be_chosen() {
    let folder = own().join("fail");
    let (status, told, _) = run(&folder, &["--diff", "samples.yaml"]);
    let want = "    __name__: \"m\"\n      x: \"2\"\n    - y: \"2\"\n    + y: \"1\"\n      value: 2\n";
    assert!(status == 1 && told.contains(want), "{told}");

    let (status, told, _) = run(&folder, &["--run", "^nobody$", "samples.yaml", "alerts.yaml"]);
    let want = "samples.yaml: 0 tests passed, 1 not run\nalerts.yaml: 0 tests passed, 1 not run\n";
    assert_eq!((status, told.as_str()), (0, want));
    let (status, told, error) = run(&folder, &["--run", "(", "alerts.yaml"]);
    assert!(status == 1 && told.is_empty() && error.contains("`(` is not a regular expression"), "{error}");

    let (status, told, dump) = run(&folder, &["--debug", "alerts.yaml"]);
    assert!(status == 1 && !told.contains("ALERTS"), "{told}");
    let mut lines = dump.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("alerts.yaml:5:5 `three mistakes` took ")), "{dump}");
    for line in [
        "  ALERTS{alertname=\"TooMany\", alertstate=\"firing\", job=\"a\", severity=\"disaster\", team=\"core\"}",
        "    1970-01-01T00:05:00.000Z 300",
        "  requests_total{job=\"a\"}",
    ] {
        assert!(dump.lines().any(|it| it == line), "{line}\n{dump}");
    }
}

#[test]
fn results_are_written_as_junit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.xml");
    let junit = path.to_str().unwrap();
    let (status, _, _) =
        run(&own(), &["--junit", junit, "fail/alerts.yaml", "fail/yaml.yaml", "pass/alerts.yaml", "missing.yaml"]);
    assert_eq!(status, 1);
    let xml = fs::read_to_string(&path).unwrap();
    for piece in [
        "<testsuite name=\"fail/alerts.yaml\" tests=\"1\" failures=\"1\" errors=\"0\" ",
        "<testcase name=\"three mistakes\" time=\"",
        "      <failure>fail/alerts.yaml:15:9: alert `Unheard` at 5m: 1 is missing\n",
        "<testsuite name=\"fail/yaml.yaml\" tests=\"0\" failures=\"0\" errors=\"1\" ",
        "<error>fail/yaml.yaml:1:8: not valid YAML: unclosed bracket &apos;[&apos;",
        "<testsuite name=\"pass/alerts.yaml\" tests=\"3\" failures=\"0\" errors=\"0\" ",
        "<error>missing.yaml: there is no such file</error>",
    ] {
        assert!(xml.contains(piece), "{piece}\n{xml}");
    }
    let (status, _, error) = run(&own(), &["--junit", "/nowhere/results.xml", "pass/alerts.yaml"]);
    assert!(status == 1 && error.contains("write `/nowhere/results.xml`"), "{error}");
}

#[test]
fn many_tests_are_told_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "tests:\n".to_owned();
    for number in 0..200 {
        // The expression of every other test gives what is expected.
        let value = number % 2;
        text.push_str(&format!(
            "- {{name: t{number}, promql_expr_test: [{{expr: '1', exp_samples: [{{value: {value}}}]}}]}}\n"
        ));
    }
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let (status, told, _) = run(folder.path(), &["a.yaml"]);
    let failed: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("FAILED ")).collect();
    let want: Vec<String> = (0..200).step_by(2).map(|number| format!("t{number}")).collect();
    assert_eq!((status, failed), (1, want.iter().map(String::as_str).collect()));
    assert!(told.ends_with("a.yaml: 100 of 200 tests failed\n"), "{told}");
}

/// The example of `docs/testing.md` passes, and what it shows of a failure is what is told.
#[test]
fn the_manual_is_right() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/testing.md")).unwrap();
    let block = |fence: &str| page.split(fence).nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("errors.test.yaml"), block("```yaml\n")).unwrap();
    let rules = |severity: &str| {
        format!(
            "groups:\n- name: first\n  rules:\n  - alert: TooManyErrors\n    expr: rate(errors_total[5m]) > 0\n    for: 5m\n    \
             labels: {{severity: {severity}}}\n    annotations: {{summary: '{{{{ $labels.job }}}} has errors'}}\n"
        )
    };
    for (severity, want) in
        [("page", "errors.test.yaml: 1 test passed\n"), ("ticket", block("label by label:\n\n```\n"))]
    {
        fs::write(folder.path().join("rules.yaml"), rules(severity)).unwrap();
        let (_, told, _) = run(folder.path(), &["errors.test.yaml"]);
        assert_eq!(told, want);
    }
}

#[test]
fn a_test_that_would_not_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = "evaluation_interval: 1ms\ntests:\n  - alert_rule_test: [{eval_time: 1y, alertname: A}]\n";
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let (status, told, _) = run(folder.path(), &["a.yaml"]);
    assert!(status == 1 && told.contains("a.yaml:3:5: the rules would be evaluated 31536000001 times"), "{told}");
}
