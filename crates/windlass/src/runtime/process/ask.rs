//! Asking keepers.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use windlass_core::launch::{End, Exit, KeeperAsk, ProcessState, Status};
use windlass_core::units::Span;

use super::connection::Connection;
use super::error::RuntimeError;
use super::observe::{Keeper, Observation, observe};
use super::start::{bury, readopt, record};
use crate::keeper::files::{self, STATUS};

/// How many changes wait for a slow receiver.
const WAITING: usize = 64;

/// How often, and after which pause, a keeper is asked that holds its lock, but not yet its socket.
pub(super) const TRIES: u32 = 200;
/// See [`TRIES`].
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// How long a keeper may take to cut a pause short, or to say what it keeps. One that is itself stopped, or waits for its
/// disk, lets the pause pass.
const PROMPT: Duration = Duration::from_secs(1);

/// How long a keeper may take on a machine that has much to do.
const SLOW: Duration = Duration::from_secs(10);

/// The pause before something is tried again that failed for want of something.
const LONGER: Duration = Duration::from_secs(1);

/// How a process ended for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why it will not be started again.
    pub end: End,
    /// How it ended the last time; `None` when it was stopped before it ever ended.
    pub exit: Option<Exit>,
    /// How many times it was started again.
    pub restarts: u32,
}

/// The process that took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// Its process id.
    pub pid: i32,
}

/// Follows a process: its status now, then every change. The receiver ends when the keeper does;
/// unless the last status is [`ProcessState::Ended`], the keeper was killed ([`readopt`]).
///
/// # Errors
/// [`RuntimeError::NoKeeper`] where neither a keeper is nor an outcome of one.
pub async fn watch(dir: &Path) -> Result<mpsc::Receiver<Status>, RuntimeError> {
    let (changes, receiver) = mpsc::channel(WAITING);
    let dir = dir.to_owned();
    let connection = match Connection::open(&dir).await {
        Ok(mut connection) => connection.send(&KeeperAsk::Watch).await.is_ok().then_some(connection),
        Err(RuntimeError::NoKeeper { .. }) => None,
        Err(error) => return Err(error),
    };
    if connection.is_none() && last_word(&dir).is_none() {
        return Err(RuntimeError::NoKeeper { directory: dir });
    }
    tokio::spawn(async move {
        let mut told = None;
        if let Some(mut connection) = connection {
            loop {
                let next = tokio::select! {
                    next = connection.next() => next,
                    () = changes.closed() => return,
                };
                let Some(status) = next else { break };
                if changes.send(status.clone()).await.is_err() {
                    return;
                }
                told = Some(status);
            }
        }
        if let Some(last) = last_word(&dir).filter(|last| told.as_ref() != Some(last)) {
            let _nobody_listens = changes.send(last).await;
        }
    });
    Ok(receiver)
}

/// Waits until a process has ended for good.
///
/// # Errors
/// [`RuntimeError::KeeperDied`] when its keeper was killed: see [`outlast`].
pub async fn wait_ended(dir: &Path) -> Result<Ended, RuntimeError> {
    let mut changes = watch(dir).await?;
    while let Some(status) = changes.recv().await {
        if let Some(ended) = ended(&status) {
            return Ok(ended);
        }
    }
    Err(RuntimeError::KeeperDied { directory: dir.to_owned() })
}

/// Waits until what runs once has ended, whatever becomes of its keepers: the process goes on without them,
/// and whoever took their death for its end would have it run a second time beside itself.
///
/// # Errors
/// [`RuntimeError::NoKeeper`] where nothing was ever started there, or what is wrong with the directory.
pub async fn outlast(dir: &Path) -> Result<Ended, RuntimeError> {
    let mut recorded = false;
    loop {
        match wait_ended(dir).await {
            Err(RuntimeError::KeeperDied { .. } | RuntimeError::NoKeeper { .. }) => {}
            other => return other,
        }
        let Some(seen) = observe(dir) else {
            return Err(RuntimeError::NoKeeper { directory: dir.to_owned() });
        };
        if seen.has_lost_its_keeper() {
            // It is not over, whyever it gets no keeper now: a machine may have no room for a moment.
            if readopt(dir).await.is_err() {
                tokio::time::sleep(LONGER).await;
            }
        } else if seen.keeper_alive {
            tokio::time::sleep(PAUSE).await;
        } else if recorded || !record(dir).await.unwrap_or(false) {
            let unseen = Ended { end: End::Finished, exit: Some(Exit::Unknown), restarts: 0 };
            return Ok(observe(dir).and_then(|seen| seen.ended()).unwrap_or(unseen));
        } else {
            recorded = true;
        }
    }
}

