//! The testkit's own programs, which lie beside the one that is tested.
//!
//! Whoever tests the whole workspace has had them built with it. Cargo builds no other package's programs for one test
//! binary alone: what is missing then, or older than its sources, is built here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "only tests use this: what goes wrong here is the test's failure"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// How long a build may take. A cargo that another one keeps waiting says nothing, and waits for ever.
const PATIENCE: Duration = Duration::from_secs(240);

/// The path of a program of the testkit, `fixture` or `hostile`, that is as new as its sources.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn program(name: &'static str) -> PathBuf {
    static FOUND: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let found = &mut *FOUND.lock().unwrap();
    found.entry(name).or_insert_with(|| find(name)).clone()
}

fn find(name: &str) -> PathBuf {
    // The test itself lies in `deps`.
    let test = std::env::current_exe().unwrap();
    let place = test.parent().and_then(Path::parent).unwrap();
    let program = place.join(name);
    let built = program.metadata().and_then(|facts| facts.modified());
    if built.is_ok_and(|built| built >= newest_source(name)) {
        return program;
    }
    let profile = place.file_name().and_then(|name| name.to_str()).filter(|name| *name != "debug");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME"), "--bin", name]);
    cargo.args(["--profile", profile.unwrap_or("dev"), "--target-dir"]).arg(place.parent().unwrap());
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    let (mut child, began) = (cargo.spawn().unwrap(), Instant::now());
    loop {
        match child.try_wait().unwrap() {
            Some(status) if status.success() => return program,
            Some(status) => panic!("cargo cannot build {name}: {status}; what it said is above"),
            None if began.elapsed() > PATIENCE => {
                let _gone = child.kill();
                let _gone = child.wait();
                panic!(
                    "{name} is not built after {PATIENCE:?}: does another cargo build in {}? Wait for its end, or build \
                     the workspace's tests first",
                    place.display()
                );
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// When the last of the sources was changed that this program is made of.
fn newest_source(name: &str) -> SystemTime {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![own.join("Cargo.toml")];
    add_sources(&own.join("../windlass-core/src"), &mut files);
    add_sources(&own.join("src"), &mut files);
    // The other programs' own files are none of it: for them cargo would build nothing, however often it was asked.
    let (programs, program) = (own.join("src/bin"), own.join("src/bin").join(name).with_extension("rs"));
    files.retain(|file| !file.starts_with(&programs) || *file == program);
    // Where the sources are gone, what was built of them is as new as it gets.
    let changed = files.iter().filter_map(|file| file.metadata().ok()?.modified().ok());
    changed.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// All files of Rust below a directory; what an editor leaves beside them is no source.
fn add_sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            add_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
