//! What a controller and a host side say to each other.
//!
//! Frames are a length (four bytes, big-endian) and that many bytes of JSON. The controller opens
//! with [`Hello`], the host side answers with its own; when they have no version in common the host
//! side says which it speaks and closes. Then the controller asks and the host side answers, one
//! after another; while a run or a log is followed, several [`Answer`]s come for one [`Ask`].

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::edge::RouteCounts;
use crate::event::{Event, RunRecord};
use crate::journal::Stage;
use crate::launch::Status;
use crate::name::{InstanceId, Name, ReleaseId};
use crate::plan::{Observed, Plan, Source};
use crate::spec::{Command, Credential, Destination, Spec};
use crate::units::Span;

/// The version of the protocol. Both sides must have it in common.
pub const PROTOCOL_VERSION: u32 = 1;

/// The longest frame that is read, in bytes. A peer that announces more is not believed.
pub const MAX_FRAME: u32 = 16 << 20;

/// The first frame in each direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// See [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The version of the program.
    pub program: String,
}

/// Values of settings on their way to the host side. Never printed; wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(pub IndexMap<String, String>);

impl Drop for Values {
    fn drop(&mut self) {
        self.0.values_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// The key of an environment's fingerprints: without it a fingerprint tells nothing about a value,
/// not even whether a guess is right. Never printed; wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FingerprintKey(pub [u8; 32]);

impl Drop for FingerprintKey {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What a controller asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// What is there, to make a plan from. Changes nothing.
    Observe,
    /// Carry out this plan, and let me follow it.
    Begin {
        /// The plan.
        plan: Box<Plan>,
        /// The settings that its specification refers to; for going back to an earlier release
        /// the host side uses what it kept.
        values: Values,
        /// What the steps of the build get of the environment of whoever asks, and where the programs of the release
        /// are: see [`PASSED`](crate::spec::PASSED) and [`PLACES`](crate::spec::PLACES).
        #[serde(default)]
        passed: Values,
        /// The key that the plan's fingerprints were made with; kept from the first deploy on.
        key: FingerprintKey,
        /// Who asks.
        by: String,
    },
    /// Follow the run that is under way, taking it over when it was interrupted.
    Claim {
        /// Go on with it, or go back.
        how: Claim,
        /// Who asks.
        by: String,
        /// Only this run; `None`: whichever is open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        /// Only where it was interrupted: one that somebody has taken up meanwhile is theirs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        interrupted: bool,
    },
    /// Turn the run back that I follow.
    Cancel {
        /// The run.
        run: String,
        /// Who asks.
        by: String,
    },
    /// Stop soon what a committed run still waits for: somebody has something more urgent. Nothing of it is left
    /// undone; what it waits for may be cut.
    Hurry {
        /// The run.
        run: String,
        /// Who asks.
        by: String,
    },
    /// The run that is not over, if there is one: a small part of the status, which looks at much.
    OpenRun,
    /// How everything is.
    Status,
    /// The releases, newest first.
    Releases,
    /// What the commands that read the schema say now, of the active release's jobs. Changes nothing.
    Schema,
    /// What an earlier release ran, to go back to it.
    Recall {
        /// Which.
        release: ReleaseId,
    },
    /// The records of the latest runs, newest first.
    Runs {
        /// How many.
        limit: u32,
    },
    /// Whether the runs that have ended are those that were written down.
    Audit,
    /// Accept them as they are, from now on: that they are not those that were written down is known.
    Acknowledge {
        /// Who asks.
        by: String,
    },
    /// Lines of logs; more come as they are written when asked to follow.
    Logs {
        /// Of these services, resources, jobs, cron jobs, or logs by their own name; empty: of all
        /// services.
        of: Vec<String>,
        /// Only what the copies of services wrote that this release started; of jobs and builds: its own.
        release: Option<ReleaseId>,
        /// How many lines of what is there already, of each; `None`: all that `since` lets through.
        lines: Option<u32>,
        /// Only lines written after this time, milliseconds since 1970.
        since: Option<i64>,
        /// Whether to go on.
        follow: bool,
        /// Whether the asker knows what an [`Answer::Note`] among the lines is.
        #[serde(default)]
        notes: bool,
    },
    /// Run a job of the manifest, or any command, in the active release with its environment.
    Run {
        /// What.
        what: RunWhat,
        /// Whether the controller runs it itself, on its own terminal.
        attached: bool,
        /// Who asks.
        by: String,
    },
    /// End as soon as nobody needs you: you were woken only for this. Refused where something is looked
    /// after. One that does not know this ask ends the conversation, and stays.
    Rest,
    /// End: the services must have been stopped before.
    Shutdown {
        /// Whether the data of the resources and everything else of the environment goes too.
        delete_data: bool,
    },
}

impl Ask {
    /// What kind of question it is, without anything that it carries.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Begin { .. } => "begin",
            Self::Claim { .. } => "claim",
            Self::Cancel { .. } => "cancel",
            Self::Hurry { .. } => "hurry",
            Self::OpenRun => "open run",
            Self::Status => "status",
            Self::Releases => "releases",
            Self::Schema => "schema",
            Self::Recall { .. } => "recall",
            Self::Runs { .. } => "runs",
            Self::Logs { .. } => "logs",
            Self::Run { .. } => "run",
            Self::Shutdown { .. } => "shutdown",
            Self::Audit => "audit",
            Self::Acknowledge { .. } => "acknowledge",
            Self::Rest => "rest",
        }
    }
}

