//! What can go wrong in this room: faults (we could not), and the errors that also hold problems (we say no).

use std::error::Error;
use std::path::PathBuf;

use crate::domain::Problem;

/// The cause of a fault, whoever reported it.
type Cause = Box<dyn Error + Send + Sync>;

/// Why the index could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The index is of another format, or damaged. The caller rebuilds it.
    #[error("the search index cannot be used: {why}")]
    Unusable {
        /// What is wrong with it.
        why: String,
    },
    /// Another writer holds the index.
    #[error("the search index is held by another writer")]
    Locked,
    /// The file system failed.
    #[error("cannot {doing} {}", path.display())]
    Files {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The index failed.
    #[error("the search index cannot {doing}")]
    Index {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        source: Cause,
    },
}

impl Fault {
    /// A fault of the index while doing something, for `map_err`.
    pub(super) fn of(doing: &'static str) -> impl FnOnce(tantivy::TantivyError) -> Self {
        move |source| Self::Index {
            doing,
            source: Box::new(source),
        }
    }

    /// A fault of the file system while doing something to a path, for `map_err`.
    pub(super) fn files(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Files {
            doing,
            path: path.into(),
            source,
        }
    }

    /// The index is not to be trusted.
    pub(super) fn unusable(why: impl Into<String>) -> Self {
        Self::Unusable { why: why.into() }
    }
}

impl From<tantivy::TantivyError> for Fault {
    fn from(source: tantivy::TantivyError) -> Self {
        Self::of("answer")(source)
    }
}

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// What was asked cannot be answered.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The index could not answer.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why an index was not rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildFault<E: Error + 'static> {
    /// The documents could not be read.
    #[error("the documents for the search index cannot be read")]
    Documents(#[source] E),
    /// The index could not be written.
    #[error(transparent)]
    Index(#[from] Fault),
}
