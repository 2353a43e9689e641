//! How the daemon starts, or does not: the real binary and its exit status.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A configuration whose secrets are elsewhere.
const CONFIG: &str = r#"
route: {receiver: people}
receivers:
- name: people
  slack_configs: [{channel: '#alerts', bot_token: '${ATALAYA_TEST_TOKEN}'}]
  pagerduty_configs: [{routing_key_file: no/such/file}, {routing_key_file: empty}, {routing_key: inline}]
  webhook_configs: [{url_file: hook}]
  rollback_configs:
  - url: http://127.0.0.1:9/
    secret_file: key
    rollback_key: []
    while: up > 0
"#;

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn home(files: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in [("atalaya.yaml", CONFIG)].iter().chain(files) {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

fn atalaya(home: &Path) -> Command {
    atalaya_with(home, &["--listen", "127.0.0.1:0", "--config", "atalaya.yaml"])
}

fn atalaya_with(home: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atalaya"));
    command.arg("run").args(options).current_dir(home);
    command.env_remove("ATALAYA_TEST_TOKEN").stdin(Stdio::null());
    command
}

/// The head and the body of what is answered to a request.
#[expect(clippy::unwrap_used, reason = "part of a test")]
fn get(address: &str, path: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: atalaya\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn secrets_that_are_missing_are_told_at_the_start() {
    let home = home(&[("key", "hunter2\n"), ("hook", "hunter2:3"), ("empty", "\n")]);
    let output = atalaya(home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "secrets and certificates that cannot be used:
  read secret `receivers[people].slack_configs[0].bot_token` from environment variable `ATALAYA_TEST_TOKEN`: environment variable not found
  read secret `receivers[people].pagerduty_configs[0].routing_key` from `no/such/file`: No such file or directory (os error 2)
  secret `receivers[people].pagerduty_configs[1].routing_key` is empty (file `empty`)
  secret `receivers[people].webhook_configs[0].url` from `hook` is not a URL that can be called: only http and https can
  secret `receivers[people].rollback_configs[0].secret` from `key` cannot sign: a signing key begins with `whsec_`
";
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.ends_with(expected), "{told}");
    assert!(!home.path().join("atalaya-data").exists(), "it has begun before it was sure");
}

#[test]
fn with_all_secrets_it_is_ready_and_ends_when_asked() {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSW";
    let secrets = [("key", key), ("hook", "http://127.0.0.1:9/"), ("empty", "no more")];
    let home = home(&secrets);
    std::fs::create_dir_all(home.path().join("no/such")).unwrap();
    std::fs::write(home.path().join("no/such/file"), "there").unwrap();
    let mut child = atalaya(home.path()).env("ATALAYA_TEST_TOKEN", "xoxb-1").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let started = lines.find(|line| line.contains("watching")).unwrap();
    let address = started.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    for (path, told) in [("/-/healthy", "Atalaya is healthy.\n"), ("/-/ready", "Atalaya is ready.\n")] {
        let (head, body) = get(address, path, "*/*");
        assert!(head.starts_with("http/1.1 200 ") && body == told, "{head}\n{body}");
    }
    let (head, body) = get(address, "/metrics", "*/*");
    assert!(head.contains("content-type: text/plain; version=0.0.4") && !body.contains("# EOF"), "{head}\n{body}");
    let (head, body) = get(address, "/metrics", "application/openmetrics-text");
    assert!(head.contains("content-type: application/openmetrics-text") && body.contains("# EOF"), "{head}\n{body}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A configuration that needs nothing.
const SIMPLE: &str = "
rule_files: [rules.yaml]
route: {receiver: people}
receivers: [{name: people, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
";

/// Starts with this configuration, which must not work: exit status 1, everything that is told in the message, and nothing
/// left behind.
#[expect(clippy::unwrap_used, reason = "part of a test")]
fn refused(files: &[(&str, &str)], options: &[&str], told: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("atalaya.yaml"), SIMPLE).unwrap();
    std::fs::write(home.path().join("rules.yaml"), "groups: []").unwrap();
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    let before = names(home.path());
    let defaults = [["--listen", "127.0.0.1:0"], ["--config", "atalaya.yaml"]];
    let defaults = defaults.iter().filter(|option| !options.contains(&option[0])).flatten();
    let options: Vec<&str> = defaults.chain(options).copied().collect();
    let output = atalaya_with(home.path(), &options).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in told {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert!(!said.contains("panicked") && said.len() < 10_000, "{said}");
    assert_eq!(names(home.path()), before, "it left something behind");
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn bad_input_is_told_and_nothing_is_touched() {
    refused(&[("atalaya.yaml", "route: [")], &[], &["atalaya.yaml:1:"]);
    refused(&[("atalaya.yaml", "route: {receiver: nobody}")], &[], &["there is no receiver"]);
    refused(&[("rules.yaml", "groups: [{name: g, rules: [{alert: A, expr: up +}]}]")], &[], &["rules.yaml:1:", "^"]);
    refused(
        &[("atalaya.yaml", "rule_files: [gone.yaml]\nroute: {receiver: x}\nreceivers: [{name: x}]")],
        &[],
        &["gone.yaml", "there is no such file"],
    );
    // Nine levels of nine aliases each would be hundreds of millions of values.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", ")));
    }
    refused(&[("atalaya.yaml", &bomb)], &[], &["atalaya.yaml:"]);
    refused(&[("atalaya.yaml", &"[".repeat(2000))], &[], &["atalaya.yaml:"]);
    refused(&[], &["--config", "gone.yaml"], &["gone.yaml: there is no such file"]);
    refused(&[], &["--config", "."], &["cannot be read: Is a directory"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&[], &["--listen", &address], &["cannot listen on", &address, "Address already in use"]);
    refused(&[], &["--data-dir", "atalaya.yaml"], &["the data directory `atalaya.yaml` must be writable"]);
    refused(&[], &["--data-dir", "/proc/atalaya"], &["the data directory `/proc/atalaya` must be writable"]);
}

#[test]
fn a_data_directory_that_is_not_usable_is_told_and_stays() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("atalaya.yaml"), SIMPLE).unwrap();
    std::fs::write(home.path().join("rules.yaml"), "groups: []").unwrap();
    let start = |told: &str| {
        let output = atalaya(home.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(told), "{said}");
    };
    let data = home.path().join("atalaya-data");
    let first = atalaya::state::SqliteState::open(&data).unwrap();
    start("is in use by another Atalaya: stop that one, or give this one its own --data-dir");
    drop(first);
    let file = data.join("atalaya.db");
    let sound = std::fs::read(&file).unwrap();
    std::fs::write(&file, "no database").unwrap();
    start("is damaged (file is not a database): restore it from a backup, or move it away to start afresh");
    assert_eq!(std::fs::read(&file).unwrap(), b"no database");
    std::fs::write(&file, &sound).unwrap();

    // For root every directory is writable, so someone else is asked to start.
    let set_mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    set_mode(home.path(), 0o755);
    set_mode(&data, 0o555);
    set_mode(&data.join("atalaya.lock"), 0o666);
    let mut command = atalaya(home.path());
    if rustix::process::getuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(1), "{said}");
            assert!(said.contains("must be a file that can be read and written: Permission denied"), "{said}");
        }
        Err(why) => eprintln!("skipped: nobody cannot run the binary: {why}"),
    }
}
