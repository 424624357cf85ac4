//! Whether something that was handed out is still in the hands of what runs.

use std::fs;
use std::time::{Duration, Instant};

use windlass_core::journal::Fault;

/// How long what runs once, and was given what is to be revoked, may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const PACE: Duration = Duration::from_millis(200);

/// Waits until nobody has `what` any more: a cron job or a command that began before may still work
/// with it. `users` are those that were given it and run.
pub(super) async fn until_unused(what: &str, users: impl Fn() -> Vec<String>) -> Result<String, Fault> {
    let began = Instant::now();
    loop {
        let Some(first) = users().into_iter().next() else {
            let waited = began.elapsed() >= PACE;
            return Ok(if waited { "waited for what still used it".to_owned() } else { String::new() });
        };
        if began.elapsed() > PATIENCE {
            return Err(Fault::new(
                format!("{what} is not revoked: {first} was given it, and runs"),
                "when it has ended, run `windlass deploy`: that revokes it",
            ));
        }
        tokio::time::sleep(PACE).await;
    }
}

/// The environments of processes, by their numbers. Those of other accounts cannot be read; nothing that
/// Windlass starts is among them unless it runs as root itself.
pub(super) fn environments() -> impl Iterator<Item = (String, Vec<u8>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let number = entry.file_name().into_string().ok()?;
        number.parse::<u32>().ok()?;
        Some((number, fs::read(entry.path().join("environ")).ok()?))
    })
}
