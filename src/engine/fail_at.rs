//! Planned failures: named points on the way of a command at which a test lets the process end.
//!
//! They are in this room because it is the lowest that has steps to fail between; `api`, whose steps are the others,
//! imports it. Where to fail is a value that `app` reads once and hands down like the clock, not a global: nothing else
//! can arm it. It works only in builds with debug assertions, which the tests run. In a release build [`FailAt::ACTIVE`] is a
//! constant `false`, so that the compiler leaves nothing of [`FailAt::pass`], and the variable is not even read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A step after which the process can be told to end. `docs/reliability.md` says what each of them means to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The store is open and the model is built from it; the index may be behind.
    Loaded,
    /// The index has caught up, and no thread runs yet.
    CaughtUp,
    /// A command was delivered.
    Taken,
    /// It was read, and the engine has not got it yet.
    Read,
    /// The engine's thread has taken a batch, and opened no transaction yet.
    Gathered,
    /// All of the batch is in the transaction, and nothing of it on disk.
    Staged,
    /// The batch is on disk, and nobody knows of it yet.
    Committed,
    /// It is in memory and announced, and no command of it is answered.
    Applied,
    /// An event was handed to the connection.
    EventSent,
    /// The broker has confirmed an event, and that is not taken down.
    EventConfirmed,
    /// All is done that a reply to a command waits for.
    BeforeReply,
    /// The broker has the reply, and the command is not acknowledged.
    Replied,
    /// The acknowledgement was handed to the connection.
    Acknowledged,
    /// In a drain: all that was in flight is answered; the last events may be without their confirm.
    Answered,
    /// In a drain: the engine has finished; how far the broker has confirmed is not written down.
    Finished,
}

impl Point {
    /// Every point, in the order of the way.
    pub const ALL: [Self; 15] = [
        Self::Loaded,
        Self::CaughtUp,
        Self::Taken,
        Self::Read,
        Self::Gathered,
        Self::Staged,
        Self::Committed,
        Self::Applied,
        Self::EventSent,
        Self::EventConfirmed,
        Self::BeforeReply,
        Self::Replied,
        Self::Acknowledged,
        Self::Answered,
        Self::Finished,
    ];

    /// Its name in the variable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::CaughtUp => "caught-up",
            Self::Taken => "taken",
            Self::Read => "read",
            Self::Gathered => "gathered",
            Self::Staged => "staged",
            Self::Committed => "committed",
            Self::Applied => "applied",
            Self::EventSent => "event-sent",
            Self::EventConfirmed => "event-confirmed",
            Self::BeforeReply => "before-reply",
            Self::Replied => "replied",
            Self::Acknowledged => "acknowledged",
            Self::Answered => "answered",
            Self::Finished => "finished",
        }
    }
}

/// A text that names no point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPoint(String);

impl fmt::Display for UnknownPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Point::ALL.map(Point::name).join(", ");
        write!(
            f,
            "`{}` is no point to fail at: write one of {names}, and where the first passing is not meant, `:` and its number",
            self.0
        )
    }
}

impl std::error::Error for UnknownPoint {}

/// Where the process is to end; by default nowhere.
#[derive(Clone, Default)]
pub struct FailAt(Option<Arc<Armed>>);

struct Armed {
    point: Point,
    /// Passings that are still to come, the fatal one included.
    left: AtomicU64,
}

impl FailAt {
    /// Whether planned failures are part of this build.
    pub const ACTIVE: bool = cfg!(debug_assertions);
    /// What a process ends with at a planned failure; no other end has this code.
    pub const EXIT_CODE: i32 = 86;

    /// Reads `point` or `point:n`: to end at the n-th passing of a point.
    ///
    /// # Errors
    /// [`UnknownPoint`] where the text is not that.
    pub fn parse(text: &str) -> Result<Self, UnknownPoint> {
        let (name, passing) = text.split_once(':').unwrap_or((text, "1"));
        let point = Point::ALL.into_iter().find(|point| point.name() == name);
        let passing = passing.parse().ok().filter(|passing| *passing > 0);
        let (point, left) = point.zip(passing).ok_or_else(|| UnknownPoint(text.to_owned()))?;
        let left = AtomicU64::new(left);
        Ok(Self(Some(Arc::new(Armed { point, left }))))
    }

    /// Ends the process if this is where it is to end.
    pub fn pass(&self, point: Point) {
        if Self::ACTIVE
            && let Some(armed) = &self.0
            && armed.point == point
            && armed.left.fetch_sub(1, Ordering::AcqRel) == 1
        {
            tracing::error!(point = point.name(), "a planned failure");
            // Nothing is tidied up: what a crash would leave undone stays undone.
            std::process::exit(Self::EXIT_CODE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FailAt, Point};

    #[test]
    fn a_point_is_named_with_or_without_its_passing() {
        for point in Point::ALL {
            for text in [point.name().to_owned(), format!("{}:3", point.name())] {
                let armed = FailAt::parse(&text).unwrap();
                assert_eq!(armed.0.unwrap().point, point);
            }
        }
        for text in ["", "nowhere", "taken:", "taken:0", "taken:x", ":1"] {
            let unknown = FailAt::parse(text).err().unwrap().to_string();
            assert!(unknown.contains("before-reply"), "{unknown}");
        }
    }

    #[test]
    fn another_point_and_an_earlier_passing_do_nothing() {
        let armed = FailAt::parse("taken:3").unwrap();
        armed.pass(Point::Taken);
        armed.pass(Point::Taken);
        armed.pass(Point::Read);
        FailAt::default().pass(Point::Taken);
    }
}
