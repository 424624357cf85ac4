//! The log of a part of Windlass itself: the proxy's, the host side's.
//!
//! Its keeper opens it before the start. Where the file system took no file then, the part runs without, and opens it
//! itself as soon as it can: nobody would start it anew for that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass_core::launch::Launch;

use crate::keeper::files::{self, LAUNCH};
use crate::keeper::log;
use crate::keeper::tree::MARK;

const PACE: Duration = Duration::from_secs(1);

/// Opens the log of this process where its keeper could not; ends when it is open.
pub(crate) async fn come_back() {
    let Some(path) = lost() else { return };
    while !reopen(&path) {
        tokio::time::sleep(PACE).await;
    }
}

/// The log that this process was to have, where it has none.
fn lost() -> Option<PathBuf> {
    if !log::is_lost() {
        return None;
    }
    let mark = std::env::var(MARK).ok()?;
    let (directory, _) = mark.rsplit_once('#')?;
    let launch: Launch = files::read(&Path::new(directory).join(LAUNCH))?;
    Some(launch.log.path.into())
}

fn reopen(path: &Path) -> bool {
    let Ok(file) = log::append(path) else { return false };
    let out = rustix::stdio::dup2_stdout(&file);
    out.and_then(|()| rustix::stdio::dup2_stderr(&file)).is_ok()
}
