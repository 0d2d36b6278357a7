//! Problems: how the register says no. A problem is an answer, stable and never worth retrying unchanged.

use serde_json::{Map, Value};

/// The most mistakes that are listed; how many there are in all is said too.
pub const MISTAKES_MAX: usize = 100;
/// A detail or a hint, in bytes. They repeat what was sent, and an answer must not grow with it: one that is too large
/// cannot be sent at all, and its command would come again for ever.
const TEXT_BYTES_MAX: usize = 1_000;
/// A pointer, in bytes.
const POINTER_BYTES_MAX: usize = 2_000;

/// One mistake in what was sent: where it is, what it is, how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// A JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Mistake {
    /// The same mistake, in as many bytes as an answer has for it.
    fn bounded(self) -> Self {
        Self {
            pointer: near(self.pointer),
            detail: clipped(self.detail),
            hint: clipped(self.hint),
        }
    }
}

/// A text that fits into an answer: what is too long is cut.
fn clipped(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

/// A pointer that fits into an answer: where the place has too long a name, the nearest one around it.
fn near(mut pointer: String) -> String {
    if pointer.len() > POINTER_BYTES_MAX {
        pointer.truncate(pointer.floor_char_boundary(POINTER_BYTES_MAX));
        pointer.truncate(pointer.rfind('/').unwrap_or_default());
    }
    pointer
}

/// What sort of no it is. The slug is the stable end of the problem's URN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// The body is not JSON, or not an object.
    Malformed,
    /// The content type is not `application/json`.
    UnsupportedContentType,
    /// No command or question has this type.
    UnknownType,
    /// The document or the arguments have mistakes.
    Invalid,
    /// A limit of the instance was exceeded.
    LimitExceeded,
    /// The entity exists, and `expect` was `absent`.
    AlreadyExists,
    /// There is no such entity.
    NotFound,
    /// No rule allows it.
    Forbidden,
    /// The entity is at another revision than `expect` says.
    RevisionMismatch,
    /// Others depend on the resource.
    HasDependents,
    /// The environment still has resources.
    HasMembers,
    /// The tombstone is gone, so there is nothing to restore.
    TombstoneExpired,
    /// The message id was used before with another body.
    IdReused,
    /// The deadline passed before the message was executed.
    Expired,
    /// The text of a search cannot be read.
    QuerySyntax,
    /// The moment that was asked about is before what is kept, or too far back.
    Forgotten,
    /// What would stop is not what the command expects to stop.
    ImpactMismatch,
    /// The sequence that was asked for was not reached in time.
    NotReached,
    /// This instance does not accept commands.
    NotPrimary,
    /// The instance does not follow another one, so it cannot take its place.
    NotSecondary,
    /// The instance that serves was heard a moment ago.
    PrimaryAlive,
    /// The instance could not do it now, through no fault of the request.
    Unavailable,
}

impl ProblemKind {
    /// Every kind, for documentation and tests.
    pub const ALL: [Self; 22] = [
        Self::Malformed,
        Self::UnsupportedContentType,
        Self::UnknownType,
        Self::Invalid,
        Self::LimitExceeded,
        Self::AlreadyExists,
        Self::NotFound,
        Self::Forbidden,
        Self::RevisionMismatch,
        Self::HasDependents,
        Self::HasMembers,
        Self::TombstoneExpired,
        Self::IdReused,
        Self::Expired,
        Self::QuerySyntax,
        Self::Forgotten,
        Self::ImpactMismatch,
        Self::NotReached,
        Self::NotPrimary,
        Self::NotSecondary,
        Self::PrimaryAlive,
        Self::Unavailable,
    ];

