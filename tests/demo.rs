//! The demo as a user runs it: the real binary, its exit status, what it shows and what it writes down.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A key that is none of the demo's.
const OTHER_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSW";

/// The demo, as fast as it goes, with its temporary files in `temporary`.
fn demo(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atalaya"));
    command.args(["demo", "--speed", "120"]).args(arguments).env("TMPDIR", temporary);
    command
}

/// What a run of the whole story gave, and its transcript.
fn story(arguments: &[&str]) -> (Output, Vec<Value>) {
    let (temporary, kept) = (directory(), directory());
    let transcript = kept.path().join("transcript.jsonl");
    let output = demo(temporary.path(), arguments).arg("--exit").arg("--transcript").arg(&transcript).output();
    assert_is_empty(temporary.path());
    let text = std::fs::read_to_string(transcript).expect("there is a transcript");
    let events = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    (output.expect("the binary runs"), events)
}

fn directory() -> TempDir {
    TempDir::new().expect("there is room for a directory")
}

#[track_caller]
fn assert_is_empty(directory: &Path) {
    let entries = std::fs::read_dir(directory).expect("the directory is still there");
    let left: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Where in the transcript the one event of this kind and action is.
#[track_caller]
fn only(transcript: &[Value], kind: &str, action: &str) -> usize {
    let is_it = |event: &Value| event["kind"] == kind && event["action"] == action;
    let found: Vec<usize> = (0..transcript.len()).filter(|at| is_it(&transcript[*at])).collect();
    assert_eq!(found.len(), 1, "{kind} {action} in {transcript:#?}");
    found[0]
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_bad_canary_is_rolled_back_and_everyone_hears_of_it() {
    let (output, transcript) = story(&[]);
    let text = shown(&output);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("signature verified") && text.contains("It happened as it should"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "control characters without a terminal: {text:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");

    // In the canary's last window there may be a single request, and a slow one makes another alert pend for a moment. That
    // tells nobody anything; one that fires fails the story.
    let is_passing = |event: &Value| {
        event["alertname"] != "HighErrorRate" && ["pending", "dropped"].iter().any(|it| event["action"] == *it)
    };
    let transcript: Vec<Value> = transcript.into_iter().filter(|event| !is_passing(event)).collect();
    let at = |kind: &str, action: &str| only(&transcript, kind, action);
    let (pending, firing, resolved) = (at("alert", "pending"), at("alert", "firing"), at("alert", "resolved"));
    let received = at("rollback", "received");
    let (post, update, thread) = (at("slack", "post"), at("slack", "update"), at("slack", "thread"));
    let (trigger, resolve) = (at("pagerduty", "trigger"), at("pagerduty", "resolve"));
    assert!(pending < firing && firing < received && received < resolved, "{transcript:#?}");
    assert!(firing < post && post < resolved && resolved < update, "{transcript:#?}");
    assert!(firing < trigger && trigger < resolved && resolved < resolve, "{transcript:#?}");
    assert!(update < thread, "{transcript:#?}");
    assert_eq!(transcript.len(), 9, "{transcript:#?}");

    assert_eq!(transcript[firing]["labels"]["service"], "gateway");
    assert!(transcript[firing]["value"].as_f64().is_some_and(|value| value > 0.25), "{transcript:#?}");
    let rollback = &transcript[received];
    assert_eq!((&rollback["verified"], &rollback["attempt"]), (&true.into(), &1.into()));
    assert_eq!(rollback["key"], serde_json::json!({"service": "gateway"}));
    assert_eq!(transcript[post]["channel"], "#enova-alerts");
    assert_eq!(transcript[post]["ts"], transcript[update]["ts"]);
    assert_eq!(transcript[trigger]["dedup_key"], transcript[resolve]["dedup_key"]);
    assert!(transcript.iter().all(|event| event["kind"] == "alert" || event["status"] == "ok"), "{transcript:#?}");
}

#[test]
fn a_rollback_that_is_refused_is_paged_and_fails_the_story() {
    let (output, transcript) = story(&["--receiver-secret", OTHER_KEY]);
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("did not happen: the gateway's traffic is back on legacy"), "{text}");
    let received = &transcript[only(&transcript, "rollback", "received")];
    assert_eq!(received["verified"], false);
    let is_about_it =
        |event: &Value, field: &str| event[field].as_str().is_some_and(|it| it.contains("could not be triggered"));
    for (kind, field) in [("pagerduty", "summary"), ("slack", "text")] {
        let told = transcript.iter().filter(|event| event["kind"] == kind && is_about_it(event, field)).count();
        assert_eq!(told, 1, "{kind} in {transcript:#?}");
    }
}

#[test]
fn a_secret_that_is_none_is_refused_at_once() {
    let temporary = directory();
    let output = demo(temporary.path(), &["--receiver-secret", "hunter2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(error, "the rollback receiver's secret: a signing key begins with `whsec_`\n");
    assert_is_empty(temporary.path());
}

#[test]
fn its_log_is_as_detailed_as_asked_for() {
    let temporary = directory();
    let mut child =
        demo(temporary.path(), &["--log-level", "info"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // At its default, `warn`, it would have nothing to say.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("watching")));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn it_stays_up_until_it_is_interrupted() {
    let temporary = directory();
    let mut child = demo(temporary.path(), &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let page = lines.find_map(|line| {
        let address = line.trim().strip_prefix("page")?.trim().strip_prefix("http://")?;
        Some(address.split('/').next()?.to_owned())
    });
    let mut stream = TcpStream::connect(page.unwrap()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    let process = Pid::from_child(&child);
    kill_process(process, Signal::INT).unwrap();
    assert!(lines.any(|line| line == "Interrupted before the story was over."));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_is_empty(temporary.path());
}
