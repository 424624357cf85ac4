//! What a keeper is told, and what it tells.
//!
//! Every process that Windlass starts (services, resources, jobs, build steps, cron runs, the host
//! side and the proxy themselves) has a *keeper*: a tiny process of its own that is its parent,
//! outlives every control process, restarts it, and leaves nothing of it behind. A keeper lives in
//! one directory:
//!
//! ```text
//! launch.json   what to run (Launch), written before the keeper starts; holds no secret
//! lock          held by flock as long as the keeper lives: who can take it knows that none does
//! status.json   what has become of it (Status), replaced atomically at every change; of what runs once these two
//!               have a second line, with a checksum
//! boot          of what runs once: the machine's boot in which it was to begin, written before launch.json
//! sock          commands (KeeperAsk) and changes (Status), one JSON value a line
//! notify        where the process stores sockets, if the launch says so (see below)
//! ```
//!
//! The environment of the process is the keeper's own, so that secrets stand in no file. Beside it
//! the process gets `WINDLASS_PROCESS=DIR#N` (the N-th start in this directory), by which a keeper
//! that had to be replaced finds what its predecessor left behind.
//!
//! # The socket store
//! Where [`Launch::sockets`] is set, the process finds in `WINDLASS_KEEPER_SOCK` the path of a unix
//! `SOCK_SEQPACKET` socket. It is always a path to `connect` to: `DIR/notify`, or, where that is
//! longer than the 107 bytes such a path may have, `/proc/self/fd/N/notify` with the directory as an
//! inherited descriptor N. Each packet is one of
//!
//! ```text
//! STORE <name>\n     with one descriptor (SCM_RIGHTS): kept under the name until it is forgotten
//! FORGET <name>\n
//! READY\n            a process that replaces another takes over now
//! ```
//!
//! Every start gets the stored sockets as descriptors 3 and up, with `LISTEN_FDS` their number and
//! `LISTEN_FDNAMES` their names, percent-encoded and separated by `:`. The store is the keeper's
//! memory: when the keeper itself dies, the connection closes, and the process stores its sockets
//! again as soon as it can connect again.

use serde::{Deserialize, Serialize};

use crate::spec::{Limits, Restart, RestartWhen, Stop};
use crate::units::{Bytes, Span};

/// What to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The version of this format.
    pub version: u32,
    /// The label in logs and process lists, such as `web.r12.1`.
    pub label: String,
    /// Program and arguments; the program is looked up in the process's own `PATH`.
    pub argv: Vec<String>,
    /// The working directory, absolute.
    pub directory: String,
    /// The account, where the keeper runs as root.
    pub user: Option<String>,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// How it is stopped when nothing else is said.
    pub stop: Stop,
    /// After which time the signal is sent again to what has not ended, and again: for what loses a signal
    /// that comes while it starts. Zero: it is sent once, because to many a second one means "at once".
    #[serde(default, skip_serializing_if = "is_never")]
    pub stop_again: Span,
    /// What it may use.
    pub limits: Limits,
    /// The file that gets its output, absolute.
    pub log: Log,
    /// Ends it when it has run this long; zero: never.
    pub timeout: Span,
    /// Ends it when the keeper's standard input closes: for builds that must not outlive whoever
    /// asked for them.
    pub tied: bool,
    /// Sets the process's `oom_score_adj`, so that applications go before the proxy does.
    pub oom_score_adj: i32,
    /// Whether the process may leave its sockets with the keeper.
    #[serde(default)]
    pub sockets: bool,
    /// Whether the process starts keepers of its own, as the host side does: then only it and its
    /// process group end with it, for what it leaves behind is meant to live.
    #[serde(default)]
    pub keeps_others: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_never(span: &Span) -> bool {
    span.is_zero()
}

impl Launch {
    /// The version of this format.
    pub const VERSION: u32 = 1;
}

/// Where output goes. The process writes to the file itself, so that no reader's death can hurt it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The file, absolute.
    pub path: String,
    /// The size at which it is rotated.
    pub rotate_at: Bytes,
    /// How many rotated files are kept, compressed.
    pub keep: u32,
}

/// What has become of the process.
///
/// Keepers outlive the program that started them: whoever reads this passes over what a later one says besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The keeper's process id.
    pub keeper: i32,
    /// Where it stands.
    pub state: ProcessState,
    /// How many times it was started again.
    pub restarts: u32,
    /// How it ended the last time, where it did.
    pub last_exit: Option<Exit>,
    /// When this state began, milliseconds since 1970.
    pub since: i64,
    /// Why what was asked is not done. Only whoever asked is told; a keeper of an earlier Windlass told here of all that was
    /// amiss, and everybody.
    #[serde(default)]
    pub note: Option<String>,
    /// What is amiss with what goes on all the same, such as that it runs without its log, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// What of it hangs in the kernel, as `degraded` tells: each process by its number and its start, in clock ticks since
    /// boot. When the last of them is gone, that is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hangs: Vec<(i32, u64)>,
    /// The machine's boot in which this was written, by its id; empty where that is not known.
    #[serde(default)]
    pub boot: String,
}

