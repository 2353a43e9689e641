//! What a configuration needs of the world, made and looked at before anything of it is used: so a start or a reload fails
//! as a whole, and before anything has changed.

use std::time::Duration;

use crate::config::Config;
use crate::source::RemoteSources;
use crate::telemetry::Telemetry;
use crate::transport::{HttpClient, HttpClientError, HttpClients, Secrets, Transport};

use super::secrets::{SecretsMissing, Vault};

/// The ways out that a configuration describes.
#[derive(Clone, Debug)]
pub(super) struct Means {
    /// Carries what is told.
    pub(super) transport: Transport,
    /// Makes calls under the settings that jobs have.
    pub(super) clients: HttpClients,
    /// Answers what rules ask.
    pub(super) remote: Remote,
    /// What has to be there for all of it.
    pub(super) vault: Vault,
}

/// The remote sources, and how they are asked.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) sources: RemoteSources,
    /// How long an answer may take at most: the longest interval of those who ask.
    pub(super) within: Duration,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum MeansError {
    /// Sooner or later somebody could not be told.
    #[error(transparent)]
    Secrets(#[from] SecretsMissing),
    /// There is no HTTP client.
    #[error(transparent)]
    Http(#[from] HttpClientError),
}

impl Means {
    /// Makes them, resolves every secret once, and reads every certificate.
    pub(super) fn new(config: &Config, http: &HttpClient, telemetry: &Telemetry) -> Result<Self, MeansError> {
        let secrets = Secrets::new(config.secrets.iter().cloned());
        let clients = HttpClients::new(http.clone(), config.clients.iter().cloned(), secrets.clone())?;
        let vault = Vault::new(config, secrets, clients.clone());
        vault.check()?;
        let asking = config.groups.iter().filter(|group| !group.source.is_embedded()).map(|group| group.interval);
        let remote = Remote {
            sources: RemoteSources::new(config.apis.iter().cloned(), &clients, telemetry),
            within: asking.max().unwrap_or(config.evaluation_interval),
        };
        Ok(Self { transport: Transport::new(clients.clone()), clients, remote, vault })
    }
}
