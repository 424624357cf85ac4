//! What must hold, whatever is done to Windlass.

use std::fmt;

/// An invariant of the fault matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// The link to what is in force.
    I1,
    /// The gate that a release passes before clients see it.
    I2,
    /// Requests.
    I3,
    /// How it ends.
    I4,
    /// Who may change something.
    I5,
    /// Migrations.
    I6,
    /// The way back.
    I7,
    /// Waits.
    I8,
    /// Secrets.
    I9,
    /// What is left.
    I10,
}

impl Invariant {
    /// All there are, in order.
    pub const ALL: [Self; 10] =
        [Self::I1, Self::I2, Self::I3, Self::I4, Self::I5, Self::I6, Self::I7, Self::I8, Self::I9, Self::I10];

    /// In words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::I1 => "`current` names a finished release at every moment",
            Self::I2 => "no request is answered by a copy that did not pass its gate",
            Self::I3 => "no request fails while the old release is well",
            Self::I4 => {
                "after a crash, going on or back ends in the old or the new release, and the journal says which; \
                 once more changes nothing"
            }
            Self::I5 => "one holder at a time; who lost the lock changes nothing",
            Self::I6 => "no migration runs twice or beside itself, and what cannot be undone stays",
            Self::I7 => "what is needed to go back is never deleted by a failed run",
            Self::I8 => "every wait ends",
            Self::I9 => "no secret where it does not belong",
            Self::I10 => "a run leaves nothing on the disk but what the ledger has",
        }
    }

    /// How it is looked for.
    #[must_use]
    pub const fn looked_for(self) -> &'static str {
        match self {
            Self::I1 => {
                "a watcher is told by the kernel of each change of the link, follows it each time and every few \
                 milliseconds, and looks for the seal; after a power cut, before anything runs"
            }
            Self::I2 => {
                "each copy knows whether it has answered its readiness check and whether it is one that fails a gate, \
                 and says so in each answer; clients look at it"
            }
            Self::I3 => "each answer to the clients is 200",
            Self::I4 => {
                "ledger, `current`, processes and answers are of one release, the last record of the journal names it \
                 and its run; then `resume` again, and nothing is another than before"
            }
            Self::I5 => {
                "one process is the host side, one run is recorded, all is as before whoever was refused"
            }
            Self::I6 => "what the migrations themselves wrote down, or their database says",
            Self::I7 => {
                "the trees and settings of all releases that could be gone back to are those that they were"
            }
            Self::I8 => "what was waited for ended by itself, in bounded time",
            Self::I9 => "the values in all their forms, in files, outputs and arguments",
            Self::I10 => {
                "releases, settings, copies and jobs on the disk, compared with the ledger and with what runs"
            }
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
