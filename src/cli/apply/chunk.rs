//! Documents to messages: how many go into one transaction, and the bodies.

use crate::domain::EntityType;

use super::super::manifest::Definition;

/// The largest body of one batch; a document that is larger alone goes alone.
pub(super) const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// What a command of a batch has around its document, with room to spare.
const STEP_BYTES: usize = 64;

/// Positions of definitions, cut into batches of at most `count_max` documents and `bytes_max` bytes.
pub(super) fn cut(
    definitions: &[Definition],
    entity: EntityType,
    count_max: usize,
    bytes_max: usize,
) -> Vec<Vec<usize>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for (place, definition) in definitions.iter().enumerate() {
        if definition.key.entity != entity {
            continue;
        }
        let more = definition.body.len().saturating_add(STEP_BYTES);
        if !batch.is_empty() && (batch.len() >= count_max || bytes + more > bytes_max) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        batch.push(place);
        bytes += more;
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// The type and the body of the command that puts these documents: a put for one, a batch for several.
pub(super) fn command(documents: &[(EntityType, &str)], dry_run: bool) -> (String, Vec<u8>) {
    let size: usize = documents
        .iter()
        .map(|(_, body)| body.len().saturating_add(STEP_BYTES))
        .sum();
    let mut text = String::with_capacity(size.saturating_add(STEP_BYTES));
    text.push_str("{\"args\":");
    let kind = if let [(entity, body)] = documents {
        text.push_str(body);
        format!("{entity}.put")
    } else {
        text.push_str("{\"commands\":[");
        for (i, (entity, body)) in documents.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push_str("{\"type\":\"");
            text.push_str(entity.as_str());
            text.push_str(".put\",\"args\":");
            text.push_str(body);
            text.push('}');
        }
        text.push_str("]}");
        "batch".to_owned()
    };
    if dry_run {
        text.push_str(",\"dry_run\":true");
    }
    text.push('}');
    (kind, text.into_bytes())
}

/// Which command of a batch a pointer of a problem leads to, and the pointer into its document.
pub(super) fn culprit(pointer: &str) -> Option<(usize, &str)> {
    let rest = pointer.strip_prefix("/args/commands/")?;
    let (index, rest) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    Some((index.parse().ok()?, rest.strip_prefix("/args").unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use crate::domain::{EntityKey, EntityType, Id};

    use super::super::super::manifest::{Definition, Place, Spot};
    use super::{command, culprit, cut};

    fn definition(key: fn(Id) -> EntityKey, id: &str, size: usize) -> Definition {
        Definition {
            key: key(Id::parse(id).expect("an id")),
            place: Place {
                file: 0,
                spot: Spot::START,
            },
            body: "x".repeat(size).into_boxed_str(),
        }
    }

    #[test]
    fn batches_are_bounded_by_count_and_by_bytes() {
        let all = [
            definition(EntityKey::resource, "a", 10),
            definition(EntityKey::environment, "e", 10),
            definition(EntityKey::resource, "b", 10),
            definition(EntityKey::resource, "c", 10),
            definition(EntityKey::resource, "d", 5_000),
            definition(EntityKey::resource, "f", 10),
        ];
        assert_eq!(
            cut(&all, EntityType::Resource, 2, 1_000),
            [vec![0, 2], vec![3], vec![4], vec![5]]
        );
        assert_eq!(cut(&all, EntityType::Environment, 2, 1_000), [vec![1]]);
        assert!(cut(&[], EntityType::Resource, 2, 1_000).is_empty());
    }

    #[test]
    fn one_document_is_a_put_and_several_are_a_batch() {
        let (kind, body) = command(&[(EntityType::Resource, "{\"id\":\"a\"}")], true);
        assert_eq!(kind, "resource.put");
        assert_eq!(body, br#"{"args":{"id":"a"},"dry_run":true}"#);
        let documents = [
            (EntityType::Resource, "{\"id\":\"a\"}"),
            (EntityType::Environment, "{\"id\":\"e\"}"),
        ];
        let (kind, body) = command(&documents, false);
        assert_eq!(kind, "batch");
        assert_eq!(
            String::from_utf8_lossy(&body),
            r#"{"args":{"commands":[{"type":"resource.put","args":{"id":"a"}},{"type":"environment.put","args":{"id":"e"}}]}}"#
        );
    }

    #[test]
    fn a_pointer_names_the_command_that_failed() {
        assert_eq!(culprit("/args/commands/7/args/kind"), Some((7, "/kind")));
        assert_eq!(culprit("/args/commands/7"), Some((7, "")));
        assert_eq!(culprit("/args/commands/7/expect"), Some((7, "/expect")));
        assert_eq!(culprit("/args/commands/x"), None);
        assert_eq!(culprit("/args"), None);
    }
}
