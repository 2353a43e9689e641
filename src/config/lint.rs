//! What is sound and probably not meant: a row for each kind, with a function over the checked configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::model::{Problem, format_duration, parse_duration};
use crate::promql::LOOKBACK;
use crate::rule::{Rule, RuleGroup};

use super::Config;
use super::lint_expression::{missing_le, short_rate};
use super::place::{Sheet, Spot};
use super::raw::{RawGroup, RawMain, RawRoute, RawRule, Text};
use super::read::{Listed, RawRules};
use super::rule_options::RuleOptions;

/// A kind of finding.
pub struct Lint {
    /// Its name.
    pub name: &'static str,
    /// What it means, a full sentence.
    pub meaning: &'static str,
    check: fn(&Checked<'_>, &mut Vec<Found>),
}

impl fmt::Debug for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every kind, in the order in which findings are told.
pub const LINTS: &[Lint] = &[
    Lint {
        name: "rule-files-empty",
        meaning: "A pattern of `rule_files` means no file, or a file that another entry means as well.",
        check: rule_files_empty,
    },
    Lint {
        name: "alerts-reach-nobody",
        meaning: "There are alert rules, and neither a `route` nor an Alertmanager that hears of them.",
        check: alerts_reach_nobody,
    },
    Lint {
        name: "too-long-scrape-interval",
        meaning: "Between two scrapes a series is older than an instant selector looks back, so it comes and goes.",
        check: too_long_scrape_interval,
    },
    Lint {
        name: "repeat-interval",
        meaning: "Repeats happen at multiples of `group_interval`, so a `repeat_interval` between two of them is late.",
        check: repeat_interval,
    },
    Lint { name: "rule-options-idle", meaning: "An entry of `rule_options` is of no group.", check: rule_options_idle },
    Lint {
        name: "duplicate-rules",
        meaning: "Two rules have the same name and the same labels, so that their results are mixed up.",
        check: duplicate_rules,
    },
    Lint {
        name: "short-for",
        meaning: "A `for` that is shorter than the group's interval waits for the next evaluation, the whole interval.",
        check: short_for,
    },
    Lint {
        name: "histogram-without-le",
        meaning: "`histogram_quantile` needs the label `le`, which the aggregation in it takes away.",
        check: histogram_without_le,
    },
    Lint {
        name: "short-rate",
        meaning: "A rate needs two samples, and its window is shorter than two scrapes are apart.",
        check: rate_too_short,
    },
];

/// Something that is sound and probably not meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The name of its kind.
    pub lint: &'static str,
    /// Where and what.
    pub problem: Problem,
}

/// Everything that a lint may look at.
pub(super) struct Checked<'a> {
    pub(super) main: &'a RawMain,
    pub(super) is_rules_only: bool,
    pub(super) listed: &'a [Listed],
    /// As many as the configuration has; their groups and rules in its order.
    pub(super) rule_files: &'a [RawRules],
    pub(super) options: &'a RuleOptions,
    pub(super) config: &'a Config,
}

/// A finding whose line is not yet shown.
pub(super) struct Found {
    lint: &'static str,
    /// The rule file, or the main one.
    file: Option<usize>,
    spot: FoundAt,
    path: String,
    what: String,
    hint: Option<String>,
}

/// A spot, or a piece of a value.
enum FoundAt {
    Spot(Spot),
    Within(Text, std::ops::Range<usize>),
}

impl Found {
    fn new(file: Option<usize>, spot: impl Into<Spot>, path: impl Into<String>, what: impl Into<String>) -> Self {
        let (spot, path, what) = (FoundAt::Spot(spot.into()), path.into(), what.into());
        Self { lint: "", file, spot, path, what, hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The finding with its line.
    pub(super) fn show(self, main: &mut Sheet, rule_files: &mut [RawRules]) -> Finding {
        let sheet = match self.file.and_then(|file| rule_files.get_mut(file)) {
            Some(file) => &mut file.sheet,
            None => main,
        };
        let problem = match self.spot {
            FoundAt::Spot(spot) => sheet.note(spot, &self.path, self.what),
            FoundAt::Within(text, piece) => sheet.note_within(&text, piece, &self.path, self.what),
        };
        problem.hint = self.hint;
        Finding { lint: self.lint, problem: problem.clone() }
    }
}

/// What is found in a configuration in which nothing is wrong.
pub(super) fn findings(checked: &Checked<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    for lint in LINTS {
        let mut found = Vec::new();
        (lint.check)(checked, &mut found);
        all.extend(found.into_iter().map(|it| Found { lint: lint.name, ..it }));
    }
    all
}

/// A rule as it is written and as it is checked.
struct RuleAt<'a> {
    file: usize,
    path: String,
    group: &'a RuleGroup,
    raw_group: &'a RawGroup,
    raw: &'a RawRule,
    rule: &'a Rule,
}

impl RuleAt<'_> {
    /// Where its name stands.
    fn name_spot(&self) -> Spot {
        self.raw.alert.as_ref().or(self.raw.record.as_ref()).map(Spot::from).unwrap_or_default()
    }
}

