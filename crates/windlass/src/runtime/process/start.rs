//! Starting processes.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use tokio::process::{ChildStdin, Command};
use windlass_core::launch::{End, Exit, Launch, ProcessState, Status};
use windlass_core::spec::RestartWhen;
use zeroize::Zeroize as _;

use super::ask::{PAUSE, TRIES, stop, watch};
use super::error::RuntimeError;
use super::observe::{Observation, observe};
use crate::keeper::Verdict;
use crate::keeper::files::{self, BOOT, Durability, LAUNCH, STATUS};
use crate::variables::Variables;
use crate::{failpoint, processes};

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says which program keepers are, for processes that are not Windlass themselves (tests). The first
/// call counts.
pub fn use_program(path: PathBuf) {
    let _first = PROGRAM.set(path);
}

/// This program; by its path where it has one still, so that process lists show a name.
fn program() -> PathBuf {
    let own = || std::env::current_exe().ok().filter(|path| path.exists());
    PROGRAM.get().cloned().or_else(own).unwrap_or_else(|| "/proc/self/exe".into())
}

/// What a process is given, which is wiped: there are secrets in it.
struct Environment(Vec<(OsString, OsString)>);

impl Drop for Environment {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|(_, value)| value.into_encoded_bytes().zeroize());
    }
}

