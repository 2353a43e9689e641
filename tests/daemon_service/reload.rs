//! Reloads: what stays, what changes, and what a configuration that is wrong does not do.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;
use serde_json::Value;

use super::process::{Home, Process, until};
use super::world::World;

const RULES: &str = "
groups:
- name: g
  rules:
  - {alert: Bad, expr: bad > 0, labels: {severity: page}, annotations: {summary: first}}
  - {alert: Other, expr: bad > 0}
";

fn config(world: &World, more: &str) -> String {
    format!(
        "
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
scrape_configs:
- {{job_name: j, static_configs: [{{targets: ['{address}']}}]}}
rule_files: [rules/*.yaml]
route: {{receiver: people, group_by: ['...'], group_wait: 0s, group_interval: 200ms}}
receivers:
- name: people
  webhook_configs: [{{url: 'http://{address}/people'}}]
{more}
",
        address = world.address
    )
}

/// When the alert of this name began, if it fires.
fn since(process: &Process, name: &str) -> Option<String> {
    let alerts = process.data("/api/v1/alerts");
    let alert = alerts["alerts"].as_array()?.iter().find(|alert| alert["labels"]["alertname"] == name)?;
    (alert["state"] == "firing").then(|| alert["activeAt"].to_string())
}

fn rule_names(process: &Process) -> Vec<String> {
    let groups = process.data("/api/v1/rules");
    let rules = groups["groups"].as_array().into_iter().flatten();
    let rules = rules.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    rules.filter_map(|rule| rule["name"].as_str().map(str::to_owned)).collect()
}

fn is_loaded(info: &Value) -> bool {
    info["reloadConfigSuccess"] == Value::Bool(true)
}

#[test]
fn a_good_one_keeps_what_is_still_there_and_a_bad_one_changes_nothing() {
    let world = World::new("bad{service=\"s\"} 1\n");
    let home = Home::new(&[("atalaya.yaml", &config(&world, "")), ("rules/a.yaml", RULES)]);
    let process = home.start(&["--no-watch"]);
    let began = until("it fires", || since(&process, "Bad"));

    // An edit of the expression keeps the alert; a rule that is gone ends; a new one begins.
    home.write(
        "rules/a.yaml",
        &RULES.replace("expr: bad > 0, labels", "expr: bad > 0.5, labels").replace("Other", "New"),
    );
    let (status, body) = process.call("POST", "/-/reload", "");
    assert_eq!((status, body.as_str()), (200, "the configuration was reloaded\n"));
    until("the new one fires", || since(&process, "New"));
    assert_eq!((since(&process, "Bad"), since(&process, "Other")), (Some(began.clone()), None));
    until("the end of the other is told", || {
        world.heard().iter().any(|told| told.contains("\"Other\"") && told.contains("\"resolved\"")).then_some(())
    });
    let told_of_bad = |status: &str| {
        let told = world.heard();
        told.iter()
            .filter(|told| told.contains("\"Bad\"") && told.contains(&format!("\"status\":\"{status}\"")))
            .count()
    };
    assert_eq!((told_of_bad("firing"), told_of_bad("resolved")), (1, 0), "it is told once, over the reload");
    assert_eq!(process.metric("atalaya_config_reloads_total{result=\"ok\"}"), Some(1.0));

    // Everything that is wrong is told, and everything goes on as before.
    home.write("rules/a.yaml", &RULES.replace("bad > 0", "bad >"));
    home.write("atalaya.yaml", &config(&world, "no_such_setting: 1"));
    for method in ["POST", "PUT"] {
        let (status, body) = process.call(method, "/-/reload", "");
        assert_eq!(status, 500, "{body}");
        assert!(body.contains("no_such_setting") && body.contains("rules/a.yaml"), "{body}");
    }
    assert_eq!(rule_names(&process), ["Bad", "New"]);
    assert_eq!(since(&process, "Bad"), Some(began.clone()));
    let info = process.data("/api/v1/status/runtimeinfo");
    assert!(!is_loaded(&info) && info["reloadProblems"].to_string().contains("no_such_setting"), "{info}");
    let (_, page) = process.get("/");
    assert!(page.contains("no_such_setting") && page.contains("stays in use"), "{page}");
    assert_eq!(process.metric("atalaya_config_last_reload_successful"), Some(0.0));
    assert_eq!(process.metric("atalaya_config_reloads_total{result=\"error\"}"), Some(2.0));
    assert!(process.logged("cannot reload")[0]["error"].to_string().contains("no_such_setting"));

    // SIGHUP, once it is mended.
    home.write("rules/a.yaml", RULES);
    home.write("atalaya.yaml", &config(&world, ""));
    process.signal(Signal::HUP);
    until("it is reloaded", || is_loaded(&process.data("/api/v1/status/runtimeinfo")).then_some(()));
    assert_eq!(rule_names(&process), ["Bad", "Other"]);
    assert_eq!(since(&process, "Bad"), Some(began));
    let (_, page) = process.get("/");
    assert!(!page.contains("stays in use"), "{page}");
    assert!(process.stop());
}

#[test]
fn what_cannot_change_is_named() {
    let world = World::new("");
    let home = Home::new(&[("atalaya.yaml", &config(&world, "state: {dir: one}")), ("rules/a.yaml", RULES)]);
    let process = home.start(&["--no-watch"]);
    // Where to listen is said by the command line, so what the file says of it does not count.
    home.write("atalaya.yaml", &config(&world, "state: {dir: two}\nweb: {listen: '127.0.0.1:1'}"));
    let (status, body) = process.call("POST", "/-/reload", "");
    assert_eq!(status, 500);
    let expected = "atalaya.yaml: state.dir: was `one` at the start, is `two` now, and cannot change while Atalaya runs\n\
                    hint: restart needed: set it back, or restart\n";
    assert!(body.ends_with(expected) && !body.contains("web.listen"), "{body}");
}

#[test]
fn secrets_are_looked_at_as_at_the_start() {
    let world = World::new("");
    let home = Home::new(&[("atalaya.yaml", &config(&world, "")), ("rules/a.yaml", RULES)]);
    let process = home.start(&["--no-watch"]);
    home.write(
        "atalaya.yaml",
        &config(&world, "- {name: more, pagerduty_configs: [{routing_key_file: no/such/file}]}"),
    );
    let (status, body) = process.call("POST", "/-/reload", "");
    assert_eq!(status, 500);
    assert!(body.contains("read secret `receivers[more].pagerduty_configs[0].routing_key`"), "{body}");
}

#[test]
fn by_request_only_when_it_is_allowed() {
    let world = World::new("");
    let home = Home::new(&[("atalaya.yaml", &config(&world, "")), ("rules/a.yaml", RULES)]);
    let process = home.start(&["--web.enable-lifecycle=false"]);
    assert_eq!(process.call("POST", "/-/reload", "").0, 403);
    assert_eq!(process.get("/-/reload").0, 405);
    assert_eq!(process.data("/api/v1/status/flags")["web.enable-lifecycle"], "false");
}

/// As Kubernetes does it with a ConfigMap: a link above the files is exchanged. And as people do: a file more.
#[test]
fn a_file_that_changes_is_noticed() {
    let world = World::new("bad{service=\"s\"} 1\n");
    let home = Home::new(&[("one/atalaya.yaml", &config(&world, "")), ("one/rules/a.yaml", RULES)]);
    let link = |to: &str| {
        symlink(to, home.path("..data.new")).unwrap();
        fs::rename(home.path("..data.new"), home.path("..data")).unwrap();
    };
    link("one");
    symlink("..data/atalaya.yaml", home.path("atalaya.yaml")).unwrap();
    symlink("..data/rules", home.path("rules")).unwrap();
    let process = home.start(&[]);
    assert_eq!(rule_names(&process), ["Bad", "Other"]);

    home.write("two/atalaya.yaml", &config(&world, ""));
    home.write("two/rules/a.yaml", &RULES.replace("Other", "New"));
    link("two");
    until("the exchange is noticed", || (rule_names(&process) == ["Bad", "New"]).then_some(()));
    home.write("two/rules/b.yaml", &RULES.replace("Bad", "Third").replace("Other", "Fourth"));
    until("the new file is noticed", || (rule_names(&process).len() == 4).then_some(()));
    let logged = process.logged("the configuration was reloaded");
    assert_eq!(logged[0]["cause"], "a file has changed");
    // What is wrong is tried once, until it changes again.
    home.write("two/rules/b.yaml", "groups: 3");
    until("the mistake is noticed", || (!is_loaded(&process.data("/api/v1/status/runtimeinfo"))).then_some(()));
    fs::remove_file(home.path("two/rules/b.yaml")).unwrap();
    until("it is mended", || (rule_names(&process).len() == 2).then_some(()));
    assert_eq!(process.logged("cannot reload").len(), 1);
}
