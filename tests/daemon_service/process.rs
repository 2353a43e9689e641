//! The real binary in a directory of its own.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atalaya::clock::Stopwatch;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A directory with a configuration.
pub(crate) struct Home(TempDir);

/// A daemon that runs in it.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: String,
    log: PathBuf,
}

/// An answer: its status and its body.
pub(crate) type Answer = (u16, String);

impl Home {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().expect("there is room"));
        for (name, text) in files {
            home.write(name, text);
        }
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("there is room");
        fs::write(path, text).expect("there is room");
    }

    /// Starts `atalaya run` with these options more.
    pub(crate) fn start(&self, options: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atalaya"));
        self.start_by(&mut command, options)
    }

    /// The same, by a command to which the options are added.
    pub(crate) fn start_by(&self, command: &mut Command, options: &[&str]) -> Process {
        let log = self.path("log");
        command.args(["--log-format", "json", "run", "--listen", "127.0.0.1:0", "--config", "atalaya.yaml"]);
        command.args(options).current_dir(self.0.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).expect("there is room"));
        let child = command.spawn().expect("it was built");
        let mut process = Process { child, address: String::new(), log };
        process.address = until("it watches", || {
            let line = process.logged("watching").pop()?;
            Some(line["address"].as_str().expect("it says where").to_owned())
        });
        process
    }
}

impl Process {
    /// The entries of the log that say this.
    pub(crate) fn logged(&self, message: &str) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.filter(|entry| entry["message"].as_str().is_some_and(|said| said.contains(message))).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        call(&self.address, "GET", path, "")
    }

    pub(crate) fn call(&self, method: &str, path: &str, form: &str) -> Answer {
        call(&self.address, method, path, form)
    }

    /// What is answered to a request of the API, which must work.
    pub(crate) fn data(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        let answer: Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{path}: {why}: {body}"));
        assert_eq!((status, answer["status"].as_str()), (200, Some("success")), "{path}: {body}");
        answer["data"].clone()
    }

    /// The value of one of its metrics.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let (_, page) = self.get("/metrics");
        page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Ends it, and says whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        self.signal(Signal::TERM);
        self.child.wait().expect("it is ours").success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls a server on loopback.
pub(crate) fn call(address: &str, method: &str, path: &str, form: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("someone listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let length = form.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}\r\nContent-Length: {length}");
    write!(stream, "{head}\r\n\r\n{form}").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it is HTTP");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it is HTTP");
    (
        status,
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            unchunked(body)
        } else {
            body.to_owned()
        },
    )
}

fn unchunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("it is a size");
        text.push_str(&rest[..size]);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    text
}

/// Waits for something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Stopwatch::start();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
