//! How calls are made: `http_config` as Prometheus and Alertmanager have it, and the same settings inline.
//!
//! No line is shown with a problem: too often a secret stands on it, and not under a name that gives it away.

use super::place::Spanned;
use reqwest::header::{HeaderName, HeaderValue};

use crate::model::{ClientName, SecretName};
use crate::transport::{
    Authentication, ClientCertificate, ConnectionOptions, HttpOptions, OAuth2Options, Part, Pem, ProxyOptions,
    SecretSource, TlsOptions, TlsVersion,
};

use super::hint::did_you_mean;
use super::place::{Sheet, Spot};
use super::raw::{
    Named, Pairs, RawAuthorization, RawBasicAuth, RawHttpConfig, RawHttpHeader, RawOAuth2, RawTlsConfig, Text,
};
use super::secret::{SecretList, Setting, inline_source, source};
use super::value::{has_login, open_url, path_of};

/// Headers that we set ourselves, as Prometheus has them.
const OUR_HEADERS: [&str; 17] = [
    "authorization",
    "host",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "www-authenticate",
    "x-prometheus-scrape-timeout-seconds",
];

/// What TLS calls its versions here.
const VERSIONS: [(&str, Option<TlsVersion>); 4] =
    [("TLS10", None), ("TLS11", None), ("TLS12", Some(TlsVersion::Tls12)), ("TLS13", Some(TlsVersion::Tls13))];

/// The settings of a struct that has them inline, as `http_config` has them.
macro_rules! http_settings {
    ($raw:expr) => {
        $crate::config::raw::RawHttpConfig {
            basic_auth: $raw.basic_auth.clone(),
            authorization: $raw.authorization.clone(),
            bearer_token: $raw.bearer_token.clone(),
            bearer_token_file: $raw.bearer_token_file.clone(),
            oauth2: $raw.oauth2.clone(),
            tls_config: $raw.tls_config.clone(),
            http_headers: $raw.http_headers.clone(),
            follow_redirects: $raw.follow_redirects,
            enable_http2: $raw.enable_http2,
            proxy_url: $raw.proxy_url.clone(),
            no_proxy: $raw.no_proxy.clone(),
            proxy_from_environment: $raw.proxy_from_environment.clone(),
            proxy_connect_header: $raw.proxy_connect_header.clone(),
        }
    };
}

pub(super) use http_settings;

/// Checks settings and, if there are any, keeps them as the client of this path, which is its name.
pub(super) fn client(
    sheet: &mut Sheet,
    path: &str,
    raw: &RawHttpConfig,
    secrets: &mut SecretList<'_>,
    clients: &mut Vec<(ClientName, HttpOptions)>,
) -> Option<ClientName> {
    let options = options(sheet, path, raw, secrets)?;
    let name = ClientName::new(path);
    clients.push((name.clone(), options));
    Some(name)
}

/// Checks settings; nothing when none of them differs from what every call does.
pub(super) fn options(
    sheet: &mut Sheet,
    path: &str,
    raw: &RawHttpConfig,
    secrets: &mut SecretList<'_>,
) -> Option<HttpOptions> {
    let options = HttpOptions {
        authentication: authentication(sheet, path, raw, secrets),
        headers: http_headers(sheet, path, raw.http_headers.as_ref(), secrets),
        follow_redirects: raw.follow_redirects.unwrap_or(true),
        connection: ConnectionOptions {
            tls: tls(sheet, path, raw.tls_config.as_ref(), secrets),
            proxy: proxy(sheet, path, &ProxySettings::of_http(raw), secrets),
        },
    };
    (options != HttpOptions::default()).then_some(options)
}

