//! `pagerduty_configs`: a service of PagerDuty, by the Events API v2.

use crate::receiver::{PagerDuty, PagerDutyImage, PagerDutyLink, PagerDutyTexts};

use super::place::{Sheet, Spot};
use super::raw::{RawPagerDuty, Text};
use super::receivers::Builder;
use super::secret::Setting;
use super::templates::{needed, text};
use super::value::{http_url, path_of};

impl Builder<'_> {
    /// Checks an entry of `pagerduty_configs`.
    pub(super) fn pagerduty(
        &mut self,
        sheet: &mut Sheet,
        path: &str,
        owner: Spot,
        raw: &RawPagerDuty,
    ) -> Option<PagerDuty> {
        if let Some(key) = raw.service_key.as_ref().or(raw.service_key_file.as_ref()) {
            let what = "`service_key` belongs to the Events API v1, which is not supported";
            sheet.note_unseen(key, path, what).hint = Some(
                "give the service an integration of the kind `Events API v2`, and its key as `routing_key`".to_owned(),
            );
            return None;
        }
        let (inline, file) = (raw.routing_key.as_ref(), raw.routing_key_file.as_ref());
        let routing_key = self.secrets.add(sheet, Setting { path, name: "routing_key", inline, file, owner });
        let url = match &raw.url {
            Some(text) => http_url(sheet, &format!("{path}.url"), text),
            None => Some(self.global.pagerduty_url.clone()),
        };
        let texts = pagerduty_texts(sheet, path, raw);
        let timeout = self.timeout(sheet, path, raw.timeout.as_ref());
        let client = self.client(sheet, path, raw.http_config.as_ref());
        Some(PagerDuty {
            url: url?,
            routing_key: routing_key?,
            texts,
            send_resolved: raw.send_resolved.unwrap_or(true),
            timeout,
            client,
        })
    }
}

fn pagerduty_texts(sheet: &mut Sheet, path: &str, raw: &RawPagerDuty) -> PagerDutyTexts {
    let mut said = |name: &str, raw: &Option<Text>| text(sheet, &format!("{path}.{name}"), raw.as_ref());
    let mut texts = PagerDutyTexts {
        client: said("client", &raw.client),
        client_url: said("client_url", &raw.client_url),
        description: said("description", &raw.description),
        severity: said("severity", &raw.severity),
        class: said("class", &raw.class),
        component: said("component", &raw.component),
        group: said("group", &raw.group),
        source: said("source", &raw.source),
        ..PagerDutyTexts::default()
    };
    for pair in raw.details.iter().flat_map(|details| &details.0) {
        let value = text(sheet, &path_of(&format!("{path}.details"), pair), Some(&pair.value));
        texts.details.extend(value.map(|value| (pair.name.value.clone(), value)));
    }
    for (at, image) in raw.images.iter().flatten().enumerate() {
        let path = format!("{path}.images[{at}]");
        let src = needed(sheet, image, &path, "src", image.value.src.as_ref());
        let href = text(sheet, &format!("{path}.href"), image.value.href.as_ref());
        let alt = text(sheet, &format!("{path}.alt"), image.value.alt.as_ref());
        texts.images.extend(src.map(|src| PagerDutyImage { src, href, alt }));
    }
    for (at, link) in raw.links.iter().flatten().enumerate() {
        let path = format!("{path}.links[{at}]");
        let href = needed(sheet, link, &path, "href", link.value.href.as_ref());
        let said = text(sheet, &format!("{path}.text"), link.value.text.as_ref());
        texts.links.extend(href.map(|href| PagerDutyLink { href, text: said }));
    }
    texts
}
