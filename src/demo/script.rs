//! What has to happen, in which order, and what must not: the story's checker.
//!
//! Each beat names what proves it and what has to be before it. Whatever else the daemon does that a person would notice is
//! a fault. The story is over a quiet minute after its last beat or its first fault, or when it has taken too long.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::{AlertMove, Note};
use crate::model::{ALERT_NAME, Labels, Timestamp};

use super::happening::{Happening, PagerDutyHeard, RollbackHeard, SlackHeard, SlackMethod};
use super::world::GATEWAY;

/// The alert that the story is about.
pub(super) const ALERT: &str = "HighErrorRate";
/// How long all is well at first: the rules' windows fill, and nobody is told anything.
pub(super) const HEALTHY: Duration = Duration::from_secs(3 * 60);
/// After what time the story has failed.
pub(super) const LIMIT: Duration = Duration::from_secs(40 * 60);
/// How long it is watched whether anything follows that should not.
const QUIET: Duration = Duration::from_secs(60);

/// A step of the story.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Beat {
    /// The new gateway begins to fail requests.
    Broken,
    /// The rule sees it.
    Pending,
    /// It has lasted long enough.
    Firing,
    /// The rollback is claimed, on disk.
    Claimed,
    /// The receiver has it, and its signature is right.
    Verified,
    /// The canary gets no traffic any more.
    Moved,
    /// The channel knows.
    SlackTold,
    /// Somebody was woken.
    Paged,
    /// The rule sees that it is over.
    Resolved,
    /// The same message says so.
    SlackUpdated,
    /// The same incident is closed.
    PageClosed,
}

impl Beat {
    /// All, as they are expected.
    pub(super) const ALL: [Self; 11] = [
        Self::Broken,
        Self::Pending,
        Self::Firing,
        Self::Claimed,
        Self::Verified,
        Self::Moved,
        Self::SlackTold,
        Self::Paged,
        Self::Resolved,
        Self::SlackUpdated,
        Self::PageClosed,
    ];

    /// As something that is awaited.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "the new gateway begins to fail",
            Self::Pending => "HighErrorRate is pending",
            Self::Firing => "HighErrorRate fires",
            Self::Claimed => "the rollback is claimed",
            Self::Verified => "the rollback is received, its signature verified",
            Self::Moved => "the gateway's traffic is back on legacy",
            Self::SlackTold => "Slack is told that it fires",
            Self::Paged => "PagerDuty is told that it fires",
            Self::Resolved => "HighErrorRate resolves",
            Self::SlackUpdated => "Slack is told that it resolved, in the same message",
            Self::PageClosed => "PagerDuty is told that it resolved, in the same incident",
        }
    }

    /// What has to be before it. People are told half a minute after the decision, the rollback goes at once; on a busy
    /// machine those may cross, so neither waits for the other.
    const fn after(self) -> Option<Self> {
        match self {
            Self::Broken => None,
            Self::Pending => Some(Self::Broken),
            Self::Firing => Some(Self::Pending),
            Self::Claimed | Self::SlackTold | Self::Paged => Some(Self::Firing),
            Self::Verified => Some(Self::Claimed),
            Self::Moved => Some(Self::Verified),
            Self::Resolved => Some(Self::Moved),
            Self::SlackUpdated | Self::PageClosed => Some(Self::Resolved),
        }
    }
}

/// How the story went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// As it should.
    Happened,
    /// Otherwise: what should not have happened, then what did not.
    Failed(Vec<String>),
}

/// The checker.
#[derive(Debug)]
pub(super) struct Script {
    started: Timestamp,
    beats: BTreeMap<Beat, Timestamp>,
    faults: Vec<String>,
    /// When the latest beat or the first fault was.
    turned: Timestamp,
    rollback: Option<String>,
    message: Option<String>,
    incident: Option<String>,
    decided_at: Option<Timestamp>,
}

