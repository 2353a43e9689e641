//! All episodes, joined with what the guards say.

use std::collections::{BTreeMap, BTreeSet};

use crate::dispatch::{Ending, Finished};
use crate::evaluator::{Answer, Reading};
use crate::model::{
    Alert, Fingerprint, GroupStatus, IntegrationId, NoticeNotification, Notification, ReceiverName, RollbackId,
    RollbackNote, RollbackNotification, RollbackOutcome, Timestamp,
};

use super::{Claim, Episode, EpisodeKey, RollbackSpec};

/// An episode that was touched: as it is now, or `None` when it is over.
pub type EpisodeRecord = (EpisodeKey, Option<Episode>);

/// A notice that humans are to get: those who hear of `alert` and have an integration that reaches people.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticeOrder {
    /// Whose routes it takes.
    pub alert: Alert,
    /// What to say; its receiver is filled in for each.
    pub notice: NoticeNotification,
}

/// Whether a claim may leave once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clearance {
    /// It may: its guard holds, or cannot be measured, and it was made on evidence.
    Send,
    /// Its guard is known not to hold now: a rollback would not help.
    NotNow {
        /// Whether an alert that asked for it still fires.
        is_wanted: bool,
    },
    /// What was asked is no longer configured like that.
    Never {
        /// In words.
        why: String,
    },
}

/// The state of all rollbacks.
#[derive(Debug, Default)]
pub struct Rollouts {
    specs: BTreeMap<IntegrationId, RollbackSpec>,
    episodes: BTreeMap<EpisodeKey, Episode>,
    /// The newest reading of each guard; after a start there is none, which is unknown.
    readings: BTreeMap<IntegrationId, Reading>,
    /// The firing alerts that cannot be measured now.
    unknown: BTreeSet<Fingerprint>,
    touched: BTreeSet<EpisodeKey>,
}

/// A claim that goes on under another integration, because its entry was renamed or is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// The claim.
    pub claim: RollbackId,
    /// Under which integration it was made.
    pub from: IntegrationId,
    /// Under which it goes on.
    pub to: IntegrationId,
}

