//! The whole: each part is checked by itself, then whether they fit together.

use crate::dispatch::{ForwardSpec, RouteSpec};
use crate::model::{Compat, Problems};

use super::place::{Sheet, Spot};
use super::raw::RawMain;
use super::rule_options::RuleOptions;
use super::secret::SecretList;
use super::value::word;
use super::{Config, RawConfig, alerting, global, lint, receivers, route, rules, scrape, source, store};

impl RawConfig {
    /// The configuration, or everything that is wrong with it: first the file itself, then each rule file.
    pub fn build(self) -> Result<Config, Problems> {
        let Self {
            directory,
            mut sheet,
            main,
            is_rules_only,
            listed,
            mut rule_files,
            mut scrape_files,
            mut template_files,
        } = self;
        let scrape_directories: Vec<_> = scrape_files.iter().map(|file| file.directory.clone()).collect();
        let is_readable = main.is_some();
        let main = main.unwrap_or_default();
        let raw_global = main.global.clone().unwrap_or_default();
        let global = global::global(&mut sheet, &raw_global);
        let compat = [("default", Compat::Default), ("strict", Compat::Strict)];
        let compat = word(&mut sheet, "compat", main.compat.as_ref(), &compat).unwrap_or_default();
        let raw_receivers = main.receivers.as_deref().unwrap_or_default();
        let receivers = receivers::receivers(&mut sheet, raw_receivers, (&global, &raw_global), compat, &directory);
        let route = match &main.route {
            Some(route) => {
                let before = sheet.count();
                let spec = route::root(&mut sheet, route, &receivers.names);
                if has_unread_receivers(&sheet, &main) {
                    sheet.hush(before, |problem| problem.what.starts_with("no receiver is named"));
                }
                spec
            }
            None => RouteSpec::default(),
        };
        let mut secrets = SecretList { directory: &directory, secrets: receivers.secrets };
        let mut clients = receivers.clients;
        let mut context = scrape::Context::new(&mut sheet, &raw_global, &global, &mut secrets, &mut clients);
        let mut scrape = Vec::new();
        context.jobs(&mut sheet, main.scrape_configs.as_deref().unwrap_or_default(), &mut scrape);
        for (file, directory) in scrape_files.iter_mut().zip(&scrape_directories) {
            let jobs = file.file.take().and_then(|file| file.scrape_configs).unwrap_or_default();
            context.in_directory(directory).jobs(&mut file.sheet, &jobs, &mut scrape);
        }
        secrets.directory = &directory;
        let raw_alerting = main.alerting.clone().unwrap_or_default();
        let alerting = alerting::alerting(&mut sheet, &raw_alerting, &mut secrets, &mut clients);
        let raw_source = main.source.clone().unwrap_or_default();
        let sources = source::sources(&mut sheet, &raw_source, global.evaluation_interval, &mut secrets, &mut clients);
        let secrets = secrets.secrets;
        let listen = global::web(&mut sheet, &main.web.clone().unwrap_or_default());
        let state_dir = global::state(&mut sheet, &main.state.clone().unwrap_or_default(), &directory);
        let store = store::store(&mut sheet, &main.store.clone().unwrap_or_default());
        let raw_options = main.rule_options.as_deref().unwrap_or_default();
        let options = RuleOptions::check(&mut sheet, raw_options, &sources, &directory);
        if is_readable && !is_rules_only {
            whole(&mut sheet, &main);
        }
        let defaults = rules::Defaults {
            interval: global.evaluation_interval,
            query_offset: global.rule_query_offset,
            options: &options,
        };
        let groups = rule_files.iter_mut().flat_map(|file| rules::check(file, &defaults)).collect();
        let mut problems = sheet.take_problems();
        for file in &mut rule_files {
            problems.extend(file.sheet.take_problems());
        }
        for sheet in &mut template_files {
            problems.extend(sheet.take_problems());
        }
        for file in &mut scrape_files {
            problems.extend(file.sheet.take_problems());
        }
        let mut config = Config {
            scrape,
            groups,
            rule_files: rule_files.iter().map(|file| file.name.clone()).collect(),
            route,
            receivers: receivers.integrations,
            rollbacks: receivers.rollbacks,
            secrets,
            clients,
            apis: sources.apis,
            default_source: sources.default,
            external_labels: global.external_labels,
            external_url: global.external_url,
            evaluation_interval: global.evaluation_interval,
            listen,
            state_dir,
            store,
            compat,
            alertmanagers: ForwardSpec {
                alertmanagers: alerting.alertmanagers,
                relabel: alerting.relabel,
                ..ForwardSpec::default()
            },
            lints: Vec::new(),
        };
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let checked = lint::Checked {
            main: &main,
            is_rules_only,
            listed: &listed,
            rule_files: &rule_files,
            options: &options,
            config: &config,
        };
        let findings = lint::findings(&checked);
        config.lints = findings.into_iter().map(|finding| finding.show(&mut sheet, &mut rule_files)).collect();
        Ok(config)
    }
}

/// Whether a receiver may have a name that could not be read, so that nobody can say which names there are.
fn has_unread_receivers(sheet: &Sheet, main: &RawMain) -> bool {
    match &main.receivers {
        None => sheet.is_wounded(Spot::default(), "receivers"),
        Some(receivers) => receivers.iter().any(|raw| sheet.is_wounded(raw.defined, "name")),
    }
}

/// What is wrong with the file as a whole.
fn whole(sheet: &mut Sheet, main: &RawMain) {
    sheet.refuse("", main.not_yet());
    let missing = match (&main.route, main.receivers.iter().flatten().next()) {
        (Some(_), Some(_)) | (None, None) => None,
        (None, Some(_)) => Some("there is no `route`"),
        (Some(_), None) => Some("there is no receiver"),
    };
    if let Some(missing) = missing {
        sheet.note(Spot::default(), "", format!("{missing}: alerts would reach nobody")).hint =
            Some("describe a receiver in `receivers`, and name it in `route: {receiver: …}`".to_owned());
    }
    if let Some((spot, path)) = first_rollback(main)
        && !reaches_people(main)
    {
        sheet.note(spot, &path, "a failed rollback has nobody to page").hint =
            Some("add `slack_configs`, `pagerduty_configs` or `webhook_configs` to a receiver".to_owned());
    }
}

/// The first receiver that has rollbacks.
fn first_rollback(main: &RawMain) -> Option<(Spot, String)> {
    let mut receivers = main.receivers.iter().flatten().enumerate();
    receivers.find_map(|(index, receiver)| {
        let rollback = receiver.value.rollback_configs.iter().flatten().next()?;
        Some((rollback.into(), format!("{}.rollback_configs", receivers::path(index, &receiver.value))))
    })
}

/// Whether any integration of any receiver tells people.
fn reaches_people(main: &RawMain) -> bool {
    main.receivers.iter().flatten().any(|receiver| {
        let it = &receiver.value;
        let counts = [
            it.slack_configs.as_ref().map_or(0, Vec::len),
            it.pagerduty_configs.as_ref().map_or(0, Vec::len),
            it.webhook_configs.as_ref().map_or(0, Vec::len),
        ];
        counts.iter().any(|count| *count > 0)
    })
}
