//! Whole stories in virtual time: exposition text in, a transcript of requests out.
//!
//! Each line of a transcript is `mm:ss.mmm`, who is called, and what they are told. After every step the engine is
//! rebuilt from the records so far and must be the same; a restart builds both machines from them.

mod world;

use std::collections::BTreeSet;

use world::{Answer, World};

const GAUGE_RULES: &str = "
groups:
  - name: g
    rules:
      - alert: Hot
        expr: max by (service) (temperature) > 30
        for: 1m
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.service }} is at {{ $value }}'}
";

const CONFIG: &str = "
global: {scrape_interval: 15s, evaluation_interval: 15s}
scrape_configs:
  - job_name: room
    static_configs:
      - {targets: ['a:1'], labels: {service: a}}
      - {targets: ['b:1'], labels: {service: b}}
rule_files: [rules.yaml]
route:
  receiver: people
  group_by: [alertname, service]
  group_wait: 30s
  group_interval: 1m
  repeat_interval: 1h
receivers:
  - name: people
    slack_configs: [{channel: '#ops', bot_token: xoxb-1}]
    pagerduty_configs: [{routing_key: key}]
    webhook_configs: [{url: 'http://hook/'}]
    rollback_configs:
      - url: http://rollback/
        secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLsSWMfKQ9r8GKYo=
        rollback_key: [service]
        while: max by (service) (canary_traffic) > 0
";

fn page(temperature: f64, canary_traffic: f64) -> String {
    format!("temperature {temperature}\ncanary_traffic {canary_traffic}\n")
}

fn world() -> World {
    let mut world = World::new(CONFIG, &[("rules.yaml", GAUGE_RULES)]);
    world.show("a:1", &page(20.0, 0.0));
    world.show("b:1", &page(20.0, 0.0));
    world
}

#[test]
fn a_bad_canary_is_seen_told_and_rolled_back() {
    let mut world = world();
    world.show("a:1", &page(20.0, 5.0));
    world.run_to("01:00");
    world.show("a:1", &page(41.5, 5.0));
    world.run_to("04:00");
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("10:00");
    world.expect(&[
        "01:15 alert pending Hot{service=a}",
        "02:15 alert firing Hot{service=a}",
        "02:15 rollback claimed {service=a}",
        "02:15 rollback POST {service=a} attempt 1",
        "02:45 slack post CRITICAL Hot",
        "02:45 pagerduty trigger Hot: a is at 41.5 (a; 1 firing) · rollback accepted",
        "02:45 webhook firing Hot{service=a}",
        "04:15 alert resolved Hot{service=a}",
        "04:45 slack update RESOLVED Hot",
        "04:45 pagerduty resolve",
        "04:45 webhook resolved Hot{service=a}",
    ]);
    world.expect_quiet();
}

#[test]
fn a_failed_scrape_neither_fires_nor_resolves() {
    // While it fires.
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    let told = world.transcript().len();
    world.lose("a:1", "connection refused");
    world.run_to("18:00");
    assert_eq!(world.transcript().len(), told, "something was said while nothing was known");
    assert_eq!(world.states(), ["Hot{service=a} firing unknown"]);
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("31:00");
    assert_eq!(world.states(), ["Hot{service=a} firing"]);
    world.lose("a:1", "line 1, column 1: not a metric");
    world.run_to("32:00");
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("35:00");
    assert_eq!(world.states(), [""; 0]);

    // While it is pending: the time counts, but firing needs the condition seen.
    let mut world = self::world();
    world.show("b:1", &page(40.0, 0.0));
    world.run_to("00:30");
    world.lose("b:1", "timeout");
    world.run_to("10:00");
    world.expect(&["00:15 alert pending Hot{service=b}"]);
    world.show("b:1", &page(40.0, 0.0));
    world.run_to("10:15");
    world.expect(&["00:15 alert pending Hot{service=b}", "10:15 alert firing Hot{service=b}"]);
}

#[test]
fn another_target_of_the_rule_that_fails_does_not_hold_an_alert_up() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.lose("b:1", "connection refused");
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("03:15");
    assert_eq!(world.states(), [""; 0]);
}

#[test]
fn a_target_that_stays_away_for_longer_than_the_store_remembers_is_still_unknown() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.lose("a:1", "connection refused");
    world.run_to("240:00");
    let own = "AlertUnknown{file=rules.yaml,group=g,rule=Hot} firing";
    assert_eq!(world.states(), ["Hot{service=a} firing unknown", own]);
}

