//! Clients with settings of their own, each built once and built again when a file of its TLS changes, so that
//! certificates rotate without a restart. What a call carries is looked up at each call, so that passwords and tokens do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use url::Url;

use super::client_oauth2::{self, Token, TokenError};
use super::client_options::{Authentication, ConnectionOptions, HttpOptions, OAuth2Options, Part, ProxyOptions};
use super::client_tls::{self, Stamp, TlsError};
use super::http::{self, HttpClient, HttpClientError};
use super::secret::{SecretError, SecretValue, Secrets};
use super::{HIDDEN, chain};
use crate::model::ClientName;

/// How often a call is sent elsewhere before it is given up.
const REDIRECTS_MAX: usize = 10;

/// Every client there is: the shared one, and those with settings of their own, by name.
#[derive(Clone, Debug)]
pub struct HttpClients(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    secrets: Secrets,
    roots: Arc<RootCertStore>,
    /// The shared client, which follows no redirect.
    staying: HttpClient,
    /// The same, but for redirects.
    following: reqwest::Client,
    /// The same, but only for redirects that keep a call what it is.
    posting: reqwest::Client,
    named: BTreeMap<ClientName, Named>,
}

/// A client with its settings.
#[derive(Debug)]
struct Named {
    options: HttpOptions,
    connection: Mutex<Slot>,
    oauth2: Option<OAuth2>,
}

/// What is asked for tokens, and the last one. One is asked for at a time: others wait for it.
#[derive(Debug)]
struct OAuth2 {
    connection: Mutex<Slot>,
    token: tokio::sync::Mutex<Option<Token>>,
}

/// The last client that could be built, and from what.
#[derive(Debug, Default)]
struct Slot {
    built: Option<Built>,
    /// The files when building was last tried.
    stamps: Vec<Option<Stamp>>,
}

#[derive(Clone, Debug)]
struct Built {
    staying: reqwest::Client,
    following: reqwest::Client,
    posting: reqwest::Client,
}

/// Which redirects are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Follow {
    None,
    All,
    /// 307 and 308: after any other a POST becomes a GET, which says nothing and may be answered all the same.
    Same,
}

/// Why a call cannot be made as the settings want it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No client has this name: a bug of ours.
    #[error("no client is named `{0}`")]
    Unknown(ClientName),
    /// A secret is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// What a header or a URL should hold cannot stand there.
    #[error("{0} cannot be sent")]
    Unsendable(String),
    /// The proxy is none.
    #[error("the proxy's URL cannot be used")]
    Proxy(#[source] reqwest::Error),
    /// The HTTP library refuses.
    #[error(transparent)]
    Http(#[from] HttpClientError),
}

/// A client for one call, with what the settings add to it.
#[derive(Clone, Debug)]
pub struct Caller {
    client: reqwest::Client,
    headers: HeaderMap,
    hidden: Vec<SecretValue>,
}

impl Caller {
    /// A call without anything added.
    pub(super) fn plain(client: reqwest::Client) -> Self {
        Self { client, headers: HeaderMap::new(), hidden: Vec::new() }
    }

    /// Begins a `GET`.
    pub fn get(&self, url: Url) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::GET, url)
    }

    /// Begins a `POST`.
    pub fn post(&self, url: Url) -> reqwest::RequestBuilder {
        self.request(reqwest::Method::POST, url)
    }

    /// Begins a call; headers that the caller adds stand beside those of the settings.
    pub fn request(&self, method: reqwest::Method, url: Url) -> reqwest::RequestBuilder {
        self.client.request(method, url).headers(self.headers.clone())
    }

    /// A text, without the secrets that the call carried.
    pub fn hide(&self, text: String) -> String {
        self.hidden.iter().fold(text, |text, secret| text.replace(secret.expose(), HIDDEN))
    }
}

