//! What the configuration may say of a Slack message: Alertmanager's settings, as far as blocks have a place for them.

use std::collections::BTreeSet;

use slack_morphism::prelude::{
    SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockButtonStyle, SlackBlockConfirmItem,
    SlackBlockImageElement, SlackBlockMarkDownText, SlackBlockPlainText, SlackImageBlock, SlackImageUrlOrFile,
    SlackSectionBlock,
};
use url::Url;

use super::mrkdwn::{escape, link};
use super::slack_message::{SECTION_CHARS_MAX, section};
use super::text::{Text, Writer};
use super::words::{cut, one_line};

/// The text that `text` may give, over several sections.
const BODY_CHARS_MAX: usize = 9000;
/// What sections have as JSON beside their texts, together.
const SECTION_OWN_CHARS: usize = 400;
/// What stands above the headline.
pub(super) const PRETEXT_CHARS_MAX: usize = 1000;
/// Fields, and the text of one.
const FIELDS_MAX: usize = 20;
const FIELD_CHARS_MAX: usize = 2000;
/// Fields in one section.
const SECTION_FIELDS_MAX: usize = 10;
/// Buttons, the text on one, its URL, and what asks whether it was meant.
const ACTIONS_MAX: usize = 25;
const BUTTON_CHARS_MAX: usize = 75;
const BUTTON_URL_CHARS_MAX: usize = 3000;
const CONFIRM_TITLE_CHARS_MAX: usize = 100;
const CONFIRM_TEXT_CHARS_MAX: usize = 300;
const CONFIRM_BUTTON_CHARS_MAX: usize = 30;
/// A title with its link.
const TITLE_CHARS_MAX: usize = 300;
const TITLE_LINK_CHARS_MAX: usize = 1500;

/// What the configuration says of a message; what is not set is as built in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SlackTexts {
    /// The headline.
    pub title: Option<Text>,
    /// Where the headline leads.
    pub title_link: Option<Text>,
    /// What stands above the headline.
    pub pretext: Option<Text>,
    /// What stands in place of the alerts, in Slack's markup.
    pub text: Option<Text>,
    /// Names with values.
    pub fields: Vec<SlackField>,
    /// What stands below, before the way to us.
    pub footer: Option<Text>,
    /// What a telephone's lock screen shows.
    pub fallback: Option<Text>,
    /// The colour of the bar: `#rrggbb`, `good`, `warning` or `danger`.
    pub color: Option<Text>,
    /// Buttons that lead somewhere.
    pub actions: Vec<SlackAction>,
    /// A picture below the alerts.
    pub image_url: Option<Text>,
    /// A small picture beside the first text.
    pub thumb_url: Option<Text>,
    /// Whose name the message bears.
    pub username: Option<Text>,
    /// Its picture, as an emoji.
    pub icon_emoji: Option<Text>,
    /// Its picture, as a URL.
    pub icon_url: Option<Text>,
    /// Whether names and channels are made links.
    pub link_names: bool,
}

/// A name with a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlackField {
    /// The name.
    pub title: Text,
    /// The value.
    pub value: Text,
    /// Whether another one stands beside it.
    pub is_short: bool,
}

/// A button that leads somewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlackAction {
    /// What stands on it.
    pub text: Text,
    /// Where it leads.
    pub url: Text,
    /// `primary` or `danger`.
    pub style: Option<Text>,
    /// What asks whether it was meant.
    pub confirm: Option<SlackConfirm>,
}

/// What asks whether a button was meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlackConfirm {
    /// The question.
    pub text: Text,
    /// What stands above it.
    pub title: Option<Text>,
    /// What says yes.
    pub ok_text: Option<Text>,
    /// What says no.
    pub dismiss_text: Option<Text>,
}

impl SlackTexts {
    /// The headline as a text with a link, when it has one; a headline without one has a block of its own kind.
    pub(super) fn linked_title(&self, writer: &mut Writer<'_>, title: &str) -> Option<SlackBlock> {
        let url = writer.text("title_link", self.title_link.as_ref())?;
        let title = escape(&one_line(title).replace('*', "∗"), TITLE_CHARS_MAX);
        match link(&title, url.trim(), TITLE_LINK_CHARS_MAX) {
            Some(link) => Some(section(format!("*{link}*"))),
            None => {
                writer.trouble("`title_link` is not a URL that can be followed".to_owned());
                None
            }
        }
    }