impl Rollouts {
    /// Goes on from these episodes; without any, afresh.
    pub fn new(specs: impl IntoIterator<Item = RollbackSpec>, episodes: Vec<Episode>) -> Self {
        Self {
            specs: specs.into_iter().map(|spec| (spec.id.clone(), spec)).collect(),
            episodes: episodes.into_iter().map(|episode| (episode.key.clone(), episode)).collect(),
            readings: BTreeMap::new(),
            unknown: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Takes other entries of the configuration; [`Rollouts::settle`] says what that means for the episodes. What a guard
    /// said of an entry that has changed says nothing of it now.
    pub fn configure(&mut self, specs: impl IntoIterator<Item = RollbackSpec>) {
        let specs: BTreeMap<IntegrationId, RollbackSpec> =
            specs.into_iter().map(|spec| (spec.id.clone(), spec)).collect();
        let terms = |specs: &BTreeMap<IntegrationId, RollbackSpec>, id: &IntegrationId| {
            specs.get(id).map(|spec| spec.terms.clone())
        };
        self.readings.retain(|id, _| terms(&specs, id) == terms(&self.specs, id));
        self.specs = specs;
    }

    /// Brings every episode to the entry that asks the same of the same, wherever the configuration has it now: a claim
    /// that was made stands, and none is made again. Returns the claims that go on under another integration.
    pub fn settle(&mut self) -> Vec<Moved> {
        let specs = &self.specs;
        let is_at_home = |key: &EpisodeKey, episode: &Episode| {
            episode.terms.is_empty() || specs.get(&key.integration).is_some_and(|spec| spec.terms == episode.terms)
        };
        // All leave before any arrives: two may have exchanged their places.
        let (staying, leaving): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.episodes).into_iter().partition(|(key, episode)| is_at_home(key, episode));
        self.episodes = staying;
        let (mut moved, mut homeless) = (Vec::new(), Vec::new());
        for episode in leaving.into_values() {
            let at = |id: &IntegrationId| EpisodeKey { integration: id.clone(), labels: episode.key.labels.clone() };
            // To another receiver only a claim goes along: what was not claimed is over, and asked for anew by the alerts
            // that are routed there, if any are.
            let may_go =
                |id: &IntegrationId| episode.claim.is_some() || id.receiver == episode.key.integration.receiver;
            let alike = self.specs.values().filter(|spec| spec.terms == episode.terms && may_go(&spec.id));
            match alike.map(|spec| at(&spec.id)).find(|key| !self.episodes.contains_key(key)) {
                Some(key) => self.move_episode(episode, key, &mut moved),
                None if episode.claim.is_some() => homeless.push(episode),
                None => drop(self.touched.insert(episode.key)),
            }
        }
        for episode in homeless {
            let (mut key, mut mark) = (episode.key.clone(), episode.terms.clone());
            // What has come there meanwhile is another's.
            while self.episodes.contains_key(&key) {
                key.integration = key.integration.former(&mark);
                mark.push('+');
            }
            self.move_episode(episode, key, &mut moved);
        }
        for (key, episode) in &mut self.episodes {
            // An entry that was edited where it stands keeps its episodes.
            if let Some(spec) = self.specs.get(&key.integration).filter(|spec| spec.terms != episode.terms) {
                episode.terms = spec.terms.clone();
                self.touched.insert(key.clone());
            }
        }
        moved
    }

    fn move_episode(&mut self, mut episode: Episode, key: EpisodeKey, moved: &mut Vec<Moved>) {
        if key != episode.key {
            self.touched.extend([episode.key.clone(), key.clone()]);
            if let Some(claim) = &episode.claim {
                let (from, to) = (episode.key.integration.clone(), key.integration.clone());
                moved.push(Moved { claim: claim.id.clone(), from, to });
            }
            episode.key = key.clone();
        }
        self.episodes.insert(key, episode);
    }

    /// All episodes.
    pub fn episodes(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.values()
    }

    /// Takes in an alert that fires or has resolved, and the receivers that hear of it. Returns the integrations that it
    /// cannot ask for a rollback, because it has none of the labels that would say of what.
    pub fn take_in(&mut self, alert: &Alert, receivers: &[ReceiverName], now: Timestamp) -> Vec<IntegrationId> {
        let print = alert.fingerprint();
        let mut keyless = Vec::new();
        if !alert.is_firing() {
            self.resolve(print, now);
            return keyless;
        }
        for spec in self.specs.values().filter(|spec| receivers.contains(&spec.id.receiver)) {
            let labels = alert.labels.filter(|name| spec.key.iter().any(|key| key == name));
            if labels.is_empty() && !spec.key.is_empty() {
                keyless.push(spec.id.clone());
                continue;
            }
            let key = EpisodeKey { integration: spec.id.clone(), labels };
            let episode =
                self.episodes.entry(key.clone()).or_insert_with(|| Episode::open(key.clone(), &spec.terms, now));
            episode.firing.insert(print, alert.clone());
            episode.quiet_since = None;
            self.touched.insert(key);
        }
        keyless
    }

    fn resolve(&mut self, print: Fingerprint, now: Timestamp) {
        for (key, episode) in &mut self.episodes {
            if episode.firing.remove(&print).is_some() {
                if episode.firing.is_empty() {
                    episode.quiet_since = Some(now);
                }
                self.touched.insert(key.clone());
            }
        }
    }

    /// Takes in what the guards say now, and which firing alerts cannot be measured.
    pub fn read(&mut self, readings: Vec<Reading>, unknown: BTreeSet<Fingerprint>) {
        self.unknown = unknown;
        self.readings.extend(readings.into_iter().map(|reading| (reading.id.clone(), reading)));
    }

    /// Claims what is to be rolled back: episodes with a firing alert that was seen, without a claim, whose guard holds.
    pub fn claim(&mut self, now: Timestamp) -> Vec<(IntegrationId, RollbackNotification)> {
        let mut claims = Vec::new();
        for (key, episode) in &mut self.episodes {
            let holds = answer(&self.readings, key) == Answer::Holds;
            if !holds || episode.firing.is_empty() {
                continue;
            }
            let Some(spec) = self.specs.get(&key.integration) else { continue };
            if let Some(claim) = episode.claim(spec, &self.unknown, now) {
                self.touched.insert(key.clone());
                claims.push((key.integration.clone(), claim));
            }
        }
        claims
    }

    /// Whether a claim may leave once more.
    pub fn clearance(&self, integration: &IntegrationId, claim: &RollbackNotification) -> Clearance {
        let found = self.episodes.iter().find(|(_, episode)| is_of(episode, claim));
        if self.specs.get(integration).is_none_or(|spec| spec.terms != claim.terms) {
            let why = "its `rollback_configs` entry is gone or has changed".to_owned();
            return Clearance::Never { why };
        }
        let Some((key, episode)) = found else { return Clearance::Send };
        match answer(&self.readings, key) {
            Answer::Holds | Answer::Unknown => Clearance::Send,
            Answer::Fails => Clearance::NotNow { is_wanted: !episode.firing.is_empty() },
        }
    }

    /// Takes in how a claim's delivery ended. When it failed, a human is to be paged.
    pub fn finished(&mut self, finished: &Finished, now: Timestamp) -> Option<NoticeOrder> {
        let Notification::Rollback(sent) = &finished.delivery.notification else { return None };
        let outcome = match &finished.ending {
            Ending::Delivered => RollbackOutcome::Accepted { at: now },
            Ending::Withdrawn => RollbackOutcome::Withdrawn { at: now },
            Ending::Rejected { .. } | Ending::Expired { .. } | Ending::Revoked { .. } => {
                RollbackOutcome::Failed { at: now }
            }
        };
        if let Some((key, episode)) = self.episodes.iter_mut().find(|(_, episode)| is_of(episode, sent))
            && let Some(claim) = &mut episode.claim
        {
            claim.outcome = outcome;
            self.touched.insert(key.clone());
        }
        let what = match &finished.ending {
            Ending::Delivered | Ending::Withdrawn => return None,
            Ending::Rejected { why } => format!("it was refused: {why}"),
            Ending::Revoked { why } => format!("it is not sent any more: {why}"),
            Ending::Expired { why } => format!("it was not taken before its deadline: {why}"),
        };
        let then = if finished.delivery.may_have_arrived(&finished.ending) {
            "It may have been carried out all the same: see first whether traffic has moved, and if not, roll back by hand."
        } else {
            "It was not carried out: roll back by hand, then see that traffic has moved."
        };
        let description = format!("{} fires and asked for rollback {}, but {what}. {then}", sent.alert.name(), sent.id);
        Some(order(sent.id.as_str(), &sent.alert, &sent.key, GroupStatus::Firing, description, now))
    }

    /// Ends the episodes whose cooldown is over. For each whose rollback had failed, the humans who were paged hear it.
    pub fn end(&mut self, now: Timestamp) -> (Vec<EpisodeKey>, Vec<NoticeOrder>) {
        let over: Vec<EpisodeKey> = self
            .episodes
            .values()
            .filter(|episode| self.ends_at(episode).is_some_and(|at| at <= now))
            .map(|it| it.key.clone())
            .collect();
        let mut orders = Vec::new();
        for key in &over {
            self.touched.insert(key.clone());
            if let Some(Episode { claim: Some(claim), .. }) = self.episodes.remove(key)
                && matches!(claim.outcome, RollbackOutcome::Failed { .. })
            {
                let description = "No alert that asked for this rollback has fired for the cooldown.".to_owned();
                orders.push(order(
                    claim.id.as_str(),
                    &claim.alert,
                    &key.labels,
                    GroupStatus::Resolved,
                    description,
                    now,
                ));
            }
        }
        (over, orders)
    }

    /// When an episode ends. One whose claim is still being sent waits for that; one that is configured no more ends.
    fn ends_at(&self, episode: &Episode) -> Option<Timestamp> {
        let is_sending = matches!(&episode.claim, Some(Claim { outcome: RollbackOutcome::Sending, .. }));
        if is_sending {
            return None;
        }
        episode.ends_at(self.specs.get(&episode.key.integration).map(|spec| spec.cooldown).unwrap_or_default())
    }

    /// When the next episode ends.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.episodes.values().filter_map(|episode| self.ends_at(episode)).min()
    }