fn authentication(
    sheet: &mut Sheet,
    path: &str,
    raw: &RawHttpConfig,
    secrets: &mut SecretList<'_>,
) -> Option<Authentication> {
    let bearer = raw.bearer_token.as_ref().or(raw.bearer_token_file.as_ref());
    let all: [(&str, Option<Spot>); 4] = [
        ("basic_auth", raw.basic_auth.as_ref().map(Spot::from)),
        ("authorization", raw.authorization.as_ref().map(Spot::from)),
        ("oauth2", raw.oauth2.as_ref().map(Spot::from)),
        ("bearer_token", bearer.map(Spot::from)),
    ];
    let mut set = all.into_iter().filter_map(|(name, spot)| Some((name, spot?)));
    if let (Some((first, _)), Some((second, spot))) = (set.next(), set.next()) {
        let what = format!("`{first}` and `{second}` exclude each other: a call says once who makes it");
        sheet.note_unseen(spot, path, what).hint = Some("keep one of them".to_owned());
    }
    let basic = raw.basic_auth.as_ref().and_then(|raw| basic_auth(sheet, &format!("{path}.basic_auth"), raw, secrets));
    let header =
        raw.authorization.as_ref().and_then(|raw| authorization(sheet, &format!("{path}.authorization"), raw, secrets));
    let oauth2 = raw.oauth2.as_ref().and_then(|raw| oauth2(sheet, &format!("{path}.oauth2"), raw, secrets));
    let bearer = bearer.and_then(|owner| {
        let (inline, file) = (raw.bearer_token.as_ref(), raw.bearer_token_file.as_ref());
        let credentials =
            secrets.add(sheet, Setting { path, name: "bearer_token", inline, file, owner: owner.into() })?;
        Some(Authentication::Header { scheme: "Bearer".to_owned(), credentials })
    });
    basic.or(header).or(oauth2).or(bearer)
}

fn basic_auth(
    sheet: &mut Sheet,
    path: &str,
    raw: &Spanned<RawBasicAuth>,
    secrets: &mut SecretList<'_>,
) -> Option<Authentication> {
    let (owner, raw) = (Spot::from(raw), &raw.value);
    sheet.refuse(path, raw.not_yet());
    let setting =
        Setting { path, name: "username", inline: raw.username.as_ref(), file: raw.username_file.as_ref(), owner };
    let has_password = raw.password.is_some() || raw.password_file.is_some();
    let username = match (setting.inline, setting.file) {
        // Some APIs know a caller by the password alone.
        (None, None) if has_password => Some(Part::Plain(String::new())),
        (None, None) => {
            sheet.note_unseen(owner, path, "there is neither `username` nor `username_file`").hint =
                Some("write `username: …` and `password: …`, or remove `basic_auth`".to_owned());
            None
        }
        _ => source(sheet, setting, secrets.directory).map(|source| match source {
            SecretSource::Inline(text) => Part::Plain(text),
            source => Part::Secret(secrets.keep(setting, source)),
        }),
    };
    let inline = raw.password.as_ref().filter(|text| !text.value.is_empty());
    let setting = Setting { path, name: "password", inline, file: raw.password_file.as_ref(), owner };
    let has_password = inline.is_some() || setting.file.is_some();
    let password = if has_password { Some(secrets.add(sheet, setting)?) } else { None };
    Some(Authentication::Basic { username: username?, password })
}

fn authorization(
    sheet: &mut Sheet,
    path: &str,
    raw: &Spanned<RawAuthorization>,
    secrets: &mut SecretList<'_>,
) -> Option<Authentication> {
    let (owner, raw) = (Spot::from(raw), &raw.value);
    sheet.refuse(path, raw.not_yet());
    let scheme = raw.scheme.as_ref().map(|text| text.value.trim()).filter(|scheme| !scheme.is_empty());
    if let (Some(text), Some(scheme)) = (&raw.scheme, scheme) {
        let place = format!("{path}.type");
        if scheme.eq_ignore_ascii_case("basic") {
            sheet.note_unseen(text, &place, "`authorization` does not do basic authentication").hint =
                Some("use `basic_auth: {username: …, password: …}`".to_owned());
        } else if scheme.contains(char::is_whitespace) || HeaderValue::from_str(scheme).is_err() {
            sheet.note_unseen(text, &place, format!("`{scheme}` is not a scheme of authentication"));
        }
    }
    if raw.credentials.is_none() && raw.credentials_file.is_none() {
        sheet.note_unseen(owner, path, "there is neither `credentials` nor `credentials_file`").hint =
            Some("write `credentials: …`, or remove `authorization`".to_owned());
        return None;
    }
    let (inline, file) = (raw.credentials.as_ref(), raw.credentials_file.as_ref());
    let credentials = secrets.add(sheet, Setting { path, name: "credentials", inline, file, owner })?;
    Some(Authentication::Header { scheme: scheme.unwrap_or("Bearer").to_owned(), credentials })
}

