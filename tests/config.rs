//! What configurations become, and what is said of broken ones: `tests/config/bad/*.yaml`, each named after its mistake
//! with the message beside it. A file with `groups:` is a rule file, and is named by a configuration that is sound.
//!
//! `ATALAYA_BLESS=1 cargo test --test config` writes the messages anew; read the difference before you keep it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use atalaya::config::{Config, Files, LINTS, RawConfig, load, load_from};
use atalaya::dispatch::GroupBy;
use atalaya::model::{Compat, IntegrationKind, Problems, ReceiverName, SourceName};
use atalaya::receiver::{Endpoint, Receiver};
use atalaya::rule::{AlertRule, OnUnknown, Rule};
use atalaya::store::Retain;
use atalaya::transport::SecretSource;

const SOUND: &str = "route: {receiver: people}\n\
    receivers: [{name: people, webhook_configs: [{url: 'http://127.0.0.1:9099/'}]}]\n";

/// A rule file in which nothing is odd.
const RULES: &str = "groups:\n- name: node\n  rules:\n  - {alert: Down, expr: up == 0, for: 5m}\n";

/// One that looks back a little less than two scrapes of three minutes.
const SHORT: &str = "groups:\n- name: node\n  rules:\n  - {record: a, expr: 'sum(rate(x[5m]))'}\n  \
    - {record: b, expr: 'rate(x[6m]) + max_over_time(x[1m])'}\n";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Loads a configuration that is a text, with rule files by name and by pattern.
