//! YAML to checked values: `atalaya.yaml` and the rule files that it names.
//!
//! Three steps. `tree` reads YAML, and `reader` fills the structs of `raw` with it as it is written: unknown settings are
//! refused, places are kept. Then
//! [`RawConfig::build`] checks everything and answers with a [`Config`], which works, or with every problem of every file
//! at once, each with its place. It opens nothing and reads no environment, so a check runs anywhere, and the same code
//! runs at start and on reload. Only one thing ends a file early: what is not YAML.

mod named;
mod raw;
mod read;

mod files;
mod reader;
mod tree;

mod secrecy;

mod explain;
mod hint;
mod place;
mod scalar;

mod value;

mod expression;
mod rule_options;
mod rules;

mod global;
mod http;
mod discovery;
mod relabel;
mod store;
mod scrape;
mod source;

mod rollback;
mod secret;

mod alerting;
mod pagerduty;
mod receivers;
mod slack;
mod templates;
mod route;

mod check;
mod lint;
mod lint_expression;

mod shown;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dispatch::{ForwardSpec, RouteSpec};
use crate::engine::EngineSpec;
use crate::evaluator::{EvaluatorSpec, Measure, ScrapeTarget};
use crate::model::{ClientName, Compat, IntegrationId, Labels, Problems, SecretName, SourceName};
use crate::receiver::Receiver;
use crate::rollout::RollbackSpec;
use crate::rule::{AnnotateContext, RuleGroup};
use crate::source::{RemoteSpec, ScrapeJob};
use crate::store::Retain;
use crate::transport::{HttpOptions, SecretSource};

pub use files::{Files, list, read};
pub use lint::{Finding, LINTS, Lint};
pub use read::RawConfig;
pub use shown::shown;

/// A configuration in which everything fits together.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who is measured: the jobs and how their targets are found.
    pub scrape: Vec<ScrapeJob>,
    /// The APIs that answer queries.
    pub apis: Vec<RemoteSpec>,
    /// Whom rules ask that do not say; the store that scrapes fill when it has no name.
    pub default_source: SourceName,
    /// The rules, in the order of their files.
    pub groups: Vec<RuleGroup>,
    /// The rule files as they are named.
    pub rule_files: Vec<String>,
    /// The routing tree; its root has a receiver.
    pub route: RouteSpec,
    /// Every integration of every receiver.
    pub receivers: Vec<(IntegrationId, Receiver)>,
    /// Where alerts are forwarded to.
    pub alertmanagers: ForwardSpec,
    /// What may be rolled back, and when.
    pub rollbacks: Vec<RollbackSpec>,
    /// Where the secrets come from that the receivers name.
    pub secrets: Vec<(SecretName, SecretSource)>,
    /// The clients that have settings of their own.
    pub clients: Vec<(ClientName, HttpOptions)>,
    /// What is added to everything that leaves.
    pub external_labels: Labels,
    /// Where this Atalaya can be reached, without a final `/`; empty when nobody said.
    pub external_url: String,
    /// How often rules are evaluated whose group does not say.
    pub evaluation_interval: Duration,
    /// Where the page and the APIs are served.
    pub listen: Option<SocketAddr>,
    /// Where the state is kept.
    pub state_dir: Option<PathBuf>,
    /// What is kept in memory.
    pub store: StoreOptions,
    /// Whose ways are followed where we would do something better.
    pub compat: Compat,
    /// What is sound and probably not meant.
    pub lints: Vec<Finding>,
}

/// What is kept in memory, and how much of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreOptions {
    /// What is kept although no rule reads it.
    pub retain: Retain,
    /// How many series there may be.
    pub series_max: Option<usize>,
    /// How many bytes they may take.
    pub memory_max: Option<u64>,
}

impl Config {
    /// What the evaluator needs of it.
    pub fn evaluator_spec(&self) -> EvaluatorSpec {
        let measure = |rollback: &RollbackSpec| Measure {
            id: rollback.id.clone(),
            source: self.default_source.clone(),
            expr: rollback.guard.expr.clone(),
            key: rollback.key.clone(),
        };
        EvaluatorSpec {
            groups: self.groups.clone(),
            measures: self.rollbacks.iter().map(measure).collect(),
            targets: self.static_targets(),
            interval: self.evaluation_interval,
            context: AnnotateContext {
                external_labels: self.external_labels.clone(),
                external_url: self.external_url.clone(),
            },
            retain: self.store.retain.clone(),
            series_max: self.store.series_max,
            memory_max: self.store.memory_max.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            is_strict: self.compat.is_strict(),
        }
    }

    /// The targets that are written down. Those that are found come later.
    pub fn static_targets(&self) -> Vec<ScrapeTarget> {
        let jobs = self.scrape.iter().flat_map(|job| job.static_targets().active);
        jobs.map(|active| active.target).collect()
    }

    /// Whether anybody hears of alerts.
    pub fn tells_somebody(&self) -> bool {
        self.route.receiver.is_some() || !self.alertmanagers.alertmanagers.is_empty()
    }

    /// How often the alerts of each name are evaluated, the slowest of their groups.
    fn intervals(&self) -> BTreeMap<String, Duration> {
        let mut intervals = BTreeMap::new();
        for group in &self.groups {
            for alert in group.alerts() {
                let interval = intervals.entry(alert.name.clone()).or_insert(group.interval);
                *interval = group.interval.max(*interval);
            }
        }
        intervals
    }

    /// What the engine needs of it.
    pub fn engine_spec(&self) -> EngineSpec {
        EngineSpec {
            route: self.route.clone(),
            receivers: self.receivers.clone(),
            origins: self.secrets.iter().map(|(name, source)| (name.clone(), source.origin())).collect(),
            rollbacks: self.rollbacks.clone(),
            alertmanagers: ForwardSpec { intervals: self.intervals(), ..self.alertmanagers.clone() },
            compat: self.compat,
            external_labels: self.external_labels.clone(),
            external_url: self.external_url.clone(),
        }
    }
}

/// Reads a configuration and everything that it names, and checks it. `read` gives what a file holds; nobody lists
/// directories for it, so patterns of rule files are refused.
pub fn load(path: &Path, read: &dyn Fn(&Path) -> io::Result<String>) -> Result<Config, Problems> {
    RawConfig::read(path, read).build()
}

/// Reads a configuration and everything that it names, rule files by pattern among it, and checks it.
pub fn load_from(path: &Path, files: Files<'_>) -> Result<Config, Problems> {
    RawConfig::read_from(path, files).build()
}