#[test]
fn an_alert_that_is_unknown_for_too_long_is_told_over_a_restart_until_it_is_known() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.lose("a:1", "connection refused");
    let told = world.transcript().len();
    world.run_to("12:00");
    world.restart();
    world.run_to("18:00");
    let since = |world: &World| world.transcript()[told..].to_vec();
    assert_eq!(since(&world), [""; 0]);
    world.run_to("19:00");
    let own = "AlertUnknown{file=rules.yaml,group=g,rule=Hot}";
    assert_eq!(since(&world)[0], format!("18:15 alert firing {own}"));
    assert!(since(&world).iter().all(|line| !line.contains("rollback")), "{:?}", since(&world));
    let told = world.transcript().len();
    world.restart();
    world.run_to("30:00");
    assert_eq!(world.transcript().len(), told, "{:?}", &world.transcript()[told..]);
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("31:00");
    assert_eq!(world.transcript()[told], format!("30:15 alert resolved {own}"));
    assert_eq!(world.states(), ["Hot{service=a} firing"]);
}

#[test]
fn a_page_that_is_not_whole_counts_as_a_failed_scrape() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.show("a:1", "temperature 20\ncanary_traffic 0\n<html>");
    world.run_to("10:00");
    assert_eq!(world.states(), ["Hot{service=a} firing unknown"]);
}

#[test]
fn a_false_guard_sends_nothing() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("30:00");
    assert_eq!(world.lines_of("rollback"), [""; 0]);
    assert_eq!(world.lines_of("pagerduty").len(), 1);
}

#[test]
fn a_guard_that_cannot_be_measured_sends_nothing_until_it_can() {
    // The alert's numbers are there, the guard's are not: its series end when the page is lost.
    let config = CONFIG.replace("['b:1'], labels: {service: b}", "['c:1'], labels: {service: a}");
    let mut world = World::new(&config, &[("rules.yaml", GAUGE_RULES)]);
    world.show("a:1", "canary_traffic 5\n");
    world.show("c:1", "temperature 40\n");
    world.run_to("00:30");
    world.lose("a:1", "timeout");
    world.run_to("10:00");
    assert_eq!(world.states(), ["Hot{service=a} firing"]);
    assert_eq!(world.lines_of("rollback"), [""; 0]);
    world.show("a:1", "canary_traffic 5\n");
    world.run_to("10:15");
    assert_eq!(
        world.lines_of("rollback"),
        ["10:15 rollback claimed {service=a}", "10:15 rollback POST {service=a} attempt 1",]
    );
}

#[test]
fn an_alert_that_cannot_be_measured_is_no_evidence() {
    // It fired before the canary was out, and its numbers are lost when the canary comes.
    let config = CONFIG.replace("['b:1'], labels: {service: b}", "['c:1'], labels: {service: a}");
    let mut world = World::new(&config, &[("rules.yaml", GAUGE_RULES)]);
    world.show("a:1", "canary_traffic 0\n");
    world.show("c:1", "temperature 40\n");
    world.run_to("02:00");
    world.lose("c:1", "timeout");
    world.run_to("03:00");
    world.show("a:1", "canary_traffic 5\n");
    world.run_to("10:00");
    assert_eq!(world.states(), ["Hot{service=a} firing unknown"]);
    assert_eq!(world.lines_of("rollback"), [""; 0]);
    world.show("c:1", "temperature 40\n");
    world.run_to("10:15");
    assert_eq!(world.lines_of("rollback POST").len(), 1);
}

const TWO_RULES: &str = "
groups:
  - name: g
    rules:
      - {alert: Hot, expr: temperature > 30, labels: {severity: critical}}
      - {alert: VeryHot, expr: temperature > 35, for: 1m, labels: {severity: critical}}
";

#[test]
fn two_alerts_of_one_key_make_one_rollback_and_the_cooldown_ends_it() {
    let mut world = World::new(CONFIG, &[("rules.yaml", TWO_RULES)]);
    world.show("b:1", &page(20.0, 0.0));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("10:00");
    world.show("a:1", &page(20.0, 5.0));
    world.run_to("20:00");
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("25:00");
    world.show("a:1", &page(20.0, 5.0));
    world.run_to("54:00");
    assert_eq!(world.lines_of("rollback POST").len(), 1, "within the cooldown it is one episode");
    world.run_to("56:00");
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("60:00");
    let posts = world.lines_of("rollback POST");
    assert_eq!(posts.len(), 2, "after the cooldown it is a new one: {posts:?}");
    assert_ne!(world.rollback_ids()[0], world.rollback_ids()[1]);
}