impl HttpClients {
    /// The shared client, and those with these settings. Nothing is read or built yet: [`Self::check`] does.
    pub fn new(
        shared: HttpClient,
        options: impl IntoIterator<Item = (ClientName, HttpOptions)>,
        secrets: Secrets,
    ) -> Result<Self, HttpClientError> {
        let roots = shared.roots().clone();
        let client = |follow| {
            http::build(http::tls_config(&roots)?, |builder| builder.no_proxy().redirect(policy(follow, false)))
        };
        let (following, posting) = (client(Follow::All)?, client(Follow::Same)?);
        let named = options.into_iter().map(|(name, options)| (name, Named::new(options))).collect();
        Ok(Self(Arc::new(Inner { secrets, roots, staying: shared, following, posting, named })))
    }

    /// The secrets that clients look up.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// The shared client itself, which follows no redirect.
    pub fn shared(&self) -> &HttpClient {
        &self.0.staying
    }

    /// What makes calls under these settings, which follow redirects unless they say otherwise; without a name, what makes
    /// calls without any settings.
    pub async fn get(&self, name: Option<&ClientName>) -> Result<Caller, ClientError> {
        match name {
            Some(name) => self.caller(name, Follow::All).await,
            None => Ok(Caller::plain(self.0.following.clone())),
        }
    }

    /// The same for a call whose body must arrive: only redirects are followed that leave it what it is.
    pub async fn get_posting(&self, name: Option<&ClientName>) -> Result<Caller, ClientError> {
        match name {
            Some(name) => self.caller(name, Follow::Same).await,
            None => Ok(Caller::plain(self.0.posting.clone())),
        }
    }

    /// The same, but no redirect is followed: for calls that are meant for one place only, since something in them is
    /// secret or signed.
    pub async fn get_staying(&self, name: Option<&ClientName>) -> Result<Caller, ClientError> {
        match name {
            Some(name) => self.caller(name, Follow::None).await,
            None => Ok(Caller::plain(self.0.staying.client().clone())),
        }
    }

    /// Reads every file that a client needs, and builds it; whatever hinders that is told, with the client's name. Secrets
    /// that a call carries are looked at along with all others.
    pub fn check(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        for (name, named) in &self.0.named {
            let mut tell = |error: ClientError| troubles.push(format!("`{name}`: {}", chain(&error)));
            let connection = &named.options.connection;
            named
                .connection
                .lock_slot()
                .refresh(&self.0, name, named.options.keeps_origin(), connection)
                .err()
                .map(&mut tell);
            if let (Some(oauth2), Some(Authentication::OAuth2(options))) =
                (&named.oauth2, &named.options.authentication)
            {
                oauth2.connection.lock_slot().refresh(&self.0, name, true, &options.connection).err().map(&mut tell);
            }
        }
        troubles.sort();
        troubles.dedup();
        troubles
    }

    async fn caller(&self, name: &ClientName, follow: Follow) -> Result<Caller, ClientError> {
        let named = self.0.named.get(name).ok_or_else(|| ClientError::Unknown(name.clone()))?;
        let options = &named.options;
        let built = named.connection.lock_slot().refresh(&self.0, name, options.keeps_origin(), &options.connection)?;
        let client = match follow {
            _ if !options.follow_redirects => built.staying,
            Follow::None => built.staying,
            Follow::All => built.following,
            Follow::Same => built.posting,
        };
        let mut caller = Caller::plain(client);
        for (header, values) in &options.headers {
            let key = header_name(header)?;
            for value in values {
                let value = caller.header_value(header, value, &self.0.secrets)?;
                caller.headers.append(key.clone(), value);
            }
        }
        if let Some(authentication) = &options.authentication {
            let text = match authentication {
                Authentication::Basic { username, password } => {
                    let username = caller.text(username, &self.0.secrets)?;
                    let password = password.as_ref().map(|name| self.0.secrets.resolve(name)).transpose()?;
                    let password = password.map_or_else(String::new, |value| caller.keep(value));
                    let encoded = BASE64_STANDARD.encode(format!("{username}:{password}"));
                    format!("Basic {}", caller.keep(SecretValue::new(encoded)))
                }
                Authentication::Header { scheme, credentials } => {
                    let credentials = caller.keep(self.0.secrets.resolve(credentials)?);
                    format!("{scheme} {credentials}")
                }
                Authentication::OAuth2(options) => {
                    let token = self.token(name, named, options).await?;
                    format!("Bearer {}", caller.keep(token))
                }
            };
            caller.headers.insert(AUTHORIZATION, sensitive("the header `Authorization`", &text)?);
        }
        Ok(caller)
    }