    /// The stable end of `urn:domesday:problem:…`.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedContentType => "unsupported-content-type",
            Self::UnknownType => "unknown-type",
            Self::Invalid => "invalid",
            Self::LimitExceeded => "limit-exceeded",
            Self::AlreadyExists => "already-exists",
            Self::NotFound => "not-found",
            Self::Forbidden => "forbidden",
            Self::RevisionMismatch => "revision-mismatch",
            Self::HasDependents => "has-dependents",
            Self::HasMembers => "has-members",
            Self::TombstoneExpired => "tombstone-expired",
            Self::IdReused => "id-reused",
            Self::Expired => "expired",
            Self::QuerySyntax => "query-syntax",
            Self::Forgotten => "forgotten",
            Self::ImpactMismatch => "impact-mismatch",
            Self::NotReached => "not-reached",
            Self::NotPrimary => "not-primary",
            Self::NotSecondary => "not-secondary",
            Self::PrimaryAlive => "primary-alive",
            Self::Unavailable => "unavailable",
        }
    }

    /// Reads a slug.
    pub fn parse(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.slug() == slug)
    }

    /// A short sentence for people, the same for every problem of this kind.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The body cannot be read",
            Self::UnsupportedContentType => "The content type is not application/json",
            Self::UnknownType => "No message has this type",
            Self::Invalid => "The message has mistakes",
            Self::LimitExceeded => "A limit is exceeded",
            Self::AlreadyExists => "The entity exists already",
            Self::NotFound => "There is no such entity",
            Self::Forbidden => "No rule allows it",
            Self::RevisionMismatch => "The entity is at another revision",
            Self::HasDependents => "Others depend on it",
            Self::HasMembers => "Resources are in it",
            Self::TombstoneExpired => "It was removed too long ago",
            Self::IdReused => "The message id was used for another message",
            Self::Expired => "The deadline has passed",
            Self::QuerySyntax => "The search cannot be read",
            Self::Forgotten => "That is not kept any more",
            Self::ImpactMismatch => "Something else would stop than is expected",
            Self::NotReached => "The sequence was not reached in time",
            Self::NotPrimary => "This instance takes no commands",
            Self::NotSecondary => "This instance cannot take the place of another one",
            Self::PrimaryAlive => "The instance that serves is alive",
            Self::Unavailable => "The instance cannot do it now",
        }
    }
}

/// A refusal in the shape of RFC 9457.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What sort of no.
    pub kind: ProblemKind,
    /// What happened this time.
    pub detail: String,
    /// Where in the body, as a JSON Pointer (RFC 6901); empty for the body as a whole.
    pub pointer: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Every mistake, where there may be more than one; the first is also in `detail` and `pointer`.
    pub mistakes: Vec<Mistake>,
    /// Fields of its own, such as the actual revision.
    pub facts: Map<String, Value>,
}

impl Problem {
    /// A problem with the body as a whole.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: clipped(detail.into()),
            pointer: String::new(),
            hint: String::new(),
            mistakes: Vec::new(),
            facts: Map::new(),
        }
    }

    /// The problem of a message with mistakes; says the first, and lists all, or as many as an answer may hold.
    pub fn of_mistakes(kind: ProblemKind, mut mistakes: Vec<Mistake>) -> Self {
        let total = mistakes.len();
        mistakes.truncate(MISTAKES_MAX);
        let mistakes: Vec<Mistake> = mistakes.into_iter().map(Mistake::bounded).collect();
        let mut problem = Self::new(kind, "");
        if let Some(first) = mistakes.first() {
            problem.detail = match total {
                1 => first.detail.clone(),
                2 => format!("{} (and 1 more mistake)", first.detail),
                n => format!("{} (and {} more mistakes)", first.detail, n - 1),
            };
            problem.pointer.clone_from(&first.pointer);
            problem.hint.clone_from(&first.hint);
        }
        problem.mistakes = mistakes;
        if total > MISTAKES_MAX {
            return problem.fact("mistakes_total", total);
        }
        problem
    }

    /// The same problem, at a place in the body.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = near(pointer.into());
        self
    }

    /// The same problem, with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = clipped(hint.into());
        self
    }

    /// The same problem, with a field of its own.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// The same problem, with every pointer seen from further out: a step of a batch, for example.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        for mistake in &mut self.mistakes {
            mistake.pointer.insert_str(0, prefix);
        }
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.title(), self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mistake, Problem, ProblemKind};

    #[test]
    fn a_problem_does_not_grow_with_what_was_sent() {
        let mistake = Mistake {
            pointer: format!("/args/tags/{}/é", "k".repeat(5_000)),
            detail: "é".repeat(5_000),
            hint: "é".repeat(5_000),
        };
        let problem = Problem::of_mistakes(ProblemKind::Invalid, vec![mistake.clone(); 250]);
        assert_eq!(problem.mistakes.len(), 100);
        assert_eq!(problem.facts["mistakes_total"], 250);
        assert!(problem.detail.ends_with("… (and 249 more mistakes)"));
        assert_eq!(problem.mistakes[99].pointer, "/args/tags");
        assert_eq!(problem.mistakes[99].detail.chars().count(), 501);
        let problem = Problem::new(ProblemKind::Malformed, &mistake.detail)
            .at(mistake.pointer)
            .hint(mistake.hint);
        assert!(problem.detail.len() + problem.pointer.len() + problem.hint.len() < 4_100);
    }
}
