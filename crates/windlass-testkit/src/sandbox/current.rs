//! What the link `current` names, looked at while things happen.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::Sandbox;

/// How often the link is looked at though nobody changed it.
const PACE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Looks at the link all the while: whenever the kernel says that it was changed, and in between.
pub struct CurrentWatch {
    enough: Arc<AtomicBool>,
    looks: Option<JoinHandle<Watched>>,
}

/// What a watch saw.
#[derive(Debug, Default)]
pub struct Watched {
    /// How often it looked while there was a link.
    pub looks: usize,
    /// What the link named, one after another.
    pub named: Vec<PathBuf>,
    /// What must not have been.
    pub wrong: Vec<String>,
}

impl CurrentWatch {
    /// Begins; the link may be there already, or come later.
    #[must_use]
    pub fn begin(sandbox: &Sandbox) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (root, is_enough) = (sandbox.environment(), enough.clone());
        let (begun, has_begun) = std::sync::mpsc::channel();
        let looks = std::thread::spawn(move || {
            let mut watched = Watched::default();
            let mut changes = None;
            loop {
                // Once more when it is enough, so that the end is looked at too.
                let is_last = is_enough.load(Ordering::Relaxed);
                match &changes {
                    None => changes = changes_in(&root).ok(),
                    Some(changes) => watched.hear(changes),
                }
                watched.look(&root);
                let _somebody_waits_for_the_first = begun.send(());
                if is_last {
                    return watched;
                }
                if changes.is_none() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        has_begun.recv().unwrap();
        Self { enough, looks: Some(looks) }
    }

    /// Ends, and answers what was seen.
    #[must_use]
    pub fn end(mut self) -> Watched {
        self.enough.store(true, Ordering::Relaxed);
        self.looks.take().unwrap().join().expect("the watch failed")
    }
}

impl Drop for CurrentWatch {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}

/// What the kernel tells of a directory: names that came, and names that went.
fn changes_in(directory: &Path) -> io::Result<OwnedFd> {
    let changes = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    let kinds = inotify::WatchFlags::DELETE | inotify::WatchFlags::MOVED_FROM | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&changes, directory, kinds | inotify::WatchFlags::CREATE)?;
    Ok(changes)
}

impl Watched {
    /// Waits for changes, for [`PACE`] at the longest. A link that is replaced is never away.
    fn hear(&mut self, changes: &OwnedFd) {
        let _whatever = poll(&mut [PollFd::new(changes, PollFlags::IN)], Some(&PACE));
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(changes, &mut buffer);
        while let Ok(event) = events.next() {
            let went = inotify::ReadFlags::DELETE | inotify::ReadFlags::MOVED_FROM;
            let is_link = event.file_name().is_some_and(|name| name.to_bytes() == b"current");
            if is_link && event.events().intersects(went) {
                self.wrong.push("`current` was taken away".to_owned());
            }
        }
    }

    fn look(&mut self, root: &Path) {
        let link = root.join("current");
        let Ok(named) = std::fs::read_link(&link) else {
            if self.looks > 0 {
                self.wrong.push("`current` is gone".to_owned());
            }
            return;
        };
        self.looks += 1;
        if self.named.last() != Some(&named) {
            self.named.push(named.clone());
        }
        // What it named may be gone by now if it names something else meanwhile.
        if !is_finished(&link) && std::fs::read_link(&link).ok() == Some(named.clone()) && !is_finished(&link)
        {
            self.wrong.push(format!("`current` names {}, which is not finished", named.display()));
        }
    }
}

/// Whether the link leads to a release that is whole.
fn is_finished(link: &Path) -> bool {
    link.join(".windlass-sealed").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(root: &Path, name: &str) {
        std::fs::create_dir_all(root.join("releases").join(name)).unwrap();
        std::fs::write(root.join("releases").join(name).join(".windlass-sealed"), "").unwrap();
    }

    fn point(root: &Path, name: &str) {
        let beside = root.join("beside");
        std::os::unix::fs::symlink(format!("releases/{name}"), &beside).unwrap();
        std::fs::rename(beside, root.join("current")).unwrap();
    }

    /// What a look sees after this was done to a link that names a finished release.
    fn seen(act: impl FnOnce(&Path)) -> Watched {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        ["r1", "r2"].iter().for_each(|name| release(root, name));
        let changes = changes_in(root).unwrap();
        point(root, "r1");
        let mut watched = Watched::default();
        watched.look(root);
        act(root);
        watched.hear(&changes);
        watched.look(root);
        watched
    }

    #[test]
    fn a_link_that_is_replaced_is_well() {
        let watched = seen(|root| point(root, "r2"));
        assert_eq!(watched.wrong, [""; 0]);
        assert_eq!(watched.named, ["releases/r1", "releases/r2"].map(PathBuf::from));
    }

    #[test]
    fn a_link_that_was_away_for_a_moment_is_noticed() {
        let watched = seen(|root| {
            std::fs::remove_file(root.join("current")).unwrap();
            point(root, "r2");
        });
        assert_eq!(watched.wrong, ["`current` was taken away"]);
    }

    #[test]
    fn a_link_to_what_is_not_finished_is_noticed() {
        let watched = seen(|root| std::fs::remove_file(root.join("releases/r1/.windlass-sealed")).unwrap());
        assert_eq!(watched.wrong, ["`current` names releases/r1, which is not finished"]);
    }
}
