//! The texts of notifications, as Alertmanager has them.

use std::sync::Arc;

use super::ast::{Bodies, Body};
use super::functions::Dialect;
use super::interpret::World;
use super::library::Library;
use super::moment::Moment;
use super::object::ObjectKind;
use super::program::Program;
use super::rule_text::NoQueries;
use super::shape::Shape;
use super::value::{List, ListKind, Object, Value};
use super::{ExpandError, NOTIFICATION_LIMITS, TemplateError};
use crate::model::{Alert, AlertStatus, GroupNotification, GroupStatus, Labels, Timestamp};

/// A parsed text of a notification. Two are the same when their sources are and they use the same library.
#[derive(Clone, Debug)]
pub struct NotificationTemplate {
    source: String,
    program: Program,
}

/// What a notification's text may speak of.
#[derive(Clone, Copy, Debug)]
pub struct NotificationData<'a> {
    /// The group that is told.
    pub group: &'a GroupNotification,
    /// `.ExternalURL`: where a person reaches this daemon.
    pub external_url: &'a str,
    /// `.RouteLabels`: the labels of the route, each with its text; `routeLabels` expands one.
    pub route_labels: &'a [(String, NotificationTemplate)],
    /// `now`: when the text is rendered.
    pub now: Timestamp,
}

impl NotificationTemplate {
    /// Parses a text that may use the templates of a library.
    pub fn parse(source: &str, library: &Library) -> Result<Self, TemplateError> {
        let given = (Shape::Object(ObjectKind::Notification), &[][..]);
        let program = Program::parse(source, Dialect::Notification, given, library.bodies())?;
        Ok(Self { source: source.to_owned(), program })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text for this data.
    pub fn expand(&self, data: &NotificationData<'_>) -> Result<String, ExpandError> {
        let route_labels: Vec<(String, Arc<Body>, Arc<Bodies>)> = data
            .route_labels
            .iter()
            .map(|(name, text)| (name.clone(), Arc::clone(&text.program.main), Arc::clone(&text.program.own)))
            .collect();
        let world = World {
            now: data.now,
            external_url: data.external_url,
            host: &NoQueries,
            route_labels: &route_labels,
            escapes_html: false,
            limits: NOTIFICATION_LIMITS,
        };
        let root = data.value().map_err(|what| ExpandError {
            template: String::new(),
            file: None,
            line: 1,
            column: 1,
            what,
            is_pending: false,
        })?;
        self.program.expand(world, root, &[])
    }
}

impl PartialEq for NotificationTemplate {
    fn eq(&self, other: &Self) -> bool {
        let same_library = Arc::ptr_eq(&self.program.library, &other.program.library);
        self.source == other.source
            && (same_library || self.program.library.is_empty() && other.program.library.is_empty())
    }
}

impl Eq for NotificationTemplate {}

impl NotificationData<'_> {
    /// The data as Alertmanager shapes it.
    fn value(&self) -> Result<Value, String> {
        let status = match self.group.status() {
            GroupStatus::Firing => "firing",
            GroupStatus::Resolved => "resolved",
        };
        let route_labels = self.route_labels.iter().map(|(name, text)| (name.as_str(), text.source()));
        let alerts = self.group.alerts.iter().map(alert_value).collect();
        let values = vec![
            Value::text(quoted_pattern(self.group.receiver.as_str())),
            Value::text(status),
            List::value(ListKind::Alerts, alerts)?,
            Value::text(self.group.reason.as_str()),
            Value::Kv(self.group.group_labels.clone()),
            Value::Kv(self.group.common_labels()),
            Value::Kv(self.group.common_annotations()),
            Value::Kv(Labels::from_pairs(route_labels)),
            Value::text(self.external_url),
        ];
        Ok(Object::value(ObjectKind::Notification, values))
    }
}

fn alert_value(alert: &Alert) -> Value {
    let (status, ends_at) = match alert.status {
        AlertStatus::Firing => ("firing", Moment::ZERO),
        AlertStatus::Resolved { at } => ("resolved", Moment::new(at)),
    };
    let values = vec![
        Value::text(status),
        Value::Kv(alert.labels.clone()),
        Value::Kv(alert.annotations.clone()),
        Value::Moment(Moment::new(alert.starts_at)),
        Value::Moment(ends_at),
        Value::text(alert.generator_url.as_str()),
        Value::text(alert.fingerprint().to_string()),
    ];
    Object::value(ObjectKind::Alert, values)
}

