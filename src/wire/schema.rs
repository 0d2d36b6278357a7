//! The schemas of all messages, generated from the shapes: JSON Schema 2020-12, one file for each.
//!
//! Requests are closed: a field that is not known is refused. What the register says is open: readers must pass over
//! fields that they do not know, so that there can be more of them later.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::domain::ProblemKind;

use super::read::COUNT_MAX;
use super::shape::{
    AnswerBody, BatchArgs, BookmarkBody, CommandBody, CyclesArgs, CyclesBody, DanglingArgs, DanglingBody,
    EnvironmentDocument, EnvironmentPatchDocument, EventBody, HitsBody, LinkArgs, LinksBody, PatchArgs,
    PathArgs, PathsBody, PingArgs, PongBody, ProblemBody, QuestionBody, QuestionProblemBody, ReachArgs,
    RemoveArgs, ReplyBody, ResourceDocument, ResourcePatchDocument, RestoreArgs, SearchArgs, StateBody,
    SubgraphBody, SyncArgs, SyncBeginBody, SyncEndBody, TransactionEventBody,
};

/// Every schema with its file name, such as `resource.put.json`: JSON Schema 2020-12.
pub fn schemas() -> Vec<(&'static str, Value)> {
    let mut all = documents();
    all.extend(commands());
    all.extend(questions());
    all.extend(answers());
    all.extend(sync());
    all.extend(events());
    all
}

fn documents() -> Vec<(&'static str, Value)> {
    vec![
        request::<EnvironmentDocument>(
            "environment.json",
            "An environment, as commands put it and events carry it.",
        ),
        request::<ResourceDocument>(
            "resource.json",
            "A resource, as commands put it and events carry it.",
        ),
    ]
}

fn commands() -> Vec<(&'static str, Value)> {
    type Environment = EnvironmentDocument;
    type EnvironmentPatch = PatchArgs<EnvironmentPatchDocument>;
    type ResourcePatch = PatchArgs<ResourcePatchDocument>;
    let mut all = vec![
        request::<CommandBody<Environment>>("environment.put.json", "Create or replace an environment."),
        request::<CommandBody<EnvironmentPatch>>("environment.patch.json", "Change an environment."),
        request::<CommandBody<RemoveArgs>>(
            "environment.remove.json",
            "Remove an environment, leaving a tombstone.",
        ),
        request::<CommandBody<RestoreArgs>>(
            "environment.restore.json",
            "Undo the removal of an environment.",
        ),
        request::<CommandBody<LinkArgs>>("environment.link.json", "Put resources into an environment."),
        request::<CommandBody<LinkArgs>>("environment.unlink.json", "Take resources out of an environment."),
        request::<CommandBody<ResourceDocument>>("resource.put.json", "Create or replace a resource."),
        request::<CommandBody<ResourcePatch>>("resource.patch.json", "Change a resource."),
        request::<CommandBody<RemoveArgs>>("resource.remove.json", "Remove a resource, leaving a tombstone."),
        request::<CommandBody<RestoreArgs>>("resource.restore.json", "Undo the removal of a resource."),
    ];
    let (name, mut batch) =
        request::<CommandBody<BatchArgs>>("batch.json", "Execute commands in order, all or none.");
    // Each command of a batch has its own.
    if let Some(properties) = batch.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.shift_remove("expect");
    }
    all.push((name, batch));
    all.push(message::<ReplyBody>("reply.json", "The reply to a command."));
    all.push(problem("problem.json"));
    all
}

