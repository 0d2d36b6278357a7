//! The engine against the bare libraries below it, in the same run: durable commits against redb alone, the graph
//! against a compact adjacency and petgraph's own, and a start on a full data directory.
//!
//! `cargo bench --bench engine -- [commit] [graph] [start]`. `DOMESDAY_BENCH_MANIFEST` names the documents: see
//! `script/bench`, which makes them.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench prints, its numbers are small, and the bare peers may index as their authors would"
)]

mod bench;

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domesday::domain::graph::{Beyond, Graph};
use domesday::domain::{
    Digest, Direction, Document, EntityKey, Envelope, Id, Natures, Outcome, Purpose, Resource, Target,
};
use domesday::engine::Engine;
use domesday::search::Index;
use domesday::store::Store;
use fixedbitset::FixedBitSet;
use petgraph::visit::{Bfs, Reversed};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::runtime::Runtime;

use bench::manifest::{Manifest, engine, put};
use bench::{Failure, Samples, Table, folder, is_asked, is_rehearsal, memory_mb, short, time};

/// The table of the store that holds the documents; the bare peer writes exactly its records.
const LIVE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("live");
/// Says to this program, started again by itself, what to do on which folder.
const TASK: &str = "DOMESDAY_BENCH_TASK";
const FOLDER: &str = "DOMESDAY_BENCH_FOLDER";
/// Commands in flight while a whole set is loaded.
const LOAD_IN_FLIGHT: usize = 1_000;

type Record = (Vec<u8>, Vec<u8>);

fn main() -> Result<(), Failure> {
    if let (Ok(task), Some(folder)) = (std::env::var(TASK), std::env::var_os(FOLDER)) {
        return match task.as_str() {
            "open" => open(Path::new(&folder)),
            _ => write_until_killed(Path::new(&folder)),
        };
    }
    let manifest = Manifest::load()?;
    println!("\n{}\n", manifest.describe());
    if is_asked("graph") {
        graph(&manifest)?;
    }
    if is_asked("commit") || is_asked("start") {
        let loaded = folder()?;
        let took = load(loaded.path(), &manifest)?;
        let count = manifest.documents.len();
        println!(
            "all {count} documents through the engine, without a broker: {} s until committed, {} s until indexed\n",
            short(took.0.as_secs_f64()),
            short(took.1.as_secs_f64())
        );
        digest(&manifest, took.0);
        if is_asked("commit") {
            commits(&manifest, &records(loaded.path())?)?;
        }
        if is_asked("start") {
            starts(loaded.path())?;
        }
    }
    Ok(())
}

/// What the digest adds to a change, in a register that takes so long for all documents: the revision before the change
/// goes, and the one after it comes.
fn digest(manifest: &Manifest, all: Duration) {
    let keys: Vec<EntityKey> = manifest
        .documents
        .iter()
        .map(|(document, _)| document.key())
        .collect();
    let mut digest = Digest::default();
    let began = Instant::now();
    for key in &keys {
        digest.subtract(black_box(key), 1);
        digest.add(black_box(key), 2);
    }
    let took = began.elapsed();
    black_box(digest);
    println!(
        "the digest of {} changes: {} ms, {} % of what the engine takes for them\n",
        keys.len(),
        short(took.as_secs_f64() * 1_000.0),
        short(100.0 * took.as_secs_f64() / all.as_secs_f64())
    );
}

// Durable commits.

/// How one run went.
#[derive(Default)]
struct Run {
    per_second: Samples,
    latency_ms: Samples,
}

impl Run {
    fn add(&mut self, count: usize, took: Duration, latency_ms: &Samples) {
        self.per_second.add(count as f64 / took.as_secs_f64());
        self.latency_ms.append(latency_ms);
    }
}