/// What becomes of an interrupted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// It goes on.
    Resume,
    /// It goes back, unless it is committed.
    Abort,
}

/// What `windlass run` runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunWhat {
    /// A job of the manifest.
    Job(Name),
    /// A command.
    Command {
        /// It.
        command: Command,
        /// With the environment, the directory and the account of this service; `None`: of the first.
        service: Option<Name>,
    },
    /// The command that undoes a job.
    Undo {
        /// The job.
        job: Name,
        /// With the files and settings of this release; `None`: of the one that it belongs to.
        release: Option<ReleaseId>,
    },
}

/// What a host side answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Ask::Observe`].
    Observed {
        /// What is there.
        observed: Box<Observed>,
        /// The key of this environment's fingerprints; `None` before the first deploy.
        key: Option<FingerprintKey>,
    },
    /// Something happened in the run that is followed; the last is `RunEnded`.
    Event(Event),
    /// To [`Ask::OpenRun`].
    OpenRun(Option<OpenRun>),
    /// To [`Ask::Status`].
    Status(Box<EnvironmentStatus>),
    /// To [`Ask::Releases`].
    Releases(Vec<ReleaseRecord>),
    /// To [`Ask::Schema`], by job.
    Schema(IndexMap<Name, Schema>),
    /// To [`Ask::Recall`].
    Recalled {
        /// What ran.
        spec: Box<Spec>,
        /// What it was built from.
        source: Source,
    },
    /// To [`Ask::Runs`].
    Runs(Vec<RunRecord>),
    /// To [`Ask::Audit`].
    Audit(Audit),
    /// To [`Ask::Acknowledge`]: what was accepted, in words; nothing where all is as it was written down.
    Acknowledged(Vec<String>),
    /// A line of a log, or of a command that was run.
    Line {
        /// Whose, by the name that it is known by where it was asked for.
        source: String,
        /// The copy of a service that wrote it.
        #[serde(default)]
        copy: Option<InstanceId>,
        /// The line, with secrets masked.
        text: String,
    },
    /// What people should know before a command runs, or before lines are shown.
    Note {
        /// It, in one line.
        text: String,
    },
    /// How to run a command on the controller's own terminal.
    Attach {
        /// Program and arguments.
        argv: Vec<String>,
        /// The working directory.
        directory: String,
        /// The account.
        user: Option<String>,
        /// The whole environment.
        env: Values,
        /// A file to hold locked meanwhile, where nothing else may do this at the same time.
        #[serde(default)]
        lock: Option<String>,
        /// Whether to keep this conversation until the command has ended: without it the host side may end,
        /// and what the command reads with it.
        #[serde(default)]
        stay: bool,
    },
    /// A command that was run has ended.
    Exited {
        /// Its exit code, or 128 and the signal's number.
        code: i32,
        /// How it ended, in words.
        how: String,
    },
    /// Done; nothing more to say.
    Done,
    /// It cannot be done.
    Refused {
        /// What kind of no it is.
        kind: Refusal,
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// What a command says that reads a job's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// Its last line.
    Is(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// Kinds of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Another run is under way.
    Busy,
    /// The plan was made for a world that has moved.
    Stale,
    /// There is no such thing.
    NotFound,
    /// The request makes no sense.
    Invalid,
    /// The host side failed.
    Failed,
}

/// How everything is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    /// The application.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The active release.
    pub release: Option<ReleaseRecord>,
    /// Whether it was stopped, and does not run until it is deployed or restarted.
    #[serde(default)]
    pub stopped: bool,
    /// Where the application answers.
    pub addresses: Vec<String>,
    /// The services, in the manifest's order.
    pub services: Vec<ServiceStatus>,
    /// The resources.
    pub resources: Vec<ServiceStatus>,
    /// Which requests go where, the most specific first.
    #[serde(default)]
    pub routes: Vec<RouteStatus>,
    /// Copies that live and are none of the active release's: those of the release that a run brings
    /// up, its private resources among them, and those that leave.
    #[serde(default)]
    pub transient: Vec<InstanceStatus>,
    /// Cron jobs: when they run next and how they ended last.
    pub crons: Vec<CronStatus>,
    /// The run that is under way, or was interrupted.
    pub run: Option<OpenRun>,
    /// Whether the proxy answers.
    pub proxy: bool,
    /// Whether it has a keeper, which starts it again.
    #[serde(default)]
    pub proxy_kept: bool,
    /// Its process, where that was stopped by a signal and does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_proxy: Option<i32>,
    /// What is amiss with it, though it goes on, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded_proxy: Option<String>,
    /// The disk that everything lies on.
    pub storage: Storage,
    /// What starts the host side after a reboot; `None`: nothing does.
    #[serde(default)]
    pub boot: Option<String>,
    /// The values that rotations replaced and could not revoke: they are good still.
    #[serde(default)]
    pub unrevoked: Vec<Unrevoked>,
    /// The same of the credentials of private resources.
    #[serde(default)]
    pub unrevoked_credentials: Vec<UnrevokedCredential>,
    /// Whether the runs that have ended are those that were written down; `None`: it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// What needs a person.
    pub problems: Vec<String>,
    /// Those of them that are about certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
}