impl Script {
    /// Nothing has happened yet.
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            beats: BTreeMap::new(),
            faults: Vec::new(),
            turned: started,
            rollback: None,
            message: None,
            incident: None,
            decided_at: None,
        }
    }

    /// Takes in what happened.
    pub(super) fn hear(&mut self, happening: &Happening) {
        let at = happening.at();
        match happening {
            Happening::CanaryBroke { .. } => self.beat(Beat::Broken, at),
            Happening::Noted(note) => self.hear_note(note),
            Happening::Rollback(heard) => self.hear_rollback(heard),
            Happening::TrafficMoved { service, canary_percent: 0, .. } if service == GATEWAY => {
                self.beat(Beat::Moved, at);
            }
            Happening::TrafficMoved { service, canary_percent, .. } => {
                let what = format!("traffic of {service} was moved; its canary gets {canary_percent} %");
                self.fault(what, at);
            }
            Happening::Slack(heard) => self.hear_slack(heard),
            Happening::PagerDuty(heard) => self.hear_pagerduty(heard),
        }
    }

    fn hear_note(&mut self, note: &Note) {
        let at = note.at();
        match note {
            Note::Alert { to, labels, .. } if is_ours(labels) => match to {
                AlertMove::Pending => self.beat(Beat::Pending, at),
                AlertMove::Firing => self.beat(Beat::Firing, at),
                AlertMove::Resolved => self.beat(Beat::Resolved, at),
                // A machine that stood still for minutes of the story has lost the numbers of those minutes, and the
                // daemon starts to count anew: late, but not wrong.
                AlertMove::Dropped => drop(self.beats.remove(&Beat::Pending)),
            },
            // That another is pending for a while tells nobody anything.
            Note::Alert { to: AlertMove::Firing, labels, .. } => {
                self.fault(format!("another alert fired: {labels}"), at);
            }
            Note::RollbackClaimed { rollback, .. } => match &self.rollback {
                Some(_) => self.fault(format!("a second rollback was claimed: {rollback}"), at),
                None => {
                    self.rollback = Some(rollback.to_string());
                    self.beat(Beat::Claimed, at);
                }
            },
            Note::RollbackWithdrawn { .. }
            | Note::RollbackKeyless { .. }
            | Note::Orphaned { .. }
            | Note::ForwardDropped { .. }
            | Note::TextFailed { .. }
            | Note::Undeliverable { .. } => self.fault(note.to_string(), at),
            Note::Alert { .. }
            | Note::AttemptFailed { .. }
            | Note::Delivered { .. }
            | Note::EpisodeEnded { .. }
            | Note::GroupTold { .. } => {}
        }
    }

    fn hear_rollback(&mut self, heard: &RollbackHeard) {
        let is_ours = self.rollback.as_ref() == Some(&heard.id);
        match &heard.refused {
            Some(why) => self.fault(format!("the rollback receiver refused {}: {why}", heard.id), heard.at),
            None if !is_ours => self.fault(format!("an unknown rollback arrived: {}", heard.id), heard.at),
            // The answer was lost and the same message came again, which is as it should be.
            None if self.at(Beat::Verified).is_some() => {}
            None => {
                self.decided_at = heard.decided_at;
                self.beat(Beat::Verified, heard.at);
            }
        }
    }

    fn hear_slack(&mut self, heard: &SlackHeard) {
        if let Some(why) = heard.refused {
            return self.fault(format!("Slack refused a message: {why}"), heard.at);
        }
        match (heard.method, &self.message) {
            (SlackMethod::Post, None) if heard.text.contains(ALERT) => {
                self.message = Some(heard.ts.clone());
                self.beat(Beat::SlackTold, heard.at);
            }
            (SlackMethod::Update, Some(ts)) if *ts == heard.ts => {
                if heard.text.contains("RESOLVED") {
                    self.beat(Beat::SlackUpdated, heard.at);
                }
            }
            (SlackMethod::Thread, Some(ts)) if *ts == heard.ts => {}
            _ => self.fault(format!("Slack was told something else: {}", heard.text), heard.at),
        }
    }

    fn hear_pagerduty(&mut self, heard: &PagerDutyHeard) {
        if let Some(why) = heard.refused {
            return self.fault(format!("PagerDuty refused an event: {why}"), heard.at);
        }
        match (heard.action.as_str(), &self.incident) {
            ("trigger", None) if heard.class == ALERT => {
                self.incident = Some(heard.dedup_key.clone());
                self.beat(Beat::Paged, heard.at);
            }
            ("trigger", Some(key)) if *key == heard.dedup_key => {}
            ("resolve", Some(key)) if *key == heard.dedup_key => self.beat(Beat::PageClosed, heard.at),
            ("trigger", _) => self.fault(format!("PagerDuty was told something else: {}", heard.summary), heard.at),
            (action, _) => {
                let what =
                    format!("PagerDuty was told to {action} an incident that it does not know: {}", heard.dedup_key);
                self.fault(what, heard.at);
            }
        }
    }

    fn beat(&mut self, beat: Beat, at: Timestamp) {
        if self.beats.contains_key(&beat) {
            return self.fault(format!("it happened again that {}", beat.as_str()), at);
        }
        if let Some(before) = beat.after().filter(|before| !self.beats.contains_key(before)) {
            self.fault(format!("too early, before {}: {}", before.as_str(), beat.as_str()), at);
        }
        self.beats.insert(beat, at);
        self.turn(at);
    }

    fn fault(&mut self, what: String, at: Timestamp) {
        self.turn(at);
        self.faults.push(what);
    }

    /// After a fault nothing more is waited for.
    fn turn(&mut self, at: Timestamp) {
        if self.faults.is_empty() {
            self.turned = self.turned.max(at);
        }
    }

    /// When it happened, if it has.
    pub(super) fn at(&self, beat: Beat) -> Option<Timestamp> {
        self.beats.get(&beat).copied()
    }

    /// When the evaluation was that decided to roll back, as the verified claim says.
    pub(super) fn decided_at(&self) -> Option<Timestamp> {
        self.decided_at
    }

    /// The first beat that is missing.
    pub(super) fn next(&self) -> Option<Beat> {
        Beat::ALL.into_iter().find(|beat| !self.beats.contains_key(beat))
    }

    /// Whether nothing more is waited for.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let is_decided = self.next().is_none() || !self.faults.is_empty();
        (is_decided && now.since(self.turned) >= QUIET) || now.since(self.started) >= LIMIT
    }

    /// How it went.
    pub(super) fn verdict(&self) -> Verdict {
        let missing = Beat::ALL.into_iter().filter(|beat| !self.beats.contains_key(beat));
        let missing = missing.map(|beat| format!("did not happen: {}", beat.as_str()));
        let failures: Vec<String> = self.faults.iter().cloned().chain(missing).collect();
        if failures.is_empty() { Verdict::Happened } else { Verdict::Failed(failures) }
    }
}