fn oauth2(
    sheet: &mut Sheet,
    path: &str,
    raw: &Spanned<RawOAuth2>,
    secrets: &mut SecretList<'_>,
) -> Option<Authentication> {
    let (owner, raw) = (Spot::from(raw), &raw.value);
    sheet.refuse(path, raw.not_yet());
    let client_id = raw.client_id.as_ref().filter(|id| !id.value.is_empty());
    if client_id.is_none() {
        sheet.note_unseen(owner, path, "there is no `client_id`");
    }
    let token_url = match &raw.token_url {
        Some(text) => open_url(sheet, &format!("{path}.token_url"), text, "client_secret").map(|_| text.value.clone()),
        None => {
            sheet.note_unseen(owner, path, "there is no `token_url`");
            None
        }
    };
    let (inline, file) = (raw.client_secret.as_ref(), raw.client_secret_file.as_ref());
    let client_secret = if inline.is_none() && file.is_none() {
        sheet.note_unseen(owner, path, "there is neither `client_secret` nor `client_secret_file`");
        None
    } else {
        secrets.add(sheet, Setting { path, name: "client_secret", inline, file, owner })
    };
    let connection = ConnectionOptions {
        tls: tls(sheet, path, raw.tls_config.as_ref(), secrets),
        proxy: proxy(sheet, path, &ProxySettings::of_oauth2(raw), secrets),
    };
    let endpoint_params = pairs(sheet, &format!("{path}.endpoint_params"), raw.endpoint_params.as_ref());
    Some(Authentication::OAuth2(Box::new(OAuth2Options {
        client_id: client_id?.value.clone(),
        client_secret: client_secret?,
        scopes: raw.scopes.iter().flatten().map(|scope| scope.value.clone()).collect(),
        token_url: token_url?,
        endpoint_params,
        connection,
    })))
}

fn pairs(sheet: &mut Sheet, path: &str, raw: Option<&Pairs>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pair in raw.iter().flat_map(|pairs| &pairs.0) {
        if pair.name.value.is_empty() {
            sheet.note_unseen(&pair.name, &path_of(path, pair), "the name of a parameter is empty");
        }
        pairs.push((pair.name.value.clone(), pair.value.value.clone()));
    }
    pairs
}

/// Checks `tls_config`.
fn tls(sheet: &mut Sheet, path: &str, raw: Option<&Spanned<RawTlsConfig>>, secrets: &mut SecretList<'_>) -> TlsOptions {
    let Some(spanned) = raw else { return TlsOptions::default() };
    let path = format!("{path}.tls_config");
    let (owner, raw) = (Spot::from(spanned), &spanned.value);
    sheet.refuse(&path, raw.not_yet());
    let ca = pem(sheet, &path, "ca", raw.ca.as_ref(), raw.ca_file.as_ref(), secrets);
    let certificate = pem(sheet, &path, "cert", raw.cert.as_ref(), raw.cert_file.as_ref(), secrets);
    let is_key_inline = raw.key.as_ref().is_some_and(|key| !key.value.is_empty());
    let key = if is_key_inline && raw.key_file.is_none() {
        let setting = Setting { path: &path, name: "key", inline: raw.key.as_ref(), file: None, owner };
        secrets.add(sheet, setting).map(Pem::Secret)
    } else {
        pem(sheet, &path, "key", raw.key.as_ref(), raw.key_file.as_ref(), secrets)
    };
    let is_set = |text: &Option<Text>| text.as_ref().is_some_and(|text| !text.value.is_empty());
    let has_certificate = is_set(&raw.cert) || is_set(&raw.cert_file);
    let has_key = is_set(&raw.key) || is_set(&raw.key_file);
    match (has_certificate, has_key) {
        (true, false) => {
            sheet.note_unseen(owner, &path, "there is a certificate and no key for it").hint =
                Some("name its key with `key_file`".to_owned());
        }
        (false, true) => {
            sheet.note_unseen(owner, &path, "there is a key and no certificate for it").hint =
                Some("name its certificate with `cert_file`".to_owned());
        }
        _ => {}
    }
    let min_version = version(sheet, &format!("{path}.min_version"), raw.min_version.as_ref()).flatten();
    let max_version = version(sheet, &format!("{path}.max_version"), raw.max_version.as_ref());
    if let (Some(None), Some(text)) = (max_version, &raw.max_version) {
        let what = format!("`{}` is too old: TLS 1.2 and 1.3 are spoken", text.value);
        sheet.note_unseen(text, &format!("{path}.max_version"), what);
    }
    let max_version = max_version.flatten();
    if let (Some(min), Some(max), Some(text)) = (min_version, max_version, &raw.max_version)
        && min > max
    {
        sheet.note_unseen(text, &format!("{path}.max_version"), "must not be older than `min_version`");
    }
    let server_name = raw.server_name.as_ref().filter(|name| !name.value.is_empty());
    if let Some(name) = server_name.filter(|name| rustls::pki_types::ServerName::try_from(name.value.as_str()).is_err())
    {
        sheet.note_unseen(
            name,
            &format!("{path}.server_name"),
            format!("`{}` is not the name of a server", name.value),
        );
    }
    TlsOptions {
        ca,
        client: certificate.zip(key).map(|(certificate, key)| ClientCertificate { certificate, key }),
        server_name: server_name.map(|name| name.value.clone()),
        insecure_skip_verify: raw.insecure_skip_verify.unwrap_or(false),
        min_version,
        max_version,
    }
}