/// A value that is good still, though another one is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrevoked {
    /// The setting.
    pub setting: String,
    /// The release whose rotation left it: what it replaced, or, where it went back, what it brought.
    pub release: ReleaseId,
}

/// A credential that lets sign in still, though another one is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnrevokedCredential {
    /// The resource.
    pub resource: Name,
    /// The credential.
    pub credential: Credential,
}

/// What the chain over the runs that have ended says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// How many runs it covers.
    pub runs: u64,
    /// Its last link: noted elsewhere, it shows later that nobody made the chain anew. Empty before the first run.
    pub last: String,
    /// What of them was changed, added or removed since, in words, and that nobody has accepted.
    pub faults: Vec<String>,
    /// What somebody has accepted as it is, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledged>,
}

/// Changes of the runs on record that a person knows of, and accepts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When, milliseconds since 1970.
    pub at: i64,
    /// Who did.
    pub by: String,
    /// What, in words.
    pub faults: Vec<String>,
}

impl Audit {
    /// What comes before a fault where people are told.
    pub const AMISS: &'static str = "the runs on record are not as they were written down";
    /// What to do about faults.
    pub const HINT: &'static str = "somebody edited state/journal.db, or its disk is damaged: compare it with a backup. `windlass runs \
         --acknowledge` accepts it as it is";
}

