//! A probe that is a command.
//!
//! The command leads a process group of its own and carries a mark in its environment. When it has
//! ended, its group is killed. When it has taken too long, or nobody waits for it any more, so is
//! every process that carries the mark, because a descendant can leave the group.

use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use windlass_core::spec::Command as Described;

use super::tail::Tail;
use super::{Target, Unhealthy};
use crate::account::Account;
use crate::{processes, sys};

/// The environment variable that marks a probe's processes.
const MARK: &str = "WINDLASS_PROBE";

pub(super) async fn run(command: &Described, target: &Target, timeout: Duration) -> Result<(), Unhealthy> {
    let argv = argv(command, target)?;
    let named = argv.join(" ");
    let failed = |what: String| Unhealthy::new(format!("{}: {what}", named.escape_debug()));
    let (mut running, mut output) =
        start(&argv, target).map_err(|error| failed(format!("cannot be started: {error}")))?;
    let mut tail = Tail::default();
    let ended = async {
        let mut open = true;
        loop {
            tokio::select! {
                status = running.child.wait() => return status,
                more = read(&mut output, &mut tail), if open => open = more,
            }
        }
    };
    let ended = tokio::time::timeout(timeout, ended).await;
    // The group's number belongs to nobody else as long as any of it lives, and the kernel does
    // not hand out a number again until it has been through all others.
    running.kill(ended.is_err());
    if ended.is_err() {
        let _ = running.child.wait().await;
    }
    // What was written before the end is in the pipe; whatever kept it open is dead.
    let _ = tokio::time::timeout(Duration::from_millis(100), async {
        while read(&mut output, &mut tail).await {}
    })
    .await;
    let said = match tail.text() {
        text if text.is_empty() => text,
        text => format!("; it said:\n{text}"),
    };
    match ended {
        Err(_) => Err(failed(format!("did not end within {timeout:?} and was killed{said}"))),
        Ok(Err(error)) => Err(failed(format!("cannot be waited for: {error}"))),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("{}{said}", how(status)))),
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn argv(command: &Described, target: &Target) -> Result<Vec<String>, Unhealthy> {
    match command {
        Described::Shell(line) => Ok(vec!["/bin/sh".into(), "-c".into(), line.clone()]),
        Described::Argv(words) => {
            let fill =
                |word: &windlass_core::spec::Template| word.fill(|reference| (target.values)(reference));
            let argv: Vec<String> =
                words.iter().map(fill).collect::<Result<_, _>>().map_err(Unhealthy::new)?;
            if argv.is_empty() {
                Err(Unhealthy::new("the check's command is empty; name a program"))
            } else {
                Ok(argv)
            }
        }
    }
}

/// A command that runs; dropping it kills all of it.
struct Running {
    child: Child,
    group: Pid,
    mark: String,
    /// Whether all of it was killed already.
    killed: bool,
}

fn start(argv: &[String], target: &Target) -> std::io::Result<(Running, Receiver)> {
    let mark = uuid::Uuid::now_v7().to_string();
    let (reader, writer) = std::io::pipe()?;
    let mut command = std::process::Command::new(&argv[0]);
    command
        .args(&argv[1..])
        .current_dir(&target.directory)
        .env_clear()
        .envs(target.env.iter())
        .env(MARK, &mark)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    // With all its groups, as whom it asks about: one may be what lets it get at a socket.
    if let Some(user) = &target.user
        && let Some(account) = Account::to_become(user)?
    {
        let groups = account.group_ids();
        sys::before_exec(&mut command, move || account.assume(&groups));
    }
    let mut command = Command::from(command);
    let child = command.kill_on_drop(true).spawn()?;
    // Dropping the command closes our own ends of the pipe, so that its end is seen.
    drop(command);
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
        .ok_or_else(|| std::io::Error::other("it has no process id"))?;
    let output = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((Running { child, group, mark, killed: false }, output))
}

/// Reads once; whether there may be more.
async fn read(output: &mut Receiver, tail: &mut Tail) -> bool {
    use tokio::io::AsyncReadExt;
    let mut buffer = [0; 4096];
    match output.read(&mut buffer).await {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            tail.push(&buffer[..length]);
            true
        }
    }
}

impl Running {
    /// Kills the group, and those that left it where `all` says so: that is a walk over all
    /// processes of the machine, too much for every answer of every probe.
    fn kill(&mut self, all: bool) {
        if std::mem::replace(&mut self.killed, true) {
            return;
        }
        // An error means that there is nobody left to kill.
        let _ = kill_process_group(self.group, Signal::KILL);
        if all {
            kill_marked(&self.mark);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill(true);
    }
}

/// Kills every process whose environment holds the mark, until there is none: one that forks while
/// we look is found on the next round.
fn kill_marked(mark: &str) {
    for _ in 0..20 {
        let mut found = false;
        for pid in processes::all() {
            let environment = processes::environment(pid);
            if environment.is_ok_and(|environment| environment.get(MARK) == Some(mark.as_bytes())) {
                found |= Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok());
            }
        }
        if !found {
            return;
        }
    }
}
