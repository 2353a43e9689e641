//! What a configuration needs of the world, made and looked at before anything of it is used: so a start or a reload fails
//! as a whole, and before anything has changed.

use crate::config::Config;
use crate::transport::{HttpClient, Secrets, Transport};

use super::secrets::{self, SecretsMissing};

/// The ways out that a configuration describes.
#[derive(Clone, Debug)]
pub(super) struct Means {
    /// Carries what is told.
    pub(super) transport: Transport,
}

impl Means {
    /// Makes them, and resolves every secret once.
    pub(super) fn new(config: &Config, http: &HttpClient) -> Result<Self, SecretsMissing> {
        let secrets = Secrets::new(config.secrets.iter().cloned());
        secrets::check(config, &secrets)?;
        Ok(Self { transport: Transport::new(http.clone(), secrets) })
    }
}
