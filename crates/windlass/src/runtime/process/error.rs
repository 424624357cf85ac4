//! What can go wrong with a process: whose fault it is, whether to try again, what to do.

use std::io;
use std::path::PathBuf;

use crate::keeper::BEING_REPLACED;
use crate::keeper::limits::TOO_MUCH;
use crate::keeper::watchers::NO_COMMAND;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The application's, or its manifest's.
    Application,
    /// The machine's: its disk, its memory, its limits.
    Machine,
    /// Of the order in which things were asked for.
    Caller,
}

/// A process could not be started, asked or stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum RuntimeError {
    /// It could not be started.
    NotStarted {
        /// What it is called.
        label: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Another launch runs in this directory.
    Taken {
        /// The directory.
        directory: PathBuf,
    },
    /// No keeper lives in this directory.
    NoKeeper {
        /// The directory.
        directory: PathBuf,
    },
    /// The keeper died while it was asked; its process may live.
    KeeperDied {
        /// The directory.
        directory: PathBuf,
    },
    /// The environment of the process is not known any more, so it cannot be started again.
    NoEnvironment {
        /// The directory.
        directory: PathBuf,
    },
    /// The keeper refused.
    Refused {
        /// Why.
        reason: String,
    },
    /// The directory cannot be used.
    Io {
        /// What was tried.
        tried: &'static str,
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keeper could not begin.
    Unusable {
        /// The directory.
        directory: PathBuf,
        /// Why.
        reason: String,
    },
}

impl RuntimeError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotStarted { .. } => Fault::Application,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ArgumentListTooLong => {
                Fault::Application
            }
            Self::KeeperDied { .. } | Self::Io { .. } | Self::Unusable { .. } => Fault::Machine,
            Self::Taken { .. }
            | Self::NoKeeper { .. }
            | Self::NoEnvironment { .. }
            | Self::Refused { .. } => Fault::Caller,
        }
    }

    /// Whether the keeper does not know what it was asked, because it is one of another Windlass.
    #[must_use]
    pub fn is_not_understood(&self) -> bool {
        matches!(self, Self::Refused { reason } if reason.starts_with(NO_COMMAND))
    }

    /// Whether the keeper refused a replacement because others are under way. One of an earlier Windlass says by the
    /// same words that it does not run, or that one predecessor still ends.
    #[must_use]
    pub fn is_being_replaced(&self) -> bool {
        matches!(self, Self::Refused { reason } if reason.ends_with(BEING_REPLACED))
    }

    /// Whether the same call may succeed when it is made again.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::KeeperDied { .. } | Self::Io { .. } | Self::Unusable { .. })
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            // Their reasons say it.
            Self::NotStarted { .. } | Self::Refused { .. } => None,
            Self::Taken { .. } => Some("stop what runs there first".to_owned()),
            Self::NoKeeper { .. } | Self::NoEnvironment { .. } => Some("start it".to_owned()),
            Self::KeeperDied { directory } => {
                Some(format!("see what killed the keeper of {}", directory.display()))
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ArgumentListTooLong => {
                Some(TOO_MUCH.to_owned())
            }
            Self::Io { directory, .. } | Self::Unusable { directory, .. } => Some(format!(
                "see that {} is on a disk that has room, and belongs to this account",
                directory.display()
            )),
        }
    }
}

impl std::fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotStarted { label, reason } => write!(f, "{label} was not started: {reason}"),
            Self::Taken { directory } => write!(f, "another process is kept in {}", directory.display()),
            Self::NoKeeper { directory } => write!(f, "nothing is kept in {}", directory.display()),
            Self::KeeperDied { directory } => write!(f, "the keeper of {} died", directory.display()),
            Self::NoEnvironment { directory } => {
                write!(f, "the environment of the process of {} is not known", directory.display())
            }
            Self::Refused { reason } => f.write_str(reason),
            Self::Io { tried, directory, source } => {
                write!(f, "cannot {tried} {}: {source}", directory.display())
            }
            Self::Unusable { directory, reason } => {
                write!(f, "cannot keep {}: {reason}", directory.display())
            }
        }
    }
}

impl std::error::Error for RuntimeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_process_can_be_given_is_not_blamed_on_the_disk() {
        let io = |kind: io::ErrorKind| RuntimeError::Io {
            tried: "start the keeper of",
            directory: "/run/web".into(),
            source: kind.into(),
        };
        let (much, full) = (io(io::ErrorKind::ArgumentListTooLong), io(io::ErrorKind::StorageFull));
        assert_eq!((much.fault(), full.fault()), (Fault::Application, Fault::Machine));
        let hints = [much, full].map(|error| error.hint().unwrap());
        assert!(hints[0].contains("file = true") && hints[1].contains("a disk that has room"), "{hints:?}");
    }

    #[test]
    fn a_replacement_under_way_is_known_from_keepers_of_earlier_builds_too() {
        let is_so = |reason: &str| RuntimeError::Refused { reason: reason.to_owned() }.is_being_replaced();
        assert!(is_so("it cannot be replaced now: it is being replaced already"));
        assert!(is_so("it cannot be replaced now: it does not run, or is being replaced already"));
        assert!(!is_so("it cannot be replaced now: it does not run"));
    }
}