/// The disk that an environment lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Storage {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that the manifest wants free (`[deploy] min_free_disk`).
    pub wanted: u64,
    /// Whether a file can be written, and there is as much free as is wanted.
    pub ok: bool,
}

/// A run that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// Its id.
    pub run: String,
    /// What it is, in one line.
    pub headline: String,
    /// Who asked for it.
    pub by: String,
    /// When it began, milliseconds since 1970.
    pub began: i64,
    /// Whether it is being carried out; otherwise it was interrupted.
    pub under_way: bool,
    /// Whether it holds the lock.
    pub locked: bool,
    /// When an interrupted run that nobody claims is settled, milliseconds since 1970.
    pub settles_at: Option<i64>,
    /// What it still does, where it is committed; `None`: it may still go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Remaining>,
}

/// What a run still does after its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remaining {
    /// Its steps, each in words.
    pub steps: Vec<String>,
    /// How long they take at the most; `None`: nobody knows.
    pub at_most: Option<Span>,
}

impl Remaining {
    /// The steps in one line: the first few, and how many more there are.
    #[must_use]
    pub fn in_words(&self) -> String {
        const SHOWN: usize = 3;
        let shown = self.steps.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.steps.len().saturating_sub(SHOWN) {
            0 if shown.is_empty() => "write down how it ended".to_owned(),
            0 => shown,
            more => format!("{shown}, and {more} more"),
        }
    }
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: Name,
    /// How many copies there should be.
    pub wanted: u32,
    /// Its copies.
    pub instances: Vec<InstanceStatus>,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Which.
    pub id: InstanceId,
    /// What its keeper says; the restarts are those by all its keepers since a run started it.
    pub status: Status,
    /// What is amiss with it though it goes on, as its keeper says. It stands here alone: a command line of an earlier
    /// Windlass passes over it here, and refuses what it does not know of the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// Why it was started again the last time, where it was.
    #[serde(default)]
    pub last_restart: Option<String>,
    /// Where it stands in the run that brings it up or stops it; `None`: it is one of the active
    /// release's.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// When it is tried again, where it was given up as a crash loop and is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_in: Option<Span>,
    /// Whether it is ready.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The port it was given.
    pub port: Option<u16>,
    /// Memory of the process and its descendants, in bytes.
    pub memory: u64,
    /// Processor time of the same since their start, in milliseconds.
    pub cpu_millis: u64,
}

/// A route, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// The host name, `*.example.org` for all below it, or `None` for any.
    pub host: Option<String>,
    /// The path prefix.
    pub path: String,
    /// Where to.
    pub to: Destination,
    /// Its answers since the proxy or the route began, whichever was later; `None`: the proxy does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<RouteCounts>,
}

/// How a cron job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronStatus {
    /// Its name.
    pub name: Name,
    /// When it runs next, milliseconds since 1970.
    pub next: Option<i64>,
    /// When it ran last, milliseconds since 1970.
    pub last: Option<i64>,
    /// How that ended, in words.
    pub outcome: Option<String>,
    /// Whether it runs now.
    pub running: bool,
}

/// A release in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Which.
    pub release: ReleaseId,
    /// Whether it is the active one.
    pub active: bool,
    /// Whether its tree is still there to go back to.
    pub available: bool,
    /// What made it, such as `Deploy shop (production): r3 -> r4`.
    pub headline: String,
    /// The tree it runs from.
    pub tree: ReleaseId,
    /// The commit it was built from.
    pub commit: Option<String>,
    /// Whether the files differed from it.
    pub dirty: bool,
    /// Who made it.
    pub by: String,
    /// When it became active, milliseconds since 1970.
    pub activated: i64,
    /// What its schema jobs said of the database.
    pub schema: IndexMap<Name, String>,
}
