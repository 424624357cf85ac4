//! What the environment says.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The directory that all processes share: `GUESTBOOK_DATA`, or `data` in the working directory.
pub fn data_directory() -> PathBuf {
    std::env::var_os("GUESTBOOK_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

/// The release that runs, such as `r12`: Windlass sets `WINDLASS_RELEASE`.
pub fn release() -> String {
    text("WINDLASS_RELEASE").unwrap_or_else(|| "dev".to_owned())
}

/// The port that web listens on: `PORT`, or 8000.
pub fn port() -> io::Result<u16> {
    number("PORT", 8000)
}

/// A length of time in milliseconds.
pub fn milliseconds(name: &str, default: u64) -> io::Result<Duration> {
    number(name, default).map(Duration::from_millis)
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> io::Result<T> {
    match text(name) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{name}={value:?} is not a number in range"))
        }),
    }
}

/// A variable's value; one that is empty counts as one that is not set.
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A way to misbehave, to see what a deploy makes of it: `GUESTBOOK_FAULT`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// None.
    None,
    /// Web listens, but its health is never good.
    NeverReady,
    /// Web exits with code 1 right after its start.
    Crash,
    /// Web is healthy, but answers every page with an error.
    Errors,
    /// SIGTERM is ignored.
    IgnoreTerm,
    /// The migration fails.
    Migrate,
}

/// Reads `GUESTBOOK_FAULT`.
pub fn fault() -> io::Result<Fault> {
    match text("GUESTBOOK_FAULT").as_deref() {
        None => Ok(Fault::None),
        Some("never-ready") => Ok(Fault::NeverReady),
        Some("crash") => Ok(Fault::Crash),
        Some("errors") => Ok(Fault::Errors),
        Some("ignore-term") => Ok(Fault::IgnoreTerm),
        Some("migrate") => Ok(Fault::Migrate),
        Some(other) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("GUESTBOOK_FAULT={other:?}: use never-ready, crash, errors, ignore-term or migrate"),
        )),
    }
}
