//! Tells the story to whoever watches: one line for each thing that happens, its time, who speaks, and what they say.

use std::time::Duration;

use crate::engine::{AlertMove, Note};
use crate::model::{ALERT_NAME, Labels, Timestamp, format_duration};

use super::excerpt::{self, Piece};
use super::happening::{Happening, PagerDutyHeard, RollbackHeard, SlackHeard, SlackMethod};
use super::screen::{Paint, Screen, plain};
use super::script::is_ours;
use super::setting;

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaker {
    Canary,
    Atalaya,
    Slack,
    PagerDuty,
    Rollback,
}

impl Speaker {
    const fn name(self) -> &'static str {
        match self {
            Self::Canary => "Canary",
            Self::Atalaya => "Atalaya",
            Self::Slack => "Slack",
            Self::PagerDuty => "PagerDuty",
            Self::Rollback => "Rollback",
        }
    }

    const fn paint(self) -> Paint {
        match self {
            Self::Canary => Paint::Yellow,
            Self::Atalaya => Paint::Cyan,
            Self::Slack => Paint::Magenta,
            Self::PagerDuty => Paint::Green,
            Self::Rollback => Paint::Blue,
        }
    }
}

/// What the narrator needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// When the story began.
    pub(super) started: Timestamp,
    /// How many times faster than life it goes.
    pub(super) speed: f64,
    /// How long the rule's condition must hold.
    pub(super) hold: Duration,
}

impl Pace {
    /// How far into the story a moment is: `08:30`.
    pub(super) fn clock(&self, at: Timestamp) -> String {
        clock(at.since(self.started))
    }

    /// How long a stretch of the story took in life.
    pub(super) fn real(&self, stretch: Duration) -> Duration {
        stretch.div_f64(self.speed)
    }
}

/// The narrator.
pub(super) struct Narrator {
    screen: Screen,
    pace: Pace,
}

impl Narrator {
    /// A narrator who has said nothing yet.
    pub(super) fn new(screen: Screen, pace: Pace) -> Self {
        Self { screen, pace }
    }

    /// The terminal, for what is not part of the story.
    pub(super) fn screen(&mut self) -> &mut Screen {
        &mut self.screen
    }

    /// What this is, where to look, how long it takes, and how things are before anything happens.
    pub(super) fn open(&mut self, page: &str, lasts: Duration) {
        let title = self.screen.paint(Paint::Bold, "Atalaya demo");
        self.screen
            .line(&format!("{title}: a canary goes bad and is rolled back, by the daemon as it is, over real HTTP"));
        let (speed, real) = (self.pace.speed, self.pace.real(lasts).as_secs_f64().ceil());
        self.fact("page", &format!("{page} shows what the daemon sees"));
        self.fact("rules", &format!("{}, with its rules, routes and timers as they are", setting::MAIN));
        self.fact("others", "the services, Slack, PagerDuty and the rollback receiver are stand-ins on this machine");
        self.fact("speed", &format!("{speed} times life: a story of {} takes about {real} s", format_duration(lasts)));
        self.fact("time", "each line begins with minutes:seconds of the story, which are those of the rules");
        self.screen.line("");
        let text =
            "10 % of the traffic of gateway and frontend goes to their new versions, all of chat's to its new one";
        self.say(self.pace.started, Speaker::Canary, text);
        self.add("all is well: 1 request in 2000 fails, as ever; nobody is to hear of that");
    }

    fn fact(&mut self, name: &str, text: &str) {
        let name = self.screen.paint(Paint::Dim, &format!("{name:<8}"));
        self.screen.line(&format!("  {name}{text}"));
    }

    /// Tells what happened, if it is worth a line.
    pub(super) fn tell(&mut self, happening: &Happening) {
        match happening {
            Happening::CanaryBroke { at } => {
                self.say(*at, Speaker::Canary, "the new gateway begins to answer 30 % of its requests with 502");
            }
            Happening::TrafficMoved { at, service, canary_percent } => {
                let text = match canary_percent {
                    0 => format!("all traffic of {service} is back on legacy"),
                    percent => format!("the canary of {service} still gets {percent} % of its traffic"),
                };
                self.say(*at, Speaker::Canary, &text);
            }
            Happening::Noted(note) => self.tell_note(note),
            Happening::Slack(heard) => self.tell_slack(heard),
            Happening::PagerDuty(heard) => self.tell_pagerduty(heard),
            Happening::Rollback(heard) => self.tell_rollback(heard),
        }
    }

