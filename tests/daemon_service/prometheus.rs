//! The same questions to the real Prometheus, beside ours: the same keys, and values of the same kinds.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::process::{Home, call, until};
use super::shape::differences;
use super::world::World;

const RULES: &str = "
groups:
- name: g
  rules:
  - {alert: Bad, expr: bad > 0, for: 100ms, labels: {severity: page}, annotations: {summary: 'it is {{ $value }}'}}
  - {alert: Broken, expr: 'bad * on () group_left () twice'}
  - {record: 'job:bad:sum', expr: sum by (job) (bad), labels: {team: a}}
";
const PAGE: &str = "bad{service=\"s\"} 1.5\ntwice{a=\"1\"} 1\ntwice{a=\"2\"} 2\n";

struct Prometheus {
    child: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The real Prometheus on the same target and rules; `None` where it is not installed.
fn prometheus(home: &Home, world: &World) -> Option<Prometheus> {
    Command::new("prometheus").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    let config = format!(
        "
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
scrape_configs:
- {{job_name: j, static_configs: [{{targets: ['{}']}}]}}
rule_files: [rules.yaml]
",
        world.address
    );
    home.write("prometheus.yml", &config);
    // Free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("it is free").to_string();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", home.path("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", home.path("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(home.path("prometheus.log")).expect("there is room"))
        .spawn()
        .ok()?;
    let this = Prometheus { child, address };
    until("Prometheus listens", || std::net::TcpStream::connect(&this.address).ok());
    Some(this)
}

fn json(address: &str, method: &str, path: &str, form: &str) -> (u16, Value) {
    let (status, body) = call(address, method, path, form);
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

#[test]
fn the_api_has_prometheus_shapes() {
    let world = World::new(PAGE);
    let config = format!(
        "
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
scrape_configs:
- {{job_name: j, static_configs: [{{targets: ['{address}']}}]}}
rule_files: [rules.yaml]
store: {{retain: all}}
route: {{receiver: people}}
receivers: [{{name: people, webhook_configs: [{{url: 'http://{address}/people'}}]}}]
",
        address = world.address
    );
    let home = Home::new(&[("atalaya.yaml", &config), ("rules.yaml", RULES)]);
    let Some(theirs) = prometheus(&home, &world) else {
        eprintln!("skipped: there is no `prometheus` here");
        return;
    };
    let ours = home.start(&[]);
    for address in [&ours.address, &theirs.address] {
        until("the alert fires, the broken rule has failed, the recorded series is there", || {
            let (_, rules) = json(address, "GET", "/api/v1/rules", "");
            let rules = &rules["data"]["groups"][0]["rules"];
            let (_, recorded) = json(address, "GET", "/api/v1/query?query=job:bad:sum", "");
            let is_there = recorded["data"]["result"][0]["value"].is_array();
            (rules[0]["state"] == "firing" && rules[1]["health"] == "err" && is_there).then_some(())
        });
    }
    // What only later versions have, and what is ours.
    let newer = ["droppedTargetCounts", "keepFiringFor", "serverTime"];
    let own = ["unknownSince", "durable", "reloadProblems", "source", "application", "applicationVersion"];
    let go = ["goroutineCount", "GOMAXPROCS", "GOGC", "GODEBUG", "GOMEMLIMIT"];
    let check = |method: &str, path: &str, form: &str| {
        let (our_status, our_answer) = json(&ours.address, method, path, form);
        let (their_status, their_answer) = json(&theirs.address, method, path, form);
        assert_eq!(our_status, their_status, "{method} {path} {form}: {our_answer} {their_answer}");
        let found = differences(&our_answer, &their_answer, &[newer.as_slice(), &own].concat(), &go);
        assert_eq!(found, [""; 0], "{method} {path} {form}:\n{our_answer:#}\n{their_answer:#}");
        (our_answer, their_answer)
    };
    for path in ["rules", "rules?type=alert", "rules?type=record", "rules?type=other", "alerts", "targets"] {
        check("GET", &format!("/api/v1/{path}"), "");
    }
    for path in ["targets?state=active", "targets?state=dropped", "alertmanagers", "status/config"] {
        check("GET", &format!("/api/v1/{path}"), "");
    }
    for path in ["status/runtimeinfo", "status/buildinfo"] {
        check("GET", &format!("/api/v1/{path}"), "");
    }
    for query in
        ["bad", "bad%20*%202", "vector(1)", "time()", "1%2B1", "%22text%22", "bad%5B5m%5D", "bad%20%2B", "nosuch"]
    {
        let (our_answer, their_answer) = check("GET", &format!("/api/v1/query?query={query}"), "");
        assert_eq!(our_answer["data"]["resultType"], their_answer["data"]["resultType"], "{query}");
        check("POST", "/api/v1/query", &format!("query={query}"));
    }
    for query in ["query=bad&time=yesterday", "query=", "", "query=bad*on()group_left()twice", "query=bad&timeout=x"] {
        let (our_answer, their_answer) = check("GET", &format!("/api/v1/query?{query}"), "");
        assert_eq!(our_answer["errorType"], their_answer["errorType"], "{query}");
    }
    // At a moment that both know, to the digit.
    let query = "query=vector(1)/3&time=1435781451.781";
    let (our_answer, their_answer) = check("GET", &format!("/api/v1/query?{query}"), "");
    assert_eq!(our_answer, their_answer);
}
