//! A job: targets that are found and scraped alike. From what discovery finds to what is scraped, without any I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::evaluator::{IntakeOptions, PageFormat, ScrapeTarget};
use crate::model::{
    ClientName, Labels, RelabelRule, TargetId, Timestamp, escape_path, escape_query, format_duration, parse_duration,
    relabel_in_place,
};

use super::discovery::Discovery;

/// Where a target is: `host:port`.
pub const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PARAM: &str = "__param_";
const META: &str = "__meta_";
/// Labels that begin so are for us and not for the series.
const INTERNAL: &str = "__";
const JOB: &str = "job";
const INSTANCE: &str = "instance";

/// A job as the configuration has it, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeJob {
    /// Its name.
    pub name: String,
    /// How its targets are found.
    pub discoveries: Vec<Discovery>,
    /// `http` or `https`, unless relabeling says otherwise.
    pub scheme: String,
    /// Where on a target its page is.
    pub metrics_path: String,
    /// The query, by name.
    pub params: BTreeMap<String, Vec<String>>,
    /// How often.
    pub interval: Duration,
    /// How long a target may take to answer.
    pub timeout: Duration,
    /// What is done with what is found.
    pub relabel: Vec<RelabelRule>,
    /// How pages are taken in.
    pub intake: Arc<IntakeOptions>,
    /// How targets are asked.
    pub ask: Arc<Ask>,
    /// With more targets than this none is scraped; 0 is no limit.
    pub target_limit: usize,
    /// So many targets that relabeling drops are kept to be looked at; 0 is no limit.
    pub keep_dropped_targets: usize,
}

/// How the targets of a job are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The client with the job's settings, if it has any.
    pub client: Option<ClientName>,
    /// What we say that we can read.
    pub accept: String,
    /// How a page is read whose target does not say what it is.
    pub fallback: Option<PageFormat>,
    /// Whether pages may come compressed.
    pub compress: bool,
    /// So many bytes may a page have, uncompressed; 0 is no limit.
    pub body_max: usize,
}

/// The largest page unless the configuration says otherwise.
pub const BODY_MAX: usize = 512 * 1024 * 1024;

impl Default for Ask {
    fn default() -> Self {
        Self { client: None, accept: accept(&ScrapeProtocol::ALL), fallback: None, compress: true, body_max: BODY_MAX }
    }
}

/// What a page may be written in, by the names that Prometheus has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScrapeProtocol {
    /// OpenMetrics 1.0.0.
    OpenMetrics1,
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
    /// The text format with names in UTF-8.
    Text1,
    /// The text format.
    Text0,
}

impl ScrapeProtocol {
    /// All of them, the one that we like best first.
    pub const ALL: [Self; 4] = [Self::OpenMetrics1, Self::OpenMetrics0, Self::Text1, Self::Text0];

    /// The name by which a configuration calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenMetrics1 => "OpenMetricsText1.0.0",
            Self::OpenMetrics0 => "OpenMetricsText0.0.1",
            Self::Text1 => "PrometheusText1.0.0",
            Self::Text0 => "PrometheusText0.0.4",
        }
    }

    /// How its pages are read.
    pub const fn format(self) -> PageFormat {
        match self {
            Self::OpenMetrics1 | Self::OpenMetrics0 => PageFormat::OpenMetrics,
            Self::Text1 | Self::Text0 => PageFormat::Text,
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics1 => "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            Self::OpenMetrics0 => "application/openmetrics-text;version=0.0.1",
            Self::Text1 => "text/plain;version=1.0.0;escaping=allow-utf-8",
            Self::Text0 => "text/plain;version=0.0.4",
        }
    }
}

/// The `Accept` header for these protocols, the one that is liked best first.
pub fn accept(protocols: &[ScrapeProtocol]) -> String {
    // Prometheus's weights: it knows five protocols, and begins one above.
    let weighed = protocols.iter().zip((2..=6).rev()).map(|(it, weight)| format!("{};q=0.{weight}", it.media_type()));
    let rest = format!("*/*;q=0.{}", 6_usize.saturating_sub(protocols.len()).max(1));
    weighed.chain([rest]).collect::<Vec<_>>().join(",")
}

/// Targets that were found together, with the labels that they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetGroup {
    /// The labels of each; `__address__` says where it is.
    pub targets: Vec<Labels>,
    /// The labels that all of them have, unless they say otherwise.
    pub labels: Labels,
}

/// What a job scrapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobTargets {
    /// The targets, no two of them alike.
    pub active: Vec<ActiveTarget>,
    /// The targets that relabeling dropped, as far as they are kept.
    pub dropped: Vec<DroppedTarget>,
    /// How many there were.
    pub dropped_count: usize,
    /// What was found and cannot be scraped, and why.
    pub problems: Vec<String>,
}

