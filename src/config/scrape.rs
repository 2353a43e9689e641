//! Scrape jobs, in Prometheus's form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::evaluator::{IntakeOptions, PageFormat};
use crate::model::{ClientName, format_duration, parse_bytes};
use crate::source::{Ask, BODY_MAX, ScrapeJob, ScrapeProtocol, accept};
use crate::transport::HttpOptions;

use super::discovery::discoveries;
use super::global::Global;
use super::hint::did_you_mean;
use super::http::{client, http_settings};
use super::place::{Sheet, Spanned};
use super::raw::{RawGlobal, RawScrapeConfig, Text};
use super::relabel;
use super::secret::SecretList;
use super::value::set_duration;

/// What jobs are checked against, and what they add to.
pub(super) struct Context<'a, 'b> {
    global: &'a Global,
    defaults: Defaults,
    names: BTreeSet<String>,
    secrets: &'a mut SecretList<'b>,
    clients: &'a mut Vec<(ClientName, HttpOptions)>,
}

/// What holds for jobs that do not say.
struct Defaults {
    accept: String,
    extra_metrics: bool,
    body_max: usize,
    limits: Limits,
}

#[derive(Clone, Copy, Default)]
struct Limits {
    samples: usize,
    targets: usize,
    labels: usize,
    label_names: usize,
    label_values: usize,
    dropped_targets: usize,
}

/// The limits that a struct of settings sets, over others.
macro_rules! limits {
    ($raw:expr, $default:expr) => {{
        let or = |own: &Option<Spanned<u64>>, default: usize| {
            own.as_ref().map_or(default, |own| usize::try_from(own.value).unwrap_or(usize::MAX))
        };
        Limits {
            samples: or(&$raw.sample_limit, $default.samples),
            targets: or(&$raw.target_limit, $default.targets),
            labels: or(&$raw.label_limit, $default.labels),
            label_names: or(&$raw.label_name_length_limit, $default.label_names),
            label_values: or(&$raw.label_value_length_limit, $default.label_values),
            dropped_targets: or(&$raw.keep_dropped_targets, $default.dropped_targets),
        }
    }};
}

impl<'a, 'b> Context<'a, 'b> {
    /// Checks what `global` says about scrapes.
    pub(super) fn new(
        sheet: &mut Sheet,
        raw: &RawGlobal,
        global: &'a Global,
        secrets: &'a mut SecretList<'b>,
        clients: &'a mut Vec<(ClientName, HttpOptions)>,
    ) -> Self {
        schemes(sheet, "global", raw.metric_name_validation_scheme.as_ref(), raw.metric_name_escaping_scheme.as_ref());
        let accepted = protocols(sheet, "global", raw.scrape_protocols.as_deref());
        let defaults = Defaults {
            accept: accepted.unwrap_or_else(|| accept(&ScrapeProtocol::ALL)),
            extra_metrics: raw.extra_scrape_metrics.unwrap_or(false),
            body_max: body_max(sheet, "global", raw.body_size_limit.as_ref()).unwrap_or(BODY_MAX),
            limits: limits!(raw, Limits::default()),
        };
        Self { global, defaults, names: BTreeSet::new(), secrets, clients }
    }

    /// The same for jobs whose paths are relative to another directory.
    pub(super) fn in_directory(&mut self, directory: &'b Path) -> &mut Self {
        self.secrets.directory = directory;
        self
    }

    /// Checks a list of jobs, those of another file among them.
    pub(super) fn jobs(&mut self, sheet: &mut Sheet, raw: &[Spanned<RawScrapeConfig>], jobs: &mut Vec<ScrapeJob>) {
        for (index, raw) in raw.iter().enumerate() {
            let name = raw.value.job_name.as_ref().map_or("", |name| name.value.as_str());
            let path =
                if name.is_empty() { format!("scrape_configs[{index}]") } else { format!("scrape_configs[{name}]") };
            if name.is_empty() {
                if !sheet.is_wounded(raw.defined, "job_name") {
                    sheet.note(raw, &path, "the job has no `job_name`");
                }
            } else if !self.names.insert(name.to_owned()) {
                let spot = raw.value.job_name.as_ref().map_or(raw.defined, |name| name.defined);
                sheet.note(spot, &path, "a job of this name stands above").hint = Some(
                    "give each job a name of its own; one job can have several entries of `static_configs`".to_owned(),
                );
            }
            sheet.refuse(&path, raw.value.not_yet());
            jobs.push(self.job(sheet, &path, name, &raw.value));
        }
    }