    /// What became of the rollbacks that these alerts asked for.
    pub fn notes(&self, alerts: &BTreeSet<Fingerprint>) -> Vec<RollbackNote> {
        self.episodes
            .values()
            .filter_map(|episode| episode.claim.as_ref())
            .filter(|claim| alerts.contains(&claim.alert.fingerprint()))
            .map(|claim| RollbackNote { id: claim.id.clone(), claimed_at: claim.at, outcome: claim.outcome })
            .collect()
    }

    /// The episodes that were touched since this was last asked, as they are now.
    pub fn records(&mut self) -> Vec<EpisodeRecord> {
        std::mem::take(&mut self.touched)
            .into_iter()
            .map(|key| {
                let episode = self.episodes.get(&key).cloned();
                (key, episode)
            })
            .collect()
    }
}

fn answer(readings: &BTreeMap<IntegrationId, Reading>, key: &EpisodeKey) -> Answer {
    readings.get(&key.integration).map_or(Answer::Unknown, |reading| reading.answer(&key.labels))
}

fn is_of(episode: &Episode, claim: &RollbackNotification) -> bool {
    episode.claim.as_ref().is_some_and(|own| own.id == claim.id)
}

fn order(
    id: &str,
    alert: &Alert,
    key: &crate::model::Labels,
    status: GroupStatus,
    description: String,
    now: Timestamp,
) -> NoticeOrder {
    let verb = match status {
        GroupStatus::Firing => "could not be triggered",
        GroupStatus::Resolved => "could not be triggered, but is no longer needed",
    };
    let values: Vec<&str> = key.iter().map(|(_, value)| value).collect();
    let what = if values.is_empty() { "the canary".to_owned() } else { values.join(", ") };
    let notice = NoticeNotification {
        key: format!("rollback-failed:{id}"),
        receiver: ReceiverName::new(""),
        status,
        summary: format!("Rollback of {what} {verb}"),
        description,
        severity: "critical".to_owned(),
        labels: key.clone(),
        at: now,
    };
    NoticeOrder { alert: alert.clone(), notice }
}
