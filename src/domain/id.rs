//! Identities and the moments that records carry.

use std::fmt;
use std::sync::Arc;

/// The longest id that is accepted, in characters.
pub const ID_CHARS_MAX: usize = 200;

/// An id chosen by a client: 1 to 200 characters, first `[A-Za-z0-9]`, then `[A-Za-z0-9._:/@+-]`.
///
/// It is the identity of an entity; the name may change. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("an id has at least one character")]
    Empty,
    /// The text has more than [`ID_CHARS_MAX`] characters.
    #[error("an id has at most {ID_CHARS_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// A character is not allowed where it stands; counted in characters from zero.
    #[error("character {character:?} at position {position} is not allowed in an id")]
    Character {
        /// The offending character.
        character: char,
        /// Its position, in characters from zero.
        position: usize,
    },
}

impl IdError {
    /// What an id looks like, for the hint of a problem.
    pub const HINT: &str =
        "an id starts with a letter or digit (A-Z a-z 0-9) and goes on with those and . _ : / @ + -";
}

impl Id {
    /// Checks and takes a text as an id.
    ///
    /// # Errors
    /// [`IdError`] where the text is empty, longer than [`ID_CHARS_MAX`] characters, or has a character that is
    /// not allowed where it stands.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let chars = text.chars().count();
        if chars == 0 {
            return Err(IdError::Empty);
        }
        if chars > ID_CHARS_MAX {
            return Err(IdError::TooLong(chars));
        }
        for (position, character) in text.chars().enumerate() {
            let inner = position > 0 && matches!(character, '.' | '_' | ':' | '/' | '@' | '+' | '-');
            if !character.is_ascii_alphanumeric() && !inner {
                return Err(IdError::Character { character, position });
            }
        }
        Ok(Self(Arc::from(text)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

/// The two kinds of entity that the register keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityType {
    /// A place where resources run together.
    Environment,
    /// A thing that exists and may depend on other things.
    Resource,
}

impl EntityType {
    /// Both, in the order in which documents are kept.
    pub const ALL: [Self; 2] = [Self::Environment, Self::Resource];

    /// The word that messages use: `environment` or `resource`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Resource => "resource",
        }
    }

    /// Reads the word that messages use.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.as_str() == text)
    }
}

impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What names one entity among all: its type and its id, written `resource:db-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey {
    /// Environment or resource; the two have separate ids.
    pub entity: EntityType,
    /// The id within that type.
    pub id: Id,
}

impl EntityKey {
    /// The key of an environment.
    pub const fn environment(id: Id) -> Self {
        Self {
            entity: EntityType::Environment,
            id,
        }
    }

    /// The key of a resource.
    pub const fn resource(id: Id) -> Self {
        Self {
            entity: EntityType::Resource,
            id,
        }
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.entity, self.id)
    }
}

/// A moment: microseconds since the Unix epoch, UTC. The domain never asks a clock; it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment plus a number of milliseconds; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        let micros = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        Self(self.0.saturating_add(micros))
    }

    /// This moment less a number of milliseconds; stays at the beginning of time instead of overflowing.
    #[must_use]
    pub fn minus_ms(self, ms: u64) -> Self {
        let micros = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        Self(self.0.saturating_sub(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, IdError};

    #[test]
    fn an_id_is_what_the_contract_says() {
        for good in ["a", "7", "aws_instance.web-0", "a:b/c@d+e", &"x".repeat(200)] {
            assert!(Id::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Id::parse(""), Err(IdError::Empty));
        assert_eq!(Id::parse(&"x".repeat(201)), Err(IdError::TooLong(201)));
        assert_eq!(
            Id::parse("-a"),
            Err(IdError::Character {
                character: '-',
                position: 0
            })
        );
        assert_eq!(
            Id::parse("a b"),
            Err(IdError::Character {
                character: ' ',
                position: 1
            })
        );
        assert_eq!(
            Id::parse("aé"),
            Err(IdError::Character {
                character: 'é',
                position: 1
            })
        );
    }
}
