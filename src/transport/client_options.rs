//! How calls are made, as Prometheus and Alertmanager write it in `http_config`: who we say we are, whom we trust, and by
//! which way. Secrets stand here by name, so that none can be printed.

use std::path::PathBuf;

use crate::model::SecretName;

/// What a client is told about its calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpOptions {
    /// Who we say we are.
    pub authentication: Option<Authentication>,
    /// Headers that every call carries, each with its values.
    pub headers: Vec<(String, Vec<Part>)>,
    /// Whether a redirect is followed.
    pub follow_redirects: bool,
    /// How a connection is made.
    pub connection: ConnectionOptions,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            authentication: None,
            headers: Vec::new(),
            follow_redirects: true,
            connection: ConnectionOptions::default(),
        }
    }
}

/// How we say who we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// HTTP's basic authentication; without a password it is empty.
    Basic {
        /// The name.
        username: Part,
        /// The password.
        password: Option<SecretName>,
    },
    /// `Authorization: Bearer …`, or with another scheme.
    Header {
        /// The scheme.
        scheme: String,
        /// What follows it.
        credentials: SecretName,
    },
    /// A token that is asked for with OAuth 2's client credentials.
    OAuth2(Box<OAuth2Options>),
}

/// How a token is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OAuth2Options {
    /// Our name there.
    pub client_id: String,
    /// What proves it.
    pub client_secret: SecretName,
    /// What the token is to be good for.
    pub scopes: Vec<String>,
    /// Where it is asked for.
    pub token_url: String,
    /// What else is said.
    pub endpoint_params: Vec<(String, String)>,
    /// How that connection is made, which may be another one.
    pub connection: ConnectionOptions,
}

/// A text that anybody may see, or one that nobody may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// As it is.
    Plain(String),
    /// By its name.
    Secret(SecretName),
}

impl Part {
    /// The name, if it is a secret.
    pub fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(name) => Some(name),
        }
    }
}

/// How a connection is made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConnectionOptions {
    /// Under TLS.
    pub tls: TlsOptions,
    /// By which way.
    pub proxy: ProxyOptions,
}

impl ConnectionOptions {
    /// Whether anything differs from what every client does.
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// Whom we trust, and what we show.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsOptions {
    /// Who signs servers' certificates; the host's roots when nothing is said.
    pub ca: Option<Pem>,
    /// What we show when we are asked.
    pub client: Option<ClientCertificate>,
    /// The name for which the server's certificate must be, if it is not the one in the URL.
    pub server_name: Option<String>,
    /// Whether any certificate will do.
    pub insecure_skip_verify: bool,
    /// The oldest version spoken.
    pub min_version: Option<TlsVersion>,
    /// The newest version spoken.
    pub max_version: Option<TlsVersion>,
}

impl TlsOptions {
    /// Every text in PEM that is needed for it.
    pub fn pems(&self) -> impl Iterator<Item = &Pem> {
        let client = self.client.iter().flat_map(|client| [&client.certificate, &client.key]);
        self.ca.iter().chain(client)
    }
}

/// A certificate of ours with its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientCertificate {
    /// The certificate and those that lead to it.
    pub certificate: Pem,
    /// Its key.
    pub key: Pem,
}

/// Where a text in PEM comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pem {
    /// It stands in the configuration.
    Inline(String),
    /// It is what a file holds, read again when the file changes.
    File(PathBuf),
    /// It is a secret.
    Secret(SecretName),
}

/// A version of TLS that we speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Through which proxy calls go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ProxyOptions {
    /// Through none, whatever the environment says.
    #[default]
    None,
    /// Through this one.
    Url {
        /// Where it is; a secret when a password is in it.
        url: Part,
        /// What is called without it, separated by commas: hosts, domains, networks.
        no_proxy: Option<String>,
        /// What it is told.
        headers: Vec<(String, Vec<Part>)>,
    },
    /// Through the one of `HTTP_PROXY` and `HTTPS_PROXY`, but for what `NO_PROXY` names.
    Environment {
        /// What it is told.
        headers: Vec<(String, Vec<Part>)>,
    },
}