    async fn token(
        &self,
        name: &ClientName,
        named: &Named,
        options: &OAuth2Options,
    ) -> Result<SecretValue, ClientError> {
        let oauth2 = named.oauth2.as_ref().ok_or_else(|| ClientError::Unknown(name.clone()))?;
        let secret = client_oauth2::secret(options, &self.0.secrets)?;
        let mut token = oauth2.token.lock().await;
        if let Some(value) = token.as_ref().and_then(|token| token.usable(&secret)) {
            return Ok(value.clone());
        }
        // Its secret goes to one place only.
        let client = oauth2.connection.lock_slot().refresh(&self.0, name, true, &options.connection)?.staying;
        let fresh = client_oauth2::ask(&client, options, secret).await?;
        Ok(token.insert(fresh).value().clone())
    }
}

impl Named {
    fn new(options: HttpOptions) -> Self {
        let is_oauth2 = matches!(options.authentication, Some(Authentication::OAuth2(_)));
        let oauth2 = is_oauth2.then(|| OAuth2 { connection: Mutex::default(), token: tokio::sync::Mutex::default() });
        Self { options, connection: Mutex::default(), oauth2 }
    }
}

impl HttpOptions {
    /// Whether a redirect must not lead to another place, since headers with secrets would go there. `Authorization` stays
    /// behind by itself.
    fn keeps_origin(&self) -> bool {
        self.headers.iter().flat_map(|(_, values)| values).any(|value| value.secret().is_some())
    }
}

/// A lock whose holder does not panic, and if it did would leave nothing half done.
trait LockSlot {
    fn lock_slot(&self) -> std::sync::MutexGuard<'_, Slot>;
}

