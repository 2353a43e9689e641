//! Where numbers come from besides the targets: `source`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::place::Spanned;

use crate::model::{ClientName, SourceName, did_you_mean};
use crate::source::RemoteSpec;
use crate::transport::HttpOptions;

use super::http::{client, http_settings};
use super::place::Sheet;
use super::raw::{RawApi, RawSource};
use super::secret::SecretList;
use super::value::{open_url, positive_duration};

/// How long a query may take unless an API says otherwise, or rules are evaluated more often than that.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many queries an API is asked at once unless it says otherwise, and at most.
const CONCURRENCY: usize = 4;
const CONCURRENCY_MAX: u64 = 1000;
/// How the targets are called as a source.
pub(super) const EMBEDDED: &str = "embedded";

/// `source`, checked.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// How the APIs are called, those included that are not sound.
    pub(super) names: BTreeSet<String>,
    /// Whom rules ask that do not say.
    pub(super) default: SourceName,
    pub(super) apis: Vec<RemoteSpec>,
}

/// Checks `source`.
pub(super) fn sources(
    sheet: &mut Sheet,
    raw: &RawSource,
    evaluation_interval: Duration,
    secrets: &mut SecretList<'_>,
    clients: &mut Vec<(ClientName, HttpOptions)>,
) -> Sources {
    let mut names = BTreeSet::new();
    let mut apis = Vec::new();
    for (index, raw) in raw.apis.iter().flatten().enumerate() {
        let name = raw.value.name.as_ref().filter(|name| !name.value.is_empty());
        let path = match name {
            Some(name) => format!("source.apis[{}]", name.value),
            None => format!("source.apis[{index}]"),
        };
        match name {
            None => {
                sheet.note(raw, &path, "the API has no `name`");
            }
            Some(name) if name.value == EMBEDDED => {
                let what = format!("`{EMBEDDED}` is the name of the store that scrapes fill");
                sheet.note(name, &path, what).hint = Some("give the API another name".to_owned());
            }
            Some(name) if !names.insert(name.value.clone()) => {
                sheet.note(name, &path, "an API of this name stands above");
            }
            Some(_) => {}
        }
        apis.extend(api(sheet, &path, raw, evaluation_interval, secrets, clients));
    }
    let default = match &raw.default {
        None => SourceName::embedded(),
        Some(text) if text.value == EMBEDDED => SourceName::embedded(),
        Some(text) => {
            if !names.contains(&text.value) {
                let hint = did_you_mean(&text.value, names.iter().map(String::as_str).chain([EMBEDDED]));
                sheet.note(text, "source.default", format!("no API is named `{}`", text.value)).hint =
                    hint.or_else(|| Some(format!("describe it in `source.apis`, or write `{EMBEDDED}`")));
            }
            SourceName::new(text.value.as_str())
        }
    };
    Sources { names, default, apis }
}

fn api(
    sheet: &mut Sheet,
    path: &str,
    spanned: &Spanned<RawApi>,
    evaluation_interval: Duration,
    secrets: &mut SecretList<'_>,
    clients: &mut Vec<(ClientName, HttpOptions)>,
) -> Option<RemoteSpec> {
    let raw = &spanned.value;
    let url = match &raw.url {
        None => {
            sheet.note(spanned, path, "there is no `url`").hint =
                Some("the URL before `/api/v1/query`, as in `http://prometheus:9090`".to_owned());
            None
        }
        Some(text) => {
            let place = format!("{path}.url");
            let url = open_url(sheet, &place, text, "basic_auth");
            if let Some(url) = &url {
                let told = if url.fragment().is_some() {
                    Some(("a URL with `#` cannot be called", "leave out what begins with `#`"))
                } else if url.path().trim_end_matches('/').ends_with("/api/v1") || url.path().contains("/api/v1/query")
                {
                    Some(("`/api/v1/query` is added to this URL", "leave out what begins with `/api/v1`"))
                } else {
                    None
                };
                if let Some((what, hint)) = told {
                    sheet.note_unseen(text, &place, what).hint = Some(hint.to_owned());
                }
            }
            url
        }
    };
    let timeout = positive_duration(sheet, &format!("{path}.timeout"), raw.timeout.as_ref());
    let max_concurrency = raw.max_concurrency.as_ref().and_then(|max| {
        let is_sound = (1..=CONCURRENCY_MAX).contains(&max.value);
        if !is_sound {
            sheet.note(max, &format!("{path}.max_concurrency"), format!("must be from 1 to {CONCURRENCY_MAX}"));
        }
        usize::try_from(max.value).ok().filter(|_| is_sound)
    });
    let mut params = Vec::new();
    for (name, values) in raw.params.iter().flat_map(|named| &named.0) {
        let place = format!("{path}.params.{}", name.value);
        if matches!(name.value.as_str(), "query" | "time" | "timeout") {
            sheet.note(name, &place, format!("`{}` is what each query sets itself", name.value));
        }
        params.extend(values.iter().map(|value| (name.value.clone(), value.value.clone())));
    }
    let client = client(sheet, path, &http_settings!(raw), secrets, clients);
    Some(RemoteSpec {
        name: SourceName::new(raw.name.as_ref()?.value.as_str()),
        url: url?,
        timeout: timeout.unwrap_or(TIMEOUT.min(evaluation_interval)),
        max_concurrency: max_concurrency.unwrap_or(CONCURRENCY),
        params,
        client,
    })
}
