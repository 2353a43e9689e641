//! Single values: durations, URLs, names of labels.

use std::time::Duration;

use url::Url;

use crate::model::{Labels, METRIC_NAME, parse_duration};

use super::hint::did_you_mean;
use super::place::Sheet;
use super::raw::{Pair, Pairs, Text};

/// A duration, if one is set.
pub(super) fn duration(sheet: &mut Sheet, path: &str, text: Option<&Text>) -> Option<Duration> {
    let text = text?;
    match parse_duration(&text.value) {
        Ok(duration) => Some(duration),
        Err(error) => {
            let is_number = !text.value.is_empty() && text.value.bytes().all(|byte| byte.is_ascii_digit());
            let (what, how) = match error.to_string().split_once(" (") {
                Some((what, how)) => (what.to_owned(), Some(how.trim_end_matches(')').to_owned())),
                None => (error.to_string(), None),
            };
            let unit = is_number.then(|| format!("a duration has a unit: `{}s`?", text.value));
            sheet.note(text, path, what).hint = unit.or(how);
            None
        }
    }
}

/// A duration that is more than nothing, if one is set.
pub(super) fn positive_duration(sheet: &mut Sheet, path: &str, text: Option<&Text>) -> Option<Duration> {
    let duration = duration(sheet, path, text)?;
    if let Some(text) = text.filter(|_| duration.is_zero()) {
        sheet.note(text, path, "must be more than 0");
        return None;
    }
    Some(duration)
}

/// A duration, if one is set; one of 0 is as absent, as with Prometheus's intervals and timeouts.
pub(super) fn set_duration(sheet: &mut Sheet, path: &str, text: Option<&Text>) -> Option<Duration> {
    duration(sheet, path, text).filter(|duration| !duration.is_zero())
}

/// A URL that can be called.
pub(super) fn http_url(sheet: &mut Sheet, path: &str, text: &Text) -> Option<String> {
    let Some((what, hint)) = url_trouble(text) else { return Some(text.value.clone()) };
    sheet.note(text, path, what).hint = hint;
    None
}

/// A URL that can be called and may be a secret, so that its line is not shown when something is wrong.
pub(super) fn secret_url(sheet: &mut Sheet, path: &str, text: &Text) -> Option<String> {
    let Some((what, hint)) = url_trouble(text) else { return Some(text.value.clone()) };
    sheet.note_unseen(text, path, what).hint = hint;
    None
}

/// A URL that can be called, with nobody's name or password in it: it is shown to whoever looks.
pub(super) fn open_url(sheet: &mut Sheet, path: &str, text: &Text, instead: &str) -> Option<Url> {
    let url = http_url(sheet, path, text).and_then(|url| Url::parse(&url).ok())?;
    if has_login(&url) {
        let what = "a URL with a name or password in it would be shown";
        sheet.note_unseen(text, path, what).hint = Some(format!("use `{instead}`"));
        return None;
    }
    Some(url)
}

/// Whether a URL holds a name or a password.
pub(super) fn has_login(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Why a text is not a URL that can be called, and a hint.
fn url_trouble(text: &Text) -> Option<(String, Option<String>)> {
    let (what, hint) = match Url::parse(&text.value) {
        Ok(url) if url.host_str().is_some_and(|host| host.contains(['{', '}'])) => {
            ("the URL has braces where its host should be".to_owned(), Some(FILL_IN))
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") => return None,
        _ if text.value.is_empty() => ("the URL is empty".to_owned(), None),
        _ if text.value.contains("${") => {
            ("`${NAME}` can be used in secrets only, as the whole value".to_owned(), Some(NOT_FILLED_IN))
        }
        Ok(url) => (format!("a URL with `{}:` cannot be called", url.scheme()), Some(HTTP_ONLY)),
        Err(url::ParseError::RelativeUrlWithoutBase) => ("not a URL".to_owned(), Some(HTTP_ONLY)),
        Err(error) => (format!("not a URL: {error}"), None),
    };
    Some((what, hint.map(str::to_owned)))
}

const FILL_IN: &str = "this seems to be for something else to fill in: check the file that comes of it";
const HTTP_ONLY: &str = "a URL begins with `http://` or `https://`";

/// One of a few words, if one is set.
pub(super) fn word<T: Copy>(sheet: &mut Sheet, path: &str, text: Option<&Text>, words: &[(&str, T)]) -> Option<T> {
    let text = text?;
    if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text.value) {
        return Some(*meant);
    }
    let names: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let what = format!("expected {}, found `{}`", names.join(" or "), text.value);
    sheet.note(text, path, what).hint = did_you_mean(&text.value, words.iter().map(|(word, _)| *word));
    None
}

/// What to do where no variable is looked up.
pub(super) const NOT_FILLED_IN: &str = "variables of the environment are not filled in here: write the value itself";

/// A set of labels; `alien` says why a name must not be among them, if it must not.
pub(super) fn labels(
    sheet: &mut Sheet,
    path: &str,
    pairs: Option<&Pairs>,
    alien: impl Fn(&str) -> Option<&'static str>,
) -> Labels {
    let mut builder = Labels::empty().edit();
    for pair in pairs.iter().flat_map(|pairs| &pairs.0) {
        let path = path_of(path, pair);
        if let Some(why) = label_name_trouble(&pair.name.value).or_else(|| alien(&pair.name.value)) {
            sheet.note(&pair.name, &path, why);
        } else if pair.value.value.contains("${") {
            sheet.note(&pair.value, &path, "`${NAME}` can be used in secrets only").hint =
                Some(NOT_FILLED_IN.to_owned());
        } else {
            builder.set(pair.name.value.as_str(), pair.value.value.as_str());
        }
    }
    builder.build()
}

/// The path of a pair; one without a name has that of the whole.
pub(super) fn path_of(path: &str, pair: &Pair) -> String {
    if pair.name.value.is_empty() { path.to_owned() } else { format!("{path}.{}", pair.name.value) }
}

/// Why a text cannot be the name of a label, if it cannot. As in Prometheus 3, any other text can.
pub(super) fn label_name_trouble(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("the name of a label is empty"),
        METRIC_NAME => Some("`__name__` names the metric and cannot be used here"),
        _ if name.contains(char::is_control) => Some("the name of a label has a line break or a control character"),
        _ => None,
    }
}
