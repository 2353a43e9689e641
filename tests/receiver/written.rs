//! Receivers whose configuration says how their messages are written.

use atalaya::model::SecretName;
use atalaya::receiver::{
    Endpoint, PagerDuty, PagerDutyImage, PagerDutyLink, PagerDutyTexts, Receiver, Slack, SlackAction, SlackConfirm,
    SlackField, SlackHook, SlackTexts, Text,
};

use super::TIMEOUT;

fn text(text: &str) -> Option<Text> {
    Some(Text::constant(text))
}

/// Texts for every place that has one, each `times` over.
pub(crate) fn slack_texts(times: usize) -> SlackTexts {
    let long = |piece: &str| text(&piece.repeat(times));
    let field = |title: &str, is_short| SlackField {
        title: Text::constant(title.repeat(times)),
        value: Text::constant("value & more ".repeat(times)),
        is_short,
    };
    let action = |name: &str, url: &str, confirm| SlackAction {
        text: Text::constant(name.repeat(times)),
        url: Text::constant(url),
        style: text("danger"),
        confirm,
    };
    let confirm = SlackConfirm {
        text: Text::constant("Really? ".repeat(times)),
        title: None,
        ok_text: long("Yes "),
        dismiss_text: None,
    };
    SlackTexts {
        title: long("Errors in chat "),
        title_link: text("https://atalaya.enova.example/group?a=1&b=2"),
        pretext: long("*Look here* "),
        text: long("What *happened*:\n- <https://runbook.enova.example|the runbook>\n"),
        fields: vec![field("Team ", true), field("Region ", true), field("Story ", false)],
        footer: long("Platform team "),
        fallback: long("Errors in chat, on the telephone "),
        color: text("danger"),
        actions: vec![
            action("Roll back ", "https://deploy.enova.example/chat", Some(confirm)),
            action("Broken ", "not a url", None),
        ],
        image_url: text("https://graphs.enova.example/chat.png"),
        thumb_url: text("https://graphs.enova.example/chat-small.png"),
        username: text("On call"),
        icon_emoji: text(":fire:"),
        icon_url: None,
        link_names: true,
    }
}

pub(crate) fn slack(times: usize) -> Receiver {
    Receiver::Slack(Slack {
        api_url: "https://slack.com/api".into(),
        token: SecretName::new("slack-token"),
        channel: Text::constant("#enova-alerts"),
        updates: true,
        texts: slack_texts(times),
        send_resolved: true,
        timeout: TIMEOUT,
        client: None,
    })
}

pub(crate) fn hook() -> Receiver {
    Receiver::SlackHook(SlackHook {
        url: Endpoint::Secret(SecretName::new("hook-url")),
        channel: text("#enova-alerts"),
        send_resolved: true,
        texts: SlackTexts::default(),
        timeout: TIMEOUT,
        client: None,
    })
}

pub(crate) fn pagerduty(times: usize) -> Receiver {
    let long = |piece: &str| text(&piece.repeat(times));
    Receiver::PagerDuty(PagerDuty {
        url: "https://events.pagerduty.com/v2/enqueue".into(),
        routing_key: SecretName::new("pagerduty-key"),
        texts: PagerDutyTexts {
            client: long("Our monitoring "),
            client_url: text("https://monitoring.enova.example/"),
            description: long("Errors in chat "),
            severity: text("P1"),
            class: long("errors "),
            component: long("chat "),
            group: long("enova "),
            source: long("staging "),
            details: vec![
                ("firing".into(), Text::constant("a list of \"alerts\"\n".repeat(times))),
                ("owner".into(), Text::constant("platform ".repeat(times))),
            ],
            images: vec![
                PagerDutyImage {
                    src: Text::constant("https://graphs.enova.example/chat.png"),
                    href: text("https://graphs.enova.example/chat"),
                    alt: text("errors by the minute"),
                },
                PagerDutyImage { src: Text::constant("http://not.tls/chat.png"), href: None, alt: None },
            ],
            links: vec![PagerDutyLink { href: Text::constant("https://runbook.enova.example"), text: text("Runbook") }],
        },
        send_resolved: true,
        timeout: TIMEOUT,
        client: None,
    })
}
