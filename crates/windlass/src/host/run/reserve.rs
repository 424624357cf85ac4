//! A little disk that is kept back, so that a run can go back, and a rollback can be begun, when the disk is full.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::layout::Layout;

/// How much, in bytes: many times what the records of a rollback take.
const SIZE: u64 = 4 << 20;

fn path(layout: &Layout) -> PathBuf {
    layout.state().join("reserve")
}

/// Keeps it back, if there is room now.
///
/// # Errors
/// When there is none.
pub(in crate::host) fn keep(layout: &Layout) -> io::Result<()> {
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path(layout))?;
    if file.metadata()?.len() < SIZE {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, SIZE)?;
    }
    Ok(())
}

/// Gives it up; answers whether there was any.
pub(in crate::host) fn give_up(layout: &Layout) -> bool {
    std::fs::remove_file(path(layout)).is_ok()
}

/// Gives it up where there is less left than that: for who is asked to go back.
pub(in crate::host) fn give_up_if_full(layout: &Layout) {
    let free = rustix::fs::statvfs(layout.root()).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    if free.is_ok_and(|free| free < SIZE) {
        give_up(layout);
    }
}
