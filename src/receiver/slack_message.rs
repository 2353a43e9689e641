//! The Slack message of a group: a headline, what all its alerts have in common, then alert by alert, in a colour.
//!
//! It is written for somebody whom it has just woken. The headline and the notification say what is wrong, where and how
//! bad; what is done already about it comes next; the details follow, the worst first, as many as Slack has room for.

use std::collections::HashMap;

use slack_morphism::prelude::{
    SlackBlock, SlackBlockMarkDownText, SlackBlockPlainText, SlackContextBlock, SlackHeaderBlock,
    SlackMessageAttachment, SlackMessageContent, SlackMessageMetadata, SlackSectionBlock,
};

use super::RenderContext;
use super::mrkdwn::{bold, code, escape, link};
use super::severity::{SEVERITY, Severity};
use super::slack_texts::{PRETEXT_CHARS_MAX, SlackTexts, cut_with_count};
use super::text::Writer;
use super::told::{Told, links, summary};
use super::words::{clock, cut, how_long, one_line, rollback, rollback_end};
use crate::model::{ALERT_NAME, Alert, AlertStatus, GroupStatus, Labels, Timestamp};

// Slack's limits. Where Slack counts, it counts the characters of the text as sent.

/// Blocks in a message.
pub(super) const BLOCKS_MAX: usize = 50;
/// The text of a section.
pub(super) const SECTION_CHARS_MAX: usize = 3000;
/// The text of a header.
pub(super) const HEADER_CHARS_MAX: usize = 150;
/// The text that stands for the message in notifications.
pub(super) const TEXT_CHARS_MAX: usize = 4000;
/// All blocks together. Slack documents no such limit and refuses more than about 13,200; counted here as JSON.
pub(super) const BLOCKS_CHARS_MAX: usize = 12_500;

// Ours, chosen so that the parts of a section fit into one, and that whatever the texts are at least one alert is shown.

/// A summary.
const SUMMARY_CHARS_MAX: usize = 300;
/// A description.
const DESCRIPTION_CHARS_MAX: usize = 1000;
/// The labels of an alert.
const LABELS_CHARS_MAX: usize = 400;
/// The labels that all alerts share.
const COMMON_LABELS_CHARS_MAX: usize = 800;
/// One label with its name.
const LABEL_CHARS_MAX: usize = 120;
/// The links of an alert together.
const LINKS_CHARS_MAX: usize = 1000;
/// Rollbacks mentioned, the latest ones.
const ROLLBACKS_MAX: usize = 8;
/// A rollback in words.
const ROLLBACK_CHARS_MAX: usize = 200;
/// Alerts shown: nobody reads on.
const ALERTS_MAX: usize = 20;
/// What the line about the alerts left out takes, as JSON.
const REST_CHARS_MAX: usize = 200;

/// What marks that something is over.
const RESOLVED_EMOJI: &str = "✅";

/// The `event_type` of a message's metadata, by which a delivery whose answer was lost can be found in the channel.
const METADATA_TYPE: &str = "atalaya_delivery";

/// The message that tells this. What the configuration says takes the place of what is built in.
pub(super) fn message(
    told: &Told<'_>,
    texts: &SlackTexts,
    context: &RenderContext<'_>,
    writer: &mut Writer<'_>,
) -> SlackMessageContent {
    let now = context.now.max(told.group.at);
    let title = writer.text("title", texts.title.as_ref());
    let body = writer.text("text", texts.text.as_ref());
    let mut top = Vec::new();
    if let Some(text) = writer.text("pretext", texts.pretext.as_ref()) {
        top.push(section(cut_with_count(text.trim(), PRETEXT_CHARS_MAX)));
    }
    let headline = title.unwrap_or_else(|| headline(told));
    top.push(texts.linked_title(writer, &headline).unwrap_or_else(|| header(&headline)));
    if told.group.alerts.len() > 1 && body.is_none() {
        top.push(overview(told, now));
    }
    top.extend(rollbacks(told));
    let mut last = Vec::new();
    last.extend(texts.image(writer));
    last.extend(texts.buttons(writer));
    last.push(footer(told, writer.text("footer", texts.footer.as_ref()), context));
    let mut room = Room::new();
    for block in top.iter().chain(&last) {
        room.take(block);
    }
    let mut details = Vec::new();
    let written = body.as_ref().map(|text| texts.body(writer, text, room.chars)).unwrap_or_default();
    for block in written.into_iter().chain(texts.fields(writer)) {
        if !room.has_for(&block) {
            details.push(section("…and more than a message of Slack holds".to_owned()));
            break;
        }
        room.take(&block);
        details.push(block);
    }
    if body.is_none() {
        details.extend(alerts(told, now, &mut room));
    }
    details.extend(last);
    let fallback = writer.text("fallback", texts.fallback.as_ref());
    let text = fallback.map_or_else(|| notification(told), |text| cut_with_count(text.trim(), TEXT_CHARS_MAX));
    let color = texts.color(writer).unwrap_or_else(|| color(told).to_owned());

    let mut metadata = SlackMessageMetadata::new(METADATA_TYPE.to_owned());
    metadata.event_payload = Some(HashMap::from([
        ("delivery".to_owned(), context.delivery.to_string()),
        ("alertname".to_owned(), escape(&told.what(), LABEL_CHARS_MAX)),
    ]));
    SlackMessageContent::new()
        .with_text(text)
        .with_blocks(top)
        .with_attachments(vec![SlackMessageAttachment::new().with_color(color).with_blocks(details)])
        .with_metadata(metadata)
}

