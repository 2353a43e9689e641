//! The tasks that scrape: one a target. When the targets change, those that stay go on undisturbed, with their connections
//! and their moments.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::Clock;
use crate::evaluator::ScrapeTarget;
use crate::model::TargetId;
use crate::source::Scraper;
use crate::transport::HttpClient;

use super::evaluator_loop::EvaluatorCommand;

/// All tasks that scrape. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Scrapers {
    http: HttpClient,
    clock: Clock,
    out: mpsc::Sender<EvaluatorCommand>,
    tasks: JoinSet<()>,
    running: BTreeMap<TargetId, (ScrapeTarget, AbortHandle)>,
}

impl Scrapers {
    /// None yet.
    pub(super) fn new(http: HttpClient, clock: Clock, out: mpsc::Sender<EvaluatorCommand>) -> Self {
        Self { http, clock, out, tasks: JoinSet::new(), running: BTreeMap::new() }
    }

    /// Scrapes these targets from now on, and no others.
    pub(super) fn set(&mut self, targets: &[ScrapeTarget]) {
        self.running.retain(|_, (running, task)| {
            let stays = targets.contains(running);
            if !stays {
                task.abort();
            }
            stays
        });
        for target in targets {
            if !self.running.contains_key(&target.id) {
                let scraper = Scraper::new(self.http.clone(), self.clock.clone());
                let (own, out) = (target.clone(), self.out.clone());
                let task = self.tasks.spawn(async move { scraper.scrape_forever(&own, &out).await });
                self.running.insert(target.id.clone(), (target.clone(), task));
            }
        }
        // Those that have ended are let go of.
        while self.tasks.try_join_next().is_some() {}
    }
}