#[test]
fn a_rollback_is_tried_with_one_key_until_its_deadline_then_a_human_is_paged() {
    let mut world = world();
    world.answer("rollback", Answer::Status(503));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("20:00");
    let posts = world.lines_of("rollback POST");
    assert!(posts.len() > 50, "{} attempts in 15 minutes", posts.len());
    let ids = world.rollback_ids();
    assert!(ids.iter().all(|id| *id == ids[0]));
    let pages = world.lines_of("pagerduty");
    assert_eq!(pages.len(), 2, "{pages:?}");
    assert!(pages[1].starts_with("16:15 pagerduty trigger Rollback of a could not be triggered"), "{pages:?}");
    assert_eq!(world.lines_of("slack post").len(), 2, "the failure is a message of its own");

    // When the episode is over, those who were paged hear it.
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("60:00");
    assert_eq!(world.lines_of("pagerduty resolve").len(), 2);
    world.expect_quiet();
}

#[test]
fn a_rollback_that_is_refused_pages_at_once() {
    let mut world = world();
    world.answer("rollback", Answer::Status(401));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("02:00");
    assert_eq!(world.lines_of("rollback POST").len(), 1);
    assert!(world.lines_of("pagerduty")[0].starts_with("01:15 pagerduty trigger Rollback of"));
}

#[test]
fn a_rollback_is_not_sent_once_the_canary_is_gone() {
    let mut world = world();
    world.answer("rollback", Answer::Status(503));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("02:00");
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("02:30");
    let posts = world.lines_of("rollback POST").len();
    world.run_to("10:00");
    assert_eq!(world.lines_of("rollback POST").len(), posts, "nothing is left to roll back");
    // It still fires and was never rolled back: at the deadline a human hears it.
    world.run_to("20:00");
    let pages = world.lines_of("pagerduty trigger");
    assert!(pages[1].starts_with("16:15 pagerduty trigger Rollback of a could not be triggered"), "{pages:?}");
}

#[test]
fn a_rollback_that_nothing_asks_for_any_more_is_withdrawn_in_silence() {
    let mut world = world();
    world.answer("rollback", Answer::Status(503));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("02:00");
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("60:00");
    assert_eq!(world.lines_of("pagerduty trigger").len(), 1);
    world.expect_quiet();
}

#[test]
fn a_guard_that_flickers_does_not_lose_the_rollback() {
    let mut world = world();
    world.answer("rollback", Answer::Status(503));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("02:00");
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.answer("rollback", Answer::Ok);
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("05:00");
    let ids = world.rollback_ids();
    assert!(ids.len() > 1 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // Slack had been told that it was asked for, and hears at the next look that it was accepted.
    let messages = world.lines_of("slack");
    assert_eq!(messages.len(), 2, "{messages:?}");
    world.run_to("30:00");
    assert_eq!(world.lines_of("slack").len(), 2, "once");
}

#[test]
fn a_claim_is_not_sent_to_an_entry_that_took_its_place() {
    let mut world = world();
    world.answer("rollback", Answer::Status(503));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("02:00");
    let posts = world.lines_of("rollback POST").len();
    world.answer("rollback", Answer::Ok);
    let config = CONFIG.replace("http://rollback/", "http://another/");
    world.restart_with(&config, &[("rules.yaml", GAUGE_RULES)]);
    world.run_to("05:00");
    assert_eq!(world.lines_of("rollback POST").len(), posts);
    assert!(world.lines_of("pagerduty trigger").iter().any(|line| line.contains("Rollback of a could not")));
}

#[test]
fn an_alert_without_the_key_asks_for_no_rollback() {
    let rules = "
groups:
  - name: g
    rules:
      - {alert: Hot, expr: max(temperature) > 30}
";
    let config = CONFIG.replace("while: max by (service) (canary_traffic) > 0", "while: max(canary_traffic) > 0");
    let mut world = World::new(&config, &[("rules.yaml", rules)]);
    world.show("b:1", &page(20.0, 0.0));
    world.show("a:1", &page(40.0, 5.0));
    world.run_to("05:00");
    assert_eq!(world.states(), ["Hot{} firing"]);
    assert_eq!(world.lines_of("rollback"), [""; 0]);
}

#[test]
fn a_receiver_may_be_renamed() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.restart_with(&CONFIG.replace("people", "folks"), &[("rules.yaml", GAUGE_RULES)]);
    world.run_to("04:00");
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("10:00");
    assert_eq!(world.lines_of("orphaned"), [""; 0]);
    for who in ["slack", "pagerduty", "webhook"] {
        assert_eq!(world.lines_of(who).len(), 2, "told once, and once that it is over: {:?}", world.lines_of(who));
    }
    world.expect_quiet();
}