/// A text in PEM that is no secret, or the file that holds it; what is empty is not there.
fn pem(
    sheet: &mut Sheet,
    path: &str,
    name: &str,
    inline: Option<&Text>,
    file: Option<&Text>,
    secrets: &SecretList<'_>,
) -> Option<Pem> {
    let is_set = |text: &&Text| !text.value.is_empty();
    match (inline.filter(is_set), file.filter(is_set)) {
        (None, None) => None,
        (Some(text), None) => Some(Pem::Inline(text.value.clone())),
        (None, Some(file)) => Some(Pem::File(secrets.directory.join(&file.value))),
        (Some(_), Some(file)) => {
            sheet.note_unseen(file, path, format!("`{name}` and `{name}_file` are both set")).hint =
                Some("keep one of the two".to_owned());
            None
        }
    }
}

/// A version of TLS; within it nothing for one that is older than those we speak.
fn version(sheet: &mut Sheet, path: &str, text: Option<&Text>) -> Option<Option<TlsVersion>> {
    let text = text.filter(|text| !text.value.is_empty())?;
    let found = VERSIONS.into_iter().find(|(name, _)| *name == text.value).map(|(_, version)| version);
    if found.is_none() {
        let hint = did_you_mean(&text.value, VERSIONS.map(|(name, _)| name));
        sheet.note_unseen(text, path, format!("`{}` is not a version of TLS", text.value)).hint =
            hint.or_else(|| Some("write `TLS12` or `TLS13`".to_owned()));
    }
    found
}

/// Checks `http_headers`.
fn http_headers(
    sheet: &mut Sheet,
    path: &str,
    raw: Option<&Named<RawHttpHeader>>,
    secrets: &mut SecretList<'_>,
) -> Vec<(String, Vec<Part>)> {
    let mut headers = Vec::new();
    for (name, raw) in raw.iter().flat_map(|named| &named.0) {
        let path = format!("{path}.http_headers.{}", name.value);
        header_name(sheet, &path, name);
        if OUR_HEADERS.contains(&name.value.to_ascii_lowercase().as_str()) {
            sheet.note_unseen(name, &path, format!("the header `{}` cannot be set here", name.value)).hint = name
                .value
                .eq_ignore_ascii_case("authorization")
                .then(|| "use `authorization` or `basic_auth`".to_owned());
        }
        let mut values = Vec::new();
        for (at, value) in raw.values.iter().flatten().enumerate() {
            if HeaderValue::from_bytes(value.value.as_bytes()).is_err() {
                sheet.note_unseen(
                    value,
                    &format!("{path}.values[{at}]"),
                    "a header holds no line break or control character",
                );
            }
            values.push(Part::Plain(value.value.clone()));
        }
        for (list, is_file) in [(&raw.secrets, false), (&raw.files, true)] {
            for (at, text) in list.iter().flatten().enumerate() {
                let path = format!("{path}.{}[{at}]", if is_file { "files" } else { "secrets" });
                values.extend(listed(sheet, &path, text, is_file, secrets));
            }
        }
        headers.push((name.value.clone(), values));
    }
    headers
}

/// A secret in a list: its name is its path.
fn listed(sheet: &mut Sheet, path: &str, text: &Text, is_file: bool, secrets: &mut SecretList<'_>) -> Option<Part> {
    let source = if !is_file {
        inline_source(sheet, path, text)?
    } else if text.value.is_empty() {
        sheet.note_unseen(text, path, "the path is empty");
        return None;
    } else {
        SecretSource::File(secrets.directory.join(&text.value))
    };
    let name = SecretName::new(path);
    secrets.secrets.push((name.clone(), source));
    Some(Part::Secret(name))
}

fn header_name(sheet: &mut Sheet, path: &str, name: &Text) {
    if HeaderName::from_bytes(name.value.as_bytes()).is_err() {
        sheet.note_unseen(name, path, format!("`{}` is not the name of a header", name.value));
    }
}