impl<'a> Checked<'a> {
    /// Every rule.
    fn rules(&self) -> impl Iterator<Item = RuleAt<'a>> + use<'a> {
        let mut groups = self.config.groups.iter();
        let mut rules = Vec::new();
        for (file, raw) in self.rule_files.iter().enumerate() {
            for raw_group in raw.file.iter().flat_map(|file| file.groups.iter().flatten()) {
                let Some(group) = groups.next() else { break };
                for (raw, rule) in raw_group.value.rules.iter().flatten().zip(&group.rules) {
                    let path = format!("groups[{}].rules[{}]", group.name, rule.name());
                    rules.push(RuleAt { file, path, group, raw_group: &raw_group.value, raw: &raw.value, rule });
                }
            }
        }
        rules.into_iter()
    }
}

fn rule_files_empty(checked: &Checked<'_>, found: &mut Vec<Found>) {
    for (index, listed) in checked.listed.iter().enumerate() {
        let path = format!("rule_files[{index}]");
        if listed.files == 0 {
            found.push(Found::new(None, &listed.name, path, format!("`{}` means no file", listed.name.value)));
        } else if listed.new_files == 0 && !listed.is_pattern {
            found.push(Found::new(None, &listed.name, path, format!("`{}` is listed above", listed.name.value)));
        }
    }
}

fn alerts_reach_nobody(checked: &Checked<'_>, found: &mut Vec<Found>) {
    let config = checked.config;
    let has_alerts = config.groups.iter().any(|group| group.alerts().next().is_some());
    if checked.is_rules_only || !has_alerts || config.tells_somebody() {
        return;
    }
    let what = "there is neither a `route` nor `alerting`: alerts reach nobody";
    let hint = "describe a receiver in `receivers`, and name it in `route: {receiver: …}`";
    found.push(Found::new(None, Spot::default(), "", what).hint(hint));
}

fn too_long_scrape_interval(checked: &Checked<'_>, found: &mut Vec<Found>) {
    let own = checked.main.scrape_configs.iter().flatten().filter_map(|job| {
        let name = job.value.job_name.as_ref().map_or("", |name| name.value.as_str());
        Some((format!("scrape_configs[{name}].scrape_interval"), job.value.scrape_interval.as_ref()?))
    });
    let global = checked.main.global.iter().filter_map(|global| global.scrape_interval.as_ref());
    for (path, text) in global.map(|text| ("global.scrape_interval".to_owned(), text)).chain(own) {
        if parse_duration(&text.value).is_ok_and(|interval| interval >= LOOKBACK) {
            let lookback = format_duration(LOOKBACK);
            let what = format!("a selector looks back {lookback}, so series are gone before the next scrape");
            found.push(Found::new(None, text, path, what).hint(format!("scrape more often than every {lookback}")));
        }
    }
}

/// Alertmanager's defaults.
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 60 * 60);

fn repeat_interval(checked: &Checked<'_>, found: &mut Vec<Found>) {
    fn walk(raw: &RawRoute, path: &str, inherited: (Duration, Duration), found: &mut Vec<Found>) {
        let set = |text: &Option<Text>, inherited| {
            text.as_ref().and_then(|text| parse_duration(&text.value).ok()).unwrap_or(inherited)
        };
        let (group, repeat) = (set(&raw.group_interval, inherited.0), set(&raw.repeat_interval, inherited.1));
        let spot = raw.repeat_interval.as_ref().or(raw.group_interval.as_ref());
        let is_multiple = group.is_zero() || repeat.as_millis().is_multiple_of(group.as_millis());
        if let Some(spot) = spot.filter(|_| !is_multiple) {
            let later = u32::try_from(repeat.as_millis() / group.as_millis() + 1).unwrap_or(u32::MAX);
            let what = format!(
                "repeats are due at multiples of `group_interval`, {}: every {} becomes every {}",
                format_duration(group),
                format_duration(repeat),
                format_duration(group.saturating_mul(later))
            );
            found.push(Found::new(None, spot, path, what));
        }
        for (at, child) in raw.routes.iter().flatten().enumerate() {
            walk(&child.value, &format!("{path}.routes[{at}]"), (group, repeat), found);
        }
    }
    if let Some(route) = &checked.main.route {
        walk(&route.value, "route", (GROUP_INTERVAL, REPEAT_INTERVAL), found);
    }
}

