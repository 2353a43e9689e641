//! Who there is to be scraped: written down, in files, behind a URL, or in the DNS.
//!
//! A discovery gives all its groups each time. When it fails, what it found before stays.

mod dns;
mod dns_client;
mod dns_message;
mod files;
mod groups;
mod http;

use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::telemetry::{DiscoveryLabels, Telemetry};

use super::Clients;
use super::job::TargetGroup;

pub use dns::{DnsDiscovery, DnsRecord};
pub use files::{FileDiscovery, FilePatternError, ReadYaml};
pub use http::HttpDiscovery;

/// How targets are found.
#[derive(Clone, Debug, PartialEq)]
pub enum Discovery {
    /// They are written down.
    Static(Vec<TargetGroup>),
    /// Files list them.
    Files(FileDiscovery),
    /// A URL lists them.
    Http(HttpDiscovery),
    /// Names of the DNS stand for them.
    Dns(DnsDiscovery),
}

impl Discovery {
    /// What it is called in logs and metrics.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Files(_) => "file",
            Self::Http(_) => "http",
            Self::Dns(_) => "dns",
        }
    }
}

/// What a discovery found; everything it knows.
#[derive(Debug)]
pub(super) struct Found {
    /// Which discovery.
    pub(super) of: u64,
    pub(super) groups: Vec<TargetGroup>,
}

/// What every discovery needs.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub(super) clients: Clients,
    pub(super) clock: Clock,
    pub(super) telemetry: Telemetry,
    pub(super) found: mpsc::Sender<Found>,
}

/// Where a discovery tells what it found and what failed.
#[derive(Debug)]
struct Reporter {
    of: u64,
    job: String,
    mechanism: &'static str,
    tools: Tools,
    last: Option<Vec<TargetGroup>>,
    /// What fails now and was told.
    failing: Option<String>,
}

impl Reporter {
    /// Tells what was found, if it is news. `false` when nobody listens any more.
    async fn found(&mut self, groups: Vec<TargetGroup>) -> bool {
        if self.last.as_ref() == Some(&groups) {
            return true;
        }
        self.last = Some(groups.clone());
        self.tools.found.send(Found { of: self.of, groups }).await.is_ok()
    }

    /// Counts an attempt, and tells once when it begins to fail, and once when it does no more.
    fn outcome(&mut self, failure: Option<String>) {
        let result = if failure.is_none() { "ok" } else { "error" };
        let labels = DiscoveryLabels { mechanism: self.mechanism, result };
        self.tools.telemetry.discoveries.get_or_create(&labels).inc();
        let (job, mechanism) = (&self.job, self.mechanism);
        match (&self.failing, &failure) {
            (before, Some(error)) if before.as_ref() != Some(error) => {
                tracing::warn!(%job, mechanism, %error, "cannot look for targets: those found before stay");
            }
            (Some(_), None) => tracing::info!(%job, mechanism, "targets can be looked for again"),
            _ => {}
        }
        self.failing = failure;
    }

    async fn wait(&self, interval: Duration) {
        self.tools.clock.sleep_until(self.tools.clock.now() + interval).await;
    }
}

/// Looks for targets until nobody wants to know.
pub(super) async fn run(discovery: Discovery, of: u64, job: String, tools: Tools) {
    let mechanism = discovery.mechanism();
    let mut reporter = Reporter { of, job, mechanism, tools, last: None, failing: None };
    match discovery {
        Discovery::Static(groups) => {
            reporter.found(groups).await;
        }
        Discovery::Files(files) => files.run(&mut reporter).await,
        Discovery::Http(http) => http.run(&mut reporter).await,
        Discovery::Dns(dns) => dns.run(&mut reporter).await,
    }
}
