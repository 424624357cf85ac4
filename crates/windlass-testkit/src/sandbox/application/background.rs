//! The parts that answer nobody.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};

use super::{Behaviour, append, crash_after, release, shared};

/// `crash:MS` ends it badly, `forks` leaves daemons in sessions of their own, `floods:MIB` has it print as fast as it can;
/// then it writes its release to `flooded`.
pub(super) fn work(behaviour: &Behaviour) -> io::Result<()> {
    behaviour.time("crash").into_iter().for_each(crash_after);
    if behaviour.has("forks") {
        for daemon in ["exec sleep 100000", "setsid -f sleep 100000"] {
            Command::new("setsid").args(["-f", "sh", "-c", daemon]).status()?;
        }
    }
    if let Some(mib) = behaviour.number("floods") {
        let line = "no end of it\n".repeat(5042);
        (0..mib * 16).try_for_each(|_| io::stdout().write_all(line.as_bytes()))?;
        append("flooded", &release())?;
    }
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Writes `pid release milliseconds` to the file `ticks` a hundred times a second, and `overlap`
/// to it if another scheduler runs.
pub(super) fn schedule(behaviour: &Behaviour) -> io::Result<()> {
    behaviour.time("crash").into_iter().for_each(crash_after);
    let only = File::create(shared("scheduler.lock"))?;
    if flock(&only, FlockOperation::NonBlockingLockExclusive).is_err() {
        append("ticks", "overlap")?;
    }
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        append("ticks", &format!("{} {} {now}", std::process::id(), release()))?;
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `exit:CODE` fails it, `hang` has it never end, `wait` has it wait for the file `go`; `begun` is
/// written in any case.
pub(super) fn job(name: &str, behaviour: &Behaviour) -> ExitCode {
    let line = format!("{name} {}", release());
    let only = File::create(shared(&format!("{name}.lock"))).ok();
    let alone =
        only.as_ref().is_none_or(|only| flock(only, FlockOperation::NonBlockingLockExclusive).is_ok());
    let line = if alone { line } else { format!("{line} overlap") };
    if append(name, &line).is_err() {
        return ExitCode::FAILURE;
    }
    if behaviour.has("hang") {
        std::thread::sleep(Duration::from_secs(120));
    }
    while behaviour.has("wait") && !shared("go").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    behaviour.time("slow").into_iter().for_each(std::thread::sleep);
    let code = behaviour.number("exit").unwrap_or_default();
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