    fn job(&mut self, sheet: &mut Sheet, path: &str, name: &str, raw: &RawScrapeConfig) -> ScrapeJob {
        let (interval, timeout) = self.times(sheet, path, raw);
        let scheme = raw.scheme.as_ref().map_or("http", |scheme| scheme.value.as_str());
        if let Some(text) = raw.scheme.as_ref().filter(|_| !matches!(scheme, "http" | "https")) {
            sheet.note(text, &format!("{path}.scheme"), format!("expected `http` or `https`, found `{scheme}`"));
        }
        let metrics_path = raw.metrics_path.as_ref().map_or("/metrics", |path| path.value.as_str());
        if let Some(text) = raw.metrics_path.as_ref().filter(|_| metrics_path.contains(['?', '#'])) {
            sheet.note(text, &format!("{path}.metrics_path"), "a path holds neither `?` nor `#`").hint =
                metrics_path.contains('?').then(|| "what stands behind `?` goes into `params`".to_owned());
        }
        schemes(sheet, path, raw.metric_name_validation_scheme.as_ref(), raw.metric_name_escaping_scheme.as_ref());
        let limits = limits!(raw, self.defaults.limits);
        let rules = |sheet: &mut Sheet, setting: &str, list: &Option<Vec<_>>| {
            relabel::rules(sheet, &format!("{path}.{setting}"), list.as_deref().unwrap_or_default())
        };
        let relabel = rules(sheet, "relabel_configs", &raw.relabel_configs);
        let intake = IntakeOptions {
            honor_labels: raw.honor_labels.unwrap_or(false),
            honor_timestamps: raw.honor_timestamps.unwrap_or(true),
            track_timestamps_staleness: raw.track_timestamps_staleness.unwrap_or(false),
            sample_limit: limits.samples,
            label_limit: limits.labels,
            label_name_length_limit: limits.label_names,
            label_value_length_limit: limits.label_values,
            metric_relabel: rules(sheet, "metric_relabel_configs", &raw.metric_relabel_configs),
            extra_metrics: raw.extra_scrape_metrics.unwrap_or(self.defaults.extra_metrics),
        };
        let ask = Ask {
            client: client(sheet, path, &http_settings!(raw), self.secrets, self.clients),
            accept: protocols(sheet, path, raw.scrape_protocols.as_deref())
                .unwrap_or_else(|| self.defaults.accept.clone()),
            fallback: fallback(sheet, path, raw.fallback_scrape_protocol.as_ref()),
            compress: raw.enable_compression.unwrap_or(true),
            body_max: body_max(sheet, path, raw.body_size_limit.as_ref()).unwrap_or(self.defaults.body_max),
        };
        ScrapeJob {
            name: name.to_owned(),
            discoveries: discoveries(sheet, path, raw, self.secrets, self.clients),
            scheme: scheme.to_owned(),
            metrics_path: metrics_path.to_owned(),
            params: params(raw),
            interval,
            timeout,
            relabel,
            intake: Arc::new(intake),
            ask: Arc::new(ask),
            target_limit: limits.targets,
            keep_dropped_targets: limits.dropped_targets,
        }
    }

    fn times(&self, sheet: &mut Sheet, path: &str, raw: &RawScrapeConfig) -> (Duration, Duration) {
        let interval = set_duration(sheet, &format!("{path}.scrape_interval"), raw.scrape_interval.as_ref())
            .unwrap_or(self.global.scrape_interval);
        let timeout_path = format!("{path}.scrape_timeout");
        let timeout = set_duration(sheet, &timeout_path, raw.scrape_timeout.as_ref());
        if let Some(text) = raw.scrape_timeout.as_ref().filter(|_| timeout.is_some_and(|timeout| timeout > interval)) {
            sheet.note(text, &timeout_path, "must not be longer than the job's scrape interval").hint =
                Some(format!("the interval is {}", format_duration(interval)));
        }
        (interval, timeout.unwrap_or(self.global.scrape_timeout.min(interval)))
    }
}