    fn tell_note(&mut self, note: &Note) {
        let at = note.at();
        match note {
            Note::Alert { to, labels, value, .. } => self.tell_alert(at, *to, labels, value),
            Note::RollbackClaimed { rollback, key, .. } => {
                let text = format!("claims the one rollback of {}: {rollback}, on disk before it leaves", named(key));
                self.say(at, Speaker::Atalaya, &text);
            }
            Note::AttemptFailed { .. } | Note::EpisodeEnded { .. } => {
                self.say(at, Speaker::Atalaya, &note.to_string());
            }
            Note::Undeliverable { .. } | Note::RollbackWithdrawn { .. } => {
                let text = self.screen.paint(Paint::Red, &plain(&note.to_string()));
                self.say(at, Speaker::Atalaya, &text);
            }
            // The receivers tell these themselves.
            Note::Delivered { .. }
            | Note::GroupTold { .. }
            | Note::RollbackKeyless { .. }
            | Note::Orphaned { .. }
            | Note::ForwardDropped { .. }
            | Note::TextFailed { .. } => {}
        }
    }

    fn tell_alert(&mut self, at: Timestamp, to: AlertMove, labels: &Labels, value: &str) {
        let who = format!("{} of {}", labels.get(ALERT_NAME), labels.get("service"));
        let share = match value.parse::<f64>() {
            Ok(value) if is_ours(labels) => format!("{} of the requests to its worse arm fail", percent(value)),
            _ => format!("value {value}"),
        };
        let hold = format_duration(self.pace.hold);
        let text = match to {
            AlertMove::Pending if is_ours(labels) => {
                format!("{who} is pending: {share}; the limit is 1 %, for {hold}")
            }
            AlertMove::Pending => format!("{who} is pending: {share}"),
            AlertMove::Firing => {
                let fires = self.screen.paint(Paint::Red, "fires");
                format!("{who} {fires}: {share}")
            }
            AlertMove::Resolved => {
                let resolved = self.screen.paint(Paint::Green, "has resolved");
                format!("{who} {resolved}; people hear of it when their group next looks for news")
            }
            AlertMove::Dropped => format!("{who} is no longer pending"),
        };
        self.say(at, Speaker::Atalaya, &text);
    }

    fn tell_rollback(&mut self, heard: &RollbackHeard) {
        let attempt = if heard.attempt > 1 { format!(" (attempt {})", heard.attempt) } else { String::new() };
        if let Some(why) = &heard.refused {
            let text = self.screen.paint(Paint::Red, &format!("refused {}{attempt}: {why}", plain(&heard.id)));
            return self.say(heard.at, Speaker::Rollback, &text);
        }
        let verified = self.screen.paint(Paint::Green, "signature verified");
        let key: Vec<String> = heard.key.iter().map(|(name, value)| format!("{name} {value}")).collect();
        self.say(
            heard.at,
            Speaker::Rollback,
            &format!("{}{attempt}: {verified}, rolling back {}", heard.id, key.join(", ")),
        );
        if let Some(latency) = heard.decided_at.map(|decided| self.pace.real(heard.at.since(decided))) {
            let text = format!("{} after the moment of the evaluation that decided, in real time", ms(latency));
            self.add(&text);
        }
    }

    fn tell_slack(&mut self, heard: &SlackHeard) {
        if let Some(code) = heard.refused {
            let text = self.screen.paint(Paint::Red, &format!("refused a message: {code}"));
            return self.say(heard.at, Speaker::Slack, &text);
        }
        let text = match heard.method {
            SlackMethod::Post => format!("a new message in {} (ts {})", heard.channel, heard.ts),
            SlackMethod::Update => format!("the same message, edited in place (ts {})", heard.ts),
            SlackMethod::Thread => "and in the thread of that message".to_owned(),
        };
        self.say(heard.at, Speaker::Slack, &text);
        for piece in excerpt::pieces(&heard.body) {
            let line = match piece {
                Piece::Header(text) => self.screen.paint(Paint::Bold, &plain(&text)),
                Piece::Line(text) => plain(&text),
            };
            let bar = self.screen.paint(Paint::Magenta, "│");
            self.add(&format!("{bar} {line}"));
        }
    }

