//! What a transaction does to the graph as a whole: a dry run foretells it, and it is found again when it is forgotten.

use std::sync::PoisonError;

use proptest::prelude::{ProptestConfig, proptest};

use super::{Running, putting_with};
use crate::domain::{Digest, GraphNews, Id, Natures, Position, Step, WhatIf, strategies};
use crate::engine::news::{KEPT_MAX, News};
use crate::engine::{Config, Fault};

impl Running {
    /// The digest, the cycles and the dangling references, by looking at everything.
    fn whole(&self) -> (Position, Digest, String) {
        let model = self.engine.reads().model.read().unwrap();
        let graph = (model.graph.cycles(Natures::ALL, None), model.graph.dangling(None));
        (model.position, model.digest, format!("{graph:?}"))
    }

    fn try_out(&self, step: &Step) -> Option<WhatIf> {
        let mut envelope = super::envelope("", step);
        envelope.message_id = None;
        envelope.dry_run = true;
        let receipt = self.runtime.block_on(async {
            let receipt = self.engine.submit(envelope).await.unwrap();
            receipt.await.unwrap()
        });
        receipt.would.map(|would| *would)
    }

    fn news(&self, first: u64) -> Result<News, Fault> {
        self.engine.reads().news(first)
    }

    fn forget_news(&self) {
        let reads = self.engine.reads();
        let mut model = reads.model.write().unwrap_or_else(PoisonError::into_inner);
        model.news = News::after(model.position.sequence);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_dry_run_foretells_and_what_is_forgotten_is_found_again(steps in strategies::steps(30)) {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path(), &Config::default());
        let mut told = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            let before = running.whole();
            let would = running.try_out(step);
            assert_eq!(running.whole(), before, "a dry run leaves nothing behind");
            let receipt = running.submit(&format!("m-{n}"), step).unwrap();
            let sequence = running.whole().0.sequence;
            if sequence == before.0.sequence {
                let nothing = would.is_none_or(|would| would.events.is_empty() && would.news.is_empty());
                assert!(nothing, "{receipt:?}");
                continue;
            }
            let would = would.unwrap();
            let news = running.news(sequence).unwrap();
            let real = news.of(sequence).map_or_else(GraphNews::default, |news| GraphNews::clone(news));
            assert_eq!(would.news, real);
            told.extend(news.of(sequence).map(|news| (sequence, news.clone())));
        }
        let last = running.whole().0.sequence;
        for first in [1, last / 2, last].map(|first| first.max(1)) {
            running.forget_news();
            let news = running.news(first).unwrap();
            let found = (first..=last).filter_map(|at| news.of(at).map(|news| (at, news.clone())));
            let expected = told.iter().filter(|(at, _)| *at >= first).cloned();
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }
}

/// More than are kept at once are found again in parts, the oldest first, so that none is missing.
#[test]
fn very_many_are_found_again_from_the_first_on() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &Config::default());
    let count = KEPT_MAX as u64 + 500;
    let missing = |n: u64| format!("missing-{n}");
    let needing = |n| {
        let id = format!("r-{n}");
        (
            id.clone(),
            putting_with(&id, vec![Id::parse(&missing(n)).unwrap()]),
        )
    };
    running.submit_all((1..=count).map(needing));
    assert_eq!(running.whole().0.sequence, count);
    let (mut next, mut found) = (1, Vec::new());
    while next <= count {
        running.forget_news();
        let news = running.news(next).unwrap();
        assert!(news.covers(next), "there is something new each time");
        found.extend(
            (next..=news.until()).filter_map(|at| Some(news.of(at)?.dangling_appeared[0].id.to_string())),
        );
        next = news.until() + 1;
    }
    assert_eq!(found, (1..=count).map(missing).collect::<Vec<_>>());
}