/// Whether these are the labels of the alert that the story is about.
pub(super) fn is_ours(labels: &Labels) -> bool {
    labels.get(ALERT_NAME) == ALERT && labels.get("service") == GATEWAY
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::{DeliveryId, IntegrationId, IntegrationKind, ReceiverName, RollbackId};

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000) + Duration::from_secs(60 * minute)
    }

    fn alert(name: &str, to: AlertMove, minute: u64) -> Happening {
        let labels = Labels::from_pairs([(ALERT_NAME, name), ("service", GATEWAY)]);
        Happening::Noted(Note::Alert { at: at(minute), to, labels, value: "0.3".to_owned() })
    }

    fn integration() -> IntegrationId {
        IntegrationId { receiver: ReceiverName::new("oncall"), kind: IntegrationKind::Rollback, slot: 0.into() }
    }

    fn claimed(id: &str, minute: u64) -> Happening {
        let (key, alert) = (Labels::empty(), Labels::empty());
        let rollback = RollbackId::new(id);
        Happening::Noted(Note::RollbackClaimed { at: at(minute), rollback, integration: integration(), key, alert })
    }

    fn received(id: &str, attempt: u32, refused: Option<&str>, minute: u64) -> Happening {
        Happening::Rollback(RollbackHeard {
            at: at(minute),
            id: id.to_owned(),
            attempt,
            refused: refused.map(str::to_owned),
            is_verified: refused.is_none(),
            key: BTreeMap::new(),
            alertname: ALERT.to_owned(),
            decided_at: Some(at(8)),
        })
    }

    fn moved(canary_percent: u64, minute: u64) -> Happening {
        Happening::TrafficMoved { at: at(minute), service: GATEWAY.to_owned(), canary_percent }
    }

    fn slack(method: SlackMethod, ts: &str, text: &str, refused: Option<&'static str>, minute: u64) -> Happening {
        Happening::Slack(SlackHeard {
            alertname: "A".to_owned(),
            at: at(minute),
            method,
            channel: "#enova-alerts".to_owned(),
            ts: ts.to_owned(),
            text: text.to_owned(),
            body: Value::Null,
            refused,
        })
    }

    fn page(action: &str, key: &str, class: &str, minute: u64) -> Happening {
        Happening::PagerDuty(PagerDutyHeard {
            at: at(minute),
            action: action.to_owned(),
            dedup_key: key.to_owned(),
            summary: format!("about {class}"),
            severity: "critical".to_owned(),
            class: class.to_owned(),
            refused: None,
        })
    }

    fn good() -> Vec<Happening> {
        vec![
            Happening::CanaryBroke { at: at(3) },
            alert(ALERT, AlertMove::Pending, 3),
            alert(ALERT, AlertMove::Firing, 8),
            claimed("rb_1", 8),
            received("rb_1", 1, None, 8),
            moved(0, 8),
            slack(SlackMethod::Post, "1.1", "CRITICAL HighErrorRate: gateway", None, 9),
            page("trigger", "k", ALERT, 9),
            alert(ALERT, AlertMove::Resolved, 11),
            slack(SlackMethod::Update, "1.1", "RESOLVED HighErrorRate: gateway", None, 14),
            page("resolve", "k", "", 14),
        ]
    }

    fn verdict(happenings: &[Happening]) -> Verdict {
        let mut script = Script::new(at(0));
        happenings.iter().for_each(|happening| script.hear(happening));
        script.verdict()
    }

    #[test]
    fn a_story_that_happens_is_over_after_a_quiet_minute() {
        let mut script = Script::new(at(0));
        for (happening, beat) in good().iter().zip(Beat::ALL) {
            assert_eq!(script.next(), Some(beat));
            script.hear(happening);
            assert_eq!(script.at(beat), Some(happening.at()));
        }
        assert_eq!((script.next(), script.verdict()), (None, Verdict::Happened));
        assert_eq!(script.decided_at(), Some(at(8)));
        assert!(!script.is_over(at(14)) && script.is_over(at(15)));
    }

    #[test]
    fn people_may_hear_before_the_rollback_arrives() {
        let mut story = good();
        let told = story.remove(6);
        story.insert(3, told);
        assert_eq!(verdict(&story), Verdict::Happened);
        story.insert(6, received("rb_1", 2, None, 8));
        assert_eq!(verdict(&story), Verdict::Happened, "a repeat");
    }

    #[test]
    fn the_alert_may_begin_anew() {
        let mut story = good();
        story.insert(2, alert(ALERT, AlertMove::Dropped, 4));
        let why = "too early, before HighErrorRate is pending: HighErrorRate fires";
        assert!(matches!(verdict(&story), Verdict::Failed(whys) if whys[0] == why));
        story.insert(3, alert(ALERT, AlertMove::Pending, 5));
        assert_eq!(verdict(&story), Verdict::Happened);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (index, beat) in Beat::ALL.into_iter().enumerate() {
            let mut story = good();
            story.remove(index);
            let Verdict::Failed(why) = verdict(&story) else { panic!("{beat:?} is not missed") };
            assert!(why.contains(&format!("did not happen: {}", beat.as_str())), "{why:?}");
        }
        assert!(Script::new(at(0)).is_over(at(40)) && !Script::new(at(0)).is_over(at(39)));
    }

    #[test]
    fn what_should_not_happen_is_a_fault() {
        let check = |position: usize, happening: Happening, why: &str| {
            let mut story = good();
            story.insert(position, happening);
            assert_eq!(verdict(&story), Verdict::Failed(vec![why.to_owned()]));
        };
        check(9, claimed("rb_2", 12), "a second rollback was claimed: rb_2");
        check(11, received("rb_2", 1, None, 14), "an unknown rollback arrived: rb_2");
        check(
            4,
            received("rb_1", 1, Some("no signature matches"), 8),
            "the rollback receiver refused rb_1: no signature matches",
        );
        check(
            3,
            alert("HighLatency", AlertMove::Firing, 8),
            r#"another alert fired: {alertname="HighLatency", service="gateway"}"#,
        );
        check(11, alert(ALERT, AlertMove::Firing, 14), "it happened again that HighErrorRate fires");
        check(5, moved(10, 8), "traffic of gateway was moved; its canary gets 10 %");
        check(7, slack(SlackMethod::Post, "1.2", "more", None, 9), "Slack was told something else: more");
        check(
            7,
            slack(SlackMethod::Update, "1.1", "x", Some("message_not_found"), 9),
            "Slack refused a message: message_not_found",
        );
        check(8, page("trigger", "k2", "Other", 9), "PagerDuty was told something else: about Other");
        check(10, page("resolve", "k2", "", 9), "PagerDuty was told to resolve an incident that it does not know: k2");
        let undeliverable = Note::Undeliverable {
            at: at(8),
            delivery: DeliveryId::new("d"),
            integration: integration(),
            subject: "s".to_owned(),
            why: "401".to_owned(),
        };
        check(5, Happening::Noted(undeliverable), "gave up rollback d, which oncall/rollback/0 did not take: 401");
    }

    #[test]
    fn order_matters_where_it_does() {
        let mut story = good();
        story.swap(0, 1);
        let why = "too early, before the new gateway begins to fail: HighErrorRate is pending".to_owned();
        assert_eq!(verdict(&story), Verdict::Failed(vec![why]));
    }

    #[test]
    fn a_fault_ends_the_story_soon() {
        let mut script = Script::new(at(0));
        good()[..4].iter().for_each(|happening| script.hear(happening));
        script.hear(&received("rb_1", 1, Some("no signature matches"), 8));
        script.hear(&page("trigger", "k", ALERT, 9));
        assert!(script.is_over(at(9)));
    }
}