/// A text as a regular expression that matches just it; Alertmanager hands out a receiver's name like this.
fn quoted_pattern(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupKey, NotifyReason, ReceiverName};

    fn expand(source: &str, library: &Library, route_labels: &[(&str, &str)]) -> String {
        let alert = |name: &str, status| Alert {
            labels: Labels::from_pairs([("alertname", name), ("job", "api"), ("zone", "b")]),
            annotations: Labels::from_pairs([("summary", "too slow")]),
            status,
            starts_at: Timestamp::from_millis(1_767_323_045_000),
            generator_url: "http://a/".to_owned(),
        };
        let resolved = AlertStatus::Resolved { at: Timestamp::from_millis(1_767_326_645_000) };
        let group = GroupNotification {
            key: GroupKey::new("{}:{}"),
            receiver: ReceiverName::new("team-X (pager)"),
            group_labels: Labels::from_pairs([("job", "api")]),
            reason: NotifyReason::First,
            at: Timestamp::from_millis(0),
            alerts: vec![alert("A", AlertStatus::Firing), alert("B", resolved)],
            rollbacks: Vec::new(),
        };
        let parse = |source: &str| NotificationTemplate::parse(source, library);
        let route_labels: Vec<_> =
            route_labels.iter().map(|(name, text)| ((*name).to_owned(), parse(text).unwrap())).collect();
        let now = Timestamp::from_millis(1_767_330_245_000);
        let data = NotificationData { group: &group, external_url: "http://x/", route_labels: &route_labels, now };
        match parse(source) {
            Err(error) => format!("! {error}"),
            Ok(template) => template.expand(&data).unwrap_or_else(|error| format!("expand: {error}")),
        }
    }

    #[test]
    fn speaks_of_the_group() {
        let check =
            |source: &str, expected: &str| assert_eq!(expand(source, &Library::new(), &[]), expected, "{source}");
        check("{{ .Receiver }} {{ .Status }} {{ .NotificationReason }}", r"team-X \(pager\) firing first notification");
        check("{{ len .Alerts.Firing }}/{{ .Alerts.Resolved | len }}", "1/1");
        check("{{ .CommonLabels }} {{ .CommonLabels.Names }}", "job=api, zone=b [job zone]");
        check("{{ (.CommonLabels.Remove .GroupLabels.Names).Values | join \"+\" }}", "b");
        check("{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}", "job=api;zone=b;");
        check("{{ .CommonLabels.SortedPairs.Names.Join \"-\" }}", "job-zone");
        check("{{ with index .Alerts 1 }}{{ .EndsAt.Sub .StartsAt }}{{ end }}", "1h0m0s");
        check("{{ (index .Alerts 0).StartsAt.Weekday }} {{ now.Year }}", "Friday 2026");
        check("{{ range .Alerts }}{{ since .StartsAt | humanizeDuration }} {{ end }}", "2h 0m 0s 2h 0m 0s ");
        check("{{ now | tz \"Asia/Tokyo\" | date \"15:04 MST\" }}", "14:04 JST");
        check("{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Labels.alertname }}{{ end }}", "A, B");
        check("{{ .GroupLabels | toJson }}", "{\"job\":\"api\"}");
        check("{{ .Alerst }}", "! line 1, column 4: there is no field `.Alerst`");
        check("{{ range .Alerts }}{{ .Foo }}{{ end }}", "! line 1, column 23: an alert has no field `.Foo`");
        check("{{ .CommonLabels.Remove }}", "! line 1, column 17: `.Remove` takes 1 argument, not 0");
        check("{{ query \"up\" }}", "! line 1, column 4: there is no function `query`");
        check(
            "{{ . | tz \"x\" }}",
            "expand: line 1, column 8: `tz`: wants a time, not the template.Data `{team-X \\\\(pager\\\\) firing [{firing alertn…`",
        );
    }

    #[test]
    fn route_labels_may_refer_to_each_other_but_not_in_a_circle() {
        let labels =
            [("a", "{{ .GroupLabels.job }}"), ("b", "<{{ routeLabels \"a\" }}>"), ("c", "{{ routeLabels \"c\" }}")];
        let check =
            |source: &str, expected: &str| assert_eq!(expand(source, &Library::new(), &labels), expected, "{source}");
        check(
            "{{ routeLabels \"b\" }} {{ .RouteLabels.a }}[{{ routeLabels \"d\" }}]",
            "<api> {{ .GroupLabels.job }}[]",
        );
        check(
            "{{ routeLabels \"c\" }}",
            "expand: line 1, column 4: `routeLabels`: the route label `c` refers to itself",
        );
    }

    #[test]
    fn uses_the_templates_of_a_library() {
        let mut library = Library::new();
        library.add("a.tmpl", "{{ define \"x\" }}[{{ . }}{{ template \"y\" . }}]{{ end }}").unwrap();
        assert_eq!(library.check()[0].to_string(), "a.tmpl, line 1, column 28: there is no template `y`");
        library.add("b.tmpl", "\n{{ define \"y\" }}{{ .Foo }}{{ end }}\n").unwrap();
        assert_eq!(library.check(), []);
        let check = |source: &str, expected: &str| assert_eq!(expand(source, &library, &[]), expected, "{source}");
        check("{{ define \"y\" }}!{{ end }}{{ template \"x\" .Status }}", "[firing!]");
        check(
            "{{ template \"x\" .Status }}",
            "expand: template `y` of b.tmpl, line 2, column 20: a string has no field `.Foo`",
        );
        check("{{ template \"z\" . }}", "! line 1, column 4: there is no template `z`");
        let error = library.add("c.tmpl", "{{ define \"z\" }}{{ frob }}{{ end }}").unwrap_err();
        assert_eq!(error.to_string(), "line 1, column 20: there is no function `frob`");
    }
}