impl LockSlot for Mutex<Slot> {
    fn lock_slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The client, built anew if a file of its TLS is another one than before. When that fails, the last one goes on: while
    /// a certificate and its key are replaced one after the other, they do not fit.
    fn refresh(
        &mut self,
        inner: &Inner,
        name: &ClientName,
        keeps_origin: bool,
        options: &ConnectionOptions,
    ) -> Result<Built, ClientError> {
        // Before the files are read: a change while they are is seen next time.
        let stamps = client_tls::stamps(&options.tls);
        if let Some(built) = self.built.as_ref().filter(|_| stamps == self.stamps) {
            return Ok(built.clone());
        }
        match (build(inner, options, keeps_origin), &self.built) {
            (Ok(built), last) => {
                if last.is_some() {
                    tracing::info!(client = %name, "TLS files have changed and are in use");
                }
                self.stamps = stamps;
                Ok(self.built.insert(built).clone())
            }
            (Err(error), Some(last)) => {
                tracing::warn!(client = %name, error = chain(&error), "TLS files have changed and cannot be used");
                self.stamps = stamps;
                Ok(last.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn build(inner: &Inner, options: &ConnectionOptions, keeps_origin: bool) -> Result<Built, ClientError> {
    if options.is_plain() && !keeps_origin {
        return Ok(Built {
            staying: inner.staying.client().clone(),
            following: inner.following.clone(),
            posting: inner.posting.clone(),
        });
    }
    let tls = client_tls::client_config(&options.tls, &inner.roots, &inner.secrets)?;
    let proxies = proxies(&options.proxy, &inner.secrets)?;
    let client = |follow: Follow| {
        http::build(tls.clone(), |builder| {
            let builder = proxies.iter().fold(builder.no_proxy(), |builder, proxy| builder.proxy(proxy.clone()));
            builder.redirect(policy(follow, keeps_origin))
        })
    };
    Ok(Built { staying: client(Follow::None)?, following: client(Follow::All)?, posting: client(Follow::Same)? })
}

/// How redirects are followed.
fn policy(follow: Follow, keeps_origin: bool) -> Policy {
    Policy::custom(move |attempt| {
        let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
        if follow == Follow::None || (follow == Follow::Same && !keeps_method) {
            return attempt.stop();
        }
        let is_elsewhere = attempt.previous().first().is_some_and(|from| from.origin() != attempt.url().origin());
        if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error(format!("redirected more than {REDIRECTS_MAX} times"))
        } else if keeps_origin && is_elsewhere {
            attempt.error("redirected to another host, which must not see the secrets of `http_headers`")
        } else {
            attempt.follow()
        }
    })
}

fn proxies(options: &ProxyOptions, secrets: &Secrets) -> Result<Vec<reqwest::Proxy>, ClientError> {
    let (found, headers) = match options {
        ProxyOptions::None => return Ok(Vec::new()),
        ProxyOptions::Url { url, no_proxy, headers } => {
            let url = plain_text(url, secrets)?;
            let proxy = reqwest::Proxy::all(url.expose()).map_err(|error| ClientError::Proxy(error.without_url()))?;
            let except = no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
            (vec![proxy.no_proxy(except)], headers)
        }
        ProxyOptions::Environment { headers } => {
            let variable = |names: [&str; 2]| {
                names.into_iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty())
            };
            let proxy = |url: Option<String>, of: fn(String) -> reqwest::Result<reqwest::Proxy>| {
                url.map(of).transpose().map_err(|error| ClientError::Proxy(error.without_url()))
            };
            let http = proxy(variable(["HTTP_PROXY", "http_proxy"]), reqwest::Proxy::http)?;
            let https = proxy(variable(["HTTPS_PROXY", "https_proxy"]), reqwest::Proxy::https)?;
            let both = http.into_iter().chain(https);
            (both.map(|proxy| proxy.no_proxy(reqwest::NoProxy::from_env())).collect(), headers)
        }
    };
    let mut told = HeaderMap::new();
    for (name, values) in headers {
        for value in values {
            let text = plain_text(value, secrets)?;
            told.append(header_name(name)?, sensitive(&format!("the header `{name}`"), text.expose())?);
        }
    }
    Ok(found.into_iter().map(|proxy| if told.is_empty() { proxy } else { proxy.headers(told.clone()) }).collect())
}

fn plain_text(part: &Part, secrets: &Secrets) -> Result<SecretValue, SecretError> {
    match part {
        Part::Plain(text) => Ok(SecretValue::new(text.clone())),
        Part::Secret(name) => secrets.resolve(name),
    }
}

impl Caller {
    /// The text of a part; a secret one is kept out of sight.
    fn text(&mut self, part: &Part, secrets: &Secrets) -> Result<String, SecretError> {
        match part {
            Part::Plain(text) => Ok(text.clone()),
            Part::Secret(name) => Ok(self.keep(secrets.resolve(name)?)),
        }
    }

    fn keep(&mut self, value: SecretValue) -> String {
        let text = value.expose().to_owned();
        self.hidden.push(value);
        text
    }

    fn header_value(&mut self, name: &str, part: &Part, secrets: &Secrets) -> Result<HeaderValue, ClientError> {
        let text = self.text(part, secrets)?;
        sensitive(&format!("the header `{name}`"), &text)
    }
}

fn header_name(name: &str) -> Result<HeaderName, ClientError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| ClientError::Unsendable(format!("the header `{name}`")))
}

/// A value that no debug output shows.
fn sensitive(what: &str, text: &str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| ClientError::Unsendable(what.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
