//! What the index holds of an entity: its schema, and how a document becomes one.

use tantivy::TantivyDocument;
use tantivy::schema::{Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};

use super::text::{WHOLE, WORDS, plain};
use crate::domain::{Document, EntityKey, EntityType, Id, Tags};

/// Rises when what is indexed changes in a way that the schema does not show. Another number is another index.
pub(super) const FORMAT: u32 = 2;

/// Stands between the key and the value of a tag.
pub(super) const TAG_SEPARATOR: char = '\0';

/// How often each part goes into the one field of all words. The ranking function (BM25) counts words, so a
/// word of the id outweighs one of the description; and one field instead of five is what makes a word one
/// posting list, an `AND` an intersection of lists, and a count a number that is read.
const ID_WEIGHT: usize = 6;
const NAME_WEIGHT: usize = 5;
const TAG_WEIGHT: usize = 3;
const KIND_WEIGHT: usize = 2;
const DESCRIPTION_WEIGHT: usize = 1;
/// In the field of exact values, an id outweighs a name in the same way.
const EXACT_ID_WEIGHT: usize = 6;
const EXACT_NAME_WEIGHT: usize = 1;

/// The name of the field that deletes, orders and identifies; also a column.
pub(super) const KEY: &str = "key";

/// The names of the fields that facets count by; also columns, with the values as they are.
pub(super) const ENTITY: &str = "entity";
pub(super) const TAG: &str = "tag";
pub(super) const KIND: &str = "kind";
pub(super) const ENVIRONMENT: &str = "environment";
/// What the keys of resources begin with.
pub(super) const RESOURCE_KEYS: &str = "resource:";

/// The fields of the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// `resource:db-1`, as it is.
    pub(super) key: Field,
    /// `environment` or `resource`.
    pub(super) entity: Field,
    /// All words of the others, weighted.
    pub(super) words: Field,
    /// The whole id and the whole name, to put an exact match first.
    pub(super) exact: Field,
    /// Words of the id.
    pub(super) id: Field,
    /// Words of the name.
    pub(super) name: Field,
    /// Words of the description.
    pub(super) description: Field,
    /// Words of the keys and values of tags.
    pub(super) tag_words: Field,
    /// `key`, and `key NUL value`.
    pub(super) tag: Field,
    /// The kind as a whole.
    pub(super) kind: Field,
    /// Ids of environments, as they are.
    pub(super) environment: Field,
    /// Which fields have a value.
    pub(super) present: Field,
    /// The name as it is, for hits.
    pub(super) name_shown: Field,
    /// The kind as it is, for hits.
    pub(super) kind_shown: Field,
}

/// A field that is matched as a whole.
fn whole(tokenizer: &str) -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic),
    )
}

/// A field of words.
fn words(option: IndexRecordOption) -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_index_option(option),
    )
}

