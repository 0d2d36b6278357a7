//! What a register knows of its place among its copies.

use std::fmt;

/// The place of a register among its copies. It is on disk with the data, so that no restart undoes a promotion, and no
/// flag lets a register serve whose place another has taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was decided yet: it is what the command line says.
    #[default]
    Undecided,
    /// It follows another register, and serves once it is promoted.
    Secondary,
    /// It was promoted, and serves.
    Promoted,
    /// Another register took its place.
    Fenced {
        /// The epoch that has begun there.
        epoch: u64,
        /// The last sequence that both have in common: what this register has beyond it, the other has not.
        sequence: u64,
    },
}

/// A text that is no standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoStanding;

impl Standing {
    /// Whether the register may take no command.
    pub const fn forbids_writing(self) -> bool {
        matches!(self, Self::Secondary | Self::Fenced { .. })
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    ///
    /// # Errors
    /// [`NoStanding`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NoStanding> {
        let mut words = text.split(' ');
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).ok_or(NoStanding);
        let standing = match words.next() {
            Some("undecided") => Self::Undecided,
            Some("secondary") => Self::Secondary,
            Some("promoted") => Self::Promoted,
            Some("fenced") => Self::Fenced {
                epoch: number(words.next())?,
                sequence: number(words.next())?,
            },
            _ => return Err(NoStanding),
        };
        words.next().map_or(Ok(standing), |_| Err(NoStanding))
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecided => f.write_str("undecided"),
            Self::Secondary => f.write_str("secondary"),
            Self::Promoted => f.write_str("promoted"),
            Self::Fenced { epoch, sequence } => write!(f, "fenced {epoch} {sequence}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;

    #[test]
    fn a_standing_is_read_as_it_was_written_and_nothing_else_is_one() {
        let fenced = Standing::Fenced {
            epoch: 7,
            sequence: u64::MAX,
        };
        for standing in [
            Standing::Undecided,
            Standing::Secondary,
            Standing::Promoted,
            fenced,
        ] {
            assert_eq!(Standing::parse(&standing.to_string()), Ok(standing));
        }
        for text in [
            "",
            "Promoted",
            "fenced",
            "fenced 1",
            "fenced 1 x",
            "fenced 1 2 3",
            "secondary 1",
        ] {
            assert!(Standing::parse(text).is_err(), "{text:?}");
        }
    }
}