impl Status {
    /// Whether it was written before the machine was started last: whatever it names is gone.
    #[must_use]
    pub fn is_of_another_boot(&self, present: &str) -> bool {
        !self.boot.is_empty() && !present.is_empty() && self.boot != present
    }

    /// Whether it ended for good by itself, and said that it had done what it was for.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        self.state == ProcessState::Ended(End::Finished) && self.last_exit == Some(Exit::Code(0))
    }
}

/// How it begins what a keeper says of a process without its log ([`Status::degraded`]), before all else that is amiss.
pub const NO_LOG: &str = "it runs without its log";

/// Where a process stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It runs.
    Running {
        /// Its process id, which is also its group's and session's.
        pid: i32,
        /// Its start time in clock ticks since boot: with the pid it names one process for good.
        start_ticks: u64,
    },
    /// It ended and will be started again.
    Backoff {
        /// When, milliseconds since 1970.
        until: i64,
    },
    /// It was asked to end.
    Stopping {
        /// Its process id.
        pid: i32,
        /// Its start time in clock ticks since boot; zero where that is not known.
        #[serde(default)]
        start_ticks: u64,
    },
    /// It ended, and will not be started again: it was stopped, its policy says so, or it is in a
    /// crash loop.
    Ended(End),
}

/// Why a process will not be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was asked to stop.
    Stopped,
    /// It ended by itself, and its policy is not to start it again.
    Finished,
    /// It ended too many times.
    CrashLoop,
    /// It ran longer than it may.
    TimedOut,
    /// It could not be started.
    NotStarted,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal, such as `SIGSEGV`.
    Signal(String),
    /// Killed because memory (its limit's, or the machine's) was used up.
    OutOfMemory,
    /// It was ended because it was not alive any more, as its check said: the reason.
    NotAlive(String),
    /// It could not be started: the reason.
    NotStarted(String),
    /// It ended while it had no keeper; how is not known.
    Unknown,
}

/// A command to a keeper. Each is answered by a line with the [`Status`], its note set if the
/// command was refused. A replacement that is not ready in time is refused by a later line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeeperAsk {
    /// Send the [`Status`] now and at every change.
    Watch,
    /// Ask the process to take no more work.
    Signal {
        /// The signal, such as `TSTP`.
        signal: String,
    },
    /// Stop it: the signal, the grace, then kill all that is left of it. The keeper ends with it.
    Stop {
        /// The signal.
        signal: String,
        /// How long the process has.
        grace: Span,
    },
    /// End it as it is launched to be ended, and go on as if it had ended by itself: start it again after
    /// the back-off, or give it up as a crash loop. For one that is not alive any more.
    Restart {
        /// What its check said.
        reason: String,
    },
    /// Start now what waits for its back-off: somebody needs it, and its crashes count as before. What does not wait
    /// goes on as it is.
    StartNow,
    /// Start a second process from the same launch, with the stored sockets; when it says that it is
    /// ready, stop the first. For the proxy's own upgrade.
    Replace,
    /// As [`KeeperAsk::Replace`], by another program; the launch is its from then on.
    ReplaceBy {
        /// Program and arguments.
        argv: Vec<String>,
    },
}

impl Default for Launch {
    /// A launch of nothing, to be filled in: never started again, stopped by `TERM` within ten seconds.
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            label: String::new(),
            argv: Vec::new(),
            directory: "/".to_owned(),
            user: None,
            restart: Restart {
                when: RestartWhen::Never,
                backoff: Span::ZERO,
                backoff_max: Span::ZERO,
                limit: 0,
                window: Span::ZERO,
            },
            stop: Stop { signal: "TERM".to_owned(), grace: Span::from_secs(10), quiet: None },
            stop_again: Span::ZERO,
            limits: Limits::default(),
            log: Log { path: String::new(), rotate_at: Bytes(64 << 20), keep: 30 },
            timeout: Span::ZERO,
            tied: false,
            oom_score_adj: 0,
            sockets: false,
            keeps_others: false,
        }
    }
}

impl Exit {
    /// Whether it ended well.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by {signal}"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::NotAlive(reason) => write!(f, "liveness: {reason}"),
            Self::NotStarted(reason) => write!(f, "not started: {reason}"),
            Self::Unknown => f.write_str("ended unseen"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_whatever_a_later_keeper_says_besides() {
        let text = r#"{"keeper":7,"state":{"running":{"pid":8,"start_ticks":9,"cgroup":"x"}},"restarts":1,
            "last_exit":{"code":3},"since":5,"boot":"b","mood":["good"]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!(status.state, ProcessState::Running { pid: 8, start_ticks: 9 });
        assert_eq!((status.restarts, status.last_exit, status.degraded), (1, Some(Exit::Code(3)), None));
        // What is to run is no such thing: a keeper that does not know all of it would run something else.
        let launch = serde_json::to_string(&Launch::default()).unwrap();
        assert!(serde_json::from_str::<Launch>(&launch).is_ok());
        let more = launch.replacen('{', r#"{"jail":true,"#, 1);
        assert!(serde_json::from_str::<Launch>(&more).is_err());
    }
}
