//! Becoming a keeper: alone in the directory, and nobody's child.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::pipe::{PipeFlags, pipe_with};
use windlass_core::launch::Launch;

use super::files::{LAUNCH, LOCK};
use super::{run, store};
use crate::{checksummed, sys};

/// How long a lock is tried for: observers take it (shared) for an instant to see whether it is held.
const PATIENCE: Duration = Duration::from_millis(250);

/// What `windlass keeper` ends with. The process that was called ends as soon as the kept one runs,
/// with 0, or could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The process runs, or ran.
    Running = 0,
    /// It could not be started; why stands in `status.json` too.
    NotStarted = 1,
    /// The directory or its launch cannot be used.
    Unusable = 2,
    /// Another keeper lives there.
    Taken = 6,
}

/// Tells the starter how it went, once.
pub(super) struct Starter(Option<OwnedFd>);

impl Starter {
    /// The first call counts.
    pub(super) fn tell(&mut self, verdict: Verdict, text: &str) {
        if let Some(pipe) = self.0.take() {
            let mut line = vec![verdict as u8];
            line.extend_from_slice(text.as_bytes());
            let _starter_is_gone = File::from(pipe).write_all(&line);
        }
    }
}

/// Runs a keeper for the directory.
pub(super) fn enter(directory: &Path) -> ExitCode {
    sys::close_inherited();
    let (launch, directory) = match prepare(directory) {
        Ok(prepared) => prepared,
        Err((verdict, text)) => return complain(verdict, &text),
    };
    let slots = if launch.sockets { store::reserve() } else { Ok(Vec::new()) };
    let ready =
        slots.and_then(|slots| Ok((slots, take_lock()?, pipe_with(PipeFlags::CLOEXEC)?, sys::fork()?)));
    let (slots, lock, (answer, starter), child) = match ready {
        Ok(ready) => ready,
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            let text = format!("a keeper lives in {} already: stop it first", directory.display());
            return complain(Verdict::Taken, &text);
        }
        Err(e) => return complain(Verdict::Unusable, &format!("cannot keep {}: {e}", directory.display())),
    };
    if child.is_some() {
        drop((starter, lock));
        return wait_for(answer);
    }
    drop(answer);
    let mut starter = Starter(Some(starter));
    match leave(&launch).and_then(|()| run::Keeper::new(launch, directory, lock, slots)) {
        Ok(keeper) => keeper.run(starter),
        Err(e) => starter.tell(Verdict::Unusable, &format!("cannot keep: {e}")),
    }
    ExitCode::SUCCESS
}

fn prepare(directory: &Path) -> Result<(Launch, PathBuf), (Verdict, String)> {
    let unusable = |what: &str, e: &dyn std::fmt::Display| {
        (Verdict::Unusable, format!("cannot {what} {}: {e}", directory.display()))
    };
    let directory = directory.canonicalize().map_err(|e| unusable("find", &e))?;
    std::env::set_current_dir(&directory).map_err(|e| unusable("enter", &e))?;
    let text = std::fs::read(LAUNCH).map_err(|e| unusable("read launch.json in", &e))?;
    let launch: Launch =
        checksummed::value(&text).map_err(|why| unusable("understand launch.json in", &why))?;
    if launch.version != Launch::VERSION {
        let wrong = format!("its version is {}, this keeper's {}", launch.version, Launch::VERSION);
        return Err(unusable("understand launch.json in", &wrong));
    }
    Ok((launch, directory))
}

fn take_lock() -> io::Result<File> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(LOCK)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Leaves the starter's session and everything of it.
fn leave(launch: &Launch) -> io::Result<()> {
    rustix::process::setsid()?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    if !launch.tied {
        rustix::stdio::dup2_stdin(&null)?;
    }
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    if !launch.keeps_others {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    // Only root may; a keeper that dies is replaced, and its process lives on meanwhile.
    let _may_not = std::fs::write("/proc/self/oom_score_adj", "-900");
    Ok(())
}

fn wait_for(answer: OwnedFd) -> ExitCode {
    let mut line = Vec::new();
    let _cut_short = File::from(answer).read_to_end(&mut line);
    match line.split_first() {
        Some((0, _)) => ExitCode::SUCCESS,
        Some((code, text)) => {
            say(&String::from_utf8_lossy(text));
            ExitCode::from(*code)
        }
        None => complain(Verdict::Unusable, "the keeper died while it started the process"),
    }
}

fn complain(verdict: Verdict, text: &str) -> ExitCode {
    say(text);
    ExitCode::from(verdict as u8)
}

fn say(text: &str) {
    let _closed = writeln!(io::stderr(), "windlass keeper: {text}");
}
