//! `atalaya check` as it is typed: what it says, and how it ends.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const RULES: &str = "groups:\n- name: node\n  interval: 1m\n  rules:\n  - {alert: Down, expr: up == 0, for: 30s}\n";

/// The exit status and the output.
fn check(directory: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atalaya"));
    command.arg("check").args(arguments).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    child.stdin.take().expect("it has an input").write_all(input.as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("the command ends");
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).expect("it writes UTF-8"))
}

#[test]
fn ends_as_promtool_does() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    write("rules/a.yaml", RULES);
    write("rules/b.yml", "groups: [{name: g, rules: [{alert: A, expr: up +}]}]\n");
    write("sound.yaml", "rule_files: ['rules/*.yaml']\nroute: {receiver: a}\nreceivers: [{name: a}]\n");
    write("broken.yaml", "rule_files: ['rules/*']\nroutes: {receiver: a}\n");
    let folder = folder.path();

    let (status, told) = check(folder, &["sound.yaml"], "");
    assert_eq!(
        (status, told.lines().last()),
        (0, Some("sound.yaml: sound, with 1 warning: 1 rule file, 1 alert rule"))
    );
    assert!(told.starts_with("warning[short-for]: rules/a.yaml:5:39: groups[node].rules[Down].for: "), "{told}");
    assert_eq!(check(folder, &["--lint-fatal", "sound.yaml"], "").0, 3);

    let (status, told) = check(folder, &["broken.yaml", "rules/a.yaml", "--lint-fatal"], "");
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("broken.yaml:2:1: there is no setting `routes` here"), "{told}");
    assert!(told.contains("rules/b.yml:1:49: groups[g].rules[A].expr: "), "{told}");
    assert!(told.contains("broken.yaml: 2 problems\nwarning[short-for]: rules/a.yaml"), "{told}");

    assert_eq!(
        check(folder, &["missing.yaml"], ""),
        (1, "missing.yaml: there is no such file\nmissing.yaml: 1 problem\n".into())
    );
    let sound = (0, "stdin: sound: 1 rule file, 1 alert rule\n".to_owned());
    assert_eq!(check(folder, &[], &RULES.replace("30s", "1m")), sound);
    assert_eq!(check(folder, &["-"], &RULES.replace("30s", "1m")), sound);
    assert_eq!(check(folder, &["--lint-fatal"], RULES).0, 3);
}

#[test]
fn the_rules_of_this_repository_are_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["rules/atalaya.yaml", "rules/first-config.yaml", "rules/enova.yaml"];
    for file in files {
        let (status, told) = check(root, &["--lint-fatal", file], "");
        assert_eq!(status, 0, "{told}");
    }
}