fn commits(manifest: &Manifest, records: &[Record]) -> Result<(), Failure> {
    let (rounds, scale) = if is_rehearsal() { (1, 50) } else { (5, 1) };
    let mut table = Table::new(&[
        "commits, by records in flight",
        "records/s",
        "p50 ms",
        "p99 ms",
        "ratio",
    ]);
    for (batch, count) in [(1, 1_000), (100, 10_000), (1_000, 30_000)] {
        let count = (count / scale).max(batch);
        let mut resources = manifest.many(count);
        let mut records = as_many(records, count);
        // Commands come in no order; a table that grows at its end only is another thing.
        shuffle(&mut resources);
        shuffle(&mut records);
        let (mut plain, mut safe, mut ours) = (Run::default(), Run::default(), Run::default());
        let mut ratios = Samples::default();
        for _ in 0..rounds {
            bare(&records, batch, false, &mut plain)?;
            let bare_rate = bare(&records, batch, true, &mut safe)?;
            let rate = through(&resources, batch, &mut ours)?;
            ratios.add(rate / bare_rate);
        }
        let names = [
            "redb, one insert each",
            "redb, two-phase, quick repair",
            "engine, all of a command",
        ];
        for (name, run) in names.into_iter().zip([&plain, &safe, &ours]) {
            let ratio = if name.starts_with("engine") {
                ratios.median()
            } else {
                run.per_second.median() / safe.per_second.median()
            };
            table.row([
                format!("{batch:>5}  {name}"),
                format!("{:.0}", run.per_second.median()),
                short(run.latency_ms.median()),
                short(run.latency_ms.p99()),
                short(ratio),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// The records, again and again under other keys, until there are so many.
fn as_many(records: &[Record], count: usize) -> Vec<Record> {
    let all = (0_u32..).flat_map(|copy| records.iter().map(move |record| (copy, record)));
    let named = all.map(|(copy, (key, value))| {
        let mut key = key.clone();
        if copy > 0 {
            key.extend_from_slice(&copy.to_be_bytes());
        }
        (key, value.clone())
    });
    named.take(count).collect()
}

/// Puts them in an order that looks like none, and is the same each time.
fn shuffle<T>(all: &mut [T]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for last in (1..all.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let roll = usize::try_from(state >> 33).unwrap_or_default();
        all.swap(last, roll % (last + 1));
    }
}

/// One table, one insert for each record, `batch` of them in a transaction.
fn bare(records: &[Record], batch: usize, safe: bool, run: &mut Run) -> Result<f64, Failure> {
    let folder = folder()?;
    let database = Database::builder()
        .set_cache_size(64 * 1024 * 1024)
        .create(folder.path().join("bare.redb"))?;
    let mut latency_ms = Samples::default();
    let began = Instant::now();
    for some in records.chunks(batch) {
        time(&mut latency_ms, || {
            let mut writing = database.begin_write()?;
            writing.set_two_phase_commit(safe);
            writing.set_quick_repair(safe);
            {
                let mut table = writing.open_table(LIVE)?;
                for (key, value) in some {
                    table.insert(key.as_slice(), value.as_slice())?;
                }
            }
            writing.commit()?;
            Ok::<(), Failure>(())
        })?;
    }
    let took = began.elapsed();
    run.add(records.len(), took, &latency_ms);
    Ok(records.len() as f64 / took.as_secs_f64())
}

/// The same through the engine, with `in_flight` commands that wait for their receipts.
fn through(resources: &[Resource], in_flight: usize, run: &mut Run) -> Result<f64, Failure> {
    let folder = folder()?;
    let engine = engine(folder.path())?;
    let envelopes = resources
        .iter()
        .map(|resource| put(Document::Resource(resource.clone()), None))
        .collect();
    let runtime = runtime()?;
    let (took, latency_ms) = runtime.block_on(submit(&engine, envelopes, in_flight))?;
    runtime.block_on(engine.drain());
    run.add(resources.len(), took, &latency_ms);
    Ok(resources.len() as f64 / took.as_secs_f64())
}

async fn submit(
    engine: &Engine,
    envelopes: Vec<Envelope>,
    in_flight: usize,
) -> Result<(Duration, Samples), Failure> {
    let mut waiting = VecDeque::with_capacity(in_flight);
    let mut latency_ms = Samples::default();
    let began = Instant::now();
    let mut envelopes = envelopes.into_iter();
    loop {
        while waiting.len() < in_flight
            && let Some(envelope) = envelopes.next()
        {
            waiting.push_back((Instant::now(), engine.submit(envelope).await?));
        }
        let Some((sent, receipt)) = waiting.pop_front() else {
            break;
        };
        let receipt = receipt.await?;
        if receipt.outcome != Outcome::Applied {
            return Err(format!("a command was not applied: {:?}", receipt.outcome).into());
        }
        latency_ms.add_ms(sent.elapsed());
    }
    Ok((began.elapsed(), latency_ms))
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// Puts the whole manifest into a new data directory; how long until committed, and until indexed.
fn load(folder: &Path, manifest: &Manifest) -> Result<(Duration, Duration), Failure> {
    let engine = engine(folder)?;
    let envelopes = manifest
        .documents
        .iter()
        .map(|(document, members)| put(document.clone(), members.clone()))
        .collect();
    let runtime = runtime()?;
    runtime.block_on(async {
        let began = Instant::now();
        let (committed, _) = submit(&engine, envelopes, LOAD_IN_FLIGHT).await?;
        let position = *engine.committed().borrow();
        let mut indexed = engine.reads().indexed();
        indexed.wait_for(|reached| *reached >= position).await?;
        let all = began.elapsed();
        engine.confirm(position.sequence);
        engine.drain().await;
        Ok((committed, all))
    })
}

/// The records of the documents, as the store has written them.
fn records(folder: &Path) -> Result<Vec<Record>, Failure> {
    let file = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "redb"))
        .ok_or("the data directory has no data file")?;
    let database = Database::open(file)?;
    let table = database.begin_read()?.open_table(LIVE)?;
    let mut records = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        records.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(records)
}

// The graph.

/// The bare peer of a walk: the dependents of each node, side by side.
struct Compact {
    starts: Vec<u32>,
    dependents: Vec<u32>,
}

impl Compact {
    fn of(nodes: usize, edges: &[(u32, u32)]) -> Self {
        let mut starts = vec![0_u32; nodes + 1];
        for (_, to) in edges {
            starts[*to as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut places = starts.clone();
        let mut dependents = vec![0; edges.len()];
        for (from, to) in edges {
            dependents[places[*to as usize] as usize] = *from;
            places[*to as usize] += 1;
        }
        Self { starts, dependents }
    }

    fn reach_count(&self, start: u32) -> usize {
        let mut seen = FixedBitSet::with_capacity(self.starts.len());
        seen.insert(start as usize);
        let mut nodes = vec![start];
        let mut place = 0;
        while let Some(&node) = nodes.get(place) {
            let range = self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize;
            for dependent in &self.dependents[range] {
                if !seen.put(*dependent as usize) {
                    nodes.push(*dependent);
                }
            }
            place += 1;
        }
        nodes.len() - 1
    }
}

fn graph(manifest: &Manifest) -> Result<(), Failure> {
    let rounds = if is_rehearsal() { 3 } else { 101 };
    let libc = Id::parse("libc6")?;
    let (before, _) = memory_mb("self")?;
    let ours = built(manifest)?;
    let (after, _) = memory_mb("self")?;
    let (nodes, edges) = numbered(manifest);
    let compact = Compact::of(nodes.len(), &edges);
    let own: petgraph::Graph<(), ()> = petgraph::Graph::from_edges(&edges);
    let start = *nodes.get("libc6").ok_or("the manifest has no libc6")?;
    let expected = compact.reach_count(start);
    if ours.reach_count(&libc, Direction::Dependents, Natures::ALL) != Some(expected) {
        return Err("the walks do not agree on the dependents of libc6".into());
    }
    println!(
        "graph: {} nodes, {} edges; {expected} dependents of libc6\n",
        nodes.len(),
        edges.len()
    );

    let mut walks: [Samples; 4] = Default::default();
    for _ in 0..rounds {
        let [bare, petgraphs, walk, answer] = &mut walks;
        time(bare, || black_box(compact.reach_count(black_box(start))));
        time(petgraphs, || {
            let turned = Reversed(&own);
            let mut walk = Bfs::new(turned, start.into());
            let mut count = 0_usize;
            while walk.next(turned).is_some() {
                count += 1;
            }
            black_box(count)
        });
        time(walk, || {
            black_box(ours.reach_count(&libc, Direction::Dependents, Natures::ALL))
        });
        time(answer, || {
            black_box(ours.reach(&libc, Direction::Dependents, None, Natures::ALL, 1_000))
        });
    }
    let mut table = Table::new(&["dependents of libc6", "p50 ms", "p99 ms", "ratio"]);
    let names = [
        "compact adjacency, bare",
        "petgraph's own adjacency",
        "ours: the walk",
        "ours: the answer, 1,000 nodes and their edges",
    ];
    let limit = walks[0].median();
    for (name, samples) in names.iter().zip(&walks) {
        table.row([
            (*name).to_owned(),
            short(samples.median()),
            short(samples.p99()),
            short(samples.median() / limit),
        ]);
    }
    table.print();
    cycles(&ours, &own, rounds / 5 + 1);
    consequences(&ours, manifest, &libc, rounds / 5 + 1)?;

    let per_edge = (after - before) * 1_000_000.0 / edges.len() as f64;
    let pure = 8.0 + 2.0 * 16.0 * nodes.len() as f64 / edges.len() as f64;
    println!(
        "memory: {} bytes an edge with the ids, kinds and names of its nodes (resident memory before and after); of \
         that at least {} are edges and where they lie\n",
        short(per_edge),
        short(pure)
    );
    Ok(())
}

/// What stops with libc6, and the order to start everything.
fn consequences(ours: &Graph, manifest: &Manifest, libc: &Id, rounds: usize) -> Result<(), Failure> {
    let beyond = Beyond {
        soft: true,
        startup: true,
    };
    let all: Vec<Id> = manifest.resources().map(|resource| resource.id.clone()).collect();
    let mut samples: [Samples; 4] = Default::default();
    let mut found = [0; 4];
    for _ in 0..rounds {
        let [stops, worse, shown, order] = &mut samples;
        let impact = |beyond| {
            ours.impact([libc.as_str()], beyond)
                .map_err(|_| "libc6 is not there")
        };
        found[0] = time(stops, || impact(Beyond::default()).map(|impact| impact.total()))?;
        found[1] = time(worse, || impact(beyond).map(|impact| impact.total()))?;
        found[2] = time(shown, || {
            impact(beyond).map(|impact| (impact.hash(), impact.affected(1_000)).1.len())
        })?;
        found[3] = time(order, || ours.order(&all, Purpose::Start, 1_000)).wave_count;
    }
    let mut table = Table::new(&["consequences", "p50 ms", "p99 ms", "resources, or waves"]);
    let names = [
        "impact of libc6: what stops",
        "impact of libc6: and what is worse off",
        "impact of libc6: the answer, 1,000 resources and the hash",
        "order to start everything, 1,000 resources shown",
    ];
    for ((name, samples), found) in names.iter().zip(&samples).zip(found) {
        table.row([
            (*name).to_owned(),
            short(samples.median()),
            short(samples.p99()),
            found.to_string(),
        ]);
    }
    table.print();
    Ok(())
}

fn cycles(ours: &Graph, own: &petgraph::Graph<(), ()>, rounds: usize) {
    let mut sets: [Samples; 3] = Default::default();
    let mut found = [0; 3];
    for _ in 0..rounds {
        let [tarjan, kosaraju, cycles] = &mut sets;
        let scc = time(tarjan, || petgraph::algo::tarjan_scc(own));
        found[0] = scc.iter().filter(|set| set.len() > 1).count();
        let scc = time(kosaraju, || petgraph::algo::kosaraju_scc(own));
        found[1] = scc.iter().filter(|set| set.len() > 1).count();
        found[2] = time(cycles, || ours.cycles(Natures::ALL, None)).len();
    }
    let mut table = Table::new(&["strongly connected sets", "p50 ms", "p99 ms", "cycles found"]);
    let names = [
        "petgraph's tarjan, own adjacency",
        "petgraph's kosaraju, own adjacency",
        "ours: cycles, with what they show",
    ];
    for ((name, samples), found) in names.iter().zip(&sets).zip(found) {
        table.row([
            (*name).to_owned(),
            short(samples.median()),
            short(samples.p99()),
            found.to_string(),
        ]);
    }
    table.print();
}

fn built(manifest: &Manifest) -> Result<Graph, Failure> {
    let mut graph = Graph::default();
    let mut took = Samples::default();
    time(&mut took, || {
        manifest.resources().try_for_each(|resource| graph.put(resource))
    })?;
    println!("graph built in {} ms", short(took.median()));
    Ok(graph)
}

/// The nodes by name, and every edge once, as a program of its own would have them.
fn numbered(manifest: &Manifest) -> (HashMap<&str, u32>, Vec<(u32, u32)>) {
    let mut nodes: HashMap<&str, u32> = HashMap::new();
    let mut number = |name| {
        let next = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        *nodes.entry(name).or_insert(next)
    };
    let mut edges = Vec::new();
    for resource in manifest.resources() {
        let from = number(resource.id.as_str());
        for target in resource.targets() {
            let to = match target {
                Target::Resource(id) => id.as_str(),
                Target::External(uri) => uri.as_str(),
            };
            edges.push((from, number(to)));
        }
    }
    edges.sort_unstable();
    edges.dedup();
    (nodes, edges)
}

// Starts.

/// Starts on a full data directory, each in a process of its own, so that its memory can be told.
fn starts(folder: &Path) -> Result<(), Failure> {
    let rounds = if is_rehearsal() { 1 } else { 7 };
    let mut table = Table::new(&[
        "start until ready, p50",
        "store ms",
        "all ms",
        "processor ms",
        "changes to catch up",
        "resident MB",
        "of which not files",
    ]);
    for (killed, name) in [(false, "after a clean stop"), (true, "after kill -9 under load")] {
        let mut columns: [Samples; 6] = Default::default();
        for _ in 0..rounds {
            if killed {
                kill_while_writing(folder)?;
            }
            let output = again("open", folder).output()?;
            let text = String::from_utf8(output.stdout)?;
            let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
            if numbers.len() != columns.len() {
                return Err(format!("a start failed: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
            for (column, number) in columns.iter_mut().zip(numbers) {
                column.add(number);
            }
        }
        let [store, all, processor, behind, resident, own] = columns.map(|column| short(column.median()));
        table.row([name.to_owned(), store, all, processor, behind, resident, own]);
    }
    table.print();
    Ok(())
}

fn again(task: &str, folder: &Path) -> Command {
    let program = std::env::current_exe().unwrap_or_default();
    let mut command = Command::new(program);
    command.env(TASK, task).env(FOLDER, folder).stdout(Stdio::piped());
    command
}

fn kill_while_writing(folder: &Path) -> Result<(), Failure> {
    let mut child = again("write", folder).spawn()?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        // It says that it has begun.
        BufReader::new(output).read_line(&mut line)?;
    }
    std::thread::sleep(Duration::from_millis(500));
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// In a process of its own: opens the folder, and says how long that took and how much memory it has.
fn open(folder: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    let config = domesday::store::Config {
        directory: folder.to_owned(),
        ..domesday::store::Config::default()
    };
    // What a crash left is mended here; the engine then opens the store once more.
    let store = Store::open(&config, "bench")?;
    let opened = began.elapsed();
    let position = store.snapshot()?.identity()?.position;
    drop(store);
    let reached = Index::open(&folder.join("index"))?.reached();
    let began = Instant::now();
    let engine = engine(folder)?;
    let took = opened + began.elapsed();
    // What this thread was given of a processor, in nanoseconds: on a busy machine, less than what it took.
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = schedule.split_whitespace().next().unwrap_or("0").parse()?;
    let (resident, anonymous) = memory_mb("self")?;
    println!(
        "{} {} {} {} {resident} {anonymous}",
        opened.as_secs_f64() * 1_000.0,
        took.as_secs_f64() * 1_000.0,
        nanoseconds / 1_000_000.0,
        position.sequence.saturating_sub(reached.sequence),
    );
    runtime()?.block_on(engine.drain());
    Ok(())
}

/// In a process of its own: writes until it is killed.
fn write_until_killed(folder: &Path) -> Result<(), Failure> {
    let engine = engine(folder)?;
    let resources: Vec<Resource> = Manifest::load()?.many(5_000);
    println!("begun");
    let runtime = runtime()?;
    for round in 0.. {
        let envelopes = resources.iter().map(|resource| {
            let mut resource = resource.clone();
            resource.description = format!("round {round} of process {}", std::process::id());
            // Nothing of an earlier process may be taken for a repetition.
            let mut envelope = put(Document::Resource(resource), None);
            envelope.message_id = None;
            envelope
        });
        runtime.block_on(rewrite(&engine, envelopes.collect()))?;
    }
    Ok(())
}

async fn rewrite(engine: &Engine, envelopes: Vec<Envelope>) -> Result<(), Failure> {
    let mut waiting = VecDeque::new();
    for envelope in envelopes {
        waiting.push_back(engine.submit(envelope).await?);
        if waiting.len() >= 100
            && let Some(receipt) = waiting.pop_front()
        {
            receipt.await?;
        }
    }
    Ok(())
}
