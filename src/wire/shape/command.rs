//! The bodies of commands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{
    EnvironmentDocument, EnvironmentPatchDocument, ResourceDocument, ResourcePatchDocument,
};
use super::text::IdText;

/// The body of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CommandBody<A> {
    /// What to do it with.
    pub args: A,
    /// What must be true of the entity before; nothing in particular where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExpectBody")]
    pub expect: Option<ExpectBody>,
    /// Decide and answer, but change nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl<A> CommandBody<A> {
    /// A command without a condition, to be executed.
    pub const fn new(args: A) -> Self {
        Self {
            args,
            expect: None,
            dry_run: false,
        }
    }
}

/// What must be true of an entity before a command is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum ExpectBody {
    /// Whether it exists.
    Word(ExpectWord),
    /// It must exist at this revision.
    Revision {
        /// The revision.
        revision: u64,
    },
}

/// Whether an entity must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExpectWord {
    /// It must not exist.
    Absent,
    /// It must exist.
    Exists,
}

/// Which entity to change, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PatchArgs<P> {
    /// Which entity.
    #[schemars(with = "IdText")]
    pub id: String,
    /// What to change.
    pub patch: P,
}

/// Which entity to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RemoveArgs {
    /// Which entity.
    #[schemars(with = "IdText")]
    pub id: String,
    /// What to do where others need it.
    #[serde(default)]
    pub mode: RemoveModeWord,
}

/// Remove a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResourceRemoveArgs {
    /// Which.
    #[schemars(with = "IdText")]
    pub id: String,
    /// What to do where others need it.
    #[serde(default)]
    pub mode: RemoveModeWord,
    /// Refuse where something else would stop than what `graph.impact` said: its `hash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{32}$"))]
    pub expect_impact: Option<String>,
}

/// What a removal does where others need the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemoveModeWord {
    /// It is refused, and the problem lists who needs it.
    #[default]
    Restrict,
    /// It goes ahead: dependencies on it dangle, an environment lets go of its resources.
    Detach,
}

/// Which removed entity to bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RestoreArgs {
    /// Which entity.
    #[schemars(with = "IdText")]
    pub id: String,
}

/// Which resources to put into an environment, or to take out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LinkArgs {
    /// Which environment.
    #[schemars(with = "IdText")]
    pub environment: String,
    /// Which resources.
    #[schemars(with = "Vec<IdText>")]
    pub resources: Vec<String>,
}

/// Commands to execute in order, all or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BatchArgs {
    /// The commands, none of them a batch.
    pub commands: Vec<StepBody>,
}

/// One command of a batch. Whether the batch is a dry run is said once, by the batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(deny_unknown_fields)]
pub enum StepBody {
    /// Create or replace an environment.
    #[serde(rename = "environment.put")]
    EnvironmentPut {
        /// The whole document.
        args: EnvironmentDocument,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Create or replace a resource.
    #[serde(rename = "resource.put")]
    ResourcePut {
        /// The whole document.
        args: ResourceDocument,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Change an environment.
    #[serde(rename = "environment.patch")]
    EnvironmentPatch {
        /// Which, and how.
        args: PatchArgs<EnvironmentPatchDocument>,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Change a resource.
    #[serde(rename = "resource.patch")]
    ResourcePatch {
        /// Which, and how.
        args: PatchArgs<ResourcePatchDocument>,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Remove an environment.
    #[serde(rename = "environment.remove")]
    EnvironmentRemove {
        /// Which.
        args: RemoveArgs,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Remove a resource.
    #[serde(rename = "resource.remove")]
    ResourceRemove {
        /// Which.
        args: ResourceRemoveArgs,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Bring an environment back.
    #[serde(rename = "environment.restore")]
    EnvironmentRestore {
        /// Which.
        args: RestoreArgs,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Bring a resource back.
    #[serde(rename = "resource.restore")]
    ResourceRestore {
        /// Which.
        args: RestoreArgs,
        /// What must be true of it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Put resources into an environment.
    #[serde(rename = "environment.link")]
    EnvironmentLink {
        /// Which.
        args: LinkArgs,
        /// What must be true of the environment before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
    /// Take resources out of an environment.
    #[serde(rename = "environment.unlink")]
    EnvironmentUnlink {
        /// Which.
        args: LinkArgs,
        /// What must be true of the environment before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "ExpectBody")]
        expect: Option<ExpectBody>,
    },
}