/// A target, and how to ask it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveTarget {
    /// What the evaluator is told of it.
    pub target: ScrapeTarget,
    /// Its job.
    pub job: String,
    /// Its labels before relabeling.
    pub discovered: Labels,
    /// How to ask it.
    pub ask: Arc<Ask>,
    /// Why it is not asked but counts as failed, if so.
    pub refusal: Option<String>,
}

impl ActiveTarget {
    /// Whether another description of the target makes no difference to how it is asked.
    pub(super) fn is_asked_like(&self, other: &Self) -> bool {
        self.target == other.target && self.ask == other.ask && self.refusal == other.refusal
    }
}

/// A target that relabeling dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedTarget {
    /// Its job.
    pub job: String,
    /// Its labels before relabeling.
    pub discovered: Labels,
}

/// A target on its way from discovery to a name of its own.
struct Candidate {
    discovered: Labels,
    /// After relabeling, with what is internal.
    labels: Labels,
    url: String,
    interval: Duration,
    timeout: Duration,
}

impl ScrapeJob {
    /// What is scraped when discovery has found this.
    pub fn targets<'a>(&self, groups: impl IntoIterator<Item = &'a TargetGroup>) -> JobTargets {
        let mut found = JobTargets::default();
        let mut candidates = Vec::new();
        let mut seen = BTreeSet::new();
        for group in groups {
            for target in &group.targets {
                let discovered = self.discovered(target, &group.labels);
                match self.candidate(&discovered) {
                    Ok(Some(candidate)) if seen.insert((candidate.labels.clone(), candidate.url.clone())) => {
                        candidates.push(candidate);
                    }
                    // Another one like it is scraped already.
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        found.dropped_count += 1;
                        if self.keep_dropped_targets == 0 || found.dropped.len() < self.keep_dropped_targets {
                            found.dropped.push(DroppedTarget { job: self.name.clone(), discovered });
                        }
                    }
                    Err(why) => found.problems.push(why),
                }
            }
        }
        let refusal = (self.target_limit > 0 && candidates.len() > self.target_limit).then(|| {
            let (count, limit) = (candidates.len(), self.target_limit);
            format!("the job has {count} targets; the `target_limit` is {limit}, and with more none is scraped")
        });
        let ids = self.ids(&candidates);
        let active = candidates.into_iter().zip(ids).map(|(it, id)| ActiveTarget {
            target: ScrapeTarget {
                id,
                url: it.url,
                labels: it.labels.filter(|name| !name.starts_with(INTERNAL)),
                interval: it.interval,
                timeout: it.timeout,
                intake: self.intake.clone(),
            },
            job: self.name.clone(),
            discovered: it.discovered,
            ask: self.ask.clone(),
            refusal: refusal.clone(),
        });
        found.active = active.collect();
        found
    }

    /// The targets that are written down in the configuration.
    pub fn static_targets(&self) -> JobTargets {
        self.targets(self.discoveries.iter().flat_map(|discovery| match discovery {
            Discovery::Static(groups) => groups.as_slice(),
            _ => &[],
        }))
    }

    /// Names for targets: job and URL, and for those that share a URL a hash of their labels too. One of them goes without,
    /// so that a target that gets company keeps its name.
    fn ids(&self, candidates: &[Candidate]) -> Vec<TargetId> {
        let mut first: BTreeMap<&str, &Labels> = BTreeMap::new();
        for candidate in candidates {
            let least = first.entry(&candidate.url).or_insert(&candidate.labels);
            *least = (*least).min(&candidate.labels);
        }
        let id = |it: &Candidate| match first.get(it.url.as_str()) {
            Some(least) if **least != it.labels => format!("{}/{}#{}", self.name, it.url, it.labels.fingerprint()),
            _ => format!("{}/{}", self.name, it.url),
        };
        candidates.iter().map(|candidate| TargetId::new(id(candidate))).collect()
    }

    /// The labels of a target before relabeling: its own, its group's, and what the job says.
    fn discovered(&self, target: &Labels, group: &Labels) -> Labels {
        let mut labels = target.filled_from(group).edit();
        let defaults = [
            (JOB, self.name.clone()),
            (INTERVAL, format_duration(self.interval)),
            (TIMEOUT, format_duration(self.timeout)),
            (METRICS_PATH, self.metrics_path.clone()),
            (SCHEME, self.scheme.clone()),
        ];
        let params = self.params.iter().filter_map(|(name, values)| Some((format!("{PARAM}{name}"), values.first()?)));
        let params = params.map(|(name, value)| (name, value.clone()));
        for (name, value) in defaults.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(params) {
            if labels.get(&name).is_empty() {
                labels.set(name, value);
            }
        }
        labels.build()
    }

    /// A target after relabeling; `None` when it is dropped.
    fn candidate(&self, discovered: &Labels) -> Result<Option<Candidate>, String> {
        let mut labels = discovered.edit();
        if !relabel_in_place(&mut labels, &self.relabel) {
            return Ok(None);
        }
        let address = labels.get(ADDRESS).to_owned();
        let about = |what: String| format!("a target of job `{}`: {what}", self.name);
        if let Some((what, _)) = address_trouble(&address) {
            return Err(about(what));
        }
        let scheme = labels.get(SCHEME).to_owned();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(about(format!("`{address}` has the scheme `{scheme}`, which is neither `http` nor `https`")));
        }
        let duration = |name: &str| {
            let text = labels.get(name);
            let duration = parse_duration(text).map_err(|why| about(format!("`{name}` of `{address}`: {why}")))?;
            if duration.is_zero() { Err(about(format!("`{name}` of `{address}` is 0"))) } else { Ok(duration) }
        };
        let (interval, timeout) = (duration(INTERVAL)?, duration(TIMEOUT)?);
        if timeout > interval {
            let (timeout, interval) = (format_duration(timeout), format_duration(interval));
            return Err(about(format!(
                "the timeout of `{address}`, {timeout}, is longer than its interval, {interval}"
            )));
        }
        labels.retain(|name| !name.starts_with(META));
        if labels.get(INSTANCE).is_empty() {
            labels.set(INSTANCE, address.as_str());
        }
        let labels = labels.build();
        let url = self.url(&scheme, &address, &labels);
        if let Err(error) = Url::parse(&url) {
            return Err(about(format!("`{url}` is not a URL: {error}")));
        }
        Ok(Some(Candidate { discovered: discovered.clone(), labels, url, interval, timeout }))
    }

    fn url(&self, scheme: &str, address: &str, labels: &Labels) -> String {
        let mut params = self.params.clone();
        for (name, value) in labels.iter() {
            if let Some(name) = name.strip_prefix(PARAM) {
                let values = params.entry(name.to_owned()).or_default();
                match values.first_mut() {
                    Some(first) => value.clone_into(first),
                    None => values.push(value.to_owned()),
                }
            }
        }
        let pairs = params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let query: Vec<String> =
            pairs.map(|(name, value)| format!("{}={}", escape_query(name), escape_query(value))).collect();
        let path = escape_path(labels.get(METRICS_PATH));
        let slash = if path.starts_with('/') || path.is_empty() { "" } else { "/" };
        let question = if query.is_empty() { "" } else { "?" };
        format!("{scheme}://{address}{slash}{path}{question}{}", query.join("&"))
    }
}

