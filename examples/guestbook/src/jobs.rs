//! What runs once, or by the clock.

use std::io;

use crate::data::{Data, LAYOUT};
use crate::log;
use crate::settings::{self, Fault};

/// How many entries `cleanup` keeps.
const KEEP: usize = 1000;

/// Makes the shared directory's layout; nothing happens when it is there.
pub fn migrate() -> io::Result<()> {
    if settings::fault()? == Fault::Migrate {
        return Err(io::Error::other("GUESTBOOK_FAULT=migrate: the migration fails on purpose"));
    }
    let data = Data::unchecked();
    let before = data.layout()?;
    if before < LAYOUT {
        data.migrate()?;
    }
    log::event("migrated", &[("from", &before.to_string()), ("to", &LAYOUT.to_string())]);
    Ok(())
}

/// Writes the first entry.
pub fn greet() -> io::Result<()> {
    let id =
        Data::open()?.submit("Windlass", "Welcome! This entry was written by a job of the first deploy.")?;
    log::event("greeted", &[("entry", &id)]);
    Ok(())
}

/// Removes old entries.
pub fn cleanup() -> io::Result<()> {
    let removed = Data::open()?.clean_up(KEEP)?;
    log::event("cleaned", &[("removed", &removed.to_string())]);
    Ok(())
}
