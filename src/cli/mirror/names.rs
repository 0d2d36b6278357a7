//! Names of files: any id, reversibly, within what file systems allow.
//!
//! Whatever is not a letter, a digit or one of `. _ -` becomes `%` and two hexadecimal digits. A name that would be
//! longer than 240 bytes is split there: all parts but the last are folders whose names end in `~`. Neither `~` nor a
//! bare `%` can come from an id, and every file ends in `.json`, so a folder can never meet a file or another id. (To
//! split at `/` instead would be prettier, but then `a` and `a/b` meet as soon as one of them is called `b.json`, and a
//! long id without `/` would still need a rule.)

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::domain::{EntityKey, EntityType, Id};

/// The longest part of a name, without its ending. File systems allow 255 bytes.
const PART_BYTES_MAX: usize = 240;
const ENDING: &str = ".json";
const GOES_ON: char = '~';

/// Where the file of an entity is, within the folder of the mirror.
pub(super) fn path_of(key: &EntityKey) -> PathBuf {
    let mut name = String::new();
    for byte in key.id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    let mut path = PathBuf::from(key.entity.as_str());
    let mut rest = name.as_str();
    // All of it is ASCII, so that it can be split anywhere.
    while let Some((part, more)) = rest.split_at_checked(PART_BYTES_MAX)
        && !more.is_empty()
    {
        path.push(format!("{part}{GOES_ON}"));
        rest = more;
    }
    path.push(format!("{rest}{ENDING}"));
    path
}

/// Whose file it is; none where the name is not one of ours.
pub(super) fn key_of(path: &Path) -> Option<EntityKey> {
    let mut parts = path.iter().map(|part| part.to_str());
    let entity = EntityType::parse(parts.next()??)?;
    let mut name = String::new();
    let mut ended = false;
    for part in parts {
        let part = part?;
        if ended {
            return None;
        }
        if let Some(part) = part.strip_suffix(GOES_ON) {
            name.push_str(part);
        } else {
            name.push_str(part.strip_suffix(ENDING)?);
            ended = true;
        }
    }
    let id = Id::parse(&decode(&name)?).ok()?;
    let key = EntityKey { entity, id };
    // One entity has one name: what decodes to the same but is written in another way is not ours.
    (path_of(&key) == path).then_some(key)
}

fn decode(name: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let (digits, more) = after.split_at_checked(2)?;
        text.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        rest = more;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{key_of, path_of};
    use crate::domain::{EntityKey, Id};

    fn key(id: &str) -> EntityKey {
        EntityKey::resource(Id::parse(id).unwrap())
    }

    #[test]
    fn names_can_be_read() {
        for (id, path) in [
            ("db-1", "resource/db-1.json"),
            ("a/b:c@d+e", "resource/a%2Fb%3Ac%40d%2Be.json"),
            ("a.json", "resource/a.json.json"),
        ] {
            assert_eq!(path_of(&key(id)), Path::new(path));
        }
        let long = path_of(&key(&format!("a{}", "/".repeat(199))));
        assert_eq!(long.iter().count(), 4, "{}", long.display());
    }

    #[test]
    fn foreign_names_are_nobodys() {
        for path in [
            "resource/README",
            "resource/a%2fb.json",
            "resource/a%41.json",
            "resource/%zz.json",
            "resource/a~/b.json",
            "resource/a/b.json",
            "thing/a.json",
            "resource",
        ] {
            assert_eq!(key_of(Path::new(path)), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_id_has_a_name_that_leads_back(id in "[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}") {
            let path = path_of(&key(&id));
            prop_assert!(path.iter().all(|part| part.len() <= 255));
            prop_assert_eq!(key_of(&path), Some(key(&id)));
        }
    }
}