fn load_text(main: &str, rule_files: &[(&str, &str)]) -> Result<Config, Problems> {
    let read = |path: &Path| {
        let all = [("atalaya.yaml", main)];
        let found = all.iter().chain(rule_files).find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let list = |directory: &Path| {
        let inside = rule_files.iter().filter(|(name, _)| Path::new(name).parent() == Some(directory));
        Ok(inside.filter_map(|(name, _)| Path::new(name).file_name()?.to_str().map(str::to_owned)).collect())
    };
    load_from(Path::new("atalaya.yaml"), Files { read: &read, list: &list })
}

/// The one alert rule of a configuration.
fn alert(config: &Config, index: usize) -> &AlertRule {
    config.groups[0].alerts().nth(index).expect("there are as many alert rules")
}

/// Whether a text is a rule file.
fn is_rule_file(text: &str) -> bool {
    text.starts_with("groups:")
}

/// Holds what is told of each file in a folder to the text beside it; `tell` says what.
fn hold_to_goldens(folder: &str, tell: &dyn Fn(&str, &str) -> String) -> usize {
    let bless = std::env::var_os("ATALAYA_BLESS").is_some();
    let folder = root().join(folder);
    let (mut mistakes, mut goldens, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("names are UTF-8").to_owned();
        if path.extension().is_some_and(|extension| extension == "txt") {
            goldens.insert(stem);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let told = tell(&stem, &text);
        assert!(!told.contains("hunter2"), "{stem} tells a secret:\n{told}");
        let golden = folder.join(format!("{stem}.txt"));
        if bless {
            std::fs::write(&golden, &told).expect("the golden can be written");
            goldens.insert(stem.clone());
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(format!("{stem}:\n{told}"));
        }
        mistakes.insert(stem);
    }
    assert!(wrong.is_empty(), "not as blessed:\n\n{}", wrong.join("\n"));
    assert_eq!(mistakes, goldens, "each mistake has one message, each message a mistake");
    mistakes.len()
}

#[test]
fn every_mistake_is_told_as_blessed() {
    let mistakes = hold_to_goldens("tests/config/bad", &|stem, text| {
        let result = if is_rule_file(text) {
            let file = format!("{stem}.yaml");
            load_text(&format!("{SOUND}rule_files: [{file}]\n"), &[(&file, text)])
        } else {
            load_text(text, &[("rules.yaml", "")])
        };
        match result {
            Ok(_) => panic!("{stem} loads"),
            Err(problems) => format!("{problems}\n"),
        }
    });
    assert!(mistakes > 80, "{mistakes} mistakes");
}

#[test]
fn what_is_not_meant_is_told_as_blessed() {
    let told = Mutex::new(BTreeSet::new());
    hold_to_goldens("tests/config/lint", &|stem, text| {
        let result = if is_rule_file(text) {
            RawConfig::of_either(Path::new("rules.yaml"), text.to_owned(), Files::disk()).build()
        } else {
            load_text(text, &[("rules.yaml", RULES), ("rules/more.yaml", RULES), ("short.yaml", SHORT)])
        };
        let config = result.unwrap_or_else(|problems| panic!("{stem}: {problems}"));
        told.lock().expect("no one panics with it").extend(config.lints.iter().map(|finding| finding.lint));
        config.lints.iter().map(|it| format!("{}: {}\n", it.lint, it.problem)).collect()
    });
    let every: BTreeSet<_> = LINTS.iter().map(|lint| lint.name).collect();
    assert_eq!(told.into_inner().expect("no one panics with it"), every, "each lint has a case");
}

#[test]
fn what_asks_for_nothing_loads() {
    let text = "\
global:
  scrape_interval: 0s
  scrape_timeout: 0s
  evaluation_interval: 0s
  always_scrape_classic_histograms: true
  scrape_native_histograms: false
  resolve_timeout: 5m
  smtp_smarthost: 'mail:25'
  smtp_require_tls: false
  smtp_auth_password: hunter2
  opsgenie_api_key: hunter2
scrape_configs:
- job_name: node
  scrape_interval: 0s
  scrape_timeout: 0s
  metrics_path: probe
  convert_classic_histograms_to_nhcb: false
  basic_auth: {password: hunter2}
  kubernetes_sd_configs: []
  static_configs: [{targets: ['my_node:9100']}, {targets: }]
alerting:
  alertmanagers:
  - static_configs:
    - targets:
      # - alertmanager:9093
rule_files: [rules.yaml]
remote_write: []
inhibit_rules:
";
    let rules = "groups:\n- name: node\n  interval: 0s\n  rules:\n  - {alert: Down, expr: up == 0}\n";
    let config = load_text(text, &[("rules.yaml", rules)]).unwrap_or_else(|problems| panic!("{problems}"));
    let target = &config.static_targets()[0];
    assert_eq!(target.url, "http://my_node:9100/probe");
    assert_eq!((target.interval, target.timeout), (seconds(60), seconds(10)));
    assert_eq!((config.evaluation_interval, config.groups[0].interval), (seconds(60), seconds(60)));
    assert!(config.alertmanagers.alertmanagers.is_empty());
    let lints: Vec<_> = config.lints.iter().map(|finding| finding.lint).collect();
    assert_eq!(lints, ["alerts-reach-nobody"]);
}

#[test]
fn rule_files_are_checked_beside_a_main_file_that_is_not_yaml() {
    let broken = "groups:\n- name: node\n  rules:\n  - {alert: Down, expr: up ==}\n";
    let told = |main: &str| {
        let problems = load_text(main, &[("rules.yaml", broken)]).unwrap_err();
        problems.0.iter().map(|it| format!("{}:{}", it.place.file, it.place.line.unwrap_or(0))).collect::<Vec<_>>()
    };
    let after = "global: {\nrule_files: [rules.yaml]\nscrape_configs: []\n";
    assert_eq!(told(after), ["atalaya.yaml:3", "rules.yaml:4"]);
    let before = "rule_files:\n- rules.yaml\n# more\n- nowhere.yaml\nscrape_configs:\n\t- job_name: a\n";
    assert_eq!(told(before), ["atalaya.yaml:4", "atalaya.yaml:6", "rules.yaml:4"]);
    // Nobody knows what was meant there.
    assert_eq!(told("rule_files: [rules.yaml\nscrape_configs: []\n"), ["atalaya.yaml:2"]);
}

#[test]
fn the_configuration_of_enova_loads() {
    let path = root().join("rules/atalaya.yaml");
    let config = load(&path, &|path| std::fs::read_to_string(path)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.static_targets().len(), 6);
    let target = &config.static_targets()[1];
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
    let names: Vec<_> = group.rules.iter().map(Rule::name).collect();
    assert_eq!(
        names,
        ["HighErrorRate", "HighLatency", "ChatLatencyHigh", "PodCPUSaturation", "PodRestarting", "TrafficChange"]
    );
    let rule = alert(&config, 0);
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
    assert_eq!((slack.api_url.as_str(), slack.channel.source()), ("https://slack.com/api", "#enova-alerts"));
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
    assert_eq!(config.lints, []);
}

#[test]
fn the_first_configuration_loads() {
    let path = root().join("rules/first-config.yaml");
    let config = load(&path, &|path| std::fs::read_to_string(path)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.static_targets()[0].labels.to_string(), r#"{instance="localhost:9100", job="node"}"#);
    assert_eq!(config.groups[0].rules.len(), 2);
    let Receiver::Webhook(webhook) = &config.receivers[0].1 else { panic!("{:?}", config.receivers[0]) };
    assert_eq!(webhook.url, Endpoint::Plain("http://127.0.0.1:9099/".into()));
    assert_eq!((webhook.send_resolved, webhook.max_alerts), (true, 0));
    assert!(config.secrets.is_empty() && config.rollbacks.is_empty() && config.lints.is_empty());
    assert_eq!((config.listen, config.state_dir), (None, None));
}

#[test]
fn rules_and_guards_ask_the_source_that_is_said() {
    let rules =
        "groups: [{name: a, rules: [{alert: A, expr: up == 0}]}, {name: b, rules: [{alert: B, expr: up == 0}]}]\n";
    let main = |more: &str| {
        let receivers = "route: {receiver: r}\nreceivers:\n- name: r\n  webhook_configs: [{url: 'http://r/'}]\n  \
             rollback_configs: [{url: 'http://r/', secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=, rollback_key: [], while: up > 0}]\n";
        format!("rule_files: [r.yaml]\n{receivers}{more}")
    };
    let check = |more: &str, groups: [&str; 2], guard: &str| {
        let config = load_text(&main(more), &[("r.yaml", rules)]).unwrap_or_else(|problems| panic!("{problems}"));
        let found: Vec<&str> = config.groups.iter().map(|group| group.source.as_str()).collect();
        assert_eq!((found, config.evaluator_spec().measures[0].source.as_str()), (groups.to_vec(), guard), "{more}");
    };
    let apis = "apis: [{name: thanos, url: 'http://t/'}, {name: mimir, url: 'http://m/'}]";
    check("", ["", ""], "");
    check(&format!("source: {{{apis}}}\n"), ["", ""], "");
    check(&format!("source: {{default: thanos, {apis}}}\n"), ["thanos", "thanos"], "thanos");
    let options = "rule_options: [{groups: [a], source: embedded}, {groups: [b], source: mimir}]";
    check(&format!("source: {{default: thanos, {apis}}}\n{options}\n"), ["", "mimir"], "thanos");
}

#[test]
fn alerts_that_are_sent_on_reach_somebody() {
    let check = |more: &str, lints: usize| {
        let rules = "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]\n";
        let main = format!("rule_files: [r.yaml]\n{more}");
        let config = load_text(&main, &[("r.yaml", rules)]).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.lints.len(), lints, "{:?}", config.lints);
    };
    check("", 1);
    check("alerting: {alertmanagers: [{static_configs: [{targets: ['am:9093']}]}]}\n", 0);
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
    check("groups:\n- name: a\n  rules:\n  - {record: 'job:up:sum', expr: sum by (job) (up), labels: {a: b}}\n", 1, 1);
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
fn recording_rules_and_the_settings_of_groups() {
    let main = format!("global: {{rule_query_offset: 30s}}\n{SOUND}rule_files: [r.yaml]\n");
    let rules = "groups:\n- name: a\n  limit: 7\n  labels: {team: sre}\n  rules:\n  \
        - {record: 'x{}y', expr: 1}\n- name: b\n  query_offset: 0s\n  rules: [{record: r, expr: up, labels: {a: '{{x}}'}}]\n";
    let told = load_text(&main, &[("r.yaml", rules)]).unwrap_err();
    assert_eq!((told.0.len(), told.0[0].what.as_str()), (1, "the name of a recorded series holds braces"));
    let config = load_text(&main, &[("r.yaml", &rules.replace("x{}y", "x y"))]).unwrap();
    let [a, b] = &config.groups[..] else { panic!("{:?}", config.groups) };
    assert_eq!((a.limit, a.query_offset, a.interval), (7, seconds(30), seconds(60)));
    assert_eq!((b.limit, b.query_offset), (0, Duration::ZERO));
    let (Rule::Record(first), Rule::Record(second)) = (&a.rules[0], &b.rules[0]) else { panic!("{a:?}") };
    assert_eq!((first.name.as_str(), first.id.as_str()), ("x y", r#"r.yaml;a;x y{team="sre"}"#));
    assert_eq!(first.labels, [("team".to_owned(), "sre".to_owned())]);
    assert_eq!(second.labels, [("a".to_owned(), "{{x}}".to_owned())]);
}

#[test]
fn rule_files_are_found_by_pattern_and_read_once() {
    let files = [("rules/b.yaml", "groups: [{name: b}]"), ("rules/a.yaml", "groups: [{name: a}]"), ("c.yaml", "")];
    let check = |rule_files: &str, want: &[&str], lints: &[&str]| {
        let config = load_text(&format!("{SOUND}rule_files: {rule_files}\n"), &files).unwrap();
        let found: Vec<_> = config.lints.iter().map(|finding| finding.lint).collect();
        assert_eq!((config.rule_files, found), (want.iter().map(|it| (*it).to_owned()).collect(), lints.to_vec()));
    };
    check("['rules/*.yaml']", &["rules/a.yaml", "rules/b.yaml"], &[]);
    check("[rules/b.yaml, 'rules/*']", &["rules/b.yaml", "rules/a.yaml"], &[]);
    check("['rules/[a]*', ./rules/a.yaml]", &["rules/a.yaml"], &["rule-files-empty"]);
    check("['nowhere/*.yaml', c.yaml]", &["c.yaml"], &["rule-files-empty"]);
    let read = |_: &Path| Ok(format!("{SOUND}rule_files: ['rules/*.yaml']\n"));
    let told = load(Path::new("atalaya.yaml"), &read).unwrap_err();
    assert_eq!(told.0[0].what, "files have to be named one by one here");
}

#[test]
fn groups_are_told_how_to_be_evaluated() {
    let main = format!(
        "{SOUND}rule_files: [slo.yaml, 'r/*.yaml']
rule_options:
- {{on_unknown: resolve}}
- {{files: ['r/*.yaml'], unknown_after: 30m}}
- {{files: [./slo.yaml], groups: [a], on_unknown: keep, source: embedded}}
store: {{retain: ['{{__name__=~\"node_.*\"}}', up], series_max: 2000000, memory_max: 4GB}}
compat: strict
"
    );
    let rules = "groups: [{name: a}, {name: b}]";
    let config = load_text(&main, &[("slo.yaml", rules), ("r/x.yaml", rules)]).unwrap_or_else(|told| panic!("{told}"));
    let options: Vec<_> =
        config.groups.iter().map(|it| (it.on_unknown, it.unknown_after.as_secs() / 60, it.source.clone())).collect();
    let embedded = SourceName::embedded();
    assert_eq!(
        options,
        [
            (OnUnknown::Keep, 15, embedded.clone()),
            (OnUnknown::Resolve, 15, embedded.clone()),
            (OnUnknown::Resolve, 30, embedded.clone()),
            (OnUnknown::Resolve, 30, embedded)
        ]
    );
    let Retain::Matchers(kept) = &config.store.retain else { panic!("{:?}", config.store) };
    let kept: Vec<_> = kept.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(kept, [r#"__name__=~"node_.*""#, r#"__name__="up""#]);
    assert_eq!((config.store.series_max, config.store.memory_max), (Some(2_000_000), Some(4 << 30)));
    assert_eq!(config.compat, Compat::Strict);
    let config = load_text("store: {retain: all}\n", &[]).unwrap();
    assert_eq!((config.store.retain, config.compat), (Retain::All, Compat::Default));
}

#[test]
fn a_file_for_each_peer_and_one_for_both() {
    let prometheus = "global: {scrape_interval: 15s}\nrule_files: [r.yaml]\nscrape_configs:\n\
        - {job_name: node, static_configs: [{targets: ['localhost:9100']}]}\n";
    let check = |main: &str, targets: usize, receivers: usize, lints: &[&str]| {
        let config = load_text(main, &[("r.yaml", RULES)]).unwrap_or_else(|told| panic!("{main}\n{told}"));
        let found: Vec<_> = config.lints.iter().map(|finding| finding.lint).collect();
        assert_eq!(
            (config.static_targets().len(), config.receivers.len(), found),
            (targets, receivers, lints.to_vec()),
            "{main}"
        );
    };
    check("global: {}\n", 0, 0, &[]);
    check("# nothing yet\n", 0, 0, &[]);
    check(prometheus, 1, 0, &["alerts-reach-nobody"]);
    check(SOUND, 0, 1, &[]);
    check(&format!("{SOUND}inhibit_rules: []\ntemplates:\ntime_intervals: []\n"), 0, 1, &[]);
    check(&format!("{prometheus}{SOUND}"), 1, 1, &[]);
}

#[test]
fn yaml_is_read_as_go_reads_it() {
    let check = |rules: &str, labels: &[(&str, &str)]| {
        let main = format!("{SOUND}rule_files: [r.yaml]\n");
        let config = load_text(&main, &[("r.yaml", rules)]).unwrap_or_else(|told| panic!("{rules}\n{told}"));
        let rule = alert(&config, 0);
        let found: Vec<_> = rule.labels.iter().map(|(name, text)| (name.as_str(), text.source())).collect();
        assert_eq!(found, labels, "{rules}");
    };
    let rule = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: 1\n    labels:";
    check(
        &format!("{rule} {{n: 1.50, b: yes, o: 0x1F, q: '~', s: !!str null, e: }}"),
        &[("n", "1.50"), ("b", "yes"), ("o", "0x1F"), ("q", "~"), ("s", "null"), ("e", "")],
    );
    check(&format!("{rule} ~"), &[]);
    check("---\ngroups: [{name: g, rules: [{alert: A, expr: 1, labels: {a: b}}]}]\n...\n---\n", &[("a", "b")]);
    check("\u{feff}groups: [{name: g, rules: [{alert: A, expr: 1, labels: {a: b}}]}]\r\n", &[("a", "b")]);
}

#[test]
fn what_is_merged_comes_behind_what_is_written() {
    let rules = "groups:\n- name: g\n  labels: &x {a: x, b: x}\n  rules:\n  - alert: A\n    expr: 1\n    \
        annotations: &y {b: y, c: y}\n    labels: {<<: [*x, *y], a: own}\n";
    let config = load_text(&format!("{SOUND}rule_files: [r.yaml]\n"), &[("r.yaml", rules)]).unwrap();
    let found: Vec<_> = alert(&config, 0).labels.iter().map(|(name, text)| (name.as_str(), text.source())).collect();
    assert_eq!(found, [("a", "own"), ("b", "x"), ("c", "y")]);
}

#[test]
fn ten_thousand_rules_are_read() {
    let mut rules = "groups:\n- name: g\n  rules:\n".to_owned();
    for at in 0..10_000 {
        rules.push_str(&format!(
            "  - alert: Errors{at}\n    expr: sum by (job) (rate(http_requests_total{{code=~\"5..\", shard=\"{at}\"}}[5m])) \
             > 0.01\n    for: 5m\n    labels: {{severity: page, team: sre}}\n    annotations:\n      \
             summary: '{{{{ $labels.job }}}} fails'\n"
        ));
    }
    let raw = RawConfig::of_either(Path::new("r.yaml"), rules, Files::disk());
    assert_eq!(raw.build().unwrap_or_else(|told| panic!("{told}")).groups[0].rules.len(), 10_000);
}

#[test]
fn rules_that_differ_in_their_expression_only_are_told_apart() {
    let rules = "groups:\n- name: g\n  labels: {team: sre, severity: none}\n  interval: 5s\n  rules:\n  \
        - {alert: A, expr: up == 0, labels: {severity: page}}\n  - {alert: A, expr: up == 1, labels: {severity: page}}\n";
    let config = load_text(&format!("{SOUND}rule_files: [r.yaml]\n"), &[("r.yaml", rules)]).unwrap();
    let ids: Vec<_> = config.groups[0].rules.iter().map(|rule| rule.id().as_str()).collect();
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
    let targets = config.static_targets();
    let targets: Vec<_> = targets.iter().map(|it| (it.id.as_str(), it.timeout.as_secs())).collect();
    assert_eq!(
        targets,
        [("node/https://[::1]:9100/m", 5), ("node/https://host/m", 5), ("slow/http://host/metrics", 5)]
    );
    assert_eq!(config.static_targets()[1].labels.to_string(), r#"{instance="host", job="node", zone="a"}"#);
    assert_eq!(config.static_targets()[2].labels.to_string(), r#"{instance="host", job="other"}"#);
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
    assert_eq!(config.static_targets()[0].url, "http://gateway-legacy.enova-staging.svc:9090/metrics");
    assert_eq!(config.static_targets()[1].url, "http://gateway-canary.localhost:9090/metrics");
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
fn who_has_very_many_problems_is_told_how_many() {
    let rules = format!("groups: [{{name: g, rules: [{}]}}]", "x, ".repeat(10_050));
    let told = RawConfig::of_either(Path::new("r.yaml"), rules, Files::disk()).build().unwrap_err();
    assert_eq!(
        (told.0.len(), told.0[10_000].to_string()),
        (10_001, "r.yaml: 50 more problems are not shown".to_owned())
    );
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

#[test]
fn jobs_of_other_files_are_read_from_where_they_are() {
    let main = format!(
        "{SOUND}scrape_config_files: [jobs/a.yaml]\nscrape_configs: [{{job_name: main, file_sd_configs: [{{files: [t.json]}}]}}]\n"
    );
    let jobs = "scrape_configs:\n- {job_name: a, file_sd_configs: [{files: [t.json]}]}\n";
    let config = load_text(&main, &[("jobs/a.yaml", jobs)]).unwrap_or_else(|problems| panic!("{problems}"));
    let shown: Vec<String> = config.scrape.iter().map(|job| format!("{} {:?}", job.name, job.discoveries)).collect();
    assert!(shown[0].starts_with("main ") && shown[0].contains("path: \"t.json\""), "{shown:?}");
    assert!(shown[1].starts_with("a ") && shown[1].contains("path: \"jobs/t.json\""), "{shown:?}");
    let twice = load_text(&main, &[("jobs/a.yaml", &jobs.replace("name: a", "name: main"))]).unwrap_err().to_string();
    let want = "jobs/a.yaml:2:14: scrape_configs[main]: a job of this name stands above";
    assert!(twice.starts_with(want), "{twice}");
    let missing = load_text(&main, &[]).unwrap_err().to_string();
    assert!(missing.contains("scrape_config_files[0]: `jobs/a.yaml`: there is no such file"), "{missing}");
}