fn questions() -> Vec<(&'static str, Value)> {
    let reach = request::<QuestionBody<ReachArgs>>;
    let (cycles, dangling) = ("graph.cycles.json", "graph.dangling.json");
    vec![
        request::<QuestionBody<SearchArgs>>("search.json", "Which entities match a text."),
        reach(
            "graph.dependencies.json",
            "What a resource needs, directly and indirectly.",
        ),
        reach(
            "graph.dependents.json",
            "What needs a resource, directly and indirectly.",
        ),
        request::<QuestionBody<PathArgs>>("graph.path.json", "How one resource comes to need another."),
        args_optional(request::<QuestionBody<CyclesArgs>>(
            cycles,
            "Which resources need themselves through others.",
        )),
        args_optional(request::<QuestionBody<DanglingArgs>>(
            dangling,
            "Which needed resources are not registered.",
        )),
        args_optional(request::<QuestionBody<SyncArgs>>(
            "sync.json",
            "A copy of the register, or what is missing to one, sent to the queue of `reply_to`.",
        )),
        args_optional(request::<QuestionBody<PingArgs>>("ping.json", "Who is there.")),
    ]
}

fn answers() -> Vec<(&'static str, Value)> {
    let graph = message::<AnswerBody<SubgraphBody>>;
    vec![
        message::<AnswerBody<HitsBody>>("search.answer.json", "The entities that match, best first."),
        graph(
            "graph.dependencies.answer.json",
            "What the resource needs, nearest first.",
        ),
        graph(
            "graph.dependents.answer.json",
            "What needs the resource, nearest first.",
        ),
        message::<AnswerBody<PathsBody>>("graph.path.answer.json", "The paths, shortest first."),
        message::<AnswerBody<CyclesBody>>("graph.cycles.answer.json", "The cycles, largest first."),
        message::<AnswerBody<DanglingBody>>("graph.dangling.answer.json", "The missing resources, by id."),
        message::<AnswerBody<PongBody>>("ping.answer.json", "Who is there."),
        message::<QuestionProblemBody>("question.problem.json", "Why a question has no answer."),
    ]
}

fn events() -> Vec<(&'static str, Value)> {
    let environment = event::<EventBody<EnvironmentDocument>>;
    let resource = event::<EventBody<ResourceDocument>>;
    let links = event::<EventBody<LinksBody>>;
    vec![
        environment("environment.created.json", "An environment is there now."),
        updated(environment(
            "environment.updated.json",
            "An environment is different now.",
        )),
        environment(
            "environment.removed.json",
            "An environment is gone; `data` is its last state.",
        ),
        environment(
            "environment.restored.json",
            "An environment is there again, as it was.",
        ),
        links("environment.linked.json", "Resources are in an environment now."),
        links(
            "environment.unlinked.json",
            "Resources are not in an environment any more.",
        ),
        resource("resource.created.json", "A resource is there now."),
        updated(resource("resource.updated.json", "A resource is different now.")),
        resource(
            "resource.removed.json",
            "A resource is gone; `data` is its last state.",
        ),
        resource("resource.restored.json", "A resource is there again, as it was."),
        event::<TransactionEventBody>("transaction.committed.json", "All events of one command are out."),
        event::<BookmarkBody>(
            "bookmark.json",
            "Where the register is, and the proof of a whole copy.",
        ),
    ]
}

fn sync() -> Vec<(&'static str, Value)> {
    vec![
        message::<SyncBeginBody>("sync.begin.json", "A sync begins."),
        event::<StateBody<EnvironmentDocument>>("environment.state.json", "The state of an environment."),
        event::<StateBody<LinksBody>>(
            "environment.members.state.json",
            "Some of the resources in an environment.",
        ),
        event::<StateBody<ResourceDocument>>("resource.state.json", "The state of a resource."),
        message::<SyncEndBody>("sync.end.json", "A sync is complete."),
    ]
}

/// The file names of the messages of a sync.
pub(super) fn sync_names() -> Vec<&'static str> {
    sync().into_iter().map(|(name, _)| name).collect()
}

/// What a client sends: closed.
fn request<T: JsonSchema>(name: &'static str, what: &str) -> (&'static str, Value) {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    bound(&mut schema);
    (name, titled(name, what, schema))
}

/// What the register says: open.
fn message<T: JsonSchema>(name: &'static str, what: &str) -> (&'static str, Value) {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    open(&mut schema);
    (name, titled(name, what, schema))
}

