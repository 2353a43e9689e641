//! The real binary, with a directory of its own, started as often as the test wants.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use atalaya::clock::Stopwatch;
use atalaya::state::{Rows, SqliteState};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use super::world::World;

pub(crate) const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSW";

/// How often the test looks whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long anything may take, on a machine that is busy with other things too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A boundary of a durable write or a send, as the process logs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Boundary {
    pub(crate) number: u64,
    pub(crate) name: String,
}

/// A directory with the configuration, the state and the logs of one point's processes.
pub(crate) struct Home {
    directory: TempDir,
    started: u32,
}

impl Home {
    /// Writes the rules and, for each of the two processes, a configuration: alike but for a header, by which the world
    /// knows who speaks.
    pub(crate) fn new(world: &World, deadline: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("rules.yaml"), RULES).unwrap();
        for process in 1..=2 {
            let base = format!("http://{}", world.address);
            let config = CONFIG
                .replace("TARGET", &world.address.to_string())
                .replace("BASE", &base)
                .replace("SPEAKER", &process.to_string())
                .replace("ROLLBACK", &format!("http://{}/rollback", world.address))
                .replace("KEY", SIGNING_KEY)
                .replace("DEADLINE", deadline);
            fs::write(directory.path().join(format!("atalaya-{process}.yaml")), config).unwrap();
        }
        Self { directory, started: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the next process. With `crash_at` it logs its boundaries, and dies at that one.
    pub(crate) fn start(&mut self, crash_at: Option<u64>) -> Process {
        self.started += 1;
        let log = File::create(self.path(&format!("{}.log", self.started))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_atalaya"));
        command.args(["--log-format", "json", "run", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(self.path(&format!("atalaya-{}.yaml", self.started))).arg("--data-dir").arg(self.path("data"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).env_remove("ATALAYA_CRASH_AT");
        if let Some(point) = crash_at {
            command.env("ATALAYA_CRASH_AT", point.to_string());
        }
        Process { child: command.spawn().unwrap() }
    }

    /// The boundaries that a process has passed.
    pub(crate) fn boundaries(&self, process: u32) -> Vec<Boundary> {
        let log = fs::read_to_string(self.path(&format!("{process}.log"))).unwrap();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries
            .filter_map(|entry| {
                let number = entry.get("crash_point")?.as_u64()?;
                Some(Boundary { number, name: entry.get("boundary")?.as_str()?.to_owned() })
            })
            .collect()
    }

    /// What a process that is started now would find, read from a copy.
    pub(crate) fn rows(&self) -> Rows {
        let copy = tempfile::tempdir().unwrap();
        for name in ["atalaya.db", "atalaya.db-wal"] {
            let from = self.path("data").join(name);
            if from.exists() {
                fs::copy(from, copy.path().join(name)).unwrap();
            }
        }
        SqliteState::open(copy.path()).unwrap().load().unwrap()
    }

    /// Keeps the state from being written until what is returned is dropped.
    pub(crate) async fn hold(&self) -> Result<Connection, String> {
        let path = self.path("data").join("atalaya.db");
        let mut held = None;
        let hold = || {
            held = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)
                .ok()
                .filter(|connection| connection.execute_batch("BEGIN IMMEDIATE").is_ok());
            held.is_some()
        };
        until("the state's lock", hold).await?;
        held.ok_or_else(|| "nothing is held".to_owned())
    }

    /// Has another connection change the state, once there is one.
    pub(crate) async fn alter(&self, sql: &str) -> Result<(), String> {
        let path = self.path("data").join("atalaya.db");
        let alter = || {
            let Ok(connection) = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE) else {
                return false;
            };
            connection.execute_batch(sql).is_ok()
        };
        until(sql, alter).await
    }

    /// How many rows a table of a process that runs has, if there is one.
    pub(crate) fn count(&self, table: &str) -> Option<i64> {
        let path = self.path("data").join("atalaya.db");
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).ok()
    }

    /// Whether nothing is left in the state of a process that runs: everything has ended and nobody is owed anything.
    pub(crate) fn is_at_rest(&self) -> bool {
        let tables = ["instance", "notification_group", "group_member", "lane", "delivery", "episode"];
        tables.iter().all(|table| self.count(table) == Some(0))
    }

    /// The logs.
    pub(crate) fn logs(&self) -> String {
        (1..=self.started)
            .map(|process| {
                let log = fs::read_to_string(self.path(&format!("{process}.log"))).unwrap();
                format!("process {process}:\n{log}")
            })
            .collect()
    }
}

/// A process, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to end, which it has not yet, and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        until("the end after SIGTERM", || self.ended().is_some()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether an exit was a death by SIGKILL.
pub(crate) fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(rustix::process::Signal::KILL.as_raw())
}

/// Waits until something has happened.
pub(crate) async fn until(what: &str, mut has_happened: impl FnMut() -> bool) -> Result<(), String> {
    let since = Stopwatch::start();
    while !has_happened() {
        if since.elapsed() > PATIENCE {
            return Err(format!("waited in vain for {what}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

const RULES: &str = r#"
groups:
  - name: canary
    interval: 200ms
    rules:
      - alert: HighErrorRate
        expr: error_ratio > 0.01
        for: 400ms
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.service }} fails'}
"#;

const CONFIG: &str = r##"
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
  evaluation_interval: 200ms
scrape_configs:
  - job_name: app
    static_configs:
      - targets: ["TARGET"]
rule_files: [rules.yaml]
route:
  receiver: everyone
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 500ms
  repeat_interval: 1h
receivers:
  - name: everyone
    slack_configs:
      - {channel: '#alerts', bot_token: xoxb-1, api_url: BASE/slack, send_resolved: true, http_config: {http_headers: {X-Speaker: {values: ['SPEAKER']}}}}
    pagerduty_configs:
      - {routing_key: R1, url: BASE/pagerduty, http_config: {http_headers: {X-Speaker: {values: ['SPEAKER']}}}}
    webhook_configs:
      - {url: BASE/webhook, http_config: {http_headers: {X-Speaker: {values: ['SPEAKER']}}}}
    rollback_configs:
      - url: ROLLBACK
        secret: KEY
        http_config: {http_headers: {X-Speaker: {values: ['SPEAKER']}}}
        rollback_key: []
        while: canary_weight > 0
        cooldown: 500ms
        deadline: DEADLINE
"##;
