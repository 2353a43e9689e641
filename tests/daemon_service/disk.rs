//! A disk that is full: pages leave all the same, everyone is told, and nothing is lost once there is room again.
//!
//! The kernel's limit on the size of files stands for the disk. It can be set and lifted while the process runs.

use std::fs;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use super::process::{Home, Process, until};
use super::world::World;

const RULES: &str = "
groups:
- name: g
  rules:
  - {alert: Bad, expr: bad > 0, annotations: {text: '{{ $labels.filler }}'}}
";

fn limit_files(process: &Process, bytes: Option<u64>) {
    let limits = Rlimit { current: bytes, maximum: None };
    prlimit(Some(Pid::from_child(&process.child)), Resource::Fsize, limits).expect("it is ours");
}

/// The alerts that the receiver has been told of.
fn told(world: &World, at: &str) -> usize {
    world.heard().iter().filter(|told| told.contains(&format!("\"at\":\"{at}\""))).count()
}

#[test]
fn pages_leave_from_memory_and_say_so_and_nothing_is_lost() {
    let world = World::new("bad{at=\"0\"} 1\n");
    let config = format!(
        "
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
scrape_configs:
- {{job_name: j, static_configs: [{{targets: ['{address}']}}]}}
rule_files: [rules.yaml]
route: {{receiver: people, group_by: ['...'], group_wait: 0s, group_interval: 200ms}}
receivers:
- name: people
  webhook_configs: [{{url: 'http://{address}/people'}}]
",
        address = world.address
    );
    let home = Home::new(&[("atalaya.yaml", &config), ("rules.yaml", RULES)]);
    // The signal that comes with the limit would end it.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_atalaya")]);
    let process = home.start_by(&mut shell, &[]);
    until("the first page", || (told(&world, "0") > 0).then_some(()));
    assert_eq!(process.metric("atalaya_state_writable"), Some(1.0));

    // Less than is there already, so that nothing can be added anywhere.
    limit_files(&process, Some(4096));
    let page: String = (0..20).map(|at| format!("bad{{at=\"{at}\"}} 1\n")).collect();
    world.show(&page);
    until("pages from memory", || (1..20).all(|at| told(&world, &at.to_string()) > 0).then_some(()));
    let durable = |process: &Process| process.data("/api/v1/status/runtimeinfo")["durable"].clone();
    assert_eq!(durable(&process), Value::Bool(false));
    assert_eq!(process.metric("atalaya_state_writable"), Some(0.0));
    assert!(process.metric("atalaya_state_backlog").is_some_and(|waiting| waiting >= 19.0));
    assert!(process.get("/").1.contains("The state file cannot be written"));

    limit_files(&process, None);
    until("there is room again", || (durable(&process) == Value::Bool(true)).then_some(()));
    assert_eq!(process.metric("atalaya_state_backlog"), Some(0.0));
    // The log, too, is a file. What it could not say is lost; half a line may stand before what it says now.
    assert!(fs::read_to_string(home.path("log")).unwrap().contains("the state file takes writes again"));
    assert!(process.stop());
    let state = atalaya::state::SqliteState::open(&home.path("atalaya-data")).unwrap();
    let rows = state.load().unwrap();
    assert_eq!((rows.instances.len(), rows.engine.dispatch.lanes.len()), (20, 20));
    assert!((0..20).all(|at| told(&world, &at.to_string()) == 1), "each is told once: {:?}", world.heard());
}
