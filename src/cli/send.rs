//! `send`: one message as it is, for what has no verb of its own.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::args::SendArgs;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::session::{Order, Session};

/// The largest body that is read.
const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The message that the command line describes.
///
/// # Errors
/// The body cannot be read, or is not JSON.
pub fn order(args: &SendArgs) -> Result<Order, Failure> {
    let body = match &args.body {
        None => br#"{"args":{}}"#.to_vec(),
        Some(path) => read(path)?,
    };
    let mut order = Order::new(args.kind.clone(), body).perishable();
    if let Some(id) = &args.message_id {
        order.message_id.clone_from(id);
    }
    Ok(order)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let (name, read) = if path.as_os_str() == "-" {
        let read = io::stdin().take(BODY_BYTES_MAX + 1).read_to_end(&mut body);
        ("standard input".to_owned(), read)
    } else {
        let read = fs::File::open(path).and_then(|file| file.take(BODY_BYTES_MAX + 1).read_to_end(&mut body));
        (path.display().to_string(), read)
    };
    read.map_err(|error| Failure::new(Exit::Data, format!("{name} cannot be read: {error}")))?;
    if u64::try_from(body.len()).is_ok_and(|length| length > BODY_BYTES_MAX) {
        let what = format!("{name} has more than {} MiB", BODY_BYTES_MAX / 1024 / 1024);
        return Err(Failure::new(Exit::Data, what));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&body)
        .map_err(|error| Failure::new(Exit::Data, format!("{name} is not JSON: {error}")))?;
    Ok(body)
}

/// Sends it and prints the reply.
///
/// # Errors
/// No reply came.
pub async fn run(
    args: &SendArgs,
    order: &Order,
    session: &Session,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let reply = session.raw(order, args.question).await?;
    session.close().await;
    let text = serde_json::to_string_pretty(&reply).unwrap_or_else(|_| reply.to_string());
    output.print(&text)?;
    let said_no = reply
        .get("problem")
        .is_some_and(|problem| *problem != Value::Null);
    Ok(if said_no { Exit::Refused } else { Exit::Ok })
}
