//! Every message with its name, what it is for, and its schema: what `schemas/` holds, in groups.

use serde_json::Value;

use super::schema::{args_optional, batch, event, message, problem, request, titled, updated};
use super::shape::{
    AnswerBody, BookmarkBody, ChangesGetBody, CommandBody, CyclesArgs, CyclesBody, DanglingArgs,
    DanglingBody, DivergedBody, DrillBody, DrillEventBody, DrilledBody, EnvironmentDocument,
    EnvironmentPatchDocument, EpochStartedBody, EventBody, HandOverBody, HandedOverBody, HeartbeatBody,
    HitsBody, LinkArgs, LinksBody, OfferBody, PatchArgs, PathArgs, PathsBody, PieceBody, PingArgs, PongBody,
    PromoteBody, PromotedBody, QuestionBody, QuestionProblemBody, ReachArgs, RefusedBody, RemoveArgs,
    ReplyBody, ReseedBody, ReseedingBody, ResourceDocument, ResourcePatchDocument, RestoreArgs, SearchArgs,
    SnapshotBeginArgs, SnapshotChunkArgs, StateBody, StatusBody, StatusGetBody, SubgraphBody, SwitchOverBody,
    SyncArgs, SyncBeginBody, SyncEndBody, TransactionEventBody,
};

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Clients change the register with it.
    Command,
    /// Clients ask with it.
    Question,
    /// It comes back for a command or a question.
    Reply,
    /// It says what became true.
    Event,
    /// It is part of a copy of the register.
    Sync,
    /// Instances tell each other with it.
    Instance,
    /// No message, but part of some.
    Document,
}

impl Group {
    /// Every group, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::Command,
        Self::Question,
        Self::Reply,
        Self::Event,
        Self::Sync,
        Self::Instance,
        Self::Document,
    ];

    /// The heading of its messages.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Command => "Commands",
            Self::Question => "Questions",
            Self::Reply => "Replies, answers and problems",
            Self::Event => "Events",
            Self::Sync => "Sync",
            Self::Instance => "Between instances",
            Self::Document => "Documents in them",
        }
    }

    /// Its messages.
    pub fn entries(self) -> impl Iterator<Item = &'static Entry> {
        ENTRIES.iter().filter(move |entry| entry.group == self)
    }
}

/// One message, or a part of several.
#[derive(Debug)]
pub struct Entry {
    /// What it is for.
    pub group: Group,
    /// Its type, which is the name of its file too: `resource.put`.
    pub name: &'static str,
    /// What it is, in a line.
    pub title: &'static str,
    make: fn(&str) -> Value,
}

impl Entry {
    const fn new(group: Group, name: &'static str, title: &'static str, make: fn(&str) -> Value) -> Self {
        Self {
            group,
            name,
            title,
            make,
        }
    }

    /// Its JSON Schema, 2020-12.
    pub fn schema(&self) -> Value {
        titled(self.name, self.title, (self.make)(self.name))
    }

    /// The entry of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ENTRIES.iter().find(|entry| entry.name == name)
    }
}

type EnvironmentPatch = PatchArgs<EnvironmentPatchDocument>;
type ResourcePatch = PatchArgs<ResourcePatchDocument>;

