//! The page at `/`: everything that fires, what is being done about it, and whether the eyes are open.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::model::{Labels, RollbackOutcome, format_duration};

use super::status::Loaded;
use super::view::{AlertRow, AlertState, RollbackRow, SendingRow, TargetRow, View};

/// How often the page loads itself again, in seconds.
const REFRESH_S: u32 = 5;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --dim: #8a8f98; --bad: #c9302c; --warn: #b8770b; --ok: #2e8540; --odd: #6b5b95; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem 1.25rem 4rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; border-bottom: 2px solid var(--line); }
h1 { font-size: 1.35rem; margin: .2rem 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
header span, .dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; color: var(--dim); font-size: .85rem; }
th, td { padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.badge { color: #fff; border-radius: .25rem; padding: .05rem .45rem; font-size: .8rem; font-weight: 600; white-space: nowrap; }
.bad { background: var(--bad); } .warn { background: var(--warn); } .ok { background: var(--ok); } .odd { background: var(--odd); }
code { font-size: .85rem; background: #8882; border-radius: .2rem; padding: 0 .25rem; margin-right: .25rem; overflow-wrap: anywhere; }
.error { color: var(--bad); overflow-wrap: anywhere; } .calm { color: var(--ok); font-weight: 600; }
.banner { background: var(--bad); color: #fff; padding: .5rem .8rem; border-radius: .3rem; margin: .8rem 0; }
.banner.warn { background: var(--warn); } .banner pre { overflow-x: auto; margin: .4rem 0 0; font-size: .8rem; }
";

/// The page. With `rule`, only the alerts of that rule.
pub(super) fn render(view: &View, rule: Option<&str>) -> Markup {
    let alerts: Vec<&AlertRow> =
        view.alerts.iter().filter(|alert| rule.is_none_or(|rule| alert.name == rule)).collect();
    let firing = alerts.iter().filter(|alert| alert.state == AlertState::Firing).count();
    let title = if firing == 0 { "Atalaya".to_owned() } else { format!("({firing}) Atalaya") };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(REFRESH_S);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Atalaya" }
                    span {
                        (view.rules) " rules · " (view.targets.len()) " targets · " (view.series) " series"
                        @if view.series_bytes > 0 { " (" (mebibytes(view.series_bytes)) ")" }
                        " · " (view.now)
                    }
                }
                (banners(view))
                (alert_section(&alerts, rule, view))
                (trouble_section(view))
                (rollback_section(&view.rollbacks))
                (sending_section(&view.sendings))
                (target_section(&view.targets))
                (source_section(&view.loaded))
            }
        }
    }
}

/// What is wrong with the service itself.
fn banners(view: &View) -> Markup {
    let refused: usize = view.targets.iter().map(|target| target.refused).sum();
    html! {
        @if !view.is_durable {
            div.banner {
                "The state file cannot be written. Pages leave from memory; rollbacks wait; a restart now would repeat or \
                 forget. Free some disk space."
            }
        }
        @if let Some(failure) = &view.loaded.refused {
            div.banner {
                "The configuration that was tried " (lasting(view.now.since(failure.at))) " ago was refused; the one loaded "
                (lasting(view.now.since(view.loaded.at))) " ago stays in use."
                details { summary { "What is wrong" } pre { (failure.problems) } }
            }
        }
        @if refused > 0 {
            div.banner.warn {
                "There is no room for " (refused) " series of the last scrapes: rules do not see them. Raise "
                (PreEscaped("<b>store.series_max</b>")) " or " (PreEscaped("<b>store.memory_max</b>")) ", or scrape less."
            }
        }
    }
}

fn source_section(loaded: &Loaded) -> Markup {
    html! {
        @if !loaded.sources.is_empty() || !loaded.alertmanagers.is_empty() {
            h2 { "Others" }
            table {
                @for (name, url) in &loaded.sources { tr { td { "Source " strong { (name) } } td { code { (url) } } } }
                @for url in &loaded.alertmanagers { tr { td { "Alertmanager" } td { code { (url) } } } }
            }
        }
    }
}

fn alert_section(alerts: &[&AlertRow], rule: Option<&str>, view: &View) -> Markup {
    let down = view.targets.iter().filter(|target| target.error.is_some()).count();
    html! {
        h2 {
            "Alerts"
            @if let Some(rule) = rule { " of " (rule) " " a href="/" { "all" } }
        }
        @if alerts.is_empty() {
            @if down == 0 && view.troubles.is_empty() {
                p.calm { "Nothing fires." }
            } @else {
                p { "Nothing fires, but not everything can be seen: look below." }
            }
        } @else {
            @let unknown = alerts.iter().filter(|alert| alert.unknown_for.is_some()).count();
            @if unknown > 0 {
                p { (unknown) " of these cannot be measured now, and stay as they were." }
            }
            table {
                tr { th { "State" } th { "Alert" } th { "Value" } th { "For" } th { "Next news" } }
                @for alert in alerts { (alert_row(alert)) }
            }
        }
    }
}

