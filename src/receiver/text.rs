//! Texts of the configuration that a notification is written with.
//!
//! A text that cannot be rendered never silences a page: what is built in takes its place, and the trouble is told.

use super::RenderContext;
use super::told::Told;
use crate::template::{NotificationData, NotificationTemplate};

/// A text of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Constant(String),
    Template(Box<NotificationTemplate>),
    /// What cannot be rendered, and why.
    #[cfg(test)]
    Broken(&'static str),
}

impl Text {
    /// A text that is always the same.
    pub fn constant(text: impl Into<String>) -> Self {
        Self(Kind::Constant(text.into()))
    }

    /// A text that is rendered from what is told.
    pub fn template(template: NotificationTemplate) -> Self {
        Self(Kind::Template(Box::new(template)))
    }

    /// A text that cannot be rendered.
    #[cfg(test)]
    pub(super) fn broken(why: &'static str) -> Self {
        Self(Kind::Broken(why))
    }

    /// The text as it is written.
    pub fn source(&self) -> &str {
        match &self.0 {
            Kind::Constant(text) => text,
            Kind::Template(template) => template.source(),
            #[cfg(test)]
            Kind::Broken(why) => why,
        }
    }

    fn expand(&self, told: &Told<'_>, context: &RenderContext<'_>) -> Result<String, String> {
        match &self.0 {
            Kind::Constant(text) => Ok(text.clone()),
            Kind::Template(template) => {
                let data = NotificationData {
                    group: &told.group,
                    external_url: context.external_url,
                    route_labels: &[],
                    now: context.now,
                };
                template.expand(&data).map_err(|error| error.to_string())
            }
            #[cfg(test)]
            Kind::Broken(why) => Err((*why).to_owned()),
        }
    }
}

/// Renders the texts of one message, and keeps what did not work.
pub(super) struct Writer<'a> {
    told: &'a Told<'a>,
    context: &'a RenderContext<'a>,
    troubles: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(told: &'a Told<'a>, context: &'a RenderContext<'a>) -> Self {
        Self { told, context, troubles: Vec::new() }
    }

    /// What a setting says here; nothing when it is not set, says nothing, or cannot be rendered.
    pub(super) fn text(&mut self, setting: &str, text: Option<&Text>) -> Option<String> {
        match text?.expand(self.told, self.context) {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(text),
            Err(why) => {
                self.trouble(format!("`{setting}` cannot be rendered, what is built in stands for it: {why}"));
                None
            }
        }
    }

    /// Notes what did not work.
    pub(super) fn trouble(&mut self, what: String) {
        self.troubles.push(what);
    }

    /// All that did not work.
    pub(super) fn into_troubles(self) -> Vec<String> {
        self.troubles
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{
        DeliveryId, GroupKey, GroupNotification, Labels, Notification, NotifyReason, ReceiverName, SecretName,
        Timestamp,
    };
    use crate::receiver::{PagerDuty, PagerDutyTexts, Receiver, Request, Slack, SlackCall, SlackTexts};

    #[test]
    fn what_cannot_be_rendered_is_told_in_our_own_words() {
        let note = Notification::Group(GroupNotification {
            key: GroupKey::new("{}"),
            receiver: ReceiverName::new("ops"),
            group_labels: Labels::empty(),
            reason: NotifyReason::First,
            at: Timestamp::from_millis(0),
            alerts: vec![crate::model::Alert {
                labels: Labels::from_pairs([("alertname", "Down")]),
                annotations: Labels::empty(),
                status: crate::model::AlertStatus::Firing,
                starts_at: Timestamp::from_millis(0),
                generator_url: String::new(),
            }],
            rollbacks: Vec::new(),
        });
        let delivery = DeliveryId::new("d");
        let context = RenderContext::first(&delivery, Timestamp::from_millis(0));
        let broken = || Some(Text::broken("it has no field `Labls`"));
        let slack = |texts: SlackTexts| {
            let channel = Text::constant("#ops");
            Receiver::Slack(Slack {
                api_url: "https://slack.com/api".to_owned(),
                token: SecretName::new("token"),
                channel,
                updates: true,
                texts,
                send_resolved: true,
                timeout: Duration::from_secs(1),
                client: None,
            })
        };
        let texts = SlackTexts { title: broken(), text: broken(), fallback: broken(), ..SlackTexts::default() };
        let got = slack(texts).render(&note, &context);
        assert_eq!(got.request, slack(SlackTexts::default()).render(&note, &context).request);
        assert_eq!(got.troubles.len(), 3, "{:?}", got.troubles);
        assert!(got.troubles[0].contains("`title` cannot be rendered"), "{:?}", got.troubles);
        assert!(matches!(&got.request, Request::Slack(it) if matches!(it.call, SlackCall::Post(_))));

        let pagerduty = |texts: PagerDutyTexts| {
            Receiver::PagerDuty(PagerDuty {
                url: "https://pager".to_owned(),
                routing_key: SecretName::new("key"),
                texts,
                send_resolved: true,
                timeout: Duration::from_secs(1),
                client: None,
            })
        };
        let texts = PagerDutyTexts { description: broken(), severity: broken(), ..PagerDutyTexts::default() };
        let got = pagerduty(texts).render(&note, &context);
        assert_eq!(got.request, pagerduty(PagerDutyTexts::default()).render(&note, &context).request);
        assert_eq!(got.troubles.len(), 2, "{:?}", got.troubles);
    }
}