fn rule_options_idle(checked: &Checked<'_>, found: &mut Vec<Found>) {
    let mut groups = checked.config.groups.iter();
    let mut places = Vec::new();
    for raw in checked.rule_files {
        let count = raw.file.iter().flat_map(|file| file.groups.iter().flatten()).count();
        places.extend(groups.by_ref().take(count).map(|group| (group.name.as_str(), raw.path.as_path())));
    }
    let entries = checked.main.rule_options.as_deref().unwrap_or_default();
    for index in checked.options.idle(&places) {
        if let Some(entry) = entries.get(index) {
            let what = "no group of any rule file is meant";
            found.push(Found::new(None, entry, format!("rule_options[{index}]"), what));
        }
    }
}

/// As promtool: in one file, the same name and the same labels.
fn duplicate_rules(checked: &Checked<'_>, found: &mut Vec<Found>) {
    let mut seen = BTreeMap::new();
    for at in checked.rules() {
        let labels: BTreeSet<(String, String)> = match at.rule {
            Rule::Alert(rule) => {
                rule.labels.iter().map(|(name, value)| (name.clone(), value.source().to_owned())).collect()
            }
            Rule::Record(rule) => rule.labels.iter().cloned().collect(),
        };
        let is_record = matches!(at.rule, Rule::Record(_));
        let key = (at.file, is_record, at.rule.name().to_owned(), labels);
        match seen.get(&key) {
            Some(group) => {
                let what = format!("a rule of this name and with these labels stands above, in the group `{group}`");
                let hint = "give one of them another name or label";
                found.push(Found::new(Some(at.file), at.name_spot(), at.path, what).hint(hint));
            }
            None => drop(seen.insert(key, at.group.name.clone())),
        }
    }
}

fn short_for(checked: &Checked<'_>, found: &mut Vec<Found>) {
    for at in checked.rules() {
        let Rule::Alert(rule) = at.rule else { continue };
        let interval = at.group.interval;
        // When the group does not say, the interval may be another where the file is used.
        let is_known = !checked.is_rules_only || at.raw_group.interval.is_some();
        if let Some(text) = at.raw.hold.as_ref().filter(|_| is_known && !rule.hold.is_zero() && rule.hold < interval) {
            let what = format!(
                "the group is evaluated every {}, so it waits that long, not {}",
                format_duration(interval),
                format_duration(rule.hold)
            );
            let path = format!("{}.for", at.path);
            let hint = format!("write `for: {}`, or no `for` at all", format_duration(interval));
            found.push(Found::new(Some(at.file), text, path, what).hint(hint));
        }
    }
}

fn histogram_without_le(checked: &Checked<'_>, found: &mut Vec<Found>) {
    for at in checked.rules() {
        for span in missing_le(at.rule.expr()) {
            let what = "the aggregation takes `le` away, so there are no buckets left";
            let hint = "keep the label: `sum by (le, …) (…)`";
            found.extend(within(&at, span, what.to_owned()).map(|it| it.hint(hint)));
        }
    }
}

fn rate_too_short(checked: &Checked<'_>, found: &mut Vec<Found>) {
    // Jobs may differ, and a selector does not say whose series it means: only what is too short for all is told.
    let Some(interval) = checked.config.scrape.iter().map(|job| job.interval).min() else { return };
    for at in checked.rules().filter(|at| at.group.source.is_embedded()) {
        for (span, window) in short_rate(at.rule.expr(), interval * 2) {
            let what = format!(
                "a window of {} rarely holds two samples when scrapes are {} apart",
                format_duration(window),
                format_duration(interval)
            );
            let hint = format!("look back at least {}", format_duration(interval * 2));
            found.extend(within(&at, span, what).map(|it| it.hint(hint.clone())));
        }
    }
}

/// Something in a rule's expression.
fn within(at: &RuleAt<'_>, span: crate::promql::Span, what: String) -> Option<Found> {
    let text = at.raw.expr.clone()?;
    let spot = FoundAt::Within(text, span.start as usize..span.end as usize);
    Some(Found { lint: "", file: Some(at.file), spot, path: format!("{}.expr", at.path), what, hint: None })
}
