//! The end of the story: what took how long, or what went wrong, and what to do next.

use std::time::Duration;

use crate::model::Timestamp;

use super::narrator::{Pace, clock, ms};
use super::screen::{Paint, Screen};
use super::script::{Beat, Script, Verdict};
use super::setting;

/// Shows it.
pub(super) fn show(screen: &mut Screen, script: &Script, pace: &Pace) {
    screen.line("");
    match script.verdict() {
        Verdict::Happened => {
            let title = screen.paint(Paint::Bold, "It happened as it should");
            let claim = "(times of the story; the webhook's in real milliseconds)";
            screen.line(&format!("{title} {claim}"));
            for (name, value) in rows(script, pace) {
                let name = screen.paint(Paint::Dim, &format!("{name:<18}"));
                screen.line(&format!("  {name}{value}"));
            }
            next_steps(screen);
        }
        Verdict::Failed(why) => {
            let title = screen.paint(Paint::Red, "It did not happen as it should:");
            screen.line(&title);
            for line in why {
                screen.line(&format!("  - {}", super::screen::plain(&line)));
            }
        }
    }
}

fn next_steps(screen: &mut Screen) {
    let command = screen.paint(Paint::Bold, &format!("atalaya run --config {}", setting::MAIN));
    screen.line("");
    screen.line("Next, for services of your own:");
    screen.line(&format!("  1. name your targets, your channel and your rollback webhook in {}", setting::MAIN));
    screen.line("  2. set SLACK_BOT_TOKEN, PAGERDUTY_ROUTING_KEY and ROLLBACK_WEBHOOK_SECRET");
    screen.line(&format!("  3. {command}"));
}

/// The table.
fn rows(script: &Script, pace: &Pace) -> Vec<(&'static str, String)> {
    let broken = script.at(Beat::Broken);
    let since = |from: Option<Timestamp>, to: Option<Timestamp>| -> Option<Duration> { Some(to?.since(from?)) };
    let after = |from: Option<Timestamp>, to: Option<Timestamp>, of: &str| {
        let length = since(from, to).map_or_else(|| "-".to_owned(), clock);
        format!("{length:>6}  {of}")
    };
    let firing = script.at(Beat::Firing);
    let webhook = since(script.decided_at(), script.at(Beat::Verified)).map(|latency| ms(pace.real(latency)));
    let told = script.at(Beat::SlackTold).max(script.at(Beat::Paged));
    let told_again = script.at(Beat::SlackUpdated).max(script.at(Beat::PageClosed));
    vec![
        ("detected", after(broken, script.at(Beat::Pending), "after the canary went bad")),
        ("decided", after(broken, firing, "after the canary went bad")),
        ("webhook", format!("{:>6}  after the evaluation that decided", webhook.unwrap_or_default())),
        ("traffic back", after(firing, script.at(Beat::Moved), "after the decision")),
        ("people told", after(firing, told, "after the decision: the group waited for more alerts")),
        ("resolved", after(script.at(Beat::Moved), script.at(Beat::Resolved), "after traffic was back")),
        (
            "people told again",
            after(script.at(Beat::Resolved), told_again, "after that: in the same message, the same incident"),
        ),
    ]
}
