//! File systems of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use windlass_testkit::sandbox::until;

/// A mounted file system, unmounted when dropped.
pub(super) struct Mount {
    directory: TempDir,
    image: Option<PathBuf>,
}

impl Mount {
    /// A file system in memory, with these options. The error says why there can be none.
    pub(super) fn memory(options: &str) -> Result<Self, String> {
        root()?;
        let directory = tempfile::Builder::new().prefix("wlm-").tempdir().unwrap();
        let at = directory.path().to_str().unwrap().to_owned();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", &at])?;
        Ok(Self { directory, image: None })
    }

    /// An ext4 file system in a file.
    pub(super) fn ext4(mebibytes: u64) -> Result<Self, String> {
        root()?;
        run("xfs_io", &["-V"])?;
        let directory = tempfile::Builder::new().prefix("wlm-").tempdir().unwrap();
        let image = directory.path().with_extension("image");
        std::fs::File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        // Nothing is written behind the tests' back.
        let at_once = "lazy_itable_init=0,lazy_journal_init=0";
        run("mkfs.ext4", &["-q", "-F", "-E", at_once, image.to_str().unwrap()])?;
        let mount = Self { directory, image: Some(image) };
        mount.attach()?;
        Ok(mount)
    }

    fn attach(&self) -> Result<(), String> {
        let image = self.image.as_ref().unwrap();
        run(
            "mount",
            &[
                "-o",
                "loop,errors=remount-ro,commit=600",
                image.to_str().unwrap(),
                self.path().to_str().unwrap(),
            ],
        )
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// All that was written so far is on the disk.
    pub(super) fn settle(&self) {
        rustix::fs::syncfs(std::fs::File::open(self.path()).unwrap()).unwrap();
    }

    /// Nothing more reaches the disk, as when the power goes.
    pub(super) fn cut_power(&self) {
        run("xfs_io", &["-x", "-c", "shutdown", self.path().to_str().unwrap()]).unwrap();
    }

    /// What is on the disk: all of it, whether it belongs to a file or not.
    pub(super) fn content(&self) -> Vec<u8> {
        std::fs::read(self.image.as_ref().unwrap()).unwrap()
    }

    /// Copies the disk as it is.
    pub(super) fn copy(&self, to: &Path) {
        run("cp", &["--sparse=always", self.image.as_ref().unwrap().to_str().unwrap(), to.to_str().unwrap()])
            .unwrap();
    }

    /// Puts a copy in its place, as it is when the machine is switched on. Nobody may use the file system.
    pub(super) fn put_in(&self, copy: &Path) {
        self.detach();
        std::fs::rename(copy, self.image.as_ref().unwrap()).unwrap();
        self.attach().unwrap();
    }

    /// The kernel finds an error on the disk, and makes the file system read-only, as for a disk that
    /// fails. The error says why that cannot be tried.
    pub(super) fn fail(&self) -> Result<(), String> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").map_err(|error| error.to_string())?;
        let here = self.path().to_str().unwrap();
        let device = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let device = words.next()?.strip_prefix("/dev/")?;
            (words.next()? == here).then(|| device.to_owned())
        });
        let device = device.ok_or("its device is not known")?;
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        std::fs::write(&trigger, "1").map_err(|error| format!("{trigger}: {error}"))
    }

    /// The disk is checked and there again. Nobody may use the file system.
    pub(super) fn repair(&self) {
        self.detach();
        // It ends with 1 when it has corrected something.
        let _corrected = run("e2fsck", &["-p", self.image.as_ref().unwrap().to_str().unwrap()]);
        self.attach().unwrap();
    }

    /// What was on the disk is there again. Nobody may use the file system.
    pub(super) fn power_on(&self) {
        self.detach();
        self.attach().unwrap();
    }

    /// What was killed lets go of its files a moment later.
    fn detach(&self) {
        until("the file system to be free", || run("umount", &[self.path().to_str().unwrap()]).ok());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _gone = run("umount", &["-l", self.path().to_str().unwrap()]);
        if let Some(image) = &self.image {
            let _gone = std::fs::remove_file(image);
        }
    }
}

fn root() -> Result<(), String> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err("mounting needs root".to_owned()) }
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