    /// What stands in place of the alerts, within `room` characters of JSON.
    pub(super) fn body(&self, writer: &mut Writer<'_>, text: &str, room: usize) -> Vec<SlackBlock> {
        // As JSON a line break or a quote is two characters, and each section has some of its own.
        let max = BODY_CHARS_MAX.min((room / 2).saturating_sub(SECTION_OWN_CHARS));
        let thumb = self.picture(writer, "thumb_url", self.thumb_url.as_ref());
        let mut blocks: Vec<SlackBlock> = Vec::new();
        for piece in pieces(text, max) {
            let mut block = SlackSectionBlock::new().with_text(SlackBlockMarkDownText::new(piece).into());
            if let Some(url) = thumb.clone().filter(|_| blocks.is_empty()) {
                let image = SlackImageUrlOrFile::ImageUrl { image_url: url };
                block = block.with_accessory(SlackBlockImageElement::new(image, "picture".to_owned()).into());
            }
            blocks.push(block.into());
        }
        blocks
    }

    /// The fields, two in a row where both are short.
    pub(super) fn fields(&self, writer: &mut Writer<'_>) -> Vec<SlackBlock> {
        let mut blocks = Vec::new();
        let mut row: Vec<SlackBlockMarkDownText> = Vec::new();
        let flush = |row: &mut Vec<SlackBlockMarkDownText>, blocks: &mut Vec<SlackBlock>| {
            if !row.is_empty() {
                let fields = std::mem::take(row).into_iter().map(Into::into).collect();
                blocks.push(SlackSectionBlock::new().with_fields(fields).into());
            }
        };
        for field in self.fields.iter().take(FIELDS_MAX) {
            let title = writer.text("fields.title", Some(&field.title)).unwrap_or_default();
            let value = writer.text("fields.value", Some(&field.value)).unwrap_or_default();
            let text = cut_with_count(&format!("*{}*\n{value}", title.trim()), FIELD_CHARS_MAX);
            if !field.is_short {
                flush(&mut row, &mut blocks);
                blocks.push(section(text));
                continue;
            }
            row.push(SlackBlockMarkDownText::new(text));
            if row.len() == SECTION_FIELDS_MAX {
                flush(&mut row, &mut blocks);
            }
        }
        flush(&mut row, &mut blocks);
        if self.fields.len() > FIELDS_MAX {
            blocks.push(section(format!("…and {} more fields", self.fields.len() - FIELDS_MAX)));
        }
        blocks
    }

    /// The picture below.
    pub(super) fn image(&self, writer: &mut Writer<'_>) -> Option<SlackBlock> {
        let url = self.picture(writer, "image_url", self.image_url.as_ref())?;
        Some(SlackImageBlock::new(SlackImageUrlOrFile::ImageUrl { image_url: url }, "picture".to_owned()).into())
    }

    fn picture(&self, writer: &mut Writer<'_>, setting: &str, text: Option<&Text>) -> Option<Url> {
        let text = writer.text(setting, text)?;
        let url = followed(text.trim());
        if url.is_none() {
            writer.trouble(format!("`{setting}` is not a URL that can be followed"));
        }
        url
    }

    /// The buttons.
    pub(super) fn buttons(&self, writer: &mut Writer<'_>) -> Option<SlackBlock> {
        let mut buttons = Vec::new();
        let mut ids = BTreeSet::new();
        for action in self.actions.iter().take(ACTIONS_MAX) {
            let Some(url) = writer.text("actions.url", Some(&action.url)) else { continue };
            let Some(url) = followed(url.trim()) else {
                writer.trouble("the `url` of one of the `actions` cannot be followed: it has no button".to_owned());
                continue;
            };
            let text = writer.text("actions.text", Some(&action.text)).unwrap_or_else(|| "Open".to_owned());
            let id = format!("open_{}", ids.len());
            ids.insert(id.clone());
            let mut button = SlackBlockButtonElement::new(plain(&text, BUTTON_CHARS_MAX).into())
                .with_action_id(id.into())
                .with_url(url);
            match writer.text("actions.style", action.style.as_ref()).as_deref() {
                Some("primary") => button = button.with_style(SlackBlockButtonStyle::Primary),
                Some("danger") => button = button.with_style(SlackBlockButtonStyle::Danger),
                _ => {}
            }
            if let Some(confirm) = action.confirm.as_ref().and_then(|it| it.item(writer)) {
                button = button.with_confirm(confirm);
            }
            buttons.push(button.into());
        }
        (!buttons.is_empty()).then(|| SlackActionsBlock::new(buttons).into())
    }

