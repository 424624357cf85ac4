//! Starting the process.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Gid, Pid, Resource, Rlimit, setrlimit, setsid};
use windlass_core::launch::Launch;

use super::limits::{Applied, TOO_MUCH};
use super::log;
use super::store::Handover;
use super::tree::MARK;
use crate::account::{Account, is_root};
use crate::executable;
use crate::processes;
use crate::programs;
use crate::reach;
use crate::sys;

/// A process that was started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) start_ticks: u64,
    /// Why it has no log, where it has none.
    pub(super) no_log: Option<String>,
}

/// What the new process does before it becomes the program, in this order; the last one it began is
/// the one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Session,
    ControlGroup,
    Resource,
    Account,
    Directory,
    Exec,
}

const STAGES: [Stage; 6] =
    [Stage::Session, Stage::ControlGroup, Stage::Resource, Stage::Account, Stage::Directory, Stage::Exec];

/// Starts the process in a session of its own.
///
/// # Errors
/// Why it could not be started, and what to do.
pub(super) fn start(
    launch: &Launch,
    applied: &Applied,
    handover: &Handover,
    mark: &str,
) -> Result<Started, String> {
    let account = launch.user.as_deref().map(account_of).transpose()?;
    if account.is_some() && !is_root() {
        // Already that account: nothing to change. Another one: only root may.
        let own = rustix::process::geteuid().as_raw();
        if account.as_ref().is_some_and(|account| account.uid != own) {
            return Err(format!(
                "only root can run it as {:?}: leave out `user`, or run Windlass as root",
                launch.user.as_deref().unwrap_or_default()
            ));
        }
    }
    let (log, no_log) = log::open(Path::new(&launch.log.path), launch.restart.when)?;
    let (program, arguments) =
        launch.argv.split_first().ok_or_else(|| "the command is empty: name a program".to_owned())?;
    // Some C libraries hand what the kernel refuses to a shell, which makes nonsense of a binary.
    if program.contains('/')
        && let Some(why) = executable::unfit(&Path::new(&launch.directory).join(program))
    {
        return Err(format!("{program} {why}: build it on this machine, or for it"));
    }
    let plain = |e: io::Error| format!("cannot prepare a process: {e}");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().map_err(plain)?).stderr(log);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("WINDLASS_KEEPER_")) {
            command.env_remove(name);
        }
    }
    command.env(MARK, mark).envs(handover.environment());

    let (said, says) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| plain(e.into()))?;
    let preparation = Preparation {
        says,
        doors: applied.group.doors().map_err(plain)?,
        resources: applied.resources.clone(),
        groups: account.as_ref().map(Account::group_ids).unwrap_or_default(),
        account,
        directory: launch.directory.clone(),
        oom_score_adj: launch.oom_score_adj,
        handover: handover.clone(),
    };
    sys::before_exec(&mut command, move || preparation.run());
    let spawned = command.spawn();
    // The command holds the pipe's other end; without it the pipe ends with what the child said.
    drop(command);
    match spawned {
        Ok(child) => {
            let raw = i32::try_from(child.id()).unwrap_or_default();
            let pid = Pid::from_raw(raw).ok_or_else(|| "the system gave no process id".to_owned())?;
            // A process that has ended by now is a zombie until we take notice: it can be read.
            let start_ticks = processes::stat(raw).map_or(0, |stat| stat.start_ticks);
            Ok(Started { pid, start_ticks, no_log })
        }
        Err(error) => {
            let mut stages = Vec::new();
            let _empty = File::from(said).read_to_end(&mut stages);
            let stage = stages.last().and_then(|number| STAGES.get(usize::from(*number)));
            Err(explain(launch, stage.copied(), &error))
        }
    }
}

/// The account that a launch names.
fn account_of(user: &str) -> Result<Account, String> {
    let found = Account::named(user).map_err(|e| format!("cannot read /etc/passwd: {e}"))?;
    found.ok_or_else(|| format!("there is no account {user:?} on this machine: create it, or correct `user`"))
}