/// The configuration with other people in place of the old ones.
fn others() -> String {
    let receivers = CONFIG.replace("#ops", "#others").replace("routing_key: key", "routing_key: other");
    receivers.replace("http://hook/", "http://others/").replace("people", "others")
}

#[test]
fn a_receiver_that_is_gone_hears_of_the_end() {
    for is_reload in [false, true] {
        let mut world = world();
        world.show("a:1", &page(40.0, 0.0));
        world.run_to("03:00");
        if is_reload {
            world.reload_with(&others());
        } else {
            world.restart_with(&others(), &[("rules.yaml", GAUGE_RULES)]);
        }
        world.run_to("04:00");
        world.show("a:1", &page(20.0, 0.0));
        world.run_to("10:00");
        let lines = |who: &str| world.lines_of(who).iter().map(|line| line[6..].to_owned()).collect::<Vec<_>>();
        let post = "slack post CRITICAL Hot: a (1 firing): a is at 40";
        let update = "slack update RESOLVED Hot: a (1 resolved), was: a is at 40";
        assert_eq!(lines("slack"), [post, post, update, update]);
        let trigger = "pagerduty trigger Hot: a is at 40 (a; 1 firing)";
        assert_eq!(lines("pagerduty"), [trigger, trigger, "pagerduty resolve", "pagerduty resolve"]);
        let (old, new) = (
            "receivers[people].pagerduty_configs[0].routing_key",
            "receivers[others].pagerduty_configs[0].routing_key",
        );
        assert_eq!(world.keys().iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from([old, new]));
        assert_eq!(world.keys().iter().filter(|key| *key == old).count(), 2, "opened and closed: {:?}", world.keys());
        let (firing, resolved) = ("webhook firing Hot{service=a}", "webhook resolved Hot{service=a}");
        assert_eq!(lines("webhook"), [firing, firing, resolved, resolved]);
        world.expect_quiet();
    }
}

#[test]
fn timers_go_on_over_a_reload() {
    for is_reload in [false, true] {
        let mut world = world();
        world.show("a:1", &page(40.0, 0.0));
        world.run_to("01:40");
        if is_reload {
            world.reload_with(CONFIG);
        }
        world.run_to("02:30");
        world.expect(&[
            "00:15 alert pending Hot{service=a}",
            "01:15 alert firing Hot{service=a}",
            "01:45 slack post CRITICAL Hot",
            "01:45 pagerduty trigger Hot",
            "01:45 webhook firing Hot{service=a}",
        ]);
    }
}

#[test]
fn a_sample_from_the_next_century_does_not_stop_its_series() {
    let mut world = world();
    world.show("a:1", "temperature 20 4102444800000\n");
    world.run_to("00:30");
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("02:00");
    assert_eq!(world.states(), ["Hot{service=a} firing"]);
}