/// Holds a tied process: it is stopped when this is dropped, or its owner dies.
#[derive(Debug)]
pub struct Tie(#[expect(dead_code, reason = "closing it is its use")] Option<ChildStdin>);

/// Starts a process and returns when it runs. Where the same launch is kept already, that is a
/// success; where its process has lost its keeper, it gets another.
///
/// The process gets exactly `env`, and `PATH` if that has none.
///
/// # Errors
/// [`RuntimeError::NotStarted`] with the exact reason, [`RuntimeError::Taken`] where another launch
/// runs, or what is wrong with the directory.
pub async fn start(dir: &Path, launch: &Launch, env: impl Into<Variables>) -> Result<(), RuntimeError> {
    if launch.tied {
        return Err(RuntimeError::Refused {
            reason: format!("{} is tied to whoever starts it, and nobody would hold it", launch.label),
        });
    }
    start_tied(dir, launch, env).await.map(drop)
}

/// As [`start`], for a part of Windlass itself. One that runs goes on although this program would start
/// it otherwise now, from another path: it is not for who comes later to end it. One that does not run
/// gives way, because its program may be gone.
///
/// # Errors
/// Those of [`start`].
pub async fn start_part(dir: &Path, launch: &Launch, env: impl Into<Variables>) -> Result<(), RuntimeError> {
    let other = |seen: &Observation| !seen.has_ended() && seen.launch != *launch;
    match observe(dir).filter(|seen| (seen.keeper_alive || seen.process_alive) && other(seen)) {
        Some(seen) if seen.process_alive && seen.keeper_alive => return Ok(()),
        Some(seen) if seen.process_alive => return readopt(dir).await,
        Some(_) => drop(stop(dir, &launch.stop.signal, launch.stop.grace).await?),
        None => {}
    }
    start(dir, launch, env).await
}

/// As [`start`]; a process whose launch says `tied` lives as long as what this returns.
///
/// # Errors
/// Those of [`start`].
pub async fn start_tied(dir: &Path, launch: &Launch, env: impl Into<Variables>) -> Result<Tie, RuntimeError> {
    let failed = |tried| move |source| RuntimeError::Io { tried, directory: dir.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("make"))?;
    let env = Environment(env.into().into_system());
    // Looked at anew after each wait: of two that wait for the same end, one finds the other's keeper.
    loop {
        let seen = observe(dir).filter(|seen| seen.keeper_alive || seen.process_alive);
        let Some(seen) = seen.filter(|seen| !seen.has_ended()) else {
            // Where a keeper is there still it has said its last word; the next one waits until it is gone.
            forget(dir).map_err(failed("clear"))?;
            break;
        };
        if seen.launch != *launch {
            return Err(RuntimeError::Taken { directory: dir.to_owned() });
        }
        if !seen.keeper_alive {
            break;
        }
        let is_being_stopped =
            matches!(seen.status, Some(Status { state: ProcessState::Stopping { .. }, .. }));
        match until_running(dir, launch).await? {
            Found::Stopped if is_being_stopped => {}
            Found::Stopped | Found::Running => return Ok(Tie(None)),
        }
    }
    write(dir, launch).map_err(failed("write launch.json in"))?;
    match spawn(dir, &launch.label, launch.tied, env).await {
        // Somebody else was quicker.
        Err(RuntimeError::Taken { .. })
            if observe(dir).is_some_and(|seen| seen.keeper_alive && seen.launch == *launch) =>
        {
            until_running(dir, launch).await.map(|_| Tie(None))
        }
        other => other,
    }
}

/// Writes what is to run. Of what runs once this is the record that it began, which others decide by: that a
/// migration ended half-way must be known after a power cut too.
fn write(dir: &Path, launch: &Launch) -> std::io::Result<()> {
    let durability = match launch.restart.when {
        RestartWhen::Never => Durability::Forever,
        RestartWhen::Always | RestartWhen::OnFailure => Durability::UntilReboot,
    };
    if durability == Durability::Forever {
        write_boot(dir)?;
    }
    files::replace(&dir.join(LAUNCH), launch, durability)?;
    match dir.parent().filter(|_| durability == Durability::Forever) {
        Some(above) => failpoint::around(|| std::fs::File::open(above)?.sync_all()),
        None => Ok(()),
    }
}

/// Notes in which boot of the machine it begins: the first that its keeper writes may be gone after a power cut. The
/// directory is written to the disk with the launch, so that the name is there then; what stands in the file may not be,
/// and nothing is another boot too. It is replaced in one step: a full disk leaves the one before.
fn write_boot(dir: &Path) -> std::io::Result<()> {
    let (path, fresh) = (dir.join(BOOT), dir.join(BOOT).with_extension("new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(processes::boot().as_bytes())?;
    std::fs::rename(fresh, path)
}

/// Makes the next keeper begin afresh. Where the last one was killed, the next first clears away what
/// the process may have left behind: it finds itself in the pause before a restart.
fn forget(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(STATUS);
    match files::read::<Status>(&path) {
        Some(Status { state: ProcessState::Ended(_), .. }) => std::fs::remove_file(path),
        Some(status) => lost(dir, &status, ProcessState::Backoff { until: 0 }),
        None => Ok(()),
    }
}

fn lost(dir: &Path, status: &Status, state: ProcessState) -> std::io::Result<()> {
    let status = Status {
        keeper: status.keeper,
        state,
        restarts: 0,
        last_exit: None,
        since: status.since,
        note: None,
        degraded: None,
        hangs: Vec::new(),
        boot: status.boot.clone(),
    };
    files::replace(&dir.join(STATUS), &status, Durability::UntilReboot)
}

/// Clears away what a process left behind that died after its keeper was killed. Whether there was
/// anything to clear.
pub(super) async fn bury(dir: &Path) -> Result<bool, RuntimeError> {
    let Some(seen) = observe(dir).filter(|seen| !seen.keeper_alive && !seen.process_alive) else {
        return Ok(false);
    };
    let Some(status) = seen.status.filter(|status| !matches!(status.state, ProcessState::Ended(_))) else {
        return Ok(false);
    };
    lost(dir, &status, ProcessState::Stopping { pid: 0, start_ticks: 0 })
        .map_err(|source| RuntimeError::Io { tried: "clear", directory: dir.to_owned(), source })?;
    spawn(dir, &seen.launch.label, false, Environment(vec![])).await.map(|_| true)
}

/// Has the end of what runs once recorded that ended after its keeper was killed, with what it left behind
/// cleared away. Whether there was anything to record.
pub(super) async fn record(dir: &Path) -> Result<bool, RuntimeError> {
    let Some(seen) = observe(dir).filter(|seen| !seen.keeper_alive && !seen.process_alive) else {
        return Ok(false);
    };
    match seen.status.map(|status| status.state) {
        // A keeper that comes to what runs no more, and is not to be started again, says that it ended unseen.
        Some(ProcessState::Running { .. }) if seen.launch.restart.when == RestartWhen::Never => {
            spawn(dir, &seen.launch.label, false, Environment(vec![])).await.map(|_| true)
        }
        _ => bury(dir).await,
    }
}

/// Gives a process whose keeper was killed another one, which takes over with the environment that
/// the process itself was given.
///
/// # Errors
/// [`RuntimeError::NoEnvironment`] when the process is gone too: [`start`] it.
pub async fn readopt(dir: &Path) -> Result<(), RuntimeError> {
    let seen = observe(dir).ok_or_else(|| RuntimeError::NoKeeper { directory: dir.to_owned() })?;
    if seen.keeper_alive {
        return Ok(());
    }
    let no_environment = || RuntimeError::NoEnvironment { directory: dir.to_owned() };
    let pid = match seen.status.filter(|_| seen.process_alive).map(|status| status.state) {
        Some(ProcessState::Running { pid, .. } | ProcessState::Stopping { pid, .. }) => pid,
        _ => return Err(no_environment()),
    };
    let environment = processes::environment(pid).map_err(|_| no_environment())?;
    let own = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let env = environment
        .variables()
        .filter(|(name, _)| ![&b"LISTEN_FDS"[..], b"LISTEN_FDNAMES"].contains(name))
        .map(|(name, value)| (own(name), own(value)))
        .collect();
    match spawn(dir, &seen.launch.label, false, Environment(env)).await {
        // Somebody else was quicker.
        Ok(_) | Err(RuntimeError::Taken { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn spawn(dir: &Path, label: &str, tied: bool, env: Environment) -> Result<Tie, RuntimeError> {
    let unusable = |reason: String| RuntimeError::Unusable { directory: dir.to_owned(), reason };
    let mut command = Command::new(program());
    command
        .arg("keeper")
        .arg(dir)
        .env_clear()
        .env("PATH", crate::programs::USUAL)
        .envs(env.0.iter().map(|(name, value)| (name, value)));
    drop(env);
    command.envs(failpoint::for_keepers());
    // `WINDLASS_PROCESS` names the process that this one is; the kept one gets its own.
    command.env_remove("WINDLASS_PROCESS");
    command
        .stdin(if tied { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|e| unusable(format!("cannot start {}: {e}", program().display())))?;
    let tie = Tie(child.stdin.take());
    let output = child.wait_with_output().await.map_err(|e| unusable(e.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.trim().trim_start_matches("windlass keeper: ").to_owned();
    match output.status.code() {
        Some(0) => Ok(tie),
        Some(code) if code == Verdict::NotStarted as i32 => {
            Err(RuntimeError::NotStarted { label: label.to_owned(), reason })
        }
        Some(code) if code == Verdict::Taken as i32 => Err(RuntimeError::Taken { directory: dir.to_owned() }),
        _ => Err(unusable(reason)),
    }
}

/// What became of what was found in the hands of a keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It runs, or ran to its end.
    Running,
    /// It was stopped. To who asked for it when that was under way it means that it is to be started again;
    /// to who waited for it before that, that it is wanted no more.
    Stopped,
}

/// Waits for a keeper that lives already to have its process running.
async fn until_running(dir: &Path, launch: &Launch) -> Result<Found, RuntimeError> {
    let mut tries = 0;
    let mut changes = loop {
        match watch(dir).await {
            Err(RuntimeError::NoKeeper { .. }) if tries < TRIES => tries += 1,
            other => break other?,
        }
        tokio::time::sleep(PAUSE).await;
    };
    while let Some(status) = changes.recv().await {
        match (status.state, status.last_exit) {
            (ProcessState::Running { .. }, _) => return Ok(Found::Running),
            (ProcessState::Ended(_), Some(Exit::NotStarted(reason))) => {
                return Err(RuntimeError::NotStarted { label: launch.label.clone(), reason });
            }
            (ProcessState::Ended(End::Stopped), _) => return Ok(Found::Stopped),
            (ProcessState::Ended(_), _) => return Ok(Found::Running),
            (ProcessState::Backoff { .. } | ProcessState::Stopping { .. }, _) => {}
        }
    }
    Err(RuntimeError::KeeperDied { directory: dir.to_owned() })
}
