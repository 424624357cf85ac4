//! Processes that do not end, end badly, or leave others behind.

use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process, setsid};
use tokio::signal::unix::{SignalKind, signal};

/// Long enough for any test, short enough not to stay for ever should a test fail to end it.
pub(super) const LONG: Duration = Duration::from_secs(120);

pub(super) fn exit(millis: u64, code: u64) -> ExitCode {
    std::thread::sleep(Duration::from_millis(millis));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

pub(super) fn die(number: u64) -> io::Result<()> {
    let number = i32::try_from(number).unwrap_or_default();
    let signal = Signal::from_named_raw(number).ok_or_else(|| io::Error::other("no such signal"))?;
    // Rust's own handler of SIGSEGV takes the first for a fault that will come again, and steps aside.
    kill_process(getpid(), signal)?;
    kill_process(getpid(), signal)?;
    std::thread::sleep(LONG);
    Ok(())
}

pub(super) fn stubborn(file: &str) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let _terminate = signal(SignalKind::terminate())?;
        let _interrupt = signal(SignalKind::interrupt())?;
        write_id(file)?;
        tokio::time::sleep(LONG).await;
        Ok(())
    })
}

pub(super) fn daemon(file: &str) -> io::Result<()> {
    itself(&["daemon-parent", file])?.wait()?;
    std::thread::sleep(LONG);
    Ok(())
}

pub(super) fn daemon_parent(file: &str) -> io::Result<()> {
    setsid()?;
    itself(&["daemon-itself", file]).map(drop)
}

pub(super) fn daemon_itself(file: &str) -> io::Result<()> {
    stubborn(file)
}

pub(super) fn forks(count: u64) -> io::Result<()> {
    if count > 1 {
        let half = (count - 1) / 2;
        for share in [half, count - 1 - half].into_iter().filter(|share| *share > 0) {
            itself(&["forks", &share.to_string()])?;
        }
    }
    std::thread::sleep(LONG);
    Ok(())
}

fn itself(args: &[&str]) -> io::Result<std::process::Child> {
    Command::new(std::env::current_exe()?).args(args).stdin(Stdio::null()).spawn()
}

/// Written under another name first: whoever sees the file sees the whole number.
fn write_id(file: &str) -> io::Result<()> {
    if file.is_empty() {
        return Ok(());
    }
    let fresh = format!("{file}.new");
    std::fs::write(&fresh, std::process::id().to_string())?;
    std::fs::rename(fresh, file)
}