/// What to do with what is not an address yet.
const FILL_IN: &str =
    "this seems to be for something else to fill in: write `host:port`, or check the file that comes of it";

/// Why a text is not a host with or without a port and nothing else, and a hint.
pub fn address_trouble(address: &str) -> Option<(String, Option<String>)> {
    let (what, hint) = if address.is_empty() {
        ("the address is empty".to_owned(), None)
    } else if let Some((scheme, _)) = address.split_once("://") {
        let hint = format!("write `host:port`, and set `scheme: {scheme}` for the job");
        (format!("`{address}` is a URL, not an address"), Some(hint))
    } else if address.contains("${") {
        ("`${NAME}` can be used in secrets only".to_owned(), Some(FILL_IN.to_owned()))
    } else if address.contains(['{', '<']) || address.contains("%%") {
        (format!("`{address}` is not an address"), Some(FILL_IN.to_owned()))
    } else if let Some((host, tail)) = address.split_once('/') {
        let hint = format!("write `{host}`, and set `metrics_path: /{tail}` for the job");
        (format!("`{address}` has a path"), Some(hint))
    } else {
        match Url::parse(&format!("http://{address}/")) {
            Ok(url)
                if url.path() == "/"
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && !address.contains(['@', '\\', '\n', '\r', '\t']) =>
            {
                return None;
            }
            Ok(_) => (format!("`{address}` is not an address"), None),
            Err(error) => (format!("`{address}` is not an address: {error}"), None),
        }
    };
    Some((what, hint.or_else(|| Some("write `host:port`".to_owned()))))
}

