//! The API by itself: what is asked for is what comes.

use serde_json::{Value, json};

use super::process::{Home, Process, until};
use super::world::World;

const RULES: &str = "
groups:
- name: first
  interval: 200ms
  rules:
  - {alert: Bad, expr: bad > 0, labels: {severity: page}, annotations: {summary: 's {{ $value }}'}}
  - {alert: Slow, expr: bad > 0, for: 1h, labels: {severity: note}}
- name: second
  interval: 200ms
  rules:
  - {record: 'job:bad:sum', expr: sum by (job) (bad)}
- name: third
  rules:
  - {alert: Quiet, expr: bad > 100}
";

fn start() -> (World, Home, Process) {
    let world = World::new("bad{service=\"s\"} 1.5\nother 1\n");
    let config = format!(
        "
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1d}}
scrape_configs:
- {{job_name: j, static_configs: [{{targets: ['{address}']}}]}}
- {{job_name: gone, static_configs: [{{targets: ['127.0.0.1:9']}}]}}
rule_files: [rules.yaml]
store: {{retain: ['job:bad:sum']}}
route: {{receiver: people}}
receivers: [{{name: people, webhook_configs: [{{url: 'http://{address}/hunter2'}}]}}]
",
        address = world.address
    );
    let home = Home::new(&[("atalaya.yaml", &config), ("rules.yaml", RULES)]);
    let process = home.start(&["--compat", "strict"]);
    until("both alerts", || {
        let alerts = process.data("/api/v1/alerts");
        (alerts["alerts"].as_array()?.len() == 2).then_some(())
    });
    until("the recorded series", || process.data("/api/v1/query?query=job:bad:sum")["result"].get(0).map(drop));
    until("a scrape of each target", || {
        let targets = process.data("/api/v1/targets?state=active");
        targets["activeTargets"].as_array()?.iter().all(|target| target["health"] != "unknown").then_some(())
    });
    (world, home, process)
}

fn error(process: &Process, method: &str, path: &str) -> (u16, String, String) {
    let (status, body) = process.call(method, path, "");
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{path}: {why}: {body}"));
    assert_eq!(answer["status"], "error", "{path}: {body}");
    (status, answer["errorType"].to_string(), answer["error"].to_string())
}

