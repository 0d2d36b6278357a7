//! Copies of the register: how far a secondary is behind, how long the first copy takes, and how long nobody serves when
//! another takes over.
//!
//! `cargo bench --bench sites -- [copy] [lag] [takeover] [promote] [switch]`. The broker and the documents are those of
//! the bench `amqp`; the servers are the real binary, the two sites two namespaces of one broker.

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
use bench::{Failure, Samples, Table, is_asked, is_rehearsal, memory_mb, short};
use peer::client::{Client, Request};
use sut::{Broker, Server};

/// Commands a second while it is measured how far the secondary is behind.
const BACKGROUND_PER_SECOND: u32 = 1_000;
/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(5);

fn main() -> ExitCode {
    sut::main(all)
}

async fn all(manifest: &Manifest, broker: &Broker) -> Result<(), Failure> {
    let mut primary = Server::start(broker)?;
    until_command(broker, &primary, "before").await?;
    primary.apply(&manifest.file).await?;
    let mut table = Table::new(&["what", "ms"]);
    let mut tell = |what: &str, took: Duration| {
        table.row([what.to_owned(), short(took.as_secs_f64() * 1_000.0)]);
    };
    let began = Instant::now();
    let secondary = Server::start_secondary(broker)?;
    let client = until_stage(broker, &secondary, "following").await?;
    if is_asked("copy") {
        tell("a new secondary has its copy, and follows", began.elapsed());
        let (primary, secondary) = (
            memory_mb(&primary.process())?.0,
            memory_mb(&secondary.process())?.0,
        );
        println!(
            "resident after it: {} MB the primary, {} MB the secondary",
            short(primary),
            short(secondary)
        );
    }
    if is_asked("lag") {
        lag(broker, &client, &primary, &secondary).await?;
    }
    if is_asked("takeover") {
        let other = Server::start(broker)?;
        until_stage(broker, &primary, "standing-by").await?;
        primary.kill();
        let began = Instant::now();
        until_command(broker, &other, "taken-over").await?;
        tell(
            "kill -9 of the one that serves: to the next command answered",
            began.elapsed(),
        );
        primary = other;
    }
    if is_asked("promote") {
        primary.kill();
        tell(
            "a promotion: from the order to the first command answered",
            change(broker, &secondary, "promote").await?,
        );
    }
    drop((primary, secondary));
    if is_asked("switch") {
        let broker = &broker.beside();
        let primary = Server::start(broker)?;
        until_command(broker, &primary, "before").await?;
        primary.apply(&manifest.file).await?;
        let secondary = Server::start_secondary(broker)?;
        let took = change(broker, &secondary, "switch-over").await?;
        tell("a switch: from the order to the first command answered", took);
    }
    table.print();
    Ok(())
}

/// From a reply of the primary to the answer of the secondary that holds the change: a question there and back is part of
/// it.
async fn lag(broker: &Broker, client: &Client, primary: &Server, secondary: &Server) -> Result<(), Failure> {
    let (rounds, background) = if is_rehearsal() { (3, 100) } else { (400, 90_000) };
    let others = Client::connect(&broker.url).await?;
    let requests: Vec<Request> = (0..background)
        .map(|number| put(primary, &format!("background-{number}")))
        .collect();
    let writing = tokio::spawn(async move { others.paced(requests, BACKGROUND_PER_SECOND).await });
    tokio::time::sleep(Duration::from_millis(if is_rehearsal() { 0 } else { 2_000 })).await;
    let (mut behind, mut questions) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        let reply = client
            .ask(put(primary, &format!("lag-{round}")), PATIENCE)
            .await?;
        let began = Instant::now();
        let position = json!({"epoch": reply.get("epoch"), "sequence": reply.get("sequence")});
        let body = json!({"at_least": position});
        client
            .ask(secondary.question_with("ping", &body), PATIENCE)
            .await?;
        behind.add_ms(began.elapsed());
        let began = Instant::now();
        client
            .ask(secondary.question("ping", &json!({})), PATIENCE)
            .await?;
        questions.add_ms(began.elapsed());
    }
    let held = if writing.is_finished() {
        "NOT HELD to the end"
    } else {
        "held"
    };
    writing.abort();
    let mut table = Table::new(&["from a reply of the primary", "p50 ms", "p99 ms", "worst ms"]);
    for (name, samples) in [
        ("until the secondary answers as of that change", &behind),
        ("a question to the secondary, alone", &questions),
    ] {
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

/// Lets the secondary serve; from the order to the first command that it answers.
async fn change(broker: &Broker, secondary: &Server, order: &str) -> Result<Duration, Failure> {
    let client = until_stage(broker, secondary, "following").await?;
    let status = client.ask(status_of(secondary), PATIENCE).await?;
    let text = |name: &str| {
        status
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut body = json!({"cluster": text("cluster"), "epoch": status.get("epoch")});
    if order == "promote"
        && let Some(fields) = body.as_object_mut()
    {
        fields.insert("force".to_owned(), json!(true));
        fields.insert("reason".to_owned(), json!("a bench"));
    }
    let began = Instant::now();
    let key = format!("instance.{}", text("copy"));
    let done = client
        .ask(secondary.control(&key, order, &body), PATIENCE)
        .await?;
    if done.get("problem").is_some() {
        return Err(done.to_string().into());
    }
    until_command(broker, secondary, order).await?;
    Ok(began.elapsed())
}

/// Sends a command until it is answered.
async fn until_command(broker: &Broker, server: &Server, id: &str) -> Result<(), Failure> {
    broker
        .until(|| put(server, id), |reply| reply.get("outcome").is_some())
        .await
        .map(drop)
}

/// Asks an instance of the namespace how it is, until one is that.
async fn until_stage(broker: &Broker, server: &Server, stage: &str) -> Result<Client, Failure> {
    let is = |status: &Value| {
        let proved = status.get("proved").is_some() || stage != "following";
        proved && status.get("stage").and_then(Value::as_str) == Some(stage)
    };
    broker.until(|| status_of(server), is).await
}

fn status_of(server: &Server) -> Request {
    server.control("instances", "status.get", &json!({}))
}

fn put(server: &Server, id: &str) -> Request {
    let body = json!({"args": {"id": id, "kind": "vm", "dependencies": [{"resource": "libc6"}]}});
    server.command("resource.put", body.to_string().into_bytes())
}
