//! Looks at every secret before anything starts, and again while the daemon runs, so that one that is missing is noticed
//! by whoever takes it away, and not when the page is due. Nothing is kept: at each attempt it is looked up anew.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::config::Config;
use crate::model::{IntegrationId, SecretName};
use crate::receiver::{Endpoint, Receiver, Rollback, Webhook};
use crate::transport::{
    Authentication, ConnectionOptions, HttpClients, HttpOptions, Pem, SecretSource, Secrets, SigningKey,
};

/// The secrets that cannot be used, each with the place where it was looked for, and never with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsMissing(Vec<String>);

impl SecretsMissing {
    /// How many troubles there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for SecretsMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secrets and certificates that cannot be used:")?;
        self.0.iter().try_for_each(|trouble| write!(f, "\n  {trouble}"))
    }
}

impl std::error::Error for SecretsMissing {}

/// Every secret and certificate of a configuration, to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    sources: Vec<(SecretName, SecretSource)>,
    receivers: Vec<(IntegrationId, Receiver)>,
    /// Those that may have more than one line: keys, certificates and passwords.
    of_lines: BTreeSet<SecretName>,
    secrets: Secrets,
    clients: HttpClients,
}

impl Vault {
    /// That of a configuration.
    pub(super) fn new(config: &Config, secrets: Secrets, clients: HttpClients) -> Self {
        Self {
            sources: config.secrets.clone(),
            receivers: config.receivers.clone(),
            of_lines: config.clients.iter().flat_map(|(_, options)| of_lines(options)).cloned().collect(),
            secrets,
            clients,
        }
    }

    /// Resolves every secret, and reads keys, URLs and certificates. What stands in the configuration itself was
    /// checked along with it.
    pub(super) fn check(&self) -> Result<(), SecretsMissing> {
        let mut troubles = Vec::new();
        for (name, source) in &self.sources {
            let place = match source {
                SecretSource::Inline(_) => continue,
                SecretSource::File(path) => format!("`{}`", path.display()),
                SecretSource::Env(variable) => format!("environment variable `{variable}`"),
            };
            match self.secrets.resolve(name) {
                Ok(value) => {
                    if let Err(why) = self.fits(name, value.expose()) {
                        troubles.push(format!("secret `{name}` from {place} {why}"));
                    }
                }
                Err(error) => troubles.push(format!("{:#}", anyhow::Error::new(error))),
            }
        }
        // Their secrets are among those above.
        troubles.extend(self.clients.check());
        if troubles.is_empty() { Ok(()) } else { Err(SecretsMissing(troubles)) }
    }

    /// Whether a value can be what some receiver takes it for: a key to sign with, a URL. Of a token nobody can tell.
    fn fits(&self, name: &SecretName, value: &str) -> Result<(), String> {
        if value.trim().is_empty() {
            return Err("holds nothing but white space".to_owned());
        }
        if value.contains(char::is_control) && !self.of_lines.contains(name) {
            return Err("holds more than one line, or a character that cannot be sent".to_owned());
        }
        let is_it = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Secret(secret) if secret == name);
        for (_, receiver) in &self.receivers {
            match receiver {
                Receiver::Rollback(rollback) if rollback.secret == *name => {
                    SigningKey::parse(value).map_err(|error| format!("cannot sign: {error}"))?;
                }
                Receiver::Rollback(Rollback { url, .. }) | Receiver::Webhook(Webhook { url, .. }) if is_it(url) => {
                    let url = Url::parse(value).map_err(|error| format!("is not a URL: {error}"))?;
                    if !matches!(url.scheme(), "http" | "https") {
                        return Err("is not a URL that can be called: only http and https can".to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The files that hold the secrets and certificates of a configuration.
pub(super) fn files(config: &Config) -> Vec<PathBuf> {
    let secrets = config.secrets.iter().filter_map(|(_, source)| match source {
        SecretSource::File(path) => Some(path),
        SecretSource::Inline(_) | SecretSource::Env(_) => None,
    });
    let pems = config.clients.iter().flat_map(|(_, options)| connections(options)).flat_map(|connection| {
        let client = connection.tls.client.iter().flat_map(|client| [&client.certificate, &client.key]);
        connection.tls.ca.iter().chain(client).filter_map(|pem| match pem {
            Pem::File(path) => Some(path),
            Pem::Inline(_) | Pem::Secret(_) => None,
        })
    });
    secrets.chain(pems).cloned().collect()
}

/// The secrets that are no part of a header or a URL as they are.
fn of_lines(options: &HttpOptions) -> impl Iterator<Item = &SecretName> {
    let password = match &options.authentication {
        Some(Authentication::Basic { password, .. }) => password.as_ref(),
        _ => None,
    };
    let pems = connections(options).flat_map(|connection| {
        let client = connection.tls.client.iter().flat_map(|client| [&client.certificate, &client.key]);
        connection.tls.ca.iter().chain(client).filter_map(|pem| match pem {
            Pem::Secret(name) => Some(name),
            Pem::Inline(_) | Pem::File(_) => None,
        })
    });
    password.into_iter().chain(pems)
}

fn connections(options: &HttpOptions) -> impl Iterator<Item = &ConnectionOptions> {
    let tokens = match &options.authentication {
        Some(Authentication::OAuth2(oauth2)) => Some(&oauth2.connection),
        _ => None,
    };
    [&options.connection].into_iter().chain(tokens)
}