fn params(raw: &RawScrapeConfig) -> BTreeMap<String, Vec<String>> {
    let pairs = raw.params.iter().flat_map(|params| &params.0);
    let texts = |values: &[Text]| values.iter().map(|value| value.value.clone()).collect();
    pairs.map(|(name, values)| (name.value.clone(), texts(values))).collect()
}

/// Names may hold any UTF-8, and are taken as they come; the other schemes are not there.
fn schemes(sheet: &mut Sheet, path: &str, validation: Option<&Text>, escaping: Option<&Text>) {
    let settings = [
        ("metric_name_validation_scheme", "utf8", validation),
        ("metric_name_escaping_scheme", "allow-utf-8", escaping),
    ];
    for (setting, known, text) in settings {
        if let Some(text) = text.filter(|text| text.value != known) {
            let what = format!("`{}` is not supported: names are taken as they come", text.value);
            sheet.note(text, &format!("{path}.{setting}"), what).hint =
                Some(format!("write `{known}`, or leave it out"));
        }
    }
}

/// What Prometheus calls the one protocol that we do not read.
const PROTOBUF: &str = "PrometheusProto";

/// The `Accept` header for a list of protocols. Protobuf may be in it, and is left out.
fn protocols(sheet: &mut Sheet, path: &str, raw: Option<&[Text]>) -> Option<String> {
    let raw = raw?;
    let path = format!("{path}.scrape_protocols");
    let mut protocols = Vec::new();
    for text in raw {
        match ScrapeProtocol::ALL.into_iter().find(|protocol| protocol.name() == text.value) {
            Some(protocol) if protocols.contains(&protocol) => {
                sheet.note(text, &path, format!("`{}` is listed twice", text.value));
            }
            Some(protocol) => protocols.push(protocol),
            None if text.value == PROTOBUF => {}
            None => unknown_protocol(sheet, &path, text),
        }
    }
    if let Some(text) = raw.first().filter(|_| raw.iter().all(|text| text.value == PROTOBUF)) {
        sheet.note(text, &path, "protobuf is not read, and nothing else is listed").hint =
            Some(format!("add `{}`", ScrapeProtocol::Text0.name()));
    }
    (!protocols.is_empty()).then(|| accept(&protocols))
}

fn unknown_protocol(sheet: &mut Sheet, path: &str, text: &Text) {
    let names = ScrapeProtocol::ALL.map(ScrapeProtocol::name);
    let hint = did_you_mean(&text.value, names).unwrap_or_else(|| format!("protocols: {}", names.join(", ")));
    sheet.note(text, path, format!("there is no protocol `{}`", text.value)).hint = Some(hint);
}

fn fallback(sheet: &mut Sheet, path: &str, text: Option<&Text>) -> Option<PageFormat> {
    let text = text?;
    let known = ScrapeProtocol::ALL.into_iter().find(|protocol| protocol.name() == text.value);
    let path = format!("{path}.fallback_scrape_protocol");
    if text.value == PROTOBUF {
        sheet.note(text, &path, "protobuf is not supported").hint =
            Some(format!("write `{}`, if that is what the targets expose", ScrapeProtocol::Text0.name()));
    } else if known.is_none() {
        unknown_protocol(sheet, &path, text);
    }
    known.map(ScrapeProtocol::format)
}

fn body_max(sheet: &mut Sheet, path: &str, text: Option<&Text>) -> Option<usize> {
    let text = text?;
    match parse_bytes(&text.value) {
        Some(bytes) => Some(usize::try_from(bytes).unwrap_or(usize::MAX)),
        None => {
            let what = format!("`{}` is not a number of bytes", text.value);
            sheet.note(text, &format!("{path}.body_size_limit"), what).hint =
                Some("write it like `512MB`, `64KB` or `0` for no limit".to_owned());
            None
        }
    }
}
