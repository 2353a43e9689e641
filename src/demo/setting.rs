//! The configuration that the demo runs: that of `rules/`, in which only addresses, URLs and secrets are exchanged.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::config::{Config, RawConfig};
use crate::model::{IntegrationKind, Problems};

use super::keys::Keys;
use super::world::Track;

/// The configuration, as it is named to whoever reads along.
pub(super) const MAIN: &str = "rules/atalaya.yaml";

/// The files, as they were when this binary was built.
const FILES: [(&str, &str); 2] =
    [(MAIN, include_str!("../../rules/atalaya.yaml")), ("rules/enova.yaml", include_str!("../../rules/enova.yaml"))];

/// Where everyone is.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// Each arm of each service.
    pub(super) targets: Vec<(&'static str, Track, SocketAddr)>,
    pub(super) slack: SocketAddr,
    pub(super) pagerduty: SocketAddr,
    pub(super) rollback: SocketAddr,
}

/// The configuration for this stage.
pub(super) fn config(addresses: &Addresses, keys: &Keys) -> Result<Config, Problems> {
    let mut raw = RawConfig::read(Path::new(MAIN), &built_in);
    raw.replace_targets(&|written| {
        let is_of = |(service, track): (&str, Track)| written.starts_with(&format!("{service}-{}.", track.as_str()));
        let (.., address) = addresses.targets.iter().find(|(service, track, _)| is_of((service, *track)))?;
        Some(address.to_string())
    });
    raw.replace_endpoints(&|kind, _| match kind {
        IntegrationKind::Slack => Some(format!("http://{}/api", addresses.slack)),
        IntegrationKind::PagerDuty => Some(format!("http://{}/v2/enqueue", addresses.pagerduty)),
        IntegrationKind::Rollback => Some(format!("http://{}/rollback", addresses.rollback)),
        IntegrationKind::Webhook | IntegrationKind::Alertmanager => None,
    });
    raw.replace_secrets(&|name| match name.rsplit('.').next() {
        Some("bot_token") => Some(keys.slack_token.clone()),
        Some("routing_key") => Some(keys.routing_key.clone()),
        Some("secret") => Some(keys.rollback_secret.clone()),
        _ => None,
    });
    raw.build()
}

fn built_in(path: &Path) -> io::Result<String> {
    let file = FILES.iter().find(|(name, _)| Path::new(name) == path);
    file.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::world::SERVICES;
    use crate::model::Timestamp;
    use crate::transport::SecretSource;

    #[test]
    fn nothing_leads_outside() {
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let arms = SERVICES.iter().flat_map(|service| Track::ALL.map(|track| (service.name, track)));
        let targets: Vec<_> = arms.zip(4001..).map(|((service, track), port)| (service, track, here(port))).collect();
        let receivers =
            [(IntegrationKind::Slack, 5001), (IntegrationKind::PagerDuty, 5002), (IntegrationKind::Rollback, 5003)];
        let [slack, pagerduty, rollback] = receivers.map(|(_, port)| here(port));
        let addresses = Addresses { targets: targets.clone(), slack, pagerduty, rollback };
        let config = config(&addresses, &Keys::new(Timestamp::from_millis(1))).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(config.scrape.len(), targets.len());
        for (service, track, address) in targets {
            let target = config.scrape.iter().find(|target| target.url == format!("http://{address}/metrics"));
            let labels = &target.unwrap_or_else(|| panic!("nobody scrapes {address}")).labels;
            assert_eq!((labels.get("service"), labels.get("track")), (service, track.as_str()));
        }
        assert_eq!(config.receivers.len(), 6);
        for (id, receiver) in &config.receivers {
            let (_, port) = receivers.iter().find(|(kind, _)| *kind == id.kind).unwrap();
            assert!(format!("{receiver:?}").contains(&format!("http://127.0.0.1:{port}/")), "{id}: {receiver:?}");
        }
        assert!(!config.secrets.is_empty());
        assert!(config.secrets.iter().all(|(_, source)| matches!(source, SecretSource::Inline(_))));
    }
}
