//! The disk that the environment lies on.

use std::rc::Rc;
use std::time::Duration;

use rustix::fs::StatVfsMountFlags;
use windlass_core::protocol::Storage;

use crate::host::Host;

/// How often a file is written to see whether one can be: being asked how things are must not itself
/// wear the disk.
const PACE: Duration = Duration::from_secs(30);

impl Host {
    /// How much is free, and whether it can be written to as far as is known.
    pub(in crate::host) fn storage(&self, wanted: u64) -> Storage {
        let disk = rustix::fs::statvfs(self.layout.root());
        let free = disk.as_ref().map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let mounted_to_read = disk.is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY));
        Storage { free, wanted, ok: !mounted_to_read && self.writable.get() && free >= wanted }
    }

    /// Looks now and then whether a file can be written, as long as the host side lives: a disk may
    /// have room and refuse all the same.
    pub(in crate::host) async fn watch_storage(self: &Rc<Self>) {
        let probe = self.layout.state().join(".writable");
        loop {
            self.writable.set(std::fs::write(&probe, b"?").is_ok());
            let _not_there = std::fs::remove_file(&probe);
            tokio::time::sleep(PACE).await;
        }
    }
}