/// Stops a process: the signal, the grace, then all that is left of it is killed. Returns when
/// nothing is left. What has ended already, or never began, is stopped.
///
/// # Errors
/// When the keeper cannot be asked, or refuses (an unknown signal).
pub async fn stop(dir: &Path, signal: &str, grace: Span) -> Result<Option<Ended>, RuntimeError> {
    // A keeper may be killed while it stops its process: another one then finishes the work.
    for _ in 0..TRIES {
        let ask = KeeperAsk::Stop { signal: signal.to_owned(), grace };
        match stop_once(dir, &ask, None).await {
            Err(RuntimeError::KeeperDied { .. } | RuntimeError::NoKeeper { .. }) => {}
            other => return other,
        }
        match observe(dir) {
            Some(seen) if seen.has_lost_its_keeper() => readopt(dir).await?,
            // Its keeper is just starting or ending.
            Some(seen) if seen.keeper_alive => tokio::time::sleep(PAUSE).await,
            _ if bury(dir).await? => {}
            _ => return Ok(last_word(dir).as_ref().and_then(ended)),
        }
    }
    Err(RuntimeError::KeeperDied { directory: dir.to_owned() })
}

/// Stops what this keeper keeps, unless it has gone by then: what a later one keeps is another's.
///
/// # Errors
/// Those of [`stop`].
pub async fn stop_by(keeper: &Keeper, dir: &Path, signal: &str, grace: Span) -> Result<(), RuntimeError> {
    let ask = KeeperAsk::Stop { signal: signal.to_owned(), grace };
    for _ in 0..TRIES {
        if !keeper.lives() {
            return Ok(());
        }
        match stop_once(dir, &ask, Some(keeper)).await {
            Err(RuntimeError::KeeperDied { .. } | RuntimeError::NoKeeper { .. }) => {}
            other => return other.map(drop),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(RuntimeError::KeeperDied { directory: dir.to_owned() })
}

async fn stop_once(
    dir: &Path,
    ask: &KeeperAsk,
    only: Option<&Keeper>,
) -> Result<Option<Ended>, RuntimeError> {
    let mut connection = Connection::open(dir).await?;
    let died = || RuntimeError::KeeperDied { directory: dir.to_owned() };
    connection.send(&KeeperAsk::Watch).await.map_err(|_| died())?;
    let status = connection.next().await;
    if let Some(only) = only
        && status.ok_or_else(died)?.keeper != only.pid
    {
        return Ok(None);
    }
    connection.send(ask).await.map_err(|_| died())?;
    while let Some(status) = connection.next().await {
        if let Some(ended) = ended(&status) {
            return Ok(Some(ended));
        }
        if let (ProcessState::Running { .. } | ProcessState::Backoff { .. }, Some(reason)) =
            (&status.state, status.note)
        {
            return Err(RuntimeError::Refused { reason });
        }
    }
    last_word(dir).as_ref().and_then(ended).map(Some).ok_or_else(died)
}

/// Sends a signal to the process, such as the one that tells a worker to take no more work.
///
/// # Errors
/// When nothing runs there, or the signal is unknown.
pub async fn signal(dir: &Path, signal: &str) -> Result<(), RuntimeError> {
    tell(dir, &KeeperAsk::Signal { signal: signal.to_owned() }).await
}

/// How much of a reason a keeper is told, in characters: a command to it is one short line.
const LONGEST_REASON: usize = 500;

/// Ends a process that is not alive any more, for its keeper to start it again by its restart policy: after
/// the back-off, or not at all once it is a crash loop. Returns when the keeper has been told.
///
/// # Errors
/// When the keeper cannot be asked, or is one of an older Windlass that does not know how.
pub async fn restart(dir: &Path, reason: &str) -> Result<(), RuntimeError> {
    tell(dir, &KeeperAsk::Restart { reason: reason.chars().take(LONGEST_REASON).collect() }).await
}

/// Has a keeper start now what waits for its back-off; returns when the keeper has been told. One of an older Windlass
/// does not know how, and what it keeps starts when it would have.
///
/// # Errors
/// When the keeper cannot be asked, does not answer in time, or is of an older Windlass.
pub async fn start_now(dir: &Path) -> Result<(), RuntimeError> {
    within(PROMPT, dir, tell(dir, &KeeperAsk::StartNow)).await
}

/// What a keeper answers, if it does in time.
async fn within<T>(
    limit: Duration,
    dir: &Path,
    asked: impl Future<Output = Result<T, RuntimeError>>,
) -> Result<T, RuntimeError> {
    let silent = || RuntimeError::Io {
        tried: "be answered by the keeper of",
        directory: dir.to_owned(),
        source: io::ErrorKind::TimedOut.into(),
    };
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err(silent()))
}

/// Tells a keeper something whose end need not be waited for.
async fn tell(dir: &Path, ask: &KeeperAsk) -> Result<(), RuntimeError> {
    let mut connection = Connection::open(dir).await?;
    let died = || RuntimeError::KeeperDied { directory: dir.to_owned() };
    let before = files::read::<Status>(&dir.join(STATUS)).and_then(|status| status.note);
    connection.send(ask).await.map_err(|_| died())?;
    match connection.next().await.ok_or_else(died)?.note {
        Some(reason) if before.as_ref() != Some(&reason) => Err(RuntimeError::Refused { reason }),
        _ => Ok(()),
    }
}

/// Starts a second process with the stored sockets and, when it is ready, stops the first.
///
/// # Errors
/// [`RuntimeError::Refused`] when it was not ready in time or died; the first then goes on. Also while another
/// replacement is under way, or too many predecessors still end: [`RuntimeError::is_being_replaced`].
pub async fn replace(dir: &Path) -> Result<Replaced, RuntimeError> {
    replace_as(dir, &KeeperAsk::Replace).await
}

/// As [`replace`], by another program with other arguments; its keeper starts it again as that.
///
/// # Errors
/// Those of [`replace`]; a keeper of an older Windlass does not know how: [`RuntimeError::is_not_understood`].
pub async fn replace_by(dir: &Path, argv: &[String]) -> Result<Replaced, RuntimeError> {
    replace_as(dir, &KeeperAsk::ReplaceBy { argv: argv.to_vec() }).await
}

async fn replace_as(dir: &Path, ask: &KeeperAsk) -> Result<Replaced, RuntimeError> {
    // So long its keeper gives the new process, and then it says how that went.
    let grace = observe(dir).map_or(Duration::ZERO, |seen| seen.launch.stop.grace.as_duration());
    within(grace + SLOW, dir, replaced(dir, ask)).await
}

async fn replaced(dir: &Path, ask: &KeeperAsk) -> Result<Replaced, RuntimeError> {
    let mut connection = Connection::open(dir).await?;
    let died = || RuntimeError::KeeperDied { directory: dir.to_owned() };
    connection.send(&KeeperAsk::Watch).await.map_err(|_| died())?;
    let first = connection.next().await.ok_or_else(died)?.state;
    connection.send(ask).await.map_err(|_| died())?;
    while let Some(status) = connection.next().await {
        match status {
            // First: a keeper of an earlier Windlass that cannot write this down says so in its note.
            Status { state: ProcessState::Running { pid, .. }, .. } if status.state != first => {
                return Ok(Replaced { pid });
            }
            Status { note: Some(reason), .. } => return Err(RuntimeError::Refused { reason }),
            _ => {}
        }
    }
    Err(died())
}

/// Looks at a keeper's directory as [`observe`] does, and asks the keeper where it has written down what is not so any
/// more: it could not write since, or is just about to. What stands there is told where it does not answer in time.
pub async fn look(dir: &Path) -> Option<Observation> {
    let seen = observe(dir)?;
    let can_be_so = match seen.status.as_ref().map(|status| &status.state) {
        Some(ProcessState::Running { .. } | ProcessState::Stopping { .. }) => seen.process_alive,
        Some(ProcessState::Backoff { until }) => *until > jiff::Timestamp::now().as_millisecond(),
        Some(ProcessState::Ended(_)) => true,
        None => false,
    };
    if can_be_so || !seen.keeper_alive {
        return Some(seen);
    }
    let ask = async {
        let mut connection = Connection::open(dir).await.ok()?;
        connection.send(&KeeperAsk::Watch).await.ok()?;
        connection.next().await
    };
    let Some(status) = tokio::time::timeout(PROMPT, ask).await.ok().flatten() else { return Some(seen) };
    let process_alive = matches!(status.state, ProcessState::Running { .. } | ProcessState::Stopping { .. });
    Some(Observation { status: Some(status), process_alive, ..seen })
}

fn last_word(dir: &Path) -> Option<Status> {
    files::read(&dir.join(STATUS))
}

pub(super) fn ended(status: &Status) -> Option<Ended> {
    match status.state {
        ProcessState::Ended(end) => {
            Some(Ended { end, exit: status.last_exit.clone(), restarts: status.restarts })
        }
        _ => None,
    }
}
