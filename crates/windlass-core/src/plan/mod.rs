//! The plan: what a run will do, as a value.
//!
//! [`plan`] is a pure function of what is wanted ([`Wanted`]) and what was seen ([`Observed`]).
//! Printing its answer is a dry run; carrying it out is the engine's work, step by step as
//! [`decide`](crate::journal::decide) says.
//!
//! ```text
//! preflight  build  lock | resources  migrate  start  gate  switch  bake  COMMIT | retire  clean up
//!    reads; changes      |        can be compensated, in reverse order           |  only goes on
//!    nothing that runs   |                                                       |
//! ```

mod action;
mod change;
mod code;
mod compose;
mod credential;
mod digest;
mod halt;
mod left_behind;
mod observed;
mod part;
mod rollout;
mod script;
mod text;
mod value;

pub use action::{Action, Compensation, Traffic};
pub use change::{Change, Reason};
pub use code::same_but_for_scale_and_rotation;
pub use compose::{carried, plan};
pub use credential::unrevoked;
pub use digest::{job_digest, resource_digest, service_digest};
pub use left_behind::left_behind;
pub use observed::{Activation, Observed, ObservedInstance, ObservedResource, Tree};
pub use part::{How, Kind, PartChange};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::manifest::nearest;
use crate::name::{Name, ReleaseId};
use crate::spec::{Engine, Spec};
use crate::units::Span;

/// The version of the plan's format. A plan of another version is refused, never guessed at.
pub const PLAN_VERSION: u32 = 1;

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// See [`PLAN_VERSION`].
    pub version: u32,
    /// What was asked for.
    pub request: Request,
    /// The release that will be active when the run has succeeded.
    pub release: ReleaseId,
    /// The release that was active when the plan was made.
    pub previous: Option<ReleaseId>,
    /// The tree that the release runs from: its own, or that of an earlier one with the same source.
    pub tree: Tree,
    /// What is to run.
    pub spec: Spec,
    /// Which instances the release consists of, by service.
    pub instances: IndexMap<Name, Vec<crate::name::InstanceId>>,
    /// Digests by which a later plan recognises an instance or a resource that need not be touched.
    pub digests: IndexMap<Name, String>,
    /// Whether it is carried out although what a failure would go back to is not what was built.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anyway: bool,
    /// [`Observed::fingerprint`] of the world that the plan was made for.
    pub base: String,
    /// What changes, and why, service by service.
    pub changes: Vec<Change>,
    /// What changes beside the services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartChange>,
    /// What is done, in order; steps of one stage at the same time.
    pub steps: Vec<Step>,
}

impl Plan {
    /// How long the release is watched. The first one has none that it could be measured by, or that could
    /// take over: a longer watch would see no more of it than that its copies stay up.
    #[must_use]
    pub fn bake(&self) -> Span {
        const FIRST: Span = Span::from_secs(5);
        let bake = self.spec.deploy.bake;
        if self.previous.is_none() { bake.min(FIRST) } else { bake }
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Bring the manifest and the source into production.
    Deploy,
    /// Bring an earlier release back.
    Rollback {
        /// Which.
        to: ReleaseId,
        /// Whether also when its files are no longer those that were built.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        anyway: bool,
    },
    /// Replace running instances by fresh ones of the same release.
    Restart {
        /// Of these services; empty: of all.
        services: Vec<Name>,
    },
    /// Change the number of copies.
    Scale {
        /// How many of each.
        replicas: IndexMap<Name, u32>,
    },
    /// Stop services.
    Stop {
        /// These; empty: all, and the resources after them.
        services: Vec<Name>,
    },
    /// Exchange what the services sign in with for something new.
    Rotate {
        /// What.
        what: Rotated,
    },
}

/// What a rotation exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotated {
    /// The credential of this private resource.
    Resource(Name),
    /// The value of this setting, for the one whose fingerprint the wanted specification has.
    Setting(String),
}

impl std::fmt::Display for Rotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Resource(name) => write!(f, "the credential of {name}"),
            Self::Setting(name) => f.write_str(name),
        }
    }
}

/// What is wanted: the arguments of [`plan`].
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What was asked for.
    pub request: Request,
    /// What is to run.
    pub spec: Spec,
    /// The source it is to run from.
    pub source: Source,
}

/// The source of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where it lies, absolute; empty when the tree exists already and nothing is built.
    pub path: String,
    /// A digest of the selected files, the build's commands and what they see.
    pub digest: String,
    /// For services that see only some of the files: the digest of those.
    pub parts: IndexMap<Name, String>,
    /// The commit, where the source is under version control.
    pub commit: Option<String>,
    /// Whether the files differ from that commit.
    pub dirty: bool,
    /// Files and directories, relative, that are no part of it although nothing excludes them: what
    /// Windlass itself writes there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its place in [`Plan::steps`].
    pub id: u32,
    /// The phase it belongs to.
    pub phase: Phase,
    /// Steps of the same stage are done at the same time, those of a later one after them.
    pub stage: u32,
    /// What is done.
    pub action: Action,
    /// How it is undone.
    pub compensation: Compensation,
}

/// The phases, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Looking before anything changes.
    Preflight,
    /// Making the release's tree.
    Build,
    /// Taking the lock; what was seen is looked at again.
    Lock,
    /// Starting databases, caches and brokers.
    Resources,
    /// Jobs that come before the new instances.
    Migrate,
    /// Starting new instances, and waiting until they are ready.
    Start,
    /// Asking the new release what it must know, before it gets requests.
    Gate,
    /// Giving it the requests.
    Switch,
    /// Watching it while the old one is warm.
    Bake,
    /// The one instant after which nothing goes back.
    Commit,
    /// Draining and stopping what is no longer needed.
    Retire,
    /// Removing what is too old to go back to.
    CleanUp,
}

