//! Exit codes, which are a contract with scripts, and failures, which are for people.

use std::io;
use std::process::ExitCode;

/// How a run ends. The numbers are a contract: `domesday --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok,
    /// We were told no: something was rejected, is not there, or differs.
    Refused,
    /// The command line or the configuration cannot be used.
    Usage,
    /// What was to be read cannot be read or has mistakes; nothing was sent.
    Data,
    /// The broker cannot be reached or does not let us in.
    Unavailable,
    /// Something happened that should not be possible.
    Internal,
    /// No answer came in time; the same again may work.
    TryAgain,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::Usage => 64,
            Self::Data => 65,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::TryAgain => 75,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a verb could not do what it was asked to do.
#[derive(Debug)]
pub enum Failure {
    /// To be told to a person.
    Told {
        /// What the process ends with.
        exit: Exit,
        /// What happened, and where.
        what: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// Who read our output has stopped reading: no failure, but the end.
    ClosedPipe,
}

impl Failure {
    /// A failure to be told to a person.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self::Told {
            exit,
            what: what.into(),
            hint: String::new(),
        }
    }

    /// A command line or a configuration that cannot be used.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The same failure, with what to do.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Told { hint, .. } = &mut self {
            *hint = text.into();
        }
        self
    }
}

impl From<io::Error> for Failure {
    /// Of writing to our own output: everything else is read and written where the name of the file is known.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        Self::new(Exit::Internal, format!("the output cannot be written: {error}"))
    }
}
