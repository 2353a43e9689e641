//! Single values: durations, URLs, names of labels.

use std::time::Duration;

use url::Url;

use crate::model::{Labels, METRIC_NAME, did_you_mean, parse_duration};

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
    // What stands before `@` may be a password, whatever is wrong with the rest.
    if text.value.contains('@') {
        return secret_url(sheet, path, text);
    }
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

/// Whether a text is a URL that holds a name or a password, or looks like one that has lost its scheme: `me:password@host`.
pub(super) fn may_have_login(text: &str) -> bool {
    let Some((before, _)) = text.rsplit_once('@') else { return false };
    match Url::parse(text) {
        Ok(url) if url.has_host() => has_login(&url),
        // Sentences and expressions have colons too.
        _ => before.contains(':') && !text.contains(char::is_whitespace),
    }
}

/// Whether a URL is that of an incoming webhook of Slack rather than the base of the Web API.
pub(super) fn is_hook(url: &str) -> bool {
    let path = Url::parse(url).map(|url| url.path().to_owned()).unwrap_or_default();
    path.contains("/services/") || path.contains("/workflows/") || !path.trim_end_matches('/').ends_with("/api")
}

/// The same where a variable may stand, which can be nothing else.
pub(super) fn is_hook_or_variable(url: &str) -> bool {
    url.contains("${") || is_hook(url)
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
        // What stands where the scheme should be is somebody's name.
        Ok(url) if url.cannot_be_a_base() && text.value.contains('@') => ("not a URL".to_owned(), Some(HTTP_ONLY)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_seen_without_its_scheme() {
        let check = |text: &str, want: bool| assert_eq!(may_have_login(text), want, "{text}");
        check("http://me:hunter2@prom:9090", true);
        check("http:///hunter2@prom:9090", true);
        check("me:hunter2@prom:9090", true);
        check("me_2:hunter2@prom:9090/x", true);
        check("me:/hunter2@prom", true);
        check("http://me:hunter2@prom:99999", true);
        check("http://prom:9090/x@y", false);
        check("prom:9090", false);
        check("sre@example.com", false);
        check("job:up:sum @ start()", false);
        check("write to: sre@example.com", false);
    }

    #[test]
    fn tells_webhooks_from_the_api() {
        let check = |url: &str, want: bool| {
            assert_eq!(is_hook(url), want, "{url}");
            assert_eq!(is_hook_or_variable(url), want, "{url}");
        };
        check("https://hooks.slack.com/services/T0/B0/x", true);
        check("https://hooks.slack.com/workflows/T0/A0/1/x", true);
        check("https://mattermost.example/hooks/abc", true);
        check("https://slack.com/api", false);
        check("http://127.0.0.1:9/slack/api/", false);
        assert!(is_hook_or_variable("${SLACK_URL}/api"));
    }
}
