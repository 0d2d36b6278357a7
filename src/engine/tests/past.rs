//! The past: what is told of an earlier moment is what was told then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::{BEGIN, Running};
use crate::domain::graph::Beyond;
use crate::domain::{
    Change, Crew, Direction, Findings, Id, Inquiry, Moment, Natures, Position, ProblemKind, Purpose,
    Question, Reach, Standing, Step, Timestamp, strategies,
};
use crate::engine::graph_answers::graph_answer;
use crate::engine::model::{Model, read_model};
use crate::engine::{Config, Entry, Reads, read_only};
use crate::store;
use crate::store::archive::{Archive, Order, install};

fn ids() -> [Id; 4] {
    ["a", "b", "c", "d"].map(|text| Id::parse(text).unwrap())
}

/// All that can be told of a model, as text.
fn told(model: &Model) -> String {
    let beyond = Beyond {
        soft: true,
        startup: true,
    };
    let natures = Natures::ALL;
    let mut questions = vec![
        Question::Cycles {
            environment: None,
            natures,
        },
        Question::Dangling { environment: None },
    ];
    for id in ids() {
        for direction in [Direction::Dependencies, Direction::Dependents] {
            questions.push(Question::Reach {
                id: id.clone(),
                direction,
                depth: Some(1),
                natures,
            });
        }
        let crew = Crew::Environment(id.clone());
        questions.push(Question::Order {
            crew,
            purpose: Purpose::Start,
        });
        questions.push(Question::Impact {
            causes: vec![id.to_string()],
            beyond,
        });
    }
    let mut lines = vec![format!(
        "{:?} {:?} {}",
        model.position,
        model.digest,
        model.environment_count()
    )];
    for question in questions {
        let mut answer = graph_answer(model, &inquiry(question.clone(), None));
        // What is equally near comes in whichever order it was put, and is reached by whichever way was found first.
        match answer.as_mut().map(|answer| &mut answer.findings) {
            Ok(Findings::Subgraph(graph)) => {
                graph.nodes[1..].sort_by(|one, other| one.target.cmp(&other.target));
                graph.edges.clear();
            }
            Ok(Findings::Impact(impact)) => {
                impact
                    .affected
                    .sort_by(|one, other| one.node.target.cmp(&other.node.target));
                impact
                    .affected
                    .iter_mut()
                    .for_each(|affected| affected.why.clear());
            }
            _ => {}
        }
        lines.push(format!("{question:?}: {answer:?}"));
    }
    for id in ids() {
        let (environment, members) = (model.environment(&id), model.members(&id));
        let mut homes = model.membership.environments_of(&id).to_vec();
        homes.sort_unstable();
        lines.push(format!(
            "{id}: {environment:?} {members:?} {homes:?} {:?}",
            model.graph.node(&id)
        ));
    }
    lines.join("\n")
}

fn inquiry(question: Question, moment: Option<Moment>) -> Inquiry {
    Inquiry {
        question,
        at_least: None,
        limit: 1_000,
        cursor: None,
        deadline: None,
        moment,
    }
}

/// The model after so many changes, made from nothing by taking them in.
fn replayed(changes: &[Change], sequence: u64) -> String {
    let mut model = Model {
        position: Position {
            epoch: 1,
            sequence: 0,
        },
        ..Model::default()
    };
    for change in changes.iter().filter(|change| change.sequence <= sequence) {
        model.apply(change).unwrap();
    }
    told(&model)
}

/// What is told of a moment; `Err` with the oldest sequence where that is forgotten.
fn asked(reads: &Reads, moment: Moment) -> Result<String, u64> {
    match reads.past(moment) {
        Ok(past) => Ok(told(&past)),
        Err(problem) => {
            assert_eq!(problem.kind, ProblemKind::Forgotten, "{problem:?}");
            Err(problem.facts["oldest"].as_u64().unwrap())
        }
    }
}

/// Asserts that two are the same, and shows only the lines that are not.
fn same(one: &Result<String, u64>, other: &Result<String, u64>, sequence: u64) {
    if let (Ok(one), Ok(other)) = (one, other) {
        for (one, other) in one.lines().zip(other.lines()) {
            assert_eq!(one, other, "as of {sequence}");
        }
    }
    assert_eq!(one.is_ok(), other.is_ok(), "as of {sequence}");
    assert_eq!(one.as_ref().err(), other.as_ref().err(), "as of {sequence}");
}

