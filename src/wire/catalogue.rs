//! Every message with its name, what it is for, and its schema: what `schemas/` holds, in groups.

use serde_json::Value;

use super::schema::titled;

mod entries;

pub use entries::ENTRIES;

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
    /// It comes while a question stands.
    Standing,
    /// Instances tell each other with it.
    Instance,
    /// No message, but part of some.
    Document,
}

impl Group {
    /// Every group, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::Command,
        Self::Question,
        Self::Reply,
        Self::Event,
        Self::Sync,
        Self::Standing,
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
            Self::Standing => "Standing questions",
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
