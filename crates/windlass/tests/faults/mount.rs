//! File systems of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

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
        run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()])?;
        let mount = Self { directory, image: Some(image) };
        mount.attach()?;
        Ok(mount)
    }

    fn attach(&self) -> Result<(), String> {
        let image = self.image.as_ref().unwrap();
        run("mount", &["-o", "loop", image.to_str().unwrap(), self.path().to_str().unwrap()])
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Nothing more reaches the disk, as when the power goes.
    pub(super) fn cut_power(&self) {
        run("xfs_io", &["-x", "-c", "shutdown", self.path().to_str().unwrap()]).unwrap();
    }

    /// What was on the disk is there again. Nobody may use the file system.
    pub(super) fn power_on(&self) {
        run("umount", &[self.path().to_str().unwrap()]).unwrap();
        self.attach().unwrap();
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
