//! Running a program to its end, bounded in time.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use zeroize::Zeroizing;

use super::fault::Fault;

/// The most output that is kept, in bytes.
const KEPT: u64 = 64 << 10;

/// Kills a program's group when nobody waits for it any more.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Not reaped yet, so the number is still its own; when it has ended there is nobody to kill.
        if let Ok(None) = self.0.try_wait() {
            if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            let _ = self.0.wait();
        }
    }
}

/// Runs `command`, with `input` if there is any; what it printed.
pub(super) fn run(command: &mut Command, input: Option<&str>, timeout: Duration) -> Result<String, Fault> {
    let program = command.get_program().to_string_lossy().into_owned();
    let fault = |error: &dyn std::fmt::Display| {
        Fault::new(format!("cannot run {program}: {error}"), "see that it is installed and may be executed")
    };
    let (output, writer) = std::io::pipe().map_err(|error| fault(&error))?;
    command.process_group(0).stdout(writer.try_clone().map_err(|error| fault(&error))?).stderr(writer);
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut group = Group(command.spawn().map_err(|error| fault(&error))?);
    // Our ends of the pipe close with what the command holds of it.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let reader = std::thread::spawn(move || {
        // As much as is kept at all: a larger place would leave a copy in the old one.
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(KEPT).unwrap_or_default() + 1));
        let mut output = output;
        let _ = (&mut output).take(KEPT).read_to_end(&mut text);
        // The rest is read too, so that the program does not wait for ever for a reader.
        let _ = std::io::copy(&mut output, &mut std::io::sink());
        text
    });
    if let (Some(input), Some(mut stdin)) = (input, group.0.stdin.take()) {
        // The inputs are small enough for the pipe, so this cannot wait for long. An early end of
        // the program shows in its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = wait(&mut group.0, timeout).map_err(|error| fault(&error))?;
    drop(group);
    let text = reader.join().unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let status = status.ok_or_else(|| {
        Fault::new(
            format!("{program} did not end within {timeout:?} and was killed; it said: {text}"),
            "try again",
        )
    })?;
    if status.success() {
        Ok(text)
    } else {
        Err(Fault::new(format!("{program} failed ({status})"), format!("it said: {text}")))
    }
}

fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = pidfd_open(pid.ok_or_else(|| std::io::Error::other("no process id"))?, PidfdFlags::empty())?;
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let left = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
