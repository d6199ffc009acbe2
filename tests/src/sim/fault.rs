//! What can go wrong, and how often it did.

use std::collections::BTreeMap;
use std::fmt;

/// A kind of fault. Each strikes at random times, at a rate drawn for the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A link is lost with what is on it.
    Cut,
    /// Two nodes cannot reach each other for a while; one of them may notice late.
    Partition,
    /// A link takes nothing for a while in one direction.
    Clog,
    /// A client goes to the other relay, as the hybrid transport does when the preferred one is back.
    Switch,
    /// A process dies; what its disk had not committed is gone.
    Crash,
    /// A relay takes its leave of everybody and stops.
    Leave,
    /// A process does nothing for a while.
    Pause,
    /// A clock jumps by up to an hour, forward or back.
    ClockJump,
    /// A disk takes nothing for a while.
    DiskFull,
    /// A document cannot be read, once.
    Unreadable,
    /// A store is replaced by an older copy of itself.
    Restore,
    /// A client's store is copied, and both run on.
    Copy,
    /// Somebody connects and talks rubbish.
    Garbage,
    /// Somebody asks for compaction.
    Compact,
    /// An application closes a document, and opens it again later.
    Close,
    /// An application forgets a document, and opens it again later.
    Forget,
    /// An application takes back an edit by failing in the middle of it.
    TakeBack,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Cut,
        Self::Partition,
        Self::Clog,
        Self::Switch,
        Self::Crash,
        Self::Leave,
        Self::Pause,
        Self::ClockJump,
        Self::DiskFull,
        Self::Unreadable,
        Self::Restore,
        Self::Copy,
        Self::Garbage,
        Self::Compact,
        Self::Close,
        Self::Forget,
        Self::TakeBack,
    ];

    /// What it is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "link cut",
            Self::Partition => "partition",
            Self::Clog => "link clogged",
            Self::Switch => "relay switched",
            Self::Crash => "process crashed",
            Self::Leave => "relay left in good order",
            Self::Pause => "process paused",
            Self::ClockJump => "clock jumped",
            Self::DiskFull => "disk full",
            Self::Unreadable => "document unreadable",
            Self::Restore => "store restored from a backup",
            Self::Copy => "store copied",
            Self::Garbage => "garbage sent",
            Self::Compact => "compaction asked for",
            Self::Close => "document closed",
            Self::Forget => "document forgotten",
            Self::TakeBack => "edit taken back",
        }
    }
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub(super) fn add(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    /// Adds the counts of another run.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, times)| self.add(what, *times));
    }

    /// How often `what` happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "  {times:>9} {what}"))
    }
}