/// Every message, and the documents that are part of them.
pub const ENTRIES: &[Entry] = &[
    Entry::new(
        Group::Command,
        "environment.put",
        "Create or replace an environment.",
        request::<CommandBody<EnvironmentDocument>>,
    ),
    Entry::new(
        Group::Command,
        "environment.patch",
        "Change an environment.",
        request::<CommandBody<EnvironmentPatch>>,
    ),
    Entry::new(
        Group::Command,
        "environment.remove",
        "Remove an environment, leaving a tombstone.",
        request::<CommandBody<RemoveArgs>>,
    ),
    Entry::new(
        Group::Command,
        "environment.restore",
        "Undo the removal of an environment.",
        request::<CommandBody<RestoreArgs>>,
    ),
    Entry::new(
        Group::Command,
        "environment.link",
        "Put resources into an environment.",
        request::<CommandBody<LinkArgs>>,
    ),
    Entry::new(
        Group::Command,
        "environment.unlink",
        "Take resources out of an environment.",
        request::<CommandBody<LinkArgs>>,
    ),
    Entry::new(
        Group::Command,
        "resource.put",
        "Create or replace a resource.",
        request::<CommandBody<ResourceDocument>>,
    ),
    Entry::new(
        Group::Command,
        "resource.patch",
        "Change a resource.",
        request::<CommandBody<ResourcePatch>>,
    ),
    Entry::new(
        Group::Command,
        "resource.remove",
        "Remove a resource, leaving a tombstone.",
        request::<CommandBody<RemoveArgs>>,
    ),
    Entry::new(
        Group::Command,
        "resource.restore",
        "Undo the removal of a resource.",
        request::<CommandBody<RestoreArgs>>,
    ),
    Entry::new(
        Group::Command,
        "batch",
        "Execute commands in order, all or none.",
        batch,
    ),
    Entry::new(
        Group::Question,
        "search",
        "Which entities match a text.",
        request::<QuestionBody<SearchArgs>>,
    ),
    Entry::new(
        Group::Question,
        "graph.dependencies",
        "What a resource needs, directly and indirectly.",
        request::<QuestionBody<ReachArgs>>,
    ),
    Entry::new(
        Group::Question,
        "graph.dependents",
        "What needs a resource, directly and indirectly.",
        request::<QuestionBody<ReachArgs>>,
    ),
    Entry::new(
        Group::Question,
        "graph.path",
        "How one resource comes to need another.",
        request::<QuestionBody<PathArgs>>,
    ),
    Entry::new(
        Group::Question,
        "graph.cycles",
        "Which resources need themselves through others.",
        args_optional::<QuestionBody<CyclesArgs>>,
    ),
    Entry::new(
        Group::Question,
        "graph.dangling",
        "Which needed resources are not registered.",
        args_optional::<QuestionBody<DanglingArgs>>,
    ),
    Entry::new(
        Group::Question,
        "sync",
        "A copy of the register, or what is missing to one, sent to the queue of `reply_to`.",
        args_optional::<QuestionBody<SyncArgs>>,
    ),
    Entry::new(
        Group::Question,
        "snapshot.begin",
        "A snapshot of the whole register, to be fetched.",
        args_optional::<QuestionBody<SnapshotBeginArgs>>,
    ),
    Entry::new(
        Group::Question,
        "snapshot.chunk",
        "A piece of a snapshot.",
        request::<QuestionBody<SnapshotChunkArgs>>,
    ),
    Entry::new(
        Group::Question,
        "ping",
        "Who is there.",
        args_optional::<QuestionBody<PingArgs>>,
    ),
    Entry::new(
        Group::Reply,
        "reply",
        "The reply to a command.",
        message::<ReplyBody>,
    ),
    Entry::new(
        Group::Reply,
        "problem",
        "Why the register says no, in the shape of RFC 9457.",
        problem,
    ),
    Entry::new(
        Group::Reply,
        "question.problem",
        "Why a question has no answer.",
        message::<QuestionProblemBody>,
    ),
    Entry::new(
        Group::Reply,
        "search.answer",
        "The entities that match, best first.",
        message::<AnswerBody<HitsBody>>,
    ),
    Entry::new(
        Group::Reply,
        "graph.dependencies.answer",
        "What the resource needs, nearest first.",
        message::<AnswerBody<SubgraphBody>>,
    ),
    Entry::new(
        Group::Reply,
        "graph.dependents.answer",
        "What needs the resource, nearest first.",
        message::<AnswerBody<SubgraphBody>>,
    ),
    Entry::new(
        Group::Reply,
        "graph.path.answer",
        "The paths, shortest first.",
        message::<AnswerBody<PathsBody>>,
    ),
    Entry::new(
        Group::Reply,
        "graph.cycles.answer",
        "The cycles, largest first.",
        message::<AnswerBody<CyclesBody>>,
    ),
    Entry::new(
        Group::Reply,
        "graph.dangling.answer",
        "The missing resources, by id.",
        message::<AnswerBody<DanglingBody>>,
    ),
    Entry::new(
        Group::Reply,
        "snapshot.begin.answer",
        "A snapshot that can be fetched.",
        message::<AnswerBody<OfferBody>>,
    ),
    Entry::new(
        Group::Reply,
        "snapshot.chunk.answer",
        "A piece of the snapshot.",
        message::<AnswerBody<PieceBody>>,
    ),
    Entry::new(
        Group::Reply,
        "ping.answer",
        "Who is there.",
        message::<AnswerBody<PongBody>>,
    ),
    Entry::new(
        Group::Event,
        "environment.created",
        "An environment is there now.",
        event::<EventBody<EnvironmentDocument>>,
    ),
    Entry::new(
        Group::Event,
        "environment.updated",
        "An environment is different now.",
        updated::<EventBody<EnvironmentDocument>>,
    ),
    Entry::new(
        Group::Event,
        "environment.removed",
        "An environment is gone; `data` is its last state.",
        event::<EventBody<EnvironmentDocument>>,
    ),
    Entry::new(
        Group::Event,
        "environment.restored",
        "An environment is there again, as it was.",
        event::<EventBody<EnvironmentDocument>>,
    ),
    Entry::new(
        Group::Event,
        "environment.linked",
        "Resources are in an environment now.",
        event::<EventBody<LinksBody>>,
    ),
    Entry::new(
        Group::Event,
        "environment.unlinked",
        "Resources are not in an environment any more.",
        event::<EventBody<LinksBody>>,
    ),
    Entry::new(
        Group::Event,
        "resource.created",
        "A resource is there now.",
        event::<EventBody<ResourceDocument>>,
    ),
    Entry::new(
        Group::Event,
        "resource.updated",
        "A resource is different now.",
        updated::<EventBody<ResourceDocument>>,
    ),
    Entry::new(
        Group::Event,
        "resource.removed",
        "A resource is gone; `data` is its last state.",
        event::<EventBody<ResourceDocument>>,
    ),
    Entry::new(
        Group::Event,
        "resource.restored",
        "A resource is there again, as it was.",
        event::<EventBody<ResourceDocument>>,
    ),
    Entry::new(
        Group::Event,
        "transaction.committed",
        "All events of one command are out.",
        event::<TransactionEventBody>,
    ),
    Entry::new(
        Group::Event,
        "bookmark",
        "Where the register is, and the proof of a whole copy.",
        event::<BookmarkBody>,
    ),
    Entry::new(
        Group::Event,
        "epoch.started",
        "An instance has begun an epoch.",
        event::<EpochStartedBody>,
    ),
    Entry::new(
        Group::Event,
        "drill.passed",
        "A secondary has proved that it could take over.",
        event::<DrillEventBody>,
    ),
    Entry::new(
        Group::Event,
        "drill.failed",
        "A secondary could not take over.",
        event::<DrillEventBody>,
    ),
    Entry::new(
        Group::Event,
        "secondary.diverged",
        "A copy is not the same as the original.",
        event::<DivergedBody>,
    ),
    Entry::new(
        Group::Sync,
        "sync.begin",
        "A sync begins.",
        message::<SyncBeginBody>,
    ),
    Entry::new(
        Group::Sync,
        "environment.state",
        "The state of an environment.",
        event::<StateBody<EnvironmentDocument>>,
    ),
    Entry::new(
        Group::Sync,
        "environment.members.state",
        "Some of the resources in an environment.",
        event::<StateBody<LinksBody>>,
    ),
    Entry::new(
        Group::Sync,
        "resource.state",
        "The state of a resource.",
        event::<StateBody<ResourceDocument>>,
    ),
    Entry::new(
        Group::Sync,
        "sync.end",
        "A sync is complete.",
        message::<SyncEndBody>,
    ),
    Entry::new(
        Group::Instance,
        "changes.get",
        "Which changes an instance that follows lacks.",
        request::<ChangesGetBody>,
    ),
    Entry::new(
        Group::Instance,
        "heartbeat",
        "Where the instance that serves is.",
        message::<HeartbeatBody>,
    ),
    Entry::new(
        Group::Instance,
        "epoch.claim",
        "An epoch has begun elsewhere, and whoever serves in a lower one has to stop.",
        message::<HeartbeatBody>,
    ),
    Entry::new(
        Group::Instance,
        "status.get",
        "How is an instance?",
        request::<StatusGetBody>,
    ),
    Entry::new(
        Group::Instance,
        "status",
        "How an instance is.",
        message::<StatusBody>,
    ),
    Entry::new(
        Group::Instance,
        "promote",
        "Take the place of the instance that serves.",
        request::<PromoteBody>,
    ),
    Entry::new(
        Group::Instance,
        "promoted",
        "An instance has begun an epoch, and is about to serve.",
        message::<PromotedBody>,
    ),
    Entry::new(
        Group::Instance,
        "switch-over",
        "Take the place of the instance that serves, which stops first.",
        request::<SwitchOverBody>,
    ),
    Entry::new(
        Group::Instance,
        "hand-over",
        "Stop serving, and say where.",
        request::<HandOverBody>,
    ),
    Entry::new(
        Group::Instance,
        "handed-over",
        "Where an instance has stopped serving.",
        message::<HandedOverBody>,
    ),
    Entry::new(
        Group::Instance,
        "reseed",
        "Get another copy from the instance that serves.",
        request::<ReseedBody>,
    ),
    Entry::new(
        Group::Instance,
        "reseeding",
        "An instance is about to get another copy.",
        message::<ReseedingBody>,
    ),
    Entry::new(
        Group::Instance,
        "drill",
        "Prove that you could take over.",
        request::<DrillBody>,
    ),
    Entry::new(
        Group::Instance,
        "drilled",
        "What came of a drill.",
        message::<DrilledBody>,
    ),
    Entry::new(
        Group::Instance,
        "refused",
        "An instance does not do what it was asked.",
        message::<RefusedBody>,
    ),
    Entry::new(
        Group::Document,
        "environment",
        "An environment, as commands put it and events carry it.",
        request::<EnvironmentDocument>,
    ),
    Entry::new(
        Group::Document,
        "resource",
        "A resource, as commands put it and events carry it.",
        request::<ResourceDocument>,
    ),
];