/// When within its interval a target is scraped: by a hash of its id, so that targets spread evenly, and over a restart
/// each keeps its moment.
pub fn phase(target: &TargetId, interval: Duration) -> Duration {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(target.as_str());
    let hash = digest[..8].iter().fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(hash % interval_ms)
}

/// The first moment of a target after another moment.
pub(super) fn next_moment(after: Timestamp, interval: Duration, phase: Duration) -> Timestamp {
    let slot = (after - phase).floor_to(interval) + phase;
    slot + interval
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RelabelAction, RelabelSpec};

    fn job(edit: impl FnOnce(&mut ScrapeJob)) -> ScrapeJob {
        let mut job = ScrapeJob {
            name: "node".to_owned(),
            discoveries: Vec::new(),
            scheme: "http".to_owned(),
            metrics_path: "/metrics".to_owned(),
            params: BTreeMap::new(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            relabel: Vec::new(),
            intake: Arc::default(),
            ask: Arc::default(),
            target_limit: 0,
            keep_dropped_targets: 0,
        };
        edit(&mut job);
        job
    }

    fn group(targets: &[&str], labels: &[(&str, &str)]) -> TargetGroup {
        TargetGroup {
            targets: targets.iter().map(|address| Labels::from_pairs([(ADDRESS, *address)])).collect(),
            labels: Labels::from_pairs(labels.iter().copied()),
        }
    }

    fn rule(action: RelabelAction, source: &str, regex: &str, target: &str, replacement: &str) -> RelabelRule {
        RelabelRule::new(RelabelSpec {
            source_labels: source.split_whitespace().map(str::to_owned).collect(),
            regex: regex.to_owned(),
            target_label: target.to_owned(),
            replacement: replacement.to_owned(),
            action,
            ..RelabelSpec::default()
        })
        .expect("the rule works")
    }

    fn set(source: &str, regex: &str, target: &str, replacement: &str) -> RelabelRule {
        rule(RelabelAction::Replace, source, regex, target, replacement)
    }

    /// URL and labels of each target.
    fn shown(targets: &JobTargets) -> Vec<String> {
        targets.active.iter().map(|it| format!("{} {}", it.target.url, it.target.labels)).collect()
    }

    #[test]
    fn without_relabeling_a_target_is_its_address() {
        let found = job(|_| ()).targets(&[group(&["a:1", "[::1]:9100", "host"], &[("zone", "z"), ("__meta_x", "y")])]);
        let labels = |address: &str| format!(r#"{{instance="{address}", job="node", zone="z"}}"#);
        let line = |address: &str| format!("http://{address}/metrics {}", labels(address));
        assert_eq!(shown(&found), ["a:1", "[::1]:9100", "host"].map(line));
        assert_eq!(
            found.active[0].discovered.to_string(),
            concat!(
                r#"{__address__="a:1", __meta_x="y", __metrics_path__="/metrics", __scheme__="http", "#,
                r#"__scrape_interval__="15s", __scrape_timeout__="10s", job="node", zone="z"}"#
            )
        );
        assert_eq!(found.active[0].target.id.as_str(), "node/http://a:1/metrics");
    }

    #[test]
    fn the_job_and_the_target_have_their_say() {
        let found = job(|_| ()).targets(&[group(
            &["a"],
            &[
                ("job", "other"),
                ("instance", "i"),
                ("__metrics_path__", "p q?"),
                ("__scheme__", "https"),
                ("__scrape_interval__", "1m"),
                ("__scrape_timeout__", "1s"),
            ],
        )]);
        assert_eq!(shown(&found), [r#"https://a/p%20q%3F {instance="i", job="other"}"#]);
        let target = &found.active[0].target;
        assert_eq!((target.interval.as_secs(), target.timeout.as_secs()), (60, 1));
    }

    #[test]
    fn a_prober_is_asked_about_its_targets() {
        let job = job(|job| {
            job.params.insert("module".to_owned(), vec!["http 2xx".to_owned(), "b".to_owned()]);
            job.relabel = vec![
                set("__address__", "(.*)", "__param_target", "$1"),
                set("__param_target", "(.*)", "instance", "$1"),
                set("", "(.*)", "__address__", "prober:9115"),
            ];
        });
        let found = job.targets(&[group(&["https://a.example/?x=1", "b"], &[])]);
        assert_eq!(
            shown(&found),
            [
                concat!(
                    "http://prober:9115/metrics?module=http+2xx&module=b&target=https%3A%2F%2Fa.example%2F%3Fx%3D1 ",
                    r#"{instance="https://a.example/?x=1", job="node"}"#
                ),
                r#"http://prober:9115/metrics?module=http+2xx&module=b&target=b {instance="b", job="node"}"#,
            ]
        );
    }

    #[test]
    fn dropped_targets_are_kept_to_be_looked_at() {
        let drop = rule(RelabelAction::Drop, "__address__", "[bcd]", "", "$1");
        let check = |keep: usize, kept: usize| {
            let job = job(|job| {
                job.relabel = vec![drop.clone()];
                job.keep_dropped_targets = keep;
            });
            let found = job.targets(&[group(&["a", "b", "c", "d"], &[("__meta_m", "x")])]);
            assert_eq!((found.active.len(), found.dropped.len(), found.dropped_count), (1, kept, 3));
            assert_eq!(found.dropped[0].discovered.get("__meta_m"), "x");
        };
        check(0, 3);
        check(2, 2);
    }

    #[test]
    fn what_is_alike_is_scraped_once() {
        let found = job(|_| ()).targets(&[group(&["a", "a"], &[]), group(&["a"], &[])]);
        assert_eq!(found.active.len(), 1);
        // The same page under other labels is another target.
        let groups = [group(&["a"], &[("zone", "y")]), group(&["a"], &[("zone", "x")]), group(&["b"], &[])];
        let ids = |groups: &[TargetGroup]| -> Vec<String> {
            job(|_| ()).targets(groups).active.iter().map(|it| it.target.id.to_string()).collect()
        };
        let found = ids(&groups);
        assert_eq!(found[1..], ["node/http://a/metrics", "node/http://b/metrics"]);
        assert!(found[0].starts_with("node/http://a/metrics#"), "{found:?}");
        assert_eq!(ids(&groups[1..]), found[1..]);
    }

    #[test]
    fn with_too_many_targets_none_is_asked() {
        let check = |limit: usize, refused: bool| {
            let found = job(|job| job.target_limit = limit).targets(&[group(&["a", "b", "a"], &[])]);
            assert_eq!(found.active.iter().map(|it| it.refusal.is_some()).collect::<Vec<_>>(), [refused; 2], "{limit}");
        };
        check(0, false);
        check(1, true);
        check(2, false);
    }

    #[test]
    fn what_cannot_be_scraped_is_told() {
        let check = |labels: &[(&str, &str)], want: &str| {
            let found = job(|_| ()).targets(&[TargetGroup {
                targets: vec![Labels::from_pairs(labels.iter().copied())],
                labels: Labels::empty(),
            }]);
            assert_eq!(found.problems, [format!("a target of job `node`: {want}")]);
            assert!(found.active.is_empty() && found.dropped.is_empty());
        };
        check(&[("x", "y")], "the address is empty");
        check(&[(ADDRESS, "http://a")], "`http://a` is a URL, not an address");
        check(&[(ADDRESS, "a/b")], "`a/b` has a path");
        check(&[(ADDRESS, "a:b")], "`a:b` is not an address: invalid port number");
        check(&[(ADDRESS, "u@a")], "`u@a` is not an address");
        let scheme = "`a` has the scheme `ftp`, which is neither `http` nor `https`";
        check(&[(ADDRESS, "a"), (SCHEME, "ftp")], scheme);
        check(&[(ADDRESS, "a"), (INTERVAL, "0")], "`__scrape_interval__` of `a` is 0");
        let malformed =
            "`__scrape_timeout__` of `a`: not a valid duration: `x` (write it like `1h30m`, `15s` or `500ms`)";
        check(&[(ADDRESS, "a"), (TIMEOUT, "x")], malformed);
        let longer = "the timeout of `a`, 20s, is longer than its interval, 15s";
        check(&[(ADDRESS, "a"), (TIMEOUT, "20s")], longer);
    }

    #[test]
    fn what_we_accept_is_what_prometheus_accepts() {
        assert_eq!(
            accept(&ScrapeProtocol::ALL),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        assert_eq!(accept(&[ScrapeProtocol::Text0]), "text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
    }

    #[test]
    fn moments_are_an_interval_apart_and_keep_their_phase() {
        let (interval, phase) = (Duration::from_secs(15), Duration::from_millis(4200));
        let first = next_moment(Timestamp::from_millis(1_000_000), interval, phase);
        assert_eq!(first, Timestamp::from_millis(1_009_200 - 1_009_200 % 15_000 + 4200));
        assert_eq!(next_moment(first, interval, phase), first + interval);
        assert_eq!(next_moment(first.shifted(-1), interval, phase), first);
    }

    #[test]
    fn targets_spread_over_their_interval() {
        let interval = Duration::from_secs(15);
        let early = (0..1000).filter(|at| phase(&TargetId::new(format!("job/{at}")), interval) < interval / 2).count();
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
    }
}