    /// The colour, when it is one.
    pub(super) fn color(&self, writer: &mut Writer<'_>) -> Option<String> {
        let text = writer.text("color", self.color.as_ref())?;
        let color = text.trim();
        let is_hex = color
            .strip_prefix('#')
            .is_some_and(|hex| matches!(hex.len(), 3 | 6) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if is_hex || matches!(color, "good" | "warning" | "danger") {
            return Some(color.to_owned());
        }
        writer.trouble(format!("`color` is not a colour: `{}`", cut(&one_line(color), 40)));
        None
    }
}

impl SlackConfirm {
    fn item(&self, writer: &mut Writer<'_>) -> Option<SlackBlockConfirmItem> {
        let text = writer.text("actions.confirm.text", Some(&self.text))?;
        let mut other = |setting: &str, text: &Option<Text>, default: &str, max: usize| {
            let text = writer.text(setting, text.as_ref()).unwrap_or_else(|| default.to_owned());
            plain(&text, max)
        };
        let title = other("actions.confirm.title", &self.title, "Are you sure?", CONFIRM_TITLE_CHARS_MAX);
        let ok = other("actions.confirm.ok_text", &self.ok_text, "Okay", CONFIRM_BUTTON_CHARS_MAX);
        let deny = other("actions.confirm.dismiss_text", &self.dismiss_text, "Cancel", CONFIRM_BUTTON_CHARS_MAX);
        let text = SlackBlockMarkDownText::new(cut(text.trim(), CONFIRM_TEXT_CHARS_MAX));
        Some(SlackBlockConfirmItem::new(title.into(), text.into(), ok.into(), deny.into()))
    }
}

fn plain(text: &str, max: usize) -> SlackBlockPlainText {
    SlackBlockPlainText::new(cut(&one_line(text), max)).with_emoji(true)
}

/// A URL that Slack takes.
fn followed(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.as_str().chars().count() <= BUTTON_URL_CHARS_MAX).then_some(url)
}

/// A text of at most `max` characters; how many are missing stands at its end.
pub(super) fn cut_with_count(text: &str, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return text.to_owned();
    }
    const NOTE_CHARS_MAX: usize = 40;
    let kept = max.saturating_sub(NOTE_CHARS_MAX);
    let note = format!("… (and {} more characters)", length - kept);
    text.chars().take(kept).collect::<String>() + &note
}

/// A text in pieces that fit into sections, cut between lines where that is possible.
fn pieces(text: &str, max: usize) -> Vec<String> {
    let text = cut_with_count(text.trim(), max);
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.char_indices().nth(SECTION_CHARS_MAX).map_or(rest.len(), |(at, _)| at);
        let at = match rest[..end].rfind('\n') {
            Some(line) if end < rest.len() && line > 0 => line,
            _ => end,
        };
        pieces.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start_matches('\n');
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_with_a_count() {
        let check = |length: usize, max: usize, ends: &str| {
            let got = cut_with_count(&"é".repeat(length), max);
            assert!(got.ends_with(ends) && got.chars().count() <= max, "{got}");
        };
        check(100, 100, "é");
        check(101, 100, "… (and 41 more characters)");
        check(100_000, 3000, "… (and 97040 more characters)");
    }

    #[test]
    fn bodies_are_cut_between_lines() {
        let line = "x".repeat(2000);
        let lengths =
            |text: &str| pieces(text, BODY_CHARS_MAX).iter().map(|piece| piece.chars().count()).collect::<Vec<_>>();
        assert_eq!(lengths(&format!("{line}\n{line}")), [2000, 2000]);
        assert_eq!(lengths(&"x".repeat(6001)), [3000, 3000, 1]);
        assert_eq!(lengths("\n\n"), [0; 0]);
        assert!(pieces(&"x\n".repeat(20_000), BODY_CHARS_MAX).len() <= 4);
    }
}
