//! What has fields: the data that templates are handed, and what is in it.

use super::shape::Shape;

/// A kind of thing with fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// What a rule's text may speak of.
    Rule,
    /// An element of what a query gave.
    Sample,
    /// What a notification's text may speak of.
    Notification,
    /// An alert in it.
    Alert,
    /// A label's name and value.
    Pair,
}

/// A field: as templates name it, as JSON does, and what stands in it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) json: &'static str,
    pub(super) shape: Shape,
}

const fn field(name: &'static str, json: &'static str, shape: Shape) -> Field {
    Field { name, json, shape }
}

static RULE: [Field; 4] = [
    field("Labels", "Labels", Shape::Labels),
    field("ExternalLabels", "ExternalLabels", Shape::Labels),
    field("ExternalURL", "ExternalURL", Shape::Text),
    field("Value", "Value", Shape::Float),
];

static SAMPLE: [Field; 2] = [field("Labels", "Labels", Shape::Labels), field("Value", "Value", Shape::Float)];

static NOTIFICATION: [Field; 9] = [
    field("Receiver", "receiver", Shape::Text),
    field("Status", "status", Shape::Text),
    field("Alerts", "alerts", Shape::Alerts),
    field("NotificationReason", "notification_reason", Shape::Text),
    field("GroupLabels", "groupLabels", Shape::Kv),
    field("CommonLabels", "commonLabels", Shape::Kv),
    field("CommonAnnotations", "commonAnnotations", Shape::Kv),
    field("RouteLabels", "routeLabels", Shape::Kv),
    field("ExternalURL", "externalURL", Shape::Text),
];

static ALERT: [Field; 7] = [
    field("Status", "status", Shape::Text),
    field("Labels", "labels", Shape::Kv),
    field("Annotations", "annotations", Shape::Kv),
    field("StartsAt", "startsAt", Shape::Moment),
    field("EndsAt", "endsAt", Shape::Moment),
    field("GeneratorURL", "generatorURL", Shape::Text),
    field("Fingerprint", "fingerprint", Shape::Text),
];

static PAIR: [Field; 2] = [field("Name", "Name", Shape::Text), field("Value", "Value", Shape::Text)];

impl ObjectKind {
    pub(super) fn fields(self) -> &'static [Field] {
        match self {
            Self::Rule => &RULE,
            Self::Sample => &SAMPLE,
            Self::Notification => &NOTIFICATION,
            Self::Alert => &ALERT,
            Self::Pair => &PAIR,
        }
    }

    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Rule => "rule data",
            Self::Sample => "template.sample",
            Self::Notification => "template.Data",
            Self::Alert => "template.Alert",
            Self::Pair => "template.Pair",
        }
    }
}
