//! The whole way over a real broker: commands against a pass-through, questions against an echo, a bulk load, and how
//! soon what was written is found. Each pair is measured in the same run, in turns.
//!
//! `cargo bench --bench amqp -- [bulk] [commands] [questions] [visible]`. It starts a private broker by
//! `script/broker`, or uses that of `DOMESDAY_TEST_BROKER_URL`, under a namespace of its own; and the server is the
//! real binary.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench prints, and its numbers are small"
)]

mod bench;
mod peer;
mod sut;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use bench::manifest::Manifest;
use bench::{Failure, Samples, Table, is_asked, is_rehearsal, memory_mb, processor_s, short};
use peer::client::{Client, Request, Round};
use sut::{Broker, Server};

/// Commands a second while it is measured how soon a write is found.
const BACKGROUND_PER_SECOND: u32 = 1_000;
/// What a question of the bench asks for at most.
const LIMIT: usize = 20;
/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long a bulk load may take until all of it is found.
const INDEX_PATIENCE: Duration = Duration::from_mins(20);

fn main() -> ExitCode {
    sut::main(all)
}

async fn all(manifest: &Manifest, broker: &Broker) -> Result<(), Failure> {
    let server = Server::start(broker)?;
    let ping = || server.question("ping", &json!({}));
    let client = broker.until(ping, |_| true).await?;
    bulk(manifest, &client, &server).await?;
    if is_asked("commands") {
        commands(manifest, broker, &client, &server).await?;
    }
    if is_asked("questions") {
        questions(manifest, broker, &client, &server).await?;
    }
    if is_asked("visible") {
        visible(manifest, broker, &client, &server).await?;
    }
    Ok(())
}

