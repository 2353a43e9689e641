//! What configurations become, and what is said of broken ones: `tests/config/bad/*.yaml`, each named after its mistake
//! with the message beside it. A file with `groups:` is a rule file, and is named by a configuration that is sound.
//!
//! `ATALAYA_BLESS=1 cargo test --test config` writes the messages anew; read the difference before you keep it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atalaya::config::{Config, RawConfig, load};
use atalaya::dispatch::GroupBy;
use atalaya::model::{IntegrationKind, Problems, ReceiverName};
use atalaya::receiver::{Endpoint, Receiver};
use atalaya::transport::SecretSource;

const SOUND: &str = "route: {receiver: people}\n\
    receivers: [{name: people, webhook_configs: [{url: 'http://127.0.0.1:9099/'}]}]\n";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Loads a configuration that is a text, with rule files by name.
fn load_text(main: &str, rule_files: &[(&str, &str)]) -> Result<Config, Problems> {
    let read = |path: &Path| {
        let all = [("atalaya.yaml", main)];
        let found = all.iter().chain(rule_files).find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    load(Path::new("atalaya.yaml"), &read)
}

#[test]
fn every_mistake_is_told_as_blessed() {
    let bless = std::env::var_os("ATALAYA_BLESS").is_some();
    let folder = root().join("tests/config/bad");
    let (mut mistakes, mut goldens, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "txt") {
            goldens.insert(stem);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let result = if text.contains("groups:\n") {
            let file = format!("{stem}.yaml");
            load_text(&format!("{SOUND}rule_files: [{file}]\n"), &[(&file, &text)])
        } else {
            load_text(&text, &[("rules.yaml", "")])
        };
        let told = match result {
            Ok(_) => "nothing is wrong\n".to_owned(),
            Err(problems) => format!("{problems}\n"),
        };
        assert!(!told.contains("nothing is wrong"), "{stem} loads");
        assert!(!told.contains("hunter2"), "{stem} tells a secret:\n{told}");
        let golden = folder.join(format!("{stem}.txt"));
        if bless {
            std::fs::write(&golden, &told).unwrap();
            goldens.insert(stem.clone());
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(format!("{stem}:\n{told}"));
        }
        mistakes.insert(stem);
    }
    assert!(wrong.is_empty(), "not as blessed:\n\n{}", wrong.join("\n"));
    assert_eq!(mistakes, goldens, "each mistake has one message, each message a mistake");
    assert!(mistakes.len() > 60, "{} mistakes", mistakes.len());
}

#[test]
fn the_configuration_of_enova_loads() {
    let path = root().join("rules/atalaya.yaml");
    let config = load(&path, &|path| std::fs::read_to_string(path)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.scrape.len(), 6);
    let target = &config.scrape[1];
    assert_eq!(target.id.as_str(), "gateway/http://gateway-canary.enova-staging.svc:9090/metrics");
    assert_eq!(target.url, "http://gateway-canary.enova-staging.svc:9090/metrics");
    assert_eq!(
        target.labels.to_string(),
        r#"{instance="gateway-canary.enova-staging.svc:9090", job="gateway", service="gateway", track="canary"}"#
    );
    assert_eq!((target.interval, target.timeout), (seconds(15), seconds(10)));

    assert_eq!(config.rule_files, ["enova.yaml"]);
    let group = &config.groups[0];
    assert_eq!((group.file.as_str(), group.name.as_str(), group.interval), ("enova.yaml", "enova", seconds(15)));
    let names: Vec<_> = group.alerts().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        ["HighErrorRate", "HighLatency", "ChatLatencyHigh", "PodCPUSaturation", "PodRestarting", "TrafficChange"]
    );
    let rule = group.alerts().next().unwrap();
    assert_eq!(rule.id.as_str(), r#"enova.yaml;enova;HighErrorRate{severity="critical"}"#);
    assert_eq!((rule.hold, rule.keep_firing_for), (seconds(300), Duration::ZERO));
    assert!(rule.source.starts_with("max by (service) (\n") && rule.source.ends_with(") > 0.01"), "{}", rule.source);
    let annotations: Vec<_> = rule.annotations.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(annotations, ["summary", "description", "runbook_url"]);

    let route = &config.route;
    assert_eq!(route.receiver.as_ref().map(ReceiverName::as_str), Some("slack"));
    assert_eq!(route.group_by, Some(GroupBy::Labels(vec!["alertname".into(), "service".into()])));
    assert_eq!((route.group_wait, route.repeat_interval), (Some(seconds(30)), Some(seconds(4 * 3600))));
    let matchers: Vec<_> = route.routes[0].matchers.iter().map(ToString::to_string).collect();
    assert_eq!(matchers, [r#"alertname="HighErrorRate""#, r#"service=~"gateway|frontend""#]);

    let ids: Vec<_> = config.receivers.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(
        ids,
        [
            "slack/slack/0",
            "oncall/slack/0",
            "oncall/pagerduty/0",
            "oncall-rollback/slack/0",
            "oncall-rollback/pagerduty/0",
            "oncall-rollback/rollback/0"
        ]
    );
    let Receiver::Slack(slack) = &config.receivers[0].1 else { panic!("{:?}", config.receivers[0]) };
    assert_eq!((slack.api_url.as_str(), slack.channel.as_str()), ("https://slack.com/api", "#enova-alerts"));
    assert_eq!(slack.token.as_str(), "receivers[slack].slack_configs[0].bot_token");
    let Receiver::PagerDuty(pagerduty) = &config.receivers[2].1 else { panic!("{:?}", config.receivers[2]) };
    assert_eq!(pagerduty.url, "https://events.pagerduty.com/v2/enqueue");
    assert!(pagerduty.send_resolved);
    let (name, source) = config.secrets.last().unwrap();
    assert_eq!(name.as_str(), "receivers[oncall-rollback].rollback_configs[0].secret");
    assert_eq!(*source, SecretSource::Env("ROLLBACK_WEBHOOK_SECRET".into()));

    let rollback = &config.rollbacks[0];
    assert_eq!(rollback.key, ["service"]);
    assert_eq!((rollback.cooldown, rollback.deadline), (seconds(1800), seconds(900)));
    assert_eq!(config.external_labels.to_string(), r#"{env="staging"}"#);
    let measures = config.evaluator_spec().measures;
    assert_eq!((measures.len(), measures[0].id.kind), (1, IntegrationKind::Rollback));
    assert_eq!(config.engine_spec().rollbacks.len(), 1);
}

#[test]
fn the_first_configuration_loads() {
    let path = root().join("rules/first-config.yaml");
    let config = load(&path, &|path| std::fs::read_to_string(path)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.scrape[0].labels.to_string(), r#"{instance="localhost:9100", job="node"}"#);
    assert_eq!(config.groups[0].rules.len(), 2);
    let Receiver::Webhook(webhook) = &config.receivers[0].1 else { panic!("{:?}", config.receivers[0]) };
    assert_eq!(webhook.url, Endpoint::Plain("http://127.0.0.1:9099/".into()));
    assert_eq!((webhook.send_resolved, webhook.max_alerts), (true, 0));
    assert!(config.secrets.is_empty() && config.rollbacks.is_empty());
    assert_eq!((config.listen, config.state_dir), (None, None));
}

#[test]
fn what_prometheus_takes_is_taken() {
    let check = |rules: &str, groups: usize, alerts: usize| {
        let main = format!("{SOUND}rule_files: [r.yaml]\n");
        let config = load_text(&main, &[("r.yaml", rules)]).unwrap_or_else(|problems| panic!("{rules}\n{problems}"));
        let found: usize = config.groups.iter().map(|group| group.rules.len()).sum();
        assert_eq!((config.groups.len(), found), (groups, alerts), "{rules}");
    };
    check("", 0, 0);
    check("# nothing yet\n", 0, 0);
    check("groups:\n", 0, 0);
    check("groups: []\n", 0, 0);
    check("groups:\n- name: a\n- name: b\n  rules:\n", 2, 0);
    check("groups:\n- name: a\n  limit: 0\n  query_offset: 0s\n  rules:\n  - alert: A\n    expr: 1\n", 1, 1);
    check("groups:\n- name: a\n  rules:\n  - {alert: A, expr: up == 0, for: 0, labels: {n: 1}, annotations: }\n", 1, 1);
    check(
        "groups:\n- name: a\n  rules:\n  - &r {alert: A, expr: &e up == 0}\n  - {<<: *r, alert: B}\n  - {alert: C, expr: *e}\n",
        1,
        3,
    );
    check("groups:\n- name: a\n  rules:\n  - {alert: A, expr: up == 0, annotations: {ins-tance: x, empty: }}\n", 1, 1);
}

#[test]
fn rules_that_differ_in_their_expression_only_are_told_apart() {
    let rules = "groups:\n- name: g\n  labels: {team: sre, severity: none}\n  interval: 5s\n  rules:\n  \
        - {alert: A, expr: up == 0, labels: {severity: page}}\n  - {alert: A, expr: up == 1, labels: {severity: page}}\n";
    let config = load_text(&format!("{SOUND}rule_files: [r.yaml]\n"), &[("r.yaml", rules)]).unwrap();
    let ids: Vec<_> = config.groups[0].alerts().map(|rule| rule.id.as_str()).collect();
    let id = r#"r.yaml;g;A{severity="page",team="sre"}"#;
    assert_eq!(ids, [id.to_owned(), format!("{id}#2")]);
    assert_eq!(config.groups[0].interval, seconds(5));
}

#[test]
fn alertmanager_s_forms_and_our_defaults() {
    let main = "
global: {scrape_interval: 5s, slack_api_url: 'http://127.0.0.1:1/api/', external_url: 'https://a.example/'}
web: {listen: '127.0.0.1:9090'}
state: {dir: state}
scrape_configs:
- job_name: node
  scheme: https
  metrics_path: /m
  static_configs: [{targets: ['[::1]:9100', host], labels: {instance: '', zone: a}}]
- job_name: slow
  scrape_interval: 1m
  static_configs: [{targets: [host], labels: {job: other}}]
route:
  receiver: drop
  group_by: []
  routes:
  - match: {severity: critical}
    match_re: {service: a|b}
    matchers: ['{team=sre, zone!=b}']
    continue: true
    group_by: ['...']
    receiver: all
receivers:
- name: drop
- name: all
  slack_configs: [{channel: C01, bot_token_file: token, send_resolved: false, timeout: 3s}]
  pagerduty_configs: [{routing_key: abc}]
  webhook_configs: [{url_file: /run/url, max_alerts: 5}, {url: 'https://user:pw@example.com/'}, {url: '${HOOK}'}]
";
    let config = load_text(main, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let targets: Vec<_> = config.scrape.iter().map(|it| (it.id.as_str(), it.timeout.as_secs())).collect();
    assert_eq!(
        targets,
        [("node/https://[::1]:9100/m", 5), ("node/https://host/m", 5), ("slow/http://host/metrics", 5)]
    );
    assert_eq!(config.scrape[1].labels.to_string(), r#"{instance="host", job="node", zone="a"}"#);
    assert_eq!(config.scrape[2].labels.to_string(), r#"{instance="host", job="other"}"#);
    assert_eq!(config.external_url, "https://a.example");
    assert_eq!(config.evaluation_interval, seconds(60));
    assert_eq!(config.listen.map(|it| it.port()), Some(9090));
    assert_eq!(config.state_dir.as_deref(), Some(Path::new("state")));
    assert_eq!(config.route.group_by, None);
    let child = &config.route.routes[0];
    let matchers: Vec<_> = child.matchers.iter().map(ToString::to_string).collect();
    assert_eq!(matchers, [r#"team="sre""#, r#"zone!="b""#, r#"severity="critical""#, r#"service=~"a|b""#]);
    assert!(child.continue_matching && child.group_by == Some(GroupBy::All));
    let Receiver::Slack(slack) = &config.receivers[0].1 else { panic!("{:?}", config.receivers[0]) };
    assert_eq!(
        (slack.api_url.as_str(), slack.send_resolved, slack.timeout),
        ("http://127.0.0.1:1/api", false, seconds(3))
    );
    let secrets: Vec<_> = config.secrets.iter().map(|(name, source)| format!("{name} {source:?}")).collect();
    assert_eq!(
        secrets,
        [
            r#"receivers[all].slack_configs[0].bot_token File("token")"#,
            "receivers[all].pagerduty_configs[0].routing_key Inline(…)",
            r#"receivers[all].webhook_configs[0].url File("/run/url")"#,
            "receivers[all].webhook_configs[1].url Inline(…)",
            r#"receivers[all].webhook_configs[2].url Env("HOOK")"#,
        ]
    );
}

#[test]
fn a_demo_exchanges_addresses_urls_and_secrets_only() {
    let path = root().join("rules/atalaya.yaml");
    let read = |path: &Path| std::fs::read_to_string(path);
    let mut raw = RawConfig::read(&path, &read);
    raw.replace_targets(&|address| {
        address.contains("canary").then(|| address.replace(".enova-staging.svc", ".localhost"))
    });
    raw.replace_endpoints(&|kind, now| match kind {
        IntegrationKind::Slack => Some(now.replace("https://slack.com", "http://127.0.0.1:2")),
        IntegrationKind::Rollback => Some("http://127.0.0.1:3/rollback".to_owned()),
        _ => None,
    });
    raw.replace_secrets(&|name| name.ends_with(".bot_token").then(|| "fake".to_owned()));
    let config = raw.build().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.scrape[0].url, "http://gateway-legacy.enova-staging.svc:9090/metrics");
    assert_eq!(config.scrape[1].url, "http://gateway-canary.localhost:9090/metrics");
    let Receiver::Slack(slack) = &config.receivers[0].1 else { panic!("{:?}", config.receivers[0]) };
    assert_eq!(slack.api_url, "http://127.0.0.1:2/api");
    let Receiver::Rollback(rollback) = &config.receivers[5].1 else { panic!("{:?}", config.receivers[5]) };
    assert_eq!(rollback.url, Endpoint::Plain("http://127.0.0.1:3/rollback".into()));
    let inline = config.secrets.iter().filter(|(_, source)| *source == SecretSource::Inline("fake".into())).count();
    assert_eq!(inline, 3);
}

#[test]
fn one_broken_file_does_not_hide_the_others() {
    let main = format!("{SOUND}rule_files: [a.yaml, b.yaml, c.yaml]\nzzz: 1\n");
    let rules = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up +}\n";
    let told = load_text(&main, &[("a.yaml", "groups: 1\n"), ("b.yaml", rules)]).unwrap_err();
    let places: Vec<_> = told.0.iter().map(|problem| problem.place.to_string()).collect();
    assert_eq!(places, ["atalaya.yaml:3:30", "atalaya.yaml:4:1", "a.yaml:1:9", "b.yaml:4:26"], "{told}");
}

#[test]
fn bombs_are_refused() {
    let mut bomb = "templates:\n- &a0 [x]\n".to_owned();
    for at in 1..20 {
        let list = format!("*a{},", at - 1).repeat(20);
        bomb.push_str(&format!("- &a{at} [{list}]\n"));
    }
    let told = load_text(&bomb, &[]).unwrap_err().to_string();
    assert!(told.contains("the file holds more than a configuration can"), "{told}");
    let deep = "route: {routes: [".to_owned() + &"{routes: [".repeat(100_000);
    let told = load_text(&deep, &[]).unwrap_err();
    assert_eq!(told.0[0].what, "the file is nested more than 24 deep");
    let told = load_text(&" ".repeat(17 * 1024 * 1024), &[]).unwrap_err().to_string();
    assert_eq!(told, "atalaya.yaml: the file has more than 16777216 bytes");
}

#[test]
fn a_file_that_is_cut_or_mixed_up_is_read_or_refused() {
    let text = |name: &str| std::fs::read_to_string(root().join("rules").join(name)).unwrap();
    let (main, rules) = (text("atalaya.yaml"), text("enova.yaml"));
    let rules: String =
        rules.lines().filter(|line| !line.trim_start().starts_with('#')).map(|it| format!("{it}\n")).collect();
    for (at, _) in main.char_indices().step_by(97) {
        let _ = load_text(&main[..at], &[("enova.yaml", "")]);
    }
    for (at, _) in rules.char_indices().step_by(97) {
        let _ = load_text(&main, &[("enova.yaml", &rules[..at])]);
    }
    let lines: Vec<&str> = rules.lines().collect();
    for at in (0..lines.len()).step_by(3) {
        let mut mixed = lines.clone();
        mixed.swap(at, (at * 7 + 3) % lines.len());
        let _ = load_text(&main, &[("enova.yaml", &mixed.join("\n").replace("sum", "sum\u{e9}"))]);
    }
}