/// A run: the engine, all its changes, and what it told after each command.
struct Run {
    running: Running,
    changes: Vec<Change>,
    told: BTreeMap<u64, String>,
}

impl Run {
    fn play(directory: &std::path::Path, config: &Config, steps: &[(Step, i64)], epoch_at: usize) -> Self {
        let now = Arc::new(AtomicI64::new(BEGIN.0));
        let clock = Arc::clone(&now);
        let clock = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
        let running = Running::start_by(directory, config, clock);
        let (mut changes, mut all): (Vec<Change>, _) = (Vec::new(), BTreeMap::new());
        for (n, (step, delay)) in steps.iter().enumerate() {
            // Not always forward: a clock may be set back.
            now.fetch_add(*delay, Ordering::SeqCst);
            if n == epoch_at {
                let entry = Entry {
                    epoch: 2,
                    ..Entry::default()
                };
                running.runtime.block_on(running.engine.enter(entry)).unwrap();
            }
            running.submit(&format!("m-{n}"), step).unwrap();
            let held = changes.last().map_or(0, |change| change.sequence);
            changes.extend(running.engine.reads().changes(held + 1, usize::MAX).unwrap());
            let model = &running.engine.reads().model;
            all.insert(read_model(model).position.sequence, told(&read_model(model)));
            let last = read_model(model).position.sequence;
            running.engine.confirm(last);
            running.engine.confirm_shipped(last);
        }
        Self {
            running,
            changes,
            told: all,
        }
    }

    fn last(&self) -> u64 {
        self.running.engine.reads().totals().position.sequence
    }

    /// Asserts that reads tell of every moment what was told then, as far back as their log reaches.
    fn check(&self, reads: &Reads) {
        let oldest = reads
            .changes(0, 1)
            .unwrap()
            .first()
            .map_or(1, |change| change.sequence);
        for sequence in 0..self.last() {
            let reachable = sequence >= oldest || oldest == 1;
            let expected = if reachable {
                Ok(replayed(&self.changes, sequence))
            } else {
                Err(oldest)
            };
            same(&asked(reads, Moment::Sequence(sequence)), &expected, sequence);
            if let (Some(told), true) = (self.told.get(&sequence), reachable)
                && self.changes.iter().any(|change| change.sequence == sequence)
            {
                // That an epoch began since is no part of what is told of before.
                let expected = expected.unwrap();
                let without = |text: &str| text.split_once('\n').unwrap().1.replace("epoch: 2", "epoch: 1");
                same(&Ok(without(told)), &Ok(without(&expected)), sequence);
            }
        }
        let now = told(&read_model(&reads.model));
        same(
            &asked(reads, Moment::Sequence(self.last())),
            &Ok(now),
            self.last(),
        );
        let ahead = reads.past(Moment::Sequence(self.last() + 1)).err().unwrap();
        assert_eq!(
            (ahead.kind, ahead.pointer.as_str()),
            (ProblemKind::Invalid, "/as_of/sequence")
        );
        // A time is after the last change that was decided then or before.
        let mut times: Vec<i64> = self
            .changes
            .iter()
            .flat_map(|c| [c.time.0 - 1, c.time.0])
            .collect();
        times.extend([0, i64::MAX]);
        for time in times {
            let reached = self.changes.iter().rev().find(|change| change.time.0 <= time);
            let sequence = reached.map_or(0, |change| change.sequence);
            let by_time = asked(reads, Moment::Time(Timestamp(time)));
            same(&by_time, &asked(reads, Moment::Sequence(sequence)), sequence);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_past_is_what_it_was(
        steps in strategies::steps(24), delays in vec(-2_i64..5, 40), trim in any::<bool>(), epoch_at in 0_usize..40,
        crash in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let config = Config { changes_max: if trim { 7 } else { 1_000 }, ..Config::default() };
        let steps: Vec<(Step, i64)> = steps.into_iter().zip(delays.into_iter().cycle()).collect();
        let mut run = Run::play(&data, &config, &steps, epoch_at);
        run.check(run.running.engine.reads());

        // The same from a snapshot, without the engine.
        let file = folder.path().join("snapshot");
        run.running.engine.reads().write_archive(&file, BEGIN).unwrap();
        let copy = store::Config { directory: folder.path().join("copy"), ..store::Config::default() };
        let order = Order { replace: false, raise_epoch: false, standing: Standing::Undecided };
        install(&Archive::open(&file).unwrap(), &copy, order).unwrap();
        run.check(&read_only(&copy).unwrap());

        // And after a restart.
        if crash {
            run.running.crash();
        } else {
            run.running.drain();
        }
        run.running = Running::start(&data, &config);
        run.check(run.running.engine.reads());
    }

    #[test]
    fn a_follower_has_the_same_past(steps in strategies::steps(20)) {
        let folder = tempfile::tempdir().unwrap();
        let steps: Vec<(Step, i64)> = steps.into_iter().map(|step| (step, 1)).collect();
        let run = Run::play(&folder.path().join("leader"), &Config::default(), &steps, usize::MAX);
        let follower = Running::start(&folder.path().join("follower"), &Config::default());
        let last = run.last();
        if last > 0 {
            let parcel = run.running.engine.reads().parcel(1, last, usize::MAX).unwrap().unwrap();
            follower.runtime.block_on(follower.engine.follow(vec![parcel.body])).unwrap().unwrap();
        }
        run.check(follower.engine.reads());
    }
}

/// So many that they are read in several goes.
#[test]
fn a_long_way_back_is_gone_in_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &Config::default());
    let count = 2_503_u64;
    let ids: Vec<String> = (1..=count).map(|n| format!("r-{n}")).collect();
    for ids in ids.chunks(500) {
        running.put_all(ids);
    }
    let reads = running.engine.reads();
    for sequence in [0, 1, 2, 502, 503, 504, 1_502, 1_503, 1_504, 2_502, 2_503] {
        let past = reads.past(Moment::Sequence(sequence)).unwrap();
        assert_eq!(past.position, Position { epoch: 1, sequence });
        assert_eq!(past.graph.resource_count() as u64, sequence);
        let newest = Id::parse(&format!("r-{sequence}")).unwrap();
        assert_eq!(past.graph.contains(&newest), sequence > 0);
    }
}