/// The settings of a proxy.
struct ProxySettings<'a> {
    url: Option<&'a Text>,
    no_proxy: Option<&'a Text>,
    from_environment: Option<&'a Spanned<bool>>,
    headers: Option<&'a Named<Vec<Text>>>,
}

impl<'a> ProxySettings<'a> {
    fn of_http(raw: &'a RawHttpConfig) -> Self {
        Self {
            url: raw.proxy_url.as_ref(),
            no_proxy: raw.no_proxy.as_ref(),
            from_environment: raw.proxy_from_environment.as_ref(),
            headers: raw.proxy_connect_header.as_ref(),
        }
    }

    fn of_oauth2(raw: &'a RawOAuth2) -> Self {
        Self {
            url: raw.proxy_url.as_ref(),
            no_proxy: raw.no_proxy.as_ref(),
            from_environment: raw.proxy_from_environment.as_ref(),
            headers: raw.proxy_connect_header.as_ref(),
        }
    }
}

fn proxy(sheet: &mut Sheet, path: &str, raw: &ProxySettings<'_>, secrets: &mut SecretList<'_>) -> ProxyOptions {
    let is_set = |text: &&Text| !text.value.is_empty();
    let (url, no_proxy) = (raw.url.filter(is_set), raw.no_proxy.filter(is_set));
    let from_environment = raw.from_environment.filter(|is_wanted| is_wanted.value);
    let mut headers = Vec::new();
    for (name, values) in raw.headers.iter().flat_map(|named| &named.0) {
        let path = format!("{path}.proxy_connect_header.{}", name.value);
        header_name(sheet, &path, name);
        let mut parts = Vec::new();
        for (at, text) in values.iter().enumerate() {
            parts.extend(listed(sheet, &format!("{path}[{at}]"), text, false, secrets));
        }
        headers.push((name.value.clone(), parts));
    }
    if from_environment.is_some() {
        for (name, text) in [("proxy_url", url), ("no_proxy", no_proxy)] {
            if let Some(text) = text {
                let what = format!("`{name}` and `proxy_from_environment` exclude each other");
                sheet.note_unseen(text, &format!("{path}.{name}"), what);
            }
        }
        return ProxyOptions::Environment { headers };
    }
    let Some(url) = url else {
        if let Some(text) = no_proxy {
            sheet.note_unseen(
                text,
                &format!("{path}.no_proxy"),
                "there is no `proxy_url` from which this would be an exception",
            );
        }
        if let Some((name, _)) = raw.headers.and_then(|named| named.0.first()) {
            let what = "there is no proxy that could be told this";
            sheet.note_unseen(name, &format!("{path}.proxy_connect_header"), what).hint =
                Some("set `proxy_url` or `proxy_from_environment`".to_owned());
        }
        return ProxyOptions::None;
    };
    let no_proxy = no_proxy.map(|text| text.value.clone());
    match proxy_url(sheet, path, url, secrets) {
        Some(url) => ProxyOptions::Url { url, no_proxy, headers },
        None => ProxyOptions::None,
    }
}

fn proxy_url(sheet: &mut Sheet, path: &str, text: &Text, secrets: &mut SecretList<'_>) -> Option<Part> {
    let setting = Setting { path, name: "proxy_url", inline: Some(text), file: None, owner: text.into() };
    let source = source(sheet, setting, secrets.directory)?;
    let SecretSource::Inline(url) = &source else { return Some(Part::Secret(secrets.keep(setting, source))) };
    let place = setting.full_path();
    match url::Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "http" || parsed.scheme() == "https" => {
            if !has_login(&parsed) {
                return Some(Part::Plain(url.clone()));
            }
            return Some(Part::Secret(secrets.keep(setting, source)));
        }
        Ok(parsed) if parsed.scheme().starts_with("socks") => {
            sheet.note_unseen(text, &place, format!("proxies of `{}` are not supported yet", parsed.scheme())).hint =
                Some("name a proxy that speaks HTTP, as in `http://proxy:3128`".to_owned());
        }
        Ok(parsed) => {
            sheet.note_unseen(text, &place, format!("a proxy with `{}:` cannot be used", parsed.scheme())).hint =
                Some("a proxy's URL begins with `http://` or `https://`".to_owned());
        }
        Err(error) => {
            sheet.note_unseen(text, &place, format!("not a URL: {error}")).hint =
                Some("write it as in `http://proxy:3128`".to_owned());
        }
    }
    None
}