#[test]
fn what_is_asked_for_comes() {
    let (_world, _home, process) = start();
    let names = |path: &str| {
        let data = process.data(path);
        let groups = data["groups"].as_array().expect("there are some").iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().expect("there are some"));
        rules.map(|rule| rule["name"].as_str().expect("it has one").to_owned()).collect::<Vec<_>>().join(" ")
    };
    let check = |query: &str, expected: &str| assert_eq!(names(&format!("/api/v1/rules?{query}")), expected, "{query}");
    check("", "Bad Slow job:bad:sum Quiet");
    check("type=alert", "Bad Slow Quiet");
    check("type=record", "job:bad:sum");
    check("rule_name[]=Bad&rule_name[]=Quiet", "Bad Quiet");
    check("rule_group[]=second", "job:bad:sum");
    check("file[]=rules.yaml", "Bad Slow job:bad:sum Quiet");
    check("file[]=other.yaml", "");
    check("match[]=%7Bseverity%3D%22page%22%7D", "Bad");
    check("match[]=%7Bseverity%3D~%22page%7Cnote%22%7D&type=alert", "Bad Slow");

    // Page by page.
    let first = process.data("/api/v1/rules?group_limit=2");
    let token = first["groupNextToken"].as_str().expect("there is more").to_owned();
    check("group_limit=2", "Bad Slow job:bad:sum");
    let rest = format!("/api/v1/rules?group_limit=2&group_next_token={token}");
    assert_eq!((names(&rest).as_str(), process.data(&rest).get("groupNextToken")), ("Quiet", None));

    let data = process.data("/api/v1/rules?rule_name[]=Bad");
    let mut rule = data["groups"][0]["rules"][0].clone();
    let began = rule["alerts"][0]["activeAt"].clone();
    for moving in ["evaluationTime", "lastEvaluation"] {
        rule.as_object_mut().expect("it is one").remove(moving).expect("it is there");
    }
    let labels = json!({"alertname": "Bad", "instance": _world.address.to_string(), "job": "j", "service": "s", "severity": "page"});
    let expected = json!({
        "state": "firing", "name": "Bad", "query": "bad > 0", "duration": 0, "keepFiringFor": 0,
        "labels": {"severity": "page"}, "annotations": {"summary": "s {{ $value }}"},
        "alerts": [{"labels": labels, "annotations": {"summary": "s 1.5"}, "state": "firing", "activeAt": began,
                    "value": "1.5e+00"}],
        "health": "ok", "type": "alerting",
    });
    assert_eq!(rule, expected);
    let data = process.data("/api/v1/rules?rule_name[]=Bad&exclude_alerts=true");
    assert_eq!(data["groups"][0]["rules"][0]["alerts"], json!([]));
    let data = process.data("/api/v1/rules?rule_name[]=Slow");
    assert_eq!(data["groups"][0]["rules"][0]["state"], "pending");
    assert_eq!(data["groups"][0]["interval"].as_f64(), Some(0.2));

    let targets = process.data("/api/v1/targets");
    let health = |pool: &str| {
        let all = targets["activeTargets"].as_array().expect("there are some");
        all.iter().find(|target| target["scrapePool"] == pool).expect("it is there")["health"].clone()
    };
    assert_eq!((health("j"), health("gone")), (json!("up"), json!("down")));
    let pool = process.data("/api/v1/targets?scrapePool=gone");
    assert_eq!(pool["activeTargets"].as_array().map(Vec::len), Some(1));
    assert_eq!(process.data("/api/v1/targets?state=dropped")["activeTargets"], json!([]));

    assert_eq!(process.data("/api/v1/status/flags")["compat"], "strict");
    let shown = process.data("/api/v1/status/config")["yaml"].to_string();
    assert!(shown.contains("url: <secret>") && !shown.contains("hunter2"), "{shown}");

    // A query beside what is kept says so.
    let (_, body) = process.get("/api/v1/query?query=other");
    assert!(body.contains("\"warnings\":[\"`other` is not kept"), "{body}");
    let (_, body) = process.get("/api/v1/query?query=bad");
    assert!(!body.contains("warnings"), "{body}");
    let long = format!("query={}&limit=1", "bad+or+".repeat(200) + "bad");
    let (status, body) = process.call("POST", "/api/v1/query", &long);
    assert_eq!(status, 200, "{body}");
}

#[test]
fn what_cannot_be_answered_is_told() {
    let (_world, _home, process) = start();
    let check = |method: &str, path: &str, status: u16, kind: &str, what: &str| {
        let (got, got_kind, got_what) = error(&process, method, path);
        assert_eq!((got, got_kind), (status, format!("{kind:?}")), "{path}");
        assert!(got_what.contains(what), "{path}: {got_what}");
    };
    check("GET", "/api/v1/nothing", 404, "not_found", "/api/v1/nothing");
    check("DELETE", "/api/v1/rules", 405, "bad_data", "DELETE");
    check("GET", "/api/v1/rules?type=x", 400, "bad_data", "x");
    check("GET", "/api/v1/rules?match[]=sum(x)", 400, "bad_data", "series selector");
    check("GET", "/api/v1/rules?group_limit=0", 400, "bad_data", "greater than 0");
    check("GET", "/api/v1/rules?group_next_token=x", 400, "bad_data", "group_limit");
    check("GET", "/api/v1/rules?group_limit=1&group_next_token=x", 400, "bad_data", "changed");
    check("GET", "/api/v1/query?query=sum(", 400, "bad_data", "1:5: parse error");
    check("GET", "/api/v1/query?query=up&limit=-1", 400, "bad_data", "limit");
}