/// What is wrong, where and how bad, in one line: `🚨 CRITICAL HighErrorRate: chat, staging`.
fn headline(told: &Told<'_>) -> String {
    let (emoji, word) = match told.severity() {
        severity if told.is_firing() => (emoji(severity), severity.word()),
        _ => (RESOLVED_EMOJI, "RESOLVED"),
    };
    let place = told.place();
    let separator = if place.is_empty() { "" } else { ": " };
    format!("{emoji} {word} {}{separator}{place}", told.what())
}

/// What a telephone's lock screen shows. What became of a rollback stays at its end whatever the length of the rest.
fn notification(told: &Told<'_>) -> String {
    let summary = told.summary();
    let separator = match (summary.is_empty(), told.is_firing()) {
        (true, _) => "",
        (false, true) => ": ",
        (false, false) => ", was: ",
    };
    let text = format!("{} ({}){separator}{summary}", headline(told), told.counts());
    let end = rollback_end(&told.group.rollbacks);
    format!("{}{end}", escape(&text, TEXT_CHARS_MAX - end.chars().count()))
}

fn header(headline: &str) -> SlackBlock {
    let text = SlackBlockPlainText::new(escape(&one_line(headline), HEADER_CHARS_MAX)).with_emoji(true);
    SlackHeaderBlock::new(text.into()).into()
}

/// How many alerts, since when, and what all of them say.
fn overview(told: &Told<'_>, now: Timestamp) -> SlackBlock {
    let times = match told.resolved_at() {
        None => format!("the first {}", since(told.since(), now)),
        Some(end) => resolved(told.since(), end, now),
    };
    let mut lines = vec![format!("{}, {times}", bold(&told.counts(), SUMMARY_CHARS_MAX))];
    let common = told.group.common_annotations();
    if !common.get("summary").is_empty() {
        lines.push(escape(&one_line(common.get("summary")), SUMMARY_CHARS_MAX));
    }
    if !common.get("description").is_empty() {
        lines.push(escape(common.get("description").trim(), DESCRIPTION_CHARS_MAX));
    }
    section(lines.join("\n"))
}

/// What is done already, one line each.
fn rollbacks(told: &Told<'_>) -> Option<SlackBlock> {
    let notes = &told.group.rollbacks;
    let shown = notes.iter().skip(notes.len().saturating_sub(ROLLBACKS_MAX));
    let lines: Vec<String> = shown.map(|note| format!("↩️ {}", escape(&rollback(note), ROLLBACK_CHARS_MAX))).collect();
    (!lines.is_empty()).then(|| section(lines.join("\n")))
}

/// A section for each alert that there is room for, and how many are left out.
fn alerts(told: &Told<'_>, now: Timestamp, room: &mut Room) -> Vec<SlackBlock> {
    let all = told.by_urgency();
    let is_only = all.len() == 1;
    let common = if is_only { Labels::empty() } else { told.group.common_annotations() };
    let mut blocks = Vec::new();
    for alert in &all {
        let block = section(alert_text(alert, &told.common_labels, &common, now));
        if blocks.len() == ALERTS_MAX || !room.has_for(&block) {
            break;
        }
        room.take(&block);
        blocks.push(block);
    }
    let rest = &all[blocks.len()..];
    if !rest.is_empty() {
        let firing = rest.iter().filter(|alert| alert.is_firing()).count();
        let resolved = rest.len() - firing;
        blocks.push(section(format!("…and {} more: {firing} firing, {resolved} resolved", rest.len())));
    }
    blocks
}