/// What the register says has happened: its type is in it.
fn event<T: JsonSchema>(name: &'static str, what: &str) -> (&'static str, Value) {
    let (name, mut schema) = message::<T>(name, what);
    if let Some(kind) = schema
        .pointer_mut("/properties/type")
        .and_then(Value::as_object_mut)
    {
        kind.insert("const".to_owned(), json!(stem(name)));
    }
    (name, schema)
}

/// An update always says what was before.
fn updated((name, mut schema): (&'static str, Value)) -> (&'static str, Value) {
    if let Some(required) = schema.pointer_mut("/required").and_then(Value::as_array_mut) {
        required.push(json!("before"));
    }
    (name, schema)
}

fn args_optional((name, mut schema): (&'static str, Value)) -> (&'static str, Value) {
    if let Some(object) = schema.as_object_mut() {
        object.shift_remove("required");
    }
    (name, schema)
}

fn problem(name: &'static str) -> (&'static str, Value) {
    let (name, mut schema) =
        message::<ProblemBody>(name, "Why the register says no, in the shape of RFC 9457.");
    if let Some(kind) = schema
        .pointer_mut("/properties/type")
        .and_then(Value::as_object_mut)
    {
        let urns = ProblemKind::ALL.map(|kind| format!("{}{}", ProblemBody::URN, kind.slug()));
        kind.insert("examples".to_owned(), json!(urns));
    }
    (name, schema)
}

/// Puts a name of ours in place of that of the type.
fn titled(name: &str, what: &str, schema: Value) -> Value {
    let mut titled = Map::new();
    let Value::Object(fields) = schema else {
        return schema;
    };
    titled.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    titled.insert(
        "$id".to_owned(),
        json!(format!("urn:domesday:schema:{}", stem(name))),
    );
    titled.insert("title".to_owned(), json!(stem(name)));
    titled.insert("description".to_owned(), json!(what));
    for (key, value) in fields {
        titled.entry(key).or_insert(value);
    }
    Value::Object(titled)
}

/// The file names of the events.
pub(super) fn event_names() -> Vec<&'static str> {
    events().into_iter().map(|(name, _)| name).collect()
}

/// The message that a file is about.
pub(super) fn stem(name: &str) -> &str {
    name.strip_suffix(".json").unwrap_or(name)
}

/// Gives every whole number its largest value.
fn bound(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let max = match fields.get("format").and_then(Value::as_str) {
                Some("uint64") => Some(COUNT_MAX),
                Some("uint32") => Some(u64::from(u32::MAX)),
                _ => None,
            };
            if let Some(max) = max {
                fields.insert("maximum".to_owned(), json!(max));
            }
            fields.values_mut().for_each(bound);
        }
        Value::Array(items) => items.iter_mut().for_each(bound),
        _ => {}
    }
}

/// Lets every object have more fields than are named.
fn open(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
                fields.shift_remove("additionalProperties");
            }
            fields.values_mut().for_each(open);
        }
        Value::Array(items) => items.iter_mut().for_each(open),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::schemas;
    use crate::wire::asyncapi;

    #[test]
    fn the_schemas_on_disk_are_those_of_the_code() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let update = std::env::var_os("DOMESDAY_UPDATE_SCHEMAS").is_some();
        let hint =
            "run the tests with DOMESDAY_UPDATE_SCHEMAS=1 to write it anew, and look at the difference";
        let mut names = BTreeSet::new();
        let all = schemas().into_iter().chain([("asyncapi.json", asyncapi())]);
        for (name, schema) in all {
            let path = directory.join(name);
            let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            if update {
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                on_disk == text,
                "schemas/{name} is not what the code says: {hint}"
            );
            assert!(names.insert(name.to_owned()), "two schemas are called {name}");
        }
        for entry in std::fs::read_dir(&directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let known = names.contains(&name) || Path::new(&name).extension() != Some("json".as_ref());
            assert!(known, "schemas/{name} belongs to no message any more: delete it");
        }
    }

    #[test]
    fn every_schema_is_one() {
        for (name, schema) in schemas() {
            assert!(jsonschema::meta::is_valid(&schema), "{name}");
            jsonschema::draft202012::new(&schema).unwrap();
        }
    }
}