impl Phase {
    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Build => "build",
            Self::Lock => "lock",
            Self::Resources => "resources",
            Self::Migrate => "migrate",
            Self::Start => "start",
            Self::Gate => "gate",
            Self::Switch => "switch",
            Self::Bake => "bake",
            Self::Commit => "commit",
            Self::Retire => "retire",
            Self::CleanUp => "clean up",
        }
    }
}

impl Plan {
    /// Whether there is nothing to do: the world is as wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether every step has the id by which [`step`](Self::step) finds it, and none is of an earlier stage
    /// than the one before it. Whoever carries a plan out relies on that.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        let mut steps = self.steps.iter().enumerate();
        steps.all(|(at, step)| usize::try_from(step.id) == Ok(at))
            && self.steps.windows(2).all(|two| two[0].stage <= two[1].stage)
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: u32) -> Option<&Step> {
        self.steps.get(id as usize)
    }

    /// A digest that names this plan: 16 hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        digest::of(self)
    }
}

/// Why there can be no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// There is no such service; what there is.
    UnknownService(Name, Vec<Name>),
    /// A singleton cannot have several copies.
    SingletonReplicas(Name),
    /// A service that always listens on this port cannot have several copies.
    FixedPortReplicas(Name, u16),
    /// Nothing was ever deployed.
    NothingDeployed,
    /// The tree that the release is to run from is gone, and there is no source to build it from.
    TreeMissing,
    /// There is no such private resource; what there is.
    UnknownResource(Name, Vec<Name>),
    /// This resource is somebody else's; its address is rotated where it stands.
    ResourceElsewhere {
        /// The resource.
        name: Name,
        /// What it is.
        engine: Engine,
        /// The setting that its address comes from, where there is one.
        setting: Option<String>,
        /// Whether the active release says how that is exchanged.
        is_rotated: bool,
    },
    /// The active release does not say how this setting is exchanged.
    NotRotated(String),
    /// The new value of this setting is the one that it has.
    SameValue(String),
    /// A value of this setting is wanted that a rotation has replaced.
    RevokedValue {
        /// The setting.
        name: String,
        /// The server that knows its accounts, where Windlass itself tells it: the value is made up then.
        at: Option<Engine>,
    },
    /// Everything was stopped: there is nothing to change, and nothing that shows whether what is new works.
    Stopped,
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownService(name, known) => {
                let known: Vec<&str> = known.iter().map(Name::as_str).collect();
                match nearest(name.as_str(), known.iter().copied()) {
                    Some(meant) => write!(f, "there is no service {name}: did you mean {meant}?"),
                    None => write!(f, "there is no service {name}; there is {}", known.join(", ")),
                }
            }
            Self::SingletonReplicas(name) => {
                write!(f, "{name} is a singleton: it can have 1 copy or 0, never more")
            }
            Self::FixedPortReplicas(name, port) => write!(
                f,
                "{name} always listens on port {port}, which only one copy can: it can have 1 copy or 0; for more, write \
                 port = \"auto\" (and {{port}} or $PORT where the command names it), and deploy"
            ),
            Self::TreeMissing => f.write_str(
                "the release's files are gone from this host: deploy its commit again instead of going back",
            ),
            Self::UnknownResource(name, known) if known.is_empty() => {
                write!(f, "there is no private resource {name}; Windlass runs none for this application")
            }
            Self::UnknownResource(name, known) => {
                let known: Vec<&str> = known.iter().map(Name::as_str).collect();
                write!(f, "there is no private resource {name}; there is {}", known.join(", "))
            }
            Self::ResourceElsewhere { name, setting: Some(setting), is_rotated: true, .. } => write!(
                f,
                "the resource {name} is somebody else's, so Windlass keeps no credential for it: exchange the value of the \
                 setting that its address comes from, by `windlass secrets rotate {setting}`"
            ),
            Self::ResourceElsewhere { name, engine, setting, .. } => {
                let setting = setting.as_deref().unwrap_or("DATABASE_URL");
                let engine = engine.word();
                write!(
                    f,
                    "the resource {name} is somebody else's, so Windlass keeps no credential for it: have its address come \
                     from a setting that says how it is exchanged, {setting} = {{ type = \"url\", secret = true, rotate = \
                     {{ at = \"{engine}\", admin = \"{setting}_ADMIN\" }} }}, with {setting}_ADMIN = {{}} for the URL of \
                     somebody who may make accounts there; run windlass deploy, and then `windlass secrets rotate {setting}`"
                )
            }
            Self::NotRotated(name) => write!(
                f,
                "the active release does not say how {name} is rotated: write `rotate` at it, run windlass \
                 deploy, and rotate it then"
            ),
            Self::SameValue(name) => write!(f, "{name} has this value already; a rotation needs another one"),
            Self::RevokedValue { name, at } => {
                write!(
                    f,
                    "the value of {name} was replaced by a rotation and may be revoked at its source, so nothing is \
                     started with it: take the one that came after it (from git, or from whoever rotated it), or "
                )?;
                match at {
                    None => write!(
                        f,
                        "make another one good by `windlass secrets rotate {name} --value-from-stdin`"
                    ),
                    Some(engine) => {
                        write!(
                            f,
                            "write that of another account, which {} knows, in its place",
                            engine.name()
                        )
                    }
                }
            }
            Self::Stopped => f.write_str(
                "everything is stopped: start it first, with `windlass restart`, and call again then",
            ),
            Self::NothingDeployed => f.write_str("nothing is deployed here yet: run windlass deploy first"),
        }
    }
}

impl std::error::Error for PlanError {}