struct Preparation {
    says: OwnedFd,
    doors: Vec<File>,
    resources: Vec<(Resource, Rlimit)>,
    account: Option<Account>,
    groups: Vec<Gid>,
    directory: String,
    oom_score_adj: i32,
    handover: Handover,
}

impl Preparation {
    fn run(&self) -> io::Result<()> {
        let stage = |stage: Stage| rustix::io::write(&self.says, &[stage as u8]).map(drop);
        stage(Stage::Session)?;
        sys::unblock_signals();
        setsid()?;
        let _may_not_lower_it = fs::write("/proc/self/oom_score_adj", self.oom_score_adj.to_string());
        self.handover.open()?;
        stage(Stage::ControlGroup)?;
        for mut door in &self.doors {
            door.write_all(b"0")?;
        }
        stage(Stage::Resource)?;
        for (resource, limit) in &self.resources {
            setrlimit(*resource, *limit)?;
        }
        stage(Stage::Account)?;
        if let Some(account) = self.account.as_ref().filter(|_| is_root()) {
            account.assume(&self.groups)?;
        }
        stage(Stage::Directory)?;
        std::env::set_current_dir(&self.directory)?;
        stage(Stage::Exec)?;
        Ok(())
    }
}

/// Whether something of that name can be seen where it is looked for, runnable or not.
fn is_found(program: &str) -> bool {
    program.contains('/') || programs::path().iter().any(|directory| directory.join(program).exists())
}

fn explain(launch: &Launch, stage: Option<Stage>, error: &io::Error) -> String {
    let program = launch.argv.first().map_or("", String::as_str);
    let user = launch.user.as_deref().unwrap_or("this account");
    match (stage, error.kind()) {
        // A directory of PATH that may not be searched is reported as if the program were in it.
        (Some(Stage::Exec), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
            if !is_found(program) =>
        {
            format!(
                "there is no program {program:?} in PATH ({}): install it, or correct the command",
                std::env::var("PATH").unwrap_or_else(|_| "not set".to_owned())
            )
        }
        (Some(Stage::Exec), io::ErrorKind::NotFound) => format!(
            "there is no program {program} (seen from {}), or the interpreter that it names is missing: install it, or correct the command",
            launch.directory
        ),
        (Some(Stage::Exec), io::ErrorKind::PermissionDenied) => {
            let account = launch.user.as_deref().and_then(|user| Account::named(user).ok().flatten());
            let closed = account
                .and_then(|account| reach::obstacle(&account, &Path::new(&launch.directory).join(program)));
            match closed {
                Some(closed) => format!(
                    "{user} may not run {program}: {} does not let it in; {}",
                    closed.display(),
                    reach::remedy(&closed)
                ),
                None => format!(
                    "{user} may not run {program}: make it executable (chmod +x) and its directories accessible"
                ),
            }
        }
        (Some(Stage::Exec), _) if error.raw_os_error() == Some(libc::ENOEXEC) => format!(
            "{program} is no program for this machine: a script must begin with #! and its interpreter, a binary be built for this processor"
        ),
        (Some(Stage::Exec), io::ErrorKind::ArgumentListTooLong) => {
            format!("cannot run {program}: {error}: {TOO_MUCH}")
        }
        (Some(Stage::Exec), _) => format!("cannot run {program}: {error}"),
        (Some(Stage::Directory), _) => {
            format!("cannot enter the working directory {}: {error}", launch.directory)
        }
        (Some(Stage::Account), _) => format!("cannot become {user}: {error}"),
        (Some(Stage::Resource), _) => format!(
            "cannot set a limit: {error}; the most open files allowed here are {}",
            rustix::process::getrlimit(Resource::Nofile)
                .maximum
                .map_or("not limited".to_owned(), |n| n.to_string())
        ),
        (Some(Stage::ControlGroup), _) => format!("cannot join the control group of the limits: {error}"),
        (Some(Stage::Session) | None, _) => format!("cannot start a process: {error}"),
    }
}