/// Through the front door, with what a client would ask.
#[test]
fn questions_about_the_past_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &Config::default());
    running.put("m-1", "a");
    running.put("m-2", "lab/B.2");
    let search = |query: &str, sequence| {
        let search = crate::domain::Search {
            query: query.to_owned(),
            ..crate::domain::Search::default()
        };
        let inquiry = inquiry(Question::Search(search), Some(Moment::Sequence(sequence)));
        let answer = running.engine.reads().answer(&inquiry, &Reach::Everything);
        answer.map(|answer| match answer.unwrap().findings {
            Findings::Hits(hits) => hits
                .items
                .iter()
                .map(|hit| hit.key.to_string())
                .collect::<Vec<_>>()
                .join(" "),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(search("id:a", 0).unwrap(), "");
    assert_eq!(search("id:a", 1).unwrap(), "resource:a");
    assert_eq!(search("id:lab/B.2", 1).unwrap(), "");
    for query in [
        "id:lab/B.2",
        "id:\"lab/B.2\"",
        "id:nobody OR id:lab/B.2 OR id:lab/B.2",
    ] {
        assert_eq!(search(query, 2).unwrap(), "resource:lab/B.2", "{query}");
    }
    for query in ["a", "kind:vm", "NOT id:a", "id:a AND id:b", "dependents-of:a"] {
        let problem = search(query, 2).unwrap_err();
        assert_eq!(
            (problem.kind, problem.pointer.as_str()),
            (ProblemKind::Invalid, "/args/query"),
            "{query}"
        );
    }
    let moment = Some(Moment::Sequence(0));
    let question = Question::Impact {
        causes: vec!["a".to_owned()],
        beyond: Beyond::default(),
    };
    let problem = running
        .engine
        .reads()
        .answer(&inquiry(question, moment), &Reach::Everything)
        .unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotFound);
}
