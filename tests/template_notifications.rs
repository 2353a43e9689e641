//! The texts of notifications against what Alertmanager renders.

mod support;

use atalaya::model::{Alert, AlertStatus, GroupKey, GroupNotification, Labels, NotifyReason, ReceiverName, Timestamp};
use atalaya::template::{
    Dialect, FreeContext, FreeTemplate, Library, NoQueries, NotificationData, NotificationTemplate, Value,
};
use serde_json::Value as Json;

/// Cases of functions that cannot be told here, by a part of their title, and why.
const APART: &[(&str, &str)] = &[
    ("URL template", "escapes by the place within a tag, which texts have not"),
    ("ustom function", "adds functions of its own to the language"),
    ("Test later Option overrides", "adds functions of its own to the language"),
    ("Template using routeLabels", "does not say its data; the unit tests have such"),
    ("routeLabels", "does not say its data; the unit tests have such"),
    ("Template using stringSlice", "does not say its data; the unit tests have such"),
    ("toJson with map", "does not say its data"),
    ("toJson with KV", "does not say its data"),
    ("toJson with Alerts", "does not say its data"),
    ("Compose json array", "does not say its data"),
];

/// What a case's data is that its file only says in Go.
const SAID_IN_GO: &[(&str, &str)] = &[
    ("Template using date", "2024-01-01"),
    ("Template using tz", "2024-01-01T08:15:30Z"),
    ("Template using invalid tz", "2024-01-01T08:15:30Z"),
    ("Template using since", "-1h"),
    ("HumanizeDuration - seconds - float64", "0 1 60 3600 86400 90000 -183845 899.99"),
    ("HumanizeDuration - subsecond and fractional seconds - float64.", ".1 .0001 .12345 60.1 60.5 1.2345 12.345"),
    ("HumanizeDuration - int.", "int 0 -1 1 1234567"),
    ("HumanizeDuration - uint.", "int 0 1 1234567"),
];

/// Cases that fail in Alertmanager although they do not say so.
const FAILING: &[&str] = &["invalid tz", "string with error", "invalid input returns error"];

const NOW: Timestamp = Timestamp::from_millis(1_767_330_245_000);

#[test]
fn expressions_over_groups_render_as_in_alertmanager() {
    let Some(golden) = golden() else { return };
    let (mut passed, mut waiting) = (0, 0);
    for set in golden["datasets"].as_array().unwrap() {
        let group = group(&set["data"]);
        let external_url = set["data"]["externalURL"].as_str().unwrap();
        let data = NotificationData { group: &group, external_url, route_labels: &[], now: NOW };
        for (source, expected) in set["rendered"].as_object().unwrap() {
            if !source.contains("{{") {
                // The name of a default template: those are not there yet.
                waiting += 1;
                continue;
            }
            let template = NotificationTemplate::parse(source, &Library::new())
                .unwrap_or_else(|error| panic!("{source}: {error}"));
            let text = template.expand(&data).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(Some(text.as_str()), expected.as_str(), "{source}");
            passed += 1;
        }
    }
    println!("{passed} passed, {waiting} wait for the default templates");
    assert!(passed >= 72, "only {passed} passed");
}

#[test]
fn functions_give_what_alertmanager_gives() {
    let Some(golden) = golden() else { return };
    let (mut passed, mut apart) = (0, Vec::new());
    for case in golden["expansion_from_tests"].as_array().unwrap() {
        let title = case["title"].as_str().unwrap();
        if let Some((_, why)) = APART.iter().find(|(part, _)| title.contains(part)) {
            apart.push(format!("{title}: {why}"));
            continue;
        }
        let source = case["in"].as_str().unwrap();
        let ours = FreeTemplate::parse(source, Dialect::Notification).map_err(|error| error.to_string());
        let html = case["html"] == true;
        let context = FreeContext { now: NOW, external_url: "", host: &NoQueries, escapes_html: html };
        let ours = ours.and_then(|template| {
            template.expand(free_data(title, &case["data"]), context).map_err(|error| error.to_string())
        });
        let fails = case["fail"] == true || FAILING.iter().any(|part| title.contains(part));
        match (&ours, fails) {
            (Err(_), true) => {}
            (Ok(text), false) if text == case["exp"].as_str().unwrap_or_default() => {}
            _ => panic!("{title}: {ours:?}, but Alertmanager says {case}"),
        }
        passed += 1;
    }
    println!("{passed} passed, {} apart:\n{}", apart.len(), apart.join("\n"));
    assert!(passed >= 54, "only {passed} passed");
}

fn free_data(title: &str, json: &Json) -> Value {
    let Some((_, said)) = SAID_IN_GO.iter().find(|(part, _)| title.ends_with(part)) else {
        return Value::from_json(json).expect("small data");
    };
    let moment = |at: i64| {
        // A moment comes out of the language itself: a rule's `toTime` makes one of a number.
        Value::Moment(atalaya::template::Moment::new(Timestamp::from_millis(at)))
    };
    match *said {
        "2024-01-01" => moment(1_704_067_200_000),
        "2024-01-01T08:15:30Z" => moment(1_704_096_930_000),
        "-1h" => moment(NOW.millis() - 3_600_000),
        numbers => {
            let whole = numbers.strip_prefix("int ");
            let number = |text: &str| match whole {
                Some(_) => Value::Int(text.parse().expect("a whole number")),
                None => Value::Float(text.parse().expect("a number")),
            };
            Value::list(whole.unwrap_or(numbers).split(' ').map(number).collect()).expect("a short list")
        }
    }
}

/// The group that Alertmanager's data is about.
fn group(data: &Json) -> GroupNotification {
    let labels = |json: &Json| {
        let pairs = json.as_object().expect("an object").iter();
        Labels::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().expect("a string"))))
    };
    let at = |json: &Json| {
        let at: jiff::Timestamp = json.as_str().expect("a string").parse().expect("RFC 3339");
        Timestamp::from_millis(at.as_millisecond())
    };
    let alert = |json: &Json| {
        let resolved = AlertStatus::Resolved { at: at(&json["endsAt"]) };
        let alert = Alert {
            labels: labels(&json["labels"]),
            annotations: labels(&json["annotations"]),
            status: if json["status"] == "firing" { AlertStatus::Firing } else { resolved },
            starts_at: at(&json["startsAt"]),
            generator_url: json["generatorURL"].as_str().expect("a string").to_owned(),
        };
        assert_eq!(alert.fingerprint().to_string(), json["fingerprint"].as_str().expect("a string"));
        alert
    };
    let group = GroupNotification {
        key: GroupKey::new("{}:{}"),
        receiver: ReceiverName::new(data["receiver"].as_str().expect("a string").replace('\\', "")),
        group_labels: labels(&data["groupLabels"]),
        reason: NotifyReason::First,
        at: NOW,
        alerts: data["alerts"].as_array().expect("a list").iter().map(alert).collect(),
        rollbacks: Vec::new(),
    };
    assert_eq!(group.common_labels(), labels(&data["commonLabels"]));
    group
}

/// What Alertmanager rendered; `None`, said aloud, when it is not there and need not be.
fn golden() -> Option<Json> {
    let path = support::testdata("alertmanager/golden/templates.json")?;
    let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
