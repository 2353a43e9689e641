//! `--transcript`: what happened, one JSON object a line, for those who check instead of reading along.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::engine::{AlertMove, Note};
use crate::model::ALERT_NAME;

use super::happening::{Happening, SlackMethod};

/// What a call that was taken says under `status`.
const TAKEN: &str = "ok";

/// The file; every line is written out at once, so that it is whole however the demo ends.
#[derive(Debug)]
pub(super) struct Transcript(Option<File>);

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum What<'a> {
    Alert {
        action: &'static str,
        alertname: &'a str,
        labels: BTreeMap<&'a str, &'a str>,
        value: Option<f64>,
    },
    Slack {
        action: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        alertname: &'a str,
        channel: &'a str,
        ts: &'a str,
        text: &'a str,
        status: &'a str,
    },
    PagerDuty {
        action: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        alertname: &'a str,
        dedup_key: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        summary: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        severity: &'a str,
        status: &'a str,
    },
    Rollback {
        action: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        alertname: &'a str,
        rollback_id: &'a str,
        verified: bool,
        attempt: u32,
        key: &'a BTreeMap<String, String>,
        status: &'a str,
    },
}

impl Transcript {
    /// One in this file, which is begun anew; without a file, none.
    pub(super) fn create(path: Option<&Path>) -> io::Result<Self> {
        path.map(File::create).transpose().map(Self)
    }

    /// Writes what happened, if it belongs there.
    pub(super) fn write(&mut self, happening: &Happening) -> io::Result<()> {
        match (&mut self.0, line(happening)) {
            (Some(file), Some(mut line)) => {
                line.push('\n');
                file.write_all(line.as_bytes())
            }
            _ => Ok(()),
        }
    }
}

fn line(happening: &Happening) -> Option<String> {
    let what = match happening {
        Happening::Noted(Note::Alert { to, labels, value, .. }) => What::Alert {
            action: action(*to),
            alertname: labels.get(ALERT_NAME),
            labels: labels.iter().collect(),
            // JSON has no NaN and no infinities.
            value: value.parse().ok().filter(|value: &f64| value.is_finite()),
        },
        Happening::Slack(heard) => What::Slack {
            action: match heard.method {
                SlackMethod::Post => "post",
                SlackMethod::Update => "update",
                SlackMethod::Thread => "thread",
            },
            alertname: &heard.alertname,
            channel: &heard.channel,
            ts: &heard.ts,
            text: &heard.text,
            status: heard.refused.unwrap_or(TAKEN),
        },
        Happening::PagerDuty(heard) => What::PagerDuty {
            action: &heard.action,
            alertname: &heard.class,
            dedup_key: &heard.dedup_key,
            summary: &heard.summary,
            severity: &heard.severity,
            status: heard.refused.unwrap_or(TAKEN),
        },
        Happening::Rollback(heard) => What::Rollback {
            action: "received",
            alertname: &heard.alertname,
            rollback_id: &heard.id,
            verified: heard.is_verified,
            attempt: heard.attempt,
            key: &heard.key,
            status: heard.refused.as_deref().unwrap_or(TAKEN),
        },
        Happening::Noted(_) | Happening::CanaryBroke { .. } | Happening::TrafficMoved { .. } => return None,
    };
    // Texts and numbers always are JSON.
    serde_json::to_string(&Line { at: happening.at().to_string(), what }).ok()
}

fn action(to: AlertMove) -> &'static str {
    match to {
        AlertMove::Pending => "pending",
        AlertMove::Firing => "firing",
        AlertMove::Resolved => "resolved",
        AlertMove::Dropped => "dropped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::happening::{PagerDutyHeard, RollbackHeard, SlackHeard};
    use crate::model::{Labels, Timestamp};

    #[test]
    fn lines_are_as_documented() {
        let at = Timestamp::from_millis(1_764_000_000_120);
        let check = |happening: Happening, expected: &str| assert_eq!(line(&happening).as_deref(), Some(expected));
        let labels = Labels::from_pairs([(ALERT_NAME, "A"), ("service", "gateway")]);
        let alert = |value: &str| {
            Happening::Noted(Note::Alert { at, to: AlertMove::Firing, labels: labels.clone(), value: value.to_owned() })
        };
        check(
            alert("0.25"),
            r#"{"at":"2025-11-24T16:00:00.120Z","kind":"alert","action":"firing","alertname":"A","labels":{"alertname":"A","service":"gateway"},"value":0.25}"#,
        );
        assert!(line(&alert("NaN")).is_some_and(|line| line.ends_with(r#""value":null}"#)));
        let slack = SlackHeard {
            alertname: "A".to_owned(),
            at,
            method: SlackMethod::Update,
            channel: "C1".to_owned(),
            ts: "1.2".to_owned(),
            text: "t\n".to_owned(),
            body: serde_json::Value::Null,
            refused: Some("message_not_found"),
        };
        check(
            Happening::Slack(slack),
            r#"{"at":"2025-11-24T16:00:00.120Z","kind":"slack","action":"update","alertname":"A","channel":"C1","ts":"1.2","text":"t\n","status":"message_not_found"}"#,
        );
        let page = PagerDutyHeard {
            at,
            action: "resolve".to_owned(),
            dedup_key: "k".to_owned(),
            summary: String::new(),
            severity: String::new(),
            class: String::new(),
            refused: None,
        };
        check(
            Happening::PagerDuty(page),
            r#"{"at":"2025-11-24T16:00:00.120Z","kind":"pagerduty","action":"resolve","dedup_key":"k","status":"ok"}"#,
        );
        let rollback = RollbackHeard {
            at,
            id: "rb_1".to_owned(),
            attempt: 2,
            refused: None,
            is_verified: true,
            key: BTreeMap::from([("service".to_owned(), "gateway".to_owned())]),
            alertname: "A".to_owned(),
            decided_at: None,
        };
        check(
            Happening::Rollback(rollback),
            r#"{"at":"2025-11-24T16:00:00.120Z","kind":"rollback","action":"received","alertname":"A","rollback_id":"rb_1","verified":true,"attempt":2,"key":{"service":"gateway"},"status":"ok"}"#,
        );
        assert_eq!(line(&Happening::CanaryBroke { at }), None);
    }
}