/// The whole manifest by `domesday apply`: always done, since the other parts ask about what it brings.
async fn bulk(manifest: &Manifest, client: &Client, server: &Server) -> Result<(), Failure> {
    let began = Instant::now();
    let before = processor_s(&server.process());
    let said = server.apply(&manifest.file).await?;
    let applied = began.elapsed();
    let position = loop {
        let pong = client.ask(server.question("ping", &json!({})), PATIENCE).await?;
        if pong.get("lag").and_then(Value::as_u64) == Some(0) {
            break as_of(&pong);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let published = began.elapsed();
    let last = manifest.resources().last().ok_or("an empty manifest")?;
    let mut body = json!({"args": {"query": format!("\"{}\"", last.id)}, "limit": LIMIT});
    insert(&mut body, "at_least", position);
    let found = loop {
        let ask = server.question_with("search", &body);
        let found = client.ask(ask, PATIENCE).await?;
        // A question waits some seconds for the index, no longer.
        if found.get("problem").is_none() || began.elapsed() > INDEX_PATIENCE {
            break found;
        }
    };
    let indexed = began.elapsed();
    if !found.to_string().contains(last.id.as_str()) {
        return Err(format!("the last resource is not found: {found}").into());
    }
    let (resident, anonymous) = memory_mb(&server.process())?;
    if !is_asked("bulk") {
        return Ok(());
    }
    let mut table = Table::new(&["bulk: apply of the whole manifest", "s"]);
    for (name, at) in [
        ("every command answered", applied),
        ("and every event confirmed by the broker", published),
        ("and the last resource found by search", indexed),
    ] {
        table.row([name.to_owned(), short(at.as_secs_f64())]);
    }
    table.print();
    println!("{said}");
    println!(
        "the server had {} s of a processor for it",
        short(processor_s(&server.process()) - before)
    );
    println!(
        "memory of the server after it: {} MB resident, {} MB of it not files\n",
        short(resident),
        short(anonymous)
    );
    Ok(())
}

/// Commands, one document each, against a pass-through.
async fn commands(
    manifest: &Manifest,
    broker: &Broker,
    client: &Client,
    server: &Server,
) -> Result<(), Failure> {
    let pass_through = sut::Peer::start("pass-through", broker)?;
    pass_through.ready(client).await?;
    let mut table = Table::new(&[
        "commands, by number in flight",
        "per s",
        "p50 ms",
        "p99 ms",
        "ratio",
        "peer µs each",
        "broker µs each",
    ]);
    let rounds = if is_rehearsal() { 1 } else { 5 };
    let mut number = 0;
    for (in_flight, count) in [(1, 500), (64, 10_000), (256, 20_000)] {
        let count = if is_rehearsal() { 20 } else { count };
        let (mut bare, mut ours) = (Round::default(), Round::default());
        let (mut bare_work, mut our_work) = (Work::default(), Work::default());
        let mut ratios = Samples::default();
        for _ in 0..rounds {
            let requests = puts(manifest, count, &mut number, |body| pass_through.request(body));
            bare_work.begin(&pass_through.process(), &broker.process());
            let limit = client.run(requests, in_flight).await?;
            bare_work.end(&pass_through.process(), &broker.process(), count);
            let requests = puts(manifest, count, &mut number, |body| {
                server.command("resource.put", body)
            });
            our_work.begin(&server.process(), &broker.process());
            let round = client.run(requests, in_flight).await?;
            our_work.end(&server.process(), &broker.process(), count);
            ratios.add(round.per_second.median() / limit.per_second.median());
            bare.append(&limit);
            ours.append(&round);
        }
        for (name, round, ratio, work) in [
            ("pass-through", &bare, 1.0, &bare_work),
            ("domesday", &ours, ratios.median(), &our_work),
        ] {
            table.row([
                format!("{in_flight:>3}  {name}"),
                short(round.per_second.median()),
                short(round.latency_ms.median()),
                short(round.latency_ms.p99()),
                short(ratio),
                short(work.peer_us.median()),
                short(work.broker_us.median()),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// What the peer and the broker had of processors for each request, in microseconds.
#[derive(Default)]
struct Work {
    before: (f64, f64),
    peer_us: Samples,
    broker_us: Samples,
}

impl Work {
    fn begin(&mut self, peer: &str, broker: &str) {
        self.before = (processor_s(peer), processor_s(broker));
    }

    fn end(&mut self, peer: &str, broker: &str, requests: usize) {
        let each = |now: f64, before: f64| (now - before) * 1_000_000.0 / requests as f64;
        self.peer_us.add(each(processor_s(peer), self.before.0));
        self.broker_us.add(each(processor_s(broker), self.before.1));
    }
}

/// Requests that each put a resource that is not there yet.
fn puts(
    manifest: &Manifest,
    count: usize,
    number: &mut u64,
    request: impl Fn(Vec<u8>) -> Request,
) -> Vec<Request> {
    let documents = manifest.resources().cycle().take(count);
    documents
        .map(|resource| {
            *number += 1;
            request(put_body(
                resource,
                &format!("{}.n{number}", resource.id),
                &resource.name,
            ))
        })
        .collect()
}

fn put_body(resource: &domesday::domain::Resource, id: &str, name: &str) -> Vec<u8> {
    let document = domesday::domain::Document::Resource(resource.clone());
    let mut document = domesday::wire::document_to_json(&document);
    insert(&mut document, "id", json!(id));
    insert(&mut document, "name", json!(name));
    json!({ "args": document }).to_string().into_bytes()
}

/// Questions, one at a time, against an echo.
async fn questions(
    manifest: &Manifest,
    broker: &Broker,
    client: &Client,
    server: &Server,
) -> Result<(), Failure> {
    let echo = sut::Peer::start("echo", broker)?;
    echo.ready(client).await?;
    let rounds = if is_rehearsal() { 1 } else { 10 };
    let some: Vec<_> = manifest
        .resources()
        .step_by(manifest.documents.len() / 50 + 1)
        .collect();
    let searches: Vec<Value> = some
        .iter()
        .flat_map(|resource| {
            let mut words = resource.description.split_whitespace().filter(|word| {
                word.len() > 3 && word.chars().all(|character| character.is_ascii_alphanumeric())
            });
            let one = words.next().unwrap_or("library");
            let two = words.next().unwrap_or("server");
            [
                one.to_owned(),
                format!("{one} {two}"),
                format!("kind:debian-package {two}"),
            ]
        })
        .map(|query| json!({"args": {"query": query}, "limit": LIMIT}))
        .collect();
    let dependents = |id: &str| json!({"args": {"id": id}, "limit": LIMIT});
    let impact = |id: &str| json!({"args": {"ids": [id]}, "limit": LIMIT});
    let any = some.iter().map(|resource| resource.id.as_str());
    let kinds: [(&str, &str, Vec<Value>); 6] = [
        ("ping", "ping", vec![json!({"args": {}})]),
        ("search, 20 hits", "search", searches),
        (
            "graph.dependents of any",
            "graph.dependents",
            any.clone().map(dependents).collect(),
        ),
        (
            "graph.dependents of libc6",
            "graph.dependents",
            vec![dependents("libc6")],
        ),
        ("graph.impact of any", "graph.impact", any.map(impact).collect()),
        ("graph.impact of libc6", "graph.impact", vec![impact("libc6")]),
    ];
    let mut echoed = Round::default();
    let mut asked: [Round; 6] = Default::default();
    for _ in 0..rounds {
        for ((_, kind, bodies), round) in kinds.iter().zip(&mut asked) {
            let bodies: Vec<&Value> = bodies.iter().cycle().take(150).collect();
            let requests = bodies
                .iter()
                .map(|body| echo.request(body.to_string().into_bytes()));
            echoed.append(&client.run(requests.collect(), 1).await?);
            let requests = bodies.iter().map(|body| server.question_with(kind, body));
            round.append(&client.run(requests.collect(), 1).await?);
        }
    }
    let mut table = Table::new(&[
        "questions, one at a time",
        "p50 ms",
        "p99 ms",
        "over the echo, p50 ms",
    ]);
    let limit = echoed.latency_ms.median();
    let names = kinds.iter().map(|(name, _, _)| *name);
    for (name, round) in std::iter::once(("echo", &echoed)).chain(names.zip(&asked)) {
        table.row([
            name.to_owned(),
            short(round.latency_ms.median()),
            short(round.latency_ms.p99()),
            short(round.latency_ms.median() - limit),
        ]);
    }
    table.print();
    Ok(())
}

/// How long it takes from sending a put until a search finds it, while others write.
async fn visible(
    manifest: &Manifest,
    broker: &Broker,
    client: &Client,
    server: &Server,
) -> Result<(), Failure> {
    let rounds = if is_rehearsal() { 3 } else { 300 };
    let resource = manifest.resources().next().ok_or("an empty manifest")?;
    let others = Client::connect(&broker.url).await?;
    let mut number = 1_000_000_000;
    let background = puts(
        manifest,
        if is_rehearsal() { 100 } else { 120_000 },
        &mut number,
        |body| server.command("resource.put", body),
    );
    let writing = tokio::spawn(async move { others.paced(background, BACKGROUND_PER_SECOND).await });
    tokio::time::sleep(Duration::from_millis(if is_rehearsal() { 0 } else { 2_000 })).await;
    let (mut replied, mut found) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        let word = format!("wanted{round}");
        let body = put_body(resource, &format!("{}.v{round}", resource.id), &word);
        let began = Instant::now();
        let reply = client.ask(server.command("resource.put", body), PATIENCE).await?;
        replied.add_ms(began.elapsed());
        let mut body = json!({"args": {"query": word}, "limit": LIMIT});
        insert(
            &mut body,
            "at_least",
            json!({"epoch": reply.get("epoch"), "sequence": reply.get("sequence")}),
        );
        let answer = client
            .ask(server.question_with("search", &body), PATIENCE)
            .await?;
        found.add_ms(began.elapsed());
        if !answer.to_string().contains(&format!(".v{round}\"")) {
            return Err(format!("a put is not found: {answer}").into());
        }
    }
    let running = !writing.is_finished();
    writing.abort();
    let held = if running { "held" } else { "NOT HELD to the end" };
    let mut table = Table::new(&["from sending a put", "p50 ms", "p99 ms", "worst ms"]);
    for (name, samples) in [("until its reply", &replied), ("until a search finds it", &found)] {
        table.row([
            name.to_owned(),
            short(samples.median()),
            short(samples.p99()),
            short(samples.at(1.0)),
        ]);
    }
    println!("beside {BACKGROUND_PER_SECOND} commands/s, {held}:");
    table.print();
    Ok(())
}

fn insert(value: &mut Value, key: &str, what: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(key.to_owned(), what);
    }
}

/// The position of an answer, as a question asks for it.
fn as_of(answer: &Value) -> Value {
    let field = |name| answer.get("as_of").and_then(|as_of| as_of.get(name)).cloned();
    json!({"epoch": field("epoch"), "sequence": field("sequence")})
}