impl Fields {
    /// The schema, and its fields.
    pub(super) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let positions = IndexRecordOption::WithFreqsAndPositions;
        let exact = TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(WHOLE)
                // Without lengths, the index takes blocks of this field for worth nothing, and passes over them.
                .set_fieldnorms(true)
                .set_index_option(IndexRecordOption::WithFreqs),
        );
        let fields = Self {
            key: schema.add_text_field(KEY, whole("raw").set_fast("raw") | STORED),
            entity: schema.add_text_field(ENTITY, whole("raw").set_fast("raw")),
            words: schema.add_text_field("words", words(IndexRecordOption::WithFreqs)),
            exact: schema.add_text_field("exact", exact),
            id: schema.add_text_field("id", words(positions)),
            name: schema.add_text_field("name", words(positions)),
            description: schema.add_text_field("description", words(positions)),
            tag_words: schema.add_text_field("tag_words", words(positions)),
            tag: schema.add_text_field(TAG, whole(WHOLE).set_fast("raw")),
            kind: schema.add_text_field(KIND, whole(WHOLE).set_fast("raw")),
            environment: schema.add_text_field(ENVIRONMENT, whole("raw").set_fast("raw")),
            present: schema.add_text_field("present", whole("raw")),
            name_shown: schema.add_text_field("name_shown", STORED),
            kind_shown: schema.add_text_field("kind_shown", STORED),
        };
        (schema.build(), fields)
    }

    /// What the index holds of a document.
    pub(super) fn document(&self, key: &EntityKey, document: &Document, within: &[Id]) -> TantivyDocument {
        let (kind, name, description, tags) = parts(document);
        let mut found = TantivyDocument::default();
        found.add_text(self.key, key.to_string());
        found.add_text(self.entity, key.entity.as_str());

        found.add_text(self.id, key.id.as_str());
        self.weighted(&mut found, key.id.as_str(), ID_WEIGHT);
        self.exactly(&mut found, key.id.as_str(), EXACT_ID_WEIGHT);
        if !name.is_empty() {
            found.add_text(self.name_shown, name);
            found.add_text(self.name, plain(name));
            found.add_text(self.present, "name");
            self.weighted(&mut found, name, NAME_WEIGHT);
            self.exactly(&mut found, name, EXACT_NAME_WEIGHT);
        }
        if !description.is_empty() {
            found.add_text(self.description, plain(description));
            found.add_text(self.present, "description");
            self.weighted(&mut found, description, DESCRIPTION_WEIGHT);
        }
        if !kind.is_empty() {
            found.add_text(self.kind_shown, kind);
            found.add_text(self.kind, plain(kind));
            found.add_text(self.present, "kind");
            self.weighted(&mut found, kind, KIND_WEIGHT);
        }
        self.tags(&mut found, tags);
        self.environments(&mut found, key, within);
        found
    }

    /// Adds the tags.
    fn tags(&self, found: &mut TantivyDocument, tags: &Tags) {
        if !tags.is_empty() {
            found.add_text(self.present, "tag");
        }
        for (key, value) in tags {
            found.add_text(self.tag, plain(key));
            found.add_text(self.tag_words, plain(key));
            self.weighted(found, key, TAG_WEIGHT);
            if !value.is_empty() {
                found.add_text(self.tag, plain(&tag_term(key, value)));
                found.add_text(self.tag_words, plain(value));
                self.weighted(found, value, TAG_WEIGHT);
            }
        }
    }

    /// Adds the environments that the entity is in; an environment is in itself.
    fn environments(&self, found: &mut TantivyDocument, key: &EntityKey, within: &[Id]) {
        let own = match key.entity {
            EntityType::Environment => Some(&key.id),
            EntityType::Resource => None,
        };
        let mut some = false;
        for id in own.into_iter().chain(within) {
            found.add_text(self.environment, id.as_str());
            some = true;
        }
        if some {
            found.add_text(self.present, "environment");
        }
    }

    /// Adds text to the field of all words.
    fn weighted(&self, found: &mut TantivyDocument, text: &str, weight: usize) {
        let text = plain(text);
        for _ in 0..weight {
            found.add_text(self.words, &text);
        }
    }

    /// Adds a value to the field of exact values.
    fn exactly(&self, found: &mut TantivyDocument, value: &str, weight: usize) {
        let value = plain(value);
        for _ in 0..weight {
            found.add_text(self.exact, value.trim());
        }
    }
}

/// The term of a tag with a value.
pub(super) fn tag_term(key: &str, value: &str) -> String {
    format!("{key}{TAG_SEPARATOR}{value}")
}

/// Reads `resource:db-1`.
pub(super) fn read_key(text: &str) -> Option<EntityKey> {
    let (entity, id) = text.split_once(':')?;
    Some(EntityKey {
        entity: EntityType::parse(entity)?,
        id: Id::parse(id).ok()?,
    })
}

/// Kind, name, description and tags of a document.
fn parts(document: &Document) -> (&str, &str, &str, &Tags) {
    match document {
        Document::Environment(environment) => {
            ("", &environment.name, &environment.description, &environment.tags)
        }
        Document::Resource(resource) => (
            &resource.kind,
            &resource.name,
            &resource.description,
            &resource.tags,
        ),
    }
}