#[test]
fn a_kill_between_claim_and_send_makes_one_rollback() {
    let mut world = world();
    world.show("a:1", &page(40.0, 5.0));
    world.answer("rollback", Answer::KilledBeforeSend);
    world.run_to("05:00");
    let ids = world.rollback_ids();
    assert_eq!(ids.len(), 1, "{:?}", world.lines_of("rollback"));
    assert_eq!(world.restarts(), 1);
    // Killed after it was sent, it is sent again with the same key.
    let mut world = self::world();
    world.show("a:1", &page(40.0, 5.0));
    world.answer("rollback", Answer::KilledAfterSend);
    world.run_to("05:00");
    let ids = world.rollback_ids();
    assert_eq!(ids.len(), 2, "{:?}", world.lines_of("rollback"));
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_restart_says_nothing_twice_and_forgets_nothing() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("00:45");
    world.restart();
    world.run_to("01:20");
    world.expect(&["00:15 alert pending Hot{service=a}", "01:15 alert firing Hot{service=a}"]);
    world.restart();
    world.run_to("03:00");
    assert_eq!(world.lines_of("pagerduty"), ["01:45 pagerduty trigger Hot: a is at 40 (a; 1 firing)"]);
    // What resolved while nobody watched resolves once it is seen, and not before.
    world.lose("a:1", "connection refused");
    world.restart();
    world.run_to("10:00");
    assert_eq!(world.states(), ["Hot{service=a} firing unknown"]);
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("15:00");
    assert_eq!(world.lines_of("pagerduty").len(), 2);
    assert_eq!(world.lines_of("slack update").len(), 1);
    world.expect_quiet();
}

#[test]
fn a_restored_alert_waits_until_its_window_is_filled() {
    let rules = "
groups:
  - name: g
    rules:
      - {alert: Hot, expr: 'max_over_time(temperature[10m]) > 30'}
";
    let mut world = World::new(CONFIG, &[("rules.yaml", rules)]);
    world.show("b:1", &page(20.0, 0.0));
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("01:00");
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("02:00");
    world.restart();
    world.run_to("12:00");
    assert_eq!(world.states(), ["Hot{service=a} firing unknown"], "ten minutes have not passed since the first scrape");
    world.run_to("12:30");
    assert_eq!(world.states(), [""; 0]);
}

#[test]
fn a_process_that_stood_still_does_not_take_its_empty_windows_for_good_news() {
    let rules = "
groups:
  - name: g
    rules:
      - {alert: Failing, expr: 'rate(errors[2m]) > 0', for: 1m}
";
    let mut world = World::new(CONFIG, &[("rules.yaml", rules)]);
    let fail = |world: &mut World, from: i64, to: i64| {
        for quarter in from * 4..to * 4 {
            world.show("a:1", &format!("errors {}\n", quarter * 100));
            world.run_to(&format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15));
        }
    };
    fail(&mut world, 0, 5);
    assert_eq!(world.states(), ["Failing{service=a} firing"]);
    world.sleep_to("25:00");
    world.run_to("25:15");
    assert_eq!(world.states(), ["Failing{service=a} firing unknown"], "one sample makes no rate");
    fail(&mut world, 26, 30);
    assert_eq!(world.states(), ["Failing{service=a} firing"]);
    assert_eq!(world.lines_of("pagerduty").len(), 1, "{:?}", world.transcript());
    world.run_to("40:00");
    assert_eq!(world.states(), [""; 0]);
}

#[test]
fn a_receiver_that_fails_is_told_later_and_in_order() {
    let mut world = world();
    world.answer("slack", Answer::Status(500));
    world.answer("pagerduty", Answer::RetryAfter(120));
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("02:30");
    world.answer("slack", Answer::Ok);
    world.answer("pagerduty", Answer::Ok);
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("10:00");
    let pages = world.lines_of("pagerduty");
    assert_eq!(pages.len(), 3, "{pages:?}");
    assert!(pages[0].starts_with("01:45 pagerduty trigger") && pages[1].starts_with("03:45 pagerduty trigger"));
    assert_eq!(pages[2], "03:45 pagerduty resolve");
    let messages = world.lines_of("slack");
    assert!(messages.last().is_some_and(|line| line.contains("slack update RESOLVED")), "{messages:?}");
    world.expect_quiet();
}

#[test]
fn a_slack_message_that_was_deleted_is_posted_anew() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.answer("slack update", Answer::SlackCode("message_not_found"));
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("10:00");
    let messages = world.lines_of("slack");
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages[1].contains("slack update") && messages[2].contains("slack post RESOLVED"), "{messages:?}");
    world.expect_quiet();
}

#[test]
fn a_rule_that_is_deleted_resolves_its_alerts() {
    let mut world = world();
    world.show("a:1", &page(40.0, 0.0));
    world.run_to("03:00");
    world.restart_with(CONFIG, &[("rules.yaml", TWO_RULES)]);
    world.show("a:1", &page(20.0, 0.0));
    world.run_to("10:00");
    assert_eq!(world.lines_of("pagerduty resolve").len(), 1);
    world.expect_quiet();
}
