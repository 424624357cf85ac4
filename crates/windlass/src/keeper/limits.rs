//! Limits: by control groups where this machine lets us, by resource limits where that is honest.

use rustix::process::{Resource, Rlimit, getrlimit};
use rustix::thread::{CapabilitySet, capabilities as capabilities_of_thread};
use windlass_core::spec::{Limits, Spec};

use super::cgroup::{Controller, Group, Place, Version};

/// What to do where a process was to be given more than the system lets one be given.
pub(crate) const TOO_MUCH: &str = "one of its variables or arguments is larger than 32 pages of memory (128 KiB on most machines), or all of them together larger than a quarter of the limit \
     of the stack (`ulimit -s`): give large settings as files (file = true in [settings])";

/// By what a limit is honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A control group: for the process and all its descendants together.
    ControlGroup {
        /// The version of the interface, 1 or 2.
        version: u8,
    },
    /// A resource limit that each process has for itself: `what` says what it covers.
    Each {
        /// Such as `RLIMIT_DATA`.
        limit: &'static str,
    },
    /// A resource limit that counts all processes of the account, also those of others.
    Account {
        /// Such as `RLIMIT_NPROC`.
        limit: &'static str,
    },
    /// Nothing.
    Nothing {
        /// The reason.
        why: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

/// What can be limited here, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Processor time.
    pub cpu: By,
    /// Memory.
    pub memory: By,
    /// Open files.
    pub files: By,
    /// The most open files that may be allowed; `None` where that has no end.
    pub files_max: Option<u64>,
    /// Processes and threads.
    pub processes: By,
}

/// Looks what can be limited on this machine by this account.
#[must_use]
pub fn capabilities() -> Capabilities {
    let group = |controller: Controller| {
        controller.place().map(|place| By::ControlGroup {
            version: match place.version {
                Version::V1 => 1,
                Version::V2 => 2,
            },
        })
    };
    let processes = if rustix::process::geteuid().is_root() {
        ungrouped("no control group can be made here, and the kernel does not count root's processes")
    } else {
        By::Account { limit: "RLIMIT_NPROC" }
    };
    Capabilities {
        cpu: group(Controller::Cpu).unwrap_or(ungrouped("no control group can be made here")),
        memory: group(Controller::Memory).unwrap_or(By::Each { limit: "RLIMIT_DATA" }),
        files: By::Each { limit: "RLIMIT_NOFILE" },
        files_max: files_max(),
        processes: group(Controller::Pids).unwrap_or(processes),
    }
}

/// Who may set limits as they like can go beyond its own, but not beyond the kernel's.
fn files_max() -> Option<u64> {
    let may = capabilities_of_thread(None);
    if may.is_ok_and(|may| may.effective.contains(CapabilitySet::SYS_RESOURCE)) {
        return std::fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok();
    }
    getrlimit(Resource::Nofile).maximum
}

/// A limit of the manifest, and by what this machine holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose it is, such as `services.web`.
    pub whose: String,
    /// What is limited, such as `cpu`.
    pub what: &'static str,
    /// By what.
    pub by: By,
}

/// All limits of the manifest that depend on what this machine can do.
#[must_use]
pub fn held(spec: &Spec, here: &Capabilities) -> Vec<Held> {
    let services = spec.services.iter().map(|(name, service)| (format!("services.{name}"), &service.limits));
    let jobs = spec.jobs.iter().map(|(name, job)| (format!("jobs.{name}"), &job.limits));
    let crons = spec.crons.iter().map(|(name, cron)| (format!("cron.{name}"), &cron.limits));
    let mut found = Vec::new();
    let too_many = By::Nothing {
        why: "it is more than this account may allow",
        remedy: "lower it, or raise the account's own limit (`ulimit -Hn`, or LimitNOFILE= of its unit)",
    };
    for (whose, limits) in services.chain(jobs).chain(crons) {
        let beyond = limits.files.zip(here.files_max).is_some_and(|(asked, most)| asked > most);
        let asked = [
            ("cpu", limits.cpu_millis.is_some(), &here.cpu),
            ("memory", limits.memory.is_some(), &here.memory),
            ("processes", limits.processes.is_some(), &here.processes),
            ("files", beyond, &too_many),
        ];
        let asked = asked.into_iter().filter(|(_, asked, _)| *asked);
        found.extend(asked.map(|(what, _, by)| Held { whose: whose.clone(), what, by: by.clone() }));
    }
    found
}

/// The limits of one launch, ready to be applied.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) group: Group,
    pub(super) resources: Vec<(Resource, Rlimit)>,
}

/// Prepares the limits. A limit that nothing can honour is refused, never ignored.
///
/// # Errors
/// Which limit, and what to do.
pub(super) fn prepare(name: &str, limits: &Limits) -> Result<Applied, String> {
    let wanted = Controller::ALL.into_iter().filter_map(|controller| {
        let amount = match controller {
            Controller::Cpu => limits.cpu_millis.map(u64::from),
            Controller::Memory => limits.memory.map(|bytes| bytes.0),
            Controller::Pids => limits.processes,
        };
        amount.map(|amount| (controller, amount))
    });
    let mut groups: Vec<(Controller, Place, u64)> = Vec::new();
    let mut resources = vec![(Resource::Core, no_core())];
    for (controller, amount) in wanted {
        match (controller.place(), controller) {
            (Some(place), _) => groups.push((controller, place, amount)),
            (None, Controller::Memory) => resources.push((Resource::Data, both(amount))),
            (None, Controller::Pids) if !rustix::process::geteuid().is_root() => {
                resources.push((Resource::Nproc, both(amount)));
            }
            (None, Controller::Pids) => return Err(refused("processes")),
            (None, Controller::Cpu) => return Err(refused("cpu")),
        }
    }
    if let Some(files) = limits.files {
        resources.push((Resource::Nofile, both(files)));
    }
    Ok(Applied { group: Group::create(name, &groups)?, resources })
}

/// No core dump. Where the kernel hands dumps to a program (`core_pattern` begins with `|`) it asks no limit, but
/// for 1, which it takes for a sign that none is wanted (fs/coredump.c); and no file fits into one byte.
pub(crate) fn no_core() -> Rlimit {
    // Who may allow nothing at all cannot allow one byte.
    let most = getrlimit(Resource::Core).maximum;
    both(most.map_or(1, |most| most.min(1)))
}

/// What to do about a limit that only a control group could hold.
const REMEDY: &str = "leave the limit out, or run under a systemd that delegates control groups";

const fn ungrouped(why: &'static str) -> By {
    By::Nothing { why, remedy: REMEDY }
}

fn refused(what: &str) -> String {
    format!("nothing on this machine can limit {what}: no control group can be made here; {REMEDY}")
}

const fn both(amount: u64) -> Rlimit {
    Rlimit { current: Some(amount), maximum: Some(amount) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_core_is_one_byte_where_that_is_allowed() {
        // 0 does not hold where `core_pattern` is a pipe; 1 does, and is less than any dump has.
        let limit = no_core();
        let may = getrlimit(Resource::Core).maximum != Some(0);
        assert_eq!((limit.current, limit.maximum), if may { (Some(1), Some(1)) } else { (Some(0), Some(0)) });
    }
}