fn alert_row(alert: &AlertRow) -> Markup {
    html! {
        tr {
            td {
                @match alert.state {
                    AlertState::Firing if alert.severity == "critical" => span.badge.bad { "FIRING" },
                    AlertState::Firing => span.badge.warn { "FIRING" },
                    AlertState::Pending => span.badge.odd { "PENDING" },
                }
                @if let Some(unknown) = alert.unknown_for {
                    br; span.dim title="it cannot be measured now: it neither fires anew nor resolves" { "unknown for " (lasting(unknown)) }
                }
            }
            td {
                strong { (alert.name) }
                @if !alert.severity.is_empty() { " " span.dim { (alert.severity) } }
                @if !alert.summary.is_empty() { br; (alert.summary) }
                br; (labels(&alert.labels))
            }
            td.number { (number(alert.value)) }
            td.number {
                (lasting(alert.lasting))
                @if let Some(left) = alert.fires_in { br; span.dim { "fires in " (lasting(left)) } }
            }
            td.number { @if let Some(left) = alert.tells_in { "in " (lasting(left)) } }
        }
    }
}

fn trouble_section(view: &View) -> Markup {
    html! {
        @if !view.troubles.is_empty() {
            h2 { "Rules that cannot be evaluated" }
            table {
                @for trouble in &view.troubles { tr { td { (trouble.rule) } td.error { (trouble.error) } } }
            }
        }
    }
}

fn rollback_section(rollbacks: &[RollbackRow]) -> Markup {
    html! {
        @if !rollbacks.is_empty() {
            h2 { "Rollbacks" }
            table {
                tr { th { "State" } th { "Of" } th { "Claim" } th { "Alerts firing" } }
                @for rollback in rollbacks {
                    tr {
                        td { (rollback_state(rollback)) }
                        td { (labels(&rollback.key)) span.dim { (rollback.integration) } }
                        td { @if let Some((id, _)) = &rollback.claim { code { (id) } } }
                        td.number { (rollback.firing) }
                    }
                }
            }
        }
    }
}

fn rollback_state(rollback: &RollbackRow) -> Markup {
    html! {
        @match rollback.claim.as_ref().map(|(_, outcome)| outcome) {
            None => span.badge.odd { "NOT CLAIMED" },
            Some(RollbackOutcome::Sending) => span.badge.warn { "SENDING" },
            Some(RollbackOutcome::Accepted { .. }) => span.badge.ok { "ACCEPTED" },
            Some(RollbackOutcome::Withdrawn { .. }) => span.badge.odd { "WITHDRAWN" },
            Some(RollbackOutcome::Failed { .. }) => span.badge.bad { "FAILED" },
        }
    }
}

fn sending_section(sendings: &[SendingRow]) -> Markup {
    html! {
        @if !sendings.is_empty() {
            h2 { "On their way" }
            table {
                tr { th { "To" } th { "About" } th { "Attempts" } th { "Next" } }
                @for sending in sendings {
                    tr {
                        td { (sending.integration) }
                        td { code { (sending.subject) } }
                        td.number { (sending.attempts) }
                        td.number { @match sending.retry_in { Some(left) => { "in " (lasting(left)) }, None => "being sent" } }
                    }
                }
            }
        }
    }
}

fn target_section(targets: &[TargetRow]) -> Markup {
    html! {
        h2 { "Targets" }
        @if targets.is_empty() { p.dim { "No target is configured." } } @else {
            table {
                tr { th { "State" } th { "Target" } th { "Samples" } th { "Took" } th { "Scraped" } }
                @for target in targets {
                    tr {
                        td {
                            @match (&target.scraped_ago, &target.error) {
                                (None, _) => span.badge.odd { "NOT YET" },
                                (_, Some(_)) => span.badge.bad { "DOWN" },
                                (_, None) => span.badge.ok { "UP" },
                            }
                        }
                        td {
                            a href=(target.url) { (target.url) } br; (labels(&target.labels))
                            @if let Some(error) = &target.error { br; span.error { (error) } }
                        }
                        td.number {
                            (target.samples)
                            @if target.refused > 0 { br; span.error { (target.refused) " refused" } }
                        }
                        td.number { (format!("{:.1} ms", target.took.as_secs_f64() * 1000.0)) }
                        td.number { @if let Some(ago) = target.scraped_ago { (lasting(ago)) " ago" } }
                    }
                }
            }
        }
    }
}

fn labels(labels: &Labels) -> Markup {
    html! { @for (name, value) in labels.iter() { code { (name) "=" (value) } } }
}

fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// A stretch of time in whole seconds.
fn lasting(duration: Duration) -> String {
    format_duration(Duration::from_secs(duration.as_secs()))
}

/// A value with six digits that count.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() || (1e-3..1e7).contains(&magnitude) {
        let text = format!("{value:.4}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_that_can_be_read() {
        let check = |value: f64, expected: &str| assert_eq!(number(value), expected);
        check(0.0, "0");
        check(0.034_21, "0.0342");
        check(12.0, "12");
        check(1e9, "1.000e9");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "inf");
    }
}