/// A schema as its file has it: indented, with a line end.
pub fn schema_text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{ENTRIES, Entry, Group, schema_text};
    use crate::wire::{COMMAND_TYPES, QUESTION_TYPES, asyncapi_text};

    #[test]
    fn the_schemas_on_disk_are_those_of_the_code() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let update = std::env::var_os("DOMESDAY_UPDATE_SCHEMAS").is_some();
        let hint =
            "run the tests with DOMESDAY_UPDATE_SCHEMAS=1 to write it anew, and look at the difference";
        let mut names = BTreeSet::new();
        let schemas = ENTRIES
            .iter()
            .map(|entry| (format!("{}.json", entry.name), schema_text(&entry.schema())));
        for (name, text) in schemas.chain([("asyncapi.yaml".to_owned(), asyncapi_text())]) {
            let path = directory.join(&name);
            if update {
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                on_disk == text,
                "schemas/{name} is not what the code says: {hint}"
            );
            assert!(names.insert(name.clone()), "two schemas are called {name}");
        }
        for entry in std::fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let known = names.contains(&name) || entry.file_type().unwrap().is_dir();
            assert!(known, "schemas/{name} belongs to no message any more: delete it");
        }
    }

    #[test]
    fn every_schema_is_one() {
        for entry in ENTRIES {
            let schema = entry.schema();
            assert!(jsonschema::meta::is_valid(&schema), "{}", entry.name);
            jsonschema::draft202012::new(&schema).unwrap();
        }
    }

    #[test]
    fn every_request_is_in_its_group() {
        let names = |group: Group| -> Vec<&str> { group.entries().map(|entry| entry.name).collect() };
        assert_eq!(names(Group::Command), COMMAND_TYPES);
        assert_eq!(names(Group::Question), QUESTION_TYPES);
        let listed: usize = Group::ALL.into_iter().map(|group| group.entries().count()).sum();
        assert_eq!(listed, ENTRIES.len(), "every entry is in a group that is listed");
        assert!(Entry::named("resource.put").is_some() && Entry::named("resource.putt").is_none());
    }
}
