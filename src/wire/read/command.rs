//! Commands: from a delivery to an envelope.

use sha2::{Digest, Sha256};

use crate::domain::{
    Command, EntityKey, EntityType, Envelope, Expect, Id, ImpactHash, Problem, ProblemKind, RemoveMode, Step,
};

use super::document::{member, read_document};
use super::incoming::{Bounds, Incoming};
use super::patch::read_patch;
use super::question::QUESTION_TYPES;
use super::spot::{Fields, Notes, Spot, suggestion};
use super::text::quote;

/// Every type of command.
pub const COMMAND_TYPES: [&str; 11] = [
    "environment.put",
    "environment.patch",
    "environment.remove",
    "environment.restore",
    "environment.link",
    "environment.unlink",
    "resource.put",
    "resource.patch",
    "resource.remove",
    "resource.restore",
    "batch",
];

pub(super) const COMMAND_FIELDS: [&str; 3] = ["args", "expect", "dry_run"];
pub(super) const STEP_FIELDS: [&str; 3] = ["type", "args", "expect"];
pub(super) const PATCH_FIELDS: [&str; 2] = ["id", "patch"];
pub(super) const REMOVE_FIELDS: [&str; 2] = ["id", "mode"];
pub(super) const RESOURCE_REMOVE_FIELDS: [&str; 3] = ["id", "mode", "expect_impact"];
pub(super) const RESTORE_FIELDS: [&str; 1] = ["id"];
pub(super) const LINK_FIELDS: [&str; 2] = ["environment", "resources"];
pub(super) const BATCH_FIELDS: [&str; 1] = ["commands"];
const EXPECT_FIELDS: [&str; 1] = ["revision"];

/// What a command does, before it is known with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Put(EntityType),
    Patch(EntityType),
    Remove(EntityType),
    Restore(EntityType),
    Link,
    Unlink,
    Batch,
}

impl Verb {
    fn parse(text: &str) -> Option<Self> {
        if text == "batch" {
            return Some(Self::Batch);
        }
        let (entity, verb) = text.split_once('.')?;
        let entity = EntityType::parse(entity)?;
        match (verb, entity) {
            ("put", _) => Some(Self::Put(entity)),
            ("patch", _) => Some(Self::Patch(entity)),
            ("remove", _) => Some(Self::Remove(entity)),
            ("restore", _) => Some(Self::Restore(entity)),
            ("link", EntityType::Environment) => Some(Self::Link),
            ("unlink", EntityType::Environment) => Some(Self::Unlink),
            _ => None,
        }
    }
}

/// Reads a delivery as a command.
///
/// A deadline that has passed is not looked at: whether a command is too late is decided when its turn comes.
///
/// # Errors
/// A [`Problem`] that lists every mistake of the message.
pub fn parse_command(incoming: &Incoming<'_>, bounds: &Bounds) -> Result<Envelope, Box<Problem>> {
    let kind = incoming.message_type().ok_or_else(|| untyped(&COMMAND_TYPES))?;
    let verb = Verb::parse(kind).ok_or_else(|| unknown(kind))?;
    let deadline = incoming.deadline()?;
    let message_id = incoming.message_key()?.map(str::to_owned);
    let body = incoming.json(bounds)?;
    let notes = Notes::default();
    let spot = Spot::start(&body, "", "the body", &notes);
    if !body.is_object() {
        let problem = Problem::new(ProblemKind::Malformed, "the body must be a JSON object");
        return Err(problem.hint("such as {\"args\": {\"id\": \"db-1\"}}").into());
    }
    if verb == Verb::Batch {
        refuse_long_batch(&body, bounds)?;
    }
    let read = read_body(verb, &spot);
    let (step, dry_run) = notes.conclude(read)?;
    Ok(Envelope {
        message_id,
        fingerprint: fingerprint(kind, incoming.body),
        actor: incoming.user_id.unwrap_or_default().to_owned(),
        deadline,
        trace: incoming.trace(),
        dry_run,
        step,
    })
}

/// A message without a type.
pub(super) fn untyped(known: &[&str]) -> Problem {
    Problem::new(ProblemKind::UnknownType, "the message has no type")
        .hint("set the property `type`")
        .fact("types", known)
}

fn unknown(kind: &str) -> Problem {
    let hint = if QUESTION_TYPES.contains(&kind) {
        "this is a question: send it to the exchange for questions".to_owned()
    } else {
        suggestion(kind, &COMMAND_TYPES)
    };
    Problem::new(
        ProblemKind::UnknownType,
        format!("no command has the type {}", quote(kind)),
    )
    .hint(hint)
    .fact("types", COMMAND_TYPES.as_slice())
}

