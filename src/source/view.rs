//! Who is scraped and who is not, as `/api/v1/targets` tells it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use url::Url;

use crate::evaluator::TargetView;
use crate::model::{Labels, TargetId, Timestamp};

use super::job::DroppedTarget;
use super::scrapes::Shown;

/// All targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetsView {
    /// Those that are scraped.
    pub active: Vec<ActiveView>,
    /// Those that relabeling dropped, as far as they are kept.
    pub dropped: Vec<DroppedTarget>,
    /// How many there were, by job.
    pub dropped_counts: BTreeMap<String, usize>,
    /// What was found and cannot be scraped, and why.
    pub problems: Vec<String>,
}

/// A target that is scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveView {
    /// Which.
    pub id: TargetId,
    /// Its labels before relabeling.
    pub discovered: Labels,
    /// The labels of its series.
    pub labels: Labels,
    /// Its job.
    pub pool: String,
    /// Where it is.
    pub url: String,
    /// Where it is for others: this host's name instead of `localhost`.
    pub global_url: String,
    /// Why the last scrape failed; empty when it did not.
    pub error: String,
    /// The last scrape.
    pub scraped_at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    /// How it is.
    pub health: TargetHealth,
    /// How often it is scraped.
    pub interval: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// How a target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetHealth {
    /// It was not scraped yet.
    Unknown,
    /// The last scrape went well.
    Up,
    /// It did not.
    Down,
}

impl TargetHealth {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Puts together what discovery found and what the evaluator saw.
pub(super) fn view(jobs: &[Shown], seen: &[TargetView], external_url: &str) -> TargetsView {
    let seen: HashMap<&TargetId, &TargetView> = seen.iter().map(|view| (&view.target.id, view)).collect();
    let here = Url::parse(external_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let mut all = TargetsView::default();
    for Shown { name, targets, .. } in jobs {
        for active in &targets.active {
            let target = &active.target;
            let last = seen.get(&target.id).and_then(|view| view.last.as_ref());
            let error = last.and_then(|(.., report)| report.error.clone());
            let health = match (last, &error) {
                (None, _) => TargetHealth::Unknown,
                (Some(_), None) => TargetHealth::Up,
                (Some(_), Some(_)) => TargetHealth::Down,
            };
            all.active.push(ActiveView {
                id: target.id.clone(),
                discovered: active.discovered.clone(),
                labels: target.labels.clone(),
                pool: name.clone(),
                url: target.url.clone(),
                global_url: global_url(&target.url, here.as_deref()),
                error: error.unwrap_or_default(),
                scraped_at: last.map(|(at, ..)| *at),
                took: last.map(|(_, took, _)| *took).unwrap_or_default(),
                health,
                interval: target.interval,
                timeout: target.timeout,
            });
        }
        all.dropped.extend(targets.dropped.iter().cloned());
        all.dropped_counts.insert(name.clone(), targets.dropped_count);
        all.problems.extend(targets.problems.iter().cloned());
    }
    all
}

fn global_url(url: &str, here: Option<&str>) -> String {
    let (Some(here), Ok(mut parsed)) = (here, Url::parse(url)) else { return url.to_owned() };
    let is_local = parsed.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    if is_local && parsed.set_host(Some(here)).is_ok() { parsed.to_string() } else { url.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_targets_are_elsewhere_for_others() {
        let check = |url: &str, here: Option<&str>, want: &str| assert_eq!(global_url(url, here), want);
        check("http://localhost:9100/metrics", Some("a.example"), "http://a.example:9100/metrics");
        check("http://[::1]:9100/m?x=1", Some("a.example"), "http://a.example:9100/m?x=1");
        check("http://b:9100/metrics", Some("a.example"), "http://b:9100/metrics");
        check("http://localhost:9100/metrics", None, "http://localhost:9100/metrics");
    }
}
