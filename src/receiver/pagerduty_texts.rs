//! What the configuration may say of an event of PagerDuty: Alertmanager's settings.

use serde_json::{Value, json};

use super::pagerduty::{FIELD_CHARS_MAX, LINKS_MAX, SUMMARY_CHARS_MAX, severity};
use super::severity::Severity;
use super::slack_texts::cut_with_count;
use super::text::{Text, Writer};
use super::told::{Told, is_link};
use super::words::{cut, one_line};

/// What all details of the configuration take at most, as JSON: half of an event, the rest is for the alerts.
const DETAILS_BYTES_MAX: usize = 256_000;

/// What the configuration says of an event; what is not set is as built in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PagerDutyTexts {
    /// Who tells.
    pub client: Option<Text>,
    /// Where that is.
    pub client_url: Option<Text>,
    /// What a telephone reads out.
    pub description: Option<Text>,
    /// How bad it is, in PagerDuty's words or others.
    pub severity: Option<Text>,
    /// What kind of event it is.
    pub class: Option<Text>,
    /// What part of the source it concerns.
    pub component: Option<Text>,
    /// To what the component belongs.
    pub group: Option<Text>,
    /// What it concerns.
    pub source: Option<Text>,
    /// What else to know, by names.
    pub details: Vec<(String, Text)>,
    /// Pictures.
    pub images: Vec<PagerDutyImage>,
    /// Where to look, before the links of the alerts.
    pub links: Vec<PagerDutyLink>,
}

/// A picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PagerDutyImage {
    /// Where it is; PagerDuty takes HTTPS only.
    pub src: Text,
    /// Where it leads.
    pub href: Option<Text>,
    /// What it shows.
    pub alt: Option<Text>,
}

/// A link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PagerDutyLink {
    /// Where it leads.
    pub href: Text,
    /// What it is called.
    pub text: Option<Text>,
}

impl PagerDutyTexts {
    /// Puts what the configuration says into the place of what is built in.
    pub(super) fn fill(&self, event: &mut Value, told: &Told<'_>, writer: &mut Writer<'_>) {
        if let Some(text) = writer.text("client", self.client.as_ref()) {
            event["client"] = cut(&one_line(&text), FIELD_CHARS_MAX).into();
        }
        if let Some(url) = writer.text("client_url", self.client_url.as_ref()) {
            if is_link(url.trim()) {
                event["client_url"] = url.trim().into();
            } else {
                writer.trouble("`client_url` is not a URL that can be followed".to_owned());
            }
        }
        if let Some(text) = writer.text("description", self.description.as_ref()) {
            event["payload"]["summary"] = cut_with_count(&one_line(&text), SUMMARY_CHARS_MAX).into();
        }
        let fields =
            [("class", &self.class), ("component", &self.component), ("group", &self.group), ("source", &self.source)];
        for (name, text) in fields {
            if let Some(text) = writer.text(name, text.as_ref()) {
                event["payload"][name] = cut(&one_line(&text), FIELD_CHARS_MAX).into();
            }
        }
        if let Some(word) = writer.text("severity", self.severity.as_ref()) {
            event["payload"]["severity"] = match Severity::of_word(&word) {
                // No word that we know: PagerDuty would refuse it, and the alerts know better.
                Severity::Unsaid => severity(told.severity()),
                known => severity(known),
            }
            .into();
        }
        self.fill_details(event, writer);
        let images = self.images(writer);
        if !images.is_empty() {
            event["images"] = images.into();
        }
        let mut links = self.links(writer);
        links.extend(event["links"].as_array().into_iter().flatten().cloned());
        links.truncate(LINKS_MAX);
        event["links"] = links.into();
    }

    fn fill_details(&self, event: &mut Value, writer: &mut Writer<'_>) {
        let mut room = DETAILS_BYTES_MAX;
        for (name, text) in &self.details {
            let Some(text) = writer.text(&format!("details.{name}"), Some(text)) else { continue };
            // As JSON a character may take several bytes.
            let mut max = room / 8;
            if text.len() + name.len() + 8 <= room / 2 {
                max = text.chars().count();
            }
            let text = cut_with_count(&text, max);
            let Some(left) = room.checked_sub(Value::from(text.as_str()).to_string().len() + name.len() + 8) else {
                writer.trouble(format!("`details.{name}` does not fit into an event"));
                continue;
            };
            room = left;
            event["payload"]["custom_details"][name.as_str()] = text.into();
        }
    }

    fn images(&self, writer: &mut Writer<'_>) -> Vec<Value> {
        let mut images = Vec::new();
        for image in self.images.iter().take(LINKS_MAX) {
            let Some(src) = writer.text("images.src", Some(&image.src)) else { continue };
            if !is_link(src.trim()) || !src.trim().starts_with("https://") {
                writer.trouble("the `src` of one of the `images` is not an HTTPS URL".to_owned());
                continue;
            }
            let mut value = json!({ "src": src.trim() });
            if let Some(href) = writer.text("images.href", image.href.as_ref()).filter(|href| is_link(href.trim())) {
                value["href"] = href.trim().into();
            }
            if let Some(alt) = writer.text("images.alt", image.alt.as_ref()) {
                value["alt"] = cut(&one_line(&alt), FIELD_CHARS_MAX).into();
            }
            images.push(value);
        }
        images
    }

    fn links(&self, writer: &mut Writer<'_>) -> Vec<Value> {
        let mut links = Vec::new();
        for link in self.links.iter().take(LINKS_MAX) {
            let Some(href) = writer.text("links.href", Some(&link.href)) else { continue };
            if !is_link(href.trim()) {
                writer.trouble("the `href` of one of the `links` cannot be followed".to_owned());
                continue;
            }
            let mut value = json!({ "href": href.trim() });
            if let Some(text) = writer.text("links.text", link.text.as_ref()) {
                value["text"] = cut(&one_line(&text), FIELD_CHARS_MAX).into();
            }
            links.push(value);
        }
        links
    }
}