/// Type and body, so that the same message id with another of either is found out.
fn fingerprint(kind: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

/// Before its commands are read: a batch that is too long is not worth the reading.
fn refuse_long_batch(body: &serde_json::Value, bounds: &Bounds) -> Result<(), Box<Problem>> {
    let commands = body
        .pointer("/args/commands")
        .and_then(|commands| commands.as_array());
    let (count, max) = (commands.map_or(0, Vec::len), bounds.batch_commands_max);
    if count <= max {
        return Ok(());
    }
    let problem = Problem::new(
        ProblemKind::LimitExceeded,
        format!("the batch has {count} commands, the limit is {max}"),
    );
    Err(problem
        .at("/args/commands")
        .hint("send several batches")
        .fact("limit", max)
        .into())
}

fn read_body(verb: Verb, spot: &Spot<'_>) -> Option<(Step, bool)> {
    let hint =
        |key: &str| (key == "type").then_some("the type is a property of the message, not part of its body");
    let fields = spot.fields_with(&COMMAND_FIELDS, hint)?;
    let expect = fields
        .optional("expect")
        .and_then(|field| expect(&field))
        .unwrap_or_default();
    if verb == Verb::Batch && expect != Expect::Anything {
        let hint = "say it of each command of the batch";
        fields
            .optional("expect")
            .inspect(|field| field.note("a batch has no `expect` of its own", hint));
    }
    let dry_run = fields
        .optional("dry_run")
        .and_then(|field| field.flag())
        .unwrap_or_default();
    let args = fields.required("args", "put what the command is about into `args`")?;
    Some((
        Step {
            command: command(verb, &args)?,
            expect,
        },
        dry_run,
    ))
}

fn command(verb: Verb, args: &Spot<'_>) -> Option<Command> {
    match verb {
        Verb::Put(entity) => {
            let (document, members) = read_document(entity, args)?;
            Some(Command::Put {
                document: Box::new(document),
                members,
            })
        }
        Verb::Patch(entity) => {
            let fields = args.fields(&PATCH_FIELDS)?;
            let key = key(entity, &fields);
            let hint = "write what changes: fields to set, null to clear";
            let patch = fields
                .required("patch", hint)
                .and_then(|field| read_patch(entity, &field));
            let (patch, members) = patch?;
            Some(Command::Patch {
                key: key?,
                patch: Box::new(patch),
                members,
            })
        }
        Verb::Remove(entity) => {
            let fields = match entity {
                EntityType::Environment => args.fields(&REMOVE_FIELDS)?,
                EntityType::Resource => args.fields(&RESOURCE_REMOVE_FIELDS)?,
            };
            let key = key(entity, &fields);
            let mode = fields
                .optional("mode")
                .and_then(|field| remove_mode(&field))
                .unwrap_or_default();
            let expect_impact = fields
                .optional("expect_impact")
                .and_then(|field| impact_hash(&field));
            Some(Command::Remove {
                key: key?,
                mode,
                expect_impact,
            })
        }
        Verb::Restore(entity) => {
            let fields = args.fields(&RESTORE_FIELDS)?;
            Some(Command::Restore {
                key: key(entity, &fields)?,
            })
        }
        Verb::Link => {
            let (environment, resources) = links(args)?;
            Some(Command::Link {
                environment,
                resources,
            })
        }
        Verb::Unlink => {
            let (environment, resources) = links(args)?;
            Some(Command::Unlink {
                environment,
                resources,
            })
        }
        Verb::Batch => {
            let fields = args.fields(&BATCH_FIELDS)?;
            let commands = fields.required("commands", "list the commands")?;
            Some(Command::Batch {
                steps: commands.list(step)?,
            })
        }
    }
}

fn key(entity: EntityType, fields: &Fields<'_>) -> Option<EntityKey> {
    let id = fields.required("id", "say which")?.id()?;
    Some(EntityKey { entity, id })
}

fn links(args: &Spot<'_>) -> Option<(Id, Vec<Id>)> {
    let fields = args.fields(&LINK_FIELDS)?;
    let environment = fields
        .required("environment", "say which")
        .and_then(|field| field.id());
    let resources = fields
        .required("resources", "list the ids of the resources")
        .and_then(|field| field.list(member));
    Some((environment?, resources?))
}

/// One command of a batch.
fn step(spot: &Spot<'_>) -> Option<Step> {
    let hint = |key: &str| (key == "dry_run").then_some("say it once, beside the `args` of the batch");
    let fields = spot.fields_with(&STEP_FIELDS, hint)?;
    let expect = fields
        .optional("expect")
        .and_then(|field| expect(&field))
        .unwrap_or_default();
    let verb = fields
        .required("type", "say what to do, such as \"resource.put\"")
        .and_then(|field| {
            let kind = field.text()?;
            let verb = Verb::parse(kind);
            match verb {
                None => field.note(
                    format!("no command has the type {}", quote(kind)),
                    &suggestion(kind, &COMMAND_TYPES),
                ),
                Some(Verb::Batch) => {
                    field.note(
                        "a batch cannot hold a batch",
                        "list its commands here, one by one",
                    );
                    return None;
                }
                Some(_) => {}
            }
            verb
        });
    let args = fields.required("args", "put what the command is about into `args`");
    let command = command(verb?, &args?)?;
    Some(Step { command, expect })
}

fn impact_hash(spot: &Spot<'_>) -> Option<ImpactHash> {
    let hash = ImpactHash::parse(spot.text()?);
    if hash.is_none() {
        spot.note(
            "the hash of an impact has 32 hex digits, in small letters",
            "take the `hash` of the answer to `graph.impact`",
        );
    }
    hash
}

fn remove_mode(spot: &Spot<'_>) -> Option<RemoveMode> {
    spot.word(&["restrict", "detach"], |text| match text {
        "restrict" => Some(RemoveMode::Restrict),
        "detach" => Some(RemoveMode::Detach),
        _ => None,
    })
}

fn expect(spot: &Spot<'_>) -> Option<Expect> {
    if spot.value.is_object() {
        let fields = spot.fields(&EXPECT_FIELDS)?;
        let revision = fields.required("revision", "such as {\"revision\": 4}")?;
        return revision.count().map(Expect::Revision);
    }
    let hint = "write \"absent\", \"exists\" or {\"revision\": N}";
    match spot.value.as_str() {
        Some("absent") => Some(Expect::Absent),
        Some("exists") => Some(Expect::Exists),
        Some(text) => {
            spot.note(format!("{} is not something to expect", quote(text)), hint);
            None
        }
        None => {
            spot.wrong_type("\"absent\", \"exists\" or a revision", hint);
            None
        }
    }
}
