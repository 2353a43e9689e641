//! Looks at every secret once before anything starts, so that one that is missing is noticed by whoever starts the daemon,
//! and not when the page is due. Nothing is kept: at each attempt it is looked up anew.

use std::fmt;

use url::Url;

use crate::config::Config;
use crate::model::SecretName;
use crate::receiver::{Endpoint, Receiver, Rollback, Webhook};
use crate::transport::{HttpClients, SecretSource, Secrets, SigningKey};

/// The secrets that cannot be used, each with the place where it was looked for, and never with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsMissing(Vec<String>);

impl fmt::Display for SecretsMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secrets and certificates that cannot be used:")?;
        self.0.iter().try_for_each(|trouble| write!(f, "\n  {trouble}"))
    }
}

impl std::error::Error for SecretsMissing {}

/// Resolves every secret of a configuration, and reads keys and URLs. What stands in the configuration itself was
/// checked along with it.
pub(super) fn check(config: &Config, secrets: &Secrets, clients: &HttpClients) -> Result<(), SecretsMissing> {
    let mut troubles = Vec::new();
    for (name, source) in &config.secrets {
        let place = match source {
            SecretSource::Inline(_) => continue,
            SecretSource::File(path) => format!("`{}`", path.display()),
            SecretSource::Env(variable) => format!("environment variable `{variable}`"),
        };
        match secrets.resolve(name) {
            Ok(value) => {
                if let Err(why) = fits(config, name, value.expose()) {
                    troubles.push(format!("secret `{name}` from {place} {why}"));
                }
            }
            Err(error) => troubles.push(format!("{:#}", anyhow::Error::new(error))),
        }
    }
    // Their secrets are among those above.
    troubles.extend(clients.check());
    if troubles.is_empty() { Ok(()) } else { Err(SecretsMissing(troubles)) }
}

/// Whether a value can be what some receiver takes it for: a key to sign with, a URL. Of a token nobody can tell.
fn fits(config: &Config, name: &SecretName, value: &str) -> Result<(), String> {
    let is_it = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Secret(secret) if secret == name);
    for (_, receiver) in &config.receivers {
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