/// One alert: what it says, its labels, since when, and where to look. What all alerts share has been said.
fn alert_text(alert: &Alert, common_labels: &Labels, common_annotations: &Labels, now: Timestamp) -> String {
    let mark = if alert.is_firing() { emoji(Severity::of(alert)) } else { RESOLVED_EMOJI };
    let is_common = |name: &str| !common_annotations.get(name).is_empty();
    let summary = summary(alert);
    let title = if summary.is_empty() || is_common("summary") {
        alert.name().to_owned()
    } else if common_labels.get(ALERT_NAME).is_empty() {
        // The headline names several; which of them is this?
        format!("{}: {summary}", alert.name())
    } else {
        summary.clone()
    };
    // A summary is written in the present tense, and what it says is over.
    let past = if alert.is_firing() || summary.is_empty() { "" } else { "was: " };
    let mut lines = vec![format!("{mark} {past}{}", bold(&one_line(&title), SUMMARY_CHARS_MAX))];
    let description = alert.annotations.get("description").trim();
    if !description.is_empty() && description != summary && !is_common("description") {
        lines.push(escape(description, DESCRIPTION_CHARS_MAX));
    }
    // A severity that we know is in the mark.
    let is_said = |name: &str| name == SEVERITY && Severity::of(alert) != Severity::Unsaid;
    let labels = alert.labels.filter(|name| common_labels.get(name).is_empty() && !is_said(name));
    let labels = labels_line(&labels, LABELS_CHARS_MAX);
    if !labels.is_empty() {
        lines.push(labels);
    }
    let times = match alert.status {
        AlertStatus::Firing => since(alert.starts_at, now),
        AlertStatus::Resolved { at } => resolved(alert.starts_at, at, now),
    };
    let mut last = vec![times];
    let mut room = LINKS_CHARS_MAX;
    for link in links(alert).filter_map(|(title, url)| link(title, url, LINKS_CHARS_MAX)) {
        if let Some(left) = room.checked_sub(link.chars().count()) {
            room = left;
            last.push(link);
        }
    }
    lines.push(last.join(" · "));
    lines.join("\n")
}

/// What all alerts share, why this is told now, and the way to us.
fn footer(told: &Told<'_>, said: Option<String>, context: &RenderContext<'_>) -> SlackBlock {
    let labels = told.common_labels.filter(|name| name != SEVERITY || told.severity() == Severity::Unsaid);
    let labels = labels_line(&labels, COMMON_LABELS_CHARS_MAX);
    let reason = told.group.reason.as_str().to_owned();
    let home = link("Atalaya", context.external_url, LINKS_CHARS_MAX).unwrap_or_else(|| "Atalaya".to_owned());
    let parts = match said {
        Some(said) => vec![cut_with_count(&one_line(&said), COMMON_LABELS_CHARS_MAX), home],
        None => vec![labels, reason, home],
    };
    let text = parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" · ");
    SlackContextBlock::new(vec![SlackBlockMarkDownText::new(text).into()]).into()
}

/// `since 03:04 UTC (8m)`.
fn since(start: Timestamp, now: Timestamp) -> String {
    format!("since {} ({})", clock(start, now), how_long(now.since(start)))
}

/// `resolved 03:12 UTC after 8m`; without how long where that is not known, as with notices.
fn resolved(start: Timestamp, end: Timestamp, now: Timestamp) -> String {
    let lasted = end.since(start);
    let after = if lasted.is_zero() { String::new() } else { format!(" after {}", how_long(lasted)) };
    format!("resolved {}{after}", clock(end, now))
}

/// Labels, each as code, as many as fit.
fn labels_line(labels: &Labels, max: usize) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (name, value) in labels.iter().filter(|(name, _)| *name != ALERT_NAME) {
        let piece = code(&cut(&format!("{name}={value}"), LABEL_CHARS_MAX), LABEL_CHARS_MAX);
        let length = piece.chars().count() + 1;
        if used + length + 1 > max {
            line.push('…');
            break;
        }
        used += length;
        line.push_str(&piece);
        line.push(' ');
    }
    line.trim_end().to_owned()
}

/// Text in a section.
pub(super) fn section(text: String) -> SlackBlock {
    debug_assert!(text.chars().count() <= SECTION_CHARS_MAX, "the parts of a section are cut to fit");
    SlackSectionBlock::new().with_text(SlackBlockMarkDownText::new(text).into()).into()
}

fn emoji(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "🚨",
        Severity::Error => "🔴",
        Severity::Unsaid => "🔔",
        Severity::Warning => "⚠️",
        Severity::Info => "ℹ️",
    }
}

fn color(told: &Told<'_>) -> &'static str {
    match (told.group.status(), told.severity()) {
        (GroupStatus::Resolved, _) => "#2eb67d",
        (GroupStatus::Firing, Severity::Critical) => "#d7263d",
        (GroupStatus::Firing, Severity::Error | Severity::Unsaid) => "#e8590c",
        (GroupStatus::Firing, Severity::Warning) => "#e8a317",
        (GroupStatus::Firing, Severity::Info) => "#3178c6",
    }
}

/// What is left of the limits that hold for all blocks together.
struct Room {
    blocks: usize,
    chars: usize,
}

impl Room {
    /// All of it but for the line about alerts that are left out.
    fn new() -> Self {
        Self { blocks: BLOCKS_MAX - 1, chars: BLOCKS_CHARS_MAX - REST_CHARS_MAX }
    }

    fn has_for(&self, block: &SlackBlock) -> bool {
        self.blocks > 0 && size(block) <= self.chars
    }

    fn take(&mut self, block: &SlackBlock) {
        self.blocks = self.blocks.saturating_sub(1);
        self.chars = self.chars.saturating_sub(size(block));
    }
}

fn size(block: &SlackBlock) -> usize {
    // A block is plain data with text keys, which always has a JSON form.
    serde_json::to_string(block).map_or(usize::MAX, |json| json.chars().count() + 1)
}
