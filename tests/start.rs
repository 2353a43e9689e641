//! How the daemon starts, or does not: the real binary and its exit status.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_atalaya"));
    command.args(["run", "--listen", "127.0.0.1:0", "--config", "atalaya.yaml"]).current_dir(home);
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