    fn tell_pagerduty(&mut self, heard: &PagerDutyHeard) {
        if let Some(why) = heard.refused {
            let text = self.screen.paint(Paint::Red, &format!("refused an event: {why}"));
            return self.say(heard.at, Speaker::PagerDuty, &text);
        }
        let text = match heard.action.as_str() {
            "trigger" => format!("somebody is paged, {}: {}", heard.severity, plain(&heard.summary)),
            "resolve" => "the same incident is closed".to_owned(),
            action => plain(action),
        };
        self.say(heard.at, Speaker::PagerDuty, &text);
        let key: String = plain(&heard.dedup_key).chars().take(16).collect();
        self.add(&format!("dedup key {key}…"));
    }

    /// A line of the story. What comes from outside and could hold control characters was made plain before.
    fn say(&mut self, at: Timestamp, speaker: Speaker, text: &str) {
        let clock = self.screen.paint(Paint::Dim, &self.pace.clock(at));
        let name = self.screen.paint(speaker.paint(), &format!("{:<9}", speaker.name()));
        self.screen.line(&format!("{clock}  {name}  {text}"));
    }

    /// A line that goes on with what was said.
    fn add(&mut self, text: &str) {
        self.screen.line(&format!("{:18}{text}", ""));
    }
}

fn named(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

/// Minutes and seconds.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// A share in percent, to two significant digits below ten.
pub(super) fn percent(share: f64) -> String {
    if share >= 0.1 { format!("{:.0} %", share * 100.0) } else { format!("{:.1} %", share * 100.0) }
}

/// Milliseconds, with a digit more when there are few.
pub(super) fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::demo::screen::Abilities;
    use crate::demo::screen::tests::Paper;

    fn started() -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000)
    }

    fn told(happening: &Happening) -> String {
        let paper = Paper::default();
        let screen = Screen::new(Box::new(paper.clone()), Abilities { redraws: false, colours: false });
        let pace = Pace { started: started(), speed: 60.0, hold: Duration::from_secs(300) };
        Narrator::new(screen, pace).tell(happening);
        paper.text()
    }

    #[test]
    fn a_call_is_told_with_what_it_said() {
        let at = started().shifted(500_600);
        let slack = SlackHeard {
            alertname: "A".to_owned(),
            at,
            method: SlackMethod::Post,
            channel: "#alerts".to_owned(),
            ts: "1.000001".to_owned(),
            text: String::new(),
            body: json!({"blocks": [{"type": "header", "text": {"text": "CRITICAL\u{1b}[2J"}}]}),
            refused: None,
        };
        let expected = "08:20  Slack      a new message in #alerts (ts 1.000001)\n                  │ CRITICAL[2J\n";
        assert_eq!(told(&Happening::Slack(slack)), expected);
        let page = PagerDutyHeard {
            at,
            action: "trigger".to_owned(),
            dedup_key: "0123456789abcdef0123".to_owned(),
            summary: "it burns".to_owned(),
            severity: "critical".to_owned(),
            class: String::new(),
            refused: None,
        };
        let expected =
            "08:20  PagerDuty  somebody is paged, critical: it burns\n                  dedup key 0123456789abcdef…\n";
        assert_eq!(told(&Happening::PagerDuty(page)), expected);
    }

    #[test]
    fn a_rollback_is_told_with_its_latency_or_its_refusal() {
        let at = started().shifted(500_600);
        let check = |attempt: u32, refused: Option<&str>, expected: &str| {
            let heard = RollbackHeard {
                at,
                id: "rb_1".to_owned(),
                attempt,
                refused: refused.map(str::to_owned),
                is_verified: refused.is_none(),
                key: BTreeMap::from([("service".to_owned(), "gateway".to_owned())]),
                alertname: String::new(),
                decided_at: Some(started().shifted(500_000)),
            };
            assert_eq!(told(&Happening::Rollback(heard)), expected);
        };
        check(
            1,
            None,
            "08:20  Rollback   rb_1: signature verified, rolling back service gateway\n                  10 ms after \
             the moment of the evaluation that decided, in real time\n",
        );
        check(2, Some("no signature matches"), "08:20  Rollback   refused rb_1 (attempt 2): no signature matches\n");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(clock(Duration::from_millis(510_900)), "08:30");
        assert_eq!(clock(Duration::from_secs(6000)), "100:00");
        assert_eq!(percent(0.2987), "30 %");
        assert_eq!(percent(0.0213), "2.1 %");
        assert_eq!(percent(0.0), "0.0 %");
        assert_eq!(ms(Duration::from_micros(8_240)), "8.2 ms");
        assert_eq!(ms(Duration::from_micros(12_600)), "13 ms");
    }
}
