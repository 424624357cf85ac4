//! Control groups: limits that hold for a process and all its descendants, where this machine lets
//! us set them. Version 2 (one tree) and version 1 (a tree for each controller).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// What a control group can limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    Cpu,
    Memory,
    Pids,
}

/// Which kind of tree a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// A directory beneath which a group that limits something can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) directory: PathBuf,
}

impl Controller {
    pub(super) const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Pids];

    const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }

    /// Where this process may make a group that has this controller.
    pub(super) fn place(self) -> Option<Place> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        self.place_v1(&mounts, &own).or_else(|| self.place_v2(&mounts, &own))
    }

    fn place_v1(self, mounts: &str, own: &str) -> Option<Place> {
        let mount = Mount::find(mounts, "cgroup", |options| options.split(',').any(|o| o == self.name()))?;
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            fields.next()?.split(',').any(|name| name == self.name()).then(|| fields.next())?
        })?;
        let directory = mount.resolve(path)?;
        writable(&directory).then_some(Place { version: Version::V1, directory })
    }

    /// The nearest ancestor that is ours to use and passes the controller on to its children. The
    /// group that this process is in itself may not (a group has either processes or children with
    /// controllers), the one above it, of a user's systemd for example, often does.
    fn place_v2(self, mounts: &str, own: &str) -> Option<Place> {
        let mount = Mount::find(mounts, "cgroup2", |_| true)?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let mut directory = mount.resolve(path)?;
        while directory.starts_with(&mount.point) {
            if writable(&directory) && self.is_passed_on(&directory) {
                return Some(Place { version: Version::V2, directory });
            }
            if !directory.pop() {
                break;
            }
        }
        None
    }

    fn is_passed_on(self, directory: &Path) -> bool {
        let has = |file: &str| {
            fs::read_to_string(directory.join(file))
                .is_ok_and(|text| text.split_ascii_whitespace().any(|name| name == self.name()))
        };
        has("cgroup.subtree_control")
            || (has("cgroup.controllers")
                && fs::write(directory.join("cgroup.subtree_control"), format!("+{}", self.name())).is_ok())
    }
}

fn writable(directory: &Path) -> bool {
    access(directory, Access::WRITE_OK).is_ok()
        && access(directory.join("cgroup.procs"), Access::WRITE_OK).is_ok()
}

struct Mount {
    /// Which directory of the tree is mounted.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    fn find(mounts: &str, kind: &str, wanted: impl Fn(&str) -> bool) -> Option<Self> {
        mounts.lines().find_map(|line| {
            let (place, rest) = line.split_once(" - ")?;
            let mut rest = rest.split(' ');
            let mut place = place.split(' ').skip(3);
            (rest.next()? == kind && wanted(rest.nth(1)?)).then_some(())?;
            Some(Self { root: place.next()?.into(), point: place.next()?.into() })
        })
    }

    fn resolve(&self, path: &str) -> Option<PathBuf> {
        let inside = Path::new(path).strip_prefix(&self.root).ok()?;
        let directory = self.point.join(inside);
        directory.is_dir().then_some(directory)
    }
}

/// A group of one launch, in one or several trees.
#[derive(Debug, Default)]
pub(super) struct Group {
    parts: Vec<Place>,
}

impl Group {
    /// Makes the group `name` (or takes the one that a former keeper left) and sets its limits.
    ///
    /// # Errors
    /// Which limit could not be set, and why.
    pub(super) fn create(name: &str, limits: &[(Controller, Place, u64)]) -> Result<Self, String> {
        let mut group = Self::default();
        for (controller, place, amount) in limits {
            let directory = place.directory.join(name);
            let made = match fs::create_dir(&directory) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
                _ => set(*controller, place.version, &directory, *amount),
            };
            made.map_err(|e| format!("cannot limit {} in {}: {e}", controller.name(), directory.display()))?;
            if !group.parts.iter().any(|part| part.directory == directory) {
                group.parts.push(Place { version: place.version, directory });
            }
        }
        Ok(group)
    }

    /// Open files: a process that writes `0` to each has joined the group.
    pub(super) fn doors(&self) -> io::Result<Vec<File>> {
        self.parts
            .iter()
            .map(|part| OpenOptions::new().write(true).open(part.directory.join("cgroup.procs")))
            .collect()
    }

    /// How often the kernel killed one of the group's processes because its memory was used up.
    pub(super) fn oom_kills(&self) -> u64 {
        let count = |part: &Place| {
            let file = match part.version {
                Version::V1 => "memory.oom_control",
                Version::V2 => "memory.events",
            };
            let text = fs::read_to_string(part.directory.join(file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
        };
        self.parts.iter().filter_map(count).sum()
    }

    /// The processes in it.
    pub(super) fn members(&self) -> Vec<i32> {
        let mut found: Vec<i32> = Vec::new();
        for part in &self.parts {
            let text = fs::read_to_string(part.directory.join("cgroup.procs")).unwrap_or_default();
            found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Removes it; the kernel refuses while a process is in it.
    pub(super) fn remove(&self) {
        for part in &self.parts {
            let _not_empty = fs::remove_dir(&part.directory);
        }
    }
}

fn set(controller: Controller, version: Version, directory: &Path, amount: u64) -> io::Result<()> {
    let write = |file: &str, text: String| fs::write(directory.join(file), text);
    match (controller, version) {
        (Controller::Pids, _) => write("pids.max", amount.to_string()),
        (Controller::Cpu, Version::V2) => write("cpu.max", format!("{} 100000", amount * 100)),
        (Controller::Cpu, Version::V1) => {
            write("cpu.cfs_period_us", "100000".to_owned())?;
            write("cpu.cfs_quota_us", (amount * 100).to_string())
        }
        (Controller::Memory, Version::V2) => {
            write("memory.max", amount.to_string())?;
            // Without swap a limit means what it says; kernels without swap have no such file.
            let _no_swap_here = write("memory.swap.max", "0".to_owned());
            Ok(())
        }
        (Controller::Memory, Version::V1) => {
            write("memory.limit_in_bytes", amount.to_string())?;
            let _no_swap_accounting = write("memory.memsw.limit_in_bytes", amount.to_string());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_shows_its_part_of_the_tree_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("app")).unwrap();
        let line = format!(
            "30 23 0:26 /docker/x {} rw,relatime shared:4 - cgroup2 cgroup2 rw",
            dir.path().display()
        );
        let mount = Mount::find(&line, "cgroup2", |_| true).unwrap();
        assert_eq!(mount.resolve("/docker/x/app"), Some(dir.path().join("app")));
        assert_eq!(mount.resolve("/docker/y"), None, "outside what is mounted");
        assert_eq!(mount.resolve("/docker/x/gone"), None);
        assert!(Mount::find(&line, "cgroup", |_| true).is_none());
    }
}
